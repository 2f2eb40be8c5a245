# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab is one region with one availability zone, and no VPC."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from . import filters
from .registry import Reply, action


@action('DescribeAvailabilityZones')
def describe_availability_zones(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    # 3.x and 4.x put the cluster controller's host and ARN where one expects "available".
    host = urlsplit(cloud.config.endpoint).hostname
    zone = {
        'ZoneName': cloud.config.zone,
        'RegionName': 'eucalyptus',
        'State': f'{host} arn:euca:eucalyptus:{cloud.config.zone}:cluster:{cloud.config.name}/',
    }
    names = [name for name in request.get('ZoneNames') or [] if name != 'verbose']
    zones = [zone] if not names or zone['ZoneName'] in names else []
    lookups = {
        'zone-name': lambda item: item['ZoneName'],
        'state': lambda item: item['State'],
        'region-name': lambda item: item['RegionName'],
    }
    return {'AvailabilityZones': filters.apply(zones, request.get('Filters'), lookups)}


@action('DescribeRegions')
def describe_regions(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    region = {'RegionName': 'eucalyptus', 'Endpoint': f'{cloud.config.endpoint}/services/compute/'}
    names = request.get('RegionNames') or []
    regions = [region] if not names or region['RegionName'] in names else []
    lookups = {'region-name': lambda item: item['RegionName'], 'endpoint': lambda item: item['Endpoint']}
    return {'Regions': filters.apply(regions, request.get('Filters'), lookups)}


@action('DescribeAccountAttributes')
def describe_account_attributes(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    attributes = {'supported-platforms': ['EC2'], 'default-vpc': ['none']}
    asked = request.get('AttributeNames') or list(attributes)
    return {
        'AccountAttributes': [
            {'AttributeName': name, 'AttributeValues': [{'AttributeValue': value} for value in values]}
            for name, values in attributes.items()
            if name in asked
        ]
    }
