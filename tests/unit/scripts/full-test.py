#!/usr/bin/env python3
# tests/unit/scripts/full-test.py - scripts/run-full with parts that are not run: it goes on, begins anew, and tells the truth.
# SPDX-License-Identifier: GPL-2.0-or-later
import contextlib
import io
import os
import runpy
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / 'scripts'), str(ROOT / 'tests/functional')]
FULL = runpy.run_path(str(ROOT / 'scripts/run-full'), run_name='library')
from harness import sliced                                                                      # noqa: E402
from testlog import Count, count                                                                # noqa: E402

TESTS = [{'name': name, 'suite': [f'baton:{suite}']} for name, suite in (
    ('wire', 'handoff'), ('net/port', 'quick'), ('boot', 'functional'), ('net/queue', 'quick'), ('debian', 'handoff'))]
GOOD, BAD = Count(3, 0, 1, []), Count(2, 1, 0, ['boot\n  not ok 3'])


class Parts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.parts = list(FULL['parts_of'](TESTS))
        self.names = [part.name for part in self.parts]

    def book(self, state='one'):
        return FULL['Book'](Path(self.folder.name) / 'results', 'c0ffee', state)

    def run_all(self, book, outcome=GOOD, stop_at=None, **more):
        """The names of the parts that were run."""
        asked = []

        def do(part):
            if part.name == stop_at:
                raise KeyboardInterrupt
            asked.append(part.name)
            return outcome
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(KeyboardInterrupt):
            FULL['run_all'](self.parts, book, do, **more)
        return asked

    def is_good(self, book):
        return all(FULL['is_good'](book.runs(name)) for name in self.names)

    def test_short_tests_are_one_part_and_long_ones_several(self):
        self.assertEqual(self.names, ['quick', 'qtest', 'boot', 'wire', *(f'debian-{n}of6' for n in range(1, 7))])
        self.assertEqual([part.slice for part in FULL['chosen'](self.parts, 'debian')], [f'{n}/6' for n in range(1, 7)])
        self.assertEqual([part.test for part in FULL['chosen'](self.parts, 'debian-3of6')], ['debian'])
        with self.assertRaises(SystemExit):
            FULL['chosen'](self.parts, 'nothing')

    def test_it_goes_on_where_it_was_stopped(self):
        self.assertEqual(self.run_all(self.book(), stop_at='wire'), self.names[:3])
        self.assertFalse(self.is_good(self.book()))
        self.assertIn('3 of 10 parts at c0ffee', FULL['table'](self.parts, self.book()))
        self.assertEqual(self.run_all(self.book()), self.names[3:])
        self.assertEqual(self.run_all(self.book()), [])
        self.assertTrue(self.is_good(self.book()))
        self.assertIn('30 passed, 0 failed, 10 skipped', FULL['table'](self.parts, self.book()))

    def test_another_build_is_another_run(self):
        self.run_all(self.book())
        self.assertEqual(self.run_all(self.book('two'), stop_at='boot'), self.names[:2])
        self.assertTrue(self.is_good(self.book()))
        self.assertFalse(self.is_good(self.book('two')))

    def test_again_forgets_this_state_only(self):
        self.run_all(self.book())
        self.run_all(self.book('two'))
        self.book().forget()
        self.assertTrue(self.is_good(self.book('two')))
        self.assertEqual(self.run_all(self.book()), self.names)

    def test_a_failure_stays_until_its_part_is_run_again_and_that_is_said(self):
        book = self.book()
        self.run_all(book, BAD)
        self.assertEqual(self.run_all(self.book()), [])
        self.assertFalse(self.is_good(self.book()))
        self.assertIn('failed: boot\n  not ok 3', FULL['table'](self.parts, self.book()))
        self.assertEqual(self.run_all(self.book(), is_wanted=lambda part: True), self.names)
        self.assertTrue(self.is_good(self.book()))
        self.assertIn('(run 2)', FULL['table'](self.parts, self.book()))

    def test_nothing_at_all_is_no_success(self):
        self.run_all(self.book(), Count(0, 0, 0, []))
        self.assertFalse(self.is_good(self.book()))

    def test_a_line_that_was_cut_short_costs_its_part_only(self):
        self.run_all(self.book(), stop_at='wire')
        path = self.book().path
        path.write_bytes(path.read_bytes()[:-20])
        self.assertEqual(self.run_all(self.book()), self.names[2:])
        self.assertTrue(self.is_good(self.book()))


class Counts(unittest.TestCase):
    def test_cases_are_counted_singly(self):
        with tempfile.NamedTemporaryFile('w') as log:
            log.write('{"name": "a", "result": "OK", "stdout": "1..3\\nok 1 - x\\nok 2 - y # SKIP no root\\nok 3"}\n'
                      '{"name": "b", "result": "SKIP"}\n{"name": "c", "result": "TIMEOUT", "stdout": "ok 1"}\n'
                      '{"name": "d", "result": "FAIL", "stdout": "not ok 1 - z\\n# why\\nok 2"}\n')
            log.flush()
            self.assertEqual(count(Path(log.name)), Count(4, 2, 2, ['c', 'd\n  not ok 1 - z\n  # why']))

    def test_each_case_is_in_one_slice(self):
        cases, seen = list(range(54)), []
        for number in range(1, 7):
            os.environ['BATON_SLICE'] = f'{number}/6'
            seen += sliced(cases)
        del os.environ['BATON_SLICE']
        self.assertEqual(sorted(seen), cases)
        self.assertEqual(sliced(cases), cases)


if __name__ == '__main__':
    sys.argv[1:] = []
    unittest.main(verbosity=0)
