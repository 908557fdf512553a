/* vmstate/wire.c - writer and reader of state bytes: integers big-endian, strings with a length
 * byte. SPDX-License-Identifier: GPL-2.0-or-later */
#include "vmstate/vmstate.h"

#include "util/bytes.h"
#include "util/error.h"

#include <string.h>

struct StateWriter {
    GByteArray *bytes;
};

StateWriter *state_writer_new(void)
{
    StateWriter *w = g_new(StateWriter, 1);

    w->bytes = g_byte_array_new();
    return w;
}

void state_writer_free(StateWriter *w)
{
    if (w) {
        g_byte_array_free(w->bytes, TRUE);
        g_free(w);
    }
}

void state_writer_reset(StateWriter *w)
{
    g_byte_array_set_size(w->bytes, 0);
}

const uint8_t *state_writer_data(const StateWriter *w, size_t *ret_size)
{
    *ret_size = w->bytes->len;
    return w->bytes->data;
}

void state_put(StateWriter *w, const void *data, size_t size)
{
    g_assert(size < G_MAXUINT32 - w->bytes->len);
    if (size) {
        g_byte_array_append(w->bytes, data, size);
    }
}

void state_put_u8(StateWriter *w, uint8_t v)
{
    state_put(w, &v, 1);
}

void state_put_be16(StateWriter *w, uint16_t v)
{
    uint8_t b[2];

    store_be16(b, v);
    state_put(w, b, sizeof(b));
}

void state_put_be32(StateWriter *w, uint32_t v)
{
    uint8_t b[4];

    store_be32(b, v);
    state_put(w, b, sizeof(b));
}

void state_put_be64(StateWriter *w, uint64_t v)
{
    uint8_t b[8];

    store_be64(b, v);
    state_put(w, b, sizeof(b));
}

void state_put_str8(StateWriter *w, const char *s)
{
    size_t size = strlen(s);

    g_assert(size <= 255);
    state_put_u8(w, size);
    state_put(w, s, size);
}

/* ---- reader ---- */
void state_reader_init(StateReader *r, const void *data, size_t size, const char *what)
{
    r->at = data;
    r->end = r->at + size;
    r->what = what;
}

size_t state_left(const StateReader *r)
{
    return r->end - r->at;
}

static const uint8_t *take(StateReader *r, size_t size, GError **errp)
{
    const uint8_t *at = r->at;

    if (state_left(r) < size) {
        fail(errp, "%s: ends early (%zu bytes wanted, %zu left)", r->what, size, state_left(r));
        return NULL;
    }
    r->at += size;
    return at;
}

bool state_get(StateReader *r, void *out, size_t size, GError **errp)
{
    const uint8_t *p = take(r, size, errp);

    if (p && size) {
        memcpy(out, p, size);
    }
    return p != NULL;
}

bool state_get_u8(StateReader *r, uint8_t *ret, GError **errp)
{
    return state_get(r, ret, 1, errp);
}

bool state_get_be16(StateReader *r, uint16_t *ret, GError **errp)
{
    const uint8_t *p = take(r, 2, errp);

    if (p) {
        *ret = load_be16(p);
    }
    return p != NULL;
}

bool state_get_be32(StateReader *r, uint32_t *ret, GError **errp)
{
    const uint8_t *p = take(r, 4, errp);

    if (p) {
        *ret = load_be32(p);
    }
    return p != NULL;
}

bool state_get_be64(StateReader *r, uint64_t *ret, GError **errp)
{
    const uint8_t *p = take(r, 8, errp);

    if (p) {
        *ret = load_be64(p);
    }
    return p != NULL;
}

bool state_get_str8(StateReader *r, char ret[256], GError **errp)
{
    uint8_t size;
    const uint8_t *p;

    if (!state_get_u8(r, &size, errp) || !(p = take(r, size, errp))) {
        return false;
    }
    if (!bytes_are_text(p, size)) {
        return fail(errp, "%s: a name holds bytes that are no text", r->what);
    }
    memcpy(ret, p, size);
    ret[size] = 0;
    return true;
}
