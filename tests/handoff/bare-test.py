#!/usr/bin/env python3
# tests/handoff/bare-test.py - the bare guest handed over under numbered traffic: topologies, rates, events.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest boots in milliseconds and keeps up with 5000 datagrams a second, so every promise is tried here first."""
import os
import re
import signal
import sys
import time

from judge import check_move, check_order, check_report, whose
from observer import Memory, check_disk
from pair import Failed, Pair, TooLate, bare_args, base, machine_args
from topology import Bridged, Dgram, MirroredStream, OneBridge, Stream, ThreeBridges

MOVES = 20 if base.FULL else 3
DISK_SECTORS = 2048
MEMORY = 64 << 20
PARK_SECONDS = 0.5


class Scene:
    """A topology, a pair and a client, all closed at the end."""
    usual = Stream

    def __init__(self, folder, topology=None, rate=1000, disk=None, **pair):
        self.topology = (topology or Scene.usual)(folder)
        self.pair = self.client = None
        args = bare_args()
        if disk:
            args += ['-drive', f'file={disk},format=raw,if=none,id=d0', '-device', 'virtio-blk-device,drive=d0']
        try:
            self.pair = Pair(self.topology, args, folder, machine=machine_args('64M'), **pair)
            self.pair.now.console.expect('BARE-GUEST-READY', 30)
            self.pair.now.console.send('t')             # no tick lines: what is counted is asked for
            self.client = self.topology.client('--echo', rate, '--from-guest', rate, '--broadcast', 50)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        for part in (self.client, self.pair, self.topology):
            if part:
                part.close()

    def counters(self):
        return base.bare_counters(self.pair.now)

    def check(self):
        report = self.client.stop()
        try:
            check_order(self.pair.moves)
            check_report(report, self.pair.moves, tcp=False)
        except Failed as why:
            raise whose(why, report, self.topology.drops()) from None
        return report


def moves_lose_nothing(topology, rate):
    def case(folder):
        with Scene(folder, topology, rate) as scene:
            scene.client.run_for(0.3)
            for _ in range(MOVES):
                check_move(scene.pair.move())
                scene.client.run_for(0.2)
            scene.check()
    return case


def dirtying(folder):
    with Scene(folder) as scene:
        scene.pair.now.console.send('d')
        scene.client.run_for(0.5)
        for _ in range(MOVES):
            check_move(scene.pair.move())
            scene.client.run_for(0.3)
        counters, until = scene.counters(), base.deadline(20)
        while not counters['dirty_rounds'] and base.left(until):
            counters = scene.counters()
        if counters['dirty_wrong'] or not counters['dirty_rounds']:
            raise Failed(f"memory went back in time on {counters['dirty_wrong']} pages "
                         f"({counters['dirty_rounds']} rounds)")
        scene.check()


def over_tcp(folder):
    with Scene(folder, transport='tcp') as scene:
        check_move(scene.pair.move())
        scene.client.run_for(0.2)
        scene.check()


def disk_follows(folder):
    image = folder / 'disk.img'
    image.write_bytes(bytes(512 * DISK_SECTORS))
    with Scene(folder, disk=image) as scene:
        scene.client.run_for(0.5)
        for _ in range(2):
            check_move(scene.pair.move())
            scene.client.run_for(0.3)
        scene.check()
        scene.pair.now.qmp.execute('stop')
        check_disk(image, Memory(scene.pair.now.pid, MEMORY).counters())
        scene.pair.now.quit()


def ticks_go_on(folder):
    with Scene(folder) as scene:
        before = scene.counters()
        scene.pair.move()
        after = scene.counters()
        if not before['ticks'] <= after['ticks'] <= before['ticks'] + 1000:
            raise Failed(f'ticks jumped: {before} {after}')
        if after['late_ticks'] != before['late_ticks']:     # the guest was half a second behind
            raise TooLate(f'ticks were left out: {before} {after}')
        scene.check()


