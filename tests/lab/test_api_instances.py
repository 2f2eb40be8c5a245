# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances and attachments, with the tests playing the node: what clients see, when, and what they may ask for."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eucalab.cloud.accounts import Credentials
from eucalab.host import guests
from tests.kit.lab import Lab
from tests.kit.refusals import refused
from tests.kit.waiting import wait_for


@pytest.fixture(scope='module')
def image(lab_api: Lab) -> str:
    """An instance-store image of the tenant, with a kernel and a ramdisk that the admin published."""
    return lab_api.register(lab_api.tenant, 'machine', 'instance-images', **lab_api.published_boot())


@pytest.fixture(scope='module')
def snapshot(lab_api: Lab) -> str:
    return make_snapshot(lab_api)


def make_snapshot(lab_api: Lab, owner: Credentials | None = None) -> str:
    ec2 = lab_api.ec2(owner)
    made = ec2.create_snapshot(VolumeId=available_volume(lab_api, owner))['SnapshotId']
    lab_api.age('snapshots', made, 30)
    wait_for('done', lambda: ec2.describe_snapshots(SnapshotIds=[made])['Snapshots'][0]['State'] == 'completed')
    return made


def available_volume(lab_api: Lab, owner: Credentials | None = None) -> str:
    volume = lab_api.ec2(owner).create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    lab_api.age('volumes', volume, 8)
    wait_for('the volume is available', lambda: volume_state(lab_api, volume, owner) == 'available')
    return volume


@pytest.fixture(scope='module')
def ebs_image(lab_api: Lab, snapshot: str) -> str:
    return register_ebs(lab_api, snapshot)


def register_ebs(lab_api: Lab, snapshot: str) -> str:
    mapping = [{'DeviceName': '/dev/sda', 'Ebs': {'SnapshotId': snapshot}}]
    return lab_api.ec2().register_image(
        Name='an-ebs-image', Architecture='x86_64', RootDeviceName='/dev/sda', BlockDeviceMappings=mapping
    )['ImageId']


@pytest.fixture(scope='module')
def slow_ebs_image(slow_api: Lab) -> str:
    return register_ebs(slow_api, make_snapshot(slow_api))


def volume_state(lab_api: Lab, volume: str, owner: Credentials | None = None) -> str:
    return lab_api.ec2(owner).describe_volumes(VolumeIds=[volume])['Volumes'][0]['State']


def run(lab_api: Lab, image: str, **options: Any) -> dict[str, Any]:
    return lab_api.ec2().run_instances(ImageId=image, MinCount=1, MaxCount=1, **options)['Instances'][0]


def describe(lab_api: Lab, instance: str) -> dict[str, Any]:
    return lab_api.ec2().describe_instances(InstanceIds=[instance])['Reservations'][0]['Instances'][0]


def await_state(lab_api: Lab, instance: str, state: str) -> None:
    wait_for(f'{instance} is {state}', lambda: describe(lab_api, instance)['State']['Name'] == state)


def running(lab_api: Lab, image: str, **options: Any) -> str:
    instance = run(lab_api, image, **options)['InstanceId']
    lab_api.report(instance, 'running')
    assert state_after_poll(lab_api, instance) == 'running'
    return instance


def state_after_poll(lab_api: Lab, instance: str) -> str:
    lab_api.poll()
    return describe(lab_api, instance)['State']['Name']


def test_a_new_instance_is_pending_until_its_node_reports_it(lab_api: Lab, image: str) -> None:
    made = run(lab_api, image, UserData='bootparams=ip=dhcp\n')
    assert made['State'] == {'Code': 0, 'Name': 'pending'}
    row = lab_api.row('instances', made['InstanceId'])
    assert row['mac'].replace(':', '') == 'd00d' + made['InstanceId'][2:]
    assert base64.b64decode(row['user_data']) == b'bootparams=ip=dhcp\n'
    assert row['node_user_data'] == row['user_data']
    assert row['kernel_id'].startswith('eki-') and row['ramdisk_id'].startswith('eri-')
    for report in ('staging', 'booting'):
        lab_api.report(made['InstanceId'], report)
        assert state_after_poll(lab_api, made['InstanceId']) == 'pending'
    lab_api.report(made['InstanceId'], 'running')
    assert state_after_poll(lab_api, made['InstanceId']) == 'running'


