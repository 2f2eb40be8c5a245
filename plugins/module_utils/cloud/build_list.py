# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of a build's resources with their tags, in object storage: for a cloud without tags (Eucalyptus 3.1 and 3.2).

Each resource has an object BUCKET/BUILD/ID, beside the claims on the build. Before a resource is created, a note of the
request is put there. If the creation is interrupted before the resource is listed, the note leads to it.
"""

from __future__ import annotations

import contextlib
import json
import re
import typing as t
from datetime import datetime

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.failures import CloudError

Tags = dict[str, str]
BUCKET = 'builds'  # with the account's number appended
_ID = re.compile('[a-z]+-[0-9A-Fa-f]+')
# A resource may be older than the note by the difference of the clocks of two of the cloud's services. It is younger by up
# to the time that one request may take.
_EARLIER, _LATER = 60.0, 300.0  # seconds


class Storage(t.Protocol):
    """The part of the class Cloud that the list needs."""

    credentials: Credentials

    def s3(self, operation: str, about: str = '', **parameters: t.Any) -> dict[str, t.Any]: ...


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
        self._cloud, self.build = cloud, build
        self._known: dict[str, Tags] | None = None

    @property
    def _bucket(self) -> str:
        return self._cloud.credentials.own_bucket(BUCKET)

    def tags(self) -> dict[str, Tags]:
        """The tags of the build's resources by their ids. Raises CloudError."""
        if self._known is None:
            self._known = {}
            for key in self._objects(f'{self.build}/'):
                resource_id = key.rpartition('/')[2]
                if _ID.fullmatch(resource_id) and (tags := self._read(key)) is not None:
                    self._known[resource_id] = tags
        return self._known

    def put(self, resource_id: str, tags: Tags) -> None:
        """List the resource, or replace its tags."""
        self._put(f'{self.build}/{resource_id}', tags)
        self.tags()[resource_id] = tags

    def forget(self, resource_ids: t.Iterable[str]) -> None:
        for resource_id in list(resource_ids):
            self._remove(f'{self.build}/{resource_id}')
            self.tags().pop(resource_id, None)

    def note(self, noun: str, values: dict[str, t.Any], before: list[str]) -> None:
        """Note that a resource of this kind is about to be created."""
        self._put(f'{self.build}/creating-{noun}', {'values': values, 'before': before})

    def erase(self, noun: str) -> None:
        """Remove the note of a creation that has ended."""
        self._remove(f'{self.build}/creating-{noun}')

    def notes(self, noun: str) -> list[Note]:
        """The notes of all builds about resources of this kind."""
        found = []
        for key, at in self._objects('').items():
            build, _slash, name = key.rpartition('/')
            if name == f'creating-{noun}' and (content := self._read(key)) is not None:
                found.append(Note(build, at, content['values'], content['before']))
        return found

    def listed_by_any(self) -> set[str]:
        """The ids of the resources of all builds."""
        return {key.rpartition('/')[2] for key in self._objects('')}

    def _objects(self, prefix: str) -> dict[str, float]:
        """Unix time of the last change of each object, by key."""
        found: dict[str, float] = {}
        more: dict[str, t.Any] = {}
        while True:
            try:
                about = f'bucket {self._bucket}'
                reply = self._cloud.s3('list_objects', about, Bucket=self._bucket, Prefix=prefix, **more)
            except CloudError as error:
                if error.not_found:
                    return {}
                raise
            page = {item['Key']: item['LastModified'].timestamp() for item in reply.get('Contents') or []}
            found |= page
            if not reply.get('IsTruncated') or not page:
                return found
            more = {'Marker': max(page)}

    def _read(self, key: str) -> t.Any:
        """The object's content; None when it is gone."""
        try:
            return json.loads(self._cloud.s3('get_object', f'{self._bucket}/{key}', Bucket=self._bucket, Key=key)['Body'].read())
        except CloudError as error:
            if error.not_found:
                return None
            raise

    def _put(self, key: str, content: t.Any) -> None:
        about, body = f'{self._bucket}/{key}', json.dumps(content, default=str).encode()
        for last in (False, True):
            try:
                self._cloud.s3('put_object', about, Bucket=self._bucket, Key=key, Body=body, ACL='private')
            except CloudError as error:
                if last or not error.not_found:
                    raise
                # The bucket's last user removes it, perhaps at this moment.
                self._cloud.s3('create_bucket', f'bucket {self._bucket}', Bucket=self._bucket)
            else:
                return

    def _remove(self, key: str) -> None:
        try:
            self._cloud.s3('delete_object', f'{self._bucket}/{key}', Bucket=self._bucket, Key=key)
        except CloudError as error:
            if not error.not_found:
                raise
        with contextlib.suppress(CloudError):  # not empty, or gone
            self._cloud.s3('delete_bucket', f'bucket {self._bucket}', Bucket=self._bucket)
