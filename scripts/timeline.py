#!/usr/bin/env python3
# scripts/timeline.py - draws one handoff as an SVG: both processes, the messages between them, the frames, each flow.
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: timeline.py last-handoff.json >handoff.svg      (scripts/demo.py writes the JSON; times are seconds)"""
import json
import sys
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 1280, 196, 36
PLOT = WIDTH - LEFT - RIGHT
INK, FAINT, RULE, PAUSE = '#23272f', '#6b7280', '#e3e6ea', '#fdf3dc'
SOURCE, TARGET, WORK, HELD, BAD = '#3b6fb6', '#2f8f5b', '#c9d6e8', '#d98a1f', '#c0392b'
KINDS = {'run': None, 'stop': '#a9bedb', 'ram': '#8fb0dc', 'state': '#6e97d0', 'load': '#9fd0b5', 'wait': '#eef1f5',
         'forward': '#dfe8f4', 'start': '#6dbb90'}
STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
STYLE = '''text{font-family:"DejaVu Sans","Segoe UI",Helvetica,Arial,sans-serif;font-size:12px;fill:%s}
.title{font-size:20px;font-weight:bold}.sub{font-size:13px;fill:%s}.lane{font-size:13px;font-weight:bold}
.small{font-size:11px;fill:%s}.strong{font-weight:bold}''' % (INK, FAINT, FAINT)


class Picture:
    """Collects SVG elements; x() turns a time into a place."""
    def __init__(self, begin, end):
        self.begin, self.end, self.parts = begin, end, []

    def far_x(self, t):
        return LEFT + (t - self.begin) / (self.end - self.begin) * PLOT

    def x(self, t):
        return self.far_x(min(max(t, self.begin), self.end))

    def inside(self, t):
        return self.begin <= t <= self.end

    def rect(self, x, y, w, h, fill, more=''):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(w, 0.5):.1f}" height="{h:.1f}" fill="{fill}" {more}/>')

    def line(self, x1, y1, x2, y2, stroke, width=1.0, more=''):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
                          f'stroke-width="{width}" {more}/>')

    def text(self, x, y, words, cls='', anchor='start', fill=None):
        paint = f' style="fill:{fill}"' if fill else ''
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{cls}" text-anchor="{anchor}"{paint}>{escape(words)}</text>')

    def path(self, d, stroke, width=1.0, more=''):
        self.parts.append(f'<path d="{d}" stroke="{stroke}" stroke-width="{width}" fill="none" {more}/>')

    def lane(self, y, name, note=''):
        self.text(LEFT - 16, y, name, 'lane', 'end')
        if note:
            self.text(LEFT - 16, y + 15, note, 'small', 'end')


def milliseconds(seconds):
    ms = seconds * 1000
    return f'{ms:.2f} ms' if abs(ms) < 10 else f'{ms:.1f} ms'


def window(data):
    """What is shown: the pause with as much before it and behind it, and all that the messages and gaps need."""
    around = max(data['resume'] - data['stop'], 0.006)
    gaps = [longest_gap(sorted(m[0] for m in f['marks']), data) for f in data['flows']]
    last = max([data['resume'], *(m['got'] for m in data['messages']),
                *(min(gap[1], data['resume'] + 3 * around) for gap in gaps if gap)])
    return data['stop'] - around * 1.1, last + around * 1.1


def spread(places, least, low, high):
    """Moves label places apart until none is nearer than `least` to the next; keeps their order."""
    places = list(places)
    for _ in range(200):
        moved = False
        for i in range(len(places) - 1):
            short = least - (places[i + 1] - places[i])
            if short > 0.01:
                places[i] -= short / 2
                places[i + 1] += short / 2
                moved = True
        for i, p in enumerate(places):
            places[i] = min(max(p, low + i * least), high - (len(places) - 1 - i) * least)
        if not moved:
            break
    return places


def draw_axis(pic, data, y_top, y_bottom):
    step = next(s for s in STEPS if (pic.end - pic.begin) * 1000 / s <= 16)
    pic.rect(pic.x(data['stop']), y_top, pic.x(data['resume']) - pic.x(data['stop']), y_bottom - y_top, PAUSE)
    n = int((pic.begin - data['stop']) * 1000 / step)
    while data['stop'] + n * step / 1000 <= pic.end:
        t = data['stop'] + n * step / 1000
        if pic.inside(t):
            pic.line(pic.x(t), y_top, pic.x(t), y_bottom, RULE)
            pic.text(pic.x(t), y_bottom + 17, f'{n * step:g}' + (' ms' if n == 0 else ''), 'small', 'middle')
        n += 1
    pic.line(LEFT, y_bottom, WIDTH - RIGHT, y_bottom, FAINT)


def draw_events(pic, events, y, y_to):
    events = sorted((e for e in events if pic.inside(e['t'])), key=lambda e: e['t'])
    places = spread([pic.x(e['t']) for e in events], 104, LEFT + 40, WIDTH - RIGHT - 46)
    for event, place in zip(events, places):
        x = pic.x(event['t'])
        colour = SOURCE if event['side'] == 'source' else TARGET
        pic.text(place, y, event['name'], 'strong', 'middle', colour)
        pic.text(place, y + 14, event['when'], 'small', 'middle')
        pic.path(f'M{place:.1f},{y + 19} L{place:.1f},{y + 25} L{x:.1f},{y + 41} L{x:.1f},{y_to}', colour, 1,
                 'stroke-opacity="0.75"')


def draw_process(pic, y, height, spans, colour, name, note):
    pic.lane(y + height / 2 + (0 if note else 4), name, note)
    pic.rect(LEFT, y, PLOT, height, '#f6f7f9', 'rx="3"')
    for span in spans:
        left, right = pic.x(span['from']), pic.x(span['to'])
        if right - left < 0.4:
            continue
        fill = KINDS[span['kind']] or colour
        pic.rect(left, y, right - left, height, fill)
        if right - left > 7 * len(span['label']) + 8:
            light = span['kind'] == 'run'
            pic.text((left + right) / 2, y + height / 2 + 4, span['label'], 'strong' if light else '', 'middle',
                     '#ffffff' if light else INK)


def draw_messages(pic, messages, y_source, y_target):
    for message in messages:
        down = message['from'] == 'source'
        x1, x2 = pic.x(message['sent']), pic.x(message['got'])
        y1, y2 = (y_source, y_target) if down else (y_target, y_source)
        colour = SOURCE if down else TARGET
        if message.get('until'):
            x3, x4 = pic.x(message['until']), pic.x(message['got_until'])
            pic.parts.append(f'<polygon points="{x1:.1f},{y1} {x3:.1f},{y1} {x4:.1f},{y2} {x2:.1f},{y2}" fill="{WORK}" '
                             'fill-opacity="0.8"/>')
            if max(x3 - x1, x4 - x2) > 7 * len(message['name']):
                pic.text((x1 + x2 + x3 + x4) / 4, (y1 + y2) / 2 + 4, message['name'], '', 'middle')
        else:
            pic.line(x1, y1, x2, y2, colour, 1.8, f'marker-end="url(#{"down" if down else "up"})"')


def draw_netpass(pic, y, netpass):
    pic.lane(y + 13, 'frames', 'for the guest')
    if not netpass:
        pic.text(LEFT + 8, y + 18, 'not asked for: what arrives while nobody runs the guest is lost', 'small')
        return
    left, right = pic.x(netpass['from']), pic.x(netpass['to'])
    pic.rect(left, y, right - left, 26, HELD, 'rx="3" fill-opacity="0.85"')
    words = f'{netpass["held"]} held'
    inside = right - left > 8 * len(words)
    pic.text((left + right) / 2 if inside else left - 8, y + 17, words, 'strong', 'middle' if inside else 'end',
             '#ffffff' if inside else HELD)
    after = f'{netpass["given"]} injected in order' + \
        (f', then {netpass["own"]} of its own' if netpass['own'] else '')
    pic.path(f'M{right:.1f},{y} L{right + 10:.1f},{y + 13} L{right:.1f},{y + 26}', TARGET, 2)
    pic.text(right + 18, y + 17, after, 'strong', 'start', TARGET)


def longest_gap(times, data):
    """(from, to) of the longest silence that touches the pause or begins right behind it."""
    pairs = [(b - a, a, b) for a, b in zip(times, times[1:]) if b >= data['stop'] and a <= data['resume'] + 0.02]
    return max(pairs)[1:] if pairs else None


def draw_gap(pic, y, gap):
    if not gap:
        return
    left, right = pic.x(gap[0]), pic.x(gap[1])
    pic.path(f'M{left:.1f},{y - 4} L{left:.1f},{y} L{right:.1f},{y} L{right:.1f},{y - 4}', FAINT, 1.2)
    words = f'gap {milliseconds(gap[1] - gap[0])}'
    half = 3.4 * len(words)
    pic.text(min(max((left + right) / 2, LEFT + half), WIDTH - RIGHT - half), y + 14, words, 'small strong', 'middle', INK)


def draw_flow(pic, y, flow, data):
    marks = sorted(tuple(m) for m in flow['marks'])
    times = [t for t, _ in marks]
    pic.lane(y + 14, flow['name'], flow['note'])
    if flow['kind'] == 'pairs':
        pic.line(LEFT, y, WIDTH - RIGHT, y, '#c5ccd6')
        pic.line(LEFT, y + 26, WIDTH - RIGHT, y + 26, '#c5ccd6')
        for t, took in marks:
            sent = t - took / 1000
            if pic.inside(t) or pic.inside(sent):
                was_held = sent < data['resume'] and t >= data['resume']
                pic.line(pic.far_x(sent), y, pic.far_x(t), y + 26, HELD if was_held else SOURCE, 1.3 if was_held else 0.9,
                         'stroke-opacity="0.9" clip-path="url(#plot)"')
    else:
        pic.line(LEFT, y + 26, WIDTH - RIGHT, y + 26, '#c5ccd6')
        for t in times:
            if pic.inside(t):
                pic.line(pic.x(t), y + 4, pic.x(t), y + 26, TARGET, 1.1, 'stroke-opacity="0.85"')
    draw_gap(pic, y + 32, longest_gap(times, data))
    if flow.get('wrong'):
        pic.text(WIDTH - RIGHT, y - 6, flow['wrong'], 'strong', 'end', BAD)


def draw_legend(pic, y):
    entries = [(SOURCE, 'the guest runs in the old process'), (TARGET, 'in the new one'), (PAUSE, 'nobody runs it'),
               (HELD, 'held for it, or answered late because of that')]
    x = LEFT
    for colour, words in entries:
        pic.rect(x, y - 10, 14, 12, colour, f'rx="2" stroke="{RULE}"')
        pic.text(x + 20, y, words, 'small')
        x += 40 + 6.6 * len(words)


def draw(data):
    pic = Picture(*window(data))
    y_source, y_target, y_frames, y_flows, flow_height, bar = 148, 236, 304, 362, 66, 34
    y_bottom = y_flows + flow_height * len(data['flows'])
    height = y_bottom + 60
    draw_axis(pic, data, y_source - 14, y_bottom)
    pic.text(LEFT - 160, 38, data['title'], 'title')
    pic.text(LEFT - 160, 60, data['subtitle'], 'sub')
    draw_messages(pic, data['messages'], y_source + bar, y_target)
    draw_process(pic, y_source, bar, data['spans']['source'], SOURCE, 'old process', data['notes']['source'])
    draw_process(pic, y_target, bar, data['spans']['target'], TARGET, 'new process', data['notes']['target'])
    draw_events(pic, data['events'], 92, y_source)
    if data['parts']:
        pic.text(WIDTH - RIGHT, y_target + bar + 17, data['parts'], 'small', 'end')
    draw_netpass(pic, y_frames, data['netpass'])
    for i, flow in enumerate(data['flows']):
        draw_flow(pic, y_flows + i * flow_height, flow, data)
    draw_legend(pic, y_bottom + 44)
    heads = ''.join(f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
                    f'<path d="M0,0.5 L8,4 L0,7.5 z" fill="{colour}"/></marker>'
                    for name, colour in (('down', SOURCE), ('up', TARGET)))
    clip = f'<clipPath id="plot"><rect x="{LEFT}" y="0" width="{PLOT}" height="{height}"/></clipPath>'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">\n'
            f'<title>{escape(data["title"])}</title>\n<style>{STYLE}</style>\n<defs>{heads}{clip}</defs>\n'
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n' + '\n'.join(pic.parts) + '\n</svg>\n')


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding='utf-8') as file:
        sys.stdout.write(draw(json.load(file)))
