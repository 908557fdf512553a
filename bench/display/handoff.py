#!/usr/bin/env python3
# bench/display/handoff.py - what a handoff costs those who look at the guest, and what they cost it, beside QEMU.
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that paints 250 times a second (painter.c) goes from process to process while scripted SPICE clients (watcher.py)
look at it, each a process of its own.  Baton and QEMU take turns, and so do the kinds of handoffs, in one run.
--out gets the figures as JSON and the table."""
import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
if '--build' in sys.argv[:-1]:      # the harness reads it when it is imported
    os.environ['BATON_BUILD'] = os.path.abspath(sys.argv[sys.argv.index('--build') + 1])
sys.path[:0] = [str(ROOT / part) for part in ('tests/functional', 'tests/handoff', 'bench/handoff')]
from harness import EMULATOR, Failed, machine_args      # noqa: E402
from quiet import QuietPair                             # noqa: E402
from spice_scene import Scene                           # noqa: E402
from spicy import Spicy                                 # noqa: E402
import stock_client as stock                            # noqa: E402

QEMU = 'qemu-system-riscv64'
FREEZE = 15                         # seconds that a client is stopped for
FILL = {'stopped': 15}              # and before `migrate`; else LITTLE, by when it has as many pictures as it may
LITTLE = 0.6
# How many clients look, whether one of them is stopped until the guest has gone, whether `migrate` waits for them.
KINDS = {'alone': (0, False, True), 'one': (1, False, True), 'spicy': (1, False, True), 'at once': (1, False, False),
         'three': (3, True, True), 'stopped': (1, FREEZE, True), 'freeze': (1, FREEZE, True)}


def say(text):
    print(text, file=sys.stderr, flush=True)


def build_painter(folder, prefix):
    elf, image, kernels = folder / 'painter.elf', folder / 'painter.bin', ROOT / 'bench/cpu/kernels'
    subprocess.run([f'{prefix}gcc', *'-march=rv64gc -mabi=lp64d -mcmodel=medany -O2 -ffreestanding -nostdlib -static -fno-pic '
                    '-fno-builtin -fno-tree-loop-distribute-patterns -fno-stack-protector -Wall -Wextra -Werror '
                    '-Wl,--build-id=none -Wl,--no-warn-rwx-segments'.split(), '-T', kernels / 'bench.ld', '-o', elf,
                    kernels / 'start.S', HERE / 'painter.c'], check=True)
    subprocess.run([f'{prefix}objcopy', '-O', 'binary', elf, image], check=True)
    return image


# ---- one handoff ------------------------------------------------------------------------------------------------------

class Client(stock.Child):
    """A watcher that sees the guest."""
    def __init__(self, folder, number, port, *more):
        super().__init__(folder, f'client{number}', [sys.executable, HERE / 'watcher.py', port, *more])
        self.wait('picture')

    def goes_to(self, port):
        pass                        # it hears that from the source

    def wait_asked(self):
        self.wait('asked')

    def wait(self, *words, seconds=30):
        """The first line that begins with one of them."""
        def found(lines):
            return [line for line in lines if line.split(' ')[0] in words]
        self.until(found, seconds, f'no {words[0]}')
        return found(self.lines)[0]

    def outcome(self):
        try:
            line = self.wait('done', 'failed')
        except Failed as why:
            line = f'failed {why}'
        word, _, rest = line.partition(' ')
        return json.loads(rest) if word == 'done' else {'way': 'lost', 'why': rest}

    def wake(self):
        self.process.send_signal(signal.SIGCONT)


class Stage(Scene):
    """Clients that are timed from outside are to know where the guest goes before it is told to whoever goes along."""
    lookers = ()

    def tell(self, port):
        for client in self.lookers:
            client.goes_to(port)
        super().tell(port)


def new_client(kind, folder, number, port):
    if kind == 'spicy':
        return Spicy(folder, number, port)
    return Client(folder, number, port, *['--batch'] * (KINDS[kind][0] > 1))


def wait_connected(scene, clients, since):
    """By what the source has heard, where it says so: what the client has said is not there yet."""
    for client in clients:
        client.wait_asked()
    if clients and not scene.pair.is_qemu:
        scene.pair.now.qmp.event('DISPLAY_MIGRATE_CONNECTED', 30, since=since)
    time.sleep(0.2)


def handoff(scene, kind, folder, number):
    """Figures of one, in milliseconds and bytes."""
    count, freeze, waits = KINDS[kind]
    with contextlib.ExitStack() as stack:
        clients = scene.lookers = []
        for i in range(count):
            clients.append(new_client(kind, folder, f'{number}-{i}', scene.ports[scene.pair.number]))
            stack.callback(clients[-1].end)
        target, uri, since = scene.announce()
        if waits:
            wait_connected(scene, clients, since)
        if freeze:
            clients[0].process.send_signal(signal.SIGSTOP)
            time.sleep(FILL.get(kind, LITTLE))
        waker = threading.Timer(freeze, clients[0].wake) if freeze is not False and freeze is not True else None
        if waker:
            waker.start()
        began = scene.pair.begin(uri)
        move = scene.pair.finish(target, began, 120)
        if waker:
            waker.join()
        elif freeze:
            clients[0].wake()
        outcomes = [client.outcome() for client in clients]
        scene.gone(target, since)
        # QEMU says STOP when it has waited for its clients; the guest stands still by then
        stood = max(move.pause_ms, move.downtime_ms) if scene.pair.is_qemu else move.pause_ms
        return {'kind': kind, 'stood_ms': stood, 'pause_ms': move.pause_ms, 'downtime_ms': move.downtime_ms,
                'parts': move.source.get('pause'),
                'clients': [of_client(outcome, move) for outcome in outcomes]}


def of_client(outcome, move):
    if 'picture_at' in outcome:
        outcome['picture_ms'] = (outcome.pop('picture_at') - move.resume) * 1000
        outcome['away_ms'] = (outcome.pop('last_at') - move.stop) * 1000
    return outcome


# ---- turns ------------------------------------------------------------------------------------------------------------

def order(name, args, is_last):
    """Which handoffs a turn has: each kind takes its turn; what takes long comes once."""
    each = ['alone', 'one', 'at once'] + ['spicy'] * args.spicy + (['three'] if name == 'baton' else [])
    kinds = [kind for kind in each if not args.kinds or kind in args.kinds] * max(1, args.moves // args.turns)
    return kinds + [kind for kind in ('freeze', 'stopped') if is_last and (kind in args.kinds if args.kinds else not args.quick)]


def can_spicy():
    lacks = [what for what in (*stock.SPICY[:1], 'Xvfb', 'xdotool') if not shutil.which(what)] + ['root'] * (os.geteuid() != 0)
    if lacks:
        say(f'without spicy: {", ".join(lacks)} missing')
    return not lacks


def turn(name, binary, image, kinds):
    found = []
    folder = Path(tempfile.mkdtemp(prefix='baton-bench-'))
    try:
        with Stage(folder, ['-bios', str(image)], pair=QuietPair, binary=binary, machine=machine_args('64M')) as scene:
            scene.pair.now.console.expect('PAINTING', 30)
            for number, kind in enumerate(kinds):
                found.append(handoff(scene, kind, folder, number))
                say(f'{name}: {kind}: {found[-1]}')
        shutil.rmtree(folder, ignore_errors=True)
    except Failed as why:
        say(f'{name}: {why}; files in {folder}')
    return found


# ---- figures ----------------------------------------------------------------------------------------------------------

def middle(values):
    values = [v for v in values if v is not None]       # who was lost has none
    return statistics.median(values) if values else None


def figures(moves):
    def of(kind, key):
        return [m[key] for m in moves if m['kind'] == kind]

    def seen(kind, key):
        return [c.get(key) for m in moves if m['kind'] == kind for c in m['clients']]

    def ways(kind):
        found = seen(kind, 'way')
        return f'{found.count("seamless")} of {len(found)}' if found else None
    one = [v for v in seen('one', 'none_ms') if v is not None]
    pictures = [v for v in seen('one', 'picture_ms') if v is not None]
    alone, held = middle(of('alone', 'stood_ms')), middle(of('three', 'stood_ms'))
    carried = [v for v in seen('one', 'carried') + seen('three', 'carried') + seen('at once', 'carried') if v is not None]
    return {
        'each_ms': middle(v for each in seen('one', 'each_ms') for v in each or []),
        'spicy': ways('spicy'),
        **{f'spicy_{key}': middle(seen('spicy', key)) for key in ('none_ms', 'whole_ms', 'picture_ms', 'carried')},
        'none_ms': middle(one), 'none_max_ms': max(one, default=None), 'whole_ms': middle(seen('one', 'whole_ms')),
        'away_ms': middle(seen('one', 'away_ms')), 'picture_ms': middle(pictures), 'picture_max_ms': max(pictures, default=None),
        'seamless': ways('one'), 'carried': middle(seen('one', 'carried')), 'carried_max': max(carried, default=None),
        'alone_ms': alone, 'held_ms': held, 'added_ms': held - alone if None not in (held, alone) else None,
        'one_ms': middle(of('one', 'stood_ms')),
        'at_once': ways('at once'), 'at_once_none_ms': middle(seen('at once', 'none_ms')),
        'frozen': (seen('freeze', 'way') or [None])[0], 'frozen_ms': middle(of('freeze', 'stood_ms')),
        'stopped': (seen('stopped', 'way') or [None])[0], 'stopped_ms': middle(of('stopped', 'stood_ms')), 'handoffs': len(moves),
    }


ROWS = [
    ('one client: handed over seamlessly', 'seamless', None),
    ('no active channel, ms: median', 'none_ms', '.2f'),
    ('                       worst', 'none_max_ms', '.2f'),
    ('a channel between its servers, ms: median', 'each_ms', '.2f'),
    ('first MIGRATE to last channel, ms: median', 'whole_ms', '.2f'),
    ('STOP to last channel, ms: median', 'away_ms', '.1f'),
    ('first picture after RESUME, ms: median', 'picture_ms', '.1f'),
    ('                               worst', 'picture_max_ms', '.1f'),
    ('state through the client, bytes: median', 'carried', '.0f'),
    ('                                 most', 'carried_max', '.0f'),
    ('spicy: handed over seamlessly', 'spicy', None),
    ('   no active channel, ms: median', 'spicy_none_ms', '.2f'),
    ('   first MIGRATE to last channel, ms: median', 'spicy_whole_ms', '.2f'),
    ('   first picture after RESUME, ms: median', 'spicy_picture_ms', '.1f'),
    ('   state through it, bytes: median', 'spicy_carried', '.0f'),
    ('pause without clients, ms: median', 'alone_ms', '.1f'),
    ('      with one client', 'one_ms', '.1f'),
    ('      with three, one of them stopped', 'held_ms', '.1f'),
    ('        added by them', 'added_ms', '.1f'),
    ('migrate at once: handed over seamlessly', 'at_once', None),
    ('   no active channel then, ms: median', 'at_once_none_ms', '.2f'),
    (f'client stopped for {FREEZE} s: its session', 'frozen', None),
    ('   pause then, ms', 'frozen_ms', '.1f'),
    (f'the same, and for {FILL["stopped"]} s before: its session', 'stopped', None),
    ('   pause then, ms', 'stopped_ms', '.1f'),
    ('handoffs', 'handoffs', 'd'),
]


def cell(value, form):
    return '-' if value is None else format(value, form) if form else str(value)


def table(results):
    lines = [' ' * 46 + ''.join(f'{name:>12}' for name in results)]
    for label, key, form in ROWS:
        if any(f[key] is not None for f in results.values()):
            lines.append(f'{label:46}' + ''.join(f'{cell(f[key], form):>12}' for f in results.values()))
    return '\n'.join(lines)


def bars(results):
    """What was asked for, and whether it was there; what QEMU is needed for is left out without it."""
    b, q = results.get('baton'), results.get('qemu')

    def ratio(key):
        if not q or None in (b[key], q[key]):
            return None
        return b[key] / q[key] if q[key] else float('inf') if b[key] else 0.0
    all_at_once = b['at_once'] and len(set(b['at_once'].split(' of '))) == 1
    rows = [("no active channel: not above QEMU's", ratio('none_ms'), lambda v: v <= 1),
            ("spicy, no active channel: not above QEMU's", ratio('spicy_none_ms'), lambda v: v <= 1),
            ("spicy, first picture after RESUME: below half of QEMU's", ratio('spicy_picture_ms'), lambda v: v < 0.5),
            ("a channel between its servers: not above QEMU's", ratio('each_ms'), lambda v: v <= 1),
            ("first MIGRATE to last channel: not above QEMU's", ratio('whole_ms'), lambda v: v <= 1),
            ('3 clients, 1 stopped, add: <= 1 ms', b['added_ms'], lambda v: v <= 1),
            ('state through the client: 0 bytes', b['carried_max'], lambda v: v == 0),
            ("first picture after RESUME: below half of QEMU's", ratio('picture_ms'), lambda v: v < 0.5),
            ('migrate at once: seamless', float(all_at_once) if b['at_once'] else None, lambda v: v == 1),
            (f'client stopped for {FREEZE} s: alive', float(b['frozen'] == 'seamless') if b['frozen'] else None,
             lambda v: v == 1)]
    return [(what, value, meets(value)) for what, value, meets in rows if value is not None]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', metavar='DIR', help='the build folder (default: build)')
    parser.add_argument('--moves', type=int, default=12, help='handoffs of each kind and emulator (12)')
    parser.add_argument('--turns', type=int, default=3, help='in so many parts, the emulators alternating (3)')
    parser.add_argument('--no-spicy', dest='spicy', action='store_false', help='scripted clients alone')
    parser.add_argument('--quick', action='store_true', help='without the clients that are stopped for long')
    parser.add_argument('--kinds', type=lambda text: text.split(','), help=f'of {", ".join(KINDS)}: only these')
    parser.add_argument('--only', choices=('baton', 'qemu'))
    parser.add_argument('--prefix', default='riscv64-linux-gnu-', help='of the cross compiler')
    parser.add_argument('--out', metavar='DIR', help='where spice.json and spice.txt go')
    args = parser.parse_args()
    unknown = set(args.kinds or ()) - set(KINDS)
    if unknown:
        parser.error(f'no such kind: {", ".join(sorted(unknown))}')
    binaries = {name: binary for name, binary in (('baton', EMULATOR), ('qemu', QEMU)) if args.only in (None, name)}
    moves, lacks = {name: [] for name in binaries}, 0
    args.spicy = args.spicy and can_spicy()
    with tempfile.TemporaryDirectory(prefix='baton-bench-') as folder:
        image = build_painter(Path(folder), args.prefix)
        for number in range(args.turns):
            for name, binary in binaries.items():
                kinds = order(name, args, number == args.turns - 1)
                found = turn(name, binary, image, kinds)
                moves[name] += found
                lacks += len(kinds) - len(found)
    results = {name: figures(of) for name, of in moves.items()}
    text = table(results)
    met = bars(results) if 'baton' in results else []
    text += ''.join(f'\n{"met   " if is_met else "MISSED"} {what} ({value:.2f})' for what, value, is_met in met)
    text += f'\nFAILED {lacks} handoffs are missing' if lacks else ''
    print(text)
    if args.out:
        out = Path(args.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / 'spice.json').write_text(json.dumps({'figures': results, 'bars': met, 'each': moves}, indent=1) + '\n')
        (out / 'spice.txt').write_text(text + '\n')
    return 0 if not lacks and all(is_met for _, _, is_met in met) else 1


if __name__ == '__main__':
    sys.exit(main())
