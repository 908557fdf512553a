#!/usr/bin/env python3
# tests/handoff/view-test.py - a viewer that replays: typed across handoffs, over a network that breaks.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The network is relay.py's: it cuts connections at random bytes, but while the guest is on its way."""
import sys

from pair import GuestFiles, base
from harness import BUILD, run_tests, want
from keys import CODES, Watch, keys_of
from relay import Relay
from spice_scene import Scene, expect_ways
from stock_client import Child
from typist import Typist

KEYS, MOVES = (4000, 20) if base.FULL else (400, 2)
CUT = 1200              # bytes of a connection at most


class Viewer:
    """baton-view, as one of a Scene's clients."""
    def __init__(self, folder, port):
        self.child = Child(folder, 'view', [BUILD / 'tools/baton-view', '--headless', f'127.0.0.1:{port}'])

    def type(self, name):
        self.child.say(f'codes {CODES[name]:x} {CODES[name] | 0x80:x}')

    def until(self, line, what):
        self.child.until(lambda lines: any(x.startswith(line) for x in lines), 60, what)

    def close(self):
        self.child.end()


def typed_over_cuts_and_handoffs(folder):
    """Each key is read once and in order, whichever server heard it on whichever connection."""
    with Scene(folder, GuestFiles().args('baton.mode=input')) as scene:
        scene.pair.now.console.expect('BATON-INPUT-READY 1', 120)
        relays = [Relay(scene.ports[scene.pair.number])]
        viewer = Viewer(folder, relays[0].port)
        scene.clients.append(viewer)
        try:
            viewer.until('linked inputs', 'no keyboard')
            viewer.until('linked display', 'no screen')
            watch = Watch(scene.pair.emulators)
            names = keys_of(KEYS)
            typist = Typist(watch, names, viewer.type)
            relays[0].most = CUT
            for budget in list(relays[0].left.values()):
                budget[0] = CUT // 3
            typist.start()
            for number in range(1, MOVES + 1):
                typist.until(number * KEYS // (MOVES + 1))
                relays[-1].most = None
                viewer.child.read(0.5)
                move(scene, viewer, relays)
                relays[-1].most = CUT
            typist.finish()
            cuts = sum(relay.cuts for relay in relays)
            want(cuts, 'nothing was cut')
            print(f'# {KEYS} keys read once and in order across {MOVES} handoffs and {cuts} cuts', flush=True)
        finally:
            for relay in relays:
                relay.close()


def move(scene, viewer, relays):
    def behind_a_relay(port):
        relays.append(Relay(port))
        return relays[-1].port
    viewer.child.lines.clear()
    expect_ways(scene.move(through=behind_a_relay), 'seamless')
    viewer.until('moved', 'it has not moved')


TESTS = [('typed_keys_are_read_once_and_in_order_over_cuts_and_handoffs', typed_over_cuts_and_handoffs)]

if __name__ == '__main__':
    sys.exit(run_tests(TESTS))
