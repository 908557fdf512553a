/* bench/cpu/kernels/dmatmul.c - a matrix product in doubles, with fused multiply-add.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "dmatmul";

enum { SIDE = 128, ROUNDS = 28 };

static double a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

static NOINLINE void multiply(void)
{
    for (int i = 0; i < SIDE; i++) {
        for (int k = 0; k < SIDE; k++) {
            double sum = 0;

            for (int j = 0; j < SIDE; j++) {
                sum += a[i][j] * b[j][k];
            }
            c[i][k] = sum;
        }
    }
}

uint64_t bench_run(void)
{
    double sum = 0;

    for (int i = 0; i < SIDE * SIDE; i++) {
        a[i / SIDE][i % SIDE] = (i % 17) * 0.3 + 0.1;
        b[i / SIDE][i % SIDE] = (i % 23) * 0.7 - 3.3;
    }
    for (int round = 0; round < ROUNDS; round++) {
        a[round][round] += 0.01;
        multiply();
        sum += c[round][SIDE - 1 - round];
    }
    return (uint64_t)(int64_t)(sum * 1e6);
}
