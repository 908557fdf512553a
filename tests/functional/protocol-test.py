#!/usr/bin/env python3
# tests/functional/protocol-test.py - a source whose other side is this script: every answer, wrong or missing.
# SPDX-License-Identifier: GPL-2.0-or-later
import select
import socket
import struct
import sys
import time

from harness import Emulator, Failed, QmpError, bare_args, bare_counters, deadline, left, machine_args, run_tests
from wire import (A_ASK, A_ERROR, A_GIVE_BACK, A_HELLO, A_READY, A_SWITCHOVER_ACK, A_TAIL_DONE, PACKAGED, PREPARE, RELEASE, RUN,
                  TAIL_END, Scene, Source)


def no_hello(folder):
    with Scene(folder, **{'setup-deadline-ms': 200}) as scene:
        scene.ends('failed', 'has not answered the hello')
        scene.runs(True)


def refused(folder):
    with Scene(folder) as scene:
        scene.other.say(A_ERROR, b'no such device')
        scene.ends('failed', 'the destination says: no such device')
        scene.runs(True)


def garbage(folder):
    with Scene(folder) as scene:
        scene.other.channel.sendall(b'\x77\x77\0\x08' + bytes(8))
        scene.ends('failed', 'an answer of another attempt')
        scene.runs(True)


def not_stopped_before_prepared(folder):
    """Whatever else the destination says.  Its confirmation counts once, and only after it was asked."""
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.say(A_SWITCHOVER_ACK)
        scene.other.until(PREPARE)
        scene.other.ready()
        scene.never_stopped()
        asked = time.time()
        for _ in range(3):
            scene.other.say(A_SWITCHOVER_ACK)
        scene.other.until(PACKAGED)
        if scene.qmp.event('STOP', 20, since=scene.since)['at'] < asked:
            raise Failed('the guest was stopped before the destination was ready')
        scene.other.ready()
        scene.other.until(RUN)


def never_prepared(folder):
    """The guest goes on as if nothing had been: to hand it over all the same would stop it for as long as that takes."""
    with Scene(folder, **{'switchover-deadline-ms': 200}) as scene:
        scene.other.hello()
        scene.other.until(PREPARE)
        scene.ends('failed', 'has not got ready for the guest')
        try:
            scene.other.say(A_SWITCHOVER_ACK)           # too late
        except OSError:
            pass
        scene.never_stopped()


def prepared_too_early(folder):
    with Scene(folder, **{'switchover-deadline-ms': 200}) as scene:
        scene.other.hello()
        scene.other.say(A_SWITCHOVER_ACK)
        scene.other.until(PREPARE)
        scene.ends('failed', 'has not got ready for the guest')
        scene.never_stopped()


def prepared_for_another(folder):
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PREPARE)
        scene.other.say(A_SWITCHOVER_ACK, attempt=scene.other.attempt ^ 1)
        scene.ends('failed', 'an answer of another attempt')
        scene.never_stopped()


def prepared_with_more(folder):
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PREPARE)
        scene.other.say(A_SWITCHOVER_ACK, b'more')
        scene.ends('failed', 'has the wrong length')


def cancelled_while_it_prepares(folder):
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PREPARE)
        scene.qmp.execute('migrate_cancel')
        scene.ends('cancelled')
        scene.never_stopped()


def destination_says_that_it_is_prepared(folder):
    with Source(folder, 'unix') as source:
        source.header()
        source.hello()
        source.command(PREPARE, struct.pack('>Q', source.attempt))
        answers = [source.answer() for _ in range(2)]
        if [number for number, _ in answers] != [A_HELLO, A_SWITCHOVER_ACK] or answers[1][1]:
            raise Failed(f'it answered {answers}')


def no_ready(folder):
    with Scene(folder, **{'ready-deadline-ms': 200}) as scene:
        scene.other.hello()
        scene.other.until(PACKAGED)
        scene.ends('failed', 'has not loaded the device state')
        scene.goes_on()


def full_socket_in_the_pause(folder):
    """Nobody reads what is sent after the stop; that counts as well."""
    scene = Scene(folder, **{'ready-deadline-ms': 300, 'max-bandwidth': 12 << 20})      # less than the guest writes
    scene.qmp.execute('migrate-set-capabilities', {'capabilities': [{'capability': 'pause-before-switchover', 'state': True}]})
    with scene:
        scene.source.console.send('d')
        scene.other.hello()
        scene.other.until(PREPARE)
        until = deadline(30)
        while not bare_counters(scene.source)['dirty_rounds'] and left(until):
            pass
        scene.other.say(A_SWITCHOVER_ACK)
        while not any(e.get('data', {}).get('status') == 'pre-switchover' for e in scene.qmp.events[scene.since:]):
            if not left(until):
                raise Failed('no pause')
            if select.select([scene.other.channel], [], [], 0.01)[0]:
                scene.other.channel.recv(1 << 20)
        scene.qmp.execute('migrate-continue', {'state': 'pre-switchover'})
        scene.ends('failed', 'has not loaded the device state in time')
        scene.goes_on()


