# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes and snapshots: real files, every state, separate accounts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.refusals import refused
from tests.kit.waiting import wait_for

GIB = 1 << 30


def volume(lab_api: Lab, **options: Any) -> str:
    """A new volume that is available."""
    options = {'AvailabilityZone': 'one', **options}
    identifier = lab_api.ec2().create_volume(**options)['VolumeId']
    lab_api.age('volumes', identifier, 8)
    wait_for(f'{identifier} is available', lambda: state(lab_api, identifier) == 'available')
    return identifier


def state(lab_api: Lab, identifier: str) -> str:
    return lab_api.ec2().describe_volumes(VolumeIds=[identifier])['Volumes'][0]['State']


def snapshot(lab_api: Lab, volume_id: str) -> str:
    """A new snapshot that is completed."""
    identifier = lab_api.ec2().create_snapshot(VolumeId=volume_id)['SnapshotId']
    wait_for(
        f'{identifier} is completed',
        lambda: lab_api.ec2().describe_snapshots(SnapshotIds=[identifier])['Snapshots'][0]['State'] == 'completed',
    )
    return identifier


@pytest.fixture(scope='module')
def big_snapshot(lab_api: Lab) -> str:
    """Of a volume of 2 GiB."""
    return snapshot(lab_api, volume(lab_api, Size=2))


def test_a_volume_is_creating_then_a_sparse_file_then_available(lab_api: Lab) -> None:
    made = lab_api.ec2().create_volume(Size=2, AvailabilityZone='one')
    assert made['State'] == 'creating'
    wait_for('available', lambda: state(lab_api, made['VolumeId']) == 'available')
    status = lab_api.config.volume_file(made['VolumeId']).stat()
    assert (status.st_size, status.st_blocks) == (2 * GIB, 0)


@pytest.mark.parametrize('size', ['101', '2147483647'])
def test_a_volume_that_the_storage_controller_has_no_room_for_is_refused(lab_api: Lab, size: str) -> None:
    status, body = lab_api.call(f'Action=CreateVolume&Size={size}&AvailabilityZone=one')
    assert (status, '<Code>VolumeLimitExceeded</Code>' in body) == (400, True), body


def test_all_volumes_together_have_a_limit_too(make_lab_api: Callable[..., Lab]) -> None:
    ec2 = make_lab_api('full').ec2()
    for _ in range(5):
        ec2.create_volume(Size=100, AvailabilityZone='one')
    with refused('VolumeLimitExceeded', 'Total Volume Size Limit Exceeded'):
        ec2.create_volume(Size=1, AvailabilityZone='one')


def test_a_volume_that_cannot_be_made_is_failed_and_the_others_go_on(lab_api: Lab) -> None:
    lab_api.insert(
        'volumes',
        id='vol-0bad0bad',
        account=lab_api.tenant.number,
        size=1 << 40,
        zone='one',
        state='creating',
        state_since=time.time(),
        created=0,
    )
    wait_for('it is failed', lambda: state(lab_api, 'vol-0bad0bad') == 'failed')
    volume(lab_api, Size=1)
    lab_api.ec2().delete_volume(VolumeId='vol-0bad0bad')


def test_a_volume_that_cannot_be_removed_is_failed_and_the_others_go_on(lab_api: Lab) -> None:
    stuck, other = volume(lab_api, Size=1), volume(lab_api, Size=1)
    file = lab_api.config.volume_file(stuck)
    file.unlink()
    file.mkdir()
    for identifier in (stuck, other):
        lab_api.ec2().delete_volume(VolumeId=identifier)
    wait_for('the other is removed', lambda: not lab_api.config.volume_file(other).exists())
    assert state(lab_api, stuck) == 'failed'
    file.rmdir()


def test_a_deleted_volume_is_deleting_then_deleted_then_gone(slow_api: Lab) -> None:
    identifier, ec2 = volume(slow_api, Size=1), slow_api.ec2()
    ec2.delete_volume(VolumeId=identifier)
    assert state(slow_api, identifier) == 'deleting'
    slow_api.age('volumes', identifier, 8)
    wait_for('the volume is deleted', lambda: state(slow_api, identifier) == 'deleted')
    assert not slow_api.config.volume_file(identifier).exists()
    slow_api.age('volumes', identifier, 60)
    only = [{'Name': 'volume-id', 'Values': [identifier]}]
    wait_for('the volume is gone', lambda: not ec2.describe_volumes(Filters=only)['Volumes'])


