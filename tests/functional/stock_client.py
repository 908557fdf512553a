# tests/functional/stock_client.py - stock SPICE clients under Xvfb, and what they show.
# SPDX-License-Identifier: GPL-2.0-or-later
"""A screen is spice-screen's (tests/tools), a server without a guest, or an emulator's."""
import functools
import http.server
import os
import select
import shutil
import struct
import subprocess
import threading

from harness import BUILD, PATIENCE, Failed, Skipped, deadline, dying, left, want


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


def spice_screen(folder, options, *chardevs, screens=1):
    """A screen without a guest, which obeys and tells what a guest would get."""
    screen = Child(folder, 'screen', [BUILD / 'tests/tools/spice-screen', options, screens, *chardevs])
    screen.until(lambda lines: 'ready' in lines, 20, 'not ready')
    return screen


def need(*programs):
    for program in programs:
        if not shutil.which(program) and not os.path.exists(program):
            raise Skipped(f'{program} is missing (scripts/install-deps --full)')


class Display:
    """An X server whose picture is a file."""
    def __init__(self, folder):
        need('Xvfb', 'xdotool')
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


def find(rows, width, height, seed, edges=40):
    """Where the whole pattern is to be seen, without what the pointer covers; or None."""
    spots = [(x, y) for x in range(7, width, 37) for y in range(7, height, 37)]     # a browser rounds the corners
    for top in range(0, 160):
        for edge in range(0, edges):
            if edge + width <= len(rows[0]) and top + height <= len(rows) and \
                    all(rows[top + y][edge + x] & 0xffffff == pattern(x, y, seed) for x, y in spots):
                return edge, top
    return None


POINTER = 32 * 32               # pixels that the X server's pointer may cover


def is_same(rows, at, width, height, seed, rim=0):
    """Every pixel, but for a rim that a client draws over."""
    wrong = sum(rows[at[1] + y][at[0] + x] & 0xffffff != pattern(x, y, seed)
                for y in range(rim, height - rim) for x in range(rim, width - rim))
    return wrong <= POINTER


SPICY = ('spicy', '--spice-debug', '--uri')
REMOTE_VIEWER = ('remote-viewer', '--debug', '--spice-debug', '--auto-resize=always')


class Bench:
    """X server and client together, and a screen unless somebody else has it."""
    def __init__(self, folder, options, client, screens=1, edges=40, rim=0, chardevs=()):
        need(client[0])
        self.edges, self.rim = edges, rim       # how far from the left the picture may be; see is_same()
        self.display = Display(folder)
        self.screen = spice_screen(folder, options, *chardevs, screens=screens) if options else None
        home = {'HOME': str(folder), 'DISPLAY': self.display.name, 'XDG_RUNTIME_DIR': str(folder), 'NO_AT_BRIDGE': '1',
                'GIO_USE_VFS': 'local', 'GSETTINGS_BACKEND': 'memory', 'DBUS_SESSION_BUS_ADDRESS': 'disabled:'}
        self.client = Child(folder, 'client', client, env={**home, 'G_MESSAGES_DEBUG': 'all'}, speaks=False)

    def sees(self, width, height, seed):
        def look():
            want(self.client.process.poll() is None, f'the client ended: {self.client.err.read_text()[-800:]}')
            rows = self.display.picture()
            at = find(rows, width, height, seed, self.edges)
            return at if at and is_same(rows, at, width, height, seed, self.rim) else None
        return wait_for(look, 60, f'a picture of {width}x{height}')

    def log(self):
        return self.client.err.read_text(errors='replace')

    def window(self, of):
        return wait_for(lambda: self.display.do('search', '--onlyvisible', '--class', of), 30, 'a window')[-1]

    def focus(self, of='spicy'):
        self.display.do('windowfocus', '--sync', self.window(of))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in filter(None, (self.client, self.screen, self.display.server)):
            child.end()


# ---- its clipboard ----

def xclip(bench, *words, **how):
    return subprocess.Popen(['timeout', '60', 'xclip', '-selection', 'clipboard', *words], stderr=subprocess.DEVNULL,
                            env={**os.environ, 'DISPLAY': bench.display.name}, **how)


def copy(bench, data):
    """As somebody in a window beside the client's."""
    with xclip(bench, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        process.communicate(data)


# ---- spice-html5 in a browser ----

HTML5 = '/usr/share/spice-html5'


class QuietPages(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Html5:
    """Serves its pages; command(port) shows the one for a server."""
    def __init__(self, folder):
        need(HTML5, 'chromium')
        self.folder = folder
        self.pages = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(QuietPages, directory=HTML5))
        threading.Thread(target=self.pages.serve_forever, daemon=True).start()

    def command(self, port):
        page = f'http://127.0.0.1:{self.pages.server_port}/spice_auto.html?host=127.0.0.1&port={port}&password='
        return ('chromium', '--no-sandbox', '--disable-gpu', '--no-first-run', '--test-type', '--disable-dev-shm-usage',
                '--window-position=0,0', '--window-size=1200,1000', '--force-device-scale-factor=1', '--enable-logging=stderr',
                f'--user-data-dir={self.folder}/chromium', f'--app={page}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pages.shutdown()
        self.pages.server_close()


def keys(lines):
    return [tuple(map(int, line.split()[1:])) for line in lines if line.startswith('key ')]


def no_complaints(bench, *words):
    """Nothing of what a client should not say, and none of these words."""
    found = [line for line in bench.log().splitlines() if any(word in line for word in ('failed to parse', *words)) or
             'GSpice-CRITICAL' in line and 'tools/spicy.c' not in line]
    want(not found, f'the client complains: {found[:5]}')
