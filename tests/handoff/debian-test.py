#!/usr/bin/env python3
# tests/handoff/debian-test.py - a running Debian kernel handed over under UDP, TCP request/response and bulk flows.
# SPDX-License-Identifier: GPL-2.0-or-later
import sys

from pair import Pair, base, check_move, check_report, debian_args, machine_args
from topology import OneBridge, Stream, ThreeBridges

MOVES = 20 if base.FULL else 3
RATE = int(base.os.environ.get('BATON_RATE', '1000'))
BOOT_SECONDS = 150


def debian(topology, more='', harts=1, moves=MOVES):
    def case(folder):
        net = topology(folder)
        pair = client = None
        try:
            pair = Pair(net, debian_args(more=more), folder, machine=machine_args('512M', harts))
            pair.now.console.expect('BATON-TRAFFIC-READY', BOOT_SECONDS)
            client = net.client('--echo', RATE, '--from-guest', RATE // 2, '--broadcast', 20, '--request', 2000,
                                '--bulk', 200000)
            client.run_for(1)
            for _ in range(moves):
                check_move(pair.move(120))
                client.run_for(0.5)
            check_report(client.stop(), pair.moves)
            errors = [line for line in bytes(pair.now.console.reader.data).decode(errors='replace').splitlines()
                      if 'BATON-GUEST-ERROR' in line]
            if errors:
                raise base.Failed(errors[0])
        finally:
            for part in (client, pair, net):
                if part:
                    part.close()
    return case


if __name__ == '__main__':
    sys.exit(base.run_tests([
        (f'{OneBridge.name}, idle: all flows whole', debian(OneBridge)),
        (f'{ThreeBridges.name}, 2 harts, dirtying: all flows whole', debian(ThreeBridges, 'baton.dirty=5:32', 2)),
        (f'{Stream.name}, idle: all flows whole', debian(Stream)),
    ]))
