# tests/functional/relay.py - a network between two programs that breaks: connections are cut at random bytes.
# SPDX-License-Identifier: GPL-2.0-or-later
import random
import select
import socket
import threading

PIECE = 4096


class Relay(threading.Thread):
    """Listens on `port`; each connection goes on to `to`.  With `most` set, each ends after up to so many bytes, of which the last
    piece is lost on its way."""
    def __init__(self, to, most=None, seed=1, port=0):
        super().__init__(daemon=True)
        self.to, self.most, self.random = to, most, random.Random(seed)
        self.listener = socket.create_server(('127.0.0.1', port))
        self.port = self.listener.getsockname()[1]
        self.pairs, self.left, self.cuts, self.ends = {}, {}, 0, False
        self.wake, self.waker = socket.socketpair()
        self.start()

    def accept(self):
        mine, _ = self.listener.accept()
        try:
            other = socket.create_connection(('127.0.0.1', self.to), timeout=20)
        except OSError:
            mine.close()
            return
        budget = [self.random.randrange(1, self.most) if self.most else None]
        for a, b in ((mine, other), (other, mine)):
            self.pairs[a], self.left[a] = b, budget

    def end(self, sock):
        other = self.pairs.pop(sock, None)
        for each in filter(None, (sock, other)):
            self.pairs.pop(each, None)
            self.left.pop(each, None)
            each.close()

    def forward(self, sock):
        budget = self.left[sock]
        try:
            data = sock.recv(PIECE)
            if data and self.most and budget[0] is not None:
                budget[0] -= len(data)
                if budget[0] <= 0:
                    self.cuts += 1
                    self.pairs[sock].sendall(data[:len(data) // 2])
                    data = b''
            if data:
                self.pairs[sock].sendall(data)
        except OSError:
            data = b''
        if not data:
            self.end(sock)

    def run(self):
        while not self.ends:
            for sock in select.select([self.listener, self.wake, *self.pairs], [], [])[0]:
                if sock is self.listener:
                    self.accept()
                elif sock in self.pairs:
                    self.forward(sock)

    def close(self):
        self.ends = True
        self.waker.send(b'x')
        self.join(10)
        for sock in list(self.pairs):
            self.end(sock)
        for sock in (self.listener, self.wake, self.waker):
            sock.close()
