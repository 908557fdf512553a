/* include/target/insn-math.h - integer arithmetic that C does not define as RISC-V does.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

static inline uint64_t rv_mulhsu(uint64_t a, uint64_t b)
{
    return (uint64_t)((__int128)(int64_t)a * (unsigned __int128)b >> 64);
}

/* Division by zero gives all ones and the dividend; overflow the dividend and zero (Unprivileged ISA, "M"). */
static inline uint64_t rv_div(uint64_t a, uint64_t b)
{
    if (b == 0) {
        return UINT64_MAX;
    }
    return b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b);
}

static inline uint64_t rv_rem(uint64_t a, uint64_t b)
{
    if (b == 0) {
        return a;
    }
    return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static inline uint64_t rv_divw(uint64_t a, uint64_t b)
{
    int32_t n = (int32_t)a, d = (int32_t)b;

    if (d == 0) {
        return UINT64_MAX;
    }
    return d == -1 ? (uint64_t)(int32_t)(0u - (uint32_t)n) : (uint64_t)(int64_t)(n / d);
}

static inline uint64_t rv_remw(uint64_t a, uint64_t b)
{
    int32_t n = (int32_t)a, d = (int32_t)b;

    if (d == 0) {
        return (uint64_t)(int64_t)n;
    }
    return d == -1 ? 0 : (uint64_t)(int64_t)(n % d);
}

static inline uint64_t rv_divuw(uint64_t a, uint64_t b)
{
    return (uint32_t)b ? (uint64_t)(int32_t)((uint32_t)a / (uint32_t)b) : UINT64_MAX;
}

static inline uint64_t rv_remuw(uint64_t a, uint64_t b)
{
    return (uint64_t)(int32_t)((uint32_t)b ? (uint32_t)a % (uint32_t)b : (uint32_t)a);
}

static inline uint64_t rv_rol(uint64_t a, uint64_t n)
{
    return a << (n & 63) | a >> (-n & 63);
}

static inline uint64_t rv_rorw(uint64_t a, uint64_t n)
{
    uint32_t w = (uint32_t)a;

    return (uint64_t)(int32_t)(w >> (n & 31) | w << (-n & 31));
}

static inline uint64_t rv_orc_b(uint64_t a)
{
    uint64_t low = 0x7f7f7f7f7f7f7f7full;
    uint64_t set = (((a & low) + low) | a) & ~low; /* bit 7 of each byte that is not zero */

    return (set >> 7) * 0xff;
}

#define RV_AMO_MINMAX(name, type, as, cmp)                                                         \
    static inline type rv_##name(_Atomic type *p, type v)                                          \
    {                                                                                              \
        type old = atomic_load(p);                                                                 \
        while (!atomic_compare_exchange_weak(p, &old, (as)old cmp (as)v ? old : v)) {              \
        }                                                                                          \
        return old;                                                                                \
    }
RV_AMO_MINMAX(amomin_w, uint32_t, int32_t, <)
RV_AMO_MINMAX(amomax_w, uint32_t, int32_t, >)
RV_AMO_MINMAX(amominu_w, uint32_t, uint32_t, <)
RV_AMO_MINMAX(amomaxu_w, uint32_t, uint32_t, >)
RV_AMO_MINMAX(amomin_d, uint64_t, int64_t, <)
RV_AMO_MINMAX(amomax_d, uint64_t, int64_t, >)
RV_AMO_MINMAX(amominu_d, uint64_t, uint64_t, <)
RV_AMO_MINMAX(amomaxu_d, uint64_t, uint64_t, >)
#undef RV_AMO_MINMAX
