/* tests/unit/net/port-test.c - what ports, the chain and filters promise, between two ends that note what they get.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/chain.h"
#include "net/filter.h"
#include "net/net.h"
#include "net/offload.h"
#include "object/object.h"
#include "util/bytes.h"
#include "util/loop.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct End {
    NetPort port;
    GString *got;       /* one letter per frame */
    GString *waiting;   /* to be sent */
    unsigned room;      /* frames it takes before NO_ROOM; UINT_MAX: all */
    uint32_t last_size;
} End;

typedef struct Cable {
    NetWorld world;
    End netdev, nic;
} Cable;

static NetResult end_receive(NetPort *p, const NetFrame *f)
{
    End *e = p->opaque;

    if (!e->room) {
        return NET_NO_ROOM;
    }
    e->room -= e->room != UINT_MAX;
    e->last_size = f->size;
    g_string_append_c(e->got, f->data[14]);
    return NET_DONE;
}

static void end_send(End *e)
{
    while (e->waiting->len) {
        uint8_t data[60] = {0};

        memset(data, 2, 12);
        data[14] = e->waiting->str[0];
        if (net_port_send(&e->port, &(NetFrame){.data = data, .size = sizeof(data)}) == NET_NO_ROOM) {
            return;
        }
        g_string_erase(e->waiting, 0, 1);
    }
}

static void end_peer_room(NetPort *p)
{
    end_send(p->opaque);
}

static const NetPortOps end_ops = {.type = "end", .receive = end_receive, .peer_room = end_peer_room};

static void settle(void)
{
    while (g_main_context_iteration(NULL, false)) {
    }
}

static void end_init(End *e, const char *id, bool is_nic)
{
    e->got = g_string_new("");
    e->waiting = g_string_new("");
    e->room = UINT_MAX;
    e->port.is_nic = is_nic;
    net_port_init(&e->port, id, &end_ops, e);
}

static void cable_init(Cable *c)
{
    *c = (Cable){.world.ports = g_ptr_array_new()};
    net_world_use(&c->world);
    end_init(&c->netdev, "n0", false);
    end_init(&c->nic, "nic0", true);
    g_assert_true(net_port_connect(&c->nic.port, "n0", NULL));
    net_world_set_running(&c->world, true);
    settle();
}

static void end_clear(End *e)
{
    net_port_destroy(&e->port);
    g_string_free(e->got, true);
    g_string_free(e->waiting, true);
}

static void cable_clear(Cable *c)
{
    net_filters_delete(c->netdev.port.chain);
    settle();
    end_clear(&c->nic);
    end_clear(&c->netdev);
    g_ptr_array_unref(c->world.ports);
    settle();
    net_world_use(NULL);
}

static void say(End *e, const char *letters)
{
    g_string_append(e->waiting, letters);
    end_send(e);
    settle();
}

static void give_room(End *e, unsigned room)
{
    e->room = room;
    net_port_room(&e->port);
    settle();
}

/* ---- ports ---- */
static void full_receiver_gets_all_in_order(void)
{
    Cable c;

    for (unsigned way = 0; way < 2; way++) {
        End *from, *to;

        cable_init(&c);
        from = way ? &c.nic : &c.netdev;
        to = way ? &c.netdev : &c.nic;
        to->room = 2;
        say(from, "abcdef");
        g_assert_cmpstr(to->got->str, ==, "ab");
        g_assert_cmpstr(from->waiting->str, ==, "cdef");
        give_room(to, 1);
        g_assert_cmpstr(to->got->str, ==, "abc");
        give_room(to, UINT_MAX);
        g_assert_cmpstr(to->got->str, ==, "abcdef");
        cable_clear(&c);
    }
}

static void stop_and_cont_lose_nothing(void)
{
    Cable c;

    cable_init(&c);
    say(&c.netdev, "a");
    net_world_set_running(&c.world, false);
    say(&c.netdev, "bcd");
    g_assert_cmpstr(c.nic.got->str, ==, "a");
    net_world_set_running(&c.world, true);
    settle();
    g_assert_cmpstr(c.nic.got->str, ==, "abcd");
    cable_clear(&c);
}

