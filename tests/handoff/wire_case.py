# tests/handoff/wire_case.py - one handoff over a wire that breaks at one message; what must be true afterwards.
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Case is one line of text, so that a failure can be replayed.  run() does it and judges it from outside:

- never two owners: no tick comes twice on the serial lines, and only one side says and shows that it runs;
- nobody runs only in `unsure`, or parked with its source lost, or because the owner was killed or told to quit;
- before RUN the source has the guest back within 100 ms of the break;
- no frame, disk write or tick of a guest that survived is lost, doubled or out of order.
"""
import fcntl
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import dataclass, fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tools'))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import wire as wires                                                                            # noqa: E402
from observer import Delays, Memory, Noise, check_disk, check_frames, check_ticks, ticks        # noqa: E402
from pair import Failed, Pair, QmpError, TooLate, bare_args, base, machine_args, netdevs        # noqa: E402
from topology import Stream                                                                     # noqa: E402

TRANSPORTS = ('tcp', 'unix', 'fd')
FLOWS = ('direct', 'parked', 'taken-back', 'released', 'refused')
ACTS = ('none', 'cancel', 'quit-source', 'quit-destination', 'cont-source', 'cont-destination')
DEADLINES = {'short': {'setup-deadline-ms': 1500, 'switchover-deadline-ms': 1500, 'ready-deadline-ms': 1500,
                       'run-deadline-ms': 1500, 'tail-deadline-ms': 1000, 'netpass-linger-ms': 300},
             'normal': {}}
BACK_S = 0.1                                    # the source has the guest back
REST_S = 3.0                                    # a tail, or a goodbye
RATE, SECTORS, MEMORY = 200, 8192, 64 << 20
ENDED = ('completed', 'failed', 'cancelled')
BREAKS = ('cut', 'reset', 'kill-destination')   # what a source notices at once


@dataclass(frozen=True)
class Case:
    transport: str = 'tcp'
    flow: str = 'direct'
    at: str = ''
    fault: str = 'none'
    byte: str = '0'
    act: str = 'none'
    wait_ms: int = 0
    for_s: float = 5.0
    bit: int = 0
    deadlines: str = 'short'

    def __str__(self):
        return ' '.join(f'{f.name}={getattr(self, f.name)}' for f in fields(self) if getattr(self, f.name) != f.default)

    @staticmethod
    def parse(text):
        kinds = {f.name: type(f.default) for f in fields(Case)}
        pairs = [word.split('=', 1) for word in text.split()]
        return Case(**{name: kinds[name](value) for name, value in pairs})

    def wire_fault(self):
        return wires.Fault(self.fault, self.at, self.byte, self.wait_ms / 1000, self.for_s, self.bit)


class ImageLock:
    """Keeps the destination from opening its disk for writing: somebody else does."""
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR)

    def _set(self, kind):
        for at in (101, 201):
            try:
                fcntl.fcntl(self.fd, 37, struct.pack('hhqqi4x', kind, 0, at, 1, 0))     # F_OFD_SETLK
            except OSError:
                pass

    def take(self):
        self._set(fcntl.F_RDLCK)

    def drop(self):
        self._set(fcntl.F_UNLCK)


class Side:
    """One process: what it says and what it shows."""
    def __init__(self, emulator):
        self.emulator, self.memory = emulator, Memory(emulator.pid, MEMORY)
        self.killed = False

    @property
    def alive(self):
        return self.emulator.process.poll() is None

    def ask(self, command, **more):
        """None: no answer, since it is gone."""
        try:
            return self.emulator.qmp.execute(command, **more)
        except QmpError:
            raise
        except OSError:
            return None
        except Failed:
            if self.emulator.qmp.closed:
                return None
            raise

    def state(self):
        """(alive, running, status)"""
        if not self.alive:
            return False, False, 'gone'
        status, info = self.ask('query-status'), self.ask('query-migrate')
        if status is None or info is None:
            return False, False, 'gone'
        return True, status['running'], info.get('status', 'none')

    def event_at(self, name, after=0.0):
        """When it was first sent behind a time; None: not."""
        for event in list(self.emulator.qmp.events):
            if event['event'] == name and event['at'] >= after:
                return event['at']
        return None

    def console(self):
        return bytes(self.emulator.console.reader.data)

    def is_ending(self):
        """It was killed, if only just."""
        try:
            self.emulator.process.wait(1)
        except subprocess.TimeoutExpired:
            return False
        return True

    def advances(self):
        """Whether the guest's ticks go on, by its memory."""
        first = self.memory.counters()
        until = base.deadline(5.0)
        while first and base.left(until):
            now = self.memory.counters()
            if now is None:
                return False
            if now['ticks'] > first['ticks']:
                return True
            time.sleep(0.005)
        return False


