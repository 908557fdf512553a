/* hw/display/virtio-gpu-2d.c - virtio-gpu's commands and what they work on: resources, their memory, what is shown.
 * Guarded by: vm_lock; guest memory is shared with running harts, so a command is read once.
 * Page: docs/devices/virtio-gpu.md.  Test: tests/qtest/hw/display/virtio-gpu-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Virtio 1.2, 5.7.6.  What cannot be done is answered with one of the specification's errors and changes nothing. */
#include "hw/display/virtio-gpu.h"

#include "util/bytes.h"
#include "util/log.h"

#include <string.h>

enum { HEADER = 24, FLAG_FENCE = 1, ENTRY = 16, COMMAND_BYTES = 64, ANSWER_BYTES = 24 + 8 + 1024, SIDE_MIN = 16 };
enum { CMD_GET_DISPLAY_INFO = 0x100, CMD_RESOURCE_CREATE_2D, CMD_RESOURCE_UNREF, CMD_SET_SCANOUT, CMD_RESOURCE_FLUSH,
       CMD_TRANSFER_TO_HOST_2D, CMD_RESOURCE_ATTACH_BACKING, CMD_RESOURCE_DETACH_BACKING, CMD_GET_EDID = 0x10a,
       CMD_UPDATE_CURSOR = 0x300, CMD_MOVE_CURSOR };
typedef enum Answer {
    OK_NODATA = 0x1100, OK_DISPLAY_INFO, OK_EDID = 0x1104,
    ERR_UNSPEC = 0x1200, ERR_OUT_OF_MEMORY, ERR_INVALID_SCANOUT_ID, ERR_INVALID_RESOURCE_ID, ERR_INVALID_CONTEXT_ID,
    ERR_INVALID_PARAMETER,
} Answer;

typedef struct Command {
    const VirtioChain *chain;
    uint8_t in[COMMAND_BYTES];   /* header and fixed part; zero where the guest sent less */
    uint8_t out[ANSWER_BYTES];   /* header and data */
    unsigned out_size;
    uint64_t *cost;
} Command;

/* ---- formats (5.7.6.8): named by the order of bytes in memory ---- */
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define WORDS(le, be) PIXMAN_##le
#else
#define WORDS(le, be) PIXMAN_##be
#endif
static const struct {
    uint32_t format;
    pixman_format_code_t opaque, alpha; /* as a screen shows it; as a pointer's shape */
} formats[] = {
    {1, WORDS(x8r8g8b8, b8g8r8x8), WORDS(a8r8g8b8, b8g8r8a8)},   /* B8G8R8A8 */
    {2, WORDS(x8r8g8b8, b8g8r8x8), WORDS(x8r8g8b8, b8g8r8x8)},   /* B8G8R8X8 */
    {3, WORDS(b8g8r8x8, x8r8g8b8), WORDS(b8g8r8a8, a8r8g8b8)},   /* A8R8G8B8 */
    {4, WORDS(b8g8r8x8, x8r8g8b8), WORDS(b8g8r8x8, x8r8g8b8)},   /* X8R8G8B8 */
    {67, WORDS(x8b8g8r8, r8g8b8x8), WORDS(a8b8g8r8, r8g8b8a8)},  /* R8G8B8A8 */
    {68, WORDS(r8g8b8x8, x8b8g8r8), WORDS(r8g8b8x8, x8b8g8r8)},  /* X8B8G8R8 */
    {121, WORDS(r8g8b8x8, x8b8g8r8), WORDS(r8g8b8a8, a8b8g8r8)}, /* A8B8G8R8 */
    {134, WORDS(x8b8g8r8, r8g8b8x8), WORDS(x8b8g8r8, r8g8b8x8)}, /* R8G8B8X8 */
};

static int format_row(uint32_t format)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (formats[i].format == format) {
            return i;
        }
    }
    return -1;
}

