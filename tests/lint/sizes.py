#!/usr/bin/env python3
# tests/lint/sizes.py - no file above 800 lines, no line above 132 columns: small pieces are read, large ones scrolled.
# SPDX-License-Identifier: GPL-2.0-or-later
import sys
from pathlib import Path

import tree

LINES_MAX, COLUMNS_MAX = 800, 132
CODE = ('.c', '.h', '.py', '.S', '.def')


def check(root):
    found, count = tree.Findings(root, 'sizes'), 0
    for path in tree.files(root):
        if path.suffix not in CODE:
            continue
        lines = tree.text(root, path).splitlines()
        count += 1
        if len(lines) > LINES_MAX:
            found.add(path, f'{len(lines)} lines (limit {LINES_MAX}): look for the second module inside')
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX:
                found.add(path, f'{len(line)} columns (limit {COLUMNS_MAX})', number)
            if '\t' in line:
                found.add(path, 'a tab', number)
    return found.finish(count, 'files')


if __name__ == '__main__':
    sys.exit(check(Path(sys.argv[1] if len(sys.argv) > 1 else '.').resolve()))
