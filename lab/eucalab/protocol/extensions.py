# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eucalyptus' own EC2 actions and members, in the form of botocore's service models (``VmTypeMessages.groovy``)."""

from __future__ import annotations

from typing import Any


def _member(shape: str, name: str) -> dict[str, str]:
    return {'shape': shape, 'locationName': name}


_SHAPES: dict[str, Any] = {
    'EucalyptusInstanceTypeNames': {'type': 'list', 'member': _member('String', 'InstanceType')},
    'EucalyptusDescribeInstanceTypesRequest': {
        'type': 'structure',
        'members': {
            'Verbose': _member('Boolean', 'verbose'),
            'Availability': _member('Boolean', 'availability'),
            'InstanceTypes': _member('EucalyptusInstanceTypeNames', 'InstanceType'),
        },
    },
    'EucalyptusEphemeralDisk': {
        'type': 'structure',
        'members': {
            'VirtualDeviceName': _member('String', 'virtualDeviceName'),
            'DeviceName': _member('String', 'deviceName'),
            'Size': _member('Integer', 'size'),
            'Format': _member('String', 'format'),
        },
    },
    'EucalyptusEphemeralDisks': {'type': 'list', 'member': _member('EucalyptusEphemeralDisk', 'item')},
    'EucalyptusZoneStatus': {
        'type': 'structure',
        'members': {
            'Name': _member('String', 'name'),
            'ZoneName': _member('String', 'zoneName'),
            'Max': _member('Integer', 'max'),
            'Available': _member('Integer', 'available'),
        },
    },
    'EucalyptusZoneStatuses': {'type': 'list', 'member': _member('EucalyptusZoneStatus', 'item')},
    'EucalyptusInstanceType': {
        'type': 'structure',
        'members': {
            'Name': _member('String', 'name'),
            'Cpu': _member('Integer', 'cpu'),
            'Disk': _member('Integer', 'disk'),
            'Memory': _member('Integer', 'memory'),
            'NetworkInterfaces': _member('Integer', 'networkInterfaces'),
            'Availability': _member('EucalyptusZoneStatuses', 'availability'),
            'EphemeralDisks': _member('EucalyptusEphemeralDisks', 'ephemeralDisk'),
        },
    },
    'EucalyptusInstanceTypes': {'type': 'list', 'member': _member('EucalyptusInstanceType', 'item')},
    'EucalyptusDescribeInstanceTypesResult': {
        'type': 'structure',
        'members': {'InstanceTypes': _member('EucalyptusInstanceTypes', 'instanceTypeDetails')},
    },
}
_OPERATIONS: dict[str, Any] = {
    'DescribeInstanceTypes': {
        'name': 'DescribeInstanceTypes',
        'http': {'method': 'POST', 'requestUri': '/'},
        'input': {'shape': 'EucalyptusDescribeInstanceTypesRequest'},
        'output': {'shape': 'EucalyptusDescribeInstanceTypesResult'},
    }
}


# Members of Eucalyptus in requests of the API.
_MEMBERS = {
    'ModifySnapshotAttributeRequest': {'ProductCodes': _member('ProductCodeStringList', 'ProductCode')},
    'RunInstancesRequest': {'AddressingType': _member('String', 'AddressingType')},
}


def extended(model: dict[str, Any]) -> dict[str, Any]:
    """A service model of botocore with Eucalyptus' own actions and members."""
    shapes = {**model['shapes'], **_SHAPES}
    for name, members in _MEMBERS.items():
        shapes[name] = {**shapes[name], 'members': {**shapes[name]['members'], **members}}
    return {**model, 'operations': {**model['operations'], **_OPERATIONS}, 'shapes': shapes}
