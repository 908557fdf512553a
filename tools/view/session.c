/* tools/view/session.c - the viewer's session: its channels, and where it is.  Owner: main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "session.h"
#include "ui/spice/known.h"
#include "ui/spice/replay.h"
#include "util/bytes.h"
#include "util/error.h"

#include <spice/protocol.h>
#include <stdarg.h>
#include <string.h>

/* ---- saying what happens ---- */

void view_say(ViewSession *s, const char *fmt, ...)
{
    g_autofree char *line = NULL;
    va_list args;

    va_start(args, fmt);
    line = g_strdup_vprintf(fmt, args);
    va_end(args);
    s->host->say(s->opaque, line);
}

void view_say_text(ViewSession *s, const char *what, const void *text, uint32_t size)
{
    g_autofree char *copy = g_strndup(text, size);

    view_say(s, "%s %s", what, bytes_are_text(copy, strlen(copy)) ? copy : "(no text)");
}

static const char *name_of(const ViewChannel *c)
{
    return channel_type_name(c->kind->type);
}

void place_clear(ViewPlace *p)
{
    g_free(p->host);
    g_free(p->subject);
    *p = (ViewPlace){0};
}

/* ---- channels ---- */

static const ViewKind *const kinds[] = {&view_main_kind, &view_display_kind, &view_inputs_kind, &view_cursor_kind,
                                        &view_port_kind};

static const ViewKind *kind_of(uint8_t type)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i]->type == type) {
            return kinds[i];
        }
    }
    return NULL;
}

ViewChannel *view_channel(const ViewSession *s, uint8_t type, uint8_t id)
{
    for (unsigned i = 0; i < s->channels->len; i++) {
        ViewChannel *c = s->channels->pdata[i];

        if (c->kind->type == type && c->id == id) {
            return c;
        }
    }
    return NULL;
}

static ViewChannel *main_of(const ViewSession *s)
{
    return s->channels->pdata[0];
}

/* NULL: it could not be begun; *errp says why. */
static ViewConn *connect_to(ViewChannel *c, const ViewPlace *to, GError **errp)
{
    ViewSession *s = c->session;
    ConnRequest r = {.session_id = s->id, .type = c->kind->type, .id = c->id, .caps = {{c->kind->caps}}, .password = s->password};
    SpiceWire *wire = s->host->connect(s->opaque, to, errp);

    caps_set(&r.common, SPICE_COMMON_CAP_PROTOCOL_AUTH_SELECTION);
    caps_set(&r.common, SPICE_COMMON_CAP_MINI_HEADER);
    caps_set(&r.common, REPLAY_CAP);
    caps_set(&r.common, KNOWN_CAP);
    caps_set(&r.common, RESUME_CAP);
    return wire ? conn_new(wire, &r, &view_conn_ops, c) : NULL;
}

/* ---- the end ---- */

static void over(ViewSession *s, const char *why)
{
    if (s->is_over) {
        return;
    }
    s->is_over = true;
    loop_timer_cancel(s->retry);
    for (unsigned i = 0; i < s->channels->len; i++) {
        ViewChannel *c = s->channels->pdata[i];

        conn_drop(g_steal_pointer(&c->conn));
        conn_drop(g_steal_pointer(&c->ahead));
        conn_drop(g_steal_pointer(&c->left));
    }
    view_say(s, "end %s", why);
    s->host->over(s->opaque);
}

/* The server keeps it for a while, and we are to come back. */
static bool is_lost(const ViewChannel *c)
{
    return c->resumes && !c->is_up;
}

static void open_channel(ViewSession *s, const ViewKind *kind, uint8_t id)
{
    ViewChannel *c = view_channel_new(s, kind, id);
    g_autoptr(GError) err = NULL;

    g_ptr_array_add(s->channels, c);
    c->conn = connect_to(c, &s->place, &err);
    if (!c->conn) {
        over(s, err->message);
    }
}

/* ---- a session from its beginning ---- */

void session_learn(ViewSession *s, uint32_t id)
{
    s->id = id;
    view_say(s, "session %08x", id);
}

