#!/usr/bin/env python3
# tests/functional/control-test.py - the program from outside: command line, QMP, HMP, signals, descriptors.
# SPDX-License-Identifier: GPL-2.0-or-later
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys

from harness import (EMULATOR, PATIENCE, Emulator, Failed, QmpError, bare_args, deadline, dying, finding, left,
                     machine_args, run_tests, want)

NOTHING = ['-M', 'none']


def program(*args, stdin=None, seconds=20):
    done = subprocess.run(dying([EMULATOR, *args]), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=seconds * PATIENCE)
    want(not finding(done.stderr), done.stderr)
    return done


def refused(qmp, command, arguments=None, text='', error_class='GenericError'):
    """The command must fail, in this class, and say this."""
    try:
        answer = qmp.execute(command, arguments)
    except QmpError as why:
        want(why.error_class == error_class, f'{command}: class {why.error_class}, not {error_class}: {why.desc}')
        want(text in why.desc, f'{command}: {why.desc!r} does not say {text!r}')
        return
    raise Failed(f'{command} {arguments}: accepted: {answer}')


def sigterm(folder):
    machine = Emulator([*machine_args('64M'), *bare_args()], folder=folder)
    try:
        machine.console.expect('BARE-GUEST-READY', 30)
        machine.process.send_signal(signal.SIGTERM)
        event = machine.qmp.event('SHUTDOWN', 10)
        want(event['data']['guest'] is False, f'{event}')
        want(machine.wait(20) == 0, f'SIGTERM ended it with {machine.process.returncode}')
    finally:
        machine.close()


def guest_power(folder):
    for key, reason in (('q', 'guest-shutdown'), ('r', 'guest-reset')):
        machine = Emulator([*machine_args('64M'), *bare_args(), '-no-reboot'], folder=folder, name=f'power-{key}')
        try:
            machine.console.expect('BARE-GUEST-READY', 30)
            machine.console.send(key)
            if not machine.is_qemu:
                machine.qmp.event('SHUTDOWN', 10, guest=True, reason=reason)
            want(machine.wait(20) == 0, f'{key}: ended with {machine.process.returncode}')
        finally:
            machine.close()


def stop_and_go(folder):
    machine = Emulator([*machine_args('64M'), *bare_args(), '-S'], folder=folder)
    try:
        status = machine.qmp.execute('query-status')
        want(not status['running'] and status['status'] in ('prelaunch', 'paused'), f'-S: {status}')
        machine.qmp.execute('cont')
        machine.qmp.event('RESUME', 10)
        machine.console.expect('tick 10\r?\n', 20)
        since = machine.qmp.mark()
        machine.qmp.execute('stop')
        machine.qmp.event('STOP', 10, since=since)
        want(machine.qmp.execute('query-status')['status'] == 'paused', 'stop does not pause')
        machine.qmp.execute('cont')
        since = machine.qmp.mark()
        machine.qmp.execute('system_reset')
        machine.qmp.event('RESET', 10, since=since)
        machine.console.expect('BARE-GUEST-START', 20)
        machine.console.at = len(machine.console.reader.data)
        machine.console.expect('tick 5\r?\n', 20)
        want('running' in machine.qmp.execute('human-monitor-command', {'command-line': 'info status'}), 'info status')
        machine.quit()
    finally:
        machine.close()


def no_reset_without_a_guest(folder):
    machine = Emulator([*NOTHING, '-incoming', 'defer'], folder=folder, console=False)
    try:
        machine.qmp.execute('system_reset')
    except QmpError as why:
        want("run state 'inmigrate'" in why.desc, why.desc)
    else:
        raise Failed('a guest that has not come was reset')
    finally:
        machine.close()


