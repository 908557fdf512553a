/* monitor/qtest.c - the test server: registers, memory, clock and wires of the machine, by a line protocol.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: main loop (vm_lock).  One request a line, words parted by blanks, numbers as in C; one reply a line: OK, FAIL
 * or ERR; "IRQ raise N" and "IRQ lower N" may come before a reply.  Docs: docs/testing.md. */
#include "monitor/monitor.h"

#include "monitor-private.h"
#include "object/object.h"
#include "system/clock.h"
#include "system/irq.h"
#include "system/ram.h"
#include "system/region.h"
#include "util/bytes.h"
#include "util/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES (32u << 20)
#define DATA_MAX_BYTES (8u << 20)
#define IRQ_MAX 256

static struct {
    Chardev *chardev;
    GString *line, *out;
    GByteArray *in; /* not looked at, as the answers to what came before have not been taken */
    FILE *log;
    bool has_clock, is_too_long, is_serving;
    Object *intercepted;
    bool levels[IRQ_MAX];
} server;

/* ---- output ---- */
static void flush_out(void)
{
    size_t n = chardev_write(server.chardev, server.out->str, server.out->len);

    g_string_erase(server.out, 0, n);
}

static void reply(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static void reply(const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (server.log) {
        fprintf(server.log, "[S] %.200s\n", text);
    }
    g_string_append(server.out, text);
    g_string_append_c(server.out, '\n');
    flush_out();
}

/* ---- words ---- */
static bool number(const char *word, uint64_t *ret)
{
    char *end;

    if (!word || !*word) {
        return false;
    }
    errno = 0;
    *ret = *word == '-' ? (uint64_t)g_ascii_strtoll(word, &end, 0) : g_ascii_strtoull(word, &end, 0);
    return !errno && end != word && !*end;
}

/* Address and length of a block request: what is wrong with it has been answered when this returns false. */
static bool block_words(char **words, uint64_t *addr, uint64_t *size)
{
    if (!number(words[1], addr) || !number(words[2], size) || *size > DATA_MAX_BYTES) {
        reply("ERR %s: wants an address and a length up to %u", words[0], DATA_MAX_BYTES);
        return false;
    }
    return true;
}

/* ---- clock ---- */
static void clock_request(char **words)
{
    int64_t before = clock_virtual_ns(), target;
    uint64_t n;

    if (!server.has_clock) {
        reply("FAIL %s needs -accel qtest", words[0]);
        return;
    }
    if (words[1] && !number(words[1], &n)) {
        reply("ERR %s: bad number '%s'", words[0], words[1]);
        return;
    }
    if (!strcmp(words[0], "clock_set")) {
        target = words[1] ? (int64_t)n : before;
    } else if (words[1]) {
        target = before + (int64_t)n;
    } else {
        target = clock_next_deadline();
        target = target == TIMER_NEVER ? before : target;
    }
    if (target < before || target > CLOCK_NS_MAX) {
        reply("FAIL the clock only goes forward, for 146 years");
        return;
    }
    reply("OK %" G_GINT64_FORMAT, clock_step_to(target));
}

/* ---- registers and small memory accesses ---- */
static unsigned width_of(char letter)
{
    switch (letter) {
    case 'b':
        return 1;
    case 'w':
        return 2;
    case 'l':
        return 4;
    default:
        return 8;
    }
}

static void read_request(char **words)
{
    unsigned size = width_of(words[0][4]);
    uint64_t addr, value = 0;
    uint8_t raw[8] = {0};

    if (!number(words[1], &addr)) {
        reply("ERR %s wants an address", words[0]);
        return;
    }
    if (ram_at(addr)) {
        mem_read(addr, raw, size);
        value = load_le64(raw);
    } else {
        region_read(addr, size, &value); /* nothing there reads as zero, as on the real bus */
    }
    reply("OK 0x%016" G_GINT64_MODIFIER "x", value);
}

static void write_request(char **words)
{
    unsigned size = width_of(words[0][5]);
    uint64_t addr, value;
    uint8_t raw[8];

    if (!number(words[1], &addr) || !number(words[2], &value)) {
        reply("ERR %s wants an address and a value", words[0]);
        return;
    }
    if (ram_at(addr)) {
        store_le64(raw, value);
        mem_write(addr, raw, size);
    } else {
        region_write(addr, size, value);
    }
    reply("OK");
}

/* ---- blocks of memory ---- */
static void read_hex(char **words)
{
    static const char digits[] = "0123456789abcdef";
    g_autofree uint8_t *data = NULL;
    g_autoptr(GString) text = NULL;
    uint64_t addr, size;

    if (!block_words(words, &addr, &size)) {
        return;
    }
    data = g_malloc0(size + 1);
    mem_read(addr, data, size);
    text = g_string_sized_new(6 + 2 * size);
    g_string_append(text, "OK 0x");
    for (uint64_t i = 0; i < size; i++) {
        g_string_append_c(text, digits[data[i] >> 4]);
        g_string_append_c(text, digits[data[i] & 15]);
    }
    reply("%s", text->str);
}

static void write_hex(char **words)
{
    g_autofree uint8_t *data = NULL;
    uint64_t addr, size;
    size_t digits;

    if (!block_words(words, &addr, &size)) {
        return;
    }
    if (!words[3] || !g_str_has_prefix(words[3], "0x")) {
        reply("ERR write wants data as 0x...");
        return;
    }
    data = g_malloc0(size + 1);
    digits = strlen(words[3] + 2);
    for (uint64_t i = 0; i < size && 2 * i + 1 < digits; i++) {
        data[i] = g_ascii_xdigit_value(words[3][2 + 2 * i]) << 4 | g_ascii_xdigit_value(words[3][3 + 2 * i]);
    }
    mem_write(addr, data, size);
    reply("OK");
}

static void read_base64(char **words)
{
    g_autofree uint8_t *data = NULL;
    g_autofree char *text = NULL;
    uint64_t addr, size;

    if (!block_words(words, &addr, &size)) {
        return;
    }
    data = g_malloc0(size + 1);
    mem_read(addr, data, size);
    text = g_base64_encode(data, size);
    reply("OK %s", text);
}

static void write_base64(char **words)
{
    g_autofree uint8_t *data = NULL;
    uint64_t addr, size;
    gsize got;

    if (!block_words(words, &addr, &size)) {
        return;
    }
    if (!words[3]) {
        reply("ERR b64write wants data");
        return;
    }
    data = g_base64_decode(words[3], &got);
    mem_write(addr, data, MIN(got, size));
    reply("OK");
}

static void set_memory(char **words)
{
    g_autofree uint8_t *data = NULL;
    uint64_t addr, size, value;

    if (!block_words(words, &addr, &size)) {
        return;
    }
    if (!number(words[3], &value)) {
        reply("ERR memset wants a byte");
        return;
    }
    data = g_malloc(size + 1);
    memset(data, (uint8_t)value, size);
    mem_write(addr, data, size);
    reply("OK");
}

/* ---- wires ---- */
static void irq_changed(void *opaque, int n, bool level)
{
    if (n >= 0 && n < IRQ_MAX && server.levels[n] != level) {
        server.levels[n] = level;
        reply("IRQ %s %d", level ? "raise" : "lower", n);
    }
}

static void irq_intercept(char **words)
{
    Object *o = words[1] ? object_find(words[1]) : NULL;
    bool is_in = !strcmp(words[0], "irq_intercept_in");
    const char *name = !is_in && words[1] && words[2] ? words[2] : NULL;

    if (!o) {
        reply("FAIL no object '%s'", words[1] ? words[1] : "");
    } else if (server.intercepted && server.intercepted != o) {
        reply("FAIL one device's lines are watched already");
    } else if (server.intercepted == o ||
               (is_in ? irq_intercept_in((struct Object *)o, irq_changed, NULL)
                      : irq_intercept_out((struct Object *)o, name, irq_changed, NULL))) {
        server.intercepted = o;
        reply("OK");
    } else {
        reply("FAIL '%s' has no such lines", words[1]);
    }
}

static void set_irq_in(char **words)
{
    Object *o = words[1] ? object_find(words[1]) : NULL;
    uint64_t n, level;
    Irq irq;

    if (!o || !words[2] || !number(words[3], &n) || !number(words[4], &level) || n >= IRQ_MAX) {
        reply("FAIL set_irq_in wants an object, a name, a number and a level");
        return;
    }
    if (!irq_input((struct Object *)o, strcmp(words[2], "unnamed-gpio-in") ? words[2] : NULL, (int)n, &irq)) {
        reply("FAIL '%s' has no input '%s' %d", words[1], words[2], (int)n);
        return;
    }
    irq_set(&irq, level);
    reply("OK");
}

static void endianness(char **words)
{
    reply("OK little");
}

/* ---- requests ---- */
static const struct {
    const char *name;
    void (*fn)(char **words);
} requests[] = {
    {"clock_step", clock_request},   {"clock_set", clock_request},      {"readb", read_request},
    {"readw", read_request},         {"readl", read_request},           {"readq", read_request},
    {"writeb", write_request},       {"writew", write_request},         {"writel", write_request},
    {"writeq", write_request},       {"read", read_hex},                {"write", write_hex},
    {"b64read", read_base64},        {"b64write", write_base64},        {"memset", set_memory},
    {"irq_intercept_in", irq_intercept}, {"irq_intercept_out", irq_intercept}, {"set_irq_in", set_irq_in},
    {"endianness", endianness},
};

static void run_line(const char *line)
{
    g_auto(GStrv) all = g_strsplit_set(line, " \r", -1);
    /* Each handler may look at words[0..4]; what is missing is NULL. */
    char *words[6] = {NULL};
    unsigned count = 0;

    for (char **w = all; *w && count < 5; w++) {
        if (**w) {
            words[count++] = *w;
        }
    }
    if (server.log) {
        fprintf(server.log, "[R] %.200s\n", line);
    }
    for (unsigned i = 0; words[0] && i < G_N_ELEMENTS(requests); i++) {
        if (!strcmp(words[0], requests[i].name)) {
            requests[i].fn(words);
            return;
        }
    }
    reply("FAIL Unknown command '%s'", words[0] ? words[0] : "");
}

static void take_byte(char c)
{
    if (c != '\n') {
        if (server.line->len < LINE_MAX_BYTES) {
            g_string_append_c(server.line, c);
        } else {
            server.is_too_long = true;
        }
        return;
    }
    if (server.is_too_long) {
        reply("ERR the line is longer than %u bytes", LINE_MAX_BYTES);
    } else {
        run_line(server.line->str);
    }
    server.is_too_long = false;
    g_string_truncate(server.line, 0);
}

/* A client that does not read is not heard: a short request can have an answer of megabytes. */
static void serve(void)
{
    unsigned at = 0;

    if (server.is_serving) {
        return;
    }
    server.is_serving = true;
    while (at < server.in->len && server.out->len < OUTPUT_MAX) {
        take_byte((char)server.in->data[at++]);
    }
    g_byte_array_remove_range(server.in, 0, MIN(at, server.in->len)); /* it may have gone meanwhile */
    server.is_serving = false;
}

static size_t can_read(void *opaque)
{
    return server.in->len ? 0 : 65536;
}

static void read_bytes(void *opaque, const uint8_t *data, size_t size)
{
    g_byte_array_append(server.in, data, size);
    serve();
}

static void can_write(void *opaque)
{
    flush_out();
    serve();
    chardev_accept_input(server.chardev);
}

static void on_event(void *opaque, ChardevEvent event)
{
    if (event == CHARDEV_CLOSED) {
        g_string_truncate(server.line, 0);
        g_string_truncate(server.out, 0);
        g_byte_array_set_size(server.in, 0);
        server.is_too_long = false;
    }
}

bool qtest_server_start(Chardev *c, const char *log, bool has_clock, GError **errp)
{
    static const ChardevHandlers handlers = {can_read, read_bytes, on_event, can_write};

    if (server.chardev) {
        return fail(errp, "-qtest: there is one test server already");
    }
    if (log && strcmp(log, "none") != 0) {
        server.log = fopen(log, "we");
        if (!server.log) {
            return fail_errno(errp, errno, "-qtest-log '%s': cannot open", log);
        }
        setvbuf(server.log, NULL, _IOLBF, 0);
    }
    server.line = g_string_new(NULL);
    server.out = g_string_new(NULL);
    server.in = g_byte_array_new();
    server.has_clock = has_clock;
    server.chardev = c;
    return chardev_claim(c, &handlers, NULL, errp);
}
