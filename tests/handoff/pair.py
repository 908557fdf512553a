# tests/handoff/pair.py - two emulators, one guest: starts the pair, hands over, says what it cost.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Pair(...).move() is one handoff: a new process waits for the guest, the old one gives it away and ends.

What was lost is counted by the client and in the guest's memory; the emulators' own reports are compared with that.
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'functional'))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import harness as base                                                                          # noqa: E402
from harness import Emulator, Failed, GuestFiles, QmpError, Skipped, bare_args, machine_args    # noqa: E402,F401
from topology import CLIENT_IP, GUEST_IP                                                        # noqa: E402

ENDED = ('completed', 'failed', 'cancelled')


class Move:
    """What one handoff cost, in seconds of CLOCK_REALTIME and in the words of query-migrate."""
    def __init__(self, source, target, since_source, since_target):
        self.stop = self._at(source, 'STOP', since_source)
        self.resume = self._at(target, 'RESUME', since_target)
        self.source = source.qmp.execute('query-migrate')
        self.target = target.qmp.execute('query-migrate')

    @staticmethod
    def _at(emulator, name, since):
        return emulator.qmp.event(name, 30, since=since)['at']

    @property
    def pause_ms(self):
        return (self.resume - self.stop) * 1000

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
        """The reports per netdev, empty when there are none."""
        report = (self.source if side == 'source' else self.target).get('netpass', [])
        return report.get('netdevs', []) if isinstance(report, dict) else report


class Pair:
    """The guest and the process that has it now."""
    def __init__(self, topology, guest_args, folder, binary=None, netpass=True, transport='unix', machine=None,
                 parameters=None):
        self.topology, self.guest_args, self.folder = topology, guest_args, Path(folder)
        self.binary, self.transport = binary, transport
        self.machine = machine or machine_args()
        self.parameters = parameters or {}
        self.side, self.moves, self.number = 0, [], 0
        self.is_qemu = Path(binary or base.EMULATOR).name.startswith('qemu')
        self.netpass = netpass and not self.is_qemu
        self.emulators = []
        self.now = self.start(0)

    def start(self, side, *extra):
        self.number += 1
        emulator = Emulator([*self.machine, *self.guest_args, *self.topology.device(side), *extra], f'vm{self.number}',
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
        self.now.qmp.execute('migrate', {'uri': uri})
        return since

    def finish(self, target, since, seconds=60):
        """Waits for the end, checks it, and makes the target the one that has the guest."""
        event = self.now.qmp.event('MIGRATION', seconds, since=since, status=ENDED)
        if event['data']['status'] != 'completed':
            raise Failed(f"handoff {event['data']['status']}: "
                         + str(self.now.qmp.execute('query-migrate').get('error-desc', '')))
        target.qmp.event('MIGRATION', 30, status='completed')
        move = Move(self.now, target, since, 0)
        self.moves.append(move)
        return move

    def retire(self, target):
        """Ends the old process; the new one takes its place."""
        self.now.quit()
        self.now, self.side = target, 1 - self.side

    def move(self, seconds=60):
        target, uri = self.listen()
        since = self.begin(uri)
        move = self.finish(target, since, seconds)
        self.retire(target)
        return move

    def close(self):
        for emulator in self.emulators:
            emulator.close()


def debian_args(mode='traffic', more=''):
    return GuestFiles().args(f'baton.ip={GUEST_IP}/24 baton.gw={CLIENT_IP} baton.mode={mode} {more}')


# TCP's shortest retransmission time-out is 200 ms: a lost segment of the request/response flow shows as a silence of that
# length.  Shorter ones are the host's scheduler as well as ours, so bench/handoff measures them and no test judges them.
TIMEOUT_MS = 190


def check_report(report, moves=(), slack_ms=TIMEOUT_MS, tcp=True):
    """Nothing lost, doubled or reordered in any flow; no retransmission time-out; the bytes of the bulk flows right."""
    wrong = []
    for flow in ('echo', 'from_guest'):
        for what in ('lost', 'duplicated', 'reordered'):
            if report[flow][what]:
                wrong.append(f'{flow}: {report[flow][what]} {what} of {report[flow]["sent"]}')
    guest = report['guest'] or {}
    if guest.get('echo', {}).get('received') != report['echo']['sent']:
        wrong.append(f"the guest counted {guest.get('echo')} of {report['echo']['sent']} sent")
    for flow in ('echo', 'broadcast'):
        for what in ('lost', 'duplicated', 'reordered'):
            if guest.get(flow, {}).get(what):
                wrong.append(f'in the guest, {flow}: {guest[flow][what]} {what}')
    if report['broadcast_sent'] and guest.get('broadcast', {}).get('received') != report['broadcast_sent']:
        wrong.append(f"broadcast: the guest got {guest.get('broadcast')} of {report['broadcast_sent']}")
    if tcp:
        wrong += check_tcp(report, guest, moves, slack_ms)
    if report['bad_frames']:
        wrong.append(f"{report['bad_frames']} damaged frames")
    if wrong:
        raise Failed('; '.join(wrong))


def check_tcp(report, guest, moves, slack_ms):
    wrong = []
    for flow in ('request', 'bulk_up', 'bulk_down'):
        if report[flow]['closed'] or report[flow]['errors']:
            wrong.append(f"{flow}: {report[flow]['errors']} errors, {report[flow]['closed'] or 'open'}")
    # A bulk flow sends a tail loss probe after two round trips of silence, which on a busy host happens without any
    # handoff too; that nothing was lost is said by the numbered flows.
    if report['request']['retransmissions']:
        wrong.append(f"request: {report['request']['retransmissions']} retransmissions")
    if guest.get('bulk_errors'):
        wrong.append(f"the guest: {guest.get('bulk_errors')} wrong bytes")
    if moves:
        bound = max(m.pause_ms for m in moves) + slack_ms * base.PATIENCE
        if report['request']['longest_gap_ms'] > bound:
            wrong.append(f"request/response silent for {report['request']['longest_gap_ms']} ms (bound {bound:.0f})")
    return wrong


def check_move(move):
    """What the emulators say must agree with what was seen."""
    wrong = []
    if move.downtime_ms is None:
        wrong.append('no downtime reported')
    elif abs(move.downtime_ms - move.pause_ms) > max(1.0, move.pause_ms * 0.1) * base.PATIENCE:
        wrong.append(f'downtime {move.downtime_ms} ms reported, {move.pause_ms:.1f} ms between the events')
    for side in ('source', 'target'):
        for netdev in move.netpass(side):
            if netdev.get('ordered') is False:
                wrong.append(f'{side}: netdev {netdev} was not ordered')
    if wrong:
        raise Failed('; '.join(wrong))
