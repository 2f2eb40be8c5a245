# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long piece of work over many bytes is: with its rate and the time that remains."""
from __future__ import annotations

import time
from collections.abc import Callable

from ansible_collections.eucalyptus.cloud.plugins.module_utils.live import Live

MIB = 1 << 20
EVERY = 2.0  # seconds between two lines
QUARTER = 25


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