class Run:
    def __init__(self, case, folder):
        self.case, self.folder = case, Path(folder)
        self.topology = self.pair = self.client = self.wire = None
        self.noise = Noise()
        self.image = self.folder / 'disk.img'
        self.image.write_bytes(bytes(512 * SECTORS))
        self.lock = ImageLock(self.image)
        self.delays = None
        self.acted = self.nobody_since = self.ended_since = None
        self.notes = []

    # ---- the scene ----
    def open(self):
        self.topology = Stream(self.folder)
        args = bare_args() + ['-drive', f'file={self.image},format=raw,if=none,id=d0', '-device',
                              'virtio-blk-device,drive=d0']
        self.pair = Pair(self.topology, args, self.folder, machine=machine_args('64M'),
                         parameters=DEADLINES[self.case.deadlines])
        self.source = Side(self.pair.now)
        self.pair.now.console.expect('BARE-GUEST-READY', 30)
        self.client = self.topology.client('--echo', RATE, '--from-guest', RATE, '--broadcast', 20)
        self.client.run_for(0.05)

    def close(self):
        self.noise.stop()
        if self.delays:
            self.delays.stop()
        for part in (self.wire, self.client, self.pair, self.topology):
            if part:
                part.close()
        os.close(self.lock.fd)

    # ---- the wire ----
    def make_wire(self, left, right):
        pids = self.source.emulator.pid, self.target.emulator.pid
        self.wire = wires.Wire(left, right, self.case.wire_fault(), pids, self.at_message, self.at_fault).start()
        self.wired.set()

    def between(self, listener, connect):
        try:
            left = listener.accept()[0]
        except OSError:
            return
        listener.close()
        self.make_wire(left, connect())

    def listen(self):
        """Starts the destination; returns the source's address, which is the wire's."""
        extra = [] if self.case.flow in ('direct', 'refused') else ['-S']
        emulator = self.pair.start(1, '-incoming', 'defer', *extra)
        self.target, self.wired = Side(emulator), threading.Event()
        self.pair.prepare(emulator)
        qmp = emulator.qmp
        if self.case.transport == 'fd':
            left, right = (socket.socketpair() for _ in 'lr')
            qmp.execute('getfd', {'fdname': 'mig'}, fd=right[1].fileno())
            qmp.execute('migrate-incoming', {'uri': 'fd:mig'})
            self.source.emulator.qmp.execute('getfd', {'fdname': 'mig'}, fd=left[0].fileno())
            left[0].close()
            right[1].close()
            self.make_wire(left[1], right[0])
            return 'fd:mig'
        if self.case.transport == 'tcp':
            qmp.execute('migrate-incoming', {'uri': 'tcp:127.0.0.1:0'})
            where = qmp.execute('query-migrate')['socket-address'][0]
            target = f"tcp:127.0.0.1:{where['port']}"
            listener = wires.open_address('tcp:127.0.0.1:0', True)
            mine = 'tcp:127.0.0.1:%d' % listener.getsockname()[1]
        else:
            target, mine = f'unix:{self.folder}/there.sock', f'unix:{self.folder}/wire.sock'
            qmp.execute('migrate-incoming', {'uri': target})
            listener = wires.open_address(mine, True)
        listener.settimeout(20 * base.PATIENCE)
        threading.Thread(target=self.between, args=(listener, lambda: wires.open_address(target, False)),
                         daemon=True).start()
        return mine

    def at_message(self, message):
        """In the wire's thread, before the message goes on."""
        if self.case.flow == 'refused':
            if message.key == '>RUN#1':
                self.lock.take()
            elif message.key == '<GIVE_BACK#1':
                self.lock.drop()
        if message.key == self.case.at and self.case.fault == 'none':
            self.act(self.case.act)

    def at_fault(self):
        self.delays = Delays(self.source.emulator.pid)
        self.act(self.case.act)

    def act(self, act):
        if act == 'none':
            return
        who = self.target if act.endswith('destination') else self.source
        verb = {'cancel': 'migrate_cancel', 'quit': 'quit', 'cont': 'cont'}[act.split('-')[0]]
        try:
            self.acted = who, verb, who.emulator.qmp.send(verb), time.time()
        except OSError:
            pass                                            # it is gone already

    # ---- the flow ----
    def say(self, side, command):
        try:
            side.ask(command)
        except QmpError as why:
            self.notes.append(f'{side.emulator.name} {command}: {why.desc}')

    def wait_status(self, side, statuses, seconds):
        until = base.deadline(seconds)
        while base.left(until):
            alive, _, status = side.state()
            if not alive or status in statuses:
                return status
            time.sleep(0.005)
        return 'late'

    def flow(self):
        flow = self.case.flow
        if flow in ('direct', 'refused'):
            return
        self.wait_status(self.source, ENDED, 15 + self.case.for_s)
        if self.source.state()[2] != 'completed':
            return
        self.client.run_for(0.03)
        if flow == 'parked':
            self.say(self.target, 'cont')
        elif flow == 'taken-back':
            self.say(self.source, 'cont')
        elif flow == 'released':
            self.say(self.source, 'quit')
            self.source.emulator.wait(15 + self.case.for_s)
            self.wait_status(self.target, ('completed', 'failed'), 10)
            self.say(self.target, 'cont')

    def settle(self):
        """Until neither side has anything left to do by itself."""
        until = base.deadline((20 if self.case.deadlines == 'short' else 45) + self.case.for_s)
        while base.left(until):
            if self.wire and (self.wire.frozen or self.wire.is_busy):
                time.sleep(0.01)
                continue
            if self.is_quitting():
                time.sleep(0.01)
                continue
            rests = self.wire_rests()
            source, target = self.source.state(), self.target.state()
            ended = rests and all(s[2] in ENDED + ('gone',) for s in (source, target))
            if source[2] == 'failed' and not source[1] and target[2] == 'active' and self.run_seen():
                return source, target                       # unsure, and the connection stands
            if source[1] and target[1]:
                source = self.source.state()                # it was asked first, and may have given its guest away since
                if source[1]:
                    raise Failed('both sides say that they run')
            if self.wire and self.wire.vanished.is_set() and source[2] in ENDED + ('gone',):
                self.wire.close()                           # what keep-alive would do in the end
            if not self.wired.is_set() and source[2] in ENDED:
                return source, target                       # it never got as far as a connection
            if source[1] and source[2] == 'none' and target[2] == 'gone':
                return source, target
            if ended and (source[1] or target[1] or not self.is_waiting(source, target)):
                return source, target
            time.sleep(0.01)
        if self.is_quitting():
            raise Failed('it was told to quit and does not')
        raise Failed(f'it does not end: source {self.source.state()}, destination {self.target.state()}')

    def is_quitting(self):
        """It was told to, and takes its time: at most eight seconds for the other side's answer."""
        return self.acted and self.acted[1] == 'quit' and self.acted[0].alive

    def wire_rests(self):
        """Nothing is on its way any more; a connection that stands without need is looked at no longer than this."""
        if not self.wire or self.wire.vanished.is_set() or not any(t.is_alive() for t in self.wire.threads):
            return True
        source = self.source.state()[2]
        if source not in ENDED + ('gone',):
            return False
        self.ended_since = self.ended_since or time.monotonic()
        return time.monotonic() - self.ended_since > REST_S + (5 if self.case.deadlines == 'normal' else 0)

    def is_waiting(self, source, target):
        """Nobody runs, both say that they are done: true while the destination is still starting the guest."""
        self.nobody_since = self.nobody_since or time.monotonic()
        has_to_start = target[2] == 'completed' and self.case.flow in ('direct', 'refused')
        return time.monotonic() - self.nobody_since < (3 if has_to_start else 0.3) * base.PATIENCE

    # ---- the judgement ----
    def run_seen(self):
        """The source may have begun to write RUN: into a connection that is cut, nobody sees it come out."""
        return self.wire is not None and any(self.wire.saw(name) for name in ('>RUN', '<READY', '<ASK'))

    def run_arrived(self):
        """Whether all of RUN was given to the destination."""
        whole = self.case.at != '>RUN#1' or self.case.fault in ('none', 'delay', 'freeze-source', 'freeze-destination') \
            or self.case.byte == 'end'
        return self.run_seen() and whole and (self.wire.saw('<VM_STARTED') or self.target.event_at('RESUME') is not None
                                              or not self.target.alive)

    def owner_ended(self):
        """The guest may be gone: whoever owned it was killed, or told to quit."""
        quits = self.case.act if self.acted else 'none'
        source_ended = self.case.fault == 'kill-source' or quits == 'quit-source'
        target_ended = self.case.fault == 'kill-destination' or quits == 'quit-destination'
        if self.case.flow == 'released':
            return source_ended or target_ended or self.case.fault in ('cut', 'reset', 'vanish', 'damage') \
                or self.source.event_at('RESUME') is not None   # taken back before this flow's `quit` reached its owner
        return source_ended or (target_ended and not self.source.alive)

    def target_had_it(self):
        """The source knows that the guest ran over there, and that process has ended since."""
        return self.wire.saw('<VM_STARTED') and not self.target.alive and not self.target.killed

    def check_exits(self):
        """A process ends only when it is killed, told to, or as a destination that never got its guest."""
        for side, name in ((self.source, 'source'), (self.target, 'destination')):
            status = side.emulator.process.poll()
            expected = {None, 0} if self.case.act == f'quit-{name}' or (name == 'source' and self.case.flow == 'released') \
                else {None}
            if side.killed or self.case.fault == f'kill-{name}':
                expected.add(-9)
            if name == 'destination':
                expected.add(1)                             # exit-on-error
            if status not in expected:
                raise Failed(f'the {name} ended with {status}: {side.emulator.errors()}')

    def check_back(self):
        """A break before RUN: the source has the guest within 100 ms."""
        w = self.wire
        if not w or w.fault_real is None or self.case.fault not in BREAKS or not self.source.alive or w.saw('>RUN') \
                or self.case.flow not in ('direct', 'refused') or self.case.act in ('quit-source',):
            return
        stopped = self.source.event_at('STOP')
        if stopped is None:
            return
        back = self.source.event_at('RESUME', stopped)
        since = max(stopped, w.told_real.get('<', w.fault_real))        # a killed process needs its time to be gone
        if back is None:
            raise Failed('the source did not take the guest back')
        others = max(self.noise.between(since, back), self.delays.seconds())
        took = back - since - others                        # without what other processes of this machine took
        if took > BACK_S * base.PATIENCE:
            raise TooLate(f'the source had the guest back after {took * 1000:.0f} ms')

    def check_act(self, runner):
        """Every command is answered; a cancel that was accepted has the guest back at once, whatever became of the other."""
        if not self.acted:
            return
        who, verb, number, at = self.acted
        is_struck = self.case.fault.endswith('-' + ('source' if who is self.source else 'destination'))
        if verb == 'quit' or not who.alive or (is_struck and self.case.fault.startswith('kill')):
            return
        try:
            who.emulator.qmp.reply(number, verb, 5)
            self.notes.append(f'{verb}: accepted')
        except QmpError as why:
            self.notes.append(f'{verb}: {why.desc}')
            return
        stopped = self.source.event_at('STOP')
        if verb == 'migrate_cancel' and runner is self.source and not is_struck and stopped and stopped < at:
            back = self.source.event_at('RESUME', stopped)
            others = max(self.noise.between(at, back), self.delays.seconds() if self.delays else 0)    # none without a fault
            if back - at - others > 2 * BACK_S * base.PATIENCE:
                raise TooLate(f'the guest ran {(back - at - others) * 1000:.0f} ms after migrate_cancel')

    def prove_death(self):
        """The destination is dead: `cont` has to work, unless it ran the guest; then the manager may say force."""
        try:
            self.source.ask('cont')
        except QmpError as why:
            ran = self.target.event_at('RESUME') is not None
            hidden = self.case.fault == 'damage' and '<HELLO' in self.case.at       # it does not know which process
            if not ran and not hidden:
                raise Failed(f"the destination is dead, and 'cont' is refused: {why.desc}") from None
            self.source.ask('cont', arguments={'force': True})

    def recover(self, source, target):
        """Nobody runs: what the manager may do then, and has to succeed with.  Returns who runs, or None."""
        self.lock.drop()
        if self.source.alive:
            try:
                self.source.ask('cont')
            except QmpError as why:
                self.notes.append(f'source cont: {why.desc}')
                if self.target_had_it():
                    return None
                if not self.run_seen():
                    raise Failed(f"RUN never left the source, and 'cont' there is refused: {why.desc}") from None
                if self.target.alive:
                    if 'may run' not in why.desc:
                        raise Failed(f"nobody runs, and 'cont' at the source says: {why.desc}") from None
                    self.target.killed = True
                    self.target.emulator.kill()
                self.prove_death()
            if not self.source.advances():
                raise Failed("'cont' at the source was accepted, and the guest does not run")
            return self.source
        if self.target.alive and target[2] == 'completed':
            self.say(self.target, 'cont')
            if self.target.advances():
                return self.target
        if self.owner_ended():
            return None
        raise Failed(f'the guest is gone: source {source}, destination {target}')

    def settle_with_fault(self):
        """A message that comes late brings its fault late: whoever is killed between the question and its answer is asked about
        again.  Returns both states, who says that it runs, and whether it does."""
        for _ in range(2):
            source, target = self.settle()
            runner = self.source if source[1] else self.target if target[1] else None
            advances = runner and runner.advances()
            if not runner or advances or not runner.is_ending():
                break
        return source, target, runner, advances

    def judge(self):
        source, target, runner, advances = self.settle_with_fault()
        self.check_exits()
        recovered = runner is None
        self.check_act(runner)
        if recovered:
            runner = self.recover(source, target)
        else:
            if not advances:
                raise Failed('the side that says it runs does not')
            self.check_back()
        if runner is None:
            return 'gone with its owner'
        other = self.target if runner is self.source else self.source
        if other.alive and not recovered:
            self.refuse_cont(other)
        self.check_losses(runner, other)
        return ('recovered at the ' if recovered else 'at the ') + ('source' if runner is self.source else 'destination')

    def refuse_cont(self, other):
        """The other side must not run, whatever it is told."""
        try:
            other.ask('cont')
        except QmpError:
            return
        if other.alive and other.advances():
            raise Failed('the side that had lost the guest ran it after cont')

    def spoiled(self, runner):
        """What reached the guest was damaged on purpose, or an owner that had run it was killed."""
        if self.case.fault == 'damage' and (runner is self.target or self.case.at.startswith('<MESSAGE')):
            return True
        return runner is self.source and self.target.event_at('RESUME') is not None

    def check_consoles(self, runner):
        """Every tick was printed, once, by whoever had the guest."""
        parts = [self.source.console(), self.target.console()]
        if runner is self.source:
            if ticks(b'READY' + self.target.console()):
                raise Failed('the destination ran a guest that the source has')
            parts = parts[:1]
        check_ticks(ticks(*parts))

    def check_losses(self, runner, other):
        self.client.run_for(0.1)
        time_lost = self.case.fault in BREAKS + ('vanish', 'kill-source', 'damage') or \
            (self.case.deadlines == 'short' and (self.case.fault.startswith('freeze') or self.outlasts())) or \
            self.case.act == 'quit-source'
        report = self.client.stop()
        self.say(runner, 'stop')
        counters = runner.memory.counters()
        if self.spoiled(runner):
            return
        self.check_consoles(runner)
        check_disk(self.image, counters)
        if self.gate_was_forced():
            return
        # A tail that breaks takes with it what the source could not forward any more.
        check_frames(report, counters, may_lose=runner is self.target and time_lost)

    def outlasts(self):
        """Nothing came through for longer than the other side waits for it."""
        return self.case.fault == 'delay' and 1000 * self.case.for_s >= DEADLINES['short']['tail-deadline-ms']

    def gate_was_forced(self):
        """The destination waited for the source's frames as long as it may, and says so."""
        info = self.target.ask('query-migrate') if self.target.alive else None
        return any(n.get('ordered') is False for n in netdevs(info or {}))

    # ---- all of it ----
    def run(self):
        self.open()
        uri = self.listen()
        self.pair.begin(uri)
        self.flow()
        result = self.judge()
        if self.wire and self.wire.problems:
            raise Failed('; '.join(self.wire.problems))
        return result


