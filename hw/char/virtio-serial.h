/* hw/char/virtio-serial.h - between the console device and its ports.  Guarded by: vm_lock.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "chardev/chardev.h"
#include "hw/virtio.h"
#include "util/loop.h"

#define SERIAL_PORTS_MAX 31 /* bits of VirtioSerial.st.removed; two queues each, and two for control */
#define SERIAL_NAME_MAX 127
#define SERIAL_TURN_BYTES (256 * 1024)

enum { CONSOLE_F_SIZE = 0, CONSOLE_F_MULTIPORT = 1, CONSOLE_F_EMERG_WRITE = 2 };

/* What the guest has still to be told of a port.  The lowest bit is told first: a port that was closed and opened while
 * the guest gave no buffers is told closed, then opened.  So what waits is bounded, whatever the guest does. */
enum { TELL_ADD = 1, TELL_CONSOLE = 2, TELL_NAME = 4, TELL_SIZE = 8, TELL_CLOSED = 16, TELL_OPENED = 32,
       TELL_ALL = 63 };

typedef struct VirtioSerial VirtioSerial;

typedef struct SerialPort { /* rows virtconsole and virtserialport */
    Device dev;
    char *bus, *chardev_id, *name;
    uint32_t nr;            /* UINT32_MAX: the next free one */
    VirtioSerial *serial;   /* NULL: not on a bus */
    Chardev *chardev;       /* NULL: none */
    LoopTimer *more;        /* output is left when a turn is over */
    char address[56];
    bool is_console;
    bool is_taking;         /* output; what the chardev says meanwhile is heard after that */
    struct {
        bool is_console, guest_open, host_open; /* as the guest was told, or is about to be */
        uint8_t tell;
        uint16_t cols, rows;
        uint64_t out_done;  /* bytes of the next chain of the output queue that the chardev has taken */
    } st;
} SerialPort;

struct VirtioSerial {
    VirtioDevice v;
    uint32_t max_ports;
    bool has_emerg_write;
    char *bus_name;
    SerialPort *ports[SERIAL_PORTS_MAX];
    LoopTimer *more;        /* control messages are left when a turn is over */
    struct {
        bool is_ready;      /* the driver has said DEVICE_READY */
        uint32_t removed;   /* ports whose PORT_REMOVE waits */
    } st;
};

/* ---- virtio-serial.c ---- */
bool serial_attach(SerialPort *p, GError **errp); /* finds bus and number */
void serial_detach(SerialPort *p);
void serial_tell(SerialPort *p, uint8_t what);    /* now, or when the guest gives a buffer */
void serial_tell_host_open(SerialPort *p, bool is_open);
bool serial_is_multiport(const VirtioSerial *s);
VirtQueue *serial_in_queue(const SerialPort *p);  /* to the guest */
VirtQueue *serial_out_queue(const SerialPort *p);

/* ---- virtio-serial-port.c ---- */
const char *port_name(const SerialPort *p);       /* for messages */
void port_started(SerialPort *p);                 /* the machine starts, before the queues are looked at */
void port_session_reset(SerialPort *p);
void port_guest_opened(SerialPort *p, bool is_open);
bool port_is_guest_open(const SerialPort *p);
void port_take_output(SerialPort *p);
void port_accept_input(SerialPort *p);
void port_emergency_write(SerialPort *p, uint8_t byte);
