/* hw/intc/plic.c - platform-level interrupt controller.
 * Guarded by: vm_lock.  Page: docs/devices/plic.md.  Test: tests/qtest/hw/intc/plic-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RISC-V PLIC 1.0.0.  Context 2h is hart h in M mode, 2h+1 in S mode.  Sources are levels: a gateway makes a request
 * when its level is high and no earlier request is being served; completion looks at the level again. */
#include "hw/intc.h"

#include "system/harts.h"
#include "target/hart.h"
#include "util/error.h"
#include "util/log.h"

#include <string.h>

enum {
    PLIC_SIZE = 0x600000,
    PENDING = 0x1000, ENABLE = 0x2000, ENABLE_STRIDE = 0x80, CONTEXT = 0x200000, CONTEXT_STRIDE = 0x1000,
    PRIORITY_MASK = 7, WORDS = PLIC_SOURCES_MAX / 32,
};

typedef struct Plic {
    MmioDevice mmio;
    struct {
        uint32_t priority[PLIC_SOURCES_MAX];
        uint32_t level[WORDS], pending[WORDS], claimed[WORDS];
        uint32_t enable[PLIC_CONTEXTS_MAX * WORDS];
        uint32_t threshold[PLIC_CONTEXTS_MAX];
    } st;
    unsigned contexts, sources;
} Plic;

void plic_configure(Object *plic, unsigned harts, unsigned sources)
{
    Plic *p = (Plic *)plic;

    g_assert(harts <= HARTS_MAX && sources <= PLIC_SOURCES_MAX);
    p->contexts = 2 * harts;
    p->sources = sources;
}

static bool bit(const uint32_t *words, unsigned n)
{
    return words[n / 32] >> n % 32 & 1;
}

static void bit_set(uint32_t *words, unsigned n, bool on)
{
    words[n / 32] = (words[n / 32] & ~(1u << n % 32)) | (uint32_t)on << n % 32;
}

/* The source that the context would claim: highest priority, then lowest number; 0: none.  A claim does not look at
 * the threshold (chapter 9), the interrupt line does. */
static unsigned best(const Plic *p, unsigned context, uint32_t above)
{
    unsigned found = 0;

    for (unsigned w = 0; w < WORDS; w++) {
        uint32_t ready = p->st.pending[w] & p->st.enable[context * WORDS + w];

        for (; ready; ready &= ready - 1) {
            unsigned n = w * 32 + __builtin_ctz(ready);

            if (p->st.priority[n] > above) {
                above = p->st.priority[n];
                found = n;
            }
        }
    }
    return found;
}

static void plic_update(Plic *p)
{
    for (unsigned c = 0; c < p->contexts; c++) {
        harts_set_line(c / 2, c & 1 ? MIP_SEIP : MIP_MEIP, best(p, c, p->st.threshold[c]) != 0);
    }
}

static void gateway(Plic *p, unsigned n)
{
    if (bit(p->st.level, n) && !bit(p->st.claimed, n)) {
        bit_set(p->st.pending, n, true);
    }
}

static void plic_input(void *opaque, int n, bool level)
{
    Plic *p = opaque;

    if (bit(p->st.level, n) == level) {
        return;
    }
    bit_set(p->st.level, n, level);
    gateway(p, n);
    plic_update(p);
}

/* ---- registers ---- */
static uint32_t claim(Plic *p, unsigned context)
{
    unsigned n = best(p, context, 0);

    if (n) {
        bit_set(p->st.pending, n, false);
        bit_set(p->st.claimed, n, true);
        plic_update(p);
    }
    TRACE(plic_claim, "context %u takes %u", context, n);
    return n;
}

static void complete(Plic *p, unsigned context, uint32_t n)
{
    /* "If the completion ID does not match an interrupt source that is currently enabled for the target, the
     * completion is silently ignored." */
    if (n == 0 || n >= p->sources || !bit(&p->st.enable[context * WORDS], n)) {
        return;
    }
    bit_set(p->st.claimed, n, false);
    gateway(p, n);
    plic_update(p);
}

static uint32_t *simple_register(Plic *p, uint64_t offset)
{
    uint64_t context = (offset - ENABLE) / ENABLE_STRIDE, word = (offset - ENABLE) % ENABLE_STRIDE / 4;

    if (offset < 4 * p->sources) {
        return &p->st.priority[offset / 4];
    }
    if (offset >= ENABLE && context < p->contexts && word < WORDS) {
        return &p->st.enable[context * WORDS + word];
    }
    context = (offset - CONTEXT) / CONTEXT_STRIDE;
    if (offset >= CONTEXT && context < p->contexts && (offset - CONTEXT) % CONTEXT_STRIDE == 0) {
        return &p->st.threshold[context];
    }
    return NULL;
}

