# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling how far a long piece of work is: lines in a file that the task's action plugin follows and shows."""
from __future__ import annotations

import json
import time
from collections.abc import Callable

MIB = 1 << 20


class Progress:
    """Progress of `what` over `total` bytes. Each line of the file is JSON: {"percent": 0…100, "text": "…"}.

    Without a path nothing is written. A line is written for every percent, at most.
    """

    def __init__(self, path: str | None, what: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._what, self._total, self._clock = path, what, total, clock
        self._start = clock()
        self._percent = -1

    def reached(self, done: int) -> None:
        percent = 100 * done // self._total if self._total else 100
        if self._path and percent > self._percent:
            self._percent = percent
            with open(self._path, 'a', encoding='utf-8') as file:
                file.write(json.dumps({'percent': percent, 'text': self._text(percent, done)}) + '\n')

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
    return f'{whole} s' if whole < 100 else f'{whole // 60} min {whole % 60} s' if whole < 3600 else f'{seconds / 3600:.1f} h'
