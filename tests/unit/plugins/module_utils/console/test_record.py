# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import random
import stat

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.record import HEAD, WINDOW, Console, news

HOOK = b'bootparams: applied: 20 bytes\n'


def window(log, head=HOOK):
    """The window that the cloud shows when the serial console has written ``log``."""
    return head + log[-WINDOW:]


def log_of(lines, seed=1):
    chance = random.Random(seed)
    return b''.join(b'%06d %s\n' % (number, b'x' * chance.randrange(60)) for number in range(lines))


@pytest.mark.parametrize('step', [1, 700, 20_000, WINDOW - 200])
@pytest.mark.parametrize('head', [b'', HOOK, b'h' * HEAD])
def test_windows_are_put_together_without_loss_or_doubling(tmp_path, step, head):
    log, path = log_of(6000), tmp_path / 'console.log'
    log = log[: step * 400]
    console = Console(str(path))
    for end in [*range(100, len(log), step), len(log)]:
        console.add(window(log[:end], head))
    assert path.read_bytes() == head + log


def test_lines_that_repeat_are_not_taken_for_one_another_as_long_as_they_differ_somewhere(tmp_path):
    log, path = b''.join(b'progress ... %d%%\r' % (number % 101) for number in range(20_000)), tmp_path / 'console.log'
    console = Console(str(path))
    for end in range(1, len(log), 1000):
        console.add(window(log[:end]))
    assert path.read_bytes() == HOOK + log[:end]


def test_a_console_that_went_by_too_fast_leaves_a_note_and_goes_on(tmp_path):
    log, path = log_of(6000), tmp_path / 'console.log'
    console = Console(str(path))
    console.add(window(log[:1000]))
    console.add(window(log))
    kept = path.read_bytes()
    assert kept.startswith(HOOK + log[:1000])
    assert b'was not seen' in kept
    assert kept.endswith(log[-WINDOW:])


def test_an_interrupted_run_is_continued_where_it_was(tmp_path):
    log, path = log_of(6000), tmp_path / 'console.log'
    for end in (1000, 50_000, 100_000, 140_000):
        Console(str(path)).add(window(log[:end]))
    assert path.read_bytes() == HOOK + log[:140_000]


def test_the_file_of_another_console_is_replaced(tmp_path):
    path = tmp_path / 'console.log'
    path.write_bytes(log_of(100, seed=7))
    Console(str(path)).add(window(b'a new one\n'))
    assert path.read_bytes() == HOOK + b'a new one\n'


def test_a_new_file_is_the_owners_alone_and_an_old_one_keeps_its_mode(tmp_path):
    path = tmp_path / 'console.log'
    mask = os.umask(0)
    try:
        Console(str(path)).add(b'x\n')
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o640)
        Console(str(path)).add(b'another one\n')
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    finally:
        os.umask(mask)


def test_only_whole_lines_are_returned_and_the_rest_is_unfinished():
    console = Console()
    assert console.add(b'one\ntwo\nthr') == ['one', 'two']
    assert console.unfinished == 'thr'
    assert console.add(b'one\ntwo\nthree\nlogin: ') == ['three']
    assert console.unfinished == 'login:'


def test_no_line_is_returned_twice():
    console = Console()
    assert console.add(b'') == []
    assert console.add(b'one\n') == ['one']
    assert console.add(b'one\n') == []
    assert console.add(b'') == []
    assert console.add(b'one\ntwo\n') == ['two']


def test_an_endless_line_does_not_pile_up():
    console = Console()
    log = b''
    for _number in range(100):
        log += b'.' * 1000
        console.add(log)
    assert len(console.unfinished) <= 10_000


def test_windows_that_do_not_overlap_are_recognised():
    assert news(b'a' * 100, b'b' * 100) is None
    assert news(b'', b'abc') == b'abc'
    assert news(b'abc', b'abcd') == b'd'


@pytest.mark.parametrize('full_from', [0, 1])
def test_a_full_disk_is_reported_once_and_the_console_is_still_read(tmp_path, full_disk, full_from):
    path = tmp_path / 'console.log'
    console = Console(str(path))
    if full_from:
        full_disk(False)
        console.add(b'one\n')
        full_disk(True)
    assert console.add(b'one\ntwo\n')[-1] == 'two'
    assert console.problem == f'{path}: No space left on device. The rest of the console is not kept in this file.'
    assert console.add(b'one\ntwo\nthree\n') == ['three']
    assert console.last_lines() == ['one', 'two', 'three']


def test_a_file_that_may_not_be_written_is_an_error_with_its_name(tmp_path):
    with pytest.raises(OSError, match='Is a directory') as refused:
        Console(str(tmp_path)).add(b'one\n')
    assert refused.value.filename == str(tmp_path)


def test_the_kept_lines_of_an_earlier_run_can_be_read(tmp_path):
    path = tmp_path / 'console.log'
    assert Console(str(path)).kept_lines() == []
    path.write_bytes(b'one\n\ntwo')
    assert Console(str(path)).kept_lines() == ['one', 'two']
    assert Console().kept_lines() == []
