# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action of the API process works with."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time
from collections.abc import Mapping

from .config import Config
from .store import Store
from .versions import Played


@dataclasses.dataclass(frozen=True)
class InstanceType:
    cpu: int
    memory: int  # MB
    disk: int  # GB


INSTANCE_TYPES: Mapping[str, InstanceType] = {
    'm1.small': InstanceType(1, 512, 5),
    'm1.medium': InstanceType(1, 1024, 10),
    'm1.large': InstanceType(2, 1024, 15),
}


@dataclasses.dataclass
class Cloud:
    config: Config
    store: Store
    played: Played
    # Copies of volumes that are being taken for a snapshot, by volume: nobody may write to such a volume meanwhile.
    copies: dict[str, asyncio.Task] = dataclasses.field(default_factory=dict)

    def now(self) -> float:
        return time.time()

    def new_id(self, prefix: str) -> str:
        """An id as the cloud makes them: ``vol-1a2b3c4d``. 4.x writes them in small letters."""
        return f'{prefix}-{secrets.token_hex(4)}'
