/* ui/input.c - who gets a key, a button, a movement; who holds what; when it may be sent.
 * Guarded by: vm_lock.  Page: docs/input.md.  Test: tests/unit/ui/input-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Devices serve their rings in whatever thread the guest's driver calls them from; users hear of it in the main loop. */
#include "keys.h"
#include "ui/input.h"

#include "config-host.h"
#include "system/handoff.h"
#include "system/runstate.h"
#include "ui/console.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

enum { POINTER = 1 << INPUT_REL | 1 << INPUT_ABS };
enum { TELL_ROOM = 1, TELL_LEDS = 2, TELL_POINTER = 4 };

static GPtrArray *sinks, *users;         /* of InputSink, the newest first; of InputUser */
static InputSink *key_sinks[INPUT_KEYS]; /* who was told that the key is down, and has to hear that it is up */
static InputSink *button_sinks[INPUT_BUTTONS];
static InputSink *last_pointer;          /* what was moved last: buttons follow it */
static unsigned next_number, told_leds, to_tell;
static InputUser orphans;                /* holds what users that have left still hold */
static bool is_frozen, is_ours;          /* on the way to another process; arrived here, and starts at once */

static GPtrArray *list(GPtrArray **which)
{
    if (!*which) {
        *which = g_ptr_array_new();
    }
    return *which;
}

/* ---- telling users ---- */
static bool release_held(InputUser *u);

static void tell_one(InputUser *u, unsigned what)
{
    if ((what & TELL_LEDS) && u->leds) {
        u->leds(u, input_leds());
    }
    if ((what & TELL_POINTER) && u->pointer) {
        u->pointer(u);
    }
    if ((what & TELL_ROOM) && u->is_waiting) {
        u->is_waiting = false;
        if (u->room) {
            u->room(u);
        }
    }
}

static void tell(void *opaque)
{
    unsigned what = to_tell;
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    to_tell = 0;
    if ((what & TELL_LEDS) && input_leds() == told_leds) {
        what &= ~TELL_LEDS;
    }
    told_leds = input_leds();
    if (what & TELL_ROOM) {
        release_held(&orphans);
    }
    g_ptr_array_extend(all, list(&users), NULL, NULL);
    for (unsigned i = 0; i < all->len; i++) {
        if (g_ptr_array_find(users, all->pdata[i], NULL)) { /* still there: another one's callback may end it */
            tell_one(all->pdata[i], what);
        }
    }
}

static void tell_later(unsigned what)
{
    if (!to_tell) {
        loop_call(tell, NULL);
    }
    to_tell |= what;
}

/* ---- sinks ---- */
void input_add(InputSink *s)
{
    s->number = next_number++;
    g_ptr_array_insert(list(&sinks), 0, s);
    tell_later(TELL_POINTER | TELL_LEDS | TELL_ROOM);
}

static void forget(InputSink **table, unsigned count, const InputSink *s)
{
    for (unsigned i = 0; i < count; i++) {
        table[i] = table[i] == s ? NULL : table[i];
    }
}

void input_remove(InputSink *s)
{
    if (sinks && g_ptr_array_remove(sinks, s)) {
        forget(key_sinks, INPUT_KEYS, s);
        forget(button_sinks, INPUT_BUTTONS, s);
        forget(&last_pointer, 1, s);
        tell_later(TELL_POINTER | TELL_LEDS | TELL_ROOM);
    }
}

void input_room(InputSink *s)
{
    tell_later(TELL_ROOM);
}

void input_leds_changed(InputSink *s, unsigned leds)
{
    if (s->leds != leds) {
        s->leds = leds;
        tell_later(TELL_LEDS);
    }
}

InputSink *input_sink_at(unsigned i)
{
    return sinks && i < sinks->len ? sinks->pdata[i] : NULL;
}

/* ---- which one ---- */
int input_console(const char *display, uint32_t head, GError **errp)
{
#if CONFIG_PIXMAN
    const Console *c = console_find(display, head, errp);

    return c ? (int)console_index(c) : -1;
#else
    fail_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", display);
    return -1;
#endif
}

/* A screen's own device first, then those of no screen; who names no screen gets those of any at last. */
static InputSink *pick(unsigned takes, int console)
{
    InputSink *shared = NULL, *any = NULL;

    for (unsigned i = 0; input_sink_at(i); i++) {
        InputSink *s = input_sink_at(i);
        int own;

        if (!(s->takes & takes)) {
            continue;
        }
        own = s->display ? input_console(s->display, s->head, NULL) : -1;
        if (own >= 0 && own == console) {
            return s;
        }
        shared = shared || own >= 0 ? shared : s;
        any = any ? any : s;
    }
    return shared || console >= 0 ? shared : any;
}

