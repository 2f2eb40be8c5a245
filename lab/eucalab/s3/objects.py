# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects: put, get, head, delete. Bodies are files with random names that appear complete and before their row."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import secrets
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import S3Error
from . import access, buckets, chunks, signature, xml

CHUNK = 256 << 10
_PARTIAL = '.partial'
_KEPT_HEADERS = ('content-encoding', 'content-disposition', 'cache-control', 'expires', 'content-language')
_OVERRIDES = {f'response-{name}': name for name in ('content-type', *_KEPT_HEADERS)}


def recover(cloud: Cloud) -> None:
    """At start: remove bodies without a row, which a killed process left behind."""
    known = {row['file'] for row in cloud.store.rows('SELECT file FROM objects')}
    for path in cloud.config.objects.iterdir():
        if path.name not in known:
            path.unlink()


def find(cloud: Cloud, caller: Caller | None, bucket: sqlite3.Row, key: str) -> sqlite3.Row:
    row = cloud.store.row('SELECT * FROM objects WHERE bucket = ? AND key = ?', bucket['name'], key)
    if row is None:
        if not access.allows(bucket, bucket['owner'], caller, 'READ'):
            raise S3Error(403, 'AccessDenied', 'Access Denied')
        raise S3Error(404, 'NoSuchKey', 'The specified key does not exist.', Resource=f'{bucket["name"]}/{key}')
    if not access.allows(row, bucket['owner'], caller, 'READ'):
        raise S3Error(403, 'AccessDenied', 'Access Denied')
    return row


