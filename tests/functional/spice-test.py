#!/usr/bin/env python3
# tests/functional/spice-test.py - the SPICE server from outside: link stage, tickets, sessions, limits.
# SPDX-License-Identifier: GPL-2.0-or-later
import os
import resource
import shutil
import struct
import subprocess
import sys

import spice_client as spice
from harness import EMULATOR, Emulator, Failed, QmpError, Skipped, dying, free_port, run_tests, want
from spice_client import Link, Session, certificate, link_bytes, tls_context


def same(what, got, wanted):
    want(got == wanted, f'{what}: {got!r}, not {wanted!r}')


class Server:
    """An emulator without a machine and its SPICE server on a unix socket, or on the ports that the options name."""
    def __init__(self, folder, options='disable-ticketing=on', args=(), where=None, machine=('-M', 'none'), name='spice'):
        self.address = f'{folder}/{name}.spice'
        where = f'unix=on,addr={self.address},' if where is None else where
        self.emulator = Emulator([*machine, *args, '-spice', where + options], folder=folder, console=False, name=name)
        self.qmp = self.emulator.qmp

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.emulator.quit()
        finally:
            self.emulator.close()


# ---- the link stage ----

def link_stage(folder):
    refused = [
        (dict(magic=b'REDX'), spice.INVALID_MAGIC),
        (dict(major=1), spice.VERSION_MISMATCH),
        (dict(size=17), spice.INVALID_DATA),
        (dict(size=4097), spice.INVALID_DATA),
        (dict(size=0xffffffff), spice.INVALID_DATA),
        (dict(counts=(1, 2)), spice.INVALID_DATA),
        (dict(counts=(1025, 0)), spice.INVALID_DATA),
        (dict(counts=(0x40000000, 0)), spice.INVALID_DATA),
        (dict(offset=17), spice.INVALID_DATA),
        (dict(offset=0xfffffffc), spice.INVALID_DATA),
        (dict(offset=27), spice.INVALID_DATA),
    ]
    with Server(folder) as server:
        for fields, error in refused:
            with Link(server.address) as link:
                same(f'{fields}', link.ask(**fields), error)
                same(f'{fields}: reply', link.reply, struct.pack('<I', error) + bytes(spice.REPLY - 4))
                want(link.is_closed(), 'stays open')
        with Link(server.address) as link:          # words that nobody knows do no harm
            same('many words', link.ask(common=(9, 0, 0xffffffff, 0xfffffff8), caps=(0xf, 7, 7)), spice.OK)
            common, channel = link.caps()
            same('common capabilities', common, (spice.AUTH_SELECTION | spice.AUTH_SPICE | spice.MINI_HEADER,))
            want(channel[0] & 2, f'channel capabilities {channel}')
            same('ticket', link.ticket('whatever'), spice.OK)
            same('first message', link.hear()[0], 103)
        with Link(server.address) as link:          # our extension is offered to who asks for it
            same('asked for', link.ask(common=(9, 0, 0, 5)), spice.OK)
            same('offered', link.caps()[0], (spice.AUTH_SELECTION | spice.AUTH_SPICE | spice.MINI_HEADER, 0, 0, 5))


def results(folder):
    with Server(folder) as server, Session(server.address) as session:
        cases = [
            (spice.DISPLAY, 0, session.id ^ 1, spice.BAD_CONNECTION_ID),
            (99, 0, session.id, spice.CHANNEL_NOT_AVAILABLE),
            (spice.INPUTS, 7, session.id, spice.CHANNEL_NOT_AVAILABLE),
            (spice.MAIN, 0, session.id, spice.BAD_CONNECTION_ID),
            (spice.MAIN, 1, 0, spice.CHANNEL_NOT_AVAILABLE),
        ]
        for channel, number, identity, result in cases:
            with Link(server.address) as link:
                same('reply', link.ask(channel, number, identity), spice.OK)
                same(f'result for {channel}:{number}', link.ticket(), result)
                want(link.is_closed(), 'stays open')
        with Link(server.address) as link:
            link.ask()
            same('SASL unasked', link.ticket(mechanism=2), spice.INVALID_DATA)
        with Link(server.address) as link:          # a client that selects nothing sends the ticket at once
            link.ask(common=(spice.MINI_HEADER,))
            same('no mechanism', link.ticket(mechanism=None), spice.OK)


