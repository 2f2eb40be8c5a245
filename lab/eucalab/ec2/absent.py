# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptions that are always empty: 4.4 has no such resources, or has them only with VPC."""

from __future__ import annotations

import functools
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from . import ids
from .registry import Reply, action

# Action -> member of the reply; ComputeService returns an empty reply for any ids.
_NEVER = {
    'DescribeConversionTasks': 'ConversionTasks',
    'DescribeExportTasks': 'ExportTasks',
    'DescribePlacementGroups': 'PlacementGroups',
    'DescribeReservedInstances': 'ReservedInstances',
    'DescribeSpotInstanceRequests': 'SpotInstanceRequests',
}
# Action -> member of the reply, member of the request, error code and name of an id that does not exist.
_VPC = {
    'DescribeInternetGateways': (
        'InternetGateways',
        'InternetGatewayIds',
        'InvalidInternetGatewayID.NotFound',
        'internetGateway ID',
    ),
    'DescribeNetworkInterfaces': (
        'NetworkInterfaces',
        'NetworkInterfaceIds',
        'InvalidNetworkInterfaceID.NotFound',
        'networkInterface ID',
    ),
    'DescribeRouteTables': ('RouteTables', 'RouteTableIds', 'InvalidRouteTableID.NotFound', 'routeTable ID'),
    'DescribeSubnets': ('Subnets', 'SubnetIds', 'InvalidSubnetID.NotFound', 'subnet ID'),
    'DescribeVpcs': ('Vpcs', 'VpcIds', 'InvalidVpcID.NotFound', 'vpc ID'),
}


def _never(member: str, cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    return {member: []}


def _without_vpc(
    operation: str, member: str, requested: str, code: str, what: str, cloud: Cloud, caller: Caller, request: dict[str, Any]
) -> Reply:
    ids.missing(cloud, operation, code, what, request.get(requested) or [], [])
    return {member: []}


for _name, _member in _NEVER.items():
    action(_name)(functools.partial(_never, _member))
for _name, _values in _VPC.items():
    action(_name)(functools.partial(_without_vpc, _name, *_values))
