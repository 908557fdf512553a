/* migration/incoming.h - waiting for a guest, loading it, running it.  Private to migration/.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "io/channel.h"
#include "qapi/json.h"

void incoming_init(void);
/* Main loop.  Takes the address; *ret_actual: where it really listens. */
bool incoming_start(Address *take, bool exit_on_error, GError **errp);
void incoming_expect(bool is_parked); /* -incoming: the run state is inmigrate */
bool incoming_is_expected(void);      /* nothing was started yet */
/* `cont`: false with the reason, or *ret_handled. */
bool incoming_cont(GError **errp, bool *ret_handled);
/* `stop` while it is on its way: it stands here when it has arrived.  false: it is about to run, and nobody can say when. */
bool incoming_stop(GError **errp);
bool incoming_may_change(GError **errp);
bool incoming_has_guest(GError **errp); /* here, or none was to come: the outgoing side decides about the guest */
bool incoming_send_message(const char *part, const void *data, size_t size); /* false: no source */
void incoming_tail_done(void);
bool incoming_has_source(void);        /* a guest is on its way, or its tail, or what is given back with a refusal */
/* Until what came in is wholly here (so that it can be handed on), or nobody wants that any more. */
bool incoming_wait_finished(const Interrupt *unwanted, int64_t deadline_ns, GError **errp);
void incoming_report(Json *info);      /* into query-migrate */
void incoming_shutdown(void);
