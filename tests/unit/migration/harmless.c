/* tests/unit/migration/harmless.c - the mutants that nothing catches, and why they do no harm.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * docs/handoff.md has them from here: scripts/handoff-tables.py. */
#include "mutants.h"

const Harmless harmless[] = {
    {"outgoing: device + STATE_SENT (one-way): always", "STATE_SENT is posted one-way only"},
    {"outgoing: parked + CONT: does thaw_and_start", "the closed channel says the same"},
    {"outgoing: parked + CANCEL: does thaw", "the closed channel says the same"},
    {"outgoing: send_run: run_sent before send",
     "the copies arrive before RUN instead of behind it, and wait there as the others do"},
    {"outgoing: cancel_and_thaw: without send", "the closed channel says the same"},
    {"outgoing: cancel_and_thaw: does not say CANCEL", "the closed channel says the same"},
    {"outgoing: cancel_and_thaw: thaw before hang up", "neither step sees what the other does"},
    {"outgoing: cancel_and_start: without send", "the closed channel says the same"},
    {"outgoing: cancel_and_start: does not say CANCEL", "the closed channel says the same"},
    {"outgoing: cancel_and_start: thaw before hang up", "neither step sees what the other does"},
    {"outgoing: send_release: released before send", "neither step sees what the other does"},
    {"outgoing: send_release: without released", "copies go to the destination just so, and nobody takes back what is kept"},
    {"outgoing: send_release: leave before released", "neither step sees what the other does"},
    {"outgoing: release_source: released before leave", "neither step sees what the other does"},
    {"outgoing: completed + TAIL_DONE: does leave_network", "the tail has ended: nothing reaches the source any more"},
    {"outgoing: take_back: take back before hang up", "neither step sees what the other does"},
    {"outgoing: end_one_way: hang up before leave", "neither step sees what the other does"},
    {"outgoing: close_channels: without hang up", "DRAINED follows, and its thaw hangs up"},
    {"outgoing: thaw: thaw before hang up", "neither step sees what the other does"},
    {"outgoing: thaw_and_start: without hang up", "where it is done there is no channel any more"},
    {"outgoing: thaw_and_start: thaw before hang up", "neither step sees what the other does"},
    {"outgoing: thaw_alone: take back before hang up", "neither step sees what the other does"},
    {"incoming: loading + LOADED (no source to ask, stays stopped): does report",
     "report stands as take does, and says a line more"},
    {"incoming: running + TAIL_END: does own_and_start", "CONT changes nothing where the guest runs"},
    {"incoming: starting + REFUSED (no source to ask): does take",
     "take stands as report does; the reason is in query-migrate, a line on stderr is missing"},
    {"incoming: listening, active, loading, ready, parked, asked + CANCEL: not in listening",
     "the closed channel says the same"},
    {"incoming: send_ready_parked: send before stand", "RUN is read by the thread that does both"},
    {"incoming: abandon: abandon before send", "neither step sees what the other does"},
};
const unsigned harmless_count = G_N_ELEMENTS(harmless);
