/* migration/hello.h - what each side says of itself first.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "migration/wire.h"
#include "vmstate/vmstate.h"

typedef struct Hello {
    uint64_t attempt;
    uint32_t caps; /* bits of MigCap */
    uint32_t pid;
    char host[HOST_ID_SIZE]; /* equal: pids of one can be used by the other */
    char machine[256], name[256], uuid[256];
} Hello;

void hello_identity(const char *machine, const char *name, const char *uuid);
const char *hello_machine(void);
const char *hello_uuid(void);
void hello_put(StateWriter *w, uint64_t attempt);
/* Checks that this side fits: version, page size, machine, capabilities. */
bool hello_check(StateReader *r, Hello *ret, GError **errp);
void hello_answer_put(StateWriter *w, uint64_t attempt);
bool hello_answer_check(StateReader *r, Hello *ret, GError **errp);
bool hello_is_same_host(const Hello *h); /* then both read the same monotonic clock, too */
/* A pidfd of the process that said so, or -1: another host, or gone. */
int hello_pidfd(const Hello *h);
