#!/usr/bin/env python3
# tests/unit/scripts/fetch-test.py - how scripts/fetch-guest-files reads apt's sources and kernel modules.
# SPDX-License-Identifier: GPL-2.0-or-later
import runpy
import sys
import unittest
from pathlib import Path

FETCH = runpy.run_path(str(Path(__file__).resolve().parents[3] / 'scripts/fetch-guest-files'), run_name='library')

DEB822 = '''
Types: deb deb-src
# a comment in between
URIs: http://one.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /keys/one.gpg

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main
'''
ONE_LINE = '''
# deb http://not.example/debian bookworm main
deb [arch=amd64 signed-by=/keys/two.gpg] http://two.example/debian bookworm main non-free # why not
deb-src http://two.example/debian bookworm main
deb http://three.example/debian stable main
'''


class Sources(unittest.TestCase):
    def test_deb822(self):
        self.assertEqual(list(FETCH['parse_deb822'](DEB822)), [
            ('http://one.example/debian', 'bookworm', ['main', 'contrib'], '/keys/one.gpg'),
            ('http://one.example/debian', 'bookworm-updates', ['main', 'contrib'], '/keys/one.gpg')])

    def test_key_in_the_source_itself(self):
        text = 'Types: deb\nURIs: u\nSuites: s\nComponents: main\nSigned-By:\n -----BEGIN KEY-----\n .\n abc\n'
        (_, _, _, key), = FETCH['parse_deb822'](text)
        self.assertEqual(key, '\n -----BEGIN KEY-----\n .\n abc')

    def test_one_line(self):
        self.assertEqual(list(FETCH['parse_one_line'](ONE_LINE)), [
            ('http://two.example/debian', 'bookworm', ['main', 'non-free'], '/keys/two.gpg'),
            ('http://three.example/debian', 'stable', ['main'], None)])


class Modules(unittest.TestCase):
    def test_needs(self):
        data = b'\x7fELF..\0license=GPL\0depends=mbcache,jbd2,crc16\0name=ext4\0'
        self.assertEqual(FETCH['module_needs'](data), ['mbcache', 'jbd2', 'crc16'])

    def test_needs_nothing(self):
        self.assertEqual(FETCH['module_needs'](b'\0depends=\0name=crc16\0'), [])


if __name__ == '__main__':
    sys.argv[1:] = []
    unittest.main(verbosity=0)
