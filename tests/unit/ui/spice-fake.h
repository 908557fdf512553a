/* tests/unit/ui/spice-fake.h - a wire that is memory: what a client says, and what it is told.  For unit tests and fuzzing.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "ui/spice/channel.h"
#include "ui/spice/wire.h"
#include "util/bytes.h"

#include <errno.h>
#include <spice/protocol.h>
#include <string.h>
#include <sys/eventfd.h>

typedef struct FakeWire {
    SpiceWire wire;
    GByteArray *in, *out;   /* still to be read; written */
    size_t piece;           /* most bytes of one read or write; 0: all */
    size_t room;            /* bytes that may be written still */
    bool is_ended;          /* behind `in` comes the end */
    bool *gone;             /* set when it is freed; NULL */
} FakeWire;

static inline ssize_t fake_read(SpiceWire *wire, void *buf, size_t size)
{
    FakeWire *w = (FakeWire *)wire;
    size_t n = MIN(MIN(size, w->in->len), w->piece ? w->piece : SIZE_MAX);

    if (!n) {
        return w->is_ended ? 0 : -EAGAIN;
    }
    memcpy(buf, w->in->data, n);
    g_byte_array_remove_range(w->in, 0, n);
    return n;
}

static inline ssize_t fake_write(SpiceWire *wire, const struct iovec *iov, int n)
{
    FakeWire *w = (FakeWire *)wire;
    size_t taken = MIN(MIN(iov->iov_len, w->room), w->piece ? w->piece : SIZE_MAX);

    g_assert_cmpuint(iov->iov_len, >, 0);
    if (!taken) {
        return -EAGAIN;
    }
    w->room -= taken;
    g_byte_array_append(w->out, iov->iov_base, taken);
    return taken;
}

static inline void fake_free(SpiceWire *wire)
{
    FakeWire *w = (FakeWire *)wire;

    if (w->gone) {
        *w->gone = true;
    }
    g_byte_array_unref(w->in);
    g_byte_array_unref(w->out);
}

static const WireOps fake_ops = {.read = fake_read, .write = fake_write, .free = fake_free};

static inline FakeWire *fake_wire(void)
{
    FakeWire *w = g_new0(FakeWire, 1);

    w->wire.ops = &fake_ops;
    w->wire.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->in = g_byte_array_new();
    w->out = g_byte_array_new();
    w->room = SIZE_MAX;
    return w;
}

static inline void fake_say(FakeWire *w, uint16_t type, const void *body, uint32_t size)
{
    put_u16(w->in, type);
    put_u32(w->in, size);
    put_bytes(w->in, body, size);
}

/* ---- clients that come back ---- */

#define FAKE_RETURNS (1u << (REPLAY_CAP - 96) | 1u << (RESUME_CAP - 96))

static uint32_t fake_extension; /* of clients that link from now on: FAKE_RETURNS, or nothing */

static inline SpiceCaps fake_common(void)
{
    return (SpiceCaps){{1 << SPICE_COMMON_CAP_MINI_HEADER, 0, 0, fake_extension}};
}

/* With another connection; the old one may be lost already. */
static inline FakeWire *fake_come_back(SpiceChannel *c)
{
    SpiceCaps common = c->common, caps = c->caps;
    SpiceEnds ends = {{{0}}};
    FakeWire *w = fake_wire();

    g_assert_true(spice_may_reattach(c, &common) && spice_detach(c));
    spice_reattach(c, &w->wire, &ends, &common, &caps);
    return w;
}

/* ---- */

/* The first message that was written, with its body; 0 when there is none that is whole. */
static inline uint16_t fake_hear(FakeWire *w, GByteArray *ret_body)
{
    uint16_t type;
    uint32_t size;

    if (w->out->len < MINI_HEADER_BYTES || w->out->len - MINI_HEADER_BYTES < load_le32(w->out->data + 2)) {
        return 0;
    }
    type = load_le16(w->out->data);
    size = load_le32(w->out->data + 2);
    if (ret_body) {
        g_byte_array_set_size(ret_body, 0);
        g_byte_array_append(ret_body, w->out->data + MINI_HEADER_BYTES, size);
    }
    g_byte_array_remove_range(w->out, 0, MINI_HEADER_BYTES + size);
    return type;
}

static inline void fake_settle(void) /* what the loop still has to do, without waiting */
{
    while (g_main_context_iteration(NULL, false)) {
    }
}
