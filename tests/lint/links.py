#!/usr/bin/env python3
# tests/lint/links.py - links and file names in the documentation lead somewhere.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Checked: [text](path#anchor) in *.md, and the pages that source files name (below docs/)."""
import os
import re
import sys
from pathlib import Path

import tree

LINK = re.compile(r'\[[^]\n]*\]\(([^)\s]+)\)')
NAMED = re.compile(r'\bdocs/[\w./-]+\.(?:md|txt)\b')
CODE = ('.c', '.h', '.py', '.def', '.build')


def anchors(text):
    """As the usual renderers make them: lower case, no punctuation, spaces to hyphens."""
    heads = re.findall(r'^#+\s+(.*)$', text, re.M)
    return {re.sub(r'[^\w\- ]', '', head.lower()).strip().replace(' ', '-') for head in heads}


def check_page(root, path, text, found):
    count = 0
    for number, line in enumerate(text.splitlines(), 1):
        for target in LINK.findall(line):
            if '://' in target or target.startswith('mailto:'):
                continue
            count += 1
            name, _, anchor = target.partition('#')
            file = (root / path.parent / name) if name else root / path
            if not file.exists():
                found.add(os.path.normpath(path.parent / name), f'no such file, but {path}:{number} links to it')
            elif anchor and file.suffix == '.md' and anchor not in anchors(file.read_text()):
                found.add(path, f'link to {target}: no such heading', number)
    return count


def check(root):
    found, count = tree.Findings(root, 'links'), 0
    for path in tree.files(root):
        if path.suffix == '.md':
            count += check_page(root, path, tree.text(root, path), found)
        elif path.suffix in CODE:
            for number, line in enumerate(tree.text(root, path).splitlines(), 1):
                for name in NAMED.findall(line):
                    count += 1
                    if not (root / name).exists():
                        found.add(name, f'no such file, but {path}:{number} names it')
    return found.finish(count, 'links')


if __name__ == '__main__':
    sys.exit(check(Path(sys.argv[1] if len(sys.argv) > 1 else '.').resolve()))