def test_instances_go_to_the_nodes_in_turn(lab_api: Lab, image: str) -> None:
    made = lab_api.ec2().run_instances(ImageId=image, MinCount=4, MaxCount=4)['Instances']
    nodes = [lab_api.row('instances', one['InstanceId'])['node'] for one in made]
    assert nodes[:2] == nodes[2:] and set(nodes) == {'node1', 'node2'}
    assert [one['AmiLaunchIndex'] for one in made] == [0, 1, 2, 3]
    described = lab_api.ec2().describe_instances(InstanceIds=[one['InstanceId'] for one in made])['Reservations']
    assert [len(one['Instances']) for one in described] == [4]


def test_a_power_off_ends_an_instance_store_instance_after_settling_and_shutting_down(slow_api: Lab) -> None:
    ids = slow_api.published_boot()
    instance = running(slow_api, slow_api.register(slow_api.tenant, 'machine', 'slow-images', **ids))
    slow_api.report(instance, 'teardown')
    slow_api.age('instances', instance, 39)
    assert state_after_poll(slow_api, instance) == 'running'
    slow_api.age('instances', instance, 2)
    assert [state_after_poll(slow_api, instance) for _ in range(2)] == ['shutting-down', 'terminated']


def test_a_launch_that_fails_ends_terminated_with_the_nodes_reason(lab_api: Lab, image: str) -> None:
    instance = run(lab_api, image)['InstanceId']
    lab_api.report(instance, 'teardown', reason='part 00 has another digest')
    await_state(lab_api, instance, 'terminated')
    assert describe(lab_api, instance)['StateTransitionReason'] == (
        'The instance failed to start on the NC. part 00 has another digest'
    )


def test_terminating_is_seen_and_ends_when_the_node_is_done(lab_api: Lab, image: str) -> None:
    instance, ec2 = running(lab_api, image), lab_api.ec2()
    change = ec2.terminate_instances(InstanceIds=[instance])['TerminatingInstances'][0]
    assert (change['PreviousState']['Name'], change['CurrentState']['Name']) == ('running', 'shutting-down')
    assert state_after_poll(lab_api, instance) == 'shutting-down'
    lab_api.report(instance, 'teardown')
    await_state(lab_api, instance, 'terminated')
    ec2.terminate_instances(InstanceIds=[instance])
    with refused('InvalidInstanceID.NotFound'):
        describe(lab_api, instance)


def test_terminated_instances_vanish_after_an_hour(lab_api: Lab, image: str) -> None:
    instance = running(lab_api, image)
    lab_api.ec2().terminate_instances(InstanceIds=[instance])
    lab_api.report(instance, 'teardown')
    await_state(lab_api, instance, 'terminated')
    lab_api.execute('UPDATE instances SET state_since = state_since - 3601 WHERE id = ?', instance)

    def gone() -> bool:
        only = [{'Name': 'instance-id', 'Values': [instance]}]
        return not lab_api.ec2().describe_instances(Filters=only)['Reservations']

    wait_for('the instance has vanished', gone)


def test_the_same_client_token_runs_one_instance(lab_api: Lab, image: str) -> None:
    token = secrets.token_hex(8)
    first, second = run(lab_api, image, ClientToken=token), run(lab_api, image, ClientToken=token)
    assert first['InstanceId'] == second['InstanceId']
    assert run(lab_api, image, ClientToken=token + 'x')['InstanceId'] != first['InstanceId']


