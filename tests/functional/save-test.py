#!/usr/bin/env python3
# tests/functional/save-test.py - a guest saved to a file: readable by scripts/baton-stream, and running on from it.
# SPDX-License-Identifier: GPL-2.0-or-later
import random
import subprocess
import sys

from harness import ROOT, Emulator, Failed, bare_args, machine_args, run_tests

DAMAGES = 40


def args():
    return [*machine_args('64M', 2), *bare_args(), '-device', 'virtio-rng-device']


def save(folder, uri):
    """Runs the bare guest for a moment and saves it; returns the last tick it printed."""
    machine = Emulator(args(), folder=folder)
    try:
        machine.console.expect('tick 20\r?\n', 30)
        machine.qmp.execute('migrate-set-capabilities', {'capabilities': [{'capability': 'events', 'state': True}]})
        machine.qmp.execute('migrate', {'uri': uri})
        machine.qmp.event('MIGRATION', 60, status='completed')
        machine.quit()
        ticks = [line for line in bytes(machine.console.reader.data).split(b'\n') if line.startswith(b'tick ')]
        return int(ticks[-1].split()[1])
    finally:
        machine.close()


def check(path):
    return subprocess.run([sys.executable, str(ROOT / 'scripts/baton-stream'), str(path)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def stream_is_sound(uri):
    def case(folder):
        path = folder / 'stream'
        save(folder, uri.format(path))
        done = check(path)
        if done.returncode != 0 or 'machine virt' not in done.stdout:
            raise Failed(done.stdout)
        print('# ' + done.stdout.strip().replace('\n', '\n# '))
    return case


def damage_is_seen(folder):
    """A stream from which a byte was taken is never called sound."""
    path, broken = folder / 'stream', folder / 'broken'
    save(folder, f'exec:cat > {path}')
    data, dice = path.read_bytes(), random.Random(1)
    for _ in range(DAMAGES):
        at = dice.randrange(len(data))
        broken.write_bytes(data[:at] + data[at + 1:])
        if check(broken).returncode == 0:
            raise Failed(f'without byte {at} the stream is still called sound')


def runs_on(folder):
    path = folder / 'stream'
    last = save(folder, f'exec:cat > {path}')
    machine = Emulator([*args(), '-incoming', f'exec:cat {path}'], folder=folder)
    try:
        machine.qmp.event('RESUME', 30)
        first = int(machine.console.expect(r'tick (\d+)\r?\n', 30)[1])
        if not last <= first <= last + 2:
            raise Failed(f'saved at tick {last}, went on at {first}')
        machine.console.expect(f'tick {first + 20}\r?\n', 30)
        machine.quit()
    finally:
        machine.close()


if __name__ == '__main__':
    sys.exit(run_tests([
        ('a guest saved by exec: is a sound stream', stream_is_sound('exec:cat > {}')),
        ('a guest saved by file: is a sound stream', stream_is_sound('file:{}')),
        ('a missing byte is noticed', damage_is_seen),
        ('a saved guest runs on from its file', runs_on),
    ]))
