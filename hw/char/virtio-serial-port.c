/* hw/char/virtio-serial-port.c - consoles and ports on a virtio-serial-device: bytes between a ring and a chardev.
 * Guarded by: vm_lock.  Page: docs/devices/virtio-serial.md.  Tests: tests/qtest/hw/char/, tests/unit/hw/virtio-serial-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * No byte waits here.  The chardev is asked for no more than the next buffer of the guest holds, and for nothing while
 * the machine is stopped or the guest has the port closed.  A chain that the chardev takes a part of stays in the ring;
 * how much of it was taken is saved, so the other side of a handoff goes on in the middle of it. */
#include "virtio-serial.h"

#include "qapi/qmp.h"
#include "util/error.h"
#include "util/log.h"

#include <string.h>

enum { PIECE = 4096 };

const char *port_name(const SerialPort *p)
{
    return p->dev.obj.id ? p->dev.obj.id : p->address;
}

static bool is_live(const SerialPort *p)
{
    return p->serial && p->serial->v.is_running && virtio_is_live(&p->serial->v);
}

/* Without multiport there is one port, and no message that opens it. */
bool port_is_guest_open(const SerialPort *p)
{
    return serial_is_multiport(p->serial) ? p->st.guest_open : p->nr == 0 && virtio_is_live(&p->serial->v);
}

/* ---- from the guest ---- */
static bool has_listener(const SerialPort *p)
{
    return p->chardev && p->st.host_open;
}

/* What the chardev takes of the chain, at most `most` bytes; true: all of it is done. */
static bool take_chain(SerialPort *p, const VirtioChain *c, uint64_t most)
{
    uint64_t end = MIN(c->out_bytes, p->st.out_done + most);

    while (has_listener(p) && p->st.out_done < end) {
        uint8_t piece[PIECE];
        size_t size = virtio_chain_read(c, p->st.out_done, piece, MIN(PIECE, end - p->st.out_done));
        size_t taken = chardev_write(p->chardev, piece, size);

        p->st.out_done += taken;
        if (taken < size && has_listener(p)) {
            return false;
        }
    }
    return !has_listener(p) || p->st.out_done >= c->out_bytes;
}

/* One turn, of SERIAL_TURN_BYTES at most: what is behind them has a turn of its own.  false: the chardev has no room. */
static bool take_turn(SerialPort *p, VirtQueue *q)
{
    VirtioChain *c;
    uint64_t done = 0;

    for (unsigned i = 0; i < VIRTQUEUE_SIZE_MAX && done < SERIAL_TURN_BYTES && (c = virtqueue_pop(q)); i++) {
        uint64_t before = p->st.out_done;

        if (!take_chain(p, c, SERIAL_TURN_BYTES - done)) {
            done += p->st.out_done - before;
            virtqueue_unpop(q, c);
            if (done >= SERIAL_TURN_BYTES) {
                break;
            }
            return false; /* until can_write */
        }
        done += p->st.out_done - before;
        p->st.out_done = 0;
        virtqueue_fill(q, c, 0);
    }
    if (virtqueue_want_notify(q, true)) {
        loop_timer_set(p->more, time_monotonic_ns()); /* others want the lock, too */
    }
    return true;
}

void port_take_output(SerialPort *p)
{
    VirtQueue *q;

    if (p->is_taking || !is_live(p) || !(q = serial_out_queue(p))->used) {
        return;
    }
    p->is_taking = true; /* a client that is dropped by what it is told closes the chardev: out_done is of the chain at hand */
    virtqueue_want_notify(q, false);
    take_turn(p, q);
    p->is_taking = false;
    virtqueue_flush(q);
    virtqueue_interrupt(q);
}

static void take_more(void *opaque)
{
    port_take_output(opaque);
}

void port_emergency_write(SerialPort *p, uint8_t byte)
{
    if (p->chardev && chardev_write(p->chardev, &byte, 1) == 0) {
        guest_error(port_name(p), "emergency write of 0x%02x while the console is busy: dropped", byte);
    }
}

/* ---- to the guest ---- */
/* The next buffer, which stays in the ring; its size, or 0: none, then the driver has been asked to notify. */
static size_t buffer_size(SerialPort *p, VirtQueue *q)
{
    VirtioChain *c = virtqueue_pop(q);
    size_t size;

    if (!c && virtqueue_want_notify(q, true)) {
        c = virtqueue_pop(q);
    }
    if (!c) {
        return 0;
    }
    size = MIN(c->in_bytes, SIZE_MAX);
    virtqueue_unpop(q, c);
    if (size == 0) {
        virtio_break(&p->serial->v, "port %u: a buffer for input without room for any", p->nr);
    }
    return size;
}

