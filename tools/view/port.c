/* tools/view/port.c - ports of the guest: what is said there either way.  Owner: main loop.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "session.h"
#include "util/bytes.h"

#include <spice/protocol.h>

#define PORT_NAME_MAX 256
#define PORT_DATA_MAX (256 * 1024)      /* bytes of one message, either way */
#define PORT_INIT_BYTES 9               /* before the name */

static bool take_init(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    uint32_t length = load_le32(data), at = load_le32(data + 4);
    g_autofree char *what = g_strdup_printf("port %u %s", c->id, data[8] ? "open" : "closed");

    if (!length || at > size || length > size - at) {
        return false;
    }
    view_say_text(c->session, what, data + at, length);
    return true;
}

static bool take_event(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    static const char *const names[] = {"open", "closed", "break"};

    if (data[0] >= G_N_ELEMENTS(names)) {
        return false;
    }
    view_say(c->session, "port %u %s", c->id, names[data[0]]);
    return true;
}

/* Whatever the guest says is one line of ours. */
static bool take_data(ViewChannel *c, const uint8_t *data, uint32_t size)
{
    g_autoptr(GString) text = g_string_sized_new(size);

    for (uint32_t i = 0; i < size; i++) {
        if (data[i] >= ' ' && data[i] < 0x7f && data[i] != '\\') {
            g_string_append_c(text, data[i]);
        } else {
            g_string_append_printf(text, "\\%03o", data[i]);
        }
    }
    view_say(c->session, "heard %u %s", c->id, text->str);
    return true;
}

bool view_port_say(ViewSession *s, uint8_t id, const void *data, uint32_t size)
{
    ViewChannel *c = view_channel(s, SPICE_CHANNEL_PORT, id);

    return c && size <= PORT_DATA_MAX && view_send(c, SPICE_MSGC_SPICEVMC_DATA, data, size);
}

static const ViewRow port_rows[] = {
    {"data", SPICE_MSG_SPICEVMC_DATA, 0, PORT_DATA_MAX, take_data},
    {"port-init", SPICE_MSG_PORT_INIT, PORT_INIT_BYTES + 1, PORT_INIT_BYTES + PORT_NAME_MAX, take_init},
    {"port-event", SPICE_MSG_PORT_EVENT, 1, 1, take_event},
    {},
};

const ViewKind view_port_kind = {.type = SPICE_CHANNEL_PORT, .size = sizeof(ViewChannel), .rows = port_rows};
