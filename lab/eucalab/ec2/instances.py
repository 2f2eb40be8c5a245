# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances: describing them, and requests to stop, start and terminate them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from ..cloud import addresses, scheduling
from ..cloud.context import Cloud
from ..cloud.instances import bury, dns_name, release_volumes, set_state
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure
from . import filters, ids, security_groups, tags
from .instance_filters import OF_INSTANCES
from .registry import Reply, action

CODES = {'pending': 0, 'running': 16, 'shutting-down': 32, 'terminated': 48, 'stopping': 64, 'stopped': 80}


@action('DescribeInstances')
def describe_instances(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    asked = list(request.get('InstanceIds') or [])
    everybody = caller.is_admin and ids.VERBOSE in asked
    asked = [ids.instance_id(cloud, identifier) for identifier in asked if identifier != ids.VERBOSE]
    rows = cloud.store.rows(
        'SELECT * FROM instances WHERE account = ? OR ? ORDER BY launched, launch_index', caller.account, everybody
    )
    if asked:
        rows = [row for row in rows if row['id'] in asked]
    tagged = tags.of_account(cloud, caller.account)
    described = [(row, describe(cloud, row, tagged.get(row['id'], {}))) for row in rows]
    described = filters.apply(described, request.get('Filters'), OF_INSTANCES, lambda item: tagged.get(item[0]['id'], {}))
    ids.missing(cloud, 'DescribeInstances', 'InvalidInstanceID.NotFound', 'instance ID', asked, [row['id'] for row, _ in described])
    return {'Reservations': list(_reservations(described))}


def _reservations(described: list[tuple[sqlite3.Row, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row, instance in described:
        if row['reservation'] not in found:
            found[row['reservation']] = reservation(row, [instance])
        else:
            found[row['reservation']]['Instances'].append(instance)
    yield from found.values()


def reservation(row: sqlite3.Row, instances: list[dict[str, Any]]) -> dict[str, Any]:
    """Instances of one launch, which all have the same groups."""
    groups = instances[0]['SecurityGroups']
    return {'ReservationId': row['reservation'], 'OwnerId': row['account'], 'Groups': groups, 'Instances': instances}


def groups(cloud: Cloud, row: sqlite3.Row) -> list[dict[str, str]]:
    found = ((name, security_groups.by_name(cloud, row['account'], name)) for name in json.loads(row['groups']))
    by_name = cloud.played.replies.groups_by_name
    return [{'GroupId': name if by_name else group['id'], 'GroupName': name} for name, group in found if group is not None]


def block_devices(cloud: Cloud, row: sqlite3.Row) -> list[dict[str, Any]]:
    return [
        {
            'DeviceName': one['device'],
            'Ebs': {
                'VolumeId': one['volume_id'],
                'Status': one['state'],
                'AttachTime': one['attached'],
                'DeleteOnTermination': bool(one['delete_on_termination']),
            },
        }
        for one in cloud.store.rows('SELECT * FROM attachments WHERE instance_id = ? ORDER BY device', row['id'])
    ]


def describe(cloud: Cloud, row: sqlite3.Row, tagged: dict[str, str]) -> dict[str, Any]:
    address = row['private_ip'] or '0.0.0.0'  # Eucalyptus' placeholder for no address
    image = cloud.store.row('SELECT architecture, virtualization_type FROM images WHERE id = ?', row['image_id'])
    return {
        'InstanceId': row['id'],
        'ImageId': row['image_id'],
        'KernelId': row['kernel_id'],
        'RamdiskId': row['ramdisk_id'],
        'State': state(row['state']),
        'InstanceType': row['instance_type'],
        'AmiLaunchIndex': row['launch_index'],
        'LaunchTime': row['launched'],
        'KeyName': row['key_name'],
        'Placement': {'AvailabilityZone': row['zone'], 'GroupName': '', 'Tenancy': 'default'},
        'PrivateIpAddress': address,
        'PublicIpAddress': row['public_ip'] or address,
        'PrivateDnsName': dns_name(address, 'internal'),
        'PublicDnsName': dns_name(row['public_ip'] or address, ''),
        'StateTransitionReason': row['reason'],
        'Monitoring': {'State': 'disabled'},
        'Architecture': image['architecture'] if image else 'x86_64',
        'VirtualizationType': image['virtualization_type'] if image else None,
        'RootDeviceType': row['root_device_type'],
        'RootDeviceName': row['root_device_name'],
        'BlockDeviceMappings': block_devices(cloud, row),
        'ClientToken': row['client_token'],
        'SecurityGroups': groups(cloud, row),
        'ProductCodes': [],
        'Tags': tags.as_list(tagged),
    }


def state(name: str) -> dict[str, Any]:
    return {'Code': CODES[name], 'Name': name}


def _change(row: sqlite3.Row, new: str) -> dict[str, Any]:
    return {'InstanceId': row['id'], 'PreviousState': state(row['state']), 'CurrentState': state(new)}


def _lookup(cloud: Cloud, caller: Caller, request: dict[str, Any], operation: str) -> list[sqlite3.Row]:
    asked = [ids.instance_id(cloud, identifier) for identifier in request.get('InstanceIds') or []]
    found = {row['id']: row for row in (ids.visible(cloud, caller, 'instances', one) for one in asked) if row}
    ids.missing(cloud, operation, 'InvalidInstanceID.NotFound', 'instance ID', asked, found)
    return list(found.values())


@action('TerminateInstances')
def terminate_instances(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    changes = []
    with cloud.store.transaction():
        rows = _lookup(cloud, caller, request, 'TerminateInstances')
        for row in rows:
            if row['protected']:
                raise ApiError('OperationNotPermitted', f'Termination protection enabled for instance {row["id"]}')
        for row in rows:
            new = {
                'pending': 'shutting-down',
                'running': 'shutting-down',
                'stopping': 'shutting-down',
                'stopped': 'terminated',
            }.get(row['state'], row['state'])
            changes.append(_change(row, new))
            if row['state'] == 'terminated':
                bury(cloud, row['id'])  # a second call removes it (VmInstances.buried)
            elif new != row['state']:
                set_state(cloud, row['id'], new, 'User terminated.')
                if new == 'terminated':
                    release_volumes(cloud, row['id'])
    return {'TerminatingInstances': changes}


@action('StopInstances')
def stop_instances(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    rows = _lookup(cloud, caller, request, 'StopInstances')
    if not cloud.played.instances.refuses_stop:
        rows = [row for row in rows if row['root_device_type'] == 'ebs']
    for row in rows:
        if row['root_device_type'] != 'ebs':
            raise ApiError(
                'UnsupportedOperation', f"The instance '{row['id']}' does not have an 'ebs' root device type and cannot be stopped."
            )
        if row['state'] in ('terminated', 'shutting-down'):
            raise ApiError('IncorrectInstanceState', f"This instance '{row['id']}' is not in a state from which it can be stopped.")
    with cloud.store.transaction():
        for row in rows:
            if row['state'] in ('pending', 'running'):
                set_state(cloud, row['id'], 'stopping', 'User stopped.')
    return {'StoppingInstances': [_change(row, 'stopping') for row in rows]}


@action('StartInstances')
def start_instances(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """Start stopped instances. The reply omits instances in any other state, without an error."""
    changes = []
    with cloud.store.transaction():
        for row in _lookup(cloud, caller, request, 'StartInstances'):
            if row['state'] != 'stopped':
                continue
            root = cloud.store.row('SELECT 1 FROM attachments WHERE instance_id = ? AND is_root', row['id'])
            if root is None:
                raise failure(
                    f'Volume attachment for root device not found. Attach an EBS volume to root device of {row["id"]} and retry'
                )
            # The node gets no user data this time: the cloud sends it with RunInstances only.
            cloud.store.execute(
                "UPDATE instances SET state = 'pending', state_since = ?, reason = '', node = ?,"
                " node_state = NULL, node_reason = NULL, instance_path = NULL, node_user_data = ''"
                ' WHERE id = ?',
                cloud.now(),
                scheduling.choose(cloud),
                row['id'],
            )
            assign_addresses(cloud, row['id'])
            changes.append(_change(row, 'pending'))
    return {'StartingInstances': changes}


@action('RebootInstances')
def reboot_instances(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """Request a reboot from the nodes. Instances that do not run are ignored, as the cluster controller ignores them."""
    rows, absent, denied = [], [], []
    for identifier in request.get('InstanceIds') or []:
        try:
            identifier = ids.instance_id(cloud, identifier)
        except ApiError as error:
            raise failure(error.message) from None  # the genuine action keeps the message alone
        row = cloud.store.row('SELECT * FROM instances WHERE id = ?', identifier)
        if row is None:
            absent.append(identifier)
        elif row['account'] != caller.account and not caller.is_admin:
            denied.append(identifier)
        else:
            rows.append(row)
    if absent:
        raise failure(f'No such instance(s): {", ".join(absent)}')
    if denied:
        raise failure(f'Permission denied for vm(s): {", ".join(denied)}')
    with cloud.store.transaction():
        for row in rows:
            if row['state'] == 'running':
                cloud.store.execute("INSERT OR IGNORE INTO guest_requests VALUES (?, 'reboot', NULL)", row['id'])
    return {}


def assign_addresses(cloud: Cloud, identifier: str) -> None:
    """Assign addresses to an instance that will run."""
    row = cloud.store.row('SELECT node FROM instances WHERE id = ?', identifier)
    assert row is not None
    try:
        addresses.assign(cloud, identifier, row['node'])
    except addresses.NoAddress:
        # NotEnoughAddressResourcesException
        raise failure(
            'Not enough resources available: addresses; please stop or terminate unwanted instances or release unassociated'
            ' elastic IPs and try again, or run with private addressing only'
        ) from None