def tickets(folder):
    with Server(folder, '') as server:
        def try_with(password):
            with Link(server.address) as link:
                link.ask()
                return link.ticket(password)
        same('before a password is set', try_with(''), spice.PERMISSION_DENIED)
        password = {'protocol': 'spice', 'password': 'x' * 60}
        server.qmp.execute('set_password', password)
        same('60 bytes', try_with('x' * 60), spice.OK)
        same('59 of them', try_with('x' * 59), spice.PERMISSION_DENIED)
        same('the empty one', try_with(''), spice.PERMISSION_DENIED)
        with Link(server.address) as link:          # no OAEP at all
            link.ask()
            link.send(struct.pack('<I', 1) + os.urandom(128))
            same('noise', link.recv(4), struct.pack('<I', spice.PERMISSION_DENIED))
        server.qmp.execute('expire_password', {'protocol': 'spice', 'time': 'now'})
        same('expired', try_with('x' * 60), spice.PERMISSION_DENIED)
        server.qmp.execute('expire_password', {'protocol': 'spice', 'time': '+100'})
        same('valid again', try_with('x' * 60), spice.OK)
        refused_commands(server.qmp)
        with Session(server.address, 'x' * 60) as session:
            server.qmp.execute('set_password', {**password, 'password': 'y', 'connected': 'disconnect'})
            want(session.main.is_closed(), 'stays connected')


def refused_commands(qmp):
    for command, arguments, text in (
            ('set_password', {'protocol': 'spice', 'password': 'x' * 61}, 'at most 60'),
            ('set_password', {'protocol': 'vnc', 'password': 'x'}, 'no VNC'),
            ('expire_password', {'protocol': 'spice', 'time': 'soon'}, 'soon')):
        try:
            qmp.execute(command, arguments)
        except QmpError as why:
            want(text in why.desc, f'{command}: {why.desc}')
        else:
            raise Failed(f'{command} {arguments}: accepted')


def password_by_secret(folder):
    args = ['-object', 'secret,id=s0,data=hidden']
    with Server(folder, 'password-secret=s0', args) as server:
        with Session(server.address, 'hidden'):
            pass


# ---- sessions ----

def session(folder):
    name = ['-name', 'guest of honour', '-uuid', '00112233-4455-6677-8899-aabbccddeeff']
    with Server(folder, args=name) as server:
        with Link(server.address) as link:
            link.ask()
            link.ticket()
            init = struct.unpack('<8I', link.until(103))
            want(init[0] != 0, 'no session id')
            same('name', link.until(113), struct.pack('<I', 16) + b'guest of honour\0')
            same('uuid', link.until(114).hex(), '00112233445566778899aabbccddeeff')
            link.until(4)
            events(server.qmp, init[0])
        server.qmp.event('SPICE_DISCONNECTED', 10)
        same('channels', server.qmp.execute('query-spice')['channels'], [])


def events(qmp, session_id):
    info = qmp.execute('query-spice')
    same('enabled', (info['enabled'], info['migrated'], info['auth'], info['mouse-mode']), (True, False, 'none', 'server'))
    channel = info['channels'][0]
    same('channel', (channel['channel-type'], channel['channel-id'], channel['tls']), (1, 0, False))
    same('session', channel['connection-id'] & 0xffffffff, session_id)
    text = qmp.execute('human-monitor-command', {'command-line': 'info spice'})
    want('main:0' in text and str(session_id) in text, f'info spice: {text}')
    qmp.event('SPICE_CONNECTED', 10)
    event = qmp.event('SPICE_INITIALIZED', 10)['data']
    same('event', (event['server']['auth'], event['client']['channel-type']), ('none', 1))


def several_clients(folder):
    with Server(folder) as server:
        sessions = [Session(server.address) for _ in range(16)]
        same('different sessions', len({s.id for s in sessions}), 16)
        with Link(server.address) as link:
            link.ask()
            same('the 17th', link.ticket(), spice.ERROR)
        for s in sessions[1:]:
            s.close()
        sessions[0].main.say(105, struct.pack('<H', 2))     # no tablet: stays
        sessions[0].close()


def old_header(folder):
    with Server(folder) as server, Link(server.address) as link:
        link.ask(common=(spice.AUTH_SELECTION,))
        link.ticket()
        link.mini = False
        same('first message', link.hear()[0], 103)
        link.say(104)
        link.until(104)


# ---- limits ----