bool input_has(InputKind kind, int console)
{
    return pick(1 << kind, console) != NULL;
}

bool input_has_absolute(int console)
{
    return input_has(INPUT_ABS, console);
}

unsigned input_leds(void)
{
    const InputSink *s = pick(1 << INPUT_KEY, -1);

    return s ? s->leds : 0;
}

/* A button belongs to what is moved with it, or was moved last. */
static InputSink *pick_button(const InputEvent *e, int console, InputSink *moved)
{
    InputSink *s = moved ? moved : last_pointer;

    if (e->code < INPUT_BUTTONS && !e->value && button_sinks[e->code]) {
        return button_sinks[e->code];
    }
    return s && (s->takes & 1 << INPUT_BUTTON) ? s : pick(1 << INPUT_BUTTON, console);
}

static InputSink *route(const InputEvent *e, int console, InputSink *moved)
{
    switch (e->kind) {
    case INPUT_KEY:
        return !e->value && e->code < INPUT_KEYS && key_sinks[e->code] ? key_sinks[e->code] : pick(1 << INPUT_KEY, console);
    case INPUT_BUTTON:
        return pick_button(e, console, moved);
    default:
        return pick(1 << e->kind, console);
    }
}

/* ---- sending ---- */
bool input_is_open(void)
{
    return is_ours || (!is_frozen && runstate_get() != RUN_STATE_INMIGRATE);
}

static void route_all(const InputEvent *events, unsigned count, int console, InputSink **to)
{
    InputSink *moved = NULL;

    for (unsigned i = 0; i < count && !moved; i++) {
        moved = (1 << events[i].kind & POINTER) ? pick(1 << events[i].kind, console) : NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        to[i] = route(&events[i], console, moved);
    }
}

/* Is this the first event for its sink?  Then *ret_all is how many there are. */
static bool is_first(InputSink *const *to, unsigned i, unsigned count, unsigned *ret_all)
{
    *ret_all = 0;
    for (unsigned k = 0; k < i; k++) {
        if (to[k] == to[i]) {
            return false;
        }
    }
    for (unsigned k = i; k < count; k++) {
        *ret_all += to[k] == to[i];
    }
    return to[i] != NULL;
}

static bool all_have_room(InputSink *const *to, unsigned count)
{
    unsigned n;

    for (unsigned i = 0; i < count; i++) {
        if (is_first(to, i, count, &n) && !to[i]->room(to[i], n)) {
            return false;
        }
    }
    return true;
}

static void remember(InputUser *u, const InputEvent *e, InputSink *s)
{
    if (e->kind == INPUT_KEY && e->code < INPUT_KEYS) {
        uint32_t bit = 1u << e->code % 32;

        key_sinks[e->code] = e->value ? s : NULL;
        if (u) {
            u->keys[e->code / 32] = e->value ? u->keys[e->code / 32] | bit : u->keys[e->code / 32] & ~bit;
        }
    } else if (e->kind == INPUT_BUTTON && e->code < INPUT_BUTTONS) {
        button_sinks[e->code] = e->value ? s : NULL;
        if (u) {
            u->buttons = e->value ? u->buttons | 1u << e->code : u->buttons & ~(1u << e->code);
        }
    } else if (1 << e->kind & POINTER) {
        last_pointer = s;
    }
}

bool input_send(InputUser *u, int console, const InputEvent *events, unsigned count)
{
    InputSink *to[INPUT_GROUP_MAX];
    unsigned n;

    g_assert(count <= INPUT_GROUP_MAX);
    route_all(events, count, console, to);
    if (!input_is_open() || !all_have_room(to, count)) {
        if (u) {
            u->is_waiting = true;
        }
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (to[i]) {
            to[i]->event(to[i], &events[i]);
            remember(u, &events[i], to[i]);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (is_first(to, i, count, &n)) {
            to[i]->sync(to[i]);
        }
    }
    TRACE(input_send, "%u events", count);
    return true;
}

/* ---- users ---- */
void input_join(InputUser *u)
{
    g_ptr_array_add(list(&users), u);
}

/* One by one, so that what has room for few goes on, too.  false: some are left. */
static bool release_held(InputUser *u)
{
    for (unsigned key = 0; key < INPUT_KEYS; key++) {
        const InputEvent up = {INPUT_KEY, key, 0};

        if ((u->keys[key / 32] >> key % 32 & 1) && !input_send(u, -1, &up, 1)) {
            return false;
        }
        u->keys[key / 32] &= ~(1u << key % 32); /* nobody takes keys any more: then it is nobody's */
    }
    for (unsigned button = 0; button < INPUT_BUTTONS; button++) {
        const InputEvent up = {INPUT_BUTTON, button, 0};

        if ((u->buttons >> button & 1) && !input_send(u, -1, &up, 1)) {
            return false;
        }
        u->buttons &= ~(1u << button);
    }
    return true;
}

void input_leave(InputUser *u)
{
    if (!users || !g_ptr_array_remove(users, u)) {
        return;
    }
    release_held(u);
    for (unsigned i = 0; i < G_N_ELEMENTS(u->keys); i++) {
        orphans.keys[i] |= u->keys[i];
        u->keys[i] = 0;
    }
    orphans.buttons |= u->buttons;
    u->buttons = 0;
    u->is_waiting = false;
}

void input_held_by_nobody(InputUser *ret)
{
    *ret = orphans;
}

void input_release(const uint32_t *keys, uint32_t buttons)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(orphans.keys); i++) {
        orphans.keys[i] |= keys[i];
    }
    orphans.buttons |= buttons & ((1u << INPUT_BUTTONS) - 1);
    orphans.is_waiting = false;
    tell_later(TELL_ROOM);
}

