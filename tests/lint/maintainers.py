#!/usr/bin/env python3
# tests/lint/maintainers.py - every file has one section in MAINTAINERS, and every line there means something.
# SPDX-License-Identifier: GPL-2.0-or-later
import fnmatch
import sys
from pathlib import Path

import tree


def read_sections(text):
    """[(title, [(key, pattern)])]; a title is the line above a line of dashes."""
    sections, lines = [], text.splitlines()
    for above, line in zip(lines, lines[1:]):
        if len(line) > 2 and set(line) == {'-'} and above.strip():
            sections.append((above.strip(), []))
        elif sections and len(line) > 3 and line[1:3] == ': ':
            sections[-1][1].append((line[0], line[3:].strip()))
    return sections


def matches(pattern, path):
    if pattern.endswith('/'):
        return path.startswith(pattern)
    return fnmatch.fnmatchcase(path, pattern) and path.count('/') == pattern.count('/')


def check(root):
    sections = read_sections((root / 'MAINTAINERS').read_text())
    lines = [(pattern, title) for title, rows in sections for key, pattern in rows if key in 'FDT']
    files, found = [str(p) for p in tree.files(root)], tree.Findings(root, 'maintainers')
    for title, rows in sections:
        for key in 'MS':
            if not any(k == key for k, _ in rows):
                found.add('MAINTAINERS', f'section "{title}" has no {key}: line')
    for pattern, title in lines:
        if not any(matches(pattern, path) for path in files):
            found.add(pattern, f'no such file (MAINTAINERS, "{title}")')
    for path in files:
        hits = sorted(((len(p), title) for p, title in lines if matches(p, path)), reverse=True)
        if not hits:
            found.add(path, 'is in no section of MAINTAINERS')
        elif len({title for size, title in hits if size == hits[0][0]}) > 1:
            found.add(path, 'is in two sections of MAINTAINERS: ' + ', '.join(title for _, title in hits[:2]))
    return found.finish(len(files), 'files')


if __name__ == '__main__':
    sys.exit(check(Path(sys.argv[1] if len(sys.argv) > 1 else '.').resolve()))