bool gpu_format_is_known(uint32_t format)
{
    return format_row(format) >= 0;
}

/* ---- resources ---- */
uint64_t gpu_resource_bytes(const GpuResource *r)
{
    return (uint64_t)r->width * r->height * GPU_BYTES_A_PIXEL;
}

uint32_t gpu_resource_pages(const GpuResource *r)
{
    return (gpu_resource_bytes(r) + PAGE_MASK_LOW) >> PAGE_BITS;
}

static GpuResource *find(VirtioGpu *g, uint32_t id)
{
    for (uint32_t i = 0; id && i < g->st.resource_count; i++) {
        if (g->st.resources[i].id == id) {
            return &g->st.resources[i];
        }
    }
    return NULL;
}

const GpuResource *gpu_resource(const VirtioGpu *g, uint32_t id)
{
    return find((VirtioGpu *)g, id);
}

static uint64_t offset_of(const GpuResource *r)
{
    return (uint64_t)r->page << PAGE_BITS;
}

static pixman_image_t *image_of(VirtioGpu *g, const GpuResource *r, bool with_alpha)
{
    int row = format_row(r->format);

    return pixman_image_create_bits_no_clear(with_alpha ? formats[row].alpha : formats[row].opaque, r->width, r->height,
                                             (uint32_t *)(g->pixels->host + offset_of(r)), r->width * GPU_BYTES_A_PIXEL);
}

/* The first gap of so many pages; the resources are in order of their place.  false: there is none. */
static bool find_gap(const VirtioGpu *g, uint32_t pages, uint32_t *ret_index, uint32_t *ret_page)
{
    uint64_t page = GPU_CURSOR_PAGES, end = g->pixels->size >> PAGE_BITS;
    uint32_t i;

    for (i = 0; i < g->st.resource_count; i++) {
        const GpuResource *r = &g->st.resources[i];

        if (r->page - page >= pages) {
            break;
        }
        page = (uint64_t)r->page + gpu_resource_pages(r);
    }
    if (i == g->st.resource_count && end - page < pages) {
        return false;
    }
    *ret_index = i;
    *ret_page = page;
    return true;
}

/* ---- the memory behind them ---- */
static void detach(VirtioGpu *g, GpuResource *r)
{
    uint32_t behind = g->st.backing_count - r->backing - r->pieces;

    memmove(g->st.backing_at + r->backing, g->st.backing_at + r->backing + r->pieces,
            behind * sizeof(g->st.backing_at[0]));
    memmove(g->st.backing_size + r->backing, g->st.backing_size + r->backing + r->pieces,
            behind * sizeof(g->st.backing_size[0]));
    for (uint32_t i = 0; i < g->st.resource_count; i++) {
        GpuResource *other = &g->st.resources[i];

        if (other->pieces && other->backing > r->backing) {
            other->backing -= r->pieces;
        }
    }
    g->st.backing_count -= r->pieces;
    r->backing = r->pieces = 0;
}

/* Behind all others; a neighbour of the last piece makes that one longer. */
static bool add_piece(VirtioGpu *g, GpuResource *r, uint64_t at, uint32_t size)
{
    uint32_t n = g->st.backing_count;

    if (r->pieces && g->st.backing_at[n - 1] + g->st.backing_size[n - 1] == at &&
        size <= UINT32_MAX - g->st.backing_size[n - 1] &&
        ram_ptr(g->st.backing_at[n - 1], (uint64_t)g->st.backing_size[n - 1] + size)) {
        g->st.backing_size[n - 1] += size;
        return true;
    }
    if (n == GPU_BACKING_MAX) {
        return false;
    }
    g->st.backing_at[n] = at;
    g->st.backing_size[n] = size;
    g->st.backing_count++;
    r->pieces++;
    return true;
}

