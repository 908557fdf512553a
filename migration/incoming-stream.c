/* migration/incoming-stream.c - the thread that reads the stream, and what it makes of each element.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every byte comes from outside. */
#include "migration/incoming-private.h"

#include "migration/params.h"
#include "migration/parts.h"
#include "migration/states.h"
#include "system/ram.h"
#include "system/runstate.h"
#include "system/vm-lock.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/loop.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static bool bad(Incoming *n, GError **errp, const char *what)
{
    return fail(errp, "%s: %s", channel_name(n->channel), what);
}

#define GOODBYE_NS (10 * NS_PER_SEC)
#define GOODBYE_BYTES (4ull << 30)
#define GOODBYE_PIECE (256u * 1024)

/* Until the device state is here, other work of this host comes first; from then on every moment counts. */
static void be_patient(bool on)
{
    struct sched_param none = {0};

    sched_setscheduler(0, on ? SCHED_BATCH : SCHED_OTHER, &none);
}

/* ---- state ---- */
static bool load_bytes(const uint8_t *data, size_t size, GError **errp)
{
    StateReader r;
    bool ok;

    state_reader_init(&r, data, size, "device state");
    vm_lock();
    ok = states_load(&r, errp);
    vm_unlock();
    return ok;
}

static bool finish_load(Incoming *n, const uint8_t *data, size_t size, GError **errp)
{
    int64_t began = time_monotonic_ns();

    n->state_ns = began;
    incoming_step(IEV_DEVICES);
    if (incoming_state() != IN_LOADING) {
        return bad(n, errp, "device state comes at the wrong place");
    }
    if (!n->ram || !n->ram->has_blocks) {
        if (ram_count()) {
            return bad(n, errp, "device state comes before the memory");
        }
    }
    if (!load_bytes(data, size, errp) || !states_check_all(errp) || !parts_reach(errp) || !parts_check(errp)) {
        return false;
    }
    n->source_ran = !strcmp(states_loaded_run_state(), "running");
    g_mutex_lock(&n->lock);
    n->tails_left = parts_talking();
    g_mutex_unlock(&n->lock);
    n->load_ns = time_monotonic_ns() - began;
    n->run_ns = time_monotonic_ns();
    incoming_step(IEV_LOADED);
    return true;
}

static bool take_package(Incoming *n, unsigned number, const uint8_t *payload, GError **errp)
{
    uint32_t size = load_be32(payload);
    g_autoptr(GByteArray) data = NULL;

    be_patient(false);
    if (number == CMD_PACKAGED) {
        atomic_store(&n->prefault_until_ns, 0);
    } else if (n->ram || incoming_state() != IN_ACTIVE) { /* later it would change a guest that is whole, or that runs */
        return bad(n, errp, "the first device state comes at the wrong place");
    }
    if (size > PACKAGE_MAX) {
        return bad(n, errp, "the device state is too long");
    }
    data = stream_take(n->in, size, errp);
    if (!data) {
        return false;
    }
    return number == CMD_SETUP ? load_bytes(data->data, size, errp) : finish_load(n, data->data, size, errp);
}

/* A one-way stream: what is left is device state up to its end, the byte `first` being taken already. */
static bool take_rest(Incoming *n, uint8_t first, GError **errp)
{
    GByteArray *rest = stream_slurp(n->in, PACKAGE_MAX + DESCRIPTION_MAX, errp);
    bool ok;

    if (!rest) {
        return false;
    }
    g_byte_array_prepend(rest, &first, 1);
    ok = finish_load(n, rest->data, rest->len, errp);
    g_byte_array_unref(rest);
    return ok;
}

/* ---- commands ---- */
static bool take_hello(Incoming *n, const uint8_t *payload, unsigned size, GError **errp)
{
    StateReader r;

    state_reader_init(&r, payload, size, "hello");
    if (n->is_alone || n->source.attempt) {
        return bad(n, errp, n->is_alone ? "the source wants answers, which this channel cannot carry"
                                        : "a second hello");
    }
    if (!hello_check(&r, &n->source, errp)) {
        n->machine.attempt = n->source.attempt;
        return false;
    }
    if (state_left(&r)) {
        return bad(n, errp, "the hello has the wrong length");
    }
    if (!n->source.attempt) {
        return bad(n, errp, "a hello without a number");
    }
    n->machine.attempt = n->source.attempt;
    incoming_step(IEV_HELLO);
    return true;
}

static bool take_message(Incoming *n, uint32_t size, GError **errp)
{
    g_autofree uint8_t *data = NULL;

    if (size > HANDOFF_MESSAGE_MAX + 256) {
        return bad(n, errp, "a message is too long");
    }
    data = g_malloc(size + 1);
    return stream_get(n->in, data, size, errp) && parts_deliver(data, size, errp);
}

