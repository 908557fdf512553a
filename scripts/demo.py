#!/usr/bin/env python3
# scripts/demo.py - boots Linux, hands it over to a second process and back under traffic, and shows what that cost.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The result is a table on the terminal and, in demo-out/, the figures as JSON, the logs and a time line as SVG.

As root the two processes have a tap each, on a bridge in network namespaces of the demo's own; otherwise they have
`stream` netdevs at our own switch.  Without Debian's kernel (no network) the guest is our own bare program.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if '--build' in sys.argv[:-1]:      # the harness reads it when it is imported
    os.environ['BATON_BUILD'] = os.path.abspath(sys.argv[sys.argv.index('--build') + 1])
sys.path[:0] = [str(ROOT / 'scripts'), str(ROOT / 'tests/handoff')]
import demo_picture                                                                             # noqa: E402
from pair import Failed, GuestFiles, Pair, Skipped, bare_args, base, debian_args, machine_args  # noqa: E402
from progress import Progress                                                                   # noqa: E402
from topology import OneBridge, Stream                                                          # noqa: E402

BOOT_SECONDS, FETCH_SECONDS = 300, 15
REST_SECONDS = 1.0                  # of traffic between two handoffs
RETRANSMISSION_MS = 195             # no time-out of TCP is shorter
SEEN_MS = 4000                      # how far back the client is asked for arrivals


# ---- the guest ------------------------------------------------------------------------------------------------------

