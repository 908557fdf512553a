/* tests/unit/net/fake-net.c - two machines, a client and the network between them, in memory.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake-net.h"

#include "util/bytes.h"
#include "util/loop.h"

#include <string.h>

static Lab *lab; /* of the running test: the engine has no other way to find it */

/* ---- the engine ---- */
static Side *side_of(const HandoffPart *p)
{
    return &lab->side[p == &lab->side[1].pass->part];
}

static void inbox_read(void *opaque)
{
    Side *s = opaque;
    GBytes *b;

    while (!(lab->is_stuck && s == &lab->side[1]) && (b = g_queue_pop_head(&s->messages))) {
        StateReader r;
        gsize size;
        gconstpointer data = g_bytes_get_data(b, &size);

        state_reader_init(&r, data, size, "message");
        s->pass->part.message(&s->pass->part, &r);
        g_bytes_unref(b);
    }
}

static bool engine_send(HandoffPart *p, const void *data, size_t size)
{
    Side *to = &lab->side[!(side_of(p) - lab->side)];
    size_t waiting = size;

    for (const GList *l = to->messages.head; l; l = l->next) {
        waiting += g_bytes_get_size(l->data);
    }
    if (lab->engine_max && waiting > lab->engine_max) {
        return false;
    }
    g_queue_push_tail(&to->messages, g_bytes_new(data, size));
    net_defer(to->inbox);
    return true;
}

static void engine_tail_done(HandoffPart *p)
{
    g_assert_false(side_of(p)->tail_done);
    side_of(p)->tail_done = true;
}

static bool engine_capability(const char *name)
{
    return !strcmp(name, "netpass") && !lab->is_off;
}

static uint64_t engine_parameter(const char *name)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"netpass-max-bytes", lab->max_bytes},
                {"netpass-gate-ms", lab->gate_ms},
                {"netpass-linger-ms", lab->linger_ms},
                {"tail-deadline-ms", 5000},
                {"netpass-best-effort", lab->best_effort}};

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!strcmp(rows[i].name, name)) {
            return rows[i].value;
        }
    }
    g_assert_not_reached();
}

static bool engine_is_wanted(void)
{
    lab->asked_wanted++;
    return !lab->is_unwanted;
}

static const HandoffEngine engine = {
    .send = engine_send, .tail_done = engine_tail_done, .capability = engine_capability, .parameter = engine_parameter,
    .is_wanted = engine_is_wanted,
};

/* ---- the network ---- */
static void arrive(Side *s, GBytes *frame)
{
    if (s->kernel_max && g_queue_get_length(&s->kernel) >= s->kernel_max) {
        s->kernel_dropped++;
        return;
    }
    g_queue_push_tail(&s->kernel, g_bytes_ref(frame));
    net_defer(s->reader);
}

static void to_side(Lab *l, unsigned i, GBytes *frame, bool from_client)
{
    GBytes *slow;

    if (i == 0 && from_client && g_queue_get_length(&l->slow) < l->lag) {
        g_queue_push_tail(&l->slow, g_bytes_ref(frame));
        return;
    }
    if (i == 1 && l->late) {
        g_queue_push_tail(&l->on_the_way, g_bytes_ref(frame));
        if (g_queue_get_length(&l->on_the_way) > l->late) {
            slow = g_queue_pop_head(&l->on_the_way);
            arrive(&l->side[1], slow);
            g_bytes_unref(slow);
        }
        return;
    }
    arrive(&l->side[i], frame);
    while (i == 0 && !from_client && (slow = g_queue_pop_head(&l->slow))) {
        arrive(&l->side[0], slow); /* looked up before, but queued behind */
        g_bytes_unref(slow);
    }
}

void lab_all_arrives(Lab *l)
{
    GBytes *frame;

    l->late = 0;
    while ((frame = g_queue_pop_head(&l->on_the_way))) {
        arrive(&l->side[1], frame);
        g_bytes_unref(frame);
    }
}

void lab_drop_last(Lab *l)
{
    g_bytes_unref(g_queue_pop_tail(&l->on_the_way));
}

void lab_arrives(Lab *l, unsigned side, const void *data, size_t size)
{
    g_autoptr(GBytes) frame = g_bytes_new(data, size);

    arrive(&l->side[side], frame);
}

static void client_frame(Lab *l, const uint8_t *data)
{
    g_autoptr(GBytes) frame = g_bytes_new(data, LAB_FRAME);
    bool to_all = (data[0] & 1) || l->mode == LAB_MIRROR || l->learned < 0;

    for (unsigned i = 0; i < 2; i++) {
        if (to_all || l->learned == i) {
            to_side(l, i, frame, true);
        }
    }
}

