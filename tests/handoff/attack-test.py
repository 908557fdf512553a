#!/usr/bin/env python3
# tests/handoff/attack-test.py - netpass under attack: hubs, storms, twins on purpose, late switches, full rings, bounds.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each case hands the bare guest to and fro on a network that makes it hard, and counts in guest memory and outside.

Nothing may be lost, doubled or reordered; where docs/netpass.md gives a frame up, it is accounted for to the frame.
"""
import sys
import time
from contextlib import nullcontext

from attack_net import (CARDS, CardsOnBridge, CardsOnHub, CardsOnLateSwitch, CardsOnSwitch, Hub, HubBetween, LateDgram,
                        LateHub, LateSwitch, Offloads, OffloadsHere, OffloadsHub, OffloadsThere, ShortQueue, StreamAndDgram,
                        TapAndStream, Witness, numbers_in, read_pcap, stalling, standing,
                        stay_on_one_processor)
from judge import BUSY_MS, OWN_FRAMES, check_account, check_numbers, check_order, given_up, said, whose
from pair import Failed, Pair, TooLate, bare_args, base, machine_args, netdevs
from topology import Bridged, Dgram, MirroredStream, OneBridge, Stream, ThreeBridges
from waits import Waits

MOVES = 10 if base.FULL else 2
STORM = 20000                                   # frames a second
STANDS_S = 1.2                                  # more than twins of unknown order may be apart
STORM_OF_ONE = 4000                             # the same, for one process that keeps up and one that does not
PARK_SECONDS = 10 if base.FULL else 2
GROUP = '239.1.2.3'
KIB = 1024
GATE_S = 0.1                                    # netpass-gate-ms
EXIT_S = 3                                      # more than netpass-linger-ms
FRAME_COST = 106                                # bytes of the smallest frame here; with what an entry costs it is more


class Scene:
    """A topology, a pair, one client or several; closed at the end."""
    def __init__(self, folder, topology, *options, **pair):
        self.topology = topology(folder)
        self.pair, self.all, self.waits = None, [], None
        self.at_bound = False                   # the source's last frames may take longer than a gate's deadline
        self.witness = Witness(None)
        self.overrun = 0                        # dropped by the kernel for a process that runs: the host is too slow
        try:
            self.pair = Pair(self.topology, bare_args(), folder, machine=machine_args('64M'), **pair)
            self.pair.now.console.expect('BARE-GUEST-READY', 30)
            self.pair.now.console.send('t')     # no tick lines: what is counted is asked for
            start = getattr(self.topology, 'clients', None)
            self.all = start(*options) if start else [self.topology.client(*options)]
            self.waits = Waits(self.pids)
        except BaseException:
            self.close()
            raise

    @property
    def client(self):
        return self.all[0]

    def pids(self):
        return [e.pid for e in self.pair.emulators] + [process.pid for process in self.topology.processes]

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        if self.waits:
            self.waits.stop()
        for part in (*self.all, self.pair, self.topology):
            if part:
                part.close()

    def moves(self, count=MOVES, pause=0.2, each=lambda: None):
        self.client.run_for(pause)
        for _ in range(count):
            each()
            self.pair.move()
            self.client.run_for(pause)

    def drops_of(self, side):
        return self.topology.drops_of(side) if isinstance(self.topology, ShortQueue) else 0

    def hold(self, emulator=None):
        """The guest takes no frame from its ring from now on, or does so again."""
        (emulator or self.pair.now).console.send('h')

    def stop(self):
        """The client's reports, after the last frame has been counted."""
        return [client.stop() for client in self.all]

    def stop_one(self):
        """The report of the only client.  A guest with thousands of frames before it may be too busy for an answer."""
        report, = self.stop()
        if report['guest'] is None:
            raise TooLate('the guest does not answer')
        return report

    def is_excused(self):
        """A gate that opened by its deadline on a host that let nobody run: then, and only then, may order be lost."""
        late = [move for move in self.pair.moves if not is_ordered(move)]
        for move in late:
            opened = move.resume + max(netdev.get('gate-us', 0) for netdev in move.netpass()) / 1e6
            taken = self.waits.within(opened - 1.5 * GATE_S, opened)
            if taken < BUSY_MS and not self.at_bound:
                raise TooLate(f'a gate opened by its deadline, and the host took {taken:.0f} ms only; {said(move)}')
            print(f'# a gate opened by its deadline; the host took {taken:.0f} of its {GATE_S * 1000:.0f} ms')
        return bool(late)

    def check(self):
        """Nothing lost, doubled or reordered in any flow; frames that are alike: as many as were sent."""
        reports = self.stop()
        may_reorder = self.is_excused()
        wrong = []
        check_account(reports, self.pair.moves, self.at_bound)
        for number, report in enumerate(reports):
            if report['guest'] is None:
                wrong.append(f'client {number}: the guest does not answer')
            else:
                wrong += [f'client {number}: {what}' if len(reports) > 1 else what for what in problems(report)
                          if not (may_reorder and 'reordered' in what)]
        if wrong:
            missed, saw = self.witness.kind_of(wrong)
            missed = TooLate if may_reorder else missed     # a deadline of the gate passed: the machine was too busy
            why = missed('; '.join(wrong) + f' (the network dropped {self.topology.drops()}){saw}; '
                         + '; '.join(map(said, self.pair.moves)))
            raise whose(why, reports[0], self.overrun) if self.overrun else why
        return reports


