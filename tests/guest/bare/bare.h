/* tests/guest/bare/bare.h - a guest without an operating system: machine mode, one hart, interrupts for all it does.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * main.c ticks, prints and answers the console; net.c answers the network; disk.c writes numbered sectors; input.c prints
 * what is typed; virtio.c drives virtio-mmio (version 2).  Interrupt handlers only note what happened; all work is done in
 * main()'s loop. */
#pragma once

#include "../traffic.h"
#include <stddef.h>

enum {
    FINISHER = 0x00100000, CLINT = 0x02000000, PLIC = 0x0c000000, UART = 0x10000000, VIRTIO = 0x10001000,
    VIRTIO_STEP = 0x1000, VIRTIO_SLOTS = 8, UART_IRQ = 10,
    TICKS_PER_MS = 10000,                       /* of mtime: 10 MHz */
    QUEUE_SIZE = 128, DEVICE_NET = 1, DEVICE_BLK = 2, DEVICE_INPUT = 18, NICS_MAX = 8,
};

/* Of a network card behind the first one. */
typedef struct NicCounters {
    uint64_t echo_sent, stream_sent;
    Numbered echo, broadcast;
} NicCounters;

/* At a fixed address (bare.ld), so that a test can read them in a memory image. */
typedef struct Counters {
    uint64_t magic;                             /* "BATONCNT" */
    uint64_t ticks, late_ticks;
    uint64_t frames_in, frames_out, bad_sums, no_tx_room;
    uint64_t echo_sent, stream_sent;
    uint64_t sectors_asked, sectors_flushed, disk_errors;
    uint64_t dirty_rounds, dirty_wrong;
    Numbered echo, broadcast;
    uint64_t plain, plain_group, plain_other;   /* PORT_PLAIN: to us, to all, and those that were not like the first */
    BigFlow tcp, udp;                           /* PORT_BIG */
    NicCounters more[NICS_MAX - 1];
} Counters;

extern Counters counters;

typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} Desc;

typedef struct Queue {
    Desc desc[QUEUE_SIZE] __attribute__((aligned(16)));
    struct { uint16_t flags, idx, ring[QUEUE_SIZE], event; } avail __attribute__((aligned(2)));
    struct { uint16_t flags, idx; struct { uint32_t id, len; } ring[QUEUE_SIZE]; uint16_t event; } used
        __attribute__((aligned(4)));
    uint16_t seen;                              /* of used.idx */
    uint16_t size;                              /* QUEUE_SIZE, or what the device has */
    uintptr_t regs;
    uint32_t index;
} Queue;

enum { DESC_NEXT = 1, DESC_WRITE = 2, NO_INTERRUPT = 1 };

static inline uint32_t read32(uintptr_t at)
{
    return *(volatile uint32_t *)at;
}

static inline void write32(uintptr_t at, uint32_t value)
{
    *(volatile uint32_t *)at = value;
}

/* Big endian and back; written out, since there is no compiler library here. */
static inline uint32_t swap32(uint32_t v)
{
    return v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24;
}

static inline uint64_t swap64(uint64_t v)
{
    return (uint64_t)swap32(v) << 32 | swap32(v >> 32);
}

static inline uint64_t mtime(void)
{
    return *(volatile uint64_t *)(uintptr_t)(CLINT + 0xbff8);
}

static inline void fence(void)
{
    __asm__ volatile("fence rw, rw" ::: "memory");
}

/* virtio.c */
typedef struct VirtioFound {
    uintptr_t regs;
    uint32_t slot;
    uint64_t features;                          /* of those that were asked for */
} VirtioFound;
bool virtio_find(uint32_t device, uint64_t features, uint32_t from_slot, VirtioFound *ret);
void virtio_queue(uintptr_t regs, uint32_t index, Queue *q);
void virtio_start(uintptr_t regs);
void queue_give(Queue *q, uint16_t head);
void queue_kick(Queue *q);
bool queue_take(Queue *q, uint32_t *ret_id, uint32_t *ret_len);

/* net.c, disk.c */
bool net_init(void);
void net_work(void);
uint64_t net_next_due(void);                    /* mtime, UINT64_MAX when nothing is due */
void net_hold(void);                            /* takes nothing from the receive rings; again: it does */

/* big.c */
typedef struct BigFrame {
    const uint8_t *frame, *ip, *l4;
    uint32_t len;                               /* from l4 on */
    bool is_checked;                            /* the checksum was, or will be, somebody else's work */
} BigFrame;
void big_tcp(const BigFrame *f);
void big_udp(const BigFrame *f);
bool disk_init(void);
void disk_work(void);
void disk_tick(uint64_t number);

/* input.c */
bool input_init(void);
void input_work(void);

/* code.c */
void code_work(void);                           /* a turn */
void code_toggle(void);
void code_print(void);

/* main.c */
void irq_enable(uint32_t irq);
void print(const char *text);
void print_number(uint64_t value);
uint32_t format_counters(char *to, uint32_t nic);   /* one line of JSON, less than 1200 bytes */
void *memcpy(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
