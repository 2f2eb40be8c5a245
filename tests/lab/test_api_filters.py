# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the Describe actions: every name that 4.4 accepts, and how it compares values."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.refusals import refused

# As the classes derived from FilterSupport in 4.4 list them.
NAMES = {
    'DescribeAddresses': 'allocation-id association-id domain instance-id network-interface-id network-interface-owner-id'
    ' private-ip-address public-ip',
    'DescribeAvailabilityZones': 'message region-name state zone-name',
    'DescribeImages': 'architecture block-device-mapping.delete-on-termination block-device-mapping.device-name'
    ' block-device-mapping.snapshot-id block-device-mapping.volume-size block-device-mapping.volume-type description hypervisor'
    ' image-id image-type is-public kernel-id manifest-location name owner-alias owner-id platform product-code product-code.type'
    ' ramdisk-id root-device-name root-device-type state state-reason-code state-reason-message tag-key tag-value tag:any'
    ' virtualization-type',
    'DescribeInstances': 'architecture association.allocation-id association.association-id association.ip-owner-id'
    ' association.public-ip availability-zone block-device-mapping.attach-time block-device-mapping.delete-on-termination'
    ' block-device-mapping.device-name block-device-mapping.status block-device-mapping.volume-id client-token dns-name group-id'
    ' group-name hypervisor iam-instance-profile.arn image-id instance-id instance-lifecycle instance-state-code'
    ' instance-state-name instance-type instance.group-id instance.group-name ip-address kernel-id key-name launch-index'
    ' launch-time monitoring-state network-interface-private-dns-name network-interface.addresses.association.ip-owner-id'
    ' network-interface.addresses.association.public-ip network-interface.addresses.primary'
    ' network-interface.addresses.private-ip-address network-interface.attachment.attach-time'
    ' network-interface.attachment.attachment-id network-interface.attachment.delete-on-termination'
    ' network-interface.attachment.device-index network-interface.attachment.instance-id'
    ' network-interface.attachment.instance-owner-id network-interface.attachment.status network-interface.availability-zone'
    ' network-interface.description network-interface.group-id network-interface.group-name network-interface.mac-address'
    ' network-interface.network-interface.id network-interface.owner-id network-interface.requester-id'
    ' network-interface.requester-managed network-interface.source-destination-check network-interface.status'
    ' network-interface.subnet-id network-interface.vpc-id owner-id placement-group-name platform private-dns-name'
    ' private-ip-address product-code product-code.type ramdisk-id reason requester-id reservation-id root-device-name'
    ' root-device-type source-dest-check spot-instance-request-id state-reason-code state-reason-message subnet-id tag-key'
    ' tag-value tag:any tenancy virtualization-type vpc-id',
    'DescribeInstanceStatus': 'availability-zone event.code event.description event.not-after event.not-before'
    ' instance-state-code instance-state-name instance-status.reachability instance-status.status system-status.reachability'
    ' system-status.status',
    'DescribeKeyPairs': 'fingerprint key-name',
    'DescribeRegions': 'endpoint region-name',
    'DescribeSecurityGroups': 'description group-id group-name ip-permission.cidr ip-permission.from-port ip-permission.group-id'
    ' ip-permission.group-name ip-permission.protocol ip-permission.to-port ip-permission.user-id owner-id tag-key tag-value'
    ' tag:any vpc-id',
    'DescribeSnapshots': 'description owner-alias owner-id progress snapshot-id start-time status tag-key tag-value tag:any'
    ' volume-id volume-size',
    'DescribeTags': 'key resource-id resource-type value',
    'DescribeVolumes': 'attachment.attach-time attachment.delete-on-termination attachment.device attachment.instance-id'
    ' attachment.status availability-zone create-time size snapshot-id status tag-key tag-value tag:any volume-id volume-type',
}
EVERY = sorted({name for names in NAMES.values() for name in names.split()})


@pytest.fixture(scope='module')
def image(lab_api: Lab) -> str:
    return lab_api.register(lab_api.tenant, 'machine', 'filter-images', **lab_api.published_boot())


@pytest.fixture(scope='module')
def instance(lab_api: Lab, image: str) -> Iterator[dict[str, Any]]:
    (made,) = lab_api.ec2().run_instances(ImageId=image, MinCount=1, MaxCount=1)['Instances']
    yield made


@pytest.mark.parametrize('action', NAMES)
def test_every_filter_of_4_4_is_accepted_and_no_other(lab_api: Lab, instance: dict[str, Any], action: str) -> None:
    def accepts(name: str) -> bool:
        status, body = lab_api.call(f'Action={action}&Filter.1.Name={name}&Filter.1.Value.1=none')
        if status != 200:
            assert (status, f"<Message>The filter '{name}' is invalid.</Message>" in body) == (500, True), body
        return status == 200

    accepted = {name for name in [*EVERY, 'colour'] if accepts(name)}
    # DescribeRegions of 4.4 catches this failure too, and returns no region.
    assert accepted == ({*EVERY, 'colour'} if action == 'DescribeRegions' else set(NAMES[action].split()))


