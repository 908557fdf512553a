/* tests/unit/hw/virtio-gpu-test.c - what virtio-gpu puts on its consoles, and what their viewers wish of it.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "gpu-rig.h"

static VirtioGpu *g;

static void again(void)
{
    if (runstate_is_running()) {
        vm_stop(RUN_STATE_PAUSED);
    }
    reset_all();
}

static uint32_t info_word(unsigned output, unsigned i)
{
    return load_le32(rig_answer + RIG_HEADER + 24 * output + 4 * i);
}

/* ---- wishes ---- */
static void wishes_reach_the_guest(void)
{
    ConsoleWish wish = {.is_on = true, .x = -5, .y = 7, .width = 800, .height = 600, .width_mm = 300, .height_mm = 200};
    uint32_t generation;
    const uint8_t *timing = rig_answer + RIG_HEADER + 8 + 54;

    again();
    vm_start();
    rig_drive();
    generation = rig_reg(0xfc);
    console_wish(console_at(1), &wish);
    g_assert_cmpuint(rig_reg(0x100), ==, 1);      /* events_read */
    g_assert_cmpuint(rig_reg(0x60), ==, VIRTIO_ISR_CONFIG);
    g_assert_cmpuint(rig_reg(0xfc), !=, generation);
    RIG(g, RIG_DISPLAY_INFO, 0);
    g_assert_cmpuint(info_word(1, 0), ==, 0);
    g_assert_cmpuint(info_word(1, 1), ==, 7);
    g_assert_cmpuint(info_word(1, 2), ==, 800);
    g_assert_cmpuint(info_word(1, 3), ==, 600);
    g_assert_cmpuint(info_word(1, 4), ==, 1);
    RIG(g, RIG_EDID, 1, 0);
    g_assert_cmpuint(timing[2] | timing[4] >> 4 << 8, ==, 800);
    g_assert_cmpuint(timing[5] | timing[7] >> 4 << 8, ==, 600);
    g_assert_cmpuint(timing[12] | timing[14] >> 4 << 8, ==, 300);
    rig_set_reg(0x104, 1);                        /* events_clear */
    g_assert_cmpuint(rig_reg(0x100), ==, 0);
    rig_set_reg(0x64, VIRTIO_ISR_CONFIG);
    console_wish(console_at(1), &wish);           /* it is so already */
    g_assert_cmpuint(rig_reg(0x100), ==, 0);
    g_assert_cmpuint(rig_reg(0x60), ==, 0);
    wish.width = 100000;
    wish.height = 0;                              /* as it is */
    console_wish(console_at(1), &wish);
    RIG(g, RIG_DISPLAY_INFO, 0);
    g_assert_cmpuint(info_word(1, 2), ==, GPU_OUTPUT_SIZE_MAX);
    g_assert_cmpuint(info_word(1, 3), ==, 600);
    wish = (ConsoleWish){.is_on = false};
    console_wish(console_at(1), &wish);
    RIG(g, RIG_DISPLAY_INFO, 0);
    g_assert_cmpuint(info_word(1, 4), ==, 0);
}

static void a_wish_waits_for_the_machine(void)
{
    ConsoleWish wish = {.is_on = true, .width = 640, .height = 480};
    g_autoptr(GBytes) state = NULL;
    g_autoptr(GError) err = NULL;

    again();
    vm_start();
    rig_drive();
    vm_stop(RUN_STATE_PAUSED);
    console_wish(console_at(0), &wish);
    g_assert_cmpuint(rig_reg(0x100), ==, 0);
    g_assert_cmpuint(rig_reg(0x60), ==, 0);
    state = rig_save(g);
    vm_start();
    g_assert_cmpuint(rig_reg(0x100), ==, 1);
    vm_stop(RUN_STATE_PAUSED);
    g_assert_true(rig_load(g, state, &err)); /* as the other side has it, before it starts */
    g_assert_cmpuint(rig_reg(0x100), ==, 0);
    vm_start();
    g_assert_cmpuint(rig_reg(0x100), ==, 1);
    RIG(g, RIG_DISPLAY_INFO, 0);
    g_assert_cmpuint(info_word(0, 2), ==, 640);
}

/* ---- what viewers are told ---- */
typedef struct Eye {
    ConsoleViewer v;
    unsigned surfaces, updates, cursors, moves;
    pixman_box32_t box;
} Eye;

static void eye_surface(ConsoleViewer *v)
{
    ((Eye *)v)->surfaces++;
}

static void eye_update(ConsoleViewer *v, const pixman_box32_t *box)
{
    ((Eye *)v)->updates++;
    ((Eye *)v)->box = *box;
}

static void eye_cursor(ConsoleViewer *v)
{
    ((Eye *)v)->cursors++;
}

