/* tests/fuzz/stream.c - a migration stream from anybody: memory, device state, hello.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Input: byte 0 chooses the parser, the rest is its input. */
#include "migration/hello.h"
#include "migration/ram.h"
#include "migration/states.h"
#include "migration/wire.h"
#include "system/handoff.h"
#include "system/ram.h"
#include "system/vm-lock.h"
#include "util/error.h"

#include "replay.h"

#define RAM_BYTES (256u << 10)
#define INPUT_MAX (64u << 10)

enum { FUZZ_MEMORY, FUZZ_STATE, FUZZ_HELLO, FUZZ_ANSWER, FUZZ__MAX };

static struct {
    uint32_t used;
    uint16_t words[8];
    bool flag;
} device;
typedef __typeof__(device) FuzzDevice;

static bool loaded(void *instance, uint32_t version, GError **errp)
{
    g_assert_cmpuint(device.used, <=, 8);
    return true;
}

static const VMStateDescription device_state = {
    .name = "fuzz-device",
    .version = 1,
    .phase = VMSTATE_SAVE_DEVICE,
    .loaded = loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_U32(FuzzDevice, used), VMSTATE_VARRAY(FuzzDevice, words, used, VMS_U16, NULL),
                             VMSTATE_BOOL(FuzzDevice, flag)),
};

static bool part_load(HandoffPart *p, StateReader *r, GError **errp)
{
    uint64_t v;

    return state_get_be64(r, &v, errp);
}

static bool part_save(HandoffPart *p, StateWriter *w, GError **errp)
{
    state_put_be64(w, 5);
    return true;
}

static HandoffPart part = {.name = "fuzz-part", .load = part_load, .save = part_save};

static void set_up(void)
{
    static bool done;

    if (done) {
        return;
    }
    done = true;
    g_assert_nonnull(ram_add("fuzz.ram", 0, RAM_BYTES, NULL));
    states_init();
    state_register(NULL, &device_state, &device);
    handoff_register(&part);
}

static void memory(const uint8_t *data, size_t size)
{
    Channel *pair[2];
    StreamIn *in;
    RamLoad *l;
    GError *err = NULL;

    channel_pair(pair, NULL, NULL);
    g_assert_true(channel_write(pair[0], data, size, CHANNEL_FOREVER, NULL));
    channel_free(pair[0]);
    in = stream_in_new(pair[1]);
    l = ram_load_new(in);
    while (ram_load_section(l, &err)) {
    }
    fuzz_verdict(false, err); /* it ends, if only because the bytes do */
    ram_load_free(l);
    stream_in_free(in);
    channel_free(pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    StateReader r;
    GError *err = NULL;
    bool ok;
    Hello h;

    set_up();
    if (!size || size > INPUT_MAX) {
        return 0;
    }
    state_reader_init(&r, data + 1, size - 1, "fuzz");
    switch (data[0] % FUZZ__MAX) {
    case FUZZ_MEMORY:
        memory(data + 1, size - 1);
        return 0;
    case FUZZ_STATE:
        vm_lock();
        states_forget_loaded();
        ok = states_load(&r, &err);
        vm_unlock();
        break;
    case FUZZ_HELLO:
        ok = hello_check(&r, &h, &err);
        break;
    default:
        ok = hello_answer_check(&r, &h, &err);
        break;
    }
    fuzz_verdict(ok, err);
    return 0;
}

static void put_memory(StateWriter *w)
{
    state_put_be64(w, RAM_BYTES | RAM_MEM_SIZE);
    state_put_str8(w, "fuzz.ram");
    state_put_be64(w, RAM_BYTES);
    state_put_be64(w, RAM_BATCH);
    state_put_be16(w, 0);
    state_put_be16(w, 1);
    state_put_be16(w, 1);
    state_put_be16(w, 0);
    state_put_be64(w, 4096);
    state_put_be32(w, 2);
    state_put_be64(w, 0);
    state_put_be32(w, 1);
    for (unsigned i = 0; i < 1024; i++) {
        state_put_be64(w, i);
    }
    state_put_be64(w, 8192 | RAM_ZERO);
    state_put_str8(w, "fuzz.ram");
    state_put_u8(w, 0);
    state_put_be64(w, RAM_EOS);
}

static GByteArray *make_seed(unsigned kind)
{
    StateWriter *w = state_writer_new();
    GByteArray *seed = g_byte_array_new();
    const uint8_t *data;
    size_t size;

    set_up();
    state_put_u8(w, kind);
    if (kind == FUZZ_MEMORY) {
        put_memory(w);
    } else if (kind == FUZZ_STATE) {
        device.used = 3;
        states_set_run_state("running");
        states_save(VMSTATE_SAVE_SETUP, VMSTATE_SAVE_BACKEND, w, NULL);
        states_save_parts(w, NULL, NULL);
        state_put_u8(w, SECTION_EOF);
    } else if (kind == FUZZ_HELLO) {
        hello_put(w, 1);
    } else {
        hello_answer_put(w, 1);
    }
    data = state_writer_data(w, &size);
    g_byte_array_append(seed, data, size);
    state_writer_free(w);
    return seed;
}

FUZZ_MAIN("stream", make_seed, FUZZ__MAX, 3000)
