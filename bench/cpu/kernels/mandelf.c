/* bench/cpu/kernels/mandelf.c - the Mandelbrot set in singles: multiplications and comparisons.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "mandelf";

enum { WIDTH = 220, HEIGHT = 160, LIMIT = 256 };

static NOINLINE int steps_to_escape(float cx, float cy)
{
    float x = 0, y = 0;
    int i = 0;

    while (i < LIMIT && x * x + y * y < 4.0f) {
        float next = x * x - y * y + cx;

        y = 2.0f * x * y + cy;
        x = next;
        i++;
    }
    return i;
}

uint64_t bench_run(void)
{
    uint64_t sum = 0;

    for (int round = 0; round < 3; round++) {
        for (int row = 0; row < HEIGHT; row++) {
            for (int column = 0; column < WIDTH; column++) {
                float cx = -2.2f + 3.0f * column / WIDTH + 0.001f * round;

                sum = sum * 3 + steps_to_escape(cx, -1.2f + 2.4f * row / HEIGHT);
            }
        }
    }
    return sum;
}