static Answer attach(VirtioGpu *g, GpuResource *r, const Command *c, uint32_t count)
{
    uint8_t entries[256 * ENTRY];

    r->backing = count ? g->st.backing_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *e = entries + i % 256 * ENTRY;
        uint32_t size;

        if (i % 256 == 0) {
            virtio_chain_read(c->chain, HEADER + 8 + (uint64_t)i * ENTRY, entries, MIN(count - i, 256) * ENTRY);
        }
        size = load_le32(e + 8);
        if (!size || !ram_ptr(load_le64(e), size)) {
            return ERR_INVALID_PARAMETER;
        }
        if (!add_piece(g, r, load_le64(e), size)) {
            return ERR_OUT_OF_MEMORY;
        }
    }
    return OK_NODATA;
}

typedef struct Source { /* a place in a resource's memory that only goes forward */
    const VirtioGpu *gpu;
    uint32_t piece, end;
    uint64_t at, begin; /* in the whole; where the piece begins in it */
} Source;

static bool source_copy(Source *s, uint64_t at, uint8_t *to, uint64_t size)
{
    while (size) {
        uint64_t in_piece, part;

        if (s->piece == s->end) {
            return false;
        }
        in_piece = at - s->begin;
        if (in_piece >= s->gpu->st.backing_size[s->piece]) {
            s->begin += s->gpu->st.backing_size[s->piece++];
            continue;
        }
        part = MIN(size, s->gpu->st.backing_size[s->piece] - in_piece);
        memcpy(to, ram_ptr(s->gpu->st.backing_at[s->piece] + in_piece, part), part);
        at += part;
        to += part;
        size -= part;
    }
    return true;
}

static uint64_t backing_bytes(const VirtioGpu *g, const GpuResource *r)
{
    uint64_t total = 0;

    for (uint32_t i = r->backing; i < r->backing + r->pieces; i++) {
        total += g->st.backing_size[i];
    }
    return total;
}

/* ---- what is shown ---- */
static void copy_to_surface(VirtioGpu *g, const GpuResource *r, unsigned output, const GpuRect *part)
{
    const GpuRect *shown = &g->st.outputs[output].shown;
    pixman_image_t *image = image_of(g, r, false);

    if (image) {
        pixman_image_composite32(PIXMAN_OP_SRC, image, NULL, g->heads[output].surface, part->x, part->y, 0, 0,
                                 part->x - shown->x, part->y - shown->y, part->width, part->height);
        pixman_image_unref(image);
    }
}

static pixman_image_t *surface_for(VirtioGpu *g, const GpuResource *r, const GpuRect *shown, bool is_copy)
{
    uint64_t first = offset_of(r) + ((uint64_t)shown->y * r->width + shown->x) * GPU_BYTES_A_PIXEL;
    uint32_t *bits = is_copy ? NULL : (uint32_t *)(g->pixels->host + first);

    return pixman_image_create_bits(PIXMAN_x8r8g8b8, shown->width, shown->height, bits,
                                    is_copy ? 0 : r->width * GPU_BYTES_A_PIXEL);
}

static void show_picture(VirtioGpu *g, unsigned output)
{
    const GpuOutput *o = &g->st.outputs[output];
    GpuHead *h = &g->heads[output];
    const GpuResource *r = gpu_resource(g, o->resource_id);
    pixman_image_t *old = h->surface;

    h->surface = NULL;
    if (r) {
        h->is_copy = formats[format_row(r->format)].opaque != PIXMAN_x8r8g8b8;
        h->surface = surface_for(g, r, &o->shown, h->is_copy);
        if (!h->surface) {
            guest_error(virtio_name(&g->v), "no memory for a picture of %ux%u", o->shown.width, o->shown.height);
        } else if (h->is_copy) {
            copy_to_surface(g, r, output, &o->shown);
        }
    }
    console_set_surface(h->console, h->surface);
    if (old) {
        pixman_image_unref(old);
    }
}

static uint8_t *cursor_pixels(VirtioGpu *g, unsigned output)
{
    return g->pixels->host + output * GPU_CURSOR_BYTES;
}

