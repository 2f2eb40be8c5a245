# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that manage labs, one at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ..config import state_root


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait until no other command for a lab of this machine runs: two would interfere."""
    root = state_root().resolve()
    directory = _lock(root)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            root.rmdir()  # only if no lab is left in it; the lock still keeps others out
        os.close(directory)


def _lock(root: Path) -> int:
    """The descriptor of the locked directory, which is created again if another command has just removed it."""
    while True:
        with contextlib.suppress(FileExistsError):
            root.mkdir(mode=0o755, parents=True)
        try:
            directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print('eucalab: waiting for another eucalab command to finish', file=sys.stderr)
            fcntl.flock(directory, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(directory), root.stat()):
                return directory
        os.close(directory)
