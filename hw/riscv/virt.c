/* hw/riscv/virt.c - machine `virt`: QEMU's virt board, as far as its devices exist here.
 * Owner: main loop.  Page: docs/devices/virt.md.  Test: tests/qtest/hw/riscv/virt-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/riscv/virt.h"

#include "hw/core/machine-object.h"
#include "hw/intc.h"
#include "hw/riscv/loader.h"
#include "hw/serial.h"
#include "hw/virtio-mmio.h"
#include "system/ram.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "target/hart.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"

#include <stdlib.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define RAM_MIN (2 * MIB)
#define RAM_MAX (UINT64_C(1) << 42)

enum { AIA_NONE, AIA_APLIC, AIA_APLIC_IMSIC };
static const char *const aia_names[] = {"none", "aplic", "aplic-imsic", NULL};

typedef struct VirtMachine {
    Machine machine;
    bool aclint;
    int aia;
    char *dumpdtb;
    int acpi;
    bool usb, dump_guest_core, mem_merge; /* taken for the sake of scripts; what they ask for is the default */
    GBytes *fdt;
    gpa_t fdt_at;
} VirtMachine;

/* Where things go in memory. */
typedef struct Layout {
    LoadRange ram;
    gpa_t start;           /* where the harts go after the reset vector */
    gpa_t kernel, kernel_end;
    gpa_t initrd, initrd_end, fdt;
    gpa_t firmware_end;
} Layout;

/* ---- devices ---- */
static bool make_interrupts(VirtMachine *v, Object **ret_plic, GError **errp)
{
    unsigned harts = v->machine.config->smp;
    Object *aclint = object_new("riscv.aclint", "aclint", object_container("/machine/unattached"));
    Object *plic = object_new("riscv.plic", "plic", object_container("/machine/unattached"));

    aclint_configure(aclint, harts);
    ((MmioDevice *)aclint)->base = VIRT_CLINT;
    plic_configure(plic, harts, VIRT_IRQ_COUNT);
    ((MmioDevice *)plic)->base = VIRT_PLIC;
    *ret_plic = plic;
    return object_realize(aclint, errp) && object_realize(plic, errp);
}

static bool make_uart(VirtMachine *v, Object *plic, GError **errp)
{
    Object *uart = object_new("ns16550a", "uart0", object_container("/machine/unattached"));

    ns16550a_configure(uart, v->machine.config->serials[0]);
    ((MmioDevice *)uart)->base = VIRT_UART;
    return irq_input(plic, NULL, VIRT_UART_IRQ, &((MmioDevice *)uart)->irq) && object_realize(uart, errp);
}

static bool make_devices(VirtMachine *v, GError **errp)
{
    Object *plic;

    if (!make_interrupts(v, &plic, errp) || !make_uart(v, plic, errp) ||
        !mmio_create("goldfish_rtc", "rtc", VIRT_RTC, plic, VIRT_RTC_IRQ, errp) ||
        !mmio_create("riscv.sifive.test", "test", VIRT_TEST, NULL, 0, errp)) {
        return false;
    }
    for (unsigned i = 0; i < VIRT_VIRTIO_COUNT; i++) {
        if (!virtio_mmio_create(i, VIRT_VIRTIO + i * VIRT_VIRTIO_STRIDE, plic, VIRT_VIRTIO_IRQ + i, errp)) {
            return false;
        }
    }
    return true;
}

/* ---- what is loaded, and where ---- */
static const char *const firmware_names[] = {
    "opensbi-riscv64-generic-fw_dynamic.bin", "fw_dynamic.bin", NULL,
};

