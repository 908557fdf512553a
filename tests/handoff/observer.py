# tests/handoff/observer.py - what happened to a guest, seen from outside of both emulators.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The bare guest's counters are read from the emulator's memory through /proc, so also of a process that is stopped or says
nothing; its ticks from both serial lines; its disk writes from the image.  Nothing here believes an emulator's report.
"""
import os
import re
import struct
import threading
import time
from pathlib import Path

from pair import Failed

COUNTERS_AT = 0x200000                          # from the start of guest memory: tests/guest/bare/bare.ld
COUNTERS_MAGIC = 0x4241544f4e434e54
FIELDS = ('magic', 'ticks', 'late_ticks', 'frames_in', 'frames_out', 'bad_sums', 'no_tx_room', 'echo_sent', 'stream_sent',
          'sectors_asked', 'sectors_flushed', 'disk_errors', 'dirty_rounds', 'dirty_wrong', 'echo_received',
          'echo_duplicated', 'echo_reordered', 'echo_highest', 'echo_ancient')
SECTOR = 512
MAPPING_MAX = 4 << 30                           # a sanitizer's shadow is not guest memory
NOISE_STEP_S = 0.002


class Memory:
    """The memory of a process that holds a bare guest."""
    def __init__(self, pid, size):
        self.pid, self.size, self.base = pid, size, None

    def _candidates(self):
        for line in Path(f'/proc/{self.pid}/maps').read_text().splitlines():
            span, rights = line.split()[:2]
            first, end = (int(text, 16) for text in span.split('-'))
            if rights.startswith('rw') and self.size <= end - first <= MAPPING_MAX:
                first = (first + 0x1fffff) & ~0x1fffff
                yield from range(first, end - self.size + 1, 0x200000)

    def _find(self, fd):
        for base in self._candidates():
            if os.pread(fd, 8, base + COUNTERS_AT) == COUNTERS_MAGIC.to_bytes(8, 'little'):
                return base
        return None

    def counters(self):
        """None: no guest there (any more)."""
        try:
            fd = os.open(f'/proc/{self.pid}/mem', os.O_RDONLY)
        except OSError:
            return None
        try:
            if self.base is None:
                self.base = self._find(fd)
            if self.base is None:
                return None
            data = os.pread(fd, 8 * len(FIELDS), self.base + COUNTERS_AT)
        except OSError:
            return None
        finally:
            os.close(fd)
        return dict(zip(FIELDS, struct.unpack(f'<{len(FIELDS)}Q', data))) if len(data) == 8 * len(FIELDS) else None


class Noise(threading.Thread):
    """How long this machine made a process wait that had nothing but a short sleep to do."""
    def __init__(self):
        super().__init__(daemon=True)
        self.late, self.ended = [], False
        self.start()

    def run(self):
        while not self.ended:
            before = time.time()
            time.sleep(NOISE_STEP_S)
            over = time.time() - before - NOISE_STEP_S
            if over > NOISE_STEP_S:
                self.late.append((before, over))

    def between(self, first, last):
        """The sum of what it was late, seconds of CLOCK_REALTIME."""
        return sum(over for at, over in list(self.late) if first - over <= at <= last)

    def stop(self):
        self.ended = True


def run_delay(pid, all_threads=True):
    """Seconds for which threads of this process were ready to run and another process had the processor."""
    names = os.listdir(f'/proc/{pid}/task') if all_threads else [str(pid)]
    total = 0
    for name in names:
        try:
            total += int(Path(f'/proc/{pid}/task/{name}/schedstat').read_text().split()[1])
        except (OSError, IndexError):
            pass                                # it has just ended, or this kernel does not count
    return total / 1e9


class Delays(threading.Thread):
    """run_delay() of a process from now on, of threads that end meanwhile, too."""
    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.latest, self.ended = pid, {}, threading.Event()
        self._sample()
        self.before = dict(self.latest)
        self.start()

    def _sample(self):
        try:
            for tid in os.listdir(f'/proc/{self.pid}/task'):
                self.latest[tid] = int(Path(f'/proc/{self.pid}/task/{tid}/schedstat').read_text().split()[1])
        except (OSError, IndexError):
            pass

    def run(self):
        while not self.ended.wait(NOISE_STEP_S):
            self._sample()

    def seconds(self):
        self._sample()
        return sum(ns - self.before.get(tid, 0) for tid, ns in list(self.latest.items())) / 1e9

    def stop(self):
        self.ended.set()


def ticks(*texts):
    """The numbers on the serial lines, one line after the other: a line cut in two by the handoff is whole again."""
    joined = b''.join(texts)
    return [int(n) for n in re.findall(rb'tick (\d+)\r?\n', joined[joined.find(b'READY'):])]


def check_ticks(numbers):
    if not numbers:
        raise Failed('no ticks on the serial lines')
    for before, after in zip(numbers, numbers[1:]):
        if after <= before:
            raise Failed(f'tick {after} came after tick {before}: the guest ran twice, or went back in time')
        if after != before + 1:
            raise Failed(f'ticks {before + 1} to {after - 1} are missing from the serial lines')


def check_disk(image, counters):
    """Every tick writes a sector of its own, one after the other: the image holds each write that the guest knows of, and
    at most one that was under way."""
    data = Path(image).read_bytes()
    sectors = len(data) // SECTOR
    found = []
    for at in range(1, sectors):
        raw = data[SECTOR * at:SECTOR * (at + 1)]
        number, = struct.unpack_from('>Q', raw)
        if raw != struct.pack('>Q', number) * (SECTOR // 8):
            raise Failed(f'sector {at} is torn')
        if number and number % (sectors - 1) != at - 1:
            raise Failed(f'sector {at} holds number {number}')
        if number:
            found.append(number)
    if counters['disk_errors']:
        raise Failed(f"the guest saw {counters['disk_errors']} disk errors")
    if counters['ticks'] >= sectors - 1:
        return                                  # sectors were written twice, so they cannot be counted
    asked, flushed = counters['sectors_asked'], counters['sectors_flushed']
    if flushed and flushed not in found:
        raise Failed(f'number {flushed} was flushed and is not on the disk')
    if not asked - 1 <= len(found) <= asked:
        raise Failed(f'the guest wrote {asked} sectors, {len(found)} are on the disk')


def check_frames(report, counters, may_lose=False):
    """By the client's count, and by the guest's memory for what the client sent."""
    wrong = []
    for flow in ('echo', 'from_guest'):
        for what in ('duplicated', 'reordered') + (() if may_lose else ('lost',)):
            if report[flow][what]:
                wrong.append(f'{flow}: {report[flow][what]} {what} of {report[flow]["sent"]}')
    for what in ('echo_duplicated', 'echo_reordered'):
        if counters[what]:
            wrong.append(f'in the guest: {what} {counters[what]}')
    if not may_lose and counters['echo_received'] != report['echo']['sent']:
        wrong.append(f"the guest got {counters['echo_received']} of {report['echo']['sent']} sent")
    if report['bad_frames'] or counters['bad_sums']:
        wrong.append(f"{report['bad_frames']} + {counters['bad_sums']} damaged frames")
    if wrong:
        raise Failed('; '.join(wrong))
