# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that watches a playbook and cleans up after its build if the playbook is interrupted or killed.

Ansible itself cannot do that: at Ctrl-C it ends its workers and runs neither ``rescue`` nor ``always``.

The guard holds a lock on a file in the build's directory as long as it lives. The lock prevents a second build of the same
inputs. While it is held, the process whose number is in the file certainly is the guard.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import signal
import time
import typing as t
from pathlib import Path

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

PERIOD = 1.0
Report = t.Callable[[str], None]


class Locked(CollectionError):
    """Another guard holds the lock. ``pid`` is its process, 0 if it has not written its number yet."""

    def __init__(self, pid: int) -> None:
        super().__init__(f'The lock is held by process {pid or "(not known yet)"}.')
        self.pid = pid


def take_lock(path: Path) -> int:
    """Return the descriptor of the locked file. The lock lives until all its copies are closed. Raises Locked."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            raise Locked(pid) from None
        if _is_at(path, descriptor):
            os.ftruncate(descriptor, 0)  # the number of an earlier guard
            return descriptor
        os.close(descriptor)  # dismiss() has removed it between opening and locking


def start(lock: int, playbook: int, log: Path, clean: t.Callable[[Report], None]) -> int:
    """Start the guard, which takes over ``lock``, and return its process id.

    When the process ``playbook`` is gone, the guard calls ``clean`` and ends. What ``clean`` reports goes to the file ``log``,
    and to the playbook's terminal if it has one. Raises OSError if /proc does not list the process or the log cannot be
    written, since the guard itself could not report either.
    """
    try:
        if _birth(playbook) is None:
            raise OSError(f'Process {playbook}, which the guard should watch, is not in /proc.')
        kept = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        os.close(lock)
        raise
    terminal = _terminal_of(playbook)
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        os.close(lock)
        os.close(kept)
        with os.fdopen(reader) as pipe:
            return int(pipe.read())
    os.setsid()
    if os.fork():
        os._exit(0)
    try:
        os.pwrite(lock, f'{os.getpid()}\n'.encode(), 0)
        os.write(writer, str(os.getpid()).encode())
        os.close(writer)
        os.close(reader)
        _leave_the_caller(kept)
        _watch(playbook)
        clean(functools.partial(_report, terminal))
    finally:
        os._exit(0)


def dismiss(path: Path, timeout: float = 30) -> bool:
    """End the guard that holds the lock at ``path``; False if there is none. Raises Locked if it does not end in time."""
    deadline = time.monotonic() + timeout
    signalled = False
    while True:
        try:
            lock = take_lock(path)
        except FileNotFoundError:
            return False
        except Locked as locked:
            if time.monotonic() > deadline:
                raise
            if locked.pid and not signalled:
                with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                    os.kill(locked.pid, signal.SIGTERM)
                    signalled = True
            time.sleep(0.02)
        else:
            path.unlink(missing_ok=True)  # still locked, so that nobody locks a file that is about to vanish
            os.close(lock)
            return signalled


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _pid_in(descriptor: int) -> int:
    text = os.pread(descriptor, 20, 0).strip()
    return int(text) if text.isdigit() else 0


def _terminal_of(pid: int) -> str | None:
    try:
        name = os.readlink(f'/proc/{pid}/fd/2')
    except OSError:
        return None
    return name if name.startswith(('/dev/pts/', '/dev/tty')) else None


def _leave_the_caller(log: int) -> None:
    """Close what Ansible waits for, and leave only SIGTERM to end this process."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir('/')
    nothing = os.open(os.devnull, os.O_RDWR)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)


def _watch(pid: int) -> None:
    born = _birth(pid)
    while born is not None and _birth(pid) == born:
        time.sleep(PERIOD)


def _birth(pid: int) -> str | None:
    """Start time of a process in clock ticks, which a reused number does not have; None if it is gone or a zombie."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return None
    return None if fields[0] in 'ZX' else fields[19]


def _report(terminal: str | None, text: str) -> None:
    """Write to log and terminal. A full disk, a closed terminal or one stopped with Ctrl-S must not end the guard's work."""
    line = f'{text}\n'.encode()
    with contextlib.suppress(OSError):
        os.write(1, line)
    if terminal:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        with contextlib.suppress(OSError), open(os.open(terminal, flags), 'wb', buffering=0) as screen:
            screen.write(line)
