# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ?acl subresource of buckets and objects. Only canned ACLs can be set."""

from __future__ import annotations

import sqlite3
from xml.sax.saxutils import escape

from aiohttp import web

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import S3Error
from . import access, buckets, objects, xml

_XSI = 'http://www.w3.org/2001/XMLSchema-instance'


def get(cloud: Cloud, caller: Caller | None, bucket_name: str, key: str) -> web.Response:
    bucket, row = _resource(cloud, caller, bucket_name, key)
    names = {account['number']: account['name'] for account in cloud.store.rows('SELECT * FROM accounts')}
    grants = [(row['owner'], 'FULL_CONTROL'), *access.grants(row['acl'], bucket['owner'])]
    items = ''.join(_grant(grantee, permission, names) for grantee, permission in grants)
    owner = f'<Owner><ID>{row["owner"]}</ID><DisplayName>{escape(names.get(row["owner"], ""))}</DisplayName></Owner>'
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<AccessControlPolicy xmlns="{xml.NAMESPACE}">{owner}'
        f'<AccessControlList>{items}</AccessControlList></AccessControlPolicy>'
    )
    return web.Response(text=body, content_type='application/xml')


def _grant(grantee: str, permission: str, names: dict[str, str]) -> str:
    if grantee.startswith('http'):
        inner = f'<Grantee xmlns:xsi="{_XSI}" xsi:type="Group"><URI>{grantee}</URI></Grantee>'
    else:
        inner = (
            f'<Grantee xmlns:xsi="{_XSI}" xsi:type="CanonicalUser"><ID>{grantee}</ID>'
            f'<DisplayName>{escape(names.get(grantee, ""))}</DisplayName></Grantee>'
        )
    return f'<Grant>{inner}<Permission>{permission}</Permission></Grant>'


async def put(cloud: Cloud, caller: Caller | None, request: web.Request, bucket_name: str, key: str) -> web.Response:
    _resource(cloud, caller, bucket_name, key)
    if await request.read() or 'x-amz-acl' not in request.headers:
        raise S3Error(501, 'NotImplemented', 'The lab supports only canned ACLs.')
    acl = buckets.canned_acl(request)
    if key:
        cloud.store.execute('UPDATE objects SET acl = ? WHERE bucket = ? AND key = ?', acl, bucket_name, key)
    else:
        cloud.store.execute('UPDATE buckets SET acl = ? WHERE name = ?', acl, bucket_name)
    return web.Response(status=200)


def _resource(cloud: Cloud, caller: Caller | None, bucket_name: str, key: str) -> tuple[sqlite3.Row, sqlite3.Row]:
    """The bucket, and the bucket or object that has the ACL. Only its owner may read or change it."""
    bucket = buckets.find(cloud, bucket_name)
    row = objects.find(cloud, caller, bucket, key) if key else bucket
    if caller is None or not (caller.is_admin or caller.account == row['owner']):
        raise S3Error(403, 'AccessDenied', 'Access Denied')
    return bucket, row