bool session_open_listed(ViewSession *s, const uint8_t *list, uint32_t n)
{
    for (uint32_t i = 0; i < n && !s->is_over; i++) {
        const ViewKind *kind = kind_of(list[2 * i]);

        if (!kind || kind == &view_main_kind || (kind == &view_port_kind && !s->has_ports) ||
            view_channel(s, list[2 * i], list[2 * i + 1])) {
            continue;
        }
        if (s->channels->len >= SESSION_CHANNELS_MAX) {
            return false;
        }
        open_channel(s, kind, list[2 * i + 1]);
    }
    return true;
}

/* ---- migration ---- */

static void drop_ahead(ViewSession *s)
{
    for (unsigned i = 0; i < s->channels->len; i++) {
        ViewChannel *c = s->channels->pdata[i];

        conn_drop(g_steal_pointer(&c->ahead));
    }
    s->awaits_answer = s->was_told = false;
}

static void give_up_ahead(ViewSession *s)
{
    drop_ahead(s);
    if (s->owes_answer) {
        s->owes_answer = false;
        view_send(main_of(s), SPICE_MSGC_MAIN_MIGRATE_CONNECT_ERROR, NULL, 0);
    }
}

static void cannot_connect(ViewSession *s, const char *why)
{
    view_say(s, "migrate-error %s", why);
    give_up_ahead(s);
}

static void connect_ahead(ViewChannel *c)
{
    g_autoptr(GError) err = NULL;

    c->ahead = connect_to(c, &c->session->next, &err);
    if (!c->ahead) {
        cannot_connect(c->session, err->message);
    }
}

static bool has_moved_in_part(const ViewSession *s)
{
    for (unsigned i = 0; i < s->channels->len; i++) {
        if (((ViewChannel *)s->channels->pdata[i])->left) {
            return true;
        }
    }
    return false;
}

bool session_is_promised(const ViewSession *s)
{
    return s->was_told && s->was_seamless;
}

bool session_migrate(ViewSession *s, ViewPlace *take, uint32_t version, bool is_seamless)
{
    if (has_moved_in_part(s)) { /* each channel has room for one destination */
        place_clear(take);
        return false;
    }
    give_up_ahead(s);
    place_clear(&s->next);
    s->next = *take;
    s->owes_answer = true;
    s->is_seamless = is_seamless;
    s->version = version;
    view_say(s, "migrate-begin%s %s", is_seamless ? "-seamless" : "", s->next.host);
    connect_ahead(main_of(s));
    return true;
}

/* All are there, and the destination has said how: the source hears of it. */
static void maybe_tell(ViewSession *s)
{
    for (unsigned i = 0; i < s->channels->len; i++) {
        const ViewChannel *c = s->channels->pdata[i];

        if ((c->conn || is_lost(c)) && (!c->ahead || !conn_is_linked(c->ahead))) {
            return;
        }
    }
    if (s->awaits_answer || s->was_told) {
        return;
    }
    s->was_told = true;
    s->owes_answer = false;
    s->was_seamless = s->is_seamless;
    view_say(s, "migrate-connected%s", s->is_seamless ? "-seamless" : "");
    view_send(main_of(s), s->is_seamless ? SPICE_MSGC_MAIN_MIGRATE_CONNECTED_SEAMLESS : SPICE_MSGC_MAIN_MIGRATE_CONNECTED,
              NULL, 0);
}

static void main_is_ahead(ViewSession *s)
{
    ViewConn *ahead = main_of(s)->ahead;

    if (s->is_seamless && caps_has(conn_caps(ahead), SPICE_MAIN_CAP_SEAMLESS_MIGRATE)) {
        uint32_t version = GUINT32_TO_LE(s->version);

        s->awaits_answer = true;
        conn_send(ahead, SPICE_MSGC_MAIN_MIGRATE_DST_DO_SEAMLESS, &version, 4);
        conn_listen(ahead, true);
    } else {
        s->is_seamless = false;
    }
    for (unsigned i = 1; i < s->channels->len && main_of(s)->ahead; i++) {
        ViewChannel *c = s->channels->pdata[i];

        if (c->conn) { /* one that has ended does not come along */
            connect_ahead(c);
        }
    }
}

