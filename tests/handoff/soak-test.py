#!/usr/bin/env python3
# tests/handoff/soak-test.py - one guest, handed over again and again: nothing lost, nothing grows, the clock is true.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian with four harts under numbered UDP, TCP, verified disk writes and dirty memory.  Each handoff is to a new process,
looked at just before it gives the guest away again; then one process has its handoffs cancelled, and is looked at again and again.

BATON_FULL=1: 1000 handoffs and 200 that are taken back.
"""
import argparse
import json
import os
import socket
import statistics
import sys
import time

from footprint import Footprint, grown, summary
from judge import check_move, check_report
from pair import Pair, bare_args, base, debian_args, machine_args
from topology import OneBridge, Stream
from waits import Waits

sys.path.insert(0, str(base.ROOT / 'tests/tools'))
from wire import Wire                                                                           # noqa: E402

MEMORY_MIB, HARTS = 256, 4 if base.FULL else 2
BOOT_SECONDS, MOVE_SECONDS = 200, 120
BETWEEN_SECONDS = 0.15
LOOKS = 50                              # at most, at each end, that are compared
CLOCK_ROUNDS, CLOCK_TRIES, CLOCK_GOOD_TRIES = 250, 40, 8 if base.FULL else 2
CLOCK_WIDTH_US, CLOCK_GOOD_US, CLOCK_BOUND_US = 500, 200, 1000       # how exactly it is measured, must and should; how right it is
SAMPLE_SECONDS = 0.02                   # of the host's waits: an hour of them must fit into memory
PROGRESS = 25
GATE_MS = 100                           # netpass-gate-ms
GIVEN_UP = ('cancel', 'early', 'kill', 'parked')
SECTION_FULL, PARTS_BEGIN = 4, b'\x04\x00\x01\x00\x00'       # the number of the first part's section
PACKETS_BYTES = 16384                   # that happen to wait


class Offsets:
    """Bounds of guest time less host time, microseconds: what every exchange of a row says together."""
    def __init__(self, client):
        self.low, self.high = -float('inf'), float('inf')
        for number in range(CLOCK_TRIES):
            self.last = client.clock(CLOCK_ROUNDS)
            self.low, self.high = max(self.low, self.last['low_us']), min(self.high, self.last['high_us'])
            if self.high - self.low < (CLOCK_GOOD_US if number < CLOCK_GOOD_TRIES else CLOCK_WIDTH_US):
                return
        said = f'the guest\'s clock cannot be measured here: no nearer than {self.high - self.low:.0f} us'
        if base.FULL:
            raise base.Failed(said)
        tell(said)

    def moved_from(self, other):
        """(most likely, at least, at most) by how much this offset is another one."""
        return ((self.low + self.high - other.low - other.high) / 2, self.low - other.high, self.high - other.low)


class Soak:
    def __init__(self, folder, make_network):
        self.make_network = make_network
        self.folder, self.image = folder, folder / 'disk.img'
        self.net = self.pair = self.client = self.waits = None
        self.looks, self.sizes, self.wrong, self.returned, self.late = [], [], [], 0, 0
        try:
            self.open()
        except BaseException:
            self.close()
            raise

    def open(self):
        base.ext4_image(self.image)
        self.net = self.make_network(self.folder)
        args = [*debian_args('soak', 'baton.dirty=5:32'), '-drive', f'file={self.image},format=raw,if=none,id=d0', '-device',
                'virtio-blk-device,drive=d0']
        self.pair = Pair(self.net, args, self.folder, machine=machine_args(f'{MEMORY_MIB}M', HARTS))
        self.pair.now.console.expect('BATON-GUEST-READY', BOOT_SECONDS)
        self.client = self.net.client('--echo', 1000, '--from-guest', 1000, '--broadcast', 20, '--request', 2000)
        self.waits = Waits(lambda: [p.pid for p in [*(e.process for e in self.pair.emulators[-2:]), *self.net.processes]],
                           SAMPLE_SECONDS)
        self.client.run_for(1)
        self.offsets = Offsets(self.client)

    def close(self):
        if self.waits:
            self.waits.stop()
        for part in (self.client, self.pair, self.net):
            if part:
                part.close()

    def look(self):
        return Footprint(self.pair.now.pid, MEMORY_MIB << 20)

    def release(self, *emulators):
        """They have ended: checks what the guest said there and gives everything of theirs back."""
        for emulator in emulators:
            text = bytes(emulator.console.reader.data).decode(errors='replace')
            for word in ('BATON-GUEST-ERROR', 'BATON-DISK-FAILED', 'BATON-DISK-OK'):
                if word in text:
                    raise base.Failed(f'the guest said: {text[text.index(word):][:200]}')
            self.pair.emulators.remove(emulator)
            emulator.release()

    # ---- to and fro ----
    def hand_over(self, measured=False):
        source = self.pair.now
        self.looks.append(self.look())
        move = self.measured_move() if measured else self.pair.move(MOVE_SECONDS)
        try:
            check_move(move)
        except base.Failed as why:      # a thousand handoffs are not thrown away for one figure
            self.note(move, why)
        self.release(source)
        self.client.run_for(BETWEEN_SECONDS)

    def note(self, move, why):
        """A gate that opened by its deadline since the host let the source not read its port is no flaw of ours."""
        held_up = self.waits.within(move.stop, time.time())
        number = len(self.pair.moves)
        tell(f'handoff {number}: {why} (the host took {held_up:.0f} ms)')
        if 'was not ordered' in str(why) and held_up >= GATE_MS / 2:
            return
        if isinstance(why, base.TooLate) and not base.FULL:
            self.late += 1              # the numbers tell whether order was lost
        else:
            self.wrong.append(f'handoff {number}: {why}')

    def measured_move(self):
        """As Pair.move(), past a wire that knows how long the device state is."""
        pair = self.pair
        target, uri = pair.listen()
        path = f'{self.folder}/wire.sock'
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        since = pair.begin(f'unix:{path}')
        destination = socket.socket(socket.AF_UNIX)
        destination.connect(uri.removeprefix('unix:'))
        source = listener.accept()[0]
        listener.close()
        os.unlink(path)
        wire = Wire(source, destination).start()
        try:
            move = pair.finish(target, since, MOVE_SECONDS)
            self.sizes.append(state_sizes(next(m.data for m in wire.passed if m.name == 'PACKAGED')))
            pair.retire(target)
        finally:
            wire.close()
        return move

    # ---- the end ----
    def check(self, began, wrong):
        wrong = wrong + self.wrong + self.check_clock() + self.check_state()
        self.pair.now.console.send('touch /tmp/disk-stop\n')
        rounds = int(self.pair.now.console.expect(r'BATON-DISK-OK (\d+)', 60)[1])
        report = self.client.stop()
        self.waits.stop()
        report['attempts'] = [vars(a) for a in self.pair.attempts]
        (self.folder / 'report.json').write_text(json.dumps(report))
        tell(self.figures(report, rounds, time.monotonic() - began))
        self.pair.now.console.send('poweroff\n')
        if self.pair.now.wait(60) != 0:
            wrong.append(f'power off ended with {self.pair.now.process.returncode}: {self.pair.now.errors()}')
        wrong += filter(None, [base.fsck(self.image)])
        try:
            check_report(report, self.pair.attempts, self.waits)
        except base.Failed as why:
            wrong.append(str(why))
        if self.late > len(self.pair.moves) // 3:       # a time like others: a machine that is busy misses some
            wrong.append(f'{self.late} of {len(self.pair.moves)} handoffs missed a bound on time')
        if wrong:
            raise base.Failed('; '.join(wrong))

    def check_clock(self):
        now = Offsets(self.client)
        likely, least, most = now.moved_from(self.offsets)
        tell(f'the guest\'s clock: {likely:+.0f} us ({least:+.0f} to {most:+.0f}) from the host\'s since the start; largest step '
             f'back {now.last["backward_ns"]} ns, forward {now.last["forward_ms"]:.0f} ms, in {now.last["samples"]} samples')
        wrong = []
        if now.last['backward_ns']:
            wrong.append(f'a clock of the guest went back by {now.last["backward_ns"]} ns')
        if most - least > 2 * CLOCK_WIDTH_US:       # a host that answers so late proves only a larger difference
            least, most = most, least
        if least < -CLOCK_BOUND_US or most > CLOCK_BOUND_US:
            wrong.append(f'the guest\'s clock is off by {likely:.0f} us ({least:.0f} to {most:.0f})')
        return wrong

    def check_state(self):
        """What travels is as long at the end as at the start; of the packets' section the shortest, since packets are in it."""
        wrong, half = [], len(self.sizes) // 2
        for name in self.sizes[0]:
            before, after = (min(s.get(name, 0) for s in part) for part in (self.sizes[:half], self.sizes[-half:]))
            tell(f'state of {name}: {before} -> {after} bytes')
            if after > before * 1.01 + (PACKETS_BYTES if name == 'netpass' else 0):
                wrong.append(f'the state of {name} grew from {before} to {after} bytes')
        return wrong

    def figures(self, report, rounds, seconds):
        pauses = sorted(m.pause_ms for m in self.pair.moves)
        flows = [report['echo'], report['from_guest']]
        return (f'{len(self.pair.moves)} handoffs, {self.returned} taken back in {seconds:.0f} s; '
                f'{sum(f["sent"] for f in flows)} datagrams, ' + ', '.join(
                    f'{sum(f[what] for f in flows)} {what}' for what in ('lost', 'duplicated', 'reordered')) +
                f'; {report["request"]["done"]} requests, '
                f'{report["request"]["retransmissions"]} segments sent again; {rounds} rounds on the disk; pause median '
                f'{statistics.median(pauses):.1f}, worst {pauses[-1]:.1f} ms')


