/* tests/unit/migration/model-steps.c - who may do what next: both engines, the managers, the network, and what goes wrong.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The source queues its actions, as outgoing.c does; the destination has two threads (reader and main loop), each of which
 * decides and acts at once, as incoming.c does. */
#include "model.h"

#include <string.h>

enum { READER, MAIN_LOOP };

static ModelStep *add(Model *m, const ModelState *next, ModelClass class, ModelWho who, const char *what, const char *name)
{
    ModelStep *step = &m->steps[m->count];

    if (!memcmp(next, m->from, sizeof(*next))) {
        return NULL; /* nothing happens */
    }
    g_assert(m->count < MODEL_STEPS);
    *step = (ModelStep){*next, class, who, what, name};
    if (class == STEP_FAULT || class == STEP_DEADLINE) {
        step->next.smooth = false;
    }
    m->count++;
    return step;
}

/* ---- guards ---- */
static bool source_guard(void *opaque, int guard)
{
    Model *m = opaque;

    switch (guard) {
    case MG_ONE_WAY:
        return m->config->is_one_way;
    case MG_WANTS_PAUSE:
        return m->config->wants_pause;
    case MG_PROOF_OR_FORCE:
        return m->from->destination == MODEL_GONE; /* the manager keeps its promise */
    case MG_AT_IT:
        return m->from->doing[0];
    default:
        m->was_asked = true;
        return m->choice;
    }
}

static bool destination_guard(void *opaque, int guard)
{
    Model *m = opaque;
    bool is_alone = m->from->is_alone || m->config->is_one_way;
    bool stays_stopped = m->config->is_parked || !m->from->was_running;

    switch (guard) {
    case IG_PARKED:
        return stays_stopped;
    case IG_ALONE:
        return is_alone;
    case IG_ALONE_PARKED:
        return is_alone && stays_stopped;
    default:
        m->was_asked = true;
        return m->choice;
    }
}

/* ---- events ---- */
static bool is_refused(int event)
{
    return 1u << event & (1u << EV_CANCEL | 1u << EV_QUIT | 1u << EV_CONT);
}

/* `cont` that is no business of the migration: the run state changes at once. */
static void plain_cont(ModelState *s)
{
    if (!s->doing[0]) {
        model_thaw(s, false);
    }
    s->source_runs = true;
    s->has_left = s->clean = false;
    s->source_disk |= !s->destination_disk;
}

/* The same command again, while the last thing that waits is just that, adds nothing. */
static void queue_action(ModelState *s, int action, bool is_command)
{
    for (unsigned i = 0; i < MODEL_DOING; i++) {
        if (is_command && i && s->doing[i] == action && (i + 1 == MODEL_DOING || !s->doing[i + 1])) {
            return;
        }
        if (!s->doing[i]) {
            s->doing[i] = action;
            return;
        }
    }
    s->wrong = WRONG_FLOOD;
}

static bool sends(const MachineAction *a, const char *message)
{
    return a->sends && !strcmp(a->sends, message);
}

/* The event's row; its action waits for its turn.  Returns whether there was one. */
static bool source_decides(Model *m, ModelState *s, int event)
{
    const MachineSpec *spec = &m->tables->out;
    Machine machine = {spec, s->source, 0, source_guard, m};
    const MachineRow *row = machine_step(&machine, 0, event, NULL);

    if (!row) {
        return false;
    }
    m->used->from[0][row - spec->rows] |= 1u << s->source;
    s->source = machine.state;
    s->was_parked |= event == EV_READY_PARKED;
    s->was_told |= event == EV_CONT;
    if (event == EV_CONT && row->action == MA_NOTHING) {
        plain_cont(s);
    }
    if (event == EV_DIED || (event == EV_CONT && (m->from->source == MIG_UNSURE || m->from->source == MIG_SAVED))) {
        s->owner = MODEL_SOURCE; /* proof, or the manager's word */
    }
    if (row->action != MA_NOTHING) {
        s->run_began |= sends(&spec->actions[row->action], "RUN");
        s->was_released |= sends(&spec->actions[row->action], "RELEASE");
        queue_action(s, row->action, spec->commands & 1u << event);
    }
    return true;
}

