# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import threading

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Live, Progress
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils import progress


def lines(*texts):
    return [{'text': text} for text in texts]


class Reader:
    def __init__(self, watched):
        self.seen, self.now = [], 0.0
        self.teller = progress.Teller(self.seen.append, watched, lambda: self.now)


def test_a_person_sees_every_line():
    reader = Reader(watched=True)
    reader.teller.tell(lines('a', 'b'))
    assert reader.seen == ['a', 'b']


def test_a_flood_is_cut_to_its_end_but_notes_stay():
    reader = Reader(watched=True)
    reader.teller.tell([{'text': 'i-1 is running', 'note': True}, *lines(*map(str, range(100)))])
    assert reader.seen[0] == 'i-1 is running'
    assert '81 lines more' in reader.seen[1]
    assert reader.seen[2:] == [str(number) for number in range(80, 100)]


def test_a_log_gets_the_latest_line_every_30_seconds_and_all_notes():
    reader = Reader(watched=False)
    for second in range(91):
        reader.now = float(second)
        reader.teller.tell(lines(f'line {second}'))
    reader.teller.tell([{'text': 'i-1 is terminated', 'note': True}])
    assert reader.seen == ['line 30', 'line 60', 'line 90', 'i-1 is terminated']


@pytest.mark.parametrize(('watched', 'percents'), [(True, list(range(0, 101, 5))), (False, [0, 25, 50, 75, 100])])
def test_progress_is_a_line_every_two_seconds_for_who_watches_and_one_for_each_quarter_in_a_log(tmp_path, watched, percents):
    path, reader = tmp_path / 'progress', Reader(watched)
    shown = Progress(Live(str(path)), 'disk', 1000 << 20, lambda: reader.now)
    for mebibytes in range(0, 1001, 10):
        reader.now = mebibytes / 25  # 40 s for all of it: two seconds are 5 %
        shown.reached(mebibytes << 20)
    for line in path.read_text().splitlines():
        reader.teller.tell([json.loads(line)])
    assert [int(line.split()[1]) for line in reader.seen] == percents
    assert '50 %, 500 of 1000 MiB, 25.0 MiB/s, 20 s left' in ' '.join(reader.seen)


@pytest.mark.parametrize(('terminal', 'ci', 'watched'), [(True, '', True), (True, 'true', False), (False, '', False)])
def test_all_lines_are_for_a_terminal_outside_of_ci(monkeypatch, terminal, ci, watched):
    monkeypatch.setattr(progress, 'ON_TERMINAL', terminal)
    monkeypatch.setenv('CI', ci)
    assert progress._watched() is watched


def test_what_a_module_tells_is_followed_to_its_last_line(tmp_path):
    path = tmp_path / 'progress'
    told = Live(str(path))
    told.note('starts')
    told.line('one\ntwo')
    reader = Reader(watched=True)
    done = threading.Event()
    done.set()
    # In a thread, as always: the follower leaves interrupts to the main thread.
    follower = threading.Thread(target=progress._follow, args=(os.open(path, os.O_RDONLY), reader.teller, done))
    follower.start()
    follower.join()
    assert reader.seen == ['starts', 'one\ntwo']


def test_telling_into_nothing_is_no_error(tmp_path):
    Live(None).line('x')
    Live(str(tmp_path / 'missing' / 'file')).line('x')