def parked(folder):
    with Scene(folder) as scene:
        pair = scene.pair
        target, uri = pair.listen('-S')
        since = pair.begin(uri)
        pair.now.qmp.event('STOP', 30, since=since)
        pair.now.qmp.event('MIGRATION', 30, since=since, status='completed')
        if target.qmp.execute('query-status')['running']:
            raise Failed('the parked destination runs')
        if 'downtime' in pair.now.qmp.execute('query-migrate'):
            raise Failed('a downtime is reported before the guest has started')
        scene.client.run_for(PARK_SECONDS)              # the frames of this time wait on the destination
        target.qmp.execute('cont')
        pair.finish(target, since)
        pair.retire(target)
        scene.client.run_for(0.3)
        scene.check()


def source_ends_while_parked(folder):
    """It is told to quit with frames in its netdev that it has not even read: all that came before its end goes along."""
    with Scene(folder) as scene:
        pair = scene.pair
        target, uri = pair.listen('-S')
        since = pair.begin(uri)
        pair.now.qmp.event('MIGRATION', 30, since=since, status='completed')
        scene.client.run_for(PARK_SECONDS / 2)
        source, client = pair.now, scene.client.process
        os.kill(source.pid, signal.SIGSTOP)
        scene.client.run_for(0.1)
        if isinstance(scene.topology, (Bridged, Dgram)):        # a bridge sees that a tap has no reader after a second, and
                                                                # who sends datagrams never does
            os.kill(client.pid, signal.SIGSTOP)
        source.qmp.send('quit')
        os.kill(source.pid, signal.SIGCONT)
        source.wait()
        pair.now, pair.side = target, 1 - pair.side
        scene.client.run_for(0.1)
        target.qmp.execute('cont')
        target.qmp.event('RESUME', 10)
        os.kill(client.pid, signal.SIGCONT)
        scene.client.run_for(0.3)
        scene.check()


def code_is_decoded_ahead_and_never_stale(folder):
    """The guest rewrites and runs its code with every datagram, so also between list, last round and start."""
    with Scene(folder, more=lambda number: ['-trace', 'code_ahead']) as scene:
        scene.pair.now.console.send('e')
        for _ in range(MOVES):
            check_move(scene.pair.move())
            said = re.search(r'(\d+) blocks decoded ahead', (folder / f'{scene.pair.now.name}.err').read_text())
            if not said or not int(said[1]):
                raise TooLate(f'nothing was decoded ahead: {said and said[0]}')     # there is a time for it
            scene.client.run_for(0.2)
        scene.pair.now.console.send('w')
        rounds, wrong = map(int, scene.pair.now.console.expect(r'code rounds (\d+) wrong (\d+)', 10).groups())
        if wrong:
            raise Failed(f'{wrong} functions of {rounds} rounds ran as they were before they were rewritten')
        if rounds < 100 * MOVES:
            raise TooLate(f'only {rounds} rounds')
        scene.check()


def parked_and_thawed(folder):
    with Scene(folder) as scene:
        pair = scene.pair
        target, uri = pair.listen('-S')
        since = pair.begin(uri)
        pair.now.qmp.event('MIGRATION', 30, since=since, status='completed')
        scene.client.run_for(0.1)
        pair.now.qmp.execute('cont')                    # the owner takes it back
        pair.now.qmp.event('RESUME', 10, since=since)
        scene.client.run_for(0.3)
        scene.check()
        if target.process.poll() is None and target.qmp.execute('query-status')['running']:
            raise Failed('both sides run')


def paused_by_the_user(folder):
    with Scene(folder) as scene:
        pair = scene.pair
        scene.client.stop()
        pair.now.qmp.execute('stop')
        target, uri = pair.listen()
        since = pair.begin(uri)
        pair.now.qmp.event('MIGRATION', 30, since=since, status='completed')
        target.qmp.event('MIGRATION', 30, status='completed')
        if target.qmp.execute('query-status')['running']:
            raise Failed('a paused guest runs after the handoff')
        target.qmp.execute('cont')
        target.qmp.event('RESUME', 10)
        pair.retire(target)
        before = scene.counters()['ticks']
        pair.now.console.send('t')
        pair.now.console.expect(f'tick {before + 10}', 10)


