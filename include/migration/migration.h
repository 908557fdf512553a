/* include/migration/migration.h - the handoff engine as main/ sees it.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything else reaches the engine through the generated command table (qapi/migration.json, migration/qmp.c) and
 * through the hooks of system/ (cont, quit, HandoffEngine).  docs/handoff.md. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Main thread, after runstate_init() and before any device is made. */
void migration_init(void);
/* What the guest is called and which machine runs it: checked against the other side.  All may be NULL. */
void migration_set_identity(const char *machine, const char *name, const char *uuid);
/* -incoming URI, "defer", or a JSON list of channels.  The run state becomes inmigrate; returns at once.
 * is_parked: -S was given, so the guest starts only at `cont`. */
bool migration_incoming_start(const char *uri, bool is_parked, GError **errp);
/* At the end of main: cancels what is under way and waits for the threads (bounded). */
void migration_shutdown(void);
