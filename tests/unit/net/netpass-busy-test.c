/* tests/unit/net/netpass-busy-test.c - what netpass promises where the network, the guest or a process is far behind.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake-net.h"

#include "net/offload.h"
#include "qapi/qmp.h"
#include "util/bytes.h"
#include "util/loop.h"

#include <string.h>

static bool is_too_late; /* the host was too busy to say anything: the case is tried again */

static NetpassPort *destination(Lab *l)
{
    return l->side[1].pass->ports->pdata[0];
}

/* ---- the guest's frames ---- */
/* It has taken us as long as the destination waits for marker 7: nothing can be said of its silence. */
static bool is_silence_over(Lab *l)
{
    is_too_late = time_monotonic_ns() - destination(l)->started_ns >= 40 * NS_PER_MS;
    return is_too_late;
}

/* A switch that stands still has the guest's last frames before it.  Were ours in front of them, the guest would speak out of
 * order, and the switch would turn back to the source. */
static void guests_frames_leave_the_source_first(Lab *l)
{
    l->side[0].is_clogged = true;
    lab_guest_sends(l, 0);
    lab_guest_sends(l, 0);
    lab_freeze(l, 0);
    lab_client(l, 3);
    lab_carry(l);
    lab_guest_sends(l, 1);
    lab_guest_sends(l, 1);
    lab_client(l, 3);
    lab_released(l, 0);
    lab_linger(l, 20);
    g_assert_cmpint(l->learned, ==, 0);
    g_assert_cmpuint(l->got->len, ==, 6); /* the source passes them on */
    lab_unclog(l, 0);
    lab_wait(lab_both_done, l);
    lab_client(l, 2);
    lab_check_clean(l, 1);
    g_assert_cmpint(l->learned, ==, 1);
    g_assert_cmpstr(l->senders->str, ==, "00011");
}

/* The switch has them already, and is busy.  Marker 7 is behind them, and comes out there as they do. */
static void guests_frames_in_a_switch_are_not_overtaken(Lab *l)
{
    l->late = 1000;
    lab_freeze(l, 0);
    lab_client(l, 3);
    lab_carry(l);
    lab_guest_sends(l, 1);
    lab_client(l, 3);
    lab_released(l, 0);
    lab_settle();
    if (is_silence_over(l)) {
        return;
    }
    g_assert_cmpint(l->learned, ==, 0); /* nothing has left there: no marker either */
    g_assert_cmpstr(l->senders->str, ==, "0");
    lab_all_arrives(l);
    lab_settle();
    g_assert_cmpstr(l->senders->str, ==, "01");
    lab_wait(lab_both_done, l);
    lab_client(l, 2);
    lab_check_clean(l, 1);
}

/* A guest that speaks first, and whose network lets no group frame through. */
static void silence_for_a_marker_that_never_comes_is_short(Lab *l)
{
    l->no_markers = true;
    lab_freeze(l, 0);
    lab_carry(l);
    lab_guest_sends(l, 1);
    lab_settle();
    if (is_silence_over(l)) {
        return;
    }
    g_assert_cmpstr(l->senders->str, ==, "0");
    lab_wait(lab_may_speak, l);
    lab_settle();
    g_assert_cmpstr(l->senders->str, ==, "01");
}

/* Nobody waits for ever: not for a port that takes nothing any more. */
static void clogged_port_lets_the_destination_speak_in_the_end(Lab *l)
{
    l->gate_ms = 50;
    l->side[0].is_clogged = true;
    lab_guest_sends(l, 0);
    lab_freeze(l, 0);
    lab_carry(l);
    lab_guest_sends(l, 1);
    lab_client(l, 3);
    lab_released(l, 0);
    lab_wait(lab_gate_expired, l);
    lab_settle();
    g_assert_cmpstr(l->senders->str, ==, "01");
    lab_check_all_in_order(l);
}

static void guest_that_is_taken_back_does_not_wait_for_a_clogged_port(Lab *l)
{
    l->side[0].is_clogged = l->is_unwanted = true;
    lab_guest_sends(l, 0);
    lab_freeze(l, 0);
    l->asked_wanted = 0;
    g_assert_true(l->side[0].pass->part.drain(&l->side[0].pass->part, NULL));
    g_assert_cmpuint(l->asked_wanted, ==, 1); /* and not looked again */
}

/* ---- a guest that is slow ---- */
/* 50 frames for a guest that has no buffer but those which the test gives it; 8 of them are within the bound. */
static void load_for_a_slow_guest(Lab *l, unsigned linger_ms)
{
    l->max_bytes = 8 * net_queue_cost(LAB_FRAME);
    l->linger_ms = linger_ms;
    l->side[1].ring = 1;
    lab_freeze(l, 0);
    lab_client(l, 50);
    lab_settle();
    lab_save_and_load(l, 0);
}

