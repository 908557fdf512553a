#!/usr/bin/env python3
# tests/handoff/spice-wire-test.py - a handoff cut, killed or cancelled at a message while three clients type, one asleep.
# SPDX-License-Identifier: GPL-2.0-or-later
"""What wire_case.py judges of the guest, and of each client: it is with whoever has the guest, and each key that it typed was
read once and in order; or it was told why not.  Each types keys of its own.

usage: spice-wire-test.py [PATTERN...]; with BATON_FULL=1 each fault at the first and the last of each kind of message."""
import struct
import sys
import threading
from dataclasses import replace
from pathlib import Path

from pair import ENDED, Failed, bare_args, base, machine_args
from harness import run_tests, want
from keys import Watch
from spice_mover import INPUTS, SWITCH_HOST
from spice_scene import Scene
from wire_case import DEADLINES, Case, Run, Side

NOTIFY, DISCONNECTING = 7, 6
KEYS = (range(16, 26), range(30, 39), range(44, 51))        # each person's
ASLEEP = 2
BEFORE, AFTER = 3, 4                                        # keys; one more at each message
FAULTS = ('cut', 'kill-source', 'kill-destination', 'cancel')


class Person:
    def __init__(self, number, mover):
        self.mover, self.codes = mover, KEYS[number]
        self.typed, self.began = [], len(mover.log)

    def type(self, count=1):
        for _ in range(count):
            code = self.codes[len(self.typed) % len(self.codes)]
            self.typed.append(code)
            try:
                self.mover.type(code)
            except OSError:
                pass                                        # whoever listened was killed

    def read(self, watch, events):
        return [change for change in watch.key_changes(events) if change[0] in self.codes]

    def changes(self):
        return [(code, down) for code in self.typed for down in (1, 0)]

    def port(self):
        try:
            return self.mover.links[INPUTS, 0].sock.getpeername()[1]
        except OSError:
            return None

    def is_out(self):
        """Its connections have ended, or a server does not let it in; whatever else is wrong with it is nothing to be told."""
        return isinstance(self.mover.error, (OSError, EOFError, Failed))

    def was_told(self):
        """That it is not the old session any more: by its servers, or by the end of its connections."""
        words = {kind for _, name, kind in self.mover.log[self.began:] if name == 'main'}
        return self.is_out() or self.mover.restarts or words & {NOTIFY, DISCONNECTING, SWITCH_HOST}


class People:
    """In the place of wire_case's network client."""
    def __init__(self, scene):
        self.all = [Person(i, scene.client()) for i in range(len(KEYS))]

    def close(self):
        for person in self.all:
            person.mover.close()


class SpiceRun(Run):
    def open(self):
        self.typing, self.is_open = threading.Lock(), True      # nobody types at messages any more once it is judged
        self.scene = Scene(self.folder, bare_args(), machine=machine_args('64M'), parameters=DEADLINES[self.case.deadlines])
        self.pair = self.scene.pair
        self.source = Side(self.pair.now)
        self.pair.now.console.expect('tick 2', 30)
        self.client = People(self.scene)

    def listen(self):
        uri = super().listen()
        self.scene.tell(self.scene.ports[self.pair.number])
        for person in self.client.all:
            person.mover.wait(lambda m: m.ahead, 'to be connected')
        for person in self.client.all:
            person.type(BEFORE)
        self.client.all[ASLEEP].mover.freeze()
        self.client.all[ASLEEP].type(BEFORE)
        return uri

    def at_message(self, message):
        if not message.name.startswith(('ram', 'MESSAGE')):
            with self.typing:
                for person in self.client.all if self.is_open else ():
                    person.type()
        super().at_message(message)

    def wire_rests(self):
        return self.source.state()[2] in ENDED + ('gone',)  # the last words of who sleeps are not waited for

    def judge(self):
        result = super().judge()
        if result.startswith('gone'):
            self.wake()
            for person in self.client.all:
                person.mover.wait(lambda m, p=person: p.was_told(), 'to be told that the guest has gone', 20)
        return result

    def wake(self):
        self.client.all[ASLEEP].mover.freeze(False)

    # ---- the clients ----

    def check_losses(self, runner, other):
        with self.typing:
            self.is_open = False
        self.wake()
        watch = Watch([side.emulator for side in (self.source, self.target)[:1 if runner is self.source else 2]])
        if not self.spoiled(runner):
            self.check_consoles(runner)
        for person in self.client.all:
            if runner is self.source:
                self.check_stayed(person, watch)
            else:
                self.check_went_or_gone(person, watch)

    def check_stayed(self, person, watch):
        person.mover.wait(lambda m: m.cancels, 'MIGRATE_CANCEL')
        person.type(AFTER)
        self.check_exactly(person, watch, 1)

    def check_exactly(self, person, watch, number):
        wanted = person.changes()
        watch.expect(lambda events: len(person.read(watch, events)) >= len(wanted), f'{len(person.typed)} keys', 20)
        got = person.read(watch, watch.events())
        want(got == wanted, f'typed {person.typed}, read {got}')
        want(person.port() == self.scene.ports[number], f'it is with port {person.port()}, not {self.scene.ports[number]}')
        person.mover.check()

    def check_order(self, person, watch):
        """Some of it may be lost; nothing is read twice or out of order."""
        got = [code for code, down in person.read(watch, watch.events()) if down]
        rest = iter(person.typed)
        want(all(code in rest for code in got), f'typed {person.typed}, and {got} was read')

    def way_of(self, person):
        if self.source.state()[2] in ('failed', 'gone'):
            return {'way': 'lost', 'reason': 'its server does not know, or was killed'}
        number = struct.unpack('<i', struct.pack('<I', person.mover.id))[0]     # as QMP has it
        try:
            return self.source.emulator.qmp.event('DISPLAY_MIGRATE_COMPLETE', 40, **{'connection-id': number})['data']
        except Failed:
            want(self.case.fault == 'kill-source' and self.source.emulator.qmp.closed, 'nobody says how a client went')
            return {'way': 'lost', 'reason': 'its server was killed'}

    def check_went_or_gone(self, person, watch):
        """What the one who slept says last may be where the fault is."""
        try:
            self.check_went(person, watch)
        except Failed:
            if self.case.fault != 'kill-destination' or self.wire.fault_at is None:
                raise
            self.target.emulator.wait(5)
            self.check_order(person, watch)
            person.mover.wait(lambda m: person.was_told(), 'to be told that the guest has gone', 20)

    def check_went(self, person, watch):
        way = self.way_of(person)
        if way['way'] == 'seamless':
            person.mover.wait(lambda m: m.moves == 1 or m.error, 'to be handed over')
            person.type(AFTER)
            self.check_exactly(person, watch, 2)
            return
        want(way.get('reason'), f'it went {way}, and nobody says why')
        self.notes.append(f'a client went {way}')
        if self.source.state()[2] == 'failed':
            self.say(self.source, 'quit')                   # it does not know who has the guest: the manager does
        person.mover.wait(lambda m: m.moves or m.restarts or person.is_out(), 'to go, or to be told', 40)
        self.check_order(person, watch)
        if not person.is_out():
            self.check_goes_on(person, watch)

    def check_goes_on(self, person, watch):
        """It is with the guest; what it typed before may be lost, what it types now is not."""
        before = len(person.read(watch, watch.events()))
        person.type(AFTER)
        last = person.changes()[-2 * AFTER:]
        watch.expect(lambda events: person.read(watch, events)[before:][-2 * AFTER:] == last, 'what it types there', 20)


