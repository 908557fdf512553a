#!/usr/bin/env python3
# tests/functional/spice-client-test.py - stock clients under Xvfb see the screen, type into it, play and resize it.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The screen is spice-screen's (tests/tools), a server without a guest, which says what a guest would get."""
import subprocess
import sys

from harness import free_port, run_tests, want
from keys import CODES
from mock_agent import AGENT, Agent
from spice_client import certificate
from stock_client import SPICY, Bench, copy, keys, need, no_complaints, wait_for, xclip

TEXT = 'abcdefghijklmnopqrstuvwxyz' * 16


def picture_and_keys(folder):
    port = free_port()
    with Bench(folder, f'addr=127.0.0.1,port={port},disable-ticketing=on', (*SPICY, f'spice://127.0.0.1:{port}')) as bench:
        at = bench.sees(640, 480, 0)
        bench.screen.say('paint 0 0 640 480 5')
        bench.sees(640, 480, 5)
        bench.screen.say('show 800 600 3')      # which does not fit its window, so it is scaled
        wait_for(lambda: '+0+0-800x600' in bench.log(), 30, 'a screen of 800x600')
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
        want(typed == [CODES[c] for c in TEXT], f'typed {len(typed)} keys, and not those')
        no_complaints(bench)


def video(folder):
    port = free_port()
    options = f'addr=127.0.0.1,port={port},disable-ticketing=on,streaming-video=all'
    with Bench(folder, options, (*SPICY, f'spice://127.0.0.1:{port}')) as bench:
        bench.sees(640, 480, 0)
        bench.screen.say('play 100 60 320 240')
        wait_for(lambda: 'display_handle_stream_create' in bench.log(), 30, 'a stream')
        first = bench.display.picture()
        wait_for(lambda: bench.display.picture() != first, 30, 'a moving picture')
        bench.screen.say('stop')
        bench.screen.say('paint 0 0 640 480 6')
        bench.sees(640, 480, 6)                 # without what JPEG loses
        wait_for(lambda: 'display_handle_stream_destroy' in bench.log(), 30, 'the end')
        no_complaints(bench)


def on_tls(folder):
    secure = free_port()
    client = [*SPICY, f'spice://localhost?tls-port={secure}', '--spice-ca-file', certificate(folder),
              '--spice-secure-channels', 'all']
    options = f'addr=127.0.0.1,tls-port={secure},x509-dir={folder},disable-ticketing=on,tls-channel=default,image-compression=off'
    with Bench(folder, options, client) as bench:
        bench.sees(640, 480, 0)
        no_complaints(bench)


def paste(bench, agent):
    """What somebody on the X server gets, from the guest perhaps: the agent answers meanwhile."""
    with xclip(bench, '-o', stdout=subprocess.PIPE) as process:
        while process.poll() is None:
            bench.screen.read(0.1)
            agent.look()
        return process.stdout.read()


def clipboard(folder):
    need('xclip')
    port = free_port()
    ours, theirs = TEXT.encode() * 60, TEXT[::-1].encode() * 50
    options = f'addr=127.0.0.1,port={port},disable-ticketing=on'
    with Bench(folder, options, (*SPICY, f'spice://127.0.0.1:{port}'), chardevs=[AGENT]) as bench:
        bench.sees(640, 480, 0)
        agent = Agent(bench.screen)
        agent.open()
        agent.until(lambda: agent.client_caps, 30, 'the client does not say what it can')
        bench.focus()
        copy(bench, theirs)                     # somebody copies in a window beside the client's
        agent.until(lambda: agent.grabbed, 30, 'the client does not tell of its clipboard')
        want(agent.paste(30) == theirs, 'the guest pastes something else')
        agent.copy(ours)                        # and somebody in the guest
        wait_for(lambda: paste(bench, agent) == ours, 60, 'what the guest copied')
        no_complaints(bench)


TESTS = [
    ('spicy_shows_the_screen_and_types_each_key_once', picture_and_keys),
    ('spicy_plays_a_video_and_shows_its_end_exactly', video),
    ('spicy_shares_its_clipboard_both_ways', clipboard),
    ('spicy_shows_it_over_tls_without_compression', on_tls),
]

if __name__ == '__main__':
    sys.exit(run_tests(TESTS))