def test_the_refusal_of_an_unknown_filter_is_an_internal_failure(lab_api: Lab) -> None:
    for call in (lab_api.ec2().describe_volumes, lab_api.ec2().describe_images):
        with refused('InternalFailure', "The filter 'colour' is invalid.", status=500):
            call(Filters=[{'Name': 'colour', 'Values': ['blue']}])
        with refused('InternalFailure', 'Multiple entries with same key: owner-id', status=500):
            call(Filters=[{'Name': 'owner-id', 'Values': ['1']}, {'Name': 'owner-id', 'Values': ['2']}])


def found(lab_api: Lab, instance: dict[str, Any], name: str, *values: str) -> bool:
    filters = [{'Name': name, 'Values': list(values)}]
    reservations = lab_api.ec2().describe_instances(Filters=filters)['Reservations']
    return instance['InstanceId'] in [one['InstanceId'] for reservation in reservations for one in reservation['Instances']]


@pytest.mark.parametrize(
    'name, values, matches',
    [
        ('instance-type', ['m1.*'], True),
        ('instance-type', ['m?.small', 'x'], True),
        ('instance-type', ['M1.SMALL'], False),
        ('instance-type', ['m1'], False),
        ('instance-type', [r'm1.smal\l'], True),
        ('instance-type', [r'm1.\*'], False),
        ('instance-type', [], False),
        ('colour', [], False),  # 4.4 checks the name with each value
        ('instance-state-code', ['0'], True),
        ('instance-state-code', ['00'], True),
        ('instance-state-code', ['*'], False),  # only strings have wildcards
        ('launch-index', ['?'], True),  # which this is for 4.4
        ('tenancy', ['default'], True),
        ('instance-lifecycle', [''], True),
        ('group-name', ['default'], True),
        ('monitoring-state', ['disabled'], True),
        ('hypervisor', ['*'], False),
        ('launch-time', ['*'], False),
        ('launch-time', ['2012-01-31T00:00:00Z'], False),
    ],
)
def test_values_are_compared_as_their_type_asks(
    lab_api: Lab, instance: dict[str, Any], name: str, values: list[str], matches: bool
) -> None:
    assert found(lab_api, instance, name, *values) is matches


def test_a_time_matches_to_the_millisecond(lab_api: Lab, instance: dict[str, Any]) -> None:
    (row,) = lab_api.rows('SELECT launched FROM instances WHERE id = ?', instance['InstanceId'])
    moment = datetime.datetime.fromtimestamp(int(row['launched'] * 1000) / 1000, datetime.timezone.utc)
    shown = moment.isoformat(timespec='milliseconds').replace('+00:00', 'Z')
    assert found(lab_api, instance, 'launch-time', shown)
    assert not found(lab_api, instance, 'launch-time', shown[:-4] + ('1Z' if shown[-4] != '1' else '2Z'))


def test_a_boolean_is_true_or_false_in_lower_case(lab_api: Lab, image: str) -> None:
    def images(*values: str) -> list[str]:
        filters = [{'Name': 'is-public', 'Values': list(values)}, {'Name': 'image-id', 'Values': [image]}]
        return [one['ImageId'] for one in lab_api.ec2().describe_images(Filters=filters)['Images']]

    assert images('false') == [image] and images('true', 'false') == [image]
    assert not images('true') and not images('False') and not images('*')


def test_sizes_of_volumes_are_strings_and_volumes_without_attachment_have_a_flag(lab_api: Lab) -> None:
    ec2 = lab_api.ec2()
    volume = ec2.create_volume(Size=7, AvailabilityZone='one')['VolumeId']

    def volumes(name: str, value: str) -> bool:
        filters = [{'Name': name, 'Values': [value]}, {'Name': 'volume-id', 'Values': [volume]}]
        return bool(ec2.describe_volumes(Filters=filters)['Volumes'])

    assert volumes('size', '7') and volumes('size', '?') and not volumes('size', '70')
    assert volumes('attachment.delete-on-termination', 'false') and not volumes('attachment.device', '*')


def test_virtualization_type_finds_no_image_from_a_snapshot(lab_api: Lab, image: str) -> None:
    lab_api.insert(
        'images',
        id='emi-0f117e25',
        account=lab_api.tenant.number,
        name='from-a-snapshot',
        type='machine',
        location='x/y',
        architecture='x86_64',
        virtualization_type='hvm',
        root_device_type='ebs',
        root_device_name='/dev/sda',
        size=1 << 30,
        state='available',
        created=0,
    )
    filters = [{'Name': 'virtualization-type', 'Values': ['*']}, {'Name': 'image-id', 'Values': [image, 'emi-0f117e25']}]
    assert [one['ImageId'] for one in lab_api.ec2().describe_images(Filters=filters)['Images']] == [image]
