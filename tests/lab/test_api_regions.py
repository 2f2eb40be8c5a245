# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small reads that clients make before anything else."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from tests.kit.lab import Lab
from tests.kit.refusals import refused


def test_the_lab_is_one_region_whose_endpoint_answers(lab_api: Lab) -> None:
    ec2 = lab_api.ec2()
    (region,) = ec2.describe_regions()['Regions']
    assert region['RegionName'] == 'eucalyptus'
    assert region['Endpoint'].startswith(lab_api.config.endpoint)
    assert ec2.describe_regions(RegionNames=['elsewhere'])['Regions'] == []


def test_an_account_has_no_vpc(lab_api: Lab) -> None:
    reply = lab_api.ec2().describe_account_attributes(AttributeNames=['supported-platforms'])
    (attribute,) = reply['AccountAttributes']
    assert attribute['AttributeValues'] == [{'AttributeValue': 'EC2'}]
    assert len(lab_api.ec2().describe_account_attributes()['AccountAttributes']) == 2


def test_instance_types_are_listed_with_their_memory_and_a_wrong_name_is_left_out(lab_api: Lab) -> None:
    status, body = lab_api.call('Action=DescribeInstanceTypes&InstanceType.1=m1.small&InstanceType.2=x9.huge&Version=2014-10-01')
    assert status == 200, body
    (item,) = ElementTree.fromstring(re.sub(' xmlns="[^"]*"', '', body)).findall('instanceTypeDetails/item')
    assert [item.findtext(name) for name in ('name', 'cpu', 'memory', 'disk', 'networkInterfaces')] == [
        *('m1.small', '1', '256', '5', '2')
    ]


def instance_types(lab_api: Lab, query: str = '') -> list[ElementTree.Element]:
    status, body = lab_api.call(f'Action=DescribeInstanceTypes&Version=2014-10-01{query}', lab_api.admin)
    assert status == 200, body
    return ElementTree.fromstring(re.sub(' xmlns="[^"]*"', '', body)).findall('instanceTypeDetails/item')


def test_the_types_of_a_default_4_4_are_listed_by_disk_and_memory_and_agree_with_the_verbose_zones(lab_api: Lab) -> None:
    kinds = {one.findtext('name', ''): one for one in instance_types(lab_api, '&Verbose=true&Availability=true')}
    assert ' '.join(kinds) == (
        'm1.small t1.micro m1.medium c1.medium m1.large m1.xlarge c1.xlarge m2.xlarge m3.xlarge m2.2xlarge m3.2xlarge'
        ' cc1.4xlarge m2.4xlarge hi1.4xlarge cc2.8xlarge cg1.4xlarge cr1.8xlarge hs1.8xlarge'
    )
    zones = lab_api.ec2(lab_api.admin).describe_availability_zones(ZoneNames=['verbose'])['AvailabilityZones'][2:]
    assert [zone['ZoneName'] for zone in zones] == [f'|- {name}' for name in kinds]
    for zone, kind in zip(zones, kinds.values(), strict=True):
        available, most = (kind.findtext(f'availability/item/{name}', '') for name in ('available', 'max'))
        expected = [available.zfill(4), '/', most.zfill(4), *(kind.findtext(name) for name in ('cpu', 'memory', 'disk'))]
        assert zone['State'].split() == expected
    # Its table has ephemeral disks, but no type gets them (VmTypes.PredefinedTypes drops them).
    assert not any(one.findall('ephemeralDisk/item') for one in kinds.values())


def test_a_type_with_more_memory_than_the_machine_has_no_room_for_an_instance(lab_api: Lab) -> None:
    image = lab_api.register(lab_api.admin, 'machine', 'admin-images', VirtualizationType='hvm')
    with refused('InsufficientInstanceCapacity', 'Not enough resources (0 in one < 1): vm instances.', status=503):
        lab_api.ec2(lab_api.admin).run_instances(ImageId=image, InstanceType='hs1.8xlarge', MinCount=1, MaxCount=1)


def test_a_zone_that_does_not_exist_is_refused(lab_api: Lab) -> None:
    with refused('InvalidParameterValue', 'Invalid availability zone: [two]'):
        lab_api.ec2().describe_availability_zones(ZoneNames=['one', 'two'])


def test_only_the_administrator_sees_how_many_instances_of_a_type_fit(lab_api: Lab) -> None:
    query = 'Action=DescribeInstanceTypes&Availability=true&Version=2014-10-01'
    assert 'AuthFailure' in lab_api.call(query)[1]
    assert '<available>' in lab_api.call(query, lab_api.admin)[1]


@pytest.mark.parametrize(
    'action, member',
    [
        ('describe_conversion_tasks', 'ConversionTasks'),
        ('describe_export_tasks', 'ExportTasks'),
        ('describe_internet_gateways', 'InternetGateways'),
        ('describe_network_interfaces', 'NetworkInterfaces'),
        ('describe_placement_groups', 'PlacementGroups'),
        ('describe_reserved_instances', 'ReservedInstances'),
        ('describe_route_tables', 'RouteTables'),
        ('describe_spot_instance_requests', 'SpotInstanceRequests'),
        ('describe_subnets', 'Subnets'),
        ('describe_vpcs', 'Vpcs'),
    ],
)
def test_resources_that_need_a_vpc_are_described_as_empty(lab_api: Lab, action: str, member: str) -> None:
    assert getattr(lab_api.ec2(), action)()[member] == []


def test_an_id_of_a_vpc_is_not_found(lab_api: Lab) -> None:
    with refused('InvalidSubnetID.NotFound', "The subnet ID 'subnet-12345678' does not exist"):
        lab_api.ec2().describe_subnets(SubnetIds=['subnet-12345678'])


def test_only_the_administrator_gets_the_verbose_rows_of_a_zone(lab_api: Lab) -> None:
    rows = lab_api.ec2(lab_api.admin).describe_availability_zones(ZoneNames=['verbose'])['AvailabilityZones']
    assert [row['ZoneName'] for row in rows[:2]] == ['one', '|- vm types']
    assert any(re.fullmatch(r'\|- m1\.small', row['ZoneName']) for row in rows)
    assert [row['ZoneName'] for row in lab_api.ec2().describe_availability_zones(ZoneNames=['verbose'])['AvailabilityZones']] == [
        'one'
    ]


def test_a_volume_has_no_attributes_as_in_4_4(lab_api: Lab) -> None:
    status, body = lab_api.call('Action=DescribeVolumeAttribute&VolumeId=vol-12345678&Attribute=autoEnableIO')
    assert (status, '<return>true</return>' in body) == (200, True)