bool session_ahead_says(ViewChannel *c, uint16_t type)
{
    ViewSession *s = c->session;

    if (c != main_of(s) || !s->awaits_answer ||
        (type != SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_ACK && type != SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_NACK)) {
        return false;
    }
    s->awaits_answer = false;
    s->is_seamless = type == SPICE_MSG_MAIN_MIGRATE_DST_SEAMLESS_ACK;
    conn_listen(c->ahead, false);
    maybe_tell(s);
    return true;
}

static void moved(ViewSession *s)
{
    for (unsigned i = 0; i < s->channels->len; i++) {
        ViewChannel *c = s->channels->pdata[i];

        conn_finish(g_steal_pointer(&c->left));
    }
    s->was_told = false;
    place_clear(&s->place);
    s->place = s->next;
    s->next = (ViewPlace){0};
    s->moves++;
    view_say(s, "moved %u", s->moves);
}

static bool is_any_ahead(const ViewSession *s)
{
    for (unsigned i = 0; i < s->channels->len; i++) {
        if (((ViewChannel *)s->channels->pdata[i])->ahead) {
            return true;
        }
    }
    return false;
}

void session_channel_moves(ViewChannel *c, const void *data, uint32_t size)
{
    view_channel_take_ahead(c);
    if (data) {
        conn_send(c->conn, SPICE_MSGC_MIGRATE_DATA, data, size);
    }
    if (!is_any_ahead(c->session)) {
        moved(c->session);
    }
    view_flush(c);
}

/* Those that had gone already come back. */
void session_migrate_cancel(ViewSession *s)
{
    for (unsigned i = 0; i < s->channels->len; i++) {
        ViewChannel *c = s->channels->pdata[i];

        if (c->left) {
            conn_drop(c->conn);
            c->conn = g_steal_pointer(&c->left);
            view_channel_has_conn(c);
        }
        c->awaits_data = false;
    }
    give_up_ahead(s);
    place_clear(&s->next);
    view_say(s, "migrate-cancel");
}

/* Semi-seamless: all channels begin anew on the connections that are there. */
bool session_migrate_end(ViewSession *s)
{
    if (!s->was_told || s->was_seamless || !main_of(s)->ahead) {
        return false;
    }
    surfaces_clear(s->surfaces);
    for (unsigned i = 0; i < s->channels->len; i++) {
        ViewChannel *c = s->channels->pdata[i];

        view_channel_reset(c);
        if (c->ahead) {
            view_channel_take_ahead(c);
            conn_drop(g_steal_pointer(&c->left));
        }
    }
    conn_send(main_of(s)->conn, SPICE_MSGC_MAIN_MIGRATE_END, NULL, 0);
    moved(s);
    for (unsigned i = 1; i < s->channels->len; i++) {
        ViewChannel *c = s->channels->pdata[i];

        if (c->conn && c->kind->start) {
            c->kind->start(c);
        }
    }
    return true;
}

void session_switch(ViewSession *s, ViewPlace *take)
{
    view_say(s, "switch-host %s", take->host);
    place_clear(&s->place);
    place_clear(&s->next);
    s->place = *take;
    s->id = 0;
    s->was_told = s->awaits_answer = s->owes_answer = false;
    g_ptr_array_set_size(s->channels, 0);
    surfaces_clear(s->surfaces);
    s->moves++;
    open_channel(s, &view_main_kind, 0);
}

/* ---- connections ---- */

void session_linked(ViewChannel *c, ViewConn *conn)
{
    ViewSession *s = c->session;

    if (conn == c->ahead) {
        if (c == main_of(s)) {
            main_is_ahead(s);
        }
        maybe_tell(s);
        return;
    }
    view_channel_linked(c);
}

/* ---- connections that are lost ---- */

static bool is_any_lost(const ViewSession *s)
{
    for (unsigned i = 0; i < s->channels->len; i++) {
        if (is_lost(s->channels->pdata[i])) {
            return true;
        }
    }
    return false;
}

