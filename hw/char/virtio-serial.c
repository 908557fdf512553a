/* hw/char/virtio-serial.c - console device: configuration, control queues, the bus its ports sit on (virtio 1.2, 5.3).
 * Guarded by: vm_lock.  Page: docs/devices/virtio-serial.md.  Test: tests/qtest/hw/char/virtio-serial-test.c
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Queues 0 and 1 are port 0's, 2 and 3 carry control messages, then two for each port.  In the ring a port's bytes are
 * the guest's; this file never holds one.  What the guest has to be told waits as bits of its port, not as messages. */
#include "virtio-serial.h"

#include "util/bytes.h"
#include "util/error.h"
#include "util/log.h"

#include <string.h>

enum { QUEUE_CONTROL_IN = 2, QUEUE_CONTROL_OUT = 3, QUEUE_SIZE = 128 };
enum { CONFIG_COLS = 0, CONFIG_ROWS = 2, CONFIG_PORTS = 4, CONFIG_EMERG_WRITE = 8, CONFIG_SIZE = 12 };
enum { CONTROL_HEADER = 8, CONTROL_MESSAGE_MAX = CONTROL_HEADER + SERIAL_NAME_MAX };
enum { C_DEVICE_READY, C_PORT_ADD, C_PORT_REMOVE, C_PORT_READY, C_CONSOLE_PORT, C_RESIZE, C_PORT_OPEN, C_PORT_NAME };

static GPtrArray *buses; /* of VirtioSerial, in order of making */

bool serial_is_multiport(const VirtioSerial *s)
{
    return virtio_has(&s->v, CONSOLE_F_MULTIPORT);
}

static VirtQueue *port_queue(const SerialPort *p, unsigned direction)
{
    return &p->serial->v.queues[(p->nr ? 2 * (p->nr + 1) : 0) + direction];
}

VirtQueue *serial_in_queue(const SerialPort *p)
{
    return port_queue(p, 0);
}

VirtQueue *serial_out_queue(const SerialPort *p)
{
    return port_queue(p, 1);
}

static SerialPort *port_of_queue(const VirtioSerial *s, unsigned queue)
{
    unsigned nr = queue < 2 ? 0 : queue / 2 - 1;

    return nr < s->max_ports ? s->ports[nr] : NULL;
}

static SerialPort *port_at(const VirtioSerial *s, uint32_t nr)
{
    return nr < SERIAL_PORTS_MAX ? s->ports[nr] : NULL;
}

/* ---- control messages to the guest ---- */
static size_t make_message(uint8_t message[CONTROL_MESSAGE_MAX], uint32_t nr, uint16_t event, uint16_t value)
{
    store_le32(message, nr);
    store_le16(message + 4, event);
    store_le16(message + 6, value);
    return CONTROL_HEADER;
}

/* As 5.3.6.2 has it, and Linux since 6.15 (and in Debian's 6.12); older ones take the columns for the rows. */
static size_t make_size(const SerialPort *p, uint8_t message[CONTROL_MESSAGE_MAX])
{
    size_t size = make_message(message, p->nr, C_RESIZE, 0);

    store_le16(message + size, p->st.cols);
    store_le16(message + size + 2, p->st.rows);
    return size + 4;
}

static size_t make_name(const SerialPort *p, uint8_t message[CONTROL_MESSAGE_MAX])
{
    size_t size = make_message(message, p->nr, C_PORT_NAME, 1), length = strlen(p->name);

    memcpy(message + size, p->name, length);
    return size + length;
}

static size_t make_told(const SerialPort *p, uint8_t what, uint8_t message[CONTROL_MESSAGE_MAX])
{
    switch (what) {
    case TELL_ADD:
        return make_message(message, p->nr, C_PORT_ADD, 1);
    case TELL_CONSOLE:
        return make_message(message, p->nr, C_CONSOLE_PORT, 1);
    case TELL_NAME:
        return make_name(p, message);
    case TELL_SIZE:
        return make_size(p, message);
    default:
        return make_message(message, p->nr, C_PORT_OPEN, what == TELL_OPENED);
    }
}

/* What is to be said next, taken off the list; 0: nothing. */
static size_t next_message(VirtioSerial *s, uint8_t message[CONTROL_MESSAGE_MAX])
{
    if (s->st.removed) {
        uint32_t nr = __builtin_ctz(s->st.removed);

        s->st.removed &= s->st.removed - 1;
        return make_message(message, nr, C_PORT_REMOVE, 1);
    }
    for (unsigned i = 0; i < s->max_ports; i++) {
        SerialPort *p = s->ports[i];

        if (p && p->st.tell) {
            uint8_t what = p->st.tell & -p->st.tell;

            p->st.tell &= ~what;
            return make_told(p, what, message);
        }
    }
    return 0;
}