def test_run_requests_that_are_refused(lab_api: Lab, image: str) -> None:
    with refused('InvalidAMIID.NotFound'):
        run(lab_api, 'emi-12345678')
    with refused('InternalFailure', 'no cluster controller', status=500):
        run(lab_api, image, Placement={'AvailabilityZone': 'two'})
    with refused('InvalidKeyPair.NotFound'):
        run(lab_api, image, KeyName='mine')
    with refused('InvalidGroup.NotFound'):
        run(lab_api, image, SecurityGroups=['web'])
    with refused('InvalidParameterValue', 'User data may not exceed 16 KB'):
        run(lab_api, image, UserData='x' * 16385)
    with refused('InternalFailure', 'Ebs block device mappings are not supported', status=500):
        run(lab_api, image, BlockDeviceMappings=[{'DeviceName': '/dev/sdb', 'Ebs': {'VolumeSize': 1}}])
    with refused('InternalFailure', 'Failed to lookup instance type', status=500):
        run(lab_api, image, InstanceType='x9.huge')
    with refused('InvalidParameterValue', 'not a kernel'):
        run(lab_api, image, KernelId=lab_api.row('images', image)['ramdisk_id'])
    run(lab_api, image, UserData='x' * 16384, SecurityGroups=['default'])


def test_an_instance_has_the_key_pair_and_the_groups_that_it_was_run_with(lab_api: Lab, image: str) -> None:
    ec2 = lab_api.ec2()
    ec2.create_key_pair(KeyName='of-an-instance')
    group = ec2.create_security_group(GroupName='of-an-instance', Description='x')['GroupId']
    instance = run(lab_api, image, KeyName='of-an-instance', SecurityGroupIds=[group])
    assert instance['KeyName'] == 'of-an-instance'
    assert instance['SecurityGroups'] == [{'GroupId': group, 'GroupName': 'of-an-instance'}]
    with refused('InvalidGroup.InUse'):
        ec2.delete_security_group(GroupId=group)


def test_an_image_bigger_than_the_type_is_refused(lab_api: Lab) -> None:
    location = lab_api.put_manifest(lab_api.tenant, 'instance-images/large.manifest.xml', size=6 << 30)
    large = lab_api.ec2().register_image(Name='a-large-image', ImageLocation=location, VirtualizationType='hvm')['ImageId']
    with refused('InvalidParameterCombination', 'm1.small'):
        run(lab_api, large)
    run(lab_api, large, InstanceType='m1.medium')


def test_a_partitioned_image_needs_room_for_swap_and_an_ephemeral_file_system(lab_api: Lab) -> None:
    location = lab_api.put_manifest(lab_api.tenant, 'instance-images/tight.manifest.xml', size=(5 << 30) - (512 << 20))
    ec2, boot = lab_api.ec2(), lab_api.published_boot()
    tight = ec2.register_image(Name='a-tight-image', ImageLocation=location, **boot)['ImageId']
    message = 'image too large to accommodate swap and ephemeral [size=4608MB] for instance type m1.small [disk=5120MB]'
    with refused('InternalFailure', message, status=500):
        run(lab_api, tight)
    run(lab_api, ec2.register_image(Name='a-tight-disk', ImageLocation=location, VirtualizationType='hvm')['ImageId'])


def test_an_ebs_instance_has_an_ephemeral_disk_if_it_asks_for_one(lab_api: Lab, ebs_image: str) -> None:
    asked = [
        {'DeviceName': '/dev/sdb', 'VirtualName': 'ephemeral0'},
        {'DeviceName': '/dev/sdc', 'VirtualName': 'ephemeral1'},  # 4.4 leaves out all but the first
        {'DeviceName': '/dev/sdd', 'Ebs': {'VolumeSize': 1}},
    ]
    made = running(lab_api, ebs_image, BlockDeviceMappings=asked)
    rows = lab_api.rows('SELECT name, device FROM ephemeral_disks WHERE instance_id = ?', made)
    assert [tuple(row) for row in rows] == [('ephemeral0', '/dev/sdb')]
    assert {one['DeviceName'] for one in describe(lab_api, made)['BlockDeviceMappings']} == {'/dev/sda', '/dev/sdd'}
    with refused('InvalidParameterValue', 'Already have an ephemeral device attached to: sdb'):
        lab_api.ec2().attach_volume(VolumeId=available_volume(lab_api), InstanceId=made, Device='sdb')
    without = run(lab_api, ebs_image)['InstanceId']
    assert not lab_api.rows('SELECT 1 FROM ephemeral_disks WHERE instance_id = ?', without)


