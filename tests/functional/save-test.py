#!/usr/bin/env python3
# tests/functional/save-test.py - a guest saved to a file: readable by scripts/baton-stream, and running on from it.
# SPDX-License-Identifier: GPL-2.0-or-later
import random
import subprocess
import sys

from harness import ROOT, Emulator, Failed, bare_args, machine_args, run_tests

DAMAGES, SURVIVED = 40, 12


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
        machine.console.reader.join(20)         # it has read what was printed last
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


def load_damaged(folder, path):
    """Offers a stream to a destination; returns its exit status, or None when it took the guest."""
    machine = Emulator([*args(), '-S', '-incoming', 'defer'], folder=folder, name='damaged')
    try:
        machine.qmp.execute('migrate-set-capabilities', {'capabilities': [{'capability': 'events', 'state': True}]})
        try:
            machine.qmp.execute('migrate-incoming', {'uri': f'exec:cat {path}'})
            machine.qmp.event('MIGRATION', 20, status='completed')
            return None
        except Failed:
            status = machine.wait(10)
            if status and not machine.errors():
                raise Failed('the destination ended without a word') from None
            return status
    finally:
        machine.close()


def damage_is_survived(folder):
    """Cut, changed or doubled bytes: the destination takes the guest or ends with status 1, and never by a signal."""
    path, broken = folder / 'stream', folder / 'broken'
    save(folder, f'exec:cat > {path}')
    data, dice, outcome = path.read_bytes(), random.Random(2), {}
    cases = [('empty', b''), ('noise', dice.randbytes(5000)), ('text', b'GET / HTTP/1.0\r\n\r\n' * 10)]
    for n in range(SURVIVED):
        at = dice.randrange(len(data)) if n % 2 else len(data) - 1 - dice.randrange(min(len(data), 60000))
        cases += [(f'cut at {at}', data[:at]), (f'changed at {at}', data[:at] + bytes([data[at] ^ 0xff]) + data[at + 1:]),
                  (f'0xff at {at}', data[:at] + b'\xff' * 8 + data[at + 8:])]
    for name, bad in cases:
        broken.write_bytes(bad)
        status = load_damaged(folder, broken)
        outcome[status] = outcome.get(status, 0) + 1
        if status not in (None, 1):
            raise Failed(f'{name}: the destination ended with {status}')
        if status is None and name.split()[0] in ('empty', 'noise', 'text'):
            raise Failed(f'{name}: taken for a guest')
    print(f'# {outcome.get(None, 0)} taken, {outcome.get(1, 0)} refused')


if __name__ == '__main__':
    sys.exit(run_tests([
        ('a guest saved by exec: is a sound stream', stream_is_sound('exec:cat > {}')),
        ('a guest saved by file: is a sound stream', stream_is_sound('file:{}')),
        ('a missing byte is noticed', damage_is_seen),
        ('a saved guest runs on from its file', runs_on),
        ('a damaged stream ends in words, not in a crash', damage_is_survived),
    ]))
