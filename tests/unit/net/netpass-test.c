/* tests/unit/net/netpass-test.c - what netpass promises, over a network in memory.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake-net.h"

#include "net/filter.h"
#include "util/bytes.h"
#include "util/loop.h"

#include <string.h>

/* One handoff from side `from`, with frames at every step. */
static void hand_over(Lab *l, unsigned from, void (*traffic)(Lab *l))
{
    traffic(l);
    lab_freeze(l, from);
    traffic(l);
    lab_settle();
    traffic(l);
    lab_save_and_load(l, from);
    traffic(l);
    lab_settle();
    traffic(l);
    lab_run_sent(l, from);
    traffic(l);
    lab_start(l, !from);
    traffic(l);
    lab_released(l, from);
    traffic(l);
    lab_wait(lab_both_done, l);
    traffic(l);
    lab_settle();
    traffic(l);
    lab_peer_gone(l);
    traffic(l);
    lab_settle();
}

static void some_unicast(Lab *l)
{
    lab_client(l, 3);
}

static void some_of_both(Lab *l)
{
    lab_client(l, 2);
    lab_broadcast(l, 2);
    lab_client(l, 1);
}

static void keeps_order_and_loses_nothing(void)
{
    static const struct {
        LabMode mode;
        void (*traffic)(Lab *l);
    } rows[] = {{LAB_LEARN, some_unicast}, {LAB_LEARN, some_of_both}, {LAB_MIRROR, some_unicast},
                {LAB_MIRROR, some_of_both}};
    Lab l;

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        lab_init(&l, rows[i].mode);
        lab_guest_sends(&l, 0);
        hand_over(&l, 0, rows[i].traffic);
        hand_over(&l, 1, rows[i].traffic);
        lab_check_clean(&l, 0);
        lab_clear(&l);
    }
}

static void frame_looked_up_before_the_cut_comes_in_time(Lab *l)
{
    lab_client(l, 2);
    lab_settle();
    lab_freeze(l, 0);
    lab_save_and_load(l, 0);
    lab_run_sent(l, 0);
    lab_settle();
    l->lag = 3;
    lab_client(l, 3); /* to side 0, but queued behind the first marker */
    lab_start(l, 1);
    lab_client(l, 3); /* already to side 1 */
    lab_released(l, 0);
    lab_wait(lab_both_done, l);
    lab_check_clean(l, 1);
    g_assert_cmpuint(lab_figure(l, 0, "captured"), ==, 3);
}

/* Anything at any time: the property that matters, over random orders of what may happen. */
static void random_traffic_is_whole(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    unsigned rounds = g_test_slow() ? 50000 : 1000;

    for (unsigned round = 0; round < rounds; round++) {
        LabMode mode = g_rand_int_range(rand, 0, 2);
        bool parked = g_rand_boolean(rand);
        Lab l;

        lab_init(&l, mode);
        lab_guest_sends(&l, 0);
        for (unsigned i = 0; i < 2; i++) {
            l.side[i].ring = l.side[i].room = g_rand_int_range(rand, 0, 6);
        }
        for (unsigned step = 0; step < 9; step++) {
            for (unsigned n = g_rand_int_range(rand, 0, 5); n; n--) {
                g_rand_boolean(rand) ? lab_client(&l, g_rand_int_range(rand, 0, 6)) : lab_broadcast(&l, 1);
                if (g_rand_boolean(rand)) {
                    lab_settle();
                }
                lab_guest_takes(&l, step > 4, g_rand_int_range(rand, 0, 4));
            }
            switch (step) {
            case 0:
                lab_freeze(&l, 0);
                break;
            case 1:
                lab_save_and_load(&l, 0);
                l.side[1].room = l.side[0].room;
                break;
            case 2:
                if (parked) {
                    l.side[0].pass->part.parked(&l.side[0].pass->part);
                }
                break;
            case 3:
                lab_run_sent(&l, 0);
                break;
            case 4:
                lab_start(&l, 1);
                if (g_rand_boolean(rand)) {
                    lab_guest_sends(&l, 1);
                }
                break;
            case 5:
                lab_released(&l, 0);
                break;
            case 6:
                lab_wait(lab_both_done, &l);
                break;
            case 7:
                lab_peer_gone(&l);
                break;
            }
        }
        while (l.side[1].ring && l.got->len < l.sent) {
            unsigned before = l.got->len;

            lab_guest_takes(&l, 1, 50);
            lab_settle();
            g_assert_true(l.got->len > before);
        }
        lab_check_all_in_order(&l);
        g_assert_true(lab_is_ordered(&l, 1));
        lab_clear(&l);
    }
}

