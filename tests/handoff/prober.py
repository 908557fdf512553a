# tests/handoff/prober.py - asks several monitors a hundred times a second, and tells whose answer took long.
# SPDX-License-Identifier: GPL-2.0-or-later
"""A process of its own, so that nothing of the test slows it.  What is this machine's share is taken off: what an idle
emulator's answers took at the same instant, or, if that is longer, how long the asked one's threads were ready and another
process had the processor."""
import multiprocessing
import selectors
import socket
import time
from pathlib import Path

from observer import run_delay
from pair import Failed, TooLate, base

STEP_S = 0.01
LIMIT_S = 0.05
LONG_S = 0.02                                   # from here on all threads are looked at
ASK = b'{"execute":"query-status"}\r\n'


def monitor_args(folder, name):
    return ['-qmp', f'unix:{folder}/{name}.probe,server=on,wait=off']


def connect(folder, name):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(f'{folder}/{name}.probe')
    file = sock.makefile('rb')
    file.readline()
    sock.sendall(b'{"execute":"qmp_capabilities"}\r\n')
    while b'return' not in file.readline():
        pass
    return sock


class One:
    def __init__(self, name, sock, pid):
        self.name, self.sock, self.pid, self.asked, self.buffer = name, sock, pid, None, b''
        self.main_before = self.all_before = None
        self.samples = []                           # (when asked, seconds, of these the machine's)

    def ask(self, now):
        if self.asked is not None and self.all_before is None and now - self.asked > LONG_S and self.sock:
            self.all_before = self.delay(True)
        if self.asked is None and self.sock:
            try:
                self.main_before, self.all_before = self.delay(False), None
                self.sock.sendall(ASK)
                self.asked = now
            except OSError:
                self.sock = None

    def delay(self, all_threads):
        try:
            return run_delay(self.pid, all_threads)
        except OSError:
            return 0.0                              # it has ended

    def answered(self):
        took = time.time() - self.asked
        share = self.delay(False) - self.main_before
        if self.all_before is not None:
            share = max(share, self.delay(True) - self.all_before)
        self.samples.append((self.asked, took, share))
        self.asked = None

    def read(self):
        try:
            chunk = self.sock.recv(65536) if self.sock else b''
        except OSError:
            chunk = b''
        if not chunk:
            self.sock = None
            return False
        *lines, self.buffer = (self.buffer + chunk).split(b'\n')
        if self.asked is not None and any(b'"return"' in line for line in lines):
            self.answered()
        return True


def probe(ones, pipe):
    """The process: until the pipe says so."""
    chosen = selectors.DefaultSelector()
    chosen.register(pipe, selectors.EVENT_READ, None)
    for one in ones:
        chosen.register(one.sock, selectors.EVENT_READ, one)
    late, due = [], time.time()
    while True:
        for key, _ in chosen.select(max(0.0, due - time.time())):
            if key.data is None:
                pipe.recv()
                pipe.send((late, {one.name: (one.samples, one.asked) for one in ones}))
                return
            if not key.data.read():
                chosen.unregister(key.fileobj)
        now = time.time()
        if now >= due:
            if now - due > STEP_S / 2:
                late.append((due, now - due))       # this process itself did not run
            due = now + STEP_S
            for one in ones:
                one.ask(now)


class Prober:
    """pids: by name, of emulators that were started with monitor_args(); the control is started here."""
    def __init__(self, folder, pids):
        self.folder = Path(folder)
        self.control = base.Emulator(['-M', 'none', '-S', *monitor_args(folder, 'control')], 'control', folder=folder,
                                     console=False)
        pids = {**pids, 'control': self.control.pid}
        ones = [One(name, connect(folder, name), pid) for name, pid in pids.items()]
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context('fork').Process(target=probe, args=(ones, theirs), daemon=True)
        self.process.start()
        for one in ones:
            one.sock.close()
        theirs.close()

    def stop(self):
        self.pipe.send('stop')
        self.late, self.results = self.pipe.recv()
        self.process.join()
        self.control.close()

    def machine_took(self, first, last):
        """The machine's share of a wait: the idle emulator's longest answer, or how long the prober did not run."""
        control = [took for at, took, _ in self.results['control'][0] if at <= last and at + took >= first]
        own = [took for at, took in self.late if at <= last and at + took >= first]
        return max(control + [0.0]) + sum(own)

    def check(self, frozen=()):
        """frozen: (name, from, to) during which an emulator was stopped and could not answer.  Returns the longest."""
        worst, whose = 0.0, ''
        for name, (samples, asked) in self.results.items():
            if name == 'control':
                continue
            if not samples:
                raise Failed(f'{name} answered no query-status')
            if asked is not None and not any(name == n and to is None for n, _, to in frozen):
                if time.time() - asked > 1.0 * base.PATIENCE:
                    raise TooLate(f'{name} left a query-status without an answer')
            for at, took, share in samples:
                if any(n == name and first - took <= at <= (to or at) for n, first, to in frozen):
                    continue
                took -= max(share, self.machine_took(at, at + took))
                if took > worst:
                    worst, whose = took, f'{name} at {at:.3f}'
        if worst > LIMIT_S * base.PATIENCE:
            raise TooLate(f'{whose}: an answer took {worst * 1000:.0f} ms more than an idle emulator\'s')
        return worst