def run_case(case, folder):
    run = Run(case, folder)
    done = {'result': 'failed', 'error': '', 'is_late': False}
    try:
        done['result'] = run.run()
    except Failed as why:
        done.update(error=str(why), is_late=isinstance(why, TooLate))
    except Exception:
        done['error'] = traceback.format_exc()
    finally:
        wire = run.wire
        done['keys'] = wire.keys() if wire else []
        done['hit'] = wire is not None and (wire.fault_at is not None or case.fault == 'none')
        if done['error']:
            done['error'] += '\npassed: ' + ' '.join(done['keys'][-14:]) + ''.join(f'\n{note}' for note in run.notes)
        run.close()
    return done


def random_case(seed, surveys):
    """surveys: {(transport, flow): [keys]}.  Names are drawn first, so that many equal records do not outweigh the rest."""
    rng = random.Random(seed)
    transport, flow = rng.choice(TRANSPORTS), rng.choice(('direct',) * 3 + FLOWS[1:])
    keys = surveys[transport, flow]
    name = rng.choice(sorted({key.split('#')[0] for key in keys}))
    count = sum(key.split('#')[0] == name for key in keys)
    fault = rng.choice([f for f in wires.FAULTS if f != 'none'] + ['cut', 'damage'])
    byte = rng.choice(('0', 'half', 'end', str(rng.randrange(1 << 20))))
    if fault == 'damage':
        byte = str(rng.choice((rng.randrange(64), rng.randrange(1 << 20))))
    act = rng.choice(('none',) * 4 + ACTS[1:])
    return Case(transport, flow, f'{name}#{rng.randint(1, count) if rng.random() < .5 else 1}', fault, byte, act,
                rng.choice((0, 0, 1, 5, 20)), rng.choice((0.2, 2.0, 5.0)) if fault != 'delay' else 0.3, rng.randrange(8),
                'short' if fault == 'vanish' else rng.choice(('short', 'short', 'normal')))