static void frame_of_a_full_ring_is_number_one(Lab *l)
{
    l->side[0].ring = 2;
    l->side[0].room = 2;
    lab_client(l, 5); /* two in the ring, one in the netdev's hands, two in the kernel */
    lab_settle();
    g_assert_cmpuint(l->got->len, ==, 2);
    lab_freeze(l, 0);
    g_assert_cmpuint(lab_figure(l, 0, "captured"), ==, 3);
    lab_save_and_load(l, 0);
    lab_pass_on(l);
    lab_check_clean(l, 1);
}

static void roll_back_gives_all_to_the_local_guest(void)
{
    static const bool after_save[] = {false, true};
    Lab l;

    for (unsigned i = 0; i < 2; i++) {
        HandoffPart *p;

        lab_init(&l, LAB_LEARN);
        p = &l.side[0].pass->part;
        lab_guest_sends(&l, 0);
        lab_client(&l, 2);
        lab_freeze(&l, 0);
        lab_client(&l, 3);
        lab_settle();
        if (after_save[i]) {
            lab_save_and_load(&l, 0);
            lab_client(&l, 3);
            lab_settle();
        }
        p->thaw(p, false);
        net_world_set_running(&l.side[0].world, true);
        lab_client(&l, 3);
        lab_check_all_in_order(&l);
        g_assert_null(l.side[0].netdev->chain->hook);
        lab_clear(&l);
    }
}

static void roll_back_into_a_full_ring_keeps_order_and_moves_again(Lab *l)
{
    HandoffPart *p = &l->side[0].pass->part;

    l->side[0].ring = l->side[0].room = 1;
    lab_freeze(l, 0);
    lab_client(l, 6);
    lab_settle();
    p->thaw(p, false);
    net_world_set_running(&l->side[0].world, true);
    lab_client(l, 2);
    lab_guest_takes(l, 0, 2);
    lab_settle();
    g_assert_cmpuint(l->got->len, ==, 3);
    hand_over(l, 0, some_unicast); /* the rest was still ours */
    lab_check_clean(l, 1);
}

static void give_back_returns_every_frame(Lab *l)
{
    HandoffPart *source = &l->side[0].pass->part, *destination = &l->side[1].pass->part;

    lab_freeze(l, 0);
    lab_client(l, 3);
    lab_settle();
    lab_save_and_load(l, 0);
    lab_run_sent(l, 0);
    lab_client(l, 3);
    lab_settle();
    lab_guest_sends(l, 1); /* it announced, and then did not run after all */
    lab_client(l, 4);      /* these go to side 1 */
    lab_settle();
    destination->give_back(destination);
    lab_settle();
    source->thaw(source, true);
    net_world_set_running(&l->side[0].world, true);
    lab_guest_sends(l, 0);
    lab_client(l, 2);
    lab_check_all_in_order(l);
}

static void parked_copies_stay_with_the_source(Lab *l)
{
    HandoffPart *p = &l->side[0].pass->part, *q = &l->side[1].pass->part;

    lab_freeze(l, 0);
    lab_client(l, 3);
    lab_save_and_load(l, 0);
    p->parked(p);
    lab_client(l, 5);
    lab_settle();
    g_assert_cmpuint(lab_figure(l, 1, "held"), ==, 8);
    q->abandon(q); /* cancelled: the source takes the guest back */
    p->thaw(p, false);
    net_world_set_running(&l->side[0].world, true);
    lab_check_all_in_order(l);
}

