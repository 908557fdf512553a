/* hw/riscv/virt-fdt.c - the device tree of the virt board.
 * Page: docs/devices/virt.md.  Test: tests/unit/hw/virt-fdt-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/riscv/virt.h"

#include "hw/intc.h"
#include "system/clock.h"
#include "target/hart.h"
#include "util/error.h"

#include <libfdt.h>
#include <string.h>
#include <sys/random.h>

/* The tree is written from front to back, so phandles are given by rule. */
static uint32_t cpu_phandle(unsigned hart)
{
    return 2 * hart + 1;
}

static uint32_t intc_phandle(unsigned hart)
{
    return 2 * hart + 2;
}

static uint32_t plic_phandle(const VirtFdt *f)
{
    return 2 * f->harts + 1;
}

static uint32_t test_phandle(const VirtFdt *f)
{
    return 2 * f->harts + 2;
}

/* ---- small words over libfdt; the first error sticks ---- */
typedef struct Tree {
    void *fdt;
    int error;
} Tree;

static void note(Tree *t, int error)
{
    if (!t->error) {
        t->error = error;
    }
}

static void begin(Tree *t, const char *fmt, uint64_t address)
{
    g_autofree char *name = strchr(fmt, '@') ? g_strdup_printf("%s%" G_GINT64_MODIFIER "x", fmt, address)
                                             : g_strdup(fmt);

    note(t, fdt_begin_node(t->fdt, name));
}

static void end(Tree *t)
{
    note(t, fdt_end_node(t->fdt));
}

static void text(Tree *t, const char *name, const char *value)
{
    note(t, fdt_property_string(t->fdt, name, value));
}

static void texts(Tree *t, const char *name, const char *const *values)
{
    g_autoptr(GByteArray) all = g_byte_array_new();

    for (; *values; values++) {
        g_byte_array_append(all, (const uint8_t *)*values, strlen(*values) + 1);
    }
    note(t, fdt_property(t->fdt, name, all->data, all->len));
}

static void flag(Tree *t, const char *name)
{
    note(t, fdt_property(t->fdt, name, NULL, 0));
}

static void cell(Tree *t, const char *name, uint32_t value)
{
    note(t, fdt_property_u32(t->fdt, name, value));
}

static void cells(Tree *t, const char *name, const uint32_t *values, unsigned count)
{
    g_autofree fdt32_t *all = g_new(fdt32_t, count);

    for (unsigned i = 0; i < count; i++) {
        all[i] = cpu_to_fdt32(values[i]);
    }
    note(t, fdt_property(t->fdt, name, all, count * sizeof(*all)));
}

static void reg(Tree *t, uint64_t at, uint64_t size)
{
    uint32_t values[] = {at >> 32, at, size >> 32, size};

    cells(t, "reg", values, 4);
}

static void interrupt(Tree *t, const VirtFdt *f, uint32_t irq)
{
    cell(t, "interrupts", irq);
    cell(t, "interrupt-parent", plic_phandle(f));
}

/* <&cpu0_intc a &cpu0_intc b &cpu1_intc a ...>; b 0: only a. */
static void extended(Tree *t, const VirtFdt *f, uint32_t a, uint32_t b)
{
    uint32_t values[HARTS_MAX * 4];
    unsigned n = 0;

    for (unsigned i = 0; i < f->harts; i++) {
        values[n++] = intc_phandle(i);
        values[n++] = a;
        if (b) {
            values[n++] = intc_phandle(i);
            values[n++] = b;
        }
    }
    cells(t, "interrupts-extended", values, n);
}

/* ---- nodes ---- */
static void chosen_properties(Tree *t, const VirtFdt *f)
{
    uint8_t seed[32] = {0};

    if (f->append && *f->append) {
        text(t, "bootargs", f->append);
    }
    if (f->initrd_end > f->initrd) {
        note(t, fdt_property_u64(t->fdt, "linux,initrd-start", f->initrd));
        note(t, fdt_property_u64(t->fdt, "linux,initrd-end", f->initrd_end));
    }
    note(t, fdt_property(t->fdt, "rng-seed", seed, sizeof(seed)));
}

static void chosen(Tree *t, const VirtFdt *f)
{
    g_autofree char *path = g_strdup_printf("/soc/serial@%x", VIRT_UART);

    begin(t, "chosen", 0);
    text(t, "stdout-path", path);
    chosen_properties(t, f);
    end(t);
}

