#!/usr/bin/env python3
# tests/functional/readme-test.py - what README.md prints can be typed as it is.
# SPDX-License-Identifier: GPL-2.0-or-later
import json
import socket
import sys

from harness import ROOT, Emulator, Failed, bare_args, deadline, left, machine_args, run_tests

WAIT = '{"execute": "query-migrate"}'


def lines_of_readme():
    """[(side, line)] of the block with the prompts a> and b>."""
    lines = [line for line in (ROOT / 'README.md').read_text().splitlines() if line[:3] in ('a> ', 'b> ')]
    if len(lines) < 5:
        raise Failed('README.md has no lines of QMP')
    return [(line[0], line[3:]) for line in lines]


class Monitor:
    """A QMP socket on which nothing was said yet."""
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.sock.settimeout(20)
        self.file = self.sock.makefile('r')
        self.file.readline()

    def type(self, line):
        self.sock.sendall(line.encode() + b'\n')
        while 'event' in (answer := json.loads(self.file.readline())):
            pass
        if 'return' not in answer:
            raise Failed(f'{line}: {answer}')
        return answer['return']


def start(folder, name, *more):
    net = ['-netdev', f'dgram,id=n0,local.type=unix,local.path={folder}/{name}.net,'
           f'remote.type=unix,remote.path={folder}/nobody', '-device', 'virtio-net-device,netdev=n0']
    return Emulator([*machine_args('64M'), *bare_args(), *net, '-qmp', f'unix:{folder}/{name}.qmp,server=on,wait=off', *more],
                    folder=folder)


def handed_over_as_printed(folder):
    a, b = start(folder, 'a'), None
    try:
        a.console.expect('BARE-GUEST-READY', 30)
        b = start(folder, 'b', '-incoming', 'defer')
        monitors = {side: Monitor(f'{folder}/{side}.qmp') for side in 'ab'}
        for side, line in lines_of_readme():
            report = monitors[side].type(line.replace('/tmp/handoff', f'{folder}/handoff'))
        until = deadline(30)
        while report.get('status') != 'completed' and left(until):
            report = monitors['a'].type(WAIT)
        if report.get('status') != 'completed' or 'downtime' not in report:
            raise Failed(str(report))
        if not monitors['b'].type('{"execute": "query-status"}')['running']:
            raise Failed('the guest does not run')
    finally:
        for emulator in (a, b):
            if emulator:
                emulator.close()


if __name__ == '__main__':
    sys.exit(run_tests([('the lines of QMP hand a guest over', handed_over_as_printed)]))
