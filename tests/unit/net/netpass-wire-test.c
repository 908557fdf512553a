/* tests/unit/net/netpass-wire-test.c - bytes and twins of netpass.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/netpass-pair.h"
#include "net/netpass-wire.h"
#include "net/offload.h"
#include "util/bytes.h"
#include "util/loop.h"

#include <string.h>

static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

/* ---- bytes ---- */
static void frame_comes_back_as_it_was(void)
{
    uint8_t data[100];
    NetEntry e = {.seq = 77, .time_ns = 1000,
                  .frame = {.data = data, .size = sizeof(data), .queue = 5, .offload = {1, 4, 54, 1448, 34, 16}}};
    StateWriter *w = state_writer_new();
    NetpassFrame f;
    StateReader r;
    size_t size;
    const uint8_t *bytes;

    memset(data, 9, sizeof(data));
    netpass_put_frame(w, &e, 4000);
    e.frame.offload = (NetOffload){0};
    netpass_put_frame(w, &e, 500); /* clocks never make an age negative */
    bytes = state_writer_data(w, &size);
    g_assert_cmpuint(size, ==, 2 * (8 + 2 + 8 + 1 + 4 + 100) + 10);
    state_reader_init(&r, bytes, size, "x");
    g_assert_true(netpass_get_frame(&r, &f, NULL));
    g_assert_cmpuint(f.seq, ==, 77);
    g_assert_cmpuint(f.age_ns, ==, 3000);
    g_assert_cmpuint(f.frame.queue, ==, 5);
    g_assert_cmpmem(f.frame.data, f.frame.size, data, sizeof(data));
    g_assert_cmpuint(f.frame.offload.gso_size, ==, 1448);
    g_assert_cmpuint(f.frame.offload.csum_offset, ==, 16);
    g_assert_true(netpass_get_frame(&r, &f, NULL));
    g_assert_cmpuint(f.age_ns, ==, 0);
    g_assert_cmpuint(f.frame.offload.gso_size, ==, 0);
    g_assert_cmpuint(state_left(&r), ==, 0);
    state_writer_free(w);
}

static void every_cut_and_every_limit_is_an_error(void)
{
    uint8_t data[60] = {0};
    NetEntry e = {.frame = {.data = data, .size = sizeof(data), .offload = {1, 4, 54, 1448, 34, 16}}};
    StateWriter *w = state_writer_new();
    g_autofree uint8_t *copy = NULL;
    const uint8_t *bytes;
    NetpassMessage m;
    NetpassFrame f;
    StateReader r;
    size_t size;

    netpass_put_frame(w, &e, 0);
    bytes = state_writer_data(w, &size);
    for (size_t cut = 0; cut < size; cut++) {
        GError *err = NULL;

        state_reader_init(&r, bytes, cut, "x");
        g_assert_false(netpass_get_frame(&r, &f, &err));
        g_assert_nonnull(err);
        g_error_free(err);
    }
    copy = g_memdup2(bytes, size);
    store_be32(copy + 8 + 2 + 8 + 1 + 10, NET_FRAME_MAX + 1);
    state_reader_init(&r, copy, size, "x");
    g_assert_false(netpass_get_frame(&r, &f, NULL));
    copy[18] = 11; /* length of the offload header */
    state_reader_init(&r, copy, size, "x");
    g_assert_false(netpass_get_frame(&r, &f, NULL));
    state_reader_init(&r, "\x01\0\0\xff\xff\xff\xff", 7, "x"); /* four thousand million frames in no byte */
    g_assert_false(netpass_get_message(&r, &m, NULL));
    state_reader_init(&r, "\x09\0\0", 3, "x");
    g_assert_false(netpass_get_message(&r, &m, NULL));
    state_writer_free(w);
}

static void only_our_marker_is_one(void)
{
    static const uint8_t other[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x57};
    uint8_t data[NETPASS_MARKER_SIZE];
    NetFrame f = {.data = data, .size = sizeof(data)};
    uint64_t nonce;

    netpass_marker(data, mac, 42, 2);
    g_assert_cmpuint(netpass_marker_number(&f, mac, 42), ==, 2);
    g_assert_cmpuint(netpass_marker_number(&f, mac, 43), ==, 0); /* of another handoff */
    for (unsigned i = NETPASS_MARKER_TURN; i < NETPASS_MARKER_OTHER; i++) {
        netpass_marker(data, other, 42, i);
        g_assert_cmpuint(netpass_marker_number(&f, mac, 42), ==, NETPASS_MARKER_OTHER);
        g_assert_false(netpass_marker_is_here(&f, mac, &nonce));
        g_assert_true(netpass_marker_is_here(&f, other, &nonce) == (i == NETPASS_MARKER_HERE));
        g_assert_cmpuint(nonce, ==, i == NETPASS_MARKER_HERE ? 42 : 0);
    }
    memset(data + 42, 0, 18);
    g_assert_cmpuint(netpass_marker_number(&f, other, 42), ==, 0); /* a plain announcement */
    f.size = 59;
    g_assert_cmpuint(netpass_marker_number(&f, other, 42), ==, 0);
}

