/* include/ui/console.h - a screen of the guest: what it shows, what changed, who looks at it.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A display device adds one Console per head and puts surfaces on it; viewers (SPICE, screendump) listen.  Owner: main loop
 * with vm_lock, or a hart with vm_lock while it drives the device.  The pixels of a surface are the device's, which may
 * change them at any time while it holds vm_lock and says so by console_update(); viewers read them only in callbacks or
 * under vm_lock.  A viewer may stop watching, and a device may take its console away, in any callback. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#if __has_include(<pixman.h>) /* without it there are no screens, but the header stays one that compiles */
#include <pixman.h>
#else
typedef union pixman_image pixman_image_t;
typedef struct pixman_box32 pixman_box32_t;
#endif

#include "object/object.h"

#define CONSOLES_MAX 16
#define CONSOLE_SIZE_MAX 16384 /* pixels, each way */
#define CURSOR_SIZE_MAX 512

typedef struct Console Console;

typedef struct ConsoleCursor { /* counted; not changed any more once it has been given to a console */
    unsigned refs;
    uint16_t width, height, hot_x, hot_y;
    uint32_t pixels[];         /* a8r8g8b8, premultiplied, top down */
} ConsoleCursor;
ConsoleCursor *console_cursor_new(unsigned width, unsigned height); /* transparent; NULL: no such size */
ConsoleCursor *console_cursor_ref(ConsoleCursor *c);
void console_cursor_unref(ConsoleCursor *c); /* NULL allowed */

typedef struct ConsoleWish { /* what a viewer would like this head to be */
    bool is_on;
    int32_t x, y;
    uint32_t width, height;  /* pixels; 0: as it is */
    uint16_t width_mm, height_mm; /* 0: unknown */
} ConsoleWish;

/* ---- for display devices ---- */
typedef struct ConsoleDevice {
    void (*wish)(void *opaque, const ConsoleWish *wish); /* NULL: cannot be resized */
    void (*refresh)(void *opaque); /* look for changes now (framebuffers in RAM); NULL: tells by itself */
} ConsoleDevice;
/* Its index is the first that is free, so in order of adding.  NULL: there are CONSOLES_MAX already. */
Console *console_add(Object *device, unsigned head, const ConsoleDevice *ops, void *opaque, GError **errp);
void console_remove(Console *c); /* NULL allowed; its viewers see it go dark, and then have none */
void console_set_surface(Console *c, pixman_image_t *image); /* x8r8g8b8; takes a reference; NULL: no picture */
void console_update(Console *c, int x, int y, int width, int height); /* these pixels changed; is clipped */
void console_set_cursor(Console *c, ConsoleCursor *shape); /* takes a reference; NULL: the guest shows none */
void console_move_cursor(Console *c, int x, int y);

/* ---- for viewers ---- */
typedef struct ConsoleViewer ConsoleViewer;
struct ConsoleViewer { /* NULL: does not care */
    void (*surface)(ConsoleViewer *v); /* another surface, or none; all of it is new */
    void (*update)(ConsoleViewer *v, const pixman_box32_t *box);
    void (*cursor)(ConsoleViewer *v); /* another shape */
    void (*cursor_moved)(ConsoleViewer *v);
    Console *console; /* set by console_watch; NULL: watches none */
};
void console_watch(Console *c, ConsoleViewer *v); /* calls surface and cursor once */
void console_unwatch(ConsoleViewer *v);
Console *console_at(unsigned index); /* NULL: there is none */
/* By id or path of the device; device NULL: the first console (head 0). */
Console *console_find(const char *device, unsigned head, GError **errp);
unsigned console_index(const Console *c);
unsigned console_head(const Console *c);
Object *console_device(const Console *c);
pixman_image_t *console_surface(const Console *c); /* NULL: none; valid until the next surface() */
ConsoleCursor *console_cursor(const Console *c);
void console_cursor_at(const Console *c, int *ret_x, int *ret_y);
bool console_can_wish(const Console *c);
void console_wish(Console *c, const ConsoleWish *wish); /* too large a size is made smaller */
void console_refresh(Console *c); /* before looking at the surface without watching it */
