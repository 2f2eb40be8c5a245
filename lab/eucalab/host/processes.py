# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's processes as daemons, each with a log and a pid file. They can always be found and stopped.

A pid file has two lines, the process number and the start time of the process in clock ticks since the machine booted.
The number alone may have been reused.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ..config import Config, cache_root, state_root

STOP_SECONDS = 15


class Daemon:
    """One process of a lab: ``api`` or a node's name."""

    def __init__(self, config: Config, name: str) -> None:
        self.config = config
        self.name = name
        self.arguments = ['eucalab.server', config.name] if name == 'api' else ['eucalab.node', config.name, name]
        self.pid_file = config.run / f'{name}.pid'
        self.log = config.log / f'{name}.log'

    def pid(self) -> int | None:
        """The process in the pid file, if it is still running."""
        try:
            pid, started = map(int, self.pid_file.read_text().split())
        except (FileNotFoundError, ValueError):
            return None
        return pid if start_time(pid) == started else None

    def start(self) -> int:
        """Start the process. Returns the length of its log before that, where its own lines begin."""
        environment = {
            **os.environ,
            'PYTHONPATH': str(Path(__file__).resolve().parents[2]),
            'PYTHONUNBUFFERED': '1',
            'EUCALAB_STATE': str(state_root().resolve()),
            'EUCALAB_CACHE': str(cache_root().resolve()),
        }
        with self.log.open('ab') as log:
            before = log.tell()
            # A session of its own, so that Ctrl-C in the terminal does not reach it.
            process = subprocess.Popen(
                [sys.executable, '-m', *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd='/',
                env=environment,
                start_new_session=True,
            )
        new = self.pid_file.with_suffix('.new')
        new.write_text(f'{process.pid}\n{start_time(process.pid)}\n')
        new.replace(self.pid_file)
        return before

    def said_since(self, before: int) -> str:
        with self.log.open('rb') as log:
            log.seek(before)
            return log.read().decode(errors='replace')

    def stop(self) -> None:
        own = self.pid()
        for pid in {*self._strays(), *([] if own is None else [own])}:
            end(pid)
        self.pid_file.unlink(missing_ok=True)

    def _strays(self) -> list[int]:
        """Processes of this lab without a pid file: the command that started them was killed immediately."""
        found = []
        for entry in Path('/proc').iterdir():
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    words = (entry / 'cmdline').read_bytes().decode(errors='replace').split('\0')[:-1]
                    if words[1:] == ['-m', *self.arguments] and _state_of(entry) == str(state_root().resolve()):
                        found.append(int(entry.name))
        return found


def _state_of(process: Path) -> str:
    """The state directory of a process. Labs in other directories may have the same names."""
    for line in (process / 'environ').read_bytes().split(b'\0'):
        if line.startswith(b'EUCALAB_STATE='):
            return os.fsdecode(line.partition(b'=')[2])
    return '/var/lib/eucalab'


def start_time(pid: int) -> int | None:
    """In clock ticks since boot (proc(5), field 22 of stat); None for a process that ended."""
    try:
        fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == 'Z' else int(fields[19])


def end(pid: int) -> None:
    """Terminate a process, and kill it after :data:`STOP_SECONDS`. Returns when it has ended."""
    started = start_time(pid)
    deadline = time.monotonic() + STOP_SECONDS
    number = signal.SIGTERM
    while started is not None and start_time(pid) == started:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        # One signal is enough, and after a kill only waiting remains.
        number = signal.SIGKILL if time.monotonic() > deadline else signal.Signals(signal.SIGCONT)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)
