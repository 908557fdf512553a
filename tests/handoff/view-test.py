#!/usr/bin/env python3
# tests/handoff/view-test.py - a viewer that replays: typed across handoffs, over a network that breaks.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The network is relay.py's: it cuts connections at random bytes, but while the guest is on its way."""
import importlib.util
import sys
from pathlib import Path

from pair import GuestFiles, base
from harness import BUILD, Failed, run_tests
from keys import CODES, Watch, keys_of
from relay import Relay
from stock_client import Child

spec = importlib.util.spec_from_file_location('spice_handoff', Path(__file__).with_name('spice-test.py'))
handoff = importlib.util.module_from_spec(spec)
spec.loader.exec_module(handoff)

KEYS, MOVES = (4000, 20) if base.FULL else (400, 2)
CUT = 1200              # bytes of a connection at most


class Viewer:
    """baton-view, as a Typist wants its client."""
    def __init__(self, folder, port):
        self.child = Child(folder, 'view', [BUILD / 'tools/baton-view', f'127.0.0.1:{port}'])

    def type(self, code):
        self.child.say(f'codes {code:x} {code | 0x80:x}')

    def until(self, line, what):
        self.child.until(lambda lines: any(x.startswith(line) for x in lines), 60, what)

    def close(self):
        self.child.end()


def typed_over_cuts_and_handoffs(folder):
    """Each key is read once and in order, whichever server heard it on whichever connection."""
    with handoff.Scene(folder, GuestFiles().args('baton.mode=input')) as scene:
        scene.pair.now.console.expect('BATON-INPUT-READY 1', 120)
        relays = [Relay(scene.ports[scene.pair.number])]
        viewer = Viewer(folder, relays[0].port)
        scene.clients.append(viewer)
        try:
            viewer.until('linked inputs', 'no keyboard')
            viewer.until('linked display', 'no screen')
            watch = Watch(scene.pair.emulators)
            names = keys_of(KEYS)
            typist = handoff.Typist(viewer, watch, names)
            relays[0].most = CUT
            for sock in list(relays[0].left):
                relays[0].left[sock][0] = CUT // 3
            typist.start()
            for number in range(1, MOVES + 1):
                typist.until(number * KEYS // (MOVES + 1))
                relays[-1].most = None
                viewer.child.read(0.5)
                move(scene, viewer, relays)
                relays[-1].most = CUT
            typist.until(KEYS)
            watch.expect_keys(names)
            cuts = sum(relay.cuts for relay in relays)
            if not cuts:
                raise Failed('nothing was cut')
            print(f'# {KEYS} keys read once and in order across {MOVES} handoffs and {cuts} cuts', flush=True)
        finally:
            for relay in relays:
                relay.close()


def move(scene, viewer, relays):
    target, uri = scene.pair.listen()
    relays.append(Relay(scene.ports[scene.pair.number]))
    since = scene.pair.now.qmp.mark()
    viewer.child.lines.clear()
    scene.tell(relays[-1].port)
    scene.pair.begin(uri)
    scene.pair.finish(target, since)
    scene.pair.now.qmp.event('SPICE_MIGRATE_COMPLETED', 60, since=since)
    handoff.expect_ways(scene.ways(scene.pair.now, since), 'seamless')
    viewer.until('moved', 'it has not moved')
    scene.pair.retire(target)


TESTS = [('typed_keys_are_read_once_and_in_order_over_cuts_and_handoffs', typed_over_cuts_and_handoffs)]

if __name__ == '__main__':
    sys.exit(run_tests(TESTS))
