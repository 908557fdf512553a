#!/usr/bin/env python3
# tests/functional/serial-test.py - Debian's own driver on a virtio console and a port.
# SPDX-License-Identifier: GPL-2.0-or-later
import random
import socket
import sys

from harness import HAS_SPICE, Failed, GuestFiles, boot, machine_args, run_tests
from serial_guest import CONSOLE, PORT, Pump, fnv, port_args, start_echo, wait_echo
from spice_client import PORT as PORT_CHANNEL, AgentClient, meanwhile

SIZES = (128 << 10, 1 << 20)        # the console's driver takes 16 bytes at a time

SPICE_PORT, SPICE_AGENT = '/dev/vport0p2', '/dev/vport0p3'


def spice_args(folder):
    args = ['-spice', f'unix=on,addr={folder}/spice,disable-ticketing=on']
    for number, chardev, name in ((2, 'spiceport,id=sp,name=org.baton.spice', 'org.baton.spice'),
                                  (3, 'spicevmc,id=sa,name=vdagent', 'com.redhat.spice.0')):
        ident = chardev.split(',')[1][3:]
        args += ['-chardev', chardev, '-device', f'virtserialport,chardev={ident},bus=vs0.0,nr={number},name={name}']
    return args if HAS_SPICE else []


def leave(sock):
    sock.shutdown(socket.SHUT_RDWR)     # close() alone waits for who reads
    sock.close()


def echoes(machine, paths):
    """Much each way through the console and through the port, both at once."""
    pumps, socks = [Pump(size, size) for size in SIZES], []
    for size, device in zip(SIZES, (CONSOLE, PORT)):
        start_echo(machine, device, size)
    for pump, path in zip(pumps, paths):
        socks.append(pump.connect(path))
        pump.read(socks[-1])
        pump.write(socks[-1])
    for pump, size, device in zip(pumps, SIZES, (CONSOLE, PORT)):
        pump.wait(size, 120)
        pump.judge()
        wait_echo(machine, device, size, fnv(pump.data))
    for sock in socks:
        leave(sock)


def comes_and_goes(machine, paths):
    """The guest sees the name, who is connected, and the size of its console; managers see who has the port open."""
    name = machine.console.run('cat /sys/class/virtio-ports/vport0p1/name')
    if 'org.baton.echo' not in name:
        raise Failed(f'the port has no name: {name}')
    machine.console.run('exec 3</dev/hvc0')     # its driver forgets a size that nobody is there to see
    machine.qmp.execute('chardev-resize', {'id': 'hvc', 'cols': 132, 'rows': 43})
    machine.console.run('n=0; until stty size <&3 2>&1 | grep "43 132"; do n=$((n+1)); [ $n -lt 200 ] || break; done; '
                        '[ $n -lt 200 ]')
    since = machine.qmp.mark()
    start_echo(machine, PORT, 5)
    machine.qmp.event('VSERPORT_CHANGE', 20, since=since, open=True, id='vport')
    for text in (b'he', b'llo'):                # a peer for each
        pump = Pump(0, 0)
        sock = pump.connect(paths[1])
        pump.read(sock)
        sock.sendall(text)
        pump.wait(len(text), 20)
        if bytes(pump.back) != text:
            raise Failed(f'{bytes(pump.back)!r} came back of {text!r}')
        leave(sock)
    machine.qmp.event('VSERPORT_CHANGE', 20, since=since, open=False, id='vport')


def by_spice(machine, folder):
    """A client's bytes through a port; its message to the agent, who says the same."""
    body = random.Random(3).randbytes(100000)
    pieces = (20 + len(body) + 2047) // 2048
    start_echo(machine, SPICE_PORT, len(body))
    start_echo(machine, SPICE_AGENT, 20 + len(body) + 8 * pieces)
    with AgentClient(f'{folder}/spice') as client:
        link, back = client.open(PORT_CHANNEL), b''
        if link.until(202) != b'\0':
            raise Failed('the port is not open')
        saying = meanwhile(link.say, 101, body)
        while len(back) < len(body):
            back += link.until(101)
        saying.join()
        if back != body:
            raise Failed('other bytes come back from the port')
        if not client.init[4]:
            client.until(115)
        client.tell(3, body)
        if client.message() != (3, body):
            raise Failed('the agent says something else')
    wait_echo(machine, SPICE_PORT, len(body), fnv(body))


def one_guest(folder):
    paths, ports = port_args(folder)
    machine = boot([*machine_args('256M'), *GuestFiles().args(), *ports, *spice_args(folder)], folder=folder)
    try:
        echoes(machine, paths)
        comes_and_goes(machine, paths)
        if HAS_SPICE:
            by_spice(machine, folder)
        machine.quit()
    finally:
        machine.close()


if __name__ == '__main__':
    sys.exit(run_tests([('Debian echoes through a console and a port, whose peers come and go', one_guest)]))
