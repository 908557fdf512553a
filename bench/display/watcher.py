#!/usr/bin/env python3
# bench/display/watcher.py - a SPICE client that goes with the guest as stock clients do, and says when what happened.
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: watcher.py PORT [--batch].  Lines on standard output: "picture" (the first one), "asked" (it has connected ahead),
"done {...}" (it has gone over, and has the first picture from there), "failed WHY".  It ends with its standard input."""
import json
import os
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / 'tests/functional'))
from spice_client import DISPLAY, MAIN                                          # noqa: E402
from spice_mover import Mover, MoverLink                                        # noqa: E402

SO_TIMESTAMPNS = 35
PICTURES = {104, 123, 316, *range(302, 314)}


class Stamped(MoverLink):
    """Knows when the bytes that it has read last had arrived, by the kernel: reading may take time."""
    def __init__(self, address):
        super().__init__(address)
        self.stamp = 0.0
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def exactly(self, size):
        data = bytearray()
        while len(data) < size:
            chunk, extra, _, _ = self.sock.recvmsg(size - len(data), 64)
            if not chunk:
                raise EOFError(f'closed after {len(data)} of {size} bytes')
            data += chunk
            for level, kind, value in extra:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    seconds, ns = struct.unpack('qq', value[:16])
                    self.stamp = seconds + ns / 1e9
        return bytes(data)


class Watcher(Mover):
    link_kind = Stamped
    caps = {MAIN: 0xf, DISPLAY: 0x3b}       # of display: sized streams, monitors, composite, A8 surfaces, LZ4; no video

    def __init__(self, port):
        self.told, self.changed_at = {}, {}     # by channel: the source's last word has arrived; the destination's turn
        self.opened, self.pictures = {}, {}     # by channel: its latest link; by server: its first picture
        self.is_done = False
        super().__init__(port)

    def link(self, address, channel, session, channel_id=0):
        link = super().link(address, channel, session, channel_id)
        self.opened[channel, channel_id] = time.time()
        return link

    def run(self):
        super().run()
        if self.error and not self.is_done:
            print(f'failed {self.error!r}', flush=True)

    def take(self, key, link, kind, body):
        super().take(key, link, kind, body)
        if key[0] == DISPLAY and kind in PICTURES and link.server not in self.pictures:
            self.pictures[link.server] = time.time()
            if not link.server:
                print('picture', flush=True)
        self.report()

    def begin(self, main, kind, body):
        super().begin(main, kind, body)
        print('asked', flush=True)

    def leave(self, key, link, flags):
        self.told[key] = link.stamp or time.time()
        super().leave(key, link, flags)

    def change(self, key, link):
        super().change(key, link)
        self.changed_at[key] = time.time()

    def switch(self, main, kind, body):
        self.told = {key: main.stamp or time.time() for key in self.links}
        super().switch(main, kind, body)
        self.changed_at = dict(self.opened)

    def report(self):
        picture = min((at for server, at in self.pictures.items() if server), default=None)
        if self.is_done or not picture or not (self.moves or self.restarts):
            return
        self.is_done = True
        told, changed = self.told.values(), self.changed_at.values()
        print('done ' + json.dumps({
            'way': 'seamless' if self.moves and not self.restarts else 'anew', 'picture_at': picture, 'last_at': max(changed),
            'none_ms': max(0.0, min(changed) - max(told)) * 1000, 'whole_ms': (max(changed) - min(told)) * 1000,
            'each_ms': [(self.changed_at[key] - self.told[key]) * 1000 for key in self.told if key in self.changed_at],
            'carried': sum(map(len, self.brought.values())), 'problems': self.problems}), flush=True)


def main():
    if '--batch' in sys.argv:               # it stands for one on another host: it takes no processor from the guest's
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    watcher = Watcher(int(sys.argv[1]))
    sys.stdin.read()
    watcher.close()


if __name__ == '__main__':
    main()
