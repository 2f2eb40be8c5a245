# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects: put, get, head, delete."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping

from aiohttp import web

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import S3Error
from . import access, bodies, buckets, xml

_KEPT_HEADERS = ('content-encoding', 'content-disposition', 'cache-control', 'expires', 'content-language')
_OVERRIDES = {f'response-{name}': name for name in ('content-type', *_KEPT_HEADERS)}


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
    async with bodies.received(cloud, request, caller) as body:
        buckets.find(cloud, bucket_name)  # it may have been deleted during the upload
        etag = body.md5.hexdigest()
        owner = str(caller.account if caller is not None else bucket['owner'])
        columns = {'owner': owner, 'acl': acl, 'size': body.size, 'etag': etag, 'file': body.name, **headers_to_keep(request)}
        with cloud.store.transaction():
            old = record(cloud, bucket=bucket_name, key=key, **columns)
    bodies.remove(cloud, old)
    return web.Response(status=200, headers={'ETag': f'"{etag}"'})


def record(cloud: Cloud, **columns: object) -> list[str]:
    """Write the row of an object whose file is complete, within the caller's transaction. Returns the object's former file,
    which the caller removes after the transaction."""
    old = cloud.store.rows('SELECT file FROM objects WHERE bucket = ? AND key = ?', columns['bucket'], columns['key'])
    cloud.store.execute('DELETE FROM objects WHERE bucket = ? AND key = ?', columns['bucket'], columns['key'])
    cloud.store.insert('objects', **columns, modified=cloud.now())
    return [row['file'] for row in old]


def headers_to_keep(request: web.Request) -> dict[str, str]:
    """The columns of an object's row that come from the request's headers."""
    content_type = request.headers.get('Content-Type', 'binary/octet-stream')
    return {'content_type': content_type, 'metadata': json.dumps(_metadata(request.headers))}


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() in _KEPT_HEADERS or name.lower().startswith('x-amz-meta-')
    }
    if kept.get('content-encoding') == 'aws-chunked':  # an encoding of the transfer, not of the content
        del kept['content-encoding']
    return kept


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
            chunk = file.read(min(bodies.CHUNK, length))
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
    """An object that does not exist is not an error."""
    bucket = buckets.find(cloud, bucket_name)
    row = cloud.store.row('SELECT * FROM objects WHERE bucket = ? AND key = ?', bucket_name, key)
    may = access.allows(bucket, bucket['owner'], caller, 'WRITE')
    if not may and not (row is not None and caller is not None and caller.account == row['owner']):
        raise S3Error(403, 'AccessDenied', 'Access Denied')
    if row is not None:
        cloud.store.execute('DELETE FROM objects WHERE bucket = ? AND key = ?', bucket_name, key)
        bodies.remove(cloud, [row['file']])
    return web.Response(status=204)


async def delete_many(cloud: Cloud, caller: Caller | None, request: web.Request, bucket_name: str) -> web.Response:
    """POST ?delete: each key with its own reply, as if it were deleted alone (``deleteMultipleObjects``)."""
    buckets.find(cloud, bucket_name)
    message = await bodies.read_xml(request)
    quiet = message is not None and (message.findtext('{*}Quiet') or '').strip().startswith('true')
    result: list[xml.Element] = []
    for entry in message.iterfind('{*}Object') if message is not None else ():
        key = entry.findtext('{*}Key') or ''
        try:
            if entry.findtext('{*}VersionId'):
                raise S3Error(501, 'NotImplemented', 'Eucalyptus 4.4 supports versions of objects. The lab does not.')
            delete(cloud, caller, bucket_name, key)
        except S3Error as error:
            code = error.code if error.code == 'AccessDenied' else 'InternalError'  # no others exist in 4.4
            result.append(('Error', [('Key', key), ('Code', code), ('Message', error.message)]))
        else:
            result += [] if quiet else [('Deleted', [('Key', key)])]
    return buckets.reply_xml('DeleteResult', result)
