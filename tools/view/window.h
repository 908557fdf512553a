/* tools/view/window.h - windows of the viewer, one a screen, with GTK 3.  Owner: main loop.  Page: docs/view.md.
 * Test: tests/functional/view-window-test.py
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "config-host.h"
#include "session.h"

#if CONFIG_GTK
bool window_can_open(void);                 /* is there a desktop?  Before anything else of this */
void window_init(void (*closed)(void));     /* closed(): somebody has closed one */
/* For SessionHost's hooks. */
void window_drawn(ViewSession *s, uint8_t display, const pixman_box32_t *box);
void window_pointer(ViewSession *s, uint8_t display, const ViewPointer *p);
void window_close_all(void);                /* before the session is freed */
#else
static inline bool window_can_open(void)
{
    return false;
}
static inline void window_init(void (*closed)(void))
{
}
static inline void window_drawn(ViewSession *s, uint8_t display, const pixman_box32_t *box)
{
}
static inline void window_pointer(ViewSession *s, uint8_t display, const ViewPointer *p)
{
}
static inline void window_close_all(void)
{
}
#endif
