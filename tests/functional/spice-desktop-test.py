#!/usr/bin/env python3
# tests/functional/spice-desktop-test.py - remote-viewer, spice-html5 in a browser, and a stock client before a Debian guest.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Minutes, and large packages: part of `make check-full` only (BATON_FULL=1)."""
import sys

from harness import FULL, GuestFiles, Skipped, boot, free_port, machine_args, read_ppm, run_tests, want
from keys import CODES
from stock_client import POINTER, REMOTE_VIEWER, SPICY, Bench, Html5, keys, no_complaints, wait_for


def typed(bench, text='baton'):
    bench.screen.lines.clear()
    bench.display.do('type', '--delay', '30', text)
    bench.screen.until(lambda lines: len(keys(lines)) >= 2 * len(text), 60, 'keys are missing')
    got = [code for code, value in keys(bench.screen.lines) if value]
    want(got == [CODES[c] for c in text], f'typed {got}')


def follow_wish(bench, seed):
    """As a guest does that is told of another size.  Returns it."""
    def wishes(lines):
        return [line.split()[1:] for line in lines if line.startswith('wish 0 1 ')]
    bench.screen.until(wishes, 60, 'no wish')
    while bench.screen.read(2):                 # a window that is being resized says several
        pass
    width, height = map(int, wishes(bench.screen.lines)[-1][2:])
    bench.screen.lines.clear()
    bench.screen.say(f'show {width} {height} {seed}')
    return width, height


def remote_viewer(folder):
    port = free_port()
    options = f'addr=127.0.0.1,port={port},disable-ticketing=on'
    with Bench(folder, options, (*REMOTE_VIEWER, f'spice://127.0.0.1:{port}')) as bench:
        bench.sees(640, 480, 0)                 # its window follows the guest first
        for seed, size in ((3, (900, 700)), (4, (760, 820))):
            bench.display.do('windowsize', bench.window('remote-viewer'), *size)
            width, height = follow_wish(bench, seed)
            want(size[0] - 100 < width <= size[0] and size[1] - 150 < height <= size[1], f'wishes {width}x{height}')
            bench.sees(width, height, seed)
        bench.focus('remote-viewer')
        bench.display.do('mousemove', 450, 400, 'click', 1)
        typed(bench)
        no_complaints(bench)


def html5(folder):
    port = free_port()
    with Html5(folder) as pages, Bench(folder, f'addr=127.0.0.1,port={port},disable-ticketing=on', pages.command(port), edges=600,
                                       rim=1) as bench:
        at = bench.sees(640, 480, 0)
        bench.screen.say('paint 0 0 640 480 5')
        bench.sees(640, 480, 5)
        bench.display.do('mousemove', at[0] + 300, at[1] + 200, 'click', 1)
        typed(bench)


# ---- a guest ----

def dumped(machine):
    path = machine.folder / 'screen.ppm'
    machine.qmp.execute('screendump', {'filename': str(path)})
    return read_ppm(path)


def differs(rows, left, top, width, height, pixels):
    """How many pixels of the window are not those of the picture."""
    wrong = 0
    for y in range(height):
        row, line = rows[top + y], pixels[3 * width * y:3 * width * (y + 1)]
        shown = b''.join(word.to_bytes(4, 'big')[1:] for word in row[left:left + width])
        if shown != line:
            wrong += sum(shown[i:i + 3] != line[i:i + 3] for i in range(0, 3 * width, 3))
    return wrong


def begins(rows, left, top, width, pixels):
    """Some lines of text look right: worth a closer look."""
    return all(differs([rows[top + y]], left, 0, width, 1, pixels[3 * width * y:]) < 100 for y in range(0, 64, 3))


def guest_console(folder):
    port = free_port()
    machine = boot([*machine_args(), *GuestFiles().args('baton.display=on console=tty0 console=ttyS0'),
                    '-device', 'virtio-gpu-device,xres=800,yres=600', '-device', 'virtio-keyboard-device',
                    '-spice', f'addr=127.0.0.1,port={port},disable-ticketing=on'], seconds=180, folder=folder, name='guest')
    try:
        machine.console.run('echo seen by a person > /dev/tty1')
        with Bench(folder, None, (*SPICY, f'spice://127.0.0.1:{port}')) as bench:
            def same():
                width, height, pixels = dumped(machine)
                rows = bench.display.picture()
                return any(differs(rows, left, top, width, height, pixels) <= POINTER       # the cursor blinks, too
                           for top in range(20, 120) for left in range(0, 20) if begins(rows, left, top, width, pixels))
            wait_for(same, 60, 'the console of the guest')
            no_complaints(bench)
        machine.quit()
    finally:
        machine.close()


TESTS = [
    ('remote_viewer_shows_resizes_and_types', remote_viewer),
    ('spice_html5_in_a_browser_draws_and_types', html5),
    ('spicy_shows_the_console_of_a_debian_guest', guest_console),
]


def if_full(function):
    def case(folder):
        if not FULL:
            raise Skipped('some minutes: BATON_FULL=1 runs it')
        function(folder)
    return case


if __name__ == '__main__':
    sys.exit(run_tests([(name, if_full(function)) for name, function in TESTS]))
