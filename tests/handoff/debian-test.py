#!/usr/bin/env python3
# tests/handoff/debian-test.py - a running Debian kernel handed over under UDP, TCP request/response and bulk flows.
# SPDX-License-Identifier: GPL-2.0-or-later
import json
import sys

from judge import Figures, check_move, check_order, check_report, whose
from pair import Pair, base, debian_args, machine_args
from topology import OneBridge, Stream, ThreeBridges
from waits import Waits

MOVES = 20 if base.FULL else 3
BOOT_SECONDS = 150
PARK_SECONDS = 0.05             # twice it is below TCP's shortest time-out: judge.py, check_gaps()
BETWEEN_SECONDS = 0.6
UNANSWERED = 12000              # a guest that is slower than the traffic loses the rest itself: its socket holds no more
LOADS = {'idle': ('', 1), 'dirtying': ('baton.dirty=5:32', 1), '2 harts, dirtying': ('baton.dirty=5:32', 2)}


class Scene:
    """A booted guest under traffic; at the end everything is judged."""
    def __init__(self, folder, topology, rate, load):
        more, harts = LOADS[load]
        self.folder, self.net = folder, topology(folder)
        self.pair = self.client = self.waits = None
        try:
            self.pair = Pair(self.net, debian_args(more=more), folder, machine=machine_args('512M', harts))
            self.pair.now.console.expect('BATON-TRAFFIC-READY', BOOT_SECONDS)
            self.client = self.net.client('--echo', rate, '--from-guest', rate, '--broadcast', 20, '--request', 2000,
                                          '--bulk', 200000, '--unanswered', UNANSWERED)
            self.waits = Waits(self.pids)
            self.client.run_for(2 * BETWEEN_SECONDS)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def pids(self):
        return [p.pid for p in [*(e.process for e in self.pair.emulators[-2:]), *self.net.processes]]

    def close(self):
        if self.waits:
            self.waits.stop()
        for part in (self.client, self.pair, self.net):
            if part:
                part.close()

    def go_on(self):
        self.client.run_for(BETWEEN_SECONDS)

    def check(self):
        report = self.client.stop()
        self.waits.stop()
        report['attempts'] = [vars(a) for a in self.pair.attempts]
        (self.folder / 'report.json').write_text(json.dumps(report))
        print(f'# {Figures(report, self.pair.attempts, self.waits)}', flush=True)
        try:
            check_order(self.pair.moves)
            check_report(report, self.pair.attempts, self.waits)
        except base.Failed as why:
            why = whose(why, report, self.net.drops())
            raise type(why)(f'{why}; the guest {report["guest"]}') from None
        check_rate(report['echo'])
        errors = [line for line in bytes(self.pair.now.console.reader.data).decode(errors='replace').splitlines()
                  if 'BATON-GUEST-ERROR' in line]
        if errors:
            raise base.Failed(errors[0])


def check_rate(echo):
    """That all is whole says nothing about a rate that the guest has not kept up with; the host's speed is a time like others."""
    if echo['held_back']:
        said = f"the guest was too slow: {echo['held_back']} of {echo['held_back'] + echo['sent']} datagrams were not sent"
        print(f'# {said}', flush=True)
        if base.FULL:
            raise base.TooLate(said)


def running(scene):
    for _ in range(MOVES):
        check_move(scene.pair.move(120))
        scene.go_on()


def parked(scene):
    for _ in range(MOVES):
        scene.pair.move_parked(lambda: scene.client.run_for(PARK_SECONDS))
        scene.go_on()


def taken_back(scene):
    """Cancelled, then with a destination that dies, both before RUN; then handed over."""
    pair = scene.pair
    for end in ('cancel', 'kill'):
        target, since = pair.to_switchover()
        scene.client.run_for(PARK_SECONDS / 2)
        if end == 'cancel':
            pair.now.qmp.execute('migrate_cancel')
        target.kill()
        pair.now.qmp.event('MIGRATION', 20, since=since, status=('cancelled', 'failed'))
        pair.taken_back(since)
        scene.go_on()
    check_move(pair.move(120))
    scene.go_on()


def case(topology, rate, load, *todo):
    def run(folder):
        with Scene(folder, topology, rate, load) as scene:
            for do in todo:
                do(scene)
            scene.check()
    return f"{topology.name}, {rate}/s, {load}, {', '.join(do.__name__ for do in todo)}: all flows whole", run


# A boot takes as long as the rest: what goes on the same network in the same way shares one.
USUAL = [
    case(OneBridge, 5000, 'idle', running),
    case(ThreeBridges, 1000, '2 harts, dirtying', running),
    case(Stream, 5000, 'dirtying', parked, taken_back),
]
ALL = [case(topology, rate, load, do) for topology in (OneBridge, ThreeBridges, Stream) for rate in (1000, 5000)
       for load in LOADS for do in (running, parked, taken_back)]

if __name__ == '__main__':
    sys.exit(base.run_tests(ALL if base.FULL else USUAL))
