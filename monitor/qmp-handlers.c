/* monitor/qmp-handlers.c - commands about the run state, the protocol and descriptors.  Page: docs/monitor.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "io/fdset.h"
#include "monitor-private.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "system/ram.h"
#include "system/region.h"
#include "system/runstate.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

/* ---- run state ---- */

StatusInfo *qmp_query_status(GError **errp)
{
    StatusInfo *info = g_new0(StatusInfo, 1);

    info->running = runstate_is_running();
    info->status = VmRunState_from_str(runstate_name(runstate_get()));
    return info;
}

bool qmp_stop(GError **errp)
{
    return vm_user_stop(errp);
}

bool qmp_cont(const ContArgs *args, GError **errp)
{
    return vm_cont(args->has_force && args->force, errp);
}

bool qmp_quit(GError **errp)
{
    vm_request_shutdown(SHUTDOWN_HOST_QMP_QUIT, 0);
    return true;
}

/* Half of a guest that is on its way would be reset: the other half is in the stream, or not yet here. */
bool qmp_system_reset(GError **errp)
{
    RunState s = runstate_get();

    if (!vm_may_change(errp)) {
        return false;
    }
    if (s == RUN_STATE_INMIGRATE || s == RUN_STATE_FINISH_MIGRATE) {
        return fail(errp, "the guest cannot be reset while it is handed over (run state '%s')", runstate_name(s));
    }
    vm_request_reset(SHUTDOWN_HOST_QMP_RESET);
    return true;
}

bool qmp_system_powerdown(GError **errp)
{
    if (!vm_may_change(errp)) {
        return false;
    }
    vm_request_powerdown();
    return true;
}

/* ---- the protocol ---- */

CommandInfoList *qmp_query_commands(GError **errp)
{
    CommandInfoList *head = NULL, **tail = &head;

    for (const QmpCommand *c = qmp_table(); c->name; c++) {
        CommandInfo *info = g_new0(CommandInfo, 1);

        info->name = g_strdup(c->name);
        QAPI_LIST_APPEND(tail, info);
    }
    return head;
}

EventInfoList *qmp_query_events(GError **errp)
{
    EventInfoList *head = NULL, **tail = &head;

    for (const char *const *name = qmp_events; *name; name++) {
        EventInfo *info = g_new0(EventInfo, 1);

        info->name = g_strdup(*name);
        QAPI_LIST_APPEND(tail, info);
    }
    return head;
}

Json *qmp_query_qmp_schema(const Json *args, GError **errp)
{
    return qapi_no_arguments(args, errp) ? json_parse(qapi_schema_json, strlen(qapi_schema_json), errp) : NULL;
}

Json *qmp_query_jobs(const Json *args, GError **errp)
{
    return qapi_no_arguments(args, errp) ? json_list() : NULL;
}

char *qmp_human_monitor_command(const HumanMonitorCommandArgs *args, GError **errp)
{
    return hmp_run(args->command_line);
}

/* ---- descriptors ---- */

bool qmp_getfd(const GetfdArgs *args, GError **errp)
{
    int fd = qmp_take_fd();

    if (fd < 0) {
        return fail(errp, "No file descriptor supplied via SCM_RIGHTS");
    }
    return fd_name_add(args->fdname, fd, errp);
}

bool qmp_closefd(const ClosefdArgs *args, GError **errp)
{
    return fd_name_close(args->fdname, errp);
}

AddfdInfo *qmp_add_fd(const AddFdArgs *args, GError **errp)
{
    int64_t id = args->has_fdset_id ? args->fdset_id : -1;
    int fd = qmp_take_fd();
    AddfdInfo *info;

    if (fd < 0) {
        fail(errp, "No file descriptor supplied via SCM_RIGHTS");
        return NULL;
    }
    if (args->has_fdset_id && args->fdset_id < 0) {
        close(fd);
        fail(errp, "Parameter 'fdset-id' expects a non-negative value");
        return NULL;
    }
    if (!fdset_add(&id, fd, args->opaque, errp)) {
        return NULL;
    }
    info = g_new0(AddfdInfo, 1);
    *info = (AddfdInfo){.fdset_id = id, .fd = fd};
    return info;
}

bool qmp_remove_fd(const RemoveFdArgs *args, GError **errp)
{
    return fdset_remove(args->fdset_id, args->has_fd ? args->fd : -1, errp);
}

FdsetInfoList *qmp_query_fdsets(GError **errp)
{
    g_autoptr(Json) list = fdset_list();

    return FdsetInfoList_from_json(list, NULL, errp);
}

/* ---- memory ---- */

#define SAVE_MAX (64ull << 30)

static bool save_memory(gpa_t gpa, uint64_t size, const char *path, GError **errp)
{
    g_autofd int fd = -1;
    uint8_t buf[64 * 1024];

    if (size > SAVE_MAX) {
        return fail(errp, "Parameter 'size' expects at most 64 GiB");
    }
    fd = fd_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, 0600, errp); /* a pipe is not waited for */
    if (fd < 0) {
        return false;
    }
    while (size) {
        size_t piece = MIN(size, sizeof(buf));

        if (!mem_read(gpa, buf, piece)) {
            return fail(errp, "Invalid addr 0x%016" PRIx64 "/size %" PRIu64 " specified", gpa, size);
        }
        if (fd_write_all(fd, buf, piece) != (ssize_t)piece) {
            return fail(errp, "writing memory to '%s' failed", path);
        }
        gpa += piece;
        size -= piece;
    }
    return true;
}

bool qmp_memsave(const MemsaveArgs *args, GError **errp)
{
    return save_memory(args->val, args->size, args->filename, errp);
}

bool qmp_pmemsave(const PmemsaveArgs *args, GError **errp)
{
    return save_memory(args->val, args->size, args->filename, errp);
}

/* ---- trace ---- */

typedef struct TraceQuery {
    const char *pattern;
    TraceEventInfoList *head, **tail;
} TraceQuery;

static void append_trace(const char *name, bool on, void *opaque)
{
    TraceQuery *q = opaque;
    TraceEventInfo *info;

    if (!g_pattern_match_simple(q->pattern, name)) {
        return;
    }
    info = g_new0(TraceEventInfo, 1);
    info->name = g_strdup(name);
    info->state = on ? TRACE_EVENT_STATE_ENABLED : TRACE_EVENT_STATE_DISABLED;
    QAPI_LIST_APPEND(q->tail, info);
}

TraceEventInfoList *qmp_trace_event_get_state(const TraceEventGetStateArgs *args, GError **errp)
{
    TraceQuery q = {.pattern = args->name};

    q.tail = &q.head;
    trace_list(append_trace, &q);
    if (!q.head && !strchr(args->name, '*')) {
        fail(errp, "unknown event \"%s\"", args->name);
    }
    return q.head;
}

bool qmp_trace_event_set_state(const TraceEventSetStateArgs *args, GError **errp)
{
    if (!trace_enable(args->name, args->enable) && !(args->has_ignore_unavailable && args->ignore_unavailable) &&
        !strchr(args->name, '*')) {
        return fail(errp, "unknown event \"%s\"", args->name);
    }
    return true;
}
