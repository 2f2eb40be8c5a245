# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that watches a build's playbook and cleans up after it when the playbook is interrupted or killed.

Ansible cannot do that: at Ctrl-C it ends its workers and runs neither ``rescue`` nor ``always``.

The guard holds a lock on a file in the build's directory as long as it lives. The lock prevents a second build in the same
directory, and proves that the process whose number is in the file is still the guard. Between machines, the claim does
that (claim.py); the guard keeps it alive.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import signal
import threading
import time
import typing as t
from pathlib import Path

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim import REFRESH, BuildInProgress
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

PERIOD = 1.0
LAST_REQUEST = 20.0  # seconds for a renewal that is in progress when the guard ends
Print = t.Callable[[str], None]


class DirectoryInUse(BuildInProgress):
    """Another guard holds the lock. ``pid`` is its process, 0 while it starts."""

    def __init__(self, directory: Path, pid: int) -> None:
        super().__init__(
            f'A build in {directory} is running on this machine, or is being cleaned up after an interruption (process {pid}).'
        )
        self.pid = pid


class GuardError(CollectionError):
    """The guard cannot be started."""


class Duty(t.Protocol):
    """The work of a guard."""

    def refresh(self) -> None:
        """Renew the claim. Raises BuildInProgress if another machine has taken over the build."""

    def clean(self, show: Print) -> None:
        """Remove what the interrupted build created. ``show`` prints a line for the user."""

    def release(self, show: Print) -> None:
        """Give up the claim, after the last renewal."""


class Lock(t.NamedTuple):
    """An open, locked file, and the note that its last guard left there: '' when there was none."""

    path: Path
    descriptor: int
    note: str

    def release(self) -> None:
        """Close this copy of the descriptor; the lock exists until all copies are closed."""
        os.close(self.descriptor)

    def remove(self) -> None:
        """Remove the file while it is locked, so that no other process starts with a file that is about to be removed."""
        self.path.unlink(missing_ok=True)
        self.release()


def take_lock(path: Path) -> Lock:
    """Raises DirectoryInUse."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _note = _read(descriptor)
            os.close(descriptor)
            raise DirectoryInUse(path.parent, pid) from None
        if _is_at(path, descriptor):
            _pid, note = _read(descriptor)
            os.ftruncate(descriptor, 0)  # the process that is named there is gone
            return Lock(path, descriptor, note)
        os.close(descriptor)  # dismiss() removed it between opening and locking


def start(lock: Lock, playbook: int, log: Path, duty: Duty, note: str = '') -> int:
    """Start the guard, which takes over ``lock``, and return its process id.

    When the process ``playbook`` is gone, the guard calls the duty's ``clean`` and ``release``, and ends. The lines that
    these print go to the file ``log``, and to the playbook's terminal if it has one. ``note`` stays in the lock's file for
    the next guard. Raises GuardError where /proc does not show the process, and OSError where the log cannot be written:
    the guard itself could not report that to anybody.
    """
    try:
        born = _birth(playbook)
        if born is None:
            raise GuardError(f'Process {playbook}, which the guard should watch, is not visible in /proc.')
        kept = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except BaseException:
        lock.release()
        raise
    terminal = _terminal_of(playbook)
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        lock.release()
        os.close(kept)
        with os.fdopen(reader) as pipe:
            return int(pipe.read())
    os.setsid()
    if os.fork():
        os._exit(0)
    try:
        os.pwrite(lock.descriptor, f'{os.getpid()}\n{note}\n'.encode(), 0)
        _leave_the_caller(kept)
        os.write(writer, str(os.getpid()).encode())
        os.close(writer)
        os.close(reader)
        _serve(playbook, born, duty, functools.partial(_print, terminal))
    finally:
        os._exit(0)


def dismiss(path: Path, timeout: float = 30) -> tuple[bool, str]:
    """End the guard that holds the lock at ``path``. Return whether there was one, and the note of the last one.

    Raises DirectoryInUse when it does not end in time.
    """
    deadline = time.monotonic() + timeout
    signalled = False
    while True:
        try:
            lock = take_lock(path)
        except FileNotFoundError:
            return False, ''
        except DirectoryInUse as other:
            if time.monotonic() > deadline:
                raise
            if other.pid and not signalled:
                with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                    os.kill(other.pid, signal.SIGTERM)
                    signalled = True
            time.sleep(0.02)
        else:
            lock.remove()
            return signalled, lock.note


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> tuple[int, str]:
    pid, _end, note = os.pread(descriptor, 4096, 0).decode('utf-8', 'replace').partition('\n')
    return int(pid) if pid.isdigit() else 0, note.strip()


def _terminal_of(pid: int) -> str | None:
    try:
        name = os.readlink(f'/proc/{pid}/fd/2')
    except OSError:
        return None
    return name if name.startswith(('/dev/pts/', '/dev/tty')) else None


def _end(_number: int, _frame: object) -> t.NoReturn:
    raise SystemExit


def _leave_the_caller(log: int) -> None:
    """Close the files that Ansible waits for. From now on only SIGTERM ends this process, after its last request."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the caller may have held interrupts
    os.chdir('/')
    nothing = os.open(os.devnull, os.O_RDWR)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)


def _serve(playbook: int, born: str, duty: Duty, show: Print) -> None:
    ended, lost = threading.Event(), threading.Event()

    def keep_alive() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # the main thread handles it
        while not ended.wait(REFRESH):
            try:
                duty.refresh()
            except BuildInProgress as error:
                lost.set()
                show(f'\nThis build is stopped because another machine took it over: {error}')
                if _birth(playbook) == born:
                    os.kill(playbook, _stopping_signal(playbook))
                return
            except Exception as error:  # the storage may be unreachable for a while
                _print(None, f'The claim could not be renewed: {error}')

    thread = threading.Thread(target=keep_alive, daemon=True)
    thread.start()
    try:
        while _birth(playbook) == born:
            time.sleep(PERIOD)
        if not lost.is_set():
            duty.clean(show)
    finally:
        ended.set()
        thread.join(LAST_REQUEST)
    if not lost.is_set():
        duty.release(show)


def _stopping_signal(pid: int) -> signal.Signals:
    """SIGINT, like Ctrl-C; SIGTERM for a process that ignores SIGINT, as those that a script starts in the background do."""
    status = Path(f'/proc/{pid}/status').read_text()
    ignored = int(status.partition('SigIgn:')[2].split()[0], 16)
    return signal.SIGTERM if ignored & 1 << signal.SIGINT - 1 else signal.SIGINT


def _birth(pid: int) -> str | None:
    """Start time of a process in clock ticks, which distinguishes it from a later one with the same number; None when it
    is gone or a zombie."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return None
    return None if fields[0] in 'ZX' else fields[19]


def _print(terminal: str | None, text: str) -> None:
    """Print without ever failing or blocking: the disk may be full, the terminal closed or stopped with Ctrl-S."""
    line = f'{text}\n'.encode()
    with contextlib.suppress(OSError):
        os.write(1, line)
    if terminal:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        with contextlib.suppress(OSError), open(os.open(terminal, flags), 'wb', buffering=0) as screen:
            screen.write(line)