def test_the_mappings_of_an_ebs_image_have_the_names_of_the_metadata(lab_api: Lab, snapshot: str) -> None:
    mappings = [
        {'DeviceName': '/dev/sda', 'Ebs': {'SnapshotId': snapshot}},
        {'DeviceName': '/dev/sdb', 'VirtualName': 'ephemeral0'},
        {'DeviceName': '/dev/sdc', 'Ebs': {'VolumeSize': 2}},
    ]
    ec2 = lab_api.ec2()
    options = {'Architecture': 'x86_64', 'RootDeviceName': '/dev/sda', 'BlockDeviceMappings': mappings}
    image = ec2.register_image(Name='a-mapped-image', **options)['ImageId']
    shown = ec2.describe_image_attribute(ImageId=image, Attribute='blockDeviceMapping')['BlockDeviceMappings']
    assert [(one['VirtualName'], one['DeviceName']) for one in shown] == [
        *(('emi', '/dev/sda'), ('root', '/dev/sda'), ('ephemeral0', '/dev/sdb'), ('ebs1', '/dev/sdc'))
    ]
    instance = run(lab_api, image)['InstanceId']
    rows = lab_api.rows('SELECT name, device FROM ephemeral_disks WHERE instance_id = ?', instance)
    assert [tuple(row) for row in rows] == [('ephemeral0', '/dev/sdb')]


def test_a_manifest_written_over_makes_its_image_unusable(lab_api: Lab) -> None:
    made = lab_api.register(lab_api.tenant, 'machine', 'instance-images', VirtualizationType='hvm')
    run(lab_api, made)
    lab_api.put_manifest(lab_api.tenant, lab_api.row('images', made)['location'], size=2)
    with refused('InternalFailure', 'Image manifest was changed after registration', status=500):
        run(lab_api, made)


def test_nobody_runs_an_image_that_is_not_shared_with_them(lab_api: Lab) -> None:
    private = lab_api.register(lab_api.admin, 'machine', 'admin-private', VirtualizationType='hvm')
    with refused('UnauthorizedOperation', status=403):
        run(lab_api, private)
    lab_api.ec2(lab_api.admin).modify_image_attribute(
        ImageId=private, LaunchPermission={'Add': [{'UserId': lab_api.tenant.number}]}
    )
    run(lab_api, private)


def test_a_tenant_gets_no_disk_made_from_somebody_elses_snapshot(lab_api: Lab, ebs_image: str, snapshot: str) -> None:
    """The administrator does: 4.4 shows and gives it every account's snapshots."""
    others = make_snapshot(lab_api, lab_api.admin)
    stolen = [{'DeviceName': '/dev/vdb', 'Ebs': {'SnapshotId': others}}]
    with refused('InternalFailure', f'Unable to find snapshot {others}', status=500):
        run(lab_api, ebs_image, BlockDeviceMappings=stolen)
    run(lab_api, ebs_image, BlockDeviceMappings=[{'DeviceName': '/dev/vdb', 'Ebs': {'SnapshotId': snapshot}}])


