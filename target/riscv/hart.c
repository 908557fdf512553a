/* target/riscv/hart.c - making harts: the type, its properties, reset, and what of a hart travels.
 * Owner: main loop while the VM is stopped.  Docs: docs/cpu.md.  Tests: tests/unit/target/hart-test.c.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/handoff.h"
#include "system/harts.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "target/riscv/isa.h"
#include "util/error.h"

#include <string.h>

#define CBO_BYTES 64

Hart *harts[HARTS_MAX];
unsigned hart_total;
static const HartAccel *accel;
static gpa_t reset_pc = 0x1000;

/* ---- state ---- */

static void hart_saving(void *opaque)
{
    Hart *h = opaque;

    hart_mstatus(h);
    h->st.fflags = h->fpu.flags;
    h->st.lines = atomic_load(&h->lines);
}

static bool reject(const Hart *h, GError **errp, const char *what)
{
    return fail(errp, "hart %u: the state has %s that this hart cannot have", h->id, what);
}

static bool check_state(const Hart *h, GError **errp)
{
    unsigned satp_mode = (unsigned)(h->st.satp >> SATP_MODE_SHIFT);
    unsigned reserved = h->st.reserved_bytes;

    if (h->st.misa != isa_misa(h->extensions)) {
        return fail(errp, "hart %u: the state is of a hart with other extensions (misa 0x%lx, here 0x%lx)", h->id,
                    (unsigned long)h->st.misa, (unsigned long)isa_misa(h->extensions));
    }
    if (h->st.priv > PRIV_M || h->st.priv == 2 || (h->st.mstatus & MSTATUS_MPP) == 2ull << MSTATUS_MPP_SHIFT) {
        return reject(h, errp, "a privilege");
    }
    if (h->st.frm > 7 || h->st.fflags > 31) {
        return reject(h, errp, "a floating point status");
    }
    if (satp_mode != SATP_BARE && !(satp_mode == SATP_SV39 && h->ext[EXT_SV39]) &&
        !(satp_mode == SATP_SV48 && h->ext[EXT_SV48])) {
        return reject(h, errp, "a translation mode");
    }
    if ((reserved && reserved != 4 && reserved != 8) || h->st.pc & 1 || h->st.x[0]) {
        return reject(h, errp, "a reservation, pc or x0");
    }
    return true;
}

static void rebuild(Hart *h)
{
    h->fpu = (FpuStatus){.flags = h->st.fflags};
    h->fs_dirty = 0;
    atomic_store(&h->lines, h->st.lines);
    pmp_update(h);
    tlb_flush_all(h);
    tlb_new_space(h);
    atomic_store(&h->armed_ns, TIMER_NEVER);
    hart_arm_timer(h);
    hart_recheck(h);
}

static bool hart_loaded(void *opaque, uint32_t version, GError **errp)
{
    Hart *h = opaque;

    if (!check_state(h, errp)) {
        return false;
    }
    rebuild(h);
    return true;
}

