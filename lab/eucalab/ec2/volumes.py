# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes. These actions only change rows; ``storage_controller`` creates and removes the files."""

from __future__ import annotations

import sqlite3
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure, unauthorized
from . import filters, ids, snapshot_attributes, tags
from .registry import Reply, action

# GiB of one volume and of all together (StorageProperties.MAX_VOLUME_SIZE and .MAX_TOTAL_VOLUME_SIZE).
MOST_GIB, MOST_TOTAL_GIB = 100, 500


@action('CreateVolume')
def create_volume(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    size: int | None = request.get('Size')
    tagged = tags.specified(request, 'volume').get('volume', {})
    if size is None and not request.get('SnapshotId'):
        raise failure('One of size or snapshotId is required as a parameter.')
    snapshot_id, snapshot_size = None, 0
    if request.get('SnapshotId'):
        snapshot = _usable_snapshot(cloud, caller, ids.snapshot_id(cloud, request['SnapshotId']))
        snapshot_id, snapshot_size = snapshot['id'], snapshot['size']
        if cloud.played.volumes.checks_size and size is not None and size < snapshot_size:
            raise failure('Volume size cannot be less than snapshot size')
    if cloud.played.volumes.checks_size and size is not None and size <= 0:
        raise failure(f'Failed to create volume because the parameter size ({size}) must be greater than zero.')
    zone = request.get('AvailabilityZone')
    if zone != cloud.config.zone:
        raise ApiError('InvalidZone.NotFound', f"The zone '{zone}' does not exist.")
    with cloud.store.transaction():
        volume = insert_volume(cloud, caller.account, size or snapshot_size, snapshot_id)
        tags.put(cloud, caller, volume, tagged)
    row = cloud.store.one('SELECT * FROM volumes WHERE id = ?', volume)
    return _describe(row, None, tagged)


def _usable_snapshot(cloud: Cloud, caller: Caller, identifier: str) -> sqlite3.Row:
    row = cloud.store.row('SELECT * FROM snapshots WHERE id = ?', identifier)
    if row is None:
        raise ApiError('InvalidSnapshot.NotFound', f'The snapshot {identifier} does not exist.')
    if not snapshot_attributes.is_usable(cloud, caller, row):
        raise unauthorized(f'Not authorized to use snapshot {identifier} by {caller.user_name}')
    return row


def insert_volume(cloud: Cloud, account: str, size: int, snapshot: str | None) -> str:
    """A new volume in state creating; returns its id. ApiError when the storage controller has no room for it."""
    now, identifier = cloud.now(), cloud.new_id('vol')
    _check_room(cloud, identifier, size)
    cloud.store.insert(
        'volumes',
        id=identifier,
        account=account,
        size=size,
        snapshot_id=snapshot,
        zone=cloud.config.zone,
        state='creating',
        state_since=now,
        created=now,
    )
    return identifier


def _check_room(cloud: Cloud, identifier: str, size: int) -> None:
    """BlockStorageController.CreateStorageVolume, as VolumeManager.handleException words it."""
    used = cloud.store.one("SELECT total(size) AS gib FROM volumes WHERE state NOT IN ('failed', 'deleted')")['gib']
    if used + size > MOST_TOTAL_GIB:
        raise ApiError('VolumeLimitExceeded', f'Total Volume Size Limit Exceeded volume: {identifier}')
    if size > MOST_GIB:
        raise ApiError('VolumeLimitExceeded', f'Max Volume Size Limit Exceeded volume: {identifier}')


@action('DeleteVolume')
def delete_volume(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    identifier = ids.volume_id(cloud, request.get('VolumeId'))
    _check_own(cloud, caller, identifier)
    row = find_volume(cloud, caller, identifier, 'delete volume')
    attachment = attachment_of(cloud, identifier)
    if attachment is not None:
        raise ApiError('VolumeInUse', f'Volume is currently attached to: {attachment["instance_id"]}')
    if row['state'] in ('failed', 'deleted'):
        cloud.store.execute('DELETE FROM volumes WHERE id = ?', identifier)
        cloud.forget_tags(identifier)
    else:
        start_deletion(cloud, identifier)
    return {}


def _check_own(cloud: Cloud, caller: Caller, identifier: str) -> None:
    """Another account's volume is unknown in versions in which nobody may delete it."""
    own = cloud.store.row('SELECT 1 FROM volumes WHERE id = ? AND account = ?', identifier, caller.account)
    if own is None and not cloud.played.volumes.others_deletable:
        raise ApiError('InvalidVolume.NotFound', f"The volume '{identifier}' does not exist")


def start_deletion(cloud: Cloud, identifier: str) -> None:
    cloud.store.execute(
        "UPDATE volumes SET state = 'deleting', state_since = ? WHERE id = ? AND state != 'deleting'", cloud.now(), identifier
    )


def find_volume(cloud: Cloud, caller: Caller, identifier: str, purpose: str) -> sqlite3.Row:
    row = cloud.store.row('SELECT * FROM volumes WHERE id = ?', identifier)
    if row is None:
        raise ApiError('InvalidVolume.NotFound', f"The volume '{identifier}' does not exist")
    if row['account'] != caller.account and not caller.is_admin:
        raise unauthorized(f'Not authorized to {purpose} by {caller.user_name}')
    return row


def attachment_of(cloud: Cloud, identifier: str) -> sqlite3.Row | None:
    return cloud.store.row('SELECT * FROM attachments WHERE volume_id = ?', identifier)


@action('DescribeVolumes')
def describe_volumes(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    requested = list(request.get('VolumeIds') or [])
    everybody = caller.is_admin and ids.VERBOSE in requested
    requested = [ids.volume_id(cloud, identifier) for identifier in requested if identifier != ids.VERBOSE]
    rows = cloud.store.rows('SELECT * FROM volumes WHERE account = ? OR ? ORDER BY created', caller.account, everybody)
    if requested:
        rows = [row for row in rows if row['id'] in requested]
    attachments = {row['volume_id']: row for row in cloud.store.rows('SELECT * FROM attachments')}
    tagged = tags.of_account(cloud, caller.account)
    volumes = [_describe(row, attachments.get(row['id']), tagged.get(row['id'], {})) for row in rows]
    volumes = filters.apply(volumes, request.get('Filters'), _FILTERS, lambda item: tagged.get(item['VolumeId'], {}))
    ids.missing(cloud, 'DescribeVolumes', 'InvalidVolume.NotFound', 'volume', requested, [item['VolumeId'] for item in volumes])
    return {'Volumes': volumes}


def describe_attachment(row: sqlite3.Row) -> dict[str, Any]:
    return {
        'VolumeId': row['volume_id'],
        'InstanceId': row['instance_id'],
        'Device': row['device'],
        'State': row['state'],
        'AttachTime': row['attached'],
        'DeleteOnTermination': bool(row['delete_on_termination']),
    }


def _describe(row: sqlite3.Row, attachment: sqlite3.Row | None, tagged: dict[str, str]) -> dict[str, Any]:
    # A volume is in use as soon as an attachment was requested, whatever its state.
    state = 'in-use' if attachment is not None and row['state'] == 'available' else row['state']
    return {
        'VolumeId': row['id'],
        'Size': row['size'],
        'SnapshotId': row['snapshot_id'] or '',
        'AvailabilityZone': row['zone'],
        'State': state,
        'CreateTime': row['created'],
        'VolumeType': 'standard',
        'Encrypted': False,
        'Attachments': [describe_attachment(attachment)] if attachment is not None else [],
        'Tags': tags.as_list(tagged),
    }


def _of_attachments(name: str) -> filters.Lookup:
    return lambda volume: [attachment[name] for attachment in volume['Attachments']]


_FILTERS: dict[str, filters.Lookup] = {
    'volume-id': lambda volume: volume['VolumeId'],
    'status': lambda volume: volume['State'],
    'size': lambda volume: str(volume['Size']),
    'create-time': lambda volume: volume['CreateTime'],
    'attachment.attach-time': _of_attachments('AttachTime'),
    'snapshot-id': lambda volume: volume['SnapshotId'],
    'availability-zone': lambda volume: volume['AvailabilityZone'],
    'volume-type': lambda volume: volume['VolumeType'],
    'attachment.instance-id': _of_attachments('InstanceId'),
    'attachment.device': _of_attachments('Device'),
    'attachment.status': _of_attachments('State'),
    # Volumes that are not attached count as "false" (Volumes.FilterBooleanFunctions).
    'attachment.delete-on-termination': lambda volume: [one['DeleteOnTermination'] for one in volume['Attachments']] or False,
}


@action('DescribeVolumeStatus')
def describe_volume_status(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """Every volume is ok. Other than in DescribeVolumes, an administrator's ids may be those of other accounts."""
    asked = list(request.get('VolumeIds') or [])
    everybody = caller.is_admin and bool(asked)
    requested = [ids.volume_id(cloud, identifier) for identifier in asked if identifier != ids.VERBOSE]
    rows = cloud.store.rows('SELECT * FROM volumes WHERE account = ? OR ? ORDER BY created', caller.account, everybody)
    rows = [row for row in rows if not requested or row['id'] in requested]
    ids.missing(cloud, 'DescribeVolumeStatus', 'InvalidVolume.NotFound', 'volume', requested, [row['id'] for row in rows])
    passed = {'Status': 'ok', 'Details': [{'Name': 'io-enabled', 'Status': 'passed'}]}
    statuses = [{'VolumeId': row['id'], 'AvailabilityZone': row['zone'], 'VolumeStatus': passed} for row in rows]
    return {'VolumeStatuses': filters.apply(statuses, request.get('Filters'), _STATUS_FILTERS)}


_STATUS_FILTERS: dict[str, filters.Lookup] = {
    'availability-zone': lambda item: item['AvailabilityZone'],
    'volume-status.details-name': lambda _item: 'io-enabled',
    'volume-status.details-status': lambda _item: 'passed',
    'volume-status.status': lambda _item: 'ok',
    **filters.unsupported(
        'action.code action.description action.event-id event.description event.event-id event.event-type event.not-after'
        ' event.not-before'
    ),
}
