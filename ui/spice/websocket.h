/* ui/spice/websocket.h - SPICE in a WebSocket (RFC 6455), for clients that live in a browser.
 * Page: docs/spice.md.  Test: tests/unit/ui/spice-websocket-test.c, tests/fuzz/spice-link.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

#define WEBSOCKET_REQUEST_MAX 4096  /* bytes of the HTTP request with its headers */
#define WEBSOCKET_CONTROL_MAX 125   /* bytes of a control frame; the RFC's */
#define WEBSOCKET_FRAME_BYTES 65535 /* that we put into one frame */

/* ---- pure ---- */
/* The whole request, up to and with the empty line.  Returns the answer (101, or 400 with *ret_ok false). */
char *websocket_answer(const char *request, size_t size, bool *ret_ok);

enum {
    WEBSOCKET_CONTINUED = 0, WEBSOCKET_TEXT = 1, WEBSOCKET_BINARY = 2, WEBSOCKET_CLOSE = 8, WEBSOCKET_PING = 9, WEBSOCKET_PONG = 10,
};

typedef struct WebSocketReader { /* zeroed to begin */
    uint8_t header[14], control[WEBSOCKET_CONTROL_MAX], opcode;
    unsigned have, mask_at, control_size;
    uint64_t left;              /* of the payload */
    bool in_payload;
} WebSocketReader;
/* Takes frames apart: at most `size` bytes of payload into `to`.  Stops behind a control frame: *ret_control is its opcode,
 * its payload is in r->control.  Returns the payload bytes, or -1: not a client's frames. */
ssize_t websocket_decode(WebSocketReader *r, const uint8_t *in, size_t in_size, size_t *ret_used, uint8_t *to, size_t size,
                         int *ret_control);

/* Takes lower; `begun`: what has been read of the request already. */
SpiceWire *wire_websocket(SpiceWire *lower, const void *begun, size_t size);