static bool has_message(const VirtioSerial *s)
{
    bool has = s->st.removed;

    for (unsigned i = 0; i < s->max_ports && !has; i++) {
        has = s->ports[i] && s->ports[i]->st.tell;
    }
    return has;
}

/* A chain for a message, or NULL: then the driver has been asked to notify. */
static VirtioChain *control_buffer(VirtQueue *q)
{
    VirtioChain *c = virtqueue_pop(q);

    return c || !virtqueue_want_notify(q, true) ? c : virtqueue_pop(q);
}

static void tell_all(VirtioSerial *s)
{
    VirtQueue *q = &s->v.queues[QUEUE_CONTROL_IN];
    uint8_t message[CONTROL_MESSAGE_MAX];
    VirtioChain *c;

    if (!s->v.is_running || !virtio_is_live(&s->v) || !serial_is_multiport(s)) {
        return;
    }
    while (has_message(s) && (c = control_buffer(q))) {
        size_t size;

        if (c->in_bytes < CONTROL_HEADER) {
            virtio_break(&s->v, "a buffer for control messages of %u bytes", (unsigned)c->in_bytes);
            g_free(c);
            return;
        }
        size = next_message(s, message);
        if (c->in_bytes < size) {
            guest_error(virtio_name(&s->v), "a control message of %zu bytes is cut to the %u of the guest's buffer", size,
                        (unsigned)c->in_bytes);
        }
        virtqueue_push(q, c, virtio_chain_write(c, 0, message, size));
        virtqueue_interrupt(q);
    }
}

void serial_tell(SerialPort *p, uint8_t what)
{
    p->st.tell |= what;
    tell_all(p->serial);
}

void serial_tell_host_open(SerialPort *p, bool is_open)
{
    if (is_open) {
        serial_tell(p, TELL_OPENED);
    } else if (p->st.tell & TELL_OPENED) {
        p->st.tell &= ~TELL_OPENED; /* it never heard of that */
    } else {
        serial_tell(p, TELL_CLOSED);
    }
}

/* ---- control messages from the guest ---- */
static void device_ready(VirtioSerial *s, bool is_ready)
{
    s->st.is_ready = is_ready;
    if (!is_ready) {
        guest_error(virtio_name(&s->v), "the driver failed to set the device up");
        return;
    }
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i]) {
            s->ports[i]->st.tell |= TELL_ADD;
        }
    }
}

static void port_ready(SerialPort *p, bool is_ready)
{
    if (!is_ready) {
        guest_error(port_name(p), "the driver failed to add the port");
        return;
    }
    p->st.tell |= (p->is_console ? TELL_CONSOLE : 0) | (p->name ? TELL_NAME : 0) |
                  (p->is_console && p->st.cols ? TELL_SIZE : 0) | (p->st.host_open ? TELL_OPENED : 0);
}

static void heard(VirtioSerial *s, uint32_t nr, uint16_t event, uint16_t value)
{
    SerialPort *p = port_at(s, nr);

    if (event == C_DEVICE_READY) {
        device_ready(s, value == 1);
    } else if (!p) {
        guest_error(virtio_name(&s->v), "control message %u for port %u, which does not exist", event, nr);
    } else if (event == C_PORT_READY) {
        port_ready(p, value == 1);
    } else if (event == C_PORT_OPEN) {
        port_guest_opened(p, value == 1);
    } else {
        guest_error(port_name(p), "control message %u, which a driver does not send", event);
    }
}

static void hear_all(VirtioSerial *s)
{
    VirtQueue *q = &s->v.queues[QUEUE_CONTROL_OUT];
    uint8_t header[CONTROL_HEADER];
    VirtioChain *c;
    bool has_any = false;
    unsigned i;

    /* No more than the ring holds at once: a driver that adds without end is heard on when others had their turn. */
    for (i = 0; i < QUEUE_SIZE && virtqueue_want_notify(q, true) && (c = virtqueue_pop(q)); i++) {
        size_t size = virtio_chain_read(c, 0, header, CONTROL_HEADER);

        virtqueue_push(q, c, 0);
        has_any = true;
        if (size < CONTROL_HEADER) {
            guest_error(virtio_name(&s->v), "a control message of %zu bytes", size);
        } else {
            heard(s, load_le32(header), load_le16(header + 4), load_le16(header + 6));
        }
    }
    if (i == QUEUE_SIZE) {
        loop_timer_set(s->more, time_monotonic_ns());
    }
    if (has_any) {
        virtqueue_interrupt(q);
        tell_all(s);
    }
}

static void hear_more(void *opaque)
{
    VirtioSerial *s = opaque;

    if (s->v.is_running && virtio_is_live(&s->v) && serial_is_multiport(s)) { /* else it is heard when the machine starts */
        hear_all(s);
    }
}

