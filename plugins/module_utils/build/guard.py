# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that watches over a build and cleans up after it, should the playbook be interrupted or killed.

Ansible cannot do that itself: at Ctrl-C it ends its workers and runs neither ``rescue`` nor ``always``.

The guard holds a lock on a file in the build's directory as long as it lives. The lock keeps a second build of the same
inputs away, and tells without doubt whether the process whose number is in the file is still the guard.
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

PERIOD = 1.0
Tell = t.Callable[[str], None]


class Held(Exception):
    """Another guard holds the lock. ``pid`` is its process, 0 when it has not told yet."""

    def __init__(self, pid: int) -> None:
        super().__init__(pid)
        self.pid = pid


def take_lock(path: Path) -> int:
    """Return the descriptor of the locked file. The lock lives until all its copies are closed. Raises Held."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid_in(descriptor)
            os.close(descriptor)
            raise Held(pid) from None
        if _is_at(path, descriptor):
            os.ftruncate(descriptor, 0)  # what an earlier guard wrote is no longer true
            return descriptor
        os.close(descriptor)  # dismiss() has removed it between opening and locking


def start(lock: int, playbook: int, log: Path, clean: t.Callable[[Tell], None]) -> int:
    """Start the guard, which takes over ``lock``, and return its process id.

    When the process ``playbook`` is gone, the guard calls ``clean`` and ends. What ``clean`` tells goes to the file ``log``, and
    to the playbook's terminal if it has one. Raises OSError where /proc does not show the process, and where the log cannot be
    written: the guard itself would have nobody to tell that.
    """
    try:
        if _birth(playbook) is None:
            raise OSError(f'process {playbook}, which is to be watched, cannot be seen in /proc')
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
        clean(functools.partial(_tell, terminal))
    finally:
        os._exit(0)


def dismiss(path: Path, timeout: float = 30) -> bool:
    """End the guard that holds the lock at ``path``; False when there is none. Raises Held when it does not end in time."""
    deadline = time.monotonic() + timeout
    signalled = False
    while True:
        try:
            lock = take_lock(path)
        except FileNotFoundError:
            return False
        except Held as held:
            if time.monotonic() > deadline:
                raise
            if held.pid and not signalled:
                with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                    os.kill(held.pid, signal.SIGTERM)
                    signalled = True
            time.sleep(0.02)
        else:
            path.unlink(missing_ok=True)  # still locked: nobody begins with a file that then goes
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
    """Close what Ansible waits for, and let nothing but SIGTERM end this process."""
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
    """When a process began, in clock ticks, so that a reused number is not taken for it; None when it is gone or a zombie."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return None
    return None if fields[0] in 'ZX' else fields[19]


def _tell(terminal: str | None, text: str) -> None:
    """Nothing may keep the guard from its work: not a full disk, not a terminal that is closed or stopped with Ctrl-S."""
    line = f'{text}\n'.encode()
    with contextlib.suppress(OSError):
        os.write(1, line)
    if terminal:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        with contextlib.suppress(OSError), open(os.open(terminal, flags), 'wb', buffering=0) as screen:
            screen.write(line)
