/* bench/cpu/kernels/intmix.c - a list walk, a matrix product, a state machine and a CRC, in turn.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "bench.h"

const char bench_name[] = "intmix";

enum { ITEMS = 256, SIDE = 24, TEXT = 512, ROUNDS = 10000 };

typedef struct Item {
    struct Item *next;
    int16_t key, value;
} Item;

static Item items[ITEMS];
static int16_t left[SIDE][SIDE], right[SIDE][SIDE];
static int32_t product[SIDE][SIDE];
static uint8_t text[TEXT];

static NOINLINE uint16_t crc16(uint16_t crc, uint32_t value)
{
    for (int i = 0; i < 32; i++) {
        crc = (crc ^ (value >> i & 1)) & 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
    }
    return crc;
}

static NOINLINE Item *reverse(Item *list)
{
    Item *done = NULL;

    while (list) {
        Item *next = list->next;

        list->next = done;
        done = list;
        list = next;
    }
    return done;
}

static NOINLINE int32_t walk(Item *list, int16_t key)
{
    int32_t sum = 0;

    for (; list; list = list->next) {
        if (list->key == key) {
            sum += list->value;
        } else if (list->key < key) {
            sum ^= list->value;
        }
    }
    return sum;
}

static NOINLINE int32_t multiply(int32_t scale)
{
    int32_t trace = 0;

    for (int i = 0; i < SIDE; i++) {
        for (int k = 0; k < SIDE; k++) {
            int32_t sum = 0;

            for (int j = 0; j < SIDE; j++) {
                sum += left[i][j] * right[j][k];
            }
            product[i][k] = sum + scale;
        }
        trace += product[i][i];
    }
    return trace;
}

typedef enum State { START, SIGN, INTEGER, POINT, FRACTION, BAD, STATES } State;

static NOINLINE uint32_t scan(uint32_t *counts)
{
    State state = START;
    uint32_t changes = 0;

    for (int i = 0; i < TEXT; i++) {
        uint8_t c = text[i];
        State before = state;

        switch (state) {
        case START:
            state = c == '+' || c == '-' ? SIGN : c >= '0' && c <= '9' ? INTEGER : BAD;
            break;
        case SIGN:
            state = c >= '0' && c <= '9' ? INTEGER : c == '.' ? POINT : BAD;
            break;
        case INTEGER:
            state = c == '.' ? POINT : c == ',' ? START : c >= '0' && c <= '9' ? INTEGER : BAD;
            break;
        case POINT:
        case FRACTION:
            state = c == ',' ? START : c >= '0' && c <= '9' ? FRACTION : BAD;
            break;
        default:
            state = c == ',' ? START : BAD;
        }
        changes += state != before;
        counts[state]++;
    }
    return changes;
}

static void set_up(void)
{
    uint64_t seed = 88172645463325252;

    for (int i = 0; i < ITEMS; i++) {
        items[i].key = bench_random(&seed) & 63;
        items[i].value = bench_random(&seed);
        items[i].next = i + 1 < ITEMS ? &items[(i + 1)] : NULL;
    }
    for (int i = 0; i < SIDE * SIDE; i++) {
        left[i / SIDE][i % SIDE] = bench_random(&seed) & 255;
        right[i / SIDE][i % SIDE] = bench_random(&seed) & 255;
    }
    for (int i = 0; i < TEXT; i++) {
        text[i] = "0123456789+-.,,,"[bench_random(&seed) & 15];
    }
}

uint64_t bench_run(void)
{
    Item *list = items;
    uint32_t counts[STATES] = { 0 };
    uint16_t crc = 0;

    set_up();
    for (int round = 0; round < ROUNDS; round++) {
        list = reverse(list);
        crc = crc16(crc, walk(list, round & 63));
        crc = crc16(crc, multiply(round));
        text[round % TEXT] ^= 1;
        crc = crc16(crc, scan(counts));
        crc = crc16(crc, counts[round % STATES]);
    }
    return crc;
}
