#!/usr/bin/env python3
# tests/functional/boot-test.py - Debian's own kernel: shell, network, disk, power.
# SPDX-License-Identifier: GPL-2.0-or-later
import json
import socket
import struct
import sys

import harness
from harness import FULL, Failed, GuestFiles, deadline, ext4_image, free_port, fsck, left, machine_args, run_tests

BULK_MAGIC, BULK_BYTES, BULK_PORT, QUERY_PORT, MASK = 0x42554c4b, 4 << 20, 7003, 7004, (1 << 64) - 1
BOOT_SECONDS = 120


def boot(folder, append='', harts=1, more=(), memory='512M'):
    return harness.boot([*machine_args(memory, harts), *GuestFiles().args(append), *more], folder=folder)


def user_net(more=''):
    return ['-netdev', f'user,id=n0{more}', '-device', 'virtio-net-device,netdev=n0']


def one_hart(folder):
    """One boot for all of it."""
    port, query = free_port(), free_port(socket.SOCK_DGRAM)
    machine = boot(folder, 'baton.ip=10.0.2.15/24 baton.gw=10.0.2.2 baton.mode=traffic',
                   more=user_net(f',hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:{BULK_PORT}'
                                 f',hostfwd=udp:127.0.0.1:{query}-10.0.2.15:{QUERY_PORT}'))
    try:
        machine.console.expect('BATON-TRAFFIC-READY', 30)
        text = machine.console.run('uname -m; nproc; cat /proc/cpuinfo')
        if 'riscv64' not in text or '\n1\n' not in text:
            raise Failed(f'not one riscv64 hart:\n{text}')
        machine.console.run('ping -c 3 -w 10 10.0.2.2', 30)
        bulk_tcp(port, query)
        since = machine.qmp.mark()
        machine.console.send('poweroff\n')
        if not machine.is_qemu:                         # which ends at once, saying nothing
            machine.qmp.event('SHUTDOWN', 30, since=since, guest=True, reason='guest-shutdown')
        if machine.wait(30) != 0:
            raise Failed(f'power off ended with {machine.process.returncode}: {machine.errors()}')
    finally:
        machine.close()


def four_harts(folder):
    machine = boot(folder, harts=4)
    try:
        if '\n4\n' not in machine.console.run('nproc'):
            raise Failed('the guest does not see 4 harts')
        machine.console.run('for i in 1 2 3 4; do (n=0; while [ $n -lt 2000 ]; do n=$((n+1)); done) & done; wait', 60)
        machine.console.send('reboot\n')
        machine.console.expect('BATON-GUEST-INIT', BOOT_SECONDS)        # the second time: the first was matched
        machine.console.expect('BATON-GUEST-READY', BOOT_SECONDS)
        machine.quit()
    finally:
        machine.close()


def pattern(seed, first_word, words):
    """What tests/guest/traffic.h calls the pattern."""
    out = []
    for index in range(first_word, first_word + words):
        x = ((index + 1) * 0x9e3779b97f4a7c15 + seed) & MASK
        x = ((x ^ (x >> 30)) * 0xbf58476d1ce4e5b9) & MASK
        x = ((x ^ (x >> 27)) * 0x94d049bb133111eb) & MASK
        out.append(x ^ (x >> 31))
    return struct.pack(f'<{words}Q', *out)


def receive(sock, size, until):
    data = bytearray()
    while len(data) < size:
        sock.settimeout(max(left(until), 0.01))
        chunk = sock.recv(min(65536, size - len(data)))
        if not chunk:
            raise Failed(f'the guest closed the connection after {len(data)} bytes')
        data += chunk
    return bytes(data)


def ask_counters(port):
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.connect(('127.0.0.1', port))
        sock.settimeout(10)
        sock.send(b'counters')
        return json.loads(sock.recv(2000))


def bulk_tcp(port, query):
    until, want = deadline(90), pattern(7, 0, BULK_BYTES // 8)
    with socket.create_connection(('127.0.0.1', port), 20) as sock:
        sock.sendall(struct.pack('>IIQ', BULK_MAGIC, 0, 7))
        if receive(sock, BULK_BYTES, until) != want:
            raise Failed('what the guest sent is not the pattern')
    with socket.create_connection(('127.0.0.1', port), 20) as sock:
        sock.settimeout(60)
        sock.sendall(struct.pack('>IIQ', BULK_MAGIC, 1, 7) + want)
        sock.shutdown(socket.SHUT_WR)
        if sock.recv(1):
            raise Failed('the guest answered a one-way flow')
    # The guest says itself what it took and how much of it was wrong.
    counters = ask_counters(query)
    if counters['bulk_in'] != BULK_BYTES or counters['bulk_errors']:
        raise Failed(f'the guest counted {counters}')


def disk(folder):
    image = folder / 'disk.img'
    ext4_image(image)
    machine = boot(folder, 'baton.mode=disk', more=['-drive', f'file={image},format=raw,if=none,id=d0', '-device',
                                                    'virtio-blk-device,drive=d0'])
    try:
        machine.console.at = 0                      # the rounds may have begun before READY
        machine.console.expect(r'BATON-DISK-OK 8', 90)
        machine.console.send('poweroff\n')
        if machine.wait(60) != 0:
            raise Failed(f'power off ended with {machine.process.returncode}: {machine.errors()}')
    finally:
        machine.close()
    if found := fsck(image):
        raise Failed(found)


if __name__ == '__main__':
    sys.exit(run_tests([
        ('boots Debian to a shell with 1 hart, pings, carries 4 MiB of verified TCP each way, powers off', one_hart),
        ('boots Debian to a shell with 4 harts, reboots', four_harts),
        *[('keeps a file system whole', disk)] * FULL,      # tests/handoff/disk-test.py asks more of the same guest
    ]))