VMSTATE_DEFINE_SPAN(Hart, st)
static const VMStateDescription hart_state = {
    .name = "cpu", .version = 1, .phase = VMSTATE_SAVE_HARTS, VMSTATE_SPAN(Hart, st),
    .saving = hart_saving, .loaded = hart_loaded,
    .fields = VMSTATE_FIELDS(
        VMSTATE_U64(Hart, st.pc), VMSTATE_U64_ARRAY(Hart, st.x), VMSTATE_U64_ARRAY(Hart, st.f),
        VMSTATE_U8(Hart, st.priv), VMSTATE_U8(Hart, st.fflags), VMSTATE_U8(Hart, st.frm), VMSTATE_BOOL(Hart, st.is_halted),
        VMSTATE_U64(Hart, st.mstatus), VMSTATE_U64(Hart, st.misa), VMSTATE_U64(Hart, st.medeleg),
        VMSTATE_U64(Hart, st.mideleg), VMSTATE_U64(Hart, st.mie), VMSTATE_U64(Hart, st.mip), VMSTATE_U32(Hart, st.lines),
        VMSTATE_U64(Hart, st.mtvec), VMSTATE_U64(Hart, st.mscratch), VMSTATE_U64(Hart, st.mepc),
        VMSTATE_U64(Hart, st.mcause), VMSTATE_U64(Hart, st.mtval), VMSTATE_U64(Hart, st.mcounteren),
        VMSTATE_U64(Hart, st.mcountinhibit), VMSTATE_U64(Hart, st.menvcfg), VMSTATE_U64(Hart, st.stvec),
        VMSTATE_U64(Hart, st.sscratch), VMSTATE_U64(Hart, st.sepc), VMSTATE_U64(Hart, st.scause),
        VMSTATE_U64(Hart, st.stval), VMSTATE_U64(Hart, st.scounteren), VMSTATE_U64(Hart, st.senvcfg),
        VMSTATE_U64(Hart, st.satp), VMSTATE_U64(Hart, st.stimecmp), VMSTATE_U64(Hart, st.mcycle),
        VMSTATE_U64(Hart, st.minstret), VMSTATE_U8_ARRAY(Hart, st.pmpcfg), VMSTATE_U64_ARRAY(Hart, st.pmpaddr),
        VMSTATE_U64(Hart, st.reserved_gpa), VMSTATE_U64(Hart, st.reserved_value), VMSTATE_U8(Hart, st.reserved_bytes)),
};

/* ---- life ---- */

void hart_reset(Hart *h)
{
    G_STATIC_ASSERT(offsetof(Hart, x_sink) == offsetof(Hart, st.x) + 32 * sizeof(uint64_t));
    memset(&h->st, 0, sizeof(h->st));
    h->st.pc = reset_pc;
    h->st.priv = PRIV_M;
    h->st.misa = isa_misa(h->extensions);
    h->st.stimecmp = UINT64_MAX;
    h->st.lines = atomic_load(&h->lines); /* devices drive them, and reset themselves */
    rebuild(h);
}

static void reset_harts(void *opaque)
{
    for (unsigned i = 0; i < hart_total; i++) {
        hart_reset(harts[i]);
    }
}

static bool cpu_realize(Object *o, GError **errp)
{
    Hart *h = (Hart *)o;

    for (unsigned i = 0; i < EXT_COUNT; i++) {
        h->extensions |= h->ext[i] ? EXT_BIT(i) : 0;
    }
    h->extensions |= EXT_BIT(EXT_S) | EXT_BIT(EXT_U);
    if (!isa_check(h->extensions, errp)) {
        return false;
    }
    h->misaligned_mask = h->ext[EXT_C] ? 0 : 2;
    h->cbom_bytes = h->cboz_bytes = CBO_BYTES;
    atomic_init(&h->armed_ns, TIMER_NEVER);
    atomic_init(&h->deadline_ns, TIMER_NEVER);
    tlb_init(h);
    h->timer = timer_new(hart_timer_fired, h);
    hart_reset(h);
    return true;
}

static void cpu_unrealize(Object *o)
{
    Hart *h = (Hart *)o;

    timer_free(h->timer);
    h->timer = NULL;
    tlb_free(h);
}

static const Property cpu_props[] = {
#define ROW(bit, name, needs, about) PROP_BOOL(name, Hart, ext[EXT_##bit], true, about),
    EXTENSION_LIST(ROW)
    PROP_BOOL("sv39", Hart, ext[EXT_SV39], true, "39-bit virtual addresses"),
    PROP_BOOL("sv48", Hart, ext[EXT_SV48], true, "48-bit virtual addresses"),
    PROP_BOOL("pmp", Hart, ext[EXT_PMP], true, "physical memory protection, 16 entries"),
    {}
};

