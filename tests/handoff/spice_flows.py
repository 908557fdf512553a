# tests/handoff/spice_flows.py - a client whose clipboard and whose port never rest while the guest moves.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts are copied in turn by the client and in the guest (tests/guest/clip-agent.c), one after another as fast as they are
taken; what is written to the port comes back from the guest (serial-echo).  Each byte is known by its place."""
import random
import struct

from pair import Failed
from spice_client import MAIN, PORT
from spice_mover import PORT_INIT, Mover

CONNECTED, DISCONNECTED, AGENT_TOKEN, AGENT_DATA = 115, 108, 110, 109
AGENT_START, SAY_DATA, PIECE = 106, 107, 2048
CLIPBOARD, CAPS, GRAB, REQUEST = 4, 6, 7, 8
UTF8 = struct.pack('<II', 0, 1)                     # selection, type
CAN = 1 << 2 | 1 << 5 | 1 << 6
GUESTS_SEEDS = 0x10000
PORT_EVENT, PORT_DATA, PORT_PIECE, BLOCK = 202, 101, 8192, 65536
AGENT_DEVICE, PORT_DEVICE = '/dev/vport2p1', '/dev/vport2p2'    # behind screen and keyboard
PORT_ARGS = ['-chardev', 'spiceport,id=echo,name=org.baton.echo',
             '-device', 'virtserialport,chardev=echo,bus=vs0.0,nr=2,name=org.baton.echo']


def text(seed, size):
    """As clip-agent has it."""
    change = seed * 0x11111111 & 0xffffffff
    return ''.join(f'{(i + 1) * 2654435761 & 0xffffffff ^ change:08x}' for i in range(size // 8)).encode()


def compare(what, got, wanted):
    if got != wanted:
        at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b), min(len(got), len(wanted)))
        raise Failed(f'{what}: byte {at} is wrong ({len(got)} of {len(wanted)} came): {got[at:at + 24]!r}, not '
                     f'{wanted[at:at + 24]!r}')


class Clipboard:
    """The agent's half of a client."""
    def __init__(self, mover, size):
        self.mover, self.size = mover, size
        self.tokens, self.data, self.pieces = 0, bytearray(), []
        self.starts, self.offered, self.copied = 0, 0, 0            # texts of ours
        self.is_grabbed, self.asked, self.pasted, self.is_on = False, 0, 0, False

    def start(self, tokens):
        self.tokens, self.data, self.starts = tokens, bytearray(), self.starts + 1
        self.mover.links[MAIN, 0].say(AGENT_START, struct.pack('<I', 0xffffffff))

    def tell(self, kind, body):
        message = struct.pack('<IIQI', 1, kind, 0, len(body)) + body
        self.pieces += [message[at:at + PIECE] for at in range(0, len(message), PIECE)]
        self.say()

    def say(self):
        while self.pieces and self.tokens:
            self.tokens -= 1
            self.mover.say_later((MAIN, 0), SAY_DATA, self.pieces.pop(0))

    def go_on(self):
        """Both copy something whenever the other one has got the last."""
        if self.is_on and self.is_grabbed:
            self.is_grabbed = False
            self.asked += 1
            self.tell(REQUEST, UTF8)
        if self.is_on and self.offered == self.copied:
            self.offered += 1
            self.tell(GRAB, UTF8)

    def take(self, kind, body):
        if kind == CONNECTED:
            self.start(struct.unpack('<I', body)[0])
        elif kind == DISCONNECTED:
            self.tokens, self.data = 0, bytearray()
            if self.asked:
                raise Failed('the agent is said to be gone')
        elif kind == AGENT_TOKEN:
            self.tokens += struct.unpack('<I', body)[0]
            self.say()
        elif kind == AGENT_DATA:
            self.data += body
            self.messages()

    def messages(self):
        while len(self.data) >= 20:
            _, kind, _, size = struct.unpack('<IIQI', self.data[:20])
            if len(self.data) < 20 + size:
                return
            body = bytes(self.data[20:20 + size])
            del self.data[:20 + size]
            self.message(kind, body)

    def message(self, kind, body):
        if kind == GRAB:
            self.is_grabbed = True
        elif kind == CLIPBOARD:
            compare(f'text {self.pasted + 1} of the guest', body[8:], text(GUESTS_SEEDS + self.pasted, self.size))
            self.pasted += 1
        elif kind == REQUEST:
            self.tell(CLIPBOARD, UTF8 + text(self.copied, self.size))
            self.copied += 1
        self.go_on()

    def rests(self):
        """Both have got what they asked for."""
        return not self.is_on and not self.pieces and self.asked == self.pasted and self.offered == self.copied


