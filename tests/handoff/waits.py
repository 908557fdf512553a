# tests/handoff/waits.py - how long the host's scheduler kept the threads on a frame's way from running.
# SPDX-License-Identifier: GPL-2.0-or-later
"""A thread that is ready to run and does not get a processor waits; the kernel counts that (/proc/PID/task/TID/schedstat).

On a busy machine such waits are most of a silence, with a handoff or without.  They are measured, so that what the
emulators themselves take is what is judged.
"""
import bisect
import os
import threading
import time

STEP = 0.01


class Waits(threading.Thread):
    """Samples main loops and harts of the processes that pids() names, until stop()."""
    def __init__(self, pids, step=STEP):
        super().__init__(daemon=True)
        self.pids, self.step, self.stopped = pids, step, threading.Event()
        self.samples = []               # (time, {thread: nanoseconds waited since its start})
        self.start()

    def run(self):
        while not self.stopped.wait(self.step):
            self.samples.append((time.time(), {k: v for pid in self.pids() for k, v in waited(pid)}))

    def stop(self):
        self.stopped.set()
        self.join()

    def within(self, begin, end):
        """Milliseconds, of all threads together, between the samples around these times."""
        first = max(0, bisect.bisect_right(self.samples, begin, key=lambda s: s[0]) - 1)
        last = bisect.bisect_left(self.samples, end, key=lambda s: s[0])
        latest = {}
        for _, threads in self.samples[first:last + 1]:
            latest.update(threads)      # of a process that ended meanwhile, too
        before = self.samples[first][1] if self.samples else {}
        return sum(ns - before.get(thread, 0) for thread, ns in latest.items()) / 1e6


def waited(pid):
    """The threads that a frame passes: main loop and harts."""
    try:
        for tid in os.listdir(f'/proc/{pid}/task'):
            folder = f'/proc/{pid}/task/{tid}'
            with open(f'{folder}/comm', encoding='ascii', errors='replace') as comm:
                if int(tid) != pid and not comm.read().startswith('hart'):
                    continue
            with open(f'{folder}/schedstat', encoding='ascii') as stat:
                yield int(tid), int(stat.read().split()[1])
    except OSError:
        pass                            # it has ended, or this kernel does not count
