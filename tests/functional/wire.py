# tests/functional/wire.py - the handoff's stream, spoken by a script: either side of it.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Destination answers a real source, Source feeds a real destination; docs/migration-stream.md has the bytes."""
import os
import socket
import struct

from harness import Emulator, Failed, QmpError, bare_args, machine_args

HELLO, RUN, RELEASE, CANCEL, TAIL_END, MESSAGE, SETUP, PREPARE = range(32, 40)
PACKAGED = 7
A_SWITCHOVER_ACK, A_STARTED, A_HELLO, A_READY, A_ASK, A_GIVE_BACK, A_TAIL_DONE, A_ERROR = 7, 8, 32, 33, 34, 35, 36, 37
VERSION = 2                 # of the hello; of VM_STARTED it is 1


class Destination:
    """Reads a stream as docs/migration-stream.md has it, and answers what it is told to."""
    def __init__(self, folder, transport='unix'):
        self.path = f'{folder}/other.sock'
        self.uri = 'unix:' + self.path
        self.listener = socket.socket(socket.AF_INET if transport == 'tcp' else socket.AF_UNIX)
        self.listener.bind(('127.0.0.1', 0) if transport == 'tcp' else self.path)
        if transport == 'tcp':
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
            self.uri = f'tcp:127.0.0.1:{self.listener.getsockname()[1]}'
        self.listener.listen(1)
        self.listener.settimeout(20)
        self.attempt, self.channel, self.file = 0, None, None

    def accept(self):
        self.channel, _ = self.listener.accept()
        self.channel.settimeout(20)
        self.file = self.channel.makefile('rb')
        magic, version, kind, size = struct.unpack('>IIBI', self.file.read(13))
        if (magic, version, kind) != (0x5145564d, 3, 7):
            raise Failed('no stream header')
        self.file.read(size)
        number, payload = self.element()
        if number != HELLO:
            raise Failed(f'command {number} instead of a hello')
        self.attempt = struct.unpack_from('>Q', payload, 2)[0]

    def get(self, form):
        return struct.unpack(form, self.file.read(struct.calcsize(form)))

    def memory(self, first):
        self.file.read(4)
        if first:
            self.file.read(self.get('>B')[0] + 8)
        while True:
            word, = self.get('>Q')
            flag = word & 0xfff
            if flag == 0x10:
                break
            if flag == 4:
                total = word & ~0xfff
                while total:
                    self.file.read(self.get('>B')[0])
                    total -= self.get('>Q')[0]
            elif flag == 0x400:
                _, data, zero, _ = self.get('>HHHH')
                runs = [self.get('>QI') for _ in range(data + zero)]
                self.file.read(sum(pages for _, pages in runs[:data]) * 4096)
            else:
                raise Failed(f'RAM record {word:#x}')
        self.file.read(5)

    def element(self):
        """The next command and its payload; memory is passed over.  None: closed."""
        while True:
            kind = self.file.read(1)
            if not kind:
                return None, b''
            if kind[0] in (1, 2, 3):
                self.memory(kind[0] == 1)
                continue
            if kind[0] != 8:
                raise Failed(f'element {kind[0]}')
            number, size = self.get('>HH')
            payload = self.file.read(size)
            if number in (PACKAGED, SETUP):
                self.file.read(struct.unpack('>I', payload)[0])
            elif number == MESSAGE:
                self.file.read(struct.unpack('>QI', payload)[1])
            return number, payload

    def until(self, wanted):
        while True:
            number, payload = self.element()
            if number == wanted:
                return payload
            if number == PREPARE:
                self.say(A_SWITCHOVER_ACK)
            if number is None:
                raise Failed(f'closed while command {wanted} was awaited')

    def say(self, number, payload=b'', attempt=None):
        attempt = self.attempt if attempt is None else attempt
        if number in (A_HELLO, A_STARTED):
            body = struct.pack('>HQ', VERSION if number == A_HELLO else 1, attempt) + payload
        else:
            body = struct.pack('>Q', attempt) + payload
        self.channel.sendall(struct.pack('>HH', number, len(body)) + body)

    def hello(self, pid=0, **more):
        self.say(A_HELLO, struct.pack('>I64s', pid, b''), **more)

    def ready(self, parked=0, **more):
        self.say(A_READY, struct.pack('>BQ', parked, 1000), **more)

    def started(self, **more):
        self.say(A_STARTED, struct.pack('>QQQ', 1000, 2000, 0), **more)

    def close(self):
        if self.channel:
            self.channel.shutdown(socket.SHUT_RDWR)
            self.file.close()
            self.channel.close()
        self.channel = None
        self.listener.close()

    def slam(self):
        """Closes with unread bytes in the socket, so that over tcp the other side gets a reset."""
        self.file.detach().close()
        self.channel.close()
        self.channel = None


