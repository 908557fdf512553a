#!/usr/bin/env python3
# tests/tools/big-frames.py - frames of up to 64 KiB to the bare guest and back, with the offloads of a real card.
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: big-frames.py IFNAME [--wait MS] [--rate N] [--size BYTES] [--udp] [--tcp]

Of TCP it sends frames that look like segments, whole, with a header that says how to cut them (PACKET_VNET_HDR); of UDP,
datagrams that the kernel cuts into fragments.  The payload is words that count (tests/guest/traffic.h, BigFlow), so it does
not matter what they were cut into on the way.  Speaks as traffic-client does: "stop" on standard input, lines of JSON.
"""
import argparse
import json
import os
import select
import socket
import struct
import sys
import time

SOL_PACKET, PACKET_VNET_HDR, VNET = 263, 15, 10
NEEDS_CSUM, GSO_TCPV4, MSS = 1, 1, 1448
PORT_BIG, OWN_PORT, WORDS = 7007, 42424, 1 << 20
ETH, IP4, TCP, UDP = 14, 20, 20, 8
GUEST_MAC, GUEST_IP, OWN_IP = bytes.fromhex('525400123456'), '10.0.2.15', '10.0.2.2'
PATTERN = struct.pack(f'>{2 * WORDS}I', *range(WORDS), *range(WORDS))
DRAIN_S, QUIET_S = 20, 0.5


def words(first, count):
    return PATTERN[4 * first:4 * (first + count)]


def inet_sum(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Flow:
    """Words there and words back."""
    def __init__(self):
        self.sent = self.sent_bytes = 0
        self.frames = self.bytes = self.longest = self.missing = self.again = self.wrong = 0
        self.next = self.next_out = 0

    def out(self, count):
        data = words(self.next_out, count)
        self.next_out = (self.next_out + count) % WORDS
        self.sent += 1
        self.sent_bytes += len(data)
        return data

    def take(self, data):
        count = len(data) // 4
        if not count:
            return
        first = struct.unpack_from('>I', data)[0]
        ahead = (first - self.next) % WORDS
        self.frames += 1
        self.bytes += 4 * count
        self.longest = max(self.longest, len(data))
        self.wrong += bytes(data[:4 * count]) != words(first % WORDS, count)
        if ahead > WORDS // 2:
            self.again += count
            return
        self.missing += ahead
        self.next = (first + count) % WORDS

    def report(self):
        return {name: getattr(self, name) for name in ('sent', 'sent_bytes', 'frames', 'bytes', 'longest', 'missing', 'again',
                                                        'wrong')}


class Card:
    """The interface, with offloads."""
    def __init__(self, ifname):
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.raw.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.raw.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)        # SO_RCVBUFFORCE
        self.raw.setsockopt(socket.SOL_SOCKET, 32, 16 << 20)        # SO_SNDBUFFORCE
        self.raw.bind((ifname, 0))
        self.mac = self.raw.getsockname()[4]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, 32, 16 << 20)
        self.udp.setsockopt(socket.SOL_IP, 10, 0)                   # IP_MTU_DISCOVER: fragments
        self.udp.bind(('', OWN_PORT))

    def send_tcp(self, flow, size):
        payload = flow.out(size // 4)
        addresses = socket.inet_aton(OWN_IP) + socket.inet_aton(GUEST_IP)
        header = struct.pack('>BBHHHBBH8s', 0x45, 0, IP4 + TCP + len(payload), flow.sent & 0xffff, 0x4000, 64, 6, 0, addresses)
        header = header[:10] + struct.pack('>H', 0xffff ^ inet_sum(header)) + header[12:]
        pseudo = inet_sum(addresses + struct.pack('>HH', 6, TCP + len(payload)))
        tcp = struct.pack('>HHIIBBHHH', OWN_PORT, PORT_BIG, flow.sent_bytes & 0xffffffff, 0, 0x50, 0x10, 65535, pseudo, 0)
        gso = GSO_TCPV4 if len(payload) > MSS else 0
        vnet = struct.pack('<BBHHHH', NEEDS_CSUM, gso, ETH + IP4 + TCP if gso else 0, MSS if gso else 0, ETH + IP4, 16)
        self.raw.send(vnet + GUEST_MAC + self.mac + b'\x08\0' + header + tcp + payload)

    def send_udp(self, flow, size):
        self.udp.sendto(flow.out(size // 4), (GUEST_IP, PORT_BIG))

    def take(self, tcp, udp):
        frame = memoryview(self.raw.recv(VNET + 70000))[VNET:]
        if frame[6:12] != GUEST_MAC or frame[12:14] != b'\x08\0' or frame[0] & 1:
            return
        ip = frame[ETH:]
        ip, proto, fragment = ip[:struct.unpack_from('>H', ip, 2)[0]], ip[9], struct.unpack_from('>H', ip, 6)[0] & 0x1fff
        if proto == 6 and struct.unpack_from('>H', ip, IP4)[0] == PORT_BIG and not ip[IP4 + 13] & 4:
            tcp.take(ip[IP4 + (ip[IP4 + 12] >> 4) * 4:])
        elif proto == 17 and (fragment or struct.unpack_from('>H', ip, IP4)[0] == PORT_BIG):
            udp.take(ip[IP4 + (0 if fragment else UDP):])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('ifname')
    parser.add_argument('--wait', type=int, default=20000)
    parser.add_argument('--rate', type=int, default=40)
    parser.add_argument('--size', type=int, default=62000)
    parser.add_argument('--udp', action='store_true')
    parser.add_argument('--tcp', action='store_true')
    args = parser.parse_args()
    card, tcp, udp = Card(args.ifname), Flow(), Flow()
    print('{"event":"ready"}', flush=True)
    due, last, until = time.monotonic(), time.monotonic(), None
    while True:
        now = time.monotonic()
        if until and (now > until or now - last > QUIET_S and (not args.tcp or tcp.bytes >= tcp.sent_bytes)):
            break
        if not until and now >= due:
            due = max(due + 1 / args.rate, now - 1)
            if args.tcp:
                card.send_tcp(tcp, args.size)
            if args.udp:
                card.send_udp(udp, args.size)
        for ready in select.select([card.raw, card.udp] + [sys.stdin] * (not until), [], [],
                                   max(0, due - now) if not until else 0.05)[0]:
            if ready is card.raw:
                card.take(tcp, udp)
                last = time.monotonic()
            elif ready is card.udp:
                card.udp.recv(70000)                # counted in its pieces, above
            elif os.read(0, 100).strip() in (b'stop', b''):
                until, last = time.monotonic() + DRAIN_S, time.monotonic()
    print(json.dumps({'event': 'report', 'tcp': tcp.report(), 'udp': udp.report()}), flush=True)


if __name__ == '__main__':
    main()
