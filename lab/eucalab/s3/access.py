# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canned ACLs: their permissions and grantees."""

from __future__ import annotations

import sqlite3

from ..cloud.accounts import EXEC_READ
from ..protocol.auth import Caller

ALL_USERS = 'http://acs.amazonaws.com/groups/global/AllUsers'
AUTHENTICATED = 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers'
EXEC_READERS = 'http://acs.amazonaws.com/groups/s3/zateam'
# Of this group only the cloud's administrator is a member (AclUtils.isUserMember), so it does not let the cloud read.
BUNDLE_READERS = 'http://acs.amazonaws.com/groups/s3/ec2-bundle'
_GRANTS: dict[str, tuple[tuple[str, str], ...]] = {
    'private': (),
    'public-read': ((ALL_USERS, 'READ'),),
    'public-read-write': ((ALL_USERS, 'READ'), (ALL_USERS, 'WRITE')),
    'authenticated-read': ((AUTHENTICATED, 'READ'),),
    'aws-exec-read': ((EXEC_READERS, 'READ'),),
    'ec2-bundle-read': ((BUNDLE_READERS, 'READ'),),
    'bucket-owner-read': (('bucket-owner', 'READ'),),
    'bucket-owner-full-control': (('bucket-owner', 'FULL_CONTROL'),),
    'log-delivery-write': (),
}
CANNED = frozenset(_GRANTS)


def grants(acl: str, bucket_owner: str) -> list[tuple[str, str]]:
    """Grantee (a group's URI or an account number) and permission, in addition to the owner's FULL_CONTROL."""
    return [(bucket_owner if grantee == 'bucket-owner' else grantee, permission) for grantee, permission in _GRANTS[acl]]


def allows(resource: sqlite3.Row, bucket_owner: str, caller: Caller | None, permission: str) -> bool:
    """Whether the caller (None: anonymous) has the permission on a bucket's or object's row."""
    if caller is not None and (caller.account == resource['owner'] or caller.is_admin):
        return True
    wanted = (permission, 'FULL_CONTROL')
    return any(held in wanted and _is_member(grantee, caller) for grantee, held in grants(resource['acl'], bucket_owner))


def _is_member(grantee: str, caller: Caller | None) -> bool:
    if grantee == ALL_USERS:
        return True
    if caller is None:
        return False
    if grantee == EXEC_READERS:
        return caller.account_name == EXEC_READ
    return grantee == AUTHENTICATED or grantee == caller.account
