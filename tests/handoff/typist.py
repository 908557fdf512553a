# tests/handoff/typist.py - somebody who types while a guest changes its process.
# SPDX-License-Identifier: GPL-2.0-or-later
import threading

from pair import Failed
from harness import deadline, left

AHEAD = 8               # keys that the guest has not read yet: evdev keeps 64 events and drops what comes then


class Typist(threading.Thread):
    """Calls press(name) for each, no faster than the guest reads."""
    def __init__(self, watch, names, press):
        super().__init__(daemon=True)
        self.watch, self.names, self.press = watch, names, press
        self.typed, self.error = 0, None
        self.first = 0          # those before it were typed by somebody else

    def run(self):
        try:
            for self.typed, name in list(enumerate(self.names))[self.first:]:
                self.keep_pace()
                self.press(name)
            self.typed = len(self.names)
        except Exception as why:                    # whoever waits for us tells it
            self.error = why

    def keep_pace(self):
        until = deadline(60)
        while len(self.watch.key_changes(self.watch.events())) < 2 * (self.typed - AHEAD):
            console = self.watch.machines[-1].console.reader
            with console.changed:
                console.changed.wait(0.02)          # it may be the other one that prints
            if not left(until):
                raise Failed(f'key {self.typed}: the guest reads no more')

    def until(self, count):
        """Waits until so many keys are typed."""
        until = deadline(120)
        while self.typed < count and self.is_alive():
            self.join(0.01)
            if not left(until):
                raise Failed(f'only {self.typed} of {count} keys are typed')
        if self.error:
            raise self.error

    def finish(self):
        """Types on to the end; all are read, once and in order."""
        self.until(len(self.names))
        self.watch.expect_keys(self.names)
