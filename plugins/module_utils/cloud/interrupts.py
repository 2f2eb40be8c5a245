# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that belong together: an interrupt takes effect after the last of them."""

from __future__ import annotations

import contextlib
import signal
import typing as t


@contextlib.contextmanager
def interrupts_held() -> t.Iterator[None]:
    """Ctrl-C and termination take effect only afterwards."""
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
