# tests/handoff/pair.py - two emulators, one guest: starts the pair, hands over, says what it cost.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Pair(...).move() is one handoff: a new process waits for the guest, the old one gives it away and ends.

What was lost is counted by the client and in the guest's memory; the emulators' own reports are compared with that.
"""
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'functional'))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import harness as base                                                                          # noqa: E402
from harness import Emulator, Failed, GuestFiles, QmpError, Skipped, TooLate, bare_args, machine_args    # noqa: E402,F401
from topology import CLIENT_IP, GUEST_IP                                                        # noqa: E402

ENDED = ('completed', 'failed', 'cancelled')


class NoNetwork:
    """For guests that have none."""
    netns = None

    @staticmethod
    def device(side):
        return []


def netdevs(info):
    """What query-migrate says of each netdev; nothing where there is no netpass."""
    return info.get('netpass', {}).get('netdevs', [])


class Attempt:
    """A handoff, or one that was given up: its times in seconds of CLOCK_REALTIME."""
    def __init__(self, prepared, began, stop, resume):
        self.prepared, self.began = prepared, began     # the new process was started; the source was told to migrate
        self.stop, self.resume = stop, resume           # by QMP's events, of whichever process

    @property
    def pause_ms(self):
        return (self.resume - self.stop) * 1000


class Move(Attempt):
    """What one handoff cost, in the words of query-migrate of both sides."""
    def __init__(self, source, target, since, prepared=0.0, began=0.0):
        super().__init__(prepared, began, source.qmp.event('STOP', 30, since=since)['at'],
                         target.qmp.event('RESUME', 30)['at'])
        self.source = source.qmp.execute('query-migrate')
        self.target = target.qmp.execute('query-migrate')

    @property
    def downtime_ms(self):
        return self.source.get('downtime')

    @property
    def ram_mb(self):
        return self.source.get('ram', {}).get('transferred', 0) / 1e6

    @property
    def mb_per_s(self):
        ms = self.source.get('total-time', 0) - self.source.get('setup-time', 0)
        return self.ram_mb / (ms / 1000) if ms > 0 else 0.0

    def netpass(self, side='target'):
        return netdevs(self.source if side == 'source' else self.target)


class Pair:
    """The guest and the process that has it now."""
    def __init__(self, topology, guest_args, folder, binary=None, netpass=True, transport='unix', machine=None,
                 parameters=None, more=lambda number: []):
        self.more = more
        self.topology, self.guest_args, self.folder = topology, guest_args, Path(folder)
        self.binary, self.transport = binary, transport
        self.machine = machine or machine_args()
        self.parameters = parameters or {}
        self.side, self.number = 0, 0
        self.moves, self.attempts = [], []      # the handoffs; with them those that were given up
        self.prepared = self.began = 0.0
        self.is_qemu = Path(binary or base.EMULATOR).name.startswith('qemu')
        self.netpass = netpass and not self.is_qemu
        self.emulators = []
        self.now = self.start(0)

    def start(self, side, *extra):
        self.number += 1
        emulator = Emulator([*self.machine, *self.guest_args, *self.topology.device(side), *self.more(self.number),
                             *extra], f'vm{self.number}',
                            self.binary, self.topology.netns, self.folder)
        self.emulators.append(emulator)
        return emulator

    def capabilities(self):
        names = ['events', 'return-path'] + (['netpass'] if self.netpass else [])
        return {'capabilities': [{'capability': name, 'state': True} for name in names]}

    def prepare(self, emulator):
        emulator.qmp.execute('migrate-set-capabilities', self.capabilities())
        values = dict(self.parameters)
        if self.is_qemu:
            values.setdefault('max-bandwidth', 1 << 40)         # QEMU's default is a limit; ours is none
        if values:
            emulator.qmp.execute('migrate-set-parameters', values)

    def uri(self):
        if self.transport == 'tcp':
            return 'tcp:127.0.0.1:0'
        return f'unix:{self.folder}/mig{self.number}.sock'

    def listen(self, *extra):
        """A process that waits for the guest on the other side; returns it and where it waits."""
        self.prepared = time.time()
        target = self.start(1 - self.side, '-incoming', 'defer', *extra)
        self.prepare(target)
        uri = self.uri()
        target.qmp.execute('migrate-incoming', {'uri': uri})
        if self.transport == 'tcp':
            where = target.qmp.execute('query-migrate')['socket-address'][0]
            uri = f"tcp:{where['host']}:{where['port']}"
        return target, uri

    def begin(self, uri):
        """Starts the migration of the process that has the guest; returns the place in its events."""
        self.prepare(self.now)
        since = self.now.qmp.mark()
        self.began = time.time()
        self.now.qmp.execute('migrate', {'uri': uri})
        return since

    def finish(self, target, since, seconds=60):
        """Waits for the end, checks it, and makes the target the one that has the guest."""
        event = self.now.qmp.event('MIGRATION', seconds, since=since, status=ENDED)
        if event['data']['status'] != 'completed':
            raise Failed(f"handoff {event['data']['status']}: "
                         + str(self.now.qmp.execute('query-migrate').get('error-desc', '')))
        target.qmp.event('MIGRATION', 30, status='completed')
        move = Move(self.now, target, since, self.prepared, self.began)
        self.moves.append(move)
        self.attempts.append(move)
        return move

    def to_switchover(self):
        """Everything is sent but the devices, the harts stand still: (target, place in the events)."""
        target, uri = self.listen()
        self.pause_at_switchover(True)
        since = self.begin(uri)
        self.now.qmp.event('MIGRATION', 30, since=since, status='pre-switchover')
        return target, since

    def pause_at_switchover(self, on):
        self.now.qmp.execute('migrate-set-capabilities',
                             {'capabilities': [{'capability': 'pause-before-switchover', 'state': on}]})

    def taken_back(self, since):
        """Waits until the source runs the guest again after a handoff that was given up."""
        stop, resume = (self.now.qmp.event(name, 20, since=since)['at'] for name in ('STOP', 'RESUME'))
        self.attempts.append(Attempt(self.prepared, self.began, stop, resume))
        self.pause_at_switchover(False)

    def retire(self, target):
        """Ends the old process, which waits for its tail; the new one takes its place and has its last word."""
        self.now.quit()
        if self.moves:
            if self.netpass:
                target.qmp.event('NETPASS_ENDED', 20)   # the account is closed
            self.moves[-1].target = target.qmp.execute('query-migrate')
        self.now, self.side = target, 1 - self.side

    def move(self, seconds=60):
        target, uri = self.listen()
        since = self.begin(uri)
        move = self.finish(target, since, seconds)
        self.retire(target)
        return move

    def move_parked(self, wait, seconds=60):
        """The new process gets the guest stopped (-S) and is told to run it after wait()."""
        target, uri = self.listen('-S')
        since = self.begin(uri)
        self.now.qmp.event('MIGRATION', seconds, since=since, status='completed')
        wait()
        target.qmp.execute('cont')
        move = self.finish(target, since)
        self.retire(target)
        return move

    def close(self):
        for emulator in self.emulators:
            emulator.close()


def debian_args(mode='traffic', more=''):
    return GuestFiles().args(f'baton.ip={GUEST_IP}/24 baton.gw={CLIENT_IP} baton.mode={mode} {more}')
