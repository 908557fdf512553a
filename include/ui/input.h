/* include/ui/input.h - keys, buttons and pointers on their way from viewers and QMP to the guest's input devices.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keys are Linux input codes inside (KEY_A = 30, linux/input-event-codes.h); tables translate QKeyCode names and PC
 * scan codes (set 1, 0xe0 prefix).  Guarded by: vm_lock; callbacks of users run in the main loop.  While the machine is
 * stopped nothing is delivered and nothing lost: events wait in a bounded queue of the device, and go with the guest.
 * While the guest is on its way to another process nothing is taken, as the queue may be there already: input_send() says
 * no, and room() follows where the guest goes on.  docs/input.md. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "object/object.h"

#define INPUT_AXIS_MAX 0x7fff           /* absolute positions: 0 .. this, each way */
#define INPUT_GROUP_MAX 63              /* events that are sent together */
#define INPUT_KEYS 768                  /* as many key codes as Linux has (KEY_CNT) */

typedef enum InputKind { INPUT_KEY, INPUT_BUTTON, INPUT_REL, INPUT_ABS } InputKind;
typedef enum InputAxis { INPUT_X, INPUT_Y } InputAxis;
typedef enum InputButton { INPUT_LEFT, INPUT_MIDDLE, INPUT_RIGHT, INPUT_WHEEL_UP, INPUT_WHEEL_DOWN, INPUT_SIDE, INPUT_EXTRA,
                           INPUT_WHEEL_LEFT, INPUT_WHEEL_RIGHT, INPUT_TOUCH, INPUT_BUTTONS } InputButton;
typedef struct InputEvent {
    InputKind kind;
    uint16_t code;                      /* KEY: Linux code; BUTTON: InputButton; REL, ABS: InputAxis */
    int32_t value;                      /* KEY, BUTTON: 0 up, 1 down; REL: by how much; ABS: 0 .. INPUT_AXIS_MAX */
} InputEvent;

enum { INPUT_LED_SCROLL = 1, INPUT_LED_NUM = 2, INPUT_LED_CAPS = 4 }; /* as SPICE has them */

/* ---- for input devices ---- */
typedef struct InputSink InputSink;
struct InputSink {
    const char *name;                   /* for query-mice */
    unsigned takes;                     /* bits 1 << InputKind */
    Object *device;
    const char *display;                /* belongs to this display device's head; NULL, or no such screen: to all */
    uint32_t head;
    bool (*room)(InputSink *s, unsigned events);                /* would all of them be taken? */
    void (*event)(InputSink *s, const InputEvent *e);
    void (*sync)(InputSink *s);                                 /* what came since the last one belongs together */
    /* of ui/input.c */
    unsigned number, leds;
};
void input_add(InputSink *s);           /* the newest one that takes a kind gets it */
void input_remove(InputSink *s);
void input_room(InputSink *s);          /* there is room again: whoever waits goes on; any thread */
void input_leds_changed(InputSink *s, unsigned leds);           /* bits INPUT_LED_*; any thread */
InputSink *input_sink_at(unsigned i);   /* the newest first; NULL: no more */
int input_console(const char *display, uint32_t head, GError **errp); /* its index, or -1: there is no such screen */

/* ---- for viewers and QMP ---- */
typedef struct InputUser InputUser;
struct InputUser {
    void (*leds)(InputUser *u, unsigned leds);
    void (*room)(InputUser *u);         /* what input_send refused may be sent again */
    void (*pointer)(InputUser *u);      /* input_has_absolute() may have changed */
    /* of ui/input.c */
    bool is_waiting;
    uint32_t keys[INPUT_KEYS / 32], buttons; /* held by this user */
};
void input_join(InputUser *u);
void input_leave(InputUser *u);         /* what it holds is released */
/* What users held that have left while the guest could not be told: it goes with the guest, and is released over there. */
void input_held_by_nobody(InputUser *ret);
void input_release(const uint32_t *keys, uint32_t buttons); /* INPUT_KEYS / 32 words; as soon as the guest can be told */
void input_release_all(void);           /* whatever is down, by anybody */
/* All events (at most INPUT_GROUP_MAX) and a sync, or none of them: false, then room() is called later.  console: index
 * for pointers, or -1.  A kind that no device takes goes nowhere.  u NULL: nobody who waits or holds anything. */
bool input_send(InputUser *u, int console, const InputEvent *events, unsigned count);
bool input_is_open(void);               /* false: the guest is not ours, or is being handed over */
bool input_has(InputKind kind, int console);    /* does a device take it? */
bool input_has_absolute(int console);
unsigned input_leds(void);              /* of the keyboard that gets the keys */

/* ---- keys ---- */
uint16_t input_key_from_scancode(unsigned code);                /* set 1; 0xe0xx: extended; 0: unknown */
uint16_t input_key_from_number(unsigned number);                /* QMP's: set 1, bit 7 for extended; 0: unknown */
uint16_t input_key_from_qcode(const char *name);                /* "ctrl", "a", "ret"; 0: unknown */
unsigned input_scancode_of(uint16_t key);                       /* set 1; 0xe0xx: extended; 0: none */
const char *input_qcode_name(uint16_t key);                     /* NULL: none */
uint16_t input_key_at(unsigned i);                              /* each key there is, in some order; 0: no more */

typedef struct InputScancodes {         /* the middle of a stream of set 1 codes, as clients send them; starts zeroed */
    uint8_t prefix, skip;
} InputScancodes;
/* One byte more; true: *ret is a key that went down or up.  0xe1 0x1d 0x45 (and its release) is Pause; the shifts that
 * keyboards put around Print and the arrows are no keys; what is unknown is passed over. */
bool input_scancode_byte(InputScancodes *s, uint8_t byte, InputEvent *ret);

/* ---- keys that are pressed for a while: QMP's send-key ---- */
#define KEY_STEPS_MAX 1024              /* presses, releases and pauses that wait */
/* Presses the keys, one after another, and releases them after hold_ms of the guest's time; after what was sent so
 * before.  false: there is no keyboard, or too much waits already; then nothing is pressed. */
bool input_press(const uint16_t *keys, unsigned count, uint32_t hold_ms, GError **errp);

void input_init(void);                  /* once, before the first device */
