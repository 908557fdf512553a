/* tests/fuzz/answers.c - the return path: what a destination may say to a source, in every state of the source.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0 chooses the state; the rest are bytes on the return path.  The migration thread is not there: what it
 * would have been told is looked at and thrown away. */
#include "migration/outgoing.h"
#include "migration/wire.h"
#include "system/handoff.h"
#include "util/bytes.h"
#include "util/loop.h"

#include "replay.h"

#include <dirent.h>
#include <unistd.h>

#define ATTEMPT 0x0102030405060708u

static unsigned messages;

static void part_message(HandoffPart *p, StateReader *r)
{
    g_assert_cmpuint(state_left(r), <=, HANDOFF_MESSAGE_MAX + 256);
    messages++;
}

static HandoffPart part = {.name = "fuzz-part", .message = part_message};

static void set_up(void)
{
    static bool done;

    if (!done) {
        done = true;
        fuzz_hush();
        loop_init();
        outgoing_init();
        handoff_register(&part);
    }
}

static unsigned descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

static void forget(Outgoing *o)
{
    Item *i;

    while ((i = g_queue_pop_head(&o->items))) {
        g_assert_true(i->kind == ITEM_ROW);
        g_free(i);
    }
    g_assert_nonnull(o->error); /* it ended, and somebody said why */
    g_assert_true(g_utf8_validate(o->error, -1, NULL));
    g_clear_pointer(&o->error, g_free);
    if (o->peer_pidfd >= 0) {
        close(o->peer_pidfd);
        o->peer_pidfd = -1;
    }
    o->peer = (Hello){0};
    while (g_main_context_iteration(NULL, false)) {
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Outgoing *o = &outgoing;
    Channel *pair[2];
    unsigned before;

    set_up();
    if (!size || size > 64 << 10) {
        return 0;
    }
    before = descriptors();
    channel_pair(pair, NULL, NULL);
    g_assert_true(channel_write(pair[0], data + 1, size - 1, CHANNEL_FOREVER, NULL));
    channel_free(pair[0]);
    o->channel = pair[1];
    o->machine.attempt = ATTEMPT;
    o->machine.state = data[0] % MIG__MAX;
    return_path_thread(o);
    channel_free(pair[1]);
    o->channel = NULL;
    forget(o);
    g_assert_cmpuint(descriptors(), ==, before);
    return 0;
}

static void put(GByteArray *out, unsigned number, StateWriter *w)
{
    size_t size;
    const uint8_t *data = state_writer_data(w, &size);
    uint8_t head[4];

    store_be16(head, number);
    store_be16(head + 2, size);
    g_byte_array_append(out, head, 4);
    g_byte_array_append(out, data, size);
    state_writer_reset(w);
}

static void put_text(GByteArray *out, StateWriter *w, unsigned number)
{
    state_put_be64(w, ATTEMPT);
    state_put(w, "because", 7);
    put(out, number, w);
}

static void put_started(GByteArray *out, StateWriter *w)
{
    state_put_be16(w, STARTED_VERSION);
    state_put_be64(w, ATTEMPT);
    state_put_be64(w, 1000);
    state_put_be64(w, 2000);
    state_put_be64(w, 3000);
    put(out, RP_VM_STARTED, w);
}

static void put_message(GByteArray *out, StateWriter *w)
{
    static const char message[] = "\tfuzz-partbytes";

    state_put_be64(w, ATTEMPT);
    state_put_be32(w, sizeof(message) - 1);
    put(out, RP_MESSAGE, w);
    g_byte_array_append(out, (const uint8_t *)message, sizeof(message) - 1);
}

/* Seed i: a whole conversation, begun in state i; the last one: two answers to the hello, each of which opens a pidfd. */
static GByteArray *make_seed(unsigned i)
{
    GByteArray *out = g_byte_array_new();
    StateWriter *w = state_writer_new();
    uint8_t state = i;

    set_up();
    g_byte_array_append(out, &state, 1);
    hello_answer_put(w, ATTEMPT);
    put(out, RP_HELLO, w);
    if (i == MIG__MAX) {
        hello_answer_put(w, ATTEMPT);
        put(out, RP_HELLO, w);
    }
    put_message(out, w);
    state_put_be64(w, ATTEMPT);
    put(out, RP_SWITCHOVER_ACK, w);
    state_put_be64(w, ATTEMPT);
    state_put_u8(w, i & 1);
    state_put_be64(w, 500);
    put(out, RP_READY, w);
    state_put_be64(w, ATTEMPT);
    put(out, RP_ASK, w);
    if (i % 3 == 0) {
        put_text(out, w, i & 1 ? RP_GIVE_BACK : RP_ERROR);
    }
    put_started(out, w);
    state_put_be64(w, ATTEMPT);
    put(out, RP_TAIL_DONE, w);
    state_writer_free(w);
    return out;
}

FUZZ_MAIN("answers", make_seed, MIG__MAX + 1, 300)