/* It says no more than this: the reason is the source's, or its manager's. */
static void take_cancel(Incoming *n)
{
    GError *err = NULL;

    fail(&err, "%s: the source took the guest back", channel_name(n->channel));
    incoming_error(IEV_CANCEL, err);
}

/* Our source sends it to a parked destination only; anywhere else it is damage, and to believe it would make two owners. */
static bool take_release(Incoming *n, GError **errp)
{
    bool is_parked;

    g_mutex_lock(&n->lock);
    is_parked = n->machine.state == IN_PARKED || n->machine.state == IN_ASKED;
    n->is_alone |= is_parked;
    g_mutex_unlock(&n->lock);
    if (!is_parked) {
        return bad(n, errp, "RELEASE comes at the wrong place");
    }
    parts_owned();
    incoming_step(IEV_RELEASE);
    return true;
}

static bool take_attempt_command(Incoming *n, unsigned number, const uint8_t *payload, GError **errp)
{
    if (load_be64(payload) != n->machine.attempt) {
        return bad(n, errp, "a message of another attempt"); /* a connection carries one: these bytes are damaged */
    }
    switch (number) {
    case CMD_PREPARE:
        incoming_step(IEV_PREPARE);
        return true;
    case CMD_RUN:
        n->run_ns = time_monotonic_ns();
        incoming_step(IEV_RUN);
        return true;
    case CMD_RELEASE:
        return take_release(n, errp);
    case CMD_CANCEL:
        take_cancel(n);
        return true;
    case CMD_TAIL_END:
        g_mutex_lock(&n->lock);
        n->tail_end_came = true;
        g_mutex_unlock(&n->lock);
        incoming_check_tail();
        return true;
    default:
        return take_message(n, load_be32(payload + 8), errp);
    }
}

static const struct {
    unsigned number, size;
} lengths[] = {
    {CMD_PACKAGED, 4}, {CMD_SETUP, 4},    {CMD_SWITCHOVER_START, 0}, {CMD_RUN, 8},
    {CMD_RELEASE, 8},  {CMD_CANCEL, CANCEL_SIZE},   {CMD_TAIL_END, 8},         {CMD_MESSAGE, 12},
    {CMD_PREPARE, 8},
};

static bool check_command(Incoming *n, unsigned number, unsigned size, GError **errp)
{
    if (number == CMD_HELLO) {
        return true;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
        if (lengths[i].number == number) {
            if (!n->is_alone && !n->source.attempt) {
                return bad(n, errp, "the stream does not begin with a hello");
            }
            return lengths[i].size == size || bad(n, errp, "a command has the wrong length");
        }
    }
    return fail(errp, "%s: unknown command %u", channel_name(n->channel), number);
}

static bool take_command(Incoming *n, GError **errp)
{
    g_autofree uint8_t *payload = NULL;
    uint16_t number, size;

    if (!stream_get_be16(n->in, &number, errp) || !stream_get_be16(n->in, &size, errp) ||
        !check_command(n, number, size, errp)) {
        return false;
    }
    payload = g_malloc(size + 1);
    if (!stream_get(n->in, payload, size, errp)) {
        return false;
    }
    switch (number) {
    case CMD_HELLO:
        return take_hello(n, payload, size, errp);
    case CMD_PACKAGED:
    case CMD_SETUP:
        return take_package(n, number, payload, errp);
    case CMD_SWITCHOVER_START:
        return true;
    default:
        return take_attempt_command(n, number, payload, errp);
    }
}

/* ---- elements ---- */
static bool take_ram(Incoming *n, unsigned type, GError **errp)
{
    uint32_t id, instance, version, footer_id;
    char name[256];
    uint8_t mark;

    if (incoming_state() != IN_ACTIVE) {
        return bad(n, errp, "memory comes at the wrong place");
    }
    if (!stream_get_be32(n->in, &id, errp)) {
        return false;
    }
    if (type == SECTION_START) {
        if (!stream_get_str8(n->in, name, errp) || !stream_get_be32(n->in, &instance, errp) ||
            !stream_get_be32(n->in, &version, errp)) {
            return false;
        }
        if (strcmp(name, "ram") || instance || version != 4 || n->ram) {
            return fail(errp, "%s: unknown live section '%s' version %u", channel_name(n->channel), name, version);
        }
        n->ram = ram_load_new(n->in);
    }
    if (!n->ram || id != RAM_SECTION_ID) {
        return bad(n, errp, "a section that was never started");
    }
    if (!ram_load_section(n->ram, errp) || !stream_get_u8(n->in, &mark, errp) ||
        !stream_get_be32(n->in, &footer_id, errp)) {
        return false;
    }
    return (mark == SECTION_FOOTER && footer_id == id) || bad(n, errp, "the section 'ram' has the wrong length");
}

