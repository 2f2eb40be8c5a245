# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads in parts, as 4.4 with Walrus carries them out (``ObjectStorageGateway``, ``DbMpuPartMetadataManagerImpl``)."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import sqlite3
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from aiohttp import web

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import S3Error
from ..protocol.wire import iso_time
from . import bodies, buckets, objects, xml

LEAST_BYTES = 5 << 20  # of a part that is not the last (ObjectStorageProperties.MPU_PART_MIN_SIZE)
NUMBERS = range(1, 10001)


def initiate(cloud: Cloud, caller: Caller | None, request: web.Request, bucket_name: str, key: str) -> web.Response:
    bucket = buckets.find(cloud, bucket_name)
    buckets.check(bucket, caller, 'WRITE')
    identifier = secrets.token_hex(16)
    cloud.store.insert(
        'uploads',
        id=identifier,
        bucket=bucket_name,
        key=key,
        owner=caller.account if caller is not None else bucket['owner'],
        user_name=caller.user_name if caller is not None else '',
        acl=buckets.canned_acl(request),
        created=cloud.now(),
        **objects.headers_to_keep(request),
    )
    which = [('Bucket', bucket_name), ('Key', key), ('UploadId', identifier)]
    return buckets.reply_xml('InitiateMultipartUploadResult', which)


async def put_part(cloud: Cloud, caller: Caller | None, request: web.Request, bucket_name: str, key: str) -> web.Response:
    buckets.find(cloud, bucket_name)
    number = _number(request.query.get('partNumber', ''))
    upload = _find(cloud, request, bucket_name, key)
    _check(cloud, caller, upload, 'WRITE')
    async with bodies.received(cloud, request, caller) as body:
        etag = body.md5.hexdigest()
        with cloud.store.transaction():
            _find(cloud, request, bucket_name, key)  # it may have ended during the upload
            old = cloud.store.rows('SELECT file FROM parts WHERE upload = ? AND number = ?', upload['id'], number)
            cloud.store.execute('DELETE FROM parts WHERE upload = ? AND number = ?', upload['id'], number)
            columns = {'size': body.size, 'etag': etag, 'file': body.name, 'modified': cloud.now()}
            cloud.store.insert('parts', upload=upload['id'], number=number, **columns)
    bodies.remove(cloud, [row['file'] for row in old])
    return web.Response(status=200, headers={'ETag': f'"{etag}"'})


async def complete(cloud: Cloud, caller: Caller | None, request: web.Request, bucket_name: str, key: str) -> web.Response:
    buckets.find(cloud, bucket_name)
    upload = _find(cloud, request, bucket_name, key)
    _check(cloud, caller, upload, 'WRITE')
    parts = _chosen(_parts(cloud, upload), await bodies.read_xml(request), upload['id'])
    # Walrus' form of it; the entity tags in the request are not compared (completeMultipartUpload).
    etag = 'uuid-' + hashlib.md5(''.join(part['etag'] for part in parts).encode(), usedforsecurity=False).hexdigest()
    body = bodies.Body(cloud.config.objects)
    kept = {name: upload[name] for name in ('owner', 'acl', 'content_type', 'metadata')}
    try:
        await _join(body, [cloud.config.objects / part['file'] for part in parts], upload['id'])
        body.publish()
        with cloud.store.transaction():
            _find(cloud, request, bucket_name, key)
            ended = _parts(cloud, upload)
            if not {part['file'] for part in parts} <= {part['file'] for part in ended}:
                raise _invalid_part(upload['id'])  # one was replaced meanwhile
            old = objects.record(cloud, bucket=bucket_name, key=key, size=body.size, etag=etag, file=body.name, **kept)
            cloud.store.execute('DELETE FROM uploads WHERE id = ?', upload['id'])
    except BaseException:
        body.discard()
        raise
    bodies.remove(cloud, old + [part['file'] for part in ended])
    where = f'{cloud.config.endpoint}{cloud.played.storage.paths[0]}/{bucket_name}/{key}'
    which = [('Location', where), ('Bucket', bucket_name), ('Key', key), ('ETag', etag)]
    return buckets.reply_xml('CompleteMultipartUploadResult', which)


