#!/usr/bin/env python3
# tests/functional/spice-client-test.py - a stock client (spicy) under Xvfb sees the screen and types into it.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The screen is spice-screen's (tests/tools), a server without a guest, which says what a guest would get."""
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import time

from harness import BUILD, Failed, PATIENCE, Skipped, deadline, dying, left, run_tests

TEXT = 'abcdefghijklmnopqrstuvwxyz' * 16
KEYS = dict(zip('qwertyuiop', range(16, 26))) | dict(zip('asdfghjkl', range(30, 39))) | dict(zip('zxcvbnm', range(44, 51)))


def want(condition, text):
    if not condition:
        raise Failed(text)


def wait_for(condition, seconds, what):
    """For what no event tells: a picture on the X server."""
    until = deadline(seconds)
    while True:
        found = condition()
        if found:
            return found
        want(left(until), f'{what}: not within {seconds} s')
        select.select([], [], [], 0.05)


def pattern(x, y, seed):
    """As spice-screen paints it."""
    return (x // 16 * 37 + seed * 11) % 256 << 16 | (y // 16 * 53 + seed * 7) % 256 << 8 | (x // 16 + y // 16 + seed) % 256


class Child:
    """A process with lines both ways; its errors go to a file."""
    def __init__(self, folder, name, command, env=None, pass_fds=(), speaks=True):
        self.name, self.err = name, folder / f'{name}.err'
        log = open(self.err, 'wb')
        self.process = subprocess.Popen(dying([str(c) for c in command]), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE if speaks else log, stderr=log,
                                        env={**os.environ, **(env or {})}, pass_fds=pass_fds)
        self.lines, self.rest = [], b''

    def say(self, line):
        self.process.stdin.write(line.encode() + b'\n')
        self.process.stdin.flush()

    def read(self, seconds):
        """True: there was more."""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return False
        data = os.read(self.process.stdout.fileno(), 65536)
        *lines, self.rest = (self.rest + data).split(b'\n')
        self.lines += [line.decode() for line in lines]
        return bool(data)

    def until(self, condition, seconds, what):
        until = deadline(seconds)
        while not condition(self.lines):
            if not self.read(left(until)):
                raise Failed(f'{self.name}: {what}; it ends with {self.lines[-5:]} {self.err.read_text()[-500:]}')

    def end(self):
        self.process.kill()
        self.process.wait()
        for pipe in filter(None, (self.process.stdin, self.process.stdout)):
            pipe.close()


class Display:
    """An X server whose picture is a file."""
    def __init__(self, folder):
        for program in ('Xvfb', 'spicy', 'xdotool'):
            if not shutil.which(program):
                raise Skipped(f'{program} is missing (scripts/install-deps --full)')
        self.file = folder / 'Xvfb_screen0'
        mine, its = os.pipe()
        self.server = Child(folder, 'Xvfb', ['Xvfb', '-displayfd', its, '-screen', '0', '1280x1024x24', '-fbdir', folder],
                            pass_fds=(its,))
        os.close(its)
        with os.fdopen(mine, 'rb') as pipe:
            self.name = ':' + pipe.readline().decode().strip()
        want(self.name != ':', f'Xvfb: {self.server.err.read_text()}')

    def do(self, *words):
        done = subprocess.run(['xdotool', *map(str, words)], env={**os.environ, 'DISPLAY': self.name}, capture_output=True,
                              text=True, timeout=120 * PATIENCE)
        return done.stdout.split()

    def picture(self):
        """Rows of 32-bit words: the file is an X window dump."""
        data = self.file.read_bytes()
        head = struct.unpack('>25I', data[:100])
        start, width, height, line = head[0] + 12 * head[19], head[4], head[5], head[12]
        order = '>' if head[7] else '<'
        return [struct.unpack(f'{order}{width}I', data[start + y * line:start + y * line + 4 * width]) for y in range(height)]


def find(rows, width, height, seed):
    """Where the whole pattern is to be seen, without what the pointer covers; or None."""
    spots = [(x, y) for x in range(0, width, 37) for y in range(0, height, 37)]
    for top in range(0, 160):
        for edge in range(0, 40):
            if edge + width <= len(rows[0]) and top + height <= len(rows) and \
                    all(rows[top + y][edge + x] & 0xffffff == pattern(x, y, seed) for x, y in spots):
                return edge, top
    return None


POINTER = 32 * 32               # pixels that the X server's pointer may cover


def is_same(rows, at, width, height, seed):
    """Every pixel."""
    wrong = sum(rows[at[1] + y][at[0] + x] & 0xffffff != pattern(x, y, seed) for y in range(height) for x in range(width))
    return wrong <= POINTER


class Bench:
    """Screen, X server and client together."""
    def __init__(self, folder, options, *client):
        self.display = Display(folder)
        self.screen = Child(folder, 'screen', [BUILD / 'tests/tools/spice-screen', options])
        self.screen.until(lambda lines: 'ready' in lines, 20, 'not ready')
        home = {'HOME': str(folder), 'DISPLAY': self.display.name, 'XDG_RUNTIME_DIR': str(folder), 'NO_AT_BRIDGE': '1',
                'GIO_USE_VFS': 'local', 'GSETTINGS_BACKEND': 'memory', 'DBUS_SESSION_BUS_ADDRESS': 'disabled:'}
        self.client = Child(folder, 'client', ['spicy', *client, '--spice-debug'], env={**home, 'G_MESSAGES_DEBUG': 'all'},
                            speaks=False)

    def sees(self, width, height, seed):
        def look():
            want(self.client.process.poll() is None, f'the client ended: {self.client.err.read_text()[-800:]}')
            rows = self.display.picture()
            at = find(rows, width, height, seed)
            return at if at and is_same(rows, at, width, height, seed) else None
        return wait_for(look, 60, f'a picture of {width}x{height}')

    def focus(self):
        window = wait_for(lambda: self.display.do('search', '--onlyvisible', '--class', 'spicy'), 30, 'a window')[-1]
        self.display.do('windowfocus', '--sync', window)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in (self.client, self.screen, self.display.server):
            child.end()


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def complaints(client):
    lines = client.err.read_text(errors='replace').splitlines()
    return [line for line in lines if 'failed to parse' in line or 'GSpice-CRITICAL' in line and 'tools/spicy.c' not in line]


def picture_and_keys(folder):
    port = free_port()
    with Bench(folder, f'addr=127.0.0.1,port={port},disable-ticketing=on', '--uri', f'spice://127.0.0.1:{port}') as bench:
        at = bench.sees(640, 480, 0)
        bench.screen.say('paint 0 0 640 480 5')
        bench.sees(640, 480, 5)
        bench.screen.say('show 800 600 3')      # which does not fit its window, so it is scaled
        wait_for(lambda: '+0+0-800x600' in bench.client.err.read_text(errors='replace'), 30, 'a screen of 800x600')
        bench.screen.say('show 640 480 4')
        bench.sees(640, 480, 4)
        bench.focus()
        bench.screen.lines.clear()
        bench.display.do('mousemove', at[0] + 400, at[1] + 300)
        bench.screen.until(lambda lines: any(line.startswith('abs 0 ') for line in lines), 30, 'no position')
        bench.screen.lines.clear()
        bench.display.do('type', '--delay', '2', TEXT)
        bench.screen.until(lambda lines: len(keys(lines)) >= 2 * len(TEXT), 60, 'keys are missing')
        typed = [code for code, value in keys(bench.screen.lines) if value]
        want(typed == [KEYS[c] for c in TEXT], f'typed {len(typed)} keys, and not those')
        want(not complaints(bench.client), f'the client complains: {complaints(bench.client)[:3]}')


def keys(lines):
    return [tuple(map(int, line.split()[1:])) for line in lines if line.startswith('key ')]


def on_tls(folder):
    secure = free_port()
    subject = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost']
    files = ['-keyout', f'{folder}/server-key.pem', '-out', f'{folder}/server-cert.pem']
    subprocess.run(['openssl', *subject, *files], check=True, capture_output=True)
    client = ['--uri', f'spice://localhost?tls-port={secure}', '--spice-ca-file', f'{folder}/server-cert.pem',
              '--spice-secure-channels', 'all']
    options = f'addr=127.0.0.1,tls-port={secure},x509-dir={folder},disable-ticketing=on,tls-channel=default,image-compression=off'
    with Bench(folder, options, *client) as bench:
        bench.sees(640, 480, 0)
        want(not complaints(bench.client), f'the client complains: {complaints(bench.client)[:3]}')


TESTS = [
    ('spicy_shows_the_screen_and_types_each_key_once', picture_and_keys),
    ('spicy_shows_it_over_tls_without_compression', on_tls),
]

if __name__ == '__main__':
    sys.exit(run_tests(TESTS))
