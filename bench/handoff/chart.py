# bench/handoff/chart.py - each handoff a dot on a logarithmic scale: the pause a client saw, one row per emulator.
# SPDX-License-Identifier: GPL-2.0-or-later
import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW = 960, 130, 40, 96
COLOURS = {'Baton': '#2f8f5b', 'QEMU': '#b5562e'}
INK, FAINT, RULE = '#23272f', '#6b7280', '#e3e6ea'
STYLE = f'text{{font-family:"DejaVu Sans","Segoe UI",Helvetica,Arial,sans-serif;font-size:12px;fill:{INK}}}' \
        f'.title{{font-size:18px;font-weight:bold}}.name{{font-size:14px;font-weight:bold}}.small{{font-size:11px;fill:{FAINT}}}'


def ticks(low, high):
    """1, 2 and 5 of each decade between them."""
    return [m * 10.0 ** e for e in range(-2, 5) for m in (1, 2, 5) if low <= m * 10.0 ** e <= high]


def text(x, y, words, cls='', anchor='middle'):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{cls}" text-anchor="{anchor}">{escape(words)}</text>'


def row(y, result, x):
    colour = COLOURS.get(result['name'], '#3b6fb6')
    values = [m['client_ms'] for m in result['each'] if m['client_ms']]
    parts = [text(LEFT - 18, y + 5, result['name'], 'name', 'end'),
             text(LEFT - 18, y + 21, f'{len(values)} handoffs', 'small', 'end')]
    for i, value in enumerate(values):
        parts.append(f'<circle cx="{x(value):.1f}" cy="{y - 9 + i * 7 % 19:.1f}" r="4" fill="{colour}" fill-opacity="0.6"/>')
    for key, label in (('median', 'median'), ('p95', '95 %')):
        at = x(result['client_ms'][key])
        parts.append(f'<line x1="{at:.1f}" y1="{y - 18}" x2="{at:.1f}" y2="{y + 20}" stroke="{INK}" stroke-width="1.4"/>')
        parts.append(text(at, y - 23 if key == 'median' else y + 33, f'{label} {result["client_ms"][key]:.1f} ms'))
    return parts


def draw(results):
    results = [r for r in results if r['client_ms']]
    values = [m['client_ms'] for r in results for m in r['each'] if m['client_ms']] or [1, 10]
    low, high = min(values) / 1.6, max(max(values) * 1.6, min(values) * 8)

    def x(value):
        return LEFT + math.log(value / low) / math.log(high / low) * (WIDTH - LEFT - RIGHT)
    bottom = 92 + ROW * len(results)
    parts = [text(30, 36, 'Pause of a handoff, as a client on the network sees it', 'title', 'start'),
             text(30, 56, 'longest silence of a numbered UDP flow around each handoff; milliseconds, logarithmic', 'small',
                  'start')]
    for tick in ticks(low, high):
        parts.append(f'<line x1="{x(tick):.1f}" y1="76" x2="{x(tick):.1f}" y2="{bottom}" stroke="{RULE}"/>')
        parts.append(text(x(tick), bottom + 18, f'{tick:g}', 'small'))
    for i, result in enumerate(results):
        parts += row(126 + i * ROW, result, x)
    height = bottom + 34
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">\n'
            f'<style>{STYLE}</style>\n<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n' + '\n'.join(parts) +
            '\n</svg>\n')
