# scripts/demo_picture.py - from what both processes and the client said of a handoff to what timeline.py draws.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Times are seconds of CLOCK_REALTIME: QMP event timestamps, the client's clock, and the parts of the pause between them."""
import timeline

PARTS = ('stop', 'last-ram', 'state', 'load', 'start')
FLOWS = [
    ('echo', 'UDP to the guest', 'sent above, answered below', 'pairs'),
    ('from_guest', 'UDP from the guest', 'arrived', 'ticks'),
    ('request', 'TCP request', 'asked above, answered below', 'pairs'),
    ('bulk_up', 'TCP bulk to it', 'sent', 'ticks'),
    ('bulk_down', 'TCP bulk from it', 'arrived', 'ticks'),
]
FAR = 10.0                          # seconds: beyond the picture's edges


def netpass_sums(move):
    """Over all netdevs: what the source held, what of it the target gave to the guest, and what the target itself had
    received meanwhile; None without netpass."""
    source, target = move.netpass('source'), move.netpass('target')
    if not source and not target:
        return None

    def add(reports, name):
        return sum(r.get(name, 0) or 0 for r in reports)
    given = add(target, 'forwarded')
    return {'held': add(source, 'captured'), 'given': given, 'own': max(add(target, 'injected') - given, 0)}


def gap_around(times, stop, resume):
    """(from, to) of the longest silence that touches the pause."""
    return timeline.longest_gap(sorted(times), {'stop': stop, 'resume': resume})


def parts_of(move):
    """Seconds of each part of the pause, as the source reports them; empty when it does not."""
    pause = move.source.get('pause') or {}
    return {name: pause[name] / 1000 for name in PARTS if isinstance(pause.get(name), (int, float))}


def milestones(move):
    """When what happened: the harts stand still at STOP, the end of the part `stop`; the start is the other side's own event."""
    parts, at = parts_of(move), move.stop
    times = {'frozen': move.stop, 'stopped': move.stop, 'running': move.resume}
    if len(parts) == len(PARTS):
        times['frozen'] = move.stop - parts['stop']
        for name, what in (('last-ram', 'ram'), ('state', 'state'), ('load', 'ready')):
            at += parts[name]
            times[what] = min(at, move.resume)
        times['started'] = max(at + parts['start'], move.resume)
    return times


def events_of(move, times):
    names = [('stopped', 'harts stopped', 'source'), ('state', 'state sent', 'source'), ('ready', 'READY', 'target'),
             ('run', 'RUN', 'source'), ('running', 'harts run', 'target'), ('started', 'VM_STARTED', 'source')]
    times = dict(times)
    if 'ready' in times:
        times['run'] = times['ready']
    return [{'t': times[key], 'name': name, 'side': side, 'when': f'{(times[key] - move.stop) * 1000:+.2f} ms'}
            for key, name, side in names if key in times]


def spans_of(move, times):
    stop, resume = times['stopped'], times['running']
    source = [('run', stop - FAR, times['frozen'], 'runs the guest')]
    target = [('wait', stop - FAR, times.get('state', resume), 'receives RAM'), ('run', resume, resume + FAR, 'runs the guest')]
    if 'state' in times:
        source += [('stop', times['frozen'], stop, 'stop'), ('ram', stop, times['ram'], 'last RAM'),
                   ('state', times['ram'], times['state'], 'state')]
        target += [('load', times['state'], times['ready'], 'load'), ('start', times['ready'], resume, 'start')]
    if netpass_sums(move):
        source.append(('forward', max(resume, times.get('started', resume)), resume + FAR, 'forwards what still comes'))

    def rows(spans):
        return [{'kind': kind, 'from': a, 'to': b, 'label': label} for kind, a, b, label in spans]
    return {'source': rows(source), 'target': rows(target)}


def messages_of(times):
    if 'state' not in times:
        return []
    ready, state = times['ready'], times['state']
    return [
        {'name': 'RAM and devices', 'from': 'source', 'sent': times['stopped'], 'until': state, 'got': times['stopped'],
         'got_until': state},
        {'name': 'READY', 'from': 'target', 'sent': ready, 'got': ready},
        {'name': 'RUN', 'from': 'source', 'sent': ready, 'got': min(ready + 0.0001, times['running'])},
        {'name': 'VM_STARTED', 'from': 'target', 'sent': times['running'], 'got': max(times['started'], times['running'])},
    ]


def flows_of(move):
    return [{'name': name, 'note': note, 'kind': kind, 'marks': move.arrivals[key]}
            for key, name, note, kind in FLOWS if move.arrivals.get(key)]


def describe(moves, title, memory, network):
    move, times = moves[-1], milestones(moves[-1])
    sums = netpass_sums(move)
    wrong = [f'{count} {what}' for count, what in ((move.lost, 'lost'), (move.doubled, 'doubled'),
                                                   (move.reordered, 'reordered')) if count]
    outcome = f"datagrams: {', '.join(wrong)}" if wrong else 'nothing is lost'
    return {
        'title': f'Handoff {len(moves)}: a running guest changes its process in {move.pause_ms:.1f} ms; {outcome}',
        'subtitle': f'{title} · {memory} of memory · {network} · {move.ram_mb:.0f} MB of RAM at {move.mb_per_s:.0f} MB/s · '
                    '0 ms is where the harts stopped',
        'stop': move.stop, 'resume': move.resume, 'events': events_of(move, times), 'messages': messages_of(times),
        'spans': spans_of(move, times), 'flows': flows_of(move),
        'parts': ' · '.join(f'{name.replace("-", " ")} {ms * 1000:.2f}' for name, ms in parts_of(move).items()) +
                 (' ms' if parts_of(move) else ''),
        'notes': {'source': f'pid {move.pids[0]}', 'target': f'pid {move.pids[1]}'},
        'netpass': dict(sums, **{'from': times['frozen'], 'to': times.get('ready', move.resume)}) if sums else None,
    }
