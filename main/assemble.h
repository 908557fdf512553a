/* main/assemble.h - from the command line to a machine; between the files of main/.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cmdline.h"
#include "object/object.h"

extern const ObjectType *const program_types[]; /* main/types.c; ends with NULL */
extern const ObjectType secret_type, memory_backend_type, memory_backend_ram_type, iothread_type; /* main/objects.c */

/* The secret's bytes as text; NULL with an error.  Caller frees. */
char *secret_text(const char *id, GError **errp);

void program_init(void); /* main/init.c: main thread, once */
/* Makes everything in order and starts the guest (unless -S or -incoming). */
bool assemble(const Config *c, GError **errp);
/* Prints what was asked for; returns the exit code. */
int help_show(const Config *c);

/* ---- main/accel.c ---- */
typedef struct AccelChoice {
    const char *name;  /* "tcg" or "qtest" */
    bool has_harts, has_steps;
} AccelChoice;
/* The first of the list that works; an empty list is tcg. */
bool accel_choose(const GPtrArray *wanted, AccelChoice *ret, GError **errp);
void accel_foreach(void (*fn)(const char *name, const char *about, void *opaque), void *opaque);

/* ---- main/settings.c: steps of assemble() ---- */
typedef struct Settings {
    AccelChoice accel;
    char uuid[37];
    unsigned smp;
    uint64_t ram_size; /* bytes; 0: the machine's own */
} Settings;
extern Settings settings;
bool set_messages(const Config *c, GError **errp);
bool set_logs(const Config *c, GError **errp);
bool set_policy(const Config *c, GError **errp);
bool expect_guest(const Config *c, GError **errp);
bool check_rtc(const Config *c, GError **errp);
bool choose_accel(const Config *c, GError **errp);
bool set_smp(const Config *c, GError **errp);
bool set_memory(const Config *c, GError **errp);
bool set_identity(const Config *c, GError **errp);

/* ---- main/process.c ---- */
bool process_daemonize(GError **errp);        /* returns in the child; the parent waits for process_ready() */
bool process_ready(GError **errp);            /* the parent may end with 0 */
bool process_write_pidfile(const char *path, GError **errp);
void process_handle_signals(void);
void process_set_name(const char *name);
void process_step_back(void);                /* before exit: the guest runs elsewhere, perhaps on this host */

/* ---- what queries ask (main/qmp.c) ---- */
void info_set(const char *name, const char *uuid);
void info_get(const char **ret_name, const char **ret_uuid); /* NULL: none */
bool uuid_parse(const char *text, char ret[37]); /* canonical text */
