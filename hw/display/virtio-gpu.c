/* hw/display/virtio-gpu.c - graphics card in two dimensions: queues, configuration, what viewers wish, life.
 * Guarded by: vm_lock.  Page: docs/devices/virtio-gpu.md.  Test: tests/qtest/hw/display/virtio-gpu-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Virtio 1.2, 5.7.  The pixels of all resources lie in private memory that travels while the guest runs; the rest of the
 * state is a table.  Commands are done at once and in order, so a fence is over when its answer is there. */
#include "hw/display/virtio-gpu.h"

#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"

#include <string.h>

enum { CONFIG_EVENTS = 0, CONFIG_CLEAR = 4, CONFIG_OUTPUTS = 8, CONFIG_SIZE = 16 };
enum { BURST_COMMANDS = 64, BURST_BYTES = 32 << 20 };
#define HOSTMEM_MAX (4ull << 30)

/* ---- queues ---- */
static bool serve_one(VirtioGpu *g, unsigned queue, uint64_t *cost)
{
    VirtQueue *q = &g->v.queues[queue];
    VirtioChain *c = virtqueue_pop(q);

    if (!c) {
        return false;
    }
    virtqueue_push(q, c, gpu_command(g, queue, c, cost));
    return true;
}

/* true: the burst ended before the ring did. */
static bool serve_burst(VirtioGpu *g, unsigned queue)
{
    VirtQueue *q = &g->v.queues[queue];
    uint64_t cost = 0;

    for (unsigned i = 0; i < BURST_COMMANDS && cost < BURST_BYTES; i++) {
        if (!serve_one(g, queue, &cost) && !virtqueue_want_notify(q, true)) {
            virtqueue_interrupt(q);
            return false;
        }
    }
    virtqueue_interrupt(q);
    return true;
}

static void go_on(void *opaque)
{
    VirtioGpu *g = opaque;

    g->is_deferred = false;
    for (unsigned i = 0; i < GPU_QUEUES; i++) {
        virtio_notify(&g->v, i);
    }
}

static void gpu_queue_notify(VirtioDevice *v, unsigned queue)
{
    VirtioGpu *g = (VirtioGpu *)v;

    if (!g->is_deferred && serve_burst(g, queue)) {
        g->is_deferred = true;
        loop_call(go_on, g); /* others want the lock, too */
    }
}

/* ---- configuration ---- */
static uint64_t gpu_features(VirtioDevice *v)
{
    return (uint64_t)((VirtioGpu *)v)->has_edid << GPU_F_EDID;
}

static unsigned gpu_config(VirtioDevice *v, uint8_t config[256])
{
    VirtioGpu *g = (VirtioGpu *)v;

    store_le32(config + CONFIG_EVENTS, g->st.events);
    store_le32(config + CONFIG_OUTPUTS, g->output_count);
    return CONFIG_SIZE;
}

static void gpu_config_write(VirtioDevice *v, unsigned offset, const void *data, unsigned size)
{
    if (offset == CONFIG_CLEAR && size == 4) {
        ((VirtioGpu *)v)->st.events &= ~load_le32(data);
    } else {
        guest_error(virtio_name(v), "%u bytes of configuration written at %u", size, offset);
    }
}

/* ---- wishes ---- */
static void tell_display(VirtioGpu *g)
{
    if (g->st.event_waits) {
        g->st.event_waits = false;
        g->st.events |= GPU_EVENT_DISPLAY;
        virtio_config_changed(&g->v);
    }
}

static uint32_t wished_size(uint32_t wish, uint32_t now)
{
    return wish ? CLAMP(wish, GPU_OUTPUT_SIZE_MIN, GPU_OUTPUT_SIZE_MAX) : now;
}

