# tests/handoff/topology.py - networks for two emulators and a client: bridges with taps, or our own switch.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each topology gives netdev arguments for side 0 and side 1 and starts the traffic client where it belongs.

Bridges and taps live in network namespaces of our own and vanish with them.
"""
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'functional'))
from harness import BUILD, Failed, Skipped, deadline, dying, in_netns, left     # noqa: E402

GUEST_IP, CLIENT_IP = '10.0.2.15', '10.0.2.2'
MAC = '52:54:00:12:34:56'


class Client:
    """The traffic client: runs until stop(), which returns its report."""
    def __init__(self, command, wait_ready=60):
        self.process = subprocess.Popen(dying(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.lines, self.changed, self.ended = [], threading.Condition(), False
        threading.Thread(target=self._read, daemon=True).start()
        self._wait('ready', wait_ready)

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(json.loads(line))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _wait(self, event, seconds):
        until = deadline(seconds)
        with self.changed:
            while True:
                for i, line in enumerate(self.lines):
                    if line['event'] == event:
                        return self.lines.pop(i)
                if self.ended or not left(until):
                    self.process.kill()
                    text = self.process.stderr.read().decode(errors='replace').strip()
                    raise Failed(f'client: no {event!r}: {text or "it does not answer"}')
                self.changed.wait(left(until))

    def _say(self, word):
        self.process.stdin.write(word.encode() + b'\n')
        self.process.stdin.flush()

    def status(self):
        self._say('status')
        return self._wait('status', 10)

    def rate(self, flow, per_second):
        """From now on; returns the status so far."""
        self._say(f'rate {flow} {per_second}')
        return self._wait('status', 10)

    def clock(self, rounds):
        """Guest time less host time, by so many questions: the nearest answer, and what all of them say together."""
        self._say(f'clock {rounds}')
        return self._wait('clock', 30)

    def recent(self, ms):
        """For each flow: [time, how long it took] of everything that arrived during the last milliseconds."""
        self._say(f'recent {ms}')
        return self._wait('recent', 10)

    def run_for(self, seconds):
        """Lets the traffic flow for so long; ends early when the client does."""
        until = deadline(seconds)
        with self.changed:
            while left(until) and not self.ended:
                self.changed.wait(left(until))

    def stop(self):
        if self.process.poll() is None:
            self._say('stop')
        report = self._wait('report', 180)      # a slow guest is waited for
        self.process.wait()
        return report

    def close(self):
        self.process.kill()
        self.process.wait()


class Topology:
    name = '?'

    def __init__(self, folder=None):
        self.own_folder = None if folder else tempfile.mkdtemp(prefix='baton-net-')
        self.folder = Path(folder or self.own_folder)
        self.netns = None                       # of the emulators
        self.processes = []
        try:
            self.open()
        except BaseException:
            self.close()
            raise

    def open(self):
        raise NotImplementedError

    def netdev(self, side):
        """Arguments of the netdev n0 of this side."""
        raise NotImplementedError

    def device(self, side, extra=''):
        return [*self.netdev(side), '-device', f'virtio-net-device,netdev=n0,id=nic0,mac={MAC}{extra}']

    def client_command(self):
        raise NotImplementedError

    def client(self, *options, wait_ready=60):
        return Client([*self.client_command(), '--wait', str(wait_ready * 1000), *map(str, options)], wait_ready + 5)

    def drops(self):
        """What the host itself dropped on the way to the guest."""
        return 0

    def close(self):
        for process in self.processes:
            process.terminate()
            process.wait()
        if self.own_folder:
            shutil.rmtree(self.own_folder, ignore_errors=True)


def ip(*words, netns=None, check=True):
    command = in_netns(netns, 'ip', *words) if netns else ['ip', *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stdout.strip()}")
    return done.returncode == 0


class Bridged(Topology):
    """Two taps in the emulators' namespace, a client in its own, and bridges between them."""
    made = 0

    def open(self):
        if os.geteuid() != 0:
            raise Skipped('taps need root')
        Bridged.made += 1
        self.netns, self.client_ns = (f'baton-{os.getpid()}-{Bridged.made}{side}' for side in 'hc')
        for netns in (self.netns, self.client_ns):
            if not ip('netns', 'add', netns, check=False):
                raise Skipped('network namespaces are not available')
            subprocess.run([*in_netns(netns), 'sh', '-c',
                            'for f in all default; do echo 1 >/proc/sys/net/ipv6/conf/$f/disable_ipv6; done'], check=False)
            ip('link', 'set', 'lo', 'up', netns=netns)
        # No probes after two round trips of silence: what TCP sends again was lost, or waited for 200 ms.
        subprocess.run([*in_netns(self.client_ns), 'sh', '-c',
                        'echo 0 >/proc/sys/net/ipv4/tcp_early_retrans'], check=False)
        for tap in ('t0', 't1'):
            if not ip('tuntap', 'add', tap, 'mode', 'tap', netns=self.netns, check=False):
                raise Skipped('tap interfaces are not available')
        self.wire()
        for tap in ('t0', 't1'):                # a queue for seconds: a busy host is not the handoff's loss
            ip('link', 'set', tap, 'txqueuelen', '30000', 'up', netns=self.netns)

    def bridge(self, name):
        ip('link', 'add', name, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0', netns=self.netns)
        ip('link', 'set', name, 'up', netns=self.netns)

    def plug(self, port, bridge):
        ip('link', 'set', port, 'master', bridge, netns=self.netns)
        ip('link', 'set', port, 'up', netns=self.netns)

    def plug_client(self, bridge):
        ip('link', 'add', 'c0', 'netns', self.client_ns, 'type', 'veth', 'peer', 'name', 'p0', 'netns', self.netns)
        self.plug('p0', bridge)
        ip('addr', 'add', f'{CLIENT_IP}/24', 'dev', 'c0', netns=self.client_ns)
        ip('link', 'set', 'c0', 'up', netns=self.client_ns)

    def keep_guest_address(self):
        """Nobody asks the guest for it, who cannot answer while it is parked; and what waits for an answer is dropped."""
        ip('neigh', 'replace', GUEST_IP, 'lladdr', MAC, 'nud', 'permanent', 'dev', 'c0', netns=self.client_ns)

    def wire(self):
        raise NotImplementedError

    def netdev(self, side):
        return ['-netdev', f'tap,id=n0,ifname=t{side},script=no,downscript=no']

    def client_command(self):
        return in_netns(self.client_ns, str(BUILD / 'tests/tools/traffic-client'))

    def drops(self):
        done = subprocess.run(in_netns(self.netns, 'ip', '-s', '-j', 'link'), stdout=subprocess.PIPE, check=True)
        links = {link['ifname']: link for link in json.loads(done.stdout)}
        return super().drops() + sum(links[t]['stats64']['tx']['dropped'] for t in ('t0', 't1') if t in links)

    def close(self):
        super().close()
        for netns in (self.netns, getattr(self, 'client_ns', None)):
            if netns:
                ip('netns', 'del', netns, check=False)


class OneBridge(Bridged):
    name = 'tap on one bridge'

    def wire(self):
        self.bridge('br0')
        self.plug('t0', 'br0')
        self.plug('t1', 'br0')
        self.plug_client('br0')


class ThreeBridges(Bridged):
    """Two hosts with a bridge each, joined by a third: the turn of the path is learnt one hop away."""
    name = 'two bridges joined by a third'

    def wire(self):
        for bridge in ('br0', 'br1', 'core'):
            self.bridge(bridge)
        for side in (0, 1):
            ip('link', 'add', f'up{side}', 'type', 'veth', 'peer', 'name', f'down{side}', netns=self.netns)
            self.plug(f'up{side}', f'br{side}')
            self.plug(f'down{side}', 'core')
            self.plug(f't{side}', f'br{side}')
        self.plug_client('core')


class Switched(Topology):
    options = ()
    switches = ()

    def start_switch(self, *options):
        command = [str(BUILD / 'tests/tools/switch'), *self.options, *options]
        if self.netns:
            command = in_netns(self.netns, *command)
        process = subprocess.Popen(dying(command), stdout=subprocess.PIPE, bufsize=0)
        self.processes.append(process)
        self.switches = [*self.switches, process]
        until = deadline(10)
        if not select.select([process.stdout], [], [], left(until))[0] or process.stdout.readline() != b'ready\n':
            raise Failed('the switch does not start')

    def open(self):
        self.socket = self.folder / 'switch.sock'
        self.start_switch('--listen', f'unix:{self.socket}')

    def drops(self):
        """What the switch did not deliver, on all its ports and on those that are gone."""
        total = super().drops()
        for process in self.switches:
            process.send_signal(signal.SIGUSR1)
            until = deadline(10)
            for line in iter(lambda: self.line_of(process, until), None):
                total += json.loads(line)['dropped']
                if b'"gone"' in line:
                    break
        return total

    @staticmethod
    def line_of(process, until):
        return process.stdout.readline() or None if select.select([process.stdout], [], [], left(until))[0] else None

    def client_command(self):
        return [str(BUILD / 'tests/tools/traffic-client'), '--stream', f'unix:{self.socket}']


class Stream(Switched):
    name = 'stream through the switch'

    def netdev(self, side):
        return ['-netdev', f'stream,id=n0,server=off,addr.type=unix,addr.path={self.socket}']


class MirroredStream(Stream):
    """A hub: both sides see every frame, so each must be given to the guest once."""
    name = 'stream through a hub'
    options = ('--mirror',)


class Dgram(Switched):
    """A socket queues ten datagrams by default, which costs a process switch each time; root may have a longer queue."""
    name = 'dgram through the switch'
    QUEUE = 512
    made = 0

    def open_namespace(self):
        Dgram.made += 1
        netns = f'baton-{os.getpid()}-d{Dgram.made}'
        if os.geteuid() == 0 and ip('netns', 'add', netns, check=False):
            self.netns = netns
            ip('link', 'set', 'lo', 'up', netns=netns)
            subprocess.run([*in_netns(netns), 'sh', '-c',
                            f'echo {self.QUEUE} >/proc/sys/net/unix/max_dgram_qlen'], check=False)

    def close(self):
        super().close()
        if self.netns:
            ip('netns', 'del', self.netns, check=False)

    def open(self):
        self.open_namespace()
        self.socket = self.folder / 'switch.sock'
        pairs = []
        for side in (0, 1):
            pairs += ['--dgram', f'{self.folder}/sw{side}={self.folder}/em{side}']
        self.start_switch('--listen', f'unix:{self.socket}', *pairs)

    def netdev(self, side):
        return ['-netdev', f'dgram,id=n0,local.type=unix,local.path={self.folder}/em{side},'
                f'remote.type=unix,remote.path={self.folder}/sw{side}']
