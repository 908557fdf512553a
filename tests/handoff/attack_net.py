# tests/handoff/attack_net.py - networks that do what a handoff does not like, and what is seen of them.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Beside topology.py: hubs, switches that learn late, unequal sides, eight cards, and dumps that are read back."""
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from topology import MAC, Bridged, Client, Dgram, OneBridge, Stream, Switched, ThreeBridges, in_netns, ip
from harness import BUILD, Failed, TooLate                      # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
ETH, IP4, UDP = 14, 20, 8
PORT_ECHO, PORT_BROADCAST = 7000, 7005
TRAFFIC_MAGIC = 0x42545246
PCAP_HEADER, PCAP_RECORD = 24, 16


class Hub(OneBridge):
    """A bridge that forgets at once: every frame goes to every port."""
    name = 'tap on a hub'

    def bridge(self, name):
        super().bridge(name)
        ip('link', 'set', name, 'type', 'bridge', 'ageing_time', '0', netns=self.netns)


class HubBetween(ThreeBridges):
    """The bridges of the two hosts learn, the one between them does not."""
    name = 'two bridges joined by a hub'

    def bridge(self, name):
        super().bridge(name)
        if name == 'core':
            ip('link', 'set', name, 'type', 'bridge', 'ageing_time', '0', netns=self.netns)


class ShortQueue(OneBridge):
    """The kernel keeps few frames for a tap, and drops the rest."""
    name = 'tap with a short queue'
    FRAMES = 2000

    def open(self):
        super().open()
        for tap in ('t0', 't1'):
            ip('link', 'set', tap, 'txqueuelen', str(self.FRAMES), netns=self.netns)
        self.keep_guest_address()

    def drops_of(self, side):
        done = subprocess.run(in_netns(self.netns, 'ip', '-s', '-j', 'link', 'show', f't{side}'), stdout=subprocess.PIPE,
                              check=True)
        return json.loads(done.stdout)[0]['stats64']['tx']['dropped']