static void each_choice(Model *m, ModelState s, bool (*decide)(Model *m, ModelState *s, int event), int event,
                        ModelClass class, ModelWho who, const char *what)
{
    const MachineSpec *spec = decide == source_decides ? &m->tables->out : &m->tables->in;

    m->choice = m->was_asked = false;
    do {
        ModelState next = s;
        bool is_posted = m->posting, had_row = decide(m, &next, event);
        ModelStep *step = had_row || class != STEP_MANAGER ? add(m, &next, class, who, what, spec->events[event]) : NULL;

        if (step && is_posted && !had_row) {
            step->next.wrong = WRONG_POST;
        }
        if (step && class == STEP_MANAGER && who == BY_SOURCE && is_refused(event)) {
            step->next.smooth = false;
        }
        m->choice = !m->choice;
    } while (m->choice && m->was_asked);
}

static void source_event(Model *m, const ModelState *s, int event, ModelClass class, const char *what)
{
    each_choice(m, *s, source_decides, event, class, BY_SOURCE, what);
}

static bool destination_decides_in(Model *m, ModelState *s, int event, unsigned thread)
{
    const MachineSpec *spec = &m->tables->in;
    Machine machine = {spec, s->destination, 0, destination_guard, m};
    const MachineRow *row = machine_step(&machine, 0, event, NULL);
    const MachineState *facts;

    if (!row) {
        return false;
    }
    m->used->from[1][row - spec->rows] |= 1u << s->destination;
    s->told_there |= event == IEV_CONT && !m->posting; /* by the manager */
    s->destination = machine.state;
    facts = &spec->states[s->destination];
    if (event == IEV_RUN || event == IEV_RELEASE ||
        (m->config->is_one_way && event == IEV_LOADED && facts->owner == OWNER_DESTINATION)) {
        s->owner = MODEL_DESTINATION;
    }
    if (event == IEV_CONT && row->action == IA_NOTHING && facts->may_run != FACT_NO && !s->in_doing[READER] &&
        s->destination != IN_STARTING) {
        s->destination_runs = true;
    }
    if (row->action != IA_NOTHING) {
        s->in_doing[thread] = row->action;
        s->in_step[thread] = 0;
    }
    return true;
}

static bool reader_decides(Model *m, ModelState *s, int event)
{
    return destination_decides_in(m, s, event, READER);
}

static bool main_loop_decides(Model *m, ModelState *s, int event)
{
    return destination_decides_in(m, s, event, MAIN_LOOP);
}

/* ---- the source acts ---- */
/* Each event of a list, as alternatives. */
static void posts(Model *m, const ModelState *s, bool (*decide)(Model *m, ModelState *s, int event), const char *names,
                  ModelClass class, const char *what)
{
    const MachineSpec *spec = decide == source_decides ? &m->tables->out : &m->tables->in;

    for (const char *name = names; *name; name += *name == ' ') {
        size_t length = strcspn(name, " ");

        for (int e = 0; e < spec->event_count; e++) {
            if (!strncmp(spec->events[e], name, length) && !spec->events[e][length]) {
                each_choice(m, *s, decide, e, class, decide == source_decides ? BY_SOURCE : BY_DESTINATION, what);
            }
        }
        name += length;
    }
}

static void action_over(ModelState *s)
{
    memmove(s->doing, s->doing + 1, MODEL_DOING - 1);
    s->doing[MODEL_DOING - 1] = 0;
    s->step = 0;
}

static unsigned effects(const MachineAction *a)
{
    unsigned n = 0;

    while (a->does && a->does[n] >= 0) {
        n++;
    }
    return n;
}

static void source_acts(Model *m)
{
    const MachineAction *a = &m->tables->out.actions[m->from->doing[0]];
    const char *after = m->config->is_one_way && a->posts_one_way ? a->posts_one_way : a->posts;
    ModelState s = *m->from;
    int fx = effects(a) ? a->does[s.step] : -1;

    if (fx >= 0 && a->fails && model_can_fail(fx)) {
        action_over(&s);
        s.down = false; /* half an element may have left: the stream ends there */
        s.tail_cut = true;
        posts(m, &s, source_decides, a->fails, STEP_FAULT, "the source fails to do its part: ");
        s = *m->from;
    }
    if (fx >= 0 && !model_source_effect(m, &s, a, fx)) {
        return;
    }
    if (fx >= 0 && ++s.step < effects(a)) {
        add(m, &s, STEP_PROGRESS, BY_SOURCE, "source: ", machine_effect_name(fx));
        return;
    }
    action_over(&s);
    if (after) {
        m->posting = !s.doing[0]; /* else it was overtaken */
        posts(m, &s, source_decides, after, STEP_PROGRESS, "source has done its part: ");
        m->posting = false;
    } else {
        add(m, &s, STEP_PROGRESS, BY_SOURCE, "source: ", fx >= 0 ? machine_effect_name(fx) : a->name);
    }
}