/* It takes its frames, far slower than they came: the source stays, though its time is over. */
static void slow_guest_gets_all(Lab *l)
{
    load_for_a_slow_guest(l, 1500);
    lab_run_sent(l, 0);
    lab_start(l, 1);
    lab_released(l, 0);
    for (unsigned turns = 0; l->got->len < 50; turns++) {
        g_assert_cmpuint(turns, <, 200);
        lab_guest_takes(l, 1, 1);
        lab_linger(l, 32);
    }
    lab_wait(lab_both_done, l);
    lab_check_clean(l, 1);
}

static void frames_of_a_stuck_guest_are_accounted_for(Lab *l)
{
    load_for_a_slow_guest(l, 5);
    lab_pass_on(l);
    lab_client(l, 3); /* its own */
    lab_settle();
    lab_peer_gone(l);
    g_assert_cmpuint(lab_figure(l, 1, "held"), ==, 8 + 3);
    g_assert_cmpuint(lab_figure(l, 1, "refused"), ==, 50 - 8);
    while (l->got->len < 8 + 3) {
        lab_guest_takes(l, 1, 1);
        lab_settle();
    }
}

static Json *told; /* the last account */

static void note_account(const char *name, Json *data, int64_t at_ns)
{
    if (!strcmp(name, "NETPASS_ENDED")) {
        json_unref(told);
        told = json_copy(data);
    }
    json_unref(data);
}

static void check_told(const char *name, uint64_t wanted)
{
    uint64_t v;

    g_assert_true(json_to_uint64(json_get(json_at(json_get(told, "netdevs"), 0), name), &v));
    g_assert_cmpuint(v, ==, wanted);
}

static void account_is_told_when_the_source_is_gone(Lab *l)
{
    qapi_set_emit_hook(note_account);
    load_for_a_slow_guest(l, 5);
    lab_pass_on(l);
    g_assert_null(told);
    lab_peer_gone(l);
    check_told("refused", 50 - 8);
    check_told("held", 8);
    qapi_set_emit_hook(NULL);
    json_unref(told);
    told = NULL;
}

/* ---- copies that are late ---- */
/* The other port of the network is seconds behind, and what the guest had before the freeze comes there when it runs already. */
static void copies_outlast_the_pause(Lab *l, bool has_lost_marker)
{
    l->late = 1000;
    lab_broadcast(l, 3); /* the guest has these at the source */
    lab_settle();
    lab_freeze(l, 0);
    lab_save_and_load(l, 0);
    if (has_lost_marker) {
        lab_drop_last(l); /* marker 7, which would have told */
    }
    lab_broadcast(l, 2); /* and these come from there */
    lab_settle();
    lab_run_sent(l, 0);
    lab_start(l, 1);
    lab_wait(lab_may_speak, l);
    lab_settle();
    lab_all_arrives(l); /* with the check behind them */
    lab_broadcast(l, 1);
    lab_settle();
    lab_released(l, 0);
    lab_wait(lab_both_done, l);
    lab_broadcast(l, 1);
    lab_settle();
    lab_check_clean(l, 1);
}

static void broadcast_whose_copy_outlasts_the_pause_is_not_doubled(Lab *l)
{
    copies_outlast_the_pause(l, false);
    g_assert_cmpuint(lab_figure(l, 1, "flooded"), >=, 3);
}

static void copies_from_before_the_freeze_are_known_by_their_place(Lab *l)
{
    copies_outlast_the_pause(l, true);
    g_assert_cmpuint(lab_figure(l, 1, "flooded"), ==, 5);
}

/* Behind the destination's last marker it has the network's copy of each: the source says nothing of them. */
static void group_frames_behind_the_turn_are_not_passed_on(Lab *l)
{
    lab_freeze(l, 0);
    lab_save_and_load(l, 0);
    lab_pass_on(l);
    lab_broadcast(l, 20);
    lab_check_clean(l, 1);
    g_assert_cmpuint(lab_figure(l, 1, "late"), ==, 0);
    g_assert_cmpuint(lab_figure(l, 1, "duplicate"), ==, 0);
}

/* ---- bounds, and ends ---- */
/* Ten pieces for a guest that takes no large frame. */
static void send_large_frame(Lab *l)
{
    uint8_t data[14 + 20 + 20 + 1000] = GUEST_MAC "\x02\0\0\0\0\1";
    NetFrame f = {.data = data, .size = sizeof(data),
                  .offload = {.flags = NET_HDR_NEEDS_CSUM, .gso_type = NET_GSO_TCPV4, .hdr_len = 54, .gso_size = 100,
                              .csum_start = 34, .csum_offset = 16}};

    store_be16(data + 12, 0x0800);
    data[14] = 0x45;
    store_be16(data + 16, sizeof(data) - 14);
    data[14 + 9] = 6; /* TCP */
    data[34 + 12] = 0x50;
    g_assert_cmpint(net_port_send(&l->side[0].fake, &f), ==, NET_DONE);
}

