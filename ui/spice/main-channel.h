/* ui/spice/main-channel.h - the channel that a session begins with.  Owner: main loop (vm_lock).  Page: docs/spice.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "agent.h"
#include "channel.h"

typedef struct MainState {              /* S1: to the main channel of the same session */
    bool has_attached;                  /* it was told the channels */
    bool owes_mouse_mode;               /* it has not heard of the latest modes */
    AgentClientState agent;
} MainState;

typedef struct MainChannel {
    SpiceChannel c;
    MainState st;
    LoopTimer *ping;                    /* rebuilt */
    uint32_t ping_id;
    uint32_t echo_id;                   /* of the first one on this connection: its answer is behind what was said before; 0 */
    uint64_t missed[2];                 /* channels that came while the guest was on its way: bits 1 << id, ports and WebDAV */
    int64_t pinged_ns, round_trip_ns;   /* measured again */
    enum { PROBE_WARM, PROBE_EMPTY, PROBE_FULL, PROBE_DONE } probe; /* what the pong will be for */
} MainChannel;

void main_tell_shared(SpiceChannel *c); /* the time of sound and video, and the mouse modes */
void main_tell_mouse_mode(SpiceChannel *c);
void main_tell_channel(SpiceChannel *c, uint8_t type, uint8_t id); /* one that came later */