def test_instances_of_others_are_out_of_sight_and_reach(lab_api: Lab, image: str) -> None:
    lab_api.ec2().modify_image_attribute(ImageId=image, LaunchPermission={'Add': [{'Group': 'all'}]})
    admin, tenant = lab_api.ec2(lab_api.admin), lab_api.ec2()
    instance = admin.run_instances(ImageId=image, MinCount=1, MaxCount=1)['Instances'][0]['InstanceId']
    for call in (
        lambda: describe(lab_api, instance),
        lambda: tenant.terminate_instances(InstanceIds=[instance]),
        lambda: tenant.describe_instance_attribute(InstanceId=instance, Attribute='userData'),
    ):
        with refused('InvalidInstanceID.NotFound'):
            call()
    with refused('InternalFailure', 'Permission denied', status=500):
        tenant.get_console_output(InstanceId=instance)
    mine = run(lab_api, image)['InstanceId']
    assert admin.describe_instances(InstanceIds=['verbose', mine])['Reservations']


def test_attributes_of_an_instance(lab_api: Lab, image: str) -> None:
    instance = run(lab_api, image, UserData='bootparams=x')['InstanceId']

    def attribute(name: str) -> dict[str, Any]:
        return lab_api.ec2().describe_instance_attribute(InstanceId=instance, Attribute=name)

    assert base64.b64decode(attribute('userData')['UserData']['Value']) == b'bootparams=x'
    assert attribute('instanceType')['InstanceType']['Value'] == 'm1.small'
    assert attribute('kernel')['KernelId']['Value'].startswith('eki-')
    with refused('InvalidInstanceID.NotFound'):
        attribute('colour')


def test_console_output_is_the_head_of_one_file_and_the_tail_of_another(lab_api: Lab, image: str, tmp_path: Path) -> None:
    instance = run(lab_api, image)['InstanceId']
    with refused('InternalFailure', 'is not in a running state', status=500):
        lab_api.ec2().get_console_output(InstanceId=instance)
    lab_api.report(instance, 'running', tmp_path)
    await_state(lab_api, instance, 'running')
    assert lab_api.ec2().get_console_output(InstanceId=instance).get('Output', '') == ''
    (tmp_path / 'console.append.log').write_bytes(b'hook: done\n' + b'.' * 5000)
    (tmp_path / 'console.log').write_bytes(b'x' * 70000 + b'login: \xff')
    raw = base64.b64decode(
        lab_api.call(f'Action=GetConsoleOutput&InstanceId={instance}')[1].split('<output>')[1].split('</output>')[0]
    )
    assert len(raw) == 4096 + 65536
    assert raw.startswith(b'hook: done\n') and raw.endswith(b'login: \xff')


def test_an_attachment_is_attaching_until_the_node_has_it(slow_api: Lab, slow_ebs_image: str) -> None:
    ec2, instance = slow_api.ec2(), running(slow_api, slow_ebs_image)
    volume = available_volume(slow_api)

    def attachment() -> str:
        attachments = ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['Attachments']
        return attachments[0]['State'] if attachments else 'none'

    def attachment_after_poll() -> str:
        slow_api.poll()
        return attachment()

    assert ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device='/dev/sdc')['State'] == 'attaching'
    assert (attachment(), volume_state(slow_api, volume)) == ('attaching', 'in-use')
    with refused('VolumeInUse'):
        ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device='/dev/sdd')
    with refused('VolumeInUse'):
        ec2.delete_volume(VolumeId=volume)
    slow_api.report_attachment(volume, 'attached')
    assert [attachment(), attachment_after_poll()] == ['attaching', 'attached']
    assert ec2.detach_volume(VolumeId=volume)['State'] == 'detaching'
    slow_api.report_attachment(volume, 'failed', 'device is busy')
    assert [attachment(), attachment_after_poll()] == ['detaching', 'attached']
    ec2.detach_volume(VolumeId=volume)
    slow_api.report_attachment(volume, 'detached')
    assert [attachment(), attachment_after_poll()] == ['detaching', 'none']
    assert volume_state(slow_api, volume) == 'available'
    with refused('IncorrectState', 'Volume is not attached'):
        ec2.detach_volume(VolumeId=volume)


def test_an_attachment_that_fails_makes_the_volume_available_again(lab_api: Lab, image: str) -> None:
    ec2, instance = lab_api.ec2(), running(lab_api, image)
    volume = available_volume(lab_api)
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device='vdb')
    lab_api.report_attachment(volume, 'failed', 'no slot')
    wait_for('available again', lambda: volume_state(lab_api, volume) == 'available')