static void eye_moved(ConsoleViewer *v)
{
    ((Eye *)v)->moves++;
}

static void pictures_and_damage_are_told(void)
{
    Eye e = {.v = {eye_surface, eye_update, eye_cursor, eye_moved}};
    uint32_t *pixels = ram_ptr(RIG_RAM + 0x10000, 64 * 64 * 4);
    pixman_image_t *surface;

    again();
    console_watch(console_at(0), &e.v);
    g_assert_cmpuint(e.surfaces, ==, 1);
    g_assert_null(console_surface(console_at(0)));
    for (unsigned i = 0; i < 64 * 64; i++) {
        pixels[i] = GUINT32_TO_LE(i);
    }
    g_assert_cmphex(RIG(g, RIG_CREATE, 1, 2, 64, 64), ==, RIG_OK);
    g_assert_cmphex(RIG(g, RIG_ATTACH, 1, 1, RIG_RAM + 0x10000, 0, 64 * 64 * 4, 0), ==, RIG_OK);
    g_assert_cmphex(RIG(g, RIG_SCANOUT, 8, 16, 32, 40, 0, 1), ==, RIG_OK);
    g_assert_cmpuint(e.surfaces, ==, 2);
    surface = console_surface(console_at(0));
    g_assert_cmpint(pixman_image_get_width(surface), ==, 32);
    g_assert_cmpint(pixman_image_get_height(surface), ==, 40);
    g_assert_cmphex(RIG(g, RIG_TRANSFER, 0, 0, 64, 64, 0, 0, 1, 0), ==, RIG_OK);
    g_assert_cmphex(RIG(g, RIG_FLUSH, 0, 0, 8, 64, 1, 0), ==, RIG_OK); /* beside of what is shown */
    g_assert_cmpuint(e.updates, ==, 0);
    g_assert_cmphex(RIG(g, RIG_FLUSH, 0, 20, 16, 10, 1, 0), ==, RIG_OK);
    g_assert_cmpuint(e.updates, ==, 1);
    g_assert_cmpint(e.box.x1, ==, 0);
    g_assert_cmpint(e.box.x2, ==, 8);
    g_assert_cmpint(e.box.y1, ==, 4);
    g_assert_cmpint(e.box.y2, ==, 14);
    g_assert_cmphex(pixman_image_get_data(surface)[0], ==, 16 * 64 + 8);
    g_assert_cmphex(RIG(g, RIG_SCANOUT, 0, 0, 64, 64, 0, 1), ==, RIG_OK); /* one change is told once */
    g_assert_cmpuint(e.surfaces, ==, 3);
    g_assert_cmphex(RIG(g, RIG_UNREF, 1, 0), ==, RIG_OK);
    g_assert_cmpuint(e.surfaces, ==, 4);
    g_assert_null(console_surface(console_at(0)));
    console_unwatch(&e.v);
}

static void pointers_are_told_and_come_back(void)
{
    Eye e = {.v = {eye_surface, eye_update, eye_cursor, eye_moved}};
    uint8_t *pixels = ram_ptr(RIG_RAM + 0x10000, 64 * 64 * 4);
    g_autoptr(GBytes) state = NULL;
    ConsoleCursor *shape;
    Console *c = console_at(1);
    int x, y;

    again();
    console_watch(c, &e.v);
    for (unsigned i = 0; i < 64 * 64; i++) { /* R8G8B8A8: has to be turned around */
        store_le32(pixels + 4 * i, 0xff000000 | (i & 0xff) << 16 | 0x2211);
    }
    RIG(g, RIG_CREATE, 1, 67, 64, 64);
    RIG(g, RIG_ATTACH, 1, 1, RIG_RAM + 0x10000, 0, 64 * 64 * 4, 0);
    RIG(g, RIG_TRANSFER, 0, 0, 64, 64, 0, 0, 1, 0);
    g_assert_cmphex(RIG(g, RIG_UPDATE_CURSOR, 1, 10, 20, 0, 1, 3, 99, 0), ==, RIG_OK);
    g_assert_cmpuint(e.cursors, ==, 2); /* one at the beginning */
    shape = console_cursor(c);
    g_assert_cmpuint(shape->width, ==, 64);
    g_assert_cmpuint(shape->hot_x, ==, 3);
    g_assert_cmpuint(shape->hot_y, ==, 63); /* inside of it */
    g_assert_cmphex(shape->pixels[5], ==, 0xff112205);
    g_assert_cmphex(RIG(g, RIG_MOVE_CURSOR, 1, (uint32_t)-4, 5, 0), ==, RIG_OK);
    console_cursor_at(c, &x, &y);
    g_assert_cmpint(x, ==, -4);
    g_assert_cmpint(y, ==, 5);
    memset(pixels, 0, 64 * 64 * 4);
    RIG(g, RIG_TRANSFER, 0, 0, 64, 64, 0, 0, 1, 0); /* the shape stays what it was */
    RIG(g, RIG_UNREF, 1, 0);
    state = rig_save(g);
    g_assert_cmphex(RIG(g, RIG_UPDATE_CURSOR, 1, 0, 0, 0, 0, 0, 0, 0), ==, RIG_OK);
    g_assert_null(console_cursor(c));
    g_assert_true(rig_load(g, state, NULL));
    g_assert_cmphex(console_cursor(c)->pixels[5], ==, 0xff112205);
    console_cursor_at(c, &x, &y);
    g_assert_cmpint(x, ==, -4);
    console_unwatch(&e.v);
    again();
    g_assert_null(console_cursor(c));
}