static void show_cursor(VirtioGpu *g, unsigned output)
{
    const GpuOutput *o = &g->st.outputs[output];
    ConsoleCursor *shape = NULL;

    if (o->has_cursor) {
        shape = console_cursor_new(GPU_CURSOR_SIDE, GPU_CURSOR_SIDE);
        shape->hot_x = MIN(o->hot_x, GPU_CURSOR_SIDE - 1);
        shape->hot_y = MIN(o->hot_y, GPU_CURSOR_SIDE - 1);
        memcpy(shape->pixels, cursor_pixels(g, output), GPU_CURSOR_BYTES);
    }
    console_move_cursor(g->heads[output].console, o->cursor_x, o->cursor_y);
    console_set_cursor(g->heads[output].console, shape);
    console_cursor_unref(shape);
}

void gpu_show(VirtioGpu *g, unsigned output)
{
    show_picture(g, output);
    show_cursor(g, output);
}

void gpu_forget_all(VirtioGpu *g)
{
    /* All of it: after a load that failed the list of resources is worth nothing. */
    ram_private_clear(g->pixels, 0, g->pixels->size);
    g->st.resource_count = g->st.backing_count = 0;
    for (unsigned i = 0; i < GPU_OUTPUTS_MAX; i++) {
        GpuOutput *o = &g->st.outputs[i];

        *o = (GpuOutput){.is_on = o->is_on, .wish = o->wish, .width_mm = o->width_mm, .height_mm = o->height_mm};
    }
}

/* ---- commands ---- */
static uint32_t word(const Command *c, unsigned at)
{
    return load_le32(c->in + HEADER + at);
}

static GpuRect rect(const Command *c)
{
    return (GpuRect){word(c, 0), word(c, 4), word(c, 8), word(c, 12)};
}

static bool is_inside(const GpuRect *part, const GpuResource *r)
{
    return part->x <= r->width && part->y <= r->height && part->width <= r->width - part->x &&
           part->height <= r->height - part->y;
}

static void put_word(Command *c, uint32_t v)
{
    store_le32(c->out + c->out_size, v);
    c->out_size += 4;
}

static Answer get_display_info(VirtioGpu *g, Command *c)
{
    for (unsigned i = 0; i < GPU_OUTPUTS_MAX; i++) {
        const GpuOutput *o = &g->st.outputs[i];
        bool is_here = i < g->output_count;

        put_word(c, is_here ? o->wish.x : 0);
        put_word(c, is_here ? o->wish.y : 0);
        put_word(c, is_here ? o->wish.width : 0);
        put_word(c, is_here ? o->wish.height : 0);
        put_word(c, is_here && o->is_on);
        put_word(c, 0);
    }
    return OK_DISPLAY_INFO;
}

static Answer get_edid(VirtioGpu *g, Command *c)
{
    uint32_t i = word(c, 0);
    const GpuOutput *o;

    if (!virtio_has(&g->v, GPU_F_EDID)) {
        return ERR_UNSPEC;
    }
    if (i >= g->output_count) {
        return ERR_INVALID_PARAMETER;
    }
    o = &g->st.outputs[i];
    put_word(c, GPU_EDID_SIZE);
    put_word(c, 0);
    gpu_edid(c->out + c->out_size, i, o->wish.width, o->wish.height, o->width_mm, o->height_mm);
    c->out_size += 1024;
    return OK_EDID;
}

