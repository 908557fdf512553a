/* tests/guest/painter.c - draws patterns that the other end of a screendump knows, on a screen of its own.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * usage: painter [/dev/dri/card0].  Lines on standard input: "paint N" (the whole picture), "part N" (its middle),
 * "pointer N" (a shape, in the middle), "quit".  After each: BATON-PAINTED N WIDTH HEIGHT.  A pixel of pattern N at x, y:
 * red x + N, green y + 2 N, blue x * 3 ^ y * 5 ^ N, each modulo 256. */
#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LIST_MAX = 16, MODES_MAX = 64, POINTER = 64 };

typedef struct Buffer {
    uint32_t handle, pitch, width, height;
    uint8_t *pixels;
    uint64_t size;
} Buffer;

static int card = -1;

static void die(const char *what)
{
    printf("BATON-GUEST-ERROR painter: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void must(unsigned long request, void *argument, const char *what)
{
    while (ioctl(card, request, argument) < 0) {
        if (errno != EINTR && errno != EAGAIN) {
            die(what);
        }
    }
}

static Buffer make_buffer(uint32_t width, uint32_t height)
{
    struct drm_mode_create_dumb create = { .width = width, .height = height, .bpp = 32 };
    struct drm_mode_map_dumb map = { 0 };
    Buffer b = { .width = width, .height = height };

    must(DRM_IOCTL_MODE_CREATE_DUMB, &create, "a buffer");
    map.handle = create.handle;
    must(DRM_IOCTL_MODE_MAP_DUMB, &map, "a buffer's place");
    b.handle = create.handle;
    b.pitch = create.pitch;
    b.size = create.size;
    b.pixels = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, card, map.offset);
    if (b.pixels == MAP_FAILED) {
        die("mapping a buffer");
    }
    return b;
}

static uint32_t pattern(uint32_t x, uint32_t y, uint32_t n)
{
    return ((x + n) & 0xff) << 16 | ((y + 2 * n) & 0xff) << 8 | ((x * 3 ^ y * 5 ^ n) & 0xff);
}

static void draw(Buffer *b, uint32_t n, const struct drm_clip_rect *part, uint32_t alpha)
{
    for (uint32_t y = part->y1; y < part->y2; y++) {
        uint32_t *row = (uint32_t *)(b->pixels + (uint64_t)y * b->pitch);

        for (uint32_t x = part->x1; x < part->x2; x++) {
            row[x] = alpha | pattern(x, y, n);
        }
    }
}

/* The first screen that is there, in the mode that it likes best. */
static uint32_t find_screen(uint32_t *crtc, struct drm_mode_modeinfo *mode)
{
    uint32_t crtcs[LIST_MAX], connectors[LIST_MAX];
    struct drm_mode_card_res res = { 0 };

    must(DRM_IOCTL_MODE_GETRESOURCES, &res, "the card's parts");
    if (res.count_crtcs > LIST_MAX || res.count_connectors > LIST_MAX || !res.count_crtcs) {
        errno = ENODEV;
        die("the card's parts");
    }
    res.crtc_id_ptr = (uintptr_t)crtcs;
    res.connector_id_ptr = (uintptr_t)connectors;
    res.count_fbs = res.count_encoders = 0;
    must(DRM_IOCTL_MODE_GETRESOURCES, &res, "the card's parts");
    for (uint32_t i = 0; i < res.count_connectors; i++) {
        static struct drm_mode_modeinfo modes[MODES_MAX];
        struct drm_mode_get_connector c = { .connector_id = connectors[i] };

        must(DRM_IOCTL_MODE_GETCONNECTOR, &c, "a connector"); /* has it look */
        if (c.connection != 1 || !c.count_modes || c.count_modes > MODES_MAX) {
            continue;
        }
        c.modes_ptr = (uintptr_t)modes;
        c.count_props = c.count_encoders = 0;
        must(DRM_IOCTL_MODE_GETCONNECTOR, &c, "a connector's modes");
        *mode = modes[0];
        for (uint32_t n = 0; n < c.count_modes; n++) {
            if (modes[n].type & DRM_MODE_TYPE_PREFERRED) {
                *mode = modes[n];
                break;
            }
        }
        *crtc = crtcs[i < res.count_crtcs ? i : 0];
        return connectors[i];
    }
    errno = ENODEV;
    die("a screen");
    return 0;
}

static uint32_t show(Buffer *b, uint32_t crtc, uint32_t connector, const struct drm_mode_modeinfo *mode)
{
    struct drm_mode_fb_cmd fb = { .width = b->width, .height = b->height, .pitch = b->pitch, .bpp = 32, .depth = 24,
                                  .handle = b->handle };
    struct drm_mode_crtc set = { .crtc_id = crtc, .set_connectors_ptr = (uintptr_t)&connector, .count_connectors = 1,
                                 .mode_valid = 1, .mode = *mode };

    must(DRM_IOCTL_MODE_ADDFB, &fb, "a framebuffer");
    set.fb_id = fb.fb_id;
    must(DRM_IOCTL_MODE_SETCRTC, &set, "setting the mode");
    return fb.fb_id;
}

static void dirty(uint32_t fb, struct drm_clip_rect *part)
{
    struct drm_mode_fb_dirty_cmd cmd = { .fb_id = fb, .num_clips = 1, .clips_ptr = (uintptr_t)part };

    must(DRM_IOCTL_MODE_DIRTYFB, &cmd, "telling what is new");
}

static void set_pointer(uint32_t crtc, Buffer *pointer, uint32_t n, uint32_t x, uint32_t y)
{
    struct drm_clip_rect all = { 0, 0, POINTER, POINTER };
    struct drm_mode_cursor cursor = { .flags = DRM_MODE_CURSOR_BO | DRM_MODE_CURSOR_MOVE, .crtc_id = crtc, .x = x, .y = y,
                                      .width = POINTER, .height = POINTER, .handle = pointer->handle };

    draw(pointer, n, &all, 0xff000000);
    must(DRM_IOCTL_MODE_CURSOR, &cursor, "the pointer");
}

int main(int argc, char **argv)
{
    struct drm_mode_modeinfo mode;
    struct drm_clip_rect all = { 0 }, middle;
    uint32_t crtc, connector, fb;
    Buffer picture, pointer;
    char line[64];

    setvbuf(stdout, NULL, _IONBF, 0);
    card = open(argc > 1 ? argv[1] : "/dev/dri/card0", O_RDWR | O_CLOEXEC);
    if (card < 0) {
        die("opening the card");
    }
    connector = find_screen(&crtc, &mode);
    picture = make_buffer(mode.hdisplay, mode.vdisplay);
    pointer = make_buffer(POINTER, POINTER);
    all.x2 = picture.width;
    all.y2 = picture.height;
    middle = (struct drm_clip_rect){ all.x2 / 4, all.y2 / 4, all.x2 / 4 * 3, all.y2 / 4 * 3 };
    draw(&picture, 0, &all, 0);
    fb = show(&picture, crtc, connector, &mode);
    dirty(fb, &all);
    printf("BATON-PAINTED 0 %u %u\n", picture.width, picture.height);
    while (fgets(line, sizeof(line), stdin) && strncmp(line, "quit", 4)) {
        uint32_t n = atoi(line + strcspn(line, " "));
        struct drm_clip_rect *part = strncmp(line, "part", 4) ? &all : &middle;

        if (!strncmp(line, "pointer", 7)) {
            set_pointer(crtc, &pointer, n, picture.width / 2, picture.height / 2);
        } else {
            draw(&picture, n, part, 0);
            dirty(fb, part);
        }
        printf("BATON-PAINTED %u %u %u\n", n, picture.width, picture.height);
    }
    return 0;
}
