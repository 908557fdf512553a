#!/usr/bin/env python3
# tests/handoff/wire-test.py - every message of a handoff cut, damaged, delayed; every process killed and frozen.
# SPDX-License-Identifier: GPL-2.0-or-later
"""First each flow goes over an unbroken wire, which lists the messages there are; then they are broken.

usage: wire-test.py [--seeds N] [--first N] [--seed N] [--case 'transport=tcp at=>RUN#1 fault=cut ...'] [--jobs N]
                    [--survey] [--all [--step N]]
--seed and --case do one case and keep its files; --all is each fault at each message in each flow.
"""
import argparse
import atexit
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from wire_case import ACTS, FLOWS, TRANSPORTS, Case, random_case, run_case, wires
from pair import base

# Numbers that wire.h has and no flow of ours sends.
UNUSED = {'SHUT': 'nobody sends it', 'SWITCHOVER_START': 'accepted, not sent', 'SETUP': 'no device has setup state'}


# What was found once, and how it has to end.
FOUND = [
    ('at=>RUN#1 fault=damage byte=8', 'at the source'),                     # the destination waited for a better RUN
    ('at=<READY#1 fault=damage byte=6', 'at the source'),                   # the guest stood still until the deadline
    ('at=>RUN#1 fault=vanish', 'recovered at the source'),                  # packets put the deadline off
    ('at=<VM_STARTED#1 fault=damage byte=9', 'at the destination'),
    ('flow=parked at=>MESSAGE.netpass.1#2 fault=freeze-destination for_s=2 act=cancel', 'at the source'),
    ('flow=taken-back at=>CANCEL#1 fault=damage byte=2 bit=0', 'at the source'),   # by one bit it was RELEASE
    ('flow=refused at=<GIVE_BACK#1 fault=damage byte=8', 'recovered at the source'),
    ('flow=released at=>RELEASE#1 fault=delay for_s=0.3', 'at the destination'),    # what came meanwhile was left out
    ('transport=unix flow=released at=>RELEASE#1 fault=delay act=quit-source for_s=0.1', 'at the destination'),
    ('transport=fd flow=released at=>MESSAGE.netpass.1#1 fault=delay for_s=2', 'at the destination'),   # END was too early
]


def protocol():
    """The messages that the program's own header names."""
    text = (base.ROOT / 'migration/wire.h').read_text()
    return {'>' + n for n in re.findall(r'\bCMD_([A-Z_]+)\b', text)} | {'<' + n for n in re.findall(r'\bRP_([A-Z_]+)\b', text)}


FOLDER = Path(tempfile.gettempdir()) / f'baton-wire-{os.getpid()}'


def clear_away(pid, report):
    """At the end, whatever it is; what failed is kept."""
    if os.getpid() == pid and not report.failed:
        shutil.rmtree(FOLDER, ignore_errors=True)


def attempt(job):
    """In a process of its own."""
    label, case, *expected = job
    folder = Path(tempfile.mkdtemp(dir=FOLDER))
    began = time.monotonic()
    for number in range(base.TRIES):
        tried = folder / str(number + 1)
        tried.mkdir()
        done = run_case(case, tried)
        if not done['is_late'] and (done['hit'] or done['error'] or not expected):
            break
        if expected and not done['hit']:    # then its fault has to come about: a slow machine misses short deadlines
            case = replace(case, deadlines='normal')
    done['error'] = done['error'] or base.findings(tried)
    if expected and not done['error'] and expected[0] != done['result']:
        done['error'] = f"it ended {done['result']}, not {expected[0]}"
    if done['error']:
        done['error'] += f'\nfiles kept in {folder}'
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return label, case, done, done['error'], time.monotonic() - began


def waiting(job):
    """How long it only waits: the longest begin first, so that nobody waits for the last one alone."""
    return job[1].for_s if job[1].fault.startswith(('freeze', 'vanish')) else 0