async def _join(body: bodies.Body, paths: list[Path], identifier: str) -> None:
    try:
        await asyncio.to_thread(body.join, paths)  # other requests are answered meanwhile
    except FileNotFoundError:
        raise _no_such_upload(identifier) from None  # it was completed or aborted meanwhile


def abort(cloud: Cloud, caller: Caller | None, request: web.Request, bucket_name: str, key: str) -> web.Response:
    buckets.find(cloud, bucket_name)
    upload = _find(cloud, request, bucket_name, key)
    _check(cloud, caller, upload, 'WRITE', or_bucket_owner=True)
    with cloud.store.transaction():
        parts = _parts(cloud, upload)
        cloud.store.execute('DELETE FROM uploads WHERE id = ?', upload['id'])
    bodies.remove(cloud, [part['file'] for part in parts])
    return web.Response(status=204)


def list_parts(cloud: Cloud, caller: Caller | None, request: web.Request, bucket_name: str, key: str) -> web.Response:
    most, marker = buckets.number(request, 'max-parts'), buckets.number(request, 'part-number-marker', 0)
    buckets.find(cloud, bucket_name)
    upload = _find(cloud, request, bucket_name, key)
    _check(cloud, caller, upload, 'READ', or_bucket_owner=True)
    parts = [part for part in _parts(cloud, upload) if part['number'] > marker]
    shown = parts[:most]
    head: list[xml.Element] = [('Bucket', bucket_name), ('Key', key), ('UploadId', upload['id']), *_people(cloud, upload)]
    head += [('StorageClass', 'STANDARD'), ('PartNumberMarker', marker)]
    head += [('NextPartNumberMarker', shown[-1]['number'] if shown else 0), ('MaxParts', most)]
    return buckets.reply_xml('ListPartsResult', [*head, ('IsTruncated', len(parts) > most), *map(_part, shown)])


def list_uploads(cloud: Cloud, caller: Caller | None, request: web.Request, bucket_name: str) -> web.Response:
    bucket = buckets.find(cloud, bucket_name)
    buckets.check(bucket, caller, 'READ')
    most = buckets.number(request, 'max-uploads')
    names = ('key-marker', 'upload-id-marker', 'delimiter', 'prefix')
    key_marker, id_marker, delimiter, prefix = (request.query.get(name, '') for name in names)
    rows = cloud.store.rows('SELECT * FROM uploads WHERE bucket = ? ORDER BY key, id', bucket_name)
    shown: list[sqlite3.Row] = []
    folders: list[str] = []
    truncated = False
    for row in rows:
        seen = (row['key'], row['id']) <= (key_marker, id_marker) if id_marker else row['key'] <= key_marker
        inside = buckets.folder(row['key'], prefix, delimiter)
        if seen or not row['key'].startswith(prefix) or inside in folders:
            continue
        if len(shown) + len(folders) == most:
            truncated = True
            break
        if inside is None:
            shown.append(row)
        else:
            folders.append(inside)
    last = shown[-1] if shown else {'key': '', 'id': ''}
    head: list[xml.Element] = [('Bucket', bucket_name), ('KeyMarker', key_marker), ('UploadIdMarker', id_marker)]
    head += [('NextKeyMarker', last['key']), ('NextUploadIdMarker', last['id'])]
    head += [(name, value) for name, value in (('Delimiter', delimiter), ('Prefix', prefix)) if value]
    head += [('MaxUploads', most), ('IsTruncated', truncated)]
    common = [('CommonPrefixes', [('Prefix', one)]) for one in folders]
    return buckets.reply_xml('ListMultipartUploadsResult', [*head, *(_upload(cloud, row) for row in shown), *common])


