# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of objects, with the checks of ``ObjectStorageGateway.copyObject`` (4.4) in its order."""

from __future__ import annotations

import sqlite3
from urllib.parse import unquote

from aiohttp import web

from ..cloud.context import Cloud
from ..protocol.auth import Caller, parse_http_or_iso_time
from ..protocol.errors import S3Error
from ..protocol.wire import iso_time
from . import access, bodies, buckets, objects

SOURCE = 'x-amz-copy-source'
_CONDITIONS = ('if-match', 'if-none-match', 'if-unmodified-since', 'if-modified-since')


def copy(cloud: Cloud, caller: Caller | None, request: web.Request, bucket_name: str, key: str) -> web.Response:
    source_bucket, source_key = _source(request)
    source = _readable(cloud, caller, source_bucket, source_key)
    bucket = buckets.find(cloud, bucket_name)
    buckets.check(bucket, caller, 'WRITE')
    directive = request.headers.get('x-amz-metadata-directive') or 'COPY'
    if directive not in ('COPY', 'REPLACE'):
        raise S3Error(400, 'InvalidArgument', f'Unknown metadata directive: {directive}')
    if (source_bucket, source_key) == (bucket_name, key) and directive == 'COPY':
        raise S3Error(
            400,
            'InvalidRequest',
            'This copy request is illegal because it is trying to copy an object to itself without changing the '
            "object's metadata, storage class, website redirect location or encryption attributes.",
            Resource=f'{bucket_name}/{key}',
        )
    _check_conditions(request, source)
    kept = {name: source[name] for name in ('content_type', 'metadata')}
    columns = {
        'owner': caller.account if caller is not None else bucket['owner'],
        'acl': buckets.canned_acl(request),
        'size': source['size'],
        'etag': source['etag'],
        **(objects.headers_to_keep(request) if directive == 'REPLACE' else kept),
    }
    file = bodies.link(cloud, source['file'])
    with cloud.store.transaction():
        old = objects.record(cloud, bucket=bucket_name, key=key, file=file, **columns)
    bodies.remove(cloud, old)
    # 4.4 has no quotes around this one.
    return buckets.reply_xml('CopyObjectResult', [('ETag', source['etag']), ('LastModified', iso_time(cloud.now()))])


def _source(request: web.Request) -> tuple[str, str]:
    path, _, version = unquote(request.headers[SOURCE]).partition('?')
    bucket, _, key = path.lstrip('/').partition('/')
    if not bucket or not key:
        raise S3Error(400, 'InvalidArgument', 'Malformed COPY request', ArgumentName=SOURCE)
    if version not in ('', 'versionId=null'):
        raise S3Error(501, 'NotImplemented', 'Eucalyptus 4.4 supports versions of objects. The lab does not.')
    return bucket, key


def _readable(cloud: Cloud, caller: Caller | None, bucket_name: str, key: str) -> sqlite3.Row:
    """The source's row. Unlike for a download, a missing one is reported as missing to everybody."""
    bucket = buckets.find(cloud, bucket_name)
    row = cloud.store.row('SELECT * FROM objects WHERE bucket = ? AND key = ?', bucket_name, key)
    if row is None:
        raise S3Error(404, 'NoSuchKey', 'The specified key does not exist.', Resource=f'{bucket_name}/{key}')
    if not access.allows(row, bucket['owner'], caller, 'READ'):
        raise S3Error(403, 'AccessDenied', 'Access Denied', Resource=f'{bucket_name}/{key}')
    return row


def _check_conditions(request: web.Request, source: sqlite3.Row) -> None:
    given = {name: request.headers.get(f'{SOURCE}-{name}') for name in _CONDITIONS}
    for name, value in given.items():
        if value is not None and not _holds(name, value, source):
            raise S3Error(
                412,
                'PreconditionFailed',
                'At least one of the preconditions you specified did not hold.',
                Resource=f'{source["key"]} CopySource{name.title().replace("-", "")}: {value}',
            )


def _holds(name: str, value: str, source: sqlite3.Row) -> bool:
    if name == 'if-match':
        return bool(value.strip('"') == source['etag'])
    if name == 'if-none-match':
        return bool(value.strip('"') != source['etag'])
    return bool(_time(value) >= source['modified'] if name == 'if-unmodified-since' else _time(value) <= source['modified'])


def _time(text: str) -> float:
    try:
        return parse_http_or_iso_time(text)
    except ValueError:
        raise S3Error(400, 'InvalidArgument', f'Error parsing date: {text}') from None