static void guest_frame(Lab *l, Side *from, const NetFrame *f)
{
    g_autoptr(GBytes) frame = g_bytes_new(f->data, f->size);
    unsigned i = from - l->side;

    if (load_be16(f->data + 12) == 0x8035 && l->no_markers) {
        return;
    }
    if (load_be16(f->data + 12) == 0x88b6) {
        g_string_append_c(l->senders, '0' + i);
    }
    if (!memcmp(f->data + 6, GUEST_MAC, 6)) {
        l->learns = i;
        l->learned = l->learns_late ? l->learned : l->learns;
    }
    if ((f->data[0] & 1) || l->mode == LAB_MIRROR || (!memcmp(f->data, GUEST_MAC, 6) && l->learned == !i)) {
        to_side(l, !i, frame, false);
    }
    l->to_client++;
}

void lab_learn(Lab *l)
{
    l->learned = l->learns;
}

void lab_number_frame(uint8_t *data, bool is_group, uint32_t number)
{
    memset(data, 0, LAB_FRAME);
    memcpy(data, GUEST_MAC, 6);
    if (is_group) {
        memset(data, 0xff, 6);
    }
    memcpy(data + 6, "\x02\0\0\0\0\1", 6);
    store_be16(data + 12, 0x88b5);
    store_be32(data + 14, number);
}

void lab_client(Lab *l, unsigned count)
{
    uint8_t data[LAB_FRAME];

    while (count--) {
        lab_number_frame(data, false, ++l->sent);
        client_frame(l, data);
    }
}

void lab_broadcast(Lab *l, unsigned count)
{
    uint8_t data[LAB_FRAME];

    while (count--) {
        lab_number_frame(data, true, ++l->sent);
        client_frame(l, data);
    }
}

void lab_client_same(Lab *l, unsigned count)
{
    uint8_t data[LAB_FRAME];

    while (count--) {
        lab_number_frame(data, false, UINT32_MAX);
        client_frame(l, data);
        l->sent++;
    }
}

/* ---- netdev ---- */
static int netdev_read(Side *s)
{
    int count = 0;
    GBytes *b;

    while (!s->is_stopped && (b = g_queue_peek_head(&s->kernel))) {
        gsize size;
        const void *data = g_bytes_get_data(b, &size);

        if (net_port_send(&s->fake, &(NetFrame){.data = data, .size = size}) == NET_NO_ROOM) {
            s->is_stopped = true;
            break;
        }
        g_queue_pop_head(&s->kernel);
        g_bytes_unref(b);
        count++;
    }
    return count;
}

static void netdev_reader(void *opaque)
{
    netdev_read(opaque);
}

static NetResult netdev_receive(NetPort *p, const NetFrame *f)
{
    Side *s = p->opaque;

    if (s->is_clogged) {
        g_queue_push_tail(&s->out, g_bytes_new(f->data, f->size));
    } else {
        guest_frame(s->lab, s, f);
    }
    return NET_DONE;
}

static bool netdev_is_sending(NetPort *p)
{
    return ((Side *)p->opaque)->out.length > 0;
}

void lab_unclog(Lab *l, unsigned side)
{
    Side *s = &l->side[side];
    GBytes *b;

    s->is_clogged = false;
    while ((b = g_queue_pop_head(&s->out))) {
        gsize size;
        const void *data = g_bytes_get_data(b, &size);

        guest_frame(l, s, &(NetFrame){.data = data, .size = size});
        g_bytes_unref(b);
    }
}

static void netdev_peer_room(NetPort *p)
{
    Side *s = p->opaque;

    s->is_stopped = false;
    netdev_read(s);
}

static int netdev_drain(NetPort *p)
{
    ((Side *)p->opaque)->is_stopped = false;
    return netdev_read(p->opaque);
}

static int64_t netdev_drops(NetPort *p)
{
    return ((Side *)p->opaque)->kernel_dropped;
}

static const NetPortOps netdev_ops = {
    .type = "fake", .receive = netdev_receive, .peer_room = netdev_peer_room, .drain = netdev_drain,
    .kernel_drops = netdev_drops, .is_sending = netdev_is_sending, .can_capture = true,
};

