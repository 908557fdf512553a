#!/usr/bin/env python3
# tests/functional/isa-test.py - the instruction set on the finished binary, each class of it, beside QEMU.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the programs of tests/guest/isa on Baton, and on QEMU where it is installed.

A program checks itself against the specification; those checks have to hold on Baton whatever QEMU says.  Digests
over many operands have to be the same on both, but for what is known of QEMU 7.2 (QEMU_DIFFERS).
Alone: isa-test.py [program...]; ISA_SHOW=1 also tells where QEMU is against the specification.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness import BUILD, EMULATOR, PATIENCE, ROOT, Failed, Skipped, dying, finding, run_tests

SOURCE = ROOT / 'tests/guest/isa'
QEMU = 'qemu-system-riscv64'
PREFIX = os.environ.get('RISCV_PREFIX', 'riscv64-linux-gnu-')
PROGRAMS = ('integer', 'memory', 'float', 'trap', 'vm', 'pmp', 'harts', 'mixture')
FLAGS = ('-march=rv64gc_zba_zbb_zbs -mabi=lp64d -mcmodel=medany -O1 -ffreestanding -nostdlib -static -fno-pic -fno-builtin '
         '-fno-stack-protector -Wall -Wextra -Wno-sign-compare -Werror -Wl,--build-id=none '
         '-Wl,--no-warn-rwx-segments').split()
QEMU_DIFFERS = {'ctzw'}             # counts the upper half of its operand
LIMIT = 60
SHOW = bool(os.environ.get('ISA_SHOW'))


def build(name):
    if not shutil.which(PREFIX + 'gcc'):
        raise Skipped(f'{PREFIX}gcc is not installed')
    folder = BUILD / 'tests/guest/isa'
    folder.mkdir(parents=True, exist_ok=True)
    elf, image = folder / f'{name}.elf', folder / f'{name}.bin'
    subprocess.run([PREFIX + 'gcc', *FLAGS, '-T', SOURCE / 'isa.ld', '-o', elf, SOURCE / 'start.S', SOURCE / 'runtime.c',
                    SOURCE / f'{name}.c'], check=True)
    subprocess.run([PREFIX + 'objcopy', '-O', 'binary', elf, image], check=True)
    return image


class Result:
    """What a program said."""
    def __init__(self, text):
        lines = text.replace('\r', '').splitlines()
        self.failures = [line[5:] for line in lines if line.startswith('FAIL ')]
        self.skipped = [line[5:] for line in lines if line.startswith('skip ')]
        self.digests = dict(line.split()[1:3] for line in lines if line.startswith('digest '))
        self.done = next((line for line in lines if line.startswith('done ')), None)


def run(emulator, image):
    command = [emulator, '-M', 'virt', '-m', '128M', '-smp', '4' if image.stem == 'harts' else '1', '-bios', str(image),
               '-display', 'none', '-monitor', 'none', '-serial', 'stdio']
    try:
        child = subprocess.run(dying(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               timeout=LIMIT * PATIENCE)
        text, ending = child.stdout, f'status {child.returncode}: {child.stderr.decode(errors="replace")[-3000:]}'
    except subprocess.TimeoutExpired as late:
        text, ending = late.stdout or b'', f'no end in {LIMIT * PATIENCE:.0f} s'
    if finding(ending):
        raise Failed(ending)
    result = Result(text.decode(errors='replace'))
    if not result.done:
        raise Failed(f'{Path(emulator).name}: {image.stem} did not come to its end, {ending}; it said:\n'
                     + '\n'.join(result.failures[:20]) + f'\n...{text[-200:].decode(errors="replace")}')
    return result


def compare(name, ours, theirs):
    """Digests that differ; what QEMU fails is only worth a line."""
    different = [d for d, hash in ours.digests.items() if d not in QEMU_DIFFERS and theirs.digests.get(d) != hash]
    for line in theirs.failures:
        if SHOW:
            print(f'# QEMU differs from the specification: {name}: {line}')
    return [f'digest of {d} differs from QEMU\'s' for d in different]


def program(name):
    def test(_folder=None):
        image = build(name)
        ours = run(EMULATOR, image)
        wrong = list(ours.failures)
        if shutil.which(QEMU):
            wrong += compare(name, ours, run(QEMU, image))
        print(f'# {name}: {ours.done}, {len(ours.digests)} digests' + ''.join(f', skipped {s}' for s in ours.skipped))
        if wrong:
            raise Failed(f'{len(wrong)} wrong:\n' + '\n'.join(wrong[:60]))
    return test


if __name__ == '__main__':
    sys.exit(run_tests([(f'{name}: does what the specification says', program(name)) for name in PROGRAMS]))
