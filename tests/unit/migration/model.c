/* tests/unit/migration/model.c - the steps that a pair of machines and the world around them can
 * take. SPDX-License-Identifier: GPL-2.0-or-later */
#include "model.h"

#include <string.h>

typedef struct Model {
    const ModelState *from;
    GArray *steps;
    bool is_parked, choice; /* choice: what the free guards say */
    const char *bug;
} Model;

static void put(int8_t *queue, int event)
{
    for (int i = 0; i < MODEL_QUEUE; i++) {
        if (queue[i] < 0) {
            queue[i] = event;
            return;
        }
    }
    g_error("more than %d messages in flight", MODEL_QUEUE);
}

static void drop_first(int8_t *queue)
{
    memmove(queue, queue + 1, MODEL_QUEUE - 1);
    queue[MODEL_QUEUE - 1] = -1;
}

static int length(const int8_t *queue)
{
    int n = 0;

    while (n < MODEL_QUEUE && queue[n] >= 0) {
        n++;
    }
    return n;
}

static void cut(int8_t *queue, int keep)
{
    for (int i = keep; i < MODEL_QUEUE; i++) {
        queue[i] = -1;
    }
}

static int event_named(const MachineSpec *spec, const char *name)
{
    for (int i = 0; i < spec->event_count; i++) {
        if (!strcmp(spec->events[i], name)) {
            return i;
        }
    }
    return -1; /* ours alone: the other side has no row for it */
}

static void send_all(const char *names, const MachineSpec *to, int8_t *queue)
{
    g_auto(GStrv) list = g_strsplit(names ? names : "", " ", 0);

    for (char **name = list; *name && **name; name++) {
        int event = event_named(to, *name);

        if (event >= 0) {
            put(queue, event);
        }
    }
}

static bool source_guard(void *opaque, int guard)
{
    Model *m = opaque;

    switch (guard) {
    case MG_ONE_WAY:
        return false;
    case MG_PROOF_OR_FORCE:
        return m->from->destination == MODEL_GONE;
    default:
        return m->choice;
    }
}

static bool destination_guard(void *opaque, int guard)
{
    Model *m = opaque;

    return guard == IG_PARKED ? m->is_parked : guard == IG_ALONE && m->from->is_alone;
}

static void add(Model *m, const ModelState *next, const char *what, const char *event)
{
    ModelStep step = {.next = *next};

    g_snprintf(step.what, sizeof(step.what), "%s%s", what, event);
    g_array_append_val(m->steps, step);
}

static bool has_bug(const Model *m, const char *name)
{
    return m->bug && !strcmp(m->bug, name);
}

static bool does(const MachineAction *action, int effect)
{
    for (const int8_t *e = action->does; e && *e >= 0; e++) {
        if (*e == effect) {
            return true;
        }
    }
    return false;
}

/* Messages that arrived are taken even after the wire was cut; an event does what its row says. */
static void source_event(Model *m, ModelState s, int event, const char *what)
{
    Machine machine = {&outgoing_spec, s.source, 0, source_guard, m};
    const MachineRow *row = machine_step(&machine, 0, event, NULL);
    const MachineAction *action;

    if (!row) {
        add(m, &s, what, outgoing_spec.events[event]);
        return;
    }
    s.source = machine.state;
    action = &outgoing_spec.actions[row->action];
    if (s.is_up) {
        send_all(action->sends, &incoming_spec, s.to_destination);
    }
    s.source_runs = does(action, FX_START) || (!does(action, FX_FREEZE) && s.source_runs);
    if (event == EV_CONT && row->action == MA_NOTHING) {
        s.source_runs = true;
    }
    if (has_bug(m, "thaw_after_run") && event == EV_LOST && s.source == MIG_UNSURE) {
        s.source_runs = true;
    }
    add(m, &s, what, outgoing_spec.events[event]);
}

static void destination_event(Model *m, ModelState s, int event, const char *what)
{
    Machine machine = {&incoming_spec, s.destination, 0, destination_guard, m};
    const MachineRow *row;
    const MachineAction *action;

    if (event == IEV_RELEASE) {
        s.is_alone = true;
    }
    row = machine_step(&machine, 0, event, NULL);
    if (!row) {
        add(m, &s, what, incoming_spec.events[event]);
        return;
    }
    s.destination = machine.state;
    action = &incoming_spec.actions[row->action];
    if (s.is_up) {
        send_all(action->sends, &outgoing_spec, s.to_source);
    }
    s.destination_runs =
        does(action, FX_START) || (event != IEV_REFUSED && s.destination_runs);
    if (has_bug(m, "parked_runs_alone") && event == IEV_CONT && s.destination == IN_ASKED &&
        !s.is_up) {
        s.destination_runs = true;
    }
    add(m, &s, what, incoming_spec.events[event]);
}

