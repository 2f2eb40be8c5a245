# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims as objects in object storage: BUCKET/NAME/ID."""

from __future__ import annotations

import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.build_objects import CLAIM_ID, BuildObjects
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud


class StoreLike(t.Protocol):
    name: str
    place: str

    def put(self, claim_id: str, content: str) -> None: ...

    def list(self) -> tuple[dict[str, float], float]: ...

    def get(self, claim_id: str) -> str | None: ...

    def remove(self, claim_id: str) -> None: ...


class ClaimStore:
    """The claims on the build ``name``. Raises what BuildObjects raises."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self._objects, self.name = BuildObjects(cloud), name
        self.place = f'bucket {self._objects.bucket}'

    def put(self, claim_id: str, content: str) -> None:
        """Create the claim or renew it."""
        self._objects.put(f'{self.name}/{claim_id}', content)

    def list(self) -> tuple[dict[str, float], float]:
        """Time of the last put of each claim, and the time now, both by the storage's clock, in Unix time."""
        modified, now = self._objects.list(f'{self.name}/')
        claims = {key.removeprefix(f'{self.name}/'): at for key, at in modified.items()}
        return {claim_id: at for claim_id, at in claims.items() if CLAIM_ID.fullmatch(claim_id)}, now

    def get(self, claim_id: str) -> str | None:
        """The claim's content; None when it is gone."""
        return self._objects.get(f'{self.name}/{claim_id}')

    def remove(self, claim_id: str) -> None:
        self._objects.remove(f'{self.name}/{claim_id}')


def remove_claim(cloud: Cloud, location: str) -> None:
    """Remove the claim NAME/ID. Raises CloudError."""
    name, _slash, claim_id = location.rpartition('/')
    ClaimStore(cloud, name).remove(claim_id)
