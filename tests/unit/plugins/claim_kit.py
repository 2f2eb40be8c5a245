# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store of claims in memory, for tests."""

from __future__ import annotations


class Storage:
    """The objects of one build, with the storage's own clock. A request takes no time, unless the test lets it pass."""

    name, place = 'debian-0a1b', 'bucket builds-1'

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.objects: dict[str, tuple[float, str]] = {}

    def put(self, claim_id: str, content: str) -> None:
        self.objects[claim_id] = (self.now, content)

    def list(self) -> tuple[dict[str, float], float]:
        return {claim_id: at for claim_id, (at, _content) in self.objects.items()}, self.now

    def get(self, claim_id: str) -> str | None:
        return self.objects[claim_id][1] if claim_id in self.objects else None

    def remove(self, claim_id: str) -> None:
        self.objects.pop(claim_id, None)


class Clocks:
    """The clock of this machine, which counts time in suspension; sleeping takes one turn."""

    CLOCK_BOOTTIME = 7

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.skew = -1_000_000.0

    def clock_gettime(self, _clock: int) -> float:
        return self.storage.now + self.skew

    def sleep(self, _seconds: float) -> None:
        pass
