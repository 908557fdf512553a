/* include/io/fdset.h - descriptors that management handed over: by name (getfd), in sets (add-fd), inherited numbers.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Owner: main loop (vm_lock). */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "qapi/json.h"

/* ---- names: getfd ---- */
bool fd_name_add(const char *name, int take_fd, GError **errp); /* takes fd, also on failure; an older one is closed */
int fd_name_take(const char *name, GError **errp);              /* the caller owns it; -1: no such name */
bool fd_name_close(const char *name, GError **errp);
/* "fd=TEXT" as users say it: a name from getfd, or the number of an inherited descriptor.  The caller owns it. */
int fd_from_text(const char *text, GError **errp);

/* ---- sets: add-fd ---- */
/* *id < 0: a new set, whose number is written back.  Takes fd, also on failure. */
bool fdset_add(int64_t *id, int take_fd, const char *note, GError **errp);
bool fdset_remove(int64_t id, int fd, GError **errp);           /* fd -1: the whole set */
/* The path "/dev/fdset/N" opens a duplicate with the access mode of `flags`; any other path is open(2). */
int fd_open(const char *path, int flags, int mode, GError **errp);
Json *fdset_list(void);                                         /* as query-fdsets says it */