def test_volume_requests_that_make_no_sense(lab_api: Lab) -> None:
    ec2 = lab_api.ec2()
    with refused('InvalidZone.NotFound', "The zone 'two' does not exist."):
        ec2.create_volume(Size=1, AvailabilityZone='two')
    with refused('InternalFailure', 'must be greater than zero', status=500):
        ec2.create_volume(Size=0, AvailabilityZone='one')
    with refused('InternalFailure', 'One of size or snapshotId', status=500):
        ec2.create_volume(AvailabilityZone='one')
    with refused('InvalidSnapshot.NotFound'):
        ec2.create_volume(SnapshotId='snap-12345678', AvailabilityZone='one')
    with refused('InvalidVolume.NotFound', "'vol-12345678'"):
        ec2.create_snapshot(VolumeId='vol-12345678')


def test_a_snapshot_shows_its_progress_and_holds_the_volumes_bytes(slow_api: Lab) -> None:
    ec2, identifier = slow_api.ec2(), volume(slow_api, Size=1)
    with open(slow_api.config.volume_file(identifier), 'r+b') as file:
        file.seek(300 << 20)
        file.write(b'written by a guest')
    made = ec2.create_snapshot(VolumeId=identifier, Description='after the installation')
    assert (made['State'], made['Progress'], made['VolumeSize']) == ('pending', '0%', 1)

    def await_progress(state: str, progress: str) -> None:
        slow_api.age('snapshots', made['SnapshotId'], 12)  # of thirty

        def shown() -> bool:
            one = ec2.describe_snapshots(SnapshotIds=[made['SnapshotId']])['Snapshots'][0]
            return (one['State'], one['Progress']) == (state, progress)

        wait_for(f'{state} {progress}', shown)

    await_progress('pending', '40%')
    await_progress('pending', '80%')
    await_progress('completed', '100%')
    with open(slow_api.config.snapshot_file(made['SnapshotId']), 'rb') as file:
        file.seek(300 << 20)
        assert file.read(18) == b'written by a guest'
    assert slow_api.config.snapshot_file(made['SnapshotId']).stat().st_blocks * 512 < 1 << 20

    copy = volume(slow_api, SnapshotId=made['SnapshotId'], Size=2)
    with open(slow_api.config.volume_file(copy), 'rb') as file:
        assert file.seek(0, 2) == 2 * GIB
        file.seek(300 << 20)
        assert file.read(18) == b'written by a guest'


def test_a_volume_may_be_deleted_while_its_snapshot_is_pending(lab_api: Lab) -> None:
    identifier = volume(lab_api, Size=1)
    made = lab_api.ec2().create_snapshot(VolumeId=identifier)['SnapshotId']
    lab_api.ec2().delete_volume(VolumeId=identifier)
    wait_for(
        'the snapshot is completed nevertheless',
        lambda: lab_api.ec2().describe_snapshots(SnapshotIds=[made])['Snapshots'][0]['State'] == 'completed',
    )


def test_a_volume_smaller_than_its_snapshot_is_refused(lab_api: Lab, big_snapshot: str) -> None:
    with refused('InternalFailure', 'Volume size cannot be less than snapshot size', status=500):
        lab_api.ec2().create_volume(SnapshotId=big_snapshot, Size=1, AvailabilityZone='one')


def test_images_are_registered_from_snapshots_and_keep_them(lab_api: Lab) -> None:
    ec2, made = lab_api.ec2(), snapshot(lab_api, volume(lab_api, Size=1))
    mapping = [{'DeviceName': '/dev/sda1', 'Ebs': {'SnapshotId': made}}]
    image = ec2.register_image(Name='registered-from-a-snapshot', RootDeviceName='/dev/sda1', BlockDeviceMappings=mapping)[
        'ImageId'
    ]
    described = ec2.describe_images(ImageIds=[image])['Images'][0]
    # /dev/sda1 is taken for /dev/sda; nothing said about the architecture means i386.
    assert (described['RootDeviceType'], described['RootDeviceName'], described['Architecture']) == ('ebs', '/dev/sda', 'i386')
    assert described['BlockDeviceMappings'][0]['Ebs']['SnapshotId'] == made
    with refused('InvalidSnapshot.InUse'):
        ec2.delete_snapshot(SnapshotId=made)
    ec2.deregister_image(ImageId=image)
    ec2.delete_snapshot(SnapshotId=made)
    assert not lab_api.config.snapshot_file(made).exists()
    with refused('InvalidSnapshot.NotFound'):
        ec2.delete_snapshot(SnapshotId=made)


@pytest.mark.parametrize(
    'device, ebs, words',
    [
        ('/dev/sda2', {}, 'cannot be a partition'),
        ('disk', {}, 'is invalid'),
        ('/dev/sda', {'VolumeSize': 1}, 'cannot be smaller than the source snapshot'),
        ('/dev/sda', {'SnapshotId': 'snap-12345678'}, 'Unable to find snapshot'),
    ],
)
def test_snapshot_mappings_that_are_refused(lab_api: Lab, big_snapshot: str, device: str, ebs: dict[str, Any], words: str) -> None:
    with refused('InternalFailure', words, status=500):
        lab_api.ec2().register_image(
            Name='not-registered',
            RootDeviceName=device,
            BlockDeviceMappings=[{'DeviceName': device, 'Ebs': {'SnapshotId': big_snapshot, **ebs}}],
        )


