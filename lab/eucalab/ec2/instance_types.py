# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DescribeInstanceTypes, Eucalyptus' own action (``VmTypesManager.DescribeInstanceTypes``)."""

from __future__ import annotations

from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError
from .registry import Reply, action
from .run import capacity


@action('DescribeInstanceTypes')
def describe_instance_types(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """Names that do not exist are left out, without an error. No type of a default 4.4 has ephemeral disks of its own."""
    if request.get('Availability') and not caller.is_admin:
        raise ApiError('AuthFailure', 'Not permitted to access availability')
    offered = cloud.played.types.offered
    requested = request.get('InstanceTypes') or list(offered)
    return {'InstanceTypes': [_describe(cloud, name, request) for name in offered if name in requested]}


def _describe(cloud: Cloud, name: str, request: dict[str, Any]) -> dict[str, Any]:
    kind = cloud.played.types.offered[name]
    most = capacity(cloud, kind)
    status = {'Name': name, 'ZoneName': cloud.config.zone, 'Max': most, 'Available': most}
    return {
        'Name': name,
        'Cpu': kind.cpu,
        'Disk': kind.disk,
        'Memory': kind.memory,
        'NetworkInterfaces': kind.network_interfaces,
        'Availability': [status] if request.get('Availability') else [],
        'EphemeralDisks': [],
    }
