/* tests/qtest/hw/virtio/virtio-input-test.c - virtio-keyboard-device, virtio-mouse-device, virtio-tablet-device: what they
 * say they are, and that events come once, in order, in whole groups.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/input-event-codes.h>
#include <string.h>

#include "../../virtio-driver.h"
#include "util/bytes.h"

enum { INPUT_ID = 18, EVENTS = 0, STATUS = 1 };
enum { NAME = 1, SERIAL = 2, DEVIDS = 3, PROP = 0x10, EV = 0x11, ABS = 0x12 };

/* ---- the driver's side ---- */
static void start(Driver *d, QTest *q)
{
    driver_start(d, q, 7, INPUT_ID, ~UINT64_C(0), 2);
}

static unsigned ask(Driver *d, uint8_t select, uint8_t subsel)
{
    qtest_writeb(d->q, d->base + REG_CONFIG, select);
    qtest_writeb(d->q, d->base + REG_CONFIG + 1, subsel);
    return driver_config8(d, 2);
}

static char *ask_text(Driver *d, uint8_t select)
{
    unsigned size = ask(d, select, 0);
    char *s = g_malloc0(size + 1);

    for (unsigned i = 0; i < size; i++) {
        s[i] = driver_config8(d, 8 + i);
    }
    return s;
}

static bool can_say(Driver *d, unsigned type, unsigned code)
{
    return code / 8 < ask(d, EV, type) && (driver_config8(d, 8 + code / 8) >> code % 8 & 1);
}

typedef struct Buffers {
    uint64_t at[65536];
} Buffers;

static Buffers *offer(Driver *d, Buffers *b, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const DriverBuffer buffer = {driver_alloc(d, 8), 8, true};

        b->at[driver_add(d, EVENTS, &buffer, 1, true)] = buffer.at;
    }
    return b;
}

/* The next event as "type:code=value". */
static char *next(Driver *d, const Buffers *b)
{
    uint32_t written;
    uint16_t head = driver_wait(d, EVENTS, &written);
    uint8_t e[8];

    g_assert_cmpuint(written, ==, 8);
    qtest_memread(d->q, b->at[head], e, 8);
    return g_strdup_printf("%u:%u=%d", load_le16(e), load_le16(e + 2), (int32_t)load_le32(e + 4));
}

static void assert_events(Driver *d, Buffers *b, const char *want)
{
    g_auto(GStrv) events = g_strsplit(want, " ", -1);

    for (char **e = events; *e; e++) {
        g_autofree char *got = next(d, b);

        g_assert_cmpstr(got, ==, *e);
    }
    g_assert_false(driver_has_used(d, EVENTS));
}

/* ---- the user's side ---- */
#define KEY(name, down) "{'type':'key','data':{'key':{'type':'qcode','data':'" name "'},'down':" #down "}}"
#define BTN(name, down) "{'type':'btn','data':{'button':'" name "','down':" #down "}}"
#define REL(axis, by) "{'type':'rel','data':{'axis':'" axis "','value':" #by "}}"
#define POS(axis, at) "{'type':'abs','data':{'axis':'" axis "','value':" #at "}}"

static bool try(QTest *q, const char *events)
{
    g_autoptr(Json) answer = qtest_qmp(q, "{'execute':'input-send-event','arguments':{'events':[%s]}}", events);

    return !json_get(answer, "error");
}

static void send(QTest *q, const char *events)
{
    g_assert_true(try(q, events));
}

/* ---- what they are ---- */
typedef struct Kind {
    const char *device, *name;
    unsigned product;
    bool keys, lights, rel, abs, wheel, buttons, gears;
} Kind;

static const Kind kinds[] = {
    {.device = "virtio-keyboard-device", .name = "Baton Virtio Keyboard", .product = 1, .keys = true, .lights = true},
    {.device = "virtio-mouse-device", .name = "Baton Virtio Mouse", .product = 2, .rel = true, .wheel = true,
     .buttons = true},
    {.device = "virtio-mouse-device,wheel-axis=off", .name = "Baton Virtio Mouse", .product = 2, .rel = true,
     .buttons = true, .gears = true},
    {.device = "virtio-tablet-device", .name = "Baton Virtio Tablet", .product = 3, .abs = true, .wheel = true,
     .buttons = true},
};

