# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dispatch of requests to operations."""

from __future__ import annotations

from urllib.parse import unquote

from aiohttp import web

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import S3Error
from . import acls, buckets, copies, multipart, objects

# Subresources of a bucket that 4.4 refuses, with the requests that it refuses (ObjectStorage…Binding.UNSUPPORTED_OPS).
_GENUINELY_REFUSED = {
    'policy': ('GET', 'PUT', 'DELETE'),
    'notification': ('GET', 'PUT'),
    'requestPayment': ('GET',),
    'website': ('GET', 'PUT', 'DELETE'),
}
# Subresources of 4.4 that the lab does not have: of buckets, of objects.
_LACKING = ('cors', 'lifecycle', 'logging', 'tagging', 'versions'), ('torrent', 'versionId')
# Subresources that objects have on Amazon only.
_IGNORED = ('cors', 'delete', 'lifecycle', 'logging', 'notification', 'policy', 'requestPayment', 'tagging', 'versions', 'website')


# The methods of further subresources, of buckets and of objects.
_METHODS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {'uploads': (('GET',), ('POST',)), 'delete': (('POST',), ())}


async def handle(cloud: Cloud, caller: Caller | None, request: web.Request, raw_resource: str) -> web.StreamResponse:
    """Answer one request; raw_resource is the path below the service's, still encoded."""
    bucket, _, key = (unquote(part) for part in raw_resource.lstrip('/').partition('/'))
    for name in cloud.played.storage.lacks & set(request.query):
        raise S3Error(501, 'NotImplemented', f'{name} is not implemented')
    _refuse_subresources(request, key)
    if not bucket:
        if request.method == 'GET':
            return buckets.list_all(cloud, caller)
    elif 'acl' in request.query:
        if request.method == 'GET':
            return acls.get(cloud, caller, bucket, key)
        if request.method == 'PUT':
            return await acls.put(cloud, caller, request, bucket, key)
    elif key:
        return await _object(cloud, caller, request, bucket, key)
    else:
        return await _bucket(cloud, caller, request, bucket)
    raise _not_allowed()


def _refuse_subresources(request: web.Request, key: str) -> None:
    method, what = request.method, 'Object' if key else 'Bucket'
    lacking = _LACKING[bool(key)] + (('versioning',) if method == 'PUT' and not key else ())
    for name in request.query:
        if name in lacking:
            raise S3Error(501, 'NotImplemented', f'Eucalyptus 4.4 supports {method} {what} {name}. The lab does not.')
        if key and name in _IGNORED:
            raise S3Error(
                501,
                'NotImplemented',
                f'Eucalyptus 4.4 ignores {name} of an object, so a PUT would replace the object. The lab refuses the request.',
            )
        if not key and method in _GENUINELY_REFUSED.get(name, ()):
            raise S3Error(501, 'NotImplemented', f'{method} Bucket {name} is not implemented')
        if name in _METHODS and method not in _METHODS[name][bool(key)]:
            raise _not_allowed()


async def _bucket(cloud: Cloud, caller: Caller | None, request: web.Request, bucket: str) -> web.StreamResponse:
    if request.method == 'PUT':
        return await buckets.create(cloud, caller, request, bucket)
    if request.method == 'DELETE':
        return buckets.delete(cloud, caller, bucket)
    if request.method == 'HEAD':
        buckets.check(buckets.find(cloud, bucket), caller, 'READ')
        return web.Response(status=200)
    if request.method == 'GET' and ('location' in request.query or 'versioning' in request.query):
        buckets.check(buckets.find(cloud, bucket), caller, 'READ')
        return buckets.reply_xml('LocationConstraint' if 'location' in request.query else 'VersioningConfiguration', [])
    if request.method == 'GET' and 'uploads' in request.query:
        return multipart.list_uploads(cloud, caller, request, bucket)
    if request.method == 'POST' and 'delete' in request.query:
        return await objects.delete_many(cloud, caller, request, bucket)
    if request.method == 'POST':
        raise S3Error(501, 'NotImplemented', 'Eucalyptus 4.4 supports uploads of HTML forms. The lab does not.')
    if request.method == 'GET':
        return buckets.list_objects(cloud, caller, request, bucket)
    raise _not_allowed()


async def _object(cloud: Cloud, caller: Caller | None, request: web.Request, bucket: str, key: str) -> web.StreamResponse:
    method, about = request.method, (cloud, caller, request, bucket, key)
    if method == 'POST' and 'uploads' in request.query:
        return multipart.initiate(*about)
    if 'uploadId' in request.query:
        return await _upload(*about)
    if method == 'PUT' and 'partNumber' not in request.query:
        return copies.copy(*about) if request.headers.get(copies.SOURCE) else await objects.put(*about)
    if method in ('GET', 'HEAD'):
        return await objects.get(*about)
    if method == 'DELETE':
        return objects.delete(cloud, caller, bucket, key)
    raise _not_allowed()


async def _upload(cloud: Cloud, caller: Caller | None, request: web.Request, bucket: str, key: str) -> web.StreamResponse:
    method, about = request.method, (cloud, caller, request, bucket, key)
    # Parts cannot be copied from objects: 4.4 has no such request.
    if method == 'PUT' and 'partNumber' in request.query and not request.headers.get(copies.SOURCE):
        return await multipart.put_part(*about)
    if method == 'POST':
        return await multipart.complete(*about)
    if method == 'GET':
        return multipart.list_parts(*about)
    if method == 'DELETE':
        return multipart.abort(*about)
    raise _not_allowed()


def _not_allowed() -> S3Error:
    return S3Error(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.')
