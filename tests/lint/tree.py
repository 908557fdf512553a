# tests/lint/tree.py - what the lints share: the files of the tree, and findings with their known exceptions.
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files are those that git knows or would add; without git, all but build folders."""
import fnmatch
import subprocess
from pathlib import Path


def files(root):
    try:
        listed = subprocess.run(['git', '-C', str(root), 'ls-files', '-z', '-c', '-o', '--exclude-standard'], check=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode().split('\0')
        paths = sorted(Path(name) for name in set(listed) if name)
    except (OSError, subprocess.CalledProcessError):
        paths = sorted(p.relative_to(root) for p in root.rglob('*') if not p.is_dir())
        paths = [p for p in paths if not p.parts[0].startswith('build') and p.parts[0] not in ('.git', 'demo-out')]
    return [p for p in paths if (root / p).is_file()]


def text(root, path):
    """None for what is not text."""
    data = (root / path).read_bytes()
    return None if b'\0' in data else data.decode(errors='replace')


class Findings:
    """Collects what a lint finds.  tests/lint/exceptions.txt has lines `lint path` (or pattern): known, and to be made fewer."""
    def __init__(self, root, lint):
        self.lint, self.errors, self.used = lint, [], set()
        rows = [line.split('#')[0].split() for line in (root / 'tests/lint/exceptions.txt').read_text().splitlines()]
        self.known = {row[1] for row in rows if len(row) == 2 and row[0] == lint}

    def add(self, path, what, line=None):
        path = str(path)
        known = {pattern for pattern in self.known if fnmatch.fnmatchcase(path, pattern)}
        self.used |= known
        if not known:
            self.errors.append(f'{path}:{line}: {what}' if line else f'{path}: {what}')

    def finish(self, count, unit):
        """Prints what was found; returns the exit status."""
        for path in sorted(self.known - self.used):
            print(f'note: tests/lint/exceptions.txt: "{self.lint} {path}" is not needed any more')
        print('\n'.join(self.errors))
        print(f'{count} {unit} checked, {len(self.errors)} errors, {len(self.used)} known exceptions')
        return 1 if self.errors or not count else 0