static void cpu(Tree *t, const VirtFdt *f, unsigned hart)
{
    begin(t, "cpu@", hart);
    text(t, "device_type", "cpu");
    cell(t, "phandle", cpu_phandle(hart));
    cell(t, "reg", hart);
    text(t, "status", "okay");
    text(t, "compatible", "riscv");
    text(t, "riscv,isa", f->isa);
    text(t, "riscv,isa-base", "rv64i");
    texts(t, "riscv,isa-extensions", (const char *const *)f->extensions);
    cell(t, "riscv,cbom-block-size", 64);
    cell(t, "riscv,cboz-block-size", 64);
    text(t, "mmu-type", f->mmu);
    begin(t, "interrupt-controller", 0);
    cell(t, "#interrupt-cells", 1);
    flag(t, "interrupt-controller");
    text(t, "compatible", "riscv,cpu-intc");
    cell(t, "phandle", intc_phandle(hart));
    end(t);
    end(t);
}

static void cpu_map(Tree *t, const VirtFdt *f)
{
    begin(t, "cpu-map", 0);
    begin(t, "cluster0", 0);
    for (unsigned i = 0; i < f->harts; i++) {
        g_autofree char *name = g_strdup_printf("core%u", i);

        begin(t, name, 0);
        cell(t, "cpu", cpu_phandle(i));
        end(t);
    }
    end(t);
    end(t);
}

static void cpus(Tree *t, const VirtFdt *f)
{
    begin(t, "cpus", 0);
    cell(t, "#address-cells", 1);
    cell(t, "#size-cells", 0);
    cell(t, "timebase-frequency", TIMEBASE_HZ);
    for (unsigned i = 0; i < f->harts; i++) {
        cpu(t, f, i);
    }
    cpu_map(t, f);
    end(t);
}

static void memory(Tree *t, const VirtFdt *f)
{
    begin(t, "memory@", VIRT_RAM);
    text(t, "device_type", "memory");
    reg(t, VIRT_RAM, f->ram_size);
    end(t);
}

static void clint(Tree *t, const VirtFdt *f)
{
    begin(t, "clint@", VIRT_CLINT);
    texts(t, "compatible", (const char *const[]){"sifive,clint0", "riscv,clint0", NULL});
    reg(t, VIRT_CLINT, ACLINT_SIZE);
    extended(t, f, MIP_MSIP, MIP_MTIP);
    end(t);
}

static void aclint(Tree *t, const VirtFdt *f)
{
    const uint32_t timer = VIRT_CLINT + 0x4000, mtime = VIRT_CLINT + 0xbff8;
    const uint32_t where[] = {0, mtime, 0, 8, 0, timer, 0, mtime - timer};

    begin(t, "mswi@", VIRT_CLINT);
    text(t, "compatible", "riscv,aclint-mswi");
    reg(t, VIRT_CLINT, 0x4000);
    extended(t, f, MIP_MSIP, 0);
    flag(t, "interrupt-controller");
    cell(t, "#interrupt-cells", 0);
    end(t);
    begin(t, "mtimer@", timer);
    text(t, "compatible", "riscv,aclint-mtimer");
    cells(t, "reg", where, 8);
    extended(t, f, MIP_MTIP, 0);
    end(t);
}

static void plic(Tree *t, const VirtFdt *f)
{
    begin(t, "plic@", VIRT_PLIC);
    cell(t, "phandle", plic_phandle(f));
    cell(t, "riscv,ndev", VIRT_IRQ_COUNT - 1);
    reg(t, VIRT_PLIC, 0x600000);
    extended(t, f, MIP_MEIP, MIP_SEIP);
    flag(t, "interrupt-controller");
    texts(t, "compatible", (const char *const[]){"sifive,plic-1.0.0", "riscv,plic0", NULL});
    cell(t, "#address-cells", 0);
    cell(t, "#interrupt-cells", 1);
    end(t);
}

static void test_finisher(Tree *t, const VirtFdt *f)
{
    begin(t, "test@", VIRT_TEST);
    cell(t, "phandle", test_phandle(f));
    reg(t, VIRT_TEST, 0x1000);
    texts(t, "compatible", (const char *const[]){"sifive,test1", "sifive,test0", "syscon", NULL});
    end(t);
}

static void serial_and_clock(Tree *t, const VirtFdt *f)
{
    begin(t, "serial@", VIRT_UART);
    interrupt(t, f, VIRT_UART_IRQ);
    cell(t, "clock-frequency", 3686400);
    reg(t, VIRT_UART, 0x100);
    text(t, "compatible", "ns16550a");
    end(t);
    begin(t, "rtc@", VIRT_RTC);
    interrupt(t, f, VIRT_RTC_IRQ);
    reg(t, VIRT_RTC, 0x1000);
    text(t, "compatible", "google,goldfish-rtc");
    end(t);
}

