/* tools/view/window.c - windows of the viewer, one a screen, with GTK 3.
 * The picture fits the window.  Where the guest takes no positions a click takes the pointer, until Ctrl and Alt are pressed
 * together; Shift+F11 is the whole screen.  All other keys are the guest's.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "window.h"

#include "ui/input.h"

#include <gtk/gtk.h>
#include <spice/protocol.h>

#define HARDWARE_FIRST 8        /* X's and Wayland's number of a key is Linux's and this */
#define DISPLAYS 256

typedef struct Window {
    ViewSession *session;
    uint8_t display;
    GtkWidget *top, *area;
    int width, height;          /* of the surface; 0: there is none */
    ViewPointer pointer;        /* the shape is a reference of ours */
    double last_x, last_y;      /* of the desktop's pointer, as far as the guest knows; with the grab */
    double scrolled;            /* less than a step */
    bool has_grab;
    uint32_t held[INPUT_KEYS / 32];
    uint32_t buttons;           /* a bit each of the SPICE_MOUSE_BUTTON_* that the guest has down */
} Window;

typedef struct Fit { /* guest (0, 0) is at x, y of the window */
    double x, y, scale;
} Fit;

static Window *windows[DISPLAYS];
static void (*closed_fn)(void);

static Fit fit(const Window *w)
{
    double width = gtk_widget_get_allocated_width(w->area), height = gtk_widget_get_allocated_height(w->area);
    double scale = w->width ? MIN(width / w->width, height / w->height) : 1;

    return (Fit){(int)((width - w->width * scale) / 2), (int)((height - w->height * scale) / 2), scale};
}

static bool takes_positions(const Window *w)
{
    return w->session->mouse_mode == SPICE_MOUSE_MODE_CLIENT;
}

/* ---- the picture ---- */

static void paint(cairo_t *cr, void *pixels, cairo_format_t format, int width, int height, int stride, double x, double y)
{
    cairo_surface_t *s = cairo_image_surface_create_for_data(pixels, format, width, height, stride);

    cairo_set_source_surface(cr, s, x, y);
    cairo_paint(cr);
    cairo_set_source_rgb(cr, 0, 0, 0); /* lets go of the pixels */
    cairo_surface_destroy(s);
}

static gboolean on_draw(GtkWidget *widget, cairo_t *cr, void *opaque)
{
    Window *w = opaque;
    pixman_image_t *image = surfaces_find(w->session->surfaces, w->display, 0);
    const ViewShape *shape = w->pointer.shape;
    Fit f = fit(w);

    cairo_set_source_rgb(cr, 0, 0, 0);
    cairo_paint(cr);
    if (!image) {
        return TRUE;
    }
    cairo_translate(cr, f.x, f.y);
    cairo_scale(cr, f.scale, f.scale);
    paint(cr, pixman_image_get_data(image), CAIRO_FORMAT_RGB24, pixman_image_get_width(image), pixman_image_get_height(image),
          pixman_image_get_stride(image), 0, 0);
    if (!takes_positions(w) && w->pointer.is_visible && shape && shape->is_drawn) {
        paint(cr, (void *)shape->pixels, CAIRO_FORMAT_ARGB32, shape->width, shape->height, 4 * shape->width,
              w->pointer.x - shape->hot_x, w->pointer.y - shape->hot_y);
    }
    return TRUE;
}

static void draw_again(Window *w, int x1, int y1, int x2, int y2)
{
    Fit f = fit(w);

    gtk_widget_queue_draw_area(w->area, (int)(f.x + x1 * f.scale) - 1, (int)(f.y + y1 * f.scale) - 1,
                               (int)((x2 - x1) * f.scale) + 3, (int)((y2 - y1) * f.scale) + 3);
}

/* ---- keys ---- */

static void say_key(Window *w, uint16_t key, bool is_down)
{
    unsigned code = input_scancode_of(key);
    uint8_t bytes[2] = {code >> 8, code | (is_down ? 0 : 0x80)};

    if (code) {
        view_scancodes(w->session, code >> 8 ? bytes : bytes + 1, code >> 8 ? 2 : 1);
        w->held[key / 32] = is_down ? w->held[key / 32] | 1u << key % 32 : w->held[key / 32] & ~(1u << key % 32);
    }
}

static bool is_held(const Window *w, unsigned key)
{
    return w->held[key / 32] >> key % 32 & 1;
}

