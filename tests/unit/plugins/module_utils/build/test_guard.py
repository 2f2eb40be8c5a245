# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard, with real processes."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import termios
import threading
import time

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import guard


def wait_until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


@pytest.fixture
def terminal():
    """The playbook's, as its user and as its programs see it."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def playbook(terminal):
    process = subprocess.Popen(['sleep', '60'], stderr=terminal[1])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def start(tmp_path, playbook):
    """Starts a guard over the playbook; its cleaning leaves the file ``cleaned``."""

    def cleaning(report):
        report('cleaning up')
        (tmp_path / 'cleaned').touch()

    def start_one():
        return guard.start(guard.take_lock(tmp_path / 'lock'), playbook.pid, tmp_path / 'cleanup.log', cleaning)

    yield start_one
    if (tmp_path / 'lock').exists():
        guard.dismiss(tmp_path / 'lock')


def test_a_killed_playbook_is_cleaned_up_after(tmp_path, playbook, start):
    start()
    playbook.kill()
    assert wait_until((tmp_path / 'cleaned').exists)
    assert (tmp_path / 'cleanup.log').read_text() == 'cleaning up\n'


def test_what_it_does_is_told_on_the_playbooks_terminal(terminal, playbook, start):
    start()
    playbook.kill()
    assert select.select([terminal[0]], [], [], 60)[0]
    with open(terminal[0], 'rb', buffering=0, closefd=False) as screen:
        assert screen.readline() == b'cleaning up\r\n'


def test_a_terminal_stopped_with_ctrl_s_does_not_stop_the_guard(tmp_path, terminal, playbook, start):
    start()
    termios.tcflow(terminal[1], termios.TCOOFF)
    playbook.kill()
    assert wait_until((tmp_path / 'cleaned').exists)
    assert (tmp_path / 'cleanup.log').read_text() == 'cleaning up\n'


def test_a_full_disk_does_not_stop_the_guard(tmp_path, playbook, start):
    (tmp_path / 'cleanup.log').symlink_to('/dev/full')
    start()
    playbook.kill()
    assert wait_until((tmp_path / 'cleaned').exists)


def test_a_guard_that_cannot_write_its_log_is_not_taken_for_one(tmp_path, start):
    (tmp_path / 'cleanup.log').mkdir()
    with pytest.raises(IsADirectoryError):
        start()
    os.close(guard.take_lock(tmp_path / 'lock'))


def test_a_zombie_counts_as_gone(tmp_path, playbook, start):
    start()
    playbook.kill()  # not waited for: its parent has not noticed yet
    assert wait_until((tmp_path / 'cleaned').exists)


def test_a_dismissed_guard_does_nothing(tmp_path, playbook, start):
    start()
    assert guard.dismiss(tmp_path / 'lock')
    playbook.kill()
    playbook.wait()
    time.sleep(2.5 * guard.PERIOD)
    assert not (tmp_path / 'cleaned').exists()
    assert not (tmp_path / 'lock').exists()


def test_a_second_build_in_the_same_directory_is_refused_and_told_who_has_it(tmp_path, start):
    pid = start()
    with pytest.raises(guard.Locked) as refusal:
        guard.take_lock(tmp_path / 'lock')
    assert refusal.value.pid == pid


def test_a_guard_that_was_killed_leaves_no_lock(tmp_path, start):
    subprocess.run(['kill', '-9', str(start())], check=True)
    assert wait_until(lambda: guard.dismiss(tmp_path / 'lock') is False)


def test_dismissing_where_no_guard_is_changes_nothing(tmp_path):
    assert guard.dismiss(tmp_path / 'lock') is False


def test_a_guard_that_ends_just_before_it_is_told_to_was_none(tmp_path):
    lock = guard.take_lock(tmp_path / 'lock')
    with subprocess.Popen(['true']) as ended:
        os.pwrite(lock, f'{ended.pid}\n'.encode(), 0)
    threading.Timer(0.3, os.close, [lock]).start()
    assert guard.dismiss(tmp_path / 'lock') is False


def test_a_lock_on_a_file_that_was_dismissed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    path, flock = tmp_path / 'lock', guard.fcntl.flock
    earlier = guard.take_lock(path)

    def after_the_earlier_one(descriptor, how):
        monkeypatch.setattr(guard.fcntl, 'flock', flock)
        path.unlink()
        os.close(earlier)
        flock(descriptor, how)

    monkeypatch.setattr(guard.fcntl, 'flock', after_the_earlier_one)
    lock = guard.take_lock(path)
    assert os.path.samestat(os.fstat(lock), path.stat())
    with pytest.raises(guard.Locked):
        guard.take_lock(path)
    os.close(lock)


def test_the_lock_is_held_until_its_file_is_gone(tmp_path, monkeypatch):
    path, unlink = tmp_path / 'lock', guard.Path.unlink
    os.close(guard.take_lock(path))

    def unlink_late(self, **options):
        with pytest.raises(guard.Locked):
            guard.take_lock(path)
        unlink(self, **options)

    monkeypatch.setattr(guard.Path, 'unlink', unlink_late)
    assert guard.dismiss(path) is False
    assert not path.exists()
