/* tests/guest/isa/harts.c - four harts: atomics, locks, messages, interrupts.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "isa.h"

enum { HARTS = 4, ROUNDS = 20000, MESSAGES = 5000 };

typedef struct Line {
    volatile uint64_t v;
    uint64_t pad[7];
} Line;

static Line sum, loop_sum, lock, in_lock, arrived, mail, answer, code_seen, finished;
static Line bits;
static uint32_t halves[2] __attribute__((aligned(8)));
static volatile uint32_t *const msip = (uint32_t *)0x2000000;

/* Who waits lets another hart have the processor: the host may have fewer than we are. */
static void relax(void)
{
    __asm__ volatile(".insn i 0x0f, 0, x0, x0, 0x010"); /* pause */
}

static uint64_t increment(volatile uint64_t *p)
{
    uint64_t old, failed;

    do {
        __asm__ volatile("lr.d.aq %0, (%2)\n addi t0, %0, 1\n sc.d.rl %1, t0, (%2)"
                         : "=&r"(old), "=&r"(failed) : "r"(p) : "t0", "memory");
    } while (failed);
    return old;
}

/* All harts reach the same number of meetings before any goes on. */
static void meet(uint64_t number)
{
    __atomic_fetch_add(&arrived.v, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&arrived.v, __ATOMIC_ACQUIRE) < number * HARTS) {
        relax();
    }
}

static void count_together(uint64_t hart)
{
    for (int i = 0; i < ROUNDS; i++) {
        __atomic_fetch_add(&sum.v, hart + 1, __ATOMIC_RELAXED);
        increment(&loop_sum.v);
        __atomic_fetch_add(&halves[hart & 1], 1, __ATOMIC_RELAXED);
        __atomic_fetch_xor(&bits.v, UINT64_C(1) << (hart * 8 + i % 8), __ATOMIC_RELAXED);
        if (i % 8 == 0) {
            while (__atomic_exchange_n((uint32_t *)&lock.v, 1, __ATOMIC_ACQUIRE)) {
                relax();
            }
            in_lock.v = in_lock.v + 1; /* not atomic: the lock has to hold */
            __atomic_store_n((uint32_t *)&lock.v, 0, __ATOMIC_RELEASE);
        }
    }
}

/* Hart 1 publishes data, then a flag; hart 0 must never see the flag without the data. */
static uint64_t payload[8];

static uint64_t pass_messages(uint64_t hart)
{
    uint64_t wrong = 0;

    for (uint64_t i = 1; i <= MESSAGES && hart < 2; i++) {
        if (hart == 1) {
            for (int k = 0; k < 8; k++) {
                __atomic_store_n(&payload[k], i * 8 + k, __ATOMIC_RELAXED);
            }
            __atomic_store_n(&mail.v, i, __ATOMIC_RELEASE);
            while (__atomic_load_n(&answer.v, __ATOMIC_ACQUIRE) != i) {
                relax();
            }
        } else {
            while (__atomic_load_n(&mail.v, __ATOMIC_ACQUIRE) != i) {
                relax();
            }
            for (int k = 0; k < 8; k++) {
                wrong += __atomic_load_n(&payload[k], __ATOMIC_RELAXED) != i * 8 + k;
            }
            __atomic_store_n(&answer.v, i, __ATOMIC_RELEASE);
        }
    }
    return wrong;
}

/* Dekker's test: with full fences both cannot read 0. */
static Line left, right, both[2];

static uint64_t store_buffers(uint64_t hart)
{
    uint64_t wrong = 0;

    for (uint64_t i = 1; i <= MESSAGES && hart < 2; i++) {
        volatile uint64_t *mine = hart ? &right.v : &left.v;
        volatile uint64_t *other = hart ? &left.v : &right.v;
        uint64_t seen;

        *mine = i;
        __asm__ volatile("fence rw, rw" : : : "memory");
        seen = *other < i; /* has not come yet */
        both[hart].v = i << 1 | seen;
        __asm__ volatile("fence rw, rw" : : : "memory");
        while (both[!hart].v >> 1 < i) {
            relax();
        }
        wrong += seen && (both[!hart].v == (i << 1 | 1));
        increment(&code_seen.v);
        while (code_seen.v < 2 * i) {
            relax();
        }
    }
    return wrong;
}

/* A software interrupt to each hart in turn wakes it from wfi. */
static void wake(uint64_t hart)
{
    if (hart == 0) {
        for (int other = 1; other < HARTS; other++) {
            uint64_t before = finished.v;

            msip[other] = 1;
            while (finished.v == before) {
                relax();
            }
        }
        return;
    }
    CSR_WRITE(mie, 8);
    while (!(CSR_READ(mip) & 8)) {
        __asm__ volatile("wfi");
    }
    msip[hart] = 0;
    __atomic_fetch_add(&finished.v, 1, __ATOMIC_SEQ_CST);
}

static uint64_t common(uint64_t hart)
{
    uint64_t wrong;

    meet(1);
    count_together(hart);
    meet(2);
    wrong = pass_messages(hart);
    meet(3);
    wrong += store_buffers(hart);
    meet(4);
    wake(hart);
    meet(5);
    return wrong;
}

void isa_second(uint64_t hart)
{
    common(hart);
}

void isa_program(void)
{
    uint64_t wrong;

    __atomic_store_n(&isa_others, OTHERS_GO, __ATOMIC_RELEASE);
    wrong = common(0);
    CHECK("amoadd.d of all harts", sum.v, UINT64_C(10) * ROUNDS);
    CHECK("lr.d and sc.d of all harts", loop_sum.v, UINT64_C(4) * ROUNDS);
    CHECK("amoadd.w, first half", halves[0], 2 * ROUNDS);
    CHECK("amoadd.w, second half", halves[1], 2 * ROUNDS);
    CHECK("amoxor.d", bits.v, 0);
    CHECK("a lock by amoswap.w", in_lock.v, HARTS * ROUNDS / 8);
    CHECK("messages and store buffers", wrong, 0);
    CHECK("all harts were woken", finished.v, HARTS - 1);
}
