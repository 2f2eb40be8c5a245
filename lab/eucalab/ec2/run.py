# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""RunInstances (``VmControl.runInstances``, ``VerifyMetadata``)."""

from __future__ import annotations

import base64
import json
import sqlite3
from typing import Any

from ..cloud import scheduling
from ..cloud.context import Cloud
from ..cloud.instance_types import GIB, LEAST_EPHEMERAL, SWAP_BYTES, is_partition
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure, lacking, unauthorized
from ..protocol.wire import decode_base64
from ..versions import InstanceType
from . import block_devices, ids, image_access, instances, kernels, key_pairs, manifests, security_groups, tags, volumes
from .registry import Reply, action

PER_NODE = 50  # instances
USER_DATA_KIB = 16  # cloud.vmstate.user_data_max_size_kb


@action('RunInstances')
def run_instances(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    if not cloud.played.instances.client_token:
        request.pop('ClientToken', None)
    earlier = _earlier_launch(cloud, caller, request.get('ClientToken'))
    if earlier:
        return _reply(cloud, earlier)
    tagged = tags.specified(request, 'instance', 'volume')
    columns = _common_columns(cloud, caller, request)
    image = cloud.store.one('SELECT * FROM images WHERE id = ?', columns['image_id'])
    devices = _devices(cloud, caller, request, image)
    with cloud.store.transaction():
        for index in range(_count(cloud, request, cloud.played.types.offered[columns['instance_type']])):
            _insert(cloud, columns, index, devices)
        rows = cloud.store.rows('SELECT * FROM instances WHERE reservation = ? ORDER BY launch_index', columns['reservation'])
        _tag(cloud, caller, rows, tagged)
    return _reply(cloud, rows)


def _tag(cloud: Cloud, caller: Caller, rows: list[sqlite3.Row], tagged: dict[str, dict[str, str]]) -> None:
    for row in rows:
        tags.put(cloud, caller, row['id'], tagged.get('instance', {}))
        for volume in cloud.store.rows('SELECT volume_id FROM attachments WHERE instance_id = ?', row['id']):
            tags.put(cloud, caller, volume['volume_id'], tagged.get('volume', {}))


def _earlier_launch(cloud: Cloud, caller: Caller, token: str | None) -> list[sqlite3.Row]:
    """The instances that an earlier request with the same token launched."""
    if not token:
        return []
    return cloud.store.rows(
        'SELECT * FROM instances WHERE account = ? AND client_token = ? ORDER BY launch_index', caller.account, token
    )


def _common_columns(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
    """Values shared by all instances of the launch, checked in the order of the genuine server."""
    _check_supported(request)
    instance_type, type_name = _instance_type(cloud, caller, request)
    zone = _zone(cloud, request)
    image = _image(cloud, caller, request, instance_type, type_name)
    user_data = _user_data(cloud, request)
    _check_key_pair(cloud, caller, request.get('KeyName'))
    groups = security_groups.for_launch(cloud, caller, request)
    kernel, ramdisk = _kernel_and_ramdisk(cloud, caller, request, image)
    for used in filter(None, (image['id'], kernel, ramdisk)):
        _check_manifest(cloud, used)
    return {
        'reservation': cloud.new_id('r'),
        'account': caller.account,
        'user_id': caller.user_id,
        'client_token': request.get('ClientToken') or None,
        'image_id': image['id'],
        'kernel_id': kernel,
        'ramdisk_id': ramdisk,
        'instance_type': type_name,
        'zone': zone,
        'key_name': request.get('KeyName'),
        'protected': int(cloud.played.instances.protects and request.get('DisableApiTermination', False)),
        'user_data': user_data,
        'node_user_data': user_data,
        'groups': json.dumps(groups),
        'root_device_type': image['root_device_type'],
        'root_device_name': image['root_device_name'],
    }


def _check_supported(request: dict[str, Any]) -> None:
    """Refuse what cannot be done, rather than ignore it."""
    if request.get('SubnetId') or request.get('NetworkInterfaces'):
        raise ApiError('InvalidParameterValue', 'EC2-VPC not supported, for EC2-Classic do not specify subnet or network interface')
    if request.get('IamInstanceProfile'):
        raise lacking('instance profiles')
    if request.get('AddressingType') == 'private':
        raise lacking('private addressing')
    if (request.get('Monitoring') or {}).get('Enabled'):
        raise lacking('detailed monitoring')


def _zone(cloud: Cloud, request: dict[str, Any]) -> str:
    zone: str = (request.get('Placement') or {}).get('AvailabilityZone') or cloud.config.zone
    if zone != cloud.config.zone:
        raise failure('Not enough resources: no cluster controller is currently available to run instances.')
    return zone


def _check_key_pair(cloud: Cloud, caller: Caller, name: str | None) -> None:
    if name and key_pairs.find(cloud, caller.account, name) is None:
        raise ApiError('InvalidKeyPair.NotFound', f'Failed to find key pair: {name} for {caller.account_name}:{caller.user_name}')


def _reply(cloud: Cloud, rows: list[sqlite3.Row]) -> Reply:
    return instances.reservation(rows[0], [instances.describe(cloud, row, {}) for row in rows])


def capacity(cloud: Cloud, instance_type: InstanceType) -> int:
    """The number of instances of this type that the nodes take together."""
    return PER_NODE * len(cloud.config.nodes) if instance_type.fits else 0


def _count(cloud: Cloud, request: dict[str, Any], instance_type: InstanceType) -> int:
    least: int
    most: int
    least, most = request.get('MinCount', 1), request.get('MaxCount', 1)
    if most < least:
        raise failure('Maximum instance count must not be smaller than minimum instance count')
    if most < 1:
        # The genuine 4.4 has no check here and reserves nothing, a reply that no client can handle.
        raise ApiError('InvalidParameterValue', f'Value ({most}) for parameter maxCount is invalid.')
    available = capacity(cloud, instance_type)
    if available < least:
        raise ApiError(
            'InsufficientInstanceCapacity',
            f'Not enough resources ({available} in {cloud.config.zone} < {least}): vm instances.',
            503,
        )
    return min(most, available)


def _instance_type(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> tuple[InstanceType, str]:
    types = cloud.played.types
    name = request.get('InstanceType') or types.default
    if name in types.disabled:
        raise unauthorized(f'Not authorized to allocate vm type {name} for {caller.account_name}:{caller.user_name}')
    if name not in types.offered:
        raise failure(f'Failed to lookup instance type: {name}')
    return types.offered[name], name


def _image(cloud: Cloud, caller: Caller, request: dict[str, Any], instance_type: InstanceType, type_name: str) -> sqlite3.Row:
    identifier = ids.image_id(cloud, request.get('ImageId'))
    row = cloud.store.row("SELECT * FROM images WHERE id = ? AND type = 'machine'", identifier)
    if row is None:
        raise ApiError('InvalidAMIID.NotFound', f'Failed to lookup image named: {identifier}')
    if row['state'] != 'available':
        raise failure(
            f'Failed to verify references for request: Unable to start instance with deregistered/failed image : {identifier}'
        )
    if image_access.find_usable(cloud, caller, identifier) is None:
        raise unauthorized(f'{identifier}: permission denied.')
    room = instance_type.disk * GIB - (0 if cloud.played.instances.size_may_equal_disk else 1)
    if row['root_device_type'] != 'ebs' and row['size'] > room:
        raise ApiError(
            'InvalidParameterCombination',
            f'Unable to run instance {identifier} in which the size {row["size"]} bytes of the instance is'
            f' greater than the vmType {type_name} size {instance_type.disk} GB.',
        )
    _check_room(row, instance_type, type_name)
    return row


def _check_room(image: sqlite3.Row, instance_type: InstanceType, type_name: str) -> None:
    """A partitioned disk also needs room for swap and an ephemeral partition (VmTypes.asVmTypeInfo)."""
    partitioned = image['root_device_type'] != 'ebs' and is_partition(image['root_device_name'])
    if partitioned and instance_type.disk * GIB - image['size'] - SWAP_BYTES < LEAST_EPHEMERAL:
        raise failure(
            f'image too large to accommodate swap and ephemeral [size={image["size"] >> 20}MB] for instance type'
            f' {type_name} [disk={instance_type.disk * 1024}MB]'
        )


def _user_data(cloud: Cloud, request: dict[str, Any]) -> str:
    text = request.get('UserData') or ''
    data = decode_base64(text)
    if data is None:
        raise ApiError('InvalidParameterValue', 'User data decoding error.')
    if cloud.played.instances.user_data_limited and len(data) > USER_DATA_KIB * 1024:
        raise ApiError('InvalidParameterValue', f'User data may not exceed {USER_DATA_KIB} KB')
    return base64.b64encode(data).decode()


def _kernel_and_ramdisk(cloud: Cloud, caller: Caller, request: dict[str, Any], image: sqlite3.Row) -> tuple[str | None, str | None]:
    """Ids from the request, otherwise from the image; only for images that need them (Emis.determineKernelId)."""
    if cloud.played.images.default_kernel:
        return kernels.of_launch(cloud, caller, request, image)
    if image['root_device_type'] == 'ebs' or image['virtualization_type'] != 'paravirtual':
        return None, None
    chosen = []
    for member, column, kind in (('KernelId', 'kernel_id', 'kernel'), ('RamdiskId', 'ramdisk_id', 'ramdisk')):
        identifier = request.get(member) or image[column]
        row = cloud.store.row('SELECT * FROM images WHERE id = ?', ids.image_id(cloud, identifier))
        if row is None or row['state'] == 'deregistered':
            raise failure(f'Failed to lookup {kind} image information: {identifier}')
        if row['type'] != kind:
            raise ApiError('InvalidParameterValue', f'Image specified is not a {kind}: {identifier}')
        if image_access.find_usable(cloud, caller, row['id']) is None:
            raise unauthorized(f'{row["id"]}: permission denied.')
        chosen.append(row['id'])
    return chosen[0], chosen[1]


def _check_manifest(cloud: Cloud, identifier: str) -> None:
    """Since 4.1 a manifest that was written over after registration makes the image unusable."""
    row = cloud.store.one('SELECT location, manifest_sha256 FROM images WHERE id = ?', identifier)
    if (
        cloud.played.images.manifest_kept
        and row['manifest_sha256']
        and manifests.sha256(cloud, row['location']) != row['manifest_sha256']
    ):
        raise failure(f'Image manifest was changed after registration for: {identifier}')


def _devices(cloud: Cloud, caller: Caller, request: dict[str, Any], image: sqlite3.Row) -> list[dict[str, Any]]:
    """The disks that come with an EBS instance: the image's own, changed by the request's; at most one is ephemeral.

    Those of other images are checked and ignored, as in 4.4.
    """
    ebs = image['root_device_type'] == 'ebs'
    asked = block_devices.validate(
        cloud, caller, request.get('BlockDeviceMappings') or [], ebs=ebs, suppress=True, skip_ephemeral=True
    )
    if not ebs:
        return []
    devices = {device['device_name']: device for device in json.loads(image['block_devices'])}
    for device in asked:
        name = device['device_name']
        if name == image['root_device_name']:
            device = _changed_root(devices[name], device)
        if device.get('no_device'):
            devices.pop(name, None)
        else:
            devices[name] = device
    ephemeral = [device for device in (*asked, *devices.values()) if device.get('virtual_name')]
    return [device for device in devices.values() if not device.get('virtual_name')] + ephemeral[:1]


def _changed_root(root: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    if asked.get('no_device') or asked.get('virtual_name'):
        raise ApiError(
            'InvalidParameterValue',
            'Root device cannot be suppressed. Source snapshot from the image'
            ' registration will be used for creating the root device',
        )
    if asked.get('snapshot_id') not in (None, root['snapshot_id']):
        raise ApiError(
            'InvalidParameterValue',
            'Snapshot ID cannot be modified for the root device. Source snapshot'
            ' from the image registration will be used for creating the root device',
        )
    if asked.get('size') is not None and asked['size'] < root['size']:
        raise ApiError('InvalidParameterValue', 'Root device volume cannot be smaller than the image size')
    return {**root, **asked}


def _insert(cloud: Cloud, columns: dict[str, Any], index: int, devices: list[dict[str, Any]]) -> None:
    identifier, now = cloud.new_id('i'), cloud.now()
    # d0:0d and the id (VmInstances.mac).
    digits = identifier[2:]
    mac = 'd0:0d:' + ':'.join(digits[at : at + 2] for at in range(0, 8, 2))
    cloud.store.insert(
        'instances',
        id=identifier,
        launch_index=index,
        mac=mac,
        state='pending',
        state_since=now,
        launched=now,
        node=scheduling.choose(cloud),
        **columns,
    )
    cloud.store.execute(
        'INSERT INTO launch_keys SELECT ?, public_key FROM key_pairs WHERE account = ? AND name = ?',
        identifier,
        columns['account'],
        columns['key_name'],
    )
    instances.assign_addresses(cloud, identifier)
    for device in devices:
        if name := device.get('virtual_name'):
            cloud.store.insert('ephemeral_disks', instance_id=identifier, name=name, device=device['device_name'])
        else:
            _insert_volume(cloud, columns, identifier, device)


def _insert_volume(cloud: Cloud, columns: dict[str, Any], instance: str, device: dict[str, Any]) -> None:
    now, size = cloud.now(), device.get('size', 0)
    if size <= 0:  # treated like no size (ClusterAllocator.setupVolumeMessages)
        size = _snapshot_size(cloud, device)
    volume = volumes.insert_volume(cloud, columns['account'], size, device.get('snapshot_id'))
    root = device['device_name'] == columns['root_device_name']
    # Attached from the start: the node itself waits for the volume.
    cloud.store.insert(
        'attachments',
        volume_id=volume,
        instance_id=instance,
        device=device['device_name'],
        is_root=int(root),
        delete_on_termination=int(device.get('delete_on_termination', True)),
        state='attached',
        state_since=now,
        attached=now,
        node_state='attached',
    )


def _snapshot_size(cloud: Cloud, device: dict[str, Any]) -> int:
    row = cloud.store.row('SELECT size FROM snapshots WHERE id = ?', device.get('snapshot_id'))
    if row is None:
        raise failure(f'Snapshot {device.get("snapshot_id")} does not exist')
    return int(row['size'])
