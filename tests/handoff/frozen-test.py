#!/usr/bin/env python3
# tests/handoff/frozen-test.py - the other side stops, its socket is full, the disk hangs, the network vanishes.
# SPDX-License-Identifier: GPL-2.0-or-later
"""`migrate_cancel` is answered within 100 ms at any instant and the guest runs within 100 ms after it; every deadline is
kept and says what was waited for; QMP answers query-status throughout within 50 ms of what an idle emulator needs."""
import fcntl
import os
import select
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'tools'))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import wire as wires                                                                            # noqa: E402
from observer import Delays, Memory, Noise                                                       # noqa: E402
from pair import Failed, Pair, QmpError, Skipped, TooLate, bare_args, base, machine_args        # noqa: E402
from prober import Prober, monitor_args                                                         # noqa: E402
from topology import Stream, ip                                                                 # noqa: E402

ANSWER_S = BACK_S = 0.1
MEMORY = 64 << 20
FOREVER = 3600.0
HANG = base.BUILD / 'tests/qtest/libhang-disk.so'
# How long the kernel takes to give a silent connection up, and what it takes until that is said: io/socket.c.
NETWORK_S = 15 + 9 + 2


longest = {}                            # what took how many seconds, printed at the end


def remember(what, took):
    longest[what] = max(took, longest.get(what, 0.0))
    return took


def dirty_all(emulator):
    """The guest writes to 16 MiB of its memory, again and again; returns when each page has been written once."""
    emulator.console.send('d')
    memory, until = Memory(emulator.pid, MEMORY), base.deadline(20)
    while not memory.counters()['dirty_rounds']:
        if not base.left(until):
            raise Failed('the guest does not write to its memory')
        time.sleep(0.01)


