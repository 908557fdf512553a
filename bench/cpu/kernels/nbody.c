/* bench/cpu/kernels/nbody.c - planets pull each other: division and square root.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "nbody";

enum { BODIES = 5, STEPS = 330000 };

typedef struct Body {
    double at[3], speed[3], mass;
} Body;

static Body bodies[BODIES] = {
    { { 0, 0, 0 }, { 0, 0, 0 }, 39.5 },
    { { 4.8, -1.2, -0.1 }, { 0.6, 2.8, -0.02 }, 0.038 },
    { { 8.3, 4.1, -0.4 }, { -1.0, 1.8, 0.008 }, 0.011 },
    { { 12.9, -15.1, -0.2 }, { 1.1, 0.9, -0.01 }, 0.0017 },
    { { 15.4, -25.9, 0.2 }, { 1.0, 0.6, -0.03 }, 0.002 },
};

static double root(double v)
{
    __asm__("fsqrt.d %0, %1" : "=f"(v) : "f"(v));
    return v;
}

static NOINLINE void step(double dt)
{
    for (int i = 0; i < BODIES; i++) {
        for (int k = i + 1; k < BODIES; k++) {
            double d[3], square = 0, pull;

            for (int x = 0; x < 3; x++) {
                d[x] = bodies[i].at[x] - bodies[k].at[x];
                square += d[x] * d[x];
            }
            pull = dt / (square * root(square));
            for (int x = 0; x < 3; x++) {
                bodies[i].speed[x] -= d[x] * bodies[k].mass * pull;
                bodies[k].speed[x] += d[x] * bodies[i].mass * pull;
            }
        }
    }
    for (int i = 0; i < BODIES; i++) {
        for (int x = 0; x < 3; x++) {
            bodies[i].at[x] += dt * bodies[i].speed[x];
        }
    }
}

uint64_t bench_run(void)
{
    double sum = 0;

    for (int i = 0; i < STEPS; i++) {
        step(0.001);
    }
    for (int i = 0; i < BODIES; i++) {
        sum += bodies[i].at[0] + bodies[i].speed[1];
    }
    return (uint64_t)(int64_t)(sum * 1e9);
}