static void hash_does_not_see_who_finished_the_checksum(void)
{
    uint8_t partial[80] = {0}, whole[80];
    NetFrame a = {.data = partial, .size = 80, .offload = {.flags = NET_HDR_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16}};
    NetFrame b = {.data = whole, .size = 80};

    for (unsigned i = 0; i < 80; i++) {
        partial[i] = i * 3;
    }
    memcpy(whole, partial, 80);
    g_assert_true(net_offload_checksum(whole, &a));
    g_assert_cmphex(netpass_hash(&a, 1), ==, netpass_hash(&b, 1));
    g_assert_cmphex(netpass_hash(&a, 1), !=, netpass_hash(&b, 2));
    whole[79] ^= 1;
    g_assert_cmphex(netpass_hash(&a, 1), !=, netpass_hash(&b, 1));
}

/* ---- twins ---- a script: letters are frames; S source, L from here, F flooded; the result says what is delivered */
typedef struct Script {
    const char *what, *steps, *wanted;
    bool is_group;
    int64_t step_ms;
} Script;

static void twins_follow_the_script(void)
{
    static const Script rows[] = {
        {"a broadcast reaches both ports", "SaLaSbLb", "1010", true, 1},
        {"whichever comes first", "LaSa", "10", true, 1},
        {"repeated on one port", "SaSaSa", "111", true, 1},
        {"repeated, and on both", "SaSaLaLaSaLa", "110010", true, 1},
        {"more here than there", "SaLaLa", "101", true, 1},
        {"ARP repeats itself every second", "SaLa", "11", true, 1000},
        {"a flood's twin is delivered", "FaSaLa", "-11", true, 1},
        {"a flood of what is in", "SaFaLa", "1-1", true, 1},
        {"equal frames on a learning switch", "SaSaLaLa", "1111", false, 1},
        {"a single one on each port of a learning switch", "SaLaSbLb", "1111", false, 1},
        {"a flood proves a mirror", "FxSaSaLaLa", "-1100", false, 10},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Script *s = &rows[i];
        NetpassPairs *p = netpass_pairs_new(3, mac);
        g_autoptr(GString) got = g_string_new("");

        netpass_pairs_settle(p, p);
        for (const char *at = s->steps; *at; at += 2) {
            uint8_t data[60] = {0};
            NetFrame f = {.data = data, .size = sizeof(data)};
            int64_t now = 1000 * NS_PER_SEC + (at - s->steps) / 2 * s->step_ms * NS_PER_MS;

            memcpy(data, s->is_group ? (const uint8_t *)"\xff\xff\xff\xff\xff\xff" : mac, 6);
            data[20] = at[1];
            if (at[0] == 'F') {
                netpass_pairs_flooded(p, &f, now);
                g_string_append_c(got, '-');
            } else {
                g_string_append_c(got, '0' + (at[0] == 'S' ? netpass_pairs_source : netpass_pairs_local)(p, &f, now));
            }
        }
        g_test_message("%s", s->what);
        g_assert_cmpstr(got->str, ==, s->wanted);
        netpass_pairs_free(p);
    }
}

/* What waits is told apart together: S at the source, F left out here, H held here; the times say what belongs together. */
/* P: here, and its place says that the source has it; T at the first place: all at the source is behind the first marker. */
typedef struct Settled {
    const char *what;
    struct {
        char port;
        int ms;
    } seen[8]; /* the same bytes */
    const char *in; /* of the held ones: which go in */
    bool is_mirror, is_group;
} Settled;

static const Settled settled_rows[] = {
    {"a slow flow of one frame: each with its own copy", {{'F', 0}, {'S', 10}, {'F', 200}, {'S', 215}, {'H', 400}}, "1", true},
    {"the copy that was consumed at the source proves nothing", {{'F', 0}, {'S', 200}, {'H', 195}}, "0", true},
    {"the copy comes late, the host is busy", {{'S', 0}, {'H', 900}}, "0", true},
    {"so late it is another one, on a switch", {{'S', 0}, {'H', 900}}, "1", false, true},
    {"behind the first marker it is the copy, however late", {{'T'}, {'S', 0}, {'H', 3000}}, "0", false, true},
    {"its own copy was passed by, however late, and this is the next one",
     {{'T'}, {'S', 0}, {'P', 2900}, {'H', 3000}}, "1", false, true},
    {"all alike: as many as were sent",
     {{'F', 0}, {'S', 3}, {'F', 10}, {'S', 13}, {'H', 20}, {'S', 23}, {'H', 30}}, "01", true},
    {"equal frames for us on a learning switch", {{'S', 0}, {'S', 1}, {'H', 2}, {'H', 3}}, "11", false},
};

