#!/usr/bin/env python3
# tests/handoff/wire-debian-test.py - one running Debian guest, broken off at message after message, and it goes on.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same guest lives through the whole list.  Before RUN the source has it back and no datagram is lost, doubled or out of
order; after RUN the destination has it, or, in `unsure`, whoever the manager says once the other process is dead.  At the end
every byte of the TCP flows is right and both connections stand."""
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tools'))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import wire as wires                                                                            # noqa: E402
from pair import Failed, Pair, QmpError, base, debian_args, machine_args                        # noqa: E402
from topology import Stream                                                                     # noqa: E402

BOOT_SECONDS = 150
READY_MS = int(3000 * base.PATIENCE)
SHORT = {'switchover-deadline-ms': READY_MS, 'ready-deadline-ms': READY_MS,
         'run-deadline-ms': 2000, 'tail-deadline-ms': 1000, 'netpass-linger-ms': 300}
BEFORE_RUN = [
    # message, fault, byte
    ('>header#1', 'cut', 'half'), ('>HELLO#1', 'cut', '0'), ('<HELLO#1', 'damage', '8'), ('>ram-blocks#1', 'damage', '9'),
    ('>ram-batch#1', 'cut', 'half'), ('>ram-batch#2', 'reset', '0'), ('>ram-batch#3', 'kill-destination', 'half'),
    ('>ram-eos#2', 'cut', '0'), ('>ram-end#1', 'vanish', '0'), ('>PACKAGED#1', 'cut', 'half'), ('>PACKAGED#1', 'damage', '3'),
    ('>PACKAGED#1', 'freeze-destination', 'half'), ('>PACKAGED#1', 'kill-destination', 'end'),
]
AFTER_RUN = [
    ('<READY#1', 'freeze-source', '0'), ('>RUN#1', 'damage', '8'), ('>RUN#1', 'cut', '0'), ('>RUN#1', 'cut', 'end'),
    ('<VM_STARTED#1', 'cut', '0'), ('<VM_STARTED#1', 'cut', 'end'), ('>TAIL_END#1', 'reset', '0'),
    ('<TAIL_DONE#1', 'freeze-destination', 'half'),
]


class Scene:
    def __init__(self, folder, transport):
        self.folder, self.transport, self.net = Path(folder), transport, Stream(folder)
        self.pair = self.client = self.wire = None
        self.side = self.number = 0
        try:
            self.pair = Pair(self.net, debian_args(), folder, machine=machine_args('512M'), parameters=SHORT)
            self.pair.now.console.expect('BATON-TRAFFIC-READY', BOOT_SECONDS)
            self.client = self.net.client('--echo', 500, '--from-guest', 500, '--request', 2000, '--bulk', 100000)
            self.client.run_for(0.5)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        for part in (self.wire, self.client, self.pair, self.net):
            if part:
                part.close()

    # ---- one handoff ----
    def connect(self, listener, there, fault, target):
        left = listener.accept()[0]
        listener.close()
        self.wire = wires.Wire(left, wires.open_address(there, False), fault, (self.pair.now.pid, target.pid)).start()

    def hand_over(self, fault):
        """Until the fault has happened; returns the destination and the place in the source's events."""
        self.wire = None
        target, there = self.pair.listen()
        listener = wires.open_address('tcp:127.0.0.1:0' if self.transport == 'tcp' else f'unix:{self.folder}/wire.sock', True)
        mine = 'tcp:127.0.0.1:%d' % listener.getsockname()[1] if self.transport == 'tcp' else f'unix:{self.folder}/wire.sock'
        threading.Thread(target=self.connect, args=(listener, there, fault, target), daemon=True).start()
        since = self.pair.begin(mine)
        until = base.deadline(60)
        while not (self.wire and self.wire.fault_at):
            if not base.left(until):
                why = self.pair.now.qmp.execute('query-migrate').get('error-desc')
                raise Failed(f'no message {fault.at}: {why}')
            time.sleep(0.005)
        return target, since

    def says_it_runs(self, emulator):
        try:
            return emulator.process.poll() is None and emulator.qmp.execute('query-status')['running']
        except (Failed, OSError):
            return False

    def runner(self, target, seconds=30):
        """Who runs when all is over; None: nobody."""
        until = base.deadline(seconds)
        while base.left(until):
            if not self.wire.frozen:
                who = [e for e in (self.pair.now, target) if self.says_it_runs(e)]
                if len(who) == 2 and self.says_it_runs(self.pair.now):     # asked again: it may just have given it away
                    raise Failed('both sides say that they run')
                if who:
                    return who[-1]
                if self.pair.now.qmp.execute('query-migrate')['status'] == 'failed':
                    return self.pair.now if self.says_it_runs(self.pair.now) else None  # it ran before it said so
            time.sleep(0.01)
        raise Failed('it does not end')

    def answers(self):
        before = self.client.status()['answered']
        until = base.deadline(20)
        while self.client.status()['answered'] <= before:
            if not base.left(until):
                raise Failed('the guest does not answer')
            self.client.run_for(0.02)

    def go_on(self, owner, other):
        """The other process ends; the guest goes on where it is."""
        if owner is not self.pair.now:
            self.pair.now, self.pair.side = owner, 1 - self.pair.side
        self.wire.close()
        other.kill()
        self.answers()
        self.client.run_for(0.1)

    def lost(self):
        status = self.client.status()
        return {flow: status[flow] for flow in ('echo', 'answers', 'from_guest')}


