/* tests/guest/bare/main.c - ticks every 10 ms of mtime, the console, and the loop.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Console: 'c' prints the counters, 'e' starts or ends a program that rewrites itself, 'w' tells what it noticed,
 * 'd' starts or ends writing to memory (25 MB/s, each page checked), 't' starts or ends the lines "tick N", 'h' lets the
 * receive rings fill or takes from them again, 'q' powers off, 'r' resets. */
#include "bare.h"

enum {
    TICK = 10 * TICKS_PER_MS, BEHIND_MAX = 50, DIRTY_PAGES = 4096, DIRTY_PER_TICK = 64, PAGE = 4096,
    LSR = 5, LSR_READY = 1, LSR_EMPTY = 0x20, IER = 1, MIE_TIMER = 1 << 7, MIE_EXTERNAL = 1 << 11, MSTATUS_MIE = 8,
    POWER_OFF = 0x5555, RESET = 0x7777,
};

Counters counters __attribute__((section(".counters")));
static uint64_t next_tick, dirty_round, dirty_at;
static bool show_ticks = true, dirties;
static uint8_t dirty_area[DIRTY_PAGES][PAGE] __attribute__((aligned(4096)));

void *memcpy(void *to, const void *from, size_t len)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    for (size_t i = 0; i < len; i++) {
        t[i] = f[i];
    }
    return to;
}

void *memset(void *to, int byte, size_t len)
{
    uint8_t *t = to;

    for (size_t i = 0; i < len; i++) {
        t[i] = byte;
    }
    return to;
}

/* ---- console ----------------------------------------------------------------------------------------------------- */

static volatile uint8_t *uart(uint32_t reg)
{
    return (volatile uint8_t *)(uintptr_t)(UART + reg);
}

void print(const char *text)
{
    for (; *text; text++) {
        while (!(*uart(LSR) & LSR_EMPTY)) {
        }
        *uart(0) = *text;
    }
}

static uint32_t format_number(char *to, uint64_t value)
{
    char digits[20];
    uint32_t n = 0;

    do {
        digits[n++] = '0' + value % 10;
        value /= 10;
    } while (value);
    for (uint32_t i = 0; i < n; i++) {
        to[i] = digits[n - 1 - i];
    }
    return n;
}

void print_number(uint64_t value)
{
    char text[24];

    text[format_number(text, value)] = 0;
    print(text);
}

static uint32_t format_text(char *to, const char *text)
{
    uint32_t n = 0;

    for (; text[n]; n++) {
        to[n] = text[n];
    }
    return n;
}

static uint32_t format_numbered(char *to, const char *name, const Numbered *n)
{
    const struct { const char *name; uint64_t value; } rows[] = {
        { "\":{\"received\":", n->received }, { ",\"lost\":", numbered_lost(n) }, { ",\"duplicated\":", n->duplicate },
        { ",\"reordered\":", n->reordered }, { ",\"highest\":", n->highest },
    };
    uint32_t at = format_text(to, name);

    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        at += format_text(to + at, rows[i].name);
        at += format_number(to + at, rows[i].value);
    }
    return at + format_text(to + at, "},\"");
}

static uint32_t format_big(char *to, const char *name, const BigFlow *f)
{
    const struct { const char *name; uint64_t value; } rows[] = {
        { "\":{\"frames\":", f->frames }, { ",\"bytes\":", f->bytes }, { ",\"longest\":", f->longest },
        { ",\"missing\":", f->missing }, { ",\"again\":", f->again }, { ",\"wrong\":", f->wrong }, { ",\"sent\":", f->sent },
    };
    uint32_t at = format_text(to, name);

    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        at += format_text(to + at, rows[i].name);
        at += format_number(to + at, rows[i].value);
    }
    return at + format_text(to + at, "},\"");
}

uint32_t format_counters(char *to, uint32_t nic)
{
    const NicCounters *more = nic ? &counters.more[nic - 1] : NULL;
    const struct { const char *name; uint64_t value; } rows[] = {
        { "ticks\":", counters.ticks }, { ",\"late_ticks\":", counters.late_ticks },
        { ",\"frames_in\":", counters.frames_in }, { ",\"frames_out\":", counters.frames_out },
        { ",\"bad_sums\":", counters.bad_sums },
        { ",\"echo_sent\":", more ? more->echo_sent : counters.echo_sent },
        { ",\"stream_sent\":", more ? more->stream_sent : counters.stream_sent },
        { ",\"plain\":", counters.plain }, { ",\"plain_group\":", counters.plain_group },
        { ",\"plain_other\":", counters.plain_other }, { ",\"sectors_flushed\":", counters.sectors_flushed },
        { ",\"disk_errors\":", counters.disk_errors }, { ",\"dirty_rounds\":", counters.dirty_rounds },
        { ",\"dirty_wrong\":", counters.dirty_wrong },
    };
    uint32_t at = format_text(to, "{\"");

    at += format_numbered(to + at, "echo", more ? &more->echo : &counters.echo);
    at += format_numbered(to + at, "broadcast", more ? &more->broadcast : &counters.broadcast);
    at += format_big(to + at, "tcp", &counters.tcp);
    at += format_big(to + at, "udp", &counters.udp);
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        at += format_text(to + at, rows[i].name);
        at += format_number(to + at, rows[i].value);
    }
    return at + format_text(to + at, "}\n");
}

