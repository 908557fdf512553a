#!/usr/bin/env python3
# tests/handoff/spice-test.py - display sessions go with the guest: typed across it, asleep, unable to come, taken back.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The client is a script (spice_mover.py) that goes with the guest as stock clients do, and says what it heard in which order.
The guest of the first case reads what is typed; the others have none that would, but all devices."""
import os
import signal
import socket
import sys
import threading
import time

from pair import Failed, GuestFiles, Pair, bare_args, base
from harness import deadline, left, run_tests
from keys import CODES, Watch, keys_of
import stock_client as stock
from spice_mover import BEGIN_SEAMLESS, CANCEL, CONNECT_ERROR, END, MIGRATE, MULTI_MEDIA_TIME, SET_ACK, SWITCH_HOST, Mover

KEYS, MOVES = (4000, 100) if base.FULL else (400, 2)
AHEAD = 8               # keys that the guest has not read yet: evdev keeps 64 events and drops what comes then
FROZEN_SECONDS = 15 if base.FULL else 0
CHANNELS = ('main', 'display', 'inputs', 'cursor')
LAST = {'main': MULTI_MEDIA_TIME, 'display': SET_ACK, 'cursor': SET_ACK}   # what a destination says first


class NoNetwork:
    netns = None

    @staticmethod
    def device(side):
        return []


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


class Scene:
    """A guest with a screen and a keyboard and an agent's port, and who looks at it."""
    def __init__(self, folder, guest, seamless='on'):
        self.ports = {}
        devices = ['-device', 'virtio-gpu-device', '-device', 'virtio-keyboard-device',
                   '-device', 'virtio-serial-device,id=vs0', '-chardev', 'spicevmc,id=agent,name=vdagent',
                   '-device', 'virtserialport,chardev=agent,bus=vs0.0,nr=1,name=com.redhat.spice.0']
        self.seamless = seamless
        self.pair = Pair(NoNetwork(), [*guest, *devices], folder, netpass=False, more=self.spice)
        self.clients = []

    def spice(self, number):
        self.ports[number] = free_port()
        return ['-spice', f'addr=127.0.0.1,port={self.ports[number]},disable-ticketing=on,seamless-migration={self.seamless}']

    def client(self):
        mover = Mover(self.ports[self.pair.number])
        self.clients.append(mover)
        mover.wait(lambda m: ('display' in [name for _, name, _ in m.log]), 'a picture')
        return mover

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        for client in self.clients:
            client.close()
        self.pair.close()

    def tell(self, port=None):
        self.pair.now.qmp.execute('client_migrate_info', {'protocol': 'spice', 'hostname': '127.0.0.1',
                                                          'port': port or self.ports[self.pair.number], 'tls-port': -1})

    def move(self, port=None, meanwhile=lambda: None):
        """Tells the clients and migrates in the same moment.  Returns how each went, by QMP."""
        pair = self.pair
        target, uri = pair.listen()
        since = pair.now.qmp.mark()
        self.tell(port)
        pair.begin(uri)
        pair.finish(target, since)
        meanwhile()
        pair.now.qmp.event('SPICE_MIGRATE_COMPLETED', 60, since=since)
        ways = self.ways(pair.now, since)
        if not pair.now.qmp.execute('query-spice')['migrated']:
            raise Failed('query-spice does not say that the sessions have gone')
        pair.retire(target)
        return ways

    @staticmethod
    def ways(emulator, since):
        with emulator.qmp.changed:
            return [event['data'] for event in emulator.qmp.events[since:] if event['event'] == 'DISPLAY_MIGRATE_COMPLETE']


def expect_ways(ways, *wanted):
    if sorted(way['way'] for way in ways) != sorted(wanted):
        raise Failed(f'the clients went {ways}, not {wanted}')


def check_order(mover, move):
    """MIGRATE is the last word of a source on each channel; a destination begins as it should."""
    for name in CHANNELS:
        said, then = mover.heard(move - 1, name), mover.heard(move, name)
        if said.count(MIGRATE) != 1 or said[-1] != MIGRATE:
            raise Failed(f'{name}: the source ended with {said[-5:]}')
        heard = [kind for kind in then if kind not in (117, 118)]
        if name in LAST and heard and heard[0] != LAST[name]:
            raise Failed(f'{name}: the destination began with {heard[:5]}')
    if BEGIN_SEAMLESS not in mover.heard(move - 1, 'main'):
        raise Failed('the source never said MIGRATE_BEGIN_SEAMLESS')
    mover.check()