class Scene:
    """A guest, a destination behind a wire, a client, and a prober of both."""
    def __init__(self, folder, at='', fault='freeze-destination', parked=False, rate=0, payload=1400, dirty=False, disk='',
                 transport='unix', byte='0', **parameters):
        self.folder, self.noise, self.wired = Path(folder), Noise(), threading.Event()
        self.topology = self.pair = self.client = self.wire = self.prober = None
        self.disk_fds, self.delays = [], None
        self.frozen, self.fault, self.transport = [], wires.Fault(fault, at, byte, for_s=FOREVER), transport
        try:
            self.open(parked, rate, payload, dirty, disk, parameters)
        except BaseException:
            self.close()
            raise

    def open(self, parked, rate, payload, dirty, disk, parameters):
        self.topology = Stream(self.folder)
        args, binary = bare_args(), None
        if disk:
            image = self.folder / 'disk.img'
            image.write_bytes(bytes(512 * 8192))
            args += ['-drive', f'file={image},format=raw,if=none,id=d0', '-device', 'virtio-blk-device,drive=d0']
            binary = self.hung_binary(image)
        self.pair = Pair(self.topology, args, self.folder, machine=machine_args('64M'), binary=binary,
                         parameters={name.replace('_', '-'): value for name, value in parameters.items()},
                         more=lambda number: monitor_args(self.folder, f'vm{number}'))
        self.source = self.pair.now
        self.memory = Memory(self.source.pid, MEMORY)
        self.source.console.expect('BARE-GUEST-READY', 30)
        if dirty:
            dirty_all(self.source)
        if rate:
            self.client = self.topology.client('--echo', rate, '--payload', payload)
        self.target = self.pair.start(1, '-incoming', 'defer', *(['-S'] if parked else []))
        self.pair.prepare(self.target)
        self.prober = Prober(self.folder, {'vm1': self.source.pid, 'vm2': self.target.pid})

    def hung_binary(self, image):
        """The emulator with a disk that hangs while we hold a lock: tests/qtest/hang-disk.c."""
        if b'__asan_init' in Path(base.EMULATOR).read_bytes():
            raise Skipped('nothing can be preloaded before a sanitizer')
        (self.folder / 'disk').symlink_to(image)
        os.mkfifo(self.folder / 'entered')
        self.disk_fds = [os.open(self.folder / 'entered', os.O_RDWR | os.O_NONBLOCK),
                         os.open(self.folder / 'lock', os.O_RDWR | os.O_CREAT)]
        script = self.folder / 'with-hung-disk'
        script.write_text(f'#!/bin/sh\nLD_PRELOAD={HANG} BATON_HANG={self.folder} exec {base.EMULATOR} "$@"\n')
        script.chmod(0o755)
        return str(script)

    def hang_disk(self, on):
        if self.disk_fds:
            fcntl.flock(self.disk_fds[1], fcntl.LOCK_EX if on else fcntl.LOCK_UN)

    def until_disk_hangs(self):
        if not select.select(self.disk_fds[:1], [], [], 10 * base.PATIENCE)[0]:
            raise Failed('nobody used the disk')

    def begin(self, **capabilities):
        """Starts the migration through the wire; returns the place in the source's events."""
        there, mine = f'unix:{self.folder}/there.sock', f'unix:{self.folder}/wire.sock'
        if self.transport == 'tcp':
            there = 'tcp:127.0.0.1:0'
        self.target.qmp.execute('migrate-incoming', {'uri': there})
        if self.transport == 'tcp':
            where = self.target.qmp.execute('query-migrate')['socket-address'][0]
            there, mine = f"tcp:127.0.0.1:{where['port']}", 'tcp:127.0.0.1:0'
        listener = wires.open_address(mine, True)
        if self.transport == 'tcp':
            mine = 'tcp:127.0.0.1:%d' % listener.getsockname()[1]
        threading.Thread(target=self._connect, args=(listener, there), daemon=True).start()
        self.pair.prepare(self.source)
        if capabilities:
            self.source.qmp.execute('migrate-set-capabilities', {'capabilities': [
                {'capability': name.replace('_', '-'), 'state': state} for name, state in capabilities.items()]})
        since = self.source.qmp.mark()
        self.source.qmp.execute('migrate', {'uri': mine})
        return since

    def _connect(self, listener, there):
        left = listener.accept()[0]
        listener.close()
        self.wire = wires.Wire(left, wires.open_address(there, False), self.fault, (self.source.pid, self.target.pid),
                               at_fault=self.noted).start()
        self.wired.set()

    def noted(self):
        name = 'vm2' if self.fault.kind.endswith('destination') else 'vm1'
        self.frozen.append((name, time.time() - 0.01, None))

    def until_fault(self, seconds=20):
        until = base.deadline(seconds)
        if not (self.wired.wait(base.left(until)) and self.wire.until(lambda: self.wire.fault_at, base.left(until))):
            raise Failed(f'no message {self.fault.at}; passed: {" ".join(self.wire.keys()) if self.wire else "none"}')

    def thaw(self):
        """The frozen one goes on."""
        self.frozen = [(name, first, to or time.time() + 0.05) for name, first, to in self.frozen]
        for pid in list(self.wire.frozen):
            self.wire.thaw(pid)

    def settle(self, seconds):
        """Time in which nothing has to happen: what is under way gets as far as it can."""
        threading.Event().wait(seconds)

    def took(self, first, last, delays=None):
        """Without what other processes took: of this one's time, or of the source's where that is more."""
        share = delays.seconds() if delays else 0.0
        return last - first - max(share, self.noise.between(first, last))

    def command(self, name):
        """Sends it; (seconds until the answer, refusal or None)."""
        self.delays = Delays(self.source.pid)
        began = time.time()
        number = self.source.qmp.send(name)
        refusal = None
        try:
            self.source.qmp.reply(number, name, 20)
        except QmpError as why:
            refusal = why.desc
        took = remember(f'{name} answered', self.took(began, time.time(), self.delays))
        if took > ANSWER_S * base.PATIENCE:
            raise TooLate(f'{name} was answered after {took * 1000:.0f} ms')
        return began, refusal

    def runs_again(self, since, began):
        """After an accepted command: RESUME where it had stopped, and ticks in the guest's memory, in time."""
        if any(e['event'] == 'STOP' for e in self.source.qmp.events[since:]):
            back = self.source.qmp.event('RESUME', 20, since=since)['at']
            took = remember('the guest ran again, from the command on', self.took(began, back, self.delays))
            if took > (ANSWER_S + BACK_S) * base.PATIENCE:
                raise TooLate(f'the guest ran {took * 1000:.0f} ms after the command')
        before = self.memory.counters()
        until = base.deadline(10)
        while self.memory.counters() == before:             # a backlog of packets goes before its next tick
            if not base.left(until):
                raise Failed('the guest does not run')
            time.sleep(0.002)

    def finish(self):
        self.prober.stop()
        return remember('query-status answered, beyond an idle emulator', self.prober.check(self.frozen))

    def close(self):
        self.hang_disk(False)
        self.noise.stop()
        if self.delays:
            self.delays.stop()
        for part in (self.wire, self.client, self.pair, self.topology):
            if part:
                part.close()
        if self.prober:
            self.prober.control.close()
        for fd in self.disk_fds:
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def stays_stopped(scene):
    """After the frozen one goes on, it learns that the guest is not its own."""
    scene.thaw()
    until = base.deadline(10)
    while base.left(until):
        if scene.target.process.poll() is not None:
            return
        try:
            status = scene.target.qmp.execute('query-migrate').get('status')
            running = scene.target.qmp.execute('query-status')['running']
        except (Failed, OSError):
            continue                                        # it is just ending
        if running:
            raise Failed('the destination runs')
        if status == 'failed':
            return
        time.sleep(0.01)
    raise Failed(f'the destination never ends: {scene.target.qmp.execute("query-migrate")}')


