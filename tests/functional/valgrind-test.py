#!/usr/bin/env python3
# tests/functional/valgrind-test.py - nothing lost and nothing uninitialised, from the command line to the end of a handoff.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulator runs under valgrind: every error, and every block that nobody points to at the end, fails the case.

It is some fifty times slower there, so this is part of `make check-full` only: BATON_FULL=1.  tests/valgrind.supp lists
what is not ours, each with its reason.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

import harness
from harness import BUILD, EMULATOR, FULL, ROOT, Emulator, Failed, Skipped, bare_args, findings, machine_args, run_tests

VALGRIND = ['valgrind', '-q', '--fair-sched=yes', '--leak-check=full', '--show-leak-kinds=definite,indirect,possible',
            '--errors-for-leak-kinds=definite,indirect,possible', '--error-exitcode=99', '--num-callers=25',
            f'--suppressions={ROOT}/tests/valgrind.supp']
SLOW = 10
FOUND = 99

COMMAND_LINES = [        # (arguments, exit status)
    (['-version'], 0), (['-help'], 0), (['-machine', 'help'], 0), (['-cpu', 'help'], 0), (['-device', 'help'], 0),
    (['-device', 'virtio-net-device,help'], 0), (['-object', 'help'], 0), (['-d', 'help'], 0),
    (['-nosuch'], 1), (['-m'], 1), (['-M', 'pc'], 1), (['-m', '1x'], 1), (['-smp', '17'], 1), (['-cpu', 'rv64,zbq=on'], 1),
    (['-device', 'nosuch'], 1), (['-netdev', 'nosuch,id=n'], 1), (['-drive', 'file=/nonexistent,if=none,id=d'], 1),
    (['-bios', '/nonexistent'], 1), (['-chardev', 'socket,id=c'], 1), (['-object', 'secret,id=s'], 1),
    (['-incoming', 'nosuch:x'], 1), (['-M', 'virt', '-device', 'virtio-net-device,netdev=none'], 1),
]
QTESTS = ['hw/char/ns16550a', 'hw/intc/plic', 'hw/riscv/virt', 'hw/rtc/goldfish-rtc', 'hw/virtio/virtio-blk',
          'hw/virtio/virtio-mmio', 'hw/virtio/virtio-net', 'hw/virtio/virtio-rng']


def wrapper(folder):
    """The emulator under valgrind, as one program."""
    script = folder / 'under-valgrind'
    script.write_text('#!/bin/sh\nexec ' + ' '.join(VALGRIND) + f' {EMULATOR} "$@"\n')
    script.chmod(0o755)
    return str(script)


def guest_args(folder, name):
    disk = folder / 'disk'
    if not disk.exists():
        disk.write_bytes(bytes(1 << 20))
    return [*machine_args('64M', 2), *bare_args(), '-device', 'virtio-rng-device',
            '-netdev', f'dgram,id=n0,local.type=unix,local.path={folder}/{name}.net,remote.type=unix,remote.path={folder}/none',
            '-device', 'virtio-net-device,netdev=n0',
            '-drive', f'file={disk},format=raw,if=none,id=d0', '-device', 'virtio-blk-device,drive=d0']


def start(folder, name, *more):
    machine = Emulator([*guest_args(folder, name), *more], name, binary=wrapper(folder), folder=folder)
    machine.qmp.execute('migrate-set-capabilities', {'capabilities': [{'capability': 'events', 'state': True}]}, seconds=60)
    return machine


def command_line(folder):
    for number, (args, status) in enumerate(COMMAND_LINES):
        with open(folder / f'{number}.err', 'wb') as err:
            done = subprocess.run([*VALGRIND, EMULATOR, '-display', 'none', *args], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=err, timeout=60 * harness.PATIENCE)
        if done.returncode != status:
            raise Failed(f'{args}: status {done.returncode}, not {status}:\n' + (folder / f'{number}.err').read_text())


def session(folder):
    """Commands that make, show and remove, some of them refused."""
    machine = start(folder, 'session', '-S')
    try:
        for name in ('query-version', 'query-commands', 'query-qmp-schema', 'query-chardev', 'query-block', 'query-migrate',
                     'query-migrate-parameters', 'query-cpus-fast', 'query-status', 'qom-list-types'):
            machine.qmp.execute(name, seconds=60)
        for line in ('info registers', 'info network', 'info status', 'help'):
            machine.qmp.execute('human-monitor-command', {'command-line': line}, seconds=60)
        machine.qmp.execute('object-add', {'qom-type': 'secret', 'id': 's0', 'data': 'open'})
        machine.qmp.execute('object-del', {'id': 's0'})
        for name, arguments in (('object-add', {'qom-type': 'nosuch', 'id': 'x'}), ('nosuch', None),
                                ('migrate', {'uri': 'tcp:nowhere'}), ('device_del', {'id': 'nosuch'})):
            try:
                machine.qmp.execute(name, arguments)
            except harness.QmpError:
                continue
            raise Failed(f'{name} {arguments}: accepted')
        machine.quit(60)
    finally:
        machine.close()