static void gate_opens_by_its_deadline_and_says_so(Lab *l)
{
    l->no_markers = true;
    l->gate_ms = 300; /* a busy host needs some of it to get as far as to look */
    lab_freeze(l, 0);
    lab_client(l, 3);
    lab_settle();
    lab_carry(l);
    lab_guest_sends(l, 1);
    lab_wait(lab_may_speak, l); /* nobody has told that what it sent at the source is out of its way */
    lab_settle();
    lab_client(l, 4);
    lab_settle();
    g_assert_cmpuint(l->got->len, ==, 3);
    lab_released(l, 0);
    lab_wait(lab_gate_expired, l);
    lab_check_all_in_order(l); /* nothing came late here, and nothing was lost */
    g_assert_cmpuint(lab_figure(l, 1, "gate-us"), >=, 300000);
}

/* The guest has a second NIC on the same network, whose handoff is further than ours. */
static void other_nic_says_all(Lab *l, unsigned side)
{
    uint8_t frame[NETPASS_MARKER_SIZE];

    for (unsigned number = NETPASS_MARKER_TURN; number < NETPASS_MARKER_OTHER; number++) {
        netpass_marker(frame, (const uint8_t *)"\x52\x54\0\x12\x34\x57", l->side[0].pass->nonce, number);
        lab_arrives(l, side, frame, sizeof(frame));
    }
    lab_settle();
}

static void markers_of_another_nic_are_not_ours(Lab *l)
{
    l->learns_late = true;
    lab_freeze(l, 0);
    lab_client(l, 3);
    lab_carry(l);
    lab_released(l, 0);
    other_nic_says_all(l, 0);
    some_of_both(l);
    other_nic_says_all(l, 1);
    g_assert_false(l->side[0].tail_done); /* the switch sends all to us still */
    lab_client(l, 3);
    lab_learn(l);
    lab_client(l, 3);
    other_nic_says_all(l, 1);             /* no mirror: what waits here stays */
    lab_wait(lab_both_done, l);
    lab_client(l, 3);
    lab_settle();
    lab_check_clean(l, 1);
    g_assert_cmpuint(lab_figure(l, 0, "late"), ==, 0);
}

/* Both sides have seen the markers, and still the switch sends all to the old port. */
static void late_switch_keeps_the_gate_closed_and_the_source_forwarding(Lab *l)
{
    l->learns_late = true;
    l->gate_ms = 400;
    lab_freeze(l, 0);
    lab_client(l, 3);
    lab_carry(l);
    lab_released(l, 0);
    for (unsigned i = 0; i < 4; i++) {
        some_of_both(l);
        lab_linger(l, 150);
        g_assert_cmpuint(l->got->len, ==, 3 + 5 * (i + 1)); /* the guest is not kept waiting */
        g_assert_false(l->side[0].tail_done);
    }
    some_of_both(l);
    lab_learn(l);
    some_of_both(l);
    lab_wait(lab_both_done, l);
    some_of_both(l);
    lab_settle();
    lab_check_clean(l, 1);
}

static void linger_ends_by_its_deadline(Lab *l)
{
    l->no_markers = true;
    l->linger_ms = 5;
    lab_freeze(l, 0);
    lab_carry(l);
    lab_client(l, 4); /* the network has not turned: these go to the source */
    lab_released(l, 0);
    lab_wait(lab_both_done, l);
    lab_client(l, 2); /* and these too, behind END */
    lab_settle();
    lab_check_all_in_order(l);
    g_assert_cmpuint(lab_figure(l, 1, "late"), ==, 2);
}

static void bound_stops_the_reading_and_loses_nothing(Lab *l)
{
    l->max_bytes = 16 * net_queue_cost(LAB_FRAME);
    lab_freeze(l, 0);
    lab_client(l, 40);
    lab_settle();
    g_assert_cmpuint(lab_figure(l, 0, "captured"), ==, 16);
    g_assert_cmpuint(g_queue_get_length(&l->side[0].kernel), ==, 24);
    lab_save_and_load(l, 0);
    lab_pass_on(l);
    lab_check_clean(l, 1);
}

