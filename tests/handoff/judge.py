# tests/handoff/judge.py - what a handoff may cost: nothing lost, no segment that had to be sent again, a bounded silence.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The silence of the request/response flow is judged against the same run without a handoff: same client, guest and load.

docs/testing.md, "What a handoff may cost", says why.  Times are seconds of CLOCK_REALTIME, silences milliseconds.
"""
import bisect
import statistics
from collections import namedtuple

from pair import Failed, Move, TooLate, base

Stretch = namedtuple('Stretch', 'begin end')
FLOWS = ('request', 'bulk_up', 'bulk_down')
WORST_MS, MEDIAN_MS = 30, 10        # what a silence may be longer than the pause
BEFORE, AFTER = 0.02, 0.1           # still the handoff's: the gate, the first instructions of the new process
SENT_AGAIN_AFTER = 0.5              # a time-out that began in the handoff is over by then
NOTED_MS = 4                        # the client notes silences from here on
TIMEOUT_MS = 200                    # TCP's shortest
BUSY_MS = 50                        # a silence of which the host took more is the host's,
OWN_FRAMES = 12                     # announcements and markers of one handoff
BUSY_SHARE, BUSY_BEFORE = 0.3, 1.0  # or one behind a second of which it took such a part


class Silences:
    """Silences of the request/response flow, less the time in which the host let nobody run who had to act."""
    def __init__(self, report, waits):
        self.gaps, self.own, self.waits = report['request']['gaps'], report['client']['gaps'], waits
        self.ends = {id(gaps): [at + ms / 1000 for at, ms in gaps] for gaps in (self.gaps, self.own)}

    def touching(self, gaps, begin, end):
        """Those of the gaps, which come one after the other."""
        for i in range(bisect.bisect_right(self.ends[id(gaps)], begin), len(gaps)):
            if gaps[i][0] >= end:
                return
            yield gaps[i]

    def is_busy(self, stretch, taken):
        """Whether a silence says something about the host and not about us."""
        return taken > BUSY_MS or self.held_up(stretch.begin - BUSY_BEFORE, stretch.end) > BUSY_SHARE * BUSY_BEFORE * 1000

    def held_up(self, begin, end):
        """What the scheduler took: from the emulators' threads, and from the client, whose own loop stood still."""
        own = sum(max(0, min(end, at + ms / 1000) - max(begin, at)) * 1000 for at, ms in self.touching(self.own, begin, end))
        return own + (self.waits.within(begin, end) if self.waits else 0)

    def longest(self, stretch, but=()):
        """(the longest that touches the stretch and none of the others, how much of it the host took)"""
        longest, taken = NOTED_MS, 0
        for at, ms in self.touching(self.gaps, *stretch):
            gap = Stretch(at, at + ms / 1000)
            if ms > longest and touch(gap, stretch) and not any(touch(gap, other) for other in but):
                by_host = min(ms, self.held_up(at, at + ms / 1000))
                if ms - by_host >= longest:
                    longest, taken = ms - by_host, by_host
                taken = max(taken, by_host)
        return longest, taken


def touch(one, other):
    return one.begin < other.end and one.end > other.begin


def switchovers(moves):
    return [Stretch(m.stop - BEFORE, m.resume + AFTER) for m in moves]


def rounds(moves):
    """While RAM is sent and the guest runs."""
    return [Stretch(m.began, m.stop) for m in moves]


def undisturbed(report, moves):
    """Where the guest just ran, before the first handoff and after each, in pieces as long as a short switchover."""
    begins = [report['began'] + AFTER] + [m.resume + 2 * AFTER for m in moves]
    ends = [m.prepared for m in moves] + [report['began'] + report['sending']]
    length = BEFORE + AFTER
    return [Stretch(b + i * length, b + (i + 1) * length) for b, e in zip(begins, ends) for i in range(int((e - b) / length))]


# What waited during the pause is answered first, in order: so many datagrams a second when the guest has got behind.
CATCHING_UP = 15000