static char *find_firmware(GError **errp)
{
    g_autofree char *cache = g_build_filename(g_get_user_cache_dir(), "baton", "guest", NULL);
    const char *const dirs[] = {
        g_getenv("BATON_FIRMWARE_DIR") ? g_getenv("BATON_FIRMWARE_DIR") : cache, cache, "/usr/share/baton",
        "/usr/lib/riscv64-linux-gnu/opensbi/generic", "/usr/share/qemu",
    };
    g_autoptr(GString) tried = g_string_new(NULL);

    for (unsigned d = 0; d < G_N_ELEMENTS(dirs); d++) {
        for (unsigned n = 0; firmware_names[n]; n++) {
            g_autofree char *path = g_build_filename(dirs[d], firmware_names[n], NULL);

            if (g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
                return g_steal_pointer(&path);
            }
        }
        g_string_append_printf(tried, "%s%s", d ? ", " : "", dirs[d]);
    }
    fail(errp, "no OpenSBI firmware (%s or %s) in %s; give one with -bios FILE, or -bios none", firmware_names[0],
         firmware_names[1], tried->str);
    return NULL;
}

static bool load_firmware(VirtMachine *v, Layout *at, GError **errp)
{
    const MachineConfig *c = v->machine.config;
    bool is_default = !c->bios || !strcmp(c->bios, "default");
    g_autofree char *path = NULL;
    LoadedImage image;

    at->start = at->firmware_end = at->ram.low;
    if (!g_strcmp0(c->bios, "none") || (is_default && c->no_harts)) {
        return true;
    }
    path = is_default ? find_firmware(errp) : g_strdup(c->bios);
    if (!path || !loader_add_image("firmware", path, at->ram.low, at->ram, &image, errp)) {
        return false;
    }
    at->start = image.entry;
    at->firmware_end = image.end;
    return true;
}

static bool load_kernel(VirtMachine *v, Layout *at, GError **errp)
{
    const MachineConfig *c = v->machine.config;
    gpa_t raw_at = (at->firmware_end + 2 * MIB - 1) & -(2 * MIB);
    LoadedImage image;

    at->kernel_end = raw_at;
    if (!c->kernel) {
        return true;
    }
    if (!loader_add_image("kernel", c->kernel, raw_at, at->ram, &image, errp)) {
        return false;
    }
    at->kernel = image.entry;
    at->kernel_end = image.end;
    if (at->firmware_end == at->ram.low) {
        at->start = image.entry; /* no firmware: the kernel is what runs */
    }
    return true;
}

/* Below the tree, half of memory but at most 512 MiB above the kernel, and above all of it. */
static bool load_initrd(VirtMachine *v, Layout *at, GError **errp)
{
    const MachineConfig *c = v->machine.config;
    gpa_t low = MAX(at->kernel + MIN(c->ram_size / 2, 512 * MIB), at->kernel_end), lowest = at->kernel_end;
    g_autoptr(GBytes) file = NULL;
    uint64_t size;

    if (!c->initrd) {
        return true;
    }
    if (!c->kernel) {
        return fail(errp, "-initrd needs -kernel");
    }
    if (!(file = loader_read_file("initrd", c->initrd, LOADER_FILE_MAX, errp))) {
        return false;
    }
    size = g_bytes_get_size(file);
    low = (low + PAGE_MASK_LOW) & ~(gpa_t)PAGE_MASK_LOW;
    lowest = (lowest + PAGE_MASK_LOW) & ~(gpa_t)PAGE_MASK_LOW;
    if (low > at->fdt || size > at->fdt - low) {
        low = lowest;
    }
    if (low > at->fdt || size > at->fdt - low) {
        return fail(errp, "initrd '%s' of %" G_GUINT64_FORMAT " bytes does not fit between the kernel's end at 0x%"
                    G_GINT64_MODIFIER "x and 0x%" G_GINT64_MODIFIER "x", c->initrd, size, lowest, at->fdt);
    }
    at->initrd = low;
    at->initrd_end = low + size;
    return loader_add("initrd", low, g_bytes_ref(file), errp);
}