static bool is_claim(const Plic *p, uint64_t offset)
{
    return offset >= CONTEXT && (offset - CONTEXT) % CONTEXT_STRIDE == 4 &&
           (offset - CONTEXT) / CONTEXT_STRIDE < p->contexts;
}

/* Words of sources and contexts that this board does not have: hardwired to zero, not an error. */
static bool is_reserved(uint64_t offset)
{
    return offset < CONTEXT + PLIC_CONTEXTS_MAX * CONTEXT_STRIDE;
}

static uint64_t plic_read(void *opaque, uint64_t offset, unsigned size)
{
    Plic *p = opaque;
    uint32_t *r = simple_register(p, offset);

    if (r) {
        return *r;
    }
    if (is_claim(p, offset)) {
        return claim(p, (offset - CONTEXT) / CONTEXT_STRIDE);
    }
    if (offset >= PENDING && offset < PENDING + WORDS * 4) {
        return p->st.pending[(offset - PENDING) / 4];
    }
    if (!is_reserved(offset)) {
        guest_error("plic", "read at 0x%x: no such register", (unsigned)offset);
    }
    return 0;
}

static void plic_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    Plic *p = opaque;
    uint32_t *r = simple_register(p, offset);

    if (is_claim(p, offset)) {
        complete(p, (offset - CONTEXT) / CONTEXT_STRIDE, value);
        return;
    }
    if (!r) {
        if (!is_reserved(offset)) {
            guest_error("plic", "write at 0x%x: no such register", (unsigned)offset);
        }
        return;
    }
    if (offset < ENABLE || offset >= CONTEXT) {
        *r = value & PRIORITY_MASK;
        p->st.priority[0] = 0;
    } else {
        unsigned word = (offset - ENABLE) % ENABLE_STRIDE / 4;
        unsigned first = word * 32;
        uint32_t exists = p->sources >= first + 32 ? UINT32_MAX :
                          p->sources > first ? (1u << (p->sources - first)) - 1 : 0;

        *r = value & exists & (word ? UINT32_MAX : ~1u);
    }
    plic_update(p);
}

static const RegionOps plic_ops = {.read = plic_read, .write = plic_write, .min_size = 4, .max_size = 4};

/* ---- life ---- */
static bool plic_realize(Object *o, GError **errp)
{
    Plic *p = (Plic *)o;

    if (!mmio_map_ops(&p->mmio, PLIC_SIZE, &plic_ops, errp)) {
        return false;
    }
    irq_inputs_add(o, NULL, plic_input, p, p->sources);
    return true;
}

static void plic_unrealize(Object *o)
{
    irq_forget(o);
    mmio_unmap(&((Plic *)o)->mmio);
}

static void plic_reset(Object *o)
{
    Plic *p = (Plic *)o;

    memset(&p->st, 0, sizeof(p->st));
    plic_update(p);
}

static bool plic_loaded(void *opaque, uint32_t version, GError **errp)
{
    Plic *p = opaque;

    for (unsigned n = 0; n < PLIC_SOURCES_MAX; n++) {
        bool is_used = bit(p->st.level, n) || bit(p->st.pending, n) || bit(p->st.claimed, n);

        if (p->st.priority[n] > PRIORITY_MASK || ((n == 0 || n >= p->sources) && is_used)) {
            return fail(errp, "plic: interrupt %u has an impossible state", n);
        }
    }
    for (unsigned c = 0; c < PLIC_CONTEXTS_MAX; c++) {
        if (p->st.threshold[c] > PRIORITY_MASK) {
            return fail(errp, "plic: threshold of context %u is %u", c, p->st.threshold[c]);
        }
    }
    plic_update(p);
    return true;
}

VMSTATE_DEFINE_SPAN(Plic, st)
static const VMStateDescription plic_state = {
    .name = "riscv-plic", .version = 1, .phase = VMSTATE_SAVE_IRQCHIP, VMSTATE_SPAN(Plic, st),
    .loaded = plic_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_U32_ARRAY(Plic, st.priority), VMSTATE_U32_ARRAY(Plic, st.level),
                             VMSTATE_U32_ARRAY(Plic, st.pending), VMSTATE_U32_ARRAY(Plic, st.claimed),
                             VMSTATE_U32_ARRAY(Plic, st.enable), VMSTATE_U32_ARRAY(Plic, st.threshold)),
};

const ObjectType plic_type = {
    .name = "riscv.plic", .parent = "mmio-device", .kind = KIND_DEVICE, .size = sizeof(Plic),
    .state = &plic_state, .realize = plic_realize, .unrealize = plic_unrealize, .reset = plic_reset,
    .about = "platform-level interrupt controller",
};
