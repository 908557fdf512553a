/* ui/spice/channel-own.h - between channel.c and channel-move.c.  Owner: main loop (vm_lock).
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "channel.h"

OutMessage *channel_message_new(uint16_t type, GByteArray *take);
void channel_message_free(void *message);
void channel_update_watch(SpiceChannel *c);     /* what it waits for is something else now */
void channel_forget_heard(SpiceChannel *c);     /* the message that has come half, or is held */
void channel_begin_anew(SpiceChannel *c);       /* `begins_anew`: nothing that was heard is left */
void channel_end_writing(SpiceChannel *c);      /* all is said: the connection ends when the client ends it, or soon */