static Answer resource_create(VirtioGpu *g, Command *c)
{
    GpuResource r = {.id = word(c, 0), .format = word(c, 4), .width = word(c, 8), .height = word(c, 12)};
    uint32_t index;

    if (!r.id || find(g, r.id)) {
        return ERR_INVALID_RESOURCE_ID;
    }
    if (!gpu_format_is_known(r.format) || !r.width || !r.height || r.width > CONSOLE_SIZE_MAX ||
        r.height > CONSOLE_SIZE_MAX) {
        return ERR_INVALID_PARAMETER;
    }
    if (g->st.resource_count == GPU_RESOURCES_MAX || !find_gap(g, gpu_resource_pages(&r), &index, &r.page)) {
        return ERR_OUT_OF_MEMORY;
    }
    memmove(&g->st.resources[index + 1], &g->st.resources[index],
            (g->st.resource_count - index) * sizeof(GpuResource));
    g->st.resources[index] = r;
    g->st.resource_count++;
    ram_private_clear(g->pixels, offset_of(&r), (uint64_t)gpu_resource_pages(&r) << PAGE_BITS);
    return OK_NODATA;
}

static Answer resource_unref(VirtioGpu *g, Command *c)
{
    GpuResource *r = find(g, word(c, 0));

    if (!r) {
        return ERR_INVALID_RESOURCE_ID;
    }
    for (unsigned i = 0; i < g->output_count; i++) {
        if (g->st.outputs[i].resource_id == r->id) {
            g->st.outputs[i].resource_id = 0;
            g->st.outputs[i].shown = (GpuRect){0};
            show_picture(g, i);
        }
    }
    detach(g, r);
    ram_private_clear(g->pixels, offset_of(r), (uint64_t)gpu_resource_pages(r) << PAGE_BITS);
    g->st.resource_count--;
    memmove(r, r + 1, (&g->st.resources[g->st.resource_count] - r) * sizeof(GpuResource));
    return OK_NODATA;
}

static Answer set_scanout(VirtioGpu *g, Command *c)
{
    GpuRect part = rect(c);
    uint32_t output = word(c, 16), id = word(c, 20);
    const GpuResource *r = find(g, id);

    if (output >= g->output_count) {
        return ERR_INVALID_SCANOUT_ID;
    }
    if (id && !r) {
        return ERR_INVALID_RESOURCE_ID;
    }
    if (id && (!is_inside(&part, r) || part.width < SIDE_MIN || part.height < SIDE_MIN)) {
        return ERR_INVALID_PARAMETER;
    }
    g->st.outputs[output].resource_id = id;
    g->st.outputs[output].shown = id ? part : (GpuRect){0};
    show_picture(g, output);
    *c->cost += id && g->heads[output].is_copy ? (uint64_t)part.width * part.height * GPU_BYTES_A_PIXEL : 0;
    return OK_NODATA;
}

static GpuRect common_part(const GpuRect *a, const GpuRect *b) /* both inside of one resource; maybe empty */
{
    uint32_t x = MAX(a->x, b->x), y = MAX(a->y, b->y);
    uint32_t right = MIN(a->x + a->width, b->x + b->width), bottom = MIN(a->y + a->height, b->y + b->height);

    return (GpuRect){x, y, right > x ? right - x : 0, bottom > y ? bottom - y : 0};
}

static Answer resource_flush(VirtioGpu *g, Command *c)
{
    GpuRect part = rect(c);
    const GpuResource *r = find(g, word(c, 16));

    if (!r) {
        return ERR_INVALID_RESOURCE_ID;
    }
    if (!is_inside(&part, r)) {
        return ERR_INVALID_PARAMETER;
    }
    for (unsigned i = 0; i < g->output_count; i++) {
        const GpuOutput *o = &g->st.outputs[i];
        GpuHead *h = &g->heads[i];
        GpuRect seen = common_part(&part, &o->shown);

        if (o->resource_id != r->id || !h->surface || !seen.width || !seen.height) {
            continue;
        }
        if (h->is_copy) {
            copy_to_surface(g, r, i, &seen);
            *c->cost += (uint64_t)seen.width * seen.height * GPU_BYTES_A_PIXEL;
        }
        console_update(h->console, seen.x - o->shown.x, seen.y - o->shown.y, seen.width, seen.height);
    }
    return OK_NODATA;
}