class Figures:
    """The silences of one run: `over`, of the handoffs, beyond the pause; `usual`, without one; `rounds`, while RAM is sent.

    Where the host was busy nothing is said about us: such handoffs are counted in `unjudged`.
    """
    def __init__(self, report, moves, waits=None):
        silences = Silences(report, waits)
        at_moves = switchovers(moves)

        def judged(stretches, but=()):
            found = [(i, s, *silences.longest(s, but)) for i, s in enumerate(stretches)]
            return [(i, ms) for i, s, ms, taken in found if not silences.is_busy(s, taken)]

        rate = report['echo']['sent'] / report['sending']
        self.over = [ms - moves[i].pause_ms * (1 + rate / CATCHING_UP) for i, ms in judged(at_moves)]
        self.unjudged = len(moves) - len(self.over)
        self.charged = max((m.pause_ms for m in moves), default=0)
        self.usual = [ms for _, ms in judged(undisturbed(report, moves), at_moves)] or [NOTED_MS]
        self.rounds = [ms for _, ms in judged(rounds(moves), at_moves)]
        self.host = silences.held_up(report['began'], report['began'] + report['sending']) / report['sending'] / 10

    def __str__(self):
        return (f'silence beyond the pause: {listed(self.over)} ms; without a handoff: median '
                f'{statistics.median(self.usual):.1f}, worst {max(self.usual):.1f} ms; while RAM was sent: '
                f'{listed(self.rounds)} ms; the host took {self.host:.0f} % of the time'
                + (f', too much in {self.unjudged} handoffs' if self.unjudged else ''))


def listed(figures):
    return ', '.join(f'{f:.1f}' for f in figures) or '-'


def check_gaps(figures):
    wrong = []
    # The guest's clock goes on in the pause, and its scheduler takes it for time of the process that had just run: where others
    # want the processor this one waits as long again.  Should it be the one that answers, the silence is twice the pause.
    for name, figure, limit, needed in (('worst', max, WORST_MS + figures.charged, 1), ('median', statistics.median, MEDIAN_MS, 3)):
        usual = figure(figures.usual)
        if len(figures.over) >= needed and figure(figures.over) > limit * base.PATIENCE + usual:
            wrong.append(f'request/response: the {name} silence is {figure(figures.over):.1f} ms longer than its pause '
                         f'(bound {limit:.0f} ms and the {usual:.1f} ms of a stretch without a handoff)')
    return wrong


def check_resent(report, guest, silences, moves):
    """Nothing was sent again, with a handoff or without, but where the host stood still for half a time-out."""
    def is_excused(at):
        return (silences.held_up(at - SENT_AGAIN_AFTER, at) > TIMEOUT_MS / 2 or
                any(m.stop <= at <= m.resume + SENT_AGAIN_AFTER for m in moves if m.pause_ms > TIMEOUT_MS))

    wrong = []
    for flow in FLOWS:
        events = [(at, count) for at, count, _ in report[flow]['sent_again'] if count and not is_excused(at)]
        if events:
            where = ', '.join(near(at, moves) for at, _ in events)
            wrong.append(f'{flow}: {sum(count for _, count in events)} retransmissions ({where})')
    sent_again = guest.get('tcp_retransmissions', 0) - guest.get('tcp_needless', 0)
    times = (report['began'] + n * SENT_AGAIN_AFTER / 2 for n in range(int(report['seconds'] / SENT_AGAIN_AFTER * 2)))
    if sent_again > 0 and not any(map(is_excused, times)):          # the guest does not say when
        wrong.append(f'the guest: {sent_again} retransmissions')
    return wrong


def near(at, moves):
    """The time as a reader wants it."""
    move = min(moves, key=lambda m: abs(m.stop - at), default=None)
    return f'{(at - move.stop) * 1000:+.0f} ms from the stop of handoff {moves.index(move) + 1}' if move else f'{at:.3f}'


def check_tcp(report, guest):
    wrong = []
    for flow in FLOWS:
        if report[flow]['closed'] or report[flow]['errors']:
            wrong.append(f"{flow}: {report[flow]['errors']} errors, {report[flow]['closed'] or 'open'}")
    if guest.get('bulk_errors'):
        wrong.append(f"the guest: {guest.get('bulk_errors')} wrong bytes")
    return wrong


