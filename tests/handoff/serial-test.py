#!/usr/bin/env python3
# tests/handoff/serial-test.py - a console and a port under load while their guest changes its process.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The sockets of both processes are one stream for the test: it goes on writing at the next process where the last one
refused (EPIPE), and reads each process's socket to its end before the next one's.  The guest echoes; what comes back must be
what was written, every byte once, and the guest's own count and hash must say the same.  One of them is not read during a
handoff, in turns: then all is full of bytes on the way, and the other one flows."""
import sys
import threading

from pair import GuestFiles, NoNetwork, Pair, machine_args
from harness import FULL, run_tests
from serial_guest import CONSOLE, PORT, Pump, fnv, port_args, start_echo, wait_echo

MOVES = 3 if FULL else 1
RESERVE = 32 << 10                              # written after the last handoff only
SIZES = {CONSOLE: MOVES * 80 << 10, PORT: 1 << 20}  # the console's driver takes 16 bytes at a time


class Stream:
    """One port over all processes."""
    def __init__(self, which, device):
        self.which, self.device, self.size = which, device, SIZES[device]
        self.pump = Pump(self.size, which)
        self.pump.reserve = RESERVE
        self.reader = self.writer = None

    def follow(self, folder, number):
        """Also at this process; its turn comes when the one before has ended or refuses."""
        sock = self.pump.connect(port_args(folder, number)[0][self.which])
        self.reader = self.pump.read(sock, self.reader)
        self.writer = threading.Thread(target=self._write, args=(sock, self.writer), daemon=True)
        self.writer.start()

    def _write(self, sock, after):
        if after:
            after.join()
        self.pump.write(sock).join()


def move(pair, streams, folder, number):
    for stream in streams:
        stream.pump.wait(stream.size * number // (MOVES + 2), 120)
    target, uri = pair.listen()
    for stream in streams:
        stream.follow(folder, pair.number)
    full = streams[number % len(streams)].pump
    full.pause(True)
    since = pair.begin(uri)
    pair.finish(target, since)
    full.pause(False)
    pair.retire(target)


def moves_under_load(folder):
    pair = Pair(NoNetwork(), GuestFiles().args(''), folder, netpass=False, machine=machine_args('256M', 2),
                more=lambda number: port_args(folder, number)[1])
    streams = [Stream(which, device) for which, device in enumerate(SIZES)]
    try:
        pair.now.console.expect('BATON-GUEST-READY', 120)
        for stream in streams:
            start_echo(pair.now, stream.device, stream.size)
            stream.follow(folder, pair.number)
        for number in range(1, MOVES + 1):
            move(pair, streams, folder, number)
        for stream in streams:
            stream.pump.release()
        for stream in streams:
            stream.pump.wait(stream.size, 120)
            stream.pump.judge()
            wait_echo(pair.now, stream.device, stream.size, fnv(stream.pump.data), pair.emulators)
            print(f'# {stream.device}: {stream.pump.sent} bytes there, {len(stream.pump.back)} back, {MOVES} handoffs')
        pair.now.quit()
    finally:
        pair.close()


if __name__ == '__main__':
    sys.exit(run_tests([('no byte of a console or a port is lost, doubled or out of order in handoffs', moves_under_load)]))