def bad_messages(folder):
    cases = [
        (105, b'\0'), (105, bytes(3)), (107, bytes(2049)), (1, bytes(3)), (5, bytes(100)), (999, b''), (0, b''), (0xffff, b''),
        (4, b''), (110, bytes(4)),
    ]
    with Server(folder) as server, Session(server.address) as other:
        for kind, body in cases:
            with Session(server.address) as session:
                session.main.say(kind, body)
                want(session.main.is_closed(), f'{kind}: stays open')
        with Session(server.address) as session:            # a huge one costs nothing
            session.main.send(struct.pack('<HI', 107, 0xffffffff))
            want(session.main.is_closed(), 'stays open')
        other.main.say(2)                                   # and nobody else is harmed
        other.main.say(104)
        server.qmp.execute('query-spice')


def unread_agent_data(folder):
    with Server(folder) as server, Session(server.address) as session:
        for _ in range(11):                                 # there are 10 tokens, and no agent
            session.main.say(107, bytes(100))
        want(session.main.is_closed(), 'stays open')


def too_many_links(folder):
    with Server(folder) as server:
        silent = [Link(server.address) for _ in range(40)]
        with Session(server.address):
            pass
        want(silent[0].is_closed(), 'the oldest stays')
        for link in silent:
            link.close()


def silence(folder):
    with Server(folder) as server:
        links = [Link(server.address) for _ in range(3)]
        links[1].send(link_bytes()[:20])
        links[2].ask()
        for link in links:
            want(link.is_closed(), 'stays')


def no_descriptors(folder):
    with Server(folder) as server:
        pid = server.emulator.pid
        used = {int(fd) for fd in os.listdir(f'/proc/{pid}/fd')}
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(set(range(len(used) + 1)) - used), before[1]))
        with Link(server.address) as link:
            server.qmp.execute('query-spice')                   # who knocks keeps nobody else waiting
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            link.ask()
            same('afterwards', link.ticket(), spice.OK)


# ---- TLS, WebSocket, SASL ----

def on_tls(folder):
    tls, plain, secure = tls_context(certificate(folder)), free_port(), free_port()
    options = f'addr=127.0.0.1,port={plain},tls-port={secure},x509-dir={folder},disable-ticketing=on,'
    with Server(folder, 'tls-channel=main,plaintext-channel=inputs', where=options) as server:
        with Session(('127.0.0.1', secure), tls=tls) as session:
            same('tls', [c['tls'] for c in server.qmp.execute('query-spice')['channels']], [True])
            for _ in range(3):
                session.main.say(112, bytes(1024))
        for port, channel, context, error in ((plain, spice.MAIN, None, spice.NEED_SECURED), (plain, spice.INPUTS, None, spice.OK),
                                              (secure, spice.INPUTS, tls, spice.NEED_UNSECURED)):
            with Link(('127.0.0.1', port), context) as link:
                same(f'channel {channel} on {port}', link.ask(channel), error)
        with Link(('127.0.0.1', secure)) as link:               # no TLS where TLS is due
            link.send(link_bytes())
            want(link.is_closed(), 'stays open')
        info = server.qmp.execute('query-spice')
        same('ports', (info['host'], info['port'], info['tls-port']), ('127.0.0.1', plain, secure))


def control_frame(link):
    """The next frame that is not of the session."""
    while True:
        opcode, data = link.frame()
        if opcode != 2:
            return opcode, data


