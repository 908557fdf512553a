#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds every #include to docs/layers.txt: a folder includes only what its line allows."""
import re
import sys
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def read_rules(path):
    rules = {}
    for line in path.read_text().splitlines():
        line = line.split('#')[0].strip()
        if line:
            folder, _, allowed = line.partition(':')
            rules[folder.strip()] = set(allowed.split())
    return rules


def folder_of(path):
    """The layer a file belongs to: include/net/x.h and net/x.c are both 'net'."""
    parts = path.parts
    return parts[1] if parts[0] == 'include' and len(parts) > 2 else parts[0]


def target_of(name, source, root):
    """The layer of an included file, or None for generated and library headers."""
    for candidate in (source.parent / name, Path('include') / name, Path(name)):
        if (root / candidate).is_file():
            return folder_of(candidate), candidate
    first = name.split('/')[0]
    return (first, Path(name)) if '/' in name else (None, None)


def check(root):
    rules = read_rules(root / 'docs/layers.txt')
    errors, count = [], 0
    for source in sorted(root.rglob('*.[ch]')):
        source = source.relative_to(root)
        if source.parts[0].startswith('build') or source.parts[0] not in set(rules) | {'include'}:
            continue
        here = folder_of(source)
        for number, line in enumerate((root / source).read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            count += 1
            there, path = target_of(match[1], source, root)
            if there is None or there == here or there not in rules or '*' in rules[here]:
                continue
            where = f'{source}:{number}'
            if there not in rules[here]:
                errors.append(f'{where}: {here}/ must not include {there}/ ({match[1]})')
            elif path.parts[0] not in ('include', there) or (root / path).is_file() and path.parts[0] == there:
                errors.append(f'{where}: {match[1]} is private to {there}/')
    return count, errors


if __name__ == '__main__':
    count, errors = check(Path(sys.argv[1] if len(sys.argv) > 1 else '.').resolve())
    print('\n'.join(errors))
    print(f'{count} includes checked, {len(errors)} errors')
    sys.exit(1 if errors or not count else 0)