def bad_command_lines(folder):
    cases = [
        (['-nosuch'], 'nosuch'),
        (['-M', 'nosuch'], 'nosuch'),
        ([*NOTHING, '-device', 'nosuch'], 'nosuch'),
        (['-M', 'virt', '-device', 'virtio-rng-device,nosuch=1'], 'nosuch'),
        ([*NOTHING, '-netdev', 'user'], 'id'),
        ([*NOTHING, '-netdev', 'nosuch,id=n0'], 'nosuch'),
        ([*NOTHING, '-object', 'nosuch,id=o0'], 'nosuch'),
        (['-M', 'virt', '-m', 'much'], 'much'),
        (['-M', 'virt', '-smp', '0'], ''),
        (['-M', 'virt', '-smp', '4,sockets=1,cores=2,threads=1'], 'does not fit 4 harts'),
        (['-M', 'virt', '-smp', 'sockets=1024,cores=1024,threads=1024,dies=4'], 'at most 1024'),
        (['-M', 'virt', '-smp', '4,sockets=3'], 'does not fit 4 harts'),
        ([*NOTHING, '-global', 'driver=nosuch,property=x,value=1'], 'nosuch'),
        ([*NOTHING, '-global', 'driver=virtio-rng-device,value=1'], "'property' is missing"),
        (['-M', 'virt', '-kernel', f'{folder}/nowhere'], 'nowhere'),
        (['-M', 'virt', '-cpu', 'rv64,nosuch=off'], 'nosuch'),
        (['-M', 'virt', '-drive', f'file={folder}/nowhere,format=raw,if=none,id=d0'], 'nowhere'),
    ]
    for args, text in cases:
        done = program('-nodefaults', '-display', 'none', *args)
        want(done.returncode == 1, f'{args}: status {done.returncode}')
        want(text in done.stderr, f'{args}: {done.stderr!r} does not say {text!r}')
        want(len(done.stderr.splitlines()) <= 12, f'{args}: a page of text for one mistake:\n{done.stderr}')


