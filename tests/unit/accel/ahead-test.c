/* tests/unit/accel/ahead-test.c - what a process says of its decoded code, and what the next one makes of it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "../target/fixture.h"

#include "accel/interp.h"
#include "accel/interp/blocks.h"
#include "system/clock.h"
#include "system/handoff.h"
#include "system/harts.h"

#define DATA (RAM_BASE + 0x200000)
#define FLAG (RAM_BASE + 0x300000)
#define CALLEE (RAM_BASE + 0x5000)

enum { A0 = 10, A2 = 12, S0 = 8, S1 = 9, T1 = 6 };
enum { LIST = 1, DONE = 2 };
#define LI_A0(n) (0x513u | (n) << 20)

static const uint32_t caller[] = {
    0x000300e7 /* jalr ra, t1 */, 0x00a43023 /* sd a0, 0(s0) */, 0x00c4b023 /* sd a2, 0(s1) */, 0x0000006f /* j . */,
};
static const uint32_t callee[] = {LI_A0(11), 0x00008067 /* ret */};

/* ---- the other side ---- */
static struct {
    unsigned messages;
    uint8_t last[1 << 16];
    size_t size;
    bool is_gone, is_unwanted;
} peer; /* under peer_mutex */
static GMutex peer_mutex;
static GCond peer_cond;

static bool fake_send(HandoffPart *p, const void *data, size_t size)
{
    bool ok;

    g_mutex_lock(&peer_mutex);
    ok = !peer.is_gone;
    if (ok) {
        g_assert_cmpuint(size, <=, sizeof(peer.last));
        memcpy(peer.last, data, size);
        peer.size = size;
        peer.messages++;
        g_cond_signal(&peer_cond);
    }
    g_mutex_unlock(&peer_mutex);
    return ok;
}

static bool fake_is_wanted(void)
{
    return !peer.is_unwanted;
}

static const HandoffEngine fake = {.send = fake_send, .is_wanted = fake_is_wanted};

static HandoffPart *part(void)
{
    return handoff_find("code");
}

static void up(void)
{
    memset(&peer, 0, sizeof(peer));
    harts_use_accel(&interp_accel);
    fixture_up(1, NULL);
    memcpy(ram_ptr(RAM_BASE, sizeof(caller)), caller, sizeof(caller));
    memcpy(ram_ptr(CALLEE, sizeof(callee)), callee, sizeof(callee));
}

static void down(void)
{
    part()->abandon(part());
    interp_stop();
    fixture_down();
    harts_use_accel(NULL);
}

static uint64_t run(void)
{
    gint64 limit = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    put64(FLAG, 0);
    hart_reset(harts[0]);
    harts[0]->st.x[S0] = DATA;
    harts[0]->st.x[S1] = FLAG;
    harts[0]->st.x[A2] = 1;
    harts[0]->st.x[T1] = CALLEE;
    clock_enable();
    harts_resume_all();
    while (!atomic_load((_Atomic uint64_t *)ram_ptr(FLAG, 8))) {
        g_assert_cmpint(g_get_monotonic_time(), <, limit);
        g_thread_yield();
    }
    harts_pause_all();
    clock_disable();
    return get64(DATA);
}

static void deliver(const void *data, size_t size)
{
    StateReader r;

    state_reader_init(&r, data, size, "code");
    part()->message(part(), &r);
}

/* The answer to a list: how many blocks were decoded. */
static unsigned take_answer(void)
{
    unsigned decoded;

    g_mutex_lock(&peer_mutex);
    while (!peer.messages) {
        g_cond_wait(&peer_cond, &peer_mutex);
    }
    g_assert_cmpuint(peer.messages, ==, 1);
    g_assert_cmpuint(peer.size, ==, 5);
    g_assert_cmpuint(peer.last[0], ==, DONE);
    decoded = (unsigned)peer.last[1] << 24 | peer.last[2] << 16 | peer.last[3] << 8 | peer.last[4];
    peer.messages = 0;
    g_mutex_unlock(&peer_mutex);
    return decoded;
}

