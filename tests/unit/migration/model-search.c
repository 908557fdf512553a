/* tests/unit/migration/model-search.c - every state that can be reached, and how it goes on from there.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Safety: model_wrong() of each state.  Liveness: whatever happened so far, if no further fault comes, all goes on until
 * nothing is left to do, and then somebody runs the guest, or it is clear why not.  This also with a wire that is dead
 * without a sign, and with either process stopped for good. */
#include "model.h"

#include <string.h>

const ModelConfig model_configs[] = {
    {"direct"},
    {"parked", .is_parked = true},
    {"pause", .wants_pause = true},
    {"one-way", .is_one_way = true},
    {"one-way, parked", .is_one_way = true, .is_parked = true},
    {"one-way, pause", .is_one_way = true, .wants_pause = true},
    {"stopped by the user", .is_paused = true},
    {"one-way, stopped by the user", .is_one_way = true, .is_paused = true},
    {"pause, one frame", .wants_pause = true, .frames = 1},
    {"direct, two frames", .frames = 2},
    {"parked, two frames", .is_parked = true, .frames = 2},
};
const unsigned model_config_count = G_N_ELEMENTS(model_configs);

typedef struct Edge {
    uint32_t to;
    uint8_t class, who;
} Edge;

typedef struct Search {
    Model m;
    GArray *nodes, *parents, *edges, *first_edge; /* ModelState, uint32, Edge, uint32 */
    uint32_t *slots, mask;                        /* node + 1 */
    unsigned transitions;
    bool tell;
    char *wrong;
} Search;

/* ---- the set of states ---- */
static const ModelState *node(const Search *s, uint32_t i)
{
    return &g_array_index(s->nodes, ModelState, i);
}

static uint32_t hash(const ModelState *s)
{
    const uint32_t *words = (const uint32_t *)s;
    uint64_t h = 14695981039346656037ull;

    for (size_t i = 0; i < sizeof(*s) / 4; i++) {
        h = (h ^ words[i]) * 1099511628211ull;
        h ^= h >> 29;
    }
    return h ^ h >> 32;
}

static uint32_t *slot_of(const Search *s, const ModelState *wanted)
{
    uint32_t at = hash(wanted) & s->mask;

    while (s->slots[at] && memcmp(node(s, s->slots[at] - 1), wanted, sizeof(*wanted))) {
        at = (at + 1) & s->mask;
    }
    return &s->slots[at];
}