def closed_before_ready(folder):
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PACKAGED)
        scene.other.close()
        scene.ends('failed', 'connection closed by the other side')
        scene.goes_on()


def stale_ready(folder):
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PACKAGED)
        scene.other.ready(attempt=scene.other.attempt ^ 1)
        scene.ends('failed', 'an answer of another attempt')
        scene.goes_on()


def ready_with_more(folder):
    """Damaged bytes are no READY: had it counted, the guest would be stopped until somebody forces it."""
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PACKAGED)
        scene.other.say(A_READY, struct.pack('>BQ', 0, 1000) + b'more')
        scene.ends('failed', 'has the wrong length')
        scene.goes_on()


def unchanged(scene, command, words):
    try:
        scene.qmp.execute(command)
    except QmpError as why:
        if words not in why.desc:
            raise Failed(f'{command}: {why.desc}') from None
    else:
        raise Failed(f'{command} was taken')


def closed_after_run(folder):
    with Scene(folder) as scene:
        scene.to_run()
        scene.other.close()
        scene.ends('failed', 'connection closed by the other side')
        scene.runs(False)
        unchanged(scene, 'system_powerdown', 'which may run it already')
        scene.cont_fails('may run on the other side')
        scene.qmp.execute('cont', {'force': True})
        scene.goes_on()
        scene.qmp.execute('system_powerdown')


def silent_after_run(folder):
    """Not even a deadline makes it run again; a late answer settles it."""
    with Scene(folder, **{'run-deadline-ms': 200}) as scene:
        scene.to_run()
        scene.ends('failed', 'has not said that the guest runs')
        scene.cont_fails('may run on the other side')
        scene.runs(False)
        scene.other.started()
        scene.ends('completed')
        scene.cont_fails('belongs to the other side')


def given_back(folder):
    with Scene(folder) as scene:
        scene.to_run()
        scene.other.say(A_GIVE_BACK, b'disk: no')
        scene.ends('failed', 'disk: no')
        scene.goes_on()


def cancel_after_run(folder):
    with Scene(folder) as scene:
        scene.to_run()
        try:
            scene.qmp.execute('migrate_cancel')
        except QmpError as why:
            if 'may run the guest already' not in why.desc:
                raise Failed(why.desc) from None
        else:
            raise Failed('cancelled although the guest may run elsewhere')
        scene.other.started()
        scene.other.until(TAIL_END)
        scene.other.say(A_TAIL_DONE)
        scene.ends('completed')
        scene.runs(False)
        if 'downtime' not in scene.qmp.execute('query-migrate'):
            raise Failed('no downtime')


def cancelled_while_devices_load(folder):
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PACKAGED)
        scene.qmp.execute('migrate_cancel')
        scene.ends('cancelled')
        scene.goes_on()
        if scene.other.element()[0] in (RUN, RELEASE):
            raise Failed('RUN after a cancel')


def parked_then_asked(folder):
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PACKAGED)
        scene.other.ready(parked=1)
        scene.ends('completed')
        scene.other.say(A_ASK)
        scene.other.until(RUN)
        scene.other.started()
        scene.other.until(TAIL_END)
        scene.cont_fails('belongs to the other side')


def changed_while_parked(folder):
    """What the other side would not know of is refused; before and after it is not."""
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PACKAGED)
        scene.other.ready(parked=1)
        scene.ends('completed')
        unchanged(scene, 'system_reset', 'has left for another process')
        unchanged(scene, 'system_powerdown', "'migrate_cancel' keeps the guest here")
        scene.qmp.execute('migrate_cancel')
        scene.goes_on()
        scene.qmp.execute('system_reset')
        scene.source.console.expect('BARE-GUEST-READY', 20)


def stopped_on_its_way(folder):
    """`stop` before the guest is there: it arrives, and stands."""
    source = Emulator([*machine_args('64M'), *bare_args()], folder=folder)
    other = Emulator([*machine_args('64M'), *bare_args(), '-incoming', f'unix:{folder}/in.sock'], folder=folder)
    try:
        source.console.expect('BARE-GUEST-READY', 30)
        for emulator in (source, other):
            emulator.qmp.execute('migrate-set-capabilities', {'capabilities': [{'capability': 'events', 'state': True}]})
        other.qmp.execute('stop')
        source.qmp.execute('migrate', {'uri': f'unix:{folder}/in.sock'})
        other.qmp.event('MIGRATION', 20, status='completed')
        until = deadline(20)
        while (status := other.qmp.execute('query-status'))['status'] == 'inmigrate' and left(until):
            pass
        if status['status'] != 'paused':
            raise Failed(f'it is {status}')
        other.qmp.execute('cont')
        other.qmp.event('RESUME', 20)
        source.quit()
    finally:
        source.close()
        other.close()


