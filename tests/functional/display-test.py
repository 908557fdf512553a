#!/usr/bin/env python3
# tests/functional/display-test.py - Debian's kernel draws on virtio-gpu: its console, a program's picture, and that goes along.
# SPDX-License-Identifier: GPL-2.0-or-later
import re
import sys

from harness import HAS_SPICE, Emulator, Failed, GuestFiles, boot, deadline, left, machine_args, read_ppm, run_tests
from spice_client import Session
from spice_picture import AGENT_DATA, AGENT_START, Picture, monitors

GPU = ['-device', 'virtio-gpu-device,id=gpu0,xres=1024,yres=600,max_outputs=2']


def args(*more):
    return [*machine_args(), *GuestFiles().args('baton.display=on console=tty0 console=ttyS0'), *GPU, *more]


def screen(machine, **more):
    """Width, height and the pixels of what the screen shows, three bytes each."""
    path = machine.folder / f'{machine.name}.ppm'
    machine.qmp.execute('screendump', {'filename': str(path), **more})
    return read_ppm(path)


def pattern(width, height, number):
    """As tests/guest/painter.c draws it."""
    out = bytearray()
    for y in range(height):
        green, five = (y + 2 * number) & 255, y * 5 ^ number
        for x in range(width):
            out += bytes(((x + number) & 255, green, (x * 3 ^ five) & 255))
    return bytes(out)