static void says_what_it_is(const void *arg)
{
    const Kind *k = arg;
    QTest *q = qtest_start("-device %s,serial=S-1", k->device);
    g_autofree char *name = NULL, *serial = NULL;
    Driver d;

    start(&d, q);
    name = ask_text(&d, NAME);
    serial = ask_text(&d, SERIAL);
    g_assert_cmpstr(name, ==, k->name);
    g_assert_cmpstr(serial, ==, "S-1");
    g_assert_cmpuint(ask(&d, DEVIDS, 0), ==, 8);
    g_assert_cmpuint(driver_config16(&d, 8), ==, 6); /* virtual */
    g_assert_cmpuint(driver_config16(&d, 12), ==, k->product);
    g_assert_cmpuint(ask(&d, PROP, 0), ==, 0);
    g_assert_cmpuint(ask(&d, 0, 0), ==, 0);
    g_assert_cmpuint(ask(&d, NAME, 1), ==, 0);
    g_assert_cmpuint(ask(&d, 0x55, 0xff), ==, 0);
    g_assert(can_say(&d, EV_KEY, KEY_A) == k->keys && can_say(&d, EV_KEY, KEY_SYSRQ) == k->keys);
    g_assert(can_say(&d, EV_LED, LED_CAPSL) == k->lights && (ask(&d, EV, EV_REP) > 0) == k->keys);
    g_assert(can_say(&d, EV_KEY, BTN_LEFT) == k->buttons && can_say(&d, EV_KEY, BTN_GEAR_UP) == k->gears);
    g_assert(can_say(&d, EV_REL, REL_X) == k->rel && can_say(&d, EV_REL, REL_WHEEL) == k->wheel);
    g_assert(can_say(&d, EV_ABS, ABS_Y) == k->abs && (ask(&d, ABS, ABS_X) == 20) == k->abs);
    g_assert_cmpuint(driver_config32(&d, 12), ==, k->abs ? 0x7fff : 0);
    qtest_quit(q);
}

/* ---- events ---- */
static void keys_come_once_and_in_order(void)
{
    QTest *q = qtest_start("-device virtio-keyboard-device");
    g_autofree Buffers *b = g_new0(Buffers, 1);
    Driver d;

    start(&d, q);
    send(q, KEY("z", true)); /* no buffers yet: it waits */
    offer(&d, b, 8);
    assert_events(&d, b, "1:44=1 0:0=0");
    send(q, KEY("z", false) "," KEY("ctrl_r", true));
    send(q, "{'type':'key','data':{'key':{'type':'number','data':157},'down':false}}");
    assert_events(&d, b, "1:44=0 1:97=1 0:0=0 1:97=0 0:0=0");
    qtest_quit(q);
}

static void movements_and_notches_come(void)
{
    QTest *q = qtest_start("-device virtio-mouse-device");
    g_autofree Buffers *b = g_new0(Buffers, 1);
    Driver d;

    start(&d, q);
    offer(&d, b, 8);
    send(q, REL("x", -3) "," REL("y", 70000));
    send(q, BTN("wheel-down", true) "," BTN("wheel-down", false)); /* a notch is one event */
    send(q, BTN("touch", true));                                   /* it cannot say that: nothing, not even a SYN */
    send(q, BTN("side", true));
    assert_events(&d, b, "2:0=-3 2:1=70000 0:0=0 2:8=-1 0:0=0 1:275=1 0:0=0");
    qtest_quit(q);
}