/* ---- source ---- */
typedef struct Counted {
    unsigned blocks, recent, pages;
} Counted;

static void count(void *opaque, gpa_t page, const uint16_t *blocks, unsigned n, bool is_recent)
{
    Counted *c = opaque;

    c->pages++;
    c->blocks += n;
    c->recent += is_recent;
}

static void test_says_what_ran_and_when(void)
{
    Counted c = {0};

    up();
    run();
    code_list_used(count, &c);
    g_assert_cmpuint(c.pages, ==, 2);
    g_assert_cmpuint(c.recent, ==, 2);
    g_assert_cmpuint(c.blocks, >=, 3); /* the callee, and the caller before and after it */
    c = (Counted){0};
    part()->prepare(part(), NULL);
    code_list_used(count, &c);
    g_assert_cmpuint(c.pages, ==, 2);
    g_assert_cmpuint(c.recent, ==, 0);
    c = (Counted){0};
    run();
    code_list_used(count, &c);
    g_assert_cmpuint(c.recent, ==, 2);
    down();
}

static void test_does_not_hand_on_what_it_never_ran(void)
{
    Counted c = {0};

    up();
    g_assert_true(code_decode_ahead(CALLEE, 8));
    g_assert_true(code_decode_ahead(RAM_BASE, 8));
    code_list_used(count, &c);
    g_assert_cmpuint(c.pages, ==, 0);
    run();
    code_list_used(count, &c);
    g_assert_cmpuint(c.pages, ==, 2);
    down();
}

static void test_waits_no_longer_than_it_is_wanted(void)
{
    const uint8_t answer[5] = {DONE};

    up();
    run();
    part()->warm(part());
    g_assert_cmpuint(peer.messages, ==, 1);
    g_assert_cmpuint(peer.last[0], ==, LIST);
    deliver(answer, sizeof(answer));
    part()->warm_wait(part()); /* answered: returns */
    peer.is_unwanted = true;
    part()->warm(part());
    part()->warm_wait(part()); /* being taken back: returns */
    peer.is_unwanted = false;
    part()->warm(part());
    part()->warm_wait(part()); /* no answer: returns at its deadline */
    peer.is_gone = true;
    part()->warm(part());
    part()->warm_wait(part()); /* nobody there: returns */
    down();
}

/* ---- destination ---- */
static void test_decodes_what_it_is_told(void)
{
    g_autofree uint8_t *list = NULL;
    size_t size;

    up();
    run();
    part()->warm(part());
    list = g_memdup2(peer.last, peer.size);
    size = peer.size;
    down();
    up(); /* the other process */
    deliver(list, size);
    g_assert_cmpuint(take_answer(), >=, 3);
    deliver(list, size);
    g_assert_cmpuint(take_answer(), ==, 0); /* one list a guest */
    g_assert_cmpuint(run(), ==, 11);
    down();
}

static void test_pages_that_come_later_win(void)
{
    RamBlock *ram;

    for (unsigned mode = 0; mode <= 8; mode += 8) {
        up();
        ram = ram_at(CALLEE);
        g_assert_true(code_decode_ahead(CALLEE, mode));
        g_assert_true(code_decode_ahead(RAM_BASE, mode));
        *(uint32_t *)ram_ptr(CALLEE, 4) = LI_A0(22);
        ram_replaced(ram, CALLEE - RAM_BASE, 1);
        g_assert_false(ram_has_code(ram, (CALLEE - RAM_BASE) >> PAGE_BITS));
        g_assert_true(ram_has_code(ram, 0));
        g_assert_cmpuint(run(), ==, 22);
        down();
    }
}