/* The guest takes nothing: neither side keeps more than the bound, and what is over it waits with the network. */
static void bound_holds_while_the_guest_takes_nothing(Lab *l)
{
    l->max_bytes = 16 * net_queue_cost(LAB_FRAME);
    l->side[1].ring = 1;
    lab_freeze(l, 0);
    lab_client(l, 60);
    lab_settle();
    lab_carry(l);
    lab_released(l, 0);
    lab_settle();
    g_assert_cmpuint(lab_figure(l, 1, "held"), ==, 16);
    g_assert_cmpuint(lab_figure(l, 0, "held"), ==, 16);
    g_assert_false(l->side[0].tail_done); /* END waits for the rest */
    while (l->got->len < 60) {
        lab_guest_takes(l, 1, 1);
        lab_settle();
    }
    lab_wait(lab_both_done, l);
    lab_check_clean(l, 1);
}

/* What the next process received behind the gate, and the guest did not take, moves on with it, over the bound or not. */
static void stuck_guest_moves_on_with_all_it_has(Lab *l)
{
    l->max_bytes = 8 * net_queue_cost(LAB_FRAME);
    l->side[1].ring = l->side[0].ring = 1;
    l->side[0].room = 100;
    lab_freeze(l, 0);
    lab_client(l, 8);
    lab_settle();
    lab_save_and_load(l, 0);
    lab_pass_on(l);
    lab_client(l, 12); /* of these 8 are kept, the rest is in the kernel */
    lab_settle();
    lab_peer_gone(l);
    lab_freeze(l, 1);
    lab_save_and_load(l, 1);
    lab_run_sent(l, 1);
    lab_start(l, 0);
    lab_released(l, 1);
    lab_wait(lab_both_done, l);
    lab_client(l, 2);
    lab_check_clean(l, 0);
}

/* The same if netpass is switched off meanwhile: what an earlier handoff brought is still owed. */
static void stuck_guest_moves_on_without_netpass(Lab *l)
{
    HandoffPart *p = &l->side[1].pass->part;

    l->side[1].ring = 1;
    lab_freeze(l, 0);
    lab_client(l, 8);
    lab_settle();
    lab_save_and_load(l, 0);
    lab_pass_on(l);
    lab_client(l, 4);
    lab_settle();
    lab_peer_gone(l);
    g_assert_cmpuint(l->got->len, <, 12);
    l->is_off = true;
    g_assert_true(p->wanted(p));
    lab_freeze(l, 1);
    lab_save_and_load(l, 1);
    lab_run_sent(l, 1);
    lab_start(l, 0);
    lab_released(l, 1);
    lab_wait(lab_both_done, l);
    lab_check_clean(l, 0);
    lab_peer_gone(l);
    p = &l->side[0].pass->part;
    g_assert_false(p->wanted(p)); /* nothing is owed any more */
}

static void kernel_drops_are_reported(Lab *l)
{
    l->max_bytes = 4 * net_queue_cost(LAB_FRAME);
    l->side[0].kernel_max = 4;
    lab_freeze(l, 0);
    lab_client(l, 4);
    lab_settle();
    lab_client(l, 10);
    lab_settle();
    lab_save_and_load(l, 0);
    lab_pass_on(l);
    g_assert_cmpuint(l->got->len, ==, 8);
    g_assert_cmpuint(lab_figure(l, 1, "lost-in-kernel"), >=, 6); /* a marker may be among them, and come again */
}

static void one_of_a_kind_on_each_port_is_two_frames(Lab *l)
{
    lab_freeze(l, 0);
    lab_save_and_load(l, 0);
    lab_run_sent(l, 0);
    lab_client_same(l, 1);
    lab_start(l, 1);
    lab_client_same(l, 1);
    lab_released(l, 0);
    lab_wait(lab_both_done, l);
    lab_settle();
    g_assert_cmpuint(l->got->len, ==, 2);
}

