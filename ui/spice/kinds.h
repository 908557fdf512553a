/* ui/spice/kinds.h - the kinds of channels there are, one row of server.c each.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "channel.h"
#include "ui/input.h"

extern const ChannelKind main_channel_kind;    /* main-channel.c */
extern const ChannelKind display_channel_kind; /* display-channel.c */
extern const ChannelKind inputs_channel_kind;  /* inputs-channel.c */
extern const ChannelKind cursor_channel_kind;  /* cursor-channel.c */
extern const ChannelKind port_channel_kind, webdav_channel_kind; /* port-channel.c */

/* Their tables, for the tests that look for what was forgotten. */
extern const VMStateDescription main_channel_vmstate, display_channel_vmstate, inputs_channel_vmstate, cursor_channel_vmstate,
    port_channel_vmstate;

void inputs_add_held(const SpiceChannel *c, InputUser *to); /* keys and buttons; of another kind: none */
unsigned screens_count(void);                  /* consoles 0 to this - 1 are there */