static void unplugged_cable_drops_and_counts(void)
{
    GError *err = NULL;
    Cable c;

    cable_init(&c);
    g_assert_true(net_port_set_link("nic0", false, NULL));
    say(&c.netdev, "ab");
    say(&c.nic, "cd");
    g_assert_cmpstr(c.nic.got->str, ==, "");
    g_assert_cmpuint(c.netdev.port.chain->dropped_link, ==, 4);
    g_assert_true(net_port_set_link("nic0", true, NULL));
    say(&c.netdev, "e");
    g_assert_cmpstr(c.nic.got->str, ==, "e");
    g_assert_false(net_port_set_link("x", true, &err));
    g_assert_cmpint(err->code, ==, 3); /* DeviceNotFound */
    g_error_free(err);
    cable_clear(&c);
}

static void one_nic_per_netdev(void)
{
    GError *err = NULL;
    NetPort other = {.is_nic = true};
    Cable c;

    cable_init(&c);
    net_port_init(&other, "nic1", &end_ops, NULL);
    g_assert_false(net_port_connect(&other, "n0", &err));
    g_assert_nonnull(strstr(err->message, "in use by 'nic0'"));
    g_clear_error(&err);
    g_assert_false(net_port_connect(&other, "n1", &err));
    g_clear_error(&err);
    net_port_destroy(&other);
    cable_clear(&c);
}

static void frames_of_a_wrong_size_are_counted(void)
{
    uint8_t data[NET_FRAME_MAX + 1] = {0};
    Cable c;

    cable_init(&c);
    net_port_send(&c.nic.port, &(NetFrame){.data = data, .size = 13});
    net_port_send(&c.nic.port, &(NetFrame){.data = data, .size = sizeof(data)});
    g_assert_cmpuint(c.netdev.port.chain->dropped_malformed, ==, 2);
    cable_clear(&c);
}

/* Three pieces for who takes no large frame. */
static void send_large_frame(End *from)
{
    uint8_t data[14 + 20 + 20 + 300] = {0};
    NetFrame f = {.data = data, .size = sizeof(data), .offload = {NET_HDR_NEEDS_CSUM, NET_GSO_TCPV4, 54, 100, 34, 16}};

    store_be16(data + 12, 0x0800);
    data[14] = 0x45;
    data[23] = 6;
    data[46] = 5 << 4;
    g_assert_cmpint(net_port_send(&from->port, &f), ==, NET_DONE);
}

/* A receiver without offloads gets plain frames; when it is full the rest waits, in order. */
static void segments_wait_for_room(void)
{
    Cable c;

    cable_init(&c);
    c.netdev.room = 1;
    send_large_frame(&c.nic);
    g_assert_cmpuint(c.netdev.got->len, ==, 1);
    g_assert_cmpuint(c.netdev.last_size, ==, 154);
    say(&c.nic, "z"); /* behind the segments */
    give_room(&c.netdev, UINT_MAX);
    g_assert_cmpuint(c.netdev.got->len, ==, 4);
    g_assert_cmpint(c.netdev.got->str[3], ==, 'z');
    cable_clear(&c);
}

/* Not of a frame either that it had begun to take. */
static void stopped_guest_gets_nothing(void)
{
    Cable c;

    cable_init(&c);
    c.nic.room = 1;
    send_large_frame(&c.netdev);
    net_world_set_running(&c.world, false);
    c.nic.room = UINT_MAX;
    net_chain_room_soon(c.netdev.port.chain, NET_TO_GUEST); /* as the removal of a filter asks for it */
    settle();
    g_assert_cmpuint(c.nic.got->len, ==, 1);
    net_world_set_running(&c.world, true);
    settle();
    g_assert_cmpuint(c.nic.got->len, ==, 3);
    cable_clear(&c);
}

