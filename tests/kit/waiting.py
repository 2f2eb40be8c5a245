# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting in tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait_for(what: str, condition: Callable[[], object], seconds: float = 60, progress: Callable[[], object] = lambda: 0) -> Any:
    """Wait until a condition holds. Time counts anew, to a limit, when ``progress`` changes (a guest's console)."""
    deadline, last, limit = time.monotonic() + seconds, progress(), time.monotonic() + 5 * seconds
    while True:
        if value := condition():
            return value
        if (now := progress()) != last:
            deadline, last = min(limit, time.monotonic() + seconds), now
        assert time.monotonic() < deadline, f'not within {seconds} s: {what}; last {str(last)[-2000:]}'
        time.sleep(0.05)
