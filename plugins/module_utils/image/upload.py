# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles in object storage: uploading over several connections, continuing an earlier upload, removing.

The bucket is the only record. A part counts as uploaded if an object of its name has its size and MD5.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import re
import threading
import typing as t
from collections.abc import Callable, Iterable
from concurrent import futures
from dataclasses import dataclass, field

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import retry
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.bundle import Part

with contextlib.suppress(ImportError):  # the modules report it by the name of the library
    from botocore.exceptions import BotoCoreError

# This grant lets the cloud's own system account read manifest and parts, at registration and when an instance starts.
ACL = 'aws-exec-read'
CONNECTIONS = 4
Result = t.TypeVar('Result')
NAME = re.compile(r'[A-Za-z0-9._-]{1,255}')
# A bundle's files are named NAME.manifest.xml and NAME.part.00. In our bundles, NAME is a stem, which ends with this many digits
# of the content's hash, and eight digits for how the bundle was made.
STEM_DIGITS = 24
_RECIPE = r'(?:\.[0-9a-f]{8})?'
_FILE = r'\.(?:manifest\.xml|part\.[0-9]+)'


def stem_of(location: str) -> str:
    """The part of a manifest's location that identifies the image, without the recipe of its bundle."""
    return re.sub(_RECIPE + r'\.manifest\.xml$', '', location)


class UploadError(CollectionError):
    """A bundle cannot be uploaded or removed."""


@dataclass
class Sent:
    """Counts of an upload: parts sent, parts that were present already, requests that were repeated."""

    parts: int = 0
    present: int = 0
    retries: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def count(self, what: str) -> None:
        with self._lock:
            setattr(self, what, getattr(self, what) + 1)


class Body:
    """A part in the form that botocore needs: readable again from the start, and in slices, so that a stall is noticed in time.

    A socket's time limit applies to a whole send call; with a part in one piece it would limit the part.
    """

    SLICE = 256 * 1024

    def __init__(self, data: memoryview | bytes) -> None:
        self._view, self._position = memoryview(data), 0

    def __len__(self) -> int:
        return len(self._view)

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, len(self._view))[whence]
        return self._position

    def read(self, size: int = -1) -> bytes:
        # http.client requests 16 KiB at a time and accepts more, which is cheaper.
        end = len(self._view) if size is None or size < 0 else self._position + max(size, self.SLICE)
        piece = bytes(self._view[self._position : end])
        self._position += len(piece)
        return piece


