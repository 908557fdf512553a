/* tests/unit/main/cmdline-test.c - options become a Config, or an error that says what is accepted.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "../../../main/cmdline.h"
#include "config-host.h"

#include <glib/gstdio.h>
#include <string.h>

static bool parse(const char *line, Config *c, GError **errp)
{
    g_auto(GStrv) argv = NULL;
    g_autofree char *text = g_strconcat("baton ", line, NULL);
    int argc;

    g_assert_true(g_shell_parse_argv(text, &argc, &argv, NULL));
    config_init(c);
    return cmdline_parse(argc, argv, c, errp);
}

static void check(const Json *j, const char *expected)
{
    g_autofree char *text = json_print(j, false);

    g_assert_cmpstr(text, ==, expected);
}

static void what_managers_say(void)
{
    g_autoptr(GError) err = NULL;
    Config c;

    parse("-name guest=vm,,1,debug-threads=on -S -object '{\"qom-type\":\"secret\",\"id\":\"masterKey0\"}' "
          "-machine virt,usb=off,accel=kvm:tcg -accel qtest -m 512 -m maxmem=1G --smp 4,sockets=4 -uuid "
          "00000000-0000-0000-0000-000000000001 -no-user-config -nodefaults "
          "-chardev socket,id=charmonitor,fd=27,server=on,wait=off -mon chardev=charmonitor,id=monitor,mode=control "
          "-rtc base=utc -no-shutdown -boot strict=on -netdev user,id=n,hostfwd=tcp::1-:2,hostfwd=tcp::3-:4 "
          "-netdev stream,id=s,addr.type=unix,addr.path=/x -device '{\"driver\":\"virtio-net-device\",\"netdev\":\"n\"}' "
          "-cpu rv64,zbb=off,+zba,-zbs -serial chardev:x -serial none -msg timestamp=on -incoming defer -d int,unimp",
          &c, &err);
    g_assert_no_error(err);
    check(c.name, "{\"guest\": \"vm,1\", \"debug-threads\": \"on\"}");
    check(c.machine, "{\"type\": \"virt\", \"usb\": \"off\"}");
    g_assert_cmpint(c.accels->len, ==, 3);
    check(c.accels->pdata[0], "{\"accel\": \"kvm\"}");
    check(c.accels->pdata[2], "{\"accel\": \"qtest\"}");
    check(c.memory, "{\"size\": \"512\", \"maxmem\": \"1G\"}");
    check(c.smp, "{\"cpus\": \"4\", \"sockets\": \"4\"}");
    check(c.chardevs->pdata[0], "{\"backend\": \"socket\", \"id\": \"charmonitor\", \"fd\": \"27\", \"server\": \"on\", "
                                "\"wait\": \"off\"}");
    check(c.netdevs->pdata[0], "{\"type\": \"user\", \"id\": \"n\", \"hostfwd\": [\"tcp::1-:2\", \"tcp::3-:4\"]}");
    check(c.netdevs->pdata[1], "{\"type\": \"stream\", \"id\": \"s\", \"addr\": {\"type\": \"unix\", \"path\": \"/x\"}}");
    check(c.devices->pdata[0], "{\"driver\": \"virtio-net-device\", \"netdev\": \"n\"}");
    check(c.cpu, "{\"model\": \"rv64\", \"zbb\": \"off\", \"zba\": \"on\", \"zbs\": \"off\"}");
    g_assert_cmpint(c.serials->len, ==, 2);
    g_assert_true(c.stopped && c.nodefaults && c.no_shutdown && !c.no_reboot);
    g_assert_cmpstr(c.incoming, ==, "defer");
    config_clear(&c);
}

static const struct {
    const char *line, *error; /* NULL: parses */
} cases[] = {
    {"-machine virt,", NULL},
    {"-M none,accel=kvm:tcg", NULL},
    {"-m 2G -m size=1G", NULL},
    {"-nosuch", "-nosuch: invalid option; accepted: -h -help"},
    {"disk.img", "'disk.img' is no option"},
    {"-m", "-m: requires an argument"},
    {"-m foo=1", "-m foo=1: Invalid parameter 'foo'; accepted: size, slots, maxmem"},
    {"-smp cpus=2,hyperthreads=2", "accepted: cpus, maxcpus, sockets, dies, clusters, cores, threads"},
    {"-vga std", "'std' is not supported; accepted: none"},
    {"-sandbox on", "system call filtering is not available"},
    {"-net user", "only 'none' is accepted"},
    {"-device '{\"driver\":'", "-device {\"driver\":: JSON parse error"},
    {"-netdev stream,id=s,addr.type=unix,addr=x", "used inconsistently"},
    {"-readconfig /nowhere/at/all", "No such file"},
    {"-accel tcg,speed=11", "Invalid parameter 'speed'"},
};

