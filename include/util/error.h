/* include/util/error.h - making and reporting errors.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A fallible function takes `GError **errp` last, returns bool or a pointer, and either reports or returns, never
 * both.  The error's code is the class that QMP shows.  Messages: what, on which object, why; lower case, no full stop. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum QmpErrorClass {
    ERROR_CLASS_GENERIC,            /* GenericError */
    ERROR_CLASS_COMMAND_NOT_FOUND,  /* CommandNotFound */
    ERROR_CLASS_DEVICE_NOT_ACTIVE,  /* DeviceNotActive */
    ERROR_CLASS_DEVICE_NOT_FOUND,   /* DeviceNotFound */
} QmpErrorClass;

#define BATON_ERROR baton_error_quark()
GQuark baton_error_quark(void);

/* Set *errp (if errp is not NULL) and return false, so that `return fail(errp, ...)` is the whole error path. */
bool fail(GError **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
bool fail_class(GError **errp, QmpErrorClass code, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
/* The same with ": " and the text of err, a positive errno value, behind it. */
bool fail_errno(GError **errp, int err, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

const char *error_class_name(QmpErrorClass code); /* "GenericError" ... */

/* To the user, on stderr, prefixed by the program's name and, with -msg timestamp=on, the time.  Any thread. */
void error_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void warn_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void info_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
/* Reports "prefix: message" (prefix may be NULL) and frees err. */
void error_report_free(const char *prefix, GError *err);
void report_set_timestamps(bool on);