def guest_powers_off(folder):
    machine = start(folder, 'power', '-no-reboot')
    try:
        machine.console.expect('tick 3\r?\n', 60)
        machine.console.send('q')
        if machine.wait(60) != 0:
            raise Failed(f'ended with {machine.process.returncode}: {machine.errors()}')
    finally:
        machine.close()


def handed_over(folder):
    source, target = start(folder, 'source'), None
    try:
        source.console.expect('tick 3\r?\n', 60)
        target = start(folder, 'target', '-incoming', 'defer')
        target.qmp.execute('migrate-incoming', {'uri': f'unix:{folder}/handoff'}, seconds=60)
        source.qmp.execute('migrate', {'uri': f'unix:{folder}/handoff'}, seconds=60)
        source.qmp.event('MIGRATION', 120, status='completed')
        target.qmp.event('RESUME', 60)
        target.console.expect('tick \\d+\r?\n', 60)
        source.quit(60)
        target.quit(60)
    finally:
        source.close()
        if target:
            target.close()


def came_back(folder):
    """A migration that nobody answers fails, and the guest runs on."""
    source = start(folder, 'source')
    try:
        source.console.expect('tick 3\r?\n', 60)
        source.qmp.execute('migrate', {'uri': f'unix:{folder}/nobody'}, seconds=60)
        source.qmp.event('MIGRATION', 60, status='failed')
        source.quit(60)
    finally:
        source.close()


def saved_and_loaded(folder):
    path = folder / 'stream'
    first = start(folder, 'first')
    try:
        first.console.expect('tick 3\r?\n', 60)
        first.qmp.execute('migrate', {'uri': f'file:{path}'}, seconds=60)
        first.qmp.event('MIGRATION', 120, status='completed')
        first.quit(60)
    finally:
        first.close()
    second = Emulator([*guest_args(folder, 'second'), '-incoming', f'file:{path}'], 'second', binary=wrapper(folder),
                      folder=folder)
    try:
        second.qmp.event('RESUME', 120)
        second.console.expect('tick \\d+\r?\n', 60)
        second.quit(60)
    finally:
        second.close()
    path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
    third = Emulator([*guest_args(folder, 'third'), '-incoming', f'file:{path}'], 'third', binary=wrapper(folder), folder=folder)
    try:
        if third.wait(120) != 1:
            raise Failed(f'a cut stream: ended with {third.process.returncode}: {third.errors()}')
    finally:
        third.close()


def qtest(name):
    def case(folder):
        program = BUILD / 'tests/qtest' / ('qtest-' + name.replace('/', '-'))
        env = dict(os.environ, QTEST_QEMU_BINARY=wrapper(folder), BATON_PATIENCE=str(int(harness.PATIENCE)))
        with open(folder / 'qtest.err', 'wb') as err:
            done = subprocess.run([program, '-k'], stdin=subprocess.DEVNULL, stdout=err, stderr=err, env=env,
                                  timeout=300 * harness.PATIENCE)
        if done.returncode != 0:
            raise Failed(f'status {done.returncode}: ' + (folder / 'qtest.err').read_text()[-5000:])
    return case


def judged(case):
    def run(folder):
        if not FULL:
            raise Skipped('some minutes: BATON_FULL=1 runs it')
        if not shutil.which('valgrind'):
            raise Skipped('valgrind is not installed (scripts/install-deps --full installs it)')
        if b'__tsan_init' in Path(EMULATOR).read_bytes() or b'__asan_init' in Path(EMULATOR).read_bytes():
            raise Skipped('valgrind and a sanitizer do not go together')
        case(folder)
        if findings(folder):
            raise Failed(findings(folder))
    return run


CASES = [('help and each refusal of the command line', command_line), ('a session of QMP, and quit', session),
         ('a guest powers off', guest_powers_off), ('a guest is handed over', handed_over),
         ('a guest that stays, for nobody is there', came_back), ('a guest saved, loaded, and cut short', saved_and_loaded),
         *((f'qtest {name}', qtest(name)) for name in QTESTS)]

if __name__ == '__main__':
    harness.PATIENCE *= SLOW
    sys.exit(run_tests([(f'valgrind: {name}', judged(case)) for name, case in CASES]))
