# tests/functional/harness.py - starts an emulator, speaks QMP with it, reads its console; TAP output for meson.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything waits for events under a deadline; nothing sleeps.

The emulator connects to sockets on which we listen, so a start that fails is seen at once.  Baton and QEMU are driven
by the same flags; what differs is in Emulator.quirks().
"""
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get('BATON_BUILD', ROOT / 'build'))
EMULATOR = os.environ.get('BATON_EMULATOR', str(BUILD / 'baton-system-riscv64'))
FULL = bool(os.environ.get('BATON_FULL'))
HAS_SPICE = os.environ.get('BATON_SPICE', '1') == '1'       # is it in this build?
# Everything takes longer under a sanitizer or on a loaded machine.
PATIENCE = float(os.environ.get('BATON_PATIENCE', '1'))
# What GLib recycles by itself no sanitizer can see.
os.environ.setdefault('G_SLICE', 'always-malloc')
# What the sanitizers and valgrind say when they have found something; an emulator that is killed tells it in no other way.
FINDING = re.compile(r'(?:ERROR|WARNING): \w+Sanitizer|: runtime error: |^==\d+== ERROR SUMMARY: [1-9]', re.M)


class Failed(Exception):
    """A promise that was not kept; the text is for the reader of the test log."""


class TooLate(Failed):
    """A bound on time was missed.  A machine may be busy in a way that nobody counts, once; what is ours comes again."""


class Skipped(Exception):
    """What the machine cannot do, for instance without root."""


def want(condition, text):
    if not condition:
        raise Failed(text)


reserved = deque(maxlen=256)


def free_port(kind=socket.SOCK_STREAM):
    """Nobody's, and of no other test that runs beside us; below those that the kernel gives away."""
    for port in random.sample(range(20000, 32000), 200):
        ours = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            ours.bind(f'\0baton-test-port-{port}')           # as a lock
            with socket.socket(type=kind) as sock:
                sock.bind(('127.0.0.1', port))
        except OSError:
            ours.close()
            continue
        reserved.append(ours)
        return port
    raise Failed('no free port')


def read_ppm(path):
    """Width, height, and three bytes for each pixel."""
    data = path.read_bytes()
    head = re.match(rb'P6\n(\d+) (\d+)\n255\n', data)
    want(head, f'{path}: no PPM: {data[:20]}')
    width, height, pixels = int(head[1]), int(head[2]), data[head.end():]
    want(len(pixels) == width * height * 3, f'{path}: a picture of {width}x{height} has {len(pixels)} bytes')
    return width, height, pixels


def cache_dir():
    base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return Path(os.environ.get('BATON_CACHE') or os.path.join(base, 'baton'))


def finding(text):
    """The first finding in what an emulator wrote to standard error, or nothing."""
    found = FINDING.search(text)
    return text[found.start():][:6000] if found else ''


def findings(folder):
    """Those of all emulators that ran in the folder."""
    texts = ((path.name, finding(path.read_text(errors='replace'))) for path in sorted(folder.rglob('*.err')))
    return '\n'.join(f'{name}: {text}' for name, text in texts if text)


class GuestFiles:
    """Debian's kernel and what was made for it; see scripts/fetch-guest-files and scripts/build-guest."""
    def __init__(self):
        self.folder = cache_dir() / 'guest'
        self.kernel, self.initrd = self.folder / 'Image', self.folder / 'initramfs.cpio.gz'
        self.firmware = self.folder / 'fw_dynamic.bin'

    def present(self):
        return all(p.is_file() for p in (self.kernel, self.initrd, self.firmware))

    def args(self, append=''):
        if not self.present():
            raise Failed(f'{self.folder}: no guest files; run: make guest-files')
        return ['-bios', str(self.firmware), '-kernel', str(self.kernel), '-initrd', str(self.initrd), '-append',
                f'console=ttyS0 quiet panic=-1 {append}'.strip()]


def bare_args():
    image = BUILD / 'tests/guest/bare.bin'
    if not image.is_file():
        raise Failed(f'{image}: not built (riscv64-linux-gnu-gcc is missing)')
    return ['-bios', str(image)]


def bare_counters(machine):
    """What the bare guest has counted, as its console tells."""
    machine.console.send('c')
    return json.loads(machine.console.expect(r'counters (\{[^\r\n]*\})\r?\n', 20)[1])


def until_it_writes(machine, before):
    """Until the guest has flushed more sectors than `before` says; it is asked again when it has answered."""
    until = deadline(20)
    while (now := bare_counters(machine))['sectors_flushed'] <= before['sectors_flushed']:
        if not left(until):
            raise Failed(f'nothing is written: {now}')
    return now