# ---- cancelled --------------------------------------------------------------------------------------------------------

def cancelled_at(at, wait=0.1, parked=False, command='migrate_cancel', refused='', **scene_args):
    def case(folder):
        with Scene(folder, at, parked=parked, **scene_args) as scene:
            since = scene.begin()
            scene.until_fault()
            scene.settle(wait)
            began, refusal = scene.command(command)
            if refused:
                if refusal is None or refused not in refusal:
                    raise Failed(f'{command} was answered {refusal!r}, not {refused!r}')
            elif refusal:
                raise Failed(f'{command} was refused: {refusal}')
            else:
                scene.runs_again(since, began)
                stays_stopped(scene)
            scene.finish()
    return case


def cancelled_while_connecting(folder):
    """Nobody accepts: the wire's listener is never looked at."""
    with Scene(folder) as scene:
        path = f'{folder}/nobody.sock'
        listener = wires.open_address(f'unix:{path}', True)
        scene.pair.prepare(scene.source)
        since = scene.source.qmp.mark()
        scene.source.qmp.execute('migrate', {'uri': f'unix:{path}'})
        scene.settle(0.1)
        began, refusal = scene.command('migrate_cancel')
        if refusal:
            raise Failed(refusal)
        scene.runs_again(since, began)
        scene.source.qmp.event('MIGRATION', 5, since=since, status='cancelled')
        listener.close()
        scene.finish()


def cancelled_with_hung_disk(folder):
    """The guest's writes never end, so that the disks cannot be finished: the guest has to come back all the same."""
    with Scene(folder, fault='none', disk='yes') as scene:
        scene.hang_disk(True)
        scene.until_disk_hangs()
        since = scene.begin()
        scene.source.qmp.event('STOP', 20, since=since)
        scene.settle(0.2)
        began, refusal = scene.command('migrate_cancel')
        if refusal:
            raise Failed(refusal)
        scene.runs_again(since, began)
        scene.hang_disk(False)
        scene.finish()


def cancelled_with_hung_file(when):
    """A guest that is saved to a file on a disk that hangs: it is stopped already, and comes back all the same."""
    def case(folder):
        with Scene(folder, fault='none', disk='yes') as scene:
            stream = folder / 'saved' / 'disk.img'
            stream.parent.mkdir()
            stream.touch()
            (folder / 'disk').unlink()
            (folder / 'disk').symlink_to(stream)
            if only := {'flushed': 'only-syncs', 'opened': 'only-locks'}.get(when):
                (folder / only).touch()
            scene.pair.prepare(scene.source)
            scene.source.qmp.execute('migrate-set-capabilities',
                                     {'capabilities': [{'capability': 'netpass', 'state': False}]})
            since = scene.source.qmp.mark()
            scene.hang_disk(True)
            scene.source.qmp.execute('migrate', {'uri': f'file:{stream}'})
            scene.until_disk_hangs()
            if when == 'flushed':
                scene.source.qmp.event('STOP', 20, since=since)
            began, refusal = scene.command('migrate_cancel')
            if refusal:
                raise Failed(refusal)
            scene.runs_again(since, began)
            scene.source.qmp.event('MIGRATION', 20, since=since, status='cancelled')
            scene.hang_disk(False)
            scene.finish()
    return case