static bool does(const MachineAction *a, int fx)
{
    for (unsigned i = 0; i < effects(a); i++) {
        if (a->does[i] == fx) {
            return true;
        }
    }
    return false;
}

static void tail_ends(Model *m, bool in_time)
{
    ModelState s = *m->from;
    bool on_its_way = !s.turned;

    for (unsigned k = 0; k < MODEL_FRAMES; k++) {
        on_its_way |= s.frame[k].place == FRAME_TO_SOURCE;
    }
    if (!s.tail_waits || (in_time && on_its_way)) {
        return;
    }
    s.tail_waits = false;
    s.tail_sent = true;
    s.tail_cut |= on_its_way;
    s.unordered |= on_its_way; /* the gate has its own deadline, and that is shorter */
    for (int a = 0; a < m->tables->out.action_count; a++) {
        const MachineAction *action = &m->tables->out.actions[a];

        if (s.down && does(action, FX_TAIL)) {
            model_put_all(&s, action->sends, &m->tables->in, s.to_destination);
        }
    }
    add(m, &s, in_time ? STEP_PROGRESS : STEP_DEADLINE, BY_SOURCE, "source: the tail ends", "");
}

static void source_commands(Model *m)
{
    const MachineSpec *spec = &m->tables->out;
    const ModelState *s = m->from;

    for (int e = 0; e < spec->event_count; e++) {
        if (!(spec->commands & 1u << e) || (e == EV_MIGRATE && (s->source != MIG_NONE || s->destination == IN_NONE))) {
            continue;
        }
        if (e == EV_CONT && m->config->is_one_way && s->source == MIG_SAVED && s->destination != MODEL_GONE &&
            s->destination != IN_REFUSED) {
            continue; /* the manager's word: it uses the stream, or runs the guest here */
        }
        source_event(m, s, e, STEP_MANAGER, "manager at the source: ");
    }
}

static void source_steps(Model *m)
{
    const ModelState *from = m->from;
    ModelState s = *from;

    if (s.doing[0]) {
        source_acts(m);
    }
    tail_ends(m, true);
    tail_ends(m, false);
    source_commands(m);
    if (s.destination == MODEL_GONE && !s.to_source[0]) {
        source_event(m, &s, EV_DIED, STEP_ENV, "source has proof: "); /* it may; nothing relies on it */
    }
    if (!s.has_channel) {
        return;
    }
    if (s.to_source[0]) {
        unsigned token = model_take(s.to_source);

        s.was_answered |= s.run_began && (token - 1 == EV_GIVE_BACK || token - 1 == EV_VM_STARTED);
        s.release_heard |= s.source == MIG_RELEASED && (token - 1 == EV_TAIL_DONE || token - 1 == EV_VM_STARTED);
        source_event(m, &s, token - 1, STEP_PROGRESS, "source takes ");
    } else if (!s.back && !m->config->is_one_way) {
        source_event(m, &s, EV_LOST, STEP_NOTICE, "source sees the cut: ");
    }
    if (m->tables->out.states[from->source].awaits && !from->doing[0]) {
        source_event(m, from, EV_LOST, STEP_DEADLINE, "source's deadline: ");
    }
    s = *from;
    s.down = false;
    s.tail_cut = true;
    source_event(m, &s, EV_LOST, STEP_FAULT, "source cannot write: ");
}

