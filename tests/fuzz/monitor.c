/* tests/fuzz/monitor.c - clients of the monitors: a QMP session, the keys of the human one, the test server's lines.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0: which (the enum); the rest is what the client sends, and then it hangs up. */
#define BOARD_BEGINS "-S", "-accel", "qtest"
#define BOARD_MORE MONITORS
#define MONITORS "-chardev", listener("m"), "-mon", "chardev=m,mode=control", "-qtest", "chardev:q", "-chardev", listener("q"),
static char *listener(const char *id);
#include "../../monitor/monitor-private.h"
#include "board.h"

#include <stddef.h>
#include <sys/un.h>

enum { QMP, KEYS, QTEST, KINDS };
enum { HEARD_MAX = 4 << 20 }; /* of what one input brings about */

static const char *const names[KINDS] = {[QMP] = "m", [QTEST] = "q"};

static char *listener(const char *id)
{
    static char text[2][80];
    char *t = text[*id == 'q'];

    g_snprintf(t, sizeof(text[0]), "socket,id=%s,path=baton-fuzz-%u-%s,abstract=on,server=on,wait=off", id,
               (unsigned)getpid(), id);
    return t;
}

static int dial(const char *id)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
        size = g_snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1, "baton-fuzz-%u-%s", (unsigned)getpid(), id);

    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, offsetof(struct sockaddr_un, sun_path) + 1 + size), ==, 0);
    return fd;
}

static size_t hear(int fd)
{
    static uint8_t heard[65536];
    size_t size = 0;
    ssize_t n;

    board_pump();
    while (size < HEARD_MAX && (n = recv(fd, heard, sizeof(heard), MSG_DONTWAIT)) > 0) {
        size += n;
        board_pump();
    }
    return size;
}

static void talk(const char *id, const uint8_t *data, size_t size)
{
    size_t heard = 0;
    int fd = dial(id);

    for (ssize_t n; size && heard < HEARD_MAX; data += n, size -= n) {
        heard += hear(fd);
        n = send(fd, data, MIN(size, 1024), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0) {
            break;
        }
    }
    hear(fd);
    close(fd);
    for (unsigned i = 0; i < 8; i++) {
        board_pump();
    }
}

/* ---- QMP: what only asks ---- */
static void look(Json *take, GError *error, void *opaque)
{
    g_autoptr(Json) value = take;
    bool *is_harmless = opaque;
    const Json *name = value && json_is(value, JSON_DICT) ? json_get(value, "execute") : NULL;
    const char *text;

    g_clear_error(&error);
    if (value && json_is(value, JSON_DICT) && !name) {
        name = json_get(value, "exec-oob");
    }
    text = name && json_is(name, JSON_STRING) ? json_get_string(name) : "";
    *is_harmless &= !*text || g_str_has_prefix(text, "query-") || g_str_has_prefix(text, "qom-list") ||
                    !strcmp(text, "qmp_capabilities") || !strcmp(text, "nothing");
}

static bool only_asks(const uint8_t *data, size_t size)
{
    bool is_harmless = true;
    JsonStream *s = json_stream_new(look, &is_harmless);

    json_stream_feed(s, data, size);
    json_stream_free(s);
    return is_harmless;
}

/* ---- the test server: answers of megabytes are right, and slow under sanitizers ---- */
static bool asks_little(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) words = g_strsplit_set(text, " \r\n", -1);

    for (char **w = words; *w; w++) {
        uint64_t n = g_ascii_strtoull(*w, NULL, 0);

        if (n > 4096 && n <= 8 << 20) {
            return false;
        }
    }
    return true;
}

/* ---- keys ---- */
static unsigned lines;

static void take_line(const char *line, void *opaque)
{
    g_assert_cmpuint(strlen(line), <=, 4096);
    lines++;
}

static void take_text(const char *text, void *opaque)
{
    g_assert_cmpuint(strlen(text), <, 8192);
}

static void type(const uint8_t *data, size_t size)
{
    Readline *r = readline_new(take_line, take_text, NULL);

    for (size_t i = 0; i < size; i++) {
        readline_byte(r, data[i]);
    }
    readline_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned kind = size ? data[0] % KINDS : KINDS;

    if (!size || size > 8 << 10) {
        return 0;
    }
    board_make();
    if (kind == KEYS) {
        type(data + 1, size - 1);
    } else if ((kind == QTEST ? asks_little : only_asks)(data + 1, size - 1)) {
        talk(names[kind], data + 1, size - 1);
    }
    vm_stop(RUN_STATE_PAUSED);
    return 0;
}

static const struct {
    uint8_t kind;
    const char *text;
} seeds[] = {
    {QMP, "{'execute': 'qmp_capabilities', 'arguments': {'enable': ['oob']}, 'id': 1} {'execute': 'query-status', 'id': [1]}"},
    {QMP, "{'execute': 'query-name'} {'execute': 'qmp_capabilities'} {'exec-oob': 'query-version'} {'execute': 'nothing'}"},
    {QMP, "{'execute': 'qmp_capabilities'} [] {'execute': 7} {'execute': 'query-cpus-fast', 'arguments': [], 'x': 1} \xff {}"},
    {KEYS, "info net\t\r\n\x1b[A\x1b[D\x1b[C\x1b[H\x1b[F\x1b[3~\x01\x05\x02\x06\x04\x08\x7f\x0b\x0c\x0e\x10\x15\x17 x y\x17\n"},
    {KEYS, "h\t\t\rabc\rabc\rdef\r\x1b[A\x1b[A\x1b[B\x1bOA"},
    {QTEST, "readl 0x10001000\nwritel 0x10001070 1\nreadb 0x10000005\nreadw 0x0\nreadq 0x200bff8\nendianness\nclock_step\n"},
    {QTEST, "write 0x80000000 4 0x01020304\nread 0x80000000 4\nb64write 0x80000010 3 AAEC\nb64read 0x80000010 3\n"},
    {QTEST, "irq_intercept_in /machine/unattached/plic\nset_irq_in /machine/unattached/plic unnamed-gpio-in 3 1\n"},
    {QTEST, "memset 0x80000000 9 0xff\nclock_set 1000000\nread 0x80000000 0x800\nread 0x80000000 0x1000\n"},
    {QTEST, "clock_step 1000\nclock_set -1\nread 0x80000000 9999999999\nwriteb x 1\nmemset 0x1 1\nirq_intercept_out a b\n\nx\n"},
};

static GByteArray *make_seed(unsigned i)
{
    GByteArray *b = g_byte_array_append(g_byte_array_new(), &seeds[i].kind, 1);

    return g_byte_array_append(b, (const uint8_t *)seeds[i].text, strlen(seeds[i].text));
}

FUZZ_MAIN("monitor", make_seed, G_N_ELEMENTS(seeds), 60)