/* ---- what a stream may bring ---- */
static void wrong_states_are_refused(void)
{
    static const struct {
        size_t offset; /* of a uint32_t in the state */
        uint32_t value;
        const char *says;
    } cases[] = {
        {offsetof(VirtioGpu, st.resources[0].id), 0, "*resource 0*"},
        {offsetof(VirtioGpu, st.resources[0].id), 2, "*resource 2*"}, /* two of one name */
        {offsetof(VirtioGpu, st.resources[0].format), 5, "*resource 1*"},
        {offsetof(VirtioGpu, st.resources[0].width), 0, "*resource 1*"},
        {offsetof(VirtioGpu, st.resources[0].height), CONSOLE_SIZE_MAX + 1, "*resource 1*"},
        {offsetof(VirtioGpu, st.resources[0].page), 0, "*resource 1*"}, /* where the pointers are */
        {offsetof(VirtioGpu, st.resources[0].width), 4096, "*resource 2*"}, /* one in another */
        {offsetof(VirtioGpu, st.resources[1].width), 4096, "*max_hostmem*"},
        {offsetof(VirtioGpu, st.resources[1].page), UINT32_MAX, "*max_hostmem*"},
        {offsetof(VirtioGpu, st.resources[1].pieces), 2, "*resource 2*"},
        {offsetof(VirtioGpu, st.resources[1].backing), UINT32_MAX, "*resource 2*"},
        {offsetof(VirtioGpu, st.resources[1].backing), 0, "*two resources*"},
        {offsetof(VirtioGpu, st.resources[1].pieces), 0, "*no resource*"},
        {offsetof(VirtioGpu, st.backing_size[1]), 0, "*not there*"},
        {offsetof(VirtioGpu, st.backing_size[1]), UINT32_MAX, "*not there*"},
        {offsetof(VirtioGpu, st.outputs[0].resource_id), 7, "*output 0*"},
        {offsetof(VirtioGpu, st.outputs[0].shown.x), UINT32_MAX, "*output 0*"},
        {offsetof(VirtioGpu, st.outputs[0].shown.width), 65, "*output 0*"},
        {offsetof(VirtioGpu, st.outputs[1].wish.width), 5000, "*output 1*"},
        {offsetof(VirtioGpu, st.outputs[2].resource_id), 1, "*output 2*"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(GBytes) state = NULL;

        again();
        RIG(g, RIG_CREATE, 1, 2, 64, 64);
        RIG(g, RIG_ATTACH, 1, 1, RIG_RAM + 0x10000, 0, 64 * 64 * 4, 0);
        RIG(g, RIG_CREATE, 2, 2, 64, 64);
        RIG(g, RIG_ATTACH, 2, 1, RIG_RAM + 0x20000, 0, 64 * 64 * 4, 0);
        RIG(g, RIG_SCANOUT, 0, 0, 64, 64, 0, 1);
        *(uint32_t *)((char *)g + cases[i].offset) = cases[i].value;
        state = rig_save(g);
        again();
        g_assert_false(rig_load(g, state, &err));
        g_test_message("%s", err->message);
        g_assert_true(g_pattern_match_simple(cases[i].says, err->message));
        g->st.outputs[1].wish.width = 1280; /* a reset does away with all the rest */
    }
    again();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g = rig_make("{'driver': 'virtio-gpu-device', 'max_outputs': 2, 'max_hostmem': '1M'}");
    g_test_add_func("/hw/virtio-gpu/wishes_reach_the_guest", wishes_reach_the_guest);
    g_test_add_func("/hw/virtio-gpu/a_wish_waits_for_the_machine", a_wish_waits_for_the_machine);
    g_test_add_func("/hw/virtio-gpu/pictures_and_damage_are_told", pictures_and_damage_are_told);
    g_test_add_func("/hw/virtio-gpu/pointers_are_told_and_come_back", pointers_are_told_and_come_back);
    g_test_add_func("/hw/virtio-gpu/wrong_states_are_refused", wrong_states_are_refused);
    return g_test_run();
}
