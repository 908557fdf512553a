#!/usr/bin/env python3
# tests/handoff/rollback-test.py - the guest comes back to the source: with its disk, announced, and everybody says why.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two real processes; where a message has to be lost or a process to die at a message, a relay sits between them."""
import fcntl
import os
import shutil
import socket
import struct
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'functional'))
from harness import (Emulator, Failed, QmpError, bare_args, bare_counters, deadline, left, machine_args, # noqa: E402
                     run_tests, until_it_writes)

RUN = struct.pack('>BHH', 8, 33, 8)
RUN_SIZE = len(RUN) + 8
CANCEL_BEGIN, RELEASE_BEGIN = struct.pack('>BH', 8, 35), struct.pack('>BH', 8, 34)
READY, ASK, TAIL_DONE = struct.pack('>H', 33), struct.pack('>H', 34), struct.pack('>H', 36)
RARP = b'\x80\x35'
WRITER_BYTE = 101                                   # of the image: who has a lock there writes to it
NO_LOCK = "disk 'd0': cannot get the write lock"


class Wire:
    """The other end of a netdev: it remembers that a RARP frame came."""
    def __init__(self, path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.changed, self.rarps = threading.Condition(), 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        file = self.listener.accept()[0].makefile('rb')
        while head := file.read(4):
            frame = file.read(int.from_bytes(head, 'big'))
            if frame[12:14] == RARP:
                with self.changed:
                    self.rarps += 1
                    self.changed.notify_all()

    def expect_rarp(self, after):
        until = deadline(10)
        with self.changed:
            while self.rarps <= after:
                if not left(until):
                    raise Failed('nobody announced the guest')
                self.changed.wait(left(until))


class Relay:
    """Carries the channel.  at_run, a function, is called with RUN still in hand and says whether it goes on.
    turned: a message whose beginning, the first, becomes the second on its way.  loses: an answer that does not arrive.
    ends_with_run: nothing behind RUN arrives."""
    def __init__(self, at_run=None, answers_end_at_run=False, turned=None, stays_open=False, loses=None,
                 ends_with_run=False):
        self.source, self.ours = socket.socketpair()
        self.theirs, self.destination = socket.socketpair()
        self.at_run, self.answers_end_at_run = at_run, answers_end_at_run
        self.ends_with_run = ends_with_run
        self.loses, self.lost, self.said = loses, threading.Event(), set()
        self.run_seen, self.turned, self.stays_open = threading.Event(), turned, stays_open

    def start(self):
        for end in (self.source, self.destination):
            end.close()                             # the emulators have theirs
        threading.Thread(target=self._down, daemon=True).start()
        threading.Thread(target=self._up, daemon=True).start()

    def _down(self):
        try:
            while data := self.ours.recv(1 << 20):
                if data[-RUN_SIZE:].startswith(RUN):
                    self.run_seen.set()
                    if self.at_run and not self.at_run():
                        break
                elif self.run_seen.is_set() and self.ends_with_run:
                    continue
                if self.turned and data.startswith(self.turned[0]):
                    data = self.turned[1] + data[len(self.turned[1]):]
                self.theirs.sendall(data)
        except OSError:
            pass
        if not self.stays_open:
            self.close()

    def _up(self):
        try:
            while data := self.theirs.recv(1 << 16):
                self.said.add(data[:2])
                if data[:2] == self.loses:
                    self.lost.set()
                    continue
                if not (self.run_seen.is_set() and self.answers_end_at_run):
                    self.ours.sendall(data)
        except OSError:
            pass
        if not self.answers_end_at_run and not self.stays_open:
            self.close()

    def close(self):
        for end in (self.ours, self.theirs):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@contextmanager
def writer_of(image):
    """A third process has the lock of it."""
    with open(image, 'r+b') as third:
        fcntl.fcntl(third, fcntl.F_OFD_SETLK, struct.pack('hhqqi4x', fcntl.F_RDLCK, os.SEEK_SET, WRITER_BYTE, 1, 0))
        yield


class Two:
    """A guest with a disk and a NIC, and a destination, parked by default, that reaches the same disk by a name of its own, or,
    where the source shall not feel what happens to it, another."""
    def __init__(self, folder, relay=None, options=(), parked=True, same_disk=True):
        self.options = options
        self.folder, self.relay, self.image = folder, relay or Relay(), folder / 'disk.img'
        self.image.write_bytes(bytes(512 * 2048))
        if same_disk:
            (folder / 'there.img').symlink_to(self.image)
        else:
            shutil.copy(self.image, folder / 'there.img')
        self.wire = Wire(f'{folder}/net.sock')
        nic = ['-netdev', f'stream,id=n0,server=off,addr.type=unix,addr.path={folder}/net.sock']
        there = ['-netdev', f'dgram,id=n0,local.type=unix,local.path={folder}/a.sock,'
                 f'remote.type=unix,remote.path={folder}/b.sock']
        self.source = self.start(self.image, nic)
        self.source.console.expect('BARE-GUEST-READY', 30)
        self.source.console.send('t')               # no tick lines
        self.target = self.start(folder / 'there.img', there, *['-S'][:parked], '-incoming',
                                 f'fd:{self.relay.destination.fileno()}', pass_fds=(self.relay.destination.fileno(),))
        for emulator in (self.source, self.target):
            emulator.qmp.execute('migrate-set-capabilities', {'capabilities': [{'capability': 'events', 'state': True}]})
        self.source.qmp.execute('getfd', {'fdname': 'channel'}, fd=self.relay.source.fileno())
        self.relay.start()

    def start(self, image, nic, *more, **options):
        disk = ['-drive', f'file={image},format=raw,if=none,id=d0', '-device', 'virtio-blk-device,drive=d0']
        return Emulator([*machine_args('64M'), *bare_args(), *disk, *nic, '-device', 'virtio-net-device,netdev=n0',
                         *self.options, *more], folder=self.folder, **options)

    def begin(self):
        self.since = self.source.qmp.mark()
        self.source.qmp.execute('migrate', {'uri': 'fd:channel'})

    def until_switchover(self):
        self.source.qmp.execute('migrate-set-capabilities', {'capabilities': [{'capability': 'pause-before-switchover',
                                                                               'state': True}]})
        self.begin()
        self.source.qmp.event('MIGRATION', 30, since=self.since, status='pre-switchover')

    def __enter__(self):
        self.begin()
        self.source.qmp.event('MIGRATION', 30, since=self.since, status='completed')
        self.target.qmp.event('MIGRATION', 30, status='completed')
        self.rarps = self.wire.rarps
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.source.close()
        self.target.close()
        self.relay.close()

    def failed(self, emulator, *words):
        emulator.qmp.event('MIGRATION', 30, since=self.since if emulator is self.source else 0, status='failed')
        self.says(emulator, *words)

    def says(self, emulator, *words):
        contains(emulator.qmp.execute('query-migrate').get('error-desc', ''), *words)

    def goes_on(self):
        """At the source, and its disk takes writes."""
        self.source.qmp.event('RESUME', 20, since=self.since)
        now = until_it_writes(self.source, self.counters())
        if now['disk_errors']:
            raise Failed(f'disk errors: {now}')
        if self.target_runs():
            raise Failed('both sides run')

    def target_runs(self):
        """One that ends while it is asked does not."""
        try:
            return self.target.process.poll() is None and self.target.qmp.execute('query-status')['running']
        except (Failed, OSError):
            if not self.target.qmp.closed:
                raise
            return False

    def counters(self):
        return bare_counters(self.source)

    def stays(self, state):
        status = self.source.qmp.execute('query-status')
        if status['running'] or status['status'] != state:
            raise Failed(f'the source is {status} instead of {state}')


def contains(text, *words):
    for word in words:
        if word not in text:
            raise Failed(f'"{text}" does not say "{word}"')


def will_say(emulator, words):
    """On stderr: behind the event, if there is one."""
    until = deadline(20)
    while words not in emulator.errors():
        if not left(until):
            raise Failed(f'"{emulator.errors()}" does not say "{words}"')


def refuses(emulator, command, words, arguments=None):
    try:
        emulator.qmp.execute(command, arguments or {})
    except QmpError as why:
        contains(why.desc, *words)
    else:
        raise Failed(f'{command} was taken')


def refused(emulator, words, **arguments):
    refuses(emulator, 'cont', words, arguments)


def migrate_refused(emulator, folder, words):
    try:
        emulator.qmp.execute('migrate', {'uri': f'file:{folder}/saved'})
    except QmpError as why:
        contains(why.desc, words)
    else:
        raise Failed('migrate was taken')


# ---- given back ----

def disk_that_cannot_be_had(folder):
    with Two(folder, same_disk=False) as two, writer_of(folder / 'there.img'):
        two.target.qmp.execute('cont')
        two.failed(two.source, NO_LOCK)
        two.goes_on()
        two.wire.expect_rarp(two.rarps)
        two.failed(two.target, NO_LOCK)
        refused(two.target, ['belongs to its source', NO_LOCK])


def disk_that_a_third_has(folder):
    """Neither side gets it, so the guest stands still at the source until `cont` finds it free."""
    with Two(folder) as two:
        with writer_of(two.image):
            two.target.qmp.execute('cont')
            two.failed(two.source, 'the destination says', f'stays stopped: {NO_LOCK}')
            two.stays('io-error')
            refused(two.source, [f'the guest stays stopped: {NO_LOCK}'])
        two.source.qmp.execute('cont')
        two.goes_on()


# ---- a parked destination without its source ----

def taken_back(folder):
    with Two(folder) as two:
        two.source.qmp.execute('cont')
        two.goes_on()
        two.failed(two.target, 'the source took the guest back')
        refused(two.target, ['belongs to its source', "'cont' takes it up", 'the source took the guest back'])


def taken_back_by_a_damaged_word(folder):
    """One bit makes RELEASE of CANCEL's number; the destination must not take it for the leave to run."""
    with Two(folder, Relay(turned=(CANCEL_BEGIN, RELEASE_BEGIN))) as two:
        two.source.qmp.execute('cont')
        two.failed(two.target, 'a command has the wrong length')
        refused(two.target, ['belongs to its source', 'wrong length'])
        two.goes_on()


def migrated_on_while_parked(folder):
    """What the source still owns nobody hands on; to try it gives the parked destination no right to run."""
    with Two(folder) as two:
        migrate_refused(two.target, folder, 'the source still owns the guest')
        two.source.qmp.execute('cont')
        two.failed(two.target, 'the source took the guest back')
        migrate_refused(two.target, folder, 'belongs to its source')
        refused(two.target, ['belongs to its source', 'the source took the guest back'])
        two.goes_on()


def reset_while_parked(folder):
    """What is loaded there is reset, and boots at its `cont`."""
    with Two(folder) as two:
        two.target.qmp.execute('system_reset')
        two.target.qmp.event('RESET', 20)
        since = two.target.qmp.mark()
        two.target.qmp.execute('cont')
        two.target.qmp.event('MIGRATION', 20, since=since, status='completed')
        two.target.console.expect('BARE-GUEST-READY', 30)


def reset_while_parked_and_taken_back(folder):
    """The source has what it always had; there, nothing is left that could be reset."""
    two = Two(folder)
    before = two.counters()['sectors_flushed']
    with two:
        two.target.qmp.execute('system_reset')
        two.target.qmp.event('RESET', 20)
        two.source.qmp.execute('cont')
        two.goes_on()
        if two.counters()['sectors_flushed'] < before:
            raise Failed('the guest has booted')
        two.failed(two.target, 'the source took the guest back')
        refuses(two.target, 'system_reset', ['belongs to its source'])


def shut_down_before(folder):
    """A guest that has switched itself off does not run again until it is reset, wherever `cont` is said."""
    two = Two(folder, options=('-no-shutdown',))
    two.source.console.send('q')
    two.source.qmp.event('SHUTDOWN', 20)
    with two:
        for emulator in (two.target, two.source):
            refused(emulator, ["resetting the machine is required (run state 'shutdown')"])
        two.target.qmp.execute('system_reset')
        two.target.qmp.event('RESET', 20)
        two.target.qmp.execute('cont')
        two.target.console.expect('BARE-GUEST-READY', 30)


def released_while_it_asked(folder):
    """It does not get its disk, so that it has not even started the guest; the source hears all the same that it may go."""
    with Two(folder, Relay(loses=ASK)) as two:
        with writer_of(two.image):
            two.target.qmp.execute('cont')
            if not two.relay.lost.wait(20):
                raise Failed('it does not ask')
            since = two.target.qmp.mark()
            two.source.quit()
            two.target.qmp.event('MIGRATION', 20, since=since, status='completed')
            will_say(two.target, f'the guest cannot start: {NO_LOCK}')
            if TAIL_DONE not in two.relay.said:
                raise Failed('the source was not told that RELEASE had arrived')
        two.target.qmp.execute('cont')
        two.target.qmp.event('RESUME', 20)


def released_without_its_disk(folder):
    """Its reason is that of this `cont`: not that the source has hung up, nor what was missing before."""
    with Two(folder) as two:
        two.source.quit()
        with writer_of(two.image):
            two.target.qmp.execute('cont')
            will_say(two.target, f'the guest cannot start: {NO_LOCK}')
        two.target.qmp.execute('cont')
        two.target.qmp.event('RESUME', 20)


def stopped_once_it_has_asked(folder):
    """RUN may be on its way: a `stop` that was taken would be forgotten."""
    with Two(folder, Relay(loses=ASK)) as two:
        two.target.qmp.execute('cont')
        if not two.relay.lost.wait(20):
            raise Failed('it does not ask')
        refuses(two.target, 'stop', ['just about to run'])
        two.source.qmp.execute('cont')
        two.failed(two.target, 'the source took the guest back')
        two.target.qmp.execute('stop')
        two.goes_on()


def source_killed_while_parked(folder):
    with Two(folder) as two:
        two.source.kill()
        two.failed(two.target, 'connection closed by the other side')
        refused(two.target, ['belongs to its source', "only 'quit'", 'connection closed'])
        refused(two.target, ['belongs to its source'], force=True)
        two.target.quit()


def connection_lost_while_parked(folder):
    with Two(folder) as two:
        two.relay.close()
        two.failed(two.source, 'connection closed by the other side')
        two.failed(two.target, 'connection closed by the other side')
        two.source.qmp.execute('cont')
        two.goes_on()


# ---- stop, while the guest stands still for the handoff ----

CHANGES = [('stop', None), ('system_reset', None), ('system_powerdown', None), ('set_link', {'name': 'n0', 'up': False})]


def stopped_before_it_left(folder):
    """It travels as a guest that its user has stopped, and waits for `cont`."""
    two = Two(folder, parked=False)
    with closing(two):
        two.until_switchover()
        since = two.target.qmp.mark()
        two.source.qmp.execute('stop')
        two.source.qmp.execute('migrate-continue', {'state': 'pre-switchover'})
        two.source.qmp.event('MIGRATION', 30, since=two.since, status='completed')
        two.target.qmp.event('MIGRATION', 30, since=since, status='completed')
        status = two.target.qmp.execute('query-status')
        if status['running'] or status['status'] != 'paused':
            raise Failed(f'the destination is {status}')
        two.target.qmp.execute('cont')
        two.target.qmp.event('RESUME', 20, since=since)


def stop_and_cancel(two):
    two.source.qmp.execute('stop')
    two.source.qmp.execute('migrate_cancel')
    two.source.qmp.event('MIGRATION', 30, since=two.since, status='cancelled')
    two.stays('paused')
    two.source.qmp.execute('cont')
    two.goes_on()


def stopped_and_cancelled(folder):
    two = Two(folder)
    with closing(two):
        two.until_switchover()
        stop_and_cancel(two)


def stopped_while_parked(folder):
    with Two(folder) as two:
        stop_and_cancel(two)


def stopped_once_it_has_left(folder):
    """Its state says that it runs: nobody could tell the destination otherwise."""
    two = Two(folder, Relay(loses=READY), parked=False)
    with closing(two):
        two.begin()
        if not two.relay.lost.wait(30):
            raise Failed('the destination is not ready')
        for command, arguments in CHANGES:
            refuses(two.source, command, ['guest', "'migrate_cancel' keeps"], arguments)
        two.source.qmp.execute('migrate_cancel')
        two.goes_on()


def stopped_once_it_runs_there(folder):
    go = threading.Event()
    two = Two(folder, Relay(lambda: go.wait(60)), parked=False)
    with closing(two):
        two.begin()
        if not two.relay.run_seen.wait(30):
            raise Failed('no RUN')
        for command, arguments in CHANGES:
            refuses(two.source, command, ['guest', 'may run it already'], arguments)
        go.set()
        two.source.qmp.event('MIGRATION', 30, since=two.since, status='completed')
        for command, arguments in CHANGES:
            refuses(two.source, command, ['belongs to the other side'], arguments)
        two.target.qmp.event('RESUME', 30)
        two.target.qmp.execute('stop')


# ---- afterwards ----

def handed_on_before_the_old_end(folder):
    """The old connection's end would be taken for the next one's; one that does not come is not waited for."""
    with Two(folder, Relay(stays_open=True)) as two:
        since = two.target.qmp.mark()
        two.target.qmp.execute('cont')
        two.target.qmp.event('MIGRATION', 20, since=since, status='completed')
        since = two.target.qmp.mark()
        two.target.qmp.execute('migrate', {'uri': f'file:{folder}/saved'})
        two.target.qmp.event('MIGRATION', 20, since=since, status='completed')
        two.target.qmp.event('STOP', 20, since=since)


def cancelled_before_the_old_end(folder):
    """It waits for what the source has still to say, and not longer than somebody wants it."""
    with Two(folder, Relay(stays_open=True, ends_with_run=True)) as two:
        two.target.qmp.execute('migrate-set-parameters', {'setup-deadline-ms': 3600000})
        two.target.qmp.execute('cont')
        two.target.qmp.event('RESUME', 20)
        since = two.target.qmp.mark()
        two.target.qmp.execute('migrate', {'uri': f'file:{folder}/saved'})
        two.target.qmp.execute('migrate_cancel')
        two.target.qmp.event('MIGRATION', 20, since=since, status='cancelled')
        if not two.target.qmp.execute('query-status')['running']:
            raise Failed('it does not run')


# ---- unsure ----

def killed_at_run(folder):
    """The other process dies with RUN before its door: that is proof, and nobody has to be asked."""
    def kill():
        two.target.kill()
        return False
    two = Two(folder, Relay(kill))
    with two:
        try:
            two.target.qmp.execute('cont')
        except Failed:
            pass                                            # it may be dead before it has answered
        two.failed(two.source, 'connection closed')
        two.goes_on()
        two.wire.expect_rarp(two.rarps)
        two.says(two.source, f'process {two.target.pid}', 'has ended', 'goes on here')


def killed_after_a_deadline(folder):
    """It was frozen for longer than the source waits, and then killed."""
    frozen = threading.Event()

    def freeze():
        frozen.wait(30)
        return False
    two = Two(folder, Relay(freeze))
    two.source.qmp.execute('migrate-set-parameters', {'run-deadline-ms': 100})
    with two:
        two.target.qmp.execute('cont')
        two.failed(two.source, 'has not said that the guest runs')
        two.stays('finish-migrate')
        refused(two.source, ['may run on the other side', 'force'])
        two.target.kill()
        frozen.set()
        two.goes_on()
        two.says(two.source, 'has ended', 'goes on here')


def lost_at_run(folder):
    """Nobody knows; without force nothing runs, with it the source does."""
    with Two(folder, Relay(lambda: False)) as two:
        two.target.qmp.execute('cont')
        two.failed(two.source, 'connection closed')
        two.stays('finish-migrate')
        refused(two.source, ['may run on the other side', "with 'force', your promise"])
        two.source.qmp.execute('cont', {'force': True})
        two.goes_on()
        two.wire.expect_rarp(two.rarps)
        refused(two.target, ['belongs to its source'])


def ran_there_and_died(folder):
    """The source never heard that the guest started.  The lock contradicts a false promise; what was written, its memory."""
    with Two(folder, Relay(answers_end_at_run=True)) as two:
        two.source.qmp.execute('migrate-set-parameters', {'run-deadline-ms': 100})
        written = two.image.stat().st_mtime_ns
        two.target.qmp.execute('cont')
        two.target.qmp.event('RESUME', 20)
        two.failed(two.source, 'has not said that the guest runs')
        until = deadline(20)
        while two.image.stat().st_mtime_ns == written:
            if not left(until):
                raise Failed('the guest does not write')
        refused(two.source, ["disk 'd0'", 'another process uses the image'], force=True)
        two.target.kill()
        two.relay.close()
        refused_for_the_disk(two)
        two.stays('finish-migrate')
        two.source.qmp.execute('cont', {'force': True})
        two.goes_on()


def refused_for_the_disk(two):
    """What the channel's end and the process's end say comes on its own; then the source has made up its mind."""
    until = deadline(20)
    while 'was written after the guest had left' not in two.source.qmp.execute('query-migrate').get('error-desc', ''):
        if not left(until):
            raise Failed(str(two.source.qmp.execute('query-migrate')))
    refused(two.source, ['unless it is forced', "disk 'd0'", 'it ran on the other side'])


if __name__ == '__main__':
    sys.exit(run_tests([
        ('a disk that cannot be had there: given back, announced, goes on', disk_that_cannot_be_had),
        ('a disk that nobody gets: the guest waits for it, and says so', disk_that_a_third_has),
        ('parked and taken back: the destination says so', taken_back),
        ('parked and taken back by a damaged word: the destination does not run', taken_back_by_a_damaged_word),
        ('parked: migrate is refused there, also after the end', migrated_on_while_parked),
        ('parked after it was switched off: cont is refused until a reset', shut_down_before),
        ('parked and reset: boots there', reset_while_parked),
        ('parked and reset, and taken back: goes on as it was', reset_while_parked_and_taken_back),
        ('parked, and released while it asked: the source is told, a disk may come later', released_while_it_asked),
        ('parked, and released, but without its disk: cont says why', released_without_its_disk),
        ('parked, and told to stop once it has asked: refused', stopped_once_it_has_asked),
        ('parked, and the source was killed: cont says what is left', source_killed_while_parked),
        ('parked, and the connection broke: cont at the source', connection_lost_while_parked),
        ('stopped in the pause, before it has left: waits there for cont', stopped_before_it_left),
        ('stopped in the pause, and cancelled: stays stopped', stopped_and_cancelled),
        ('stopped while parked, and cancelled: stays stopped', stopped_while_parked),
        ('told to stop or to change once its state has left: refused', stopped_once_it_has_left),
        ('told to stop or to change once it may run there: refused', stopped_once_it_runs_there),
        ('handed on, and the old connection does not end', handed_on_before_the_old_end),
        ('handed on and cancelled while the source has still to say something', cancelled_before_the_old_end),
        ('killed at RUN: the source goes on by itself', killed_at_run),
        ('killed after the deadline: the source goes on by itself', killed_after_a_deadline),
        ('lost at RUN: stopped until it is forced', lost_at_run),
        ('ran there and died: nothing goes on by itself', ran_there_and_died),
    ]))
