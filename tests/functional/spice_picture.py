# tests/functional/spice_picture.py - the screen as a scripted SPICE client has it, and what such a client wishes it to be.
# SPDX-License-Identifier: GPL-2.0-or-later
"""For clients without capabilities on the display channel: pictures come as they are, in BITMAP images."""
import struct

from harness import Failed
from spice_client import DISPLAY

SURFACE_CREATE, SURFACE_DESTROY, MARK, DRAW_COPY = 314, 315, 102, 304
INIT = struct.pack('<BqBi', 1, 0, 1, 0)
BITMAP = 0
DRAW_BASE, IMAGE_HEAD, BITMAP_HEAD = 57, 18, 18


class Picture:
    """Follows one display channel of a spice_client.Session."""
    def __init__(self, session, screen=0, caps=(0,)):
        self.link = session.open(DISPLAY, screen, caps)
        self.link.say(101, INIT)
        self.width = self.height = 0
        self.pixels, self.marked = bytearray(), False

    def hear(self):
        kind, body = self.link.hear()
        if kind == SURFACE_CREATE:
            _, self.width, self.height, _, _ = struct.unpack('<5I', body)
            self.pixels = bytearray(self.width * self.height * 4)
        elif kind == SURFACE_DESTROY:
            self.width = self.height = 0
            self.marked = False
        elif kind == MARK:
            self.marked = True
        elif kind == DRAW_COPY:
            self.draw(body)
        return kind

    def draw(self, body):
        top, left, bottom, right = struct.unpack('<4i', body[4:20])
        width, rows = right - left, body[DRAW_BASE + IMAGE_HEAD + BITMAP_HEAD:]
        if body[DRAW_BASE + 8] != BITMAP or len(rows) != 4 * width * (bottom - top):
            raise Failed(f'an image of type {body[DRAW_BASE + 8]} and {len(rows)} bytes')
        for y in range(top, bottom):
            at = (y * self.width + left) * 4
            self.pixels[at:at + 4 * width] = rows[(y - top) * 4 * width:(y - top + 1) * 4 * width]

    def rgb(self):
        """Three bytes a pixel, as in a PPM."""
        out = bytearray(self.width * self.height * 3)
        out[0::3], out[1::3], out[2::3] = self.pixels[2::4], self.pixels[1::4], self.pixels[0::4]
        return bytes(out)


# ---- wishes, as a client tells them to the agent ----

AGENT_START, AGENT_DATA, AGENT_TOKEN = 106, 107, 110
FROM_AGENT = 109
MONITORS_CONFIG, REPLY, ANNOUNCE = 2, 3, 6


def to_agent(kind, body):
    return struct.pack('<IIQI', 1, kind, 0, len(body)) + body


def monitors(*sizes, at=True):
    """sizes: (width, height) of each screen; (0, 0): off."""
    body, x = struct.pack('<II', len(sizes), 1 if at else 0), 0
    for width, height in sizes:
        body += struct.pack('<IIIii', height, width, 32, x, 0)
        x += width
    return to_agent(MONITORS_CONFIG, body)


def from_agent(link):
    """(type, body) of the next message of the agent, where it comes in one piece."""
    data = link.until(FROM_AGENT)
    _, kind, _, size = struct.unpack('<IIQI', data[:20])
    return kind, data[20:20 + size]