const ObjectType rv64_cpu_type = {
    .name = "rv64-riscv-cpu", .kind = KIND_CPU, .size = sizeof(Hart), .props = cpu_props, .state = &hart_state,
    .realize = cpu_realize, .unrealize = cpu_unrealize, .about = "64-bit RISC-V hart: RV64GC with Zba Zbb Zbs and more",
};

/* ---- all of them ---- */

void harts_use_accel(const HartAccel *use)
{
    accel = use;
}

const HartAccel *harts_accel(void)
{
    return accel;
}

void harts_set_reset_pc(gpa_t pc)
{
    reset_pc = pc;
    for (unsigned i = 0; i < hart_total; i++) {
        harts[i]->st.pc = pc;
    }
}

bool harts_create(const Json *props, unsigned count, GError **errp)
{
    g_assert(!hart_total && count <= HARTS_MAX);
    for (unsigned i = 0; i < count; i++) {
        Hart *h = (Hart *)object_create(KIND_CPU, rv64_cpu_type.name, props, object_container("/machine/unattached"), errp);

        if (!h) {
            return false;
        }
        h->id = i;
        harts[i] = h;
        hart_total = i + 1;
        state_register(NULL, &hart_state, h);
    }
    reset_register(RESET_ORDER_HARTS, reset_harts, NULL);
    return !accel || accel->start(errp);
}

void harts_delete_all(void)
{
    while (hart_total) {
        Hart *h = harts[--hart_total];

        state_unregister(&hart_state, h);
        object_delete(&h->obj);
        harts[hart_total] = NULL;
    }
    reset_unregister(reset_harts, NULL);
}

/* ---- for monitors ---- */

unsigned hart_thread_id(unsigned hart)
{
    return hart < hart_total ? (unsigned)atomic_load(&harts[hart]->thread_id) : 0;
}

bool hart_is_halted(unsigned hart)
{
    return hart < hart_total && harts[hart]->st.is_halted;
}

static void dump_csrs(Hart *h, GString *out)
{
    static const struct {
        const char *name;
        uint16_t number;
    } csrs[] = {
        {"mstatus", 0x300}, {"mip", 0x344}, {"mie", 0x304}, {"mideleg", 0x303}, {"medeleg", 0x302}, {"mtvec", 0x305},
        {"mepc", 0x341}, {"mcause", 0x342}, {"mtval", 0x343}, {"stvec", 0x105}, {"sepc", 0x141}, {"scause", 0x142},
        {"stval", 0x143}, {"satp", 0x180}, {"stimecmp", 0x14d}, {"menvcfg", 0x30a},
    };
    uint8_t priv = h->st.priv;
    uint64_t v;

    h->st.priv = PRIV_M;
    for (unsigned i = 0; i < G_N_ELEMENTS(csrs); i++) {
        v = 0;
        csr_read(h, csrs[i].number, &v);
        g_string_append_printf(out, " %-8s %016lx%s", csrs[i].name, (unsigned long)v, i % 4 == 3 ? "\n" : "");
    }
    h->st.priv = priv;
}

static void dump_registers(const char *const *names, const uint64_t *values, GString *out)
{
    for (unsigned i = 0; i < 32; i++) {
        g_string_append_printf(out, " %-8s %016lx%s", names[i], (unsigned long)values[i], i % 4 == 3 ? "\n" : "");
    }
}

/* Running harts are parked meanwhile: their registers are their own. */
void hart_dump(unsigned hart, GString *out)
{
    Hart *h = hart < hart_total ? harts[hart] : NULL;
    bool was_running = runstate_is_running();

    if (!h) {
        return;
    }
    if (was_running) {
        harts_pause_all();
    }
    g_string_append_printf(out, "hart %u%s\n pc       %016lx priv %c\n", h->id, h->st.is_halted ? " (waiting)" : "",
                           (unsigned long)h->st.pc, "US?M"[h->st.priv]);
    dump_csrs(h, out);
    dump_registers(reg_names_x, h->st.x, out);
    dump_registers(reg_names_f, h->st.f, out);
    if (was_running) {
        harts_resume_all();
    }
}
