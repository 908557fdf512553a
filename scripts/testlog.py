# scripts/testlog.py - what meson's log of a run says: how many cases passed, failed and were skipped, and which failed.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The log is one JSON line per test; sub-tests of TAP programs are counted singly."""
import json
from collections import namedtuple

SUITES = ['quick', 'qtest', 'functional', 'handoff']
TIMEOUT_MULTIPLIER = '4'                # they are for hangs
SAID_LINES, SAID_LENGTH = 8, 400       # of a case that failed
GOOD, SKIPPED = ('OK', 'EXPECTEDFAIL', 'UNEXPECTEDPASS'), ('SKIP',)

Count = namedtuple('Count', 'passed failed skipped names')


def count(log):
    passed = failed = skipped = 0
    names = []
    for line in log.read_text().splitlines() if log.exists() else []:
        test = json.loads(line)
        lines = (test.get('stdout') or '').splitlines()
        tap_ok = sum(1 for t in lines if t.startswith('ok ') and '# SKIP' not in t)
        tap_skip = sum(1 for t in lines if t.startswith('ok ') and '# SKIP' in t)
        tap_bad = sum(1 for t in lines if t.startswith('not ok '))
        if test['result'] in GOOD:
            passed += max(tap_ok, 1)
            skipped += tap_skip
        elif test['result'] in SKIPPED:
            skipped += 1
        else:
            passed += tap_ok
            failed += max(tap_bad, 1)
            names.append('\n'.join([test['name']] + ['  ' + t for t in broken(lines)]))
    return Count(passed, failed, skipped, names)


def broken(lines):
    """The cases of a TAP program that failed, with what it says of each: the comments behind it."""
    room = 0
    for line in lines:
        if line.startswith(('ok ', 'not ok ')):
            room = SAID_LINES if line.startswith('not') else 0
        if room:
            yield line[:SAID_LENGTH]
            room -= 1