def problems(report):
    guest = report['guest']
    wrong = check_numbers(report, guest)
    for flow in ('plain', 'plain_group'):
        if guest[flow] != report[f'{flow}_sent']:
            wrong.append(f"{flow}: {report[f'{flow}_sent']} sent, {guest[flow]} in the guest")
    for what in ('plain_other', 'bad_sums'):
        if guest[what]:
            wrong.append(f'{what}: {guest[what]}')
    if report['bad_frames']:
        wrong.append(f"{report['bad_frames']} damaged frames")
    return wrong


def is_ordered(move):
    try:
        check_order([move])
    except Failed:
        return False
    return True


def check_plain(scene, lost):
    """Of the frames that are alike so many are missing, less a few: the guest's own announcements come back to it."""
    moves, report = scene.pair.moves, scene.stop_one()
    missing = report['plain_sent'] - report['guest']['plain']
    if not missing <= lost <= missing + OWN_FRAMES * len(moves) or report['guest']['plain_other']:
        raise Failed(f"{report['plain_sent']} sent, {report['guest']['plain']} in the guest, {lost} reported lost; "
                     + '; '.join(map(said, moves)))
    return report


# ---- networks that show everything, storms, twins ------------------------------------------------------------------------

def everything_everywhere(topology, *more):
    def case(folder):
        with Scene(folder, topology, '--echo', 1000, '--from-guest', 1000, '--broadcast', 200, *more) as scene:
            scene.moves()
            scene.check()
    return case


def storm(topology, *options):
    """20000 group frames a second, from before a handoff until after it."""
    def case(folder):
        with Scene(folder, topology, '--echo', 500, '--from-guest', 500, '--broadcast', 0, *options) as scene:
            client = scene.client
            stay_on_one_processor(client)
            client.run_for(0.1)
            for _ in range(MOVES):
                target, uri = scene.pair.listen()
                client.rate('broadcast', STORM)
                client.run_for(0.05)
                since = scene.pair.begin(uri)
                scene.pair.finish(target, since)
                scene.pair.retire(target)
                client.run_for(0.05)
                client.rate('broadcast', 0)
            report, = scene.check()
            if report['broadcast_sent'] < 0.05 * STORM * MOVES:
                raise TooLate(f"only {report['broadcast_sent']} frames of a storm")
    return case


def storm_meets(topology, who):
    """The old or the new process stands still for a second when the guest has just moved: its port fills, and may overflow."""
    def case(folder):
        with Scene(folder, topology, '--echo', 200, '--from-guest', 200, '--broadcast', 0,
                   parameters={'netpass-gate-ms': 6000}) as scene, Witness(scene.topology) as scene.witness:
            client = scene.client
            stay_on_one_processor(client)
            for _ in range(MOVES):
                target, uri = scene.pair.listen()
                client.rate('broadcast', STORM_OF_ONE)
                client.run_for(0.05)
                since = scene.pair.begin(uri)
                target.qmp.event('RESUME', 30)
                runs, before = 1 - scene.pair.side, scene.drops_of(1 - scene.pair.side)
                with standing([(target if who == 'new' else scene.pair.now).pid]):
                    client.run_for(STANDS_S / base.PATIENCE)
                client.rate('broadcast', 0)
                scene.pair.finish(target, since)
                scene.pair.retire(target)
                client.run_for(0.1)
                scene.overrun += scene.drops_of(runs) - before
            scene.check()
    return case