static size_t port_room(void *opaque)
{
    SerialPort *p = opaque;

    if (!is_live(p) || !port_is_guest_open(p) || !serial_in_queue(p)->used) {
        return 0;
    }
    return buffer_size(p, serial_in_queue(p));
}

static void port_data(void *opaque, const uint8_t *data, size_t size)
{
    SerialPort *p = opaque;
    VirtQueue *q = serial_in_queue(p);
    VirtioChain *c;

    while (size && (c = virtqueue_pop(q))) {
        size_t written = virtio_chain_write(c, 0, data, size);

        virtqueue_push(q, c, written);
        if (written == 0) {
            break;
        }
        data += written;
        size -= written;
    }
    if (size) {
        guest_error(port_name(p), "%zu bytes lost: the guest changed a buffer that it had handed over", size);
    }
    virtqueue_interrupt(q);
}

void port_accept_input(SerialPort *p)
{
    virtqueue_want_notify(serial_in_queue(p), false); /* asked again when the ring is empty */
    if (p->chardev) {
        chardev_accept_input(p->chardev);
    }
}

/* ---- open and closed ---- */
static void say_changed(const SerialPort *p, bool is_open)
{
    Json *data;

    if (p->dev.obj.id && !p->is_console) {
        data = json_dict();
        json_set(data, "open", json_bool(is_open));
        json_set(data, "id", json_string(p->dev.obj.id));
        qapi_emit("VSERPORT_CHANGE", data);
    }
}

void port_guest_opened(SerialPort *p, bool is_open)
{
    if (p->st.guest_open == is_open) {
        return;
    }
    p->st.guest_open = is_open;
    say_changed(p, is_open);
    if (p->chardev) {
        chardev_set_guest_open(p->chardev, is_open);
        chardev_accept_input(p->chardev);
    }
}

static void host_opened(SerialPort *p, bool is_open)
{
    if (p->st.host_open == is_open) {
        return;
    }
    p->st.host_open = is_open;
    if (p->serial->st.is_ready) {
        serial_tell_host_open(p, is_open);
    }
    port_take_output(p); /* what nobody listens to does not wait */
}

static bool host_is_open(const SerialPort *p)
{
    return p->is_console || (p->chardev && chardev_is_open(p->chardev));
}

static void size_changed(SerialPort *p)
{
    chardev_size(p->chardev, &p->st.cols, &p->st.rows);
    if (!p->is_console) {
        return;
    }
    if (serial_is_multiport(p->serial) && p->serial->st.is_ready) {
        serial_tell(p, TELL_SIZE);
    }
    if (p->nr == 0) {
        virtio_config_changed(&p->serial->v);
    }
}

static void port_event(void *opaque, ChardevEvent event)
{
    SerialPort *p = opaque;

    if (!p->serial) {
        return; /* its bus has gone already */
    }
    if (event == CHARDEV_RESIZED) {
        size_changed(p);
    } else if (event != CHARDEV_BREAK) {
        host_opened(p, host_is_open(p));
    }
}

static void port_can_write(void *opaque)
{
    port_take_output(opaque);
}

/* After a load the guest is told what is different here, if anything is. */
void port_started(SerialPort *p)
{
    uint16_t cols = p->st.cols, rows = p->st.rows;

    host_opened(p, host_is_open(p));
    if (p->chardev) {
        chardev_set_guest_open(p->chardev, port_is_guest_open(p));
        chardev_size(p->chardev, &cols, &rows);
        if (cols != p->st.cols || rows != p->st.rows) {
            size_changed(p);
        }
    }
}

void port_session_reset(SerialPort *p)
{
    port_guest_opened(p, false);
    if (p->chardev) {
        chardev_set_guest_open(p->chardev, false);
    }
    p->st.tell = 0;
    p->st.out_done = 0;
}

/* ---- life ---- */
static const ChardevHandlers port_handlers = {
    .can_read = port_room, .read = port_data, .event = port_event, .can_write = port_can_write, .is_guest = true,
};