class Typist(threading.Thread):
    def __init__(self, mover, watch, names):
        super().__init__(daemon=True)
        self.mover, self.watch, self.names = mover, watch, names
        self.typed, self.error = 0, None

    def run(self):
        try:
            for self.typed, name in enumerate(self.names):
                self.keep_pace()
                self.mover.type(CODES[name])
            self.typed = len(self.names)
        except (Failed, OSError) as why:
            self.error = why

    def keep_pace(self):
        until = deadline(60)
        while len(self.watch.key_changes(self.watch.events())) < 2 * (self.typed - AHEAD):
            console = self.watch.machines[-1].console.reader
            with console.changed:
                console.changed.wait(0.02)
            if not left(until):
                raise Failed(f'key {self.typed}: the guest reads no more')

    def until(self, count):
        until = deadline(120)
        while self.typed < count and self.is_alive():
            self.join(0.01)
            if not left(until):
                raise Failed(f'only {self.typed} of {count} keys are typed')
        if self.error:
            raise self.error


def typed_across(folder):
    """The client sees one session: each key is read once and in order, whichever server heard it."""
    with Scene(folder, GuestFiles().args('baton.mode=input')) as scene:
        scene.pair.now.console.expect('BATON-INPUT-READY 1', 120)
        mover = scene.client()
        watch = Watch(scene.pair.emulators)
        names = keys_of(KEYS)
        typist = Typist(mover, watch, names)
        typist.start()
        tail, gaps = 0, []
        for number in range(1, MOVES + 1):
            typist.until(number * KEYS // (MOVES + 1))
            ways = scene.move()
            expect_ways(ways, 'seamless')
            tail += ways[0]['tail-bytes']
            gaps.append(ways[0]['gap-us'])
            check_order(mover, number)
        typist.until(KEYS)
        watch.expect_keys(names)
        if mover.moves != MOVES or mover.restarts:
            raise Failed(f'{mover.moves} of {MOVES} moves, {mover.restarts} restarts')
        print(f'# {KEYS} keys read once and in order across {MOVES} handoffs; {tail} bytes of them went behind the guest; '
              f'{sorted(gaps)[len(gaps) // 2] / 1000:.1f} ms to change servers', flush=True)


def guest_runs_on(emulator, seconds):
    """Whoever is frozen, for as long as that is: the guest runs, and its process answers."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not emulator.qmp.execute('query-status')['running']:
            raise Failed('the guest stands still')


def several_at_once_and_one_asleep(folder):
    """Nobody waits for a client that sleeps: not the guest, and not the others.  When it wakes up it is there, too."""
    with Scene(folder, bare_args()) as scene:
        movers = [scene.client() for _ in range(3)]

        def wake():
            awake = [mover for mover in movers if not mover.is_frozen]
            for mover in awake:
                mover.wait(lambda m: m.moves == 1, 'to be handed over')
            guest_runs_on(target, FROZEN_SECONDS)
            movers[0].freeze(False)
        target, uri = scene.pair.listen()
        since = scene.pair.now.qmp.mark()
        scene.tell()
        for mover in movers:
            mover.wait(lambda m: m.ahead, 'to be connected')
        movers[0].freeze()
        scene.pair.begin(uri)
        move = scene.pair.finish(target, since)
        wake()
        scene.pair.now.qmp.event('SPICE_MIGRATE_COMPLETED', 60, since=since)
        expect_ways(scene.ways(scene.pair.now, since), 'seamless', 'seamless', 'seamless')
        scene.pair.retire(target)
        for mover in movers:
            mover.wait(lambda m: m.moves == 1, 'to be handed over')
            check_order(mover, 1)
        print(f'# pause {move.pause_ms:.1f} ms with three clients, one of them asleep', flush=True)


def taken_back(folder):
    """Cancelled when all is sent: the clients go on where they were, and can go later."""
    with Scene(folder, bare_args()) as scene:
        mover = scene.client()
        pair = scene.pair
        target, uri = pair.listen()
        since = pair.now.qmp.mark()
        scene.tell()
        pair.pause_at_switchover(True)
        pair.begin(uri)
        pair.now.qmp.event('MIGRATION', 30, since=since, status='pre-switchover')
        pair.now.qmp.execute('migrate_cancel')
        pair.now.qmp.event('SPICE_MIGRATE_COMPLETED', 30, since=since)
        if pair.now.qmp.execute('query-spice')['migrated']:
            raise Failed('query-spice says that the sessions have gone')
        mover.wait(lambda m: m.cancels == 1, 'MIGRATE_CANCEL')
        target.kill()
        pair.taken_back(since)
        pair.emulators.remove(target)
        target.close()
        mover.server = 0
        expect_ways(scene.move(), 'seamless')
        mover.wait(lambda m: m.moves == 1, 'to be handed over')
        mover.check()


def as_well_as_they_can(folder):
    """One cannot reach the destination, and is told where the guest is; another one can."""
    with Scene(folder, bare_args()) as scene:
        movers = [scene.client(), scene.client()]
        movers[0].refuses = CONNECT_ERROR
        ways = scene.move()
        expect_ways(ways, 'switched', 'seamless')
        movers[0].wait(lambda m: m.restarts == 1, 'to begin anew')
        movers[1].wait(lambda m: m.moves == 1, 'to be handed over')
        for mover in movers:
            mover.check()
        if SWITCH_HOST not in movers[0].heard(0, 'main'):
            raise Failed('it was never told SWITCH_HOST')


def without_seamless(folder):
    """The old way: everything is connected before, and begins anew there."""
    with Scene(folder, bare_args(), seamless='off') as scene:
        mover = scene.client()
        expect_ways(scene.move(), 'semi-seamless')
        mover.wait(lambda m: m.restarts == 1, 'to begin anew')
        if END not in mover.heard(0, 'main') or CANCEL in mover.heard(0, 'main'):
            raise Failed(f'it was told {mover.heard(0, "main")}')
        mover.check()


LOCKS = (58, 69, 70)
ABSENT = ('reset migrating', 'migrate-switch-host', 'failed to parse', 'expected SPICE_MSG_MIGRATE_DATA', 'port_handle_init')


def check_stock_log(client, moves):
    log = client.err.read_text(errors='replace')
    found = [line for line in log.splitlines() if any(word in line for word in ABSENT) or
             'GSpice-CRITICAL' in line and 'tools/spicy.c' not in line]
    if found:
        raise Failed(f'the client says {found[:5]}')
    if log.count('migration: all channel migrated, success') != moves:
        raise Failed(f'the client has moved {log.count("migration: all channel migrated, success")} times, not {moves}')


def with_spicy(folder, do):
    """Calls do(scene, display, client, watch) with an unmodified client that looks at a guest with a text console."""
    stock.need('spicy', 'xdotool')
    display = stock.Display(folder)
    try:
        screen = 'baton.mode=input baton.display=on console=tty0 console=ttyS0'
        with Scene(folder, GuestFiles().args(screen)) as scene:
            scene.pair.now.console.expect('BATON-INPUT-READY 1', 120)
            watch = Watch(scene.pair.emulators)
            home = {'HOME': str(folder), 'DISPLAY': display.name, 'XDG_RUNTIME_DIR': str(folder), 'NO_AT_BRIDGE': '1',
                    'GIO_USE_VFS': 'local', 'GSETTINGS_BACKEND': 'memory', 'DBUS_SESSION_BUS_ADDRESS': 'disabled:',
                    'G_MESSAGES_DEBUG': 'all'}
            client = stock.Child(folder, 'client', ['spicy', '--uri', f'spice://127.0.0.1:{scene.ports[1]}', '--spice-debug'],
                             env=home, speaks=False)
            try:
                do(scene, display, client, watch)
            finally:
                client.end()
    finally:
        display.server.end()


def see(display, client):
    """The window is there, and has the keys."""
    window = stock.wait_for(lambda: display.do('search', '--onlyvisible', '--class', 'spicy'), 60, 'a window')[-1]
    stock.wait_for(lambda: 'channel display' in client.err.read_text(errors='replace') or
               'display-2:0' in client.err.read_text(errors='replace'), 60, 'a display channel')
    display.do('windowfocus', '--sync', window)


def type_through(scene, display, client, watch, names, moves):
    see(display, client)
    typist = threading.Thread(target=display.do, args=('type', '--delay', '20', ''.join(names)), daemon=True)
    typist.start()
    for number in range(1, moves + 1):
        count = number * len(names) // (moves + 1)
        watch.expect(lambda events: len(watch.key_changes(events)) >= 2 * count, f'{count} keys', 60)
        expect_ways(scene.move(), 'seamless')
    typist.join(120 * base.PATIENCE)
    expect_typed(watch, names)
    check_stock_log(client, moves)


def expect_typed(watch, names):
    def typed(events):      # a stock client also sets the guest's locks as its own are
        return [change for change in watch.key_changes(events) if change[0] not in LOCKS]
    wanted = [(CODES[name], down) for name in names for down in (1, 0)]
    watch.expect(lambda events: len(typed(events)) >= len(wanted), f'{len(names)} keys', 60)
    if typed(watch.events()) != wanted:
        raise Failed(f'typed: {typed(watch.events())}')


def spicy_goes_along(folder):
    """Somebody types while the guest moves, and every key is read once."""
    names, moves = list('abcdefghijklmnopqrstuvwxyz' * 16), 5
    with_spicy(folder, lambda *args: type_through(*args, names, moves))


def spicy_sleeps(folder):
    """Its process is stopped across the switch, and for a while after it."""
    def do(scene, display, client, watch):
        see(display, client)
        pair, names = scene.pair, list('abcdefghijklmnopqrstuvwxyz')
        target, uri = pair.listen()
        since = pair.now.qmp.mark()
        scene.tell()
        pair.now.qmp.event('DISPLAY_MIGRATE_CONNECTED', 30, since=since, way='seamless')
        os.kill(client.process.pid, signal.SIGSTOP)
        try:
            pair.begin(uri)
            move = pair.finish(target, since)
            guest_runs_on(target, FROZEN_SECONDS)
        finally:
            os.kill(client.process.pid, signal.SIGCONT)
        pair.now.qmp.event('SPICE_MIGRATE_COMPLETED', 60, since=since)
        expect_ways(scene.ways(pair.now, since), 'seamless')
        pair.retire(target)
        display.do('type', '--delay', '20', ''.join(names))
        expect_typed(watch, names)
        check_stock_log(client, 1)
        print(f'# pause {move.pause_ms:.1f} ms; the client slept {FROZEN_SECONDS} s', flush=True)
    with_spicy(folder, do)


def nobody_is_there(folder):
    """Managers wait for the event in any case."""
    with Scene(folder, bare_args()) as scene:
        expect_ways(scene.move())


def on_to_the_next(folder):
    """A client sleeps while the guest moves, and the guest moves on: that does not wait for it."""
    with Scene(folder, bare_args()) as scene:
        mover, pair = scene.client(), scene.pair
        for number in range(2):
            target, uri = pair.listen()
            since = pair.now.qmp.mark()
            if not number:
                scene.tell()
                mover.wait(lambda m: m.ahead, 'to be connected')
                mover.freeze()
            pair.begin(uri)
            pair.finish(target, since, 15)
            pair.now, pair.side = target, 1 - pair.side
        mover.freeze(False)
        mover.wait(lambda m: m.moves == 1, 'to be handed over')
        mover.check()


def released_while_parked(folder):
    """The source is told to quit while the guest waits for `cont` over there: the clients go, and wait with it."""
    with Scene(folder, bare_args()) as scene:
        mover, pair = scene.client(), scene.pair
        target, uri = pair.listen('-S')
        since = pair.now.qmp.mark()
        scene.tell()
        pair.begin(uri)
        pair.now.qmp.event('MIGRATION', 60, since=since, status='completed')
        if mover.moves:
            raise Failed('the client was told to go before the guest')
        mover.type(*range(16, 26))
        pair.now.quit()
        mover.wait(lambda m: m.moves == 1, 'to be handed over')
        mover.type(*range(30, 38))
        target.qmp.execute('cont')
        target.qmp.event('RESUME', 30)
        mover.wait(lambda m: MULTI_MEDIA_TIME in m.heard(1, 'main'), 'the first word of the destination')
        check_order(mover, 1)


def quit_twice(folder):
    """The source stays for a client that sleeps, until it is told a second time."""
    with Scene(folder, bare_args()) as scene:
        mover = scene.client()
        pair = scene.pair
        target, uri = pair.listen()
        since = pair.now.qmp.mark()
        scene.tell()
        mover.wait(lambda m: m.ahead, 'to be connected')
        mover.freeze()
        pair.begin(uri)
        pair.finish(target, since)
        pair.now.qmp.execute('quit')
        pair.now.qmp.event('SHUTDOWN', 20, since=since)
        pair.now.qmp.execute('query-spice')
        expect_ways(scene.ways(pair.now, since))
        try:
            pair.now.qmp.execute('quit')
        except Failed:
            pass                                    # it may be gone before it has answered
        if pair.now.wait(20):
            raise Failed(f'the source ends with {pair.now.process.returncode}')
        pair.now.stopped = True


USUAL = [
    (f'{KEYS}_keys_typed_across_{MOVES}_handoffs_are_read_once_and_in_order', typed_across),
    ('three_clients_and_one_of_them_asleep', several_at_once_and_one_asleep),
    ('a_guest_that_is_taken_back_keeps_its_clients', taken_back),
    ('each_client_goes_as_well_as_it_can', as_well_as_they_can),
    ('without_seamless_migration_it_begins_anew', without_seamless),
    ('the_event_comes_without_clients', nobody_is_there),
    ('a_guest_moves_on_while_a_client_sleeps', on_to_the_next),
    ('a_source_that_quits_while_the_guest_is_parked', released_while_parked),
    ('a_second_quit_waits_for_nobody', quit_twice),
]

ALL = [*USUAL, ('spicy_goes_along_and_types_each_key_once', spicy_goes_along),
       ('spicy_sleeps_across_the_switch', spicy_sleeps)]

if __name__ == '__main__':
    sys.exit(run_tests(ALL if base.FULL else USUAL))
