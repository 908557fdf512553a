#!/usr/bin/env python3
# bench/handoff/run.py - the pause a client sees, the RAM stream's speed and the honesty of `downtime`, beside QEMU.
# SPDX-License-Identifier: GPL-2.0-or-later
"""A 2 GiB Debian guest holding 1.5 GiB of random data, idle but for 1000 datagrams/s, handed over again and again.

Both emulators run the same guest in the same run, one after the other, on the same network.  --dirty makes the guest
write; --small is the bare guest (64 MiB), for a quick look.
"""
import argparse
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests/handoff'))
from pair import Failed, Pair, Skipped, bare_args, base, debian_args, machine_args     # noqa: E402
from topology import OneBridge, Stream                          # noqa: E402

QEMU = 'qemu-system-riscv64'
NEAR_MS = 300                       # a gap that began this close to the stop of the harts belongs to the handoff


def seen_by_client(gaps, move):
    """The longest silence around one handoff, in ms."""
    near = [ms for at, ms in gaps if at - 0.05 <= move.resume and at + ms / 1000 >= move.stop - 0.001
            and at < move.resume + NEAR_MS / 1000]
    return max(near, default=0.0)


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def boot(pair, args):
    console = pair.now.console
    if args.small:
        console.expect('BARE-GUEST-READY', 30)
        console.send('t')
    else:
        console.expect('BATON-TRAFFIC-READY', 300)
        console.at = 0
        if args.hold:
            console.expect('BATON-GUEST-HOLDS', 600)


def start(binary, net, folder, args):
    more = (f'baton.hold={args.hold} ' if args.hold else '') + (f'baton.dirty={args.dirty}:64' if args.dirty else '')
    guest = bare_args() if args.small else debian_args(more=more)
    machine = machine_args('64M' if args.small else f'{args.memory}M', args.harts)
    return Pair(net, guest, folder, binary=binary, machine=machine, netpass=not args.no_netpass)


def measure(name, binary, args):
    folder = Path(tempfile.mkdtemp(prefix='baton-bench-'))
    try:
        net = OneBridge(folder)
    except Skipped:
        net = Stream(folder)
    pair = client = None
    try:
        print(f'{name}: booting ({net.name})', file=sys.stderr, flush=True)
        pair = start(binary, net, folder, args)
        boot(pair, args)
        options = ['--echo', args.rate] + ([] if args.small else ['--request', 1000])
        client = net.client(*options)
        client.run_for(2)
        for n in range(args.moves):
            move = pair.move(300)
            print(f'{name}: handoff {n + 1}/{args.moves}: {move.pause_ms:.1f} ms, {move.ram_mb:.0f} MB, '
                  f'{move.mb_per_s:.0f} MB/s', file=sys.stderr, flush=True)
            client.run_for(args.rest)
        return summary(name, pair.moves, client.stop(), args)
    finally:
        for part in (client, pair, net):
            if part:
                part.close()
        shutil.rmtree(folder, ignore_errors=True)


def summary(name, moves, report, args):
    seen = [seen_by_client(report['echo']['gaps'], m) for m in moves]
    pauses = [m.pause_ms for m in moves]
    wrong = [abs((m.downtime_ms if m.downtime_ms is not None else 1e9) - m.pause_ms) for m in moves]
    return {
        'name': name, 'moves': len(moves), 'rate': args.rate,
        'client_pause_ms': {'median': statistics.median(seen), 'p95': percentile(seen, .95), 'max': max(seen)},
        'pause_ms': {'median': statistics.median(pauses), 'p95': percentile(pauses, .95), 'max': max(pauses)},
        'mb_per_s': statistics.median(m.mb_per_s for m in moves), 'ram_mb': statistics.median(m.ram_mb for m in moves),
        'downtime_error_ms': max(wrong),
        'lost': report['echo']['lost'], 'duplicated': report['echo']['duplicated'],
        'reordered': report['echo']['reordered'], 'sent': report['echo']['sent'],
        'retransmissions': report['request']['retransmissions'] + (report['guest'] or {}).get('tcp_retransmissions', 0),
        'request_gap_ms': report['request']['longest_gap_ms'], 'parts': [m.source.get('pause') for m in moves],
    }


ROWS = [
    ('pause seen by the client, median ms', lambda r: r['client_pause_ms']['median'], '.1f'),
    ('                          95 % ms', lambda r: r['client_pause_ms']['p95'], '.1f'),
    ('                           max ms', lambda r: r['client_pause_ms']['max'], '.1f'),
    ('pause by the events, median ms', lambda r: r['pause_ms']['median'], '.1f'),
    ('RAM stream, MB/s', lambda r: r['mb_per_s'], '.0f'),
    ('RAM sent per handoff, MB', lambda r: r['ram_mb'], '.0f'),
    ('reported downtime off by, at most ms', lambda r: r['downtime_error_ms'], '.1f'),
    ('datagrams lost', lambda r: r['lost'], 'd'),
    ('datagrams doubled', lambda r: r['duplicated'], 'd'),
    ('datagrams reordered', lambda r: r['reordered'], 'd'),
    ('TCP retransmissions', lambda r: r['retransmissions'], 'd'),
    ('longest request/response gap, ms', lambda r: r['request_gap_ms'], '.1f'),
]


def table(results):
    lines = [' ' * 38 + ''.join(f'{r["name"]:>12}' for r in results)]
    for label, value, form in ROWS:
        lines.append(f'{label:38}' + ''.join(f'{format(value(r), form):>12}' for r in results))
    return '\n'.join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', help='the build folder (default: build)')
    parser.add_argument('--moves', type=int, default=20)
    parser.add_argument('--rate', type=int, default=1000, help='datagrams per second')
    parser.add_argument('--memory', type=int, default=2048, help='MiB')
    parser.add_argument('--hold', type=int, default=1536, help='MiB of random data in the guest')
    parser.add_argument('--harts', type=int, default=1)
    parser.add_argument('--dirty', type=int, default=0, help='MB/s that the guest writes')
    parser.add_argument('--rest', type=float, default=1.0, help='seconds between handoffs')
    parser.add_argument('--small', action='store_true', help='the bare guest')
    parser.add_argument('--no-netpass', action='store_true')
    parser.add_argument('--only', choices=['baton', 'qemu'])
    parser.add_argument('--json', help='where to write the figures')
    args = parser.parse_args()
    if args.build:
        base.BUILD = Path(args.build).resolve()
        base.EMULATOR = str(base.BUILD / 'baton-system-riscv64')
    which = [('Baton', base.EMULATOR), ('QEMU', QEMU)]
    results = []
    for name, binary in which:
        if args.only in (None, name.lower()):
            try:
                results.append(measure(name, binary, args))
            except Failed as why:
                print(f'{name}: {why}', file=sys.stderr)
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1) + '\n')
    if results:
        print(table(results))
    return 0 if len(results) == (1 if args.only else 2) else 1


if __name__ == '__main__':
    sys.exit(main())