static void what_waits_is_told_apart(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(settled_rows); i++) {
        const Settled *s = &settled_rows[i];
        NetpassPairs *p = netpass_pairs_new(3, mac);
        g_autoptr(GString) got = g_string_new("");
        NetEntry held[8] = {0};
        uint8_t data[60] = {0};

        memcpy(data, s->is_group ? (const uint8_t *)"\xff\xff\xff\xff\xff\xff" : mac, 6);
        for (unsigned n = 0; n < 8 && s->seen[n].port; n++) {
            int64_t now = (1000000 + s->seen[n].ms) * NS_PER_MS;

            held[n] = (NetEntry){.frame = {.data = data, .size = sizeof(data)}, .time_ns = now};
            if (s->seen[n].port == 'S') {
                g_assert_true(netpass_pairs_source(p, &held[n].frame, now));
            } else if (s->seen[n].port == 'H') {
                netpass_pairs_hold(p, &held[n]);
            } else if (s->seen[n].port == 'T') {
                netpass_pairs_set_turned(p);
            } else if (s->seen[n].port == 'P') {
                netpass_pairs_passed(p, &held[n].frame, now);
            } else if (s->is_mirror) {
                netpass_pairs_flooded(p, &held[n].frame, now);
            }
        }
        if (s->is_mirror) {
            netpass_pairs_set_mirror(p);
        }
        netpass_pairs_settle(p, p);
        for (unsigned n = 0; n < 8 && s->seen[n].port; n++) {
            if (s->seen[n].port == 'H') {
                g_string_append_c(got, held[n].tag ? '0' : '1');
            }
        }
        g_test_message("%s", s->what);
        g_assert_cmpstr(got->str, ==, s->in);
        netpass_pairs_free(p);
    }
}

/* A group frame with this number, at the source or here, all at one time; true: it is delivered. */
static bool pairs_see(NetpassPairs *p, bool (*at)(NetpassPairs *p, const NetFrame *f, int64_t time_ns), uint32_t number)
{
    uint8_t data[60] = {0xff};

    store_be32(data + 20, number);
    return at(p, &(NetFrame){.data = data, .size = sizeof(data)}, NS_PER_SEC);
}

static void pairs_are_bounded_and_the_oldest_is_forgotten(void)
{
    enum { MANY = 200000 }; /* the table has room for 131072 */
    NetpassPairs *p = netpass_pairs_new(3, mac);

    for (uint32_t i = 0; i < MANY; i++) {
        g_assert_true(pairs_see(p, netpass_pairs_source, i));
    }
    g_assert_true(pairs_see(p, netpass_pairs_local, 0));
    g_assert_false(pairs_see(p, netpass_pairs_local, MANY - 1));
    netpass_pairs_free(p);
}

/* So a frame that comes again and again keeps its place, and does not keep older ones in theirs. */
static void what_was_seen_last_is_forgotten_last(void)
{
    enum { NEARLY = 131000, MORE = 1000 };
    NetpassPairs *p = netpass_pairs_new(3, mac);

    for (uint32_t i = 0; i < NEARLY + MORE; i++) {
        pairs_see(p, netpass_pairs_source, i);
        if (i == NEARLY) {
            pairs_see(p, netpass_pairs_source, 0);
        }
    }
    g_assert_false(pairs_see(p, netpass_pairs_local, 0));
    g_assert_true(pairs_see(p, netpass_pairs_local, 1));
    netpass_pairs_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/netpass-wire/frame_comes_back_as_it_was", frame_comes_back_as_it_was);
    g_test_add_func("/net/netpass-wire/every_cut_and_every_limit_is_an_error", every_cut_and_every_limit_is_an_error);
    g_test_add_func("/net/netpass-wire/only_our_marker_is_one", only_our_marker_is_one);
    g_test_add_func("/net/netpass-wire/hash_does_not_see_who_finished_the_checksum", hash_does_not_see_who_finished_the_checksum);
    g_test_add_func("/net/netpass-pair/twins_follow_the_script", twins_follow_the_script);
    g_test_add_func("/net/netpass-pair/what_waits_is_told_apart", what_waits_is_told_apart);
    g_test_add_func("/net/netpass-pair/pairs_are_bounded_and_the_oldest_is_forgotten",
                    pairs_are_bounded_and_the_oldest_is_forgotten);
    g_test_add_func("/net/netpass-pair/what_was_seen_last_is_forgotten_last", what_was_seen_last_is_forgotten_last);
    return g_test_run();
}