def test_an_image_needs_a_manifest_or_a_snapshot_and_not_both(lab_api: Lab) -> None:
    with refused('InternalFailure', 'must specify either ImageLocation', status=500):
        lab_api.ec2().register_image(Name='neither')
    with refused('InternalFailure', 'Ebs block device mappings are not supported', status=500):
        lab_api.ec2().register_image(
            Name='both',
            ImageLocation='a-bucket/m.manifest.xml',
            BlockDeviceMappings=[{'DeviceName': '/dev/sdb', 'Ebs': {'VolumeSize': 1}}],
        )


def test_a_tenant_neither_sees_nor_touches_what_the_admin_has(lab_api: Lab) -> None:
    admin, tenant = lab_api.ec2(lab_api.admin), lab_api.ec2()
    identifier = admin.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    wait_for('made', lambda: admin.describe_volumes(VolumeIds=[identifier])['Volumes'][0]['State'] == 'available')
    made = admin.create_snapshot(VolumeId=identifier)['SnapshotId']
    with refused('InvalidVolume.NotFound'):
        tenant.describe_volumes(VolumeIds=[identifier])
    with refused('InvalidSnapshot.NotFound'):
        tenant.describe_snapshots(SnapshotIds=[made])
    with refused('InvalidVolume.NotFound'):
        tenant.create_snapshot(VolumeId=identifier)
    for call in (
        lambda: tenant.delete_volume(VolumeId=identifier),
        lambda: tenant.delete_snapshot(SnapshotId=made),
        lambda: tenant.create_volume(SnapshotId=made, AvailabilityZone='one'),
    ):
        with refused('UnauthorizedOperation', status=403):
            call()
    with refused('InvalidVolume.NotFound'):
        tenant.create_tags(Resources=[identifier], Tags=[{'Key': 'Name', 'Value': 'mine'}])


def test_the_admin_sees_everybodys_on_request(lab_api: Lab) -> None:
    identifier = volume(lab_api, Size=1)
    admin = lab_api.ec2(lab_api.admin)
    assert identifier not in [one['VolumeId'] for one in admin.describe_volumes()['Volumes']]
    assert identifier in [one['VolumeId'] for one in admin.describe_volumes(VolumeIds=['verbose'])['Volumes']]


def test_tags(lab_api: Lab) -> None:
    ec2, identifier = lab_api.ec2(), volume(lab_api, Size=1)
    ec2.create_tags(Resources=[identifier], Tags=[{'Key': 'Name', 'Value': 'one'}, {'Key': 'Use', 'Value': ''}])
    ec2.create_tags(Resources=[identifier], Tags=[{'Key': 'Name', 'Value': 'two'}])
    only = [{'Name': 'resource-id', 'Values': [identifier]}]
    tags = ec2.describe_tags(Filters=only)['Tags']
    assert [(one['Key'], one['Value'], one['ResourceType']) for one in tags] == [('Name', 'two', 'volume'), ('Use', '', 'volume')]
    ec2.delete_tags(Resources=[identifier], Tags=[{'Key': 'Name', 'Value': 'another'}, {'Key': 'Use'}])
    assert ec2.describe_volumes(VolumeIds=[identifier])['Volumes'][0]['Tags'] == [{'Key': 'Name', 'Value': 'two'}]
    for key in ('aws:mine', 'euca:mine', 'k' * 128):
        with refused('InvalidParameterValue'):
            ec2.create_tags(Resources=[identifier], Tags=[{'Key': key, 'Value': 'x'}])
    with refused('TagLimitExceeded'):
        ec2.create_tags(Resources=[identifier], Tags=[{'Key': f'key{number}', 'Value': 'x'} for number in range(10)])
    assert len(ec2.describe_tags(Filters=only)['Tags']) == 1


def test_every_volume_is_ok_and_those_of_others_are_not_found(lab_api: Lab) -> None:
    ec2, identifier = lab_api.ec2(), volume(lab_api, Size=1)
    (status,) = ec2.describe_volume_status(VolumeIds=[identifier])['VolumeStatuses']
    assert (status['VolumeId'], status['VolumeStatus']['Status'], status['AvailabilityZone']) == (identifier, 'ok', 'one')
    assert ec2.describe_volume_status(Filters=[{'Name': 'volume-status.status', 'Values': ['impaired']}])['VolumeStatuses'] == []
    assert lab_api.ec2(lab_api.admin).describe_volume_status(VolumeIds=[identifier])['VolumeStatuses'] == [status]
    with refused('InvalidVolume.NotFound', 'vol-12345678'):
        ec2.describe_volume_status(VolumeIds=['vol-12345678'])