def switch_stands_still(topology):
    """From before the guest stops until it runs over there: what it sent here is not overtaken by what it sends there."""
    def case(folder):
        with Scene(folder, topology, '--echo', 1000, '--from-guest', 2000, '--broadcast', 50,
                   parameters={'netpass-gate-ms': 1900}) as scene:
            for _ in range(MOVES):
                scene.client.run_for(0.2)
                target, uri = scene.pair.listen()
                with standing([process.pid for process in scene.topology.switches]):
                    scene.client.run_for(0.05 / base.PATIENCE)
                    since = scene.pair.begin(uri)
                    target.qmp.event('RESUME', 30)
                    scene.client.run_for(0.1 / base.PATIENCE)
                scene.pair.finish(target, since)
                scene.pair.retire(target)
            scene.client.run_for(0.1)
            scene.check()
    return case


def alike(topology, rate, group_rate):
    def case(folder):
        with Scene(folder, topology, '--echo', 0, '--plain', rate, '--plain-group', group_rate) as scene:
            scene.moves()
            scene.check()
    return case


def slow(topology):
    """Five frames a second of each kind; the handoffs fall where they will."""
    def case(folder):
        with Scene(folder, topology, '--echo', 5, '--from-guest', 5, '--broadcast', 5, '--plain', 5, '--plain-group', 5) as scene:
            scene.moves(30 if base.FULL else 5, 0.07)
            scene.check()
    return case


# ---- switches that learn late, sides that are not alike ------------------------------------------------------------------