def parked_and_lost(folder):
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PACKAGED)
        scene.other.ready(parked=1)
        scene.ends('completed')
        scene.other.close()
        scene.ends('failed')
        scene.runs(False)
        scene.qmp.execute('cont')
        scene.goes_on()


def parked_and_quit(folder):
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PACKAGED)
        scene.other.ready(parked=1)
        scene.ends('completed')
        scene.source.quit()
        scene.other.until(RELEASE)


def tries_again(folder):
    """After a failure the same guest can be handed over; the attempt has another number."""
    with Scene(folder) as scene:
        scene.other.hello()
        scene.other.until(PACKAGED)
        first = scene.other.attempt
        scene.other.channel.shutdown(socket.SHUT_RDWR)
        scene.ends('failed')
        scene.goes_on()
        scene.since = scene.qmp.mark()
        scene.qmp.execute('migrate', {'uri': scene.other.uri})
        scene.other.accept()
        if scene.other.attempt == first:
            raise Failed('the same number twice')
        scene.to_run()
        scene.other.started()
        scene.other.until(TAIL_END)
        scene.other.say(A_TAIL_DONE)
        scene.ends('completed')


# ---- two emulators that do not fit: the reason is told on both sides, the guest runs on, the destination exits --------

RNG = ['-device', 'virtio-rng-device']
MISFITS = [
    ('another size of memory', machine_args('64M'), machine_args('96M'), "guest memory 'riscv_virt_board.ram' has 65536 KiB"),
    ('a device that is only at the source', machine_args('64M') + RNG, machine_args('64M'), 'not configured here'),
    ('a device that is only here', machine_args('64M'), machine_args('64M') + RNG, 'configured here but not at the source'),
    ('a hart too many', machine_args('64M', 2), machine_args('64M'), "device 'cpu' (instance 1)"),
]


def misfit(at_source, here, words):
    def case(folder):
        source = Emulator([*at_source, *bare_args()], folder=folder)
        other = Emulator([*here, *bare_args(), '-incoming', f'unix:{folder}/in.sock'], folder=folder)
        try:
            source.console.expect('BARE-GUEST-READY', 30)
            source.qmp.execute('migrate-set-capabilities', {'capabilities': [{'capability': 'events', 'state': True}]})
            since = source.qmp.mark()
            source.qmp.execute('migrate', {'uri': f'unix:{folder}/in.sock'})
            source.qmp.event('MIGRATION', 30, since=since, status='failed')
            text = source.qmp.execute('query-migrate').get('error-desc', '')
            if words not in text or 'the destination says' not in text:
                raise Failed(f'"{text}" does not say "{words}"')
            if not source.qmp.execute('query-status')['running']:
                raise Failed('the guest stands still')
            if other.wait() != 1:
                raise Failed('the destination did not exit with 1')
            source.quit()
        finally:
            source.close()
            other.close()
    return case


if __name__ == '__main__':
    sys.exit(run_tests([
        ('a hello that nobody answers fails, the guest runs on', no_hello),
        ('a refusal is told in its words', refused),
        ('garbage for an answer fails, the guest runs on', garbage),
        ('the guest is not stopped before the destination has said that it is ready', not_stopped_before_prepared),
        ('a destination that never gets ready: the guest was never stopped', never_prepared),
        ('ready before it was asked does not count', prepared_too_early),
        ('ready of another attempt is damage: the guest was never stopped', prepared_for_another),
        ('ready with more bytes is damage', prepared_with_more),
        ('cancelled while the destination gets ready: the guest was never stopped', cancelled_while_it_prepares),
        ('a destination says that it is ready when asked', destination_says_that_it_is_prepared),
        ('no READY: the guest goes on here', no_ready),
        ('a socket that is full in the pause: the guest goes on here', full_socket_in_the_pause),
        ('closed before READY: the guest goes on here', closed_before_ready),
        ('a READY of another attempt is damage: the guest goes on here', stale_ready),
        ('a READY with more bytes is damage: the guest goes on here', ready_with_more),
        ('closed after RUN: stopped until it is forced', closed_after_run),
        ('silent after RUN: stopped, and a late answer settles it', silent_after_run),
        ('given back: the guest goes on here', given_back),
        ('cancel after RUN is refused', cancel_after_run),
        ('cancel while the devices are loaded', cancelled_while_devices_load),
        ('parked: RUN only when asked', parked_then_asked),
        ('parked: what would change the guest is refused until it is back', changed_while_parked),
        ('stopped on its way: the guest stands where it arrives', stopped_on_its_way),
        ('parked and lost: stopped, and cont takes it', parked_and_lost),
        ('parked and quit: released', parked_and_quit),
        ('a failed attempt can be followed by another', tries_again),
        *((f'{name} is refused by name', misfit(*rest)) for name, *rest in MISFITS),
    ]))