@contextmanager
def stalling(processes, stopped=0.012, runs=0.02):
    """These processes stand still again and again, for longer than a pause: what is in them comes when the guest has moved."""
    ended = threading.Event()

    def stall():
        while not ended.wait(runs):
            for signals in (signal.SIGSTOP, signal.SIGCONT):
                for process in processes:
                    process.send_signal(signals)
                if signals == signal.SIGSTOP:
                    ended.wait(stopped)

    thread = threading.Thread(target=stall, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def standing(pids):
    """These processes stand still."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def stay_on_one_processor(client):
    """Each processor has a queue of its own behind a veth: where its soft interrupts wait, a sender that is moved overtakes
    itself, and no handoff puts that right."""
    os.sched_setaffinity(client.process.pid, {max(os.sched_getaffinity(client.process.pid))})


class Witness:
    """Looks at what the bridges give to the taps, in which order.  Other networks are ours and are not looked at."""
    def __init__(self, topology):
        self.process = None
        if isinstance(topology, Bridged):
            self.process = subprocess.Popen(in_netns(topology.netns, str(BUILD / 'tests/tools/order-witness'), 't0', 't1'),
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            if self.process.stdout.readline() != b'ready\n':
                raise Failed('the witness of the order does not start')

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    def stop(self):
        """What it saw; {}: nothing."""
        said = self.process.communicate()[0] if self.process else b''
        self.process = None
        return json.loads(said or b'{}')

    def kind_of(self, wrong):
        """(the exception for these faults, a word on the network): only an order that the network itself changed is no fault."""
        saw = self.stop()
        is_order = all(re.fullmatch(r'in the guest, broadcast: \d+ reordered', what) for what in wrong)
        return TooLate if is_order and any(port['reordered'] for port in saw.values()) else Failed, f' (it saw {saw})' * bool(saw)


class LateSwitch(Stream):
    """It sends to the old port for 300 ms after the guest has moved."""
    name = 'stream through a switch that learns late'
    options = ('--learn-delay-ms', '300')


class LateDgram(Dgram):
    name = 'dgram through a switch that learns late'
    options = ('--learn-delay-ms', '300')


class LateHub(LateSwitch):
    """As a hub, it does not learn at all, and has late entries on top."""
    name = 'stream through a hub with a learning delay'
    options = ('--learn-delay-ms', '300', '--mirror')


class StreamAndDgram(Dgram):
    name = 'stream on one side, dgram on the other'

    def netdev(self, side):
        return Stream.netdev(self, side) if side == 0 else super().netdev(side)


class TapAndStream(Bridged, Switched):
    """A tap on the bridge on one side; on the other our switch, which is a port of the same bridge."""
    name = 'tap on one side, stream on the other'

    def wire(self):
        self.bridge('br0')
        ip('tuntap', 'add', 'sw0', 'mode', 'tap', netns=self.netns)
        self.plug('t0', 'br0')
        self.plug('sw0', 'br0')
        self.plug_client('br0')
        self.socket = self.folder / 'switch.sock'
        self.start_switch('--listen', f'unix:{self.socket}', '--tap', 'sw0')
        ip('link', 'set', 'sw0', 'txqueuelen', '30000', netns=self.netns)

    def netdev(self, side):
        return (Bridged if side == 0 else Stream).netdev(self, side)


class Offloads(OneBridge):
    """64 KiB frames on both sides, or on one only; the guest uses all that it is offered."""
    name = 'tap with offloads'
    vnet = ('on', 'on')

    def open(self):
        super().open()
        # While the guest is asked for its address the kernel keeps few fragments, and drops the others.
        self.keep_guest_address()

    def netdev(self, side):
        return [super().netdev(side)[0], super().netdev(side)[1] + f',vnet_hdr={self.vnet[side]}']

    def device(self, side, extra=''):
        return super().device(side, extra + ',host_mtu=65535')

    def client_command(self):
        return in_netns(self.client_ns, sys.executable, str(ROOT / 'tools/big-frames.py'), 'c0')


class OffloadsHere(Offloads):
    name = 'tap with offloads, and one without'
    vnet = ('on', 'off')


class OffloadsThere(Offloads):
    name = 'tap without offloads, and one with'
    vnet = ('off', 'on')


class OffloadsHub(Offloads, Hub):
    name = 'tap with offloads on a hub'


CARDS = 8


def card_mac(number):
    return MAC[:-2] + f'{int(MAC[-2:], 16) + number:02x}'


class Cards:
    """Mixed into a topology: eight netdevs on each side, a client for each."""
    def netdev_of(self, side, number):
        raise NotImplementedError

    def device(self, side, extra=''):
        args = []
        for i in range(CARDS):
            args += [*self.netdev_of(side, i), '-device',
                     f'virtio-net-device,netdev=n{i},id=nic{i},mac={card_mac(i)}{extra}']
        return args

    def clients(self, *options):
        found = []
        try:
            for i in range(CARDS):
                found.append(Client([*self.client_command(), '--wait', '60000', '--guest', f'10.0.{2 + i}.15', *self.own(i),
                                     *map(str, options)], 65))
        except BaseException:
            for client in found:
                client.close()
            raise
        return found


class CardsOnSwitch(Cards, Stream):
    name = 'eight cards on our switch'

    def netdev_of(self, side, number):
        return ['-netdev', f'stream,id=n{number},server=off,addr.type=unix,addr.path={self.socket}']

    def own(self, number):
        return ['--ip', f'10.0.{2 + number}.2', '--mac', f'52:54:00:00:00:{2 + number:02x}']


class CardsOnLateSwitch(CardsOnSwitch):
    name = 'eight cards on a switch that learns late'
    options = ('--learn-delay-ms', '100')


class CardsOnHub(CardsOnSwitch):
    name = 'eight cards on our hub'
    options = ('--mirror',)


class CardsOnBridge(Cards, OneBridge):
    name = 'eight cards on a bridge'

    def wire(self):
        super().wire()
        for i in range(1, CARDS):
            ip('addr', 'add', f'10.0.{2 + i}.2/24', 'dev', 'c0', netns=self.client_ns)
        for side in (0, 1):
            for i in range(1, CARDS):
                ip('tuntap', 'add', f't{side}-{i}', 'mode', 'tap', netns=self.netns)
                self.plug(f't{side}-{i}', 'br0')
                ip('link', 'set', f't{side}-{i}', 'txqueuelen', '30000', netns=self.netns)

    def netdev_of(self, side, number):
        return ['-netdev',
                f'tap,id=n{number},ifname=t{side}{f"-{number}" if number else ""},script=no,downscript=no']

    def own(self, number):
        return ['--ip', f'10.0.{2 + number}.2']


def read_pcap(path):
    """The frames of a dump."""
    data = Path(path).read_bytes()
    at = PCAP_HEADER
    while at + PCAP_RECORD <= len(data):
        kept = struct.unpack_from('<I', data, at + 8)[0]
        yield data[at + PCAP_RECORD:at + PCAP_RECORD + kept]
        at += PCAP_RECORD + kept


def numbers_in(frames):
    """{flow: [numbers]} of numbered datagrams: echo (to the guest), answers (of it), broadcast."""
    found = {'echo': [], 'answers': [], 'broadcast': []}
    for frame in frames:
        if len(frame) < ETH + IP4 + UDP + 32 or frame[12:14] != b'\x08\x00' or frame[ETH + 9] != 17:
            continue
        source, target = struct.unpack_from('>HH', frame, ETH + IP4)
        magic, _, number, _ = struct.unpack_from('>IIQQ', frame, ETH + IP4 + UDP)
        flow = {PORT_ECHO: 'echo', PORT_BROADCAST: 'broadcast'}.get(target) or (source == PORT_ECHO and 'answers')
        if magic == TRAFFIC_MAGIC and flow:
            found[flow].append(number)
    return found
