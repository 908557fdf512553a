/* tests/fuzz/incoming.c - a whole stream into the real incoming thread, with answers, parts and the start of the guest.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0: bit 0: over a pipe, which carries no answers; bit 1: the guest stays stopped (-S), bit 2: and `cont`
 * comes (the other bits are the seeds'); the rest is the stream.  Whatever comes: the thread ends, with the guest running or
 * with a reason. */
#include "../../net/netpass-wire.h"
#include "board.h"
#include "util/bytes.h"

#include <fcntl.h>

#define ATTEMPT 0x0102030405060708u

static bool ended;

/* State comes for a guest that is not whole yet, and for none that runs. */
static bool witness_load(HandoffPart *p, StateReader *r, GError **errp)
{
    g_assert_true(incoming_state() == IN_ACTIVE || incoming_state() == IN_LOADING);
    return true;
}

static HandoffPart witness = {.name = "witness", .load = witness_load};

static void has_ended(void *opaque)
{
    ended = true;
}

static void *run_incoming(void *opaque)
{
    incoming_thread(opaque);
    loop_call(has_ended, NULL);
    return NULL;
}

/* All of the bytes lie in the kernel before anybody reads. */
static int send_all(const uint8_t *data, size_t size, bool is_pipe, int *ret_other)
{
    int fds[2], room = 256 << 10;

    if (is_pipe) {
        g_assert_true(pipe2(fds, O_CLOEXEC) == 0 && fcntl(fds[1], F_SETPIPE_SZ, room) > 0);
    } else {
        g_assert_true(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    }
    g_assert_cmpint(write(fds[1], data, size), ==, (ssize_t)size);
    if (is_pipe) {
        close(fds[1]);
    } else {
        shutdown(fds[1], SHUT_WR);
    }
    *ret_other = is_pipe ? -1 : fds[1];
    return fds[0];
}

static void judge(Incoming *n, bool is_pipe)
{
    int state = incoming_state();

    g_assert_true(!runstate_is_running() || state == IN_RUNNING || state == IN_COMPLETED || state == IN_STARTING);
    if (state == IN_REFUSED && n->error) { /* none: the source cancelled */
        g_assert_true(g_utf8_validate(n->error, -1, NULL));
        g_assert_true(bytes_are_text(n->error, strlen(n->error)));
    } else if (state != IN_REFUSED) {
        g_assert_true(state == IN_COMPLETED || state == IN_OWNED || state == IN_RUNNING);
    }
}

static void make_all(void)
{
    board_make();
    if (!handoff_find(witness.name)) {
        handoff_register(&witness);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Incoming *n = &incoming;
    GThread *thread;
    int fd, other;

    if (!size || size > 64 << 10) {
        return 0;
    }
    make_all();
    board_reset();
    n->is_parked = data[0] & 2;
    fd = send_all(data + 1, size - 1, data[0] & 1, &other);
    n->address = g_new0(Address, 1);
    *n->address = (Address){.kind = ADDRESS_FD, .text = g_strdup("fd:fuzz"), .fd = fd};
    n->interrupt = interrupt_new(NULL);
    ended = false;
    thread = g_thread_new("incoming", run_incoming, n);
    while (!ended) {
        if (data[0] & 4 && incoming_state() == IN_PARKED) {
            incoming_cont(NULL, &(bool){false});
        }
        g_main_context_iteration(NULL, true);
    }
    g_thread_join(thread);
    judge(n, data[0] & 1);
    if (runstate_is_running()) {
        board_run();
    }
    g_clear_pointer(&n->address, address_free);
    g_clear_pointer(&n->interrupt, interrupt_free);
    if (other >= 0) {
        close(other);
    }
    return 0;
}

/* ---- seeds: what a source would send ---- */
static void put_command(StateWriter *w, unsigned number, const void *data, unsigned size)
{
    state_put_u8(w, SECTION_COMMAND);
    state_put_be16(w, number);
    state_put_be16(w, size);
    state_put(w, data, size);
}

static void put_attempt(StateWriter *w, unsigned number)
{
    uint64_t attempt = GUINT64_TO_BE(ATTEMPT);

    put_command(w, number, &attempt, 8);
}

static void put_cancel(StateWriter *w)
{
    uint8_t data[CANCEL_SIZE] = {0};

    store_be64(data, ATTEMPT);
    put_command(w, CMD_CANCEL, data, sizeof(data));
}

static void put_hello(StateWriter *w)
{
    StateWriter *hello = state_writer_new();
    const uint8_t *data;
    size_t size;

    hello_put(hello, ATTEMPT);
    data = state_writer_data(hello, &size);
    put_command(w, CMD_HELLO, data, size);
    state_writer_free(hello);
}

static void put_memory(StateWriter *w)
{
    state_put_u8(w, SECTION_START);
    state_put_be32(w, RAM_SECTION_ID);
    state_put_str8(w, "ram");
    state_put_be32(w, 0);
    state_put_be32(w, 4);
    state_put_be64(w, ram_total() | RAM_MEM_SIZE);
    for (unsigned i = 0; i < ram_count(); i++) {
        state_put_str8(w, ram_block(i)->id);
        state_put_be64(w, ram_block(i)->size);
    }
    state_put_be64(w, RAM_EOS);
    state_put_u8(w, SECTION_FOOTER);
    state_put_be32(w, RAM_SECTION_ID);
    state_put_u8(w, SECTION_END);
    state_put_be32(w, RAM_SECTION_ID);
    state_put_be64(w, RAM_BATCH);
    state_put_be16(w, 0);
    state_put_be16(w, 0);
    state_put_be16(w, 1);
    state_put_be16(w, 0);
    state_put_be64(w, 4096);
    state_put_be32(w, 3);
    state_put_be64(w, RAM_EOS);
    state_put_u8(w, SECTION_FOOTER);
    state_put_be32(w, RAM_SECTION_ID);
}

static void put_state(StateWriter *w, bool is_packaged)
{
    StateWriter *all = state_writer_new();
    const uint8_t *data;
    uint32_t length;
    size_t size;

    states_set_run_state("running");
    clock_bridge_pause();
    states_save(0, VMSTATE_SAVE_STARTED - 1, all, NULL);
    vm_unlock();
    g_assert_true(states_save_parts(all, NULL, NULL));
    vm_lock();
    state_put_u8(all, SECTION_EOF);
    data = state_writer_data(all, &size);
    length = GUINT32_TO_BE(size);
    if (is_packaged) {
        put_command(w, CMD_PACKAGED, &length, 4);
    }
    state_put(w, data, size);
    state_writer_free(all);
}

/* In SETUP, whose place is before the memory. */
static void put_witness(StateWriter *w)
{
    StateWriter *all = state_writer_new();
    const uint8_t *data;
    uint32_t length;
    size_t size;

    state_put_u8(all, SECTION_FULL);
    state_put_be32(all, 1);
    state_put_str8(all, witness.name);
    state_put_be32(all, 0);
    state_put_be32(all, 1);
    state_put_be32(all, 0);
    state_put_u8(all, SECTION_FOOTER);
    state_put_be32(all, 1);
    state_put_u8(all, SECTION_EOF);
    data = state_writer_data(all, &size);
    length = GUINT32_TO_BE(size);
    put_command(w, CMD_SETUP, &length, 4);
    state_put(w, data, size);
    state_writer_free(all);
}

/* END of netdev 0: the last message of a source's netpass. */
static void put_netpass_end(StateWriter *w)
{
    StateWriter *m = state_writer_new();
    uint8_t head[12];
    const uint8_t *data;
    size_t size;

    state_put_str8(m, "netpass");
    netpass_put_message(m, NETPASS_END, 0);
    for (unsigned i = 0; i < 3; i++) {
        state_put_be64(m, i);
    }
    data = state_writer_data(m, &size);
    store_be64(head, ATTEMPT);
    store_be32(head + 8, size);
    put_command(w, CMD_MESSAGE, head, sizeof(head));
    state_put(w, data, size);
    state_writer_free(m);
}

/* Two pages of the source's decoded code: the reset vector's, and one that is not there. */
static void put_code_list(StateWriter *w)
{
    StateWriter *m = state_writer_new();
    uint8_t head[12];
    const uint8_t *data;
    size_t size;

    state_put_str8(m, "code");
    state_put_u8(m, 1);
    for (unsigned page = 1; page <= 2; page++) {
        state_put_be64(m, page * PAGE_BYTES);
        state_put_be16(m, 3);
        for (unsigned i = 0; i < 3; i++) {
            state_put_be16(m, i * 4 | i << 15);
        }
    }
    data = state_writer_data(m, &size);
    store_be64(head, ATTEMPT);
    store_be32(head + 8, size);
    put_command(w, CMD_MESSAGE, head, sizeof(head));
    state_put(w, data, size);
    state_writer_free(m);
}

static GByteArray *make_seed(unsigned kind)
{
    GByteArray *seed = g_byte_array_new();
    StateWriter *w = state_writer_new();
    const uint8_t *data;
    size_t size;

    make_all();
    board_reset();
    state_put_u8(w, kind);
    state_put_be32(w, STREAM_MAGIC);
    state_put_be32(w, STREAM_VERSION);
    states_put_configuration(w, hello_machine(), hello_uuid(), NULL);
    if (!(kind & 1)) {
        put_hello(w);
    }
    if (kind == 1) {
        put_witness(w);
    }
    put_memory(w);
    if (!(kind & 1)) {
        put_code_list(w);
        put_attempt(w, CMD_PREPARE);
    }
    put_state(w, !(kind & 1));
    if (!(kind & 1)) {
        put_attempt(w, kind & 8 ? CMD_RELEASE : CMD_RUN);
        if (kind & 32) {
            put_witness(w);
        }
        put_netpass_end(w);
        if (kind & 16) {
            put_cancel(w);
        } else {
            put_attempt(w, CMD_TAIL_END);
        }
    }
    data = state_writer_data(w, &size);
    g_byte_array_append(seed, data, size);
    state_writer_free(w);
    return seed;
}

FUZZ_MAIN("incoming", make_seed, 36, 8)
