/* chardev/backend.h - between the files of chardev/: what a backend is, and the descriptor pair that most of them share.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <gio/gio.h>

#include "chardev/chardev.h"
#include "util/loop.h"

#define CHARDEV_QUEUE_MAX (64 * 1024)
#define CHARDEV_FDS_MAX 16
#define CHARDEV_LATE_MAX (2 * 1024 * 1024)
#define CHARDEV_PEER_WAIT_NS (30 * NS_PER_SEC)

typedef struct ChardevBackend {
    const char *name;
    const char *const *keys; /* accepted options; ends with NULL */
    bool (*open)(Chardev *c, const Json *options, GError **errp);
    void (*close)(Chardev *c);                                   /* accepts half-open */
    /* NULL: the descriptor pair's. */
    size_t (*write)(Chardev *c, const uint8_t *data, size_t size);
    void (*input)(Chardev *c);                                   /* the front end can read more, or is new */
    void (*hung_up)(Chardev *c);                                 /* the descriptor pair saw the end */
    char *(*describe)(const Chardev *c);
    void (*guest_opened)(Chardev *c);                            /* is_guest_open has changed */
} ChardevBackend;

typedef struct ChardevStream { /* a pair of non-blocking descriptors; chardev/stream.c */
    int in, out;               /* -1: none; owned unless is_borrowed */
    bool is_borrowed, is_socket;
    LoopWatch *in_watch, *out_watch;
    GByteArray *queue;         /* behind a slow reader */
    int fds[CHARDEV_FDS_MAX];  /* received, oldest first */
    unsigned fd_count;
} ChardevStream;

struct Chardev {
    char *id;
    const ChardevBackend *backend;
    void *impl;                /* the backend's own */
    const ChardevHandlers *front;
    void *opaque;
    bool is_open, is_claimed, wants_room, is_internal;
    bool knows_guest, is_guest_open;
    uint16_t cols, rows;       /* of the terminal; 0: unknown */
    int log_fd;                /* logfile=; -1: none */
    bool has_log_gap;          /* its reader was too slow, and that was said */
    bool holds_output;         /* the guest is between two processes: what it said is not written here */
    bool holds_input;          /* what the peer says here comes later than `late` and what is still to come of that */
    bool is_expected;          /* the guest had a peer at the source; until it comes, `early` takes what it says */
    bool is_giving;
    GByteArray *early;         /* at most CHARDEV_QUEUE_MAX */
    GByteArray *late;          /* said to the guest at the source, for it to read here; CHARDEV_LATE_MAX that it has not read */
    size_t late_read;          /* of its first bytes; they go when they are half of it, so that each is moved once */
    Chardev *mux;              /* set: chardev_front() makes handles of this one */
    ChardevStream stream;
};

extern const ChardevBackend backend_null, backend_file, backend_pipe, backend_fd, backend_ringbuf, backend_stdio,
    backend_pty, backend_socket, backend_spiceport, backend_spicevmc, backend_mux, backend_mux_front;

/* ---- for backends ---- */
void chardev_set_open(Chardev *c, bool open);    /* tells the front end */
size_t chardev_late_left(const Chardev *c);      /* bytes of `late` that the guest has not read */
size_t chardev_front_room(Chardev *c);           /* bytes the front end takes now */
void chardev_front_read(Chardev *c, const uint8_t *data, size_t size);
void chardev_front_event(Chardev *c, ChardevEvent event);
void chardev_front_can_write(Chardev *c);        /* if it was told "no room" before */
Chardev *chardev_new(const char *id, const ChardevBackend *backend); /* registered */
void chardev_free(Chardev *c);
unsigned chardev_count(void);                    /* internal ones too */
Chardev *chardev_nth(unsigned i);

bool mux_front_is_focused(Chardev *c);           /* what is typed goes to this handle */

/* ---- chardev/stream.c ---- */
void stream_start(Chardev *c, int in, int out, bool is_borrowed);
void stream_stop(Chardev *c);                    /* closes; what waits is forgotten */
size_t stream_write(Chardev *c, const uint8_t *data, size_t size);
void stream_input(Chardev *c);
void stream_end_input(Chardev *c);               /* nothing more is read; writing goes on */
void stream_hold_output(Chardev *c, bool holds);
void stream_hold_input(Chardev *c, bool holds);
void stream_forget(Chardev *c);                  /* what waits in either direction; nothing is held any more */
void stream_shut_peer(Chardev *c);               /* it can write nothing from now on (unix sockets) */
