# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a stopped instance, and its status."""

from __future__ import annotations

import base64

import pytest

from tests.kit.lab import Lab
from tests.kit.refusals import refused


@pytest.fixture(name='instance')
def fixture_instance(lab_api: Lab) -> str:
    """The id of a new instance; its state is set by the tests."""
    ec2 = lab_api.ec2()
    location = lab_api.put_manifest(lab_api.tenant, 'attribute-images/image.manifest.xml', size=1 << 20)
    names = [image['Name'] for image in ec2.describe_images(Owners=['self'])['Images']]
    if 'attributes' not in names:
        ec2.register_image(Name='attributes', ImageLocation=location, VirtualizationType='hvm')
    image = next(each for each in ec2.describe_images(Owners=['self'])['Images'] if each['Name'] == 'attributes')
    return ec2.run_instances(ImageId=image['ImageId'], MinCount=1, MaxCount=1)['Instances'][0]['InstanceId']


def set_state(lab_api: Lab, instance: str, state: str) -> None:
    lab_api.execute('UPDATE instances SET state = ? WHERE id = ?', state, instance)


def user_data(lab_api: Lab, instance: str) -> str | None:
    reply = lab_api.ec2().describe_instance_attribute(InstanceId=instance, Attribute='userData')
    return reply['UserData'].get('Value')


def test_user_data_and_type_of_a_stopped_instance_can_be_changed(lab_api: Lab, instance: str) -> None:
    set_state(lab_api, instance, 'stopped')
    ec2 = lab_api.ec2()
    assert user_data(lab_api, instance) is None
    ec2.modify_instance_attribute(InstanceId=instance, UserData={'Value': b'new'})
    assert user_data(lab_api, instance) == base64.b64encode(b'new').decode()
    ec2.modify_instance_attribute(InstanceId=instance, InstanceType={'Value': 'm1.large'})
    (shown,) = ec2.describe_instances(InstanceIds=[instance])['Reservations'][0]['Instances']
    assert shown['InstanceType'] == 'm1.large'


def test_kernel_and_ramdisk_of_a_stopped_instance_can_be_changed(lab_api: Lab, instance: str) -> None:
    set_state(lab_api, instance, 'stopped')
    ec2, boot = lab_api.ec2(), lab_api.published_boot()
    ec2.modify_instance_attribute(InstanceId=instance, Kernel={'Value': boot['KernelId']})
    ec2.modify_instance_attribute(InstanceId=instance, Ramdisk={'Value': boot['RamdiskId']})
    (shown,) = ec2.describe_instances(InstanceIds=[instance])['Reservations'][0]['Instances']
    assert (shown['KernelId'], shown['RamdiskId']) == (boot['KernelId'], boot['RamdiskId'])
    with refused('InvalidAMIID.NotFound', boot['RamdiskId']):
        ec2.modify_instance_attribute(InstanceId=instance, Kernel={'Value': boot['RamdiskId']})


def test_what_the_boot_needs_cannot_be_changed_while_the_instance_runs(lab_api: Lab, instance: str) -> None:
    set_state(lab_api, instance, 'running')
    with refused('IncorrectInstanceState', "not in the 'stopped' state"):
        lab_api.ec2().modify_instance_attribute(InstanceId=instance, UserData={'Value': b'new'})
    assert user_data(lab_api, instance) is None


def test_impossible_values_are_refused(lab_api: Lab, instance: str) -> None:
    set_state(lab_api, instance, 'stopped')
    ec2 = lab_api.ec2()
    with refused('InvalidInstanceAttributeValue', 'x9.huge'):
        ec2.modify_instance_attribute(InstanceId=instance, InstanceType={'Value': 'x9.huge'})
    with refused('InvalidAMIID.NotFound'):
        ec2.modify_instance_attribute(InstanceId=instance, Kernel={'Value': 'eki-12345678'})
    with refused('InvalidParameterValue', '16384 bytes'):
        ec2.modify_instance_attribute(InstanceId=instance, UserData={'Value': b'x' * 16385})
    with refused('InvalidInstanceAttributeValue', '/dev/sdz'):
        ec2.modify_instance_attribute(
            InstanceId=instance, BlockDeviceMappings=[{'DeviceName': '/dev/sdz', 'Ebs': {'DeleteOnTermination': False}}]
        )
    with refused('InvalidInstanceID.NotFound'):
        ec2.modify_instance_attribute(InstanceId='i-12345678', InstanceType={'Value': 'm1.small'})


def test_a_protected_instance_is_not_terminated(lab_api: Lab, instance: str) -> None:
    ec2 = lab_api.ec2()
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={'Value': True})
    with refused('OperationNotPermitted', instance):
        ec2.terminate_instances(InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={'Value': False})
    ec2.terminate_instances(InstanceIds=[instance])


def test_the_status_of_instances_that_do_not_run_is_shown_on_request_only(lab_api: Lab, instance: str) -> None:
    set_state(lab_api, instance, 'stopped')
    ec2 = lab_api.ec2()
    assert ec2.describe_instance_status(InstanceIds=[instance])['InstanceStatuses'] == []
    (shown,) = ec2.describe_instance_status(InstanceIds=[instance], IncludeAllInstances=True)['InstanceStatuses']
    assert (shown['InstanceState']['Name'], shown['SystemStatus']['Status']) == ('stopped', 'not-applicable')
    set_state(lab_api, instance, 'running')
    (shown,) = ec2.describe_instance_status(InstanceIds=[instance])['InstanceStatuses']
    assert (shown['InstanceStatus']['Status'], shown['SystemStatus']['Status']) == ('ok', 'ok')


def test_a_reset_image_is_launched_by_its_owner_only(lab_api: Lab, instance: str) -> None:
    ec2 = lab_api.ec2()
    image = next(each for each in ec2.describe_images(Owners=['self'])['Images'] if each['Name'] == 'attributes')['ImageId']
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={'Add': [{'Group': 'all'}]})
    ec2.reset_image_attribute(ImageId=image, Attribute='launchPermission')
    assert ec2.describe_image_attribute(ImageId=image, Attribute='launchPermission')['LaunchPermissions'] == []
