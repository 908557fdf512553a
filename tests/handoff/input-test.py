#!/usr/bin/env python3
# tests/handoff/input-test.py - somebody types while the guest changes its process: each key is read once and in order.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys are sent before, during and after the handoff.  Who does not own the guest refuses them, so the typist tries both
sides; one that has been taken is never sent again.  The guest says what it has read."""
import sys

from pair import Failed, GuestFiles, NoNetwork, Pair, QmpError, base
from harness import deadline, left, run_tests
from keys import CODES, Watch, key, keys_of
from typist import Typist

KEYS, MOVES = (1000, 20) if base.FULL else (200, 4)
QUEUED = 8              # keys that are sent while the guest stands


class Scene:
    def __init__(self, folder):
        args = [*GuestFiles().args('baton.mode=input'), '-device', 'virtio-keyboard-device']
        self.pair = Pair(NoNetwork(), args, folder, netpass=False)
        try:
            self.pair.now.console.expect('BATON-INPUT-READY 1', 120)
        except BaseException:
            self.pair.close()
            raise
        self.watch = Watch(self.pair.emulators)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.pair.close()

    def send(self, emulator, name, down):
        emulator.qmp.execute('input-send-event', {'events': [key(name, down)]})


class PatientTypist(Typist):
    """Tries both sides until one takes it, whoever has the guest."""
    def __init__(self, scene, names):
        super().__init__(scene.watch, names, self.send)
        self.scene, self.refused = scene, 0

    def send(self, name):
        for down in (True, False):
            self.send_change(name, down)

    def send_change(self, name, down):
        until = deadline(60)
        while left(until):
            for emulator in reversed(self.scene.pair.emulators[-2:]):
                try:
                    self.scene.send(emulator, name, down)
                    return
                except QmpError:
                    self.refused += 1
                except (Failed, OSError):
                    pass                            # that process has ended
            last = self.scene.pair.emulators[-1].qmp
            with last.changed:
                last.changed.wait(0.005)
        raise Failed(f'key {self.typed}: nobody takes it')

    def until_refused(self, times):
        """So often more, by the side that has no guest or by both."""
        refused, until = self.refused + times, deadline(30)
        while self.refused < refused and self.is_alive() and left(until):
            self.join(0.005)


def typed_through(*handoffs):
    def run(folder):
        with Scene(folder) as scene:
            typist = PatientTypist(scene, keys_of(KEYS))
            typist.start()
            for number in range(MOVES):
                typist.until((number + 1) * KEYS // (MOVES + 2))
                handoffs[number % len(handoffs)](scene, typist)
            typist.finish()
            print(f'# {KEYS} keys read once and in order; {typist.refused} times nobody or the other side had the guest',
                  flush=True)
    return run


def running(scene, typist):
    scene.pair.move(120)


def parked(scene, typist):
    scene.pair.move_parked(lambda: typist.until_refused(4))


def taken_back(scene, typist):
    """Everything is sent, the guest stands, and then it stays; somebody types all the time."""
    pair = scene.pair
    target, since = pair.to_switchover()
    typist.until_refused(4)
    pair.now.qmp.execute('migrate_cancel')
    target.kill()
    pair.now.qmp.event('MIGRATION', 20, since=since, status=('cancelled', 'failed'))
    pair.taken_back(since)
    pair.emulators.remove(target)
    target.close()


def move_standing(pair):
    """The user has stopped the guest; so it is over there, until somebody says cont."""
    target, uri = pair.listen()
    since = pair.begin(uri)
    pair.now.qmp.event('MIGRATION', 60, since=since, status='completed')
    target.qmp.execute('cont')
    target.qmp.event('RESUME', 30)
    pair.retire(target)


def what_waits_goes_along(folder):
    """Typed while the user had stopped it: the keys wait in the device, move with it, and are read over there.  So does
    what send-key has still to press and to release: the guest's clock, which measures it, stands."""
    typed, named = keys_of(QUEUED), ['shift', *reversed(keys_of(QUEUED))]
    with Scene(folder) as scene:
        now = scene.pair.now
        now.qmp.execute('stop')
        for name in typed:
            for down in (True, False):
                scene.send(now, name, down)
        move_standing(scene.pair)
        scene.watch.expect_keys(typed)

        now = scene.pair.now
        now.qmp.execute('send-key', {'keys': [{'type': 'qcode', 'data': 'shift'}], 'hold-time': 2000})
        scene.watch.expect(lambda events: (CODES['shift'], 1) in scene.watch.key_changes(events), 'shift')
        now.qmp.execute('stop')
        for name in named[1:]:
            now.qmp.execute('send-key', {'keys': [{'type': 'qcode', 'data': name}], 'hold-time': 20})
        here = len(scene.watch.key_changes(scene.watch.events())) - 2 * len(typed)
        move_standing(scene.pair)
        scene.watch.expect_keys([*typed, *named])
        print(f'# {here} of {2 * len(named)} changes of send-key were read before', flush=True)


USUAL = [
    (f'{KEYS} keys typed across {MOVES} handoffs: running, parked, taken back', typed_through(running, parked, taken_back)),
    ('keys that wait and keys that are held go along with a guest that stands', what_waits_goes_along),
]
ALL = [*USUAL, *((f'{KEYS} keys typed across {MOVES} handoffs: {do.__name__}', typed_through(do))
                 for do in (running, parked, taken_back))]

if __name__ == '__main__':
    sys.exit(run_tests(ALL if base.FULL else USUAL))
