/* ui/qmp-input.c - the commands of qapi/ui.json about keys and pointers.  Main loop, vm_lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/qapi-commands.h"
#include "ui/input.h"
#include "util/error.h"

/* The schema's words in our order. */
G_STATIC_ASSERT((int)INPUT_BUTTON_NAME_LEFT == INPUT_LEFT && (int)INPUT_BUTTON_NAME_TOUCH == INPUT_TOUCH);
G_STATIC_ASSERT((int)INPUT_BUTTON_NAME_WHEEL_UP == INPUT_WHEEL_UP && (int)INPUT_BUTTON_NAME__MAX == INPUT_BUTTONS);
G_STATIC_ASSERT((int)INPUT_AXIS_NAME_X == INPUT_X && (int)INPUT_AXIS_NAME_Y == INPUT_Y);
G_STATIC_ASSERT((int)INPUT_EVENT_KIND_KEY == INPUT_KEY && (int)INPUT_EVENT_KIND_BTN == INPUT_BUTTON);
G_STATIC_ASSERT((int)INPUT_EVENT_KIND_REL == INPUT_REL && (int)INPUT_EVENT_KIND_ABS == INPUT_ABS);

#define HOLD_MS_DEFAULT 100

static bool parse_key(const KeyValue *v, uint16_t *ret, GError **errp)
{
    uint16_t key;

    if (v->type == KEY_VALUE_KIND_QCODE) {
        key = input_key_from_qcode(QKeyCode_str(v->u.qcode->data));
        if (!key) {
            return fail(errp, "'%s' is no key", QKeyCode_str(v->u.qcode->data));
        }
    } else {
        key = v->u.number->data < 0 || v->u.number->data > 0xffff ? 0 : input_key_from_number(v->u.number->data);
        if (!key) {
            return fail(errp, "there is no key with number %" G_GINT64_FORMAT, v->u.number->data);
        }
    }
    *ret = key;
    return true;
}

bool qmp_send_key(const SendKeyArgs *args, GError **errp)
{
    int64_t hold = args->has_hold_time ? args->hold_time : 0;
    uint16_t keys[KEY_STEPS_MAX];
    unsigned count = 0;

    if (hold < 0 || hold > INT32_MAX) {
        return fail(errp, "Parameter 'hold-time' expects a number of milliseconds below 2^31");
    }
    for (KeyValueList *l = args->keys; l; l = l->next) {
        if (count == KEY_STEPS_MAX) {
            return fail(errp, "Parameter 'keys' expects at most %u keys", KEY_STEPS_MAX);
        }
        if (!parse_key(l->value, &keys[count++], errp)) {
            return false;
        }
    }
    return !count || input_press(keys, count, hold ? hold : HOLD_MS_DEFAULT, errp);
}

/* ---- input-send-event ---- */
static bool parse_move(const InputMoveEvent *m, bool is_position, InputEvent *ret, GError **errp)
{
    if (is_position && (m->value < 0 || m->value > INPUT_AXIS_MAX)) {
        return fail(errp, "a position is from 0 to %u, not %" G_GINT64_FORMAT, INPUT_AXIS_MAX, m->value);
    }
    if (m->value < INT32_MIN || m->value > INT32_MAX) {
        return fail(errp, "a movement has 32 bits, not %" G_GINT64_FORMAT, m->value);
    }
    ret->code = m->axis;
    ret->value = m->value;
    return true;
}

static bool parse_event(const InputEventItem *item, InputEvent *ret, GError **errp)
{
    *ret = (InputEvent){.kind = (InputKind)item->type};
    switch (item->type) {
    case INPUT_EVENT_KIND_KEY:
        ret->value = item->u.key->data->down;
        return parse_key(item->u.key->data->key, &ret->code, errp);
    case INPUT_EVENT_KIND_BTN:
        ret->code = item->u.btn->data->button;
        ret->value = item->u.btn->data->down;
        return true;
    case INPUT_EVENT_KIND_REL:
        return parse_move(item->u.rel->data, false, ret, errp);
    default:
        return parse_move(item->u.abs->data, true, ret, errp);
    }
}

static bool find_console(const InputSendEventArgs *args, int *ret, GError **errp)
{
    int64_t head = args->has_head ? args->head : 0;

    if (head < 0 || head > UINT32_MAX) {
        return fail(errp, "Parameter 'head' expects the number of a screen");
    }
    *ret = input_console(args->device, head, errp);
    return *ret >= 0;
}

bool qmp_input_send_event(const InputSendEventArgs *args, GError **errp)
{
    InputEvent events[INPUT_GROUP_MAX];
    unsigned count = 0;
    int console = -1;

    if (args->device && !find_console(args, &console, errp)) {
        return false;
    }
    for (InputEventItemList *l = args->events; l; l = l->next, count++) {
        if (count == INPUT_GROUP_MAX) {
            return fail(errp, "Parameter 'events' expects at most %u events", INPUT_GROUP_MAX);
        }
        if (!parse_event(l->value, &events[count], errp)) {
            return false;
        }
        if (!input_has(events[count].kind, console)) {
            return fail(errp, "no input device takes events of type '%s'", InputEventKind_str(l->value->type));
        }
    }
    if (!input_is_open()) {
        return fail(errp, "the guest is not here, or on its way to another process");
    }
    return !count || input_send(NULL, console, events, count) || fail(errp, "the guest takes no more input events");
}

/* ---- query-mice ---- */
MouseInfoList *qmp_query_mice(GError **errp)
{
    MouseInfoList *all = NULL, **end = &all;

    for (unsigned i = 0; input_sink_at(i); i++) {
        const InputSink *s = input_sink_at(i);

        if (s->takes & (1 << INPUT_REL | 1 << INPUT_ABS)) {
            *end = g_new0(MouseInfoList, 1);
            (*end)->value = g_new0(MouseInfo, 1);
            *(*end)->value = (MouseInfo){.name = g_strdup(s->name), .index = s->number, .current = !all->next && *end == all,
                                         .absolute = (s->takes >> INPUT_ABS) & 1};
            end = &(*end)->next;
        }
    }
    return all;
}
