#!/usr/bin/env python3
# tests/handoff/spice-stock-test.py - stock clients look at a guest that moves: spicy and remote-viewer.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Under Xvfb, in every way to let somebody in (nothing, TLS and ticket, SASL) and in every way to go with the guest.  Minutes,
and large packages: part of `make check-full` only (BATON_FULL=1)."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading

from pair import GuestFiles, base
from harness import Skipped, free_port, run_tests, want
from keys import CODES, Watch
from relay import Relay
from spice_client import certificate
from spice_flows import AGENT_DEVICE, GUESTS_SEEDS, compare, text
from spice_scene import TICKET, Scene, expect_ways
from stock_client import REMOTE_VIEWER, SPICY, Bench, copy, need, no_complaints, wait_for, xclip
from typist import Typist

FROZEN_SECONDS = 15
SCREEN = 'baton.mode=input baton.display=on console=tty0 console=ttyS0'
LOCKS, PROBE = (58, 69, 70), CODES['shift']
ABSENT = ('reset migrating', 'migrate-switch-host', 'expected SPICE_MSG_MIGRATE_DATA', 'port_handle_init')
LETTERS = list('abcdefghijklmnopqrstuvwxyz')
CLIP = 10 << 20


class Looker:
    """A guest with a text console, a stock client before it, and what is typed there."""
    def __init__(self, scene, bench, of):
        self.scene, self.bench, self.of = scene, bench, of
        self.watch, self.typed = Watch(scene.pair.emulators), []

    def begin(self):
        """Until the guest reads what is pressed here: a window may have the focus later than it is there."""
        before = len(self.probes())

        def works():
            self.bench.focus(self.of)
            self.bench.display.do('mousemove', 400, 400, 'click', 1, 'key', 'shift')
            return len(self.probes()) > before
        wait_for(works, 60, 'a key')

    def probes(self):
        return [change for change in self.watch.key_changes(self.watch.events()) if change == (PROBE, 0)]

    def type(self, names, moves=0, way='seamless'):
        """Somebody types while the guest moves so often; all that was ever typed here has been read, once and in order."""
        before = len(self.typed)
        self.typed += names
        typist = Typist(self.watch, self.typed, self.press)
        typist.first = before
        typist.start()
        for number in range(1, moves + 1):
            typist.until(before + number * len(names) // (moves + 1))
            expect_ways(self.scene.move(), way)
        typist.until(len(self.typed))
        self.expect_typed()

    def press(self, name):
        self.bench.display.do('key', name)

    def changes(self, events):      # a stock client also sets the guest's locks as its own are
        return [change for change in self.watch.key_changes(events) if change[0] not in (*LOCKS, PROBE)]

    def expect_typed(self):
        wanted = [(CODES[name], down) for name in self.typed for down in (1, 0)]
        self.watch.expect(lambda events: len(self.changes(events)) >= len(wanted), f'{len(self.typed)} keys', 60)
        got = self.changes(self.watch.events())
        want(got == wanted, f'typed {self.typed}, read {got}')

    def check_log(self, moves):
        no_complaints(self.bench, *ABSENT)
        count = self.bench.log().count('migration: all channel migrated, success')
        want(count == moves, f'the client has moved {count} times, not {moves}')


def looks(scene, folder, command, of):
    """A Looker at a guest that is up, inside `with`."""
    scene.pair.now.console.expect('BATON-INPUT-READY 1', 120)
    bench = Bench(folder, None, command)
    try:
        wait_for(lambda: any(word in bench.log() for word in ('channel display', 'display-2:0')), 60, 'a display channel')
        looker = Looker(scene, bench, of)
        looker.begin()
        return looker
    except BaseException:
        bench.__exit__()
        raise


def with_client(command, of, do, **more):
    """A case: do(looker) with a client whose command line is command(scene, folder)."""
    def case(folder):
        need(of, 'Xvfb', 'xdotool')
        with Scene(folder, GuestFiles().args(SCREEN), **options_of(folder, more)) as scene:
            looker = looks(scene, folder, command(scene, folder), of)
            with looker.bench:
                do(looker)
    return case


def options_of(folder, more):
    """Values that are functions are of the case's folder."""
    return {name: value(folder) if callable(value) else value for name, value in more.items()}


# ---- who is let in how ----

def plainly(scene, folder):
    return *SPICY, f'spice://127.0.0.1:{scene.ports[scene.pair.number]}'


def spicy_by_tls(scene, folder):
    port = scene.ports[scene.pair.number]
    return (*SPICY, f'spice://localhost?tls-port={port}&password={TICKET}', '--spice-ca-file', f'{folder}/server-cert.pem',
            '--spice-secure-channels', 'all')


def viewer_file(scene, folder, **more):
    """What a management page gives to remote-viewer."""
    port = scene.ports[scene.pair.number]
    values = {'type': 'spice', 'host': 'localhost', **({'tls-port': port} if scene.is_tls else {'port': port}), **more}
    if scene.is_tls:
        ca = (folder / 'server-cert.pem').read_text().strip().replace('\n', '\\n')
        values.update({'ca': ca, 'host-subject': 'CN=localhost', 'secure-channels': 'main;display;inputs;cursor'})
    path = folder / 'there.vv'
    path.write_text('[virt-viewer]\n' + ''.join(f'{name}={value}\n' for name, value in values.items()))
    return *REMOTE_VIEWER, path


def viewer_by_tls(scene, folder):
    return viewer_file(scene, folder, password=TICKET)


def viewer_by_sasl(scene, folder):
    return viewer_file(scene, folder, username=f'anna@{socket.gethostname()}', password='pass word')


def by_tls(folder):
    certificate(folder)
    return f'x509-dir={folder},password-secret=ticket,tls-channel=default'


def sasl_users(folder, mechanisms):
    if not shutil.which('saslpasswd2'):
        raise Skipped('saslpasswd2 is missing (sasl2-bin)')
    (folder / 'qemu.conf').write_text(f'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {folder}/sasldb\n'
                                      f'mech_list: {mechanisms}\n')
    subprocess.run(['saslpasswd2', '-p', '-c', '-f', f'{folder}/sasldb', '-u', socket.gethostname(), 'anna'],
                   input=b'pass word', check=True, capture_output=True)
    os.environ['SASL_CONF_PATH'] = str(folder)


def by_sasl(folder):
    sasl_users(folder, 'digest-md5')
    return 'sasl=on'


def by_sasl_and_tls(folder):
    sasl_users(folder, 'scram-sha-256 scram-sha-1')
    certificate(folder)
    return f'x509-dir={folder},sasl=on,tls-channel=default'


# ---- how it goes ----

def types_through(moves, letters=LETTERS * 4):
    def do(looker):
        looker.type(letters, moves)
        looker.check_log(moves)
        print(f'# {len(letters)} keys read once and in order across {moves} handoffs', flush=True)
    return do


def sleeps(looker):
    """Its process is stopped across the switch, and for a while after it."""
    pair = looker.scene.pair
    target, uri, since = looker.scene.announce()
    pair.now.qmp.event('DISPLAY_MIGRATE_CONNECTED', 30, since=since, way='seamless')
    looker.bench.client.process.send_signal(signal.SIGSTOP)
    try:
        pair.begin(uri)
        move = pair.finish(target, since)
        with target.qmp.changed:
            target.qmp.changed.wait_for(lambda: target.qmp.closed, FROZEN_SECONDS)
        want(target.qmp.execute('query-status')['running'], 'the guest stands still')
    finally:
        looker.bench.client.process.send_signal(signal.SIGCONT)
    expect_ways(looker.scene.gone(target, since), 'seamless')
    looker.type(LETTERS)
    looker.check_log(1)
    print(f'# pause {move.pause_ms:.1f} ms; the client slept {FROZEN_SECONDS} s', flush=True)


def begins_anew(looker):
    """seamless-migration=off: over connections that are there already."""
    looker.type(LETTERS)
    expect_ways(looker.scene.move(), 'semi-seamless')
    wait_for(lambda: 'migrate-end' in looker.bench.log(), 30, 'MIGRATE_END')
    await_channels(looker)
    looker.type(LETTERS)
    no_complaints(looker.bench, 'migrate-switch-host')


def await_channels(looker, count=4):
    qmp = looker.scene.pair.now.qmp
    wait_for(lambda: len(qmp.execute('query-spice')['channels']) >= count, 60, f'{count} channels at the destination')
    looker.begin()      # its window is another by now


def switches_host(looker):
    """What it is told of comes alive only when the guest has gone there: it begins anew."""
    scene, pair = looker.scene, looker.scene.pair
    looker.type(LETTERS)
    target, uri = pair.listen()
    since, port = pair.now.qmp.mark(), free_port()
    scene.tell(port)
    pair.now.qmp.event('DISPLAY_MIGRATE_CONNECTED', 30, since=since, way='lost')
    relay = Relay(scene.ports[pair.number], port=port)
    try:
        pair.begin(uri)
        pair.finish(target, since)
        expect_ways(scene.gone(target, since), 'switched')
        await_channels(looker)
        looker.type(LETTERS)
        want('migrate-switch-host' in looker.bench.log(), 'it was not told SWITCH_HOST')
    finally:
        relay.close()


def is_told(looker, target, uri, since):
    """It stays until the guest has gone, and is told where to then; there it gets no further."""
    scene, pair = looker.scene, looker.scene.pair
    event = pair.now.qmp.event('DISPLAY_MIGRATE_CONNECTED', 30, since=since, way='lost')
    want(event['data']['reason'], 'nobody says why')
    looker.type(LETTERS)                        # it is at the source still
    pair.begin(uri)
    pair.finish(target, since)
    expect_ways(scene.gone(target, since), 'switched')
    wait_for(lambda: 'the guest has moved to' in looker.bench.log() or 'migrate-switch-host' in looker.bench.log(), 30,
             'the reason')
    want(not pair.now.qmp.execute('query-spice')['channels'], 'somebody is let in')
    want(target.qmp.execute('query-status')['running'], 'the guest does not run')


def port_is_closed(looker):
    target, uri = looker.scene.pair.listen()
    since = looker.scene.pair.now.qmp.mark()
    looker.scene.tell(free_port())
    is_told(looker, target, uri, since)


def is_refused(looker):
    """The destination has another ticket."""
    scene = looker.scene
    target, uri = scene.pair.listen()
    target.qmp.execute('set_password', {'protocol': 'spice', 'password': 'another', 'connected': 'keep'})
    since = scene.pair.now.qmp.mark()
    scene.tell(scene.ports[scene.pair.number])
    is_told(looker, target, uri, since)


def by_ticket(scene, folder):
    return *SPICY, f'spice://127.0.0.1?port={scene.ports[scene.pair.number]}&password={TICKET}'


# ---- the clipboard ----

AGENT = f'(clip-agent {AGENT_DEVICE} {CLIP} > /dev/console & echo $! > /tmp/clip)\n'


def has_guests_clipboard(looker):
    """The client says so on the X server: a desktop's programs name more ways to paste than xclip."""
    with xclip(looker.bench, '-o', '-t', 'TARGETS', stdout=subprocess.PIPE) as process:
        return b'TIMESTAMP' in process.communicate()[0]


def pasted(looker, into):
    with xclip(looker.bench, '-o', stdout=subprocess.PIPE) as process:
        into.append(process.communicate()[0])


@contextlib.contextmanager
def going(scene):
    """The guest is on its way while something begins."""
    target, uri, since = scene.announce()
    scene.pair.begin(uri)
    yield
    scene.pair.finish(target, since)
    expect_ways(scene.gone(target, since), 'seamless')


def copies_across(looker):
    """10 MiB each way, and the guest moves in the middle of each."""
    need('xclip')
    scene, watch, got = looker.scene, looker.watch, []
    scene.pair.now.console.send(AGENT)
    scene.pair.now.console.expect('BATON-CLIP-CLIENT', 60)
    line = f'BATON-CLIP-IN 1 5 {CLIP}'.encode()
    with going(scene):
        copy(looker.bench, text(5, CLIP))
    early = [line in bytes(scene.pair.emulators[-2].console.reader.data)]
    watch.expect(lambda _: line in watch.text(), f'{CLIP} bytes in the guest', 120)
    scene.pair.now.console.send('kill -USR1 $(cat /tmp/clip)\n')
    wait_for(lambda: has_guests_clipboard(looker), 60, 'what the guest copied')
    thread = threading.Thread(target=pasted, args=(looker, got), daemon=True)
    with going(scene):
        thread.start()
    early.append(bool(got))
    thread.join(120)
    compare('what was pasted', got[0] if got else b'', text(GUESTS_SEEDS, CLIP))
    looker.check_log(2)
    print(f'# {CLIP} bytes to the guest and from it; all of it before the guest had moved: {early}', flush=True)


TESTS = [
    ('spicy_types_1040_keys_across_100_handoffs', with_client(plainly, 'spicy', types_through(100, LETTERS * 40))),
    ('spicy_sleeps_across_the_switch', with_client(plainly, 'spicy', sleeps)),
    ('spicy_with_tls_and_a_ticket', with_client(spicy_by_tls, 'spicy', types_through(2), options=by_tls, is_tls=True)),
    ('remote_viewer_with_tls_and_a_ticket',
     with_client(viewer_by_tls, 'remote-viewer', types_through(2), options=by_tls, is_tls=True)),
    ('remote_viewer_with_sasl', with_client(viewer_by_sasl, 'remote-viewer', types_through(2), options=by_sasl)),
    ('remote_viewer_with_sasl_and_tls',
     with_client(viewer_by_sasl, 'remote-viewer', types_through(2), options=by_sasl_and_tls, is_tls=True)),
    ('spicy_copies_10_MiB_each_way_across_handoffs', with_client(plainly, 'spicy', copies_across)),
    ('spicy_begins_anew_without_seamless_migration', with_client(plainly, 'spicy', begins_anew, seamless='off')),
    ('spicy_switches_host', with_client(plainly, 'spicy', switches_host)),
    ('remote_viewer_begins_anew_without_seamless_migration',
     with_client(viewer_file, 'remote-viewer', begins_anew, seamless='off')),
    ('remote_viewer_switches_host', with_client(viewer_file, 'remote-viewer', switches_host)),
    ('spicy_is_told_of_a_port_that_is_closed', with_client(plainly, 'spicy', port_is_closed)),
    ('spicy_is_refused_over_there', with_client(by_ticket, 'spicy', is_refused, options='password-secret=ticket')),
]


def if_full(function):
    def case(folder):
        if not base.FULL:
            raise Skipped('some minutes: BATON_FULL=1 runs it')
        function(folder)
    return case


if __name__ == '__main__':
    sys.exit(run_tests([(name, if_full(function)) for name, function in TESTS]))
