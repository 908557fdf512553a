# tests/functional/mock_agent.py - the SPICE agent of a guest, and the program that is the guest (tests/tools/spice-screen).
# SPDX-License-Identifier: GPL-2.0-or-later
import struct

from harness import want

AGENT = 'spicevmc,id=agent,name=vdagent'
CLIENT_PORT, SERVER_PORT = 1, 2
MOUSE_STATE, MONITORS_CONFIG, REPLY, CLIPBOARD, CAPS, GRAB, REQUEST, RELEASE = 1, 2, 3, 4, 6, 7, 8, 9
CLIENT_DISCONNECTED = 13
UTF8 = 1
CAN = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6    # pointer, screens, replies, clipboard by demand, several of them
CHUNK = 2048


class Port:
    """The guest's end of a chardev of spice-screen."""
    def __init__(self, screen, name):
        self.screen, self.name, self.at = screen, name, 0
        self.data = b''

    def open(self):
        self.screen.say(f'open {self.name}')

    def close(self):
        self.screen.say(f'close {self.name}')

    def send(self, data):
        for at in range(0, len(data), CHUNK):
            self.screen.say(f'say {self.name} {data[at:at + CHUNK].hex()}')

    def look(self):
        """Takes in what has come."""
        lines, self.at = self.screen.lines[self.at:], len(self.screen.lines)
        for line in lines:
            if line.startswith(f'got {self.name} '):
                self.data += bytes.fromhex(line.split()[2])

    def until(self, condition, seconds, what):
        def holds(_):
            self.look()
            return condition()
        self.screen.until(holds, seconds, what)


class Agent(Port):
    """Says what it can when it is told to, and has a clipboard."""
    def __init__(self, screen):
        super().__init__(screen, 'agent')
        self.parts = {CLIENT_PORT: b'', SERVER_PORT: b''}
        self.client_caps, self.grabbed, self.pasted, self.mine = None, 0, None, None
        self.gone, self.mouse, self.heard = 0, [], []

    def open(self):
        super().open()
        self.tell(CAPS, struct.pack('<II', 1, CAN))

    def tell(self, kind, body=b'', port=CLIENT_PORT):
        """One chunk, however long, as agents on Linux do."""
        message = struct.pack('<IIQI', 1, kind, 0, len(body)) + body
        self.send(struct.pack('<II', port, len(message)) + message)

    def look(self):
        super().look()
        while len(self.data) >= 8:
            port, size = struct.unpack('<II', self.data[:8])
            want(port in self.parts and size <= CHUNK, f'a chunk of {size} bytes for port {port}')
            if len(self.data) < 8 + size:
                break
            self.parts[port] += self.data[8:8 + size]
            self.data = self.data[8 + size:]
            self._messages(port)

    def _messages(self, port):
        while len(self.parts[port]) >= 20:
            protocol, kind, _, size = struct.unpack('<IIQI', self.parts[port][:20])
            want(protocol == 1, f'a message of protocol {protocol}')
            if len(self.parts[port]) < 20 + size:
                return
            body, self.parts[port] = self.parts[port][20:20 + size], self.parts[port][20 + size:]
            self._message(kind, body)

    def _message(self, kind, body):
        self.heard.append(kind)
        if kind == CAPS:
            self.client_caps = struct.unpack('<I', body[4:8])[0]
            if struct.unpack('<I', body[:4])[0]:
                self.tell(CAPS, struct.pack('<II', 0, CAN))
        elif kind == GRAB:
            self.grabbed += 1
        elif kind == CLIPBOARD:
            self.pasted = body[8:]
        elif kind == REQUEST and self.mine is not None:
            self.tell(CLIPBOARD, body[:4] + struct.pack('<I', UTF8) + self.mine)
        elif kind == MOUSE_STATE:
            self.mouse.append(struct.unpack('<IIIB', body))
        elif kind == CLIENT_DISCONNECTED:
            self.gone += 1
            self.parts[CLIENT_PORT] = b''

    def copy(self, data):
        self.mine = data
        self.tell(GRAB, bytes(4) + struct.pack('<I', UTF8))

    def paste(self, seconds):
        self.pasted = None
        self.tell(REQUEST, bytes(4) + struct.pack('<I', UTF8))
        self.until(lambda: self.pasted is not None, seconds, 'no answer to a request for the clipboard')
        return self.pasted
