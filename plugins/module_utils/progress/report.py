# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of a module that takes long: lines in a file that the task's action plugin follows and shows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

MIB = 1 << 20
EVERY = 2.0  # seconds between two lines
QUARTER = 25


class Live:
    """Each line of the file is JSON: {"text": "…", "note": true} is shown whatever else there is, {"text": "…"} if
    there is room, {"text": "…", "passing": true} if somebody is watching.

    Without a path nothing is written. Telling is an ornament, so a file that cannot be written is no error.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path

    def line(self, text: str) -> None:
        self._write({'text': text})

    def note(self, text: str) -> None:
        self._write({'text': text, 'note': True})

    def passing(self, text: str) -> None:
        self._write({'text': text, 'passing': True})

    def _write(self, what: dict[str, object]) -> None:
        if not self._path:
            return
        try:
            with open(self._path, 'a', encoding='utf-8') as file:
                file.write(json.dumps(what) + '\n')
        except OSError:
            self._path = None


class Progress:
    """Progress of `what` over `total` bytes. Beginning, quarters and end are told in any case, the rest to who is watching."""

    def __init__(self, live: Live, what: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._live, self._what, self._total, self._clock = live, what, total, clock
        self._start = self._told_at = clock()
        self._percent = 0
        live.note(f'{what}: 0 %, {-(-total // MIB)} MiB')

    def reached(self, done: int) -> None:
        """`done` bytes are through. Less than before is possible, where work is finished out of order, and not told."""
        percent = 100 * done // self._total if self._total else 100
        if percent <= self._percent:
            return
        quarter = percent // QUARTER > self._percent // QUARTER
        if quarter or self._clock() - self._told_at >= EVERY:
            (self._live.note if quarter else self._live.passing)(self._text(percent, done))
            self._told_at = self._clock()
        self._percent = percent

    def _text(self, percent: int, done: int) -> str:
        text = f'{self._what}: {percent} %, {done // MIB} of {-(-self._total // MIB)} MiB'
        seconds = self._clock() - self._start
        if not done or seconds < 0.1:
            return text
        rate = done / seconds
        left = '' if percent == 100 else f', {_duration((self._total - done) / rate)} left'
        return f'{text}, {rate / MIB:.1f} MiB/s{left}'


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 100:
        return f'{whole} s'
    return f'{whole // 60} min {whole % 60} s' if whole < 3600 else f'{seconds / 3600:.1f} h'
