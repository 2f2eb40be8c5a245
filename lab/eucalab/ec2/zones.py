# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab is one region with one availability zone, and no VPC."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError
from . import filters, ids
from .registry import Reply, action
from .run import capacity


@action('DescribeAvailabilityZones')
def describe_availability_zones(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    # 3.x and 4.x return the cluster controller's host and ARN instead of "available".
    host = urlsplit(cloud.config.endpoint).hostname
    zone = {
        'ZoneName': cloud.config.zone,
        'RegionName': 'eucalyptus',
        'State': f'{host} arn:euca:eucalyptus:{cloud.config.zone}:cluster:{cloud.config.name}/',
    }
    requested = request.get('ZoneNames') or []
    names = [name for name in requested if name != ids.VERBOSE]
    if wrong := next((name for name in names if name != zone['ZoneName']), None):
        raise ApiError('InvalidParameterValue', f'Invalid availability zone: [{wrong}]')
    zones = [zone]
    lookups: dict[str, filters.Lookup] = {
        'zone-name': lambda item: item['ZoneName'],
        'state': lambda item: item['State'],
        **filters.unsupported('message region-name'),
    }
    zones = filters.apply(zones, request.get('Filters'), lookups)
    if zones and caller.is_admin and ids.VERBOSE in requested:
        zones += [{'ZoneName': f'|- {name}', 'RegionName': 'eucalyptus', 'State': state} for name, state in _capacity(cloud)]
    return {'AvailabilityZones': zones}


def _capacity(cloud: Cloud) -> list[tuple[str, str]]:
    """The rows below a zone that administrators alone see, as ClusterEndpoint writes them in every version."""
    rows = []
    for name, one in cloud.played.types.offered.items():
        free = capacity(cloud, one)
        rows.append((name, f'{free:04} / {free:04}  {one.cpu:2}   {one.memory:4}  {one.disk:4}'))
    return [('vm types', 'free / max   cpu   ram  disk'), *rows]


@action('DescribeRegions')
def describe_regions(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    region = {'RegionName': 'eucalyptus', 'Endpoint': f'{cloud.config.endpoint}{cloud.played.requests.paths[0]}/'}
    names = request.get('RegionNames') or []
    regions = [region] if not names or region['RegionName'] in names else []
    lookups = {'region-name': lambda item: item['RegionName'], 'endpoint': lambda item: item['Endpoint']}
    try:
        return {'Regions': filters.apply(regions, request.get('Filters'), lookups)}
    except ApiError:  # ClusterEndpoint.DescribeRegions logs every failure and returns what it has
        return {'Regions': []}


@action('DescribeAccountAttributes')
def describe_account_attributes(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    attributes = {'supported-platforms': ['EC2'], 'default-vpc': ['none']}
    requested = request.get('AttributeNames') or list(attributes)
    return {
        'AccountAttributes': [
            {'AttributeName': name, 'AttributeValues': [{'AttributeValue': value} for value in values]}
            for name, values in attributes.items()
            if name in requested
        ]
    }