static void source_steps(Model *m)
{
    static const int commands[] = {EV_CANCEL, EV_CONT, EV_QUIT};
    const ModelState *from = m->from;
    ModelState s = *from;

    if (from->source == MODEL_GONE) {
        return;
    }
    if (length(s.to_source)) {
        int event = s.to_source[0];

        drop_first(s.to_source);
        source_event(m, s, event, "source takes ");
        s = *from;
    } else if (!from->is_up) {
        source_event(m, s, EV_LOST, "source sees the cut: ");
    }
    source_event(m, s, EV_LOST, "source's deadline: ");
    if (from->destination == MODEL_GONE && !length(s.to_source)) {
        source_event(m, s, EV_DIED, "source has proof: ");
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        source_event(m, s, commands[i], "manager at the source: ");
    }
    if (from->source == MIG_NONE) {
        source_event(m, s, EV_MIGRATE, "manager at the source: ");
    } else if (from->source == MIG_ACTIVE) {
        source_event(m, s, EV_ROUND_DONE, "source: ");
    } else if (from->source == MIG_PRE_SWITCHOVER) {
        source_event(m, s, EV_CONTINUE, "manager at the source: ");
    } else if (from->source == MIG_CANCELLING) {
        source_event(m, s, EV_DRAINED, "source: ");
    } else if (from->source == MIG_DEVICE) {
        source_event(m, s, EV_ERROR, "source fails to save: ");
    }
}

static void destination_steps(Model *m)
{
    const ModelState *from = m->from;
    ModelState s = *from;

    if (from->destination == MODEL_GONE) {
        return;
    }
    if (length(s.to_destination)) {
        int event = s.to_destination[0];

        drop_first(s.to_destination);
        destination_event(m, s, event, "destination takes ");
        s = *from;
    } else if (!from->is_up) {
        destination_event(m, s, IEV_LOST, "destination sees the cut: ");
    }
    destination_event(m, s, IEV_CONT, "manager at the destination: ");
    if (from->destination == IN_LOADING) {
        destination_event(m, s, IEV_LOADED, "destination: ");
        destination_event(m, s, IEV_ERROR, "destination: ");
    } else if (from->destination == IN_STARTING) {
        destination_event(m, s, IEV_STARTED, "destination: ");
        destination_event(m, s, IEV_REFUSED, "destination's disk: ");
    }
}

/* The wire is cut: of what is in flight any prefix still arrives. */
static void cut_steps(Model *m, const char *what)
{
    for (int i = 0; i <= length(m->from->to_destination); i++) {
        for (int j = 0; j <= length(m->from->to_source); j++) {
            ModelState s = *m->from;

            s.is_up = false;
            cut(s.to_destination, i);
            cut(s.to_source, j);
            add(m, &s, what, "");
        }
    }
}

static void world_steps(Model *m)
{
    ModelState s = *m->from;

    if (s.is_up) {
        cut_steps(m, "the wire is cut");
    }
    if (s.source != MODEL_GONE) {
        s.source = MODEL_GONE;
        s.source_runs = s.is_up = false;
        cut(s.to_source, 0);
        add(m, &s, "the source is killed", "");
    }
    s = *m->from;
    if (s.destination != MODEL_GONE) {
        s.destination = MODEL_GONE;
        s.destination_runs = s.is_up = false;
        cut(s.to_destination, 0);
        add(m, &s, "the destination is killed", "");
    }
}

ModelState model_start(void)
{
    ModelState s = {
        .source = MIG_NONE, .destination = IN_LISTENING, .is_up = true, .source_runs = true};

    cut(s.to_destination, 0);
    cut(s.to_source, 0);
    return s;
}

GArray *model_steps(const ModelState *from, bool is_parked, const char *bug)
{
    Model m = {from, g_array_new(FALSE, FALSE, sizeof(ModelStep)), is_parked, false, bug};

    for (unsigned choice = 0; choice < 2; choice++) {
        m.choice = choice;
        source_steps(&m);
    }
    destination_steps(&m);
    world_steps(&m);
    return m.steps;
}

const char *model_wrong(const ModelState *s)
{
    if (s->source_runs && s->destination_runs) {
        return "both sides run the guest";
    }
    if (s->source_runs && s->source != MODEL_GONE &&
        outgoing_spec.states[s->source].may_run == FACT_NO) {
        return "the source runs in a state that forbids it";
    }
    if (s->destination_runs && s->destination != MODEL_GONE &&
        incoming_spec.states[s->destination].may_run == FACT_NO) {
        return "the destination runs in a state that forbids it";
    }
    return NULL;
}
