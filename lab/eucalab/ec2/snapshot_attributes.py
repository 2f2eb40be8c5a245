# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions to create volumes from a snapshot (``SnapshotManager``, ``Snapshots.FilterPermissions``)."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure, lacking
from . import ids
from .registry import Reply, action

EVERYBODY = 'all'


def grantees(cloud: Cloud, snapshot: str) -> set[str]:
    """Account numbers, and EVERYBODY for a public snapshot; not the owner."""
    rows = cloud.store.rows('SELECT grantee FROM snapshot_permissions WHERE snapshot_id = ?', snapshot)
    return {row['grantee'] for row in rows}


def is_usable(cloud: Cloud, caller: Caller, row: sqlite3.Row) -> bool:
    """Whether the caller sees the snapshot and can create volumes from it."""
    if caller.is_admin or row['account'] == caller.account:
        return True
    return bool({EVERYBODY, caller.account} & grantees(cloud, row['id']))


@action('DescribeSnapshotAttribute')
def describe_snapshot_attribute(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """All permissions, whichever attribute was requested."""
    row = _find(cloud, caller, request)
    found = sorted(grantees(cloud, row['id']) - {EVERYBODY})
    permissions = [{'UserId': grantee} for grantee in found]
    if EVERYBODY in grantees(cloud, row['id']):
        permissions.append({'Group': EVERYBODY})
    # 4.4 repeats the id as it was sent.
    return {'SnapshotId': request['SnapshotId'], 'CreateVolumePermissions': permissions}


@action('ModifySnapshotAttribute')
def modify_snapshot_attribute(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """Additions first, then removals. A snapshot that failed is not changed, and the reply is ``return`` false."""
    row = _find(cloud, caller, request)
    added, removed = _changes(request)
    if row['state'] == 'failed':
        return {'Return': False}
    for grantee in added:
        if grantee != EVERYBODY and not re.fullmatch(r'\d{12}', grantee):
            raise failure(f'Not a valid userId : {grantee}')
    with cloud.store.transaction():
        for grantee in added:
            cloud.store.execute('INSERT OR IGNORE INTO snapshot_permissions VALUES (?, ?)', row['id'], grantee)
        for grantee in removed:
            cloud.store.execute('DELETE FROM snapshot_permissions WHERE snapshot_id = ? AND grantee = ?', row['id'], grantee)
    return {}


@action('ResetSnapshotAttribute')
def reset_snapshot_attribute(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """Only the owner may use the snapshot afterwards. Any other attribute is ignored."""
    row = _find(cloud, caller, request)
    if row['state'] == 'failed':
        return {'Return': False}
    if request.get('Attribute') in ('', 'createVolumePermission'):
        cloud.store.execute('DELETE FROM snapshot_permissions WHERE snapshot_id = ?', row['id'])
    return {}


def _find(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> sqlite3.Row:
    row = ids.visible(cloud, caller, 'snapshots', ids.snapshot_id(cloud, request.get('SnapshotId')))
    if row is None:
        raise ApiError('InvalidSnapshot.NotFound', f"The snapshot '{request['SnapshotId']}' does not exist.")
    return row


def _changes(request: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Grantees to add and to remove. With Attribute, the form of 2010 counts, and the other one is ignored."""
    change = request.get('CreateVolumePermission') or {}
    if request.get('ProductCodes'):
        raise lacking('product codes of snapshots')
    if request.get('Attribute') == 'createVolumePermission':
        # UserIds replace groups, as in the genuine message.
        named = request.get('UserIds') or _group(request.get('GroupNames') or [])
        return (named, []) if request.get('OperationType') == 'add' else ([], named)
    if request.get('Attribute'):
        return [], []  # taken for product codes, of which there are none
    if not change:
        raise failure('java.lang.NullPointerException')  # 4.4 switches over no attribute
    return _grantees(change.get('Add')), _grantees(change.get('Remove'))


def _grantees(items: list[dict[str, str]] | None) -> list[str]:
    items = items or []
    return [item['UserId'] for item in items if item.get('UserId')] + _group([item.get('Group', '') for item in items])


def _group(names: list[str]) -> list[str]:
    """There is one group; names of others are ignored."""
    return [EVERYBODY] if EVERYBODY in names else []
