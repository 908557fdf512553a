#!/usr/bin/env python3
# tests/tools/wire.py - a wire between two Batons that knows where messages begin, and breaks where it is told.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Understands the framing of docs/migration-stream.md from outside and passes whole messages on.

A message's key is its direction, name and count: '>RUN#1', '<READY#1', '>ram-batch#3' ('>': to the destination).  The list
of keys is what passed, so it is never shorter than the protocol; bytes that fit nothing known are an error of the test.

As a program: wire.py --listen tcp:127.0.0.1:4000 --connect unix:/tmp/mig.sock [--at KEY --fault cut --byte half] prints
every message and does the fault.  As a module: Wire(source_socket, destination_socket, fault, ...).start().
"""
import argparse
import ctypes
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass

MAGIC = 0x5145564d
END, START, PART, LAST, CONFIGURATION, COMMAND, FOOTER = 0, 1, 2, 3, 7, 8, 0x7e
COMMANDS = {7: 'PACKAGED', 11: 'SWITCHOVER_START', 32: 'HELLO', 33: 'RUN', 34: 'RELEASE', 35: 'CANCEL', 36: 'TAIL_END',
            37: 'MESSAGE', 38: 'SETUP', 39: 'PREPARE'}
ANSWERS = {1: 'SHUT', 7: 'SWITCHOVER_ACK', 8: 'VM_STARTED', 32: 'HELLO', 33: 'READY', 34: 'ASK', 35: 'GIVE_BACK',
           36: 'TAIL_DONE', 37: 'ERROR', 38: 'MESSAGE'}
SECTIONS = {START: 'ram-start', PART: 'ram-part', LAST: 'ram-end'}
RAM_MEM_SIZE, RAM_EOS, RAM_BATCH, RAM_FLAGS = 0x04, 0x10, 0x400, 0xfff
RUN_BYTES, PAGE = 12, 4096

FAULTS = ('none', 'cut', 'reset', 'vanish', 'delay', 'damage', 'kill-source', 'kill-destination', 'freeze-source',
          'freeze-destination')


class Unknown(Exception):
    """Bytes that are not in the protocol as it is known here."""


class Ended(Exception):
    """The writer hung up; what was left of a message is in `rest`."""


@dataclass(frozen=True)
class Message:
    direction: str
    name: str
    count: int
    data: bytes

    @property
    def key(self):
        return f'{self.direction}{self.name}#{self.count}'


@dataclass
class Fault:
    """What happens at message `at`: `byte` bytes of it are let through, then `kind`.

    byte: a number (reduced to the message's length), 'half', 'last' or 'end'.  wait_s passes between the bytes and the fault,
    for_s is how long a freeze or a delay lasts.  bit: which one is damaged.
    """
    kind: str = 'none'
    at: str = ''
    byte: object = 0
    wait_s: float = 0.0
    for_s: float = 5.0
    bit: int = 0

    def place(self, size):
        if self.byte == 'half':
            place = size // 2
        elif self.byte == 'end':
            place = size
        elif self.byte == 'last':
            place = size - 1
        else:
            place = int(self.byte)
        return place % size if self.kind == 'damage' else min(place, size)


# ---- the framing ----------------------------------------------------------------------------------------------------

class Bytes:
    """Reads exactly what is asked for and remembers it as the message under way."""
    def __init__(self, sock, spy=None):
        self.sock, self.buffer, self.message, self.spy = sock, bytearray(), bytearray(), spy

    def take(self, size):
        while len(self.buffer) < size:
            try:
                chunk = self.sock.recv(1 << 18)
            except OSError:
                chunk = b''
            if not chunk:
                self.message += self.buffer
                raise Ended
            if self.spy:
                self.spy(chunk)
            self.buffer += chunk
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        self.message += data
        return data

    def number(self, size):
        return int.from_bytes(self.take(size), 'big')

    def done(self):
        data, self.message = bytes(self.message), bytearray()
        return data


def part_name(body):
    """The counterpart a MESSAGE is for, and its first byte, which is its type."""
    length = body[0] if body else 0
    return f"MESSAGE.{body[1:1 + length].decode('ascii', 'replace')}.{body[1 + length] if len(body) > 1 + length else '-'}"


def take_command(b):
    number, size = b.number(2), b.number(2)
    name = COMMANDS.get(number)
    if not name:
        raise Unknown(f'command {number}')
    payload = b.take(size)
    if name in ('PACKAGED', 'SETUP'):
        b.take(struct.unpack('>I', payload)[0])
    if name == 'MESSAGE':
        name = part_name(b.take(struct.unpack('>I', payload[8:12])[0]))
    return name


def take_ram_record(b):
    """One record; '' when it was the last of its section."""
    flags = b.number(8)
    kind = flags & RAM_FLAGS
    if kind == RAM_MEM_SIZE:
        left = flags & ~RAM_FLAGS
        while left > 0:
            b.take(b.number(1))
            left -= b.number(8)
        return 'ram-blocks'
    if kind == RAM_BATCH:
        _, data, zero, _ = struct.unpack('>HHHH', b.take(8))
        runs = b.take((data + zero) * RUN_BYTES)
        b.take(sum(struct.unpack_from('>I', runs, i * RUN_BYTES + 8)[0] for i in range(data)) * PAGE)
        return 'ram-batch'
    if kind == RAM_EOS:
        if b.number(1) != FOOTER:
            raise Unknown('a section without its footer')
        b.take(4)
        return ''
    raise Unknown(f'RAM record {kind:#x}')


def messages_to_destination(b):
    if b.number(4) != MAGIC or b.number(4) != 3 or b.number(1) != CONFIGURATION:
        raise Unknown('the head of the stream')
    b.take(b.number(4))
    yield 'header'
    while True:
        kind = b.number(1)
        if kind == COMMAND:
            yield take_command(b)
        elif kind in SECTIONS:
            b.take(4)
            if kind == START:
                b.take(b.number(1))
                b.take(8)
            yield SECTIONS[kind]
            while True:
                name = take_ram_record(b)
                yield name or 'ram-eos'
                if not name:
                    break
        elif kind == END:
            yield 'end'
        else:
            raise Unknown(f'section type {kind:#x}')


def messages_to_source(b):
    while True:
        number, size = b.number(2), b.number(2)
        name = ANSWERS.get(number)
        if not name:
            raise Unknown(f'answer {number}')
        payload = b.take(size)
        if name == 'MESSAGE':
            name = part_name(b.take(struct.unpack('>I', payload[8:12])[0]))
        if name == 'READY' and len(payload) > 8 and payload[8]:
            name = 'READY_PARKED'
        yield name


# ---- the wire ---------------------------------------------------------------------------------------------------------

def reset(sock):
    """TCP's RST at once, whatever is queued: connect() to no family.  Others: just closed."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        ctypes.CDLL(None).connect(sock.fileno(), bytes(16), 16)
    hang_up(sock)


def hang_up(sock, how=socket.SHUT_RDWR):
    try:
        sock.shutdown(how)
    except OSError:
        pass


class Wire:
    """Passes messages between the source's and the destination's socket until both have ended."""
    def __init__(self, source, destination, fault=None, pids=(0, 0), at_message=None, at_fault=None, tell=None):
        """pids: of source and destination.  at_message(message) is called before a message is passed on, at_fault() just
        before the fault; both may do anything.  tell(text) gets one line per message."""
        self.socks = {'>': (source, destination), '<': (destination, source)}
        self.fault, self.pids = fault or Fault(), pids
        self.at_message, self.at_fault = at_message or (lambda message: None), at_fault or (lambda: None)
        self.tell = tell
        self.passed, self.problems = [], []
        self.fault_at = self.fault_real = None              # monotonic and CLOCK_REALTIME
        self.told_real = {}                                 # when an end was told that the other one has hung up
        self.counts, self.lock = {}, threading.Condition()  # told of every message, of the fault and of an end
        self.is_cut, self.vanished = False, threading.Event()
        self.frozen, self.timers, self.is_busy = set(), [], False
        self.pidfds = {pid: os.pidfd_open(pid) for pid in pids if pid}
        self.ended = {d: threading.Event() for d in '><'}
        self.threads = [threading.Thread(target=self.run, args=(d,), daemon=True) for d in '><']

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def keys(self):
        with self.lock:
            return [m.key for m in self.passed]

    def saw(self, name):
        """Whether a message of this name was read from its writer, however much of it was passed on."""
        with self.lock:
            return any(m.direction + m.name == name for m in self.passed)

    def until(self, happened, seconds):
        """Waits until happened(), which is asked at every message, at the fault and at an end; its last answer."""
        with self.lock:
            return self.lock.wait_for(happened, seconds)

    def until_saw(self, name, seconds):
        return self.until(lambda: self.saw(name), seconds)

    # ---- one direction ----
    def run(self, direction):
        sock, to = self.socks[direction]
        b = Bytes(sock)
        parse = messages_to_destination if direction == '>' else messages_to_source
        try:
            for name in parse(b):
                self.carry(direction, name, b.done(), to)
        except Ended:
            self.put_quietly(to, bytes(b.message))          # half a message is passed on, too
        except Unknown as why:
            self.problems.append(f'{direction} unknown to the wire: {why}')
            self.drain(b, to)
        except OSError:                                     # the reader is gone, as its peer has to learn:
            self.ended[direction].set()
            self.ended['<' if direction == '>' else '>'].wait(60)
            self.cut()                                      # in order, behind what it had sent before
        finally:
            with self.lock:
                self.ended[direction].set()
                self.lock.notify_all()
        if self.vanished.is_set():
            return
        hang_up(to, socket.SHUT_WR)
        self.told_real.setdefault(direction, time.time())

    def put_quietly(self, to, data):
        try:
            self.put(to, data)
        except OSError:
            pass                                            # its reader is gone as well

    def drain(self, b, to):
        self.put_quietly(to, bytes(b.message) + bytes(b.buffer))
        try:
            while True:
                chunk = b.sock.recv(65536)
                if not chunk:
                    return
                self.put(to, chunk)
        except OSError:
            pass

    def put(self, to, data):
        if data and not self.is_cut and not self.vanished.is_set():
            to.sendall(data)

    def carry(self, direction, name, data, to):
        with self.lock:
            count = self.counts[direction, name] = self.counts.get((direction, name), 0) + 1
            message = Message(direction, name, count, data)
            self.passed.append(message)
            self.lock.notify_all()
        if self.tell:
            self.tell(f'{message.key} {len(data)}')
        if self.vanished.is_set():
            return
        self.at_message(message)
        if message.key == self.fault.at and self.fault.kind != 'none':
            self.is_busy = True
            try:
                self.do_fault(message, to)
            finally:
                self.is_busy = False
        else:
            self.put(to, data)

    # ---- what happens to it ----
    def do_fault(self, message, to):
        fault, place = self.fault, self.fault.place(len(message.data))
        if fault.kind == 'damage':
            data = bytearray(message.data)
            data[place] ^= 1 << fault.bit
            self.happened()
            self.put(to, bytes(data))
            return
        self.put(to, message.data[:place])
        if fault.wait_s:
            time.sleep(fault.wait_s)                        # the case asks for this much
        self.happened()
        if fault.kind == 'delay':
            time.sleep(fault.for_s)
        else:
            self.strike(fault.kind, fault.for_s)
        self.put(to, message.data[place:])

    def happened(self):
        self.at_fault()
        with self.lock:
            self.fault_at, self.fault_real = time.monotonic(), time.time()
            self.lock.notify_all()

    def strike(self, kind, for_s):
        if kind == 'cut':
            self.cut()
        elif kind == 'reset':
            self.cut(reset)
        elif kind == 'vanish':
            self.vanished.set()
        else:
            verb, who = kind.split('-')
            pid = self.pids[who == 'destination']
            if verb == 'kill':
                self.signal(pid, signal.SIGKILL)
            else:
                self.freeze(pid, for_s)

    def signal(self, pid, number):
        """By its descriptor: a number may be another process's by now."""
        try:
            signal.pidfd_send_signal(self.pidfds[pid], number)
        except ProcessLookupError:
            pass                                            # it has ended by itself

    def freeze(self, pid, for_s):
        self.frozen.add(pid)
        self.signal(pid, signal.SIGSTOP)
        timer = threading.Timer(for_s, self.thaw, (pid,))
        timer.daemon = True
        self.timers.append(timer)
        timer.start()

    def thaw(self, pid):
        if pid in self.frozen:
            self.frozen.discard(pid)
            self.signal(pid, signal.SIGCONT)

    def cut(self, how=hang_up):
        self.is_cut = True
        for sock in self.socks['>']:
            how(sock)
        for direction in '><':
            self.told_real.setdefault(direction, time.time())

    def close(self):
        """Ends the wire, at the latest now; whoever is frozen goes on."""
        self.cut()
        for timer in self.timers:
            timer.cancel()
            timer.join()
        for pid in list(self.frozen):
            self.thaw(pid)
        for thread in self.threads:
            thread.join(10)
        for sock in self.socks['>']:
            sock.close()
        for fd in self.pidfds.values():
            os.close(fd)
        self.pidfds = {}


# ---- by itself ---------------------------------------------------------------------------------------------------------

def open_address(text, listen):
    kind, rest = text.split(':', 1)
    sock = socket.socket(socket.AF_UNIX if kind == 'unix' else socket.AF_INET)
    address = rest if kind == 'unix' else (rest.rsplit(':', 1)[0], int(rest.rsplit(':', 1)[1]))
    if not listen:
        sock.connect(address)
        return sock
    if kind == 'unix' and os.path.exists(rest):
        os.unlink(rest)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    sock.listen(1)
    return sock


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--listen', required=True, help='tcp:HOST:PORT or unix:PATH, for the source')
    parser.add_argument('--connect', required=True, help='where the destination waits')
    parser.add_argument('--at', default='', help='key of the message')
    parser.add_argument('--fault', choices=FAULTS, default='none')
    parser.add_argument('--byte', default='0', help="bytes let through before: a number, 'half', 'last' or 'end'")
    parser.add_argument('--seconds', type=float, default=5.0, help='of a delay or a freeze')
    parser.add_argument('--pids', default='0,0', help='of source and destination, for kill and freeze')
    args = parser.parse_args()
    source = open_address(args.listen, True).accept()[0]
    fault = Fault(args.fault, args.at, args.byte, for_s=args.seconds)
    wire = Wire(source, open_address(args.connect, False), fault, tuple(int(p) for p in args.pids.split(',')),
                tell=lambda line: print(line, flush=True)).start()
    for thread in wire.threads:
        thread.join()
    print(json.dumps({'problems': wire.problems}))
    return 1 if wire.problems else 0


if __name__ == '__main__':
    sys.exit(main())