static void retry_after(ViewSession *s, int64_t ns, const char *why)
{
    int64_t now = time_monotonic_ns();

    if (now - s->lost_ns > SESSION_RESUME_NS) {
        over(s, why);
    } else if (!loop_timer_pending(s->retry)) {
        loop_timer_set(s->retry, now + ns);
    }
}

static void retry(void *opaque)
{
    ViewSession *s = opaque;

    for (unsigned i = 0; i < s->channels->len && !s->is_over; i++) {
        ViewChannel *c = s->channels->pdata[i];
        g_autoptr(GError) err = NULL;

        if (!is_lost(c) || c->conn) {
            continue;
        }
        c->conn = connect_to(c, c->left ? &s->next : &s->place, &err);
        if (!c->conn) {
            retry_after(s, SESSION_RETRY_NS, err->message);
        }
    }
}

static void come_back(ViewChannel *c, bool was_up, const char *why)
{
    ViewSession *s = c->session;

    view_channel_lost(c);
    if (c == main_of(s)) { /* nobody waits for it on another connection */
        s->owes_answer = false;
    }
    if (c->ahead) { /* the source does not hand over what it has lost */
        cannot_connect(s, why);
    }
    retry_after(s, was_up ? 0 : SESSION_RETRY_NS, why);
}

/* It has ended for good: the others need not wait for it. */
static void goes_without(ViewChannel *c)
{
    ViewSession *s = c->session;

    if (c->ahead) {
        conn_drop(g_steal_pointer(&c->ahead));
        if (has_moved_in_part(s) && !is_any_ahead(s)) {
            moved(s);
        }
        maybe_tell(s);
    }
}

void session_farewell(ViewChannel *c)
{
    conn_drop(g_steal_pointer(&c->conn));
    c->is_up = c->resumes = false;
    if (c == main_of(c->session)) {
        over(c->session, "the server ends it");
    } else {
        goes_without(c);
    }
}

void session_conn_ended(ViewChannel *c, ViewConn *conn, const char *why)
{
    ViewSession *s = c->session;
    bool was_up = c->is_up;

    if (conn == c->left) {
        c->left = NULL;
        return;
    }
    if (conn == c->ahead) {
        c->ahead = NULL;
        cannot_connect(s, why);
        return;
    }
    s->lost_ns = is_any_lost(s) ? s->lost_ns : time_monotonic_ns();
    c->conn = NULL;
    c->is_up = false;
    c->resumes = c->resumes && s->id && !conn_was_refused(conn);
    view_say(s, "lost %s %u %s", name_of(c), c->id, why);
    if (c == main_of(s) && !c->resumes) {
        over(s, why);
        return;
    }
    if (c->resumes) {
        come_back(c, was_up, why);
    } else {
        goes_without(c);
    }
}

/* ---- life ---- */

ViewSession *session_new(const SessionHost *host, void *opaque, const ViewPlace *at, const char *password)
{
    ViewSession *s = g_new0(ViewSession, 1);

    s->host = host;
    s->opaque = opaque;
    s->place = (ViewPlace){g_strdup(at->host), g_strdup(at->subject), at->port, at->tls_port};
    s->password = g_strdup(password);
    s->channels = g_ptr_array_new_with_free_func((GDestroyNotify)view_channel_free);
    s->surfaces = surfaces_new();
    s->retry = loop_timer_new(retry, s);
    return s;
}

void session_start(ViewSession *s)
{
    open_channel(s, &view_main_kind, 0);
}

/* Else the server waits for us to come back. */
static void say_goodbye(ViewSession *s)
{
    static const uint8_t body[12];
    ViewConn *main = s->channels->len ? main_of(s)->conn : NULL;

    if (main && conn_is_linked(main)) {
        conn_say_last(main, SPICE_MSGC_DISCONNECTING, body, sizeof(body));
    }
}

void session_free(ViewSession *s)
{
    if (!s) {
        return;
    }
    say_goodbye(s);
    loop_timer_free(s->retry);
    g_ptr_array_unref(s->channels);
    surfaces_free(s->surfaces);
    place_clear(&s->place);
    place_clear(&s->next);
    g_free(s->password);
    g_free(s->name);
    g_free(s);
}