def _find(cloud: Cloud, request: web.Request, bucket_name: str, key: str) -> sqlite3.Row:
    identifier = request.query.get('uploadId', '')
    row = cloud.store.row('SELECT * FROM uploads WHERE id = ? AND bucket = ? AND key = ?', identifier, bucket_name, key)
    if row is None:
        raise _no_such_upload(identifier)
    return row


def _no_such_upload(identifier: str) -> S3Error:
    return S3Error(
        404,
        'NoSuchUpload',
        'The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been '
        'aborted or completed.',
        Resource=identifier,
    )


def _invalid_part(which: str) -> S3Error:
    return S3Error(
        400,
        'InvalidPart',
        'One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity '
        "tag might not have matched the part's entity tag.",
        Resource=which,
    )


def _check(cloud: Cloud, caller: Caller | None, upload: sqlite3.Row, permission: str, or_bucket_owner: bool = False) -> None:
    """The account that began the upload, perhaps the bucket's owner, with a permission on the bucket (ObjectStorage.groovy)."""
    bucket = buckets.find(cloud, upload['bucket'])
    buckets.check(bucket, caller, permission)
    owners = {upload['owner'], *([bucket['owner']] if or_bucket_owner else [])}
    if caller is None or not (caller.is_admin or caller.account in owners):
        raise S3Error(403, 'AccessDenied', 'Access Denied')


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) not in NUMBERS:
        raise S3Error(
            400, 'InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive', Resource='PartNumber'
        )
    return int(text)


def _parts(cloud: Cloud, upload: sqlite3.Row) -> list[sqlite3.Row]:
    return cloud.store.rows('SELECT * FROM parts WHERE upload = ? ORDER BY number', upload['id'])


def _chosen(parts: list[sqlite3.Row], message: ElementTree.Element | None, identifier: str) -> list[sqlite3.Row]:
    """The parts that a client lists, in ascending order. Those that it leaves out are dropped."""
    numbers = [part.findtext('{*}PartNumber') or '' for part in message.iterfind('{*}Part')] if message is not None else []
    if not numbers:
        raise S3Error(400, 'InvalidRequest', 'You must specify at least one part')
    uploaded = {part['number']: part for part in parts}
    chosen: list[sqlite3.Row] = []
    for position, text in enumerate(numbers, 1):
        number = _number(text.strip())
        if chosen and number <= chosen[-1]['number']:
            raise S3Error(
                400,
                'InvalidPartOrder',
                'The list of parts was not in ascending order.Parts list must specified in order by part number.',
                Resource=f'partNumber: {number}',
            )
        if number not in uploaded:
            raise _invalid_part(f'partNumber: {number}')
        chosen.append(uploaded[number])
        if position < len(numbers) and uploaded[number]['size'] < LEAST_BYTES:
            raise S3Error(
                400,
                'EntityTooSmall',
                'Your proposed upload is smaller than the minimum allowed object size.',
                Resource=f'uploadId: {identifier} partNumber: {number}',
            )
    return chosen


def _part(row: sqlite3.Row) -> xml.Element:
    described: list[xml.Element] = [
        ('PartNumber', row['number']),
        ('LastModified', iso_time(row['modified'])),
        ('ETag', f'"{row["etag"]}"'),
    ]
    return ('Part', [*described, ('Size', row['size'])])


def _upload(cloud: Cloud, row: sqlite3.Row) -> xml.Element:
    described: list[xml.Element] = [
        ('Key', row['key']),
        ('UploadId', row['id']),
        *_people(cloud, row),
        ('StorageClass', 'STANDARD'),
    ]
    return ('Upload', [*described, ('Initiated', iso_time(row['created']))])


def _people(cloud: Cloud, upload: sqlite3.Row) -> list[xml.Element]:
    account = cloud.store.row('SELECT name FROM accounts WHERE number = ?', upload['owner'])
    user = upload['user_name']
    initiator = ('Initiator', [('ID', f'arn:aws:iam::{upload["owner"]}:user/{user}'), ('DisplayName', user)])
    return [initiator, xml.owner(upload['owner'], account['name'] if account is not None else '')]