def before_run(scene, key, kind, byte):
    source = scene.pair.now
    target, since = scene.hand_over(wires.Fault(kind, key, byte, for_s=READY_MS / 1000 + 2))
    scene.pair.now.qmp.event('MIGRATION', 30, since=since, status='failed')
    owner = scene.runner(target)
    if owner is not source:
        raise Failed('the source has not got its guest back')
    scene.wire.close()
    try:
        if scene.says_it_runs(target):
            raise Failed('the destination runs, too')
    finally:
        scene.go_on(source, target)


def after_run(scene, key, kind, byte):
    source = scene.pair.now
    target, _ = scene.hand_over(wires.Fault(kind, key, byte, for_s=3.0))
    owner = scene.runner(target)
    if owner is None:                                       # unsure: the manager makes sure
        try:
            source.qmp.execute('cont')
            if not scene.wire.saw('<GIVE_BACK'):            # which may have come since
                raise Failed("'cont' was accepted in unsure")
        except QmpError as why:
            if 'may run' not in why.desc:
                raise
            target.kill()
            since = source.qmp.mark()
            source.qmp.execute('cont')
            source.qmp.event('RESUME', 30, since=since)     # which the answer does not wait for
        owner = scene.runner(target)
        if owner is not source:
            raise Failed('the guest does not go on at the source')
    other = target if owner is source else source
    if other.process.poll() is None:
        try:
            other.qmp.execute('cont')
        except (QmpError, Failed):
            pass
        if scene.says_it_runs(other) and scene.says_it_runs(owner):
            raise Failed('both run after cont')
    scene.go_on(owner, other)


def check_tcp(report):
    for flow in ('request', 'bulk_up', 'bulk_down'):
        if report[flow]['closed'] or report[flow]['errors'] or not report[flow]['open']:
            raise Failed(f"{flow}: {report[flow]['errors']} errors, {report[flow]['closed'] or 'open'}")


def chain(scene, steps, step, strict):
    for key, kind, byte in steps:
        began = time.monotonic()
        try:
            step(scene, key, kind, byte)
        except Failed as why:
            passed = ' '.join(scene.wire.keys()[-12:]) if scene.wire else 'nothing'
            raise Failed(f'{kind} at {key} byte {byte}: {why}\npassed: {passed}') from None
        flows = scene.lost()
        wrong = [f'{flow}: {flows[flow]}' for flow in flows if flows[flow]['duplicated']
                 or (strict and (flows[flow]['reordered'] or flows[flow]['lost']))]
        print(f'# {kind} at {key} byte {byte}: {time.monotonic() - began:.1f} s', flush=True)
        if wrong:
            raise Failed(f"{kind} at {key} byte {byte}: {'; '.join(wrong)}")


def broken_off(transport):
    def case(folder):
        with Scene(folder, transport) as scene:
            chain(scene, BEFORE_RUN, before_run, True)
            chain(scene, AFTER_RUN, after_run, False)       # what dies with a source's tail is lost from here on
            check_tcp(scene.client.stop())
            errors = [line for line in bytes(scene.pair.now.console.reader.data).decode(errors='replace').splitlines()
                      if 'BATON-GUEST-ERROR' in line]
            if errors:
                raise Failed(errors[0])
    return case


CASES = [(f'Debian, {transport}: broken off before RUN, and then after it', broken_off(transport))
         for transport in (('tcp', 'unix') if base.FULL else ('tcp',))]

if __name__ == '__main__':
    sys.exit(base.run_tests(CASES))
