# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DescribeImages."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError
from ..protocol.wire import iso_time
from . import filters, ids, tags
from .image_access import EVERYBODY
from .registry import Reply, action


@action('DescribeImages')
def describe_images(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    requested = list(request.get('ImageIds') or [])
    all_states = cloud.played.images.shows_deregistered or (caller.is_admin and ids.VERBOSE in requested)
    requested = [
        ids.normalise(cloud, identifier, None, _malformed)
        for identifier in requested
        if not (caller.is_admin and identifier == ids.VERBOSE)
    ]
    grants: dict[str, set[str]] = {}
    for row in cloud.store.rows('SELECT * FROM launch_permissions'):
        grants.setdefault(row['image_id'], set()).add(row['grantee'])
    names = {row['number']: row['name'] for row in cloud.store.rows('SELECT * FROM accounts')}
    tagged = tags.of_account(cloud, caller.account)
    images = [
        (_describe(row, EVERYBODY in grants.get(row['id'], ()), tagged.get(row['id'], {})), names[row['account']])
        for row in cloud.store.rows('SELECT * FROM images ORDER BY created')
        if _is_requested(row, caller, request, requested, grants.get(row['id'], set()))
        and (all_states or row['state'] != 'deregistered')
    ]
    images = filters.apply(images, request.get('Filters'), _FILTERS, lambda item: tagged.get(item[0]['ImageId'], {}))
    ids.missing(
        cloud, 'DescribeImages', 'InvalidAMIID.NotFound', 'image', requested, [image['ImageId'] for image, _owner in images]
    )
    if cloud.played.images.shows_deregistered:
        _remove_deregistered(cloud)
    return {'Images': [image for image, _owner in images]}


def _remove_deregistered(cloud: Cloud) -> None:
    """Remove images that no instance uses (ImageUtil.cleanDeregistered)."""
    cloud.store.execute(
        "DELETE FROM images WHERE state = 'deregistered' AND NOT EXISTS (SELECT 1 FROM instances"
        ' WHERE images.id IN (instances.image_id, instances.kernel_id, instances.ramdisk_id))'
    )


def _malformed(identifier: str) -> ApiError:
    return ApiError('InvalidParameterValue', f'Value ({identifier}) for parameter images is invalid.')


def _is_requested(row: sqlite3.Row, caller: Caller, request: dict[str, Any], requested: list[str], grants: set[str]) -> bool:
    owners = {caller.account if owner == 'self' else owner for owner in request.get('Owners') or []}
    users = {caller.account if user == 'self' else user for user in request.get('ExecutableUsers') or []}
    visible = caller.is_admin or row['account'] == caller.account or {EVERYBODY, caller.account} & grants
    return bool(
        visible
        and (not requested or row['id'] in requested)
        and (not owners or row['account'] in owners)
        and (not users or users & grants)
    )


def _describe(row: sqlite3.Row, public: bool, tagged: dict[str, str]) -> dict[str, Any]:
    """4.4 sets neither the owner's alias nor the hypervisor, and for kernels and ramdisks nothing about a root device."""
    bootable = {
        'KernelId': row['kernel_id'],
        'RamdiskId': row['ramdisk_id'],
        'RootDeviceType': row['root_device_type'],
        'RootDeviceName': row['root_device_name'],
        'VirtualizationType': row['virtualization_type'],
    }
    return {
        'ImageId': row['id'],
        'ImageLocation': row['location'],
        'State': row['state'],
        'OwnerId': row['account'],
        'Public': public,
        'Architecture': row['architecture'],
        'ImageType': row['type'],
        'Name': row['name'],
        'Description': row['description'],
        **(bootable if row['type'] == 'machine' else {}),
        'CreationDate': iso_time(row['created']),
        'BlockDeviceMappings': [describe_block_device(device) for device in json.loads(row['block_devices'])],
        'Tags': tags.as_list(tagged),
    }


def describe_block_device(device: dict[str, Any]) -> dict[str, Any]:
    """From the form in the row (device_name, snapshot_id, size, delete_on_termination, virtual_name, no_device)."""
    result = {'DeviceName': device['device_name']}
    if device.get('virtual_name'):
        result['VirtualName'] = device['virtual_name']
    elif device.get('no_device'):
        result['NoDevice'] = 'true'
    else:
        result['Ebs'] = {
            'SnapshotId': device.get('snapshot_id'),
            'VolumeSize': device.get('size'),
            'DeleteOnTermination': device.get('delete_on_termination'),
            'VolumeType': 'standard',
        }
    return result


def _plain(name: str) -> filters.Lookup:
    return lambda item: item[0].get(name)


def _of_devices(name: str) -> filters.Lookup:
    return lambda item: [device.get('Ebs', {}).get(name) for device in item[0]['BlockDeviceMappings']]


# Of pairs: a described image, and the name of its owner's account.
_FILTERS: dict[str, filters.Lookup] = {
    'architecture': _plain('Architecture'),
    'block-device-mapping.delete-on-termination': _of_devices('DeleteOnTermination'),
    'block-device-mapping.device-name': lambda item: [one['DeviceName'] for one in item[0]['BlockDeviceMappings']],
    'block-device-mapping.snapshot-id': _of_devices('SnapshotId'),
    'block-device-mapping.volume-size': _of_devices('VolumeSize'),
    'block-device-mapping.volume-type': lambda item: 'standard',
    'description': _plain('Description'),
    'image-id': _plain('ImageId'),
    'image-type': _plain('ImageType'),
    'is-public': _plain('Public'),
    'kernel-id': _plain('KernelId'),
    'manifest-location': lambda item: item[0]['ImageLocation'] if item[0].get('RootDeviceType') != 'ebs' else None,
    'name': _plain('Name'),
    'owner-alias': lambda item: item[1],
    'owner-id': _plain('OwnerId'),
    'platform': lambda item: 'linux',
    'ramdisk-id': _plain('RamdiskId'),
    'root-device-name': _plain('RootDeviceName'),
    'root-device-type': _plain('RootDeviceType'),
    'state': _plain('State'),
    # Images.FilterStringFunctions supports it for images from a bundle only.
    'virtualization-type': lambda item: item[0].get('VirtualizationType') if item[0].get('RootDeviceType') != 'ebs' else None,
    **filters.unsupported('hypervisor product-code product-code.type state-reason-code state-reason-message'),
}
