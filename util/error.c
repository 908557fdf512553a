/* util/error.c - making and reporting errors.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/error.h"

#include "util/sink.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static bool with_timestamps;

GQuark baton_error_quark(void)
{
    return g_quark_from_static_string("baton-error");
}

static void set_error(GError **errp, QmpErrorClass code, const char *fmt, va_list ap, int err)
{
    g_autofree char *text = NULL;

    if (!errp) {
        return;
    }
    text = g_strdup_vprintf(fmt, ap);
    if (err) {
        g_set_error(errp, BATON_ERROR, code, "%s: %s", text, g_strerror(err));
    } else {
        g_set_error_literal(errp, BATON_ERROR, code, text);
    }
}

bool fail(GError **errp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_error(errp, ERROR_CLASS_GENERIC, fmt, ap, 0);
    va_end(ap);
    return false;
}

bool fail_class(GError **errp, QmpErrorClass code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_error(errp, code, fmt, ap, 0);
    va_end(ap);
    return false;
}

bool fail_errno(GError **errp, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_error(errp, ERROR_CLASS_GENERIC, fmt, ap, err);
    va_end(ap);
    return false;
}

const char *error_class_name(QmpErrorClass code)
{
    static const char *const names[] = {
        [ERROR_CLASS_GENERIC] = "GenericError",
        [ERROR_CLASS_COMMAND_NOT_FOUND] = "CommandNotFound",
        [ERROR_CLASS_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
        [ERROR_CLASS_DEVICE_NOT_FOUND] = "DeviceNotFound",
    };

    return (unsigned)code < G_N_ELEMENTS(names) ? names[code] : names[ERROR_CLASS_GENERIC];
}

void report_set_timestamps(bool on)
{
    with_timestamps = on;
}

static void report(const char *level, const char *fmt, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(fmt, ap), *line = NULL;
    const char *program = g_get_prgname();
    char when[40] = "";

    if (with_timestamps) {
        struct timespec now;
        struct tm tm;
        size_t n;

        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &tm);
        n = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(when + n, sizeof(when) - n, ".%06ldZ ", now.tv_nsec / 1000);
    }
    line = g_strdup_printf("%s%s: %s%s\n", when, program ? program : "baton", level, text);
    sink_put(sink_stderr(), line);
}

void error_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("", fmt, ap);
    va_end(ap);
}

void warn_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("warning: ", fmt, ap);
    va_end(ap);
}

void info_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("info: ", fmt, ap);
    va_end(ap);
}

void error_report_free(const char *prefix, GError *err)
{
    const char *text = err ? err->message : "unknown error";

    if (prefix) {
        error_report("%s: %s", prefix, text);
    } else {
        error_report("%s", text);
    }
    g_clear_error(&err);
}