/* ---- filters ---- */
static Object *add_filter(const char *type, const char *text)
{
    GError *err = NULL;
    g_autoptr(Json) props = json_parse(text, strlen(text), &err);
    Object *o;

    g_assert_no_error(err);
    o = object_create(KIND_OBJECT, type, props, object_container("/objects"), &err);
    g_assert_no_error(err);
    return o;
}

static void refuse_filter(const char *type, const char *text, const char *why)
{
    GError *err = NULL;
    g_autoptr(Json) props = json_parse(text, strlen(text), &err);

    g_assert_null(object_create(KIND_OBJECT, type, props, object_container("/objects"), &err));
    g_assert_nonnull(strstr(err->message, why));
    g_error_free(err);
}

static void filter_sits_where_it_was_told(void)
{
    static const char *const wanted[] = {"f1", "f3", "f2", "f0", "f4"};
    GPtrArray *list;
    Cable c;

    cable_init(&c);
    add_filter("filter-buffer", "{'id': 'f0', 'netdev': 'n0', 'interval': 10}");
    add_filter("filter-buffer", "{'id': 'f1', 'netdev': 'n0', 'interval': 10, 'position': 'head'}");
    add_filter("filter-buffer", "{'id': 'f2', 'netdev': 'n0', 'interval': 10, 'position': 'id=f1'}");
    add_filter("filter-buffer", "{'id': 'f3', 'netdev': 'n0', 'interval': 10, 'position': 'id=f2', 'insert': 'before'}");
    add_filter("filter-buffer", "{'id': 'f4', 'netdev': 'n0', 'interval': 10}");
    list = c.netdev.port.chain->filters;
    g_assert_cmpuint(list->len, ==, G_N_ELEMENTS(wanted));
    for (unsigned i = 0; i < list->len; i++) {
        g_assert_cmpstr(((NetFilter *)list->pdata[i])->obj.id, ==, wanted[i]);
    }
    refuse_filter("filter-buffer", "{'id': 'x', 'netdev': 'n9', 'interval': 10}", "network backend id");
    refuse_filter("filter-buffer", "{'id': 'x', 'netdev': 'n0', 'interval': 10, 'position': 'id=none'}", "no filter 'none'");
    refuse_filter("filter-buffer", "{'id': 'x', 'netdev': 'n0'}", "interval");
    refuse_filter("filter-dump", "{'id': 'x', 'netdev': 'n0'}", "file");
    cable_clear(&c);
}

static void removed_filter_gives_back_what_it_held(void)
{
    Object *o;
    Cable c;

    cable_init(&c);
    o = add_filter("filter-buffer", "{'id': 'f0', 'netdev': 'n0', 'interval': 1000000}");
    say(&c.netdev, "abc");
    say(&c.nic, "xyz");
    g_assert_cmpstr(c.nic.got->str, ==, "");
    c.nic.room = 1; /* the rest waits in the lane */
    object_delete(o);
    settle();
    say(&c.netdev, "d");
    g_assert_cmpstr(c.nic.got->str, ==, "a");
    g_assert_cmpstr(c.netdev.got->str, ==, "xyz");
    give_room(&c.nic, UINT_MAX);
    g_assert_cmpstr(c.nic.got->str, ==, "abcd");
    cable_clear(&c);
}

static void dump_into_a_pipe_waits_for_nobody(void)
{
    g_autofree char *path = g_strdup_printf("%s/dump-%d.fifo", g_get_tmp_dir(), (int)g_random_int());
    g_autofree char *text = g_strdup_printf("{'id': 'd', 'netdev': 'n0', 'file': '%s'}", path);
    Cable c;

    cable_init(&c);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    refuse_filter("filter-dump", text, "filter 'd': cannot open");
    g_unlink(path);
    cable_clear(&c);
}

static void filter_sees_only_its_queue(void)
{
    Cable c;

    cable_init(&c);
    add_filter("filter-buffer", "{'id': 'f0', 'netdev': 'n0', 'interval': 1000000, 'queue': 'tx'}");
    say(&c.netdev, "a");
    say(&c.nic, "x");
    g_assert_cmpstr(c.nic.got->str, ==, "");
    g_assert_cmpstr(c.netdev.got->str, ==, "x");
    cable_clear(&c);
}

