# tests/handoff/footprint.py - what a process holds: memory of the guest and of its own, descriptors, threads.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Footprint(pid, guest_bytes) is one look from outside, by /proc.  grown(first, last) compares looks at the same point of a life.

Of the guest's memory as much is there as has been touched, never more than its size: it is told, not judged.

Of some looks the smallest counts: an allocator keeps a spare piece or not, what leaks is in every look.
"""
import os
import re
from collections import Counter
from pathlib import Path

ALLOWED = 0.01                                  # growth, as a share
SPARE_KB = 64                                   # less than this is no figure: a page table more, a buffer of the C library


def mappings(pid):
    """(name, size in kB, resident kB of its own) of each."""
    name, size, own = '', 0, 0
    for line in Path(f'/proc/{pid}/smaps').read_text().splitlines():
        words = line.split()
        if re.match(r'[0-9a-f]+-[0-9a-f]+$', words[0]):
            if size:
                yield name, size, own
            first, end = (int(text, 16) for text in words[0].split('-'))
            name, size, own = words[5] if len(words) > 5 else '', (end - first) // 1024, 0
        elif words[0] in ('Private_Dirty:', 'Private_Clean:', 'Shared_Dirty:') and not name.startswith('/'):
            own += int(words[1])
    if size:
        yield name, size, own


def descriptors(pid):
    """What each one is, without the numbers of the process."""
    kinds = Counter()
    for fd in os.listdir(f'/proc/{pid}/fd'):
        try:
            target = os.readlink(f'/proc/{pid}/fd/{fd}')
        except OSError:
            continue
        kinds[re.sub(r':\[\d+\]$|(?<=^/proc)/\d+(/task/\d+)?|(?<=/vm)\d+(?=\.)', '', target)] += 1
    return kinds


def threads(pid):
    """By name; those of a pool come and go with the work."""
    names = Counter()
    for tid in os.listdir(f'/proc/{pid}/task'):
        try:
            name = Path(f'/proc/{pid}/task/{tid}/comm').read_text().strip()
        except OSError:
            continue
        if not name.startswith('pool'):
            names[name] += 1
    return names


class Footprint:
    def __init__(self, pid, guest_bytes):
        self.guest_kb = self.own_kb = 0
        self.size_kb = guest_bytes // 1024
        for _, size, own in mappings(pid):
            if size >= self.size_kb:
                self.guest_kb += own
            else:
                self.own_kb += own
        self.descriptors, self.threads = descriptors(pid), threads(pid)

    def __str__(self):
        return (f'guest {self.guest_kb} kB, own {self.own_kb} kB, {sum(self.descriptors.values())} descriptors, '
                f'{sum(self.threads.values())} threads')


def least(looks, what):
    return min(getattr(look, what) for look in looks)


def grown(first, last, with_guest=False):
    """What is wrong, as a list: the looks at the end against those at the start.

    with_guest: a guest that works lets its process decode more of its code, so the share is one of the whole process.
    """
    before, after = least(first, 'own_kb'), least(last, 'own_kb')
    whole = before + (first[0].size_kb if with_guest else 0)
    wrong = [f'own memory grew from {before} to {after} kB'] if after > before + whole * ALLOWED + SPARE_KB else []
    for what in ('descriptors', 'threads'):
        before = getattr(first[0], what)
        for look in [*first, *last]:
            if getattr(look, what) != before:
                more, fewer = getattr(look, what) - before, before - getattr(look, what)
                wrong.append(f'{what}: {dict(more)} more, {dict(fewer)} fewer than at the start')
                break
    return wrong


def summary(first, last):
    return (f'own memory {least(first, "own_kb")} -> {least(last, "own_kb")} kB, guest {least(first, "guest_kb")} -> '
            f'{least(last, "guest_kb")} kB, {sum(first[0].descriptors.values())} -> '
            f'{sum(last[-1].descriptors.values())} descriptors, {sum(first[0].threads.values())} -> '
            f'{sum(last[-1].threads.values())} threads')
