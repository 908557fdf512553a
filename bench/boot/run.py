#!/usr/bin/env python3
# bench/boot/run.py - CPU time from power on to /init of Debian's kernel, beside QEMU.
# SPDX-License-Identifier: GPL-2.0-or-later
import argparse
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests/functional'))
from harness import EMULATOR, Emulator, GuestFiles, machine_args        # noqa: E402

QEMU = 'qemu-system-riscv64'
TICKS = os.sysconf('SC_CLK_TCK')


def cpu_seconds(pid):
    """User and system time of all threads, from /proc/PID/stat."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def boot(binary, harts):
    began = time.monotonic()
    machine = Emulator([*machine_args('512M', harts), *GuestFiles().args()], binary=binary)
    try:
        machine.console.expect('BATON-GUEST-INIT', 600)
        return cpu_seconds(machine.pid), time.monotonic() - began
    finally:
        machine.close()


def main():
    parser = argparse.ArgumentParser(description='CPU time from power on to /init, beside QEMU')
    parser.add_argument('--build', help='the build folder (default: build)')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--harts', type=int, default=1)
    args = parser.parse_args()
    ours = str(Path(args.build).resolve() / 'baton-system-riscv64') if args.build else EMULATOR
    medians = {}
    for name, binary in (('Baton', ours), ('QEMU', QEMU)):
        figures = [boot(binary, args.harts) for _ in range(args.runs)]
        medians[name] = statistics.median(cpu for cpu, _ in figures)
        print(f'{name:6} CPU {medians[name]:7.2f} s   wall {statistics.median(wall for _, wall in figures):7.2f} s')
    print(f'ratio {medians["Baton"] / medians["QEMU"]:.2f}')


if __name__ == '__main__':
    main()