static void grow(Search *s)
{
    s->mask = s->mask * 2 + 1;
    s->slots = g_renew(uint32_t, s->slots, (size_t)s->mask + 1);
    memset(s->slots, 0, ((size_t)s->mask + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < s->nodes->len; i++) {
        *slot_of(s, node(s, i)) = i + 1;
    }
}

static uint32_t number_of(Search *s, const ModelState *state, uint32_t parent, bool *ret_is_new)
{
    uint32_t *slot = slot_of(s, state);

    *ret_is_new = !*slot;
    if (!*slot) {
        g_array_append_val(s->nodes, *state);
        g_array_append_val(s->parents, parent);
        *slot = s->nodes->len;
        if (s->nodes->len > s->mask / 2) {
            grow(s);
            return s->nodes->len - 1;
        }
    }
    return *slot - 1;
}

/* ---- telling ---- */
static const char *state_name(const MachineSpec *spec, unsigned state)
{
    return state == MODEL_GONE ? "gone" : spec->states[state].name;
}

static void tell_step(Search *s, uint32_t from, uint32_t to)
{
    const ModelState *next = node(s, to);

    model_steps(&s->m, node(s, from));
    for (unsigned i = 0; i < s->m.count; i++) {
        if (!memcmp(&s->m.steps[i].next, next, sizeof(*next))) {
            g_test_message("  %s%s -> source %s%s%s, destination %s%s%s", s->m.steps[i].what, s->m.steps[i].name,
                           state_name(&s->m.tables->out, next->source), next->source_runs ? " runs" : "",
                           next->source_disk ? " disk" : "", state_name(&s->m.tables->in, next->destination),
                           next->destination_runs ? " runs" : "", next->destination_disk ? " disk" : "");
            return;
        }
    }
}

static void tell_path(Search *s, uint32_t at)
{
    uint32_t parent = g_array_index(s->parents, uint32_t, at);

    if (parent != at) {
        tell_path(s, parent);
        tell_step(s, parent, at);
    }
}

static void found(Search *s, uint32_t at, const char *when, const char *why)
{
    if (s->wrong) {
        return;
    }
    s->wrong = g_strdup_printf("%s: %s%s", s->m.config->name, when, why);
    if (s->tell) {
        g_test_message("%s", s->wrong);
        tell_path(s, at);
    }
}

/* ---- what can be reached ---- */
static void expand(Search *s, uint32_t at)
{
    ModelState from = *node(s, at);

    model_steps(&s->m, &from);
    g_array_append_val(s->first_edge, s->edges->len);
    s->transitions += s->m.count;
    for (unsigned i = 0; i < s->m.count; i++) {
        const ModelStep *step = &s->m.steps[i];
        bool is_new;
        Edge e = {number_of(s, &step->next, at, &is_new), step->class, step->who};
        const char *why = is_new ? model_wrong(&s->m, &step->next) : NULL;

        if (step->class < STEP_ENV && e.to != at) {
            g_array_append_val(s->edges, e);
        }
        if (why) {
            found(s, e.to, "", why);
            return;
        }
    }
}

static void explore(Search *s)
{
    ModelState start = model_start(s->m.config);
    bool is_new;

    number_of(s, &start, 0, &is_new);
    for (uint32_t at = 0; at < s->nodes->len && !s->wrong; at++) {
        expand(s, at);
    }
    g_array_append_val(s->first_edge, s->edges->len);
}

static const Edge *edges_of(const Search *s, uint32_t at, unsigned *ret_count)
{
    uint32_t first = g_array_index(s->first_edge, uint32_t, at);

    *ret_count = g_array_index(s->first_edge, uint32_t, at + 1) - first;
    return &g_array_index(s->edges, Edge, first);
}

/* ---- how it ends ---- */
typedef enum Variant { ALL_GOES_ON, SILENT_WIRE, SOURCE_STOPPED, DESTINATION_STOPPED, SMOOTH, VARIANTS } Variant;

static const char *const variant_names[VARIANTS] = {
    "it ends so: ",
    "with a wire that is dead without a sign it ends so: ",
    "with the source stopped it ends so: ",
    "with the destination stopped it ends so: ",
    "without any fault it ends so: ",
};

static bool goes_on(Variant v, const Edge *e)
{
    switch (v) {
    case ALL_GOES_ON:
        return e->class <= STEP_DEADLINE;
    case SILENT_WIRE:
        return e->class == STEP_PROGRESS || e->class == STEP_DEADLINE;
    case SOURCE_STOPPED:
        return e->class <= STEP_DEADLINE && e->who != BY_SOURCE;
    case DESTINATION_STOPPED:
        return e->class <= STEP_DEADLINE && e->who != BY_DESTINATION;
    default:
        return e->class <= STEP_NOTICE;
    }
}

static bool waits_for_manager(const Model *m, const ModelState *s)
{
    if (s->owner == MODEL_DESTINATION) {
        return s->destination == IN_OWNED && (s->is_alone || m->config->is_one_way);
    }
    return (s->source == MIG_PRE_SWITCHOVER && m->config->wants_pause) || (s->source == MIG_PARKED && s->was_parked) ||
           (s->source == MIG_KEPT && s->was_parked) || (s->source == MIG_SAVED && m->config->is_one_way);
}

static const char *frames_wrong(const Model *m, const ModelState *s)
{
    for (unsigned k = 0; k < m->config->frames; k++) {
        const ModelFrame *f = &s->frame[k];

        if (f->place != FRAME_ARRIVED || (s->was_released && s->owner == MODEL_SOURCE)) {
            continue; /* RELEASE did not arrive: a source that was told to quit keeps nothing */
        }
        if (s->owner == MODEL_SOURCE && !f->in_source && (s->source_runs || !f->kept) && !s->owner_died_there) {
            return "a frame is not with the source, which owns the guest";
        }
        if (s->owner == MODEL_DESTINATION && !f->in_destination) {
            bool is_here = f->cached || f->waits;

            if (s->destination_runs ? is_here || !s->tail_cut : !is_here && !f->kept && !s->tail_cut) {
                return "a frame is not with the destination, which owns the guest";
            }
        }
    }
    return NULL;
}

static const char *never_ends(const ModelState *s)
{
    switch (s->source) {
    case MIG_SETUP:
    case MIG_ACTIVE:
    case MIG_PREPARING:
    case MIG_PREPARED:
    case MIG_DEVICE:
    case MIG_HANDOVER:
    case MIG_CANCELLING:
    case MIG_COMPLETED:
    case MIG_RELEASED:
        return "the source's attempt never comes to an end";
    }
    if (s->source == MIG_UNSURE && s->destination == IN_REFUSED && !s->in_doing[0] && s->has_channel && !s->back_cut &&
        !s->to_source[0]) {
        return "the destination has refused, and did not say so";
    }
    return s->source == MIG_UNSURE && s->was_answered ? "the source was answered and is still unsure" : NULL;
}

static bool is_waiting(const Model *m, const ModelState *s)
{
    bool is_alone = s->is_alone || m->config->is_one_way;

    if (s->reader_gone && s->destination != IN_REFUSED && s->destination != IN_COMPLETED && !is_alone) {
        return true; /* for what nobody will hear */
    }
    return s->destination == IN_LOADING || s->destination == IN_READY || s->destination == IN_ASKED ||
           s->destination == IN_STARTING;
}

static const char *owner_wrong(const Model *m, const ModelState *s, Variant v)
{
    const char *why = v == SOURCE_STOPPED ? NULL : never_ends(s);

    if (why) {
        return why;
    }
    if (v == ALL_GOES_ON && is_waiting(m, s)) {
        return "the destination waits for ever";
    }
    if (!s->was_told && s->owner == MODEL_SOURCE) {
        return v == ALL_GOES_ON ? frames_wrong(m, s) : NULL;
    }
    if (s->owner == MODEL_DESTINATION && v != DESTINATION_STOPPED && !s->destination_runs && !waits_for_manager(m, s)) {
        return "the destination owns the guest and does not run it";
    }
    if (s->owner == MODEL_SOURCE && v != SOURCE_STOPPED && !s->source_runs && s->source != MIG_UNSURE &&
        !(s->was_released && !s->is_alone) && !waits_for_manager(m, s)) { /* a RELEASE that came has to be taken */
        return "the source owns the guest and does not run it";
    }
    return v == ALL_GOES_ON || v == SILENT_WIRE ? frames_wrong(m, s) : NULL;
}

static const char *smooth_wrong(const Model *m, const ModelState *s, bool can_be_told)
{
    bool done = m->config->is_one_way ? s->source == MIG_SAVED : s->source == MIG_FINISHED;

    if (s->source == MIG_NONE || waits_for_manager(m, s)) {
        return can_be_told ? NULL : "a command is waited for that is not possible";
    }
    if (!done || !s->destination_runs || (s->destination != IN_COMPLETED && !m->config->is_one_way)) {
        return "the guest was not handed over";
    }
    return s->unordered && m->config->frames ? "the order of the frames is not known" : frames_wrong(m, s);
}

/* Where a command has to come, it is possible, and things go on without a fault. */
static bool can_be_told(const Search *s, const Edge *e, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (e[i].class == STEP_MANAGER && node(s, e[i].to)->smooth) {
            return true;
        }
    }
    return false;
}

