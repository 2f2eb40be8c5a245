# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of images and instances, one at a time."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure, lacking
from . import ids, image_access, images, instances
from .registry import Reply, action


@action('ModifyImageAttribute')
def modify_image_attribute(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    row = image_access.find_modifiable(cloud, caller, request, 'modify image attribute')
    if request.get('ProductCodes'):
        raise lacking('product codes of images')
    if request.get('Attribute') not in (None, 'launchPermission'):
        return {}  # 4.4 treats it as product codes, of which there are none, and ignores the rest
    added, removed = _launch_permissions(request)
    with cloud.store.transaction():
        if added or removed:
            for grantee in added:
                if grantee != image_access.EVERYBODY and not _is_account(cloud, grantee):
                    raise failure(f'Not a valid userId : {grantee}')
                cloud.store.execute('INSERT OR IGNORE INTO launch_permissions VALUES (?, ?)', row['id'], grantee)
            # One request adds or removes: removals in a request that adds are ignored.
            for grantee in [] if added else removed:
                cloud.store.execute('DELETE FROM launch_permissions WHERE image_id = ? AND grantee = ?', row['id'], grantee)
        elif 'Description' in request:
            cloud.store.execute('UPDATE images SET description = ? WHERE id = ?', request['Description'].get('Value'), row['id'])
    return {}


def _is_account(cloud: Cloud, number: str) -> bool:
    return bool(re.fullmatch(r'\d{12}', number))


def _launch_permissions(request: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Grantees to add and to remove, in the current form or in the form used before 2010, which boto 2 sends."""
    if request.get('Attribute') == 'launchPermission':
        named = request.get('UserIds') or request.get('UserGroups') or []  # groups count only without users
        return (named, []) if request.get('OperationType') == 'add' else ([], named)
    change = request.get('LaunchPermission') or {}
    return _grantees(change.get('Add')), _grantees(change.get('Remove'))


def _grantees(items: list[dict[str, str]] | None) -> list[str]:
    return [item.get('UserId') or item.get('Group', '') for item in items or []]


@action('ResetImageAttribute')
def reset_image_attribute(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """Only the owner may launch the image afterwards. A failure returns ``return`` false, like the genuine action."""
    try:
        row = image_access.find_modifiable(cloud, caller, request, 'reset image attribute')
    except ApiError:
        return {'Return': False}
    cloud.store.execute('DELETE FROM launch_permissions WHERE image_id = ?', row['id'])
    return {'Return': True}


@action('DescribeVolumeAttribute')
def describe_volume_attribute(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """An empty reply to every request: 4.4 has no more (ComputeService.describeVolumeAttribute)."""
    return {}


@action('DescribeImageAttribute')
def describe_image_attribute(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    row = image_access.find_modifiable(cloud, caller, request, 'describe image attribute')
    attribute, reply = request.get('Attribute'), {'ImageId': row['id']}
    if attribute == 'launchPermission':
        grantees = image_access.launch_permissions(cloud, row['id'])
        if cloud.played.images.shows_caller:
            grantees = [one for one in grantees if one == image_access.EVERYBODY] + [caller.account]
        reply['LaunchPermissions'] = [
            {'Group': grantee} if grantee == image_access.EVERYBODY else {'UserId': grantee} for grantee in grantees
        ]
    elif attribute == 'description':
        reply['Description'] = {'Value': row['description'] or ''}
    elif attribute == 'kernel':
        reply['KernelId'] = {'Value': row['kernel_id'] or ''}
    elif attribute == 'ramdisk':
        reply['RamdiskId'] = {'Value': row['ramdisk_id'] or ''}
    elif attribute == 'blockDeviceMapping':
        reply['BlockDeviceMappings'] = _block_devices(row)
    elif attribute == 'productCodes':
        reply['ProductCodes'] = []
    else:
        raise failure('invalid image attribute request.')
    return reply


def _block_devices(row: sqlite3.Row) -> list[dict[str, Any]]:
    """Names like those in the metadata. Of an image in the instance store they are always the same (ComputeService)."""
    if row['root_device_type'] != 'ebs':
        fixed = {'emi': 'sda1', 'ephemeral0': 'sda2', 'swap': 'sda3', 'root': '/dev/sda1'}
        return [{'VirtualName': name, 'DeviceName': device} for name, device in fixed.items()]
    root = row['root_device_name']
    described = [{'VirtualName': name, 'DeviceName': root} for name in ('emi', 'root')]
    devices = [images.describe_block_device(device) for device in json.loads(row['block_devices'])]
    volumes = 0
    for device in devices:
        if device['DeviceName'] == root:
            continue
        volumes += 'Ebs' in device
        described.append({'VirtualName': f'ebs{volumes}', **device})
    return described


@action('DescribeInstanceAttribute')
def describe_instance_attribute(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    identifier, attribute = ids.instance_id(cloud, request.get('InstanceId')), request.get('Attribute')
    if attribute is None:
        raise ApiError(' MissingParameter', 'Attribute parameter is required')
    row = ids.visible(cloud, caller, 'instances', identifier)
    if row is None:
        raise ApiError('InvalidInstanceID.NotFound', f"The instance ID '{identifier}' does not exist")
    values: dict[str, dict[str, Any]] = {
        'blockDeviceMapping': {'BlockDeviceMappings': instances.block_devices(cloud, row)},
        'disableApiTermination': {'DisableApiTermination': {'Value': bool(row['protected'])}},
        'ebsOptimized': {'EbsOptimized': {'Value': False}},
        'groupSet': {'Groups': instances.groups(cloud, row)},
        'instanceInitiatedShutdownBehavior': {'InstanceInitiatedShutdownBehavior': {'Value': 'stop'}},
        'instanceType': {'InstanceType': {'Value': row['instance_type']}},
        'kernel': {'KernelId': {'Value': row['kernel_id'] or ''}},
        'productCodes': {'ProductCodes': []},
        'ramdisk': {'RamdiskId': {'Value': row['ramdisk_id'] or ''}},
        'rootDeviceName': {'RootDeviceName': {'Value': row['root_device_name'] or ''}},
        'sourceDestCheck': {'SourceDestCheck': {'Value': True}},
        # Empty user data is <userData/>: with a <value> inside euca2ools fails.
        'userData': {'UserData': {'Value': row['user_data']} if row['user_data'] else {}},
    }
    if attribute not in values:
        # The handler around the switch turns its refusals into this error.
        raise ApiError('InvalidInstanceID.NotFound', f"The instance ID '{identifier}' does not exist")
    return {'InstanceId': identifier, **values[attribute]}