/* On a learning switch equal frames on both ports are two frames; on one port they are repeated on purpose. */
static void repeated_frames_stay(void)
{
    static const LabMode modes[] = {LAB_LEARN, LAB_MIRROR};
    Lab l;

    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        lab_init(&l, modes[i]);
        lab_guest_sends(&l, 0);
        lab_freeze(&l, 0);
        lab_client_same(&l, 5);
        lab_settle();
        lab_save_and_load(&l, 0);
        lab_client_same(&l, 5);
        lab_settle();
        lab_run_sent(&l, 0);
        lab_start(&l, 1);
        lab_client_same(&l, 5);
        lab_released(&l, 0);
        lab_wait(lab_both_done, &l);
        lab_client_same(&l, 5);
        lab_settle();
        g_assert_cmpuint(l.got->len, ==, 20);
        lab_clear(&l);
    }
}

static void floods_before_the_start_are_left_out(void)
{
    Lab l;

    lab_init(&l, LAB_MIRROR);
    lab_freeze(&l, 0);
    lab_save_and_load(&l, 0);
    lab_client(&l, 10);
    lab_settle();
    g_assert_cmpuint(lab_figure(&l, 1, "flooded"), ==, 10);
    lab_pass_on(&l);
    lab_check_clean(&l, 1);
    lab_clear(&l);
}

/* A busy host: what our port of a hub brings is old news, from before the freeze, and goes on being for a while. */
static void hub_whose_other_port_lags_doubles_nothing(void)
{
    for (unsigned late = 1; late < 24; late += 3) {
        Lab l;

        lab_init(&l, LAB_MIRROR);
        lab_guest_sends(&l, 0);
        l.late = late;
        lab_client(&l, 20); /* the guest has these at the source */
        lab_settle();
        hand_over(&l, 0, some_of_both);
        lab_client(&l, 10);
        lab_settle();
        lab_all_arrives(&l);
        lab_settle();
        lab_check_clean(&l, 1);
        lab_clear(&l);
    }
}

static void own_broadcast_does_not_come_back(Lab *l)
{
    uint8_t data[LAB_FRAME] = "\xff\xff\xff\xff\xff\xff" GUEST_MAC "\x88\xb5";

    lab_freeze(l, 0);
    lab_carry(l);
    net_port_send(&l->side[1].nic, &(NetFrame){.data = data, .size = sizeof(data)});
    lab_released(l, 0);
    lab_wait(lab_both_done, l);
    lab_check_clean(l, 1);
    g_assert_cmpuint(lab_figure(l, 0, "duplicate"), ==, 1);
}

static void unknown_netdev_is_skipped(Lab *l)
{
    g_free(l->side[1].fake.id);
    l->side[1].fake.id = g_strdup("other");
    lab_freeze(l, 0);
    lab_client(l, 2);
    lab_settle();
    lab_save_and_load(l, 0);
    lab_run_sent(l, 0);
    lab_client(l, 2);
    lab_settle();
    lab_start(l, 1);
    g_assert_cmpuint(lab_figure(l, 1, "refused"), ==, 4);
    g_assert_cmpuint(l->side[0].pass->in_flight, ==, 0); /* which other netdevs may use */
    g_assert_true(l->side[1].tail_done);
}

static void backlog_over_the_bound_is_refused_before_ready(Lab *l)
{
    HandoffPart *p = &l->side[0].pass->part, *q = &l->side[1].pass->part;
    StateWriter *w = state_writer_new();
    GError *err = NULL;
    StateReader r;
    size_t size;

    lab_freeze(l, 0);
    lab_client(l, 20);
    lab_settle();
    g_assert_true(p->save(p, w, NULL));
    l->max_bytes = 4 * net_queue_cost(LAB_FRAME);
    state_writer_data(w, &size);
    state_reader_init(&r, state_writer_data(w, &size), size, "netpass");
    g_assert_false(q->load(q, &r, &err));
    g_assert_nonnull(strstr(err->message, "netpass-max-bytes"));
    g_clear_error(&err);
    q->abandon(q);
    p->thaw(p, false);
    net_world_set_running(&l->side[0].world, true);
    lab_check_all_in_order(l);
    state_writer_free(w);
}

static void channel_lost_in_the_tail_opens_the_gate(Lab *l)
{
    l->no_markers = true;
    lab_freeze(l, 0);
    lab_client(l, 2);
    lab_carry(l);
    lab_guest_sends(l, 1);
    lab_client(l, 3);
    lab_released(l, 0);
    lab_settle();
    lab_peer_gone(l);
    g_assert_false(lab_is_ordered(l, 1));
    lab_check_all_in_order(l);
}

