/* tests/unit/target/fpu-fast-test.c - target/fpu.h gives the bits and flags of the integer code.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "target/fpu.h"

#include <fenv.h>
#include <glib.h>
#include <string.h>

#include "../../../target/riscv/fpu-soft.h"

enum { ROUNDS = 100000 };

typedef uint64_t Binary(uint64_t a, uint64_t b, uint64_t c, FpuStatus *s);

typedef struct Operation {
    const char *name;
    bool is_single; /* operands are drawn from single numbers */
    Binary *fast, *soft;
} Operation;

/* One signature for all, so that a table can hold them. */
#define WRAP(name, call)                                                                           \
    static uint64_t fast_##name(uint64_t a, uint64_t b, uint64_t c, FpuStatus *s)                  \
    {                                                                                              \
        return call(, name);                                                                       \
    }                                                                                              \
    static uint64_t slow_##name(uint64_t a, uint64_t b, uint64_t c, FpuStatus *s)                  \
    {                                                                                              \
        return call(soft_, name);                                                                  \
    }
#define UNARY_CALL(prefix, name)  prefix##name(a, s)
#define BINARY_CALL(prefix, name) prefix##name(a, b, s)
#define FMA_CALL(prefix, name)    prefix##name(a, b, c, s)
#define CLASS_CALL(prefix, name)  prefix##name(a)

#define ALL(X)                                                                                     \
    X(f32_add, BINARY_CALL, true)                                                                  \
    X(f32_sub, BINARY_CALL, true)                                                                  \
    X(f32_mul, BINARY_CALL, true)                                                                  \
    X(f32_div, BINARY_CALL, true)                                                                  \
    X(f32_sqrt, UNARY_CALL, true)                                                                  \
    X(f32_fma, FMA_CALL, true)                                                                     \
    X(f32_eq, BINARY_CALL, true)                                                                   \
    X(f32_lt, BINARY_CALL, true)                                                                   \
    X(f32_le, BINARY_CALL, true)                                                                   \
    X(f32_min, BINARY_CALL, true)                                                                  \
    X(f32_max, BINARY_CALL, true)                                                                  \
    X(f32_class, CLASS_CALL, true)                                                                 \
    X(f32_to_i32, UNARY_CALL, true)                                                                \
    X(f32_to_u32, UNARY_CALL, true)                                                                \
    X(f32_to_i64, UNARY_CALL, true)                                                                \
    X(f32_to_u64, UNARY_CALL, true)                                                                \
    X(f32_to_f64, UNARY_CALL, true)                                                                \
    X(f64_add, BINARY_CALL, false)                                                                 \
    X(f64_sub, BINARY_CALL, false)                                                                 \
    X(f64_mul, BINARY_CALL, false)                                                                 \
    X(f64_div, BINARY_CALL, false)                                                                 \
    X(f64_sqrt, UNARY_CALL, false)                                                                 \
    X(f64_fma, FMA_CALL, false)                                                                    \
    X(f64_eq, BINARY_CALL, false)                                                                  \
    X(f64_lt, BINARY_CALL, false)                                                                  \
    X(f64_le, BINARY_CALL, false)                                                                  \
    X(f64_min, BINARY_CALL, false)                                                                 \
    X(f64_max, BINARY_CALL, false)                                                                 \
    X(f64_class, CLASS_CALL, false)                                                                \
    X(f64_to_i32, UNARY_CALL, false)                                                               \
    X(f64_to_u32, UNARY_CALL, false)                                                               \
    X(f64_to_i64, UNARY_CALL, false)                                                               \
    X(f64_to_u64, UNARY_CALL, false)                                                               \
    X(f64_to_f32, UNARY_CALL, false)                                                               \
    X(i32_to_f32, UNARY_CALL, false)                                                               \
    X(u32_to_f32, UNARY_CALL, false)                                                               \
    X(i64_to_f32, UNARY_CALL, false)                                                               \
    X(u64_to_f32, UNARY_CALL, false)                                                               \
    X(i32_to_f64, UNARY_CALL, false)                                                               \
    X(u32_to_f64, UNARY_CALL, false)                                                               \
    X(i64_to_f64, UNARY_CALL, false)                                                               \
    X(u64_to_f64, UNARY_CALL, false)

