# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims as objects in object storage: BUCKET/NAME/ID. The bucket exists while any machine of the account builds."""

from __future__ import annotations

import contextlib
import re
import time
import typing as t
from datetime import datetime
from email.utils import parsedate_to_datetime

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.build_list import BUCKET
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.upload import Bucket, UploadError

ID = re.compile('[0-9a-f]{32}')
ATTEMPTS = 4
PAUSE = 1.1  # seconds; Eucalyptus refuses the same request twice in one second as a replay
LIMIT = 4096  # bytes of a claim


class StorageError(CollectionError):
    """The bucket of the claims cannot be used."""


class StoreLike(t.Protocol):
    name: str
    place: str

    def put(self, claim_id: str, content: str) -> None: ...

    def list(self) -> tuple[dict[str, float], float]: ...

    def get(self, claim_id: str) -> str | None: ...

    def remove(self, claim_id: str) -> None: ...


class ClaimStore:
    """The claims on the build ``name``. All machines of an account find the same ones, whatever their options."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self._cloud, self.name = cloud, name
        self._bucket = Bucket(cloud, cloud.credentials.own_bucket(BUCKET))
        self.place = f'bucket {self._bucket.name}'
        self._has_bucket = False

    def put(self, claim_id: str, content: str) -> None:
        """Create the claim or renew it. Raises CloudError and StorageError."""

        def put() -> None:
            if not self._has_bucket:
                self._ensure()
            self._s3('put_object', claim_id, Body=content.encode(), ACL='private', ContentType='application/json')

        self._again(put)

    def list(self) -> tuple[dict[str, float], float]:
        """Time of the last put of each claim, and the time now, both by the storage's clock, in Unix time."""
        try:
            reply = self._cloud.s3('list_objects', self.place, Bucket=self._bucket.name, Prefix=f'{self.name}/')
        except CloudError as error:
            if error.not_found:
                return {}, 0.0
            raise
        modified: dict[str, float] = {}
        for item in reply.get('Contents') or []:
            claim_id = item['Key'].removeprefix(f'{self.name}/')
            if ID.fullmatch(claim_id):
                modified[claim_id] = item['LastModified'].timestamp()
        return modified, _date(reply) or max(modified.values(), default=0.0)

    def get(self, claim_id: str) -> str | None:
        """The claim's content; None when it is gone."""
        try:
            content = self._bucket.get(f'{self.name}/{claim_id}', LIMIT)
        except UploadError as error:
            raise StorageError(f'The claim {self.name}/{claim_id} cannot be read: {error}') from error
        return None if content is None else content.decode('utf-8', 'replace')

    def remove(self, claim_id: str) -> None:
        """Remove the claim, and the bucket with the last one."""

        def remove() -> None:
            try:
                self._s3('delete_object', claim_id)
            except CloudError as error:
                if not error.not_found:
                    raise

        self._again(remove)
        with contextlib.suppress(CloudError):  # not empty, or gone; an empty one does no harm
            self._cloud.s3('delete_bucket', self.place, Bucket=self._bucket.name)

    def _ensure(self) -> None:
        try:
            self._bucket.ensure()
        except UploadError as error:
            raise StorageError(
                f'The {self.place} belongs to another account, so the machines of this one cannot agree on who builds. '
                'Ask the administrator of the cloud to remove it.'
            ) from error
        self._has_bucket = True

    def _again(self, request: t.Callable[[], None]) -> None:
        """Send a repeatable request, again while the storage fails temporarily or its bucket is removed meanwhile."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                request()
            except CloudError as error:
                self._has_bucket = self._has_bucket and not error.not_found
                if attempt == ATTEMPTS or error.request == 'connect' or not (error.not_found or (error.status or 500) >= 500):
                    raise
                time.sleep(PAUSE)
            else:
                return

    def _s3(self, operation: str, claim_id: str, **parameters: t.Any) -> None:
        key = f'{self.name}/{claim_id}'
        self._cloud.s3(operation, f'claim {self._bucket.name}/{key}', Bucket=self._bucket.name, Key=key, **parameters)


def remove_claim(cloud: Cloud, location: str) -> None:
    """Remove the claim NAME/ID. Raises CloudError."""
    name, _slash, claim_id = location.rpartition('/')
    ClaimStore(cloud, name).remove(claim_id)


def _date(reply: dict[str, t.Any]) -> float:
    """The reply's Date header in Unix time; 0 without a usable one."""
    header = reply.get('ResponseMetadata', {}).get('HTTPHeaders', {}).get('date')
    try:
        moment: datetime = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return 0.0
    return moment.timestamp()
