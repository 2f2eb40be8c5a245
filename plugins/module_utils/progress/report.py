# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of a module that takes long: lines in a file, which the task's action plugin reads and prints."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

MIB = 1 << 20
EVERY = 2.0  # seconds between two lines
QUARTER = 25


class Report:
    """Writes one JSON object per line: {"text": "…", "note": true} is always printed, {"text": "…"} if there is room,
    {"text": "…", "passing": true} only on a terminal.

    Without a path nothing is written. A file that cannot be written is not an error, because no task needs its progress.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path

    def line(self, text: str) -> None:
        self._write({'text': text})

    def note(self, text: str) -> None:
        self._write({'text': text, 'note': True})

    def passing(self, text: str) -> None:
        self._write({'text': text, 'passing': True})

    def _write(self, entry: dict[str, object]) -> None:
        if not self._path:
            return
        try:
            with open(self._path, 'a', encoding='utf-8') as file:
                file.write(json.dumps(entry) + '\n')
        except OSError:
            self._path = None


class Progress:
    """Progress of `what` over `total` bytes. Beginning, quarters and end are notes, the rest is for terminals."""

    def __init__(self, report: Report, what: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._report, self._what, self._total, self._clock = report, what, total, clock
        self._start = self._reported_at = clock()
        self._percent = 0
        report.note(f'{what}: 0 %, {-(-total // MIB)} MiB')

    def reached(self, done: int) -> None:
        """Report `done` finished bytes. A smaller number than before is ignored: work out of order is reported out of order."""
        percent = 100 * done // self._total if self._total else 100
        if percent <= self._percent:
            return
        quarter = percent // QUARTER > self._percent // QUARTER
        if quarter or self._clock() - self._reported_at >= EVERY:
            (self._report.note if quarter else self._report.passing)(self._text(percent, done))
            self._reported_at = self._clock()
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