class Source:
    """A source without a guest, and the real destination that it speaks to."""
    def __init__(self, folder, transport, *args, memory='64M'):
        ours, theirs = (None, None) if transport == 'tcp' else socket.socketpair()
        where, fds = {'tcp': ('tcp:127.0.0.1:0', ()), 'unix': (f'unix:{folder}/in.sock', ()),
                      'fd': (f'fd:{theirs.fileno()}' if theirs else '', (theirs.fileno(),) if theirs else ())}[transport]
        self.other = Emulator([*machine_args(memory), *bare_args(), *args, '-incoming', where], folder=folder,
                              pass_fds=fds)
        if transport == 'fd':
            self.channel = ours
        elif transport == 'tcp':
            at = self.other.qmp.execute('query-migrate')['socket-address'][0]
            self.channel = socket.create_connection((at['host'], int(at['port'])))
        else:
            self.channel = socket.socket(socket.AF_UNIX)
            self.channel.connect(f'{folder}/in.sock')
        if theirs:
            theirs.close()
        self.channel.settimeout(20)
        self.attempt = int.from_bytes(os.urandom(8), 'big') | 1
        self.file = self.channel.makefile('rb')

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.channel.close()
        self.other.close()

    def header(self, machine=b'virt'):
        self.channel.sendall(struct.pack('>IIBI', 0x5145564d, 3, 7, len(machine)) + machine)

    def command(self, number, payload):
        self.channel.sendall(struct.pack('>BHH', 8, number, len(payload)) + payload)

    def hello(self, version=VERSION, capabilities=0):
        self.command(HELLO, struct.pack('>HQBIII64s', version, self.attempt, 0, capabilities, 4096, 0, b'')
                     + b'\x04virt' + b'\0' + b'\0')

    def ram_start(self, mib):
        """The beginning of the memory of a guest that has so much of it."""
        name, size = b'riscv_virt_board.ram', mib << 20
        self.channel.sendall(struct.pack('>BI', 1, 1) + b'\x03ram' + struct.pack('>II', 0, 4)
                             + struct.pack('>Q', size | 4) + bytes([len(name)]) + name + struct.pack('>Q', size))

    def answer(self):
        """The next answer's number and what follows the attempt; None at the end."""
        head = self.file.read(4)
        if not head:
            return None, b''
        number, size = struct.unpack('>HH', head)
        body = self.file.read(size)
        return number, body[10:] if number in (A_HELLO, A_STARTED) else body[8:]


class Scene:
    """A running guest, a destination, and a migration begun."""
    def __init__(self, folder, transport='unix', args=(), **parameters):
        self.other = Destination(folder, transport)
        self.source = Emulator([*machine_args('64M'), *bare_args(), *args], folder=folder)
        self.qmp = self.source.qmp
        self.parameters = parameters

    def __enter__(self):
        self.source.console.expect('BARE-GUEST-READY', 30)
        self.qmp.execute('migrate-set-capabilities', {'capabilities': [{'capability': 'events', 'state': True}]})
        if self.parameters:
            self.qmp.execute('migrate-set-parameters', self.parameters)
        self.since = self.qmp.mark()
        self.qmp.execute('migrate', {'uri': self.other.uri})
        self.other.accept()
        return self

    def __exit__(self, *unused):
        self.other.close()
        self.source.close()

    def to_run(self):
        self.other.hello()
        self.other.until(PACKAGED)
        self.other.ready()
        self.other.until(RUN)

    def ends(self, status, *words):
        self.qmp.event('MIGRATION', 30, since=self.since, status=status)
        text = self.qmp.execute('query-migrate').get('error-desc', '')
        for word in words:
            if word not in text:
                raise Failed(f'"{text}" does not say "{word}"')

    def never_stopped(self):
        """The guest runs, and did all the time."""
        self.runs(True)
        if any(e['event'] == 'STOP' for e in self.qmp.events[self.since:]):
            raise Failed('the guest was stopped')

    def runs(self, wanted):
        if self.qmp.execute('query-status')['running'] != wanted:
            raise Failed(f'the guest {"stands still" if wanted else "runs"}')

    def goes_on(self):
        self.qmp.event('RESUME', 20, since=self.since)
        self.runs(True)
        self.source.console.expect(r'tick \d+', 20)

    def cont_fails(self, *words):
        try:
            self.qmp.execute('cont')
        except QmpError as why:
            for word in words:
                if word not in why.desc:
                    raise Failed(f'"{why.desc}" does not say "{word}"') from None
        else:
            raise Failed('cont was taken')