static void judge_end(Search *s, uint32_t at, Variant v, const Edge *e, unsigned count)
{
    const ModelState *state = node(s, at);
    const char *why = v == SMOOTH ? smooth_wrong(&s->m, state, can_be_told(s, e, count)) : owner_wrong(&s->m, state, v);

    if (why) {
        found(s, at, variant_names[v], why);
    }
}

static void judge_ends(Search *s)
{
    for (uint32_t at = 0; at < s->nodes->len && !s->wrong; at++) {
        unsigned count;
        const Edge *e = edges_of(s, at, &count);

        for (unsigned v = 0; v < VARIANTS; v++) {
            bool moves = v == SMOOTH && !node(s, at)->smooth;

            for (unsigned i = 0; i < count && !moves; i++) {
                moves = goes_on(v, &e[i]);
            }
            if (!moves) {
                judge_end(s, at, v, e, count);
            }
        }
    }
}

/* ---- nothing goes round for ever ---- */
static void judge_circles(Search *s)
{
    uint8_t *colour = g_malloc0(s->nodes->len); /* 1: on the path, 2: done */
    uint32_t *at = g_new(uint32_t, s->nodes->len), *edge = g_new(uint32_t, s->nodes->len);

    for (uint32_t root = 0; root < s->nodes->len && !s->wrong; root++) {
        uint32_t depth = 0;

        if (colour[root]) {
            continue;
        }
        at[0] = root;
        edge[0] = 0;
        colour[root] = 1;
        for (;;) {
            unsigned count;
            const Edge *e = edges_of(s, at[depth], &count);

            if (edge[depth] < count) {
                e += edge[depth]++;
                if (!goes_on(ALL_GOES_ON, e) || colour[e->to] == 2) {
                    continue;
                }
                if (colour[e->to] == 1) {
                    found(s, e->to, "", "it goes round for ever from here");
                    break;
                }
                colour[e->to] = 1;
                at[++depth] = e->to;
                edge[depth] = 0;
            } else {
                colour[at[depth]] = 2;
                if (!depth--) {
                    break;
                }
            }
        }
    }
    g_free(colour);
    g_free(at);
    g_free(edge);
}