static void release_keys(Window *w)
{
    for (unsigned key = 0; key < INPUT_KEYS; key++) {
        if (is_held(w, key)) {
            say_key(w, key, false);
        }
    }
}

static void set_grab(Window *w, bool on);

static bool is_full(const Window *w)
{
    GdkWindow *window = gtk_widget_get_window(w->top);

    return window && gdk_window_get_state(window) & GDK_WINDOW_STATE_FULLSCREEN;
}

static gboolean on_key(GtkWidget *widget, GdkEventKey *e, void *opaque)
{
    Window *w = opaque;
    bool is_down = e->type == GDK_KEY_PRESS;
    int key = (int)e->hardware_keycode - HARDWARE_FIRST;

    if (is_down && e->keyval == GDK_KEY_F11 && e->state & GDK_SHIFT_MASK) {
        (is_full(w) ? gtk_window_unfullscreen : gtk_window_fullscreen)(GTK_WINDOW(w->top));
        return TRUE;
    }
    if (is_down && w->has_grab && ((e->keyval == GDK_KEY_Control_L && e->state & GDK_MOD1_MASK) ||
                                   (e->keyval == GDK_KEY_Alt_L && e->state & GDK_CONTROL_MASK))) {
        set_grab(w, false);
    }
    if (key > 0 && key < INPUT_KEYS && (is_down || is_held(w, key))) { /* Shift+F11 ends here, too */
        say_key(w, key, is_down);
    }
    return TRUE;
}

static gboolean on_focus_in(GtkWidget *widget, GdkEventFocus *e, void *opaque)
{
    GdkKeymap *map = gdk_keymap_get_for_display(gtk_widget_get_display(widget));

    view_lights(((Window *)opaque)->session,
                (gdk_keymap_get_scroll_lock_state(map) ? SPICE_KEYBOARD_MODIFIER_FLAGS_SCROLL_LOCK : 0) |
                (gdk_keymap_get_num_lock_state(map) ? SPICE_KEYBOARD_MODIFIER_FLAGS_NUM_LOCK : 0) |
                (gdk_keymap_get_caps_lock_state(map) ? SPICE_KEYBOARD_MODIFIER_FLAGS_CAPS_LOCK : 0));
    return FALSE;
}

static void say_button(Window *w, unsigned button, bool is_down)
{
    w->buttons = is_down ? w->buttons | 1u << button : w->buttons & ~(1u << button);
    view_button(w->session, button, is_down);
}

static void release_all(Window *w)
{
    release_keys(w);
    for (unsigned button = 0; w->buttons; button++) {
        if (w->buttons >> button & 1) {
            say_button(w, button, false);
        }
    }
}

static gboolean on_focus_out(GtkWidget *widget, GdkEventFocus *e, void *opaque)
{
    release_all(opaque);
    set_grab(opaque, false);
    return FALSE;
}

/* ---- the pointer ---- */

/* What the desktop shows over the window. */
static void update_cursor(Window *w)
{
    GdkDisplay *display = gtk_widget_get_display(w->area);
    GdkWindow *window = gtk_widget_get_window(w->area);
    const ViewShape *shape = w->pointer.shape;
    GdkCursor *cursor = NULL;

    if (!window) {
        return;
    }
    if (takes_positions(w) ? shape && (!w->pointer.is_visible || !shape->width) : w->has_grab) {
        cursor = gdk_cursor_new_for_display(display, GDK_BLANK_CURSOR);
    } else if (takes_positions(w) && shape && shape->is_drawn) {
        cairo_surface_t *s = cairo_image_surface_create_for_data((void *)shape->pixels, CAIRO_FORMAT_ARGB32, shape->width,
                                                                 shape->height, 4 * shape->width);

        cursor = gdk_cursor_new_from_surface(display, s, MIN(shape->hot_x, shape->width - 1),
                                             MIN(shape->hot_y, shape->height - 1));
        cairo_surface_destroy(s);
    }
    gdk_window_set_cursor(window, cursor);
    g_clear_object(&cursor);
}

static void update_title(Window *w)
{
    const char *name = w->session->name && *w->session->name ? w->session->name : w->session->place.host;
    g_autofree char *valid = g_utf8_make_valid(name, -1);
    g_autofree char *title = w->display ? g_strdup_printf("%s (%u) - baton-view%s", valid, w->display + 1,
                                                          w->has_grab ? " - Ctrl+Alt gives the pointer back" : "")
                                        : g_strdup_printf("%s - baton-view%s", valid,
                                                          w->has_grab ? " - Ctrl+Alt gives the pointer back" : "");

    gtk_window_set_title(GTK_WINDOW(w->top), title);
}

