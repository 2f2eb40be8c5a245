# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account's small objects about its builds, in object storage: BUCKET/BUILD/NAME.

They are claims on builds, and lists of resources where the cloud has no tags. The bucket exists while it has objects. All
machines of an account find the same ones, whatever their options.
"""

from __future__ import annotations

import contextlib
import re
import typing as t
from datetime import datetime
from email.utils import parsedate_to_datetime

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import retry
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.failures import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

with contextlib.suppress(ImportError):  # `client` reports a missing library
    from botocore.exceptions import BotoCoreError

CLAIM_ID = re.compile('[0-9a-f]{32}')  # the NAME of a claim
ATTEMPTS = 4
# Repeating any request for these objects is harmless.
REPEATED = retry.Policy(attempts=ATTEMPTS, pause=1.1, statuses=range(500, 600), malformed=True)


class StorageError(CollectionError):
    """The bucket of the builds cannot be used."""


class Storage(t.Protocol):
    """The part of the class Cloud that is needed here."""

    credentials: Credentials

    def s3(self, operation: str, about: str = '', policy: retry.Policy | None = None, **parameters: t.Any) -> dict[str, t.Any]: ...


class BuildObjects:
    """Every method raises CloudError when the storage fails, and CredentialsError without the account's number."""

    def __init__(self, cloud: Storage) -> None:
        self._cloud = cloud
        self._has_bucket = False

    @property
    def bucket(self) -> str:
        return self._cloud.credentials.own_bucket('builds')

    def put(self, key: str, content: str) -> None:
        """Create or replace an object that only the account can read. Raises StorageError."""
        request: dict[str, t.Any] = {'Body': content.encode(), 'ACL': 'private', 'ContentType': 'application/json'}
        for last in (False, False, True):
            if not self._has_bucket:
                self._ensure_bucket()
            try:
                self._s3('put_object', key, **request)
            except CloudError as error:
                self._has_bucket = False
                # The bucket's last user removes it, perhaps at this moment.
                if last or not error.not_found:
                    raise
            else:
                return

    def list(self, prefix: str) -> tuple[dict[str, float], float]:
        """Time of the last put of each object whose key begins with ``prefix``, and the time now: Unix time by the
        storage's clock."""
        modified: dict[str, float] = {}
        more: dict[str, t.Any] = {}
        while True:
            try:
                reply = self._s3('list_objects', '', Prefix=prefix, **more)
            except CloudError as error:
                if error.not_found:
                    return {}, 0.0
                raise
            page = {item['Key']: item['LastModified'].timestamp() for item in reply.get('Contents') or []}
            modified |= page
            if not reply.get('IsTruncated') or not page:
                return modified, _date(reply) or max(modified.values(), default=0.0)
            more = {'Marker': max(page)}

    def get(self, key: str) -> str | None:
        """The object's content; None when it is gone. Raises StorageError for one that does not arrive complete."""

        def read() -> bytes:
            reply = self._s3('get_object', key, policy=retry.ONCE)
            try:
                content: bytes = reply['Body'].read()
                return content
            except BotoCoreError as error:
                raise retry.Damaged(f'{self.bucket}/{key} was cut short in transit: {error}.') from error

        try:
            return retry.repeat(read, REPEATED).decode('utf-8', 'replace')
        except retry.Damaged as error:
            raise StorageError(f'{error} Tried {ATTEMPTS} times.') from error
        except CloudError as error:
            if error.not_found:
                return None
            raise

    def remove(self, key: str) -> None:
        """Remove the object if it exists, and the bucket with the last one."""
        try:
            self._s3('delete_object', key)
        except CloudError as error:
            if not error.not_found:
                raise
        with contextlib.suppress(CloudError):  # not empty, or gone; an empty one does no harm
            self._s3('delete_bucket', '', policy=retry.ONCE)

    def _ensure_bucket(self) -> None:
        if not self._is_ours():
            try:
                self._s3('create_bucket', '')
            except CloudError as error:
                if error.status != 409 and error.code != 'AccessDenied':
                    raise
                if not self._is_ours():  # another machine of the account may have created it since the look
                    raise StorageError(
                        f'The bucket {self.bucket} belongs to another account, so the machines of this one cannot agree on '
                        'who builds. Ask the administrator of the cloud to remove it.'
                    ) from error
        self._has_bucket = True

    def _is_ours(self) -> bool:
        listed = self._cloud.s3('list_buckets', 'the buckets', REPEATED).get('Buckets') or []
        return any(bucket['Name'] == self.bucket for bucket in listed)

    def _s3(self, operation: str, key: str, policy: retry.Policy = REPEATED, **parameters: t.Any) -> dict[str, t.Any]:
        about = f'{self.bucket}/{key}' if key else f'bucket {self.bucket}'
        which = {'Key': key} if key else {}
        return self._cloud.s3(operation, about, policy, Bucket=self.bucket, **which, **parameters)


def _date(reply: dict[str, t.Any]) -> float:
    """The reply's Date header in Unix time; 0 without a usable one."""
    header = reply.get('ResponseMetadata', {}).get('HTTPHeaders', {}).get('date')
    try:
        moment: datetime = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        return 0.0
    return moment.timestamp()