/* ---- where the manager is waited for, a word at the owner's side is enough, without any help of the other side ---- */
static void mark_who_can_run(const Search *s, uint8_t *can_run)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (uint32_t at = s->nodes->len; at-- > 0;) {
            const ModelState *n = node(s, at);
            unsigned count, mask = n->source_runs | n->destination_runs << 1;
            const Edge *e = edges_of(s, at, &count);

            for (unsigned i = 0; i < count; i++) {
                if (goes_on(ALL_GOES_ON, &e[i])) {
                    mask |= can_run[e[i].to] & (e[i].who == BY_WORLD ? 3 : 1 << (e[i].who == BY_DESTINATION));
                }
            }
            changed |= mask != can_run[at];
            can_run[at] = mask;
        }
    }
}

static bool needs_a_word(const Model *m, const ModelState *s)
{
    return !s->source_runs && !s->destination_runs && !m->config->is_one_way &&
           (waits_for_manager(m, s) ? s->owner != MODEL_NOBODY : s->source == MIG_UNSURE && s->destination == MODEL_GONE);
}

static void judge_commands(Search *s)
{
    uint8_t *can_run = g_malloc0(s->nodes->len);

    mark_who_can_run(s, can_run);
    for (uint32_t at = 0; at < s->nodes->len && !s->wrong; at++) {
        const ModelState *n = node(s, at);
        unsigned count, who = n->owner == MODEL_DESTINATION ? BY_DESTINATION : BY_SOURCE;
        const Edge *e = edges_of(s, at, &count);
        bool helps = false, moves = false;

        for (unsigned i = 0; i < count; i++) {
            helps |= e[i].class == STEP_MANAGER && e[i].who == who && can_run[e[i].to] & 1u << (who == BY_DESTINATION);
            moves |= goes_on(ALL_GOES_ON, &e[i]);
        }
        if (!moves && !helps && needs_a_word(&s->m, n)) {
            found(s, at, "", "no command at the owner's side makes the guest run");
        }
    }
    g_free(can_run);
}

ModelResult model_search(const ModelTables *t, const ModelConfig *c, bool tell, ModelUse *used)
{
    Search *s = g_new0(Search, 1);
    ModelResult result;

    s->m.tables = t;
    s->m.config = c;
    s->m.used = used;
    s->tell = tell;
    s->nodes = g_array_new(FALSE, FALSE, sizeof(ModelState));
    s->parents = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    s->edges = g_array_new(FALSE, FALSE, sizeof(Edge));
    s->first_edge = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    s->mask = 0x1fff;
    grow(s);
    explore(s);
    if (!s->wrong) {
        judge_ends(s);
        judge_circles(s);
        judge_commands(s);
    }
    result = (ModelResult){s->nodes->len, s->transitions, s->wrong};
    g_array_free(s->nodes, TRUE);
    g_array_free(s->parents, TRUE);
    g_array_free(s->edges, TRUE);
    g_array_free(s->first_edge, TRUE);
    g_free(s->slots);
    g_free(s);
    return result;
}

/* ---- rows that nothing needs ---- */
static const struct {
    int side, state, event;
    const char *why;
} needless[] = {
    {0, MIG_SAVED, EV_MIGRATE, "one attempt is searched: a new one has a new channel, a new number and a new destination"},
    {0, MIG_CANCELLED, EV_MIGRATE, "likewise"},
    {0, MIG_FAILED, EV_MIGRATE, "likewise"},
    {0, MIG_COMPLETED, EV_ERROR, "a destination that runs the guest refuses nothing; another program might"},
    {1, IN_NONE, IEV_CONT, "a process that expects no guest: the row is there so that an ordinary 'cont' is answered"},
    {1, IN_LISTENING, IEV_CANCEL, "our source says CANCEL to a parked destination; to others the closed channel says it"},
    {1, IN_ACTIVE, IEV_CANCEL, "likewise"},
    {1, IN_LOADING, IEV_CANCEL, "likewise"},
    {1, IN_READY, IEV_CANCEL, "likewise"},
    {1, IN_PARKED, IEV_RUN, "our source sends RUN to a parked destination only when asked; another program might"},
};

static bool is_needless(int side, int state, int event)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(needless); i++) {
        if (needless[i].side == side && needless[i].state == state && needless[i].event == event) {
            return true;
        }
    }
    return false;
}

char *model_unused(const ModelTables *t, const ModelUse *used)
{
    const MachineSpec *specs[] = {&t->out, &t->in};

    for (int side = 0; side < 2; side++) {
        for (int r = 0; r < specs[side]->row_count; r++) {
            const MachineRow *row = &specs[side]->rows[r];

            for (const int8_t *s = row->from; *s >= 0; s++) {
                if (!(used->from[side][r] & 1u << *s) && !is_needless(side, *s, row->event)) {
                    return g_strdup_printf("%s: row %d is never taken: %s in '%s'", specs[side]->name, r + 1,
                                           specs[side]->events[row->event], specs[side]->states[*s].name);
                }
            }
        }
    }
    return NULL;
}
