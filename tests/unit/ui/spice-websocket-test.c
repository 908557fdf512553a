/* tests/unit/ui/spice-websocket-test.c - the handshake and the frames of RFC 6455.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/spice/websocket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* the example of the RFC, 1.3 */

static void the_rfcs_example_is_answered_as_there(void)
{
    bool ok = false;
    const char *request = "GET /chat HTTP/1.1\r\nHost: server\r\nupgrade: WebSocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n";
    g_autofree char *answer = websocket_answer(request, strlen(request), &ok);

    g_assert_true(ok);
    g_assert_nonnull(strstr(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    g_assert_null(strstr(answer, "Sec-WebSocket-Protocol"));
    g_assert_true(g_str_has_suffix(answer, "\r\n\r\n"));
}

static void requests_are_judged(void)
{
    static const struct {
        const char *headers;
        bool ok, has_protocol;
    } cases[] = {
        {"Upgrade: websocket\r\nSec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Protocol: chat, binary\r\n", true, true},
        {"Upgrade: websocket\r\nSec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Protocol: chat\r\n", false, false},
        {"Upgrade: websocket\r\nSec-WebSocket-Key: short\r\n", false, false},
        {"Upgrade: websocket\r\n", false, false},
        {"Upgrade: h2c\r\nSec-WebSocket-Key: " KEY "\r\n", false, false},
        {"Sec-WebSocket-Key: " KEY "\r\n", false, false},
        {"", false, false},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *request = g_strconcat("GET / HTTP/1.1\r\n", cases[i].headers, "\r\n", NULL);
        bool ok = !cases[i].ok;
        g_autofree char *answer = websocket_answer(request, strlen(request), &ok);

        g_assert_true(ok == cases[i].ok);
        g_assert_true(g_str_has_prefix(answer, ok ? "HTTP/1.1 101 " : "HTTP/1.1 400 "));
        g_assert_true(!!strstr(answer, "Protocol: binary\r\n") == cases[i].has_protocol);
    }
}

/* ---- frames ---- */

static void put(GByteArray *b, uint8_t first, const char *payload, size_t size)
{
    uint8_t header[14] = {first, 0x80 | (size < 126 ? size : 126)};
    unsigned n = size < 126 ? 2 : 4;
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

    header[2] = size >> 8;
    header[3] = size;
    memcpy(header + n, mask, 4);
    g_byte_array_append(b, header, n + 4);
    for (size_t i = 0; i < size; i++) {
        uint8_t c = payload[i] ^ mask[i % 4];

        g_byte_array_append(b, &c, 1);
    }
}

static void payload_survives_any_pieces(void)
{
    static const size_t pieces[] = {1, 3, 10, 1000};
    g_autofree char *large = g_strnfill(300, 'L');
    g_autofree char *wanted = g_strconcat("Hello", large, "end", NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
        g_autoptr(GByteArray) in = g_byte_array_new();
        g_autoptr(GString) got = g_string_new(NULL);
        WebSocketReader r = {{0}};
        unsigned pings = 0;

        put(in, 0x02, "He", 2);         /* a message in two frames, a ping between them */
        put(in, 0x89, "are you there", 13);
        put(in, 0x80, "llo", 3);
        put(in, 0x82, "", 0);
        put(in, 0x82, large, 300);
        put(in, 0x82, "end", 3);
        for (size_t at = 0; at < in->len;) {
            size_t used = 0;
            uint8_t out[64];
            int control;
            ssize_t n = websocket_decode(&r, in->data + at, MIN(pieces[i], in->len - at), &used, out, sizeof(out), &control);

            g_assert_cmpint(n, >=, 0);
            g_string_append_len(got, (char *)out, n);
            pings += control == WEBSOCKET_PING;
            if (control == WEBSOCKET_PING) {
                g_assert_cmpmem(r.control, r.control_size, "are you there", 13);
            }
            at += used;
        }
        g_assert_cmpstr(got->str, ==, wanted);
        g_assert_cmpuint(pings, ==, 1);
    }
}

static void what_no_client_sends_is_refused(void)
{
    static const uint8_t cases[][14] = {
        {0x82, 0x01},                   /* not masked */
        {0xc2, 0x80},                   /* an extension */
        {0x81, 0x80},                   /* text */
        {0x83, 0x80},                   /* an unknown opcode */
        {0x89, 0xfe, 0, 126},           /* a large ping */
        {0x09, 0x80},                   /* a ping in pieces */
        {0x8b, 0x80},
        {0x82, 0xff, 0x80},             /* longer than anything */
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        WebSocketReader r = {{0}};
        size_t used = 0;
        uint8_t out[16];
        int control;

        g_assert_cmpint(websocket_decode(&r, cases[i], sizeof(cases[i]), &used, out, sizeof(out), &control), ==, -1);
    }
}

/* ---- the layer ---- */

static unsigned looks, written;

/* Pings, as many as there is room for. */
static ssize_t read_pings(SpiceWire *w, void *buf, size_t size)
{
    static const uint8_t ping[6] = {0x89, 0x80};

    g_assert_cmpuint(++looks, <, 1000);
    for (size_t at = 0; at < size; at++) {
        ((uint8_t *)buf)[at] = ping[at % sizeof(ping)];
    }
    return size - size % sizeof(ping);
}

static ssize_t write_anything(SpiceWire *w, const struct iovec *iov, int n)
{
    written += iov->iov_len;
    return iov->iov_len;
}

static void a_client_that_only_pings_stops_nobody(void)
{
    static const WireOps ops = {.read = read_pings, .write = write_anything};
    const char *request = "GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: " KEY "\r\n\r\n";
    SpiceWire *lower = wire_socket(open("/dev/null", O_RDWR | O_CLOEXEC), true), *w;
    char buf[16];

    lower->ops = &ops;
    w = wire_websocket(lower, request, strlen(request));
    for (unsigned i = 0; i < 3; i++) {
        looks = written = 0;
        g_assert_cmpint(wire_read(w, buf, sizeof(buf)), ==, -EAGAIN);
        g_assert_cmpuint(looks, ==, 1);
        g_assert_cmpuint(written, >, 0); /* they are answered */
    }
    wire_free(w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ui/spice/websocket/the_rfcs_example_is_answered_as_there", the_rfcs_example_is_answered_as_there);
    g_test_add_func("/ui/spice/websocket/requests_are_judged", requests_are_judged);
    g_test_add_func("/ui/spice/websocket/payload_survives_any_pieces", payload_survives_any_pieces);
    g_test_add_func("/ui/spice/websocket/what_no_client_sends_is_refused", what_no_client_sends_is_refused);
    g_test_add_func("/ui/spice/websocket/a_client_that_only_pings_stops_nobody", a_client_that_only_pings_stops_nobody);
    return g_test_run();
}