async def put(cloud: Cloud, caller: Caller | None, request: web.Request, bucket_name: str, key: str) -> web.Response:
    bucket = buckets.find(cloud, bucket_name)
    buckets.check(bucket, caller, 'WRITE')
    acl = buckets.canned_acl(request)
    if request.content_length is None:
        raise S3Error(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.')
    if request.headers.get('x-amz-copy-source'):
        raise S3Error(501, 'NotImplemented', 'The lab does not copy objects.')
    body = _Body(cloud.config.objects)
    try:
        await body.receive(request, caller)
        body.verify(request)
        body.publish()
        buckets.find(cloud, bucket_name)  # it may have been deleted during the upload
        old = cloud.store.row('SELECT file FROM objects WHERE bucket = ? AND key = ?', bucket_name, key)
        owner = caller.account if caller is not None else bucket['owner']
        cloud.store.execute(
            'INSERT OR REPLACE INTO objects'
            ' (bucket, key, owner, acl, size, etag, content_type, metadata, file, modified)'
            ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
            bucket_name,
            key,
            owner,
            acl,
            body.size,
            body.md5.hexdigest(),
            request.headers.get('Content-Type', 'binary/octet-stream'),
            json.dumps(_metadata(request)),
            body.name,
            cloud.now(),
        )
    except BaseException:
        body.discard()
        raise
    if old is not None:
        (cloud.config.objects / old['file']).unlink(missing_ok=True)
    return web.Response(status=200, headers={'ETag': f'"{body.md5.hexdigest()}"'})


def _metadata(request: web.Request) -> dict[str, str]:
    kept = {
        name.lower(): value
        for name, value in request.headers.items()
        if name.lower() in _KEPT_HEADERS or name.lower().startswith('x-amz-meta-')
    }
    if kept.get('content-encoding') == 'aws-chunked':  # an encoding of the transfer, not of the content
        del kept['content-encoding']
    return kept


class _Body:
    """An object's body on its way from the socket to a file."""

    def __init__(self, folder: Path) -> None:
        self.name = secrets.token_hex(16)
        self.md5, self._sha256, self.size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
        self._path = folder / self.name
        self._partial = folder / (self.name + _PARTIAL)

    async def receive(self, request: web.Request, caller: Caller | None) -> None:
        declared, expected = request.headers.get('x-amz-content-sha256'), request.content_length
        hashed = declared not in (None, signature.UNSIGNED, signature.STREAMING)
        source: AsyncIterator[bytes] = request.content.iter_chunked(CHUNK)
        if declared == signature.STREAMING and caller is not None:
            source, expected = chunks.decode(request, caller), chunks.decoded_length(request)
        with open(os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'wb') as out:
            async for chunk in source:
                out.write(chunk)
                self.md5.update(chunk)
                if hashed:
                    self._sha256.update(chunk)
                self.size += len(chunk)
        if self.size != expected:
            raise S3Error(
                400, 'IncompleteBody', 'You did not provide the number of bytes specified by the Content-Length HTTP header.'
            )

    def verify(self, request: web.Request) -> None:
        """Compare with the digests that the client sent along."""
        declared = request.headers.get('Content-MD5')
        if declared is not None:
            try:
                digest = base64.b64decode(declared, validate=True)
            except binascii.Error:
                digest = b''
            if len(digest) != 16:
                raise S3Error(400, 'InvalidDigest', 'The Content-MD5 you specified was invalid.')
            if digest != self.md5.digest():
                raise S3Error(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.')
        declared = request.headers.get('x-amz-content-sha256', '')
        if re.fullmatch('[0-9a-f]{64}', declared) and declared != self._sha256.hexdigest():
            raise S3Error(
                400, 'XAmzContentSHA256Mismatch', 'The x-amz-content-sha256 you specified did not match what we received.'
            )

    def publish(self) -> None:
        self._partial.replace(self._path)

    def discard(self) -> None:
        self._partial.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)


async def get(cloud: Cloud, caller: Caller | None, request: web.Request, bucket_name: str, key: str) -> web.StreamResponse:
    """GET and HEAD."""
    row = find(cloud, caller, buckets.find(cloud, bucket_name), key)
    start, length, status = _range(request, row['size'])
    headers = {
        'ETag': f'"{row["etag"]}"',
        'Last-Modified': xml.http_time(row['modified']),
        'Accept-Ranges': 'bytes',
        'Content-Type': row['content_type'],
        'Content-Length': str(length),
    }
    headers.update(json.loads(row['metadata']))
    if status == 206:
        headers['Content-Range'] = f'bytes {start}-{start + length - 1}/{row["size"]}'
    for parameter, header in _OVERRIDES.items():
        if parameter in request.query:
            headers[header.title()] = request.query[parameter]
    response = web.StreamResponse(status=status, headers=headers)
    if request.method == 'HEAD':
        await response.prepare(request)
        return response
    # Opened before the first await, so that deleting the object does not affect this reader.
    with open(cloud.config.objects / row['file'], 'rb') as file:
        await response.prepare(request)
        file.seek(start)
        while length:
            chunk = file.read(min(CHUNK, length))
            if not chunk:
                raise ConnectionError(f'{bucket_name}/{key}: body is shorter than recorded')
            await response.write(chunk)
            length -= len(chunk)
    await response.write_eof()
    return response


def _range(request: web.Request, size: int) -> tuple[int, int, int]:
    """Start, length and status of the answer. The answer to several ranges is the complete object, which the standard allows."""
    match = re.fullmatch(r'bytes=(\d*)-(\d*)', request.headers.get('Range', ''))
    if match is None or not any(match.groups()):
        return 0, size, 200
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start > end or start >= size:
        raise S3Error(416, 'InvalidRange', 'The requested range cannot be satisfied.')
    return start, end - start + 1, 206


def delete(cloud: Cloud, caller: Caller | None, bucket_name: str, key: str) -> web.Response:
    bucket = buckets.find(cloud, bucket_name)
    row = cloud.store.row('SELECT * FROM objects WHERE bucket = ? AND key = ?', bucket_name, key)
    may = access.allows(bucket, bucket['owner'], caller, 'WRITE')
    if not may and not (row is not None and caller is not None and caller.account == row['owner']):
        raise S3Error(403, 'AccessDenied', 'Access Denied')
    if row is not None:
        cloud.store.execute('DELETE FROM objects WHERE bucket = ? AND key = ?', bucket_name, key)
        (cloud.config.objects / row['file']).unlink(missing_ok=True)
    return web.Response(status=204)