/* While the machine stands still the guest may be on its way: it is told when it runs, here or there. */
static void head_wish(void *opaque, const ConsoleWish *wish)
{
    GpuHead *h = opaque;
    VirtioGpu *g = h->gpu;
    GpuOutput *o = &g->st.outputs[h - g->heads], old = *o;

    o->is_on = wish->is_on;
    o->wish = (GpuRect){MAX(wish->x, 0), MAX(wish->y, 0), wished_size(wish->width, old.wish.width),
                        wished_size(wish->height, old.wish.height)};
    o->width_mm = wish->width_mm;
    o->height_mm = wish->height_mm;
    if (o->is_on != old.is_on || memcmp(&o->wish, &old.wish, sizeof(old.wish)) || o->width_mm != old.width_mm ||
        o->height_mm != old.height_mm) {
        g->st.event_waits = true;
        if (g->v.is_running) {
            tell_display(g);
        }
    }
}

static const ConsoleDevice head_ops = {.wish = head_wish};

/* ---- virtio ---- */
static void gpu_started(VirtioDevice *v)
{
    tell_display((VirtioGpu *)v);
}

static void show_all(VirtioGpu *g)
{
    for (unsigned i = 0; i < g->output_count; i++) {
        gpu_show(g, i);
    }
}

static void gpu_session_reset(VirtioDevice *v)
{
    VirtioGpu *g = (VirtioGpu *)v;

    gpu_forget_all(g);
    g->st.events = 0;
    show_all(g);
}

static const VirtioOps gpu_ops = {
    .device_id = VIRTIO_ID_GPU, .queue_count = GPU_QUEUES, .queue_sizes = {64, 16}, .features = gpu_features,
    .config = gpu_config, .config_write = gpu_config_write, .queue_notify = gpu_queue_notify, .started = gpu_started,
    .reset = gpu_session_reset,
};

/* ---- life ---- */
static bool check_properties(const VirtioGpu *g, GError **errp)
{
    if (g->output_count == 0 || g->output_count > GPU_OUTPUTS_MAX) {
        return fail(errp, "Parameter 'max_outputs' expects a number between 1 and %u", GPU_OUTPUTS_MAX);
    }
    if (MIN(g->xres, g->yres) < GPU_OUTPUT_SIZE_MIN || MAX(g->xres, g->yres) > GPU_OUTPUT_SIZE_MAX) {
        return fail(errp, "Parameters 'xres' and 'yres' expect numbers between %u and %u", GPU_OUTPUT_SIZE_MIN,
                    GPU_OUTPUT_SIZE_MAX);
    }
    if (g->hostmem < PAGE_BYTES || g->hostmem > HOSTMEM_MAX) {
        return fail(errp, "Parameter 'max_hostmem' expects a size between 4 KiB and 4 GiB");
    }
    return true;
}

static bool add_heads(VirtioGpu *g, GError **errp)
{
    for (unsigned i = 0; i < g->output_count; i++) {
        GpuHead *h = &g->heads[i];

        h->gpu = g;
        h->console = console_add(&g->v.dev.obj, i, &head_ops, h, errp);
        if (!h->console) {
            return false;
        }
    }
    return true;
}

static bool gpu_realize(Object *o, GError **errp)
{
    VirtioGpu *g = (VirtioGpu *)o;
    g_autofree char *id = NULL;

    if (!check_properties(g, errp)) {
        return false;
    }
    id = g_strconcat(g->v.dev.bus_address, "/virtio-gpu.pixels", NULL);
    g->pixels = ram_add_private(id, (uint64_t)GPU_CURSOR_PAGES * PAGE_BYTES +
                                ((g->hostmem + PAGE_MASK_LOW) & ~(uint64_t)PAGE_MASK_LOW), errp);
    if (!g->pixels || !add_heads(g, errp)) {
        return false;
    }
    g->st.outputs[0].is_on = true;
    for (unsigned i = 0; i < g->output_count; i++) {
        g->st.outputs[i].wish = (GpuRect){0, 0, g->xres, g->yres};
    }
    return true;
}