def cancelled_with_hung_lock(folder):
    """The disks are finished, and the file server does not answer any more when their locks are given up.  The guest comes
    back; what it writes waits for the lock, and then it can go all the same."""
    with Scene(folder, fault='none', disk='yes') as scene:
        (folder / 'only-locks').touch()
        scene.hang_disk(True)
        since = scene.begin()
        scene.until_disk_hangs()
        scene.settle(0.2)
        began, refusal = scene.command('migrate_cancel')
        if refusal:
            raise Failed(refusal)
        scene.runs_again(since, began)
        scene.settle(0.3)
        before = base.bare_counters(scene.source)
        scene.hang_disk(False)
        base.until_it_writes(scene.source, before)
        scene.finish()


def destination_whose_disk_does_not_open(folder):
    """It hangs in open(), after the source has given its locks up: both are alive, and the guest comes back."""
    with Scene(folder, '>PACKAGED#1', byte='last', disk='yes') as scene:
        (folder / 'only-locks').touch()
        since = scene.begin()
        scene.until_fault()
        scene.hang_disk(True)
        scene.thaw()
        scene.until_disk_hangs()
        scene.target.qmp.execute('query-status', seconds=5)
        began, refusal = scene.command('migrate_cancel')
        if refusal:
            raise Failed(refusal)
        scene.runs_again(since, began)
        scene.hang_disk(False)
        stays_stopped(scene)
        scene.finish()


def locks_that_hang_after_run(folder):
    """The destination shall own the guest and does not get its disk's lock, nor does the source when it has the guest back: the
    guest stays stopped, all is said, and `cont` goes on when the lock is there."""
    with Scene(folder, '<READY#1', disk='yes') as scene:
        (folder / 'only-locks').touch()
        since, there = scene.begin(), scene.target.qmp.mark()
        scene.until_fault()
        scene.hang_disk(True)
        scene.thaw()
        scene.until_disk_hangs()
        scene.target.qmp.event('MIGRATION', 20, since=there, status='failed')
        scene.source.qmp.event('MIGRATION', 20, since=since, status='failed')
        says = scene.source.qmp.execute('query-migrate')['error-desc']
        if "disk 'd0'" not in says or 'stays stopped' not in says or 'does not answer' not in says:
            raise Failed(f'the source says {says!r}')
        try:
            scene.source.qmp.execute('cont')
            raise Failed('the guest may run without its disk')
        except QmpError as why:
            if 'does not answer' not in why.desc:
                raise Failed(f'cont: {why.desc}') from why
        scene.hang_disk(False)
        until = base.deadline(10)
        while base.left(until):
            try:
                scene.source.qmp.execute('cont')
                break
            except QmpError as why:                         # nor has the destination dropped at once what it got so late
                if 'does not answer' not in why.desc and 'another process uses the image' not in why.desc:
                    raise
        scene.source.qmp.event('RESUME', 10, since=since)
        base.until_it_writes(scene.source, base.bare_counters(scene.source))
        scene.finish()


def slow_lock_of_a_guest_alone(folder):
    """Its source has left; `cont` does not wait for the lock, nor does it fail for that."""
    with Scene(folder, fault='none', parked=True, disk='yes') as scene:
        there, since = scene.target.qmp.mark(), scene.begin()
        scene.source.qmp.event('MIGRATION', 20, since=since, status='completed')
        scene.source.quit()
        (folder / 'only-locks').touch()
        scene.hang_disk(True)
        scene.target.qmp.execute('cont')
        scene.until_disk_hangs()
        scene.settle(0.2)
        scene.target.qmp.execute('query-status')
        scene.hang_disk(False)
        scene.target.qmp.event('RESUME', 10, since=there)


def qmp_during_hung_disk(folder):
    """A disk that hangs for two seconds on both sides delays the handoff, and nothing else."""
    with Scene(folder, fault='none', disk='yes') as scene:
        scene.hang_disk(True)
        scene.until_disk_hangs()
        since = scene.begin()
        scene.source.qmp.event('STOP', 20, since=since)
        scene.settle(2)
        scene.hang_disk(False)
        scene.source.qmp.event('MIGRATION', 20, since=since, status='completed')
        scene.finish()


