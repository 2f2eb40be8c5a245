# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for the cloud, up to a deadline, and only while the wanted state can still be reached."""

from __future__ import annotations

import threading
import time
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import retry
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.failures import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

Resource = dict[str, t.Any]
Report = t.Callable[[str], None]
Result = t.TypeVar('Result')

KEEP_WAITING = 'Run the task again to keep waiting, or raise wait_timeout.'
# Seconds between two reports. With the pause between two looks added, that is one at least every 30 s.
REPORT_EVERY = 20.0
# Failures of a look that do not end the waiting.
BORNE = retry.Policy(attempts=1, unanswered=True)
LAST_LOOK = 10.0  # seconds for the answer to a look that begins near the deadline


class WaitError(CollectionError):
    """The wanted state was not reached. ``resource`` is the resource as last seen, None when it was not listed."""

    def __init__(self, message: str, resource: Resource | None, timed_out: bool = False) -> None:
        super().__init__(message)
        self.resource = resource
        self.timed_out = timed_out


class Unanswered(Exception):
    """No answer arrived in time. The text is a clause for a message."""


def within(seconds: float, ask: t.Callable[[], Result], tick: t.Callable[[], None]) -> Result:
    """Return what ``ask`` returns, and call ``tick`` once a second meanwhile. Raises Unanswered after ``seconds``.

    A request cannot be stopped, so it continues in its thread, and its answer is discarded.
    """
    outcome: list[tuple[Result | None, BaseException | None]] = []
    answered = threading.Event()

    def run() -> None:
        try:
            outcome.append((ask(), None))
        except BaseException as error:
            outcome.append((None, error))
        answered.set()

    end = time.monotonic() + seconds
    threading.Thread(target=run, daemon=True).start()
    while not answered.wait(max(0.0, min(1.0, end - time.monotonic()))):
        if time.monotonic() >= end:
            raise Unanswered(f'the cloud has not answered for {seconds:.0f} s')
        tick()
    result, error = outcome[0]
    if error:
        raise error
    return t.cast(Result, result)


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

    A cloud that cannot be reached for a while does not end the waiting.

    ``look`` returns the resource, with ``state`` and perhaps ``state_reason``, or None when it is not listed. Directly
    after a create that means "not yet", so only ``reached`` judges None. ``aim`` completes a sentence: 'volume vol-1 to
    become available'. ``report`` receives a line at least every 30 seconds. Raises WaitError at a failed state and
    after ``timeout`` seconds.
    """
    wait = _Wait(aim, report)
    resource: Resource | None = None
    while True:
        try:
            resource = within(max(timeout - wait.seconds, LAST_LOOK), look, wait.remind)
        except (CloudError, Unanswered) as error:
            if isinstance(error, CloudError) and not BORNE.covers(error):
                raise
            wait.condition = str(error).rstrip('.')
        else:
            wait.condition = _condition(resource)
            if reached(resource):
                return resource
            if resource is not None and failed(resource):
                raise WaitError(f'Waiting for {aim} failed after {wait.seconds:.0f} s: {wait.condition}.', resource)
        if wait.seconds >= timeout:
            text = f'Waiting for {aim} took longer than {wait.seconds:.0f} s: {wait.condition}. {KEEP_WAITING}'
            raise WaitError(text, resource, timed_out=True)
        wait.remind()
        time.sleep(max(0.0, min(pause(wait.seconds), timeout - wait.seconds)))


class _Wait:
    """The time of one wait, and its reports."""

    def __init__(self, aim: str, report: Report) -> None:
        self._aim, self._report = aim, report
        self._start = time.monotonic()
        self._reported = 0.0
        self.condition = 'the cloud has not answered yet'

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._start

    def remind(self) -> None:
        waited = self.seconds
        if waited - self._reported >= REPORT_EVERY:
            self._report(f'Waiting for {self._aim}, {waited:.0f} s so far: {self.condition}')
            self._reported = waited


def _condition(resource: Resource | None) -> str:
    if resource is None:
        return 'the cloud does not list it'
    parts = [f'its last state is {resource.get("state") or "unknown"}']
    if resource.get('progress'):
        parts.append(f'at {resource["progress"]}')
    if resource.get('state_reason'):
        parts.append(f'because: {resource["state_reason"]}')
    return ' '.join(parts)
