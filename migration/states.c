/* migration/states.c - device state and parts as sections, in QEMU's framing.  Guarded by: vm_lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/states.h"

#include "migration/wire.h"
#include "system/clock.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/error.h"

#include <string.h>

#define PART_SECTION_BASE 0x10000u

/* ---- state of nobody's device ---- */
static struct {
    uint64_t virtual_ns;
    uint64_t pause_wall_ns; /* wall time to which virtual_ns belongs; 0: the guest was stopped before */
} timer_state;

static struct {
    uint32_t size;
    char name[100];
} global_state;

typedef __typeof__(timer_state) TimerState;
typedef __typeof__(global_state) GlobalState;

static void timer_saving(void *instance)
{
    timer_state.virtual_ns = clock_virtual_ns();
    timer_state.pause_wall_ns = clock_pause_wall_ns();
}

static bool timer_loading(void *instance, GError **errp)
{
    timer_state.pause_wall_ns = 0; /* it need not come */
    return true;
}

static bool pause_needed(const void *instance)
{
    return timer_state.pause_wall_ns != 0;
}

static bool timer_loaded(void *instance, uint32_t version, GError **errp)
{
    if (timer_state.virtual_ns > CLOCK_NS_MAX || timer_state.pause_wall_ns > CLOCK_NS_MAX) {
        return fail(errp, "the virtual clock is out of range");
    }
    clock_set_ns(timer_state.virtual_ns);
    if (timer_state.pause_wall_ns) {
        clock_bridge_from(timer_state.pause_wall_ns);
    }
    return true;
}

static bool global_loaded(void *instance, uint32_t version, GError **errp)
{
    RunState s;

    global_state.name[sizeof(global_state.name) - 1] = 0;
    if (!bytes_are_text(global_state.name, strlen(global_state.name))) {
        return fail(errp, "globalstate: the run state's name is no text");
    }
    return runstate_from_name(global_state.name, &s) ||
           fail(errp, "globalstate: unknown run state '%s'", global_state.name);
}

static const VMStateDescription pause_vmstate = {
    .name = "timer/pause",
    .version = 1,
    .needed = pause_needed,
    .fields = VMSTATE_FIELDS(VMSTATE_U64(TimerState, pause_wall_ns)),
};

static const VMStateDescription *const timer_subsections[] = {&pause_vmstate, NULL};

static const VMStateDescription timer_vmstate = {
    .name = "timer",
    .version = 1,
    .phase = VMSTATE_SAVE_HARTS,
    .saving = timer_saving,
    .loading = timer_loading,
    .loaded = timer_loaded,
    .subsections = timer_subsections,
    .fields = VMSTATE_FIELDS(VMSTATE_U64(TimerState, virtual_ns)),
};

static const VMStateDescription global_vmstate = {
    .name = "globalstate",
    .version = 1,
    .phase = VMSTATE_SAVE_HARTS,
    .loaded = global_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_U32(GlobalState, size), VMSTATE_BYTES(GlobalState, name)),
};

void states_init(void)
{
    state_register(NULL, &timer_vmstate, &timer_state);
    state_register(NULL, &global_vmstate, &global_state);
}

void states_set_run_state(const char *name)
{
    memset(global_state.name, 0, sizeof(global_state.name));
    g_strlcpy(global_state.name, name, sizeof(global_state.name));
    global_state.size = strlen(name) + 1;
}

const char *states_loaded_run_state(void)
{
    return global_state.name;
}

/* ---- saving ---- */
static void section_begin(StateWriter *w, uint32_t id, const char *name, uint32_t instance, uint32_t version)
{
    state_put_u8(w, SECTION_FULL);
    state_put_be32(w, id);
    state_put_str8(w, name);
    state_put_be32(w, instance);
    state_put_be32(w, version);
}

static void section_end(StateWriter *w, uint32_t id)
{
    state_put_u8(w, SECTION_FOOTER);
    state_put_be32(w, id);
}

static void describe(GString *out, const char *name, uint32_t instance, const char *table)
{
    if (out) {
        g_string_append_printf(out, "%s{\"name\":\"%s\",\"instance_id\":%u,%s", out->len ? "," : "", name, instance,
                               table + 1);
    }
}

static void save_entry(const StateEntry *e, uint32_t id, StateWriter *w, GString *description)
{
    GString *json = g_string_new(NULL);

    section_begin(w, id, e->id, e->instance, e->state->version);
    vmstate_save(e->state, e->object, w);
    section_end(w, id);
    if (description) {
        vmstate_describe_json(e->state, e->object, json);
        describe(description, e->id, e->instance, json->str);
    }
    g_string_free(json, TRUE);
}

void states_save(VMStateSavePhase first, VMStateSavePhase last, StateWriter *w, GString *description)
{
    uint32_t id = 2 + first * 1000;

    for (VMStateSavePhase phase = first; phase <= last; phase++) {
        for (unsigned i = 0; i < state_count(phase); i++) {
            save_entry(state_entry(phase, i), id++, w, description);
        }
    }
}

typedef struct PartsSaving {
    StateWriter *w, *one;
    GString *description;
    uint32_t id;
    GError **errp;
} PartsSaving;