static Answer transfer_to_host(VirtioGpu *g, Command *c)
{
    GpuRect part = rect(c);
    uint64_t offset = load_le64(c->in + HEADER + 16), stride, row, total;
    const GpuResource *r = find(g, word(c, 24));
    Source s;

    if (!r) {
        return ERR_INVALID_RESOURCE_ID;
    }
    if (!r->pieces) {
        return ERR_UNSPEC;
    }
    if (!is_inside(&part, r)) {
        return ERR_INVALID_PARAMETER;
    }
    if (!part.width || !part.height) {
        return OK_NODATA;
    }
    stride = (uint64_t)r->width * GPU_BYTES_A_PIXEL;
    row = (uint64_t)part.width * GPU_BYTES_A_PIXEL;
    total = backing_bytes(g, r);
    if (offset > total || stride * (part.height - 1) + row > total - offset) {
        return ERR_INVALID_PARAMETER;
    }
    s = (Source){.gpu = g, .piece = r->backing, .end = r->backing + r->pieces};
    for (uint32_t y = 0; y < part.height; y++) {
        uint64_t to = offset_of(r) + (part.y + y) * stride + (uint64_t)part.x * GPU_BYTES_A_PIXEL;

        source_copy(&s, offset + y * stride, g->pixels->host + to, row);
        ram_private_written(g->pixels, to, row);
    }
    *c->cost += row * part.height;
    return OK_NODATA;
}

static Answer attach_backing(VirtioGpu *g, Command *c)
{
    GpuResource *r = find(g, word(c, 0));
    uint32_t count = word(c, 4);
    Answer answer;

    if (!r) {
        return ERR_INVALID_RESOURCE_ID;
    }
    if (r->pieces) {
        return ERR_UNSPEC;
    }
    if (count > (c->chain->out_bytes - HEADER - 8) / ENTRY) {
        return ERR_INVALID_PARAMETER;
    }
    *c->cost += (uint64_t)count * ENTRY;
    answer = attach(g, r, c, count);
    if (answer != OK_NODATA) {
        detach(g, r);
    }
    return answer;
}

static Answer detach_backing(VirtioGpu *g, Command *c)
{
    GpuResource *r = find(g, word(c, 0));

    if (!r) {
        return ERR_INVALID_RESOURCE_ID;
    }
    if (!r->pieces) {
        return ERR_UNSPEC;
    }
    detach(g, r);
    return OK_NODATA;
}

/* The shape is the guest's picture as it is now: it may draw another one into the resource, or throw it away. */
static bool take_cursor(VirtioGpu *g, unsigned output, const GpuResource *r)
{
    pixman_image_t *from = image_of(g, r, true);
    pixman_image_t *to = pixman_image_create_bits(PIXMAN_a8r8g8b8, GPU_CURSOR_SIDE, GPU_CURSOR_SIDE,
                                                  (uint32_t *)cursor_pixels(g, output),
                                                  GPU_CURSOR_SIDE * GPU_BYTES_A_PIXEL);
    bool ok = from && to;

    if (ok) {
        pixman_image_composite32(PIXMAN_OP_SRC, from, NULL, to, 0, 0, 0, 0, 0, 0, GPU_CURSOR_SIDE, GPU_CURSOR_SIDE);
        ram_private_written(g->pixels, output * GPU_CURSOR_BYTES, GPU_CURSOR_BYTES);
    }
    if (from) {
        pixman_image_unref(from);
    }
    if (to) {
        pixman_image_unref(to);
    }
    return ok;
}

