# bench/display/card.py - a virtio-gpu that is driven from outside, by qtest, with a SPICE server on its screen.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest is a hart that sleeps: a picture changes when the bench says so, and the emulator's processor is nobody's but the
device's and the server's.  The same for Baton and QEMU."""
import base64
import socket
import struct
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests/functional'))
from harness import Emulator        # noqa: E402

BASE = 0x10008000                   # the virtio-mmio slot that a first device gets
SLEEP = struct.pack('<2I', 0x10500073, 0xffdff06f)     # wfi; j .-4
RAM, QUEUE = 0x80100000, 8
CREATE_2D, SET_SCANOUT, FLUSH, TRANSFER, ATTACH, OK = 0x101, 0x103, 0x104, 0x105, 0x106, 0x1100
BGRX = 2
COMMANDS, ANSWERS, PIXELS = RAM + 0x200000, RAM + 0x210000, RAM + 0x1000000


class Card:
    """One screen of width x height, with room for two pictures in guest memory."""
    def __init__(self, binary, folder, name, options, width, height):
        with socket.socket() as sock:                       # a unix socket would have QEMU code nothing
            sock.bind(('127.0.0.1', 0))
            self.address = sock.getsockname()
        path, firmware = f'{folder}/{name}.qtest', Path(folder) / 'sleep.bin'
        firmware.write_bytes(SLEEP * 512)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            self.emulator = Emulator(
                ['-M', 'virt', '-m', '256M', '-bios', str(firmware), '-qtest', f'unix:{path}',
                 '-device', 'virtio-gpu-device', '-spice', f'addr=127.0.0.1,port={self.address[1]},disable-ticketing=on{options}'],
                binary=binary, folder=folder, name=name, console=False)
            listener.settimeout(20)
            self.sock = listener.accept()[0]
            self.sock.settimeout(20)
        self.rest = b''
        self.width, self.height, self.size = width, height, width * height * 4
        self.start()
        self.command(CREATE_2D, '<4I', 1, BGRX, width, height)
        self.command(ATTACH, '<2IQ2I', 1, 1, PIXELS, 2 * self.size, 0)
        self.command(SET_SCANOUT, '<6I', 0, 0, width, height, 0, 1)

    # ---- qtest ----

    def post(self, text):
        self.sock.sendall(text.encode() + b'\n')

    def answer(self):
        while b'\n' not in self.rest:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError('qtest ended')
            self.rest += data
        line, self.rest = self.rest.split(b'\n', 1)
        if not line.startswith(b'OK'):
            raise RuntimeError(line)
        return line[3:]

    def ask(self, text):
        self.post(text)
        return self.answer()

    def register(self, at, value=None):
        if value is None:
            return int(self.ask(f'readl {BASE + at:#x}'), 0)
        return self.ask(f'writel {BASE + at:#x} {value:#x}')

    def write(self, at, data):
        self.ask(f'b64write {at:#x} {len(data):#x} {base64.b64encode(data).decode()}')

    # ---- virtio ----

    def start(self):
        if (self.register(0), self.register(4), self.register(8)) != (0x74726976, 2, 16):
            raise RuntimeError('no virtio-gpu where it should be')
        for status in (0, 1, 3):
            self.register(0x70, status)
        for word, features in ((0, 0), (1, 1)):         # version 1, and nothing besides
            self.register(0x24, word)
            self.register(0x20, features)
        self.register(0x70, 11)
        self.register(0x30, 0)
        self.register(0x38, QUEUE)
        for at, address in ((0x80, RAM), (0x90, RAM + 0x1000), (0xa0, RAM + 0x2000)):
            self.register(at, address)
            self.register(at + 4, 0)
        self.register(0x44, 1)
        self.register(0x70, 15)
        self.index = 0

    def add(self, kind, form, *values):
        """A command in the ring; the device does not look yet."""
        slot = self.index % (QUEUE // 2)
        data = struct.pack('<IIQII', kind, 0, 0, 0, 0) + struct.pack(form, *values)
        at, answer = COMMANDS + 0x1000 * slot, ANSWERS + 0x1000 * slot
        self.write(at, data)
        self.write(RAM + 32 * slot, struct.pack('<QIHHQIHH', at, len(data), 1, 2 * slot + 1, answer, 64, 2, 0))
        self.write(RAM + 0x1004 + 2 * (self.index % QUEUE), struct.pack('<H', 2 * slot))
        self.index += 1
        self.write(RAM + 0x1002, struct.pack('<H', self.index & 0xffff))
        return answer

    def wait(self):
        until = time.monotonic() + 20
        while int(self.ask(f'readw {RAM + 0x2002:#x}'), 0) != self.index & 0xffff:
            if time.monotonic() > until:
                raise TimeoutError('the card has not answered a command')

    def command(self, kind, form, *values):
        answer = self.add(kind, form, *values)
        self.register(0x50, 0)
        self.wait()
        result = int(self.ask(f'readl {answer:#x}'), 0)
        if result != OK:
            raise RuntimeError(f'command {kind:#x}: {result:#x}')

    # ---- pictures ----

    def load(self, number, pixels):
        """Picture 0 or 1, into guest memory."""
        for at in range(0, self.size, 1 << 20):
            self.write(PIXELS + number * self.size + at, pixels[at:at + (1 << 20)])

    def prepare(self, number, x, y, width, height):
        """What a flush is to show; a later flush_now() is the moment of the change."""
        offset = number * self.size + (y * self.width + x) * 4
        self.command(TRANSFER, '<4IQ2I', x, y, width, height, offset, 1, 0)
        self.add(FLUSH, '<6I', x, y, width, height, 1, 0)

    def flush_now(self):
        self.post(f'writel {BASE + 0x50:#x} 0x0')

    def flush_done(self):
        self.answer()
        self.wait()

    def close(self):
        self.sock.close()
        self.emulator.close()
