# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ModifyInstanceAttribute and DescribeInstanceStatus, as ``VmControl`` and ``VmInstance.StatusTransform`` of 4.4."""

from __future__ import annotations

import sqlite3
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError
from ..protocol.wire import decode_base64
from . import filters, ids, image_access, instances
from .instance_filters import OF_STATUSES
from .registry import Reply, action
from .run import USER_DATA_KIB

# Accepted and ignored: "not currently supported".
_IGNORED = ('EbsOptimized', 'InstanceInitiatedShutdownBehavior', 'SriovNetSupport', 'SourceDestCheck')


@action('ModifyInstanceAttribute')
def modify_instance_attribute(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """One attribute for each request; the first of those below applies."""
    identifier = ids.instance_id(cloud, request.get('InstanceId'))
    row = ids.visible(cloud, caller, 'instances', identifier)
    if row is None:
        raise ApiError('InvalidInstanceID.NotFound', f"The instance ID '{identifier}' does not exist")
    if request.get('BlockDeviceMappings'):
        _keep_or_delete_volumes(cloud, row, request['BlockDeviceMappings'])
    elif request.get('Groups'):
        # Only instances in a VPC have others' groups: this one is in none, so no group fits.
        raise ApiError('InvalidGroup.NotFound', f'Security group ({request["Groups"][0]}) not found')
    elif 'DisableApiTermination' in request:
        protected = int(request['DisableApiTermination'].get('Value', False))
        cloud.store.execute('UPDATE instances SET protected = ? WHERE id = ?', protected, identifier)
    elif not any(name in request for name in _IGNORED):
        if row['state'] != 'stopped':
            raise ApiError('IncorrectInstanceState', f"The instance ({identifier}) is not in the 'stopped' state.")
        for column, value in _boot_record(cloud, caller, request).items():
            cloud.store.execute(f'UPDATE instances SET {column} = ? WHERE id = ?', value, identifier)
    return {}


def _keep_or_delete_volumes(cloud: Cloud, row: sqlite3.Row, mappings: list[dict[str, Any]]) -> None:
    with cloud.store.transaction():
        for mapping in mappings:
            device, ebs = mapping.get('DeviceName'), mapping.get('Ebs') or {}
            if ebs.get('VolumeId'):
                raise ApiError('InvalidInstanceAttributeValue', f'Invalid volume ({ebs["VolumeId"]})')
            changed = cloud.store.execute(
                'UPDATE attachments SET delete_on_termination = ? WHERE instance_id = ? AND device = ?',
                int(ebs.get('DeleteOnTermination', True)),
                row['id'],
                device,
            )
            if not changed:
                raise ApiError('InvalidInstanceAttributeValue', f'No device is currently mapped at {device}')


def _boot_record(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> dict[str, str | None]:
    """The column that the request changes."""
    if 'InstanceType' in request:
        name = request['InstanceType'].get('Value')
        if name not in cloud.played.types.offered:
            raise ApiError('InvalidInstanceAttributeValue', f"The instanceType '{name}' is invalid.")
        return {'instance_type': name}
    for member, kind in (('Kernel', 'kernel'), ('Ramdisk', 'ramdisk')):
        if member in request:
            return {f'{kind}_id': _boot_image(cloud, caller, request[member].get('Value'), kind)}
    if 'UserData' in request:
        return {'user_data': _user_data(request['UserData'].get('Value') or '')}
    return {}


def _boot_image(cloud: Cloud, caller: Caller, identifier: str | None, kind: str) -> str:
    row = image_access.find_usable(cloud, caller, ids.folded(cloud, identifier or ''))
    if row is None or row['type'] != kind or row['state'] != 'available':
        raise ApiError('InvalidAMIID.NotFound', f'Image id ({identifier}) not found')
    return str(row['id'])


def _user_data(text: str) -> str:
    data = decode_base64(text)
    if data is None:
        raise ApiError('InvalidParameterValue', 'User data decoding error.')
    if len(data) > USER_DATA_KIB << 10:
        raise ApiError('InvalidParameterValue', 'User data is limited to 16384 bytes')
    return ''.join(text.split())


@action('DescribeInstanceStatus')
def describe_instance_status(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """The running instances, or with IncludeAllInstances all of them."""
    requested = list(request.get('InstanceIds') or [])
    everybody = caller.is_admin and bool(requested)
    requested = [ids.instance_id(cloud, identifier) for identifier in requested if identifier != ids.VERBOSE]
    rows = cloud.store.rows('SELECT * FROM instances WHERE account = ? OR ? ORDER BY launched', caller.account, everybody)
    rows = [row for row in rows if not requested or row['id'] in requested]
    ids.missing(
        cloud, 'DescribeInstanceStatus', 'InvalidInstanceID.NotFound', 'instance ID', requested, [row['id'] for row in rows]
    )
    rows = [row for row in rows if row['state'] == 'running' or request.get('IncludeAllInstances')]
    return {'InstanceStatuses': filters.apply([_status(row) for row in rows], request.get('Filters'), OF_STATUSES)}


def _status(row: sqlite3.Row) -> dict[str, Any]:
    passed = {'Status': 'ok', 'Details': [{'Name': 'reachability', 'Status': 'passed'}]}
    return {
        'InstanceId': row['id'],
        'AvailabilityZone': row['zone'],
        'InstanceState': instances.state(row['state']),
        'InstanceStatus': passed,
        'SystemStatus': passed if row['state'] == 'running' else {'Status': 'not-applicable', 'Details': []},
    }
