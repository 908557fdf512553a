#!/usr/bin/env python3
# bench/handoff/run.py - the pause a client sees, the RAM stream's speed and the honesty of `downtime`, beside QEMU.
# SPDX-License-Identifier: GPL-2.0-or-later
"""A 2 GiB Debian guest holding 1.5 GiB of random data, idle but for 1000 datagrams/s, handed over again and again.

Baton and QEMU take turns in the same run: same guest, same network, same traffic.  --dirty makes the guest write;
--idle leaves it nothing to do but to answer; --small is the bare guest (64 MiB), for a quick look.  --out gets the
figures as JSON, the table and a chart as SVG.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
if '--build' in sys.argv[:-1]:      # the harness reads it when it is imported
    os.environ['BATON_BUILD'] = os.path.abspath(sys.argv[sys.argv.index('--build') + 1])
sys.path[:0] = [str(ROOT / 'tests/handoff'), str(ROOT / 'scripts'), str(Path(__file__).resolve().parent)]
import chart                                                                            # noqa: E402
from demo_picture import gap_around                                                     # noqa: E402
from judge import TIMEOUT_MS                                                            # noqa: E402
from pair import Failed, Skipped, bare_args, base, debian_args, machine_args            # noqa: E402
from quiet import QuietPair                                                             # noqa: E402
from topology import OneBridge, Stream                                                  # noqa: E402

QEMU = 'qemu-system-riscv64'


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def spread(values):
    values = [v for v in values if v is not None]
    if not values:
        return None
    return {'median': statistics.median(values), 'p95': percentile(values, .95), 'min': min(values), 'max': max(values)}


# ---- one turn: boot, some handoffs, count -----------------------------------------------------------------------------

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
    return QuietPair(net, guest, folder, binary=binary, machine=machine, netpass=not args.no_netpass)


def figures(move, arrivals):
    """One handoff, in milliseconds and MB."""
    def gap(flow):
        found = gap_around([t for t, _ in arrivals.get(flow, [])], move.stop, move.resume)
        return (found[1] - found[0]) * 1000 if found else None
    return {'client_ms': gap('echo'), 'request_gap_ms': gap('request'), 'from_guest_gap_ms': gap('from_guest'),
            'pause_ms': move.pause_ms, 'reported_ms': move.downtime_ms, 'ram_mb': move.ram_mb, 'mb_per_s': move.mb_per_s,
            'parts': move.source.get('pause'), 'netpass': move.netpass('source')}


def stop_and_go(pair, client, args, pause_ms):
    """What the client sees when the guest stops as long in the process that it is in: the host's part, and the guest's."""
    qmp, began = pair.now.qmp, time.time()
    qmp.execute('stop')
    time.sleep(max(0.0, pause_ms / 1000 - (time.time() - began)))
    qmp.execute('cont')
    ended = time.time()
    client.run_for(args.rest)
    found = gap_around([t for t, _ in client.recent(int(args.rest * 1000) + 2000).get('echo', [])], began, ended)
    return (found[1] - found[0]) * 1000 if found else None


def say(text):
    print(text, file=sys.stderr, flush=True)


def turn(name, binary, args, count):
    folder = Path(tempfile.mkdtemp(prefix='baton-bench-'))
    try:
        net = OneBridge(folder)
    except Skipped:
        net = Stream(folder)
    pair = client = None
    try:
        say(f'{name}: booting ({net.name})')
        pair = start(binary, net, folder, args)
        boot(pair, args)
        client = net.client('--echo', args.rate, *([] if args.idle else ['--from-guest', args.rate // 2]),
                            *([] if args.small or args.idle else ['--request', 1000]))
        client.run_for(2)
        moves = []
        for n in range(count):
            move = pair.move(300)
            client.run_for(args.rest)
            moves.append(figures(move, client.recent(int(args.rest * 1000) + 2000)))
            moves[-1]['stop_and_go_ms'] = stop_and_go(pair, client, args, move.pause_ms)
            say(f'{name}: handoff {n + 1}/{count}: {move.pause_ms:.1f} ms, client {moves[-1]["client_ms"] or 0:.1f} ms '
                f'(stop and cont {moves[-1]["stop_and_go_ms"] or 0:.1f} ms), '
                f'{move.ram_mb:.0f} MB, {move.mb_per_s:.0f} MB/s')
        return moves, client.stop()
    finally:
        for part in (client, pair, net):
            if part:
                part.close()
        if not sys.exc_info()[0]:
            shutil.rmtree(folder, ignore_errors=True)      # else it says why


# ---- all turns of one emulator ----------------------------------------------------------------------------------------

def summary(name, moves, reports, rate):
    def over(flow, what):
        return sum(r[flow][what] for r in reports)
    off = [abs(m['reported_ms'] - m['pause_ms']) for m in moves if m['reported_ms'] is not None]
    return {
        'name': name, 'moves': len(moves), 'rate': rate, 'each': moves,
        **{key: spread([m[key] for m in moves])
           for key in ('client_ms', 'stop_and_go_ms', 'from_guest_gap_ms', 'pause_ms', 'request_gap_ms', 'mb_per_s',
                       'ram_mb')},
        'unreported': sum(m['reported_ms'] is None for m in moves), 'downtime_error_ms': spread(off),
        **{what: over('echo', what) + over('from_guest', what) for what in ('lost', 'duplicated', 'reordered', 'sent')},
        'handoff_retransmissions': sum((m['request_gap_ms'] or 0) >= TIMEOUT_MS for m in moves),
        'retransmissions': over('request', 'retransmissions') +
        sum((r['guest'] or {}).get('tcp_retransmissions', 0) for r in reports),
    }


ROWS = [
    ('pause seen by the client, ms: median', 'client_ms', 'median', '.1f'),
    ('                              95 %', 'client_ms', 'p95', '.1f'),
    ('                              max', 'client_ms', 'max', '.1f'),
    ('the same by stop and cont, ms: median', 'stop_and_go_ms', 'median', '.1f'),
    ('                              95 %', 'stop_and_go_ms', 'p95', '.1f'),
    ('pause seen by the guest, ms: median', 'from_guest_gap_ms', 'median', '.1f'),
    ('                              max', 'from_guest_gap_ms', 'max', '.1f'),
    ('pause by both sides\' events, ms: median', 'pause_ms', 'median', '.1f'),
    ('                              95 %', 'pause_ms', 'p95', '.1f'),
    ('request/response gap, ms: median', 'request_gap_ms', 'median', '.1f'),
    ('                              95 %', 'request_gap_ms', 'p95', '.1f'),
    ('                              max', 'request_gap_ms', 'max', '.1f'),
    ('reported downtime off by, ms: median', 'downtime_error_ms', 'median', '.1f'),
    ('                              max', 'downtime_error_ms', 'max', '.1f'),
    ('RAM stream, MB/s: median', 'mb_per_s', 'median', '.0f'),
    ('RAM sent per handoff, MB', 'ram_mb', 'median', '.0f'),
    ('datagrams sent', 'sent', None, 'd'),
    ('datagrams lost', 'lost', None, 'd'),
    ('datagrams doubled', 'duplicated', None, 'd'),
    ('datagrams reordered', 'reordered', None, 'd'),
    ('TCP retransmissions, all the time', 'retransmissions', None, 'd'),
    ('              by handoffs, at most', 'handoff_retransmissions', None, 'd'),
    ('handoffs', 'moves', None, 'd'),
]


def table(results):
    lines = [' ' * 42 + ''.join(f'{r["name"]:>12}' for r in results)]
    for label, key, part, form in ROWS:
        values = [r[key] if part is None or r[key] is None else r[key][part] for r in results]
        lines.append(f'{label:42}' + ''.join(f'{"-" if v is None else format(v, form):>12}' for v in values))
    return '\n'.join(lines)


def measure(args):
    """Turns of args.turns parts, the emulators alternating; one summary each."""
    which = [(name, binary) for name, binary in (('Baton', base.EMULATOR), ('QEMU', QEMU))
             if args.only in (None, name.lower())]
    moves, reports = {name: [] for name, _ in which}, {name: [] for name, _ in which}
    for n in range(args.turns):
        for name, binary in which:
            try:
                new, report = turn(name, binary, args, args.moves // args.turns + (n < args.moves % args.turns))
            except Failed as why:
                say(f'{name}: {why}')
                continue
            moves[name] += new
            reports[name].append(report)
    return [summary(name, moves[name], reports[name], args.rate) for name, _ in which if moves[name]], len(which)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', metavar='DIR', help='the build folder (default: build)')
    parser.add_argument('--moves', type=int, default=20, help='handoffs of each emulator')
    parser.add_argument('--turns', type=int, default=2, help='in so many parts, the emulators alternating')
    parser.add_argument('--rate', type=int, default=1000, help='datagrams per second')
    parser.add_argument('--memory', type=int, default=2048, help='MiB')
    parser.add_argument('--hold', type=int, default=1536, help='MiB of random data in the guest')
    parser.add_argument('--harts', type=int, default=1)
    parser.add_argument('--dirty', type=int, default=0, help='MB/s that the guest writes')
    parser.add_argument('--rest', type=float, default=1.0, help='seconds between handoffs')
    parser.add_argument('--idle', action='store_true', help='only the answered datagrams that show the pause')
    parser.add_argument('--small', action='store_true', help='the bare guest')
    parser.add_argument('--no-netpass', action='store_true')
    parser.add_argument('--only', choices=['baton', 'qemu'])
    parser.add_argument('--out', metavar='DIR', help='where handoff.json, handoff.txt and handoff.svg go')
    args = parser.parse_args()
    results, wanted = measure(args)
    if results:
        print(table(results))
    if results and args.out:
        out = Path(args.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / 'handoff.json').write_text(json.dumps(results, indent=1) + '\n')
        (out / 'handoff.txt').write_text(table(results) + '\n')
        (out / 'handoff.svg').write_text(chart.draw(results))
    return 0 if len(results) == wanted else 1


if __name__ == '__main__':
    sys.exit(main())