static bool save_part(HandoffPart *p, void *opaque)
{
    PartsSaving *s = opaque;
    const uint8_t *data;
    size_t size;
    char json[300];

    if (!p->save) {
        return true;
    }
    state_writer_reset(s->one);
    if (!p->save(p, s->one, s->errp)) {
        g_prefix_error(s->errp, "saving '%s': ", p->name);
        return false;
    }
    data = state_writer_data(s->one, &size);
    section_begin(s->w, s->id, p->name, 0, 1);
    state_put_be32(s->w, size);
    state_put(s->w, data, size);
    section_end(s->w, s->id++);
    g_snprintf(json, sizeof(json),
               "{\"vmsd_name\":\"part\",\"version\":1,\"fields\":[{\"name\":\"size\",\"type\":\"uint32\",\"size\":4},"
               "{\"name\":\"data\",\"type\":\"buffer\",\"size\":%zu}]}",
               size);
    describe(s->description, p->name, 0, json);
    return true;
}

bool states_save_parts(StateWriter *w, GString *description, GError **errp)
{
    PartsSaving s = {w, state_writer_new(), description, PART_SECTION_BASE, errp};
    bool ok;

    vm_lock();
    ok = handoff_foreach(save_part, &s);
    vm_unlock();
    state_writer_free(s.one);
    return ok;
}

void states_put_configuration(StateWriter *w, const char *machine, const char *uuid, GString *description)
{
    state_put_u8(w, SECTION_CONFIGURATION);
    state_put_be32(w, strlen(machine));
    state_put(w, machine, strlen(machine));
    if (description) {
        g_string_append_printf(description,
                               "{\"vmsd_name\":\"configuration\",\"version\":1,\"fields\":[{\"name\":\"len\",\"type\":"
                               "\"uint32\",\"size\":4},{\"name\":\"name\",\"type\":\"buffer\",\"size\":%zu}]}",
                               strlen(machine));
    }
}

/* ---- loading ---- */
static GHashTable *loaded; /* of StateEntry and HandoffPart */

void states_forget_loaded(void)
{
    g_clear_pointer(&loaded, g_hash_table_destroy);
}

static bool mark_loaded(const void *what, const char *name, uint32_t instance, GError **errp)
{
    if (!loaded) {
        loaded = g_hash_table_new(NULL, NULL);
    }
    return g_hash_table_add(loaded, (void *)what) || fail(errp, "device '%s' (instance %u) comes twice", name, instance);
}

bool states_check_all(GError **errp)
{
    for (unsigned phase = 0; phase < VMSTATE_SAVE_STARTED; phase++) {
        for (unsigned i = 0; i < state_count(phase); i++) {
            const StateEntry *e = state_entry(phase, i);

            if (!loaded || !g_hash_table_contains(loaded, e)) {
                return fail(errp, "device '%s' (instance %u) is configured here but not at the source", e->id,
                            e->instance);
            }
        }
    }
    return true;
}

static bool load_part(HandoffPart *p, StateReader *r, GError **errp)
{
    StateReader part;
    uint32_t size;

    if (!state_get_be32(r, &size, errp)) {
        return false;
    }
    if (size > state_left(r)) {
        return fail(errp, "%s: ends early (%u bytes wanted, %zu left)", r->what, size, state_left(r));
    }
    state_reader_init(&part, r->at, size, r->what);
    r->at += size;
    if (p->load && !p->load(p, &part, errp)) {
        return false;
    }
    return !p->load || !state_left(&part) || fail(errp, "%s: %zu bytes are left over", r->what, state_left(&part));
}

static bool load_footer(StateReader *r, uint32_t id, GError **errp)
{
    uint8_t mark;
    uint32_t got;

    if (!state_get_u8(r, &mark, errp) || !state_get_be32(r, &got, errp)) {
        return false;
    }
    return (mark == SECTION_FOOTER && got == id) || fail(errp, "%s: its length is wrong", r->what);
}

static bool load_section(StateReader *r, GError **errp)
{
    const char *before = r->what;
    g_autofree char *what = NULL;
    uint32_t id, instance, version;
    const StateEntry *e;
    HandoffPart *p;
    char name[256];
    bool ok;

    if (!state_get_be32(r, &id, errp) || !state_get_str8(r, name, errp) || !state_get_be32(r, &instance, errp) ||
        !state_get_be32(r, &version, errp)) {
        return false;
    }
    r->what = what = g_strdup_printf("section '%s'", name);
    e = state_find(name, instance);
    p = e ? NULL : handoff_find(name);
    if (e) {
        ok = mark_loaded(e, name, instance, errp) && vmstate_load_next(e->state, e->object, version, r, errp);
    } else if (p) {
        ok = (version == 1 || fail(errp, "%s: version %u is not known", what, version)) &&
             mark_loaded(p, name, instance, errp) && load_part(p, r, errp);
    } else {
        ok = fail(errp, "the source has a device '%s' (instance %u) that is not configured here", name, instance);
    }
    ok = ok && load_footer(r, id, errp);
    r->what = before;
    return ok;
}

bool states_load(StateReader *r, GError **errp)
{
    for (;;) {
        uint8_t type;

        if (!state_get_u8(r, &type, errp)) {
            return false;
        }
        if (type == SECTION_EOF) {
            return true;
        }
        if (type != SECTION_FULL) {
            return fail(errp, "%s: unknown section type 0x%02x", r->what, type);
        }
        if (!load_section(r, errp)) {
            return false;
        }
    }
}
