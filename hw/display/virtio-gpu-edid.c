/* hw/display/virtio-gpu-edid.c - what the monitor at an output says of itself: an EDID 1.4 base block.
 * Page: docs/devices/virtio-gpu.md.  Test: tests/qtest/hw/display/virtio-gpu-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Layout: VESA Enhanced EDID standard, release A2, section 3.  Timings: VESA CVT 1.2, reduced blanking version 1. */
#include "hw/display/virtio-gpu.h"

#include "util/bytes.h"

#include <string.h>

enum { EDID_VENDOR = 8, EDID_PRODUCT = 10, EDID_SERIAL = 12, EDID_YEAR = 17, EDID_VERSION = 18, EDID_INPUT = 20,
       EDID_SIZE_CM = 21, EDID_GAMMA = 23, EDID_FEATURES = 24, EDID_COLOURS = 25, EDID_ESTABLISHED = 35,
       EDID_STANDARD = 38, EDID_DESCRIPTORS = 54, EDID_DESCRIPTOR = 18, EDID_CHECKSUM = 127 };
enum { H_BLANK = 160, H_FRONT = 48, H_SYNC = 32, V_FRONT = 3, V_BACK_MIN = 6, V_BLANK_US = 460, CLOCK_STEP_KHZ = 250,
       CLOCK_KHZ_MOST = 655350 };
enum { TAG_NAME = 0xfc, TAG_RANGES = 0xfd, TAG_SERIAL = 0xff };

typedef struct Timing {
    unsigned clock_khz, v_sync, v_blank;
} Timing;

/* Lines of the vertical sync tell the aspect ratio. */
static unsigned v_sync_lines(uint32_t width, uint32_t height)
{
    static const struct {
        unsigned width, height, lines;
    } ratios[] = {{4, 3, 4}, {16, 9, 5}, {16, 10, 6}, {5, 4, 7}, {15, 9, 7}};

    for (unsigned i = 0; i < G_N_ELEMENTS(ratios); i++) {
        if (width * ratios[i].height == height * ratios[i].width) {
            return ratios[i].lines;
        }
    }
    return 10;
}

/* At 60 Hz, or at what the field for the clock has room for. */
static Timing reduced_blanking(uint32_t width, uint32_t height)
{
    Timing t = {.v_sync = v_sync_lines(width, height)};

    for (unsigned hz = 60; hz >= 10; hz -= 5) {
        unsigned frame_us = 1000000 / hz;
        unsigned lines = V_BLANK_US * height / (frame_us - V_BLANK_US) + 1;

        t.v_blank = MAX(lines, V_FRONT + t.v_sync + V_BACK_MIN);
        t.clock_khz = (uint64_t)hz * (height + t.v_blank) * (width + H_BLANK) / 1000 / CLOCK_STEP_KHZ * CLOCK_STEP_KHZ;
        if (t.clock_khz <= CLOCK_KHZ_MOST) {
            break;
        }
    }
    return t;
}

static void put_timing(uint8_t *d, uint32_t width, uint32_t height, unsigned width_mm, unsigned height_mm)
{
    Timing t = reduced_blanking(width, height);

    store_le16(d, t.clock_khz / 10);
    d[2] = width;
    d[3] = H_BLANK;
    d[4] = (width >> 8) << 4 | H_BLANK >> 8;
    d[5] = height;
    d[6] = t.v_blank;
    d[7] = (height >> 8) << 4 | t.v_blank >> 8;
    d[8] = H_FRONT;
    d[9] = H_SYNC;
    d[10] = V_FRONT << 4 | t.v_sync;
    d[11] = 0; /* all four fit in their low bits */
    d[12] = width_mm;
    d[13] = height_mm;
    d[14] = (width_mm >> 8) << 4 | height_mm >> 8;
    d[17] = 0x1a; /* digital, separate syncs: horizontal positive, vertical negative */
}

static void put_text(uint8_t *d, uint8_t tag, const char *text)
{
    size_t size = MIN(strlen(text), 13);

    d[3] = tag;
    memset(d + 5, ' ', 13);
    memcpy(d + 5, text, size);
    if (size < 13) {
        d[5 + size] = '\n';
    }
}

