/* tests/unit/net/bridge-test.c - netpass over taps and bridges of the kernel, in a network namespace of its own.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client is a third tap.  Skipped where a namespace or a tap may not be made. */
#include "fake-net.h"

#include "net/net.h"
#include "object/object.h"
#include "util/fd.h"
#include "util/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>

static int client = -1;

static bool run(const char *command)
{
    char *argv[] = {"/bin/sh", "-c", (char *)command, NULL};
    int status;

    return g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status, NULL) && status == 0;
}

static bool make_client(void)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI, .ifr_name = "cl"};

    client = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return client >= 0 && ioctl(client, TUNSETIFF, &ifr) == 0;
}

/* Where side 0, side 1 and the client are plugged in. */
static const struct Network {
    const char *name, *make, *bridge[3];
} networks[] = {
    {"one_bridge", "ip link add br0 type bridge && ip link set br0 up", {"br0", "br0", "br0"}},
    {"three_bridges",
     "for b in br0 br1 br2; do ip link add $b type bridge && ip link set $b up; done && "
     "ip link add v0 type veth peer name w0 && ip link add v1 type veth peer name w1 && "
     "ip link set v0 master br0 && ip link set w0 master br2 && ip link set v1 master br1 && ip link set w1 master br2 && "
     "for l in v0 w0 v1 w1; do ip link set $l up; done",
     {"br0", "br1", "br2"}},
    {"client_beside_the_source",
     "for b in br0 br1; do ip link add $b type bridge && ip link set $b up; done && "
     "ip link add v0 type veth peer name w0 && ip link set v0 master br0 && ip link set w0 master br1 && "
     "ip link set v0 up && ip link set w0 up",
     {"br0", "br1", "br0"}},
};
static const struct Network *network;

static void plug(const char *link, const char *bridge)
{
    g_autofree char *command = g_strdup_printf("ip link set %s master %s && ip link set %s txqueuelen 1000 up", link, bridge, link);

    g_assert_true(run(command));
}

static NetPort *open_tap(Lab *l, unsigned side)
{
    g_autofree char *text = g_strdup_printf("{\"type\": \"tap\", \"id\": \"tap%u\", \"ifname\": \"tap%u\"}", side, side);
    g_autofree char *name = g_strdup_printf("tap%u", side);
    g_autoptr(Json) options = json_parse(text, strlen(text), NULL);
    GError *err = NULL;
    NetPort *p;

    netdev_add(options, &err);
    g_assert_no_error(err);
    p = net_port_find(name);
    g_free(p->id);
    p->id = g_strdup("n0"); /* the same name on both sides */
    plug(name, network->bridge[side]);
    return p;
}

static void close_tap(Lab *l, unsigned side)
{
    g_autofree char *name = g_strdup_printf("tap%u", side);

    g_assert_true(netdev_del(name, NULL));
}

static void send_some(Lab *l, unsigned count)
{
    uint8_t data[LAB_FRAME];

    while (count--) {
        bool is_group = l->sent % 7 == 3;

        lab_number_frame(data, is_group, ++l->sent);
        while (write(client, data, sizeof(data)) < 0) {
            g_assert_cmpint(errno, ==, EAGAIN);
        }
    }
}

static void move(Lab *l, unsigned from, unsigned load)
{
    send_some(l, load);
    lab_freeze(l, from);
    send_some(l, load);
    lab_save_and_load(l, from);
    send_some(l, load);
    lab_settle();
    send_some(l, load);
    lab_run_sent(l, from);
    send_some(l, load);
    lab_start(l, !from);
    send_some(l, load);
    lab_released(l, from);
    send_some(l, load);
    for (unsigned i = 0; i < 5; i++) {
        g_main_context_iteration(NULL, false);
        send_some(l, load);
    }
    lab_wait(lab_both_done, l);
    send_some(l, load);
    lab_settle();
    g_assert_true(lab_is_ordered(l, !from));
    g_assert_cmpuint(lab_figure(l, !from, "refused"), ==, 0);
    lab_peer_gone(l);
    send_some(l, load);
}

static bool all_came(Lab *l)
{
    return l->got->len >= l->sent;
}

static void keeps_all(gconstpointer which)
{
    static const unsigned loads[] = {1, 3, 10, 30};
    Lab l;

    network = which;
    if (unshare(CLONE_NEWNET) < 0 || !run("ip link set lo up") || !run(network->make) || !make_client()) {
        g_test_skip("a network namespace with bridges and taps cannot be made here");
        return;
    }
    plug("cl", network->bridge[2]);
    lab_init_over(&l, open_tap, close_tap);
    lab_guest_sends(&l, 0);
    for (unsigned i = 0; i < 20; i++) {
        move(&l, i % 2, loads[i % G_N_ELEMENTS(loads)]);
    }
    lab_wait(all_came, &l);
    lab_check_all_in_order(&l);
    lab_clear(&l);
    close(client);
}

static const ObjectType *const types[] = {&netdev_type, &netdev_tap_type, &netfilter_type, &filter_netpass_type, NULL};

/* Each processor has a queue of its own behind a veth: frames of a client that is moved to another one overtake each other. */
static void stay_on_one_processor(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
}

int main(int argc, char **argv)
{
    stay_on_one_processor();
    g_test_init(&argc, &argv, NULL);
    loop_init();
    types_register(types);
    for (unsigned i = 0; i < G_N_ELEMENTS(networks); i++) {
        g_autofree char *path = g_strdup_printf("/net/netpass/bridge/%s", networks[i].name);

        g_test_add_data_func(path, &networks[i], keeps_all);
    }
    return g_test_run();
}