/* Highest address first: devices take slots in this order, so the first one is also the guest's first. */
static void virtio(Tree *t, const VirtFdt *f)
{
    for (unsigned i = VIRT_VIRTIO_COUNT; i-- > 0;) {
        uint64_t at = VIRT_VIRTIO + i * VIRT_VIRTIO_STRIDE;

        begin(t, "virtio_mmio@", at);
        interrupt(t, f, VIRT_VIRTIO_IRQ + i);
        reg(t, at, VIRT_VIRTIO_STRIDE);
        text(t, "compatible", "virtio,mmio");
        end(t);
    }
}

static void soc(Tree *t, const VirtFdt *f)
{
    begin(t, "soc", 0);
    cell(t, "#address-cells", 2);
    cell(t, "#size-cells", 2);
    text(t, "compatible", "simple-bus");
    flag(t, "ranges");
    serial_and_clock(t, f);
    test_finisher(t, f);
    virtio(t, f);
    plic(t, f);
    if (f->has_aclint_nodes) {
        aclint(t, f);
    } else {
        clint(t, f);
    }
    end(t);
}

static void syscon(Tree *t, const VirtFdt *f, const char *name, const char *compatible, uint32_t value)
{
    begin(t, name, 0);
    cell(t, "value", value);
    cell(t, "offset", 0);
    cell(t, "regmap", test_phandle(f));
    text(t, "compatible", compatible);
    end(t);
}

GBytes *virt_fdt_make(const VirtFdt *f, GError **errp)
{
    g_autofree char *buffer = g_malloc0(VIRT_FDT_MAX);
    Tree t = {buffer, 0};

    note(&t, fdt_create(buffer, VIRT_FDT_MAX));
    note(&t, fdt_finish_reservemap(buffer));
    begin(&t, "", 0);
    cell(&t, "#address-cells", 2);
    cell(&t, "#size-cells", 2);
    text(&t, "compatible", "riscv-virtio");
    text(&t, "model", "riscv-virtio,baton");
    chosen(&t, f);
    syscon(&t, f, "poweroff", "syscon-poweroff", 0x5555);
    syscon(&t, f, "reboot", "syscon-reboot", 0x7777);
    memory(&t, f);
    cpus(&t, f);
    soc(&t, f);
    end(&t);
    note(&t, fdt_finish(buffer));
    if (t.error) {
        fail(errp, "cannot make the device tree: %s", fdt_strerror(t.error));
        return NULL;
    }
    return g_bytes_new(buffer, fdt_totalsize(buffer));
}

/* ---- the user's own tree ---- */
static int put_chosen(void *fdt, const VirtFdt *f)
{
    int node = fdt_path_offset(fdt, "/chosen"), error = 0;

    if (node < 0) {
        node = fdt_add_subnode(fdt, 0, "chosen");
    }
    if (node < 0) {
        return node;
    }
    if (f->append) {
        error = fdt_setprop_string(fdt, node, "bootargs", f->append);
    }
    if (!error && f->initrd_end > f->initrd) {
        error = fdt_setprop_u64(fdt, node, "linux,initrd-start", f->initrd);
        error = error ? error : fdt_setprop_u64(fdt, node, "linux,initrd-end", f->initrd_end);
    }
    return error;
}

GBytes *virt_fdt_adopt(GBytes *file, const VirtFdt *f, GError **errp)
{
    size_t size;
    const void *data = g_bytes_get_data(file, &size);
    g_autofree char *buffer = g_malloc0(2 * VIRT_FDT_MAX);
    int error;

    if (size < sizeof(struct fdt_header) || size > VIRT_FDT_MAX || fdt_check_full(data, size) != 0) {
        fail(errp, "the file of -dtb is not a device tree of at most %d bytes", VIRT_FDT_MAX);
        return NULL;
    }
    error = fdt_open_into(data, buffer, 2 * VIRT_FDT_MAX);
    error = error ? error : put_chosen(buffer, f);
    error = error ? error : fdt_pack(buffer);
    if (error) {
        fail(errp, "cannot add to the device tree of -dtb: %s", fdt_strerror(error));
        return NULL;
    }
    return g_bytes_new(buffer, fdt_totalsize(buffer));
}

void virt_fdt_reseed(void *fdt)
{
    int node = fdt_path_offset(fdt, "/chosen"), size = 0;
    void *seed = node < 0 ? NULL : fdt_getprop_w(fdt, node, "rng-seed", &size);

    if (seed && size > 0 && getrandom(seed, size, GRND_NONBLOCK) != size) {
        memset(seed, 0, size);
    }
}