#define WRAPPERS(name, call, single) WRAP(name, call)
#define ROW(name, call, single)      { #name, single, fast_##name, slow_##name },
ALL(WRAPPERS)
static const Operation operations[] = { ALL(ROW) };

static uint64_t random64(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;
    uint64_t z = state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* Exponents where something happens: the ends, the middle, the integers' limits. */
static uint64_t random_exponent(uint64_t random, int exp_bits)
{
    int all_ones = (1 << exp_bits) - 1, middle = all_ones >> 1;
    const int places[] = { 0, 1, 2, all_ones, all_ones - 1, middle, middle + 24, middle + 31,
                           middle + 53, middle + 63, middle >> 1, middle + (middle >> 1) };

    if (random & 1) {
        return (random >> 8) & all_ones;
    }
    return (places[(random >> 8) % G_N_ELEMENTS(places)] + (int)(random >> 16 & 3) - 1) & all_ones;
}

static uint64_t random_fraction(uint64_t random, int frac_bits)
{
    uint64_t all = (UINT64_C(1) << frac_bits) - 1, bits = random64();

    switch (random & 7) {
    case 0:
        return 0;
    case 1:
        return all;
    case 2:
        return UINT64_C(1) << bits % frac_bits;
    case 3:
        return all & ~(UINT64_C(1) << bits % frac_bits);
    case 4: /* few bits, at the top: exact results, ties */
        return (bits & all) & ~(all >> (bits >> 58) % frac_bits);
    case 5: /* few bits, at the bottom */
        return (bits & all) >> (bits >> 58) % frac_bits;
    default:
        return bits & all;
    }
}

static uint64_t random_number(bool is_single)
{
    int frac_bits = is_single ? 23 : 52, exp_bits = is_single ? 8 : 11;
    uint64_t r = random64();

    return (r >> 63) << (frac_bits + exp_bits) | random_exponent(r, exp_bits) << frac_bits |
           random_fraction(r >> 40, frac_bits);
}

static void compare(const Operation *op, const uint64_t *v, FpuStatus start)
{
    FpuStatus fast_status = start, soft_status = start;
    uint64_t fast = op->fast(v[0], v[1], v[2], &fast_status);
    uint64_t soft = op->soft(v[0], v[1], v[2], &soft_status);

    if (fast != soft || fast_status.flags != soft_status.flags) {
        g_error("%s(%" G_GINT64_MODIFIER "x, %" G_GINT64_MODIFIER "x, %" G_GINT64_MODIFIER
                "x) rm %d flags %x: fast %" G_GINT64_MODIFIER "x/%x, soft %" G_GINT64_MODIFIER
                "x/%x", op->name, v[0], v[1], v[2], start.rm, start.flags, fast, fast_status.flags,
                soft, soft_status.flags);
    }
}

/* Every second round starts with NX set, where the inline paths are. */
static void operation_agrees(const void *data)
{
    const Operation *op = data;

    for (int i = 0; i < ROUNDS; i++) {
        uint64_t v[3], r = random64();
        FpuStatus start = { .flags = i & 1 ? FPU_NX | (r & 0x1f) : r & 0x1e & r >> 8,
                            .rm = i & 2 ? FPU_RM_RNE : (r >> 16) % FPU_RM_COUNT };

        for (int k = 0; k < 3; k++) {
            v[k] = random_number(op->is_single);
        }
        if (r & UINT64_C(1) << 40) {
            /* A third operand near the product: the sum cancels, and rounds from the low half. */
            FpuStatus ignored = { .rm = FPU_RM_RNE };

            v[2] = op->is_single ? soft_f32_mul(v[0], v[1], &ignored) ^ F32_SIGN
                                 : soft_f64_mul(v[0], v[1], &ignored) ^ F64_SIGN;
            v[2] += (r >> 41) % 3 - 1;
            v[2] &= op->is_single ? UINT32_MAX : UINT64_MAX;
        }
        if (r & UINT64_C(1) << 44) {
            v[1] = v[0] ^ (r >> 45 & 1 ? (op->is_single ? F32_SIGN : F64_SIGN) : 0);
        }
        compare(op, v, start);
    }
}

static const uint64_t special_doubles[] = {
    0, 1, 0x000fffffffffffff, 0x0010000000000000, 0x0010000000000001, 0x001fffffffffffff,
    0x0020000000000000, 0x3fe0000000000000, 0x3fefffffffffffff, 0x3ff0000000000000,
    0x3ff0000000000001, 0x3ff8000000000000, 0x4000000000000000, 0x41dfffffffc00000,
    0x41dfffffffe00000, 0x41e0000000000000, 0x41efffffffe00000, 0x41effffffff00000,
    0x41f0000000000000, 0x43dfffffffffffff, 0x43e0000000000000, 0x43efffffffffffff,
    0x43f0000000000000, 0x47efffffe0000000, 0x47efffffefffffff, 0x47effffff0000000,
    0x47f0000000000000, 0x380fffffc0000000, 0x380fffffe0000000, 0x380ffffff0000000,
    0x3810000000000000, 0x36a0000000000000, 0x3690000000000000, 0x3690000000000001,
    0x7fefffffffffffff, 0x7ff0000000000000, 0x7ff0000000000001, 0x7ff8000000000000,
    0x7fffffffffffffff, 0x7ff4000000000000,
};

static uint64_t special(int index, bool is_single)
{
    uint64_t v = special_doubles[index >> 1];

    if (is_single) { /* the same places of the smaller format */
        uint32_t exp = v >> 52, narrow = exp >= 0x7f0 ? exp - 0x700 : exp < 3 ? exp : exp - 0x380;

        v = (narrow & 0xff) << 23 | (v >> 29 & 0x7fffff) | (v & 1);
    }
    return index & 1 ? v | (is_single ? F32_SIGN : F64_SIGN) : v;
}

static void special_pairs_agree(const void *data)
{
    const Operation *op = data;
    int count = 2 * G_N_ELEMENTS(special_doubles);

    for (int i = 0; i < count * count; i++) {
        uint64_t v[3] = { special(i % count, op->is_single), special(i / count, op->is_single),
                          special(random64() % count, op->is_single) };

        for (int rm = 0; rm < FPU_RM_COUNT; rm++) {
            compare(op, v, (FpuStatus){ .rm = rm });
        }
        compare(op, v, (FpuStatus){ .flags = FPU_NX });
    }
}

/* Other code of the process relies on the default mode, before and after. */
static void host_mode_is_left_alone(void)
{
    for (int rm = 0; rm < FPU_RM_COUNT; rm++) {
        FpuStatus s = { .rm = rm };

        f64_add(F64_SIGN >> 2, 1, &s);
        f32_div(0x3f800000, 0x40400000, &s);
        f64_sqrt(0x4000000000000000, &s);
        f64_fma(0x3ff0000000000001, 0x3ff0000000000001, 1, &s);
        f64_to_f32(0x3ff0000000000001, &s);
        g_assert_cmpint(fegetround(), ==, FE_TONEAREST);
        g_assert_cmpint(s.flags, ==, FPU_NX);
    }
}

#ifdef __x86_64__
/* A host without FMA3 takes the integer code, and never the instruction. */
static void does_without_fma3(void)
{
    bool had = fpu_has_fma3;

    fpu_has_fma3 = false;
    for (int i = 0; i < G_N_ELEMENTS(operations); i++) {
        if (strstr(operations[i].name, "_fma")) {
            operation_agrees(&operations[i]);
        }
    }
    fpu_has_fma3 = had;
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int i = 0; i < G_N_ELEMENTS(operations); i++) {
        g_autofree char *name = g_strdup_printf("/target/fpu/fast/%s", operations[i].name);
        g_autofree char *pairs = g_strdup_printf("%s/special_pairs", name);

        g_test_add_data_func(name, &operations[i], operation_agrees);
        g_test_add_data_func(pairs, &operations[i], special_pairs_agree);
    }
    g_test_add_func("/target/fpu/fast/host_mode_is_left_alone", host_mode_is_left_alone);
#ifdef __x86_64__
    g_test_add_func("/target/fpu/fast/does_without_fma3", does_without_fma3);
#endif
    return g_test_run();
}