/* They were the guest's network's before the freeze: nobody has them but us. */
static void rest_of_a_large_frame_goes_along_whatever_the_bound(Lab *l)
{
    l->max_bytes = 4 * net_queue_cost(LAB_FRAME);
    l->side[0].ring = l->side[0].room = 3;
    send_large_frame(l);
    lab_freeze(l, 0);
    g_assert_cmpuint(lab_figure(l, 0, "captured"), ==, 10 - 3);
    l->max_bytes = 1 << 20; /* of the destination */
    lab_save_and_load(l, 0);
    lab_pass_on(l);
    lab_check_clean(l, 1);
    g_assert_cmpuint(lab_figure(l, 1, "injected"), ==, 10 - 3);
}

static bool has_seen(Lab *l)
{
    return destination(l)->source_saw;
}

/* The destination's bound is the smaller one, and what the source sends waits there for copies that are far behind. */
static void frames_over_the_bound_do_not_overtake_those_that_wait(Lab *l)
{
    l->late = 1000;
    l->learns_late = true;
    lab_freeze(l, 0);
    lab_carry(l);
    lab_wait(has_seen, l); /* the first marker, which marker 7 has held up */
    destination(l)->shared.bytes_max = 2 * net_queue_cost(LAB_FRAME);
    lab_broadcast(l, 6);
    lab_check_all_in_order(l);
    lab_learn(l);
    lab_all_arrives(l);
    lab_released(l, 0);
    lab_wait(lab_both_done, l);
    lab_check_clean(l, 1);
}

/* The source was unsure, and has kept what came: nothing else need come for it to be sent. */
static void late_answer_sends_at_once_what_was_kept(Lab *l)
{
    HandoffPart *p = &l->side[0].pass->part;

    l->no_markers = true;
    lab_freeze(l, 0);
    lab_save_and_load(l, 0);
    lab_run_sent(l, 0);
    p->lost(p);
    lab_client(l, 3);
    lab_settle();
    lab_start(l, 1);
    lab_released(l, 0);
    lab_check_all_in_order(l);
}

static void source_that_leaves_passes_on_all_that_has_reached_it(Lab *l)
{
    HandoffPart *p = &l->side[0].pass->part, *q = &l->side[1].pass->part;

    l->max_bytes = 8 * net_queue_cost(LAB_FRAME);
    lab_freeze(l, 0);
    lab_save_and_load(l, 0);
    p->parked(p);
    lab_client(l, 30);
    lab_settle();
    g_assert_cmpuint(g_queue_get_length(&l->side[0].kernel), ==, 30 - 8);
    p->released(p, true);
    q->owned(q);
    p->leaving(p);
    g_assert_cmpuint(g_queue_get_length(&l->side[0].kernel), ==, 0);
    g_assert_true(l->side[0].tail_done);
    lab_settle();
    q->peer_gone(q);
    lab_start(l, 1);
    lab_check_all_in_order(l);
    g_assert_cmpuint(lab_figure(l, 1, "refused"), ==, 0);
}

static void removed_netdev_ends_its_tail(Lab *l)
{
    l->no_markers = true;
    l->linger_ms = 5;
    lab_freeze(l, 0);
    lab_carry(l);
    lab_released(l, 0);
    for (unsigned i = 0; i < 2; i++) {
        NetHook *h = l->side[i].netdev->chain->hook;

        h->gone(h);
    }
    lab_wait(lab_both_done, l);
}

static bool has_its_cable_back(Lab *l)
{
    return !l->side[1].netdev->chain->hook;
}

/* Its source has left while it was parked. */
static void guest_that_starts_alone_gets_its_cable_back(Lab *l)
{
    HandoffPart *p = &l->side[0].pass->part, *q = &l->side[1].pass->part;

    lab_freeze(l, 0);
    lab_client(l, 3);
    lab_save_and_load(l, 0);
    p->parked(p);
    lab_settle();
    q->owned(q);
    q->peer_gone(q);
    lab_start(l, 1);
    lab_guest_sends(l, 1);
    lab_client(l, 3);
    lab_wait(has_its_cable_back, l);
    lab_check_all_in_order(l);
    g_assert_false(l->side[1].pass->is_active);
}

