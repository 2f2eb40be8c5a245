# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for the cloud, up to a deadline, and only while the wanted state can still be reached."""

from __future__ import annotations

import threading
import time
import types
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

Resource = dict[str, t.Any]
Report = t.Callable[[str], None]

# Seconds between two reports. With the pause between two looks added, that is one at least every 30 s.
KEEP_WAITING = 'Run the task again to keep waiting, or raise wait_timeout.'
REPORT_EVERY = 20.0


class WaitError(CollectionError):
    """The wanted state was not reached. ``resource`` is the resource as last seen, None when it was not listed."""

    def __init__(self, message: str, resource: Resource | None, timed_out: bool = False) -> None:
        super().__init__(message)
        self.resource = resource
        self.timed_out = timed_out


class Meanwhile:
    """Calls ``tick`` once a second while its block runs, so that a request without an answer does not end the reports."""

    def __init__(self, tick: t.Callable[[], None]) -> None:
        self._tick, self._over = tick, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(1.0):
            self._tick()


def pause(waited: float) -> float:
    """Seconds until the next look: short at first, because many changes are quick, and 5 s for those that take minutes.

    Never below 1 s: up to Eucalyptus 4.1 the same request twice in one second counts as a replay.
    """
    return 1.0 if waited < 15 else 2.0 if waited < 60 else 5.0


def in_state(*states: str) -> t.Callable[[Resource | None], bool]:
    """A condition for ``wait_for``: the resource is listed, in one of these states."""
    return lambda resource: resource is not None and resource['state'] in states


def wait_for(
    look: t.Callable[[], Resource | None],
    reached: t.Callable[[Resource | None], bool],
    aim: str,
    timeout: float,
    failed: t.Callable[[Resource], bool] = lambda resource: False,
    report: Report = lambda text: None,
) -> Resource | None:
    """Call ``look`` until ``reached`` is true and return the resource as then seen; at least once, whatever the timeout.

    ``look`` returns the resource, with ``state`` and perhaps ``state_reason``, or None when it is not listed. Directly
    after a create that means "not yet", so only ``reached`` judges None. ``aim`` completes a sentence: 'volume vol-1 to
    become available'. ``report`` receives a line at least every 30 seconds. Raises WaitError at a failed state and
    after ``timeout`` seconds.
    """
    start = time.monotonic()
    reported = 0.0
    condition = 'the cloud has not answered yet'

    def remind() -> None:
        nonlocal reported
        waited = time.monotonic() - start
        if waited - reported >= REPORT_EVERY:
            report(f'Waiting for {aim}, {waited:.0f} s so far: {condition}')
            reported = waited

    while True:
        with Meanwhile(remind):
            resource = look()
        condition = _condition(resource)
        if reached(resource):
            return resource
        waited = time.monotonic() - start
        if resource is not None and failed(resource):
            raise WaitError(f'Waiting for {aim} failed after {waited:.0f} s: {condition}.', resource)
        if waited >= timeout:
            text = f'Waiting for {aim} took longer than {waited:.0f} s: {condition}. {KEEP_WAITING}'
            raise WaitError(text, resource, timed_out=True)
        remind()
        time.sleep(max(0.0, min(pause(waited), timeout - waited)))


def _condition(resource: Resource | None) -> str:
    if resource is None:
        return 'the cloud does not list it'
    parts = [f'its last state is {resource.get("state") or "unknown"}']
    if resource.get('progress'):
        parts.append(f'at {resource["progress"]}')
    if resource.get('state_reason'):
        parts.append(f'because: {resource["state_reason"]}')
    return ' '.join(parts)
