/* util/log.c - the guest log (-d, -D) and trace points (-trace).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/log.h"

#include "util/error.h"
#include "util/loop.h"
#include "util/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define GUEST_LINES_PER_SECOND 100

unsigned log_flags;
static Sink log_file = {.fd = -1}; /* guarded by file_mutex: harts print while the monitor opens another */
static GMutex file_mutex; /* leaf */

static const struct {
    const char *name;
    unsigned flag;
    const char *about;
} log_items[] = {
    {"in_asm", LOG_IN_ASM, "guest instructions of each block when it is decoded"},
    {"int", LOG_INT, "traps and interrupts"},
    {"guest_errors", LOG_GUEST_ERROR, "when the guest does what its specification forbids"},
    {"unimp", LOG_UNIMP, "when the guest uses what is not there"},
    {"mmu", LOG_MMU, "address translation faults"},
    {"exec", LOG_EXEC, "each decoded block that is entered"},
};

void log_foreach_item(void (*fn)(const char *name, const char *about, void *opaque), void *opaque)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(log_items); i++) {
        fn(log_items[i].name, log_items[i].about, opaque);
    }
}

static bool log_item(const char *name, unsigned *flags)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(log_items); i++) {
        if (!strcmp(name, log_items[i].name)) {
            *flags |= log_items[i].flag;
            return true;
        }
    }
    return false;
}

bool log_parse(const char *names, unsigned *ret_flags, bool *ret_help, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(names, ",", 0);
    unsigned flags = 0;

    *ret_help = false;
    for (char **p = parts; *p; p++) {
        if (!strcmp(*p, "help") || !strcmp(*p, "?")) {
            *ret_help = true;
            return true;
        }
        if (!log_item(*p, &flags)) {
            return fail(errp, "-d: unknown item '%s' (known: in_asm int guest_errors unimp mmu exec)", *p);
        }
    }
    *ret_flags = flags;
    return true;
}

bool log_open(const char *path, GError **errp)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666); /* a pipe's reader is not waited for */

    if (fd < 0) {
        return fail_errno(errp, errno, "log file '%s': cannot open", path);
    }
    g_mutex_lock(&file_mutex);
    if (log_file.fd >= 0) {
        close(log_file.fd);
    }
    log_file = (Sink){.fd = fd};
    g_mutex_unlock(&file_mutex);
    return true;
}

static void log_vprintf(const char *fmt, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(fmt, ap);

    g_mutex_lock(&file_mutex);
    sink_put(log_file.fd >= 0 ? &log_file : sink_stderr(), text);
    g_mutex_unlock(&file_mutex);
}

void log_printf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_vprintf(fmt, ap);
    va_end(ap);
}

/* Lets 100 lines a second through; says afterwards how many it kept back. */
static bool guest_line_allowed(void)
{
    static GMutex mutex;
    static int64_t window_ns;
    static unsigned lines, kept_back;
    int64_t now = time_monotonic_ns();
    unsigned missed = 0;
    bool allowed;

    g_mutex_lock(&mutex);
    if (now - window_ns >= NS_PER_SEC) {
        window_ns = now;
        missed = kept_back;
        lines = kept_back = 0;
    }
    allowed = lines < GUEST_LINES_PER_SECOND;
    lines += allowed;
    kept_back += !allowed;
    g_mutex_unlock(&mutex);
    if (missed) {
        log_printf("(%u more lines of guest errors were not printed)\n", missed);
    }
    return allowed;
}

static void guest_line(const char *who, const char *fmt, va_list ap)
{
    g_autofree char *text = NULL;

    if (!guest_line_allowed()) {
        return;
    }
    text = g_strdup_vprintf(fmt, ap);
    log_printf("%s: %s\n", who, text);
}

void guest_error(const char *who, const char *fmt, ...)
{
    va_list ap;

    if (log_enabled(LOG_GUEST_ERROR)) {
        va_start(ap, fmt);
        guest_line(who, fmt, ap);
        va_end(ap);
    }
}

void guest_unimp(const char *who, const char *fmt, ...)
{
    va_list ap;

    if (log_enabled(LOG_UNIMP)) {
        va_start(ap, fmt);
        guest_line(who, fmt, ap);
        va_end(ap);
    }
}

/* ---- trace points: the linker gathers them; the two names bound the section ---- */
extern TracePoint __start_trace_points[] __attribute__((weak));
extern TracePoint __stop_trace_points[] __attribute__((weak));

void trace_printf(const TracePoint *point, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    log_printf("%.6f %s %s\n", (double)time_monotonic_ns() / NS_PER_SEC, point->name, text);
}

unsigned trace_enable(const char *pattern, bool on)
{
    unsigned count = 0;

    for (TracePoint *t = __start_trace_points; t < __stop_trace_points; t++) {
        if (t->name && g_pattern_match_simple(pattern, t->name)) {
            t->on = on;
            count++;
        }
    }
    return count;
}

void trace_list(void (*fn)(const char *name, bool on, void *opaque), void *opaque)
{
    for (TracePoint *t = __start_trace_points; t < __stop_trace_points; t++) {
        if (t->name) {
            fn(t->name, t->on, opaque);
        }
    }
}
