/* bench/cpu/kernels/vcall.c - calls through tables of functions, the target changing each time.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "vcall";

enum { SHAPES = 1024, ROUNDS = 18000 };

typedef struct Shape Shape;

typedef struct ShapeOps {
    uint64_t (*area)(const Shape *s);
    void (*grow)(Shape *s, uint64_t by);
} ShapeOps;

struct Shape {
    const ShapeOps *ops;
    uint64_t a, b;
};

static Shape shapes[SHAPES];

static uint64_t area_box(const Shape *s)
{
    return s->a * s->b;
}

static uint64_t area_ring(const Shape *s)
{
    return (s->a - s->b) * (s->a + s->b) * 3;
}

static uint64_t area_wedge(const Shape *s)
{
    return s->a * s->b >> 1;
}

static void grow_wide(Shape *s, uint64_t by)
{
    s->a += by;
}

static void grow_both(Shape *s, uint64_t by)
{
    s->a += by;
    s->b += by >> 1;
}

static const ShapeOps kinds[] = {
    { area_box, grow_wide },
    { area_ring, grow_wide },
    { area_wedge, grow_both },
    { area_box, grow_both },
};

uint64_t bench_run(void)
{
    uint64_t seed = 7, sum = 0;

    for (int i = 0; i < SHAPES; i++) {
        uint64_t r = bench_random(&seed);

        shapes[i] = (Shape){ &kinds[r >> 20 & 3], r & 255, r >> 8 & 255 };
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < SHAPES; i += 2) {
            sum += shapes[i].ops->area(&shapes[i]);
            shapes[i + 1].ops->grow(&shapes[i + 1], round & 3);
        }
    }
    return sum;
}
