/* tests/unit/migration/model.c - what the steps of an action do to wire, harts, disks and frames; what may never be.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "model.h"

#include <string.h>

ModelTables model_tables(void)
{
    return (ModelTables){outgoing_spec, incoming_spec};
}

ModelState model_start(const ModelConfig *c)
{
    ModelState s;

    memset(&s, 0, sizeof(s));
    s.source = MIG_NONE;
    s.destination = IN_NONE;
    s.source_disk = s.smooth = true;
    s.source_runs = s.was_told = !c->is_paused;
    for (unsigned k = c->frames; k < MODEL_FRAMES; k++) {
        s.frame[k].place = FRAME_AT_THE_DEAD; /* there is none */
    }
    return s;
}

/* ---- the wire ---- */
void model_put(ModelState *s, uint8_t *queue, unsigned token)
{
    unsigned n = model_length(queue);

    if (n == MODEL_QUEUE) {
        s->wrong = WRONG_FLOOD;
    } else {
        queue[n] = token;
    }
}

unsigned model_take(uint8_t *queue)
{
    unsigned token = queue[0];

    memmove(queue, queue + 1, MODEL_QUEUE - 1);
    queue[MODEL_QUEUE - 1] = 0;
    return token;
}

unsigned model_length(const uint8_t *queue)
{
    unsigned n = 0;

    while (n < MODEL_QUEUE && queue[n]) {
        n++;
    }
    return n;
}

static int event_named(const MachineSpec *spec, const char *name, size_t length)
{
    for (int i = 0; i < spec->event_count; i++) {
        if (!strncmp(spec->events[i], name, length) && !spec->events[i][length]) {
            return i;
        }
    }
    return -1; /* ours alone: the other side has no row for it */
}

void model_put_all(ModelState *s, const char *names, const MachineSpec *to, uint8_t *queue)
{
    while (names && *names) {
        size_t length = strcspn(names, " ");
        int event = event_named(to, names, length);

        if (event >= 0) {
            model_put(s, queue, event + 1);
        }
        names += length + (names[length] == ' ');
    }
}

/* ---- frames ---- */
static void give_to_source(ModelState *s, unsigned k)
{
    s->wrong = s->frame[k].in_source ? WRONG_TWICE : s->wrong;
    for (unsigned j = k + 1; j < MODEL_FRAMES; j++) {
        s->wrong = s->frame[j].in_source ? WRONG_ORDER : s->wrong;
    }
    s->frame[k].in_source = true;
    s->frame[k].kept = false;
}

static void give_to_destination(ModelState *s, unsigned k)
{
    s->wrong = s->frame[k].in_destination ? WRONG_TWICE : s->wrong;
    for (unsigned j = k + 1; j < MODEL_FRAMES; j++) {
        s->wrong = s->frame[j].in_destination && !s->unordered ? WRONG_ORDER : s->wrong;
    }
    s->frame[k].in_destination = true;
    s->frame[k].cached = s->frame[k].waits = false;
}

static void forward(ModelState *s, unsigned k)
{
    s->frame[k].sent = true;
    if (s->has_channel && s->down) {
        model_put(s, s->to_destination, MODEL_TOKEN_FRAME + k);
    }
}

static void forward_kept(ModelState *s)
{
    for (unsigned k = 0; k < MODEL_FRAMES; k++) {
        if (s->frame[k].kept && !s->frame[k].sent) {
            forward(s, k);
        }
    }
}

static void arrives_at_source(ModelState *s, unsigned k)
{
    if (s->port == PORT_PASS) {
        give_to_source(s, k);
        return;
    }
    s->frame[k].kept = s->port != PORT_FORWARD;
    if (s->port != PORT_HOLD) {
        forward(s, k);
    }
}

static void arrives_at_destination(ModelState *s, unsigned k)
{
    s->frame[k].waits = true;
    if (s->gate == GATE_OPEN) {
        give_to_destination(s, k);
    }
}

void model_frame_arrives(ModelState *s, unsigned k)
{
    bool there = s->frame[k].place == FRAME_TO_DESTINATION;

    if ((there ? s->destination : s->source) == MODEL_GONE) {
        s->frame[k].place = FRAME_AT_THE_DEAD;
        return;
    }
    s->frame[k].place = FRAME_ARRIVED;
    if (there) {
        arrives_at_destination(s, k);
    } else {
        arrives_at_source(s, k);
    }
}