def deadline(seconds):
    return time.monotonic() + seconds * PATIENCE


def left(until):
    return max(0.0, until - time.monotonic())


class Reader(threading.Thread):
    """Reads a socket into a buffer that others wait on."""
    def __init__(self, sock, log=None):
        super().__init__(daemon=True)
        self.sock, self.log = sock, log
        self.changed = threading.Condition()
        self.data, self.closed = bytearray(), False

    def run(self):
        while True:
            try:
                chunk = self.sock.recv(65536)
            except OSError:
                chunk = b''
            with self.changed:
                self.data += chunk
                self.closed = not chunk
                self.changed.notify_all()
            if not chunk:
                return
            if self.log:
                self.log.write(chunk)
                self.log.flush()


class Console:
    """The guest's serial port."""
    def __init__(self, sock, log):
        self.sock, self.reader, self.at = sock, Reader(sock, log), 0
        self.reader.start()

    def send(self, text):
        self.sock.sendall(text.encode())

    def expect(self, pattern, seconds=30):
        """Waits for the pattern behind what was matched before; returns the match."""
        until, want = deadline(seconds), re.compile(pattern.encode())
        with self.reader.changed:
            while True:
                match = want.search(self.reader.data, self.at)
                if match:
                    self.at = match.end()
                    return match
                if self.reader.closed or not left(until):
                    tail = bytes(self.reader.data[-600:]).decode(errors='replace')
                    why = 'the console closed' if self.reader.closed else f'nothing for {seconds} s'
                    raise Failed(f'console: expected {pattern!r}, {why}; it ends with:\n{tail}')
                self.reader.changed.wait(left(until))

    def run(self, command, seconds=30):
        """Runs a command in the guest's shell, returns what it printed; fails unless it ends with status 0."""
        self.send(f'{command}; echo "done:$?:"\n')
        start = self.at
        status = int(self.expect(r'\ndone:(\d+):', seconds)[1])
        text = bytes(self.reader.data[start:self.at]).decode(errors='replace').replace('\r', '')
        if status != 0:
            raise Failed(f'guest: {command!r} ended with {status}:\n{text}')
        return text


class QmpError(Failed):
    def __init__(self, command, error):
        super().__init__(f"{command}: {error.get('class')}: {error.get('desc')}")
        self.error_class, self.desc = error.get('class'), error.get('desc')


class Qmp:
    """One QMP connection; replies and events are told apart by the reader thread."""
    def __init__(self, sock, log=None):
        self.sock, self.log = sock, log
        self.changed = threading.Condition()
        self.replies, self.events, self.greeting, self.closed = {}, [], None, False
        self.count, self.sending = 0, threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()
        self._wait(lambda: self.greeting, 20, 'greeting')
        self.execute('qmp_capabilities')

    def _lines(self):
        try:
            yield from self.sock.makefile('rb')
        except OSError:
            pass                                    # it was killed

    def _read(self):
        for line in self._lines():
            if self.log:
                self.log.write(line)
                self.log.flush()
            try:
                message = json.loads(line)
            except ValueError:
                continue
            with self.changed:
                if 'QMP' in message:
                    self.greeting = message['QMP']
                elif 'event' in message:
                    message['at'] = message['timestamp']['seconds'] + message['timestamp']['microseconds'] / 1e6
                    self.events.append(message)
                else:
                    self.replies[message.get('id')] = message
                self.changed.notify_all()
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def _wait(self, condition, seconds, what):
        until = deadline(seconds)
        with self.changed:
            while True:
                found = condition()
                if found:
                    return found
                if self.closed:
                    raise Failed(f'QMP: closed while waiting for {what}')
                if not left(until):
                    raise Failed(f'QMP: no {what} within {seconds} s; events so far: '
                                 + ' '.join(self._name(e) for e in self.events[-12:]))
                self.changed.wait(left(until))

    @staticmethod
    def _name(event):
        status = event.get('data', {}).get('status')
        return event['event'] + (f':{status}' if status else '')

    def send(self, command, arguments=None, fd=None, oob=False):
        with self.sending:                          # any thread may send
            self.count += 1
            number = self.count
            message = {'exec-oob' if oob else 'execute': command, 'id': number}
            if arguments:
                message['arguments'] = arguments
            data = json.dumps(message).encode() + b'\r\n'
            if self.log:
                self.log.write(b'-> ' + data)
            if fd is None:
                self.sock.sendall(data)
            else:
                socket.send_fds(self.sock, [data], [fd])
        return number

    def reply(self, number, command, seconds=20):
        answer = self._wait(lambda: self.replies.pop(number, None), seconds, f'reply to {command}')
        if 'error' in answer:
            raise QmpError(command, answer['error'])
        return answer['return']

    def execute(self, command, arguments=None, seconds=20, **more):
        return self.reply(self.send(command, arguments, **more), command, seconds)

    def event(self, name, seconds=30, since=0, **data):
        """The first event of this name (and these data) after position `since` of the list; see mark()."""
        def find():
            for event in self.events[since:]:
                if event['event'] == name and all(event.get('data', {}).get(k) in (v if isinstance(v, tuple) else (v,))
                                                  for k, v in data.items()):
                    return event
            return None
        return self._wait(find, seconds, name + (f' {data}' if data else ''))

    def mark(self):
        with self.changed:
            return len(self.events)