static Answer update_cursor(VirtioGpu *g, Command *c)
{
    uint32_t output = word(c, 0), id = word(c, 16);
    const GpuResource *r = find(g, id);
    GpuOutput *o;

    if (output >= g->output_count) {
        return ERR_INVALID_SCANOUT_ID;
    }
    if (id && !r) {
        return ERR_INVALID_RESOURCE_ID;
    }
    if (id && (r->width != GPU_CURSOR_SIDE || r->height != GPU_CURSOR_SIDE)) {
        return ERR_INVALID_PARAMETER;
    }
    if (id && !take_cursor(g, output, r)) {
        return ERR_OUT_OF_MEMORY;
    }
    o = &g->st.outputs[output];
    o->has_cursor = id != 0;
    o->cursor_x = word(c, 4);
    o->cursor_y = word(c, 8);
    o->hot_x = id ? word(c, 20) : 0;
    o->hot_y = id ? word(c, 24) : 0;
    show_cursor(g, output);
    return OK_NODATA;
}

static Answer move_cursor(VirtioGpu *g, Command *c)
{
    uint32_t output = word(c, 0);
    GpuOutput *o;

    if (output >= g->output_count) {
        return ERR_INVALID_SCANOUT_ID;
    }
    o = &g->st.outputs[output];
    o->cursor_x = word(c, 4);
    o->cursor_y = word(c, 8);
    console_move_cursor(g->heads[output].console, o->cursor_x, o->cursor_y);
    return OK_NODATA;
}

static const struct {
    uint32_t type;
    unsigned queue, size; /* of what follows the header */
    Answer (*run)(VirtioGpu *g, Command *c);
} commands[] = {
    {CMD_GET_DISPLAY_INFO, GPU_QUEUE_CONTROL, 0, get_display_info},
    {CMD_RESOURCE_CREATE_2D, GPU_QUEUE_CONTROL, 16, resource_create},
    {CMD_RESOURCE_UNREF, GPU_QUEUE_CONTROL, 8, resource_unref},
    {CMD_SET_SCANOUT, GPU_QUEUE_CONTROL, 24, set_scanout},
    {CMD_RESOURCE_FLUSH, GPU_QUEUE_CONTROL, 24, resource_flush},
    {CMD_TRANSFER_TO_HOST_2D, GPU_QUEUE_CONTROL, 32, transfer_to_host},
    {CMD_RESOURCE_ATTACH_BACKING, GPU_QUEUE_CONTROL, 8, attach_backing},
    {CMD_RESOURCE_DETACH_BACKING, GPU_QUEUE_CONTROL, 8, detach_backing},
    {CMD_GET_EDID, GPU_QUEUE_CONTROL, 8, get_edid},
    {CMD_UPDATE_CURSOR, GPU_QUEUE_CURSOR, 32, update_cursor},
    {CMD_MOVE_CURSOR, GPU_QUEUE_CURSOR, 16, move_cursor},
};

static Answer run(VirtioGpu *g, unsigned queue, Command *c)
{
    uint32_t type = load_le32(c->in);

    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (commands[i].type == type && commands[i].queue == queue) {
            return c->chain->out_bytes >= HEADER + commands[i].size ? commands[i].run(g, c) : ERR_UNSPEC;
        }
    }
    return ERR_UNSPEC;
}

uint32_t gpu_command(VirtioGpu *g, unsigned queue, const VirtioChain *chain, uint64_t *cost)
{
    Command c = {.chain = chain, .out_size = HEADER, .cost = cost};
    Answer answer = ERR_UNSPEC;

    if (virtio_chain_read(chain, 0, c.in, sizeof(c.in)) >= HEADER) {
        answer = run(g, queue, &c);
    }
    if (answer >= ERR_UNSPEC) {
        guest_error(virtio_name(&g->v), "command 0x%x is answered with 0x%x", load_le32(c.in), answer);
        c.out_size = HEADER;
    }
    store_le32(c.out, answer);
    if (load_le32(c.in + 4) & FLAG_FENCE) {
        store_le32(c.out + 4, FLAG_FENCE);
        memcpy(c.out + 8, c.in + 8, 12); /* the fence's number and its context */
    }
    return virtio_chain_write(chain, 0, c.out, c.out_size);
}
