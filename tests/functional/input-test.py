#!/usr/bin/env python3
# tests/functional/input-test.py - Debian's kernel with keyboard, mouse and tablet: what is sent is read, once and in order.
# SPDX-License-Identifier: GPL-2.0-or-later
import sys

from harness import Failed, GuestFiles, boot, machine_args, run_tests
from keys import CODES, Watch, key, keys_of

KEYS, NAMED = 200, 40
AT_ONCE = 10                    # never more at once than evdev keeps for who reads: 64 events
DEVICES = ['-device', 'virtio-keyboard-device', '-device', 'virtio-mouse-device', '-device', 'virtio-tablet-device']


def send(machine, *events):
    machine.qmp.execute('input-send-event', {'events': list(events)})


def keys_by_events(machine, watch, sent):
    """Every second time while it stands."""
    for start in range(0, len(sent), AT_ONCE):
        is_stopped = start % (2 * AT_ONCE) == 0
        if is_stopped:
            machine.qmp.execute('stop')
        for name in sent[start:start + AT_ONCE]:
            send(machine, key(name, True))
            send(machine, key(name, False))
        if is_stopped:
            machine.qmp.execute('cont')
        watch.expect_keys(sent[:start + AT_ONCE])


def keys_by_name(machine, watch, before, sent):
    for start in range(0, len(sent), AT_ONCE):
        for name in sent[start:start + AT_ONCE]:
            machine.qmp.execute('send-key', {'keys': [{'type': 'qcode', 'data': name}], 'hold-time': 20})
        watch.expect_keys([*before, *sent[:start + AT_ONCE]])
    machine.qmp.execute('human-monitor-command', {'command-line': 'sendkey ctrl-shift-f5 20'})
    want = [(CODES[k], v) for k, v in (('ctrl', 1), ('shift', 1), ('f5', 1), ('f5', 0), ('shift', 0), ('ctrl', 0))]
    watch.expect(lambda events: watch.key_changes(events)[2 * (len(before) + len(sent)):] == want, 'three keys at once')


def keys(machine, watch):
    names = keys_of(KEYS)
    keys_by_events(machine, watch, names)
    keys_by_name(machine, watch, names, keys_of(NAMED))


def pointers(machine, watch):
    names = [m['name'] for m in machine.qmp.execute('query-mice')]
    if not all(word in ' '.join(names) for word in ('Mouse', 'Tablet')):
        raise Failed(f'query-mice: {names}')
    position = [{'type': 'abs', 'data': {'axis': axis, 'value': value}} for axis, value in (('x', 100), ('y', 32767))]
    click = [{'type': 'btn', 'data': {'button': 'left', 'down': down}} for down in (True, False)]
    send(machine, *position, click[0])
    send(machine, click[1])
    machine.qmp.execute('human-monitor-command', {'command-line': 'mouse_move -3 4 1'})
    # type, code, value: EV_ABS, BTN_LEFT, then EV_REL X, Y and the wheel, each group ended by a SYN_REPORT
    tablet = [(3, 0, 100), (3, 1, 32767), (1, 272, 1), (0, 0, 0), (1, 272, 0), (0, 0, 0)]
    mouse = [(2, 0, -3), (2, 1, 4), (2, 8, 1), (0, 0, 0)]
    watch.expect(lambda events: watch.of(events, 'Tablet') == tablet, 'a click on the tablet')
    # 11: the kernel adds a wheel of finer steps
    watch.expect(lambda events: [e for e in watch.of(events, 'Mouse') if e[:2] != (2, 11)] == mouse, 'the mouse')


def all_of_them(folder):
    """One boot for all: it is the longest part."""
    machine = boot([*machine_args(), *GuestFiles().args('baton.mode=input'), *DEVICES], 'BATON-INPUT-READY 3', folder=folder)
    watch = Watch([machine])
    try:
        keys(machine, watch)
        pointers(machine, watch)
        machine.quit()
    finally:
        machine.close()


if __name__ == '__main__':
    sys.exit(run_tests([
        (f'reads {KEYS + NAMED} keys and the moves of two pointers once and in order', all_of_them),
    ]))
