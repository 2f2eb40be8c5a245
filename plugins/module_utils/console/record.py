# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance's whole console, put together from the windows that the cloud shows of it.

The cloud shows the last 64 KiB of the serial console, after up to 4 KiB of messages from the node controller's hooks.
"""

from __future__ import annotations

import errno
import os

from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.text import Lines

HEAD = 4096
WINDOW = 64 * 1024
LOST = b'\n[... a part of the console was not seen: it was printed faster than it could be read ...]\n'
# Fewer bytes in common could be chance.
LEAST_OVERLAP = 16
ANCHOR = 64
FULL = (errno.ENOSPC, errno.EDQUOT)


def news(previous: bytes, window: bytes) -> bytes | None:
    """Return the bytes that ``window`` has beyond ``previous``, an earlier window or the end of the kept file; None if
    the two do not overlap."""
    if window.startswith(previous):
        return window[len(previous) :]
    # The hooks' messages stay in front while the rest moves on.
    common = len(os.path.commonprefix([previous[:HEAD], window[:HEAD]]))
    for start in (common, min(HEAD, len(window))):
        moved = window[start:]
        anchor = moved[:ANCHOR]
        place = previous.find(anchor, start) if len(anchor) == ANCHOR else -1
        while place != -1:
            if moved.startswith(previous[place:]):
                return moved[len(previous) - place :]
            place = previous.find(anchor, place + 1)
        for length in range(min(ANCHOR, len(previous)), LEAST_OVERLAP - 1, -1):
            if moved.startswith(previous[-length:]):
                return moved[length:]
    return None


class Console:
    """The whole console: kept in a file, if one is given, and read as lines.

    A file of an earlier, interrupted run is continued where the console overlaps with it, and replaced otherwise. A
    new file is readable by its owner alone, because installers print secrets; an existing one keeps its mode.

    Once the file's disk is full, ``problem`` has the reason and only the last WINDOW bytes are kept, in memory. Any
    other OSError of the file is raised.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = path
        self.problem: str | None = None
        self.tail = b''  # the end of what has been seen, at most WINDOW bytes
        self._last: bytes | None = None  # the last window
        self._lines = Lines()

    def add(self, window: bytes) -> list[str]:
        """Process the window that the cloud now shows, and return the lines that ended since, readable and without
        empty ones."""
        new = self._new(window)
        if not new:
            return []
        self.tail = (self.tail + new)[-WINDOW:]
        return self._lines.add(new)

    @property
    def unfinished(self) -> str:
        """The last line, whose end has not been seen: a prompt, for example."""
        return self._lines.unfinished

    def last_lines(self, count: int | None = None) -> list[str]:
        """Return the last lines that are not empty, by default all of the last WINDOW bytes."""
        return _lines_of(self.tail)[-(count or 0) :]

    def kept_lines(self) -> list[str]:
        """Return the last lines of the file, which an earlier run may have written."""
        return _lines_of(_end_of(self.path)) if self.path else []

    def _new(self, window: bytes) -> bytes:
        if not window:
            return b''
        if self._last is None:
            new = window
            self._continue(window)
        else:
            found = news(self._last, window)
            new = LOST + window if found is None else found
            self._write(new)
        self._last = window
        return new

    def _continue(self, window: bytes) -> None:
        """Write the first window into the file. Its lines are new in any case, because this run has not seen them."""
        kept = _end_of(self.path) if self.path else b''
        more = news(kept, window) if kept else None
        if more is None:
            self._write(window, anew=True)
        else:
            self._write(more)

    def _write(self, data: bytes, anew: bool = False) -> None:
        if not self.path or self.problem or not (data or anew):
            return
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if anew else os.O_APPEND)
        try:
            with open(os.open(self.path, flags, 0o600), 'ab') as file:
                file.write(data)
        except OSError as error:
            if error.errno not in FULL:
                raise OSError(error.errno, error.strerror, self.path) from error  # a failed write does not name its file
            self.problem = f'{self.path}: {error.strerror}. The rest of the console is not kept in this file.'


def _lines_of(data: bytes) -> list[str]:
    lines = Lines()
    return [line for line in [*lines.add(data), lines.unfinished] if line]


def _end_of(path: str) -> bytes:
    try:
        with open(path, 'rb') as file:
            file.seek(max(0, os.path.getsize(path) - WINDOW - HEAD))
            return file.read()
    except FileNotFoundError:
        return b''