def learns_late(topology, rate):
    """The old process forwards until the network has really turned, and the order holds."""
    def case(folder):
        with Scene(folder, topology, '--echo', rate, '--from-guest', 0, '--broadcast', max(5, rate // 20),
                   '--plain', rate) as scene:
            scene.moves(pause=0.5)
            scene.check()
    return case


def unequal(topology, stalls=False):
    def case(folder):
        with Scene(folder, topology, '--echo', 1000, '--from-guest', 1000, '--broadcast', 200 if stalls else 50) as scene:
            with stalling(scene.topology.switches) if stalls else nullcontext():
                scene.moves(max(4, MOVES), 0.1)     # there, and back, twice
            scene.check()
    return case


def big_frames(topology, longest):
    """64 KiB there and back; whatever they are cut into, each byte once and in line."""
    def case(folder):
        with Scene(folder, topology, '--tcp', '--udp', '--rate', 60) as scene:
            scene.moves(max(4, MOVES))
            report, = scene.stop()
            guest = base.bare_counters(scene.pair.now)
            wrong = [f'{flow} {where}: {count[what]} {what}' for flow in ('tcp', 'udp')
                     for where, count in (('back', report[flow]), ('in the guest', guest[flow]))
                     for what in ('missing', 'again', 'wrong') if count[what]]
            for flow in ('tcp', 'udp'):
                for where, sent, came in (('in the guest', report[flow]['sent_bytes'], guest[flow]['bytes']),
                                          ('back', guest[flow]['sent'], report[flow]['bytes'])):
                    if sent != came or not came:
                        wrong.append(f'{flow}, {where}: {sent} bytes sent, {came} came' + (': wrong' if came > sent else ''))
            if guest['bad_sums']:
                wrong.append(f"{guest['bad_sums']} wrong checksums in the guest")
            if guest['tcp']['longest'] < longest or report['tcp']['longest'] < longest:
                wrong.append(f"the longest frames were {guest['tcp']['longest']} and {report['tcp']['longest']} bytes: wrong")
            if wrong:
                dropped = scene.topology.drops()            # by the kernel, whom a busy host gave no time to be read
                is_only_missing = not any(' again' in what or ' wrong' in what for what in wrong)
                raise (TooLate if dropped and is_only_missing else Failed)(
                    '; '.join(wrong) + f' (the network dropped {dropped}); ' + '; '.join(map(said, scene.pair.moves)))
            scene.is_excused()
    return case


def eight_cards(topology):
    def case(folder):
        with Scene(folder, topology, '--echo', 200, '--from-guest', 200, '--broadcast', 20) as scene:
            scene.moves()
            scene.check()
            for move in scene.pair.moves:
                if len(move.netpass()) != CARDS:
                    raise Failed(f'{len(move.netpass())} netdevs in the report')
    return case


# ---- guests that take nothing, bounds ------------------------------------------------------------------------------------

def full_ring(topology, until):
    """The guest gives no buffers for a time before and behind its handoff."""
    def case(folder):
        with Scene(folder, topology, '--echo', 2000, '--from-guest', 500, '--broadcast', 50) as scene:
            for _ in range(MOVES):
                scene.client.run_for(0.1)
                scene.hold()
                scene.client.run_for(0.2)       # 128 buffers are filled in 64 ms
                target, uri = scene.pair.listen()
                since = scene.pair.begin(uri)
                scene.pair.finish(target, since)
                if until == 'it runs':
                    scene.hold(target)
                scene.pair.retire(target)
                if until == 'the source is gone':
                    scene.client.run_for(0.1)
                    scene.hold(target)
            scene.check()
    return case


def parked(topology):
    """Everything of that time waits on the destination, and goes in."""
    def case(folder):
        with Scene(folder, topology, '--echo', 500, '--from-guest', 200, '--broadcast', 20, '--plain', 5) as scene:
            if isinstance(scene.topology, Bridged):
                scene.topology.keep_guest_address()
            for _ in range(MOVES // 2):
                scene.client.run_for(0.2)
                scene.pair.move_parked(lambda: scene.client.run_for(PARK_SECONDS))
            scene.client.run_for(0.3)
            scene.check()
    return case


def bound_reached(topology, how):
    """What does not fit waits in the kernel, or with the switch."""
    bound = 64 * KIB

    def case(folder):
        with Scene(folder, topology, '--echo', 2000, '--from-guest', 200, '--broadcast', 50,
                   parameters={'netpass-max-bytes': bound}) as scene:
            pair, scene.at_bound = scene.pair, True

            def wait():
                scene.client.run_for(1)
                until = base.deadline(20)
                while True:
                    for emulator in pair.emulators[-2:]:
                        netdev, = netdevs(emulator.qmp.execute('query-migrate'))
                        if netdev['held'] * FRAME_COST > bound + FRAME_COST:
                            raise Failed(f'{netdev} with a bound of {bound} bytes')
                    if netdev['held'] * FRAME_COST >= bound // 2:
                        return
                    if not base.left(until):
                        raise Failed(f'the bound of {bound} bytes was not reached: {netdev}')
                    scene.client.run_for(0.1)

            for _ in range(2):
                scene.client.run_for(0.1)
                if how == 'parked':
                    pair.move_parked(wait)
                else:
                    scene.hold()
                    scene.client.run_for(0.4)
                    target, uri = pair.listen()
                    pair.finish(target, pair.begin(uri))
                    scene.hold(target)
                    pair.retire(target)
            scene.client.run_for(0.2)
            scene.check()
    return case


def bounds_differ(folder):
    """A destination that has no room for the backlog says so in time; what follows it lets in."""
    with Scene(folder, OneBridge, '--echo', 2000, '--from-guest', 200) as scene:
        pair = scene.pair
        scene.client.run_for(0.1)
        scene.hold()
        scene.client.run_for(0.4)
        target, uri = pair.listen()
        target.qmp.execute('migrate-set-parameters', {'netpass-max-bytes': 16 * KIB})
        since = pair.begin(uri)
        event = pair.now.qmp.event('MIGRATION', 30, since=since, status=('failed', 'completed'))
        if event['data']['status'] == 'completed':          # the backlog was short: most was read behind it
            pair.finish(target, since)
            scene.hold(target)
            pair.retire(target)
        else:
            pair.now.qmp.event('RESUME', 10, since=since)
            scene.hold()
            target.kill()
            scene.client.run_for(0.1)
            pair.move()
        scene.client.run_for(0.1)
        scene.check()


def kernel_drops(folder):
    """The bound is met and the kernel's queue, too: what it drops is told, frame by frame."""
    with Scene(folder, ShortQueue, '--echo', 0, '--plain', 4000, parameters={'netpass-max-bytes': 64 * KIB}) as scene:
        pair, lost = scene.pair, 0

        def until_it_drops():
            until = base.deadline(30)
            while scene.topology.drops_of(pair.side) - before < 200 and base.left(until):
                scene.client.run_for(0.1)

        for _ in range(MOVES // 2):
            scene.client.run_for(0.2)
            before = scene.topology.drops_of(pair.side)
            move = pair.move_parked(until_it_drops)
            dropped = scene.topology.drops_of(1 - pair.side) - before
            netdev, = move.netpass()
            told = netdev['lost-in-kernel']
            # Behind END the destination's announcements may still be dropped.
            if not told <= dropped <= told + OWN_FRAMES or not told:
                raise Failed(f'the kernel dropped {dropped}; {said(move)}')
            lost += told + netdev['refused']
        scene.client.run_for(0.2)
        check_plain(scene, lost)


def stuck(topology, bound, takes_all):
    """A guest that takes nothing, before, during and long after: the old process ends, and each frame is accounted for."""
    def case(folder):
        with Scene(folder, topology, '--echo', 0, '--plain', 2000, '--from-guest', 100,
                   parameters={'netpass-max-bytes': bound}) as scene:
            pair, lost = scene.pair, 0
            scene.client.run_for(0.1)
            scene.hold()
            scene.client.run_for(1)
            for _ in range(2):
                target, uri = pair.listen()
                move = pair.finish(target, pair.begin(uri))
                began = time.monotonic()
                pair.retire(target)
                if time.monotonic() - began > EXIT_S * base.PATIENCE:
                    raise TooLate(f'the old process ended after {time.monotonic() - began:.1f} s')
                netdev, = move.netpass()
                lost += netdev['refused'] + netdev.get('lost-in-kernel', 0)
                if netdev['held'] * FRAME_COST > 2 * bound:
                    raise Failed(f'{netdev} with a bound of {bound} bytes')
                scene.client.run_for(0.5)
            scene.hold()
            report = check_plain(scene, lost)
            if takes_all and lost:
                raise Failed(f'{lost} frames were given up; ' + '; '.join(map(said, pair.moves)))
            if report['from_guest']['lost'] or report['from_guest']['duplicated'] or report['from_guest']['reordered']:
                raise Failed(f"from the guest: {report['from_guest']}")
    return case


def left_behind(topology):
    """The new process stands still for longer than the old one stays for it: what was over the bound is lost, and told."""
    def case(folder):
        with Scene(folder, topology, '--echo', 0, '--plain', 2000, '--from-guest', 100,
                   parameters={'netpass-max-bytes': 64 * KIB}) as scene:
            pair, lost = scene.pair, 0
            for _ in range(MOVES // 2):
                scene.client.run_for(0.1)
                target, uri = pair.listen('-S')
                since = pair.begin(uri)
                pair.now.qmp.event('MIGRATION', 60, since=since, status='completed')
                scene.client.run_for(0.8)
                target.qmp.execute('cont')
                target.qmp.event('RESUME', 20)
                scene.client.run_for(0.02)
                with standing([target.pid]):
                    scene.client.run_for(2)
                move = pair.finish(target, since)
                pair.retire(target)
                lost += given_up([move])
            scene.client.run_for(0.2)
            check_plain(scene, lost)
    return case


def filtered(topology, then):
    """A buffer that lets go every 20 ms, and a dump behind it, on both sides: together the dumps have each frame once."""
    def case(folder):
        def filters(number):
            return ['-object', 'filter-buffer,id=buffer,netdev=n0,interval=20000',
                    '-object', f'filter-dump,id=dump,netdev=n0,file={folder}/dump{number}']

        with Scene(folder, topology, '--echo', 500, '--from-guest', 100, '--broadcast', 20, more=filters) as scene:
            for _ in range(MOVES):
                scene.client.run_for(0.1)
                if then == 'cancelled':
                    target, since = scene.pair.to_switchover()
                    scene.client.run_for(0.1)
                    scene.pair.now.qmp.execute('migrate_cancel')
                    scene.pair.now.qmp.event('MIGRATION', 20, since=since, status='cancelled')
                    scene.pair.taken_back(since)
                    target.kill()
                else:
                    scene.pair.move()
            scene.client.run_for(0.1)
            report, = scene.check()
            scene.pair.now.quit()
        wrong, echoed = [], report['echo']['sent']
        found = {'echo': [], 'answers': [], 'broadcast': []}
        for number in range(1, scene.pair.number + 1):
            for flow, numbers in numbers_in(read_pcap(folder / f'dump{number}')).items():
                found[flow] += numbers
        for flow, sent in (('echo', echoed), ('answers', echoed), ('broadcast', report['broadcast_sent'])):
            if sorted(found[flow]) != list(range(1, sent + 1)):
                wrong.append(f'{flow}: {sent} sent, {len(found[flow])} in the dumps, {len(set(found[flow]))} different')
            elif found[flow] != sorted(found[flow]):
                wrong.append(f'{flow}: not in order')
        if wrong:
            raise Failed('; '.join(wrong) + '; ' + '; '.join(map(said, scene.pair.moves)))
    return case


def on(kind, case, check, more=(), *args, **options):
    """Rows of one kind: on the topologies of `check` always, on `more` with BATON_FULL."""
    return [(f'{kind}: {topology.name}', case(topology, *args, **options))
            for topology in (*check, *(more if base.FULL else ()))]


CASES = [
    *on('both ports get everything', everything_everywhere, [Hub, MirroredStream], [HubBetween, LateHub]),
    *on('broadcast storm', storm, [Stream, Hub], [OneBridge, MirroredStream, ThreeBridges]),
    *on('multicast storm', storm, [OneBridge], [Stream, Hub, MirroredStream], '--group', GROUP),
    *on('storm, the new process stands still', storm_meets, [OneBridge], [Stream], 'new'),
    *on('storm, the old process stands still', storm_meets, [ShortQueue], [OneBridge, Stream], 'old'),
    *on('the switch stands still', switch_stands_still, [Dgram, Stream], [TapAndStream]),
    *on('frames that are alike', alike, [OneBridge], [Stream, Dgram, ThreeBridges], 2000, 20),
    *on('frames that are alike', alike, [MirroredStream], [Hub], 20, 20),
    *on('slow flows', slow, [OneBridge, MirroredStream], [Stream, Dgram, Hub, ThreeBridges]),
    *on('learning delay, 1000/s', learns_late, [LateDgram], [LateSwitch], 1000),
    *on('learning delay, 5/s', learns_late, [LateSwitch], [LateDgram], 5),
    *on('64 KiB', big_frames, [Offloads, OffloadsHere], [OffloadsHub], 60000),
    *on('64 KiB', big_frames, [], [OffloadsThere], 1000),
    *on('full ring until it runs', full_ring, [OneBridge], [Stream, Hub], 'it runs'),
    *on('full ring until the source is gone', full_ring, [Stream], [OneBridge, MirroredStream], 'the source is gone'),
    *on('traffic on all', eight_cards, [CardsOnSwitch, CardsOnLateSwitch], [CardsOnBridge, CardsOnHub]),
    *on('unequal sides', unequal, [StreamAndDgram, TapAndStream]),
    *on('unequal sides, the switch stalls', unequal, [TapAndStream], [StreamAndDgram], True),
    *on('bound reached while parked', bound_reached, [Stream], [OneBridge], 'parked'),
    *on('bound reached with a full ring', bound_reached, [OneBridge], [Stream], 'full ring'),
    *on('bound reached, the new process stands still', left_behind, [Stream], [OneBridge]),
    ('bounds that differ', bounds_differ),
    ('bound reached, and the kernel drops', kernel_drops),
    *on('stuck guest, 1 MiB', stuck, [], [OneBridge, Stream], 1 << 20, True),
    *on('stuck guest, 64 KiB', stuck, [Stream], [OneBridge], 64 * KIB, False),
    *on(f'parked for {PARK_SECONDS} s', parked, [OneBridge], [Stream, Hub, MirroredStream]),
    *on('filters, handed over', filtered, [MirroredStream], [OneBridge, Stream], 'handed over'),
    *on('filters, cancelled', filtered, [OneBridge], [Stream, MirroredStream], 'cancelled'),
]

if __name__ == '__main__':
    sys.exit(base.run_tests(CASES))
