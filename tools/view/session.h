/* tools/view/session.h - the viewer's session: its channels, and where it is.  Owner: main loop.
 * Page: docs/view.md.  Test: tests/unit/tools/view-test.c, view-server-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * It follows the guest as stock clients do: seamless, semi-seamless, or by starting anew at the new place. */
#pragma once

#include "channel.h"
#include "surfaces.h"

#define SESSION_CHANNELS_MAX 64
#define SESSION_RESUME_NS (60 * NS_PER_SEC) /* to come back after connections were lost */
#define SESSION_RETRY_NS (100 * NS_PER_MS)
#define SESSION_NAME_MAX 256            /* bytes of a host's name, or of a certificate's subject, from a server */

typedef struct ViewPlace {
    char *host, *subject;               /* subject NULL: the host's name has to be in the certificate */
    uint16_t port, tls_port;            /* 0: none */
} ViewPlace;

void place_clear(ViewPlace *p);

typedef struct ViewShape { /* counted: g_rc_box */
    uint16_t width, height, hot_x, hot_y;
    bool is_drawn;                      /* else a kind that we do not read: no pixels */
    uint32_t pixels[];                  /* alpha, red, green, blue; multiplied by alpha */
} ViewShape;

typedef struct ViewPointer {
    int x, y;                           /* where the guest has it */
    bool is_visible;
    ViewShape *shape;                   /* NULL: not told yet */
} ViewPointer;

typedef struct SessionHost { /* what the session is in; the opaque comes first */
    /* A new connection, which may be on its way still.  NULL: it cannot be had. */
    SpiceWire *(*connect)(void *opaque, const ViewPlace *to, GError **errp);
    void (*say)(void *opaque, const char *line);    /* something has happened */
    void (*over)(void *opaque);                     /* the session is; it may be freed only later */
    /* Something was drawn on a display's surface 0; box NULL: it is another one, or there is none.  NULL: of no interest. */
    void (*drawn)(void *opaque, uint8_t display, const pixman_box32_t *box);
    void (*pointer)(void *opaque, uint8_t display, const ViewPointer *p);   /* NULL: of no interest */
} SessionHost;

struct ViewSession {
    const SessionHost *host;
    void *opaque;
    ViewPlace place, next;              /* next: where the guest goes; host NULL: nowhere */
    char *password;
    char *name;                         /* the guest's, as the server has it; NULL: not told */
    uint32_t id;                        /* 0: not known yet */
    GPtrArray *channels;                /* of ViewChannel; the main channel is the first */
    Surfaces *surfaces;
    uint32_t mouse_mode;
    uint32_t version;                   /* of the source, for the destination */
    bool is_seamless, awaits_answer;    /* of a migration: asked for; the word of the destination is due */
    bool was_told, was_seamless;        /* the source has our word, and which */
    bool owes_answer;                   /* it has asked, and has none: each time has one, also if nothing comes of it */
    bool is_over;
    bool has_ports;                     /* it opens them: a port is one client's at a time */
    LoopTimer *retry;                   /* connections are lost */
    int64_t lost_ns;                    /* since then, without a moment in which none was */
    unsigned moves;
};

ViewSession *session_new(const SessionHost *host, void *opaque, const ViewPlace *at, const char *password);
void session_start(ViewSession *s);
void session_free(ViewSession *s);      /* NULL allowed; not from within what it calls */
ViewChannel *view_channel(const ViewSession *s, uint8_t type, uint8_t id); /* NULL: there is none */
void view_say(ViewSession *s, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void view_say_text(ViewSession *s, const char *what, const void *text, uint32_t size); /* a server's words: made harmless */

/* ---- for people: false: there is no such channel, or too much waits ---- */
bool view_type(ViewSession *s, const char *text);           /* of a US keyboard */
bool view_scancodes(ViewSession *s, const uint8_t *codes, uint32_t size);
bool view_move(ViewSession *s, uint8_t display, uint32_t x, uint32_t y);  /* where the guest takes positions */
bool view_motion(ViewSession *s, int32_t dx, int32_t dy);                 /* where it does not */
bool view_lights(ViewSession *s, uint16_t wanted);  /* SPICE_KEYBOARD_MODIFIER_FLAGS_*; said if the guest has others */
bool view_button(ViewSession *s, unsigned button, bool is_down);
bool view_port_say(ViewSession *s, uint8_t id, const void *data, uint32_t size);

/* ---- for channels ---- */
void session_linked(ViewChannel *c, ViewConn *conn);
void session_conn_ended(ViewChannel *c, ViewConn *conn, const char *why);
void session_farewell(ViewChannel *c);                      /* the server wants no more of it */
bool session_ahead_says(ViewChannel *c, uint16_t type);     /* a destination's answer */
void session_channel_moves(ViewChannel *c, const void *data, uint32_t size); /* MIGRATE; data NULL: none to carry */
void session_learn(ViewSession *s, uint32_t id);            /* MAIN_INIT */
bool session_open_listed(ViewSession *s, const uint8_t *list, uint32_t n);
bool session_is_promised(const ViewSession *s);             /* may the source say MIGRATE? */
/* Takes the place; false: not now. */
bool session_migrate(ViewSession *s, ViewPlace *take, uint32_t version, bool is_seamless);
void session_migrate_cancel(ViewSession *s);
bool session_migrate_end(ViewSession *s);
void session_switch(ViewSession *s, ViewPlace *take);