static void gpu_unrealize(Object *o)
{
    VirtioGpu *g = (VirtioGpu *)o;

    for (unsigned i = 0; i < GPU_OUTPUTS_MAX; i++) {
        GpuHead *h = &g->heads[i];

        console_remove(h->console);
        h->console = NULL;
        if (h->surface) {
            pixman_image_unref(h->surface);
            h->surface = NULL;
        }
    }
}

/* ---- state: nothing of it is believed ---- */
static bool check_resources(const VirtioGpu *g, GError **errp)
{
    uint64_t page = GPU_CURSOR_PAGES;

    for (uint32_t i = 0; i < g->st.resource_count; i++) {
        const GpuResource *r = &g->st.resources[i];

        if (!r->id || gpu_resource(g, r->id) != r || !gpu_format_is_known(r->format) || !r->width || !r->height ||
            r->width > CONSOLE_SIZE_MAX || r->height > CONSOLE_SIZE_MAX || r->page < page ||
            r->pieces > g->st.backing_count || r->backing > g->st.backing_count - r->pieces) {
            return fail(errp, "virtio-gpu '%s': resource %u is not one that can be", virtio_name(&g->v), r->id);
        }
        page = (uint64_t)r->page + gpu_resource_pages(r);
    }
    if (page > g->pixels->size >> PAGE_BITS) {
        return fail(errp, "virtio-gpu '%s': the resources need more than max_hostmem", virtio_name(&g->v));
    }
    return true;
}

/* Each piece of guest memory belongs to one resource, so that detaching one takes nothing from another. */
static bool check_backing(const VirtioGpu *g, GError **errp)
{
    g_autofree uint8_t *taken = g_malloc0(g->st.backing_count + 1);
    uint32_t owned = 0;

    for (uint32_t i = 0; i < g->st.resource_count; i++) {
        const GpuResource *r = &g->st.resources[i];

        for (uint32_t n = r->backing; n < r->backing + r->pieces; n++) {
            if (taken[n]++) {
                return fail(errp, "virtio-gpu '%s': memory of two resources in one", virtio_name(&g->v));
            }
        }
        owned += r->pieces;
    }
    for (uint32_t i = 0; i < g->st.backing_count; i++) {
        if (!g->st.backing_size[i] || !ram_ptr(g->st.backing_at[i], g->st.backing_size[i])) {
            return fail(errp, "virtio-gpu '%s': a resource's memory is not there", virtio_name(&g->v));
        }
    }
    return owned == g->st.backing_count ||
           fail(errp, "virtio-gpu '%s': memory of no resource", virtio_name(&g->v));
}

static bool check_output(const VirtioGpu *g, unsigned i, GError **errp)
{
    const GpuOutput *o = &g->st.outputs[i];
    const GpuResource *r = gpu_resource(g, o->resource_id);
    bool is_here = i < g->output_count;

    if (!is_here && (o->resource_id || o->has_cursor || o->is_on)) {
        return fail(errp, "virtio-gpu '%s': output %u is used, there are %u here", virtio_name(&g->v), i,
                    g->output_count);
    }
    if (o->resource_id && (!r || !o->shown.width || !o->shown.height || o->shown.x >= r->width ||
                           o->shown.y >= r->height || o->shown.width > r->width - o->shown.x ||
                           o->shown.height > r->height - o->shown.y)) {
        return fail(errp, "virtio-gpu '%s': output %u shows what is not there", virtio_name(&g->v), i);
    }
    if (is_here && (MIN(o->wish.width, o->wish.height) < GPU_OUTPUT_SIZE_MIN ||
                    MAX(o->wish.width, o->wish.height) > GPU_OUTPUT_SIZE_MAX)) {
        return fail(errp, "virtio-gpu '%s': output %u of %ux%u", virtio_name(&g->v), i, o->wish.width, o->wish.height);
    }
    return true;
}

