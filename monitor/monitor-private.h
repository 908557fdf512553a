/* monitor/monitor-private.h - between the files of monitor/.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "monitor/monitor.h"
#include "qapi/json.h"

/* ---- output.c: text to a chardev; what a slow client has not read waits.  Who is not read from meanwhile gets no more than the
 * answers to what was read already; who writes without being asked (events, progress) stops at the bound ---- */
#define OUTPUT_MAX (16 * 1024 * 1024)
typedef struct Output Output;
Output *output_new(Chardev *c);
void output_text(Output *o, const char *text, size_t size);
void output_more(Output *o);        /* the chardev has room */
size_t output_waiting(const Output *o);
void output_clear(Output *o);       /* the client is gone */

/* ---- qmp.c ---- */
int qmp_take_fd(void); /* the descriptor that came with the command which runs now, or -1 */

/* ---- events.c ---- */
typedef void EventSinkFn(const Json *event, void *opaque); /* a whole message */
void events_init(void);
void events_add_sink(EventSinkFn *fn, void *opaque);
/* Events that repeat faster than once a second are held back, the last one wins. */
bool event_is_limited(const char *name);

/* ---- hmp.c ---- */
typedef struct HmpCall {
    GString *out;       /* what the command prints */
    Json *args;         /* dict, by the row's `args` */
    bool wants_progress; /* set by `migrate` without -d: the session shows it until it ends */
} HmpCall;

typedef struct HmpCommand { /* ends with {} */
    const char *name;   /* "quit|q" */
    const char *args;   /* "id:s up:b", types below; "x?" may be left out; "-d" is a flag: {"d": true}; "-f=key:s": a flag
                         with a value */
    const char *about;
    const char *qmp;    /* the QMP command that takes the same arguments; NULL: run */
    void (*run)(HmpCall *call);
} HmpCommand;
/* s word, S rest of the line, i number, z size, b on|off */

extern const HmpCommand hmp_commands[], hmp_infos[];
/* Runs a line, printing to out; *ret_progress as in HmpCall. */
void hmp_line(const char *line, GString *out, bool *ret_progress);
GPtrArray *hmp_complete(const char *line);  /* what the last word could be; of char *, free func set */
void hmp_print_error(GString *out, GError *take);
/* Calls a QMP command; an error is printed and NULL returned. */
Json *hmp_qmp(HmpCall *call, const char *command, Json *take_args);
bool hmp_run_info(const char *name, GString *out); /* the rows that hmp_add_info() added */
void hmp_each_info(void (*fn)(const char *name, const char *about, void *opaque), void *opaque);
/* One line about a migration that is under way; *ret_done when it is not any more. */
char *hmp_progress(bool *ret_done);

/* ---- readline.c ---- */
typedef struct Readline Readline;
typedef void ReadlineFn(const char *line, void *opaque);
typedef void ReadlineOutFn(const char *text, void *opaque);
Readline *readline_new(ReadlineFn *line, ReadlineOutFn *out, void *opaque);
void readline_free(Readline *r);
void readline_prompt(Readline *r);           /* shows prompt and what was typed */
void readline_byte(Readline *r, uint8_t c);