void model_frame_taken(ModelState *s, unsigned k)
{
    s->frame[k].cached = true;
    if (s->gate != GATE_CLOSED) {
        give_to_destination(s, k);
    }
}

void model_open_gate(ModelState *s, bool in_order)
{
    if (s->gate != GATE_TAIL) {
        return;
    }
    s->gate = GATE_OPEN;
    s->unordered |= !in_order;
    for (unsigned k = 0; k < MODEL_FRAMES; k++) {
        if (s->frame[k].waits) {
            give_to_destination(s, k);
        }
    }
}

/* ---- effects ---- */
bool model_can_fail(int fx)
{
    return fx == FX_CONNECT || fx == FX_SEND || fx == FX_TAIL || fx == FX_PAGES || fx == FX_DRAIN || fx == FX_SAVE ||
           fx == FX_LOAD || fx == FX_ACTIVATE;
}

static void hang_up(ModelState *s)
{
    if (s->has_channel) {
        s->tail_cut |= !s->tail_sent && !s->release_heard;
        s->has_channel = s->down = s->back = s->tail_waits = false;
        memset(s->to_source, 0, sizeof(s->to_source));
    }
}

static void save(ModelState *s)
{
    for (unsigned k = 0; k < MODEL_FRAMES; k++) {
        s->frame[k].in_destination = s->frame[k].in_source;
    }
    s->saved = true;
    forward_kept(s);
}

static void release_frames(ModelState *s)
{
    forward_kept(s);
    s->port = PORT_FORWARD;
    for (unsigned k = 0; k < MODEL_FRAMES; k++) {
        s->frame[k].kept = false;
    }
}

/* The source's port is gone: what is on its way there ends there, what is sent from now on goes to the destination. */
static void leave_network(ModelState *s)
{
    for (unsigned k = 0; k < MODEL_FRAMES; k++) {
        if (s->frame[k].place == FRAME_TO_SOURCE) {
            s->frame[k].place = FRAME_AT_THE_DEAD;
        }
    }
    s->turned = s->tail_sent = true;
}

void model_thaw(ModelState *s, bool was_after_run)
{
    if (!s->is_frozen) {
        return;
    }
    if (was_after_run != s->run_began) {
        s->wrong = WRONG_NETWORK;
    }
    s->turned &= !was_after_run;
    s->port = PORT_PASS;
    s->is_frozen = false;
    s->source_disk |= !s->destination_disk;
    for (unsigned k = 0; k < MODEL_FRAMES; k++) {
        if (s->frame[k].kept) {
            give_to_source(s, k);
        }
    }
}

/* What an effect relies on, as the engine's code does. */
static bool fits_source(const ModelState *s, int fx)
{
    switch ((Effect)fx) {
    case FX_CONNECT:
        return !s->has_channel;
    case FX_SEND:
    case FX_TAIL:
        return s->has_channel;
    case FX_BEGIN:
        return s->has_channel && !s->began;
    case FX_PAGES:
        return s->has_channel && s->began && !s->saved;
    case FX_FREEZE:
        return !s->is_frozen;
    case FX_DRAIN:
        return s->is_frozen;
    case FX_SAVE:
        return s->is_frozen && s->has_channel && s->clean && !s->saved;
    case FX_PARKED:
    case FX_RUN_SENT:
    case FX_RELEASED:
    case FX_LAST:
    case FX_LOST:
        return s->is_frozen && s->has_channel && s->saved;
    case FX_LEAVE:
        return !s->has_left && !s->source_runs && s->saved;
    default:
        return true;
    }
}

static void freeze(ModelState *s)
{
    s->is_frozen = true;
    s->was_running = s->source_runs;
    s->source_runs = false;
    s->port = PORT_HOLD;
}

