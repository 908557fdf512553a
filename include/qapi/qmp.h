/* include/qapi/qmp.h - the command table and the way out for events.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "qapi/json.h"

enum { QMP_ALLOW_OOB = 1 << 0, QMP_ALLOW_PRECONFIG = 1 << 1, QMP_NO_REPLY = 1 << 2 };

/* args is a dict, never NULL.  Returns the "return" value, or NULL with an error.  Main loop, vm_lock. */
typedef Json *QmpRun(const Json *args, GError **errp);
typedef struct QmpCommand {
    const char *name;
    QmpRun *run;
    unsigned flags;
} QmpCommand;

/* The table that qmp_find() and qmp_call() use; ends with {}.  main/ gives the generated one. */
void qmp_set_commands(const QmpCommand *table);
const QmpCommand *qmp_table(void);
const QmpCommand *qmp_find(const char *name);
/* As if a client had said it; args NULL: none.  Unknown: CommandNotFound. */
Json *qmp_call(const char *name, const Json *args, GError **errp);

/* Events leave through one hook, which the monitor fills in; any thread; takes data (NULL: none). */
typedef void QapiEmitFn(const char *name, Json *data, int64_t at_ns);
void qapi_set_emit_hook(QapiEmitFn *fn);
void qapi_emit(const char *name, Json *data);
/* at_ns: when it happened, on the monotonic clock; 0: now.  The event's timestamp says that. */
void qapi_emit_at(const char *name, Json *data, int64_t at_ns);