def test_attach_requests_that_are_refused(lab_api: Lab, image: str) -> None:
    ec2, pending = lab_api.ec2(), run(lab_api, image)['InstanceId']
    volume = available_volume(lab_api)
    for device in ('', 'sd', '/dev/sd-c', '/dev/sdccccc'):
        status, body = lab_api.call(f'Action=AttachVolume&VolumeId={volume}&InstanceId={pending}&Device={device}')
        assert (status, 'InvalidParameterValue' in body) == (400, True)
    with refused('IncorrectState', "is not 'running'"):
        ec2.attach_volume(VolumeId=volume, InstanceId=pending, Device='/dev/sdc')
    with refused('InvalidInstanceID.NotFound'):
        ec2.attach_volume(VolumeId=volume, InstanceId='i-12345678', Device='/dev/sdc')
    with refused('InvalidVolume.NotFound'):
        ec2.attach_volume(VolumeId='vol-12345678', InstanceId=pending, Device='/dev/sdc')


def test_terminating_frees_the_attached_volumes(lab_api: Lab, image: str) -> None:
    ec2, instance = lab_api.ec2(), running(lab_api, image)
    volume = available_volume(lab_api)
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device='/dev/sdc')
    ec2.terminate_instances(InstanceIds=[instance])
    assert volume_state(lab_api, volume) == 'in-use'
    lab_api.report(instance, 'teardown')
    wait_for('the volume is free', lambda: volume_state(lab_api, volume) == 'available')


def test_an_ebs_instance_stops_starts_and_takes_its_volume_along(slow_api: Lab, slow_ebs_image: str) -> None:
    ec2 = slow_api.ec2()
    instance = running(slow_api, slow_ebs_image, UserData='bootparams=x')
    root = describe(slow_api, instance)['BlockDeviceMappings'][0]
    assert (root['DeviceName'], root['Ebs']['Status'], root['Ebs']['DeleteOnTermination']) == ('/dev/sda', 'attached', True)
    slow_api.age('volumes', root['Ebs']['VolumeId'], 8)
    wait_for('the root volume is in use', lambda: volume_state(slow_api, root['Ebs']['VolumeId']) == 'in-use')
    with refused('IncorrectState', 'Cannot detach root volume'):
        ec2.detach_volume(VolumeId=root['Ebs']['VolumeId'])
    slow_api.report(instance, 'teardown')  # the guest has powered off
    slow_api.age('instances', instance, 41)
    assert [state_after_poll(slow_api, instance) for _ in range(2)] == ['stopping', 'stopped']
    change = ec2.start_instances(InstanceIds=[instance])['StartingInstances'][0]
    assert (change['PreviousState']['Name'], change['CurrentState']['Name']) == ('stopped', 'pending')
    row = slow_api.row('instances', instance)
    # The node gets no user data on a start, the metadata service still has it.
    assert (row['node_state'], row['node_user_data'], base64.b64decode(row['user_data'])) == (None, '', b'bootparams=x')
    slow_api.report(instance, 'running')
    assert state_after_poll(slow_api, instance) == 'running'
    assert ec2.stop_instances(InstanceIds=[instance])['StoppingInstances'][0]['CurrentState']['Name'] == 'stopping'
    slow_api.report(instance, 'teardown')
    assert state_after_poll(slow_api, instance) == 'stopped'
    assert ec2.terminate_instances(InstanceIds=[instance])['TerminatingInstances'][0]['CurrentState']['Name'] == 'terminated'
    slow_api.age('volumes', root['Ebs']['VolumeId'], 8)
    wait_for('the root volume is gone', lambda: not slow_api.config.volume_file(root['Ebs']['VolumeId']).exists())