/* The source was unsure for a while: the destination stood still, and then said that it runs after all. */
static void late_answer_finds_what_was_kept_meanwhile(Lab *l)
{
    HandoffPart *p = &l->side[0].pass->part;

    lab_freeze(l, 0);
    lab_client(l, 2);
    lab_save_and_load(l, 0);
    lab_run_sent(l, 0);
    lab_client(l, 2);
    lab_settle();
    p->lost(p);
    lab_client(l, 3);
    lab_settle();
    lab_start(l, 1);
    lab_client(l, 2);
    lab_released(l, 0);
    lab_wait(lab_both_done, l);
    lab_check_clean(l, 1);
}

/* Of a busy guest: its port still had those that the network sent before, and they had not gone in, either. */
static void copies_on_the_way_keep_their_place_when_the_guest_moves_on(Lab *l)
{
    l->side[1].ring = l->side[1].room = 1;
    lab_freeze(l, 0);
    lab_carry(l);
    lab_released(l, 0);
    l->side[1].is_stopped = true; /* does not read the check */
    lab_settle();
    l->late = 3;
    lab_broadcast(l, 6);
    lab_settle();
    l->side[1].netdev->ops->drain(l->side[1].netdev);
    lab_wait(lab_both_done, l);
    lab_peer_gone(l);
    g_assert_cmpuint(l->got->len, ==, 1);
    lab_freeze(l, 1);
    lab_all_arrives(l);
    lab_settle();
    lab_save_and_load(l, 1);
    lab_run_sent(l, 1);
    lab_start(l, 0);
    lab_released(l, 1);
    lab_wait(lab_both_done, l);
    lab_check_clean(l, 0);
}

static unsigned filters_saw[32]; /* number -> so often, on both sides */

static NetVerdict note_frame(NetFilter *f, NetLaneId lane, const NetFrame *frame)
{
    if (lane == NET_TO_GUEST && load_be16(frame->data + 12) == 0x88b5) {
        filters_saw[load_be32(frame->data + 14)]++;
    }
    return NET_PASS;
}

/* Also those that both ports have from behind the turn, of which ours goes in: the source's filters had them.  Some of ours
 * come when the gate is open. */
static void a_frame_is_seen_by_the_filters_of_one_side(Lab *l)
{
    static const NetFilterOps ops = {.receive = note_frame};
    NetFilter filters[2] = {{.ops = &ops}, {.ops = &ops}};
    NetQueue left[NET_LANES] = {0};

    memset(filters_saw, 0, sizeof(filters_saw));
    for (unsigned i = 0; i < 2; i++) {
        net_chain_add_filter(net_chain_of(l->side[i].netdev), &filters[i], 0);
    }
    lab_freeze(l, 0);
    some_of_both(l);
    lab_carry(l);
    lab_released(l, 0);
    l->side[1].is_stopped = true; /* does not read the check */
    lab_settle();
    l->late = 3;
    lab_broadcast(l, 6);
    lab_settle();
    l->side[1].netdev->ops->drain(l->side[1].netdev);
    lab_wait(lab_both_done, l);
    lab_all_arrives(l);
    some_of_both(l);
    lab_settle();
    lab_check_clean(l, 1);
    for (uint32_t i = 1; i <= l->sent; i++) {
        g_assert_cmpuint(filters_saw[i], ==, 1);
    }
    for (unsigned i = 0; i < 2; i++) {
        net_chain_remove_filter(net_chain_of(l->side[i].netdev), &filters[i], left);
    }
}

static const NetPortOps slirp_like = {.type = "user"};

static void netdev_that_cannot_is_refused_by_name(void)
{
    HandoffPart *p;
    GError *err = NULL;
    Lab l;

    lab_init(&l, LAB_LEARN);
    p = &l.side[0].pass->part;
    l.side[0].fake.ops = &slirp_like;
    g_assert_false(p->prepare(p, &err));
    g_assert_nonnull(strstr(err->message, "'n0'"));
    g_clear_error(&err);
    l.best_effort = 1;
    lab_freeze(&l, 0);
    lab_carry(&l);
    lab_released(&l, 0);
    g_assert_true(lab_both_done(&l));
    lab_clear(&l);
}

