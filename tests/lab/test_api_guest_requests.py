# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""RebootInstances and CreateImage, with the tests playing the node."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.refusals import refused
from tests.kit.waiting import wait_for


@pytest.fixture(name='ebs_image', scope='module')
def fixture_ebs_image(lab_api: Lab) -> str:
    ec2 = lab_api.ec2()
    mapping = [{'DeviceName': '/dev/sda', 'Ebs': {'SnapshotId': make_snapshot(lab_api)}}]
    reply = ec2.register_image(Name='requests', Architecture='x86_64', RootDeviceName='/dev/sda', BlockDeviceMappings=mapping)
    return str(reply['ImageId'])


def make_snapshot(lab_api: Lab) -> str:
    ec2 = lab_api.ec2()
    volume = ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    wait_for('the volume', lambda: ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['State'] == 'available')
    made = ec2.create_snapshot(VolumeId=volume)['SnapshotId']
    wait_for('the snapshot', lambda: ec2.describe_snapshots(SnapshotIds=[made])['Snapshots'][0]['State'] == 'completed')
    return str(made)


@pytest.fixture(name='instance')
def fixture_instance(lab_api: Lab, ebs_image: str) -> str:
    """A running instance whose root volume is ready."""
    ec2 = lab_api.ec2()
    instance = ec2.run_instances(ImageId=ebs_image, MinCount=1, MaxCount=1)['Instances'][0]['InstanceId']
    lab_api.report(instance, 'running')
    wait_for('it runs', lambda: describe(lab_api, instance)['State']['Name'] == 'running')
    wait_for('its volume', lambda: lab_api.row('volumes', volumes(lab_api, instance)['/dev/sda'])['state'] == 'available')
    return str(instance)


def describe(lab_api: Lab, instance: str) -> dict[str, Any]:
    return lab_api.ec2().describe_instances(InstanceIds=[instance])['Reservations'][0]['Instances'][0]


def volumes(lab_api: Lab, instance: str) -> dict[str, str]:
    return {one['DeviceName']: one['Ebs']['VolumeId'] for one in describe(lab_api, instance)['BlockDeviceMappings']}


def wanted(lab_api: Lab, instance: str) -> str | None:
    rows = lab_api.rows('SELECT * FROM guest_requests WHERE instance_id = ?', instance)
    return rows[0]['wanted'] if rows else None


def answer(lab_api: Lab, instance: str, node_state: str) -> None:
    """Play the node."""
    lab_api.execute('UPDATE guest_requests SET node_state = ? WHERE instance_id = ?', node_state, instance)


def image(lab_api: Lab, identifier: str) -> dict[str, Any]:
    return lab_api.ec2().describe_images(ImageIds=[identifier])['Images'][0]


def await_image(lab_api: Lab, identifier: str, state: str) -> dict[str, Any]:
    wait_for(f'{identifier} is {state}', lambda: image(lab_api, identifier)['State'] == state)
    return image(lab_api, identifier)


def create(lab_api: Lab, instance: str, **options: Any) -> str:
    options = {'Name': f'made-{secrets.token_hex(4)}', **options}
    return str(lab_api.ec2().create_image(InstanceId=instance, **options)['ImageId'])


def test_a_reboot_is_requested_from_the_node_once_and_the_instance_stays_running(lab_api: Lab, instance: str) -> None:
    ec2 = lab_api.ec2()
    ec2.reboot_instances(InstanceIds=[instance])
    ec2.reboot_instances(InstanceIds=[instance])
    assert wanted(lab_api, instance) == 'reboot'
    assert describe(lab_api, instance)['State']['Name'] == 'running'
    answer(lab_api, instance, 'done')
    wait_for('the answer is taken in', lambda: wanted(lab_api, instance) is None)


