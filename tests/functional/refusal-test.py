#!/usr/bin/env python3
# tests/functional/refusal-test.py - whatever the destination refuses, the source is told why, over any socket.
# SPDX-License-Identifier: GPL-2.0-or-later
"""A socket that is closed with unread bytes takes back what was written to it (tcp: RST), so the reason could be lost."""
import array
import fcntl
import os
import socket
import sys
import termios
import time

from harness import PATIENCE, Emulator, Failed, TooLate, bare_args, deadline, left, machine_args, run_tests
from wire import A_ERROR, A_HELLO, HELLO, Destination, Scene, Source

TRANSPORTS = ('tcp', 'unix', 'fd')
MORE_MIB = 96
TRIES = 10
PROMPT_MS = 500
FULL_BYTES = 32768


def expect_reason(source, words):
    """ERROR with these words, and then the end: no reset, nothing that a reader would stumble over."""
    number, text = source.answer()
    while number not in (A_ERROR, None):
        number, text = source.answer()
    if number is None or words not in text:
        raise Failed(f'answer {number}: {text!r} instead of {words!r}')
    while number is not None:
        number, _ = source.answer()


# ---- the real destination ----

def deaf_source(transport):
    """It goes on writing long after the refusal and only then listens."""
    def case(folder):
        with Source(folder, transport, memory='96M') as source:
            source.header()
            source.hello()
            if source.answer()[0] != A_HELLO:
                raise Failed('no answer to the hello')
            source.ram_start(64)
            for _ in range(MORE_MIB):
                source.channel.sendall(bytes(1 << 20))
            source.channel.shutdown(socket.SHUT_WR)
            expect_reason(source, b"guest memory 'riscv_virt_board.ram' has 65536 KiB at the source and 98304 KiB here")
            if source.other.wait() != 1:
                raise Failed('the destination did not exit with 1')
    return case


def before_the_hello(transport):
    def case(folder):
        with Source(folder, transport) as source:
            source.header(b'spike')
            source.command(HELLO, bytes(300))
            source.channel.shutdown(socket.SHUT_WR)
            expect_reason(source, b"comes from machine 'spike'")
            if source.other.wait() != 1:
                raise Failed('the destination did not exit with 1')
    return case


def older_hello(transport):
    def case(folder):
        with Source(folder, transport) as source:
            source.header()
            source.hello(version=77)
            source.channel.shutdown(socket.SHUT_WR)
            expect_reason(source, b'speaks version 77')
    return case


def capability(transport):
    def case(folder):
        with Source(folder, transport) as source:
            source.header()
            source.hello(capabilities=1 << 4)
            source.channel.shutdown(socket.SHUT_WR)
            expect_reason(source, b"capability 'netpass' is on at the source and off here")
    return case


# ---- the real source ----

def refused_without_number(folder):
    """A destination that did not understand the hello does not know the attempt's number."""
    with Scene(folder) as scene:
        scene.other.say(A_ERROR, b'speaks another version', attempt=0)
        scene.ends('failed', 'the destination says: speaks another version')
        scene.runs(True)


def reason_then_reset(transport):
    """The writer sees the broken connection before the reader has seen the reason."""
    def case(folder):
        with Scene(folder, transport) as scene:
            scene.source.console.send('d')              # a guest that dirties memory: there is always more to send
            for turn in range(TRIES):
                if turn:
                    scene.other.listener.close()
                    scene.other = Destination(folder / str(turn), transport)
                    scene.since = scene.qmp.mark()
                    scene.qmp.execute('migrate', {'uri': scene.other.uri})
                    scene.other.accept()
                scene.other.hello()
                scene.other.channel.recv(64)
                scene.other.say(A_ERROR, b'reason %d' % turn)
                scene.other.slam()
                scene.ends('failed', f'the destination says: reason {turn}')
                scene.runs(True)
                (folder / str(turn + 1)).mkdir()
    return case


def reason_while_the_socket_is_full(transport):
    """A refusal ends the write that is under way; nobody waits until it times out."""
    def case(folder):
        with Scene(folder, transport, args=much_memory(folder)) as scene:
            scene.other.hello()
            waiting = array.array('i', [0])
            until = deadline(20)
            while waiting[0] < FULL_BYTES:              # nobody reads; the rest does not fit into any socket
                fcntl.ioctl(scene.other.channel, termios.FIONREAD, waiting)
                if not left(until):
                    raise Failed(f'only {waiting[0]} bytes came')
            began = time.monotonic()
            scene.other.say(A_ERROR, b'no room')
            scene.ends('failed', 'the destination says: no room')
            took = (time.monotonic() - began) * 1000
            scene.runs(True)
            if took > PROMPT_MS * PATIENCE:
                raise TooLate(f'it took {took:.0f} ms')
    return case


def much_memory(folder):
    """24 MiB that are no zeroes, placed where the guest never looks."""
    (folder / 'kernel').write_bytes(bytes(4096))
    (folder / 'initrd').write_bytes(os.urandom(24 << 20))
    return ['-kernel', folder / 'kernel', '-initrd', folder / 'initrd']


# ---- both real ----

def slow_source(transport):
    """Limited to 1 MiB a second, the source hears the refusal at once, not after its round."""
    def case(folder):
        source = Emulator([*machine_args('64M'), *bare_args()], folder=folder)
        with Source(folder, transport, memory='96M') as relay:
            try:
                migrate_through(source, relay)
            finally:
                source.close()
    return case


def migrate_through(source, relay):
    """The socket that the scripted source would use becomes the real source's channel."""
    source.console.expect('BARE-GUEST-READY', 30)
    source.console.send('d')
    source.qmp.execute('migrate-set-capabilities', {'capabilities': [{'capability': 'events', 'state': True}]})
    source.qmp.execute('migrate-set-parameters', {'max-bandwidth': 1 << 20})
    source.qmp.execute('getfd', {'fdname': 'channel'}, fd=relay.channel.fileno())
    relay.file.close()
    relay.channel.close()
    since, began = source.qmp.mark(), time.monotonic()
    source.qmp.execute('migrate', {'uri': 'fd:channel'})
    source.qmp.event('MIGRATION', 30, since=since, status='failed')
    took = (time.monotonic() - began) * 1000
    text = source.qmp.execute('query-migrate').get('error-desc', '')
    if "guest memory 'riscv_virt_board.ram' has 65536 KiB at the source" not in text:
        raise Failed(f'the source says "{text}"')
    if took > PROMPT_MS * PATIENCE:
        raise TooLate(f'it took {took:.0f} ms')
    if relay.other.wait() != 1:
        raise Failed('the destination did not exit with 1')


if __name__ == '__main__':
    sys.exit(run_tests([
        *((f'{t}: a source that does not listen yet is told later', deaf_source(t)) for t in TRANSPORTS),
        *((f'{t}: another machine is refused by name', before_the_hello(t)) for t in TRANSPORTS),
        *((f'{t}: another version of the hello is refused by number', older_hello(t)) for t in TRANSPORTS),
        *((f'{t}: a capability that is on at one side only is refused by name', capability(t)) for t in TRANSPORTS),
        ('a refusal without the number of the attempt counts', refused_without_number),
        *((f'{t}: a reason counts, whatever closes the connection behind it', reason_then_reset(t))
          for t in ('tcp', 'unix')),
        *((f'{t}: a reason ends a write that is under way', reason_while_the_socket_is_full(t)) for t in ('tcp', 'unix')),
        *((f'{t}: a source that sends slowly is told at once', slow_source(t)) for t in TRANSPORTS),
    ]))
