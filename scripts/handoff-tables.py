#!/usr/bin/env python3
# scripts/handoff-tables.py - puts the engine's state tables, as they are in the source, into docs/handoff.md.
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: handoff-tables.py --write | --check ROOT      (the page's parts between <!-- begin X --> and <!-- end X -->)"""
import re
import sys
from pathlib import Path

SIDES = {'outgoing': ('MIG', 'EV', 'MG', 'MA'), 'incoming': ('IN', 'IEV', 'IG', 'IA')}
WORDS = {'FACT_ANY': 'any', 'FACT_NO': 'no', 'FACT_YES': 'yes', 'OWNER_SOURCE': 'source', 'OWNER_PASSING': 'passing',
         'OWNER_DESTINATION': 'destination', 'OWNER_UNKNOWN': 'not known'}


class Side:
    """One machine, read from its C tables."""
    def __init__(self, root, name):
        text = (root / f'migration/{name}-machine.c').read_text()
        self.name = name
        self.state, self.event, self.guard, self.action = (self._names(text, prefix) for prefix in SIDES[name])
        self.facts = re.findall(r'\[\w+\] =\s+\{"([^"]+)",\s+"([^"]+)",\s+(\w+),\s+(\w+),\s+(\w+),\s+(\w+)'
                                r'(?:,\s+"([^"]+)")?\}', text)
        self.does = [self._action(m) for m in re.finditer(rf'^    \[{SIDES[name][3]}_\w+\] = \{{"(\w+)"(.*?)\}},$',
                                                            re.sub(r'/\*.*?\*/', '', text).replace('}, \n', '},\n'), re.M | re.S)]
        lists = dict(re.findall(r'#define (\w+) STATES\(([^)]*)\)', text))
        self.rows = []
        for where, event, guard, action, following in re.findall(
                r'^    \{(STATES\([^)]*\)|\w+), (\w+), (\w+), (\w+), (\w+)\},', text, re.M):
            states = where[7:-1] if where.startswith('STATES') else lists[where]
            self.rows.append(([self.state[s] for s in re.split(r',\s*', states)], self.event[event],
                              self.guard.get(guard, ''), self.action[action], self.state.get(following)))

    @staticmethod
    def _action(m):
        does = re.search(r'DOES\(([^)]*)\)', m[2])
        texts = {key or 'sends': text for key, text in re.findall(r',\s+(?:\.(\w+) = )?"([^"]*)"', m[2])}
        return (m[1], ', '.join(w.strip()[3:].lower().replace('_', ' ') for w in does[1].split(',')) if does else '', texts)

    @staticmethod
    def _names(text, prefix):
        return dict(re.findall(rf'\[({prefix}_\w+)\] =\s+\{{?"([^"]*)"', text))

    def states_table(self):
        lines = ['| state | QMP says | owner | guest may run here | packets held | channel | its deadline: the other side |',
                 '|---|---|---|---|---|---|---|']
        lines += [f'| {name} | {status} | {WORDS[owner]} | {WORDS[run]} | {WORDS[frozen]} | {WORDS[channel]} | {awaits} |'
                  for name, status, owner, run, frozen, channel, awaits in self.facts]
        return '\n'.join(lines)

    def rows_table(self):
        lines = ['| state | event | only if | action | next |', '|---|---|---|---|---|']
        for states, event, guard, action, following in self.rows:
            lines.append(f'| {", ".join(states)} | {event} | {guard} | {"" if action == "-" else f"`{action}`"} | '
                         f'{following or "(stays)"} |')
        return '\n'.join(lines)

    def actions_table(self):
        lines = ['| action | does, in this order | sends | posts | or, if a step fails |', '|---|---|---|---|---|']
        for name, does, texts in self.does:
            posts = texts.get('posts', '') or (f'one-way: {texts["posts_one_way"]}' if 'posts_one_way' in texts else '')
            lines.append(f'| `{name}` | {does} | {texts.get("sends", "")} | {posts} | {texts.get("fails", "")} |')
        return '\n'.join(lines)

    def diagram(self):
        def word(state):
            return state.replace('-', '_')
        lines, arrows = ['```mermaid', 'stateDiagram-v2', f'    [*] --> {word(self.facts[0][0])}'], {}
        for states, event, _, _, following in self.rows:
            for state in states:
                if following and following != state:
                    arrows.setdefault((state, following), []).append(event)
        lines += [f'    {word(a)} --> {word(b)}: {", ".join(dict.fromkeys(events))}' for (a, b), events in arrows.items()]
        return '\n'.join([*lines, '```'])


def harmless_table(root):
    rows = re.findall(r'^    \{"([^"]+)",\s+"([^"]+)"\},', (root / 'tests/unit/migration/harmless.c').read_text(), re.M)
    lines = ['| mutant that nothing catches | why it does no harm |', '|---|---|']
    return '\n'.join(lines + [f'| {mutant} | {why} |' for mutant, why in rows])


def filled(root):
    page = (root / 'docs/handoff.md').read_text()
    page = re.sub(r'(<!-- begin harmless mutants -->\n).*?(<!-- end harmless mutants -->)',
                  lambda m: f'{m[1]}{harmless_table(root)}\n{m[2]}', page, flags=re.S)
    for name in SIDES:
        side = Side(root, name)
        for kind in ('states', 'rows', 'actions', 'diagram'):
            made = {'states': side.states_table, 'rows': side.rows_table, 'actions': side.actions_table,
                    'diagram': side.diagram}[kind]()
            page = re.sub(rf'(<!-- begin {name} {kind} -->\n).*?(<!-- end {name} {kind} -->)',
                          lambda m, made=made: f'{m[1]}{made}\n{m[2]}', page, flags=re.S)
    return page


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ('--write', '--check'):
        sys.exit(__doc__)
    root = Path(sys.argv[2]).resolve()
    page, path = filled(root), root / 'docs/handoff.md'
    if sys.argv[1] == '--write':
        path.write_text(page)
    elif page != path.read_text():
        print('docs/handoff.md is not what migration/*-machine.c says; run: scripts/handoff-tables.py --write .')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