static void put_ranges(uint8_t *d)
{
    d[3] = TAG_RANGES;
    d[5] = 10;   /* Hz, vertical: from */
    d[6] = 125;  /* to */
    d[7] = 10;   /* kHz, horizontal: from */
    d[8] = 255;  /* to */
    d[9] = 66;   /* 10 MHz: largest clock */
    d[10] = 1;   /* these bounds and no formula */
    d[11] = '\n';
    memset(d + 12, ' ', 6);
}

/* The primaries of sRGB and its white, in 1/1024: two low bits of each first, then the high bytes. */
static void put_colours(uint8_t *d)
{
    static const uint16_t xy[8] = {655, 338, 307, 614, 154, 61, 320, 337}; /* red, green, blue, white */

    for (unsigned i = 0; i < 8; i++) {
        d[i / 4] |= (xy[i] & 3) << (6 - 2 * (i % 4));
        d[2 + i] = xy[i] >> 2;
    }
}

static void put_standard_timings(uint8_t *d)
{
    static const struct {
        uint16_t width;
        uint8_t aspect; /* 0: 16:10, 1: 4:3, 2: 5:4, 3: 16:9 */
    } modes[8] = {{1920, 3}, {1920, 0}, {1680, 0}, {1600, 1}, {1440, 0}, {1280, 2}, {1280, 0}, {1280, 3}};

    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        d[2 * i] = modes[i].width / 8 - 31;
        d[2 * i + 1] = modes[i].aspect << 6; /* + 60 Hz */
    }
}

static unsigned to_mm(uint32_t pixels, unsigned mm)
{
    return MIN(mm ? mm : pixels * 254 / 960, 4095); /* 96 dots an inch */
}

void gpu_edid(uint8_t edid[GPU_EDID_SIZE], unsigned output, uint32_t width, uint32_t height, unsigned width_mm,
              unsigned height_mm)
{
    uint8_t *d = edid + EDID_DESCRIPTORS, sum = 0;
    char serial[14];

    width_mm = to_mm(width, width_mm);
    height_mm = to_mm(height, height_mm);
    memset(edid, 0, GPU_EDID_SIZE);
    memset(edid + 1, 0xff, 6);
    store_be16(edid + EDID_VENDOR, ('B' - '@') << 10 | ('T' - '@') << 5 | ('N' - '@'));
    store_le16(edid + EDID_PRODUCT, 1);
    store_le32(edid + EDID_SERIAL, output + 1);
    edid[EDID_YEAR] = 2026 - 1990;
    edid[EDID_VERSION] = 1;
    edid[EDID_VERSION + 1] = 4;
    edid[EDID_INPUT] = 0xa5; /* digital, 8 bits a colour, DisplayPort */
    edid[EDID_SIZE_CM] = MIN(width_mm / 10, 255);
    edid[EDID_SIZE_CM + 1] = MIN(height_mm / 10, 255);
    edid[EDID_GAMMA] = 120;  /* 2.2 */
    edid[EDID_FEATURES] = 6; /* sRGB; the preferred timing is the panel's own */
    put_colours(edid + EDID_COLOURS);
    edid[EDID_ESTABLISHED] = 0x21;     /* 640x480, 800x600 at 60 Hz */
    edid[EDID_ESTABLISHED + 1] = 0x08; /* 1024x768 at 60 Hz */
    put_standard_timings(edid + EDID_STANDARD);
    put_timing(d, width, height, width_mm, height_mm);
    put_ranges(d + EDID_DESCRIPTOR);
    put_text(d + 2 * EDID_DESCRIPTOR, TAG_NAME, "Baton");
    g_snprintf(serial, sizeof(serial), "%u", output + 1);
    put_text(d + 3 * EDID_DESCRIPTOR, TAG_SERIAL, serial);
    for (unsigned i = 0; i < EDID_CHECKSUM; i++) {
        sum += edid[i];
    }
    edid[EDID_CHECKSUM] = -sum;
}
