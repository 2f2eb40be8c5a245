# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""RegisterImage and DeregisterImage (``ImageManager``), with the checks in the genuine order."""

from __future__ import annotations

import json
import re
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure
from . import block_devices, ids, image_access, kernels, manifests
from .registry import Reply, action

GIB = 1 << 30
MOST_GIB = 30  # cloud.images.maximagesizegb
_PREFIX = {'kernel': 'eki', 'ramdisk': 'eri', 'machine': 'emi'}


@action('RegisterImage')
def register_image(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    mappings = request.get('BlockDeviceMappings') or []
    check_name_and_description(cloud, caller, request)
    root = request.get('RootDeviceName') or cloud.played.images.root_device
    if request.get('ImageLocation') is not None:
        columns = _from_manifest(cloud, caller, request, mappings)
    elif any(mapping.get('DeviceName') == root and (mapping.get('Ebs') or {}).get('SnapshotId') for mapping in mappings):
        columns = _from_snapshot(cloud, caller, request, mappings, root)
    else:
        raise failure(
            'Invalid request:  the request must specify either ImageLocation for an instance-store image or a'
            ' snapshot for the root device for an EBS image.  Provided values were:'
            f' ImageLocation={request.get("ImageLocation")} BlockDeviceMappings={mappings}'
        )
    with cloud.store.transaction():
        if cloud.played.images.names_unique:
            _check_name_free(cloud, caller, request.get('Name'))
        identifier = cloud.new_id(_PREFIX[columns['type']])
        cloud.store.insert(
            'images',
            id=identifier,
            account=caller.account,
            description=request.get('Description'),
            state='available',
            created=cloud.now(),
            **columns,
        )
    return {'ImageId': identifier}


def check_name_and_description(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> None:
    name, rules = request.get('Name'), cloud.played.images
    if (name is None and rules.name_required) or (name is not None and rules.name and not re.fullmatch(rules.name, name)):
        raise ApiError(
            'InvalidAMIName.Malformed',
            'AMI names must be between 3 and 128 characters long, and may contain'
            " letters, numbers, '(', ')', '.', '-', '/' and '_'",
        )
    if not rules.names_unique:
        return
    _check_name_free(cloud, caller, name)
    if len(request.get('Description') or '') > 255:
        raise ApiError('InvalidParameter', 'AMI descriptions must be less than 256 characters long')


def _check_name_free(cloud: Cloud, caller: Caller, name: str | None) -> None:
    row = cloud.store.row(
        "SELECT id FROM images WHERE account = ? AND name = ? AND state IN ('available', 'pending')", caller.account, name
    )
    if row is not None:
        raise ApiError('InvalidAMIName.Duplicate', f'AMI name {name} is already in use by EMI {row["id"]}')


def _from_manifest(cloud: Cloud, caller: Caller, request: dict[str, Any], mappings: list[dict[str, Any]]) -> dict[str, Any]:
    rules = cloud.played.images
    virtualization = (request.get('VirtualizationType') or 'paravirtual').lower()
    if virtualization not in ('paravirtual', 'hvm'):
        raise failure('Unknown virtualization-type')
    # Checked and then lost: 4.4 adds them to an image that is stored already (ImageManager.register).
    block_devices.validate(cloud, caller, mappings, ebs=False, suppress=True)
    if rules.bucket_owned:
        manifests.check_bucket(cloud, caller, request['ImageLocation'])
    _check_may_register(cloud, caller, manifests.named_type(request['ImageLocation']))
    manifest = manifests.read(cloud, request['ImageLocation'])
    _check_may_register(cloud, caller, manifest.type)
    if rules.manifest_owned and manifest.user != caller.account:
        raise ApiError('AuthFailure', 'Manifest is not accessible')
    if manifest.windows:
        virtualization = 'hvm'
    kernel, ramdisk = _kernel_and_ramdisk(cloud, caller, request, manifest, virtualization)
    if rules.size_limited and manifest.size > MOST_GIB * GIB:
        raise failure(
            f'Cannot register image of size {manifest.size} bytes because it exceeds the configured maximum'
            f' instance-store image size of {MOST_GIB} GB. Please contact your administrator '
        )
    architecture = request.get('Architecture') or manifest.architecture
    manifests.check_architecture(architecture)
    return {
        'name': request.get('Name') or manifest.name,
        'type': manifest.type,
        'location': manifest.location,
        'architecture': architecture,
        'kernel_id': kernel,
        'ramdisk_id': ramdisk,
        'virtualization_type': virtualization,
        'root_device_type': 'instance-store',
        'root_device_name': manifest.root_device
        or (block_devices.ROOT if virtualization == 'hvm' else block_devices.PARTITIONED_ROOT),
        'block_devices': '[]',
        'size': manifest.size,
        'manifest_sha256': manifest.sha256,
    }


def _check_may_register(cloud: Cloud, caller: Caller, kind: str | None) -> None:
    if kind in ('kernel', 'ramdisk') and not caller.is_admin:
        kind = 'kernel' if cloud.played.images.one_admin_message else kind
        raise failure(f'Only administrators can register {kind} images.')


def _kernel_and_ramdisk(
    cloud: Cloud, caller: Caller, request: dict[str, Any], manifest: manifests.Manifest, virtualization: str
) -> tuple[str | None, str | None]:
    if manifest.type != 'machine' or virtualization != 'paravirtual':
        return None, None
    if not cloud.played.images.needs_kernel:
        return kernels.of_image(cloud, request, manifest.kernel_id, manifest.ramdisk_id)
    chosen = []
    for member, kind, in_manifest in (('KernelId', 'Kernel', manifest.kernel_id), ('RamdiskId', 'Ramdisk', manifest.ramdisk_id)):
        identifier = request.get(member) or in_manifest
        if identifier is None:
            raise ApiError('MissingParameter', f'{kind} ID must be specified')
        identifier = ids.image_id(cloud, identifier)
        row = cloud.store.row("SELECT * FROM images WHERE id = ? AND state = 'available'", identifier)
        if row is None or row['type'] != kind.lower():
            raise failure(f'Referenced image id is invalid: {identifier}')
        if image_access.find_usable(cloud, caller, identifier) is None:
            raise failure(f'Access to {kind.lower()} image {identifier} is denied for {caller.user_name}')
        chosen.append(identifier)
    return chosen[0], chosen[1]


def _from_snapshot(
    cloud: Cloud, caller: Caller, request: dict[str, Any], mappings: list[dict[str, Any]], root: str
) -> dict[str, Any]:
    devices = block_devices.validate(cloud, caller, mappings, ebs=True, suppress=False, partitioned_root=True)
    rules = cloud.played.images
    # 4.x defaults to i386.
    architecture = rules.snapshot_architecture or request.get('Architecture') or 'i386'
    manifests.check_architecture(architecture)
    device = next(one for one in devices if one['device_name'] == root)
    snapshot = cloud.store.row('SELECT * FROM snapshots WHERE id = ? AND account = ?', device['snapshot_id'], caller.account)
    if snapshot is None:
        raise failure(
            f'Failed to create image from specified block device mapping: {root} because of: Snapshot not'
            f' found {device["snapshot_id"]}'
        )
    device['size'] = max(device.get('size') or 0, snapshot['size'])
    if rules.partition_is_disk and root == block_devices.PARTITIONED_ROOT:
        device['device_name'] = root = block_devices.ROOT
    return {
        'name': request.get('Name'),
        'type': 'machine',
        'location': f'{caller.account}/{request.get("Name")}',
        'architecture': architecture,
        'kernel_id': request.get('KernelId') if rules.default_kernel else None,
        'ramdisk_id': request.get('RamdiskId') if rules.default_kernel else None,
        'virtualization_type': rules.snapshot_virtualization,
        'root_device_type': 'ebs',
        'root_device_name': root,
        'block_devices': json.dumps(devices),
        'size': device['size'] * GIB,
        'manifest_sha256': None,
    }


@action('DeregisterImage')
def deregister_image(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    row = image_access.find_modifiable(cloud, caller, request, 'deregister image')
    if row['state'] != 'deregistered':
        cloud.store.execute("UPDATE images SET state = 'deregistered' WHERE id = ?", row['id'])
        return {}
    # The second call removes an image that the first one has hidden and that is no longer used.
    used = cloud.store.row(
        "SELECT 1 FROM instances WHERE ? IN (image_id, kernel_id, ramdisk_id) AND state != 'terminated'", row['id']
    )
    if used is not None:
        raise ApiError('InvalidAMIID.Unavailable', f"The image ID '{request['ImageId']}' is no longer available")
    with cloud.store.transaction():
        cloud.store.execute('DELETE FROM tags WHERE resource_id = ?', row['id'])
        cloud.store.execute('DELETE FROM images WHERE id = ?', row['id'])
    return {}