class Echo:
    """The port's half: so much is under way at most."""
    WINDOW = 256 << 10

    def __init__(self, mover):
        self.mover, self.sent, self.back, self.is_on = mover, 0, 0, False
        self.sizes, self.block = random.Random(7), (-1, b'')

    def bytes_at(self, place):
        """From there to the end of a block."""
        number = place // BLOCK
        if self.block[0] != number:
            self.block = number, random.Random(number).randbytes(BLOCK)
        return self.block[1][place % BLOCK:]

    def more(self):
        while self.is_on and self.sent - self.back < self.WINDOW and len(self.mover.queues.get((PORT, 0), ())) < 4:
            data = self.bytes_at(self.sent)[:self.sizes.randint(1, PORT_PIECE)]
            self.mover.say_later((PORT, 0), PORT_DATA, data)
            self.sent += len(data)

    def take(self, kind, body):
        if kind == PORT_EVENT and self.is_on and body[0]:
            raise Failed('the port is said to be closed')
        while kind == PORT_DATA and body:
            wanted = self.bytes_at(self.back)[:len(body)]
            compare(f'bytes {self.back}.. of the port', body[:len(wanted)], wanted)
            self.back += len(wanted)
            body = body[len(wanted):]

    def rests(self):
        return not self.is_on and self.sent == self.back


class FlowMover(Mover):
    """A Mover with both."""
    def __init__(self, port, size):
        self.clipboard, self.echo = Clipboard(self, size), Echo(self)
        super().__init__(port)

    def begin_channels(self):
        super().begin_channels()
        if self.init[4]:
            self.clipboard.start(self.init[5])

    def turn(self):
        super().turn()
        if not self.is_frozen:
            with self.lock:
                self.echo.more()

    def take(self, key, link, kind, body):
        super().take(key, link, kind, body)
        if key == (MAIN, 0):
            self.clipboard.take(kind, body)
        elif key == (PORT, 0) and kind != PORT_INIT:
            self.echo.take(kind, body)

    # ---- for the test ----

    def begin_flows(self, machine):
        """The programs in the guest, and then ours."""
        starts = self.clipboard.starts
        for command, device in ((f'clip-agent {AGENT_DEVICE} {self.clipboard.size} again', AGENT_DEVICE),
                                (f'serial-echo {PORT_DEVICE} 0x7fffffffffff', PORT_DEVICE)):
            machine.console.send(f'({command} > /dev/console &)\n')
            machine.console.expect(f'BATON-(CLIP|ECHO)-READY {device}', 60)
        self.wait(lambda m: m.clipboard.starts > starts, 'the agent')
        with self.lock:
            self.clipboard.tell(CAPS, struct.pack('<II', 1, CAN))

    def flow(self, is_on):
        with self.lock:
            self.clipboard.is_on = self.echo.is_on = is_on
            self.clipboard.go_on()

    def has_flowed(self, count):
        """So many bytes each way."""
        c = self.clipboard
        return min(c.copied * c.size, c.pasted * c.size, self.echo.back) >= count

    def end_flows(self, consoles):
        """All that was begun is ended: what the guest has read is what we have said.  Returns bytes: to the clipboard of the
        guest, from it, to the port and back."""
        self.flow(False)
        self.wait(lambda m: m.clipboard.rests() and m.echo.rests(), 'what is under way', 120)
        size = self.clipboard.size
        wanted = [f'BATON-CLIP-IN {n + 1} {n:x} {size}' for n in range(self.clipboard.copied)]
        last = wanted[-1].encode()
        consoles.expect(lambda _: last in consoles.text(), f'{len(wanted)} texts', 120)
        lines = consoles.text().decode(errors='replace').replace('\r', '').split('\n')
        got = [line for line in lines if line.startswith('BATON-CLIP-IN')]
        if got != wanted:
            raise Failed(f'the guest has read {got[-5:]} ({len(got)}), and not {wanted[-5:]} ({len(wanted)})')
        if any('BATON-CLIP-GONE' in line for line in lines):        # a prompt may stand before it
            raise Failed('the guest was told that its clients are gone')
        return self.clipboard.copied * size, self.clipboard.pasted * size, self.echo.sent, self.echo.back
