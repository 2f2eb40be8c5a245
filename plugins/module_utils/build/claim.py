# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The claim on a build: of several machines with the same inputs, exactly one builds.

Each machine puts an object of its own beside those of the others and then lists them all. A machine that sees no other
living claim in a listing made after its own put holds the build. No two can see that: of two such machines, the one that
put last has the other's claim in its listing. Otherwise an asking machine gives way to a holder and to an asking machine
with a lower id, so one of them remains. That needs neither conditional requests nor tags, which older Eucalyptus lacks.

A holder repeats its put to renew the claim. A claim is dead when its last put is DEAD_AFTER seconds old by the clock of the
object storage; the clocks of the machines are never compared.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import time
import typing as t
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim_store import StoreLike
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

DEAD_AFTER = 150.0  # seconds without a renewal, by the storage's clock
REFRESH = 30.0  # seconds between two renewals
# A listing that arrives more seconds than this after the put may be outdated: others may have declared the claim dead.
FRESH = DEAD_AFTER / 2
ROUND = 1.0  # seconds between two looks at claims that will disappear or become the holder's
ROUNDS_UNLISTED = 10

ASKING, BUILDING, CLEANING = 'asking', 'building', 'cleaning'
_VERBS = {BUILDING: 'built', CLEANING: 'cleaned up, after an interruption,', ASKING: 'started'}

Report = t.Callable[[str], None]


class ClaimError(CollectionError):
    """The object storage does not return claims that it accepted."""


class BuildInProgress(CollectionError):
    """Another machine has the build."""


@dataclass
class Owner:
    """A machine that asks for a build or has it. ``process`` is the playbook; ``since`` is Unix time of the storage."""

    user: str
    host: str
    process: int
    state: str = ASKING
    since: float = 0.0

    @classmethod
    def read(cls, text: str | None) -> Owner:
        """The owner in a claim's content; 'unknown' if it is damaged or was just removed."""
        try:
            owner = cls(**json.loads(text or ''))
            datetime.fromtimestamp(owner.since, timezone.utc)
            return owner
        except (ValueError, TypeError, OverflowError, OSError):
            return cls('unknown', 'unknown', 0)

    def describe(self, name: str, age: float) -> str:
        """'debian-0a1b is being built by alice@runner7 (process 4711, started 2026-…, last seen 12 s ago).'"""
        since = datetime.fromtimestamp(int(self.since), timezone.utc).isoformat()
        verb = _VERBS.get(self.state, 'built')
        when = f'started {since}, last seen {max(0, round(age))} s ago'
        return f'{name} is being {verb} by {self.user}@{self.host} (process {self.process}, {when}).'


def this_machine(playbook: int) -> Owner:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return Owner(user, socket.gethostname(), playbook)


@dataclass
class Rival:
    """Another machine's claim, and the seconds since its last renewal."""

    claim_id: str
    owner: Owner
    age: float


@dataclass
class Look:
    """One listing: the living claims of others, the ids of the dead ones, the time of the own claim's last put."""

    living: list[Rival]
    dead: list[str]
    own: float | None

    @classmethod
    def at(cls, store: StoreLike, own_id: str) -> Look:
        modified, now = store.list()
        own = modified.pop(own_id, None)
        if own is not None:  # put a moment ago, so it is the time by the clock that dates the others
            now = own
        look = cls([], [other for other, at in modified.items() if now - at > DEAD_AFTER], own)
        for other, at in sorted(modified.items()):
            if other not in look.dead and (text := store.get(other)) is not None:
                owner = Owner.read(text)
                owner.since = owner.since or at
                look.living.append(Rival(other, owner, now - at))
        return look


def refuse_if_busy(store: StoreLike, own_id: str | None) -> list[str]:
    """Raise BuildInProgress when another machine has the build. Return the ids of dead claims.

    ``own_id`` is the caller's own claim. It must still exist, and machines that only ask give way to it. Without one,
    those count as well, because one of them will have the build in a moment.
    """
    look = Look.at(store, own_id or '')
    holders = [rival for rival in look.living if not own_id or rival.owner.state != ASKING]
    if holders:
        raise BuildInProgress(holders[0].owner.describe(store.name, holders[0].age))
    if own_id and look.own is None:
        raise BuildInProgress(
            f'Another machine has taken over {store.name}, because this one did not renew its claim for {DEAD_AFTER:.0f} s. '
            'The other machine, or the next build of the same inputs, removes what this build created.'
        )
    return look.dead


class Claim:
    """This machine's claim on the build that the store is for."""

    def __init__(self, store: StoreLike, owner: Owner, claim_id: str = '') -> None:
        self.store, self.owner = store, owner
        self.id = claim_id or uuid.uuid4().hex
        self._held_at = 0.0  # the last moment at which nobody else can have had the build

    def take(self, report: Report = lambda line: None) -> None:
        """Hold the build. Raises BuildInProgress when another machine has it, CloudError, ClaimError and StorageError.

        ``report`` is called with a line once a round, while other machines are asking for the same build. A claim that already
        holds the build gives way to another holder only.
        """
        before = self.owner.state
        try:
            dead = self._ask(report)
            if before == ASKING:
                self.owner.state = BUILDING
                self._put()
            for claim_id in dead:
                self.store.remove(claim_id)
        except BaseException as error:
            if before == ASKING or isinstance(error, BuildInProgress):
                with contextlib.suppress(CollectionError):  # the first error is the one to report
                    self.release()
            raise

    def refresh(self) -> None:
        """Renew the claim. Raises BuildInProgress if the last renewal was so long ago that another machine took over."""
        if _boottime() - self._held_at > FRESH:
            self.take()
        else:
            self._held_at = self._put()

    def release(self) -> None:
        """Withdraw the claim. Raises CloudError."""
        self.store.remove(self.id)

    def _ask(self, report: Report) -> list[str]:
        """Wait until no other claim is alive, and return the ids of the dead ones."""
        unlisted = 0
        while unlisted < ROUNDS_UNLISTED:
            put_at = self._put()
            look = Look.at(self.store, self.id)
            if look.own is None:  # the bucket was removed by a machine that has just finished
                unlisted += 1
            elif _boottime() - put_at < FRESH:
                stronger = self._stronger(look.living)
                if stronger:
                    raise BuildInProgress(stronger.owner.describe(self.store.name, stronger.age))
                if not look.living:
                    self.owner.since = self.owner.since or look.own
                    self._held_at = put_at
                    return look.dead
                first = look.living[0]
                report(f'Waiting for another machine: {first.owner.describe(self.store.name, first.age)}')
            time.sleep(ROUND)
        raise ClaimError(f'The {self.store.place} accepts claims on builds but does not list them, so nobody can build.')

    def _stronger(self, living: list[Rival]) -> Rival | None:
        """The rival that this claim gives way to: a holder, or one that asks and has a lower id."""
        for rival in living:
            if rival.owner.state != ASKING or (self.owner.state == ASKING and rival.claim_id < self.id):
                return rival
        return None

    def _put(self) -> float:
        """Put the claim and return the moment before that."""
        at = _boottime()
        self.store.put(self.id, json.dumps(asdict(self.owner)))
        return at


def _boottime() -> float:
    """Seconds since boot, including those in which the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
