/* tools/view/surfaces.h - what the viewer was told to draw, and what it draws on.  Owner: main loop.
 * Page: docs/view.md.  Test: tests/unit/tools/view-test.c, tests/fuzz/view.c
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>
#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#define SURFACES_MAX 1024
#define SURFACE_SIDE_MAX 16384
#define SURFACES_BYTES_MAX (512 * 1024 * 1024)  /* of all, with cached images */
#define IMAGES_MAX 65536                        /* that are cached */

typedef struct Surfaces Surfaces;

Surfaces *surfaces_new(void);
void surfaces_clear(Surfaces *s);               /* images too */
void surfaces_free(Surfaces *s);                /* NULL allowed */

/* Ids are of a display: displays have surfaces of the same ids.  false: too large, too many, or there is one already. */
bool surfaces_add(Surfaces *s, uint8_t display, uint32_t id, uint32_t width, uint32_t height, bool has_alpha);
void surfaces_remove_all(Surfaces *s, uint8_t display);
void surfaces_remove(Surfaces *s, uint8_t display, uint32_t id);
pixman_image_t *surfaces_find(const Surfaces *s, uint8_t display, uint32_t id); /* NULL: none.  Not owned. */

/* ---- pictures in messages ---- */
/* The picture at data[at] of a message; an own reference.  NULL: malformed, or of a kind that we did not ask for. */
pixman_image_t *surfaces_read_image(Surfaces *s, uint8_t display, const uint8_t *data, uint32_t size, uint32_t at);
pixman_image_t *surfaces_read_jpeg(const uint8_t *file, uint32_t size); /* NULL: it is none, or JPEG is not built in */
void surfaces_turn_over(pixman_image_t *image); /* the last row becomes the first */
void surfaces_forget_image(Surfaces *s, uint64_t id);
void surfaces_forget_images(Surfaces *s);
