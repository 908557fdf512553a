/* tests/guest/bare/disk.c - one numbered sector per tick, each flushed before the next begins.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sector 1 + n % (capacity - 1) holds n in all its words, big endian; sectors_flushed is the last n known to be safe. */
#include "bare.h"

enum { SECTOR = 512, R_CONFIG = 0x100, T_OUT = 1, T_FLUSH = 4, F_FLUSH = 9 };
typedef enum { IDLE, WRITING, FLUSHING } DiskState;

static struct {
    uint32_t type, reserved;
    uint64_t sector;
} request;
static Queue queue;
static uint64_t data[SECTOR / 8], capacity, current, next_number;
static volatile uint8_t status;
static DiskState state;

bool disk_init(void)
{
    VirtioFound disk;

    if (!virtio_find(DEVICE_BLK, 1ULL << F_FLUSH, 0, &disk)) {
        return false;
    }
    virtio_queue(disk.regs, 0, &queue);
    capacity = read32(disk.regs + R_CONFIG) | (uint64_t)read32(disk.regs + R_CONFIG + 4) << 32;
    virtio_start(disk.regs);
    irq_enable(1 + disk.slot);
    return capacity > 1;
}

static void submit(uint32_t type, uint64_t sector, bool with_data)
{
    uint16_t last = with_data ? 2 : 1;

    request.type = type;
    request.sector = sector;
    status = 0xff;
    queue.desc[0] = (Desc) { (uintptr_t)&request, sizeof(request), DESC_NEXT, 1 };
    if (with_data) {
        queue.desc[1] = (Desc) { (uintptr_t)data, SECTOR, DESC_NEXT, 2 };
    }
    queue.desc[last] = (Desc) { (uintptr_t)&status, 1, DESC_WRITE, 0 };
    queue_give(&queue, 0);
    queue_kick(&queue);
}

static void begin(void)
{
    current = next_number;
    next_number = 0;
    for (uint32_t i = 0; i < SECTOR / 8; i++) {
        data[i] = swap64(current);
    }
    counters.sectors_asked++;
    state = WRITING;
    submit(T_OUT, 1 + current % (capacity - 1), true);
}

void disk_work(void)
{
    uint32_t id, len;

    while (queue.regs && queue_take(&queue, &id, &len)) {
        if (status != 0) {
            counters.disk_errors++;
            state = IDLE;
        } else if (state == WRITING) {
            state = FLUSHING;
            submit(T_FLUSH, 0, false);
        } else {
            counters.sectors_flushed = current;
            state = IDLE;
        }
    }
    if (state == IDLE && next_number) {
        begin();
    }
}

void disk_tick(uint64_t number)
{
    if (capacity > 1) {
        next_number = number;
    }
}
