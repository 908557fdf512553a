# bench/display/tap.py - SPICE connections as they are on the wire, each message with the time of its last byte.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads what goes over the loopback interface to and from a port, beside client and server, and stamps of the kernel with it:
so stock clients can be timed and are none the slower.  Needs root.  IPv4, no TLS, mini headers."""
import ctypes
import socket
import struct
import threading

from harness import Failed, Skipped

ETH_P_IP, SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_TIMESTAMPNS, OUTGOING = 0x0800, 26, 33, 35, 4
ROOM = 64 << 20                     # of the kernel, for what we have not read
TICKET = 4 + 128                    # mechanism, ticket


def port_filter(port):
    """For the kernel: TCP from or to the port, whole packets."""
    rows = [(0x30, 0, 0, 9), (0x15, 0, 6, socket.IPPROTO_TCP), (0xb1, 0, 0, 0), (0x48, 0, 0, 0), (0x15, 2, 0, port),
            (0x48, 0, 0, 2), (0x15, 0, 1, port), (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)]
    return b''.join(struct.pack('HBBI', *row) for row in rows)


class Stream:
    """One direction of a connection."""
    def __init__(self):
        self.next, self.data, self.stamps = None, bytearray(), []       # stamps: (bytes until then, when)

    def add(self, seq, is_first, payload, when):
        if self.next is None or is_first:
            self.next = seq + is_first
        if not payload:
            return
        known = (self.next - seq) & 0xffffffff
        if known >= 1 << 31:
            raise Failed('a packet was not seen')
        fresh = payload[known:]                                         # the rest is said again
        self.data += fresh
        self.next = (self.next + len(fresh)) & 0xffffffff
        self.stamps.append((len(self.data), when))

    def when(self, end):
        return next(at for size, at in self.stamps if size >= end)

    def messages(self, at):
        """(when, type, body) from there on."""
        found = []
        while at + 6 <= len(self.data):
            kind, size = struct.unpack_from('<HI', self.data, at)
            end = at + 6 + size
            if end > len(self.data):
                break
            found.append((self.when(end), kind, bytes(self.data[at + 6:end])))
            at = end
        return found


class Connection:
    def __init__(self):
        self.said, self.heard = Stream(), Stream()                      # by the client; from the server

    def channel(self):
        return tuple(self.said.data[20:22]) if len(self.said.data) >= 22 else None

    def from_client(self):
        return self.said.messages(16 + struct.unpack_from('<I', self.said.data, 12)[0] + TICKET)

    def from_server(self):
        if len(self.heard.data) < 16:
            return []
        return self.heard.messages(16 + struct.unpack_from('<I', self.heard.data, 12)[0] + 4)


class Tap(threading.Thread):
    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.packets, self.ends = port, [], False
        try:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)       # nothing before bind(): it has no filter yet
        except PermissionError:
            raise Skipped('reading the loopback interface needs root') from None
        program = ctypes.create_string_buffer(port_filter(port))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                             struct.pack('HP', len(program.raw) // 8, ctypes.addressof(program)))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sock.bind(('lo', ETH_P_IP))
        self.sock.settimeout(0.1)
        self.start()

    def run(self):
        while not self.ends:
            try:
                data, extra, _, address = self.sock.recvmsg(1 << 17, 64)
            except TimeoutError:
                continue
            if address[2] != OUTGOING:                                  # each would be seen twice on this interface
                seconds, ns = struct.unpack('qq', extra[0][2][:16])
                self.packets.append((seconds + ns / 1e9, data))

    def stop(self):
        self.ends = True
        self.join()
        self.sock.close()

    def connections(self):
        """Those of the port, in the order of their making."""
        found = {}
        for when, data in self.packets:
            tcp = (data[0] & 15) * 4
            source, to, seq = struct.unpack_from('>HHI', data, tcp)
            is_client = to == self.port
            c = found.setdefault(source if is_client else to, Connection())
            size = struct.unpack_from('>H', data, 2)[0] or len(data)    # 0: longer than that
            payload = data[tcp + (data[tcp + 12] >> 4) * 4:size]
            (c.said if is_client else c.heard).add(seq, bool(data[tcp + 13] & 2), payload, when)
        return [c for c in found.values() if c.channel()]