def disk_that_is_not_finished(folder):
    """The pause is bounded by ready-deadline-ms, whoever takes that long; where it is the source's disk, that is named."""
    with Scene(folder, fault='none', disk='yes', ready_deadline_ms=700) as scene:
        scene.hang_disk(True)
        scene.until_disk_hangs()
        since = scene.begin()
        stopped = scene.source.qmp.event('STOP', 20, since=since)['at']
        scene.settle(1.5)
        scene.hang_disk(False)
        failed = scene.source.qmp.event('MIGRATION', 60, since=since, status=('failed', 'completed'))
        says = scene.source.qmp.execute('query-migrate').get('error-desc', '')
        if "disk 'd0'" not in says or 'the other side' in says:
            raise Failed(f"{failed['data']['status']}: {says!r}")
        if failed['at'] - stopped > 0.7 + BACK_S * base.PATIENCE:
            raise TooLate(f"it was said after {failed['at'] - stopped:.2f} s")
        scene.source.qmp.event('RESUME', 20, since=since)
        scene.finish()


def memory_that_is_never_ready(folder):
    """A host that takes long to find memory for the guest does not use up the deadline of the hello, nor any other."""
    with Scene(folder, fault='none', disk='yes', setup_deadline_ms=7000, ready_deadline_ms=5000) as scene:
        (folder / 'only-memory').touch()
        scene.hang_disk(True)
        since = scene.begin()
        scene.until_disk_hangs()
        scene.source.qmp.event('MIGRATION', 20, since=since, status='completed')
        scene.target.qmp.event('RESUME', 10)
        scene.hang_disk(False)
        scene.finish()


def not_stopped_before_the_memory_is_ready(folder):
    """Longer than the destination makes the hello wait for it."""
    with Scene(folder, fault='none', disk='yes') as scene:
        (folder / 'only-memory').touch()
        scene.hang_disk(True)
        since = scene.begin()
        scene.until_disk_hangs()
        until = base.deadline(20)
        if not (scene.wired.wait(base.left(until)) and scene.wire.until_saw('>PREPARE', base.left(until))):
            raise Failed('the source never asks whether the destination is ready')
        asked = time.time()
        scene.settle(0.3)
        ready = time.time()
        scene.hang_disk(False)
        if scene.source.qmp.event('STOP', 20, since=since)['at'] < min(ready, asked + 2):       # it waits no longer
            raise TooLate('the guest was stopped before the memory was ready')      # or we were late to see it asked
        scene.source.qmp.event('MIGRATION', 20, since=since, status='completed')
        scene.finish()


# ---- the source stops, or is told to end ----
def destination_quits(folder):
    with Scene(folder, '>ram-batch#1', 'freeze-source', byte='half', dirty=True) as scene:
        scene.begin()
        scene.until_fault()
        scene.settle(0.2)
        began = time.time()
        scene.target.quit(20)
        if time.time() - began > 1 * base.PATIENCE:
            raise TooLate(f'it took {time.time() - began:.1f} s to quit')
        scene.thaw()
        scene.source.qmp.event('MIGRATION', 10, status='failed')
        if not scene.source.qmp.execute('query-status')['running']:
            raise Failed('the source does not run')
        scene.finish()


def continued_without_the_source(folder):
    """`cont` asks and returns; the guest starts when the source can answer."""
    with Scene(folder, '<READY_PARKED#1', 'freeze-source', byte='end', parked=True, rate=100) as scene:
        scene.begin()
        scene.until_fault()
        began = time.time()
        scene.target.qmp.execute('cont')
        if scene.took(began, time.time()) > ANSWER_S * base.PATIENCE:
            raise TooLate(f'cont was answered after {(time.time() - began) * 1000:.0f} ms')
        scene.settle(0.3)
        if scene.target.qmp.execute('query-status')['running']:
            raise Failed('the destination runs without RUN')
        scene.thaw()
        scene.target.qmp.event('RESUME', 10)
        scene.finish()


def source_quits(at, limit, parked=False, **scene_args):
    def case(folder):
        with Scene(folder, at, parked=parked, **scene_args) as scene:
            scene.begin()
            scene.until_fault()
            scene.settle(1.5 if parked else 0.3)
            began = time.time()
            scene.source.quit(limit + 10)
            if time.time() - began > limit * base.PATIENCE:
                raise TooLate(f'it took {time.time() - began:.1f} s to quit')
            scene.thaw()
            scene.settle(0.2)
            scene.finish()
    return case


# ---- deadlines --------------------------------------------------------------------------------------------------------