def slowly(scene):
    """A handoff that takes its time, so that something can happen to it."""
    scene.pair.parameters = {'max-bandwidth': 1 << 20}
    scene.pair.now.console.send('d')
    target, uri = scene.pair.listen()
    since = scene.pair.begin(uri)
    scene.pair.now.qmp.event('MIGRATION', 30, since=since, status='active')
    return target, since


def then_moves(scene):
    """After a failure the guest still runs here, has lost nothing, and can be handed over."""
    scene.pair.parameters = {'max-bandwidth': 0}
    if not scene.pair.now.qmp.execute('query-status')['running']:
        raise Failed('the guest does not run after the handoff failed')
    scene.client.run_for(0.2)
    check_move(scene.pair.move())
    scene.client.run_for(0.2)
    scene.check()


def cancelled(folder):
    with Scene(folder) as scene:
        target, since = slowly(scene)
        scene.pair.now.qmp.execute('migrate_cancel')
        scene.pair.now.qmp.event('MIGRATION', 20, since=since, status='cancelled')
        target.kill()
        then_moves(scene)


def destination_killed_while_active(folder):
    with Scene(folder) as scene:
        target, since = slowly(scene)
        target.kill()
        scene.pair.now.qmp.event('MIGRATION', 20, since=since, status='failed')
        then_moves(scene)


def at_switchover(scene):
    """Everything sent but the devices, harts stopped: status pre-switchover."""
    target, since = scene.pair.to_switchover()
    scene.client.run_for(0.1)
    return target, since


def cancelled_at_switchover(folder):
    with Scene(folder) as scene:
        target, since = at_switchover(scene)
        scene.pair.now.qmp.execute('migrate_cancel')
        scene.pair.now.qmp.event('MIGRATION', 20, since=since, status='cancelled')
        scene.pair.taken_back(since)
        target.kill()
        then_moves(scene)


def destination_killed_at_switchover(folder):
    with Scene(folder) as scene:
        target, since = at_switchover(scene)
        target.kill()
        try:
            scene.pair.now.qmp.execute('migrate-continue', {'state': 'pre-switchover'})
        except base.QmpError:
            pass                                        # the loss may have been noticed before
        scene.pair.now.qmp.event('MIGRATION', 20, since=since, status='failed')
        scene.pair.taken_back(since)
        then_moves(scene)


def continued_at_switchover(folder):
    with Scene(folder) as scene:
        target, since = at_switchover(scene)
        scene.pair.now.qmp.execute('migrate-continue', {'state': 'pre-switchover'})
        scene.pair.finish(target, since)
        scene.pair.retire(target)
        scene.client.run_for(0.2)
        scene.check()


def source_killed_after_the_start(folder):
    """What came to the source between its freeze and its death may die with it, and no more than that."""
    rate, queued = 1000, 20                             # what may have been under way at the freeze
    with Scene(folder, rate=rate) as scene:
        pair = scene.pair
        target, uri = pair.listen()
        since = pair.begin(uri)
        target.qmp.event('RESUME', 30)
        pair.now.kill()
        frozen_for = time.time() - pair.now.qmp.event('STOP', 5, since=since)['at']
        pair.now, pair.side = target, 1 - pair.side
        scene.client.run_for(0.5)
        counters = scene.counters()
        report = scene.client.stop()
        for where, flow in (('client', report['echo']), ('guest', counters['echo']), ('guest', counters['broadcast'])):
            if flow['duplicated'] or flow['reordered']:
                raise Failed(f"{where}: {flow['duplicated']} duplicated, {flow['reordered']} reordered")
        if report['echo']['lost'] > rate * frozen_for + queued:
            raise TooLate(f"{report['echo']['lost']} lost by a source that was killed {frozen_for * 1000:.0f} ms after its freeze")
        check_move(pair.move())                         # and the guest can go on from there


