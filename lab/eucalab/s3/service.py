# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dispatch of requests to operations."""

from __future__ import annotations

from urllib.parse import unquote

from aiohttp import web

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import S3Error
from . import acls, buckets, objects

# Subresources that the lab does not implement; without this list a PUT of one would store an object.
_UNKNOWN = (
    'cors',
    'delete',
    'lifecycle',
    'logging',
    'notification',
    'policy',
    'requestPayment',
    'tagging',
    'torrent',
    'uploadId',
    'uploads',
    'versions',
    'website',
)


async def handle(cloud: Cloud, caller: Caller | None, request: web.Request, raw_resource: str) -> web.StreamResponse:
    """Answer one request; raw_resource is the path below the service's, still encoded."""
    bucket, _, key = (unquote(part) for part in raw_resource.lstrip('/').partition('/'))
    for name in _UNKNOWN:
        if name in request.query:
            raise S3Error(501, 'NotImplemented', f'The lab does not support {name}.')
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
    raise S3Error(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.')


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
    if request.method == 'GET':
        return buckets.list_objects(cloud, caller, request, bucket)
    raise S3Error(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.')


async def _object(cloud: Cloud, caller: Caller | None, request: web.Request, bucket: str, key: str) -> web.StreamResponse:
    if request.method == 'PUT':
        return await objects.put(cloud, caller, request, bucket, key)
    if request.method in ('GET', 'HEAD'):
        return await objects.get(cloud, caller, request, bucket, key)
    if request.method == 'DELETE':
        return objects.delete(cloud, caller, bucket, key)
    raise S3Error(405, 'MethodNotAllowed', 'The specified method is not allowed against this resource.')