/* ---- the bus ---- */
static bool is_on_bus(const VirtioSerial *s, const char *bus)
{
    return !bus || !strcmp(bus, s->bus_name);
}

/* Number 0 is kept for a console: drivers without multiport know no other port. */
static bool choose_number(SerialPort *p, const VirtioSerial *s, GError **errp)
{
    if (p->nr == UINT32_MAX && p->is_console && !s->ports[0]) {
        p->nr = 0;
        return true;
    }
    for (uint32_t nr = 1; p->nr == UINT32_MAX && nr < s->max_ports; nr++) {
        p->nr = s->ports[nr] ? UINT32_MAX : nr;
    }
    if (p->nr == UINT32_MAX) {
        return fail(errp, "bus '%s': all %u ports are taken (max_ports)", s->bus_name, s->max_ports);
    }
    if (p->nr == 0 && !p->is_console) {
        return fail(errp, "Port number 0 on virtio-serial devices reserved for virtconsole devices");
    }
    if (p->nr >= s->max_ports) {
        return fail(errp, "bus '%s': port number %u is out of range, 0 to %u exist (max_ports)", s->bus_name, p->nr,
                    s->max_ports - 1);
    }
    return !s->ports[p->nr] || fail(errp, "bus '%s': port number %u is taken", s->bus_name, p->nr);
}

static bool name_is_free(const SerialPort *p, const VirtioSerial *s, GError **errp)
{
    for (unsigned i = 0; p->name && i < s->max_ports; i++) {
        if (s->ports[i] && !g_strcmp0(s->ports[i]->name, p->name)) {
            return fail(errp, "bus '%s': there is a port of the name '%s' already", s->bus_name, p->name);
        }
    }
    return true;
}

bool serial_attach(SerialPort *p, GError **errp)
{
    VirtioSerial *s = NULL;

    for (unsigned i = 0; buses && i < buses->len && !s; i++) {
        s = is_on_bus(buses->pdata[i], p->bus) ? buses->pdata[i] : NULL;
    }
    if (!s) {
        return p->bus ? fail(errp, "bus '%s' does not exist, or is none for ports of a virtio-serial-device", p->bus)
                      : fail(errp, "No 'virtio-serial-bus' bus found for device '%s'; add a virtio-serial-device first",
                             p->dev.obj.type->name);
    }
    if (!choose_number(p, s, errp) || !name_is_free(p, s, errp)) {
        return false;
    }
    p->serial = s;
    s->ports[p->nr] = p;
    g_snprintf(p->address, sizeof(p->address), "%s/port%u", s->v.dev.bus_address, p->nr);
    p->dev.bus_address = p->address;
    if (s->st.is_ready) {
        serial_tell(p, TELL_ADD);
    }
    return true;
}

void serial_detach(SerialPort *p)
{
    VirtioSerial *s = p->serial;

    p->serial = NULL;
    s->ports[p->nr] = NULL;
    if (s->st.is_ready && !(p->st.tell & TELL_ADD)) {
        s->st.removed |= 1u << p->nr;
        tell_all(s);
    }
}

/* ---- virtio ---- */
static void serial_notify(VirtioDevice *v, unsigned queue)
{
    VirtioSerial *s = (VirtioSerial *)v;
    bool is_control = serial_is_multiport(s) && (queue == QUEUE_CONTROL_IN || queue == QUEUE_CONTROL_OUT);
    SerialPort *p = is_control ? NULL : port_of_queue(s, queue);

    if (is_control && queue == QUEUE_CONTROL_IN) {
        tell_all(s);
    } else if (is_control) {
        hear_all(s);
    } else if (p && queue % 2) {
        port_take_output(p);
    } else if (p) {
        port_accept_input(p);
    }
}

static void serial_started(VirtioDevice *v)
{
    VirtioSerial *s = (VirtioSerial *)v;

    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i]) {
            port_started(s->ports[i]);
        }
    }
    tell_all(s);
}

static void serial_session_reset(VirtioDevice *v)
{
    VirtioSerial *s = (VirtioSerial *)v;

    s->st.is_ready = false;
    s->st.removed = 0;
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i]) {
            port_session_reset(s->ports[i]);
        }
    }
}

static uint64_t serial_features(VirtioDevice *v)
{
    VirtioSerial *s = (VirtioSerial *)v;

    return 1u << CONSOLE_F_SIZE | (s->max_ports > 1 ? 1u << CONSOLE_F_MULTIPORT : 0) |
           (s->has_emerg_write ? 1u << CONSOLE_F_EMERG_WRITE : 0);
}

static unsigned serial_queues(const VirtioDevice *v)
{
    const VirtioSerial *s = (const VirtioSerial *)v;
    uint32_t ports = CLAMP(s->max_ports, 1, SERIAL_PORTS_MAX); /* what is wrong is said when it is realized */

    return ports > 1 ? 2 * (ports + 1) : 2;
}