void input_release_all(void)
{
    uint32_t keys[INPUT_KEYS / 32] = {0}, buttons = 0;

    for (unsigned key = 0; key < INPUT_KEYS; key++) {
        keys[key / 32] |= key_sinks[key] ? 1u << key % 32 : 0;
    }
    for (unsigned button = 0; button < INPUT_BUTTONS; button++) {
        buttons |= button_sinks[button] ? 1u << button : 0;
    }
    input_release(keys, buttons);
}

/* ---- state: who was told that something is down, and what was moved last ---- */
static struct Routes {
    struct {                             /* places in the order of adding, from 1; 0: nobody */
        uint8_t moved, buttons[INPUT_BUTTONS], keys[INPUT_KEYS];
    } st;
} routes;

static uint8_t place_of(const InputSink *s)
{
    unsigned i;

    return s && g_ptr_array_find(list(&sinks), s, &i) && sinks->len - i <= UINT8_MAX ? sinks->len - i : 0;
}

static InputSink *sink_in(uint8_t place, unsigned takes)
{
    InputSink *s = place && place <= list(&sinks)->len ? sinks->pdata[sinks->len - place] : NULL;

    return s && s->takes & takes ? s : NULL; /* one that is not here: as if nothing were down */
}

static void routes_saving(void *opaque)
{
    routes.st.moved = place_of(last_pointer);
    for (unsigned i = 0; i < INPUT_BUTTONS; i++) {
        routes.st.buttons[i] = place_of(button_sinks[i]);
    }
    for (unsigned i = 0; i < INPUT_KEYS; i++) {
        routes.st.keys[i] = place_of(key_sinks[i]);
    }
}

static bool routes_loaded(void *opaque, uint32_t version, GError **errp)
{
    last_pointer = sink_in(routes.st.moved, POINTER);
    for (unsigned i = 0; i < INPUT_BUTTONS; i++) {
        button_sinks[i] = sink_in(routes.st.buttons[i], 1 << INPUT_BUTTON);
    }
    for (unsigned i = 0; i < INPUT_KEYS; i++) {
        key_sinks[i] = sink_in(routes.st.keys[i], 1 << INPUT_KEY);
    }
    return true;
}

typedef struct Routes Routes;
VMSTATE_DEFINE_SPAN(Routes, st)
const VMStateDescription input_routes_state = {
    .name = "input-routes", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(Routes, st), .saving = routes_saving,
    .loaded = routes_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_U8(Routes, st.moved), VMSTATE_U8_ARRAY(Routes, st.buttons),
                             VMSTATE_U8_ARRAY(Routes, st.keys)),
};

/* ---- handoff: a queue that has been saved takes nothing more ---- */
static void close_gate(HandoffPart *p)
{
    is_frozen = true;
    is_ours = false;
}

static bool arrived(HandoffPart *p, GError **errp)
{
    close_gate(p); /* `cont` decides whether it is ours */
    return true;
}

static void open_gate(HandoffPart *p)
{
    is_frozen = false;
    is_ours = true;
    tell_later(TELL_ROOM);
}

static void thawed(HandoffPart *p, bool was_after_run)
{
    is_frozen = false;
    tell_later(TELL_ROOM);
}

/* Before those who have something to send when the guest starts. */
static HandoffPart input_part = {
    .name = "input", .order = 10, .freeze = close_gate, .thaw = thawed, .check = arrived, .owned = open_gate,
    .starting = open_gate,
};

void input_init(void)
{
    handoff_register(&input_part);
    state_register(NULL, &input_routes_state, &routes);
    input_keys_init();
}