bool model_source_effect(const Model *m, ModelState *s, const MachineAction *a, int fx)
{
    if (!fits_source(s, fx)) {
        s->wrong = WRONG_PLACE;
    }
    switch ((Effect)fx) {
    case FX_CONNECT:
        s->has_channel = s->met = true;
        s->down = s->destination != MODEL_GONE && !s->reader_gone;
        s->back = s->down && !m->config->is_one_way;
        break;
    case FX_HANG_UP:
        hang_up(s);
        break;
    case FX_SEND:
        if (s->down) {
            model_put_all(s, a->sends, &m->tables->in, s->to_destination);
        }
        break;
    case FX_TAIL:
        s->tail_waits = true;
        break;
    case FX_BEGIN:
        s->began = true;
        break;
    case FX_PAGES:
        s->clean = s->is_frozen && !s->source_disk; /* else the guest, or a device, may still change it */
        break;
    case FX_FREEZE:
        freeze(s);
        break;
    case FX_DRAIN:
        if (s->writing) {
            return false;
        }
        s->source_disk = false;
        break;
    case FX_SAVE:
        save(s);
        break;
    case FX_PARKED:
    case FX_RUN_SENT:
        if (s->port == PORT_HOLD) {
            s->port = PORT_COPY;
            forward_kept(s);
        }
        break;
    case FX_RELEASED:
        release_frames(s);
        break;
    case FX_LAST:
        leave_network(s);
        break;
    case FX_LOST:
        s->port = PORT_HOLD;
        break;
    case FX_TAKE_BACK:
    case FX_THAW:
        model_thaw(s, fx == FX_TAKE_BACK);
        break;
    case FX_RESUME:
        s->source_runs |= s->was_running;
        break;
    case FX_START:
        s->source_runs = true;
        s->source_disk |= !s->destination_disk;
        break;
    case FX_LEAVE:
        s->has_left = true;
        break;
    default:
        break;
    }
    if (s->source_runs) {
        s->has_left = s->clean = false;
    }
    return true;
}

static void answer(const Model *m, ModelState *s, const char *sends)
{
    if (s->owner == MODEL_DESTINATION && sends && strstr(sends, "GIVE_BACK")) {
        s->wrong = s->is_alone || m->config->is_one_way ? WRONG_PLACE : s->wrong; /* nobody is there to take it */
        s->owner = s->source == MODEL_GONE ? MODEL_NOBODY : MODEL_SOURCE;
    }
    if (s->back) {
        model_put_all(s, sends, &m->tables->out, s->to_source);
    }
}

static bool fits_destination(const ModelState *s, int fx)
{
    switch ((Effect)fx) {
    case FX_SEND:
        return s->met;
    case FX_LOAD:
        return s->met && !s->loaded;
    case FX_STAND:
        return s->loaded;
    case FX_ACTIVATE:
        return s->loaded && !s->destination_runs;
    case FX_STARTING:
        return s->destination_disk && s->gate == GATE_CLOSED && !s->destination_runs;
    case FX_STARTED:
        return s->destination_runs;
    case FX_ABANDON:
    case FX_GIVE_BACK:
        return !s->destination_runs;
    default:
        return true;
    }
}

bool model_destination_effect(const Model *m, ModelState *s, const MachineAction *a, int fx)
{
    if (!fits_destination(s, fx)) {
        s->wrong = WRONG_PLACE;
    }
    switch ((Effect)fx) {
    case FX_SEND:
        answer(m, s, a->sends);
        break;
    case FX_LOAD:
        s->loaded = true;
        break;
    case FX_STAND:
        s->stands = true;
        break;
    case FX_ACTIVATE:
        if (s->source_disk) {
            return false;
        }
        s->destination_disk = true;
        break;
    case FX_STARTING:
        s->gate = GATE_TAIL;
        for (unsigned k = 0; k < MODEL_FRAMES; k++) {
            if (s->frame[k].cached) {
                give_to_destination(s, k);
            }
        }
        break;
    case FX_START:
        s->destination_runs = true;
        break;
    case FX_STARTED:
        s->turned = true;
        break;
    case FX_GIVE_BACK:
        s->destination_disk = false;
        s->gave_up = true;
        break;
    case FX_ABANDON:
        s->gave_up = true;
        break;
    default:
        break;
    }
    return true;
}