static void test_what_cannot_be_decoded_is_left_out(void)
{
    up();
    g_assert_false(code_decode_ahead(RAM_BASE - 4096, 0)); /* nothing is there */
    g_assert_false(code_decode_ahead(UINT64_MAX - 1, 0));
    g_assert_false(code_decode_ahead(RAM_BASE + RAM_BYTES, 0));
    g_assert_false(code_decode_ahead(RAM_BASE + 1, 0));    /* no instruction begins there */
    g_assert_false(code_decode_ahead(RAM_BASE, CODE_MODES));
    g_assert_false(code_decode_ahead(DATA, 0));            /* has not come yet */
    *(uint32_t *)ram_ptr(DATA, 4) = LI_A0(1);
    memmove(ram_ptr(DATA + 4094, 4), ram_ptr(DATA, 4), 4);
    g_assert_false(code_decode_ahead(DATA + 4094, 0));     /* crosses its page */
    down();
}

static void test_damaged_lists_do_no_harm(void)
{
    GRand *rand = g_rand_new_with_seed(7);
    uint8_t list[64], good[] = {LIST, 0, 0, 0, 0, 0x80, 0, 0x50, 0, 0, 2, 0x80, 0, 0x80, 4};

    up();
    for (unsigned i = 0; i < 2000; i++) {
        unsigned size = sizeof(good), flips = g_rand_int_range(rand, 0, 4);

        memcpy(list, good, sizeof(good));
        while (flips--) {
            list[g_rand_int_range(rand, 1, sizeof(good))] = (uint8_t)g_rand_int(rand);
        }
        size = g_rand_int_range(rand, 1, size + 1);
        deliver(list, size);
        g_assert_cmpuint(take_answer(), <=, 32768); /* each is answered, so that nobody waits */
        part()->abandon(part());
    }
    deliver(list, 0);
    list[0] = 99;
    deliver(list, 5);
    g_assert_cmpuint(peer.messages, ==, 0);
    g_assert_cmpuint(run(), ==, 11);
    down();
    g_rand_free(rand);
}

static void test_a_list_of_too_many_is_damaged(void)
{
    g_autoptr(GByteArray) list = g_byte_array_new();
    static const uint8_t page[] = {0, 0, 0, 0, 0x80, 0, 0x50, 0, 0x08, 0x00};
    uint8_t type = LIST, blocks[2 * 2048] = {0};

    up();
    g_byte_array_append(list, &type, 1);
    for (unsigned i = 0; i < 17; i++) { /* 17 x 2048 blocks */
        g_byte_array_append(list, page, sizeof(page));
        g_byte_array_append(list, blocks, sizeof(blocks));
    }
    deliver(list->data, list->len);
    g_assert_cmpuint(take_answer(), ==, 0);
    deliver(list->data, list->len - sizeof(page) - sizeof(blocks));
    g_assert_cmpuint(take_answer(), ==, 16 * 2048); /* the same one again and again is there already */
    down();
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    interp_init();
    handoff_set_engine(&fake);
    g_test_add_func("/accel/ahead/says_what_ran_and_when", test_says_what_ran_and_when);
    g_test_add_func("/accel/ahead/does_not_hand_on_what_it_never_ran", test_does_not_hand_on_what_it_never_ran);
    g_test_add_func("/accel/ahead/waits_no_longer_than_it_is_wanted", test_waits_no_longer_than_it_is_wanted);
    g_test_add_func("/accel/ahead/decodes_what_it_is_told", test_decodes_what_it_is_told);
    g_test_add_func("/accel/ahead/pages_that_come_later_win", test_pages_that_come_later_win);
    g_test_add_func("/accel/ahead/what_cannot_be_decoded_is_left_out", test_what_cannot_be_decoded_is_left_out);
    g_test_add_func("/accel/ahead/damaged_lists_do_no_harm", test_damaged_lists_do_no_harm);
    g_test_add_func("/accel/ahead/a_list_of_too_many_is_damaged", test_a_list_of_too_many_is_damaged);
    return g_test_run();
}
