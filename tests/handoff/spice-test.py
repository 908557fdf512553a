#!/usr/bin/env python3
# tests/handoff/spice-test.py - display sessions go with the guest: typed across it, asleep, unable to come, taken back.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The client is a script (spice_mover.py) that goes with the guest as stock clients do, and says what it heard in which order.
What is typed is read back in the first case only; the guest of the others has no system, but all devices."""
import json
import os
import subprocess
import sys
import time

from pair import Failed, GuestFiles, bare_args, base
from harness import dying, run_tests
from keys import CODES, Watch, keys_of
from spice_flows import AGENT_DATA, PORT_ARGS, FlowMover
from spice_mover import (BEGIN_SEAMLESS, CANCEL, CONNECT_ERROR, END, INPUTS, MIGRATE, MIGRATE_DATA, MOTION_ACK,
                         MULTI_MEDIA_TIME, SET_ACK, SWITCH_HOST, Mover)
from spice_scene import Scene, expect_ways
from typist import AHEAD, Typist

KEYS, MOVES = (4000, 100) if base.FULL else (400, 2)
TEXT, ENOUGH = (1 << 20, 10 << 20) if base.FULL else (128 << 10, 1 << 20)   # of the clipboard; bytes each way
FROZEN_SECONDS = 15 if base.FULL else 0
CHANNELS = ('main', 'display', 'inputs', 'cursor')
FOR_GUEST = ('main', 'inputs')
LAST = {'main': MULTI_MEDIA_TIME, 'display': SET_ACK, 'cursor': SET_ACK}   # what a destination says first


def check_order(mover, move, carries=()):
    """MIGRATE is the last word of a source on each channel, but for what is to be carried; a destination begins as it should."""
    for name in CHANNELS:
        said, then = mover.heard(move - 1, name), mover.heard(move, name)
        last = [MIGRATE, MIGRATE_DATA] if name in carries else [MIGRATE]
        if said.count(MIGRATE) != 1 or said[-len(last):] != last:
            raise Failed(f'{name}: the source ended with {said[-5:]}')
        heard = [kind for kind in then if kind not in (117, 118)]
        while name == 'main' and heard[:1] == [AGENT_DATA]:         # what the source had queued goes along, and before
            heard.pop(0)
        if name in LAST and heard and heard[0] != LAST[name]:
            raise Failed(f'{name}: the destination began with {heard[:5]}')
    if BEGIN_SEAMLESS not in mover.heard(move - 1, 'main'):
        raise Failed('the source never said MIGRATE_BEGIN_SEAMLESS')
    mover.check()


def into_a_file(scene, mover, watch, names, folder):
    """Nobody answers there, and the client sleeps: what is typed meanwhile it brings along.  Returns bytes."""
    mover.may_carry = True
    ways = scene.move_one_way(f'{folder}/guest', is_file=True, sleeper=mover,
                              meanwhile=lambda: mover.type(*(CODES[name] for name in names[-AHEAD:])))
    expect_ways(ways, 'seamless')
    check_order(mover, MOVES + 1, FOR_GUEST)
    watch.expect_keys(names)
    if ways[0]['tail-bytes'] != 2 * AHEAD:
        raise Failed(f'{ways[0]["tail-bytes"]} bytes were typed while the guest was in the file')
    return ways[0]['tail-bytes']


def all_flows_across(folder):
    """The client sees one session: each key and each byte is read once and in order, whichever server heard it."""
    with Scene(folder, GuestFiles().args('baton.mode=input'), also=PORT_ARGS) as scene:
        scene.pair.now.console.expect('BATON-INPUT-READY 1', 120)
        mover = scene.client(FlowMover, TEXT)
        mover.begin_flows(scene.pair.now)
        watch = Watch(scene.pair.emulators)
        names = keys_of(KEYS)
        typist = Typist(watch, names[:-AHEAD], lambda name: mover.type(CODES[name]))
        typist.start()
        tail, gaps = 0, []
        for number in range(1, MOVES + 1):
            typist.until(number * KEYS // (MOVES + 1))
            mover.flow(True)
            ways = scene.move()
            expect_ways(ways, 'seamless')
            mover.flow(base.FULL)               # typing takes long beside it
            tail += ways[0]['tail-bytes']
            gaps.append(ways[0]['gap-us'])
            check_order(mover, number)
        typist.finish()
        mover.flow(True)
        mover.wait(lambda m: m.has_flowed(ENOUGH), f'{ENOUGH} bytes', 120)
        to_guest, to_client, written, back = mover.end_flows(watch)
        carried = into_a_file(scene, mover, watch, names, folder)
        if mover.moves != MOVES + 1 or mover.restarts:
            raise Failed(f'{mover.moves} of {MOVES + 1} moves, {mover.restarts} restarts')
        print(f'# {KEYS} keys, {to_guest} bytes copied to the guest, {to_client} from it, {written} to a port and {back} back: '
              f'read once and in order across {MOVES} handoffs; {tail} bytes went behind the guest, {carried} with the client; '
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
        target, since, move = scene.move_but(movers[0])
        for mover in movers[1:]:
            mover.wait(lambda m: m.moves == 1, 'to be handed over')
        guest_runs_on(target, FROZEN_SECONDS)
        movers[0].freeze(False)
        expect_ways(scene.gone(target, since), 'seamless', 'seamless', 'seamless')
        for mover in movers:
            mover.wait(lambda m: m.moves == 1, 'to be handed over')
            check_order(mover, 1)
        print(f'# pause {move.pause_ms:.1f} ms with three clients, one of them asleep', flush=True)


def through_a_pipe(folder):
    """Nobody answers the source: clients bring what it still heard, and one that changes or drops it begins anew with that
    channel.  None of it has anything to do with the guest."""
    with Scene(folder, bare_args()) as scene:
        fifo = f'{folder}/pipe'
        os.mkfifo(fifo)
        movers = [scene.client() for _ in range(3)]
        movers[1].changes[INPUTS] = lambda body: body[:-1] + bytes([body[-1] ^ 1])
        movers[2].changes[INPUTS] = lambda body: None
        for mover in movers:
            mover.may_carry = True
        expect_ways(scene.move_one_way(fifo), 'seamless', 'seamless', 'seamless')
        for mover in movers:
            mover.wait(lambda m: m.moves == 1 and MULTI_MEDIA_TIME in m.heard(1, 'main'), 'to be handed over')
            mover.type(30)
            check_order(mover, 1, FOR_GUEST)
        if len({mover.brought[INPUTS, 0][:16] for mover in movers}) != 3:
            raise Failed(f'clients carry the same: {[mover.brought for mover in movers]}')
        for mover in movers[1:]:
            mover.wait(lambda m: MOTION_ACK in m.heard(1, 'inputs'), 'to begin anew with its keys')
        if MOTION_ACK in movers[0].heard(1, 'inputs'):
            raise Failed('the keys of who carried what it was given begin anew')
        scene.pair.now.qmp.execute('query-spice')


def taken_back(folder):
    """Cancelled when all is sent: the clients go on where they were, and can go later."""
    with Scene(folder, bare_args()) as scene:
        mover = scene.client()
        pair = scene.pair
        target, uri, since = scene.announce()
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


def nobody_is_there(folder):
    """Managers wait for the event in any case."""
    with Scene(folder, bare_args()) as scene:
        expect_ways(scene.move())


def on_to_the_next(folder):
    """A client sleeps while the guest moves, and the guest moves on: that does not wait for it."""
    with Scene(folder, bare_args()) as scene:
        mover, pair = scene.client(), scene.pair
        pair.now, _, _ = scene.move_but(mover)
        target, uri = pair.listen()
        pair.finish(target, pair.begin(uri), 15)
        mover.freeze(False)
        mover.wait(lambda m: m.moves == 1, 'to be handed over')
        mover.check()


def released_while_parked(folder):
    """The source is told to quit while the guest waits for `cont` over there: the clients go, and wait with it."""
    with Scene(folder, bare_args()) as scene:
        mover, pair = scene.client(), scene.pair
        target, uri, since = scene.announce('-S')
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
        Watch(pair.emulators).expect_keys([*'qwertyuiop', *'asdfghjk'])


def looked_before_the_guest(folder):
    """Somebody looks at the destination before the guest is there: what is typed then is for nobody, and later for the guest; who
    comes with the guest notices nothing of it."""
    with Scene(folder, bare_args()) as scene:
        mover, pair = scene.client(), scene.pair
        target, uri, since = scene.announce()
        looker = Mover(scene.ports[pair.number])
        scene.clients.append(looker)
        looker.type(*range(16, 20))
        looker.acknowledged_motions()               # so that was heard before
        pair.begin(uri)
        pair.finish(target, since)
        expect_ways(scene.gone(target, since), 'seamless')
        looker.wait(lambda m: MULTI_MEDIA_TIME in m.heard(0, 'main'), 'the time of the guest')
        mover.wait(lambda m: m.moves == 1, 'to be handed over')
        check_order(mover, 1)
        watch = Watch(pair.emulators)
        mover.type(*range(30, 34))
        watch.expect_keys('asdf')
        looker.type(*range(44, 47))
        watch.expect_keys('asdfzxc')
        looker.check()


def quit_twice(folder):
    """The source stays for a client that sleeps, until it is told a second time."""
    with Scene(folder, bare_args()) as scene:
        mover, pair = scene.client(), scene.pair
        _, since, _ = scene.move_but(mover)
        pair.now.qmp.execute('quit')
        pair.now.qmp.event('SHUTDOWN', 20, since=since)
        pair.now.qmp.execute('query-spice')
        expect_ways(scene.ways(since))
        try:
            pair.now.qmp.execute('quit')
        except Failed:
            pass                                    # it may be gone before it has answered
        if pair.now.wait(20):
            raise Failed(f'the source ends with {pair.now.process.returncode}')
        pair.now.stopped = True


def bench_still_measures(folder):
    """Its clients are made of ours.  What it finds it finds on a machine that does nothing else."""
    words = '--only baton --moves 1 --turns 1 --quick --no-spicy --out'.split()
    done = subprocess.run(dying([base.ROOT / 'bench/display/handoff.py', *words, folder]), capture_output=True, text=True,
                          timeout=120 * base.PATIENCE)
    if not (folder / 'spice.json').exists():
        raise Failed(done.stderr)
    found = json.loads((folder / 'spice.json').read_text())['figures']['baton']
    if (found['seamless'], found['at_once'], found['carried_max'], found['handoffs']) != ('1 of 1', '1 of 1', 0, 4):
        raise Failed(f'{found}\n{done.stderr}')


TESTS = [
    (f'{KEYS}_keys_and_{ENOUGH >> 20}_MiB_each_way_across_{MOVES}_handoffs_are_read_once_and_in_order', all_flows_across),
    ('three_clients_and_one_of_them_asleep', several_at_once_and_one_asleep),
    ('clients_carry_what_was_heard_through_a_pipe', through_a_pipe),
    ('a_guest_that_is_taken_back_keeps_its_clients', taken_back),
    ('each_client_goes_as_well_as_it_can', as_well_as_they_can),
    ('without_seamless_migration_it_begins_anew', without_seamless),
    ('the_event_comes_without_clients', nobody_is_there),
    ('a_guest_moves_on_while_a_client_sleeps', on_to_the_next),
    ('a_source_that_quits_while_the_guest_is_parked', released_while_parked),
    ('a_second_quit_waits_for_nobody', quit_twice),
    ('who_looks_before_the_guest_is_somebody_else', looked_before_the_guest),
]
ALL = [*TESTS, ('the_bench_of_handoffs_still_measures', bench_still_measures)]

if __name__ == '__main__':
    sys.exit(run_tests(ALL if base.FULL else TESTS))
