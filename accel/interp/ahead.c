/* accel/interp/ahead.c - a guest that changes process finds its code decoded: the source says which blocks it has used,
 * the destination decodes them while the guest still runs over there.
 * A hint: what cannot be decoded is left out, what a later page overwrites is dropped like after any other store, and
 * neither side waits longer than AHEAD_WAIT_NS.  Guarded by: `mutex` (a leaf); `worker` belongs to the main loop.
 * Docs: docs/cpu.md, docs/migration-stream.md.  Tests: tests/unit/accel/ahead-test.c, tests/handoff/code-test.py.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/interp.h"
#include "accel/interp/blocks.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"
#include "vmstate/vmstate.h"

#include <string.h>

#define AHEAD_BLOCKS_MAX 32768u
#define AHEAD_WAIT_NS (250 * NS_PER_MS)
#define AHEAD_DECODE_NS (150 * NS_PER_MS) /* what ran lately comes first in a list */
#define AHEAD_STEP_NS (5 * NS_PER_MS) /* between two looks whether the handoff is still wanted */

enum { AHEAD_LIST = 1, AHEAD_DONE = 2 };

static GMutex mutex;
static GCond done;
static bool is_waiting; /* source: for AHEAD_DONE */
static GThread *worker; /* destination */
static _Atomic bool stop;
static HandoffPart part;

static void set_waiting(bool on)
{
    g_mutex_lock(&mutex);
    is_waiting = on;
    g_cond_signal(&done);
    g_mutex_unlock(&mutex);
}

/* ---- source ---- */

typedef struct Collected {
    StateWriter *w;
    unsigned count;
    bool recent; /* what is wanted now */
} Collected;

static void collect(void *opaque, gpa_t page, const uint16_t *blocks, unsigned count, bool is_recent)
{
    Collected *c = opaque;

    if (is_recent != c->recent || c->count + count > AHEAD_BLOCKS_MAX) {
        return;
    }
    state_put_be64(c->w, page);
    state_put_be16(c->w, (uint16_t)count);
    for (unsigned i = 0; i < count; i++) {
        state_put_be16(c->w, blocks[i]);
    }
    c->count += count;
}

static bool ahead_prepare(HandoffPart *p, GError **errp)
{
    code_new_period();
    return true;
}

/* Pages that have run since `migrate` first: what the guest did before may not fit. */
static void ahead_warm(HandoffPart *p)
{
    Collected c = {.w = state_writer_new(), .recent = true};
    const uint8_t *data;
    size_t size;

    state_put_u8(c.w, AHEAD_LIST);
    code_list_used(collect, &c);
    c.recent = false;
    code_list_used(collect, &c);
    data = state_writer_data(c.w, &size);
    set_waiting(true); /* before it can be answered */
    if (!c.count || !handoff_send(p, data, size)) {
        set_waiting(false);
    }
    state_writer_free(c.w);
}

static void ahead_warm_wait(HandoffPart *p)
{
    int64_t deadline = time_monotonic_ns() + AHEAD_WAIT_NS;

    g_mutex_lock(&mutex);
    while (is_waiting && time_monotonic_ns() < deadline && handoff_is_wanted()) {
        g_cond_wait_until(&done, &mutex, (time_monotonic_ns() + AHEAD_STEP_NS) / NS_PER_US);
    }
    is_waiting = false;
    g_mutex_unlock(&mutex);
}

/* ---- destination ---- */

/* Decodes what a list names until then, or (until_ns 0) only checks it.  false: it is damaged. */
static bool walk_list(StateReader *r, int64_t until_ns, unsigned *ret_decoded)
{
    unsigned total = 0;

    for (*ret_decoded = 0; state_left(r) && !atomic_load(&stop);) {
        uint64_t page;
        uint16_t count, block;

        if (!state_get_be64(r, &page, NULL) || !state_get_be16(r, &count, NULL) || page & PAGE_MASK_LOW || !count ||
            count > CODE_PAGE_BLOCKS_MAX || (total += count) > AHEAD_BLOCKS_MAX) {
            return false;
        }
        if (until_ns && time_monotonic_ns() > until_ns) {
            return true;
        }
        for (unsigned i = 0; i < count && !atomic_load(&stop); i++) {
            if (!state_get_be16(r, &block, NULL)) {
                return false;
            }
            *ret_decoded += until_ns && code_decode_ahead(page | (block & PAGE_MASK_LOW), block >> PAGE_BITS);
        }
    }
    return true;
}

static void answer(unsigned decoded)
{
    uint8_t message[5] = {AHEAD_DONE};

    decoded = GUINT32_TO_BE(decoded);
    memcpy(message + 1, &decoded, sizeof(decoded));
    handoff_send(&part, message, sizeof(message));
}

static void *decode_list(void *opaque)
{
    g_autoptr(GBytes) list = opaque;
    int64_t began = time_monotonic_ns();
    unsigned decoded;
    StateReader r;
    size_t size;
    const uint8_t *data = g_bytes_get_data(list, &size);

    state_reader_init(&r, data, size, part.name);
    code_touch_maps(began + AHEAD_DECODE_NS / 4); /* of a guest with much memory they are large: decoding is worth more */
    walk_list(&r, began + AHEAD_DECODE_NS, &decoded);
    TRACE(code_ahead, "%u blocks decoded ahead in %u us", decoded,
          (unsigned)((time_monotonic_ns() - began) / NS_PER_US));
    answer(decoded);
    return NULL;
}

static void complain(const char *what)
{
    static bool was_said; /* main loop */

    if (!was_said) {
        was_said = true;
        warn_report("%s is damaged and left out", what);
    }
}

/* One list a process: who waits for a guest has decoded nothing yet. */
static void take_list(StateReader *r)
{
    GBytes *list;
    unsigned unused;
    StateReader check = *r;

    if (worker || harts_accel() != &interp_accel || runstate_is_running()) {
        answer(0);
        return;
    }
    atomic_store(&stop, false);
    if (!walk_list(&check, 0, &unused)) {
        complain("the list of decoded code that came with the guest");
        answer(0);
        return;
    }
    list = g_bytes_new(r->at, state_left(r));
    worker = g_thread_new("decode-ahead", decode_list, list);
}

static void ahead_message(HandoffPart *p, StateReader *r)
{
    uint8_t type = 0;

    state_get_u8(r, &type, NULL);
    if (type == AHEAD_LIST) {
        take_list(r);
    } else if (type == AHEAD_DONE) {
        set_waiting(false);
    } else {
        complain("a message about decoded code");
    }
}

/* From here on the guest decodes what it needs; nobody waits for the thread before the handoff is over. */
static void ahead_starting(HandoffPart *p)
{
    atomic_store(&stop, true);
}

static void ahead_over(HandoffPart *p)
{
    code_ahead_stop();
}

void code_ahead_stop(void)
{
    atomic_store(&stop, true);
    if (worker) {
        g_thread_join(worker);
        worker = NULL;
    }
}

static bool ahead_wanted(HandoffPart *p)
{
    return harts_accel() == &interp_accel;
}

static HandoffPart part = {
    .name = "code", .order = 90, .has_no_tail = true, .wanted = ahead_wanted,
    .prepare = ahead_prepare, .warm = ahead_warm, .warm_wait = ahead_warm_wait,
    .starting = ahead_starting, .abandon = ahead_over, .message = ahead_message, .peer_gone = ahead_over,
};

void interp_init(void)
{
    handoff_register(&part);
}
