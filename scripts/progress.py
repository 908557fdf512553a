# scripts/progress.py - a bar for what takes long, on a terminal; plain lines elsewhere.
# SPDX-License-Identifier: GPL-2.0-or-later
import math
import shutil
import sys
import threading
import time


class Progress:
    """`with Progress('boot Linux', seconds=20): ...`: fills by what is usual, or by done() where that is known."""
    def __init__(self, what, seconds=0.0, out=None):
        self.what, self.seconds, self.out = what, seconds, out or sys.stdout
        self.part, self.note, self.log = None, '', None
        self.began, self.over = time.monotonic(), threading.Event()
        self.is_terminal = self.out.isatty()

    def done(self, part, note=''):
        self.part, self.note = part, note

    def follow(self, path):
        """The last line of a growing log is the note."""
        self.log = path

    def _last_of_log(self):
        lines = self.log.read_text(errors='replace').strip().splitlines() if self.log else []
        return lines[-1] if lines else ''

    def _line(self):
        took = time.monotonic() - self.began
        # Without a measure: two thirds at the usual time, then ever slower, never full.
        part = self.part if self.part is not None else 1 - math.exp(-1.1 * took / self.seconds) if self.seconds else 0
        filled = int(24 * min(max(part, 0), 1))
        text = f'  {self.what:28} [{"#" * filled}{"." * (24 - filled)}] {took:5.1f} s  {self.note or self._last_of_log()}'
        return text[:shutil.get_terminal_size().columns - 1]

    def _draw(self):
        while not self.over.wait(0.2):
            self.out.write('\r\033[K' + self._line())
            self.out.flush()

    def __enter__(self):
        if self.is_terminal:
            self.thread = threading.Thread(target=self._draw, daemon=True)
            self.thread.start()
        return self

    def __exit__(self, kind, why, trace):
        self.over.set()
        if self.is_terminal:
            self.thread.join()
            self.out.write('\r\033[K')
        took = time.monotonic() - self.began
        self.out.write(f'  {self.what:28} {"failed" if kind else "done"} after {took:.1f} s' +
                       (f'  {self.note}' if self.note else '') + '\n')
        self.out.flush()
