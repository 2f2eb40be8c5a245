# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until an installer can be operated by a person, and printing what the person has to do."""

from __future__ import annotations

import contextlib
import socket
import time
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.judgement import TIMEOUT, Verdict
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Report

ATTEMPT = 1.0  # seconds for one connection; a filter that drops the packets answers never
REMIND = 60.0  # seconds between two reports


class Listener:
    """The port of an installer, and the lines that are printed once it accepts a connection; at once without a port.

    ``timeout`` is in seconds.
    """

    def __init__(self, address: str, port: int, timeout: float, lines: t.Sequence[str], report: Report) -> None:
        self._address, self._port, self._timeout, self._lines, self._report = address, port, timeout, lines, report
        self._began = self._reported = time.monotonic()
        self.announced = not lines

    def look(self) -> Verdict | None:
        """Try to connect, unless the lines were printed already. Return a verdict when the time is over."""
        if self.announced:
            return None
        if not self._port or self._answers():
            for line in self._lines:
                self._report.note(line)
            self.announced = True
            return None
        seconds = time.monotonic() - self._began
        if seconds >= self._timeout:
            return Verdict(
                TIMEOUT,
                f'port {self._port} of {self._address} has accepted no connection within {seconds:.0f} s. Either the installer '
                'does not listen there, or the security group or another filter refuses this machine',
            )
        if time.monotonic() - self._reported >= REMIND:
            self._reported = time.monotonic()
            self._report.note(f'port {self._port} of {self._address} does not answer yet, after {seconds:.0f} s')
        return None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self._address, self._port), ATTEMPT):
            return True
        return False