class Bucket:
    """One bucket. `wait` pauses before a repetition; it returns early, and True, once the event is set."""

    def __init__(
        self,
        cloud: Cloud,
        name: str,
        connections: int = CONNECTIONS,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        if not NAME.fullmatch(name):
            raise UploadError(f'A bucket cannot be named {name!r}: only letters, digits and . _ - are allowed.')
        self._cloud, self.name, self._connections = cloud, name, connections
        self._wait = wait
        self.created = False

    def ensure(self) -> None:
        """Create the bucket when it is missing. Raises UploadError when it belongs to another account."""
        if self._is_ours():
            return
        try:
            self._again(lambda: self._request('create_bucket', f'bucket {self.name}', Bucket=self.name))
            self.created = True
        except CloudError as error:
            # Repeated after a lost answer, our own creation looks like another account's, so the owner is checked.
            if error.status != 409 and error.code != 'AccessDenied':
                raise
            if not self._is_ours():
                raise UploadError(
                    f'The bucket {self.name} belongs to another account ({error.code}). Choose another '
                    'name with the option bucket: all accounts of a cloud share them.'
                ) from error

    def _is_ours(self) -> bool:
        reply = self._again(lambda: _complete(self._request('list_buckets'), 'Buckets'))
        return any(bucket['Name'] == self.name for bucket in reply['Buckets'])

    def listing(self, prefix: str) -> dict[str, tuple[int, str]]:
        """Size and ETag of each object whose key begins with `prefix`; empty when there is no such bucket."""
        found: dict[str, tuple[int, str]] = {}
        marker: dict[str, str] = {}
        while True:
            list_page = functools.partial(self._list, Prefix=prefix, **marker)
            try:
                reply = self._again(list_page)
            except CloudError as error:
                if error.not_found:
                    return {}
                raise
            page = reply.get('Contents') or []
            found.update((item['Key'], (item['Size'], item['ETag'].strip('"'))) for item in page)
            if not reply['IsTruncated'] or not page:
                return found
            marker = {'Marker': page[-1]['Key']}

    def _list(self, **request: str) -> dict[str, t.Any]:
        return _complete(self._request('list_objects', f'bucket {self.name}', Bucket=self.name, **request), 'IsTruncated')

    def send(self, parts: Iterable[Part], name: str, progress: Callable[[Part], None] = lambda part: None) -> Sent:
        """Upload the parts as they come, several at once; complete ones that are present already are skipped.

        At most as many parts as there are connections are in memory, plus the one in the making.
        """
        present = self.listing(f'{name}.part.')
        sent, ended = Sent(), threading.Event()

        def send_one(part: Part) -> Part:
            if present.get(part.filename) == (len(part.data), part.md5.hex()):
                sent.count('present')
            else:
                self.put(part.filename, part.data, part.md5, sent, ended)
                sent.count('parts')
            return part

        def finish(done: Iterable[futures.Future[Part]]) -> None:
            for future in done:
                progress(future.result())

        with futures.ThreadPoolExecutor(self._connections) as pool:
            flying: set[futures.Future[Part]] = set()
            try:
                for part in parts:
                    flying.add(pool.submit(send_one, part))
                    del part
                    if len(flying) >= self._connections:
                        done, flying = futures.wait(flying, return_when=futures.FIRST_COMPLETED)
                        finish(done)
                        del done
                finish(futures.wait(flying).done)
            finally:
                ended.set()
                pool.shutdown(cancel_futures=True)
        return sent

    def put(
        self,
        key: str,
        data: memoryview | bytes,
        md5: bytes | None = None,
        sent: Sent | None = None,
        ended: threading.Event | None = None,
    ) -> None:
        """Upload one object, repeatedly after passing failures, until `ended`. Raises CloudError, UploadError."""
        digest = md5 or hashlib.md5(data, usedforsecurity=False).digest()

        def attempt() -> None:
            reply = self._request(
                'put_object',
                f'{self.name}/{key}',
                Bucket=self.name,
                Key=key,
                ACL=ACL,
                Body=Body(data),
                ContentLength=len(data),
                ContentMD5=base64.b64encode(digest).decode(),
            )
            etag = (reply.get('ETag') or '').strip('"')
            if etag != digest.hex():
                raise retry.Damaged(
                    f'{self.name}/{key} arrived damaged: its MD5 is {digest.hex()}, the cloud received {etag or "an unknown one"}.'
                )

        self._again(attempt, sent, ended)

    def get(self, key: str, limit: int) -> bytes | None:
        """An object's content, up to two bytes beyond `limit`; None when it does not exist."""

        def attempt() -> bytes:
            reply = self._request('get_object', f'{self.name}/{key}', Bucket=self.name, Key=key)
            try:
                content: bytes = reply['Body'].read(limit + 1)
                rest: bytes = reply['Body'].read(1)  # botocore detects an early end of the reply only there
                return content + rest
            except BotoCoreError as error:
                raise retry.Damaged(f'{self.name}/{key} was cut short in transit: {error}.') from error

        try:
            return self._again(attempt)
        except CloudError as error:
            if error.not_found:
                return None
            raise

    def remove_bundle(self, manifest_key: str) -> int:
        """Delete a bundle by its manifest's key and return the number of objects. The manifest goes first, so that
        nothing incomplete ever looks complete. A bucket that `ensure` created is deleted when it is empty then."""
        name = manifest_key.removesuffix('.manifest.xml')
        ours = re.compile(re.escape(name) + _FILE)
        # A manifest of another program may have another name.
        keys = [key for key in self.listing(name) if key == manifest_key or ours.fullmatch(key)]
        for key in sorted(keys, key=lambda key: (key != manifest_key, key)):
            self._delete('delete_object', f'{self.name}/{key}', Key=key)
        if self.created and not self.listing(''):
            self._delete('delete_bucket', f'bucket {self.name}')
            self.created = False
        return len(keys)

    def bundles(self, prefix: str, digits: int = 0) -> list[str]:
        """The keys of the manifests of all bundles, complete or not, whose stem is this prefix and the content's digits.

        ``digits`` is the number of further digits that may follow the prefix. A bucket of another account contains none of ours.
        """
        if not self._is_ours():
            return []
        more = f'(?:-[0-9a-f]{{{digits}}})?' if digits else ''
        ours = re.compile(f'({re.escape(prefix)}{more}-[0-9a-f]{{{STEM_DIGITS}}}{_RECIPE}){_FILE}')
        matches = map(ours.fullmatch, self.listing(f'{prefix}-'))
        return sorted({f'{match[1]}.manifest.xml' for match in matches if match})

    def _delete(self, operation: str, about: str, **which: str) -> None:
        try:
            self._again(lambda: self._request(operation, about, Bucket=self.name, **which))
        except CloudError as error:
            if not error.not_found:
                raise

    def _request(self, operation: str, about: str = '', **parameters: t.Any) -> dict[str, t.Any]:
        return self._cloud.s3(operation, about, policy=retry.ONCE, **parameters)

    def _again(self, call: Callable[[], Result], sent: Sent | None = None, ended: threading.Event | None = None) -> Result:
        """Call until it succeeds: repeating any request of this class is safe."""
        attempts, ended = 1, ended or threading.Event()

        def pause(seconds: float) -> bool:
            nonlocal attempts
            if self._wait(ended, seconds):
                return False
            attempts += 1
            if sent:
                sent.count('retries')
            return True

        try:
            return retry.repeat(call, retry.TRANSFER, pause)
        except retry.Damaged as error:
            raise UploadError(f'{error} Tried {attempts} times.') from error


def _complete(reply: dict[str, t.Any], key: str) -> dict[str, t.Any]:
    """The reply, if it contains what every such reply contains: one cut among its headers looks like an empty success."""
    if key not in reply:
        raise retry.Damaged("The cloud's answer was cut short in transit.")
    return reply
