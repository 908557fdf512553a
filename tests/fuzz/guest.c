/* tests/fuzz/guest.c - a guest that means harm: registers, rings and requests of every device of a whole machine.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: steps, each a byte that says what, and what that needs (the table `steps`).  There are no harts and the clock is
 * stepped.  Whatever was done, the devices' state can be saved, and loaded, and is then the same. */
#define BOARD_BEGINS "-S", "-accel", "qtest"
#define BOARD_MORE BOARD_ALL
#include "../../block/node.h"
#include "board.h"
#include "ui/input.h"

#include <errno.h>

enum { DATA_BYTES = 0x1000, PLAIN = 0x80000, IN_PLAIN = 0xc0000 };

typedef struct Input {
    const uint8_t *at, *end;
} Input;

static unsigned next8(Input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static unsigned next16(Input *in)
{
    unsigned low = next8(in);

    return low | next8(in) << 8;
}

static uint32_t next32(Input *in)
{
    uint32_t low = next16(in);

    return low | (uint32_t)next16(in) << 16;
}

/* At most `size` bytes of the rest. */
static const uint8_t *next_bytes(Input *in, size_t *size)
{
    const uint8_t *at = in->at;

    *size = MIN(*size, (size_t)(in->end - at));
    in->at += *size;
    return at;
}

/* ---- steps ---- */

static void step_drive(Input *in)
{
    unsigned slot = next8(in);

    board_drive(slot, next8(in));
}

/* Up to three buffers: bytes, more bytes of whatever lies there, room for an answer; the first one can be cut in two. */
static void step_chain(Input *in)
{
    unsigned slot = next8(in), queue = slot >> 3 & 15, more = next8(in) * 256, room = next8(in), count = 0;
    size_t size = next8(in), cut = slot & 0x80 ? next8(in) % (size + 1) : 0;
    const uint8_t *bytes = next_bytes(in, &size);
    uint8_t *ring = ram_ptr(BOARD_RAM + board_ring(slot, queue), BOARD_RING_BYTES);
    uint16_t index = load_le16(ring + BOARD_AVAIL + 2);
    unsigned head = index % 4 * 4, data = BOARD_DATA + index % 16 * DATA_BYTES;
    struct {
        uint64_t gpa;
        uint32_t size;
        bool is_in;
    } parts[4] = {{BOARD_RAM + data, MIN(cut, size)}, {BOARD_RAM + data + MIN(cut, size), size - MIN(cut, size)},
                  {BOARD_RAM + PLAIN, more},
                  {room < 128 ? BOARD_RAM + data + 0x800 : BOARD_RAM + IN_PLAIN, room < 128 ? room * 4 : (room - 127) * 512, true}};

    memcpy(ram_ptr(BOARD_RAM + data, size), bytes, size);
    for (unsigned i = 0, left = !!parts[0].size + !!parts[1].size + !!parts[2].size + !!parts[3].size; i < 4; i++) {
        if (parts[i].size) {
            unsigned at = head + count++;

            board_put_desc(ring + 16 * at, parts[i].gpa, parts[i].size, parts[i].is_in, count < left ? (int)at + 1 : -1);
        }
    }
    store_le16(ring + BOARD_AVAIL + 4 + 2 * (index % BOARD_RING_SIZE), head);
    store_le16(ring + BOARD_AVAIL + 2, index + (count != 0));
    slot_set(slot, SLOT_NOTIFY, queue);
}

static void step_register(Input *in)
{
    unsigned slot = next8(in), reg = next8(in) * 4;
    uint32_t value = next32(in);

    slot & 8 ? slot_set(slot, reg, value) : (void)slot_get(slot, reg);
}

static void step_config(Input *in)
{
    unsigned slot = next8(in), offset = 0x100 + next8(in), size = 1u << (slot >> 4 & 3);
    uint64_t value = next32(in);

    slot & 8 ? region_write(board_slot(slot) + offset, size, value) : region_read(board_slot(slot) + offset, size, &value);
}

/* Everything that is no virtio device; the clock and the interrupt controllers, the serial port, what ends the machine. */
static void step_bus(Input *in)
{
    static const gpa_t at[] = {0x10000000, 0x0c000000, 0x02000000, 0x101000, 0x100000, 0x1000, 0x0c002000, 0x0c200000};
    unsigned what = next8(in);
    gpa_t gpa = at[what & 7] + next16(in);
    uint64_t value = next32(in);

    what & 8 ? region_write(gpa, 1u << (what >> 4 & 3), value) : region_read(gpa, 1u << (what >> 4 & 3), &value);
}

static void step_memory(Input *in)
{
    unsigned at = BOARD_RINGS + next16(in) * 16;
    size_t size = next8(in);
    const uint8_t *bytes = next_bytes(in, &size);

    memcpy(ram_ptr(BOARD_RAM + at, size), bytes, size);
}

static void step_time(Input *in)
{
    clock_step_to(MIN(clock_virtual_ns() + (INT64_C(1) << next8(in) % 48), CLOCK_NS_MAX));
}

static void step_frame(Input *in)
{
    uint8_t frame[4096] = {0};
    unsigned much = next8(in) * 16;
    size_t size = next8(in);
    const uint8_t *bytes = next_bytes(in, &size);

    memcpy(frame, bytes, size);
    (void)!send(board_wire[1], frame, MAX(size, much), MSG_DONTWAIT);
}

/* What is at the other end of a chardev hears, and says something. */
static void step_peer(Input *in)
{
    uint8_t heard[4096];
    unsigned which = next8(in) % board_peer_count;
    size_t size = next8(in);
    const uint8_t *bytes = next_bytes(in, &size);

    while (recv(board_peers[which], heard, sizeof(heard), MSG_DONTWAIT) > 0) {
    }
    (void)!send(board_peers[which], bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void step_user(Input *in)
{
    InputEvent events[3];
    unsigned count = next8(in) % 4;

    for (unsigned i = 0; i < count && i < G_N_ELEMENTS(events); i++) {
        unsigned v = next16(in);
        InputKind kind = v & 3;

        events[i] = (InputEvent){kind, kind == INPUT_KEY ? v >> 3 & 0xff : kind == INPUT_BUTTON ? v >> 3 & 7 : v >> 3 & 1,
                                 kind == INPUT_REL || kind == INPUT_ABS ? v >> 4 : v >> 2 & 1};
    }
    input_send(NULL, -1, events, MIN(count, G_N_ELEMENTS(events)));
}

static void step_stop(Input *in)
{
    next8(in) & 1 ? vm_start() : (void)vm_stop(RUN_STATE_PAUSED);
}

static void step_turn(Input *in)
{
    board_pump();
}

static void (*const steps[])(Input *in) = {
    step_drive, step_chain, step_register, step_config, step_bus, step_memory, step_time, step_frame, step_peer, step_user,
    step_stop, step_turn,
};
enum { DRIVE, CHAIN, REGISTER, CONFIG, BUS, MEMORY, TIME, FRAME, PEER, USER, STOP, TURN };

/* ---- what holds ---- */

static bool disk_is_idle(void)
{
    bool is_idle;

    vm_unlock();
    is_idle = block_wait_idle(0, NULL);
    vm_lock();
    return is_idle;
}

/* No request is under way any more: what was loaded now would be done twice. */
static void settle(void)
{
    while (!disk_is_idle()) {
        g_main_context_iteration(NULL, true);
    }
    for (unsigned turn = 0; turn < 1000 && g_main_context_iteration(NULL, false); turn++) {
    }
}

static StateWriter *save(void)
{
    StateWriter *w = state_writer_new();

    states_set_run_state("paused");
    states_save(0, VMSTATE_SAVE_STARTED - 1, w, NULL);
    state_put_u8(w, SECTION_EOF);
    return w;
}

static void check_state(void)
{
    StateWriter *before = save(), *after;
    const uint8_t *data, *data_after;
    size_t size, size_after;
    GError *err = NULL;
    StateReader r;

    data = state_writer_data(before, &size);
    state_reader_init(&r, data, size, "device state");
    states_forget_loaded();
    if (!states_load(&r, &err)) {
        g_error("%s", err->message);
    }
    after = save();
    data_after = state_writer_data(after, &size_after);
    g_assert_cmpmem(data, size, data_after, size_after);
    state_writer_free(before);
    state_writer_free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input in = {data, data + size};

    if (size > 16 << 10) {
        return 0;
    }
    board_make();
    vm_start();
    while (in.at < in.end) {
        steps[next8(&in) % G_N_ELEMENTS(steps)](&in);
    }
    board_pump();
    vm_stop(RUN_STATE_PAUSED);
    settle();
    check_state();
    runstate_set(RUN_STATE_PAUSED); /* the guest may have turned the machine off */
    vm_start();
    board_pump();
    vm_stop(RUN_STATE_PAUSED);
    settle();
    reset_all();
    settle();
    memset(ram_ptr(BOARD_RAM, ram_block(0)->size), 0, ram_block(0)->size);
    for (uint8_t i = 0; i < board_peer_count; i++) {
        step_peer(&(Input){&i, &i + 1});
    }
    return 0;
}

/* ---- seeds: a driver for each slot ---- */
static void put(GByteArray *b, const void *bytes, size_t size)
{
    g_byte_array_append(b, bytes, size);
}

#define PUT(b, ...) put(b, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
/* To a queue, `cut` for the first buffer: bytes, then 256 * more, and room for 4 * room bytes. */
#define ASK(b, slot, queue, more, room, ...)                                                                           \
    PUT(b, CHAIN, (slot) | (queue) << 3, more, room, sizeof((const uint8_t[]){__VA_ARGS__}), __VA_ARGS__)

enum { BLK = 7, NET = 6, RNG = 5, SERIAL = 4, KEYBOARD = 3, TABLET = 2, GPU = 1, NOBODY = 0 };

static void seed_disk(GByteArray *b)
{
    static const uint8_t types[] = {0, 1, 4, 8, 11, 13, 77};

    for (unsigned i = 0; i < sizeof(types); i++) {
        bool has_segment = types[i] > 8;

        PUT(b, CHAIN, BLK, types[i] == 1 ? 2 : 0, types[i] ? 8 : 129, has_segment ? 32 : 16, types[i], 0, 0, 0, 0, 0, 0, 0, i,
            0, 0, 0, 0, 0, 0, 0);
        if (has_segment) {
            PUT(b, 3, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, types[i] == 13, 0, 0, 0);
        }
    }
    PUT(b, CONFIG, BLK | 8, 32, 0, 0, 0, 0, TURN);
}

static void seed_net(GByteArray *b)
{
    static const uint8_t tcp[66] = {[0] = 1, 4, 0, 0, 64, 0, 34, 0, 16, [12] = 2, 2, 3, 4, 5, 6, 2, 2, 3, 4, 5, 7, 8, 0, 0x45,
                                    [35] = 6, [58] = 0x50};
    static const uint8_t mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    ASK(b, NET, 2, 0, 1, 0, 0, 1);
    ASK(b, NET, 2, 0, 1, 0, 2, 1);
    ASK(b, NET, 2, 0, 1, 1, 0, 1, 0, 0, 0, 2, 2, 3, 4, 5, 6, 1, 0, 0, 0, 3, 2, 3, 4, 5, 6);
    ASK(b, NET, 2, 0, 1, 1, 1, 2, 2, 3, 4, 5, 6);
    ASK(b, NET, 2, 0, 1, 2, 0, 5, 0);
    ASK(b, NET, 2, 0, 1, 2, 1, 5, 0);
    ASK(b, NET, 2, 0, 1, 3, 0);
    ASK(b, NET, 2, 0, 1, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0);
    PUT(b, CHAIN, NET, 0, 131, 0, CHAIN, NET, 0, 20, 0, FRAME, 10, 6);
    put(b, mac, 6);
    PUT(b, TURN, CHAIN, NET | 1 << 3, 3, 0, sizeof(tcp));
    put(b, tcp, sizeof(tcp));
    ASK(b, NET, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 2, 2, 2, 2, 2, 2, 8, 0, 1);
}

static void seed_serial(GByteArray *b)
{
    ASK(b, SERIAL, 2, 0, 10, 0);
    PUT(b, CHAIN, SERIAL | 2 << 3, 0, 10, 0, CHAIN, SERIAL | 2 << 3, 0, 10, 0);
    ASK(b, SERIAL, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0);
    ASK(b, SERIAL, 3, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0);
    ASK(b, SERIAL, 3, 0, 0, 0, 0, 0, 0, 6, 0, 1, 0);
    ASK(b, SERIAL, 3, 0, 0, 1, 0, 0, 0, 3, 0, 1, 0);
    ASK(b, SERIAL, 3, 0, 0, 1, 0, 0, 0, 6, 0, 1, 0);
    PUT(b, PEER, 1, 3, 'a', 'b', 'c', PEER, 2, 2, 'x', 'y', CHAIN, SERIAL, 0, 5, 0, CHAIN, SERIAL | 4 << 3, 0, 5, 0, TURN);
    ASK(b, SERIAL, 1, 1, 0, 'h', 'i');
    ASK(b, SERIAL, 5, 0, 0, 'h', 'o');
    ASK(b, SERIAL, 3, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0);
    PUT(b, CONFIG, SERIAL | 8, 8, '!', 0, 0, 0);
}

static void seed_input(GByteArray *b)
{
    for (unsigned slot = TABLET; slot <= KEYBOARD; slot++) {
        for (unsigned i = 0; i < 4; i++) {
            PUT(b, CHAIN, slot, 0, 2, 0);
        }
        PUT(b, CONFIG, slot | 8, 0, 0x11, 0, 0, 0, CONFIG, slot | 8, 1, 1, 0, 0, 0, CONFIG, slot | 0x20, 8, 0, 0, 0, 0);
        ASK(b, slot, 1, 0, 0, 0x11, 0, 1, 0, 1, 0, 0, 0);
    }
    PUT(b, USER, 2, 0xf4, 0, 0xf0, 0, USER, 3, 3, 5, 11, 5, 5, 0, TURN, USER, 1, 4, 0);
}

static void seed_gpu(GByteArray *b)
{
    ASK(b, GPU, 0, 0, 110, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    ASK(b, GPU, 0, 0, 10, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,
        64, 0, 0, 0, 64, 0, 0, 0);
    ASK(b, GPU, 0, 0, 10, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        64, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0);
    ASK(b, GPU, 1, 0, 10, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0);
}

static void seed_rng(GByteArray *b)
{
    for (unsigned i = 0; i < 6; i++) {
        PUT(b, CHAIN, RNG, 0, 130, 0);
    }
    PUT(b, TIME, 33, TURN);
}

static void put_bus(GByteArray *b, unsigned what, unsigned offset, uint32_t value, unsigned size)
{
    PUT(b, BUS, what | size << 4, offset & 0xff, offset >> 8, value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24);
}

static void seed_bus(GByteArray *b)
{
    for (unsigned reg = 0; reg < 8; reg++) {
        put_bus(b, 8, reg, 0x41 + reg * 2, 0);
        put_bus(b, 0, reg, 0, 0);
    }
    put_bus(b, 8, 4, 0x10, 0); /* loopback */
    put_bus(b, 8, 0, 'x', 0);
    put_bus(b, 8, 4, 0, 0);
    for (unsigned reg = 0; reg <= 0x1c; reg += 4) {
        put_bus(b, 3, reg, 0, 2);
        put_bus(b, 3 | 8, reg, reg == 8 ? 1u << 31 : 1, 2);
    }
    put_bus(b, 1 | 8, 4 * 10, 3, 2);  /* a priority, an enable, a threshold, claim and complete */
    put_bus(b, 6 | 8, 0, 0xffffffff, 2);
    put_bus(b, 7 | 8, 0, 1, 2);
    put_bus(b, 7, 4, 0, 2);
    put_bus(b, 7 | 8, 4, 10, 2);
    put_bus(b, 2 | 8, 0, 1, 2); /* the hart's timer */
    put_bus(b, 2 | 8, 0x4000, 5000, 3);
    put_bus(b, 2 | 8, 0xbff8, 4000, 3);
    put_bus(b, 2, 0xbff8, 0, 3);
    PUT(b, TIME, 40, PEER, 0, 3, '1', '2', '3', TURN);
    put_bus(b, 0, 0, 0, 0);
    put_bus(b, 4 | 8, 0, 0x7777, 2); /* a reset, and the end */
    PUT(b, TURN);
    put_bus(b, 4 | 8, 0, 0x5555, 2);
    PUT(b, TURN);
}

static GByteArray *make_seed(unsigned i)
{
    static void (*const seeds[])(GByteArray *b) = {seed_gpu, seed_gpu, seed_input, seed_input, seed_serial, seed_rng, seed_net,
                                                   seed_disk, seed_bus};
    GByteArray *b = g_byte_array_new();
    unsigned slot = i % 9;

    if (slot < 8) {
        PUT(b, DRIVE, slot, i < 9 ? 255 : 28);
    }
    if (slot == KEYBOARD) {
        PUT(b, DRIVE, TABLET, 255);
    }
    seeds[slot](b);
    PUT(b, STOP, 0, TURN, STOP, 1, REGISTER, slot | 8, SLOT_STATUS / 4, 0, 0, 0, 0);
    return b;
}

FUZZ_MAIN("guest", make_seed, 18, 100)
