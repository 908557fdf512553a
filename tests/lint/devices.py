#!/usr/bin/env python3
# tests/lint/devices.py - every device that can be made has a page in docs/devices/ and a test in tests/qtest/.
# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows are read from the source: `const ObjectType x = {...};` with .kind = KIND_DEVICE and a size."""
import re
import sys
from pathlib import Path

import tree

ROW = re.compile(r'\bconst ObjectType \w+ = \{(.*?)\n?\};', re.S)
NAME = re.compile(r'\.name = "([^"]+)"')


def device_rows(root):
    """(name, source file) of the devices of hw/."""
    for path in tree.files(root):
        if path.parts[0] == 'hw' and path.suffix == '.c':
            for row in ROW.findall(tree.text(root, path)):
                name = NAME.search(row)
                if name and 'KIND_DEVICE' in row and '.size' in row:
                    yield name[1], path


def words_of(root, folder, suffixes):
    texts = [tree.text(root, p) for p in tree.files(root) if str(p).startswith(folder) and p.suffix in suffixes]
    return '\n'.join(text for text in texts if text)


def check(root):
    found, count = tree.Findings(root, 'devices'), 0
    pages, tests = words_of(root, 'docs/devices/', {'.md'}), words_of(root, 'tests/qtest/', {'.c', '.h', '.py'})
    for name, path in device_rows(root):
        count += 1
        if f'`{name}`' not in pages:
            found.add(name, f'no page in docs/devices/ names `{name}` ({path})')
        if not re.search(rf'(?<![\w-]){re.escape(name)}(?![\w-])', tests):
            found.add(name, f'no test in tests/qtest/ names {name} ({path})')
    return found.finish(count, 'devices')


if __name__ == '__main__':
    sys.exit(check(Path(sys.argv[1] if len(sys.argv) > 1 else '.').resolve()))
