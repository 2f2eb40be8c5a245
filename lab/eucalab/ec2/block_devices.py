# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block device mappings in requests (``Images.validateBlockDeviceMappings``)."""

from __future__ import annotations

import re
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError
from . import ids, snapshot_attributes

ROOT, PARTITIONED_ROOT = '/dev/sda', '/dev/sda1'
_DEVICE = re.compile(r'(/dev/)?([svh]|xv)d[a-z]([1-9])*')


def validate(
    cloud: Cloud,
    caller: Caller,
    mappings: list[dict[str, Any]],
    *,
    ebs: bool,
    suppress: bool,
    partitioned_root: bool = False,
    skip_ephemeral: bool = False,
) -> list[dict[str, Any]]:
    """The mappings in the form that rows keep. ApiError when one is not allowed.

    ebs: volumes may be mapped; suppress: NoDevice is allowed; partitioned_root: /dev/sda1 may be the root;
    skip_ephemeral: of several ephemeral disks, all but the first are left out instead of refused.
    """
    if not cloud.played.images.checks_mappings:
        return [_row_form(cloud, mapping) for mapping in mappings if mapping.get('DeviceName')]
    names = [mapping.get('DeviceName', '') for mapping in mappings]
    full_names = {'/dev/' + name.removeprefix('/dev/') for name in names}
    if len(full_names) != len(names):
        twice = next(name for name in names if names.count(name) > 1 or f'/dev/{name}' in names)
        raise _refused(f'{twice} is assigned multiple times')
    ephemeral = [mapping for mapping in mappings if mapping.get('VirtualName')]
    if skip_ephemeral:
        mappings = [mapping for mapping in mappings if mapping not in ephemeral[1:]]
    for mapping in mappings:
        name = mapping.get('DeviceName', '')
        if not _DEVICE.fullmatch(name):
            raise _refused(f'Device name {name} is invalid')
        root = partitioned_root and name == PARTITIONED_ROOT and ROOT not in full_names
        if name[-1].isdigit() and not root:
            raise _refused(f'{name} is not supported. Device name cannot be a partition')
        _check_one(cloud, caller, mapping, name, ebs, suppress)
    if len(ephemeral) > 1 and not skip_ephemeral:
        raise _refused('Only one ephemeral device is supported. More than one ephemeral device mappings found')
    return [_row_form(cloud, mapping) for mapping in mappings]


def _check_one(cloud: Cloud, caller: Caller, mapping: dict[str, Any], name: str, ebs: bool, suppress: bool) -> None:
    if mapping.get('NoDevice') is not None and mapping['NoDevice'].lower() == 'true':
        if not suppress:
            raise _refused(f'Block device mapping for {name} cannot be suppressed')
    elif mapping.get('VirtualName'):
        if not re.fullmatch('ephemeral[0123]', mapping['VirtualName']):
            raise _refused(f'Virtual device name must be of the form ephemeral[0123]. Fix the mapping for {name}')
    elif mapping.get('Ebs') is not None:
        if not ebs:
            raise _refused('Ebs block device mappings are not supported')
        _check_ebs(cloud, caller, mapping['Ebs'], name)
    else:
        raise _refused(f'Incorrectly constructed block device mapping for {name} . Refer to documentation')


def _check_ebs(cloud: Cloud, caller: Caller, ebs: dict[str, Any], name: str) -> None:
    size, snapshot_id = ebs.get('VolumeSize'), ebs.get('SnapshotId')
    if snapshot_id:
        snapshot = cloud.store.row('SELECT * FROM snapshots WHERE id = ?', ids.folded(cloud, snapshot_id))
        # The genuine 4.4 checks this only for an image's root; the lab checks it always, to protect others' data.
        if snapshot is None or not snapshot_attributes.is_usable(cloud, caller, snapshot):
            raise _refused(f'Unable to find snapshot {snapshot_id} in the block device mapping for {name}')
        if size is not None and size < snapshot['size']:
            raise _refused(f'Size of the volume cannot be smaller than the source snapshot for {name}')
    elif size == 0:
        raise _refused(f'Volume size for {name} cannot be 0')


def _refused(message: str) -> ApiError:
    """A MetadataException: no code of its own, hence a 500 (InvalidMetadataException alone would be a 400)."""
    return ApiError('InternalFailure', message, 500)


def _row_form(cloud: Cloud, mapping: dict[str, Any]) -> dict[str, Any]:
    ebs = mapping.get('Ebs') or {}
    form = {
        'device_name': mapping['DeviceName'],
        'virtual_name': mapping.get('VirtualName'),
        'no_device': (mapping.get('NoDevice') or '').lower() == 'true' or None,
        'snapshot_id': ids.folded(cloud, ebs.get('SnapshotId') or '') or None,
        'size': ebs.get('VolumeSize'),
        'delete_on_termination': ebs.get('DeleteOnTermination', True) if ebs else None,
    }
    return {name: value for name, value in form.items() if value is not None}
