/* hw/char/ns16550a.c - serial port with 16-byte FIFOs.
 * Guarded by: vm_lock.  Page: docs/devices/ns16550a.md.  Test: tests/qtest/hw/char/ns16550a-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * No byte is lost between the chardev and the guest: the chardev is asked for no more than the receive FIFO holds, and
 * for nothing while the machine is stopped (a byte taken then would belong to nobody); bytes that a slow chardev does
 * not take stay in the transmit FIFO, whose state the guest sees.  There is no line speed, except for the receive
 * time-out, which is four characters at the guest's divisor. */
#include "hw/serial.h"

#include "chardev/chardev.h"
#include "system/clock.h"
#include "system/runstate.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <string.h>

enum { FIFO_SIZE = 16, CLOCK_HZ = 3686400 };
enum { IER_RX = 1, IER_TX = 2, IER_LINE = 4, IER_MODEM = 8 };
enum { IIR_MODEM = 0x0, IIR_NONE = 0x1, IIR_TX = 0x2, IIR_RX = 0x4, IIR_LINE = 0x6, IIR_TIMEOUT = 0xc, IIR_FIFOS = 0xc0 };
enum { FCR_ENABLE = 0x01, FCR_CLEAR_RX = 0x02, FCR_CLEAR_TX = 0x04 };
enum { LCR_BREAK = 0x40, LCR_DLAB = 0x80 };
enum { MCR_DTR = 0x01, MCR_RTS = 0x02, MCR_OUT1 = 0x04, MCR_OUT2 = 0x08, MCR_LOOP = 0x10 };
enum { LSR_READY = 0x01, LSR_OVERRUN = 0x02, LSR_BREAK = 0x10, LSR_ERRORS = 0x1e, LSR_TX_EMPTY = 0x20, LSR_IDLE = 0x40 };
enum { MSR_DELTAS = 0x0f, MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80 };

typedef struct Fifo {
    uint8_t data[FIFO_SIZE];
    uint32_t head, count; /* oldest byte; how many */
} Fifo;

typedef struct Ns16550a {
    MmioDevice mmio;
    struct {
        Fifo rx, tx;
        uint16_t divisor;
        uint8_t ier, fcr, lcr, mcr, lsr_errors, msr, scratch;
        bool tx_irq;     /* THRE interrupt pending: set when the FIFO empties, cleared by reading IIR */
        bool rx_timeout; /* bytes below the trigger have waited for four characters */
    } st;
    Chardev *chardev;
    Timer *timeout;
} Ns16550a;

void ns16550a_configure(Object *uart, Chardev *chardev)
{
    ((Ns16550a *)uart)->chardev = chardev;
}

/* ---- FIFOs ---- */
static void fifo_put(Fifo *f, uint8_t byte)
{
    f->data[(f->head + f->count++) % FIFO_SIZE] = byte;
}

static uint8_t fifo_get(Fifo *f)
{
    uint8_t byte = f->data[f->head];

    f->head = (f->head + 1) % FIFO_SIZE;
    f->count--;
    return byte;
}

static void fifo_clear(Fifo *f)
{
    *f = (Fifo){{0}, 0, 0};
}

static unsigned fifo_depth(const Ns16550a *u)
{
    return u->st.fcr & FCR_ENABLE ? FIFO_SIZE : 1;
}

static unsigned rx_trigger(const Ns16550a *u)
{
    static const uint8_t trigger[4] = {1, 4, 8, 14};

    return u->st.fcr & FCR_ENABLE ? trigger[u->st.fcr >> 6] : 1;
}

/* ---- interrupts ---- */
static uint8_t interrupt_source(const Ns16550a *u)
{
    if ((u->st.ier & IER_LINE) && u->st.lsr_errors) {
        return IIR_LINE;
    }
    if ((u->st.ier & IER_RX) && u->st.rx.count >= rx_trigger(u)) {
        return IIR_RX;
    }
    if ((u->st.ier & IER_RX) && u->st.rx_timeout) {
        return IIR_TIMEOUT;
    }
    if ((u->st.ier & IER_TX) && u->st.tx_irq) {
        return IIR_TX;
    }
    return (u->st.ier & IER_MODEM) && (u->st.msr & MSR_DELTAS) ? IIR_MODEM : IIR_NONE;
}

