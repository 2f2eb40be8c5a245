# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CreateImage (``ImageManager.createImage``): an image of an instance's volumes; ``cloud.image_tasks`` makes it."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure
from . import block_devices, ids
from .registration import check_name_and_description
from .registry import Reply, action


@action('CreateImage')
def create_image(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """The image is pending until the snapshots of all volumes are completed. Without NoReboot the guest is off meanwhile."""
    check_name_and_description(cloud, caller, request)
    instance = _instance(cloud, caller, request)
    source = cloud.store.row('SELECT * FROM images WHERE id = ?', instance['image_id'])
    if source is None:
        raise failure('Unable to get the image information')
    devices = _devices(cloud, caller, request, instance, source)
    with cloud.store.transaction():
        if cloud.store.row('SELECT 1 FROM image_tasks WHERE instance_id = ?', instance['id']):
            raise failure('Existing CreateImage task is found for the instance')
        identifier = cloud.new_id('emi')
        cloud.store.insert(
            'images',
            id=identifier,
            account=caller.account,
            name=request.get('Name'),
            description=request.get('Description'),
            type='machine',
            location=f'{caller.account}/{request["Name"]}',
            architecture=source['architecture'],
            virtualization_type='hvm',
            root_device_type='ebs',
            root_device_name=block_devices.ROOT,
            block_devices=json.dumps(devices),
            size=0,  # until the snapshots are completed
            state='pending',
            created=cloud.now(),
        )
        suppressed = [one['DeviceName'] for one in request.get('BlockDeviceMappings') or [] if one.get('NoDevice') is not None]
        cloud.store.insert(
            'image_tasks', image_id=identifier, instance_id=instance['id'], step='pending', suppressed=json.dumps(suppressed)
        )
        if instance['state'] == 'running' and not request.get('NoReboot'):
            # In place of a reboot that was requested before.
            cloud.store.execute("INSERT OR REPLACE INTO guest_requests VALUES (?, 'off', NULL)", instance['id'])
    return {'ImageId': identifier}


def _instance(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> sqlite3.Row:
    requested = request.get('InstanceId')
    identifier = ids.normalise(
        cloud,
        requested,
        'i',
        lambda bad: ApiError('InvalidParameterValue', f"Value ({bad}) for parameter instanceId is invalid. Expected: 'i-...'."),
    )
    row = cloud.store.row('SELECT * FROM instances WHERE id = ?', identifier)
    if row is None:
        raise failure(f'Instance does not exist: {requested}')
    if row['account'] != caller.account and not caller.is_admin:
        raise failure(f'Not authorized to create an image from instance {requested} as {caller.user_name}')
    if row['root_device_type'] != 'ebs':
        raise failure('Cannot create an image from an instance which is not booted from an EBS volume')
    if row['state'] not in ('running', 'stopped'):
        raise failure(
            "Cannot create an image from an instance which is not in either the 'running' or 'stopped' state:"
            f' {identifier} is in state {row["state"]}'
        )
    return row


def _devices(
    cloud: Cloud, caller: Caller, request: dict[str, Any], instance: sqlite3.Row, source: sqlite3.Row
) -> list[dict[str, Any]]:
    """Devices of the image that are not volumes of the instance: ephemeral disks, and those that the request adds."""
    mappings = request.get('BlockDeviceMappings') or []
    used = {row['device'] for row in cloud.store.rows('SELECT device FROM attachments WHERE instance_id = ?', instance['id'])}
    for mapping in mappings:
        name = mapping.get('DeviceName')
        if name == source['root_device_name']:
            raise _invalid('The device names should not contain root device')
        if mapping.get('Ebs') is not None and name in used:
            raise _invalid("Can't add new block device mapping with a device name that is already in use")
    devices = block_devices.validate(cloud, caller, mappings, ebs=True, suppress=True)
    named = {device['device_name'] for device in devices}
    added = [device for device in devices if not device.get('no_device')]
    for device in json.loads(source['block_devices']):
        if device.get('virtual_name') and device['device_name'] not in named:
            added.append(device)
        elif device.get('virtual_name') and device['device_name'] in {one['device_name'] for one in added}:
            raise _invalid("Can't add new block device mapping with a device name that is already in use by an ephemeral device")
    return added


def _invalid(message: str) -> ApiError:
    return ApiError('InvalidBlockDeviceMapping', message)