static void switched_off_filter_lets_go(void)
{
    GError *err = NULL;
    Object *o;
    Cable c;

    cable_init(&c);
    o = add_filter("filter-buffer", "{'id': 'f0', 'netdev': 'n0', 'interval': 1000000}");
    say(&c.netdev, "ab");
    g_assert_true(object_set_str(o, "status", "off", &err));
    say(&c.netdev, "c");
    g_assert_cmpstr(c.nic.got->str, ==, "abc");
    cable_clear(&c);
}

static void switched_off_filter_keeps_the_order(void)
{
    Object *o;
    Cable c;

    for (unsigned way = 0; way < 2; way++) {
        End *from, *to;

        cable_init(&c);
        from = way ? &c.nic : &c.netdev;
        to = way ? &c.netdev : &c.nic;
        o = add_filter("filter-buffer", "{'id': 'f0', 'netdev': 'n0', 'interval': 1000000}");
        say(from, "abc");
        to->room = 1;
        g_assert_true(object_set_str(o, "status", "off", NULL));
        to->room = 1; /* not told yet */
        say(from, "d");
        give_room(to, 1);
        say(from, "e");
        give_room(to, UINT_MAX);
        say(from, "f");
        g_assert_cmpstr(to->got->str, ==, "abcdef");
        cable_clear(&c);
    }
}

/* What a filter before it has seen waits in the lane; what the full one holds goes first. */
static void full_filter_behind_another_goes_on(void)
{
    g_autofree char *path = g_strdup_printf("%s/dump-%d.pcap", g_get_tmp_dir(), (int)g_random_int());
    g_autofree char *text = g_strdup_printf("{'id': 'd', 'netdev': 'n0', 'file': '%s', 'maxlen': 20}", path);
    g_autofree uint8_t *data = g_malloc0(60000);
    unsigned sent = 0;
    Object *o;
    Cable c;

    cable_init(&c);
    add_filter("filter-dump", text);
    o = add_filter("filter-buffer", "{'id': 'f0', 'netdev': 'n0', 'interval': 1000000}");
    do {
        data[14] = 'a' + sent % 26;
        g_assert_cmpuint(sent, <, 1000);
    } while (net_port_send(&c.netdev.port, &(NetFrame){.data = data, .size = 60000}) == NET_DONE && ++sent);
    g_assert_true(object_set_str(o, "status", "off", NULL));
    settle();
    net_port_room(&c.nic.port);
    settle();
    g_assert_cmpuint(c.nic.got->len, ==, sent);
    for (unsigned i = 0; i < sent; i++) {
        g_assert_cmpint(c.nic.got->str[i], ==, 'a' + i % 26);
    }
    g_unlink(path);
    cable_clear(&c);
}

/* Back-pressure behind a filter must not show it a frame twice. */
static void filter_sees_each_frame_once(void)
{
    g_autofree char *path = g_strdup_printf("%s/dump-%d.pcap", g_get_tmp_dir(), (int)g_random_int());
    g_autofree char *text = g_strdup_printf("{'id': 'd', 'netdev': 'n0', 'file': '%s', 'maxlen': 20}", path);
    g_autofree char *bytes = NULL;
    gsize size;
    Cable c;

    cable_init(&c);
    add_filter("filter-dump", text);
    c.nic.room = 1;
    say(&c.netdev, "abcd");
    for (unsigned i = 0; i < 4; i++) {
        give_room(&c.nic, 1);
    }
    g_assert_cmpstr(c.nic.got->str, ==, "abcd");
    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    g_assert_cmpuint(size, ==, 24 + 4 * (16 + 20));
    g_assert_cmphex(load_le32(bytes), ==, 0xa1b2c3d4);
    g_assert_cmpuint(load_le32(bytes + 24 + 8), ==, 20);
    g_assert_cmpuint(load_le32(bytes + 24 + 12), ==, 60);
    g_assert_cmpint(bytes[24 + 3 * 36 + 16 + 14], ==, 'd');
    g_unlink(path);
    cable_clear(&c);
}