/* ---- NIC ---- */
static NetResult nic_receive(NetPort *p, const NetFrame *f)
{
    Side *s = p->opaque;
    uint32_t number = load_be32(f->data + 14);

    if (s->ring && !s->room) {
        return NET_NO_ROOM;
    }
    s->room -= s->ring ? 1 : 0;
    if (load_be16(f->data + 12) == 0x88b5) {
        g_array_append_val(s->lab->got, number);
    }
    return NET_DONE;
}

static bool guest_sends_one(Side *s)
{
    uint8_t data[LAB_FRAME] = "\x02\0\0\0\0\1" GUEST_MAC "\x88\xb6";

    return net_port_send(&s->nic, &(NetFrame){.data = data, .size = sizeof(data)}) == NET_DONE;
}

static void nic_peer_room(NetPort *p)
{
    Side *s = p->opaque;

    while (s->tx_waiting && guest_sends_one(s)) {
        s->tx_waiting--;
    }
}

static const NetPortOps nic_ops = {.type = "fake-nic", .receive = nic_receive, .peer_room = nic_peer_room};

void lab_guest_takes(Lab *l, unsigned side, unsigned buffers)
{
    l->side[side].room += buffers;
    net_port_room(&l->side[side].nic);
}

void lab_guest_sends(Lab *l, unsigned side)
{
    l->side[side].tx_waiting++;
    nic_peer_room(&l->side[side].nic);
}

/* ---- life ---- */
static void side_init(Lab *l, Side *s)
{
    s->lab = l;
    s->world.ports = g_ptr_array_new();
    net_world_use(&s->world);
    s->reader = net_defer_new(netdev_reader, s);
    s->inbox = net_defer_new(inbox_read, s);
    g_queue_init(&s->kernel);
    g_queue_init(&s->messages);
    g_queue_init(&s->out);
    if (l->open) {
        s->netdev = l->open(l, s - l->side);
    } else {
        s->netdev = &s->fake;
        net_port_init(&s->fake, "n0", &netdev_ops, s);
    }
    s->nic.is_nic = true;
    memcpy(s->nic.mac, GUEST_MAC, 6);
    net_port_init(&s->nic, "nic0", &nic_ops, s);
    g_assert_true(net_port_connect(&s->nic, "n0", NULL));
    s->pass = netpass_new(&s->world);
    net_world_use(NULL);
}

static void lab_begin(Lab *l)
{
    lab = l;
    handoff_set_engine(&engine);
    l->got = g_array_new(false, false, sizeof(uint32_t));
    l->senders = g_string_new("");
    g_queue_init(&l->slow);
    side_init(l, &l->side[0]);
    side_init(l, &l->side[1]);
    net_world_set_running(&l->side[0].world, true);
    lab_settle();
}

void lab_init(Lab *l, LabMode mode)
{
    *l = (Lab){.mode = mode, .max_bytes = 1 << 20, .gate_ms = 5000, .linger_ms = 5000};
    lab_begin(l);
}

void lab_init_over(Lab *l, NetPort *(*open)(Lab *l, unsigned side), void (*close)(Lab *l, unsigned side))
{
    *l = (Lab){.open = open, .close = close, .max_bytes = 1 << 20, .gate_ms = 5000, .linger_ms = 5000};
    lab_begin(l);
}

static void unref_bytes(gpointer b)
{
    g_bytes_unref(b);
}

void lab_clear(Lab *l)
{
    for (unsigned i = 0; i < 2; i++) {
        Side *s = &l->side[i];

        netpass_free(s->pass);
        net_port_destroy(&s->nic);
        if (l->close) {
            l->close(l, i);
        } else {
            net_port_destroy(&s->fake);
        }
        net_defer_free(s->reader);
        net_defer_free(s->inbox);
        g_queue_clear_full(&s->kernel, unref_bytes);
        g_queue_clear_full(&s->messages, unref_bytes);
        g_queue_clear_full(&s->out, unref_bytes);
        g_ptr_array_unref(s->world.ports);
    }
    g_queue_clear_full(&l->slow, unref_bytes);
    g_queue_clear_full(&l->on_the_way, unref_bytes);
    g_array_unref(l->got);
    g_string_free(l->senders, true);
    lab_settle();
    handoff_set_engine(NULL);
}

void lab_unstick(Lab *l)
{
    l->is_stuck = false;
    net_defer(l->side[1].inbox);
}

void lab_settle(void)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static void wake(void *opaque)
{
}

