#!/usr/bin/env python3
# tests/functional/view-window-test.py - baton-view's windows, under Xvfb.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The screen is spice-screen's (tests/tools), a server without a guest, which says what a guest would get."""
import sys

from harness import BUILD, Skipped, free_port, run_tests, want
from keys import CODES
from stock_client import Bench, find, keys, wait_for

VIEW = BUILD / 'tools/baton-view'
TEXT = 'thequickbrownfox' * 8
WHITE = 0xffffff


def bench(folder):
    if 'define CONFIG_GTK 1' not in (BUILD / 'config-host.h').read_text():
        raise Skipped('baton-view was built without GTK 3 (scripts/install-deps --full, then ./configure)')
    port = free_port()
    return Bench(folder, f'addr=127.0.0.1,port={port},disable-ticketing=on', (VIEW, f'127.0.0.1:{port}'))


def last(lines, kind):
    found = [int(line.split()[-1]) for line in lines if line.startswith(kind)]
    return found[-1] if found else None


def window_and_keys(folder):
    with bench(folder) as b:
        b.sees(640, 480, 0)
        b.screen.say('paint 16 16 200 100 5')
        wait_for(lambda: not find(b.display.picture(), 640, 480, 0), 30, 'the change')
        b.screen.say('show 800 600 3')              # the window follows the guest's size
        at = b.sees(800, 600, 3)
        b.focus('baton-view')
        b.screen.lines.clear()
        b.display.do('mousemove', at[0] + 400, at[1] + 300, 'click', 1)
        b.screen.until(lambda lines: any(line.startswith('button') for line in lines), 30, 'no button')
        x, y = (last(b.screen.lines, f'abs {axis} ') for axis in (0, 1))
        want(x is not None and abs(x - 0x7fff // 2) < 50 and abs(y - 0x7fff // 2) < 60, f'the pointer is at {x}, {y}')
        b.screen.lines.clear()
        b.display.do('type', '--delay', '2', TEXT)
        b.screen.until(lambda lines: len(keys(lines)) >= 2 * len(TEXT), 60, 'keys are missing')
        typed = [code for code, value in keys(b.screen.lines) if value]
        want(typed == [CODES[c] for c in TEXT], f'typed {typed}')


def scaled_window(folder):
    """Half as large: the picture fits, and positions are the guest's."""
    with bench(folder) as b:
        b.sees(640, 480, 0)
        b.display.do('windowsize', '--sync', b.window('baton-view'), 320, 240)
        b.screen.say('paint 0 0 640 480 9')
        b.screen.lines.clear()
        b.display.do('mousemove', 310, 20)
        b.screen.until(lambda lines: last(lines, 'abs 0 ') is not None and last(lines, 'abs 1 ') is not None, 30, 'no position')
        x, y = (last(b.screen.lines, f'abs {axis} ') for axis in (0, 1))
        want(abs(x / 0x7fff * 640 - 620) < 4 and abs(y / 0x7fff * 480 - 40) < 4, f'the pointer is at {x}, {y}')


def without_a_tablet(folder):
    """A click takes the pointer, and the guest gets movements; Ctrl and Alt give it back."""
    with bench(folder) as b:
        b.screen.say('mouse')
        b.screen.say('cursor 100 50')
        at = wait_for(lambda: find(b.display.picture(), 640, 480, 0), 30, 'the picture')
        wait_for(lambda: b.display.picture()[at[1] + 58][at[0] + 108] & WHITE == WHITE, 30, "the guest's pointer")
        b.focus('baton-view')
        b.display.do('mousemove', at[0] + 320, at[1] + 240, 'click', 1)
        wait_for(lambda: 'Ctrl+Alt' in ' '.join(b.display.do('getwindowname', b.window('baton-view'))), 30, 'the grab')
        b.display.do('mousemove_relative', '--', 7, -5)
        b.screen.until(lambda lines: sum(line.startswith('rel') for line in lines) >= 2, 30, 'no movement')
        want('rel 0 7' in b.screen.lines and 'rel 1 -5' in b.screen.lines, f'moved {b.screen.lines}')
        b.display.do('click', 3)
        b.screen.until(lambda lines: any(line.startswith('button') for line in lines), 30, 'no button')
        b.display.do('keydown', 'Control_L', 'keydown', 'Alt_L', 'keyup', 'Alt_L', 'keyup', 'Control_L')
        wait_for(lambda: 'Ctrl+Alt' not in ' '.join(b.display.do('getwindowname', b.window('baton-view'))), 30, 'no end of it')
        b.screen.until(lambda lines: len(keys(lines)) >= 4, 30, 'keys are missing')
        b.screen.lines.clear()
        b.display.do('mousemove_relative', 3, 3, 'key', 'a')
        b.screen.until(lambda lines: len(keys(lines)) >= 2, 30, 'keys are missing')
        want(not any(line.startswith('rel') for line in b.screen.lines), 'it moves without the grab')


TESTS = [
    ('a_window_shows_the_screen_and_gives_keys_and_positions', window_and_keys),
    ('a_window_of_another_size_scales_the_screen_and_the_pointer', scaled_window),
    ('without_a_tablet_a_click_takes_the_pointer_until_ctrl_and_alt', without_a_tablet),
]

if __name__ == '__main__':
    sys.exit(run_tests(TESTS))