/* ---- device tree ---- */
static bool make_fdt(VirtMachine *v, const Layout *at, GError **errp)
{
    static char *const plain[] = {"i", "m", "a", "f", "d", "c", "zicsr", "zifencei", NULL};
    const MachineConfig *c = v->machine.config;
    g_autofree char *isa = c->no_harts ? g_strdup("rv64imafdc_zicsr_zifencei") : hart_isa_string();
    g_auto(GStrv) extensions = c->no_harts ? g_strdupv((char **)plain) : hart_isa_extensions();
    VirtFdt f = {
        .harts = c->smp, .ram_size = c->ram_size, .isa = isa, .mmu = c->no_harts ? "riscv,sv48" : hart_mmu_type(),
        .extensions = extensions, .append = c->append, .initrd = at->initrd, .initrd_end = at->initrd_end,
        .has_aclint_nodes = v->aclint,
    };

    if (c->dtb) {
        g_autoptr(GBytes) file = loader_read_file("device tree", c->dtb, VIRT_FDT_MAX, errp);

        v->fdt = file ? virt_fdt_adopt(file, &f, errp) : NULL;
    } else {
        v->fdt = virt_fdt_make(&f, errp);
    }
    return v->fdt != NULL;
}

/* In the last 2 MiB of memory below 3 GiB, so that 32-bit firmware and crash kernels find it too. */
static bool place_fdt(Layout *at, GError **errp)
{
    gpa_t top = MIN(at->ram.high, VIRT_RAM + GIB);

    at->fdt = (top - 2 * VIRT_FDT_MAX) & -(2 * MIB);
    if (top < VIRT_RAM + 4 * MIB) {
        at->fdt = VIRT_RAM + MIB;
    }
    if (at->fdt < at->kernel_end && at->kernel) {
        return fail(errp, "the kernel leaves no room for the device tree at 0x%" G_GINT64_MODIFIER "x; give more "
                    "memory with -m", at->fdt);
    }
    return true;
}

static bool dump_fdt(VirtMachine *v, GError **errp)
{
    size_t size;
    const char *data = g_bytes_get_data(v->fdt, &size);

    if (!v->dumpdtb || !*v->dumpdtb) {
        return true;
    }
    if (!g_file_set_contents(v->dumpdtb, data, size, errp)) {
        g_prefix_error(errp, "dumpdtb: ");
        return false;
    }
    info_report("dtb dumped to %s. Exiting.", v->dumpdtb);
    exit(0);
}

/* ---- reset vector ---- */
static bool make_reset_vector(VirtMachine *v, const Layout *at, GError **errp)
{
    enum { START_AT = 24, FDT_AT = 32, INFO_AT = 40, TOTAL = INFO_AT + 48 };
    static const uint32_t code[] = {
        0x00000297, /* auipc t0, 0 */
        0x02828613, /* addi a2, t0, INFO_AT */
        0xf1402573, /* csrr a0, mhartid */
        0x0202b583, /* ld a1, FDT_AT(t0) */
        0x0182b283, /* ld t0, START_AT(t0) */
        0x00028067, /* jr t0 */
    };
    /* struct fw_dynamic_info of OpenSBI: magic, version, next stage, its mode (S), options, boot hart (any). */
    const uint64_t info[6] = {0x4942534f, 2, at->kernel, 1, 0, 0};
    uint8_t rom[TOTAL];

    for (unsigned i = 0; i < G_N_ELEMENTS(code); i++) {
        store_le32(rom + 4 * i, code[i]);
    }
    store_le64(rom + START_AT, at->start);
    store_le64(rom + FDT_AT, at->fdt);
    for (unsigned i = 0; i < 6; i++) {
        store_le64(rom + INFO_AT + 8 * i, info[i]);
    }
    return loader_add("reset vector", VIRT_MROM, g_bytes_new(rom, sizeof(rom)), errp);
}

/* A machine that waits for its state gets memory with it: writing the images would only dirty pages. */
static void virt_reset(void *opaque)
{
    VirtMachine *v = opaque;
    size_t size;
    const void *data = g_bytes_get_data(v->fdt, &size);
    void *fdt = ram_ptr(v->fdt_at, size);

    if (runstate_get() == RUN_STATE_INMIGRATE) {
        return;
    }
    loader_write_all();
    memcpy(fdt, data, size);
    virt_fdt_reseed(fdt);
    ram_written(v->fdt_at, size);
}