def deadline_kept(at, says, runs=True, byte='0', rate=100, **parameters):
    limit = next(iter(parameters.values())) / 1000

    def case(folder):
        with Scene(folder, at, byte=byte, rate=rate, **parameters) as scene:
            since = scene.begin()
            scene.until_fault()
            began = scene.wire.fault_real
            event = scene.source.qmp.event('MIGRATION', 60, since=since, status=('failed', 'completed'))
            info = scene.source.qmp.execute('query-migrate')
            took = scene.took(began, event['at'])
            if says not in info.get('error-desc', ''):
                raise Failed(f"after {took:.2f} s: {event['data']['status']}: {info.get('error-desc')!r}, not {says!r}")
            if took > limit + BACK_S * base.PATIENCE:
                raise TooLate(f'the deadline is {limit} s, and it was said after {took:.2f} s')
            if scene.source.qmp.execute('query-status')['running'] != runs:
                raise Failed(f'the guest {"does not run" if runs else "runs"} at the source')
            if runs:
                stays_stopped(scene)
            scene.finish()
    return case


def tail_deadline(folder):
    """The destination stops right after it has started the guest: the source ends by itself."""
    with Scene(folder, '<VM_STARTED#1', byte='end', rate=100, tail_deadline_ms=500, netpass_linger_ms=300) as scene:
        since = scene.begin()
        scene.until_fault()
        began = scene.wire.fault_real
        scene.source.qmp.event('MIGRATION', 20, since=since, status='completed')
        if not scene.wire.ended['>'].wait(max(0, began + 0.8 + 0.5 * base.PATIENCE - time.time())):     # it hangs up
            raise TooLate('the source still waits for the last packets to be confirmed')
        scene.finish()


# ---- the network ------------------------------------------------------------------------------------------------------

class TwoHosts(Stream):
    """The emulators share a switch, and have a migration network between two name spaces that can be taken away."""
    name = 'two hosts'
    made = 0

    def open(self):
        if os.geteuid() != 0:
            raise Skipped('network name spaces need root')
        TwoHosts.made += 1
        self.hosts = [f'baton-{os.getpid()}-v{TwoHosts.made}{side}' for side in 'abc']
        for netns in self.hosts:
            if not ip('netns', 'add', netns, check=False):
                raise Skipped('network namespaces are not available')
        core = self.hosts[2]
        ip('link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0', netns=core)
        ip('link', 'set', 'br0', 'up', netns=core)
        for side, netns in enumerate(self.hosts[:2]):
            ip('link', 'add', 'm0', 'netns', netns, 'type', 'veth', 'peer', 'name', f'p{side}', 'netns', core)
            ip('link', 'set', f'p{side}', 'master', 'br0', netns=core)
            ip('link', 'set', f'p{side}', 'up', netns=core)
            ip('addr', 'add', f'10.9.0.{side + 1}/24', 'dev', 'm0', netns=netns)
            ip('link', 'set', 'm0', 'up', netns=netns)
        super().open()

    def vanish(self):
        """Nothing arrives any more, in either direction, and nobody says so."""
        ip('link', 'set', 'p0', 'nomaster', netns=self.hosts[2])

    def close(self):
        super().close()
        for netns in getattr(self, 'hosts', []):
            ip('netns', 'del', netns, check=False)


def reason(emulator):
    """By QMP, or, of a destination that ended because its guest did not arrive, on standard error."""
    try:
        return emulator.qmp.execute('query-migrate').get('error-desc')
    except (Failed, OSError):
        return emulator.errors()


def network_vanishes(parked):
    def case(folder):
        topology = TwoHosts(folder)
        pair = None
        try:
            topology.netns = topology.hosts[0]
            pair = Pair(topology, bare_args(), folder, machine=machine_args('64M'),
                        parameters={'ready-deadline-ms': 3600000, 'setup-deadline-ms': 3600000})
            source = pair.now
            source.console.expect('BARE-GUEST-READY', 30)
            topology.netns = topology.hosts[1]
            target = pair.start(1, '-incoming', 'defer', *(['-S'] if parked else []))
            pair.prepare(target)
            pair.prepare(source)
            target.qmp.execute('migrate-incoming', {'uri': 'tcp:10.9.0.2:4444'})
            if not parked:
                dirty_all(source)
                source.qmp.execute('migrate-set-parameters', {'max-bandwidth': 1 << 20})
            since = source.qmp.mark()
            source.qmp.execute('migrate', {'uri': 'tcp:10.9.0.2:4444'})
            source.qmp.event('MIGRATION', 20, since=since, status='completed' if parked else 'active')
            threading.Event().wait(0.2)
            topology.vanish()
            began = time.time()
            for emulator in (source, target):
                found = emulator.qmp.event('MIGRATION', 2 * NETWORK_S, status='failed')['at'] - began
                if found > NETWORK_S * base.PATIENCE:
                    raise TooLate(f'{emulator.name} noticed after {found:.1f} s')
                if not reason(emulator):
                    raise Failed(f'{emulator.name} does not say why')
            if source.qmp.execute('query-status')['running'] == parked:
                raise Failed('the source should ' + ('keep the parked guest stopped' if parked else 'run'))
            if parked:
                source.qmp.execute('cont')
                source.qmp.event('RESUME', 5)
        finally:
            if pair:
                pair.close()
            topology.close()
    return case


