# tests/functional/serial_guest.py - both ends of a byte stream through a guest that echoes it.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Pump feeds a numbered stream into a socket and counts what comes back; several sockets, one after the other, are one
stream: that is what a handoff promises to the peers of a port."""
import errno
import random
import socket
import threading

from harness import Failed, deadline, left

CONSOLE, PORT = '/dev/hvc0', '/dev/vport0p1'


def port_args(folder, number=1):
    """A console and a port, each behind a socket of the folder."""
    paths = [f'{folder}/vm{number}.{name}' for name in ('hvc', 'vport')]
    return paths, ['-device', 'virtio-serial-device,id=vs0,max_ports=4',
                   '-chardev', f'socket,id=hvc,path={paths[0]},server=on,wait=off',
                   '-device', 'virtconsole,chardev=hvc,bus=vs0.0,name=org.baton.console',
                   '-chardev', f'socket,id=vport,path={paths[1]},server=on,wait=off',
                   '-device', 'virtserialport,chardev=vport,bus=vs0.0,nr=1,id=vport,name=org.baton.echo']


def fnv(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001b3) & ((1 << 64) - 1)
    return f'{value:016x}'


class Pump:
    """What was written, and what came back, over all sockets."""
    def __init__(self, size, seed):
        self.data, self.sent = random.Random(seed).randbytes(size), 0
        self.back = bytearray()
        self.reserve = 0        # bytes at the end that are not written before it is less
        self.is_paused = False  # nothing is read
        self.changed = threading.Condition()
        self.why = None
        self.writers = []

    def connect(self, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        return sock

    def release(self):
        with self.changed:
            self.reserve = 0
            self.changed.notify_all()

    def pause(self, is_paused):
        with self.changed:
            self.is_paused = is_paused
            self.changed.notify_all()

    def write(self, sock, chunk=3000):
        """Writes on until all is written, or the socket takes no more for good; from a thread."""
        def run():
            while self.sent < len(self.data):
                with self.changed:
                    self.changed.wait_for(lambda: self.sent < len(self.data) - self.reserve)
                try:
                    self.sent += sock.send(self.data[self.sent:self.sent + chunk])
                except OSError as why:
                    if why.errno not in (errno.EPIPE, errno.ECONNRESET):
                        self.why = why
                    return
        thread = threading.Thread(target=run, daemon=True)
        self.writers.append(thread)
        thread.start()
        return thread

    def read(self, sock, after=None):
        """Reads to its end, what comes behind all that came on the socket of `after`; from a thread."""
        def run():
            if after:
                after.join()
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: not self.is_paused)
                try:
                    chunk = sock.recv(65536)
                except OSError as why:
                    self.why = why
                    return
                if not chunk:
                    return
                with self.changed:
                    self.back += chunk
                    self.changed.notify_all()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def wait(self, size, seconds):
        until = deadline(seconds)
        with self.changed:
            while len(self.back) < size:
                if not left(until):
                    self.judge()
                    raise Failed(f'{len(self.back)} of {size} bytes came back in {seconds} s, {self.sent} were written; '
                                 f'{self.why or "no error"}')
                self.changed.wait(left(until))

    def judge(self):
        """Nothing is lost, doubled or out of order, as far as it came."""
        back = bytes(self.back)
        if back != self.data[:len(back)]:
            at = next(i for i in range(len(back)) if i >= len(self.data) or back[i] != self.data[i])
            here = self.data.find(back[at:at + 16])
            raise Failed(f'byte {at} of {len(back)} that came back is wrong'
                         + (f': what follows belongs at {here}' if here >= 0 else ''))


def start_echo(machine, device, size):
    machine.console.send(f'(serial-echo {device} {size} > /dev/console &)\n')
    machine.console.expect(f'BATON-ECHO-READY {device}', 30)


def wait_echo(machine, device, size, value, all_of_them=()):
    """The guest counted the same; it may have said so to an earlier process."""
    line = f'BATON-ECHO {device} {size} {value}'
    for emulator in all_of_them:
        if line.encode() in bytes(emulator.console.reader.data):
            return
    machine.console.at = 0
    match = machine.console.expect(rf'BATON-ECHO {device} (\d+) (\w+)', 60)
    if match[0].decode() != line:
        raise Failed(f'the guest says {match[0].decode()!r}, not {line!r}')