/* ---- the destination ---- */
static void destination_acts(Model *m, unsigned thread)
{
    const MachineAction *a = &m->tables->in.actions[m->from->in_doing[thread]];
    bool (*decide)(Model *m, ModelState *s, int event) = thread == READER ? reader_decides : main_loop_decides;
    ModelState s = *m->from;
    int fx = effects(a) ? a->does[s.in_step[thread]] : -1;
    bool ok = fx < 0 || model_destination_effect(m, &s, a, fx);
    unsigned step = s.in_step[thread] + 1;

    if (a->fails && fx >= 0 && model_can_fail(fx)) {
        ModelState failed = *m->from;

        failed.in_doing[thread] = failed.in_step[thread] = 0;
        failed.destination_disk |= fx == FX_ACTIVATE && !failed.source_disk; /* of two disks the first */
        posts(m, &failed, decide, a->fails, ok ? STEP_FAULT : STEP_PROGRESS, "the destination fails to do its part: ");
    }
    if (!ok) {
        return;
    }
    s.in_step[thread] = step;
    if (step < effects(a)) {
        add(m, &s, STEP_PROGRESS, BY_DESTINATION, "destination: ", machine_effect_name(fx));
        return;
    }
    s.in_doing[thread] = s.in_step[thread] = 0;
    if (a->posts) {
        m->posting = true;
        posts(m, &s, decide, a->posts, STEP_PROGRESS, "destination has done its part: ");
        m->posting = false;
    } else {
        add(m, &s, STEP_PROGRESS, BY_DESTINATION, "destination: ", fx >= 0 ? machine_effect_name(fx) : a->name);
    }
}

/* A stream that was saved is loaded once, and only when the source is out of it. */
static bool may_be_loaded(const Model *m, const ModelState *s)
{
    return !m->config->is_one_way || s->source == MODEL_GONE || (s->source == MIG_SAVED && !s->source_runs);
}

static void reader_ends(Model *m, int event, ModelClass class, const char *what)
{
    ModelState s = *m->from;

    s.reader_gone = true;
    s.tail_cut |= class == STEP_FAULT;
    each_choice(m, s, reader_decides, event, class, BY_DESTINATION, what);
}

static void reader_takes(Model *m)
{
    ModelState s = *m->from;
    unsigned token = model_take(s.to_destination);

    if (token >= MODEL_TOKEN_FRAME) {
        model_frame_taken(&s, token - MODEL_TOKEN_FRAME);
        add(m, &s, STEP_PROGRESS, BY_DESTINATION, "destination takes ", "a frame");
        return;
    }
    if (token - 1 == IEV_DEVICES && !may_be_loaded(m, &s)) {
        return;
    }
    s.is_alone |= token - 1 == IEV_RELEASE;
    if (token - 1 == IEV_TAIL_END) {
        model_open_gate(&s, true);
    }
    each_choice(m, s, reader_decides, token - 1, STEP_PROGRESS, BY_DESTINATION, "destination takes ");
}

/* Its answers have left; then it closes, and the gate has nothing to wait for. */
static void reader_closes(Model *m)
{
    ModelState s = *m->from;

    s.back = s.down = false;
    memset(s.to_destination, 0, sizeof(s.to_destination));
    model_open_gate(&s, s.tail_sent && !s.tail_cut);
    add(m, &s, STEP_PROGRESS, BY_DESTINATION, "destination closes", "");
}

static void reader_steps(Model *m)
{
    const ModelState *from = m->from;
    ModelState s = *from;

    if (from->reader_gone) {
        reader_closes(m);
        return;
    }
    if (from->destination == IN_REFUSED) {
        s.reader_gone = true;
        add(m, &s, STEP_PROGRESS, BY_DESTINATION, "destination reads no more", "");
        return;
    }
    if (from->destination == IN_NONE) {
        return;
    }
    if (from->to_destination[0]) {
        reader_takes(m);
    } else if (!from->down && from->met) {
        reader_ends(m, IEV_LOST, STEP_NOTICE, "destination sees the cut: ");
    }
    if (from->met) {
        reader_ends(m, IEV_LOST, STEP_FAULT, "destination loses the channel: ");
        reader_ends(m, IEV_ERROR, STEP_FAULT, "destination reads nonsense: ");
    }
}

static void destination_steps(Model *m)
{
    const ModelState *from = m->from;

    for (unsigned t = 0; t < 2; t++) {
        if (from->in_doing[t]) {
            destination_acts(m, t);
        }
    }
    if (!from->in_doing[READER]) {
        reader_steps(m);
    }
    if (!from->in_doing[MAIN_LOOP]) {
        int event = from->destination == IN_NONE ? IEV_LISTEN : IEV_CONT;

        each_choice(m, *from, main_loop_decides, event, STEP_MANAGER, BY_DESTINATION, "manager at the destination: ");
    }
    if (from->gate == GATE_TAIL && from->destination_runs) {
        ModelState s = *from;

        model_open_gate(&s, false);
        add(m, &s, STEP_DEADLINE, BY_DESTINATION, "destination waits no longer for the tail", "");
    }
}

