# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The retry policy: which requests are repeated, how often, and after which pauses. Nothing else repeats one.

Exactly one policy applies to a request. A caller that applies another than the default passes ``ONCE`` to the client.
"""

from __future__ import annotations

import contextlib
import random
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.failures import GATEWAY, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.quick_import import without_collections

with contextlib.suppress(ImportError), without_collections():  # `client` reports a missing library
    from botocore.exceptions import ConnectionError, HTTPClientError, ReadTimeoutError, SSLError
    from botocore.parsers import ResponseParserError

READ_OPERATIONS = ('describe_', 'get_', 'head_', 'list_')
# Error codes below 500 of object storage for a request that was damaged or lost in transit.
DAMAGED = frozenset({'BadDigest', 'InvalidDigest', 'RequestTimeout', 'IncompleteBody', 'SlowDown', 'RequestAborted'})
# Eucalyptus up to 4.1 refuses a request with the signature of an earlier one, and signatures contain only full seconds.
REPLAY, REPLAY_PAUSE, REPLAY_ATTEMPTS = 'replay detected', 1.1, 3

Result = t.TypeVar('Result')


class Damaged(Exception):
    """A reply or an object that did not arrive complete; the message names it."""


@dataclass(frozen=True)
class Policy:
    """``attempts`` includes the first. ``pause`` is in seconds and grows by ``growth`` with each attempt; ``jitter``
    spreads it, so that several connections do not return at once."""

    attempts: int
    pause: float = 0.0
    growth: float = 1.0
    jitter: float = 0.0
    statuses: t.Container[int] = GATEWAY  # HTTP statuses of a failure that may pass
    codes: frozenset[str] = frozenset()  # error codes of such a failure
    malformed: bool = False  # whether a reply that cannot be parsed may pass
    unanswered: bool = False  # whether to repeat a request that got no answer within its time limit

    def pause_after(self, attempt: int) -> float:
        return self.pause * self.growth ** (attempt - 1) * random.uniform(1 - self.jitter, 1 + self.jitter)

    def covers(self, error: Exception) -> bool:
        """Whether the same request may succeed soon."""
        if isinstance(error, Damaged):
            return True
        if not isinstance(error, CloudError) or isinstance(error.__cause__, SSLError):
            return False
        if isinstance(error.__cause__, ReadTimeoutError):
            return self.unanswered
        if error.status is None:
            passing = (ConnectionError, HTTPClientError, *((ResponseParserError,) if self.malformed else ()))
            return isinstance(error.__cause__, passing)
        return error.status in self.statuses or error.code in self.codes


# A lost response may hide a change that was made, so a change is sent once.
ONCE = Policy(attempts=1)
READ = Policy(attempts=3, pause=1.1)
# An upload lasts minutes to hours, and repeating any part of it is harmless: about 30 seconds of failures are survived.
TRANSFER = Policy(
    attempts=7, pause=0.5, growth=2.0, jitter=0.5, statuses=range(500, 600), codes=DAMAGED, malformed=True, unanswered=True
)


def is_read(operation: str) -> bool:
    """Whether botocore's ``operation`` ('describe_volumes') changes nothing."""
    return operation.startswith(READ_OPERATIONS)


def default_policy(operation: str) -> Policy:
    return READ if is_read(operation) else ONCE


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def repeat(call: t.Callable[[], Result], policy: Policy, pause: t.Callable[[float], bool] = _sleep) -> Result:
    """Call until it succeeds or the policy ends, and return the result. The last exception is raised.

    ``pause`` waits for that many seconds and returns whether to go on.
    """
    attempt = 1
    while True:
        try:
            return call()
        except Exception as error:
            # A replay was refused before anything was done, so repeating even a change is safe.
            if REPLAY in str(error):
                seconds, attempts = REPLAY_PAUSE, max(policy.attempts, REPLAY_ATTEMPTS)
            elif policy.covers(error):
                seconds, attempts = policy.pause_after(attempt), policy.attempts
            else:
                raise
            if attempt >= attempts or not pause(seconds):
                raise
        attempt += 1