def usual_network(folder):
    try:
        return OneBridge(folder)
    except base.Skipped:
        return Stream(folder)           # needs no root


def state_sizes(package):
    """Bytes of the devices, and of each part: docs/migration-stream.md, Device state."""
    at = package.index(PARTS_BEGIN)
    sizes = {'devices': at}
    while package[at] == SECTION_FULL:
        name = package[at + 6:at + 6 + package[at + 5]]
        data = at + 6 + len(name) + 12
        sizes[name.decode()] = int.from_bytes(package[data - 4:data], 'big')
        at = data + sizes[name.decode()] + 5
    return sizes


def tell(text):
    print(f'# {text}', flush=True)


# ---- not given away after all ------------------------------------------------------------------------------------------

def take_back(pair, how):
    """One handoff that is given up in this way; the process that waited for the guest."""
    old = pair.now
    if how == 'parked':
        target, uri = pair.listen('-S')
        since = pair.begin(uri)
        old.qmp.event('MIGRATION', MOVE_SECONDS, since=since, status='completed')
        old.qmp.execute('cont')
    elif how == 'early':
        target, uri = pair.listen()
        since = pair.begin(uri)
        old.qmp.execute('migrate_cancel')
    else:
        target, since = pair.to_switchover()
        if how == 'cancel':
            old.qmp.execute('migrate_cancel')
        else:
            target.kill()
    old.qmp.event('MIGRATION', MOVE_SECONDS, since=since, status=('cancelled', 'failed'))
    if how != 'early':
        pair.taken_back(since)
    target.kill()
    return target


