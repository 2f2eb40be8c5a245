# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import threading

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Progress, Report
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils import progress


def lines(*texts):
    return [{'text': text} for text in texts]


class Reader:
    def __init__(self, terminal):
        self.seen, self.now = [], 0.0
        self.printer = progress.Printer(self.seen.append, terminal, lambda: self.now)


def test_a_person_sees_every_line():
    reader = Reader(terminal=True)
    reader.printer.print(lines('a', 'b'))
    assert reader.seen == ['a', 'b']


def test_a_flood_is_cut_to_its_end_but_notes_stay():
    reader = Reader(terminal=True)
    reader.printer.print([{'text': 'i-1 is running', 'note': True}, *lines(*map(str, range(100)))])
    assert reader.seen[0] == 'i-1 is running'
    assert '81 more lines' in reader.seen[1]
    assert reader.seen[2:] == [str(number) for number in range(80, 100)]


def test_a_log_gets_the_latest_line_every_30_seconds_and_all_notes():
    reader = Reader(terminal=False)
    for second in range(91):
        reader.now = float(second)
        reader.printer.print(lines(f'line {second}'))
    reader.printer.print([{'text': 'i-1 is terminated', 'note': True}])
    assert reader.seen == ['line 30', 'line 60', 'line 90', 'i-1 is terminated']


@pytest.mark.parametrize(('terminal', 'percents'), [(True, list(range(0, 101, 5))), (False, [0, 25, 50, 75, 100])])
def test_progress_is_a_line_every_two_seconds_on_a_terminal_and_one_for_each_quarter_in_a_log(tmp_path, terminal, percents):
    path, reader = tmp_path / 'progress', Reader(terminal)
    shown = Progress(Report(str(path)), 'disk', 1000 << 20, lambda: reader.now)
    for mebibytes in range(0, 1001, 10):
        reader.now = mebibytes / 25  # 40 s for all of it: two seconds are 5 %
        shown.reached(mebibytes << 20)
    for line in path.read_text().splitlines():
        reader.printer.print([json.loads(line)])
    assert [int(line.split()[1]) for line in reader.seen] == percents
    assert '50 %, 500 of 1000 MiB, 25.0 MiB/s, 20 s left' in ' '.join(reader.seen)


@pytest.mark.parametrize(('stderr', 'ci', 'all_lines'), [(True, '', True), (True, 'true', False), (False, '', False)])
def test_all_lines_are_for_a_terminal_outside_of_ci(monkeypatch, stderr, ci, all_lines):
    monkeypatch.setattr(progress, 'ON_TERMINAL', stderr)
    monkeypatch.setenv('CI', ci)
    assert progress._on_terminal() is all_lines


def test_a_modules_progress_is_printed_to_its_last_line(tmp_path):
    path = tmp_path / 'progress'
    report = Report(str(path))
    report.note('starts')
    report.line('one\ntwo')
    reader = Reader(terminal=True)
    done = threading.Event()
    done.set()
    # In a thread, as always: the follower leaves interrupts to the main thread.
    follower = threading.Thread(target=progress._print_until, args=(done, os.open(path, os.O_RDONLY), reader.printer))
    follower.start()
    follower.join()
    assert reader.seen == ['starts', 'one\ntwo']


def test_progress_that_cannot_be_written_is_no_error(tmp_path):
    Report(None).line('x')
    Report(str(tmp_path / 'missing' / 'file')).line('x')
