#!/usr/bin/env python3
# tests/lint/limits.py - docs/limits.md and the constants in the source say the same, and no limit is missing there.
# SPDX-License-Identifier: GPL-2.0-or-later
"""A row of the page is | `NAME` | value | [file](../file) | ...: NAME is defined in that file as that value. A constant named
like a limit in a folder that decodes bytes from outside has a row."""
import re
import sys
from pathlib import Path

import tree

PAGE = 'docs/limits.md'
ROW = re.compile(r'^\| `(\w+)` \| ([^|]+) \| \[[^\]]+\]\(\.\./([^)]+)\) \|', re.M)
DEFINE = re.compile(r'^[ \t]*#define[ \t]+(\w+)[ \t]+(.+?)(?:[ \t]*/\*.*)?$', re.M)
ENUM = re.compile(r'^enum \{([^{}]*)\}', re.M | re.S)
IN_ENUM = re.compile(r'\b(\w+) = ([^,}\n]+)')
LOOKS_LIKE_A_LIMIT = re.compile(r'(?<!_)_(MAX|DEPTH_MAX|MAX_BYTES|MAX_DEPTH|MAX_VALUES)$|_MAX_(BYTES|DEPTH|VALUES)$|_WAIT_NS$')
DECODERS = ('migration', 'vmstate', 'net', 'qapi', 'io', 'monitor', 'block', 'chardev', 'main', 'hw', 'object', 'ui', 'include',
            'tools')
NOT_LIMITS = {'BLK_F_SEG_MAX'}    # numbers of features
UNITS = {'': 1, 'bytes': 1, 'KiB': 1 << 10, 'MiB': 1 << 20, 'GiB': 1 << 30, 'TiB': 1 << 40, 's': 10**9, 'ms': 10**6}
SUFFIX = re.compile(r'\b(0x[0-9a-fA-F]+|\d+)(?:[uU]?[lL]{0,2})\b')


def definitions(text):
    found = {}
    for name, value in DEFINE.findall(text):
        found.setdefault(name, value)
    for body in ENUM.findall(text):
        for name, value in IN_ENUM.findall(body):
            found.setdefault(name, value.split('/*')[0].strip())
    return found


def evaluate(expression, known, depth=0):
    """The value of a constant expression, or None."""
    if depth > 8:
        return None
    expression = SUFFIX.sub(r'\1', re.sub(r'U?INT64_C\(([^)]*)\)', r'(\1)', expression.split('/*')[0]))
    expression = expression.replace('INT64_MAX', str(2**63 - 1))
    for name in set(re.findall(r'\b[A-Za-z_]\w*\b', re.sub(r'0x[0-9a-fA-F]+', '', expression))):
        value = evaluate(known[name], known, depth + 1) if name in known else None
        if value is None:
            return None
        expression = re.sub(rf'\b{name}\b', str(value), expression)
    if not re.fullmatch(r'[0-9a-fA-Fx()+\-*/<>| \t]+', expression):
        return None
    try:
        return int(eval(expression.replace('/', '//'), {'__builtins__': {}}))  # only digits and operators are left
    except (SyntaxError, ZeroDivisionError):
        return None


def parse(text):
    m = re.fullmatch(r'([0-9]+)(?: (\w+))?', text.strip())
    return int(m[1]) * UNITS[m[2] or ''] if m and (m[2] or '') in UNITS else None


def check(root):
    found = tree.Findings(root, 'limits')
    page = (root / PAGE).read_text()
    sources = {p: definitions(tree.text(root, p) or '') for p in tree.files(root)
               if p.suffix in ('.c', '.h') and p.parts[0] not in ('tests', 'bench')}
    known = {name: value for path, names in sources.items() if path.suffix == '.h' for name, value in names.items()}
    rows = [(m[1], m[2], m[3], page[:m.start()].count('\n') + 1) for m in ROW.finditer(page)]
    for name, value, path, line in rows:
        here = sources.get(Path(path), {})
        if name not in here:
            found.add(PAGE, f'{name}: {path} does not define it', line)
        elif parse(value) is None or evaluate(here[name], {**known, **here}) != parse(value):
            real = evaluate(here[name], {**known, **here})
            found.add(PAGE, f'{name}: {value} here, {here[name]} = {real} in {path}', line)
    listed = {(name, path) for name, _, path, _ in rows}
    for path, names in sources.items():
        for name in names if path.parts[0] in DECODERS else ():
            is_limit = LOOKS_LIKE_A_LIMIT.search(name) and '__MAX' not in name and name not in NOT_LIMITS
            if is_limit and (name, str(path)) not in listed:
                found.add(PAGE, f'{name} of {path} has no row')
    return found.finish(len(rows), 'limits')


if __name__ == '__main__':
    sys.exit(check(Path(sys.argv[1] if len(sys.argv) > 1 else '.').resolve()))