static void mistakes_are_named(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        Config c;
        bool ok = parse(cases[i].line, &c, &err);

        g_test_message("%s: %s", cases[i].line, err ? err->message : "fine");
        g_assert_cmpint(ok, ==, !cases[i].error);
        g_assert_true(!cases[i].error || strstr(err->message, cases[i].error));
        config_clear(&c);
    }
}

static const struct {
    const char *line;
    HelpTopic help;
    const char *about;
} helps[] = {
    {"-help", HELP_OPTIONS, NULL},
    {"--version -nosuch", HELP_VERSION, NULL},
    {"-device help", HELP_DEVICE, NULL},
    {"-device virtio-net-device,help", HELP_DEVICE, "virtio-net-device"},
    {"-device ?", HELP_DEVICE, NULL},
    {"-machine virt,help", HELP_MACHINE, "virt"},
    {"-M help", HELP_MACHINE, NULL},
    {"-cpu help", HELP_CPU, NULL},
    {"-netdev help", HELP_NETDEV, NULL},
    {"-object filter-dump,help", HELP_OBJECT, "filter-dump"},
    {"-d help", HELP_LOG, NULL},
    {"-trace help", HELP_TRACE, NULL},
    {"-accel help", HELP_ACCEL, NULL},
    {"-chardev help", HELP_CHARDEV, NULL},
};

static void help_is_found_everywhere(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(helps); i++) {
        Config c;

        g_assert_true(parse(helps[i].line, &c, NULL));
        g_assert_cmpint(c.help, ==, helps[i].help);
        g_assert_cmpstr(c.help_about, ==, helps[i].about);
        config_clear(&c);
    }
}

static void config_files_are_read(void)
{
    g_autofree char *path = NULL, *line = NULL;
    g_autoptr(GError) err = NULL;
    int fd = g_file_open_tmp("baton-config-XXXXXX", &path, NULL);
    Config c;

    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, "# remark\n[memory]\n  size = \"256M\"\n\n[object \"o0\"]\n"
                                            "  qom-type = \"secret\"\n  data = \"a,b\"\n"
                                            "[accel]\n accel = \"tcg\"\n"
#if CONFIG_SPICE
                                            "[spice]\n port = \"5900\"\n"
#endif
                                            , -1, NULL));
    line = g_strconcat("-readconfig ", path, NULL);
    g_assert_true(parse(line, &c, &err));
    check(c.memory, "{\"size\": \"256M\"}");
    check(c.accels->pdata[0], "{\"accel\": \"tcg\"}");
#if CONFIG_SPICE
    check(c.spice, "{\"port\": \"5900\"}");
#endif
    check(c.objects->pdata[0], "{\"id\": \"o0\", \"qom-type\": \"secret\", \"data\": \"a,b\"}");
    config_clear(&c);
    g_assert_true(g_file_set_contents(path, "[nosuch]\n", -1, NULL));
    g_assert_false(parse(line, &c, &err));
    config_clear(&c);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/main/cmdline/what_managers_say", what_managers_say);
    g_test_add_func("/main/cmdline/mistakes_are_named", mistakes_are_named);
    g_test_add_func("/main/cmdline/help_is_found_everywhere", help_is_found_everywhere);
    g_test_add_func("/main/cmdline/config_files_are_read", config_files_are_read);
    return g_test_run();
}
