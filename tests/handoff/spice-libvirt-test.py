#!/usr/bin/env python3
# tests/handoff/spice-libvirt-test.py - libvirt's order of QMP commands in a migration with somebody who looks: each answer.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The destination waits with -S, the channel is a socket that libvirt has connected (getfd), the source waits before the
switchover; libvirt keeps the source until SPICE_MIGRATE_COMPLETED, without a timeout of its own."""
import signal
import socket
import struct
import sys

from pair import bare_args, base
from harness import run_tests, want
from spice_scene import Scene, expect_ways

ON_TARGET = {'return-path': True, 'pause-before-switchover': False, 'xbzrle': False,
             'auto-converge': False, 'postcopy-ram': False, 'multifd': False}
ON_SOURCE = {**ON_TARGET, 'pause-before-switchover': True}


class Asking:
    """One monitor; every answer is looked at."""
    def __init__(self, emulator):
        self.emulator, self.qmp = emulator, emulator.qmp

    def says(self, wanted, command, arguments=None, **more):
        """The answer is this, or has at least these members."""
        answer = self.qmp.execute(command, arguments, **more)
        same = answer == {} if wanted == {} and 'query' not in command else {**answer, **wanted} == answer
        want(same, f'{self.emulator.name}: {command} says {answer}, not {wanted}')
        return answer

    def capabilities(self, wanted):
        known = [c['capability'] for c in self.qmp.execute('query-migrate-capabilities')]
        want({'events', 'return-path', 'pause-before-switchover'} <= set(known), f'only {known}')
        self.says({}, 'migrate-set-capabilities', {'capabilities': [{'capability': 'events', 'state': True}]})
        asked = [{'capability': name, 'state': state} for name, state in wanted.items() if name in known]
        self.says({}, 'migrate-set-capabilities', {'capabilities': asked})

    def parameters(self, wanted):
        """Those that are known; the bandwidth has to be."""
        known = self.qmp.execute('query-migrate-parameters')
        want('max-bandwidth' in known, f'only {known}')
        asked = {name: value for name, value in wanted.items() if name in known}
        self.says({}, 'migrate-set-parameters', asked)
        self.says(asked, 'query-migrate-parameters')

    def lists(self, command, arguments=None, **one):
        """A list, and one of it has these members."""
        answer = self.qmp.execute(command, arguments)
        want(isinstance(answer, list) and (not one or any({**x, **one} == x for x in answer)), f'{command} says {answer}')

    def has_linked(self, session):
        """SPICE_INITIALIZED came for this one."""
        number = struct.unpack('<i', struct.pack('<I', session))[0]         # as QMP has it
        with self.qmp.changed:
            want(self.qmp.changed.wait_for(lambda: number in [e['data']['client']['connection-id'] for e in self.qmp.events
                                                              if e['event'] == 'SPICE_INITIALIZED'], 20 * base.PATIENCE),
                 f'{self.emulator.name}: no SPICE_INITIALIZED of session {number}')

    def migration(self, status, since=0):
        return self.qmp.event('MIGRATION', 30, since=since, status=status)

    def order(self, since, *names):
        """These events came one behind the other (others between them)."""
        with self.qmp.changed:
            came = [e['event'] + (':' + e['data']['status'] if e['event'] == 'MIGRATION' else '') for e in self.qmp.events[since:]]
        at = 0
        for name in names:
            want(name in came[at:], f'{self.emulator.name}: {name} is missing, or not in order: {came}')
            at = came.index(name, at) + 1


def prepare_target(scene):
    """Returns it and its port: what libvirt does before it tells the source anything."""
    pair = scene.pair
    emulator = pair.start(1 - pair.side, '-incoming', 'defer', '-S')
    target = Asking(emulator)
    target.says({}, 'query-migrate')
    target.lists('query-chardev', label='agent')
    target.lists('query-cpus-fast')
    target.says({}, 'set_password', {'protocol': 'spice', 'password': 'secret', 'connected': 'keep'})
    target.capabilities(ON_TARGET)
    target.parameters({'tls-creds': '', 'tls-hostname': ''})
    target.says({}, 'migrate-incoming', {'uri': 'tcp:127.0.0.1:0'})
    target.migration('setup')
    where = target.qmp.execute('query-migrate')['socket-address'][0]
    target.says({'status': 'inmigrate', 'running': False}, 'query-status')
    return target, int(where['port'])


def start_source(source, scene, port):
    """The clients are told, then the channel is made and the guest begins to move.  Returns the place in the events."""
    since = source.qmp.mark()
    source.says({}, 'client_migrate_info', {'protocol': 'spice', 'hostname': '127.0.0.1', 'port': scene.ports[scene.pair.number],
                                            'tls-port': -1})
    source.says({'migrated': False}, 'query-spice')
    source.capabilities(ON_SOURCE)
    source.parameters({'tls-creds': '', 'tls-hostname': '', 'max-bandwidth': 1 << 40})
    with socket.create_connection(('127.0.0.1', port)) as channel:
        source.says({}, 'getfd', {'fdname': 'migrate'}, fd=channel.fileno())
    source.says({}, 'migrate', {'detach': True, 'resume': False, 'uri': 'fd:migrate'})
    return since


def switch_over(source, target, since):
    source.migration('pre-switchover', since)
    answer = source.says({'status': 'pre-switchover'}, 'query-migrate')
    want({'transferred', 'remaining', 'total'} <= set(answer['ram']), f'query-migrate says {answer}')
    source.says({}, 'migrate-continue', {'state': 'pre-switchover'})
    source.migration('completed', since)
    source.order(since, 'MIGRATION:setup', 'MIGRATION:active', 'STOP', 'MIGRATION:pre-switchover', 'MIGRATION:device',
                 'MIGRATION:completed')
    answer = source.says({'status': 'completed'}, 'query-migrate')
    want({'total-time', 'setup-time', 'ram'} <= set(answer), f'query-migrate says {answer}')
    source.says({'running': False}, 'query-status')


def run_there(target):
    target.lists('query-chardev', label='agent')
    target.lists('qom-list', {'path': '/machine/peripheral'})
    target.lists('query-block')
    since = target.qmp.mark()
    target.says({}, 'cont')
    target.qmp.event('RESUME', 30, since=since)
    target.migration('completed')
    target.says({'status': 'running', 'running': True}, 'query-status')
    target.says({}, 'migrate-set-capabilities', {'capabilities': [{'capability': 'return-path', 'state': False}]})


def as_libvirt_does(clients):
    def run(folder):
        with Scene(folder, bare_args()) as scene:
            movers = [scene.client() for _ in range(clients)]
            source = Asking(scene.pair.now)
            source.says({'enabled': True, 'migrated': False, 'auth': 'none'}, 'query-spice')
            target, port = prepare_target(scene)
            since = start_source(source, scene, port)
            for mover in movers:
                mover.wait(lambda m: m.ahead or m.moves, 'to be connected')
                target.has_linked(mover.id)
            switch_over(source, target, since)
            run_there(target)
            source.qmp.event('SPICE_MIGRATE_COMPLETED', 20, since=since)
            source.says({'status': 'postmigrate', 'running': False}, 'query-status')
            source.says({'migrated': True}, 'query-spice')
            expect_ways(scene.ways(since), *['seamless'] * clients)
            target.says({'migrated': False}, 'query-spice')
            for mover in movers:
                mover.wait(lambda m: m.moves == 1, 'to be handed over')
                mover.check()
            want('downtime' in source.qmp.execute('query-migrate'), 'nobody says how long it stood')
            end_source(scene, source)
            target.says({'running': True}, 'query-status')
    return run


def end_source(scene, source):
    """By a signal, as libvirt does; nobody is waited for any more."""
    emulator = scene.pair.now
    emulator.process.send_signal(signal.SIGTERM)
    want(emulator.wait(20) == 0, f'it ends with {emulator.process.returncode}: {emulator.errors()}')
    emulator.stopped = True
    source.order(0, 'STOP', 'SPICE_MIGRATE_COMPLETED', 'SHUTDOWN')


def aborted(folder):
    """Before the switchover: the event comes all the same, and nothing has moved."""
    with Scene(folder, bare_args()) as scene:
        mover = scene.client()
        source = Asking(scene.pair.now)
        target, port = prepare_target(scene)
        since = start_source(source, scene, port)
        source.migration('pre-switchover', since)
        source.says({}, 'migrate_cancel')
        source.migration('cancelled', since)
        source.order(since, 'MIGRATION:cancelling', 'MIGRATION:cancelled')
        source.says({'status': 'cancelled'}, 'query-migrate')
        source.qmp.event('SPICE_MIGRATE_COMPLETED', 20, since=since)
        source.says({'migrated': False}, 'query-spice')
        source.says({}, 'cont')
        source.says({'running': True}, 'query-status')
        want(target.emulator.wait(20) not in (None, 0), 'the destination ends as if all were well')
        mover.wait(lambda m: m.cancels, 'MIGRATE_CANCEL')
        mover.check()


TESTS = [
    ('the_order_of_libvirt_with_two_clients', as_libvirt_does(2)),
    ('the_order_of_libvirt_with_nobody', as_libvirt_does(0)),
    ('aborted_before_the_switchover', aborted),
]

if __name__ == '__main__':
    sys.exit(run_tests(TESTS))
