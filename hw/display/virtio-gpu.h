/* hw/display/virtio-gpu.h - what the files of virtio-gpu share.
 * Guarded by: vm_lock.  Page: docs/devices/virtio-gpu.md.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "hw/virtio.h"
#include "system/ram.h"
#include "ui/console.h"

#define GPU_OUTPUTS_MAX 16        /* virtio 1.2, 5.7.4 */
#define GPU_RESOURCES_MAX 1024
#define GPU_BACKING_MAX 65536     /* pieces of guest memory behind all resources, neighbours joined */
#define GPU_OUTPUT_SIZE_MAX 4095  /* what the preferred timing of an EDID can say */
#define GPU_OUTPUT_SIZE_MIN 64
#define GPU_EDID_SIZE 128

enum { GPU_QUEUE_CONTROL, GPU_QUEUE_CURSOR, GPU_QUEUES };
enum { GPU_F_EDID = 1 };
enum { GPU_EVENT_DISPLAY = 1 };
enum { GPU_CURSOR_SIDE = 64, GPU_CURSOR_BYTES = GPU_CURSOR_SIDE * GPU_CURSOR_SIDE * 4, GPU_BYTES_A_PIXEL = 4 };
/* The pixel memory: the pointer shapes of all heads, then the resources. */
enum { GPU_CURSOR_PAGES = GPU_OUTPUTS_MAX * GPU_CURSOR_BYTES / PAGE_BYTES };

typedef struct GpuRect {
    uint32_t x, y, width, height;
} GpuRect;

typedef struct GpuResource {
    uint32_t id, format, width, height;
    uint32_t page;                 /* of the pixel memory: its first; rows follow each other without a gap */
    uint32_t backing, pieces;      /* in st.backing_at: first and count; 0: none attached */
} GpuResource;

typedef struct GpuOutput {
    /* as the guest has set it */
    uint32_t resource_id;          /* 0: shows nothing */
    GpuRect shown;                 /* part of it */
    bool has_cursor;               /* its shape is in the pixel memory */
    uint32_t hot_x, hot_y;
    int32_t cursor_x, cursor_y;
    /* as a viewer wishes it; the guest is told */
    bool is_on;
    GpuRect wish;
    uint16_t width_mm, height_mm;
} GpuOutput;

typedef struct GpuHead {           /* rebuilt, not saved */
    struct VirtioGpu *gpu;
    Console *console;
    pixman_image_t *surface;       /* lent from the pixel memory, or a copy where the format is another one */
    bool is_copy;
} GpuHead;

typedef struct VirtioGpu {
    VirtioDevice v;
    struct {
        uint32_t events;           /* events_read */
        bool event_waits;          /* a wish came while the machine stood still */
        GpuOutput outputs[GPU_OUTPUTS_MAX];
        uint32_t resource_count;
        GpuResource resources[GPU_RESOURCES_MAX]; /* in order of .page */
        uint32_t backing_count;
        uint64_t backing_at[GPU_BACKING_MAX];
        uint32_t backing_size[GPU_BACKING_MAX];
    } st;
    uint32_t output_count, xres, yres; /* properties */
    uint64_t hostmem;
    bool has_edid;
    RamBlock *pixels;
    GpuHead heads[GPU_OUTPUTS_MAX];
    bool is_deferred;              /* the control queue is looked at again by the main loop */
} VirtioGpu;

/* ---- virtio-gpu-2d.c ---- */
/* Does what the chain says and writes the answer; bytes written.  *cost grows by the bytes that were copied. */
uint32_t gpu_command(VirtioGpu *g, unsigned queue, const VirtioChain *c, uint64_t *cost);
const GpuResource *gpu_resource(const VirtioGpu *g, uint32_t id); /* NULL: none */
bool gpu_format_is_known(uint32_t format);
uint64_t gpu_resource_bytes(const GpuResource *r);
uint32_t gpu_resource_pages(const GpuResource *r);
void gpu_forget_all(VirtioGpu *g); /* resources, scanouts, pointers; the wishes stay */
void gpu_show(VirtioGpu *g, unsigned output); /* its picture and pointer, as the state says, on the console */

/* ---- virtio-gpu-edid.c ---- */
/* What a monitor of that size says of itself; 0 mm: as of 96 dots an inch. */
void gpu_edid(uint8_t edid[GPU_EDID_SIZE], unsigned output, uint32_t width, uint32_t height, unsigned width_mm,
              unsigned height_mm);