static unsigned serial_config(VirtioDevice *v, uint8_t config[256])
{
    VirtioSerial *s = (VirtioSerial *)v;

    if (s->ports[0]) {
        store_le16(config + CONFIG_COLS, s->ports[0]->st.cols);
        store_le16(config + CONFIG_ROWS, s->ports[0]->st.rows);
    }
    store_le32(config + CONFIG_PORTS, s->max_ports);
    return CONFIG_SIZE;
}

static void serial_config_write(VirtioDevice *v, unsigned offset, const void *data, unsigned size)
{
    VirtioSerial *s = (VirtioSerial *)v;

    if (!s->has_emerg_write || offset != CONFIG_EMERG_WRITE) {
        guest_error(virtio_name(v), "configuration written at %u: only 'emerg_wr' can be", offset);
        return;
    }
    for (unsigned i = 0; i < s->max_ports; i++) {
        if (s->ports[i] && s->ports[i]->is_console) {
            port_emergency_write(s->ports[i], *(const uint8_t *)data);
            return;
        }
    }
}

static const VirtioOps serial_ops = {
    .device_id = VIRTIO_ID_CONSOLE, .queue_count = VIRTIO_QUEUES_MAX, .queues = serial_queues,
    .queue_sizes = {[0 ... VIRTIO_QUEUES_MAX - 1] = QUEUE_SIZE}, .features = serial_features, .config = serial_config,
    .config_write = serial_config_write, .queue_notify = serial_notify, .started = serial_started,
    .reset = serial_session_reset,
};

/* ---- life ---- */
static char *bus_name_for(const VirtioSerial *s)
{
    static unsigned anonymous;

    return s->v.dev.obj.id ? g_strdup_printf("%s.0", s->v.dev.obj.id)
                           : g_strdup_printf("virtio-serial-bus.%u", anonymous++);
}

static bool serial_realize(Object *o, GError **errp)
{
    VirtioSerial *s = (VirtioSerial *)o;

    G_STATIC_ASSERT(2 * (SERIAL_PORTS_MAX + 1) == VIRTIO_QUEUES_MAX);
    if (s->max_ports < 1 || s->max_ports > SERIAL_PORTS_MAX) {
        return fail(errp, "Parameter 'max_ports' expects a number between 1 and %u", SERIAL_PORTS_MAX);
    }
    s->bus_name = bus_name_for(s);
    if (!buses) {
        buses = g_ptr_array_new();
    }
    g_ptr_array_add(buses, s);
    s->more = loop_timer_new(hear_more, s);
    return true;
}

static void serial_unrealize(Object *o)
{
    VirtioSerial *s = (VirtioSerial *)o;

    for (unsigned i = 0; i < SERIAL_PORTS_MAX; i++) {
        if (s->ports[i]) {
            s->ports[i]->serial = NULL;
            s->ports[i] = NULL;
        }
    }
    loop_timer_free(s->more);
    s->more = NULL;
    if (s->bus_name) {
        g_ptr_array_remove(buses, s);
        g_clear_pointer(&s->bus_name, g_free);
    }
}

static bool serial_loaded(void *opaque, uint32_t version, GError **errp)
{
    VirtioSerial *s = opaque;

    if (s->st.removed >> s->max_ports) {
        return fail(errp, "virtio device '%s': ports 0x%x were removed, there are %u", virtio_name(&s->v), s->st.removed,
                    s->max_ports);
    }
    return true;
}

VMSTATE_DEFINE_SPAN(VirtioSerial, st)
static const VMStateDescription serial_state = {
    .name = "virtio-console", .version = 1, .phase = VMSTATE_SAVE_DEVICE, VMSTATE_SPAN(VirtioSerial, st),
    .loaded = serial_loaded,
    .fields = VMSTATE_FIELDS(VMSTATE_BOOL(VirtioSerial, st.is_ready), VMSTATE_U32(VirtioSerial, st.removed)),
};

static const Property serial_props[] = {
    PROP_U32("max_ports", VirtioSerial, max_ports, SERIAL_PORTS_MAX, "ports that the bus has room for, 1 to 31"),
    PROP_BOOL("emergency-write", VirtioSerial, has_emerg_write, true, "offer a console that works without a driver"),
    {}
};

const ObjectType virtio_serial_type = {
    .name = "virtio-serial-device", .parent = "virtio-device", .kind = KIND_DEVICE, .size = sizeof(VirtioSerial),
    .props = serial_props, .state = &serial_state, .bus = "virtio-bus", .realize = serial_realize,
    .unrealize = serial_unrealize, .ops = &serial_ops, .flags = TYPE_USER_CREATABLE,
    .about = "bus for consoles and ports (virtio)",
};
