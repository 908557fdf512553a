/* ui/spice/replay.c - acknowledge and replay: the client keeps what the guest does not have yet.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay.h"
#include "channel.h"
#include "known.h"

#include <spice/protocol.h>

/* ---- both sides ---- */

static const struct {
    uint8_t channel;
    uint16_t first, last;
} counted[] = {
    {SPICE_CHANNEL_INPUTS, SPICE_MSGC_INPUTS_KEY_DOWN, SPICE_MSGC_INPUTS_KEY_SCANCODE},
    {SPICE_CHANNEL_INPUTS, SPICE_MSGC_INPUTS_MOUSE_MOTION, SPICE_MSGC_INPUTS_MOUSE_RELEASE},
    {SPICE_CHANNEL_MAIN, SPICE_MSGC_MAIN_MOUSE_MODE_REQUEST, SPICE_MSGC_MAIN_AGENT_TOKEN},
    {SPICE_CHANNEL_PORT, SPICE_MSGC_SPICEVMC_DATA, SPICE_MSGC_SPICEVMC_COMPRESSED_DATA},
    {SPICE_CHANNEL_PORT, SPICE_MSGC_PORT_EVENT, SPICE_MSGC_PORT_EVENT},
    {SPICE_CHANNEL_WEBDAV, SPICE_MSGC_SPICEVMC_DATA, SPICE_MSGC_SPICEVMC_COMPRESSED_DATA},
    {SPICE_CHANNEL_WEBDAV, SPICE_MSGC_PORT_EVENT, SPICE_MSGC_PORT_EVENT},
};

bool replay_counts(uint8_t channel_type, uint16_t message)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(counted); i++) {
        if (counted[i].channel == channel_type && message >= counted[i].first && message <= counted[i].last) {
            return true;
        }
    }
    return false;
}

SpiceCaps replay_offer(const SpiceCaps *client)
{
    static const unsigned ours[] = {REPLAY_CAP, KNOWN_CAP, RESUME_CAP};
    SpiceCaps caps = {{0}};

    for (unsigned i = 0; i < G_N_ELEMENTS(ours); i++) {
        if (caps_has(client, ours[i])) {
            caps_set(&caps, ours[i]);
        }
    }
    return caps;
}

/* ---- the server ---- */

bool replay_says(uint16_t message)
{
    return message >= REPLAY_COMMIT && message <= REPLAY_ADOPT;
}

static bool has_numbers(uint8_t type)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(counted); i++) {
        if (counted[i].channel == type) {
            return true;
        }
    }
    return false;
}

static void say_commit(SpiceChannel *c)
{
    GByteArray *b = g_byte_array_new();

    loop_timer_cancel(c->replay.commit);
    c->replay.told = c->replay.st.taken;
    c->replay.bytes = 0;
    put_u64(b, c->replay.st.taken);
    spice_send(c, REPLAY_COMMIT, b);
}

static void say_commit_now(void *opaque)
{
    say_commit(opaque);
}

void replay_open(SpiceChannel *c)
{
    c->replay.resumes = caps_has(&c->common, RESUME_CAP);
    c->replay.is_on = caps_has(&c->common, REPLAY_CAP) && has_numbers(c->st.type);
    c->replay.st.replays = c->replay.is_on;
    if (c->replay.is_on) {
        c->replay.commit = loop_timer_new(say_commit_now, c);
    }
}

void replay_begin(SpiceChannel *c, bool is_known)
{
    GByteArray *adopt, *window;

    if (!c->replay.is_on) {
        return;
    }
    adopt = g_byte_array_new();
    window = g_byte_array_new();
    c->replay.st.taken = is_known ? c->replay.st.taken : 0;
    c->replay.told = c->replay.st.taken;
    c->replay.bytes = 0;
    put_u64(adopt, is_known ? c->replay.st.taken + 1 : 0);
    put_u32(adopt, is_known && c->kind->partial ? c->kind->partial(c) : 0);
    put_u32(window, REPLAY_WINDOW_BYTES);
    put_u32(window, REPLAY_WINDOW_MESSAGES);
    spice_send(c, REPLAY_WINDOW, window);
    spice_send(c, REPLAY_ADOPT, adopt);
}

void replay_taken(SpiceChannel *c, uint16_t type, uint32_t size)
{
    if (!c->replay.is_on || !replay_counts(c->st.type, type)) {
        return;
    }
    c->replay.st.taken++;
    c->replay.bytes += size;
    if (c->replay.st.taken - c->replay.told >= REPLAY_COMMIT_MESSAGES || c->replay.bytes >= REPLAY_COMMIT_BYTES) {
        say_commit(c);
    } else if (!loop_timer_pending(c->replay.commit)) {
        loop_timer_set(c->replay.commit, time_monotonic_ns() + REPLAY_COMMIT_NS);
    }
}

void replay_stop(SpiceChannel *c)
{
    if (c->replay.commit) {
        loop_timer_cancel(c->replay.commit);
    }
}

void replay_free(SpiceChannel *c)
{
    loop_timer_free(c->replay.commit);
}