static void set_grab(Window *w, bool on)
{
    GdkSeat *seat = gdk_display_get_default_seat(gtk_widget_get_display(w->area));

    if (on == w->has_grab) {
        return;
    }
    if (on && gdk_seat_grab(seat, gtk_widget_get_window(w->area), GDK_SEAT_CAPABILITY_ALL_POINTING, TRUE, NULL, NULL, NULL,
                            NULL) != GDK_GRAB_SUCCESS) {
        return;
    }
    if (!on) {
        gdk_seat_ungrab(seat);
    }
    w->has_grab = on;
    update_cursor(w);
    update_title(w);
}

/* The desktop's pointer goes back to the middle before it comes to an edge, where it could not go on.  Only X lets us do that:
 * elsewhere it stays where it is, and so does what we know of it. */
static void keep_inside(Window *w, GdkDevice *device, double x, double y)
{
    int width = gtk_widget_get_allocated_width(w->area), height = gtk_widget_get_allocated_height(w->area), left, top;
    GdkWindow *window = gtk_widget_get_window(w->area);

    if ((x > width / 4 && x < width * 3 / 4 && y > height / 4 && y < height * 3 / 4) ||
        !g_str_has_prefix(G_OBJECT_TYPE_NAME(gtk_widget_get_display(w->area)), "GdkX11")) {
        return;
    }
    gdk_window_get_origin(window, &left, &top);
    gdk_device_warp(device, gdk_window_get_screen(window), left + width / 2, top + height / 2);
    w->last_x = width / 2;
    w->last_y = height / 2;
}

static gboolean on_motion(GtkWidget *widget, GdkEventMotion *e, void *opaque)
{
    Window *w = opaque;
    Fit f = fit(w);

    if (takes_positions(w)) {
        set_grab(w, false); /* it may take them since a moment ago */
        if (w->width) {
            view_move(w->session, w->display, CLAMP((e->x - f.x) / f.scale, 0, w->width - 1),
                      CLAMP((e->y - f.y) / f.scale, 0, w->height - 1));
        }
    } else if (w->has_grab) {
        int dx = (int)(e->x - w->last_x), dy = (int)(e->y - w->last_y);

        if (dx || dy) {
            view_motion(w->session, dx, dy);
        }
        w->last_x += dx; /* less than a pixel counts later */
        w->last_y += dy;
        keep_inside(w, e->device, e->x, e->y);
    }
    return TRUE;
}

static gboolean on_button(GtkWidget *widget, GdkEventButton *e, void *opaque)
{
    static const uint8_t buttons[] = {[1] = SPICE_MOUSE_BUTTON_LEFT, [2] = SPICE_MOUSE_BUTTON_MIDDLE,
                                      [3] = SPICE_MOUSE_BUTTON_RIGHT, [8] = SPICE_MOUSE_BUTTON_SIDE,
                                      [9] = SPICE_MOUSE_BUTTON_EXTRA};
    Window *w = opaque;
    bool is_down = e->type == GDK_BUTTON_PRESS;

    if (is_down && !takes_positions(w) && !w->has_grab) {
        set_grab(w, true);
        w->last_x = e->x;
        w->last_y = e->y;
    } else if (e->button >= G_N_ELEMENTS(buttons) || !buttons[e->button]) {
        return TRUE;
    } else if (is_down || (e->type == GDK_BUTTON_RELEASE && w->buttons >> buttons[e->button] & 1)) { /* not of a click that grabs */
        say_button(w, buttons[e->button], is_down);
    }
    return TRUE;
}

static gboolean on_scroll(GtkWidget *widget, GdkEventScroll *e, void *opaque)
{
    Window *w = opaque;

    w->scrolled += e->direction == GDK_SCROLL_SMOOTH ? e->delta_y : e->direction == GDK_SCROLL_UP ? -1
                 : e->direction == GDK_SCROLL_DOWN ? 1 : 0;
    w->scrolled = CLAMP(w->scrolled, -16, 16);
    while (w->scrolled >= 1 || w->scrolled <= -1) {
        unsigned button = w->scrolled < 0 ? SPICE_MOUSE_BUTTON_UP : SPICE_MOUSE_BUTTON_DOWN;

        view_button(w->session, button, true);
        view_button(w->session, button, false);
        w->scrolled += w->scrolled < 0 ? 1 : -1;
    }
    return TRUE;
}

