# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard, with real processes."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import termios
import threading
import time

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import guard
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim import BuildInProgress


def wait_until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


class Work:
    """A guard's work that leaves files. With the file ``taken`` another machine has the build, with ``away`` the storage is
    unreachable, with ``endless`` the cleaning does not end."""

    def __init__(self, directory):
        self.directory = directory

    def refresh(self):
        if (self.directory / 'taken').exists():
            raise BuildInProgress('debian is being built by bob.')
        if (self.directory / 'away').exists():
            (self.directory / 'away').unlink()
            raise OSError('no route to host')
        (self.directory / 'alive').touch()

    def clean(self, show):
        show('cleaning up')
        (self.directory / 'cleaned').touch()
        while (self.directory / 'endless').exists():
            time.sleep(0.05)

    def release(self, _show):
        (self.directory / 'released').touch()


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(guard, 'REFRESH', 0.05)


@pytest.fixture
def terminal():
    """The playbook's, as its user and as its programs see it."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def playbook(terminal):
    # Tests that a script runs in the background ignore SIGINT, and so would the process.
    process = subprocess.Popen(['env', '--default-signal=INT', 'sleep', '60'], stderr=terminal[1])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def start(tmp_path, playbook):
    """Starts a guard over the playbook; its cleaning leaves the file ``cleaned``."""

    def start_one():
        lock = guard.take_lock(tmp_path / 'lock')
        return guard.start(lock, playbook.pid, tmp_path / 'cleanup.log', Work(tmp_path), 'the note')

    yield start_one
    if (tmp_path / 'lock').exists():
        guard.dismiss(tmp_path / 'lock')


def test_a_killed_playbook_is_cleaned_up_after(tmp_path, playbook, start):
    start()
    playbook.kill()
    assert wait_until((tmp_path / 'cleaned').exists)
    assert (tmp_path / 'cleanup.log').read_text() == 'cleaning up\n'


def test_its_steps_are_printed_on_the_playbooks_terminal(terminal, playbook, start):
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
    guard.take_lock(tmp_path / 'lock').release()


def test_it_gives_signs_of_life_until_it_is_dismissed_and_then_gives_up_nothing_itself(tmp_path, often, start):
    start()
    for _time in range(3):
        assert wait_until((tmp_path / 'alive').exists)
        (tmp_path / 'alive').unlink()
    guard.dismiss(tmp_path / 'lock')
    (tmp_path / 'alive').unlink(missing_ok=True)
    time.sleep(0.3)
    assert not (tmp_path / 'alive').exists()
    assert not (tmp_path / 'released').exists()


def test_it_gives_signs_of_life_while_it_cleans_up_and_releases_afterwards(tmp_path, often, playbook, start):
    (tmp_path / 'endless').touch()
    start()
    playbook.kill()
    assert wait_until((tmp_path / 'cleaned').exists)
    (tmp_path / 'alive').unlink(missing_ok=True)
    assert wait_until((tmp_path / 'alive').exists)
    assert not (tmp_path / 'released').exists()
    (tmp_path / 'endless').unlink()
    assert wait_until((tmp_path / 'released').exists)


def test_a_storage_that_is_away_for_a_moment_is_logged_and_ends_nothing(tmp_path, often, playbook, start):
    (tmp_path / 'away').touch()
    start()
    assert wait_until((tmp_path / 'alive').exists)
    assert playbook.poll() is None
    assert 'The claim could not be renewed: no route to host' in (tmp_path / 'cleanup.log').read_text()


def test_a_build_that_another_machine_took_over_is_stopped_and_nothing_is_removed(tmp_path, often, terminal, playbook, start):
    (tmp_path / 'taken').touch()
    pid = start()
    assert playbook.wait(timeout=60) == -signal.SIGINT
    assert wait_until(lambda: not os.path.exists(f'/proc/{pid}'))
    assert 'another machine took it over: debian is being built by bob.' in (tmp_path / 'cleanup.log').read_text()
    assert not (tmp_path / 'cleaned').exists()
    assert not (tmp_path / 'released').exists()


def test_a_playbook_in_the_background_which_ignores_interrupts_is_terminated():
    for ignoring, number in (('', signal.SIGINT), ('trap "" INT; ', signal.SIGTERM)):
        command = ['env', '--default-signal=INT', 'sh', '-c', f'{ignoring}echo ready; exec sleep 60']
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b'ready\n'
            assert guard._stopping_signal(process.pid) == number
            process.send_signal(number)
            assert process.wait(timeout=60) == -number


def test_the_note_of_a_killed_guard_is_found_by_the_next(tmp_path, start):
    pid = start()
    subprocess.run(['kill', '-9', str(pid)], check=True)
    assert wait_until(lambda: not os.path.exists(f'/proc/{pid}'))
    lock = guard.take_lock(tmp_path / 'lock')
    assert lock.note == 'the note'
    lock.release()


def test_a_zombie_counts_as_gone(tmp_path, playbook, start):
    start()
    playbook.kill()  # not waited for: its parent has not noticed yet
    assert wait_until((tmp_path / 'cleaned').exists)


def test_a_dismissed_guard_does_nothing(tmp_path, playbook, start):
    start()
    assert guard.dismiss(tmp_path / 'lock') == (True, 'the note')
    playbook.kill()
    playbook.wait()
    time.sleep(2.5 * guard.PERIOD)
    assert not (tmp_path / 'cleaned').exists()
    assert not (tmp_path / 'lock').exists()


def test_a_second_build_in_the_same_directory_is_refused_with_the_process_that_has_it(tmp_path, start):
    pid = start()
    with pytest.raises(guard.DirectoryInUse) as refusal:
        guard.take_lock(tmp_path / 'lock')
    assert refusal.value.pid == pid


def test_a_guard_that_was_killed_leaves_no_lock(tmp_path, start):
    subprocess.run(['kill', '-9', str(start())], check=True)
    assert wait_until(lambda: guard.dismiss(tmp_path / 'lock')[0] is False)


def test_dismissing_where_no_guard_is_changes_nothing(tmp_path):
    assert guard.dismiss(tmp_path / 'lock')[0] is False


def test_a_guard_that_ends_just_before_its_dismissal_counts_as_none(tmp_path):
    lock = guard.take_lock(tmp_path / 'lock')
    with subprocess.Popen(['true']) as ended:
        os.pwrite(lock.descriptor, f'{ended.pid}\n'.encode(), 0)
    threading.Timer(0.3, lock.release).start()
    assert guard.dismiss(tmp_path / 'lock')[0] is False


def test_a_lock_on_a_file_that_was_dismissed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    path, flock = tmp_path / 'lock', guard.fcntl.flock
    earlier = guard.take_lock(path)

    def after_the_earlier_one(descriptor, how):
        monkeypatch.setattr(guard.fcntl, 'flock', flock)
        path.unlink()
        earlier.release()
        flock(descriptor, how)

    monkeypatch.setattr(guard.fcntl, 'flock', after_the_earlier_one)
    lock = guard.take_lock(path)
    assert os.path.samestat(os.fstat(lock.descriptor), path.stat())
    with pytest.raises(guard.DirectoryInUse):
        guard.take_lock(path)
    lock.release()


def test_the_lock_is_held_until_its_file_is_gone(tmp_path, monkeypatch):
    path, unlink = tmp_path / 'lock', guard.Path.unlink
    guard.take_lock(path).release()

    def unlink_late(self, **options):
        with pytest.raises(guard.DirectoryInUse):
            guard.take_lock(path)
        unlink(self, **options)

    monkeypatch.setattr(guard.Path, 'unlink', unlink_late)
    assert guard.dismiss(path)[0] is False
    assert not path.exists()
