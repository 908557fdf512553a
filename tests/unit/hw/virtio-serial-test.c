/* tests/unit/hw/virtio-serial-test.c - what a chardev does while a port's output is given to it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "chardev/chardev.h"
#include "chardev/spice-port.h"
#include "hw/machine.h"
#include "net/net.h"
#include "system/devices.h"
#include "system/ram.h"
#include "system/region.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/loop.h"

enum { SLOT = 0x10008000, RINGS = 0x80010000, BUFFERS = 0x80020000, RING = 0x1000, ENTRIES = 8 };
enum { MULTIPORT = 1 << 1, CONTROL_OUT = 3, OUT = 5 /* the queue of port 1 */, PORT_OPEN = 6, MANY = 500 };

static SpicePort *port;
static GString *out;
static unsigned opened, to_say;     /* so often was the guest's end opened or closed; so often is it still to be */
static enum { TAKES_ALL, CLOSES, CLOSES_AND_OPENS } next;

/* ---- a server whose client goes while it is told something; another one may have its turn at once ---- */
static size_t take(void *opaque, const uint8_t *data, size_t size)
{
    size_t n = next == TAKES_ALL ? size : 3;
    unsigned does = next;

    g_string_append_len(out, (const char *)data, n);
    next = TAKES_ALL;
    if (does != TAKES_ALL) {
        spice_port_set_open(port, false);
    }
    if (does == CLOSES_AND_OPENS) {
        spice_port_set_open(port, true);
    }
    return n;
}

static void room(void *opaque)
{
}

static void say_open(bool is_open);

/* While that message is served, the driver says the next one: as another hart may. */
static void guest_opened(void *opaque, bool is_open)
{
    opened++;
    if (to_say) {
        to_say--;
        say_open(!is_open);
    }
}

static const SpicePortServer server = {.take = take, .room = room, .guest_opened = guest_opened, .gone = room};

/* ---- a driver ---- */
static void reg(unsigned at, uint32_t value)
{
    g_assert_true(region_write(SLOT + at, 4, value));
}

static uint8_t *ram(uint64_t at)
{
    return ram_ptr(at, RING);
}

static void start_driver(unsigned queue)
{
    const uint32_t writes[][2] = {{0x70, 0}, {0x70, 3}, {0x24, 0}, {0x20, MULTIPORT}, {0x24, 1}, {0x20, 1}, {0x70, 11},
                                  {0x30, queue}, {0x38, ENTRIES}, {0x80, RINGS}, {0x90, RINGS + RING},
                                  {0xa0, RINGS + 2 * RING}, {0x44, 1}, {0x70, 15}};

    memset(ram(RINGS + RING), 0, RING);
    memset(ram(RINGS + 2 * RING), 0, RING);
    for (unsigned i = 0; i < G_N_ELEMENTS(writes); i++) {
        reg(writes[i][0], writes[i][1]);
    }
}

/* A chain each; the device hears of all of them at once. */
static void say(const char *const *texts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = BUFFERS + 64 * i;

        memcpy(ram(at), texts[i], strlen(texts[i]));
        store_le64(ram(RINGS) + 16 * i, at);
        store_le32(ram(RINGS) + 16 * i + 8, strlen(texts[i]));
        store_le32(ram(RINGS) + 16 * i + 12, 0);
        store_le16(ram(RINGS + RING) + 4 + 2 * i, i);
    }
    store_le16(ram(RINGS + RING) + 2, count);
    reg(0x50, OUT);
}

/* Puts a control message into the ring; the device is not told. */
static void say_open(bool is_open)
{
    unsigned count = load_le16(ram(RINGS + RING) + 2), slot = count % ENTRIES;
    uint64_t at = BUFFERS + 64 * slot;

    store_le32(ram(at), 1);
    store_le16(ram(at) + 4, PORT_OPEN);
    store_le16(ram(at) + 6, is_open);
    store_le64(ram(RINGS) + 16 * slot, at);
    store_le32(ram(RINGS) + 16 * slot + 8, 8);
    store_le32(ram(RINGS) + 16 * slot + 12, 0);
    store_le16(ram(RINGS + RING) + 4 + 2 * slot, slot);
    store_le16(ram(RINGS + RING) + 2, count + 1);
}

static unsigned used(void)
{
    return load_le16(ram(RINGS + 2 * RING) + 2);
}

static void start(unsigned what)
{
    g_string_truncate(out, 0);
    start_driver(OUT);
    spice_port_set_open(port, true);
    next = what;
    say((const char *const[]){"abcdefgh", "ijkl"}, 2);
}

static void what_nobody_hears_comes_back_to_the_guest(void)
{
    start(CLOSES);
    g_assert_cmpstr(out->str, ==, "abc");
    g_assert_cmpuint(used(), ==, 2);
}

static void a_chain_that_was_begun_goes_on_with_who_opens_next(void)
{
    start(CLOSES_AND_OPENS);
    g_assert_cmpstr(out->str, ==, "abc");
    g_assert_cmpuint(used(), ==, 0);
    spice_port_has_room(port);
    g_assert_cmpstr(out->str, ==, "abcdefghijkl");
    g_assert_cmpuint(used(), ==, 2);
}

/* More than the ring holds come while the first is served, and nobody notifies again. */
static void control_messages_that_come_meanwhile_are_heard(void)
{
    start_driver(CONTROL_OUT);
    opened = 0;
    to_say = MANY;
    say_open(true);
    reg(0x50, CONTROL_OUT);
    for (unsigned i = 0; i < 2 * MANY && used() <= MANY; i++) {
        g_main_context_iteration(NULL, false);
    }
    g_assert_cmpuint(to_say, ==, 0);
    g_assert_cmpuint(used(), ==, MANY + 1);
    g_assert_cmpuint(opened, ==, MANY + 1);
}

static void make(const char *options)
{
    g_autoptr(Json) dict = json_parse(options, strlen(options), NULL);
    g_autoptr(GError) err = NULL;

    device_add(dict, &err);
    g_assert_no_error(err);
}

static void make_board(void)
{
    MachineConfig config = {.no_harts = true, .smp = 1, .ram_size = 4 << 20};
    static const char options[] = "{'id': 'c0', 'backend': 'spiceport', 'name': 'org.baton.test'}";
    g_autoptr(Json) dict = json_parse(options, strlen(options), NULL);
    g_autoptr(GError) err = NULL;

    loop_init();
    runstate_init();
    vm_lock();
    types_register(hw_types);
    devices_init();
    net_init();
    machine_create("virt", &config, &err);
    g_assert_no_error(err);
    g_assert_nonnull(chardev_add(dict, &err));
    port = spice_port_find(SPICE_PORT_NAMED, NULL);
    g_assert_true(spice_port_attach(port, &server, NULL, &err));
    make("{'driver': 'virtio-serial-device', 'max_ports': 2}");
    make("{'driver': 'virtserialport', 'chardev': 'c0', 'nr': 1}");
    reset_all();
    vm_start();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    out = g_string_new(NULL);
    make_board();
    g_test_add_func("/hw/virtio-serial/what_nobody_hears_comes_back_to_the_guest", what_nobody_hears_comes_back_to_the_guest);
    g_test_add_func("/hw/virtio-serial/a_chain_that_was_begun_goes_on_with_who_opens_next",
                    a_chain_that_was_begun_goes_on_with_who_opens_next);
    g_test_add_func("/hw/virtio-serial/control_messages_that_come_meanwhile_are_heard",
                    control_messages_that_come_meanwhile_are_heard);
    return g_test_run();
}
