# tests/functional/spice_mover.py - a SPICE client in a script that goes with the guest, as stock clients do.
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Mover reads all its channels in a thread of its own and writes down who said what on which channel.  What is typed goes to
whichever server has the channel at that moment.  `problems` are words that no server may say then."""
import select
import struct
import threading
from collections import deque

from harness import Failed, deadline, left
from spice_client import CURSOR, DISPLAY, INPUTS, MAIN, PORT, Link

MIGRATE, MIGRATE_DATA, SET_ACK = 1, 2, 3
FLUSH_MARK, CARRIED = 4, 5              # CARRIED: MIGRATE_DATA as a client says it
BEGIN, CANCEL, INIT, CHANNELS_LIST, SWITCH_HOST, END, BEGIN_SEAMLESS, ACK, NACK = 101, 102, 103, 104, 111, 112, 116, 117, 118
CONNECTED, CONNECT_ERROR, ATTACH, CLIENT_END, DO_SEAMLESS, CONNECTED_SEAMLESS = 102, 103, 104, 109, 110, 111
MULTI_MEDIA_TIME = 106
KEY_SCANCODE, MOUSE_MOTION, MOTION_ACK = 104, 111, 111   # the last one of a server
DISPLAY_INIT = struct.pack('<BqBi', 1, 0x1400000, 1, 0x5ffc00)
PORT_INIT = 201
NAMES = {MAIN: 'main', DISPLAY: 'display', INPUTS: 'inputs', CURSOR: 'cursor', PORT: 'port'}
# What a destination may not say on a channel that it has taken over.
ONCE = {MAIN: {INIT, CHANNELS_LIST}, INPUTS: {101}, CURSOR: {101}, PORT: {PORT_INIT}}


class MoverLink(Link):
    """Begins a message when the one before has gone; what a server does not read keeps nobody waiting."""
    rest = b''

    def send(self, data, opcode=2):
        if self.rest:
            self.rest += data
        else:
            super().send(data, opcode)

    def offer(self, kind, body):
        self.serial += 1
        self.rest += struct.pack('<HI', kind, len(body)) + body

    def send_some(self):
        self.rest = self.rest[self.sock.send(self.rest):]

    def finish(self):
        data, self.rest = self.rest, b''
        self.send(data)


class Mover(threading.Thread):
    link_kind, caps = MoverLink, {MAIN: 0xf}    # what it can, by channel

    def __init__(self, port, host='127.0.0.1', password=''):
        super().__init__(daemon=True)
        self.password = password
        self.lock = threading.RLock()           # guards links; whoever says something holds it
        self.changed = threading.Condition(self.lock)
        self.log, self.problems = [], []        # (server, channel, type)
        self.server = 0                         # how many times it has moved or begun to
        self.moves, self.restarts, self.cancels = 0, 0, 0
        self.error = None
        self.left, self.ahead, self.is_frozen, self.ends = {}, {}, False, False
        self.queues = {}                        # what is said when there is room, by channel
        self.refuses = None                     # an answer instead of connecting
        self.brought, self.data_due = {}, set() # by channel: what was in MIGRATE_DATA; where it comes next
        self.may_carry = False                  # else the two servers can talk, and nothing is sent through a client
        self.changes = {}                       # by channel: what becomes of it on the way; None: it is not passed on
        self.start_session((host, port))
        self.start()

    # ---- a session from its beginning ----

    def link(self, address, channel, session, channel_id=0):
        link = self.link_kind(address)
        result = link.ask(channel, channel_id, session, caps=(self.caps.get(channel, 0),)) or link.ticket(self.password)
        if result:
            raise Failed(f'{NAMES.get(channel, channel)}: refused with {result}')
        link.server, link.moved = self.server, False
        return link

    def start_session(self, address):
        main = self.link(address, MAIN, 0)
        self.init = struct.unpack('<8I', main.until(INIT))
        self.id = self.init[0]
        main.say(ATTACH)
        listed = main.until(CHANNELS_LIST)
        self.links = {(MAIN, 0): main}
        for i in range(4, len(listed), 2):
            self.links[listed[i], listed[i + 1]] = self.link(address, listed[i], self.id, listed[i + 1])
        self.begin_channels()

    def begin_channels(self):
        for (channel, _), link in self.links.items():
            if channel == DISPLAY:
                link.say(101, DISPLAY_INIT)

    # ---- the thread ----

    def run(self):
        try:
            while not self.ends:
                self.turn()
        except Exception as why:                    # whoever waits for us, or checks, tells it
            with self.changed:
                self.error = self.error or why
                self.changed.notify_all()

    def turn(self):
        with self.lock:
            socks = {} if self.is_frozen else {link.sock: (key, link) for key, link in self.links.items()}
            full = [sock for sock, (key, link) in socks.items() if link.rest or self.queues.get(key)]
        if not socks:
            with self.changed:
                self.changed.wait(0.02)
            return
        readable, room, _ = select.select(list(socks), full, [], 0.05)
        for sock in room:
            self.speak(*socks[sock])
        for sock in readable:
            key, link = socks[sock]
            with self.changed:
                if not self.is_frozen and self.links.get(key) is link:
                    kind, body = link.hear()
                    self.take(key, link, kind, body)
                    self.changed.notify_all()

    def say_later(self, key, kind, body):
        self.queues.setdefault(key, deque()).append((kind, body))

    def speak(self, key, link):
        with self.lock:
            if self.is_frozen or self.links.get(key) is not link:
                return
            if not link.rest and self.queues.get(key):
                link.offer(*self.queues[key].popleft())
            if link.rest:
                link.send_some()

    def take(self, key, link, kind, body):
        channel = key[0]
        self.log.append((link.server, NAMES.get(channel, channel), kind))
        if link.server and link.moved and kind in ONCE.get(channel, ()):
            self.problems.append(f'{NAMES[channel]}: {kind} at a server that has taken it over')
        if key in self.data_due:
            self.carry(key, link, kind, body)
        elif kind == MIGRATE:
            self.leave(key, link, struct.unpack('<I', body)[0])
        elif channel == MAIN and kind in (BEGIN, BEGIN_SEAMLESS, CANCEL, END, SWITCH_HOST):
            {BEGIN: self.begin, BEGIN_SEAMLESS: self.begin, CANCEL: self.cancel, END: self.end_semi,
             SWITCH_HOST: self.switch}[kind](link, kind, body)

    # ---- what the source says ----

    @staticmethod
    def target(body):
        port, _, size, at = struct.unpack('<HHII', body[:12])
        return body[at:at + size - 1].decode(), port

    def begin(self, main, kind, body):
        if self.refuses:
            main.say(self.refuses)
            return
        address = self.target(body)
        self.server += 1
        try:
            ahead = {(MAIN, 0): self.link(address, MAIN, self.id)}
            is_seamless = kind == BEGIN_SEAMLESS
            if is_seamless:
                ahead[MAIN, 0].say(DO_SEAMLESS, body[20:24])
                answer = ahead[MAIN, 0].hear()[0]
                if answer not in (ACK, NACK):
                    raise Failed(f'the destination answers {answer}')
                is_seamless = answer == ACK
            for channel, channel_id in self.links:
                if channel != MAIN:
                    ahead[channel, channel_id] = self.link(address, channel, self.id, channel_id)
        except (OSError, EOFError, Failed) as why:
            self.problems.append(f'connecting to {address}: {why}')
            main.say(CONNECT_ERROR)
            return
        for link in ahead.values():
            link.moved = is_seamless
        self.ahead = ahead
        main.say(CONNECTED_SEAMLESS if is_seamless else CONNECTED)

    def leave(self, key, link, flags):
        if key not in self.ahead:
            self.problems.append(f'{NAMES[key[0]]}: MIGRATE without a destination')
            return
        link.finish()                           # FLUSH_MARK goes before what is queued
        if flags & 1:
            link.say(FLUSH_MARK)
        if flags & 2:
            self.data_due.add(key)
        else:
            self.change(key, link)

    def carry(self, key, link, kind, body):
        """As stock clients do: what comes behind MIGRATE is passed on as it is, before anything else."""
        if kind != MIGRATE_DATA or not body or not self.may_carry:
            self.problems.append(f'{NAMES[key[0]]}: {kind} of {len(body)} bytes behind MIGRATE')
        self.data_due.discard(key)
        self.brought[key] = body
        body = self.changes.get(key[0], lambda body: body)(body)
        if body is not None:
            self.ahead[key].say(CARRIED, body)
        self.change(key, link)

    def change(self, key, link):
        """The channel is of the server ahead from here on."""
        self.links[key] = self.ahead.pop(key)
        self.left[key] = link
        self.links[key].window, self.links[key].seen = link.window, link.seen       # it goes on counting until SET_ACK
        if not self.ahead:
            self.moves += 1
            self.forget(self.left)

    @staticmethod
    def forget(links):
        for link in links.values():
            link.close()
        links.clear()

    def cancel(self, main, kind, body):
        for key, link in self.left.items():     # those that had gone already come back
            self.links[key].close()
            self.links[key] = link
        self.left.clear()
        self.data_due.clear()                   # nobody says it any more
        self.forget(self.ahead)
        self.cancels += 1

    def end_semi(self, main, kind, body):
        """Starts anew over what is connected already."""
        if any(link.moved for link in self.ahead.values()):
            self.problems.append('MIGRATE_END to a client that was to be handed over')
        self.forget(self.links)
        self.links, self.ahead = self.ahead, {}
        self.links[MAIN, 0].say(CLIENT_END)
        self.id = struct.unpack('<8I', self.links[MAIN, 0].until(INIT))[0]
        self.begin_channels()
        self.restarts += 1

    def switch(self, main, kind, body):
        address = self.target(body)
        self.forget(self.links)
        self.forget(self.ahead)
        self.server += 1
        self.start_session(address)
        self.restarts += 1

    # ---- for the test ----

    def type(self, *codes):
        """Scan codes, each pressed and released."""
        with self.lock:
            for code in codes:
                self.links[INPUTS, 0].say(KEY_SCANCODE, bytes([code, code | 0x80]))

    def acknowledged_motions(self):
        """Four movements of nothing: whoever acknowledges them has heard what was said before."""
        with self.lock:
            server = self.links[INPUTS, 0].server
            before = self.heard(server, 'inputs').count(MOTION_ACK)
            for _ in range(4):
                self.links[INPUTS, 0].say(MOUSE_MOTION, bytes(10))
        self.wait(lambda m: m.heard(server, 'inputs').count(MOTION_ACK) > before, 'an acknowledgement')

    def freeze(self, on=True):
        """A client that is stopped: it says nothing and hears nothing."""
        with self.changed:
            self.is_frozen = on
            self.changed.notify_all()

    def wait(self, condition, what, seconds=30):
        until = deadline(seconds)
        with self.changed:
            while not condition(self):
                if self.error or not left(until):
                    raise Failed(f'{what}: {self.error or "it does not come"}; {self.problems}; heard {self.log[-20:]}')
                self.changed.wait(0.1)

    def check(self):
        if self.error or self.problems:
            raise Failed(f'the client: {self.error}; {self.problems}; heard {self.log[-20:]}')

    def heard(self, server, channel):
        with self.lock:
            return [kind for where, name, kind in self.log if (where, name) == (server, channel)]

    def close(self):
        with self.changed:
            self.ends = True
            self.changed.notify_all()
        self.join(10)
        for links in (self.links, self.ahead, self.left):
            self.forget(links)