static bool take_header(Incoming *n, GError **errp)
{
    uint32_t magic, version, size;
    uint8_t type;
    char machine[256];

    if (!stream_get_be32(n->in, &magic, errp) || !stream_get_be32(n->in, &version, errp)) {
        return false;
    }
    if (magic != STREAM_MAGIC || version != STREAM_VERSION) {
        return bad(n, errp, "this is not a migration stream");
    }
    if (!stream_get_u8(n->in, &type, errp) || !stream_get_be32(n->in, &size, errp)) {
        return false;
    }
    if (type != SECTION_CONFIGURATION || size > 255) {
        return bad(n, errp, "the stream does not say which machine it is of");
    }
    if (!stream_get(n->in, machine, size, errp)) {
        return false;
    }
    machine[size] = 0;
    if (!bytes_are_text(machine, size)) {
        return bad(n, errp, "the machine's name holds bytes that are no text");
    }
    return !strcmp(machine, hello_machine()) ||
           fail(errp, "the guest comes from machine '%s', this is '%s'", machine, hello_machine());
}

/* *ret_over: nothing more will come. */
static bool take_element(Incoming *n, bool *ret_over, GError **errp)
{
    uint8_t type;

    if (!stream_next(n->in, &type, errp)) {
        return false;
    }
    if (type == SECTION_COMMAND) {
        return take_command(n, errp);
    }
    if (!n->is_alone && !n->source.attempt) {
        return bad(n, errp, "the stream does not begin with a hello");
    }
    switch (type) {
    case SECTION_START:
    case SECTION_PART:
    case SECTION_END:
        return take_ram(n, type, errp);
    case SECTION_FULL:
    case SECTION_EOF:
        *ret_over = true;
        return n->is_alone ? take_rest(n, type, errp) : bad(n, errp, "a section outside of the package");
    }
    return fail(errp, "%s: unknown section type 0x%02x", channel_name(n->channel), type);
}

/* ---- the thread ---- */
static bool open_channel(Incoming *n, GError **errp)
{
    n->channel = n->listener >= 0 ? channel_accept(n->listener, n->address, n->interrupt, CHANNEL_FOREVER, errp)
                                  : channel_open(n->address, false, n->interrupt, CHANNEL_FOREVER, errp);
    if (n->listener >= 0) {
        channel_listen_end(n->listener, n->address);
        n->listener = -1;
    }
    if (!n->channel) {
        return false;
    }
    n->in = stream_in_new(n->channel);
    incoming_start_writer(n);
    if (!take_header(n, errp)) {
        return false;
    }
    if (n->is_alone) {
        incoming_step(IEV_HELLO);
    }
    return true;
}

static void exit_failed(void *opaque)
{
    vm_request_shutdown(SHUTDOWN_HOST_QMP_QUIT, 1);
}

/* A socket that is closed with unread bytes takes back what we wrote to it last: the reason.  So our end is closed for
 * writing, and the source's bytes are taken until it has hung up, within bounds.  A source that is frozen for a moment is
 * told when it wakes up. */
static void say_goodbye(Incoming *n)
{
    int64_t deadline = time_monotonic_ns() + GOODBYE_NS;
    uint64_t taken = 0;
    size_t got;

    if (!n->channel || !channel_is_socket(n->channel)) {
        return;
    }
    channel_hang_up(n->channel);
    if (incoming_state() == IN_REFUSED) {
        g_autofree uint8_t *sink = g_malloc(GOODBYE_PIECE);

        while (taken < GOODBYE_BYTES && channel_read(n->channel, sink, GOODBYE_PIECE, deadline, &got, NULL)) {
            taken += got;
        }
    }
}

static void close_channel(Incoming *n)
{
    incoming_end_writer(n);
    say_goodbye(n);
    incoming_wait_prefault(n);
    parts_peer_gone();
    ram_load_free(n->ram);
    stream_in_free(n->in);
    n->ram = NULL;
    n->in = NULL;
    channel_free(n->channel);
    n->channel = NULL;
    g_mutex_lock(&n->lock);
    n->is_closed = true;
    g_cond_broadcast(&n->wake);
    g_mutex_unlock(&n->lock);
}

void *incoming_thread(void *opaque)
{
    Incoming *n = opaque;
    GError *err = NULL;
    bool over = false;

    if (open_channel(n, &err)) {
        be_patient(true);
        while (!over && incoming_state() != IN_REFUSED && take_element(n, &over, &err)) {
        }
    }
    if (err) {
        incoming_error(n->channel && channel_at_end(n->channel) ? IEV_LOST : IEV_ERROR, err);
    } else if (over) {
        incoming_step(IEV_LOST); /* a one-way stream has ended */
    }
    close_channel(n);
    if (n->exit_wanted) {
        loop_call(exit_failed, NULL);
    }
    return NULL;
}
