# bench/display/spicy.py - an unmodified spicy that goes with the guest, timed on the wire.
# SPDX-License-Identifier: GPL-2.0-or-later
import struct
import time

import stock_client as stock
from harness import Failed
from spice_client import DISPLAY, MAIN
from spice_mover import CARRIED, FLUSH_MARK, MIGRATE, SWITCH_HOST
from tap import Tap
from watcher import PICTURES

NEED_FLUSH, NEED_DATA = 1, 2
SETTLE = 0.7                            # seconds: it has drawn what it has heard


class Spicy:
    """On an X server of its own."""
    def __init__(self, folder, number, port):
        self.taps = [Tap(port)]         # of the source; and of the destination, when it is known
        self.folder = folder / f'client{number}'
        self.folder.mkdir()
        self.bench = stock.Bench(self.folder, None, (*stock.SPICY, f'spice://127.0.0.1:{port}'))
        self.log('display-2:0')
        time.sleep(SETTLE)

    def log(self, *words):
        stock.wait_for(lambda: any(word in self.bench.log() for word in words), 60, f'{words[0]} in its log')

    def goes_to(self, port):
        self.taps.append(Tap(port))

    def wait_asked(self):
        self.log('migrate connect reply')

    def outcome(self):
        """As a watcher's."""
        try:
            self.log('migration: all channel migrated, success', 'migrate-switch-host')
        except Failed as why:
            return {'way': 'lost', 'why': str(why)}
        time.sleep(SETTLE)
        self.end()
        return timing(*[tap.connections() for tap in self.taps])

    def end(self):
        for tap in self.taps:
            if not tap.ends:
                tap.stop()
        self.bench.__exit__()


def first(messages, *kinds, since=0.0):
    return next((when for when, kind, _ in messages if when >= since and (not kinds or kind in kinds)), None)


def changed(told, flags, source, target):
    """When the channel is of the destination: what the client does first then can be seen."""
    if flags & NEED_DATA:
        return first(target.from_client(), CARRIED)
    if flags & NEED_FLUSH:
        return first(source.from_client(), FLUSH_MARK)
    return first(target.from_client(), since=told)


def timing(sources, targets):
    by_channel = {c.channel(): c for c in targets}
    told, there, carried = {}, {}, 0
    for source in sources:
        said = [m for m in source.from_server() if m[1] == MIGRATE]
        if source.channel()[0] == MAIN and first(source.from_server(), SWITCH_HOST):
            return {'way': 'anew'}
        if said and source.channel() in by_channel:
            key, target = source.channel(), by_channel[source.channel()]
            told[key] = said[0][0]
            there[key] = changed(told[key], struct.unpack('<I', said[0][2])[0], source, target)
            carried += sum(len(body) for _, kind, body in target.from_client() if kind == CARRIED)
    picture = first(by_channel[DISPLAY, 0].from_server(), *PICTURES) if (DISPLAY, 0) in there else None
    if picture is None or None in there.values():
        raise Failed('not all of it was seen')
    return {'way': 'seamless', 'picture_at': max(picture, there[DISPLAY, 0]), 'last_at': max(there.values()),
            'none_ms': max(0.0, min(there.values()) - max(told.values())) * 1000,
            'whole_ms': (max(there.values()) - min(told.values())) * 1000,
            'each_ms': [(there[key] - told[key]) * 1000 for key in told], 'carried': carried}