static void a_wheel_without_an_axis_is_two_buttons(void)
{
    QTest *q = qtest_start("-device virtio-tablet-device,wheel-axis=off");
    g_autofree Buffers *b = g_new0(Buffers, 1);
    Driver d;

    start(&d, q);
    offer(&d, b, 8);
    send(q, BTN("wheel-up", true));
    send(q, BTN("wheel-up", false));
    assert_events(&d, b, "1:337=1 0:0=0 1:337=0 0:0=0");
    qtest_quit(q);
}

static void a_group_goes_in_as_a_whole(void)
{
    QTest *q = qtest_start("-device virtio-tablet-device");
    g_autofree Buffers *b = g_new0(Buffers, 1);
    Driver d;

    start(&d, q);
    offer(&d, b, 3);
    send(q, POS("x", 0) "," POS("y", 32767) "," BTN("left", true)); /* and a SYN: four */
    send(q, BTN("left", false));
    g_assert_false(driver_has_used(&d, EVENTS));
    offer(&d, b, 1); /* asks to be notified of it */
    assert_events(&d, b, "3:0=0 3:1=32767 1:272=1 0:0=0");
    offer(&d, b, 2);
    assert_events(&d, b, "1:272=0 0:0=0");
    g_assert_false(try(q, POS("x", 32768)));
    g_assert_false(try(q, REL("x", 1)));
    qtest_quit(q);
}

/* Eight entries, a group of ten events: what cannot be whole comes in pieces, but comes. */
static void a_group_longer_than_the_ring_comes_all_the_same(void)
{
    QTest *q = qtest_start("-device virtio-keyboard-device");
    g_autofree Buffers *b = g_new0(Buffers, 1);
    Driver d;

    start(&d, q);
    offer(&d, b, 8);
    send(q, KEY("a", true) "," KEY("a", false) "," KEY("a", true) "," KEY("a", false) "," KEY("a", true) "," KEY("a", false)
            "," KEY("a", true) "," KEY("a", false) "," KEY("a", true) "," KEY("a", false));
    assert_events(&d, b, "1:30=1 1:30=0 1:30=1 1:30=0 1:30=1 1:30=0 1:30=1 1:30=0");
    offer(&d, b, 3);
    assert_events(&d, b, "1:30=1 1:30=0 0:0=0");
    qtest_quit(q);
}

static void nothing_is_lost_when_the_guest_takes_nothing(void)
{
    QTest *q = qtest_start("-device virtio-mouse-device");
    g_autofree Buffers *b = g_new0(Buffers, 1);
    g_autoptr(GString) group = g_string_new(REL("x", 0));
    g_autoptr(GString) too_long = NULL;
    unsigned sent = 0;
    Driver d;

    start(&d, q);
    for (int i = 1; i < 63; i++) {
        g_string_append_printf(group, ",{'type':'rel','data':{'axis':'y','value':%d}}", i);
    }
    while (try(q, group->str)) {
        sent++;
    }
    g_assert_cmpuint(sent, ==, 1024 / 64);
    too_long = g_string_new(group->str);
    g_string_append(too_long, "," REL("y", 63));
    g_assert_false(try(q, too_long->str));
    for (unsigned i = 0; i < sent; i++) {
        for (int n = 0; n < 64; n++) {
            g_autofree char *want = n == 0 ? g_strdup("2:0=0") : n < 63 ? g_strdup_printf("2:1=%d", n) : g_strdup("0:0=0");
            g_autofree char *got = NULL;

            if (n % 8 == 0) {
                offer(&d, b, 8);
            }
            got = next(&d, b);
            g_assert_cmpstr(got, ==, want);
        }
    }
    g_assert_false(driver_has_used(&d, EVENTS));
    send(q, REL("x", 7)); /* and there is room again */
    offer(&d, b, 2);
    assert_events(&d, b, "2:0=7 0:0=0");
    qtest_quit(q);
}

static void what_comes_while_it_stands_waits(void)
{
    QTest *q = qtest_start("-device virtio-keyboard-device");
    g_autofree Buffers *b = g_new0(Buffers, 1);
    Driver d;

    start(&d, q);
    offer(&d, b, 8);
    json_unref(qtest_qmp_ok(q, "{'execute':'stop'}"));
    send(q, KEY("b", true));
    send(q, KEY("b", false));
    g_assert_false(driver_has_used(&d, EVENTS));
    json_unref(qtest_qmp_ok(q, "{'execute':'cont'}"));
    assert_events(&d, b, "1:48=1 0:0=0 1:48=0 0:0=0");
    qtest_quit(q);
}

