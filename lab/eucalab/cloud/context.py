# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared context of all actions of the API process."""

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
    # Running copies for snapshots, by volume. Such a volume must not be written to.
    copies: dict[str, asyncio.Task[None]] = dataclasses.field(default_factory=dict)

    def now(self) -> float:
        return time.time()

    def new_id(self, prefix: str) -> str:
        """A new id in the cloud's form: ``vol-1a2b3c4d``."""
        return f'{prefix}-{secrets.randbits(32):{self.played.replies.id_form}}'

    def forget_tags(self, resource_id: str) -> None:
        """Delete the tags of a resource that no longer exists."""
        self.store.execute('DELETE FROM tags WHERE resource_id = ?', resource_id)