class Report:
    def __init__(self):
        self.number = self.failed = 0
        self.results, self.hits, self.began = Counter(), 0, time.monotonic()

    def line(self, name, error, seconds=None):
        self.number += 1
        self.failed += bool(error)
        print(f"{'not ok' if error else 'ok'} {self.number} - {name}"
              + (f' # {seconds:.1f} s' if seconds is not None and not error else ''), flush=True)
        for text in error.splitlines():
            print(f'# {text}', flush=True)

    def case(self, outcome):
        label, case, done, error, seconds = outcome
        self.results[done['result']] += 1
        self.hits += bool(done['hit'])
        if error:
            error += f"\nreplay: {sys.argv[0]} --case '{case}'"
        self.line(f'{label}: {case} -> {done["result"]}', error, seconds)

    def end(self):
        print(f'1..{self.number}')
        print(f'# {self.number - self.failed} of {self.number} kept their promise; the fault happened in {self.hits}; '
              f'{time.monotonic() - self.began:.0f} s; '
              + ', '.join(f'{n} {what}' for what, n in self.results.most_common()), flush=True)
        return 1 if self.failed else 0


def survey(pool, report):
    """Every flow on every transport without a fault: that it works is a case, the messages are the list of the rest."""
    jobs = [(f'unbroken, {t}, {f}', Case(transport=t, flow=f, deadlines='normal')) for t in TRANSPORTS for f in FLOWS]
    surveys, seen = {}, set()
    for outcome in pool.imap(attempt, jobs):
        report.case(outcome)
        case, keys = outcome[1], outcome[2]['keys']
        surveys[case.transport, case.flow] = keys
        seen |= {key.split('#')[0].split('.')[0].replace('READY_PARKED', 'READY') for key in keys}
    missing = {name for name in protocol() - seen if name[1:] not in UNUSED}
    missing -= {'<ERROR', '<MESSAGE'}                   # the first follows a fault; the second, much traffic or a refusal
    report.line('the flows send every message of the protocol', f'never seen: {sorted(missing)}' if missing else '')
    return surveys


def matrix(surveys):
    """Each fault at the first and the last message of each name; acts there with the wire whole, cut or damaged and either
    process killed or stopped."""
    for transport in TRANSPORTS:
        for flow in FLOWS:
            keys = surveys[transport, flow]
            last = {key.split('#')[0]: key for key in keys}
            for key in [k for k in keys if k.endswith('#1')] + [k for k in last.values() if not k.endswith('#1')]:
                for fault in wires.FAULTS[1:]:
                    for byte in ('0', 'half', 'end') if fault == 'cut' else ('0', 'half') if fault == 'damage' else ('0',):
                        yield Case(transport, flow, key, fault, byte)
                for act in ACTS[1:]:
                    for fault in ('delay', 'cut', 'kill-source', 'kill-destination', 'freeze-source', 'freeze-destination',
                                  'damage'):
                        yield Case(transport, flow, key, fault, '0', act, for_s=0.1 if fault == 'delay' else 2.0)


def jobs_of(args, surveys):
    if args.case:
        return [('case', Case.parse(args.case))]
    if args.seed is not None:
        return [(f'seed {args.seed}', random_case(args.seed, surveys))]
    if args.all:
        cases = list(matrix(surveys))
        return [('matrix', case) for case in cases[args.first - 1::args.step]]
    return [(f'seed {n}', random_case(n, surveys)) for n in range(args.first, args.first + args.seeds)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, default=1000 if base.FULL else 120)
    parser.add_argument('--first', type=int, default=1)
    parser.add_argument('--seed', type=int)
    parser.add_argument('--case')
    parser.add_argument('--survey', action='store_true')
    parser.add_argument('--all', action='store_true')
    parser.add_argument('--step', type=int, default=1, help='with --all: every so many, from --first on')
    parser.add_argument('--jobs', type=int, default=(os.cpu_count() or 1) + 1)
    args = parser.parse_args()
    report = Report()
    base.exit_when_told()
    FOLDER.mkdir()
    atexit.register(clear_away, os.getpid(), report)
    with multiprocessing.get_context('fork').Pool(args.jobs, base.end_with_parent, maxtasksperchild=8) as pool:
        surveys = {} if args.case else survey(pool, report)
        if args.survey:
            print(json.dumps({' '.join(k): v for k, v in surveys.items()}, indent=1))
        else:
            found = [] if args.case or args.seed is not None or args.all else FOUND
            jobs = [('found before', Case.parse(text), end) for text, end in found] + jobs_of(args, surveys)
            for outcome in pool.imap_unordered(attempt, sorted(jobs, key=waiting, reverse=True)):
                report.case(outcome)
    return report.end()


if __name__ == '__main__':
    sys.exit(main())
