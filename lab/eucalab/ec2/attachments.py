# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attaching and detaching volumes: the API writes the request into a row, and the instance's node fulfils it."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure
from . import ids, volumes
from .registry import Reply, action


@action('AttachVolume')
async def attach_volume(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    device = request.get('Device')
    volume_id, instance_id = _volume_and_instance(cloud, request)
    if not device or not re.fullmatch(cloud.played.volumes.device, device):
        raise ApiError('InvalidParameterValue', f'Value ({device or "null"}) for parameter device is invalid.')
    copy = cloud.copies.get(volume_id)
    if copy is not None:
        # A snapshot has the volume's content at the time of the request.
        await copy
    with cloud.store.transaction():
        instance = ids.visible(cloud, caller, 'instances', instance_id)
        if instance is None:
            raise _no_instance(instance_id)
        volume = volumes.find_volume(cloud, caller, volume_id, f'attach volume {volume_id}')
        _check_free(cloud, volume, instance, device)
        now = cloud.now()
        running = instance['state'] == 'running'
        at_once = not running and cloud.played.volumes.attaches_at_once
        # To a stopped instance a volume is attached at once: no node is involved (VmInstances.addPersistentVolume).
        # Older versions ask the node that the instance is not on.
        cloud.store.insert(
            'attachments',
            volume_id=volume_id,
            instance_id=instance_id,
            device=device,
            is_root=int(at_once and device == instance['root_device_name']),
            state='attached' if at_once else 'attaching',
            state_since=now,
            attached=now,
            node_state=None if running else 'attached' if at_once else 'failed',
            node_reason=None if running or at_once else f'the instance is {instance["state"]}',
        )
    row = cloud.store.one('SELECT * FROM attachments WHERE volume_id = ?', volume_id)
    return {**volumes.describe_attachment(row), 'State': 'attaching'}


def _volume_and_instance(cloud: Cloud, request: dict[str, Any]) -> tuple[str, str]:
    volume_id = ids.volume_id(cloud, request.get('VolumeId'))
    return volume_id, ids.normalise(
        cloud,
        request.get('InstanceId'),
        'i',
        lambda bad: ApiError('InvalidParameterValue', f"Value ({bad}) for parameter instanceId is invalid. Expected: 'i-...'."),
    )


def _no_instance(instance_id: str) -> ApiError:
    return ApiError('InvalidInstanceID.NotFound', f"The instance ID '{instance_id}' does not exist")


def _check_free(cloud: Cloud, volume: sqlite3.Row, instance: sqlite3.Row, device: str) -> None:
    used = cloud.store.row('SELECT 1 FROM attachments WHERE instance_id = ? AND device = ?', instance['id'], device)
    if used is not None:
        raise ApiError('InvalidParameterValue', f'Already have a device attached to: {device}')
    ephemeral = cloud.store.row('SELECT device FROM ephemeral_disks WHERE instance_id = ?', instance['id'])
    if ephemeral is not None and device.endswith(ephemeral['device'].removeprefix('/dev/')):
        raise ApiError('InvalidParameterValue', f'Already have an ephemeral device attached to: {device}')
    if volumes.attachment_of(cloud, volume['id']) is not None:
        raise ApiError('VolumeInUse', f'Volume already attached: {volume["id"]}')
    if cloud.played.volumes.attaches_at_once and instance['state'] not in ('running', 'stopped'):
        raise ApiError('IncorrectState', f"Instance '{instance['id']}' is not 'running'")
    if volume['state'] != 'available':
        # The storage controller has no token for a volume that it does not have (GetVolumeToken).
        raise failure(f'Volume {volume["id"]} is not available')


@action('DetachVolume')
def detach_volume(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    volume_id = ids.volume_id(cloud, request.get('VolumeId'))
    volumes.find_volume(cloud, caller, volume_id, f'detach volume {volume_id}')
    with cloud.store.transaction():
        row = volumes.attachment_of(cloud, volume_id)
        if row is None:
            raise ApiError('IncorrectState', f'Volume is not attached: {volume_id}')
        instance = cloud.store.one('SELECT * FROM instances WHERE id = ?', row['instance_id'])
        _check_detachable(cloud, request, row, instance)
        reply = {**volumes.describe_attachment(row), 'State': 'detaching'}
        if instance['state'] == 'stopped':
            cloud.store.execute('DELETE FROM attachments WHERE volume_id = ?', volume_id)
        elif row['state'] != 'detaching':
            cloud.store.execute(
                "UPDATE attachments SET state = 'detaching', state_since = ? WHERE volume_id = ?", cloud.now(), volume_id
            )
    return reply


def _check_detachable(cloud: Cloud, request: dict[str, Any], row: sqlite3.Row, instance: sqlite3.Row) -> None:
    if row['is_root'] and instance['state'] in cloud.played.volumes.root_kept_in:
        raise ApiError(
            'IncorrectState',
            f'Cannot detach root volume {row["volume_id"]} from EBS backed instance '
            f'{instance["id"]} when instance state is {instance["state"]}',
        )
    if request.get('InstanceId') and _volume_and_instance(cloud, request)[1] != instance['id']:
        raise ApiError('InvalidAttachment.NotFound', f'Volume is not attached to instance: {request["InstanceId"]}')
    if request.get('Device') and request['Device'] != row['device']:
        raise failure(f'Volume is not attached to device: {request["Device"]}')