def check_numbers(report, guest):
    """The numbered flows, as the client and as the guest's memory count them."""
    wrong = []
    for where, flows, names in (('', report, ('echo', 'from_guest')), ('in the guest, ', guest, ('echo', 'broadcast'))):
        for flow in names:
            for what in ('lost', 'duplicated', 'reordered'):
                if flows.get(flow, {}).get(what):
                    wrong.append(f'{where}{flow}: {flows[flow][what]} {what}')
    for flow, sent in (('echo', report['echo']['sent']), ('broadcast', report['broadcast_sent'])):
        if sent and guest.get(flow, {}).get('received') != sent:
            wrong.append(f'{flow}: the guest counted {guest.get(flow)} of {sent}')
    return wrong


def check_report(report, moves=(), waits=None, tcp=True):
    """Nothing lost, doubled or reordered in any flow; with tcp, on a machine of its own: nothing sent again, and no silence
    beyond the bound.  `make check` may run where memory comes slowly from a host that nobody sees: it judges no times."""
    guest = report['guest'] or {}
    if guest:
        check_account([report], [move for move in moves if isinstance(move, Move)])
    wrong = check_numbers(report, guest)
    if tcp:
        wrong += check_tcp(report, guest)
    if tcp and base.FULL:
        wrong += check_resent(report, guest, Silences(report, waits), moves) + check_gaps(Figures(report, moves, waits))
    if report['bad_frames']:
        wrong.append(f"{report['bad_frames']} damaged frames")
    if wrong:
        raise Failed('; '.join(wrong))


def whose(why, report, drops):
    """The failure again, as one of the machine if nothing is wrong but frames that the network says it dropped itself: on a
    busy host a switch or a kernel has no room for what nobody has had the time to read."""
    guest = report['guest'] or {}
    flows = report['echo'], report['from_guest'], guest.get('echo', {}), guest.get('broadcast', {})
    lost = (max(flows[0]['lost'], flows[2].get('lost', 0)) + flows[1]['lost'] +
            report['broadcast_sent'] - flows[3].get('received', 0))
    is_only_lost = guest and not any(f.get(what) for f in flows for what in ('duplicated', 'reordered'))
    kind = TooLate if is_only_lost and 0 < lost <= drops and not report['bad_frames'] else type(why)
    return kind(f'{why} (the network dropped {drops})')


def check_order(moves):
    """The last word of both sides: the gate has opened, and in order."""
    wrong = []
    for move in moves:
        for side in ('source', 'target'):
            for netdev in move.netpass(side):
                if netdev.get('ordered') is False or (side == 'target' and netdev.get('state') == 'gate'):
                    wrong.append(f'{side}: netdev {netdev} was not ordered')
    if wrong:       # its deadline is a time like others
        raise TooLate('; '.join(wrong))


def given_up(moves, what='refused'):
    """Frames for the guest that did not fit a bound, as the last word of the destinations says."""
    return sum(netdev.get(what, 0) for move in moves for netdev in move.netpass())


def missing(report):
    guest = report['guest']
    return (report['echo']['sent'] - guest['echo']['received'] + report['broadcast_sent'] - guest['broadcast']['received'] +
            report['plain_sent'] - guest.get('plain', 0))


def check_account(reports, moves, at_bound=False):
    """What was given up is what is missing; and it is given up at a bound only, by a host that is too slow for its deadlines."""
    told = given_up(moves)
    if told and all(report['guest'] for report in reports):
        lost = sum(map(missing, reports))
        is_exact = lost <= told <= lost + given_up(moves, 'refused-group') + OWN_FRAMES * len(moves)
        raise (TooLate if is_exact and at_bound else Failed)(f'{lost} frames are missing, {told} were given up; '
                                                             + '; '.join(map(said, moves)))


def said(move):
    """What both sides said, in one line of a failure."""
    return ' | '.join(f'{side}: ' + ', '.join(f'{k}={v}' for k, v in netdev.items() if v not in (0, False))
                      for side in ('source', 'target') for netdev in move.netpass(side))


def check_move(move):
    """What the emulators say must agree with what was seen.  After retire()."""
    check_order([move])
    if move.downtime_ms is None:
        raise Failed('no downtime reported')
    if abs(move.downtime_ms - move.pause_ms) > max(1.0, move.pause_ms * 0.1) * base.PATIENCE:
        raise TooLate(f'downtime {move.downtime_ms} ms reported, {move.pause_ms:.1f} ms between the events')