def in_websocket(folder):
    tls, secure = tls_context(certificate(folder)), free_port()
    with Server(folder, f'tls-port={secure},x509-dir={folder},disable-ticketing=on', where='addr=127.0.0.1,') as server:
        with Session(('127.0.0.1', secure), tls=tls, websocket=True):
            pass
    with Server(folder, name='clear') as server:
        with Session(server.address, websocket=True) as session:
            session.main.send(b'hello', opcode=9)
            same('pong', control_frame(session.main), (10, b'hello'))
            session.main.send(struct.pack('>H', 1000), opcode=8)
            same('close', control_frame(session.main), (8, struct.pack('>H', 1000)))
            want(session.main.is_closed(), 'stays open')
        with Link(server.address) as link:
            link.send(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
            want(link.exactly(12) == b'HTTP/1.1 400', 'no 400')
            want(link.is_closed(), 'stays open')
        with Link(server.address) as link:                      # a request without an end
            try:
                link.send(b'GET / HTTP/1.1\r\n' + b'X: y\r\n' * 2000)
            except OSError:
                pass
            want(link.is_closed(), 'stays open')


def sasl_config(folder):
    if not shutil.which('saslpasswd2'):
        raise Skipped('saslpasswd2 is missing (sasl2-bin)')
    (folder / 'qemu.conf').write_text(f'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {folder}/sasldb\n'
                                      'mech_list: plain digest-md5 anonymous\n')
    subprocess.run(['saslpasswd2', '-p', '-c', '-f', f'{folder}/sasldb', '-u', 'test', 'anna'], input=b'pass word',
                   check=True, capture_output=True)
    os.environ['SASL_CONF_PATH'] = str(folder)


def sasl_start(link):
    link.send(struct.pack('<I', 2))
    return link.recv(struct.unpack('<I', link.recv(4))[0]).decode().split(',')


def sasl_plain(link, name, text):
    """The result of one round; the link's own, where SASL is content."""
    link.send(struct.pack('<I', len(name)) + name)
    link.send(struct.pack('<I', len(text) + 1) + text + b'\0')
    link.recv(struct.unpack('<I', link.recv(4))[0])
    same('complete', link.recv(1), b'\1')
    return struct.unpack('<I', link.recv(4))[0] or struct.unpack('<I', link.recv(4))[0]


def sasl(folder):
    sasl_config(folder)
    with Server(folder, 'sasl=on') as server:
        cases = [(b'PLAIN', b'\0anna@test\0pass word', spice.OK), (b'PLAIN', b'\0anna@test\0password', spice.PERMISSION_DENIED),
                 (b'PLAIN', b'', spice.PERMISSION_DENIED), (b'PLAIN', b'\0' * 5000, spice.PERMISSION_DENIED)]
        for name, text, result in cases:
            with Link(server.address) as link:
                link.ask(common=(13,))
                same('capabilities', link.caps()[0], (spice.AUTH_SELECTION | spice.AUTH_SASL | spice.MINI_HEADER,))
                names = sasl_start(link)
                want('PLAIN' in names and 'ANONYMOUS' not in names, f'offered: {names}')
                same(f'{text[:20]}', sasl_plain(link, name, text), result)
                want(result or link.hear()[0] == 103, 'no session')
        for data in (b'PLAIN,PLAIN', b'ANONYMOUS', b'', b'x' * 101):
            with Link(server.address) as link:
                link.ask(common=(13,))
                sasl_start(link)
                link.send(struct.pack('<I', len(data)) + data)
                same(f'{data[:20]}', link.recv(4), struct.pack('<I', spice.PERMISSION_DENIED))
        with Link(server.address) as link:
            link.ask()
            same('a ticket', link.ticket(), spice.INVALID_DATA)
    port = free_port()
    with Server(folder, f'sasl=on,addr=127.0.0.1,port={port}', where='', name='tcp'):
        with Link(('127.0.0.1', port)) as link:                 # nobody tells a password in clear
            link.ask(common=(13,))
            same('offered', sasl_start(link), ['DIGEST-MD5'])


# ---- command line ----

def refused_options(folder):
    cases = ('nosuch=1', 'port=99999', 'unix=on', 'addr=x,unix=on,port=1', 'seamless-migration=maybe', 'gl=on',
             'streaming-video=some', 'jpeg-wan-compression=on', 'video-codecs=gstreamer:vp8',
             'tls-channel=nosuch', 'tls-channel=main', 'password=x', 'password-secret=nosuch', 'image-compression=nosuch',
             f'unix=on,addr=/{"x" * 200}', f'tls-port={free_port()},x509-dir={folder}', 'rendernode=x', 'port=1,tls-port=1')
    for options in cases:
        done = subprocess.run(dying([EMULATOR, '-M', 'none', '-nodefaults', '-display', 'none', '-spice', options]),
                              capture_output=True, text=True, timeout=60)
        same(options, done.returncode, 1)
        want('-spice' in done.stderr and len(done.stderr.splitlines()) == 1, f'{options}: {done.stderr}')


TESTS = [
    ('link_stage_refuses_what_is_wrong_and_says_why', link_stage),
    ('results_name_unknown_sessions_and_channels', results),
    ('tickets_open_and_expire', tickets),
    ('password_comes_from_a_secret', password_by_secret),
    ('session_is_told_by_init_events_and_query', session),
    ('several_clients_share_a_server', several_clients),
    ('full_headers_are_spoken', old_header),
    ('bad_messages_end_only_their_client', bad_messages),
    ('agent_data_is_bounded_by_tokens', unread_agent_data),
    ('links_are_bounded_and_the_newest_wins', too_many_links),
    ('silence_ends_at_the_deadline', silence),
    ('who_knocks_while_descriptors_are_used_up_is_let_in_later', no_descriptors),
    ('tls_is_where_it_must_be', on_tls),
    ('websocket_carries_a_session', in_websocket),
    ('sasl_lets_in_who_is_known', sasl),
    ('options_that_cannot_be_are_refused', refused_options),
]

if __name__ == '__main__':
    sys.exit(run_tests(TESTS))
