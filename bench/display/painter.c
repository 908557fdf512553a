/* bench/display/painter.c - a guest without an operating system that paints noise on a virtio-gpu, 250 times a second.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With start.S and bench.ld of bench/cpu/kernels.  Says "PAINTING" on its UART when the first picture is out, and sleeps
 * between two: most of its processor is the emulator's. */
#include <stdint.h>

enum { WIDTH = 1024, HEIGHT = 768, BOX = 64, LEFT = 200, TOP = 300, PERIOD = 40000 /* of 10 MHz */ };
enum { CREATE_2D = 0x101, SET_SCANOUT = 0x103, FLUSH = 0x104, TRANSFER = 0x105, ATTACH = 0x106, BGRX = 2, RESOURCE = 1 };
enum { MAGIC = 0x74726976, GPU = 16, QUEUE = 4, NEXT = 1, WRITE = 2 };

typedef struct Descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags, next;
} Descriptor;

typedef struct Rect {
    uint32_t x, y, width, height;
} Rect;

typedef struct Command {
    uint32_t type, flags;
    uint64_t fence;
    uint32_t context, padding;
    union {
        struct { uint32_t resource, format, width, height; } create;
        struct { uint32_t resource, entries; uint64_t address; uint32_t size, padding; } attach;
        struct { Rect rect; uint32_t scanout, resource; } scanout;
        struct { Rect rect; uint64_t offset; uint32_t resource, padding; } transfer;
        struct { Rect rect; uint32_t resource, padding; } flush;
    };
} Command;

static uint32_t pixels[WIDTH * HEIGHT] __attribute__((aligned(4096)));
static volatile Descriptor descriptors[QUEUE] __attribute__((aligned(4096)));
static volatile struct { uint16_t flags, index, ring[QUEUE]; } available __attribute__((aligned(4096)));
static volatile struct { uint16_t flags, index; struct { uint32_t id, size; } ring[QUEUE]; } used __attribute__((aligned(4096)));
static volatile uint64_t answer[8];
static volatile uint32_t *device;
static volatile uint64_t *const mtime = (uint64_t *)0x200bff8, *const mtimecmp = (uint64_t *)0x2004000;

static void set(unsigned at, uint32_t value)
{
    device[at / 4] = value;
}

static void set_address(unsigned at, const volatile void *where)
{
    set(at, (uintptr_t)where);
    set(at + 4, (uintptr_t)where >> 32);
}

static void find_device(void)
{
    device = (uint32_t *)0x10001000;
    while (device[0] != MAGIC || device[2] != GPU) {
        device += 0x1000 / 4;
    }
}

static void start_device(void)
{
    set(0x70, 0);
    set(0x70, 3);
    set(0x24, 0);           /* version 1, and nothing besides */
    set(0x20, 0);
    set(0x24, 1);
    set(0x20, 1);
    set(0x70, 11);
    set(0x30, 0);
    set(0x38, QUEUE);
    set_address(0x80, descriptors);
    set_address(0x90, &available);
    set_address(0xa0, &used);
    set(0x44, 1);
    set(0x70, 15);
}

static void fence(void)
{
    __asm__ volatile("fence rw, rw" ::: "memory");
}

/* One at a time; the device is looked at, and interrupts nobody. */
static void command(const Command *c)
{
    descriptors[0] = (Descriptor){(uintptr_t)c, sizeof(*c), NEXT, 1};
    descriptors[1] = (Descriptor){(uintptr_t)answer, sizeof(answer), WRITE, 0};
    available.ring[available.index % QUEUE] = 0;
    fence();
    available.index++;
    fence();
    set(0x50, 0);
    while (used.index != available.index) {
    }
    fence();
}

static void show_screen(void)
{
    Command c = {.type = CREATE_2D, .create = {RESOURCE, BGRX, WIDTH, HEIGHT}};

    command(&c);
    c = (Command){.type = ATTACH, .attach = {RESOURCE, 1, (uintptr_t)pixels, sizeof(pixels), 0}};
    command(&c);
    c = (Command){.type = SET_SCANOUT, .scanout = {{0, 0, WIDTH, HEIGHT}, 0, RESOURCE}};
    command(&c);
}

/* Noise: what a server sends does not depend on how well it packs. */
static void paint(uint32_t *seed)
{
    const Rect box = {LEFT, TOP, BOX, BOX};
    Command c = {.type = TRANSFER, .transfer = {box, (TOP * WIDTH + LEFT) * 4, RESOURCE, 0}};

    for (unsigned y = TOP; y < TOP + BOX; y++) {
        for (unsigned x = LEFT; x < LEFT + BOX; x++) {
            *seed = *seed * 1664525 + 1013904223;
            pixels[y * WIDTH + x] = *seed >> 8;
        }
    }
    command(&c);
    c = (Command){.type = FLUSH, .flush = {box, RESOURCE, 0}};
    command(&c);
}

static void sleep_until(uint64_t then)
{
    *mtimecmp = then;
    while (*mtime < then) {
        __asm__ volatile("wfi");        /* the timer wakes us up, though nobody takes its interrupt */
    }
}

void bench_main(void)
{
    uint64_t next = *mtime;
    uint32_t seed = 1;

    __asm__ volatile("csrs mie, %0" :: "r"(1UL << 7));
    find_device();
    start_device();
    show_screen();
    paint(&seed);
    for (const char *p = "PAINTING\r\n"; *p; p++) {
        *(volatile uint8_t *)0x10000000 = *p;
    }
    for (;;) {
        next = next + PERIOD > *mtime ? next + PERIOD : *mtime + PERIOD;
        sleep_until(next);
        paint(&seed);
    }
}
