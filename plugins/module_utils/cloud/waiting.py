# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for the cloud: by deadline, stopping at once at a state that can no longer become the wanted one."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

Resource = dict[str, t.Any]


class WaitError(CollectionError):
    """Waiting was in vain. ``resource`` is the resource as last seen, None when it was not there."""

    def __init__(self, message: str, resource: Resource | None, timed_out: bool = False) -> None:
        super().__init__(message)
        self.resource = resource
        self.timed_out = timed_out


def pause(waited: float) -> float:
    """Seconds until the next look: short at first, because much is over soon, and 5 s where it takes minutes.

    Never below 1 s: up to Eucalyptus 4.1 the same request twice in one second counts as a replay.
    """
    return 1.0 if waited < 15 else 2.0 if waited < 60 else 5.0


def wait_for(
    look: t.Callable[[], Resource | None],
    reached: t.Callable[[Resource | None], bool],
    what: str,
    timeout: float,
    doomed: t.Callable[[Resource], bool] = lambda resource: False,
) -> Resource | None:
    """Call ``look`` until ``reached`` says yes and return what it saw; at least once, whatever the timeout.

    ``look`` returns the resource, with ``state`` and perhaps ``state_reason``, or None when it is not there.
    Directly after a create that means "not yet", so only ``reached`` judges None. ``what`` names the aim: 'volume
    vol-1 to become available'. Raises WaitError at a doomed state and after ``timeout`` seconds.
    """
    start = time.monotonic()
    while True:
        resource = look()
        if reached(resource):
            return resource
        waited = time.monotonic() - start
        if resource is not None and doomed(resource):
            raise WaitError(f'Waited {waited:.0f} s for {what}, but now it never will: {_words(resource)}.', resource)
        if waited >= timeout:
            raise WaitError(
                f'Waited {waited:.0f} s for {what}: {_words(resource)}. It may still come: '
                'run the same task again to go on waiting, or raise wait_timeout.',
                resource,
                timed_out=True,
            )
        time.sleep(max(0.0, min(pause(waited), timeout - waited)))


def _words(resource: Resource | None) -> str:
    if resource is None:
        return 'the cloud does not list it'
    parts = [f'its last state is {resource.get("state") or "unknown"}']
    if resource.get('progress'):
        parts.append(f'at {resource["progress"]}')
    if resource.get('state_reason'):
        parts.append(f'because: {resource["state_reason"]}')
    return ' '.join(parts)
