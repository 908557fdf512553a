# bench/handoff/quiet.py - a pair of emulators whose observer gives way.
# SPDX-License-Identifier: GPL-2.0-or-later
import contextlib
import os
import threading

from pair import Pair


class QuietPair(Pair):
    """What measures gives way: our own threads wake up in the pause, and take no processor from who is measured."""
    def begin(self, uri):
        wake_up_as(os.SCHED_BATCH)
        return super().begin(uri)

    def finish(self, *args):
        try:
            return super().finish(*args)
        finally:
            wake_up_as(os.SCHED_OTHER)      # whom we start inherits it


def wake_up_as(policy):
    for thread in threading.enumerate():
        with contextlib.suppress(ProcessLookupError):       # it has just ended
            os.sched_setscheduler(thread.native_id, policy, os.sched_param(0))
