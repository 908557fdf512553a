#!/usr/bin/env python3
# tests/lint/headers.py - each public header compiles alone.
# SPDX-License-Identifier: GPL-2.0-or-later
"""usage: headers.py ROOT BUILD.  What passed is remembered in BUILD by content, with all that it includes."""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import tree

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def flags(build):
    """Compiler and include paths of the emulator itself, as meson wrote them."""
    commands = json.loads((build / 'compile_commands.json').read_text())
    command = next(c for c in commands if 'libbaton' in c['output'])
    words = shlex.split(command['command'])
    keep = [w for w in words if re.match(r'-[ID]|-std=|-f', w)]
    compiler = [w for w in words[:2] if not w.startswith('-') and 'ccache' not in w][:1]
    return compiler + [w.replace('-I', f'-I{command["directory"]}/', 1) if re.match(r'-I[^/]', w) else w for w in keep]


def digest(root, header, seen=None):
    """Of the header and everything of ours that it includes."""
    seen = set() if seen is None else seen
    path = root / 'include' / header
    if header in seen or not path.is_file():
        return b''
    seen.add(header)
    data = path.read_bytes()
    parts = [data] + [digest(root, name, seen) for name in sorted(INCLUDE.findall(data.decode()))]
    return hashlib.sha256(b'\0'.join(parts)).digest()


def compile_alone(command, header, where):
    done = subprocess.run([*command, '-fsyntax-only', '-fdiagnostics-color=never', '-Wall', '-Wno-unused-function', '-Werror',
                           '-x', 'c', '-'], cwd=where, input=f'#include "{header}"\nextern int unused;\n', text=True,
                          capture_output=True)
    errors = [line for line in done.stderr.splitlines() if 'error' in line] + ['does not compile']
    return errors[0] if done.returncode else None


def check(root, build):
    headers = sorted(str(p.relative_to('include')) for p in tree.files(root) if p.parts[0] == 'include' and p.suffix == '.h')
    found, cache = tree.Findings(root, 'headers'), build / 'lint-headers.json'
    command = flags(build)
    passed = set(json.loads(cache.read_text())) if cache.is_file() else set()
    keys = {h: hashlib.sha256(repr(command).encode() + digest(root, h)).hexdigest() for h in headers}
    wanted = [h for h in headers if keys[h] not in passed]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = dict(zip(wanted, pool.map(lambda h: compile_alone(command, h, build), wanted)))
    for header, why in results.items():
        if why:
            found.add(f'include/{header}', f'does not compile alone: {why}')
    cache.write_text(json.dumps(sorted(keys[h] for h in headers if not results.get(h))))
    return found.finish(len(headers), 'headers')


if __name__ == '__main__':
    sys.exit(check(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
