#!/usr/bin/env python3
# tests/functional/view-test.py - baton-view shows the screen, types and says what happens; its command line.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The screen is spice-screen's (tests/tools), a server without a guest, which says what a guest would get."""
import subprocess
import sys

from harness import BUILD, dying, free_port, read_ppm, run_tests, want
from spice_client import certificate
from stock_client import Child, keys, pattern, spice_screen

VIEW = BUILD / 'tools/baton-view'


def is_pattern(path, width, height, seed):
    w, h, data = read_ppm(path)
    return (w, h) == (width, height) and data == b''.join(
        pattern(x, y, seed).to_bytes(3, 'big') for y in range(height) for x in range(width))


class View:
    """A screen and a viewer of it."""
    def __init__(self, folder, options, *args, chardevs=()):
        self.folder = folder
        self.screen = spice_screen(folder, options, *chardevs)
        self.view = Child(folder, 'view', [VIEW, '--headless', *args])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in (self.view, self.screen):
            child.end()

    def until(self, line):
        self.view.until(lambda lines: line in lines, 30, f'no "{line}"')

    def ask(self, line):
        self.view.lines.clear()
        self.view.say(line)
        word = line.split()[0]
        self.view.until(lambda lines: any(x.startswith((f'done {word}', f'failed {word}')) for x in lines), 30, line)
        return [x for x in self.view.lines if x.startswith(('done', 'failed'))][0]

    def sees(self, width, height, seed):
        for _ in range(200):
            want(self.ask(f'ppm {self.folder}/screen.ppm') == 'done ppm', 'no picture')
            if is_pattern(self.folder / 'screen.ppm', width, height, seed):
                return
            self.view.read(0.05)
        want(False, f'not the picture of {width}x{height} {seed}')


def picture_and_keys(folder):
    port = free_port()
    with View(folder, f'addr=127.0.0.1,port={port},disable-ticketing=on', f'127.0.0.1:{port}') as v:
        v.until('mark 0')
        v.sees(640, 480, 0)
        v.screen.say('show 800 600 3')
        v.until('surface 0:0 800x600')
        v.until('mark 0')
        v.sees(800, 600, 3)
        want(v.ask(f'png {folder}/screen.png') == 'done png', 'no PNG')
        want((folder / 'screen.png').read_bytes()[:8] == b'\x89PNG\r\n\x1a\n', 'the PNG is none')
        want(v.ask('type Hi') == 'done type', 'not typed')
        v.screen.until(lambda lines: len(keys(lines)) >= 6, 30, 'keys are missing')
        want(keys(v.screen.lines) == [(42, 1), (35, 1), (35, 0), (42, 0), (23, 1), (23, 0)], f'typed {keys(v.screen.lines)}')
        v.view.say('quit')
        want(v.view.process.wait(30) == 0, 'it ends with a failure')


def ticket_in_tls(folder):
    port = free_port()
    options = f'addr=127.0.0.1,tls-port={port},x509-dir={folder},disable-ticketing=on,tls-channel=default'
    trust = ['--tls', '--ca-file', certificate(folder, '/O=There/CN=localhost')]
    for args, ok in (([*trust, f'localhost:{port}'], True),
                     ([*trust, '--host-subject', 'O=There, CN=localhost', f'127.0.0.1:{port}'], True),
                     ([*trust, '--host-subject', 'O=Here, CN=localhost', f'127.0.0.1:{port}'], False),
                     ([*trust, f'127.0.0.1:{port}'], False),        # not a name of the certificate
                     (['--tls', f'localhost:{port}'], False)):      # an authority that nobody knows
        with View(folder, options, *args) as v:
            v.view.until(lambda lines: any(x == 'mark 0' or x.startswith('end') for x in lines), 30, 'neither in nor out')
            want(('mark 0' in v.view.lines) == ok, f'{args}: {v.view.lines}')
            if ok:
                v.sees(640, 480, 0)


def port_both_ways(folder):
    """Any byte: blanks in front, NUL, backslashes."""
    port = free_port()
    with View(folder, f'addr=127.0.0.1,port={port},disable-ticketing=on', '--ports', f'127.0.0.1:{port}',
              chardevs=['spiceport,id=p,name=org.baton.one']) as v:
        v.screen.say('open p')
        v.view.until(lambda lines: any(x.startswith('port 0 open') for x in lines), 30, 'no port')
        want(v.ask('port 0 ').startswith('failed port'), 'nothing was said')
        want(v.ask(r'port 0  a\000\n\134\\z') == 'done port', 'not said')
        v.screen.until(lambda lines: ''.join(x.split()[2] for x in lines if x.startswith('got p ')) == b' a\0\n\\\\z'.hex(), 30,
                       'the guest got something else')
        v.screen.say('say p ' + b'A\0\\\nB'.hex())
        v.until(r'heard 0 A\000\134\012B')


def refuses_its_command_line(folder):
    for args, word in (((), 'one server'), (('here',), 'not HOST:PORT'), (('here:0',), 'not HOST:PORT'),
                       (('--password-file', f'{folder}/none', 'here:1'), 'none'), (('--tls', f'{folder}/socket'), 'no TLS')):
        done = subprocess.run(dying([str(VIEW), *args]), capture_output=True, text=True, timeout=30)
        want(done.returncode == 2 and word in done.stderr, f'{args}: {done}')


TESTS = [
    ('it_shows_the_screen_and_types_each_key_once', picture_and_keys),
    ('it_believes_the_certificate_that_it_was_told', ticket_in_tls),
    ('what_is_said_to_a_port_is_what_was_meant', port_both_ways),
    ('it_refuses_its_command_line_with_a_reason', refuses_its_command_line),
]

if __name__ == '__main__':
    sys.exit(run_tests(TESTS))
