/* tests/unit/migration/model.h - both state tables against each other, and the world around them.
 * Page: docs/handoff.md.  SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Made from the rows: an event finds its row, the row's action is queued as the engine queues it, and is done step by step
 * (its effects).  What comes from outside of the tables is in model-steps.c: commands, deadlines, failures, kills, a wire
 * that is cut in either direction, frames, disk writes.  A process that is stopped (SIGSTOP) is one that takes no steps:
 * the search tries every order, so it tries that. */
#pragma once

#include "migration/machine.h"

#define MODEL_QUEUE  8
#define MODEL_DOING  6
#define MODEL_FRAMES 2
#define MODEL_STEPS  96
#define MODEL_GONE   63 /* as a state: the process is dead */

typedef struct ModelTables {
    MachineSpec out, in;
} ModelTables;

typedef struct ModelConfig {
    const char *name;
    bool is_parked, wants_pause, is_one_way;
    bool is_paused; /* the user had stopped the guest */
    unsigned frames;
} ModelConfig;

/* Where the network has a frame; behind that it is in the copies below. */
enum { FRAME_FUTURE, FRAME_TO_SOURCE, FRAME_TO_DESTINATION, FRAME_ARRIVED, FRAME_AT_THE_DEAD };
typedef struct ModelFrame {
    uint16_t place : 3, kept : 1, sent : 1; /* at the source */
    uint16_t cached : 1, waits : 1;         /* at the destination: from the source, from its own port */
    uint16_t in_source : 1, in_destination : 1; /* which guest has it */
    uint16_t unused : 7;
} ModelFrame;

enum { PORT_PASS, PORT_HOLD, PORT_COPY, PORT_FORWARD };
enum { GATE_CLOSED, GATE_TAIL, GATE_OPEN };
/* By the messages, not by what either side believes.  NOBODY: it was killed. */
enum { MODEL_SOURCE, MODEL_DESTINATION, MODEL_NOBODY };

typedef struct ModelState {
    uint8_t source, destination;
    uint8_t doing[MODEL_DOING], step;        /* actions decided at the source; step of the first one */
    uint8_t in_doing[2], in_step[2];         /* of the destination's reader, and of its main loop */
    uint8_t to_destination[MODEL_QUEUE], to_source[MODEL_QUEUE]; /* receiver's event + 1, or a frame; 0: free */
    uint8_t port, gate, owner, wrong, unused_bytes[3];
    uint32_t down : 1, back : 1;             /* the wire's directions work */
    uint32_t has_channel : 1, reader_gone : 1, is_alone : 1;
    uint32_t met : 1;                        /* there was a connection */
    uint32_t is_frozen : 1, source_runs : 1, destination_runs : 1;
    uint32_t source_disk : 1, destination_disk : 1, writing : 1; /* locks; a write of the source's guest under way */
    uint32_t tail_waits : 1, turned : 1;     /* the network sends to the destination */
    uint32_t run_began : 1, was_parked : 1, owner_died_there : 1;
    uint32_t smooth : 1;                     /* no fault, no early deadline, no contrary command so far */
    uint32_t unordered : 1;                  /* the destination said that it could not keep the order */
    uint32_t tail_sent : 1, tail_cut : 1;    /* what reached the source may not have reached the destination */
    uint32_t was_running : 1;                /* when it was stopped */
    uint32_t was_told : 1, told_there : 1;   /* that it shall run: at the source, at the destination */
    uint32_t has_left : 1, stands : 1;       /* run states: at the source, at the destination */
    uint32_t began : 1, clean : 1, saved : 1, loaded : 1; /* clean: the memory there is the memory here */
    uint32_t was_answered : 1;               /* the source heard what became of its RUN */
    uint32_t gave_up : 1;                    /* the destination's parts let go of what they had */
    uint32_t was_released : 1;               /* the source was told to quit, and has said so */
    uint32_t back_cut : 1;                   /* what the destination said may not have arrived */
    uint32_t release_heard : 1;              /* the source knows that RELEASE has arrived */
    uint32_t unused : 29;
    ModelFrame frame[MODEL_FRAMES];
} ModelState;
_Static_assert(sizeof(ModelState) == 48, "states are compared and hashed as bytes, so nothing may be between the members");

typedef enum ModelClass {
    STEP_PROGRESS, /* will happen, if nothing else does first */
    STEP_NOTICE,   /* likewise: a broken wire is seen */
    STEP_DEADLINE, /* likewise; or early */
    STEP_MANAGER,  /* a command */
    STEP_ENV,      /* a frame leaves, the guest writes */
    STEP_FAULT,
} ModelClass;
typedef enum ModelWho { BY_SOURCE, BY_DESTINATION, BY_WORLD } ModelWho;

typedef struct ModelStep {
    ModelState next;
    uint8_t class, who;
    const char *what, *name;
} ModelStep;

#define MODEL_ROWS 64
typedef struct ModelUse {
    uint32_t from[2][MODEL_ROWS]; /* outgoing, incoming: states (bits) in which some step took the row */
} ModelUse;

typedef struct Model {
    const ModelTables *tables;
    const ModelConfig *config;
    ModelUse *used;
    /* of the state whose steps are wanted */
    const ModelState *from;
    bool choice, was_asked; /* what the free guards say; whether one was asked */
    bool posting;           /* an action's own event: it has to mean something */
    unsigned count;
    ModelStep steps[MODEL_STEPS];
} Model;

ModelTables model_tables(void);
ModelState model_start(const ModelConfig *c);
/* Fills steps and count. */
void model_steps(Model *m, const ModelState *from);
/* NULL, or what is wrong with the state. */
const char *model_wrong(const Model *m, const ModelState *s);

/* ---- model.c, for model-steps.c ---- */
void model_put(ModelState *s, uint8_t *queue, unsigned token);
void model_put_all(ModelState *s, const char *names, const MachineSpec *to, uint8_t *queue); /* names with spaces between */
unsigned model_take(uint8_t *queue);
unsigned model_length(const uint8_t *queue);
void model_frame_arrives(ModelState *s, unsigned k);
void model_frame_taken(ModelState *s, unsigned k);
void model_open_gate(ModelState *s, bool in_order);
bool model_source_effect(const Model *m, ModelState *s, const MachineAction *a, int fx); /* false: not yet */
bool model_destination_effect(const Model *m, ModelState *s, const MachineAction *a, int fx); /* false: it fails */
bool model_can_fail(int fx);

enum { MODEL_TOKEN_FRAME = 64 };
enum { WRONG_TWICE = 1, WRONG_ORDER, WRONG_FLOOD, WRONG_WRITE, WRONG_PLACE, WRONG_NETWORK, WRONG_POST };
void model_thaw(ModelState *s, bool was_after_run);

/* ---- model-search.c ---- */
typedef struct ModelResult {
    unsigned states, transitions;
    char *wrong; /* NULL, or the first thing that is wrong; caller frees */
} ModelResult;

/* All that can be reached, and from each state that it ends well.  tell: the way to the first mistake, by g_test_message.
 * Adds to *used. */
ModelResult model_search(const ModelTables *t, const ModelConfig *c, bool tell, ModelUse *used);
/* NULL, or the first row (and state) that no search took, and of which no reason is known; caller frees. */
char *model_unused(const ModelTables *t, const ModelUse *used);
extern const ModelConfig model_configs[];
extern const unsigned model_config_count;

/* ---- promises.c: what a table has to keep by itself ---- */
typedef struct Promise {
    const char *name;
    char *(*broken)(const ModelTables *t); /* NULL: kept; caller frees */
} Promise;
extern const Promise promises[];
extern const unsigned promise_count;