/* A channel that stands still after a long pause: what the engine does not queue stays with the source, and follows. */
static void no_more_is_under_way_than_the_engine_takes(Lab *l)
{
    size_t cost = net_queue_cost(LAB_FRAME);

    l->side[0].pass->in_flight_max = 8 * cost;
    l->engine_max = 12 * cost;
    l->gate_ms = 20; /* what waits for its copies over there is under way, too, until the gate opens */
    l->is_stuck = true;
    lab_freeze(l, 0);
    lab_client(l, 20);
    lab_settle();
    lab_save_and_load(l, 0);
    lab_client(l, 20);
    lab_settle();
    lab_run_sent(l, 0);
    lab_start(l, 1);
    lab_released(l, 0);
    lab_settle();
    lab_unstick(l);
    lab_wait(lab_both_done, l);
    lab_check_all_in_order(l);
    g_assert_cmpuint(lab_figure(l, 1, "refused"), ==, 0);
}

/* What finds no room even then is counted, and the destination hears of it. */
static void source_that_leaves_counts_what_the_engine_does_not_take(Lab *l)
{
    size_t cost = net_queue_cost(LAB_FRAME);
    HandoffPart *p = &l->side[0].pass->part, *q = &l->side[1].pass->part;

    l->side[0].pass->in_flight_max = 8 * cost;
    l->engine_max = 32 * cost;
    lab_freeze(l, 0);
    lab_client(l, 40);
    lab_settle();
    lab_save_and_load(l, 0);
    p->parked(p);
    l->is_stuck = true;
    p->released(p, true);
    q->owned(q);
    p->leaving(p);
    g_assert_true(l->side[0].tail_done);
    lab_unstick(l);
    lab_settle();
    q->peer_gone(q);
    g_assert_cmpuint(lab_figure(l, 0, "refused"), ==, 40 - 12);
    lab_start(l, 1);
    lab_settle();
    g_assert_cmpuint(l->got->len, ==, 12);
    g_assert_cmpuint(lab_figure(l, 1, "refused"), ==, 40 - 12);
}

static const struct Row {
    const char *name;
    void (*fn)(Lab *l);
} rows[] = {
    {"guests_frames_leave_the_source_first", guests_frames_leave_the_source_first},
    {"guests_frames_in_a_switch_are_not_overtaken", guests_frames_in_a_switch_are_not_overtaken},
    {"silence_for_a_marker_that_never_comes_is_short", silence_for_a_marker_that_never_comes_is_short},
    {"clogged_port_lets_the_destination_speak_in_the_end", clogged_port_lets_the_destination_speak_in_the_end},
    {"guest_that_is_taken_back_does_not_wait_for_a_clogged_port", guest_that_is_taken_back_does_not_wait_for_a_clogged_port},
    {"slow_guest_gets_all", slow_guest_gets_all},
    {"frames_of_a_stuck_guest_are_accounted_for", frames_of_a_stuck_guest_are_accounted_for},
    {"account_is_told_when_the_source_is_gone", account_is_told_when_the_source_is_gone},
    {"broadcast_whose_copy_outlasts_the_pause_is_not_doubled", broadcast_whose_copy_outlasts_the_pause_is_not_doubled},
    {"copies_from_before_the_freeze_are_known_by_their_place", copies_from_before_the_freeze_are_known_by_their_place},
    {"group_frames_behind_the_turn_are_not_passed_on", group_frames_behind_the_turn_are_not_passed_on},
    {"rest_of_a_large_frame_goes_along_whatever_the_bound", rest_of_a_large_frame_goes_along_whatever_the_bound},
    {"frames_over_the_bound_do_not_overtake_those_that_wait", frames_over_the_bound_do_not_overtake_those_that_wait},
    {"late_answer_sends_at_once_what_was_kept", late_answer_sends_at_once_what_was_kept},
    {"source_that_leaves_passes_on_all_that_has_reached_it", source_that_leaves_passes_on_all_that_has_reached_it},
    {"no_more_is_under_way_than_the_engine_takes", no_more_is_under_way_than_the_engine_takes},
    {"source_that_leaves_counts_what_the_engine_does_not_take", source_that_leaves_counts_what_the_engine_does_not_take},
    {"removed_netdev_ends_its_tail", removed_netdev_ends_its_tail},
    {"guest_that_starts_alone_gets_its_cable_back", guest_that_starts_alone_gets_its_cable_back},
};

static void run(gconstpointer row)
{
    Lab l;

    for (unsigned tries = 0; tries == 0 || (is_too_late && tries < 100); tries++) {
        is_too_late = false;
        lab_init(&l, LAB_LEARN);
        lab_guest_sends(&l, 0);
        ((const struct Row *)row)->fn(&l);
        lab_clear(&l);
    }
    if (is_too_late) {
        g_test_skip("the host is too busy");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    loop_init();
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/net/netpass-busy/%s", rows[i].name);

        g_test_add_data_func(path, &rows[i], run);
    }
    return g_test_run();
}
