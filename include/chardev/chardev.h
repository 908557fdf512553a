/* include/chardev/chardev.h - byte pipes to the outside: monitors, serial lines, qtest.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: main loop (vm_lock).  One front end at a time, unless mux=on. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qapi/json.h"

typedef struct Chardev Chardev;
typedef enum ChardevEvent { CHARDEV_OPENED, CHARDEV_CLOSED, CHARDEV_BREAK, CHARDEV_RESIZED } ChardevEvent;

typedef struct ChardevHandlers {
    size_t (*can_read)(void *opaque);                              /* bytes that `read` would take now; 0 stops reading */
    void (*read)(void *opaque, const uint8_t *data, size_t size);
    void (*event)(void *opaque, ChardevEvent event);
    void (*can_write)(void *opaque);                               /* room again after a short write */
    bool is_guest;   /* a device: what goes through it is the guest's, and goes with it in a handoff */
} ChardevHandlers;

/* With mux=on several front ends share a chardev: each takes a handle of its own.  Without: c itself. */
Chardev *chardev_front(Chardev *c);

/* `backend` as in -chardev: "socket", "file", "stdio", "null", "pty", "fd", "ringbuf", "pipe",
 * "spicevmc", "spiceport"; dict has "id" and options. */
Chardev *chardev_add(const Json *options, GError **errp);
/* The short forms of -serial, -monitor, -qmp, -qtest: unix:PATH,server=on,wait=off; tcp:H:P,...; stdio; mon:stdio; null;
 * none; file:PATH; pty; chardev:ID.  `label` becomes the id.  NULL without error: "none". */
Chardev *chardev_from_short(const char *label, const char *text, GError **errp);
Chardev *chardev_find(const char *id);
bool chardev_delete(const char *id, GError **errp);

bool chardev_claim(Chardev *c, const ChardevHandlers *handlers, void *opaque, GError **errp); /* one user at a time */
void chardev_release(Chardev *c);
/* Takes what it can (bounded queue of 64 KiB behind a slow peer) and returns that; the rest is the caller's, who waits for
 * can_write.  A closed chardev takes everything and forgets it. */
size_t chardev_write(Chardev *c, const void *data, size_t size);
void chardev_accept_input(Chardev *c); /* can_read may have grown */
bool chardev_is_open(const Chardev *c);
/* For front ends that know whether somebody in the guest has them open; others are open while they are claimed. */
void chardev_set_guest_open(Chardev *c, bool is_open);
bool chardev_is_guest_open(const Chardev *c);
void chardev_set_size(Chardev *c, uint16_t cols, uint16_t rows); /* of the terminal behind it; event CHARDEV_RESIZED */
void chardev_size(const Chardev *c, uint16_t *ret_cols, uint16_t *ret_rows); /* 0: unknown */
int chardev_take_fd(Chardev *c);       /* oldest descriptor received by SCM_RIGHTS, or -1; caller owns */
const char *chardev_id(const Chardev *c);
char *chardev_describe(const Chardev *c); /* "unix:/tmp/s,server=on", "pty:/dev/pts/3"; caller frees */
bool chardev_is_claimed(const Chardev *c);
void chardev_foreach(void (*fn)(Chardev *c, void *opaque), void *opaque);
void chardev_backends(void (*fn)(const char *name, const char *const *keys, void *opaque), void *opaque);
void chardev_handoff_init(void); /* once: sockets of the guest take part in handoffs */
void chardev_close_all(void); /* at exit: terminals as they were, socket paths removed */
