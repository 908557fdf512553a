#!/usr/bin/env python3
# tests/lint/places.py - nothing in the tree names one machine's folders, one site's mirrors or who typed it.
# SPDX-License-Identifier: GPL-2.0-or-later
import re
import sys
from pathlib import Path

import tree

# Written in pieces, so that this file does not name them either.
WORDS = [r'/wo' r'rk/', r'/ro' r'ot/', r'/ho' r'me/\w', r'\.lib' r'rary\b', r'\bdebian\.o' r'rg\b', r'\bubuntu\.c' r'om\b',
         r'\bpypi\.o' r'rg\b', r'\bpythonh' r'osted\b', r'\bclau' r'de\b', r'\banth' r'ropic\b', r'\biss' r'ue 2\b',
         r'\bsub-?a' r'gent\b', r'\bA' r'I (?:agent|assistant|helper)\b', r'\bartif' r'actory\b', r'\bmirror' r's?\.[a-z]']
PATTERN = re.compile('|'.join(f'(?:{word})' for word in WORDS), re.I)


def check(root):
    found, count = tree.Findings(root, 'places'), 0
    for path in tree.files(root):
        text = tree.text(root, path)
        if text is None or path.name == 'COPYING':
            continue
        count += 1
        for number, line in enumerate(text.splitlines(), 1):
            match = PATTERN.search(line)
            if match:
                found.add(path, f'names a place: "{match[0]}"', number)
    return found.finish(count, 'files')


if __name__ == '__main__':
    sys.exit(check(Path(sys.argv[1] if len(sys.argv) > 1 else '.').resolve()))
