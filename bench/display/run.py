#!/usr/bin/env python3
# bench/display/run.py - from a change of the guest's screen to the picture at a SPICE client, beside QEMU.
# SPDX-License-Identifier: GPL-2.0-or-later
import argparse
import json
import random
import socket
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path

from card import ROOT, Card

sys.path.insert(0, str(ROOT / 'tests/functional'))
import spice_client        # noqa: E402
from harness import EMULATOR        # noqa: E402

QEMU = 'qemu-system-riscv64'
WIDTH, HEIGHT, BOX = 1024, 768, 64
CAPS = 0x3b                         # of the display channel: sized streams, monitors, composite, A8 surfaces, LZ4; no video
MARK, COPY_BITS, FIRST_DRAW, LAST_DRAW = 102, 104, 302, 313


class Link(spice_client.Link):
    def exactly(self, size):
        data = self.sock.recv(size, socket.MSG_WAITALL)
        while len(data) < size:
            more = self.sock.recv(size - len(data), socket.MSG_WAITALL)
            if not more:
                raise EOFError('closed')
            data += more
        return data


class Client:
    """Counts pixels and bytes; decodes nothing, so that it is never what takes the time."""
    def __init__(self, address):
        spice_client.Link = Link
        self.session = spice_client.Session(address)
        self.link = self.session.open(spice_client.DISPLAY, 0, (CAPS,))
        self.link.say(101, struct.pack('<BqBi', 1, 0x1400000, 1, 0x5ffc00))
        self.bytes = 0
        while self.hear()[0] != MARK:
            pass

    def hear(self):
        """Type and pixels of the next message."""
        kind, body = self.link.hear()
        self.bytes += 6 + len(body)
        if kind == COPY_BITS or FIRST_DRAW <= kind <= LAST_DRAW:
            top, left, bottom, right = struct.unpack('<4i', body[4:20])
            return kind, (bottom - top) * (right - left)
        return kind, 0

    def until(self, pixels):
        while pixels > 0:
            pixels -= self.hear()[1]

    def close(self):
        self.session.close()


def photo(number):
    """A gradient, which no two neighbours share; picture 1 differs from picture 0 in every pixel."""
    rows = []
    for y in range(HEIGHT):
        row = bytearray(WIDTH * 4)
        row[0::4] = bytes((x + y + 100 * number) & 255 for x in range(WIDTH))
        row[1::4] = bytes((2 * y + 60 * number) & 255 for _ in range(WIDTH))
        row[2::4] = bytes((x // 2 + 30 * number) & 255 for x in range(WIDTH))
        rows.append(row)
    return b''.join(rows)


def drawing(number):
    rows = []
    for y in range(HEIGHT):
        colours = (((x * 40503 ^ y // 16 * 97 * 256) + 0x333333 * number) & 0xffffff for x in range(WIDTH // 16))
        rows.append(b''.join(struct.pack('<I', colour) * 16 for colour in colours))
    return b''.join(rows)


def latencies(card, client, count):
    """Milliseconds from the flush of a small box to its picture, at any phase of whatever clock the server has."""
    found = []
    for i in range(count):
        card.prepare(i % 2, 200, 300, BOX, BOX)
        time.sleep(random.uniform(0.02, 0.06))
        began = time.monotonic()
        card.flush_now()
        client.until(BOX * BOX)
        found.append((time.monotonic() - began) * 1000)
        card.flush_done()
    return found


def whole_screens(card, client, count):
    """MB of pixels a second, and bytes on the wire for each picture, where the next one is drawn when the last has come."""
    client.bytes = 0
    took = 0
    for i in range(count):
        card.prepare(i % 2, 0, 0, WIDTH, HEIGHT)
        began = time.monotonic()
        card.flush_now()
        client.until(WIDTH * HEIGHT)
        took += time.monotonic() - began
        card.flush_done()
    return count * WIDTH * HEIGHT * 4 / took / 1e6, client.bytes / count


def settle(card, client):
    """Both pictures have been seen once; what the server had to say first is said."""
    for i in (1, 0, 1):         # a server may know that nothing has changed
        card.prepare(i, 0, 0, WIDTH, HEIGHT)
        card.flush_now()
        client.until(WIDTH * HEIGHT)
        card.flush_done()


def measure(binary, folder, name, options, picture, args):
    card = Card(binary, folder, name, options, WIDTH, HEIGHT)
    try:
        for number in (0, 1):
            card.load(number, picture(number))
        card.prepare(0, 0, 0, WIDTH, HEIGHT)
        card.flush_now()
        card.flush_done()
        client = Client(card.address)
        settle(card, client)
        waits = latencies(card, client, args.count)
        rate, size = whole_screens(card, client, args.screens)
        client.close()
        return {'latency_ms': waits, 'mb_per_s': rate, 'bytes': size}
    finally:
        card.close()


CASES = [('raw', ',image-compression=off', drawing), ('drawing, coded', '', drawing), ('photograph, coded', '', photo)]


def main():
    parser = argparse.ArgumentParser(description='from a change of the screen to the picture at a SPICE client, beside QEMU')
    parser.add_argument('--build', help='the build folder (default: build)')
    parser.add_argument('--count', type=int, default=100, help='small changes (100)')
    parser.add_argument('--screens', type=int, default=60, help='whole screens (60)')
    parser.add_argument('--turns', type=int, default=2, help='of each emulator, one after the other (2)')
    parser.add_argument('--only', choices=('baton', 'qemu'))
    parser.add_argument('--json', help='every figure, to this file')
    args = parser.parse_args()
    binaries = {'baton': str(Path(args.build).resolve() / 'baton-system-riscv64') if args.build else EMULATOR, 'qemu': QEMU}
    figures, runs = {}, 0
    with tempfile.TemporaryDirectory(prefix='baton-bench-') as folder:
        for case, options, picture in CASES:
            for _ in range(args.turns):
                for name in [args.only] if args.only else binaries:
                    runs += 1
                    one = measure(binaries[name], Path(folder), f'{name}{runs}', options, picture, args)
                    all_of = figures.setdefault(case, {}).setdefault(name, {'latency_ms': [], 'mb_per_s': [], 'bytes': []})
                    all_of['latency_ms'] += one['latency_ms']
                    all_of['mb_per_s'].append(one['mb_per_s'])
                    all_of['bytes'].append(one['bytes'])
            report(case, figures[case])
    if args.json:
        Path(args.json).write_text(json.dumps(figures))


def report(case, of):
    rows = {}
    print(case)
    for name, f in of.items():
        waits = sorted(f['latency_ms'])
        rows[name] = statistics.median(waits), statistics.median(f['mb_per_s'])
        print(f'  {name:6} latency median {rows[name][0]:7.2f} ms, 95 % {waits[len(waits) * 95 // 100]:7.2f} ms, '
              f'worst {waits[-1]:7.2f} ms   {rows[name][1]:7.1f} MB/s   {statistics.median(f["bytes"]) / 1024:8.1f} KiB a screen')
    if len(rows) == 2:
        print(f'  ratio  latency {rows["baton"][0] / rows["qemu"][0]:.2f}, MB/s {rows["baton"][1] / rows["qemu"][1]:.2f}')


if __name__ == '__main__':
    main()