void lab_wait(bool (*done)(Lab *l), Lab *l)
{
    int64_t deadline = time_monotonic_ns() + 10 * NS_PER_SEC;
    LoopTimer *timer = loop_timer_new(wake, NULL);

    lab_settle();
    loop_timer_set(timer, deadline);
    while (!done(l)) {
        g_assert_cmpint(time_monotonic_ns(), <, deadline);
        g_main_context_iteration(NULL, true);
    }
    loop_timer_free(timer);
}

static bool is_over;

static void note_over(void *opaque)
{
    is_over = true;
}

static bool has_lingered(Lab *l)
{
    return is_over;
}

void lab_linger(Lab *l, unsigned ms)
{
    LoopTimer *timer = loop_timer_new(note_over, NULL);

    is_over = false;
    loop_timer_set(timer, time_monotonic_ns() + ms * NS_PER_MS);
    lab_wait(has_lingered, l);
    loop_timer_free(timer);
}

void lab_check_all_in_order(Lab *l)
{
    lab_settle();
    for (unsigned i = 0; i < l->got->len && i < l->sent; i++) {
        g_assert_cmpuint(g_array_index(l->got, uint32_t, i), ==, i + 1);
    }
    g_assert_cmpuint(l->got->len, ==, l->sent);
}

static const Json *netdev_report(const Json *report)
{
    return json_at(json_get(report, "netdevs"), 0);
}

uint64_t lab_figure(Lab *l, unsigned side, const char *name)
{
    HandoffPart *p = &l->side[side].pass->part;
    g_autoptr(Json) report = p->report(p);
    uint64_t v;

    g_assert_true(json_to_uint64(json_get(netdev_report(report), name), &v));
    return v;
}

bool lab_is_ordered(Lab *l, unsigned side)
{
    HandoffPart *p = &l->side[side].pass->part;
    g_autoptr(Json) report = p->report(p);

    return json_get_bool(json_get(netdev_report(report), "ordered"));
}

bool lab_gate_expired(Lab *l)
{
    return !lab_is_ordered(l, 1);
}

bool lab_may_speak(Lab *l)
{
    const NetpassPort *np = g_ptr_array_index(l->side[1].pass->ports, 0);

    return !np->unheard;
}

void lab_check_clean(Lab *l, unsigned to)
{
    lab_check_all_in_order(l);
    g_assert_true(lab_is_ordered(l, to));
    g_assert_cmpuint(lab_figure(l, to, "refused"), ==, 0);
    g_assert_cmpuint(lab_figure(l, to, "held"), ==, 0);
}

/* ---- the engine's steps ---- */
void lab_freeze(Lab *l, unsigned from)
{
    HandoffPart *p = &l->side[from].pass->part;

    g_assert_true(p->prepare(p, NULL));
    p->freeze(p);
}

void lab_save_and_load(Lab *l, unsigned from)
{
    HandoffPart *p = &l->side[from].pass->part, *q = &l->side[!from].pass->part;
    StateWriter *w = state_writer_new();
    GError *err = NULL;
    StateReader r;
    size_t size;

    net_world_set_running(&l->side[from].world, false);
    g_assert_true(p->drain(p, NULL));
    g_assert_true(p->save(p, w, NULL));
    state_writer_data(w, &size);
    state_reader_init(&r, state_writer_data(w, &size), size, "netpass");
    q->load(q, &r, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(state_left(&r), ==, 0);
    state_writer_free(w);
}

void lab_run_sent(Lab *l, unsigned from)
{
    l->side[from].pass->part.run_sent(&l->side[from].pass->part);
}

void lab_start(Lab *l, unsigned to)
{
    HandoffPart *p = &l->side[to].pass->part;

    p->starting(p);
    net_world_set_running(&l->side[to].world, true);
    p->started(p);
}

void lab_released(Lab *l, unsigned from)
{
    l->side[from].pass->part.released(&l->side[from].pass->part, false);
}

void lab_peer_gone(Lab *l)
{
    for (unsigned i = 0; i < 2; i++) {
        l->side[i].pass->part.peer_gone(&l->side[i].pass->part);
        l->side[i].tail_done = false;
    }
}

bool lab_both_done(Lab *l)
{
    return l->side[0].tail_done && l->side[1].tail_done;
}

void lab_carry(Lab *l)
{
    lab_save_and_load(l, 0);
    lab_run_sent(l, 0);
    lab_start(l, 1);
}

void lab_pass_on(Lab *l)
{
    lab_run_sent(l, 0);
    lab_start(l, 1);
    lab_released(l, 0);
    lab_wait(lab_both_done, l);
}