static void a_reset_forgets_what_waits(void)
{
    QTest *q = qtest_start("-device virtio-keyboard-device");
    g_autofree Buffers *b = g_new0(Buffers, 1);
    Driver d;

    start(&d, q);
    send(q, KEY("b", true));
    driver_restart(&d, ~UINT64_C(0), 2);
    offer(&d, b, 8);
    send(q, KEY("c", true));
    assert_events(&d, b, "1:46=1 0:0=0");
    qtest_quit(q);
}

static void lights_are_taken(void)
{
    QTest *q = qtest_start("-device virtio-keyboard-device");
    Driver d;
    uint32_t written;

    start(&d, q);
    for (unsigned i = 0; i < 20; i++) {
        const DriverBuffer b = {driver_alloc(&d, 8), 8, false};
        uint8_t e[8] = {EV_LED, 0, i % 4, 0, i & 1, 0, 0, 0}; /* the fourth does not exist */

        qtest_memwrite(q, b.at, e, 8);
        driver_add(&d, STATUS, &b, 1, true);
        driver_wait(&d, STATUS, &written);
        g_assert_cmpuint(written, ==, 0);
    }
    g_assert_cmpuint(driver_status(&d), ==, 15);
    qtest_quit(q);
}

static void too_small_a_buffer_breaks_the_device(const void *arg)
{
    unsigned queue = GPOINTER_TO_UINT(arg);
    QTest *q = qtest_start("-device virtio-keyboard-device");
    Driver d;
    DriverBuffer b;

    start(&d, q);
    b = (DriverBuffer){driver_alloc(&d, 8), 7, queue == EVENTS};
    driver_add(&d, queue, &b, 1, true);
    send(q, KEY("c", true));
    g_assert_cmpuint(driver_status(&d), ==, 15 | 64);
    send(q, KEY("c", false)); /* goes nowhere, harms nobody */
    driver_restart(&d, ~UINT64_C(0), 2);
    qtest_quit(q);
}

/* ---- commands ---- */
static void keys_are_held_for_a_while(void)
{
    QTest *q = qtest_start("-device virtio-keyboard-device");
    g_autofree Buffers *b = g_new0(Buffers, 1);
    Driver d;

    start(&d, q);
    offer(&d, b, 8);
    json_unref(qtest_qmp_ok(q, "{'execute':'send-key','arguments':{'keys':[{'type':'qcode','data':'ctrl'},"
                               "{'type':'number','data':59}],'hold-time':200}}"));
    assert_events(&d, b, "1:29=1 0:0=0 1:59=1 0:0=0");
    qtest_clock_step(q, 199 * 1000000);
    g_assert_false(driver_has_used(&d, EVENTS));
    qtest_clock_step(q, 1000000);
    assert_events(&d, b, "1:59=0 0:0=0 1:29=0 0:0=0");
    qtest_quit(q);
}

