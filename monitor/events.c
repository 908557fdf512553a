/* monitor/events.c - events on their way from any thread to the monitors.  Owner: main loop; `queue` under `lock`, a leaf.
 * Page: docs/monitor.md.  Test: tests/unit/monitor/qmp-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor-private.h"
#include "qapi/qmp.h"
#include "util/log.h"
#include "util/loop.h"

#include <string.h>

/* These can come in storms: at most one a second for each value of the member, the last one wins. */
static const struct {
    const char *event, *member;
} limits[] = {
    {"RTC_CHANGE", NULL},      {"WATCHDOG", NULL},           {"BALLOON_CHANGE", NULL},
    {"BLOCK_IO_ERROR", "device"}, {"VSERPORT_CHANGE", "id"}, {"MEMORY_DEVICE_SIZE_CHANGE", "qom-path"},
};

typedef struct Limited { /* one for each event that was sent less than a second ago */
    char *key;
    Json *waiting;       /* NULL: none */
    LoopTimer *timer;
} Limited;

typedef struct Sink {
    EventSinkFn *fn;
    void *opaque;
} Sink;

static GMutex lock;
static GQueue queue = G_QUEUE_INIT; /* of Json */
static GArray *sinks;
static GHashTable *limited; /* key -> Limited */

static void deliver(const Json *event)
{
    for (unsigned i = 0; sinks && i < sinks->len; i++) {
        Sink s = g_array_index(sinks, Sink, i);

        s.fn(event, s.opaque);
    }
}

/* ---- rate limit ---- */

static void limited_free(void *p)
{
    Limited *l = p;

    g_free(l->key);
    json_unref(l->waiting);
    loop_timer_free(l->timer);
    g_free(l);
}

static void limit_over(void *opaque)
{
    Limited *l = opaque;

    if (!l->waiting) {
        g_hash_table_remove(limited, l->key);
        return;
    }
    deliver(l->waiting);
    g_clear_pointer(&l->waiting, json_unref);
    loop_timer_set(l->timer, time_monotonic_ns() + NS_PER_SEC);
}

static char *limit_key(const Json *event)
{
    const char *name = json_get_str(event, "event");

    for (unsigned i = 0; i < G_N_ELEMENTS(limits); i++) {
        if (!strcmp(limits[i].event, name)) {
            const char *value = limits[i].member ? json_get_str(json_get(event, "data"), limits[i].member) : NULL;

            return g_strconcat(name, "/", value ? value : "", NULL);
        }
    }
    return NULL;
}

bool event_is_limited(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(limits); i++) {
        if (!strcmp(limits[i].event, name)) {
            return true;
        }
    }
    return false;
}

/* Takes event. */
static void send_event(Json *event)
{
    g_autofree char *key = limit_key(event);
    Limited *l = key ? g_hash_table_lookup(limited, key) : NULL;

    if (l) {
        json_unref(l->waiting);
        l->waiting = event;
        return;
    }
    deliver(event);
    json_unref(event);
    if (key) {
        l = g_new0(Limited, 1);
        l->key = g_steal_pointer(&key);
        l->timer = loop_timer_new(limit_over, l);
        loop_timer_set(l->timer, time_monotonic_ns() + NS_PER_SEC);
        g_hash_table_insert(limited, l->key, l);
    }
}

/* ---- the way in ---- */

static void drain(void *opaque)
{
    Json *event;

    do {
        g_mutex_lock(&lock);
        event = g_queue_pop_head(&queue);
        g_mutex_unlock(&lock);
        if (event) {
            send_event(event);
        }
    } while (event);
}

static Json *make_event(const char *name, Json *data, int64_t at_ns)
{
    int64_t now = time_wall_ns() - (at_ns ? time_monotonic_ns() - at_ns : 0);
    Json *event = json_dict(), *stamp = json_dict();

    json_set(stamp, "seconds", json_int(now / NS_PER_SEC));
    json_set(stamp, "microseconds", json_int(now % NS_PER_SEC / NS_PER_US));
    json_set(event, "timestamp", stamp);
    json_set(event, "event", json_string(name));
    if (data) {
        json_set(event, "data", data);
    }
    return event;
}

/* In the main loop the event goes out at once, so that it comes before the reply of the command that caused it. */
static void emit(const char *name, Json *data, int64_t at_ns)
{
    Json *event = make_event(name, data, at_ns);

    TRACE(qmp_event, "%s", name);
    g_mutex_lock(&lock);
    g_queue_push_tail(&queue, event);
    g_mutex_unlock(&lock);
    if (loop_in_main()) {
        drain(NULL);
    } else {
        loop_call(drain, NULL);
    }
}

void events_add_sink(EventSinkFn *fn, void *opaque)
{
    Sink s = {fn, opaque};

    g_array_append_val(sinks, s);
}

void events_init(void)
{
    sinks = g_array_new(false, false, sizeof(Sink));
    limited = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, limited_free);
    qapi_set_emit_hook(emit);
}