static void uart_update(Ns16550a *u)
{
    irq_set(&u->mmio.irq, interrupt_source(u) != IIR_NONE);
}

static void arm_timeout(Ns16550a *u)
{
    int64_t character_ns = NS_PER_SEC * 10 * 16 * MAX(u->st.divisor, 1) / CLOCK_HZ;

    timer_set(u->timeout, u->st.rx.count && !u->st.rx_timeout && (u->st.fcr & FCR_ENABLE)
                              ? clock_virtual_ns() + 4 * character_ns : TIMER_NEVER);
}

static void timed_out(void *opaque)
{
    Ns16550a *u = opaque;

    u->st.rx_timeout = u->st.rx.count != 0;
    uart_update(u);
}

/* ---- receive ---- */
static size_t rx_room(void *opaque)
{
    Ns16550a *u = opaque;

    if (!runstate_is_running() || (u->st.mcr & MCR_LOOP)) {
        return 0;
    }
    return fifo_depth(u) - MIN(u->st.rx.count, fifo_depth(u));
}

static void rx_put(Ns16550a *u, uint8_t byte)
{
    if (u->st.rx.count >= fifo_depth(u)) {
        u->st.lsr_errors |= LSR_OVERRUN; /* only the guest itself can do this, in loopback */
        return;
    }
    fifo_put(&u->st.rx, byte);
    u->st.rx_timeout = false;
}

static void rx_data(void *opaque, const uint8_t *data, size_t size)
{
    Ns16550a *u = opaque;

    for (size_t i = 0; i < size; i++) {
        rx_put(u, data[i]);
    }
    arm_timeout(u);
    uart_update(u);
}

static void rx_event(void *opaque, ChardevEvent event)
{
    Ns16550a *u = opaque;

    if (event == CHARDEV_BREAK && rx_room(u)) {
        rx_put(u, 0);
        u->st.lsr_errors |= LSR_BREAK;
        uart_update(u);
    }
}

/* ---- transmit ---- */
static void tx_flush(void *opaque)
{
    Ns16550a *u = opaque;
    bool had = u->st.tx.count != 0;

    while (u->st.tx.count && runstate_is_running()) {
        uint8_t byte = u->st.tx.data[u->st.tx.head];

        if (u->chardev && chardev_write(u->chardev, &byte, 1) == 0) {
            break;
        }
        fifo_get(&u->st.tx);
    }
    if (had && !u->st.tx.count) {
        u->st.tx_irq = true;
    }
    uart_update(u);
}

static void tx_byte(Ns16550a *u, uint8_t byte)
{
    u->st.tx_irq = false;
    if (u->st.mcr & MCR_LOOP) {
        u->st.tx_irq = true;
        rx_data(u, &byte, 1);
        return;
    }
    if (u->st.tx.count >= fifo_depth(u)) {
        guest_error("ns16550a", "byte 0x%02x written to a full transmitter", byte);
        fifo_get(&u->st.tx);
    }
    fifo_put(&u->st.tx, byte);
    tx_flush(u);
}

/* ---- registers; offsets 0 and 1 show the divisor while DLAB is set ---- */
static uint32_t read_rbr(void *opaque)
{
    Ns16550a *u = opaque;
    uint8_t byte = 0;

    if (u->st.lcr & LCR_DLAB) {
        return u->st.divisor & 0xff;
    }
    if (u->st.rx.count) {
        byte = fifo_get(&u->st.rx);
        u->st.rx_timeout = false;
        arm_timeout(u);
        uart_update(u);
        if (u->chardev) {
            chardev_accept_input(u->chardev);
        }
    }
    return byte;
}

static void write_thr(void *opaque, uint32_t value)
{
    Ns16550a *u = opaque;

    if (u->st.lcr & LCR_DLAB) {
        u->st.divisor = (u->st.divisor & 0xff00) | (value & 0xff);
    } else {
        tx_byte(u, value);
    }
}