def run(case):
    def function(folder):
        keys = run_once(case, folder)
        if case.at not in keys and case.deadlines == 'short':   # which a slow machine misses before it gets there
            return run(replace(case, deadlines='normal'))(base_folder(folder, 'normal'))
        return keys
    return function


def run_once(case, folder):
    spice = SpiceRun(case, folder)
    try:
        result = spice.run()
        print(f'# {result}; {"; ".join(spice.notes)}', flush=True)
        keys = [key for key in spice.wire.keys() if not key.startswith(('>ram-batch', '>ram-eos'))]
        if case.fault != 'none' and spice.wire.fault_at is None:
            before = case.at.rpartition('#')[0] + '#'
            if case.deadlines != 'short' and not any(key.startswith(before) for key in keys):
                raise Failed(f'{case.at} never came: {keys[-12:]}')
            if case.deadlines == 'short':
                keys = []
            else:                                               # in how many messages a client's words go is a matter of time
                print(f'# {case.at} never came: there were fewer of them', flush=True)
        return keys
    except Failed as why:
        passed = ' '.join(spice.wire.keys()[-14:]) if spice.wire else ''
        raise type(why)(f'{why}\npassed: {passed}\n' + '\n'.join(spice.notes)) from None
    finally:
        spice.close()


def broken(key, fault, deadlines='short'):
    if fault == 'cancel':
        return Case('unix', 'direct', key, 'delay', act='cancel', for_s=0.0, deadlines=deadlines)
    return Case('unix', 'direct', key, fault, '0' if fault == 'cut' else 'end', deadlines=deadlines)


def unbroken(folder):
    """Nothing happens; the list of messages."""
    keys = run(Case('unix', 'direct', deadlines='normal'))(folder)
    want({'>RUN#1', '<VM_STARTED#1', '>MESSAGE.spice.1#1', '>MESSAGE.spice.4#1'} <= set(keys), f'passed: {keys}')
    survey[:] = keys


survey = []
USUAL = [('>MESSAGE.spice.1#1', 'kill-destination'), ('<READY#1', 'cancel'), ('>RUN#1', 'cut'), ('<VM_STARTED#1', 'kill-source'),
         ('>MESSAGE.spice.2#1', 'cut'), ('<VM_STARTED#1', 'cut'), ('>PACKAGED#1', 'kill-source'),
         ('>MESSAGE.spice.4#1', 'kill-destination')]


def every_message(folder):
    """Each fault at the first and the last message of each name."""
    if not survey:
        unbroken(base_folder(folder, 'survey'))
    last = {key.split('#')[0]: key for key in survey}
    keys = [key for key in survey if key.endswith('#1')] + [key for key in last.values() if not key.endswith('#1')]
    failed = []
    for number, (key, fault) in enumerate((key, fault) for key in keys for fault in FAULTS):
        try:
            base.in_time(run(broken(key, fault)), base_folder(folder, number))
            print(f'# {key} {fault}: ok', flush=True)
        except Failed as why:
            print(f'# {key} {fault}: {why}', flush=True)
            failed.append(f'{key} {fault}')
    print(f'# {4 * len(keys)} cases at {len(keys)} messages')
    want(not failed, f'{len(failed)} of {4 * len(keys)}: {failed}')


def base_folder(folder, name):
    path = Path(folder) / str(name)
    path.mkdir()
    return path


TESTS = [('three_clients_go_and_all_they_typed_is_read', unbroken)] + [
    (f'{fault}_at_{key[1:]}', run(broken(key, fault))) for key, fault in USUAL]
if base.FULL:
    TESTS.append(('each_fault_at_each_message', every_message))

if __name__ == '__main__':
    sys.exit(run_tests(TESTS))
