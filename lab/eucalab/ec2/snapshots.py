# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of volumes; ``storage_controller`` copies them."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from ..cloud import storage_controller
from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure, unauthorized
from . import filters, ids, snapshot_attributes, tags
from .registry import Reply, action


@action('CreateSnapshot')
async def create_snapshot(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    volume_id = ids.volume_id(cloud, request.get('VolumeId'))
    volume = cloud.store.row('SELECT * FROM volumes WHERE id = ? AND account = ?', volume_id, caller.account)
    if volume is None:
        raise ApiError('InvalidVolume.NotFound', f"Volume not found '{request.get('VolumeId')}'")
    if volume['state'] != 'available':
        raise failure(f'Volume not ready for snapshot: {volume_id}')
    tagged = tags.specified(request, 'snapshot').get('snapshot', {})
    description = request.get('Description') if cloud.played.volumes.keeps_description else None
    identifier = storage_controller.take_snapshot(cloud, volume, description)
    with cloud.store.transaction():
        tags.put(cloud, caller, identifier, tagged)
    return _describe(cloud.store.one('SELECT * FROM snapshots WHERE id = ?', identifier), caller.account_name, tagged)


@action('DeleteSnapshot')
def delete_snapshot(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    identifier = ids.snapshot_id(cloud, request.get('SnapshotId'))
    row = cloud.store.row('SELECT * FROM snapshots WHERE id = ?', identifier)
    if row is None:
        raise ApiError('InvalidSnapshot.NotFound', f"The snapshot '{identifier}' does not exist.")
    if row['account'] != caller.account and not caller.is_admin:
        raise unauthorized(f'Not authorized to delete snapshot {identifier} by {caller.user_name}')
    if row['state'] == 'pending':
        return {'Return': False}  # as the genuine one, without a reason (SnapshotManager.delete)
    if _registered(cloud, identifier):
        raise ApiError('InvalidSnapshot.InUse', f'Snapshot {identifier} is in use, deletion not permitted')
    cloud.store.execute('DELETE FROM snapshots WHERE id = ?', identifier)
    cloud.forget_tags(identifier)
    cloud.config.snapshot_file(identifier).unlink(missing_ok=True)
    return {}


def _registered(cloud: Cloud, identifier: str) -> bool:
    rows = cloud.store.rows("SELECT block_devices FROM images WHERE state = 'available'")
    return any(device.get('snapshot_id') == identifier for row in rows for device in json.loads(row['block_devices']))


@action('DescribeSnapshots')
def describe_snapshots(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    requested = [ids.snapshot_id(cloud, identifier) for identifier in request.get('SnapshotIds') or [] if identifier != ids.VERBOSE]
    rules = cloud.played.volumes
    owners = {caller.account if owner == 'self' else owner for owner in request.get('OwnerIds') or [] if rules.owners}
    restorers = {caller.account if user == 'self' else user for user in request.get('RestorableByUserIds') or []}
    if restorers and rules.restorable_by == 'nothing':
        return {'Snapshots': []}
    if rules.restorable_by == 'ignored':
        restorers = set()
    rows = [
        row
        for row in cloud.store.rows('SELECT * FROM snapshots ORDER BY started')
        if snapshot_attributes.is_usable(cloud, caller, row)
        and (not requested or row['id'] in requested)
        and (not owners or row['account'] in owners)
        # Explicit permissions alone count here: the owner's own snapshots have none for the owner.
        and (not restorers or restorers & snapshot_attributes.grantees(cloud, row['id']))
    ]
    names = {row['number']: row['name'] for row in cloud.store.rows('SELECT * FROM accounts')}
    tagged = tags.of_account(cloud, caller.account)
    snapshots = [_describe(row, names[row['account']], tagged.get(row['id'], {})) for row in rows]
    snapshots = filters.apply(snapshots, request.get('Filters'), _FILTERS, lambda item: tagged.get(item['SnapshotId'], {}))
    ids.missing(
        cloud, 'DescribeSnapshots', 'InvalidSnapshot.NotFound', 'snapshot', requested, [item['SnapshotId'] for item in snapshots]
    )
    return {'Snapshots': snapshots}


def _describe(row: sqlite3.Row, owner: str, tagged: dict[str, str]) -> dict[str, Any]:
    return {
        'SnapshotId': row['id'],
        'VolumeId': row['volume_id'],
        'State': row['state'],
        'StartTime': row['started'],
        'Progress': f'{row["progress"]}%',
        'OwnerId': row['account'],
        'OwnerAlias': owner,
        'VolumeSize': row['size'],
        'Encrypted': False,
        'Description': row['description'],
        'Tags': tags.as_list(tagged),
    }


_FILTERS: dict[str, filters.Lookup] = {
    'snapshot-id': lambda snapshot: snapshot['SnapshotId'],
    'volume-id': lambda snapshot: snapshot['VolumeId'],
    'status': lambda snapshot: snapshot['State'],
    'description': lambda snapshot: snapshot['Description'],
    'owner-id': lambda snapshot: snapshot['OwnerId'],
    'owner-alias': lambda snapshot: snapshot['OwnerAlias'],
    'progress': lambda snapshot: snapshot['Progress'],
    'start-time': lambda snapshot: snapshot['StartTime'],
    'volume-size': lambda snapshot: str(snapshot['VolumeSize']),
}
