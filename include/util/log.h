/* include/util/log.h - the guest log (-d) and trace points (-trace).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

enum {
    LOG_IN_ASM = 1 << 0,
    LOG_INT = 1 << 1,
    LOG_GUEST_ERROR = 1 << 2,
    LOG_UNIMP = 1 << 3,
    LOG_MMU = 1 << 4,
    LOG_EXEC = 1 << 5,
};

extern unsigned log_flags; /* set once at start-up, or from the main loop; read anywhere */

static inline bool log_enabled(unsigned mask)
{
    return G_UNLIKELY(log_flags & mask);
}

/* "guest_errors,unimp" -> flags; the error lists the known names.  With "help" among them only *ret_help is set. */
bool log_parse(const char *names, unsigned *ret_flags, bool *ret_help, GError **errp);
void log_foreach_item(void (*fn)(const char *name, const char *about, void *opaque), void *opaque);
bool log_open(const char *path, GError **errp); /* -D: default is stderr */
void log_printf(const char *fmt, ...) G_GNUC_PRINTF(1, 2); /* any thread; one call is one piece, never torn */

/* The guest did what its specification forbids: said with -d guest_errors, at most 100 lines a second, counted beyond.
 * `who` names the device or hart. */
void guest_error(const char *who, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void guest_unimp(const char *who, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* Trace points: TRACE(mig_step, "%s + %s", a, b).  Each is an entry in a linker section; off costs a load and a branch. */
typedef struct TracePoint {
    const char *name;
    bool on;
} TracePoint;

#define TRACE(id, ...)                                                                                                 \
    do {                                                                                                               \
        static TracePoint trace_point_ __attribute__((section("trace_points"), used)) = {#id, false};                  \
        if (G_UNLIKELY(trace_point_.on)) {                                                                             \
            trace_printf(&trace_point_, __VA_ARGS__);                                                                  \
        }                                                                                                              \
    } while (0)

void trace_printf(const TracePoint *point, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Switches all points that match a glob ("mig_*"); returns how many matched. */
unsigned trace_enable(const char *pattern, bool on);
void trace_list(void (*fn)(const char *name, bool on, void *opaque), void *opaque);