def in_netns(netns, *command):
    """The command line that runs the command in this network namespace, and touches no mount, unlike `ip netns exec`."""
    return ['nsenter', f'--net=/run/netns/{netns}', *command]


def dying(command):
    """The command line of a child that is killed when the thread that starts it ends, however it ends: so start it in one
    that lasts."""
    return ['setpriv', '--pdeathsig', 'KILL', *command] if shutil.which('setpriv') else list(command)


def exit_when_told():
    """What is open is closed, and folders are cleared away."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def end_with_parent():
    """For a process that was forked: it ends at once when its parent says so, or has gone without a word; so do its children."""
    parent = os.pidfd_open(os.getppid())                # PR_SET_PDEATHSIG is of the thread that forked us, not of its process

    def watch():
        select.select([parent], [], [])
        os._exit(1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=watch, daemon=True).start()


class Emulator:
    """One emulator process.  Its folder keeps the command line, the console, QMP and standard error."""
    count = 0
    gone = []                                       # findings of those whose folder is gone

    def __init__(self, args, name=None, binary=None, netns=None, folder=None, console=True, pass_fds=()):
        Emulator.count += 1
        self.name = name or f'emulator{Emulator.count}'
        self.binary = binary or EMULATOR
        self.is_qemu = os.path.basename(self.binary).startswith('qemu')
        self.folder = Path(folder or tempfile.mkdtemp(prefix='baton-test-'))
        self.own_folder = folder is None
        self.stopped = False
        if not shutil.which(self.binary):
            raise Failed(f'{self.binary}: not found')
        listeners = [self._listen('qmp')] + ([self._listen('con')] if console else [])
        command = [self.binary, *self.quirks(), '-nodefaults', '-display', 'none',
                   '-chardev', f'socket,id=qmp0,path={self._path("qmp")}', '-mon', 'chardev=qmp0,mode=control']
        if console:
            command += ['-chardev', f'socket,id=con0,path={self._path("con")}', '-serial', 'chardev:con0']
        command += [str(a) for a in args]
        if netns:
            command = in_netns(netns, *command)
        (self.folder / f'{self.name}.cmd').write_text(' '.join(command) + '\n')
        self.stderr = open(self.folder / f'{self.name}.err', 'wb')
        self.process = subprocess.Popen(dying(command), stdin=subprocess.DEVNULL, stdout=self.stderr,
                                        stderr=self.stderr, pass_fds=pass_fds)
        self.pid = self.process.pid
        try:
            socks = [self._accept(listener) for listener in listeners]
            self.console = Console(socks[1], open(self.folder / f'{self.name}.con', 'wb')) if console else None
            self.qmp = Qmp(socks[0], open(self.folder / f'{self.name}.qmp', 'wb'))
        except BaseException:
            self.kill()
            raise
        finally:
            for listener in listeners:
                listener.close()

    def quirks(self):
        return ['-global', 'virtio-mmio.force-legacy=false'] if self.is_qemu else []

    def _path(self, kind):
        return self.folder / f'{self.name}.{kind}.sock'

    def _listen(self, kind):
        sock = socket.socket(socket.AF_UNIX)
        self._path(kind).unlink(missing_ok=True)
        sock.bind(str(self._path(kind)))
        sock.listen(1)
        return sock

    def _accept(self, listener):
        until = deadline(20)
        listener.settimeout(0.1)
        while True:
            try:
                return listener.accept()[0]
            except TimeoutError:
                if self.process.poll() is not None:
                    raise Failed(f'{self.name}: ended with {self.process.returncode} at its start: '
                                 + self.errors()) from None
                if not left(until):
                    raise Failed(f'{self.name}: did not connect to its monitor') from None

    def errors(self):
        return (self.folder / f'{self.name}.err').read_text(errors='replace')[-2000:].strip()

    def wait(self, seconds=20):
        """For its end; returns the exit status."""
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f'{self.name}: still runs after {seconds} s') from None

    def quit(self, seconds=20):
        """Asks by QMP; anything but a clean end is a failure."""
        if self.process.poll() is None:
            try:
                self.qmp.execute('quit')
            except Failed as why:
                if not self.qmp.closed:
                    raise Failed(f'{self.name}: {why}') from None
        status = self.wait(seconds)
        self.stopped = True
        if status != 0:
            raise Failed(f'{self.name}: quit with status {status}: {self.errors()}')

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.stopped = True

    def release(self):
        """It has ended and nobody asks any more: gives its sockets and files back, for tests that start thousands."""
        self.stderr.close()
        for end in (self.console.reader if self.console else None, self.qmp):
            if end:
                end.sock.close()
                end.log.close()
        for path in self.folder.glob(f'{self.name}.*'):
            path.unlink()

    def close(self):
        """At the end of a test, whatever state it is in."""
        self.kill()
        if self.own_folder:
            Emulator.gone += filter(None, [findings(self.folder)])
            shutil.rmtree(self.folder, ignore_errors=True)


def ext4_image(path):
    """A file system in a file."""
    with open(path, 'wb') as f:
        f.truncate(64 << 20)
    subprocess.run(['/sbin/mkfs.ext4', '-q', '-F', str(path)], check=True)


def fsck(path):
    """What is wrong with it, or nothing."""
    done = subprocess.run(['/sbin/e2fsck', '-f', '-n', str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return f'e2fsck finds:\n{done.stdout.decode()}' if done.returncode else ''


def machine_args(memory='512M', harts=1):
    return ['-M', 'virt', '-m', memory, '-smp', str(harts)]


def boot(args, ready='BATON-GUEST-READY', seconds=120, **more):
    """An emulator whose guest has said that it is ready."""
    machine = Emulator(args, **more)
    try:
        machine.console.expect(ready, seconds)
    except BaseException:
        machine.close()
        raise
    return machine


# ---- TAP ------------------------------------------------------------------------------------------------------------

TRIES = 3                       # for what has a bound on time; nothing else is tried twice


def in_time(function, folder):
    for number in range(1, TRIES):
        try:
            return function(folder)
        except TooLate as why:
            print(f'# try {number} of {TRIES}: {why}', flush=True)
            folder = folder / f'try{number + 1}'
            folder.mkdir()
    return function(folder)


def sliced(cases):
    """BATON_SLICE=2/6: every sixth case, from the second on."""
    number, of = map(int, (os.environ.get('BATON_SLICE') or '1/1').split('/'))
    if not 1 <= number <= of:
        sys.exit(f'BATON_SLICE={number}/{of}: there is no such slice')
    return cases[number - 1::of]


def run_tests(cases):
    """cases: (name, function).  A function fails by an exception; its folder argument is kept when it does."""
    chosen = sliced([c for c in cases if not sys.argv[1:] or any(re.search(p, c[0]) for p in sys.argv[1:])])
    failed = 0
    exit_when_told()
    print(f'1..{len(chosen)}', flush=True)
    for number, (name, function) in enumerate(chosen, 1):
        folder = Path(tempfile.mkdtemp(prefix='baton-test-'))
        began = time.monotonic()
        try:
            Emulator.gone.clear()
            try:
                in_time(function, folder)
            finally:
                found = '\n'.join([*Emulator.gone, *filter(None, [findings(folder)])])
                if found:
                    raise Failed(found)
            print(f'ok {number} - {name} # {time.monotonic() - began:.1f} s', flush=True)
            shutil.rmtree(folder, ignore_errors=True)
        except Skipped as why:
            print(f'ok {number} - {name} # SKIP {why}', flush=True)
            shutil.rmtree(folder, ignore_errors=True)
        except Exception as why:                        # every case is reported, then the next one runs
            failed += 1
            text = str(why) if isinstance(why, Failed) else traceback.format_exc()
            print(f'not ok {number} - {name}', flush=True)
            for line in text.splitlines() + [f'files kept in {folder}']:
                print(f'# {line}', flush=True)
        except BaseException:                           # somebody ends us
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return 1 if failed else 0