static uint32_t read_ier(void *opaque)
{
    Ns16550a *u = opaque;

    return u->st.lcr & LCR_DLAB ? u->st.divisor >> 8 : u->st.ier;
}

static void write_ier(void *opaque, uint32_t value)
{
    Ns16550a *u = opaque;
    uint8_t gained = value & ~u->st.ier;

    if (u->st.lcr & LCR_DLAB) {
        u->st.divisor = (u->st.divisor & 0xff) | (value & 0xff) << 8;
        return;
    }
    u->st.ier = value & 0x0f;
    if (gained & IER_TX) {
        u->st.tx_irq = u->st.tx.count == 0; /* enabling it with an empty transmitter interrupts at once */
    }
    uart_update(u);
}

static uint32_t read_iir(void *opaque)
{
    Ns16550a *u = opaque;
    uint8_t source = interrupt_source(u);

    if (source == IIR_TX) {
        u->st.tx_irq = false;
        uart_update(u);
    }
    return source | (u->st.fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static void write_fcr(void *opaque, uint32_t value)
{
    Ns16550a *u = opaque;

    if ((value ^ u->st.fcr) & FCR_ENABLE) {
        value |= FCR_CLEAR_RX | FCR_CLEAR_TX;
    }
    if (value & FCR_CLEAR_RX) {
        fifo_clear(&u->st.rx);
        u->st.rx_timeout = false;
    }
    if (value & FCR_CLEAR_TX) {
        fifo_clear(&u->st.tx);
        u->st.tx_irq = true;
    }
    u->st.fcr = value & (FCR_ENABLE | 0xc0);
    arm_timeout(u);
    uart_update(u);
    if (u->chardev) {
        chardev_accept_input(u->chardev);
    }
}

static uint32_t read_lcr(void *opaque)
{
    return ((Ns16550a *)opaque)->st.lcr;
}

static void write_lcr(void *opaque, uint32_t value)
{
    ((Ns16550a *)opaque)->st.lcr = value;
}

static uint32_t read_mcr(void *opaque)
{
    return ((Ns16550a *)opaque)->st.mcr;
}

static uint8_t modem_lines(const Ns16550a *u)
{
    if (!(u->st.mcr & MCR_LOOP)) {
        return MSR_CTS | MSR_DSR | MSR_DCD;
    }
    return (u->st.mcr & MCR_RTS ? MSR_CTS : 0) | (u->st.mcr & MCR_DTR ? MSR_DSR : 0) |
           (u->st.mcr & MCR_OUT1 ? MSR_RI : 0) | (u->st.mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void write_mcr(void *opaque, uint32_t value)
{
    Ns16550a *u = opaque;
    uint8_t lines, changed;

    u->st.mcr = value & 0x1f;
    lines = modem_lines(u);
    changed = (lines ^ u->st.msr) & 0xf0;
    if (lines & MSR_RI) {
        changed &= ~MSR_RI; /* only its trailing edge counts */
    }
    u->st.msr = lines | (u->st.msr & MSR_DELTAS) | changed >> 4;
    uart_update(u);
    if (u->chardev) {
        chardev_accept_input(u->chardev);
    }
}

static uint32_t read_lsr(void *opaque)
{
    Ns16550a *u = opaque;
    uint8_t lsr = u->st.lsr_errors | (u->st.rx.count ? LSR_READY : 0) |
                  (u->st.tx.count ? 0 : LSR_TX_EMPTY | LSR_IDLE);

    if (u->st.lsr_errors) {
        u->st.lsr_errors = 0;
        uart_update(u);
    }
    return lsr;
}

static uint32_t read_msr(void *opaque)
{
    Ns16550a *u = opaque;
    uint8_t msr = u->st.msr;

    u->st.msr &= ~MSR_DELTAS;
    uart_update(u);
    return msr;
}

static uint32_t read_scr(void *opaque)
{
    return ((Ns16550a *)opaque)->st.scratch;
}

static void write_scr(void *opaque, uint32_t value)
{
    ((Ns16550a *)opaque)->st.scratch = value;
}

static const Register uart_regs[] = {
    REG(0, "RBR_THR", read_rbr, write_thr), REG(1, "IER", read_ier, write_ier),
    REG(2, "IIR_FCR", read_iir, write_fcr), REG(3, "LCR", read_lcr, write_lcr),
    REG(4, "MCR", read_mcr, write_mcr),     REG(5, "LSR", read_lsr, NULL),
    REG(6, "MSR", read_msr, NULL),          REG(7, "SCR", read_scr, write_scr),
    {}
};

/* ---- life ---- */
static const ChardevHandlers uart_handlers = {
    .can_read = rx_room, .read = rx_data, .event = rx_event, .can_write = tx_flush,
    .is_guest = true,
};

static void run_changed(bool is_running, RunState s, void *opaque)
{
    Ns16550a *u = opaque;

    if (is_running) {
        arm_timeout(u);
        tx_flush(u);
        if (u->chardev) {
            chardev_accept_input(u->chardev);
        }
    }
}

static bool uart_realize(Object *o, GError **errp)
{
    Ns16550a *u = (Ns16550a *)o;

    u->timeout = timer_new(timed_out, u);
    runstate_notify(STATE_ORDER_DEVICE, run_changed, u);
    if (u->chardev && !chardev_claim(u->chardev, &uart_handlers, u, errp)) {
        u->chardev = NULL;
        return false;
    }
    return mmio_map(&u->mmio, 0x100, 1, uart_regs, NULL, errp);
}

static void uart_unrealize(Object *o)
{
    Ns16550a *u = (Ns16550a *)o;

    mmio_unmap(&u->mmio);
    runstate_unnotify(run_changed, u);
    if (u->chardev) {
        chardev_release(u->chardev);
    }
    timer_free(u->timeout);
}

static void uart_reset(Object *o)
{
    Ns16550a *u = (Ns16550a *)o;

    memset(&u->st, 0, sizeof(u->st));
    u->st.divisor = 12;
    u->st.mcr = MCR_OUT2;
    u->st.msr = modem_lines(u);
    arm_timeout(u);
    uart_update(u);
}

static bool fifo_loaded(void *opaque, uint32_t version, GError **errp)
{
    const Fifo *f = opaque;

    if (f->head >= FIFO_SIZE || f->count > FIFO_SIZE) {
        return fail(errp, "ns16550a: a FIFO of %u bytes holds %u at %u", FIFO_SIZE, f->count, f->head);
    }
    return true;
}

static const VMStateDescription fifo_state = {
    .name = "ns16550a/fifo", .version = 1, .loaded = fifo_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_BYTES(Fifo, data), VMSTATE_U32(Fifo, head), VMSTATE_U32(Fifo, count)),
};

static bool uart_loaded(void *opaque, uint32_t version, GError **errp)
{
    uart_update(opaque);
    return true;
}

VMSTATE_DEFINE_SPAN(Ns16550a, st)
static const VMStateDescription uart_state = {
    .name = "serial", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(Ns16550a, st), .loaded = uart_loaded,
    .fields = VMSTATE_FIELDS(
        VMSTATE_STRUCT(Ns16550a, st.rx, &fifo_state), VMSTATE_STRUCT(Ns16550a, st.tx, &fifo_state),
        VMSTATE_U16(Ns16550a, st.divisor), VMSTATE_U8(Ns16550a, st.ier), VMSTATE_U8(Ns16550a, st.fcr),
        VMSTATE_U8(Ns16550a, st.lcr), VMSTATE_U8(Ns16550a, st.mcr), VMSTATE_U8(Ns16550a, st.lsr_errors),
        VMSTATE_U8(Ns16550a, st.msr), VMSTATE_U8(Ns16550a, st.scratch), VMSTATE_BOOL(Ns16550a, st.tx_irq),
        VMSTATE_BOOL(Ns16550a, st.rx_timeout)),
};

const ObjectType ns16550a_type = {
    .name = "ns16550a", .parent = "mmio-device", .kind = KIND_DEVICE, .size = sizeof(Ns16550a),
    .state = &uart_state, .realize = uart_realize, .unrealize = uart_unrealize, .reset = uart_reset,
    .about = "serial port with 16-byte FIFOs",
};