static void mistakes_are_answered(void)
{
    static const struct {
        const char *command, *says;
    } wrong[] = {
        {"{'execute':'send-key','arguments':{'keys':[{'type':'qcode','data':'nonsense'}]}}", "*nonsense*"},
        {"{'execute':'send-key','arguments':{'keys':[{'type':'qcode','data':'unmapped'}]}}", "*unmapped*"},
        {"{'execute':'send-key','arguments':{'keys':[{'type':'number','data':-1}]}}", "*no key*-1*"},
        {"{'execute':'send-key','arguments':{'keys':[{'type':'number','data':0}]}}", "*no key*"},
        {"{'execute':'send-key','arguments':{'keys':[],'hold-time':-5}}", "*hold-time*"},
        {"{'execute':'input-send-event','arguments':{'events':[" REL("x", 1) "]}}", "*no input device*'rel'*"},
        {"{'execute':'input-send-event','arguments':{'device':'nobody','events':[" KEY("a", true) "]}}", "*'nobody'*"},
        {"{'execute':'input-send-event','arguments':{'events':[" KEY("a", true) "," POS("x", 1) "]}}", "*'abs'*"},
    };
    QTest *q = qtest_start("-device virtio-keyboard-device");
    g_autofree Buffers *b = g_new0(Buffers, 1);
    Driver d;

    start(&d, q);
    offer(&d, b, 8);
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(Json) answer = qtest_qmp(q, "%s", wrong[i].command);
        const char *text = json_get(answer, "error") ? json_get_str(json_get(answer, "error"), "desc") : "";

        g_test_message("%s", text);
        g_assert_true(g_pattern_match_simple(wrong[i].says, text));
    }
    g_assert_false(driver_has_used(&d, EVENTS));
    qtest_quit(q);
}

static void mice_are_listed_the_newest_first(void)
{
    QTest *q = qtest_start("-device virtio-mouse-device -device virtio-keyboard-device -device virtio-tablet-device");
    g_autoptr(Json) mice = qtest_qmp_ok(q, "{'execute':'query-mice'}");
    const Json *first = json_at(mice, 0), *second = json_at(mice, 1);

    g_assert_cmpuint(json_size(mice), ==, 2);
    g_assert_cmpstr(json_get_str(first, "name"), ==, "Baton Virtio Tablet");
    g_assert_true(json_get_bool(json_get(first, "current")) && json_get_bool(json_get(first, "absolute")));
    g_assert_false(json_get_bool(json_get(second, "current")) || json_get_bool(json_get(second, "absolute")));
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *path = g_strdup_printf("/riscv64/virtio-input/%s/says_what_it_is", kinds[i].device);

        g_test_add_data_func(path, &kinds[i], says_what_it_is);
    }
    g_test_add_func("/riscv64/virtio-input/keys_come_once_and_in_order", keys_come_once_and_in_order);
    g_test_add_func("/riscv64/virtio-input/movements_and_notches_come", movements_and_notches_come);
    g_test_add_func("/riscv64/virtio-input/a_wheel_without_an_axis_is_two_buttons", a_wheel_without_an_axis_is_two_buttons);
    g_test_add_func("/riscv64/virtio-input/a_group_goes_in_as_a_whole", a_group_goes_in_as_a_whole);
    g_test_add_func("/riscv64/virtio-input/a_group_longer_than_the_ring_comes_all_the_same",
                    a_group_longer_than_the_ring_comes_all_the_same);
    g_test_add_func("/riscv64/virtio-input/nothing_is_lost_when_the_guest_takes_nothing",
                    nothing_is_lost_when_the_guest_takes_nothing);
    g_test_add_func("/riscv64/virtio-input/what_comes_while_it_stands_waits", what_comes_while_it_stands_waits);
    g_test_add_func("/riscv64/virtio-input/a_reset_forgets_what_waits", a_reset_forgets_what_waits);
    g_test_add_func("/riscv64/virtio-input/lights_are_taken", lights_are_taken);
    g_test_add_data_func("/riscv64/virtio-input/too_small_a_buffer_breaks_the_device/events",
                         GUINT_TO_POINTER(EVENTS), too_small_a_buffer_breaks_the_device);
    g_test_add_data_func("/riscv64/virtio-input/too_small_a_buffer_breaks_the_device/status",
                         GUINT_TO_POINTER(STATUS), too_small_a_buffer_breaks_the_device);
    g_test_add_func("/riscv64/virtio-input/keys_are_held_for_a_while", keys_are_held_for_a_while);
    g_test_add_func("/riscv64/virtio-input/mistakes_are_answered", mistakes_are_answered);
    g_test_add_func("/riscv64/virtio-input/mice_are_listed_the_newest_first", mice_are_listed_the_newest_first);
    return g_test_run();
}
