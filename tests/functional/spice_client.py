# tests/functional/spice_client.py - a SPICE client in a script: the link stage, messages, WebSocket, keys and pictures.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything waits under a deadline.  Wrong bytes can be sent on purpose: each step of the link stage is a call of its own."""
import base64
import hashlib
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading

from harness import PATIENCE, Failed, want

MAIN, DISPLAY, INPUTS, CURSOR, PORT = 1, 2, 3, 4, 10
OK, ERROR, INVALID_MAGIC, INVALID_DATA, VERSION_MISMATCH, NEED_SECURED, NEED_UNSECURED, PERMISSION_DENIED, \
    BAD_CONNECTION_ID, CHANNEL_NOT_AVAILABLE = range(10)
AUTH_SELECTION, AUTH_SPICE, AUTH_SASL, MINI_HEADER = 1, 2, 4, 8
REPLY = 178


# ---- RSA-OAEP with SHA-1, as clients encrypt the ticket ----

def der(data, at=0):
    """(tag, content, end) of the element at `at`."""
    tag, size, at = data[at], data[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7f
        size, at = int.from_bytes(data[at:at + count], 'big'), at + count
    return tag, data[at:at + size], at + size


def public_key(data):
    """Modulus and exponent of a SubjectPublicKeyInfo."""
    _, outer, end = der(data)
    assert end == len(data), 'something behind the key'
    _, _, at = der(outer)
    _, bits, _ = der(outer, at)
    _, pair, _ = der(bits[1:])
    _, n, at = der(pair)
    _, e, _ = der(pair, at)
    return int.from_bytes(n, 'big'), int.from_bytes(e, 'big')


def mask(seed, size):
    out = b''.join(hashlib.sha1(seed + struct.pack('>I', i)).digest() for i in range((size + 19) // 20))
    return out[:size]


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def oaep(key, message):
    n, e = public_key(key)
    size = (n.bit_length() + 7) // 8
    block = hashlib.sha1(b'').digest() + bytes(size - len(message) - 42) + b'\1' + message
    seed = os.urandom(20)
    masked = xor(block, mask(seed, len(block)))
    padded = b'\0' + xor(seed, mask(masked, 20)) + masked
    return pow(int.from_bytes(padded, 'big'), e, n).to_bytes(size, 'big')


# ---- one connection ----

def connect(address):
    """address: a unix socket's path, or (host, port)."""
    sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    sock.connect(address)
    sock.settimeout(20 * PATIENCE)
    return sock


def link_bytes(channel=MAIN, channel_id=0, session=0, common=(AUTH_SELECTION | MINI_HEADER,), caps=(0xf,), magic=b'REDQ',
               major=2, size=None, offset=18, counts=None):
    counts = counts or (len(common), len(caps))
    body = struct.pack('<IBBIII', session, channel, channel_id, *counts, offset) + struct.pack(f'<{len(common) + len(caps)}I',
                                                                                             *common, *caps)
    return magic + struct.pack('<III', major, 2, len(body) if size is None else size) + body


class Link:
    """A connection in the link stage, and the channel that it becomes."""
    def __init__(self, address, tls=None, websocket=False):
        self.sock = connect(address)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname='localhost')
        self.frames = b'' if websocket else None
        if websocket:
            self.upgrade()
        self.mini = True
        self.serial = 0
        self.window, self.seen = 0, 0
        self.reply = None

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- bytes ----

    def exactly(self, size):
        data = b''
        while len(data) < size:
            chunk = self.sock.recv(size - len(data))
            if not chunk:
                raise EOFError(f'closed after {len(data)} of {size} bytes')
            data += chunk
        return data

    def upgrade(self, protocol='binary'):
        key = base64.b64encode(os.urandom(16)).decode()
        asked = f'Sec-WebSocket-Protocol: {protocol}\r\n' if protocol else ''
        self.sock.sendall(f'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n'
                          f'Sec-WebSocket-Version: 13\r\n{asked}\r\n'.encode())
        answer = b''
        while b'\r\n\r\n' not in answer:
            answer += self.exactly(1)
        accept = base64.b64encode(hashlib.sha1((key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest())
        if b' 101 ' not in answer or accept not in answer:
            raise Failed(f'WebSocket: {answer!r}')

    def frame(self):
        head = self.exactly(2)
        size = head[1] & 0x7f
        if size == 126:
            size = struct.unpack('>H', self.exactly(2))[0]
        elif size == 127:
            size = struct.unpack('>Q', self.exactly(8))[0]
        return head[0] & 15, self.exactly(size)

    def recv(self, size):
        if self.frames is None:
            return self.exactly(size)
        while len(self.frames) < size:
            opcode, data = self.frame()
            if opcode == 8:
                raise EOFError('closed')
            self.frames += data if opcode == 2 else b''
        data, self.frames = self.frames[:size], self.frames[size:]
        return data

    def send(self, data, opcode=2):
        if self.frames is None:
            self.sock.sendall(data)
            return
        key = os.urandom(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b'\xfe' + struct.pack('>H', len(data))
        self.sock.sendall(bytes([0x80 | opcode]) + size + key + xor(data, key * (len(data) // 4 + 1)))

    def is_closed(self):
        """Waits for the end; whatever comes before is thrown away."""
        try:
            while self.sock.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    # ---- link stage ----

    def ask(self, *args, **kwargs):
        """Sends a request and reads the reply; returns its error."""
        return self.ask_bytes(link_bytes(*args, **kwargs))

    def ask_bytes(self, data):
        self.send(data)
        head = self.recv(16)
        assert head[:4] == b'REDQ', head
        self.reply = self.recv(struct.unpack('<I', head[12:])[0])
        return struct.unpack('<I', self.reply[:4])[0]

    def caps(self):
        """Common and channel words of the reply."""
        common, channel, offset = struct.unpack('<III', self.reply[166:178])
        words = struct.unpack(f'<{common + channel}I', self.reply[offset:])
        return words[:common], words[common:]

    def ticket(self, password='', mechanism=1):
        data = struct.pack('<I', mechanism) if mechanism is not None else b''
        self.send(data + oaep(self.reply[4:166], password.encode() + b'\0'))
        return struct.unpack('<I', self.recv(4))[0]

    # ---- messages ----

    def say(self, kind, body=b''):
        self.serial += 1
        self.send(struct.pack('<HI', kind, len(body)) + body if self.mini else
                  struct.pack('<QHII', self.serial, kind, len(body), 0) + body)

    def hear(self):
        """(type, body) of the next message; acknowledges as a client does, and answers pings."""
        if self.mini:
            kind, size = struct.unpack('<HI', self.recv(6))
        else:
            _, kind, size, _ = struct.unpack('<QHII', self.recv(18))
        body = self.recv(size)
        self.acknowledge(kind, body)
        return kind, body

    def acknowledge(self, kind, body):
        if kind == 3:
            generation, self.window = struct.unpack('<II', body)
            self.say(1, struct.pack('<I', generation))
            self.seen = 0
        elif kind == 4:
            self.say(3, body[:12])
        if self.window:
            self.seen += 1
            if self.seen == self.window:
                self.seen = 0
                self.say(2)

    def until(self, kind):
        """The body of the next message of this type; others are passed over."""
        while True:
            heard, body = self.hear()
            if heard == kind:
                return body


class Session:
    """A main channel that has attached, and what it opens besides."""
    def __init__(self, address, password='', tls=None, websocket=False, caps=(0xf,)):
        self.address, self.password, self.tls, self.websocket = address, password, tls, websocket
        self.links = []
        self.id = 0
        self.main = self.open(MAIN, caps=caps)
        init = struct.unpack('<8I', self.main.until(103))
        self.id, self.init = init[0], init
        self.main.say(104)
        listed = self.main.until(104)
        self.channels = [tuple(listed[i:i + 2]) for i in range(4, len(listed), 2)]

    def open(self, channel, channel_id=0, caps=(0,)):
        link = Link(self.address, self.tls, self.websocket)
        self.links.append(link)
        error = link.ask(channel, channel_id, self.id, caps=caps)
        result = error or link.ticket(self.password)
        if result:
            raise Failed(f'channel {channel}:{channel_id}: refused with {result}')
        return link

    def close(self):
        for link in self.links:
            link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class AgentClient(Session):
    """A session with the agent's side of a client."""
    def __init__(self, address):
        super().__init__(address)
        self.tokens, self.data, self.modes = 0, b'', []
        if self.init[4]:
            self.start()

    def start(self):
        self.tokens = 10
        self.main.say(106, struct.pack('<I', 0xffffffff))

    def hear(self):
        kind, body = self.main.hear()
        if kind == 110:
            self.tokens += struct.unpack('<I', body)[0]
        elif kind == 109:
            assert len(body) <= 2048, f'{len(body)} bytes of agent data'
            self.data += body
        elif kind == 115:
            self.start()
        elif kind == 105:
            self.modes.append(struct.unpack('<HH', body))
        return kind

    def until(self, kind):
        while self.hear() != kind:
            pass

    def tell(self, kind, body):
        """A message to the agent, in pieces as there are tokens."""
        message = struct.pack('<IIQI', 1, kind, 0, len(body)) + body
        for at in range(0, len(message), 2048):
            while not self.tokens:
                self.hear()
            self.tokens -= 1
            self.main.say(107, message[at:at + 2048])

    def message(self):
        """The next one of the agent."""
        while len(self.data) < 20 or len(self.data) < 20 + struct.unpack('<I', self.data[16:20])[0]:
            self.hear()
        _, kind, _, size = struct.unpack('<IIQI', self.data[:20])
        body, self.data = self.data[20:20 + size], self.data[20 + size:]
        return kind, body

    def next(self, kind):
        """The body of the next message of this type."""
        while True:
            heard, body = self.message()
            if heard == kind:
                return body


def meanwhile(function, *args):
    """So that the guest's side is read, too: it waits for its reader."""
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


def certificate(folder, subject='/CN=localhost'):
    """One that signs itself, as x509-dir wants it; returns its path."""
    key, mine = f'{folder}/server-key.pem', f'{folder}/server-cert.pem'
    done = subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', subject,
                           '-keyout', key, '-out', mine], capture_output=True, text=True)
    want(done.returncode == 0, done.stderr)
    shutil.copy(mine, f'{folder}/ca-cert.pem')
    return mine


def tls_context(ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    context.check_hostname = False
    return context