def nographic(folder):
    """The console is on the terminal, whatever else has a chardev."""
    command = [EMULATOR, *machine_args('64M', '2,sockets=2'), *bare_args(), '-nographic', '-chardev', 'null,id=other',
               '-global', 'driver=virtio-rng-device,property=max-bytes,value=1']
    with subprocess.Popen(dying(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            seen = b''
            while b'BARE-GUEST-READY' not in seen:
                piece = process.stdout.read1()
                want(piece, f'it ended, and said {seen}')
                seen += piece
            process.stdin.write(b'q')
            process.stdin.flush()
            process.stdout.read()
            want(process.wait() == 0, f'ended with {process.returncode}')
        finally:
            process.kill()


def help_and_version(folder):
    for args, text in ((['--version'], r'\d+\.\d+'), (['-M', 'help'], r'\bvirt\b'), (['-device', 'help'], 'virtio-net-device'),
                       (['-device', 'virtio-blk-device,help'], 'drive'), (['-cpu', 'help'], 'rv64'), (['--help'], '-incoming')):
        done = program(*args)
        want(done.returncode == 0, f'{args}: status {done.returncode}: {done.stderr}')
        want(re.search(text, done.stdout), f'{args}: nothing like {text!r} in:\n{done.stdout[:500]}')


def qmp_on_stdio(folder):
    lines = ['{"execute": "query-version"}', '{"execute": "qmp_capabilities", "id": "a"}', "{'execute': 'query-name', 'id': [1]}",
             '{"execute": "nosuch", "id": 2}', '{"execute": "query-status", "arguments": {"x": 1}, "id": 3}',
             '{"execute": "qmp_capabilities", "id": 4}', '{"exec}\n\n{"execute": "query-status", "id": 5}',
             '{"execute": "quit", "id": 6}']
    done = program('-M', 'none', '-nodefaults', '-display', 'none', '-qmp', 'stdio', stdin='\n'.join(lines) + '\n')
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    want(done.returncode == 0, f'ended with {done.returncode}: {done.stderr}')
    want('version' in answers[0].get('QMP', {}), f'greeting {answers[0]}')
    by_id = {json.dumps(a.get('id')): a for a in answers[1:] if 'event' not in a and 'id' in a}
    want(answers[1]['error']['class'] == 'CommandNotFound', f'before negotiation: {answers[1]}')
    want(by_id['"a"']['return'] == {}, 'negotiation')
    want('return' in by_id['[1]'], 'single quotes, or an id that is a list')
    want(by_id['2']['error']['class'] == 'CommandNotFound', 'unknown command')
    want("'x'" in by_id['3']['error']['desc'], 'unexpected argument')
    want(by_id['4']['error']['class'] == 'CommandNotFound', 'negotiated twice')
    want(by_id['6']['return'] == {}, 'quit')


def schema_is_whole(folder):
    machine = Emulator(NOTHING, folder=folder, console=False)
    try:
        schema = machine.qmp.execute('query-qmp-schema')
        names = {entry['name'] for entry in schema}
        commands = {c['name'] for c in machine.qmp.execute('query-commands')}
        described = {e['name'] for e in schema if e['meta-type'] == 'command'}
        want(commands == described, f'not in both: {commands ^ described}')
        for entry in schema:
            used = [entry.get(k) for k in ('arg-type', 'ret-type', 'element-type')] + [m['type'] for m in entry.get('members', [])
                                                                                      if isinstance(m, dict) and 'type' in m]
            for name in used:
                want(name is None or name in names, f'{entry["name"]}: type {name} is not described')
        for command in commands:
            if command.startswith('query-') and command not in NEED_MORE:
                machine.qmp.execute(command)
        machine.quit()
    finally:
        machine.close()


# Queries that ask for something a machine without anything does not have.
NEED_MORE = {'query-gic-capabilities', 'query-sev', 'query-sev-capabilities', 'query-sev-launch-measure', 'query-hotpluggable-cpus',
             'query-sgx', 'query-sgx-capabilities', 'query-cpu-model-expansion', 'query-vm-generation-id', 'query-rocker',
             'query-rocker-ports', 'query-rocker-of-dpa-flows', 'query-rocker-of-dpa-groups', 'query-vcpu-dirty-limit',
             'query-stats', 'query-dirty-rate', 'query-cpu-definitions', 'query-balloon', 'query-acpi-ospm-status',
             'query-xen-replication-status', 'query-replay', 'query-colo-status', 'query-blockstats', 'query-cryptodev',
             'query-dump-guest-memory-capability', 'query-memory-size-summary', 'query-audiodevs'}


def network_at_run_time(folder):
    machine = Emulator([*machine_args('64M'), *bare_args(), '-netdev', 'user,id=n0', '-device',
                        'virtio-net-device,netdev=n0,id=nic0'], folder=folder)
    try:
        qmp = machine.qmp
        qmp.execute('netdev_add', {'type': 'user', 'id': 'n1'})
        refused(qmp, 'netdev_add', {'type': 'user', 'id': 'n1'}, 'n1')
        refused(qmp, 'netdev_del', {'id': 'nosuch'}, 'nosuch', error_class='DeviceNotFound')
        qmp.execute('object-add', {'qom-type': 'filter-buffer', 'id': 'f0', 'netdev': 'n0', 'interval': 1000})
        refused(qmp, 'object-add', {'qom-type': 'filter-buffer', 'id': 'f1', 'netdev': 'nosuch', 'interval': 1000})
        qmp.execute('object-del', {'id': 'f0'})
        refused(qmp, 'object-del', {'id': 'f0'}, 'f0')
        qmp.execute('set_link', {'name': 'nic0', 'up': False})
        qmp.execute('set_link', {'name': 'nic0', 'up': True})
        refused(qmp, 'set_link', {'name': 'nosuch', 'up': True}, 'nosuch', error_class='DeviceNotFound')
        want('n0' in qmp.execute('human-monitor-command', {'command-line': 'info network'}), 'info network')
        qmp.execute('netdev_del', {'id': 'n1'})
        qmp.execute('announce-self', {'initial': 50, 'max': 100, 'rounds': 2, 'step': 10})
        machine.quit()
    finally:
        machine.close()


def descriptors(folder):
    machine = Emulator(NOTHING, folder=folder, console=False)
    try:
        qmp = machine.qmp
        refused(qmp, 'getfd', {'fdname': 'one'}, 'SCM_RIGHTS')
        with open(folder / 'file', 'wb') as f:
            qmp.execute('getfd', {'fdname': 'one'}, fd=f.fileno())
            first = qmp.execute('add-fd', {'opaque': 'two'}, fd=f.fileno())
        qmp.execute('closefd', {'fdname': 'one'})
        refused(qmp, 'closefd', {'fdname': 'one'})
        sets = qmp.execute('query-fdsets')
        want([s['fdset-id'] for s in sets] == [first['fdset-id']], f'{sets}')
        qmp.execute('remove-fd', {'fdset-id': first['fdset-id']})
        machine.quit()
    finally:
        machine.close()


def daemon(folder):
    pidfile, path = folder / 'pid', folder / 'qmp.sock'
    done = program(*NOTHING, '-nodefaults', '-display', 'none', '-daemonize', '-pidfile', str(pidfile), '-qmp',
                   f'unix:{path},server=on,wait=off')
    want(done.returncode == 0, f'{done.returncode}: {done.stderr}')
    pid, sock = int(pidfile.read_text()), socket.socket(socket.AF_UNIX)
    try:
        sock.connect(str(path))                     # the parent ends only when the socket is there
        sock.sendall(b'{"execute": "qmp_capabilities"}{"execute": "quit"}')
        until, watch = deadline(10), os.pidfd_open(pid)
        sock.settimeout(left(until))
        while sock.recv(4096):
            pass
        want(select.select([watch], [], [], left(until))[0], 'the daemon does not quit')
        want(not pidfile.exists(), 'the pid file is left behind')
    finally:
        sock.close()


def migration_refusals(folder):
    machine = Emulator([*machine_args('64M'), *bare_args()], folder=folder)
    try:
        qmp = machine.qmp
        machine.console.expect('BARE-GUEST-READY', 30)
        want(qmp.execute('query-migrate') == {}, 'query-migrate before anything')
        refused(qmp, 'migrate', {'uri': 'nosuch:thing'})
        refused(qmp, 'migrate-set-capabilities', {'capabilities': [{'capability': 'nosuch', 'state': True}]}, 'nosuch')
        refused(qmp, 'migrate-set-parameters', {'downtime-limit': 3000000})
        refused(qmp, 'migrate-incoming', {'uri': f'unix:{folder}/x'})
        qmp.execute('migrate_cancel')               # nothing runs: no error
        caps = {c['capability']: c['state'] for c in qmp.execute('query-migrate-capabilities')}
        want(caps['return-path'] is False and caps['events'] is False, f'{caps}')
        qmp.execute('migrate-set-parameters', {'downtime-limit': 123})
        want(qmp.execute('query-migrate-parameters')['downtime-limit'] == 123, 'downtime-limit')
        qmp.execute('migrate-set-capabilities', {'capabilities': [{'capability': 'events', 'state': True}]})
        try:
            qmp.execute('migrate', {'uri': f'unix:{folder}/nobody'})
        except QmpError as why:
            want('nobody' in why.desc, why.desc)
        else:
            qmp.event('MIGRATION', 20, status='failed')
            want('nobody' in qmp.execute('query-migrate').get('error-desc', ''), 'the error does not name the socket')
        want(qmp.execute('query-status')['running'], 'a failed migrate stops the guest')
        machine.quit()
    finally:
        machine.close()


if __name__ == '__main__':
    sys.exit(run_tests([
        ('SIGTERM ends it cleanly', sigterm),
        ('the guest powers off and resets', guest_power),
        ('stop, cont, reset, -S', stop_and_go),
        ('a guest that has not come is not reset', no_reset_without_a_guest),
        ('a wrong command line is answered in a few lines that name the mistake', bad_command_lines),
        ('-nographic: the console is on the terminal', nographic),
        ('help and version', help_and_version),
        ('QMP on stdio: negotiation, ids, classes, recovery', qmp_on_stdio),
        ('the schema describes every command and every type', schema_is_whole),
        ('netdevs, filters and links at run time', network_at_run_time),
        ('descriptors come and go', descriptors),
        ('a daemon has a pid file and a monitor', daemon),
        ('migration refuses what it must, and says why', migration_refusals),
    ]))
