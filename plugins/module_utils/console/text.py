# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An instance's console, put together from the windows that the cloud shows of it.

The cloud shows the last 64 KiB of the serial console, after up to 4 KiB that the node controller's hooks have said.
"""

from __future__ import annotations

import os
import re

HEAD = 4096
WINDOW = 64 * 1024
LOST = b'\n[... a part of the console was not seen: it went by faster than it was asked for ...]\n'
# Fewer bytes in common could be chance.
LEAST_OVERLAP = 16
ANCHOR = 64
LONGEST_LINE = 8192

# Text installers place their words with cursor movements instead of line ends.
PLACED = re.compile(rb'\x1b\[\d*(?:;\d*)?[Hf]')
ESCAPE = re.compile(r'\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])')
# The kernel prints its command line, and with it the answer file's presigned URL: whoever has it can read the file.
# Its signature is 28 Base64 characters, of which the last is "=", in percent-encoding; a terminal may break it in two.
BREAK = rb'(?:\r?\n)?'
SIGNATURE = re.compile(
    rb'(Signature=)(?:'
    rb'(?:' + BREAK + rb'[\w+/%]){27,81}?' + BREAK + rb'(?:=|%' + BREAK + rb'3' + BREAK + rb'D)'
    rb'|(?:' + BREAK + rb'[\w+/%]){1,81}' + BREAK + rb'\Z'
    rb'|[^&\s\'"]+)'
    # What comes before it may be out of the window, or broken in two itself.
    rb'|(?:[\w+/%=]' + BREAK + rb'){1,92}(?=&Expires=)'
)
CONTROL = re.compile(r'[\x00-\x08\x0b-\x1f\x7f-\x9f]')


def news(previous: bytes, window: bytes) -> bytes | None:
    """What ``window`` shows beyond ``previous``, an earlier window or the end of what was kept; None if they do not
    meet."""
    if window.startswith(previous):
        return window[len(previous) :]
    # The hooks' words stay in front while the rest moves on.
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


def without_signatures(data: bytes) -> bytes:
    """The same console with the signatures of presigned URLs hidden, also one whose beginning is not in the window."""
    return SIGNATURE.sub(lambda found: (found[1] or b'') + b'(hidden)', data)


class Console:
    """The whole console: kept in a file, if one is given, and read as lines.

    A file of an earlier, interrupted run is continued where the console overlaps with it, and replaced otherwise. A
    new file is readable by its owner alone, because installers print what they were told; an existing one keeps its
    mode.
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = path
        self.tail = b''  # the last WINDOW bytes of all
        self._last: bytes | None = None  # the last window
        self._rest = b''  # of a line whose end has not been seen

    def add(self, window: bytes) -> list[str]:
        """Take in what the cloud shows now and return the lines that were ended since, readable and without empty
        ones."""
        new = self._new(window)
        if new:
            self.tail = (self.tail + new)[-WINDOW:]
            pieces = PLACED.sub(b'\n', self._rest + new).split(b'\n')
            self._rest = pieces.pop()
            if len(self._rest) > LONGEST_LINE:
                pieces.append(self._rest)
                self._rest = b''
            return [line for line in map(readable, pieces) if line]
        return []

    @property
    def unfinished(self) -> str:
        """The last line, whose end has not been seen: a prompt, for example."""
        return readable(self._rest)

    def last_lines(self, count: int | None = None) -> list[str]:
        """The last lines that were not empty, all of the last WINDOW bytes by default."""
        lines = [readable(piece) for piece in PLACED.sub(b'\n', self.tail).split(b'\n')]
        return [line for line in lines if line][-(count or 0) :]

    def _new(self, window: bytes) -> bytes:
        if not window:
            return b''
        if self._last is None:
            new = window
            if self.path:
                new = self._continue(window)
        else:
            found = news(self._last, window)
            new = LOST + window if found is None else found
            self._write(new)
        self._last = window
        return new

    def _continue(self, window: bytes) -> bytes:
        """Write the first window into the file; return all of it, because its lines have not been seen in this run."""
        kept = _end_of(self.path) if self.path else b''
        more = news(kept, window) if kept else None
        if more is None:
            self._write(window, anew=True)
        else:
            self._write(more)
        return window

    def _write(self, data: bytes, anew: bool = False) -> None:
        if self.path and (data or anew):
            flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if anew else os.O_APPEND)
            try:
                with open(os.open(self.path, flags, 0o600), 'ab') as file:
                    file.write(data)
            except OSError as error:
                raise OSError(error.errno, error.strerror, self.path) from error  # a failed write does not name its file


def _end_of(path: str) -> bytes:
    try:
        with open(path, 'rb') as file:
            file.seek(max(0, os.path.getsize(path) - WINDOW - HEAD))
            return file.read()
    except FileNotFoundError:
        return b''


def readable(line: bytes) -> str:
    """One line as a terminal would leave it: no escape sequences, no control characters, only what was written last."""
    text = ESCAPE.sub('', line.decode('utf-8', 'replace'))
    written = [part for part in text.split('\r') if part.strip()]
    return CONTROL.sub('', written[-1] if written else '').replace('\t', ' ').rstrip()
