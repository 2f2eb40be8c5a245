# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following an instance's console, as long as it runs, until something is seen, the instance ends, or nothing comes
any more."""

from __future__ import annotations

import base64
import binascii
import re
import time
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import INSTANCE, Resource, look
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.text import Console, without_signatures
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Live

ENDED = ('terminated', 'shutting-down', 'stopping', 'stopped')
# A cloud that is restarted is away for a while; an installation goes on without it.
PATIENCE = 300
# How the hook's lines begin, which the cloud puts before the console.
HOOK = 'bootparams: '
# How long a new instance may not be listed yet.
NOT_YET = 30


def compile_patterns(patterns: t.Iterable[str]) -> list[re.Pattern[str]]:
    """Raises ValueError naming the pattern that is not a regular expression."""
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise ValueError(f'{pattern!r} is not a regular expression: {error}') from error
    return compiled


def first_match(patterns: t.Iterable[re.Pattern[str]], lines: t.Iterable[str]) -> str | None:
    """The first line in which one of the patterns is found."""
    patterns = list(patterns)
    return next((line for line in lines if any(pattern.search(line) for pattern in patterns)), None)


class Follower:
    """One instance, looked at again and again. ``poll`` looks once; the attributes say what has been seen up to
    then."""

    def __init__(self, cloud: Cloud, instance_id: str, console: Console, live: Live) -> None:
        self._cloud, self.instance_id, self.console, self._live = cloud, instance_id, console, live
        self.started = self._last_news = time.monotonic()
        self._away_since: float | None = None
        self._unfinished = ''
        self._told: str | None = None  # the unfinished line, once it has been returned
        self.state: str | None = None
        self.state_reason: str | None = None
        self.seen = self.ran = self.was_pending = False
        self.spoke = False  # has there been any output?
        self.boot_params: str | None = None  # what the node controller's hook said about them

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def silent(self) -> float:
        """Seconds since the last output; 0 before the instance runs, because then there is nothing to hear."""
        return time.monotonic() - self._last_news if self.ran else 0.0

    @property
    def ended(self) -> bool:
        return self.state in ENDED or (self.seen and self.state is None)

    def poll(self) -> list[str]:
        """Return the new lines. Raises CloudError when the cloud refuses, or was away for too long."""
        try:
            self.meet(look(self._cloud, INSTANCE, self.instance_id))
            lines = self._listen()
            self._away_since = None
        except CloudError as error:
            self._bear(error)
            lines = []
        return lines

    def meet(self, instance: Resource | None) -> None:
        """Take in how the instance was found."""
        state = instance['state'] if instance else None
        if state is None and not self.seen and self.seconds >= NOT_YET:
            raise CloudError(f'There is no instance {self.instance_id}.', 'DescribeInstances', 'InvalidInstanceID.NotFound')
        if state == 'running' and not self.ran:
            self.ran, self._last_news = True, time.monotonic()
        self.was_pending = self.was_pending or state == 'pending'
        if state != self.state and (instance or self.seen):
            self._live.note(f'{self.instance_id} is {state or "gone"}')
        self.seen = self.seen or instance is not None
        self.state, self.state_reason = state, self._reason(instance)

    def _reason(self, instance: Resource | None) -> str | None:
        return instance['state_reason'] if instance else self.state_reason

    def _listen(self) -> list[str]:
        """The console's new lines, and the last one although it has no end once it has stood unchanged from poll to
        poll."""
        window = console_output(self._cloud, self.instance_id)
        lines = self.console.add(window)
        if not self.spoke and window:
            self.spoke = True
            said = [line.partition(HOOK)[2] for line in lines if line.startswith(HOOK)]
            self.boot_params = said[-1] if said else None
        unfinished = self.console.unfinished
        if lines or unfinished != self._unfinished:
            self._last_news = time.monotonic()
            if lines and lines[0] == self._told:
                lines = lines[1:]
            self._unfinished, self._told = unfinished, None
        elif unfinished and self._told is None:
            self._told = unfinished
            lines = [unfinished]
        for line in lines:
            self._live.line(line)
        return lines

    def _bear(self, error: CloudError) -> None:
        if error.not_found or (error.status is not None and error.status < 500) or not self.seen:
            raise error
        self._away_since = self._away_since or time.monotonic()
        if time.monotonic() - self._away_since > PATIENCE:
            raise error


def console_output(cloud: Cloud, instance_id: str) -> bytes:
    """What the cloud shows of the console, b'' when it shows nothing; without the signatures of presigned URLs.

    A cloud of version 4 or 5 answers with an error while the instance is not in state running, and any cloud may
    fail to reach the node: what was seen before stays valid, so no failure of this request is one of the caller's.
    """
    try:
        reply = cloud.ec2('get_console_output', f'instance {instance_id}', InstanceId=instance_id)
    except CloudError as error:
        if error.code is None and error.status is None:
            raise  # no cloud has answered at all
        return b''
    output = reply.get('Output') or ''
    try:
        shown = base64.b64decode(''.join(output.split()), validate=True)
    except (binascii.Error, ValueError):
        shown = output.encode()
    return without_signatures(shown)