static bool claim_chardev(SerialPort *p, GError **errp)
{
    Chardev *c = p->chardev_id ? chardev_find(p->chardev_id) : NULL;

    if (!c) {
        return !p->chardev_id || fail(errp, "Property '%s.chardev' can't find value '%s'", p->dev.obj.type->name,
                                      p->chardev_id);
    }
    c = chardev_front(c);
    p->chardev = c;
    if (!chardev_claim(c, &port_handlers, p, errp)) {
        p->chardev = NULL;
        return false;
    }
    chardev_set_guest_open(c, port_is_guest_open(p));
    chardev_size(c, &p->st.cols, &p->st.rows);
    return true;
}

static bool port_realize(Object *o, GError **errp)
{
    SerialPort *p = (SerialPort *)o;

    p->is_console = type_is(o->type, "virtconsole");
    p->st.is_console = p->is_console;
    if (p->name && (strlen(p->name) > SERIAL_NAME_MAX || !g_utf8_validate(p->name, -1, NULL))) {
        return fail(errp, "Parameter 'name' expects at most %u bytes of UTF-8", SERIAL_NAME_MAX);
    }
    if (!serial_attach(p, errp)) {
        return false;
    }
    p->more = loop_timer_new(take_more, p);
    p->st.host_open = p->is_console;
    return claim_chardev(p, errp);
}

static void port_unrealize(Object *o)
{
    SerialPort *p = (SerialPort *)o;

    if (p->chardev) {
        chardev_set_guest_open(p->chardev, false);
        chardev_release(p->chardev);
        p->chardev = NULL;
    }
    if (p->serial) {
        serial_detach(p);
    }
    loop_timer_free(p->more);
    p->more = NULL;
}

static bool port_loaded(void *opaque, uint32_t version, GError **errp)
{
    SerialPort *p = opaque;
    bool was_console = p->st.is_console;

    p->st.is_console = p->is_console;
    if (was_console != p->is_console) {
        return fail(errp, "port '%s': it is a %s there, a %s here", port_name(p), was_console ? "console" : "port",
                    p->is_console ? "console" : "port");
    }
    if ((p->st.tell & ~TELL_ALL) || ((p->st.tell & TELL_NAME) && !p->name)) {
        return fail(errp, "port '%s': messages 0x%x wait for the guest, which it cannot have", port_name(p), p->st.tell);
    }
    if (p->chardev) {
        chardev_set_guest_open(p->chardev, port_is_guest_open(p));
    }
    if (p->st.guest_open) {
        say_changed(p, true);
    }
    return true;
}

VMSTATE_DEFINE_SPAN(SerialPort, st)
static const VMStateDescription port_state = {
    .name = "virtio-serial-port", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(SerialPort, st),
    .loaded = port_loaded,
    .fields = VMSTATE_FIELDS(
        VMSTATE_BOOL(SerialPort, st.is_console), VMSTATE_BOOL(SerialPort, st.guest_open),
        VMSTATE_BOOL(SerialPort, st.host_open), VMSTATE_U8(SerialPort, st.tell), VMSTATE_U16(SerialPort, st.cols),
        VMSTATE_U16(SerialPort, st.rows), VMSTATE_U64(SerialPort, st.out_done)),
};

static const Property port_props[] = {
    PROP_STR("bus", SerialPort, bus, NULL, "of the device it sits on, such as vser0.0"),
    PROP_U32("nr", SerialPort, nr, UINT32_MAX, "number of the port; default: the next free one"),
    PROP_ID("chardev", SerialPort, chardev_id, chardev, "id of the chardev at the other end"),
    PROP_STR("name", SerialPort, name, NULL, "told to the guest"),
    {}
};

const ObjectType virtio_serial_port_type = {
    .name = "virtio-serial-port", .parent = "device", .kind = KIND_DEVICE, .props = port_props, .state = &port_state,
    .realize = port_realize, .unrealize = port_unrealize, .about = "anything on a virtio-serial-device",
};

const ObjectType virtconsole_type = {
    .name = "virtconsole", .parent = "virtio-serial-port", .kind = KIND_DEVICE, .size = sizeof(SerialPort),
    .state = &vmstate_none, .bus = "virtio-serial-bus", .flags = TYPE_USER_CREATABLE | TYPE_HOTPLUG,
    .about = "console on a virtio-serial-device",
};

const ObjectType virtserialport_type = {
    .name = "virtserialport", .parent = "virtio-serial-port", .kind = KIND_DEVICE, .size = sizeof(SerialPort),
    .state = &vmstate_none, .bus = "virtio-serial-bus", .flags = TYPE_USER_CREATABLE | TYPE_HOTPLUG,
    .about = "port on a virtio-serial-device",
};
