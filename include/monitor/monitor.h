/* include/monitor/monitor.h - the control protocols on chardevs: QMP, the human monitor, qtest.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: main loop (vm_lock). */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "chardev/chardev.h"

/* Once, before the first monitor: events (qapi_emit) reach the monitors from here on. */
void monitor_init(void);
/* Takes the chardev's front end; for the life of the process. */
bool monitor_add_qmp(Chardev *c, bool is_pretty, GError **errp);
bool monitor_add_hmp(Chardev *c, GError **errp);
void monitor_flush_all(void); /* at exit: what clients have not read yet goes out as far as it can */

/* The test server; log: a file, "none" or NULL.  has_clock: accel qtest, so that clock_step works. */
bool qtest_server_start(Chardev *c, const char *log, bool has_clock, GError **errp);

/* One line of the human monitor; what it prints, errors included.  Caller frees. */
char *hmp_run(const char *line);
/* `info NAME`, for what QMP cannot say: prints to out.  name and about: static storage. */
typedef void HmpInfoFn(GString *out);
void hmp_add_info(const char *name, const char *about, HmpInfoFn *fn);