def qmp_is_alive(folder):
    limit = 0.2 * base.PATIENCE
    with Scene(folder) as scene:
        pair, worst = scene.pair, 0.0
        pair.parameters = {'max-bandwidth': 4 << 20}
        pair.now.console.send('d')
        target, uri = pair.listen()
        since = pair.begin(uri)
        pair.now.qmp.event('MIGRATION', 30, since=since, status='active')
        for _ in range(100):
            for emulator in (pair.now, target):
                began = time.monotonic()
                emulator.qmp.execute('query-migrate')
                worst = max(worst, time.monotonic() - began)
        pair.now.qmp.execute('migrate-set-parameters', {'max-bandwidth': 0})
        pair.finish(target, since)
        pair.retire(target)
        if worst > limit:
            raise TooLate(f'a reply took {worst * 1000:.0f} ms')
        scene.check()


def netdev_that_cannot(folder):
    """A backend that cannot be read while the guest is stopped is refused by name, or listed when that is accepted."""
    machine = base.Emulator([*machine_args('64M'), *bare_args(), '-netdev', 'user,id=unable', '-device',
                             'virtio-net-device,netdev=unable'], folder=folder)
    try:
        machine.console.expect('BARE-GUEST-READY', 30)
        machine.qmp.execute('migrate-set-capabilities', {'capabilities': [
            {'capability': name, 'state': True} for name in ('return-path', 'netpass')]})
        try:
            machine.qmp.execute('migrate', {'uri': f'unix:{folder}/nobody.sock'})
        except base.QmpError as why:
            if 'unable' not in why.desc:
                raise Failed(f'the refusal does not name the netdev: {why.desc}') from None
        else:
            raise Failed('a netdev that cannot be captured was accepted')
    finally:
        machine.close()


def on(topology, case):
    def run(folder):
        Scene.usual = topology
        case(folder)
    return run


TOPOLOGIES = [OneBridge, ThreeBridges, Stream, Dgram, MirroredStream]
# The turn of the path is the network's: these are tried on a bridge as well, and with BATON_FULL all on everything.
ON_A_BRIDGE = {dirtying, parked, source_ends_while_parked, cancelled_at_switchover, source_killed_after_the_start}
EVENTS = [
    ('a guest that dirties memory arrives whole', dirtying),
    ('over tcp: nothing is lost', over_tcp),
    ('what was flushed is on the disk, on whichever side', disk_follows),
    ('ticks go on', ticks_go_on),
    ('a parked destination gets what arrived meanwhile', parked),
    ('a source that is told to quit leaves the parked guest all its frames', source_ends_while_parked),
    ('the owner of a parked guest takes it back', parked_and_thawed),
    ('a guest that was paused by the user stays paused', paused_by_the_user),
    ('code is decoded ahead, and what the guest rewrites meanwhile never runs stale', code_is_decoded_ahead_and_never_stale),
    ('cancelled: nothing is lost', cancelled),
    ('destination killed while RAM is sent: nothing is lost', destination_killed_while_active),
    ('cancelled at the switchover: nothing is lost', cancelled_at_switchover),
    ('destination killed at the switchover: nothing is lost', destination_killed_at_switchover),
    ('continued at the switchover: nothing is lost', continued_at_switchover),
    ('source killed after the start: at most its tail is lost', source_killed_after_the_start),
    ('QMP answers throughout', qmp_is_alive),
    ('a netdev that cannot be captured is refused by name', netdev_that_cannot),
]
GROUPS = {
    'matrix': [(f'{topology.name}, {rate}/s: {MOVES} handoffs lose nothing', moves_lose_nothing(topology, rate))
               for topology in TOPOLOGIES for rate in (1000, 5000)],
    'events': [(f'{topology.name}: {name}', on(topology, case)) for topology in TOPOLOGIES for name, case in EVENTS
               if base.FULL or topology is Stream or (topology is OneBridge and case in ON_A_BRIDGE)],
}

if __name__ == '__main__':
    group = sys.argv.pop(1) if len(sys.argv) > 1 and sys.argv[1] in GROUPS else None
    sys.exit(base.run_tests([case for name, cases in GROUPS.items() if group in (None, name) for case in cases]))