static bool gpu_loaded(void *opaque, uint32_t version, GError **errp)
{
    VirtioGpu *g = opaque;

    if (!check_resources(g, errp) || !check_backing(g, errp)) {
        return false;
    }
    for (unsigned i = 0; i < GPU_OUTPUTS_MAX; i++) {
        if (!check_output(g, i, errp)) {
            return false;
        }
    }
    show_all(g); /* the memory has been loaded before */
    return true;
}

static const VMStateDescription rect_state = {
    .name = "virtio-gpu-rect", .version = 1,
    .fields = VMSTATE_FIELDS(VMSTATE_U32(GpuRect, x), VMSTATE_U32(GpuRect, y), VMSTATE_U32(GpuRect, width),
                             VMSTATE_U32(GpuRect, height)),
};

static const VMStateDescription resource_state = {
    .name = "virtio-gpu-resource", .version = 1,
    .fields = VMSTATE_FIELDS(
        VMSTATE_U32(GpuResource, id), VMSTATE_U32(GpuResource, format), VMSTATE_U32(GpuResource, width),
        VMSTATE_U32(GpuResource, height), VMSTATE_U32(GpuResource, page), VMSTATE_U32(GpuResource, backing),
        VMSTATE_U32(GpuResource, pieces)),
};

static const VMStateDescription output_state = {
    .name = "virtio-gpu-output", .version = 1,
    .fields = VMSTATE_FIELDS(
        VMSTATE_U32(GpuOutput, resource_id), VMSTATE_STRUCT(GpuOutput, shown, &rect_state),
        VMSTATE_BOOL(GpuOutput, has_cursor), VMSTATE_U32(GpuOutput, hot_x), VMSTATE_U32(GpuOutput, hot_y),
        VMSTATE_I32(GpuOutput, cursor_x), VMSTATE_I32(GpuOutput, cursor_y), VMSTATE_BOOL(GpuOutput, is_on),
        VMSTATE_STRUCT(GpuOutput, wish, &rect_state), VMSTATE_U16(GpuOutput, width_mm),
        VMSTATE_U16(GpuOutput, height_mm)),
};

VMSTATE_DEFINE_SPAN(VirtioGpu, st)
static const VMStateDescription gpu_state = {
    .name = "virtio-gpu", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(VirtioGpu, st),
    .loaded = gpu_loaded,
    .fields = VMSTATE_FIELDS(
        VMSTATE_U32(VirtioGpu, st.events), VMSTATE_BOOL(VirtioGpu, st.event_waits),
        VMSTATE_STRUCT_ARRAY(VirtioGpu, st.outputs, &output_state), VMSTATE_U32(VirtioGpu, st.resource_count),
        VMSTATE_VARRAY(VirtioGpu, st.resources, st.resource_count, VMS_STRUCT, &resource_state),
        VMSTATE_U32(VirtioGpu, st.backing_count),
        VMSTATE_VARRAY(VirtioGpu, st.backing_at, st.backing_count, VMS_U64, NULL),
        VMSTATE_VARRAY(VirtioGpu, st.backing_size, st.backing_count, VMS_U32, NULL)),
};

static const Property gpu_props[] = {
    PROP_U32("max_outputs", VirtioGpu, output_count, 1, "screens"),
    PROP_U32("xres", VirtioGpu, xres, 1280, "width that a screen begins with"),
    PROP_U32("yres", VirtioGpu, yres, 800, "height that a screen begins with"),
    PROP_SIZE("max_hostmem", VirtioGpu, hostmem, 256 << 20, "memory for the guest's pictures"),
    PROP_BOOL("edid", VirtioGpu, has_edid, true, "offer what a monitor says of itself"),
    {}
};

const ObjectType virtio_gpu_type = {
    .name = "virtio-gpu-device", .parent = "virtio-device", .kind = KIND_DEVICE, .size = sizeof(VirtioGpu),
    .props = gpu_props, .state = &gpu_state, .bus = "virtio-bus", .realize = gpu_realize,
    .unrealize = gpu_unrealize, .ops = &gpu_ops, .flags = TYPE_USER_CREATABLE,
    .about = "graphics card, two dimensions (virtio)",
};