def look_at_source(pair, client, count, release, seconds, guest_bytes):
    """Looks at the one process that does not get rid of its guest, from behind its first tries on."""
    looks = []
    for number in range(count):
        release(take_back(pair, GIVEN_UP[number % len(GIVEN_UP)]))
        client.run_for(seconds)
        if number % len(GIVEN_UP) == len(GIVEN_UP) - 1:
            looks.append(Footprint(pair.now.pid, guest_bytes))
        if number % PROGRESS == PROGRESS - 1:
            tell(f'{number + 1} taken back; {looks[-1]}')
    return ends(looks[len(looks) // 8:])


def source_stays(count):
    """A guest that does next to nothing, so that its process has no reason to grow at all."""
    def run(folder):
        net = Stream(folder)
        pair = client = None

        def release(emulator):
            pair.emulators.remove(emulator)
            emulator.release()
        try:
            pair = Pair(net, bare_args(), folder, machine=machine_args('64M'))
            client = net.client('--bare', '--echo', 1000)
            first, last = look_at_source(pair, client, count, release, 0, 64 << 20)
            tell(summary(first, last))
            report = client.stop()
            wrong = grown(first, last) + [f'{report["echo"][what]} {what}' for what in ('lost', 'duplicated', 'reordered')
                                          if report['echo'][what]]
            if wrong:
                raise base.Failed('; '.join(wrong))
        finally:
            for part in (client, pair, net):
                if part:
                    part.close()
    return f'{count} handoffs of a small guest given up: its process does not grow', run


# ---- both ----------------------------------------------------------------------------------------------------------------

def ends(looks):
    """The looks at the start and those at the end that are compared."""
    count = max(1, min(LOOKS, len(looks) // 3))
    return looks[:count], looks[-count:]


def soak(handoffs, back, make_network):
    def run(folder):
        began, scene = time.monotonic(), Soak(folder, make_network)
        try:
            wrong = to_and_fro(scene, handoffs) + taken_back(scene, back)
            scene.check(began, wrong)
        finally:
            scene.close()
    return f'{handoffs} handoffs to and fro and {back} taken back: all flows whole, nothing grows, the clock is true', run


def to_and_fro(scene, handoffs):
    measured = {2, 3, 4, handoffs - 2, handoffs - 1, handoffs} | set(range(0, handoffs, 100))
    for number in range(1, handoffs + 1):
        scene.hand_over(number in measured)
        if number % PROGRESS == 0:
            tell(f'{number} handoffs; {scene.looks[-1]}')
    first, last = ends(scene.looks[1:])     # the first process booted the guest, the others received it
    tell(f'processes: {summary(first, last)}')
    return grown(first, last, with_guest=not base.FULL)     # of a few processes one may have had the guest for longer


def taken_back(scene, back):
    first, last = look_at_source(scene.pair, scene.client, back, scene.release, BETWEEN_SECONDS / 3, MEMORY_MIB << 20)
    scene.returned = back
    tell(f'the source that stays: {summary(first, last)}')
    return grown(first, last, with_guest=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--handoffs', type=int, default=1000 if base.FULL else 10)
    parser.add_argument('--back', type=int, default=200 if base.FULL else 8)
    parser.add_argument('--switch', action='store_true', help='our own switch, not a bridge with taps')
    args = parser.parse_args()
    sys.argv[1:] = []
    net = Stream if args.switch else usual_network
    sys.exit(base.run_tests([source_stays(2 * args.back), soak(args.handoffs, args.back, net)]))