/* ---- what may never be ---- */
static const char *source_wrong(const ModelState *s, const MachineState *facts)
{
    if (facts->owner == OWNER_DESTINATION && s->owner == MODEL_SOURCE && !s->was_released) {
        return "the source believes that the destination owns the guest, but it does not";
    }
    if ((s->source == MIG_UNSURE || s->source == MIG_HANDOVER) && !s->run_began) {
        return "the source is unsure, but has not sent RUN";
    }
    if (s->doing[0]) {
        return NULL; /* what follows was decided already, but not yet done: as in the engine */
    }
    if (facts->may_run == FACT_NO && s->source_runs) {
        return "the source runs in a state that forbids it";
    }
    if (facts->is_frozen != FACT_ANY && (facts->is_frozen == FACT_YES) != s->is_frozen) {
        return "the source's parts are not as its state promises";
    }
    if (facts->channel != FACT_ANY && (facts->channel == FACT_YES) != s->has_channel) {
        return "the source's channel is not as its state promises";
    }
    if (s->source == MIG_UNSURE && s->port != PORT_HOLD) {
        return "the source is unsure and does not keep its frames to itself";
    }
    if ((s->source == MIG_PARKED || s->source == MIG_HANDOVER) && s->port != PORT_COPY) {
        return "the source does not forward copies of its frames";
    }
    if ((facts->owner == OWNER_DESTINATION || s->source == MIG_SAVED) && !s->has_left && !s->source_runs) {
        return "the guest has left, and the run state does not say so";
    }
    if (facts->owner != OWNER_DESTINATION && s->source != MIG_SAVED && s->has_left) {
        return "the guest is here, and the run state says that it has left";
    }
    return NULL;
}

static const char *destination_wrong(const ModelState *s, const MachineState *facts)
{
    if (facts->owner == OWNER_DESTINATION && s->owner != MODEL_DESTINATION) {
        return "the destination believes that it owns the guest, but it does not";
    }
    if (facts->may_run == FACT_NO && s->destination_runs) {
        return "the destination runs in a state that forbids it";
    }
    if (s->destination == IN_REFUSED && !s->in_doing[0] && !s->in_doing[1] && !s->gave_up) {
        return "the destination has refused, and its parts hold on";
    }
    if ((s->destination == IN_PARKED || s->destination == IN_OWNED) && !s->in_doing[0] && !s->in_doing[1] && !s->stands) {
        return "the guest waits for 'cont', and the run state does not say so";
    }
    return NULL;
}

const char *model_wrong(const Model *m, const ModelState *s)
{
    static const char *const wrongs[] = {
        [WRONG_TWICE] = "a frame is given to the guest twice",
        [WRONG_ORDER] = "frames are given to the guest out of order",
        [WRONG_FLOOD] = "the messages or actions have no end",
        [WRONG_WRITE] = "a write is under way while the other side has the disk",
        [WRONG_PLACE] = "an action's step is done where it cannot be done",
        [WRONG_NETWORK] = "the network is told of a guest that never left, or not told of one that is back",
        [WRONG_POST] = "the end of an action means nothing in its state",
    };
    const char *why = NULL;

    if (s->wrong) {
        return wrongs[s->wrong];
    }
    if (s->source_runs && s->destination_runs) {
        return "both sides run the guest";
    }
    if ((s->source_runs && s->owner != MODEL_SOURCE) || (s->destination_runs && s->owner != MODEL_DESTINATION)) {
        return "a side runs the guest that does not own it";
    }
    if (s->source_runs && s->is_frozen) {
        return "the guest runs while its parts hold what arrives";
    }
    if ((s->source_runs && !s->was_told) ||
        (s->destination_runs && !s->told_there && (m->config->is_parked || !s->was_running))) {
        return "a guest that shall stand still runs";
    }
    if (s->source_disk && s->destination_disk) {
        return "both sides have locked the disk";
    }
    if ((s->source_runs && !s->source_disk) || (s->destination_runs && !s->destination_disk)) {
        return "the guest runs without its disk";
    }
    if (s->writing && !s->source_disk) {
        return wrongs[WRONG_WRITE];
    }
    if (s->source != MODEL_GONE) {
        why = source_wrong(s, &m->tables->out.states[s->source]);
    }
    if (!why && s->destination != MODEL_GONE) {
        why = destination_wrong(s, &m->tables->in.states[s->destination]);
    }
    return why;
}