static void console_work(void)
{
    static char text[2048];

    while (*uart(LSR) & LSR_READY) {
        switch (*uart(0)) {
        case 'c':
            text[format_counters(text, 0)] = 0;
            print("counters ");
            print(text);
            break;
        case 'd': dirties = !dirties; break;
        case 'e': code_toggle(); break;
        case 'w': code_print(); break;
        case 'h': net_hold(); break;
        case 't': show_ticks = !show_ticks; break;
        case 'q': print("bye\n"); write32(FINISHER, POWER_OFF); break;
        case 'r': write32(FINISHER, RESET); break;
        default: break;
        }
    }
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

/* Each page holds the round in which it was last written; one that went back in time is counted. */
static void dirty_some(void)
{
    for (uint32_t i = 0; i < DIRTY_PER_TICK; i++) {
        uint64_t *word = (uint64_t *)dirty_area[dirty_at];

        counters.dirty_wrong += *word != dirty_round;
        *word = dirty_round + 1;
        if (++dirty_at == DIRTY_PAGES) {
            dirty_at = 0;
            counters.dirty_rounds = ++dirty_round;
        }
    }
}

/* ---- time and interrupts ------------------------------------------------------------------------------------------- */

static void set_alarm(uint64_t at)
{
    *(volatile uint64_t *)(uintptr_t)(CLINT + 0x4000) = at;
}

void irq_enable(uint32_t irq)
{
    write32(PLIC + 4 * irq, 1);
    write32(PLIC + 0x2000, read32(PLIC + 0x2000) | 1U << irq);
}

static void acknowledge(uint32_t irq)
{
    if (irq >= 1 && irq <= VIRTIO_SLOTS) {
        uintptr_t regs = VIRTIO + (irq - 1) * VIRTIO_STEP;

        write32(regs + 0x64, read32(regs + 0x60));
    } else if (irq == UART_IRQ) {
        console_work();
    }
}

/* Called from start.S.  The work itself is main()'s; here the cause is only taken away. */
void trap(uint64_t cause, uint64_t pc, uint64_t value);
void trap(uint64_t cause, uint64_t pc, uint64_t value)
{
    uint32_t irq;

    if (cause == (1ULL << 63 | 7)) {
        set_alarm(UINT64_MAX);
    } else if (cause == (1ULL << 63 | 11)) {
        while ((irq = read32(PLIC + 0x200004))) {
            acknowledge(irq);
            write32(PLIC + 0x200004, irq);
        }
    } else {
        print("trap ");
        print_number(cause);
        print(" pc ");
        print_number(pc);
        print(" value ");
        print_number(value);
        print("\n");
        write32(FINISHER, POWER_OFF);
        for (;;) {
        }
    }
}

static void tick(void)
{
    counters.ticks++;
    if (show_ticks) {
        print("tick ");
        print_number(counters.ticks);
        print("\n");
    }
    disk_tick(counters.ticks);
    if (dirties) {
        dirty_some();
    }
}

static void tick_work(void)
{
    uint64_t now = mtime();

    if (now < next_tick) {
        return;
    }
    if (now - next_tick > (uint64_t)BEHIND_MAX * TICK) {
        counters.late_ticks += (now - next_tick) / TICK;
        next_tick = now;
    }
    tick();
    next_tick += TICK;
}

static void work(void)
{
    net_work();
    tick_work();
    disk_work();
    input_work();
    code_work();
}

int main(void);
int main(void)
{
    counters.magic = 0x4241544f4e434e54;
    print("BARE-GUEST-START\n");
    print(net_init() ? "net " : "no-net ");
    print(disk_init() ? "disk\n" : "no-disk\n");
    input_init();
    irq_enable(UART_IRQ);
    write32(PLIC + 0x200000, 0);
    *uart(IER) = 1;
    next_tick = mtime() + TICK;
    __asm__ volatile("csrw mie, %0" :: "r"((uint64_t)MIE_TIMER | MIE_EXTERNAL));
    print("BARE-GUEST-READY\n");
    for (;;) {
        uint64_t due = net_next_due();

        work();
        /* Interrupts stay off from the alarm to WFI, which wakes for a pending one all the same. */
        set_alarm(due < next_tick ? due : next_tick);
        __asm__ volatile("wfi" ::: "memory");
        __asm__ volatile("csrs mstatus, %0" :: "r"((uint64_t)MSTATUS_MIE) : "memory");
        __asm__ volatile("csrc mstatus, %0" :: "r"((uint64_t)MSTATUS_MIE) : "memory");
    }
}
