# tests/functional/keys.py - keys that are sent, and what tests/guest/input-watch.c says it has read.
# SPDX-License-Identifier: GPL-2.0-or-later
import re

from harness import Failed, deadline, left

EV_SYN, EV_KEY, SYN_DROPPED = 0, 1, 3
ROWS = {'1234567890': 2, 'qwertyuiop': 16, 'asdfghjkl': 30, 'zxcvbnm': 44}     # the first key of each row in Linux codes
CODES = {name: first + i for row, first in ROWS.items() for i, name in enumerate(row)}
CODES |= {'ctrl': 29, 'shift': 42, 'f5': 63}
TYPED = [name for row in ROWS for name in row]
LINE = re.compile(rb'(?<![A-Z])E (\d+) (\d+) (\d+) (-?\d+)\r?$', re.M)
DEVICE = re.compile(rb'BATON-INPUT-DEVICE (\d+) ([^\r\n]+)')


def keys_of(count):
    """Names in an order in which a lost, doubled or exchanged one shows: neighbours differ, and so do their neighbours."""
    return [TYPED[(n * 7 + n // len(TYPED)) % len(TYPED)] for n in range(count)]


def key(name, down):
    return {'type': 'key', 'data': {'key': {'type': 'qcode', 'data': name}, 'down': down}}


class Watch:
    """What the guest has printed, on the consoles of all processes that had it, one after another."""
    def __init__(self, machines):
        self.machines = machines

    def text(self):
        return b''.join(bytes(m.console.reader.data) for m in self.machines)

    def events(self):
        """(device, type, code, value)"""
        text = self.text()
        if b'BATON-GUEST-ERROR' in text:
            raise Failed(text[text.index(b'BATON-GUEST-ERROR'):][:200].decode(errors='replace'))
        return [tuple(int(x) for x in m) for m in LINE.findall(text)]

    def of(self, events, name):
        """(type, code, value) of the device whose name has this word."""
        numbers = {int(n) for n, text in DEVICE.findall(self.text()) if name.encode() in text}
        return [e[1:] for e in events if e[0] in numbers]

    def key_changes(self, events):
        """(code, down); what the guest repeats by itself (2) is left out."""
        changes = self.of(events, 'Keyboard')
        if (EV_SYN, SYN_DROPPED, 0) in changes:
            raise Failed("the guest's own queue ran over")
        return [(code, value) for kind, code, value in changes if kind == EV_KEY and value < 2]

    def expect(self, right, what, seconds=30):
        """Waits until right(events)."""
        until = deadline(seconds)
        while not right(self.events()):
            console = self.machines[-1].console.reader
            if console.closed or not left(until):
                raise Failed(f'{what}: the guest read {self.events()[-40:]}')
            with console.changed:
                console.changed.wait(0.05)              # what is missing may come from an earlier process

    def expect_keys(self, names, seconds=30):
        """All of them go down and up, once and in order, and nothing else does."""
        want = [(CODES[name], down) for name in names for down in (1, 0)]

        def enough(events):
            return len(self.key_changes(events)) >= len(want)
        self.expect(enough, f'{len(names)} keys', seconds)
        got = self.key_changes(self.events())
        if got != want:
            first = next(i for i, (a, b) in enumerate(zip(got + [None], want + [None])) if a != b)
            raise Failed(f'change {first} of {len(want)}: {got[max(first - 3, 0):first + 5]} instead of '
                         f'{want[max(first - 3, 0):first + 5]}; {len(got)} were read')
