/* qapi/qmp.c - finding commands and letting events out.  Page: docs/monitor.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/qmp.h"
#include "util/error.h"
#include "util/log.h"

#include <string.h>

static const QmpCommand no_commands[] = {{}};
static const QmpCommand *commands = no_commands;
static QapiEmitFn *emit_hook; /* set at start-up, before other threads */

void qmp_set_commands(const QmpCommand *table)
{
    commands = table;
}

const QmpCommand *qmp_table(void)
{
    return commands;
}

const QmpCommand *qmp_find(const char *name)
{
    for (const QmpCommand *c = commands; c->name; c++) {
        if (!strcmp(c->name, name)) {
            return c;
        }
    }
    return NULL;
}

Json *qmp_call(const char *name, const Json *args, GError **errp)
{
    const QmpCommand *c = qmp_find(name);
    g_autoptr(Json) none = args ? NULL : json_dict();

    if (!c) {
        fail_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND, "The command %s has not been found", name);
        return NULL;
    }
    TRACE(qmp_call, "%s", name);
    return c->run(args ? args : none, errp);
}

void qapi_set_emit_hook(QapiEmitFn *fn)
{
    emit_hook = fn;
}

void qapi_emit_at(const char *name, Json *data, int64_t at_ns)
{
    if (emit_hook) {
        emit_hook(name, data, at_ns);
    } else {
        json_unref(data);
    }
}

void qapi_emit(const char *name, Json *data)
{
    qapi_emit_at(name, data, 0);
}
