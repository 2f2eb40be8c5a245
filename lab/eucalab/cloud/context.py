# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action of the API process works with."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time

from ..config import Config
from ..versions import Played
from .store import Store


@dataclasses.dataclass
class Cloud:
    config: Config
    store: Store
    played: Played
    # Copies of volumes that are being taken for a snapshot, by volume: nobody may write to such a volume meanwhile.
    copies: dict[str, asyncio.Task[None]] = dataclasses.field(default_factory=dict)

    def now(self) -> float:
        return time.time()

    def new_id(self, prefix: str) -> str:
        """An id as the cloud makes them: ``vol-1a2b3c4d``. 4.x writes them in small letters."""
        return f'{prefix}-{secrets.token_hex(4)}'

    def forget_tags(self, resource_id: str) -> None:
        """Drop the tags of a resource that is gone."""
        self.store.execute('DELETE FROM tags WHERE resource_id = ?', resource_id)
