# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buckets: create, delete, head, list."""

from __future__ import annotations

import re
import sqlite3

from aiohttp import web

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import S3Error
from ..protocol.wire import iso_time
from . import access, bodies, xml

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{2,254}')
MOST_KEYS = 1000


def find(cloud: Cloud, name: str) -> sqlite3.Row:
    row = cloud.store.row('SELECT * FROM buckets WHERE name = ?', name)
    if row is None:
        raise S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist', BucketName=name)
    return row


def check(bucket: sqlite3.Row, caller: Caller | None, permission: str) -> None:
    if not access.allows(bucket, bucket['owner'], caller, permission):
        raise S3Error(403, 'AccessDenied', 'Access Denied')


def canned_acl(request: web.Request) -> str:
    acl = request.headers.get('x-amz-acl', 'private')
    if acl not in access.CANNED:
        raise S3Error(400, 'InvalidArgument', 'Invalid Argument', ArgumentName='x-amz-acl', ArgumentValue=acl)
    return acl


def reply_xml(root: str, children: list[xml.Element]) -> web.Response:
    return web.Response(body=xml.document(root, children), content_type='application/xml')


def list_all(cloud: Cloud, caller: Caller | None) -> web.Response:
    if caller is None:
        raise S3Error(403, 'AccessDenied', 'Access Denied')
    rows = cloud.store.rows('SELECT * FROM buckets WHERE owner = ? ORDER BY name', caller.account)
    buckets = [('Bucket', [('Name', row['name']), ('CreationDate', iso_time(row['created']))]) for row in rows]
    return reply_xml('ListAllMyBucketsResult', [xml.owner(caller.account, caller.account_name), ('Buckets', buckets)])


async def create(cloud: Cloud, caller: Caller | None, request: web.Request, name: str) -> web.Response:
    if caller is None:
        raise S3Error(403, 'AccessDenied', 'Access Denied')
    await request.read()  # a LocationConstraint, which a cloud with one region ignores
    acl = canned_acl(request)
    if not _NAME.fullmatch(name):
        raise S3Error(400, 'InvalidBucketName', 'The specified bucket is not valid.', BucketName=name)
    row = cloud.store.row('SELECT owner FROM buckets WHERE name = ?', name)
    if row is not None and row['owner'] == caller.account:
        raise S3Error(
            409,
            'BucketAlreadyOwnedByYou',
            'Your previous request to create the named bucket succeeded and you already own it.',
            BucketName=name,
        )
    if row is not None:
        raise S3Error(
            409,
            'BucketAlreadyExists',
            'The requested bucket name is not available. The bucket namespace is'
            ' shared by all users of the system. Please select a different name'
            ' and try again.',
            BucketName=name,
        )
    cloud.store.insert('buckets', name=name, owner=caller.account, acl=acl, created=cloud.now())
    return web.Response(status=200, headers={'Location': f'/{name}'})


def delete(cloud: Cloud, caller: Caller | None, name: str) -> web.Response:
    bucket = find(cloud, name)
    if caller is None or not (caller.is_admin or caller.account == bucket['owner']):
        raise S3Error(403, 'AccessDenied', 'Access Denied')
    with cloud.store.transaction():
        if cloud.store.row('SELECT 1 FROM objects WHERE bucket = ?', name):
            raise S3Error(409, 'BucketNotEmpty', 'The bucket you tried to delete is not empty.', BucketName=name)
        # Only objects count: uploads in parts that were not completed end with the bucket (countValid).
        parts = cloud.store.rows('SELECT file FROM parts JOIN uploads ON upload = id WHERE bucket = ?', name)
        cloud.store.execute('DELETE FROM buckets WHERE name = ?', name)
    bodies.remove(cloud, [row['file'] for row in parts])
    return web.Response(status=204)


def list_objects(cloud: Cloud, caller: Caller | None, request: web.Request, name: str) -> web.Response:
    bucket = find(cloud, name)
    check(bucket, caller, 'READ')
    prefix, marker, delimiter = (request.query.get(key, '') for key in ('prefix', 'marker', 'delimiter'))
    most = number(request, 'max-keys')
    names = {row['number']: row['name'] for row in cloud.store.rows('SELECT * FROM accounts')}
    contents: list[xml.Element] = []
    folders: list[str] = []
    last, truncated = '', False
    for row in cloud.store.rows('SELECT * FROM objects WHERE bucket = ? AND key > ? ORDER BY key', name, marker):
        key = row['key']
        if not key.startswith(prefix):
            continue
        inside = folder(key, prefix, delimiter)
        if inside is not None and (inside in folders or inside <= marker):
            continue
        if len(contents) + len(folders) == most:
            truncated = True
            break
        last = inside or key
        if inside is not None:
            folders.append(inside)
        else:
            contents.append(_entry(row, names))
    head = [('Name', name), ('Prefix', prefix), ('Marker', marker), ('MaxKeys', most), ('IsTruncated', truncated)]
    head += [('Delimiter', delimiter)] if delimiter else []
    head += [('NextMarker', last)] if truncated and delimiter else []
    return reply_xml('ListBucketResult', [*head, *contents, *(('CommonPrefixes', [('Prefix', one)]) for one in folders)])


def number(request: web.Request, name: str, default: int = MOST_KEYS) -> int:
    """A parameter of a list."""
    text = request.query.get(name, str(default))
    if not text.isdecimal():
        raise S3Error(400, 'InvalidArgument', 'Invalid Argument', ArgumentName=name, ArgumentValue=text)
    return min(int(text), MOST_KEYS)


def folder(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    head, found, _ = key[len(prefix) :].partition(delimiter)
    return prefix + head + found if found else None


def _entry(row: sqlite3.Row, names: dict[str, str]) -> xml.Element:
    return (
        'Contents',
        [
            ('Key', row['key']),
            ('LastModified', iso_time(row['modified'])),
            ('ETag', f'"{row["etag"]}"'),
            ('Size', row['size']),
            ('StorageClass', 'STANDARD'),
            xml.owner(row['owner'], names.get(row['owner'], '')),
        ],
    )