@pytest.mark.parametrize('size', [101, (1 << 31) - 1])
def test_a_block_device_larger_than_a_volume_may_be_starts_nothing(lab_api: Lab, ebs_image: str, size: int) -> None:
    before = lab_api.ec2().describe_instances()['Reservations']
    with refused('VolumeLimitExceeded'):
        run(lab_api, ebs_image, BlockDeviceMappings=[{'DeviceName': '/dev/sdb', 'Ebs': {'VolumeSize': size}}])
    assert lab_api.ec2().describe_instances()['Reservations'] == before


@pytest.mark.parametrize('least, most', [(0, 0), (-3, -1)])
def test_fewer_than_one_instance_cannot_be_asked_for(lab_api: Lab, image: str, least: int, most: int) -> None:
    with refused('InvalidParameterValue', f'({most})', 'maxCount'):
        lab_api.ec2().run_instances(ImageId=image, MinCount=least, MaxCount=most)


def test_more_instances_than_the_nodes_hold_are_refused(lab_api: Lab, image: str) -> None:
    many = (1 << 31) - 1
    with refused('InsufficientInstanceCapacity', f'Not enough resources (100 in one < {many}): vm instances.', status=503):
        lab_api.ec2().run_instances(ImageId=image, MinCount=many, MaxCount=many)


def test_without_nodes_there_is_no_room_for_an_instance(make_lab_api: Callable[..., Lab]) -> None:
    lab = make_lab_api('without-nodes', nodes=())
    with refused('InsufficientInstanceCapacity', '(0 in one < 1)', status=503):
        run(lab, lab.register(lab.tenant, 'machine', 'images', **lab.published_boot()))


@pytest.mark.skipif(os.geteuid() != 0 or not guests.LOGS.is_dir(), reason='libvirt writes its logs as root')
def test_what_libvirt_logged_of_an_instance_goes_with_it(lab_api: Lab, image: str) -> None:
    instance = running(lab_api, image)
    logs = [guests.LOGS / f'{instance}.log', guests.LOGS / f'{instance}.log.0']
    for log in logs:
        log.touch()
    lab_api.ec2().terminate_instances(InstanceIds=[instance])
    lab_api.report(instance, 'teardown')
    await_state(lab_api, instance, 'terminated')
    assert all(log.exists() for log in logs)
    lab_api.ec2().terminate_instances(InstanceIds=[instance])  # the second time, the cloud forgets it
    assert not any(log.exists() for log in logs)


def test_instance_store_instances_cannot_be_stopped(lab_api: Lab, image: str) -> None:
    with refused('UnsupportedOperation'):
        lab_api.ec2().stop_instances(InstanceIds=[running(lab_api, image)])


def test_the_root_volume_can_be_kept_and_made_larger(lab_api: Lab, ebs_image: str) -> None:
    ebs = {'VolumeSize': 2, 'DeleteOnTermination': False}
    instance = running(
        lab_api,
        ebs_image,
        BlockDeviceMappings=[{'DeviceName': '/dev/sda', 'Ebs': ebs}, {'DeviceName': '/dev/sdb', 'Ebs': {'VolumeSize': 1}}],
    )
    volumes = {one['DeviceName']: one['Ebs']['VolumeId'] for one in describe(lab_api, instance)['BlockDeviceMappings']}
    assert set(volumes) == {'/dev/sda', '/dev/sdb'}
    wait_for('in use', lambda: all(volume_state(lab_api, one) == 'in-use' for one in volumes.values()))
    assert lab_api.config.volume_file(volumes['/dev/sda']).stat().st_size == 2 << 30
    lab_api.ec2().terminate_instances(InstanceIds=[instance])
    lab_api.report(instance, 'teardown')
    wait_for('the second is deleted', lambda: not lab_api.config.volume_file(volumes['/dev/sdb']).exists())
    assert volume_state(lab_api, volumes['/dev/sda']) == 'available'
    with refused('InvalidParameterValue', 'Root device cannot be suppressed'):
        run(lab_api, ebs_image, BlockDeviceMappings=[{'DeviceName': '/dev/sda', 'NoDevice': 'true'}])