class Debian:
    name, ready, memory, is_bare = 'Debian', 'BATON-TRAFFIC-READY', '512M', False

    def __init__(self):
        versions = json.loads((GuestFiles().folder / 'versions.json').read_text())
        self.title = 'Debian Linux ' + next((v for p, v in versions.items() if 'linux' in p), '')
        self.args = debian_args()

    @staticmethod
    def traffic(rate):
        return ['--echo', rate, '--from-guest', rate // 2, '--broadcast', 20, '--request', 2000, '--bulk', 200000]


class Bare:
    name, ready, memory, is_bare, title = 'bare guest', 'BARE-GUEST-READY', '64M', True, 'our bare guest'

    def __init__(self):
        self.args = bare_args()

    @staticmethod
    def traffic(rate):
        return ['--echo', rate, '--from-guest', rate // 2, '--broadcast', 20]


def run_script(name, log):
    return subprocess.run([str(ROOT / 'scripts' / name)], stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode == 0


def fetch_guest(out, want_bare):
    """Debian's kernel if it can be had, else the bare guest."""
    if want_bare:
        return Bare()
    with open(out / 'guest-files.log', 'wb') as log, Progress('fetch the guest files', FETCH_SECONDS) as bar:
        bar.follow(out / 'guest-files.log')
        is_there = run_script('fetch-guest-files', log) and run_script('build-guest', log)
        bar.done(1, '' if is_there else f'not to be had, see {out}/guest-files.log; taking the bare guest')
    return Debian() if is_there else Bare()


def open_network(folder, want_taps):
    if want_taps:
        try:
            return OneBridge(folder)
        except Skipped as why:
            print(f'  {why}: taking stream netdevs and our own switch')
    return Stream(folder)


# ---- the handoffs ---------------------------------------------------------------------------------------------------

class Count:
    """What the client has counted so far, over its numbered flows."""
    def __init__(self, status):
        flows = [status[name] for name in ('echo', 'answers', 'from_guest')]
        self.lost, self.doubled, self.reordered = (sum(f[w] for f in flows) for w in ('lost', 'duplicated', 'reordered'))


def settled(client):
    """The client's counts when nothing is on its way any more that a handoff could have held."""
    client.run_for(REST_SECONDS)
    return Count(client.status())


def one_move(pair, client, before, bar):
    """One handoff with what it cost: the emulators' words, the client's counts, every arrival around it."""
    source_pid = pair.now.pid
    target, uri = pair.listen()
    move = pair.finish(target, pair.begin(uri))
    after = settled(client)
    move.source = pair.now.qmp.execute('query-migrate')
    move.target = target.qmp.execute('query-migrate')
    move.events = [dict(e, side='source') for e in pair.now.qmp.events if e['at'] > move.stop - 1]
    move.events += [dict(e, side='target') for e in target.qmp.events if e['at'] > move.stop - 1]
    move.pids = source_pid, target.pid
    pair.retire(target)
    move.arrivals = client.recent(SEEN_MS)
    move.lost, move.doubled, move.reordered = (getattr(after, w) - getattr(before, w)
                                               for w in ('lost', 'doubled', 'reordered'))
    bar.done(len(pair.moves) / bar.wanted, f'{len(pair.moves)} of {bar.wanted}, the last one {move.pause_ms:.1f} ms')
    return after


def hand_over(pair, client, count):
    before = settled(client)
    with Progress('hand the guest over', count * (REST_SECONDS + 0.7)) as bar:
        bar.wanted = count
        for _ in range(count):
            before = one_move(pair, client, before, bar)


# ---- what is shown --------------------------------------------------------------------------------------------------

def longest_gap(move, flow):
    gap = demo_picture.gap_around([t for t, _ in move.arrivals.get(flow, [])], move.stop, move.resume)
    return (gap[1] - gap[0]) * 1000 if gap else None


def frames(move):
    report = demo_picture.netpass_sums(move)
    return f'{report["held"]}/{report["given"]}' if report else '-'


def number(value, form='.1f'):
    return '-' if value is None else format(value, form)


COLUMNS = [
    ('handoff', lambda n, m: f'{n} {m.pids[0]}>{m.pids[1]}'),
    ('lost', lambda n, m: number(m.lost, 'd')),
    ('doubled', lambda n, m: number(m.doubled, 'd')),
    ('reordered', lambda n, m: number(m.reordered, 'd')),
    ('held/given', lambda n, m: frames(m)),
    ('longest gap ms', lambda n, m: number(max((g for g in (longest_gap(m, f) for f in ('echo', 'request')) if g),
                                               default=None))),
    ('pause ms', lambda n, m: number(m.pause_ms)),
    ('reported ms', lambda n, m: number(m.downtime_ms)),
    ('RAM MB', lambda n, m: number(m.ram_mb)),
    ('MB/s', lambda n, m: number(m.mb_per_s, '.0f')),
]


def table(moves):
    rows = [[title for title, _ in COLUMNS]] + [[cell(n, m) for _, cell in COLUMNS] for n, m in enumerate(moves, 1)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    lines = ['  ' + '  '.join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows]
    return '\n'.join([lines[0], '  ' + '-' * (len(lines[0]) - 2), *lines[1:]])


def total(report, guest, moves):
    """One line per flow, over the whole run; and what of it is wrong."""
    lines, wrong = [], []
    # A segment sent again shows as 200 ms of silence at least; on a busy machine that happens without any handoff too.
    by_handoff = [m for m in moves if (longest_gap(m, 'request') or 0) > RETRANSMISSION_MS]
    for flow, name in (('echo', 'UDP to the guest and back'), ('from_guest', 'UDP from the guest')):
        counts = report[flow]
        lines.append(f'{name:26} {counts["sent"]} sent, {counts["lost"]} lost, {counts["duplicated"]} doubled, '
                     f'{counts["reordered"]} reordered')
        wrong += [f'{name}: {counts[w]} {w}' for w in ('lost', 'duplicated', 'reordered') if counts[w]]
    if not guest.is_bare:
        counts = report['request']
        lines.append(f'{"TCP request/response":26} {counts["done"]} answered, {counts["errors"]} wrong, '
                     f'{counts["retransmissions"]} sent again' +
                     (', none of them in a handoff (the machine was busy)'
                      if counts['retransmissions'] and not by_handoff else ''))
        moved = (report['bulk_up']['bytes'] + report['bulk_down']['bytes']) / 1e6
        errors = report['bulk_up']['errors'] + report['bulk_down']['errors'] + (report['guest'] or {}).get('bulk_errors', 0)
        lines.append(f'{"TCP bulk, both ways":26} {moved:.1f} MB checked, {errors} bytes wrong')
        wrong += [f'TCP: {n} {w}' for n, w in ((counts['errors'] + errors, 'bytes wrong'),
                                               (len(by_handoff), 'handoffs made it send again')) if n]
        wrong += [f'{flow} was closed: {report[flow]["closed"]}' for flow in ('request', 'bulk_up', 'bulk_down')
                  if report[flow]['closed']]
    return lines, wrong


def write_results(out, guest, net, pair, report):
    (out / 'report.json').write_text(json.dumps(report, indent=1) + '\n')
    figures = [{'lost': m.lost, 'doubled': m.doubled, 'reordered': m.reordered, 'pause_ms': round(m.pause_ms, 3),
                'downtime_ms': m.downtime_ms, 'ram_mb': m.ram_mb, 'mb_per_s': m.mb_per_s,
                'gap_ms': {f: longest_gap(m, f) for f in m.arrivals if f != 'event'}, 'events': m.events,
                'source': m.source, 'target': m.target} for m in pair.moves]
    (out / 'handoffs.json').write_text(json.dumps(figures, indent=1) + '\n')
    (out / 'table.txt').write_text(table(pair.moves) + '\n')
    data = demo_picture.describe(pair.moves, guest.title, guest.memory.replace('M', ' MiB'), net.name)
    (out / 'last-handoff.json').write_text(json.dumps(data) + '\n')
    (out / 'last-handoff.svg').write_text(demo_picture.timeline.draw(data))


def run(args, out):
    guest = fetch_guest(out, args.bare)
    net = open_network(out, os.geteuid() == 0 and not args.without_root)
    pair = client = None
    try:
        pair = Pair(net, guest.args, out, binary=args.emulator, machine=machine_args(guest.memory, args.harts))
        with Progress(f'boot: {guest.name}', 1 if guest.is_bare else 20):
            pair.now.console.expect(guest.ready, BOOT_SECONDS)
            if guest.is_bare:
                pair.now.console.send('t')
        with Progress(f'traffic: {net.name}', 2):
            client = net.client(*guest.traffic(args.rate))
        hand_over(pair, client, args.moves)
        with Progress('drain and count', 1):
            report = client.stop()
        write_results(out, guest, net, pair, report)
        return show(out, guest, pair, report)
    finally:
        for part in (client, pair, net):
            if part:
                part.close()


def show(out, guest, pair, report):
    lines, wrong = total(report, guest, pair.moves)
    print('\n' + table(pair.moves) + '\n\n  ' + '\n  '.join(lines))
    print(f'\n  {out}/last-handoff.svg shows the last one; the figures are beside it')
    if wrong:
        print('\n  NOT LOSSLESS: ' + '; '.join(wrong), file=sys.stderr)
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default=str(ROOT / 'build'), metavar='DIR', help='the build folder')
    parser.add_argument('--out', default=str(ROOT / 'demo-out'), help='where the results go')
    parser.add_argument('--moves', type=int, default=6, help='how many handoffs')
    parser.add_argument('--rate', type=int, default=1000, help='datagrams per second to the guest')
    parser.add_argument('--harts', type=int, default=1)
    parser.add_argument('--bare', action='store_true', help='the bare guest, not Debian')
    parser.add_argument('--without-root', action='store_true', help='the switch, even where taps could be had')
    parser.add_argument('--emulator', help='another emulator, for comparison: qemu-system-riscv64')
    args = parser.parse_args()
    out = Path(args.out).resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))       # so that what was made is taken away again
    try:
        return run(args, out)
    except KeyboardInterrupt:
        return 130
    except (Failed, Skipped) as why:
        print(f'demo: {why}\ndemo: the logs are in {out}', file=sys.stderr)
        return 1


if __name__ == '__main__':
    began = time.monotonic()
    status = main()
    print(f'  {time.monotonic() - began:.0f} s')
    sys.exit(status)