def test_reboots_that_are_refused_or_ignored(lab_api: Lab, instance: str) -> None:
    ec2 = lab_api.ec2()
    with refused('InternalFailure', 'No such instance(s): i-12345678', status=500):
        ec2.reboot_instances(InstanceIds=[instance, 'i-12345678'])
    with refused('InternalFailure', 'Invalid id: "nobody"', status=500):
        ec2.reboot_instances(InstanceIds=['nobody'])
    lab_api.execute("UPDATE instances SET account = '000000000009' WHERE id = ?", instance)
    with refused('InternalFailure', f'Permission denied for vm(s): {instance}', status=500):
        ec2.reboot_instances(InstanceIds=[instance])
    lab_api.execute("UPDATE instances SET account = ?, state = 'stopped' WHERE id = ?", lab_api.tenant.number, instance)
    ec2.reboot_instances(InstanceIds=[instance])
    assert wanted(lab_api, instance) is None


def test_an_image_of_all_volumes_is_made_while_the_guest_is_off(lab_api: Lab, instance: str) -> None:
    ec2 = lab_api.ec2()
    data = ec2.create_volume(Size=2, AvailabilityZone='one')['VolumeId']
    wait_for('the volume', lambda: ec2.describe_volumes(VolumeIds=[data])['Volumes'][0]['State'] == 'available')
    ec2.attach_volume(VolumeId=data, InstanceId=instance, Device='/dev/sdf')
    lab_api.report_attachment(data, 'attached')
    identifier = create(lab_api, instance, Description='of a running instance')
    assert (image(lab_api, identifier)['State'], wanted(lab_api, instance)) == ('pending', 'off')
    with refused('InternalFailure', 'Existing CreateImage task', status=500):
        create(lab_api, instance)
    with refused('InternalFailure', 'deregistered/failed', status=500):
        ec2.run_instances(ImageId=identifier, MinCount=1, MaxCount=1)
    assert ec2.describe_snapshots(Filters=[{'Name': 'description', 'Values': [f'*{identifier}*']}])['Snapshots'] == []
    answer(lab_api, instance, 'done')
    made = await_image(lab_api, identifier, 'available')
    assert (made['RootDeviceType'], made['Architecture'], made['Description']) == ('ebs', 'x86_64', 'of a running instance')
    devices = {one['DeviceName']: one['Ebs'] for one in made['BlockDeviceMappings']}
    assert {name: ebs['VolumeSize'] for name, ebs in devices.items()} == {'/dev/sda': 1, '/dev/sdf': 2}
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=[devices['/dev/sda']['SnapshotId']])['Snapshots']
    root = volumes(lab_api, instance)['/dev/sda']
    assert snapshot['VolumeId'] == root
    assert snapshot['Description'] == f'Created by CreateImage({instance}) for {identifier} from {root}'
    assert lab_api.config.snapshot_file(snapshot['SnapshotId']).stat().st_size == 1 << 30
    assert (wanted(lab_api, instance), describe(lab_api, instance)['State']['Name']) == ('on', 'running')
    answer(lab_api, instance, 'done')
    wait_for('the end', lambda: wanted(lab_api, instance) is None)
    ec2.run_instances(ImageId=identifier, MinCount=1, MaxCount=1)


def test_with_no_reboot_the_guest_is_left_alone_and_suppressed_devices_are_left_out(lab_api: Lab, instance: str) -> None:
    ec2 = lab_api.ec2()
    data = ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    wait_for('the volume', lambda: ec2.describe_volumes(VolumeIds=[data])['Volumes'][0]['State'] == 'available')
    ec2.attach_volume(VolumeId=data, InstanceId=instance, Device='/dev/sdf')
    mappings = [
        {'DeviceName': '/dev/sdf', 'NoDevice': 'true'},
        {'DeviceName': '/dev/sdg', 'Ebs': {'VolumeSize': 3}},
        {'DeviceName': '/dev/sdh', 'VirtualName': 'ephemeral0'},
    ]
    identifier = create(lab_api, instance, NoReboot=True, BlockDeviceMappings=mappings)
    assert wanted(lab_api, instance) is None
    devices = await_image(lab_api, identifier, 'available')['BlockDeviceMappings']
    assert [one['DeviceName'] for one in devices] == ['/dev/sda', '/dev/sdg', '/dev/sdh']
    assert devices[1]['Ebs']['VolumeSize'] == 3 and devices[2]['VirtualName'] == 'ephemeral0'


