#!/usr/bin/env python3
# bench/cpu/run.py - bare-metal kernels on QEMU and on Baton, in CPU seconds.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the kernels, runs each in turn on QEMU and on Baton, and compares.

The figure is the emulator's own CPU time (user + system, from wait4), which other jobs on the machine disturb little;
the median over --runs.  Speed is QEMU's time divided by Baton's: above 1 Baton is faster.  Both have to print
the same checksum.
"""
import argparse
import json
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
DYING = ['setpriv', '--pdeathsig', 'KILL'] if shutil.which('setpriv') else []      # it ends with us, however we end
ROOT = HERE.parent.parent
QEMU = 'qemu-system-riscv64'
BATON = ROOT / 'build/baton-system-riscv64'
KERNELS = ('intmix alu muldiv memcpy stream chase qsort fib bytecode vcall dmatmul nbody mandelf '
           'atomic trap').split()
CFLAGS = ('-march=rv64gc -mabi=lp64d -mcmodel=medany -O2 -ffreestanding -nostdlib -static -fno-pic -fno-builtin '
          '-fno-tree-loop-distribute-patterns -fno-stack-protector -ffp-contract=fast -Wall -Wextra -Werror '
          '-Wl,--build-id=none -Wl,--no-warn-rwx-segments').split()
LINE = re.compile(rb'^bench (\S+) ([0-9a-f]{16}) (\d+)\r?$', re.M)


class Failed(Exception):
    pass


def build(name, folder, prefix):
    source = HERE / 'kernels'
    elf, image = folder / f'{name}.elf', folder / f'{name}.bin'
    subprocess.run([f'{prefix}gcc', *CFLAGS, '-T', source / 'bench.ld', '-o', elf, source / 'start.S',
                    source / 'runtime.c', source / f'{name}.c'], check=True)
    subprocess.run([f'{prefix}objcopy', '-O', 'binary', elf, image], check=True)
    return image


def run_once(emulator, image, limit):
    """One run: CPU seconds, and what the kernel said."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen([*DYING, emulator, '-M', 'virt', '-m', '128M', '-bios', image, '-display', 'none',
                                  '-monitor', 'none', '-serial', 'stdio'], stdin=subprocess.DEVNULL, stdout=output,
                                 stderr=subprocess.STDOUT)
        signal.signal(signal.SIGALRM, lambda *_: child.kill())
        signal.alarm(limit)
        _, status, usage = os.wait4(child.pid, 0)
        signal.alarm(0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    said = LINE.search(text)
    if not said:
        raise Failed(f'{Path(emulator).name} {image.name}: no result (status {child.returncode}): '
                     f'{text[-200:].decode(errors="replace").strip()!r}')
    return {'cpu': usage.ru_utime + usage.ru_stime, 'sum': said[2].decode(), 'ticks': int(said[3])}


def measure(name, image, emulators, args):
    """Runs in turn, so that a busy spell of the machine hits all alike."""
    runs = {label: [] for label in emulators}
    for _ in range(args.runs):
        for label, binary in emulators.items():
            runs[label].append(run_once(binary, image, args.limit))
    sums = {r['sum'] for rows in runs.values() for r in rows}
    if len(sums) > 1:
        raise Failed(f'{name}: the checksums differ: ' + ', '.join(f'{label} {rows[0]["sum"]}' for label, rows in runs.items()))
    row = {'kernel': name, 'sum': sums.pop()}
    for label, rows in runs.items():
        row[label] = {'cpu_s': [round(r['cpu'], 4) for r in rows], 'median_s': statistics.median(r['cpu'] for r in rows),
                      'guest_s': statistics.median(r['ticks'] for r in rows) / 1e7}
    if {'qemu', 'baton'} <= set(row):
        row['speed'] = row['qemu']['median_s'] / row['baton']['median_s']
    return row


def show(row, labels):
    cells = ''.join(f'{row[label]["median_s"]:10.3f}' for label in labels)
    print(f'{row["kernel"]:10}{cells}{row["speed"]:9.2f}' if 'speed' in row else f'{row["kernel"]:10}{cells}',
          row['sum'], flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('kernels', nargs='*', default=KERNELS, help='which (default: all)')
    parser.add_argument('--runs', type=int, default=5)
    parser.add_argument('--limit', type=int, default=120, help='seconds a run may take')
    parser.add_argument('--qemu', default=QEMU, help='"" leaves it out')
    parser.add_argument('--baton', default=str(BATON), help='"" leaves it out')
    parser.add_argument('--prefix', default='riscv64-linux-gnu-', help='of the cross compiler')
    parser.add_argument('--folder', type=Path, default=ROOT / 'build/bench-cpu', help='for the images')
    parser.add_argument('--json', type=Path, help='write the figures there')
    args = parser.parse_args()
    unknown = set(args.kernels) - set(KERNELS)
    if unknown:
        parser.error(f'unknown kernel {", ".join(sorted(unknown))}; there are: {" ".join(KERNELS)}')
    return args


def main():
    args = parse()
    emulators = {label: binary for label, binary in (('qemu', args.qemu), ('baton', args.baton)) if binary}
    for label, binary in emulators.items():
        if not shutil.which(binary):
            sys.exit(f'{label}: {binary} not found; --{label} "" leaves it out')
    args.folder.mkdir(parents=True, exist_ok=True)
    print(f'{"CPU s":10}' + ''.join(f'{label:>10}' for label in emulators) + ('    speed' if len(emulators) > 1 else ''))
    rows, failures = [], []
    for name in args.kernels:
        try:
            rows.append(measure(name, build(name, args.folder, args.prefix), emulators, args))
            show(rows[-1], emulators)
        except Failed as failure:
            failures.append(str(failure))
            print(f'{name:10} FAILED: {failure}', flush=True)
    speeds = [row['speed'] for row in rows if 'speed' in row]
    result = {'runs': args.runs, 'kernels': rows, 'failures': failures}
    if speeds:
        result['geometric_mean'] = math.exp(sum(map(math.log, speeds)) / len(speeds))
        print(f'geometric mean of the speeds: {result["geometric_mean"]:.2f}')
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + '\n')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