/* ---- the world ---- */
static void network_steps(Model *m)
{
    bool before[] = {false, false}; /* an earlier frame is on the same way */

    for (unsigned k = 0; k < m->config->frames; k++) {
        ModelState s = *m->from;
        unsigned place = s.frame[k].place;
        bool there = place == FRAME_TO_DESTINATION;

        if (place == FRAME_FUTURE) {
            s.frame[k].place = s.turned ? FRAME_TO_DESTINATION : FRAME_TO_SOURCE;
            add(m, &s, STEP_ENV, BY_WORLD, "a frame is sent", "");
            return;
        }
        if (place < FRAME_ARRIVED && !before[there]) {
            model_frame_arrives(&s, k);
            add(m, &s, STEP_PROGRESS, there ? BY_DESTINATION : BY_SOURCE, "a frame arrives", "");
        }
        if (place < FRAME_ARRIVED) {
            before[there] = true;
        }
    }
}

static void disk_steps(Model *m)
{
    ModelState s = *m->from;

    s.writing = !s.writing;
    if (!s.writing) {
        add(m, &s, STEP_PROGRESS, BY_WORLD, "the write is on the disk", "");
    } else if (s.source_runs && s.source_disk) {
        add(m, &s, STEP_ENV, BY_WORLD, "the guest writes", "");
    }
}

static void wire_steps(Model *m)
{
    ModelState s = *m->from;
    unsigned n;

    if (s.down) {
        s.down = false;
        s.tail_cut = true;
        add(m, &s, STEP_FAULT, BY_WORLD, "the wire to the destination is cut", "");
    } else if ((n = model_length(s.to_destination))) {
        s.to_destination[n - 1] = 0;
        s.tail_cut = true;
        add(m, &s, STEP_FAULT, BY_WORLD, "the last message to the destination is lost", "");
    }
    s = *m->from;
    if (s.back) {
        s.back = false;
        s.tail_cut = s.back_cut = true;
        add(m, &s, STEP_FAULT, BY_WORLD, "the wire to the source is cut", "");
    } else if ((n = model_length(s.to_source))) {
        s.to_source[n - 1] = 0;
        s.tail_cut = s.back_cut = true;
        add(m, &s, STEP_FAULT, BY_WORLD, "the last message to the source is lost", "");
    }
}

static void kill_steps(Model *m)
{
    ModelState s = *m->from;

    if (s.source != MODEL_GONE) {
        s.source = MODEL_GONE;
        s.source_runs = s.source_disk = s.writing = s.has_channel = s.down = s.back = s.tail_waits = s.is_frozen = false;
        s.tail_cut = true;
        s.owner = s.owner == MODEL_SOURCE ? MODEL_NOBODY : s.owner;
        memset(s.to_source, 0, sizeof(s.to_source));
        memset(s.doing, 0, sizeof(s.doing));
        s.step = s.port = 0;
        for (unsigned k = 0; k < MODEL_FRAMES; k++) {
            s.frame[k].kept = s.frame[k].sent = false;
        }
        add(m, &s, STEP_FAULT, BY_WORLD, "the source is killed", "");
    }
    s = *m->from;
    if (s.destination != MODEL_GONE) {
        s.destination = MODEL_GONE;
        s.destination_runs = s.destination_disk = s.down = s.back = s.reader_gone = s.is_alone = false;
        s.tail_cut = true;
        s.owner_died_there |= s.owner == MODEL_DESTINATION;
        s.owner = s.owner == MODEL_DESTINATION ? MODEL_NOBODY : s.owner;
        s.gate = 0;
        memset(s.in_doing, 0, sizeof(s.in_doing));
        memset(s.in_step, 0, sizeof(s.in_step));
        memset(s.to_destination, 0, sizeof(s.to_destination));
        for (unsigned k = 0; k < MODEL_FRAMES; k++) {
            s.frame[k].cached = s.frame[k].waits = s.frame[k].in_destination = false;
        }
        add(m, &s, STEP_FAULT, BY_WORLD, "the destination is killed", "");
    }
}

void model_steps(Model *m, const ModelState *from)
{
    m->from = from;
    m->count = 0;
    if (from->source != MODEL_GONE) {
        source_steps(m);
    }
    if (from->destination != MODEL_GONE) {
        destination_steps(m);
    }
    network_steps(m);
    disk_steps(m);
    wire_steps(m);
    kill_steps(m);
}
