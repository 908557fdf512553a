/* hw/rtc/goldfish-rtc.c - wall clock with one alarm.
 * Guarded by: vm_lock.  Page: docs/devices/goldfish-rtc.md.  Test: tests/qtest/hw/rtc/goldfish-rtc-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Time is the machine's clock plus an offset, nanoseconds since 1970.  The offset is the host's wall clock when the
 * machine was made, or what the guest set; so the clock stands while the machine is stopped, like every other. */
#include "hw/mmio.h"
#include "system/clock.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct GoldfishRtc {
    MmioDevice mmio;
    struct {
        uint64_t offset_ns, alarm_ns; /* alarm in the guest's time */
        uint32_t latched_high;        /* TIME_HIGH, as of the last read of TIME_LOW */
        uint32_t alarm_high, time_high; /* first half of a 64-bit write */
        uint32_t irq_enabled;
        bool armed, pending;
    } st;
    Timer *timer;
} GoldfishRtc;

static uint64_t rtc_now(const GoldfishRtc *r)
{
    return clock_virtual_ns() + r->st.offset_ns;
}

static int64_t alarm_deadline(const GoldfishRtc *r)
{
    int64_t now = clock_virtual_ns();
    uint64_t left = r->st.alarm_ns - rtc_now(r);

    if (!r->st.armed) {
        return TIMER_NEVER;
    }
    if (r->st.alarm_ns <= rtc_now(r)) {
        return now;
    }
    return left < (uint64_t)(TIMER_NEVER - now) ? now + (int64_t)left : TIMER_NEVER;
}

static void rtc_update(void *opaque)
{
    GoldfishRtc *r = opaque;

    irq_set(&r->mmio.irq, r->st.pending && (r->st.irq_enabled & 1));
    timer_set(r->timer, alarm_deadline(r));
}

static void alarm_fired(void *opaque)
{
    GoldfishRtc *r = opaque;

    r->st.armed = false;
    r->st.pending = true;
    rtc_update(r);
}

/* ---- registers ---- */
static uint32_t time_low(void *opaque)
{
    GoldfishRtc *r = opaque;
    uint64_t now = rtc_now(r);

    r->st.latched_high = now >> 32;
    return now;
}

static uint32_t time_high(void *opaque)
{
    return ((GoldfishRtc *)opaque)->st.latched_high;
}

static void set_time_low(void *opaque, uint32_t value)
{
    GoldfishRtc *r = opaque;

    r->st.offset_ns += ((uint64_t)r->st.time_high << 32 | value) - rtc_now(r);
    rtc_update(r);
}

static void set_time_high(void *opaque, uint32_t value)
{
    ((GoldfishRtc *)opaque)->st.time_high = value;
}

static uint32_t alarm_low(void *opaque)
{
    return ((GoldfishRtc *)opaque)->st.alarm_ns;
}

static uint32_t alarm_high(void *opaque)
{
    return ((GoldfishRtc *)opaque)->st.alarm_ns >> 32;
}

static void set_alarm_low(void *opaque, uint32_t value)
{
    GoldfishRtc *r = opaque;

    r->st.alarm_ns = (uint64_t)r->st.alarm_high << 32 | value;
    if (r->st.alarm_ns <= rtc_now(r)) {
        alarm_fired(r);
    } else {
        r->st.armed = true;
        rtc_update(r);
    }
}

static void set_alarm_high(void *opaque, uint32_t value)
{
    ((GoldfishRtc *)opaque)->st.alarm_high = value;
}

static void clear_alarm(void *opaque, uint32_t value)
{
    GoldfishRtc *r = opaque;

    r->st.armed = false;
    rtc_update(r);
}

static uint32_t alarm_status(void *opaque)
{
    return ((GoldfishRtc *)opaque)->st.armed;
}

static void clear_interrupt(void *opaque, uint32_t value)
{
    GoldfishRtc *r = opaque;

    r->st.pending = false;
    rtc_update(r);
}

static const Register rtc_regs[] = {
    REG(0x00, "TIME_LOW", time_low, set_time_low),
    REG(0x04, "TIME_HIGH", time_high, set_time_high),
    REG(0x08, "ALARM_LOW", alarm_low, set_alarm_low),
    REG(0x0c, "ALARM_HIGH", alarm_high, set_alarm_high),
    REGF(0x10, "IRQ_ENABLED", GoldfishRtc, st.irq_enabled, rtc_update),
    REG(0x14, "CLEAR_ALARM", NULL, clear_alarm),
    REG(0x18, "ALARM_STATUS", alarm_status, NULL),
    REG(0x1c, "CLEAR_INTERRUPT", NULL, clear_interrupt),
    {}
};

/* ---- life ---- */
static bool rtc_realize(Object *o, GError **errp)
{
    GoldfishRtc *r = (GoldfishRtc *)o;

    r->timer = timer_new(alarm_fired, r);
    r->st.offset_ns = time_wall_ns() - clock_virtual_ns();
    return mmio_map(&r->mmio, 0x1000, 4, rtc_regs, NULL, errp);
}

static void rtc_unrealize(Object *o)
{
    GoldfishRtc *r = (GoldfishRtc *)o;

    mmio_unmap(&r->mmio);
    timer_free(r->timer);
}

/* A reset does not set the clock: it is the board's battery-backed part. */
static void rtc_reset(Object *o)
{
    GoldfishRtc *r = (GoldfishRtc *)o;

    r->st.alarm_ns = 0;
    r->st.latched_high = r->st.alarm_high = r->st.time_high = r->st.irq_enabled = 0;
    r->st.armed = r->st.pending = false;
    rtc_update(r);
}

static bool rtc_loaded(void *opaque, uint32_t version, GError **errp)
{
    rtc_update(opaque);
    return true;
}

VMSTATE_DEFINE_SPAN(GoldfishRtc, st)
static const VMStateDescription rtc_state = {
    .name = "goldfish_rtc", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(GoldfishRtc, st),
    .loaded = rtc_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_U64(GoldfishRtc, st.offset_ns), VMSTATE_U64(GoldfishRtc, st.alarm_ns),
                             VMSTATE_U32(GoldfishRtc, st.latched_high), VMSTATE_U32(GoldfishRtc, st.alarm_high),
                             VMSTATE_U32(GoldfishRtc, st.time_high), VMSTATE_U32(GoldfishRtc, st.irq_enabled),
                             VMSTATE_BOOL(GoldfishRtc, st.armed), VMSTATE_BOOL(GoldfishRtc, st.pending)),
};

const ObjectType goldfish_rtc_type = {
    .name = "goldfish_rtc", .parent = "mmio-device", .kind = KIND_DEVICE, .size = sizeof(GoldfishRtc),
    .state = &rtc_state, .realize = rtc_realize, .unrealize = rtc_unrealize, .reset = rtc_reset,
    .about = "Goldfish real-time clock with one alarm",
};