typedef struct Row {
    const char *name;
    void (*fn)(Lab *l);  /* gets a learning switch that knows the guest */
    void (*alone)(void); /* makes what it needs */
} Row;

static const Row rows[] = {
    {"keeps_order_and_loses_nothing", .alone = keeps_order_and_loses_nothing},
    {"frame_looked_up_before_the_cut_comes_in_time", frame_looked_up_before_the_cut_comes_in_time},
    {"random_traffic_is_whole", .alone = random_traffic_is_whole},
    {"frame_of_a_full_ring_is_number_one", frame_of_a_full_ring_is_number_one},
    {"roll_back_gives_all_to_the_local_guest", .alone = roll_back_gives_all_to_the_local_guest},
    {"roll_back_into_a_full_ring_keeps_order", roll_back_into_a_full_ring_keeps_order_and_moves_again},
    {"give_back_returns_every_frame", give_back_returns_every_frame},
    {"parked_copies_stay_with_the_source", parked_copies_stay_with_the_source},
    {"gate_opens_by_its_deadline_and_says_so", gate_opens_by_its_deadline_and_says_so},
    {"late_switch_keeps_the_gate_closed_and_the_source_forwarding",
     late_switch_keeps_the_gate_closed_and_the_source_forwarding},
    {"markers_of_another_nic_are_not_ours", markers_of_another_nic_are_not_ours},
    {"linger_ends_by_its_deadline", linger_ends_by_its_deadline},
    {"bound_stops_the_reading_and_loses_nothing", bound_stops_the_reading_and_loses_nothing},
    {"bound_holds_while_the_guest_takes_nothing", bound_holds_while_the_guest_takes_nothing},
    {"stuck_guest_moves_on_with_all_it_has", stuck_guest_moves_on_with_all_it_has},
    {"stuck_guest_moves_on_without_netpass", stuck_guest_moves_on_without_netpass},
    {"kernel_drops_are_reported", kernel_drops_are_reported},
    {"one_of_a_kind_on_each_port_is_two_frames", one_of_a_kind_on_each_port_is_two_frames},
    {"repeated_frames_stay", .alone = repeated_frames_stay},
    {"floods_before_the_start_are_left_out", .alone = floods_before_the_start_are_left_out},
    {"hub_whose_other_port_lags_doubles_nothing", .alone = hub_whose_other_port_lags_doubles_nothing},
    {"own_broadcast_does_not_come_back", own_broadcast_does_not_come_back},
    {"unknown_netdev_is_skipped", unknown_netdev_is_skipped},
    {"backlog_over_the_bound_is_refused_before_ready", backlog_over_the_bound_is_refused_before_ready},
    {"channel_lost_in_the_tail_opens_the_gate", channel_lost_in_the_tail_opens_the_gate},
    {"late_answer_finds_what_was_kept_meanwhile", late_answer_finds_what_was_kept_meanwhile},
    {"copies_on_the_way_keep_their_place_when_the_guest_moves_on",
     copies_on_the_way_keep_their_place_when_the_guest_moves_on},
    {"a_frame_is_seen_by_the_filters_of_one_side", a_frame_is_seen_by_the_filters_of_one_side},
    {"netdev_that_cannot_is_refused_by_name", .alone = netdev_that_cannot_is_refused_by_name},
};

/* ---- what they have in common ---- */
static void set_up(Lab *l, gconstpointer row)
{
    lab_init(l, LAB_LEARN);
    lab_guest_sends(l, 0);
}

static void tear_down(Lab *l, gconstpointer row)
{
    lab_clear(l);
}

static void run(Lab *l, gconstpointer row)
{
    ((const Row *)row)->fn(l);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/net/netpass/%s", rows[i].name);

        if (rows[i].fn) {
            g_test_add(path, Lab, &rows[i], set_up, run, tear_down);
        } else {
            g_test_add_func(path, rows[i].alone);
        }
    }
    return g_test_run();
}
