# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following an instance's console until a text appears, the instance ends, or nothing new appears."""

from __future__ import annotations

import base64
import binascii
import time

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import INSTANCE, Resource, look
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.waiting import LAST_LOOK, Unanswered, within
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.packages import Packages
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.record import Console
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.text import Novelty, without_secrets
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Report

ENDED = ('terminated', 'shutting-down', 'stopping', 'stopped')
# Seconds for which the cloud may be unreachable, for example during a restart. An installation continues meanwhile.
PATIENCE = 300
# Beginning of the hook's lines, which the cloud puts before the console.
HOOK = 'bootparams: '
# Seconds until a new instance has to be listed.
NOT_YET = 30
# Seconds that the cloud may take for an answer.
SLOW = 5
# Seconds without new lines until the wait is reported.
REMIND = 30


class Follower:
    """One instance and its console. ``poll`` looks once; the attributes hold the state after the last look."""

    def __init__(self, cloud: Cloud, instance_id: str, console: Console, report: Report, timeout: float) -> None:
        """Every look ends within ``timeout`` seconds from now."""
        self._cloud, self.instance_id, self.console, self._report = cloud, instance_id, console, report
        self._timeout = timeout
        self.started = self._last_news = self._last_report = time.monotonic()
        self._novelty = Novelty()
        self._away_since: float | None = None
        self._away_reason = 'a request has had no reply yet'
        self._asked = self.started
        self._unfinished = ''
        self._returned: str | None = None  # the unfinished line, once it has been returned
        self._instance: Resource | None = None  # as it was listed last
        self.state: str | None = None
        self.state_reason: str | None = None
        self.seen = self.ran = self.was_pending = False
        self.has_output = False
        self.boot_params: str | None = None  # the hook's message about them
        self.packages = Packages()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def silent(self) -> float:
        """Seconds since the last new text; 0 before the instance runs, because it has no console then."""
        return time.monotonic() - self._last_news if self.ran else 0.0

    @property
    def ended(self) -> bool:
        return self.state in ENDED or (self.seen and self.state is None)

    @property
    def terminated_by_request(self) -> bool:
        return self.ended and was_terminated(self._instance, self.state)

    @property
    def away(self) -> str:
        """A clause for a message if the cloud does not answer at present; otherwise empty."""
        if self._away_since is None:
            return ''
        return f'; the cloud has not answered for {time.monotonic() - self._away_since:.0f} s ({self._away_reason.rstrip(".")})'

    def poll(self) -> list[str]:
        """Return the lines since the last call, without those of ``packages``.

        Raises CloudError when the cloud refuses, or was unreachable for too long. The last line counts although it has no end, once
        it has not changed from one call to the next.
        """
        self._asked = time.monotonic()
        try:
            remaining = max(self._timeout - self.seconds, LAST_LOOK)
            lines = within(remaining, self._look, lambda: self._remind(asking=True))
            self._away_since = None
        except (CloudError, Unanswered) as error:
            self._bear(error)
            lines = []
        self._remind()
        return lines

    def _look(self) -> list[str]:
        self.meet(look(self._cloud, INSTANCE, self.instance_id))
        return self._listen()

    def meet(self, instance: Resource | None) -> None:
        """Take in the state of the instance, None if the cloud does not list it."""
        state = instance['state'] if instance else None
        if state is None and not self.seen and self.seconds >= NOT_YET:
            raise CloudError(f'There is no instance {self.instance_id}.', 'DescribeInstances', 'InvalidInstanceID.NotFound')
        if state == 'running' and not self.ran:
            self.ran, self._last_news = True, time.monotonic()
        self.was_pending = self.was_pending or state == 'pending'
        if state != self.state and (instance or self.seen):
            self._note(f'{self.instance_id} is {state or "gone"}')
        self.seen = self.seen or instance is not None
        self._instance = instance or self._instance
        self.state = state
        self.state_reason = instance['state_reason'] if instance else self.state_reason

    def _listen(self) -> list[str]:
        window = console_output(self._cloud, self.instance_id)
        lines = self.console.add(window)
        if window and not self.has_output:
            self.has_output = True
            messages = [line.partition(HOOK)[2] for line in lines if line.startswith(HOOK)]
            self.boot_params = messages[-1] if messages else None
        lines = self._with_standing_line(lines)
        new = [line for line in [*lines, self.console.unfinished] if self._novelty.is_new(line)]
        if new:
            self._last_news = time.monotonic()
        lines = self.packages.take(lines)
        for line in lines:
            self._report.line(line)
            self._last_report = time.monotonic() if line in new else self._last_report
        return lines

    def _with_standing_line(self, lines: list[str]) -> list[str]:
        """Add the unfinished line once it has stood from one look to the next, and never twice."""
        unfinished = self.console.unfinished
        if lines or unfinished != self._unfinished:
            if lines and lines[0] == self._returned:
                lines = lines[1:]
            self._unfinished, self._returned = unfinished, None
        elif unfinished and self._returned is None:
            self._returned = unfinished
            lines = [unfinished]
        return lines

    def _bear(self, error: CloudError | Unanswered) -> None:
        refused = isinstance(error, CloudError) and (error.not_found or (error.status is not None and error.status < 500))
        if isinstance(error, Unanswered) and not self.seen:
            url, origin = self._cloud.endpoint('ec2'), self._cloud.credentials.origin
            way_out = f'Check that the cloud at {url} is up and that ec2_url is right (from {origin}).'
            raise CloudError(f'DescribeInstances of instance {self.instance_id} failed: {error}. {way_out}', 'DescribeInstances')
        if refused or not self.seen:
            raise error
        self._away_since = self._away_since or self._asked
        self._away_reason = str(error)
        if time.monotonic() - self._away_since > PATIENCE:
            raise error

    def _remind(self, asking: bool = False) -> None:
        """Report why nothing happens, if the user has seen nothing new for a while; ``asking`` during a request."""
        now = time.monotonic()
        if now - self._last_report < REMIND:
            return
        away_since = self._away_since or (self._asked if asking and now - self._asked >= SLOW else None)
        if away_since is not None:
            self._note(f'the cloud has not answered for {now - away_since:.0f} s: {self._away_reason}')
        elif self.ran:
            self._note(f'{self.instance_id} is {self.state}, nothing new on its console for {self.silent:.0f} s')
        else:
            self._note(f'{self.instance_id} is {self.state or "not listed yet"}, waited {self.seconds:.0f} s for it to run')

    def _note(self, text: str) -> None:
        self._report.note(text)
        self._last_report = time.monotonic()


def was_terminated(instance: Resource | None, state: str | None) -> bool:
    """Whether an instance that has ended was terminated by a request.

    Only where its root is on a volume does the cloud distinguish termination from power-off, which leaves it stopped
    (VmStateCallback.handleReportedTeardown, 3.1 to 4.4).
    """
    ebs = instance is not None and instance['root_device_type'] == 'ebs'
    return ebs and (state is None or state in INSTANCE.gone)


def console_output(cloud: Cloud, instance_id: str) -> bytes:
    """Return the console as the cloud shows it, b'' if it shows none; without secrets (see text.py).

    A cloud of version 4 or 5 answers with an error while the instance is not in state running, and any cloud may
    fail to reach the node. The earlier output stays valid, so such an answer is not an error here. Raises CloudError
    when no cloud has answered at all.
    """
    try:
        reply = cloud.ec2('get_console_output', f'instance {instance_id}', InstanceId=instance_id)
    except CloudError as error:
        if error.code is None and error.status is None:
            raise
        return b''
    output = reply.get('Output') or ''
    try:
        shown = base64.b64decode(''.join(output.split()), validate=True)
    except (binascii.Error, ValueError):
        shown = output.encode()
    return without_secrets(shown)
