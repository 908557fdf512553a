#!/usr/bin/env python3
# tests/lint/spdx.py - every source file names its licence among its first ten lines.
# SPDX-License-Identifier: GPL-2.0-or-later
import re
import sys
from pathlib import Path

import tree

LINE = re.compile(r'SPDX-License-Identifier: GPL-2\.0-or-later\b')
# No place for a comment, or nothing in them that is ours to license.
PLAIN = {'COPYING', '.gitignore', '.editorconfig', '.clang-format'}
PLAIN_ENDS = ('.json.gz', '.bin', '.txt', '.svg', '.png')


def check(root):
    found, count = tree.Findings(root, 'spdx'), 0
    for path in tree.files(root):
        if path.name in PLAIN or str(path).endswith(PLAIN_ENDS) or path.parts[:2] == ('tests', 'data'):
            continue
        text = tree.text(root, path)
        if text is None:
            continue
        count += 1
        if not any(LINE.search(line) for line in text.splitlines()[:10]):
            found.add(path, 'no line "SPDX-License-Identifier: GPL-2.0-or-later" among the first ten')
    return found.finish(count, 'files')


if __name__ == '__main__':
    sys.exit(check(Path(sys.argv[1] if len(sys.argv) > 1 else '.').resolve()))
