/* tests/unit/migration/stream-test.c - promises of the buffered stream.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/stream.h"

#include "util/loop.h"

#include <glib.h>

#define SIZE (32u << 20)

static void *raiser(void *opaque)
{
    interrupt_raise(opaque);
    return NULL;
}

/* Who waits for the rest of an element has to hear that it will never come. */
static void test_a_broken_write_is_the_end(void)
{
    Interrupt *i = interrupt_new(NULL);
    g_autofree uint8_t *big = g_malloc0(SIZE);
    struct iovec out = {big, SIZE}, in = {big, SIZE};
    g_autoptr(GError) err = NULL;
    StreamOut *writer;
    StreamIn *reader;
    GThread *t;
    Channel *c[2];

    channel_pair(c, i, NULL);
    writer = stream_out_new(c[0]);
    reader = stream_in_new(c[1]);
    t = g_thread_new("raiser", raiser, i);
    g_assert_false(stream_writev(writer, &out, 1, NULL));
    g_thread_join(t);
    g_assert_false(stream_readv(reader, &in, 1, &err));
    g_assert_true(channel_at_end(c[1]));
    stream_in_free(reader);
    stream_out_free(writer);
    channel_free(c[0]);
    channel_free(c[1]);
    interrupt_free(i);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/stream/a_broken_write_is_the_end", test_a_broken_write_is_the_end);
    return g_test_run();
}