def test_a_stopped_instance_needs_no_node(lab_api: Lab, instance: str) -> None:
    lab_api.execute("UPDATE instances SET state = 'stopped' WHERE id = ?", instance)
    identifier = create(lab_api, instance)
    await_image(lab_api, identifier, 'available')
    assert wanted(lab_api, instance) is None


@pytest.mark.parametrize('how', ['the node fails', 'the instance ends'])
def test_an_image_that_cannot_be_made_is_failed(lab_api: Lab, instance: str, how: str) -> None:
    identifier = create(lab_api, instance)
    if how == 'the node fails':
        answer(lab_api, instance, 'failed')
    else:
        lab_api.ec2().terminate_instances(InstanceIds=[instance])
    await_image(lab_api, identifier, 'failed')
    if how == 'the node fails':
        wait_for('it is switched on again', lambda: wanted(lab_api, instance) == 'on')
    else:
        wait_for('the request is gone', lambda: wanted(lab_api, instance) is None)
    assert f'{identifier} of {instance}: ' in (lab_api.home / 'api.log').read_text()


def test_a_task_goes_on_after_the_api_process_was_killed(make_lab_api: Any) -> None:
    lab = make_lab_api('killed-image-task')
    mapping = [{'DeviceName': '/dev/sda', 'Ebs': {'SnapshotId': make_snapshot(lab)}}]
    source = lab.ec2().register_image(Name='source', RootDeviceName='/dev/sda', BlockDeviceMappings=mapping)['ImageId']
    instance = lab.ec2().run_instances(ImageId=source, MinCount=1, MaxCount=1)['Instances'][0]['InstanceId']
    lab.report(instance, 'running')
    wait_for('it runs', lambda: describe(lab, instance)['State']['Name'] == 'running')
    wait_for('its volume', lambda: lab.row('volumes', volumes(lab, instance)['/dev/sda'])['state'] == 'available')
    identifier = create(lab, instance)
    lab.stop(9)
    answer(lab, instance, 'done')
    lab.start()
    await_image(lab, identifier, 'available')


def test_images_that_are_not_created(lab_api: Lab, instance: str) -> None:
    with refused('InvalidAMIName.Malformed'):
        create(lab_api, instance, Name='a')
    with refused('InvalidAMIName.Duplicate'):
        create(lab_api, instance, Name='requests')
    with refused('InternalFailure', 'Instance does not exist: i-12345678', status=500):
        create(lab_api, 'i-12345678')
    with refused('InvalidParameterValue', "Expected: 'i-...'"):
        create(lab_api, 'nobody')
    for mapping, message in (
        ({'DeviceName': '/dev/sda', 'Ebs': {'VolumeSize': 1}}, 'should not contain root device'),
        ({'DeviceName': '/dev/sda', 'NoDevice': ''}, 'should not contain root device'),
    ):
        with refused('InvalidBlockDeviceMapping', message):
            create(lab_api, instance, BlockDeviceMappings=[mapping])
    # Without the node's report, the cloud does not call it running again.
    lab_api.execute("UPDATE instances SET state = 'pending', node_state = NULL WHERE id = ?", instance)
    with refused('InternalFailure', f"'running' or 'stopped' state: {instance} is in state pending", status=500):
        create(lab_api, instance)
    lab_api.execute("UPDATE instances SET state = 'running', root_device_type = 'instance-store' WHERE id = ?", instance)
    with refused('InternalFailure', 'not booted from an EBS volume', status=500):
        create(lab_api, instance)
    lab_api.execute("UPDATE instances SET account = '000000000009' WHERE id = ?", instance)
    with refused('InternalFailure', f'Not authorized to create an image from instance {instance}', status=500):
        create(lab_api, instance)
