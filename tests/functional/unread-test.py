#!/usr/bin/env python3
# tests/functional/unread-test.py - whoever does not read, accept or answer stops neither QMP nor the guest.
# SPDX-License-Identifier: GPL-2.0-or-later
import fcntl
import os
import socket
import sys

from harness import EMULATOR, Emulator, Failed, Qmp, QmpError, bare_args, deadline, left, machine_args, run_tests


def full_pipe(path):
    """A FIFO that is full, with a reader that never reads; returns the reader's descriptor."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    try:
        while True:
            os.write(reader, bytes(4096))
    except BlockingIOError:
        return reader


def full_socket(path):
    """Listens, never accepts, and has no room for another connection."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(0)
    waiting = []
    while True:
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        try:
            one.connect(str(path))
            waiting.append(one)
        except BlockingIOError:
            return [listener, *waiting]


class Machine(Emulator):
    """The bare guest, and a second monitor that is asked while the first one's command is under way."""
    def __init__(self, folder, *args, **more):
        probe = socket.socket(socket.AF_UNIX)
        probe.bind(f'{folder}/probe')
        probe.listen(1)
        super().__init__([*machine_args('64M'), *bare_args(), '-qmp', f'unix:{folder}/probe', *args], folder=folder, **more)
        self.probe = Qmp(probe.accept()[0], open(f'{folder}/probe.qmp', 'wb'))
        self.console.expect('tick 3\r?\n', 30)

    def answers(self, command, arguments=None):
        """It is answered, somehow, and so is the other monitor meanwhile; returns the refusal, if it was one."""
        number = self.qmp.send(command, arguments or {})
        self.probe.execute('query-status', seconds=5)
        try:
            self.qmp.reply(number, command, 5)
        except QmpError as why:
            return why.desc
        return None


def runs(machine):
    machine.console.expect(r'tick \d+\r?\n', 10)


def standard_error(folder):
    """Full of what was said before, and read by nobody: commands trace and report, and the guest stops and goes on."""
    reader = full_pipe(folder / 'pipe')
    script = folder / 'unread'
    script.write_text(f'#!/bin/sh\nexec {EMULATOR} "$@" 2>{folder}/pipe\n')
    script.chmod(0o755)
    machine = Machine(folder, '-trace', 'runstate_*', binary=str(script))
    try:
        for command in ('stop', 'cont') * 3:
            if machine.answers(command):
                raise Failed(f'{command} was refused')
        runs(machine)
        until, said = deadline(5), b''
        while b'missing' not in said and left(until):   # read again, it says what is missing
            try:
                said += os.read(reader, 4096)
            except BlockingIOError:
                pass
            machine.answers('stop')
        if b'messages are missing here' not in said:
            raise Failed(f'nothing is said of what is missing: {said[-200:]}')
        machine.quit()
    finally:
        machine.close()
        os.close(reader)


def pipes_without_a_reader(folder):
    os.mkfifo(folder / 'pipe')
    path = f'{folder}/pipe'
    machine = Machine(folder)
    try:
        machine.answers('human-monitor-command', {'command-line': f'logfile {path}'})
        machine.answers('pmemsave', {'val': 0x80000000, 'size': 1 << 20, 'filename': path})
        machine.answers('chardev-add', {'id': 'a', 'backend': {'type': 'file', 'data': {'out': path}}})
        machine.answers('chardev-add', {'id': 'b', 'backend': {'type': 'file', 'data': {'out': '/dev/null', 'in': path}}})
        runs(machine)
        machine.quit()
    finally:
        machine.close()


def a_switch_that_does_not_accept(folder):
    waiting = full_socket(folder / 'switch')
    machine = Machine(folder)
    try:
        why = machine.answers('netdev_add', {'type': 'stream', 'id': 'n', 'addr': {'type': 'unix', 'path': f'{folder}/switch'}})
        if why:
            raise Failed(f'refused: {why}')
        waiting[0].accept()[0].close()                  # room for ours
        machine.qmp.event('NETDEV_STREAM_CONNECTED', 10)
        machine.quit()
    finally:
        machine.close()
        for one in waiting:
            one.close()


CASES = [
    ('standard error that nobody reads', standard_error),
    ('pipes without a reader', pipes_without_a_reader),
    ('a switch that does not accept', a_switch_that_does_not_accept),
]

if __name__ == '__main__':
    sys.exit(run_tests(CASES))
