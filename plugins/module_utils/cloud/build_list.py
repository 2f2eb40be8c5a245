# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of a build's resources with their tags, in object storage: for a cloud without tags (Eucalyptus 3.1 and 3.2).

Each resource has an object BUCKET/BUILD/ID, beside the claims on the build. Before a resource is created, a note of the
request is put there. If the creation is interrupted before the resource is listed, the note leads to it. Where there are tags,
volumes have notes, but no list.
"""

from __future__ import annotations

import json
import typing as t
from datetime import datetime

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.build_objects import CLAIM_ID, BuildObjects, Storage

Tags = dict[str, str]
_NOTE = 'creating-'
# A resource may be older than the note by the difference of the clocks of two of the cloud's services. It is younger by up
# to the time that one request may take.
_EARLIER, _LATER = 60.0, 300.0  # seconds


class Note(t.NamedTuple):
    """A creation that was begun: by which build, at which Unix time of the storage, with which ``values`` of the resource
    (by the keys of module results), and the ids that were listed ``before``."""

    build: str
    at: float
    values: dict[str, t.Any]
    before: list[str]

    def may_be(self, resource: dict[str, t.Any], resource_id: str, born: str | None) -> bool:
        """Whether this creation may have made the resource. ``born`` is the time of its creation, ISO 8601."""
        if resource_id in self.before or any(resource[key] not in (None, value) for key, value in self.values.items()):
            return False
        return not born or -_EARLIER <= datetime.fromisoformat(born).timestamp() - self.at <= _LATER


class BuildList:
    def __init__(self, cloud: Storage, build: str) -> None:
        self._objects, self.build = BuildObjects(cloud), build
        self._known: dict[str, Tags] | None = None

    def tags(self) -> dict[str, Tags]:
        """The tags of the build's resources by their ids. Raises CloudError."""
        if self._known is None:
            self._known = {}
            for key in self._objects.list(f'{self.build}/')[0]:
                resource_id = key.rpartition('/')[2]  # a security group's is its name
                if CLAIM_ID.fullmatch(resource_id) or resource_id.startswith(_NOTE):
                    continue
                if (tags := self._read(key)) is not None:
                    self._known[resource_id] = tags
        return self._known

    def put(self, resource_id: str, tags: Tags) -> None:
        """List the resource, or replace its tags."""
        self._objects.put(f'{self.build}/{resource_id}', json.dumps(tags))
        self.tags()[resource_id] = tags

    def forget(self, resource_ids: t.Iterable[str]) -> None:
        for resource_id in list(resource_ids):
            self._objects.remove(f'{self.build}/{resource_id}')
            self.tags().pop(resource_id, None)

    def note(self, noun: str, values: dict[str, t.Any], before: list[str]) -> None:
        """Note that a resource of this kind is about to be created."""
        content = json.dumps({'values': values, 'before': before}, default=str)
        self._objects.put(f'{self.build}/{_NOTE}{noun}', content)

    def erase(self, noun: str) -> None:
        """Remove the note of a creation that has ended."""
        self._objects.remove(f'{self.build}/{_NOTE}{noun}')

    def notes(self, noun: str) -> list[Note]:
        """The notes of all builds about resources of this kind."""
        found = []
        for key, at in self._objects.list('')[0].items():
            build, _slash, name = key.rpartition('/')
            if name == f'{_NOTE}{noun}' and (content := self._read(key)) is not None:
                found.append(Note(build, at, content['values'], content['before']))
        return found

    def listed_by_any(self) -> set[str]:
        """The ids of the resources of all builds."""
        return {key.rpartition('/')[2] for key in self._objects.list('')[0]}

    def _read(self, key: str) -> t.Any:
        """The object's content; None when it is gone."""
        content = self._objects.get(key)
        return None if content is None else json.loads(content)
