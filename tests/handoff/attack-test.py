#!/usr/bin/env python3
# tests/handoff/attack-test.py - netpass under attack: hubs, storms, twins on purpose, late switches, full rings, bounds.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each case hands the bare guest to and fro on a network that makes it hard, and counts in guest memory and outside.

Nothing may be lost, doubled or reordered; where docs/netpass.md gives a frame up, it is accounted for to the frame.
"""
import json
import sys
import time

from attack_net import (CARDS, CardsOnBridge, CardsOnSwitch, Hub, HubBetween, LateDgram, LateHub, LateSwitch, Offloads,
                        OffloadsHere, OffloadsHub, OffloadsThere, ShortQueue, StreamAndDgram, TapAndStream, numbers_in,
                        read_pcap)
from judge import BUSY_MS, check_numbers, check_order
from pair import Failed, Pair, bare_args, base, machine_args
from topology import Dgram, MirroredStream, OneBridge, Stream, ThreeBridges
from waits import Waits

MOVES = 10 if base.FULL else 3
STORM = 20000                                   # frames a second
PARK_SECONDS = 10 if base.FULL else 2
GROUP = '239.1.2.3'
KIB = 1024
GATE_S = 0.1                                    # netpass-gate-ms


class Scene:
    """A topology, a pair, one client or several; closed at the end."""
    def __init__(self, folder, topology, *options, **pair):
        self.topology = topology(folder)
        self.pair, self.all, self.waits = None, [], None
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

    def hold(self, emulator=None):
        """The guest takes no frame from its ring from now on, or does so again."""
        (emulator or self.pair.now).console.send('h')

    def counters(self):
        console = self.pair.now.console
        console.send('c')
        return json.loads(console.expect(r'counters (\{[^\r\n]*\})\r?\n', 20)[1])

    def stop(self):
        """The client's reports, after the last frame has been counted."""
        return [client.stop() for client in self.all]

    def is_excused(self):
        """A gate that opened by its deadline on a host that let nobody run: then, and only then, may order be lost."""
        late = [move for move in self.pair.moves if not is_ordered(move)]
        for move in late:
            taken = self.waits.within(move.resume, move.resume + GATE_S)
            if taken < BUSY_MS:
                raise Failed(f'a gate opened by its deadline, and the host took {taken:.0f} ms only; {said(move)}')
            print(f'# a gate opened by its deadline; the host took {taken:.0f} of its {GATE_S * 1000:.0f} ms')
        return bool(late)

    def check(self):
        """Nothing lost, doubled or reordered in any flow; frames that are alike: as many as were sent."""
        reports = self.stop()
        may_reorder = self.is_excused()
        wrong = []
        for number, report in enumerate(reports):
            if report['guest'] is None:
                wrong.append(f'client {number}: the guest does not answer')
            else:
                wrong += [f'client {number}: {what}' if len(reports) > 1 else what for what in problems(report)
                          if not (may_reorder and 'reordered' in what)]
        if wrong:
            raise Failed('; '.join(wrong) + f' (the kernel dropped {self.topology.drops()} at the taps); '
                         + '; '.join(map(said, self.pair.moves)))
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


def said(move):
    """What both sides said, in one line of a failure."""
    return ' | '.join(f'{side}: ' + ', '.join(f'{k}={v}' for k, v in netdev.items() if v not in (0, False))
                      for side in ('source', 'target') for netdev in move.netpass(side))


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
                raise Failed(f"only {report['broadcast_sent']} frames of a storm")
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


def unequal(topology):
    def case(folder):
        with Scene(folder, topology, '--echo', 1000, '--from-guest', 1000, '--broadcast', 50) as scene:
            scene.moves(max(4, MOVES))
            scene.check()
    return case


def big_frames(topology, longest):
    """64 KiB there and back; whatever they are cut into, each byte once and in line."""
    def case(folder):
        with Scene(folder, topology, '--tcp', '--udp', '--rate', 60) as scene:
            scene.moves(max(4, MOVES))
            report, = scene.stop()
            guest = scene.counters()
            wrong = [f'{flow} {where}: {count[what]} {what}' for flow in ('tcp', 'udp')
                     for where, count in (('back', report[flow]), ('in the guest', guest[flow]))
                     for what in ('missing', 'again', 'wrong') if count[what]]
            for flow in ('tcp', 'udp'):
                for where, sent, came in (('in the guest', report[flow]['sent_bytes'], guest[flow]['bytes']),
                                          ('back', guest[flow]['sent'], report[flow]['bytes'])):
                    if sent != came or not came:
                        wrong.append(f'{flow}, {where}: {sent} bytes sent, {came} came')
            if guest['bad_sums']:
                wrong.append(f"{guest['bad_sums']} wrong checksums in the guest")
            if guest['tcp']['longest'] < longest or report['tcp']['longest'] < longest:
                wrong.append(f"the longest frames were {guest['tcp']['longest']} and {report['tcp']['longest']} bytes")
            if wrong:
                raise Failed('; '.join(wrong) + '; ' + '; '.join(map(said, scene.pair.moves)))
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


CASES = [
    *[(f'both ports get everything: {t.name}', everything_everywhere(t)) for t in (Hub, MirroredStream)],
    *[(f'both ports get everything: {t.name}', everything_everywhere(t)) for t in (HubBetween, LateHub)],
    *[(f'broadcast storm: {t.name}', storm(t)) for t in (OneBridge, Stream, Hub, MirroredStream, ThreeBridges)],
    *[(f'multicast storm: {t.name}', storm(t, '--group', GROUP)) for t in (OneBridge, Stream, Hub)],
    *[(f'frames that are alike: {t.name}', alike(t, 2000, 20)) for t in (OneBridge, Stream, Dgram, ThreeBridges)],
    *[(f'frames that are alike: {t.name}', alike(t, 20, 20)) for t in (Hub, MirroredStream)],
    *[(f'slow flows: {t.name}', slow(t)) for t in (OneBridge, Stream, Hub, MirroredStream, ThreeBridges)],
    *[(f'learning delay, {rate}/s: {t.name}', learns_late(t, rate)) for t in (LateSwitch, LateDgram) for rate in (1000, 5)],
    *[(f'unequal sides: {t.name}', unequal(t)) for t in (StreamAndDgram, TapAndStream)],
    *[(f'64 KiB: {t.name}', big_frames(t, longest))
      for t, longest in ((Offloads, 60000), (OffloadsHub, 60000), (OffloadsHere, 60000), (OffloadsThere, 1000))],
    *[(f'traffic on all: {t.name}', eight_cards(t)) for t in (CardsOnSwitch, CardsOnBridge)],
    *[(f'full ring until {until}: {t.name}', full_ring(t, until)) for t in (OneBridge, Stream)
      for until in ('it runs', 'the source is gone')],
]

if __name__ == '__main__':
    sys.exit(base.run_tests(CASES))