/* ---- -nic and info ---- */
static void nic_option_comes_apart(void)
{
    static const char text[] = "{'type': 'user', 'model': 'virtio-net-device', 'mac': '52:54:00:00:00:09', 'restrict': 'on'}";
    g_autoptr(Json) options = json_parse(text, strlen(text), NULL);
    Json *netdev, *device;
    GError *err = NULL;

    g_assert_true(net_nic_split(options, &netdev, &device, &err));
    g_assert_null(json_get(netdev, "mac"));
    g_assert_cmpstr(json_get_str(netdev, "restrict"), ==, "on");
    g_assert_cmpstr(json_get_str(device, "driver"), ==, "virtio-net-device");
    g_assert_cmpstr(json_get_str(device, "mac"), ==, "52:54:00:00:00:09");
    g_assert_cmpstr(json_get_str(device, "netdev"), ==, json_get_str(netdev, "id"));
    json_unref(netdev);
    json_unref(device);
}

static void default_addresses_differ(void)
{
    uint8_t mac[6];
    Cable c;

    cable_init(&c);
    net_mac_default(mac);
    g_assert_cmpint(mac[5], ==, 0x56);
    memcpy(c.nic.port.mac, mac, 6);
    net_mac_default(mac);
    g_assert_cmpint(mac[5], ==, 0x57);
    cable_clear(&c);
}

static void info_names_ends_and_filters(void)
{
    g_autoptr(GString) out = g_string_new("");
    Cable c;

    cable_init(&c);
    add_filter("filter-buffer", "{'id': 'f0', 'netdev': 'n0', 'interval': 10}");
    net_info(out);
    g_assert_nonnull(strstr(out->str, "nic0: index=0,type=nic"));
    g_assert_nonnull(strstr(out->str, "n0: index=0,type=end"));
    g_assert_nonnull(strstr(out->str, "f0: type=filter-buffer"));
    cable_clear(&c);
}

static const ObjectType *const types[] = {&netfilter_type, &filter_buffer_type, &filter_dump_type, &filter_netpass_type,
                                          NULL};

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*fn)(void);
    } rows[] = {
        {"port/full_receiver_gets_all_in_order", full_receiver_gets_all_in_order},
        {"port/stop_and_cont_lose_nothing", stop_and_cont_lose_nothing},
        {"port/unplugged_cable_drops_and_counts", unplugged_cable_drops_and_counts},
        {"port/one_nic_per_netdev", one_nic_per_netdev},
        {"port/frames_of_a_wrong_size_are_counted", frames_of_a_wrong_size_are_counted},
        {"port/segments_wait_for_room", segments_wait_for_room},
        {"port/stopped_guest_gets_nothing", stopped_guest_gets_nothing},
        {"filter/sits_where_it_was_told", filter_sits_where_it_was_told},
        {"filter/removed_gives_back_what_it_held", removed_filter_gives_back_what_it_held},
        {"filter/dump_into_a_pipe_waits_for_nobody", dump_into_a_pipe_waits_for_nobody},
        {"filter/sees_only_its_queue", filter_sees_only_its_queue},
        {"filter/switched_off_lets_go", switched_off_filter_lets_go},
        {"filter/switched_off_keeps_the_order", switched_off_filter_keeps_the_order},
        {"filter/full_one_behind_another_goes_on", full_filter_behind_another_goes_on},
        {"filter/sees_each_frame_once", filter_sees_each_frame_once},
        {"nic/option_comes_apart", nic_option_comes_apart},
        {"nic/default_addresses_differ", default_addresses_differ},
        {"nic/info_names_ends_and_filters", info_names_ends_and_filters},
    };

    g_test_init(&argc, &argv, NULL);
    loop_init();
    types_register(types);
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/net/%s", rows[i].name);

        g_test_add_func(path, rows[i].fn);
    }
    return g_test_run();
}