def with_middle(width, height, picture, number):
    """The middle of it painted over with another pattern."""
    other, out = pattern(width, height, number), bytearray(picture)
    for y in range(height // 4, height // 4 * 3):
        begin, end = (y * width + width // 4) * 3, (y * width + width // 4 * 3) * 3
        out[begin:end] = other[begin:end]
    return bytes(out)


def expect_picture(machine, size, want, what):
    width, height, pixels = screen(machine)
    if (width, height) != size:
        raise Failed(f'{what}: the screen is {width}x{height}, not {size[0]}x{size[1]}')
    if pixels != want:
        wrong = [i // 3 for i in range(0, len(want), 3) if pixels[i:i + 3] != want[i:i + 3]]
        x, y = wrong[0] % width, wrong[0] // width
        raise Failed(f'{what}: {len(wrong)} pixels of {width * height} are wrong, the first at {x},{y}: '
                     f'{pixels[wrong[0] * 3:wrong[0] * 3 + 3].hex()}, not {want[wrong[0] * 3:wrong[0] * 3 + 3].hex()}')


def paint(machine, command, number):
    machine.console.send(f'{command} {number}\n')
    match = machine.console.expect(rf'BATON-PAINTED {number} (\d+) (\d+)\s', 30)
    return int(match[1]), int(match[2])


def expect_console_text(machine, size):
    text = machine.console.run('cat /sys/class/graphics/fb0/virtual_size')
    if f'{size[0]},{size[1]}' not in text:
        raise Failed(f'the guest has a framebuffer of {text}')
    machine.console.run('echo BATON > /dev/tty1')
    until = deadline(20)
    while True:                                         # the kernel draws its text when it has time
        width, height, pixels = screen(machine)
        if (width, height) != size:
            raise Failed(f'the screen is {width}x{height}')
        lit = sum(1 for i in range(0, len(pixels), 3) if pixels[i] > 100)
        if lit > 50:
            return
        if not left(until):
            raise Failed(f'no text on the screen: {lit} bright pixels')
        machine.console.run('true')


def expect_png(machine):
    path = machine.folder / 'screen.png'
    machine.qmp.execute('screendump', {'filename': str(path), 'format': 'png', 'device': 'gpu0', 'head': 0})
    if path.read_bytes()[:8] != b'\x89PNG\r\n\x1a\n':
        raise Failed('screendump wrote no PNG')


def expect_client_sees(machine):
    """A client has the screen that screendump tells of; the other screen is listed, and dark."""
    with Session(f'{machine.folder}/spice') as session:
        if not {(2, 0), (2, 1)} <= set(session.channels):
            raise Failed(f'channels {session.channels}')
        picture = Picture(session)
        while not picture.marked:
            picture.hear()
        until = deadline(30)
        while True:
            width, height, pixels = screen(machine)
            if (picture.width, picture.height) == (width, height) and differing(picture.rgb(), pixels) <= CURSOR:
                break
            if not left(until):
                raise Failed(f'{differing(picture.rgb(), pixels)} pixels of the client are wrong')
            machine.console.run('echo once more > /dev/tty1')
            picture.hear()
        session_wishes(machine, session)


CURSOR = 16 * 32                # pixels of the text cursor, which blinks


def differing(a, b):
    return sum(a[i:i + 3] != b[i:i + 3] for i in range(0, min(len(a), len(b)), 3)) + abs(len(a) - len(b))


def modes(machine, output):
    return machine.console.run(f'cat /sys/class/drm/card0-Virtual-{output}/modes')


def session_wishes(machine, session):
    """The windows of a client have other sizes: the guest's driver hears of both.  (Its console cannot become larger.)"""
    session.main.say(AGENT_START, b'\xff\xff\xff\xff')
    session.main.say(AGENT_DATA, monitors((936, 504), (648, 488)))
    for output, size in ((1, '936x504'), (2, '648x488')):
        until = deadline(30)
        while not re.search(rf'^\s*{size}\s*$', modes(machine, output), re.M):
            if not left(until):
                raise Failed(f'output {output} has no mode {size}: {modes(machine, output)}')
    session.main.say(AGENT_DATA, monitors((1024, 600)))
    until = deadline(30)
    while '648x488' in modes(machine, 2) or '1024x600' not in modes(machine, 1):
        if not left(until):
            raise Failed(f'the modes stay: {modes(machine, 1)} {modes(machine, 2)}')


def handover(source, destination, uri):
    source.qmp.execute('migrate', {'uri': uri})
    destination.qmp.event('RESUME', 60)
    source.quit()


def pictures_go_with_the_guest(folder):
    spice = ['-spice', f'unix=on,addr={folder}/spice,disable-ticketing=on'] if HAS_SPICE else []
    first = boot(args(*spice), name='vm1', folder=folder)
    second = third = None
    try:
        expect_console_text(first, (1024, 600))
        if HAS_SPICE:
            expect_client_sees(first)
        expect_png(first)
        first.console.send('painter\n')
        match = first.console.expect(r'BATON-PAINTED 0 (\d+) (\d+)\s', 30)
        size = int(match[1]), int(match[2])
        expect_picture(first, (1024, 600), pattern(*size, 0), 'the first picture')
        paint(first, 'paint', 77)
        paint(first, 'pointer', 5)
        paint(first, 'part', 200)
        want = with_middle(*size, pattern(*size, 77), 200)
        expect_picture(first, size, want, 'before the handoff')
        second = Emulator(args('-incoming', f'unix:{folder}/one'), 'vm2', folder=folder)
        handover(first, second, f'unix:{folder}/one')
        expect_picture(second, size, want, 'at the destination')
        paint(second, 'part', 31)
        want = with_middle(*size, want, 31)
        expect_picture(second, size, want, 'drawn at the destination')
        third = Emulator(args('-incoming', f'unix:{folder}/two'), 'vm3', folder=folder)
        handover(second, third, f'unix:{folder}/two')
        expect_picture(third, size, want, 'at the next destination')
        paint(third, 'paint', 8)
        expect_picture(third, size, pattern(*size, 8), 'drawn there')
        third.console.send('quit\n')
        third.quit()
    finally:
        for machine in filter(None, (first, second, third)):
            machine.close()


if __name__ == '__main__':
    sys.exit(run_tests([('pictures_go_with_the_guest', pictures_go_with_the_guest)]))
