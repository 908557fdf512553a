/* tests/fuzz/cmdline.c - any command line ends as a Config or as an error.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: arguments, each ended by a newline.  -readconfig is left out: it opens files. */
#include "../../main/cmdline.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = g_strndup((const char *)data, size), **lines = g_strsplit(text, "\n", 256);
    GPtrArray *argv = g_ptr_array_new();
    GError *err = NULL;
    Config c;

    g_ptr_array_add(argv, (void *)"baton");
    for (char **line = lines; *line; line++) {
        if (!strstr(*line, "readconfig")) {
            g_ptr_array_add(argv, *line);
        }
    }
    config_init(&c);
    if (cmdline_parse(argv->len, (char **)argv->pdata, &c, &err)) {
        g_assert_no_error(err);
    } else {
        g_assert_nonnull(err);
        g_error_free(err);
    }
    config_clear(&c);
    g_ptr_array_unref(argv);
    g_strfreev(lines);
    g_free(text);
    return 0;
}

static const char *const seeds[] = {
    "-M\nvirt,accel=kvm:tcg,usb=off\n-m\n2G\n-smp\n4,sockets=2,cores=2\n-S\n-nographic",
    "-netdev\nuser,id=n,hostfwd=tcp::1-:2,hostfwd=tcp::3-:4\n-device\nvirtio-net-device,netdev=n,mac=52:54:00:12:34:56",
    "-netdev\nstream,id=s,addr.type=unix,addr.path=/x\n-blockdev\ndriver=raw,file.driver=file,file.filename=/a,,b,l.0=x,l.1=y",
    "-object\n{\"qom-type\":\"secret\",\"id\":\"m\",\"data\":\"\\u00e4\"}\n-device\n{\"driver\":\"x\",\"n\":1}",
    "-chardev\nsocket,id=c,path=/s,server=on,wait=off\n-mon\nchardev=c,mode=control\n-serial\nmon:stdio\n-cpu\nrv64,+zba,-zbb",
    "-global\na.b=c\n-trace\nenable=mig_*\n-d\nint\n-name\nguest=a,,b\n-device\nhelp\n-add-fd\nfd=3,set=1",
};

static GByteArray *make_seed(unsigned i)
{
    return g_byte_array_append(g_byte_array_new(), (const guint8 *)seeds[i], strlen(seeds[i]));
}

FUZZ_MAIN("cmdline", make_seed, G_N_ELEMENTS(seeds), 4000)