static bool load_all(VirtMachine *v, GError **errp)
{
    const MachineConfig *c = v->machine.config;
    Layout at = {.ram = {VIRT_RAM, VIRT_RAM + c->ram_size}};

    if (c->append && !c->kernel) {
        return fail(errp, "-append needs -kernel");
    }
    if (!load_firmware(v, &at, errp) || !load_kernel(v, &at, errp) || !place_fdt(&at, errp) ||
        !load_initrd(v, &at, errp) || !make_fdt(v, &at, errp) || !dump_fdt(v, errp) ||
        !make_reset_vector(v, &at, errp)) {
        return false;
    }
    v->fdt_at = at.fdt;
    if (!ram_ptr(at.fdt, g_bytes_get_size(v->fdt))) {
        return fail(errp, "the device tree does not fit into memory; give more with -m");
    }
    reset_register(RESET_ORDER_BOARD, virt_reset, v);
    return true;
}

/* ---- life ---- */
static bool check_options(const VirtMachine *v, GError **errp)
{
    const MachineConfig *c = v->machine.config;

    if (v->aia != AIA_NONE) {
        return fail(errp, "machine 'virt': aia=%s is not supported yet, only 'none'", aia_names[v->aia]);
    }
    if (v->acpi == ON_OFF_AUTO_ON) {
        return fail(errp, "machine 'virt': acpi=on is not supported; there is a device tree");
    }
    if (v->usb) {
        return fail(errp, "machine 'virt': usb=on is not supported");
    }
    if (c->ram_size < RAM_MIN || c->ram_size > RAM_MAX) {
        return fail(errp, "machine 'virt': memory must be between 2 MiB and 4 TiB");
    }
    for (unsigned i = 1; i < MACHINE_SERIALS_MAX; i++) {
        if (c->serials[i]) {
            return fail(errp, "machine 'virt' has one serial port, %u were given", i + 1);
        }
    }
    return true;
}

static bool virt_realize(Object *o, GError **errp)
{
    VirtMachine *v = (VirtMachine *)o;
    const MachineConfig *c = v->machine.config;

    if (!check_options(v, errp) || !ram_add("riscv_virt_board.ram", VIRT_RAM, c->ram_size, errp) ||
        !rom_add("riscv_virt_board.mrom", VIRT_MROM, VIRT_MROM_SIZE, errp)) {
        return false;
    }
    if (!c->no_harts) {
        if (!harts_create(c->cpu_props, c->smp, errp)) {
            return false;
        }
        harts_set_reset_pc(VIRT_MROM);
    }
    return make_devices(v, errp) && load_all(v, errp);
}

static const Property virt_props[] = {
    PROP_BOOL("aclint", VirtMachine, aclint, false, "describe the timers as ACLINT devices, not as one CLINT"),
    PROP_ENUM("aia", VirtMachine, aia, AIA_NONE, aia_names, "interrupt controller of the AIA (only none)"),
    PROP_STR("dumpdtb", VirtMachine, dumpdtb, NULL, "write the device tree to this file and exit"),
    {.name = "acpi", .type = &prop_on_off_auto, .offset = offsetof(VirtMachine, acpi), .about = "ACPI tables (only off)"},
    PROP_BOOL("usb", VirtMachine, usb, false, "USB controller (only off)"),
    PROP_BOOL("dump-guest-core", VirtMachine, dump_guest_core, true, "guest memory is part of core dumps"),
    PROP_BOOL("mem-merge", VirtMachine, mem_merge, true, "let the host merge equal pages"),
    {}
};

static const MachineOps virt_ops = {
    .name = "virt", .about = "RISC-V VirtIO board", .default_ram = 128 * MIB, .max_harts = HARTS_MAX,
    .default_nic = "virtio-net-device", .default_drive = "virtio-blk-device",
    .default_ram_id = "riscv_virt_board.ram", .default_cpu = "rv64",
};

const ObjectType virt_machine_type = {
    .name = "virt-machine", .parent = "machine", .kind = KIND_MACHINE, .size = sizeof(VirtMachine),
    .props = virt_props, .realize = virt_realize, .ops = &virt_ops, .about = "RISC-V VirtIO board",
};