/* ---- windows ---- */

static gboolean on_delete(GtkWidget *widget, GdkEvent *e, void *opaque)
{
    closed_fn();
    return TRUE; /* window_close_all() comes */
}

static const struct {
    const char *name;
    GCallback fn;
    bool is_tops; /* else the area's */
} signals[] = {
    {"delete-event", G_CALLBACK(on_delete), true},          {"key-press-event", G_CALLBACK(on_key), true},
    {"key-release-event", G_CALLBACK(on_key), true},        {"focus-in-event", G_CALLBACK(on_focus_in), true},
    {"focus-out-event", G_CALLBACK(on_focus_out), true},    {"draw", G_CALLBACK(on_draw)},
    {"motion-notify-event", G_CALLBACK(on_motion)},         {"button-press-event", G_CALLBACK(on_button)},
    {"button-release-event", G_CALLBACK(on_button)},        {"scroll-event", G_CALLBACK(on_scroll)},
};

static Window *window_new(ViewSession *s, uint8_t display)
{
    Window *w = g_new0(Window, 1);

    w->session = s;
    w->display = display;
    w->top = gtk_window_new(GTK_WINDOW_TOPLEVEL);
    w->area = gtk_drawing_area_new();
    gtk_container_add(GTK_CONTAINER(w->top), w->area);
    gtk_widget_add_events(w->area, GDK_POINTER_MOTION_MASK | GDK_BUTTON_PRESS_MASK | GDK_BUTTON_RELEASE_MASK | GDK_SCROLL_MASK |
                                       GDK_SMOOTH_SCROLL_MASK);
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        g_signal_connect(signals[i].is_tops ? w->top : w->area, signals[i].name, signals[i].fn, w);
    }
    return w;
}

/* As large as the surface, as long as nobody has made it another size. */
static void resize(Window *w, pixman_image_t *image)
{
    int width = pixman_image_get_width(image), height = pixman_image_get_height(image);
    bool is_ours = gtk_widget_get_allocated_width(w->area) == w->width && gtk_widget_get_allocated_height(w->area) == w->height;

    if (!w->width && !gtk_widget_get_visible(w->top)) {
        gtk_window_set_default_size(GTK_WINDOW(w->top), width, height);
    } else if (is_ours && !is_full(w)) {
        gtk_window_resize(GTK_WINDOW(w->top), width, height);
    }
    w->width = width;
    w->height = height;
}

void window_drawn(ViewSession *s, uint8_t display, const pixman_box32_t *box)
{
    pixman_image_t *image = surfaces_find(s->surfaces, display, 0);
    Window *w = windows[display];

    if (!w && !image) {
        return;
    }
    w = w ? w : (windows[display] = window_new(s, display));
    if (box) {
        draw_again(w, box->x1, box->y1, box->x2, box->y2);
        return;
    }
    if (image) {
        resize(w, image);
        update_title(w);
        gtk_widget_show_all(w->top);
        update_cursor(w);
    }
    gtk_widget_queue_draw(w->area);
}

void window_pointer(ViewSession *s, uint8_t display, const ViewPointer *p)
{
    Window *w = windows[display];

    if (!w) {
        w = windows[display] = window_new(s, display); /* it is shown with its surface */
    }
    if (p->shape != w->pointer.shape) {
        g_clear_pointer(&w->pointer.shape, g_rc_box_release);
    }
    w->pointer = (ViewPointer){p->x, p->y, p->is_visible, p->shape == w->pointer.shape ? w->pointer.shape
                                                         : p->shape ? g_rc_box_acquire(p->shape) : NULL};
    if (w->has_grab && takes_positions(w)) {
        set_grab(w, false);
    }
    if (!takes_positions(w)) {
        gtk_widget_queue_draw(w->area);
    }
    update_cursor(w);
}

bool window_can_open(void)
{
    gdk_set_allowed_backends("x11,*"); /* on a desktop that has both: see keep_inside() */
    return gtk_init_check(NULL, NULL);
}

void window_init(void (*closed)(void))
{
    closed_fn = closed;
}

void window_close_all(void)
{
    for (unsigned i = 0; i < DISPLAYS; i++) {
        Window *w = g_steal_pointer(&windows[i]);

        if (w) {
            release_all(w);
            set_grab(w, false);
            gtk_widget_destroy(w->top);
            g_clear_pointer(&w->pointer.shape, g_rc_box_release);
            g_free(w);
        }
    }
}
