/* ui/spice/websocket.c - SPICE in a WebSocket (RFC 6455), for clients that live in a browser.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "websocket.h"
#include "util/bytes.h"

#include <errno.h>
#include <string.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */

/* ---- the request ---- */

/* The value of a header, or NULL.  Names are compared without case; the last one counts. */
static char *header_value(char **lines, const char *name)
{
    size_t length = strlen(name);
    char *value = NULL;

    for (char **line = lines; *line; line++) {
        if (!g_ascii_strncasecmp(*line, name, length) && (*line)[length] == ':') {
            g_free(value);
            value = g_strstrip(g_strdup(*line + length + 1));
        }
    }
    return value;
}

/* Is `word` one of a list with commas? */
static bool has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list ? list : "", ",", -1);

    for (char **w = words; *w; w++) {
        if (!g_ascii_strcasecmp(g_strstrip(*w), word)) {
            return true;
        }
    }
    return false;
}

static char *accept_key(const char *key)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    uint8_t digest[20];
    gsize size = sizeof(digest);

    g_checksum_update(sum, (const uint8_t *)key, -1);
    g_checksum_update(sum, (const uint8_t *)GUID, -1);
    g_checksum_get_digest(sum, digest, &size);
    return g_base64_encode(digest, size);
}

char *websocket_answer(const char *request, size_t size, bool *ret_ok)
{
    g_autofree char *text = g_strndup(request, size);
    g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
    g_autofree char *upgrade = header_value(lines, "Upgrade"), *key = header_value(lines, "Sec-WebSocket-Key");
    g_autofree char *protocols = header_value(lines, "Sec-WebSocket-Protocol"), *accepted = NULL;

    *ret_ok = g_str_has_prefix(text, "GET ") && has_word(upgrade, "websocket") && key && strlen(key) == 24 &&
              bytes_are_text(key, 24) && (!protocols || has_word(protocols, "binary"));
    if (!*ret_ok) {
        return g_strdup("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
    accepted = accept_key(key);
    return g_strdup_printf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Accept: %s\r\n%s\r\n",
                           accepted, protocols ? "Sec-WebSocket-Protocol: binary\r\n" : "");
}

/* ---- frames ---- */

static unsigned header_size(const WebSocketReader *r)
{
    unsigned code = r->have < 2 ? 0 : r->header[1] & 0x7f;

    return r->have < 2 ? 2 : 6 + (code == 127 ? 8 : code == 126 ? 2 : 0);
}

/* The header is whole.  False: no client may send this. */
static bool begin_frame(WebSocketReader *r)
{
    unsigned code = r->header[1] & 0x7f;
    bool is_control = r->header[0] & 8;

    r->opcode = r->header[0] & 15;
    r->left = code == 127 ? load_be64(r->header + 2) : code == 126 ? load_be16(r->header + 2) : code;
    r->mask_at = 0;
    r->control_size = 0;
    r->in_payload = true;
    if (r->header[0] & 0x70 || !(r->header[1] & 0x80) || r->left > INT64_MAX) {
        return false; /* an extension, not masked, or too long for anybody */
    }
    if (is_control) {
        return r->opcode <= WEBSOCKET_PONG && r->header[0] & 0x80 && r->left <= WEBSOCKET_CONTROL_MAX;
    }
    return r->opcode == WEBSOCKET_BINARY || r->opcode == WEBSOCKET_CONTINUED;
}

static uint8_t unmask(WebSocketReader *r, uint8_t byte)
{
    return byte ^ r->header[header_size(r) - 4 + r->mask_at++ % 4];
}

static bool end_frame(WebSocketReader *r)
{
    bool is_control = r->opcode & 8;

    r->in_payload = false;
    r->have = 0;
    return is_control;
}

ssize_t websocket_decode(WebSocketReader *r, const uint8_t *in, size_t in_size, size_t *ret_used, uint8_t *to, size_t size,
                         int *ret_control)
{
    size_t used = 0, made = 0;

    *ret_control = -1;
    while (used < in_size || (r->in_payload && !r->left)) {
        if (!r->in_payload) {
            r->header[r->have++] = in[used++];
            if (r->have == header_size(r) && !begin_frame(r)) {
                return -1;
            }
        } else if (!r->left) {
            if (end_frame(r)) {
                *ret_control = r->opcode;
                break;
            }
        } else if (r->opcode & 8) {
            r->control[r->control_size++] = unmask(r, in[used++]);
            r->left--;
        } else if (made < size) {
            to[made++] = unmask(r, in[used++]);
            r->left--;
        } else {
            break;
        }
    }
    *ret_used = used;
    return made;
}

/* ---- the layer ---- */

typedef struct WebSocket {
    SpiceWire wire;
    bool is_open, is_closed;
    GByteArray *request, *out;
    size_t out_at;
    WebSocketReader reader;
    uint8_t raw[4096];
    size_t raw_at, raw_have;
} WebSocket;

static int websocket_flush(SpiceWire *wire)
{
    WebSocket *w = (WebSocket *)wire;

    return wire_write_out(wire->lower, w->out, &w->out_at);
}

static void put_frame(WebSocket *w, uint8_t opcode, size_t size)
{
    uint8_t header[4] = {0x80 | opcode, size < 126 ? size : 126};

    store_be16(header + 2, size);
    g_byte_array_append(w->out, header, size < 126 ? 2 : 4);
}

static ssize_t refill(WebSocket *w)
{
    ssize_t n = wire_read(w->wire.lower, w->raw, sizeof(w->raw));

    w->raw_at = 0;
    w->raw_have = n > 0 ? n : 0;
    return n;
}

/* 1: done; 0: the end; -EAGAIN: later; or an error. */
static ssize_t handshake(WebSocket *w)
{
    while (!w->is_open) {
        const char *end = g_strstr_len((char *)w->request->data, w->request->len, "\r\n\r\n");
        g_autofree char *answer = NULL;
        size_t size;
        ssize_t n;

        if (!end) {
            if (w->request->len > WEBSOCKET_REQUEST_MAX) {
                return -EMSGSIZE;
            }
            n = refill(w);
            if (n <= 0) {
                return n;
            }
            g_byte_array_append(w->request, w->raw, n);
            w->raw_have = 0;
            continue;
        }
        size = end + 4 - (char *)w->request->data;
        answer = websocket_answer((char *)w->request->data, size, &w->is_open);
        g_byte_array_append(w->out, (uint8_t *)answer, strlen(answer));
        websocket_flush(&w->wire);
        if (!w->is_open || w->request->len - size > sizeof(w->raw)) {
            return -EPROTO;
        }
        w->raw_at = 0;
        w->raw_have = w->request->len - size;
        memcpy(w->raw, w->request->data + size, w->raw_have);
    }
    return 1;
}

/* False: the end. */
static bool take_control(WebSocket *w, int opcode)
{
    if (opcode == WEBSOCKET_PONG || w->out->len > WEBSOCKET_FRAME_BYTES) { /* who does not read gets no more pongs */
        return true;
    }
    put_frame(w, opcode == WEBSOCKET_PING ? WEBSOCKET_PONG : WEBSOCKET_CLOSE, w->reader.control_size);
    g_byte_array_append(w->out, w->reader.control, w->reader.control_size);
    websocket_flush(&w->wire);
    w->is_closed |= opcode == WEBSOCKET_CLOSE;
    return !w->is_closed;
}

/* Frames without payload may go on for ever: after one look at the socket others have their turn. */
static ssize_t websocket_read(SpiceWire *wire, void *buf, size_t size)
{
    WebSocket *w = (WebSocket *)wire;
    ssize_t n = handshake(w);
    bool has_looked = false;

    if (n <= 0 || w->is_closed) {
        return MIN(n, 0);
    }
    for (;;) {
        size_t used = 0;
        int control = -1;
        ssize_t made = websocket_decode(&w->reader, w->raw + w->raw_at, w->raw_have - w->raw_at, &used, buf, size, &control);

        if (made < 0) {
            return -EPROTO;
        }
        w->raw_at += used;
        if (control >= 0 && !take_control(w, control)) {
            return made;
        }
        if (made) {
            return made;
        }
        if (w->raw_at == w->raw_have) {
            n = has_looked ? -EAGAIN : refill(w);
            if (n <= 0) {
                return n;
            }
            has_looked = true;
        }
    }
}

static ssize_t websocket_write(SpiceWire *wire, const struct iovec *iov, int n)
{
    WebSocket *w = (WebSocket *)wire;
    size_t total = 0, left;
    int result = websocket_flush(wire);

    if (result) {
        return result;
    }
    for (int i = 0; i < n; i++) {
        total += iov[i].iov_len;
    }
    left = total = MIN(total, WEBSOCKET_FRAME_BYTES);
    put_frame(w, WEBSOCKET_BINARY, total);
    for (int i = 0; left; i++) {
        size_t part = MIN(left, iov[i].iov_len);

        g_byte_array_append(w->out, iov[i].iov_base, part);
        left -= part;
    }
    result = websocket_flush(wire);
    return result && result != -EAGAIN ? result : (ssize_t)total;
}

static bool websocket_pending(SpiceWire *wire)
{
    WebSocket *w = (WebSocket *)wire;

    return w->raw_at < w->raw_have;
}

static void websocket_free(SpiceWire *wire)
{
    WebSocket *w = (WebSocket *)wire;

    g_byte_array_unref(w->request);
    g_byte_array_unref(w->out);
}

static const WireOps websocket_ops = {.read = websocket_read, .write = websocket_write, .flush = websocket_flush,
                                      .pending = websocket_pending, .free = websocket_free};

SpiceWire *wire_websocket(SpiceWire *lower, const void *begun, size_t size)
{
    WebSocket *w = (WebSocket *)wire_over(lower, &websocket_ops, sizeof(*w));

    w->wire.is_websocket = true;
    w->request = g_byte_array_new();
    w->out = g_byte_array_new();
    g_byte_array_append(w->request, begun, size);
    return &w->wire;
}