MAY_RUN = 'may run'
CASES = [
    ('cancelled while it connects', cancelled_while_connecting),
    ('cancelled before the hello is answered', cancelled_at('>HELLO#1')),
    ('cancelled in the middle of the memory, socket full', cancelled_at('>ram-batch#1', 0.5, dirty=True)),
    ('the same over tcp', cancelled_at('>ram-batch#1', 0.5, dirty=True, transport='tcp')),
    ('cancelled while the destination gets ready', cancelled_at('>PREPARE#1')),
    ('cancelled in the middle of the device state', cancelled_at('>PACKAGED#1', byte='half')),
    ('cancelled when the destination is about to load', cancelled_at('>PACKAGED#1', byte='last')),
    ('cancelled after RUN: refused at once', cancelled_at('<READY#1', refused=MAY_RUN)),
    ('cancelled while parked', cancelled_at('<READY_PARKED#1', parked=True)),
    ('cancelled while parked, socket full of packets', cancelled_at('<READY_PARKED#1', 2.0, parked=True, rate=4000)),
    ('continued while parked, socket full of packets', cancelled_at('<READY_PARKED#1', 2.0, parked=True, rate=4000,
                                                                    command='cont')),
    ('cancelled with a disk that hangs', cancelled_with_hung_disk),
    ('cancelled with a file that hangs when it is opened', cancelled_with_hung_file('opened')),
    ('cancelled with a file that hangs when it is flushed', cancelled_with_hung_file('flushed')),
    ('cancelled with a file that hangs when it is written', cancelled_with_hung_file('written')),
    ('cancelled with a lock that hangs', cancelled_with_hung_lock),
    ('a destination whose disk hangs when it is opened', destination_whose_disk_does_not_open),
    ('a destination whose lock hangs when it shall own the guest', locks_that_hang_after_run),
    ('a guest without its source whose lock is slow', slow_lock_of_a_guest_alone),
    ('QMP answers with a disk that hangs', qmp_during_hung_disk),
    ("a disk of the source's that is not finished", disk_that_is_not_finished),
    ('memory that does not get ready', memory_that_is_never_ready),
    ('the guest is not stopped before the memory is ready', not_stopped_before_the_memory_is_ready),
    ('the destination quits while its source is stopped', destination_quits),
    ('continued while the source is stopped', continued_without_the_source),
    ('the source quits in the middle of the memory, socket full', source_quits('>ram-batch#1', 1, dirty=True)),
    ('the source quits while parked, socket full of packets', source_quits('<READY_PARKED#1', 9.5, parked=True, rate=4000)),
    ('a hello without an answer', deadline_kept('>HELLO#1', 'has not answered the hello', setup_deadline_ms=700)),
    ('a destination that does not get ready', deadline_kept('>PREPARE#1', 'has not got ready for the guest',
                                                            switchover_deadline_ms=700)),
    ('device state that is not loaded', deadline_kept('>PACKAGED#1', 'has not loaded the device state',
                                                      ready_deadline_ms=700)),
    ('RUN without an answer', deadline_kept('<READY#1', 'has not said that the guest runs', runs=False,
                                            run_deadline_ms=700)),
    ('RUN without an answer, socket full of packets',
     deadline_kept('<READY#1', 'has not said that the guest runs', runs=False, rate=4000, run_deadline_ms=2500)),
    ('packets that are not confirmed', tail_deadline),
    ('a network that vanishes under a parked guest', network_vanishes(True)),
] + [('a network that vanishes under the memory', network_vanishes(False))] * base.FULL

if __name__ == '__main__':
    status = base.run_tests([(f'frozen: {name}', case) for name, case in CASES])
    for what, took in sorted(longest.items()):
        print(f'# {what}: at most {took * 1000:.1f} ms')
    sys.exit(status)
