/* ui/spice/kinds.h - the kinds of channels there are, one row of server.c each.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "channel.h"

extern const ChannelKind main_channel_kind; /* main-channel.c */
