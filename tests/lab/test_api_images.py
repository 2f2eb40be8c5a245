# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registering images: the manifest is read and trusted only as far as in Eucalyptus 4.4."""

from __future__ import annotations

import re
import secrets
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.refusals import refused


@pytest.fixture(scope='module')
def boot(lab_api: Lab) -> dict[str, str]:
    return lab_api.published_boot()


def new_name() -> str:
    return f'image-{secrets.token_hex(4)}'


def test_the_admin_registers_kernels_and_ramdisks(lab_api: Lab, boot: dict[str, str]) -> None:
    assert boot['KernelId'].startswith('eki-') and boot['RamdiskId'].startswith('eri-')
    kinds = {one['ImageId']: one['ImageType'] for one in lab_api.ec2().describe_images()['Images']}
    assert (kinds[boot['KernelId']], kinds[boot['RamdiskId']]) == ('kernel', 'ramdisk')


@pytest.mark.parametrize(
    'kind, name, configuration',
    [
        ('kernel', 'k', ''),
        ('ramdisk', 'r', ''),
        ('machine', 'vmlinuz-6.1', ''),
        ('machine', 'initrd.img', ''),
        ('machine', 'm', '<kernel_id>true</kernel_id>'),
        ('machine', 'm', '<ramdisk_id>yes</ramdisk_id>'),
    ],
)
def test_a_tenant_registers_neither_kernel_nor_ramdisk(lab_api: Lab, kind: str, name: str, configuration: str) -> None:
    location = lab_api.put_manifest(lab_api.tenant, f'tenant-images/{name}.manifest.xml', kind, configuration=configuration)
    with refused('InternalFailure', 'Only administrators can register', status=500):
        lab_api.ec2().register_image(Name=new_name(), ImageLocation=location)


def test_only_an_administrator_is_shown_the_nodes_capacity_with_the_zone_verbose(lab_api: Lab) -> None:
    def names(client: Any) -> list[str]:
        return [zone['ZoneName'] for zone in client.describe_availability_zones(ZoneNames=['verbose'])['AvailabilityZones']]

    plain = [zone['ZoneName'] for zone in lab_api.ec2().describe_availability_zones()['AvailabilityZones']]
    assert names(lab_api.ec2()) == plain
    assert names(lab_api.ec2(lab_api.admin))[:3] == [*plain, '|- vm types', '|- m1.small']


def test_a_machine_image_needs_kernel_and_ramdisk_unless_hvm(lab_api: Lab, boot: dict[str, str]) -> None:
    ec2 = lab_api.ec2()
    location = lab_api.put_manifest(lab_api.tenant, 'tenant-images/needs.manifest.xml')
    with refused('MissingParameter', 'Kernel ID must be specified'):
        ec2.register_image(Name=new_name(), ImageLocation=location)
    with refused('MissingParameter', 'Ramdisk ID must be specified'):
        ec2.register_image(Name=new_name(), ImageLocation=location, KernelId=boot['KernelId'])
    image = ec2.register_image(Name=new_name(), ImageLocation=location, **boot)['ImageId']
    described = ec2.describe_images(ImageIds=[image])['Images'][0]
    assert image.startswith('emi-')
    assert (described['KernelId'], described['RamdiskId'], described['VirtualizationType']) == (
        boot['KernelId'],
        boot['RamdiskId'],
        'paravirtual',
    )
    assert (described['ImageLocation'], described['Public'], described['RootDeviceType']) == (location, False, 'instance-store')
    hvm = ec2.register_image(Name=new_name(), ImageLocation=location, VirtualizationType='hvm')['ImageId']
    assert 'KernelId' not in ec2.describe_images(ImageIds=[hvm])['Images'][0]


def test_an_image_has_neither_an_owners_alias_nor_a_hypervisor_and_a_kernel_has_no_root_device(
    lab_api: Lab, boot: dict[str, str]
) -> None:
    image = lab_api.register(lab_api.tenant, 'machine', 'tenant-images', VirtualizationType='hvm')
    for identifier in (image, boot['KernelId']):
        body = lab_api.call(f'Action=DescribeImages&ImageId.1={identifier}')[1]
        assert identifier in body and not re.search('<(imageOwnerAlias|hypervisor)>', body)
        assert bool(re.search('<(rootDeviceType|rootDeviceName|virtualizationType)>', body)) is (identifier == image)


def test_the_root_device_is_a_partition_a_disk_or_what_the_manifest_maps(lab_api: Lab, boot: dict[str, str]) -> None:
    def root(virtualization: str, mapped: str = '') -> str:
        mapping = f'<mapping><virtual>ami</virtual><device>{mapped}</device></mapping>' if mapped else ''
        configuration = f'<block_device_mapping>{mapping}</block_device_mapping>'
        location = lab_api.put_manifest(lab_api.tenant, 'tenant-images/root.manifest.xml', configuration=configuration)
        options = {**boot, 'VirtualizationType': virtualization}
        image = lab_api.ec2().register_image(Name=new_name(), ImageLocation=location, **options)['ImageId']
        return str(lab_api.ec2().describe_images(ImageIds=[image])['Images'][0]['RootDeviceName'])

    assert [root('paravirtual'), root('hvm'), root('hvm', 'vda'), root('hvm', '/dev/xvda')] == [
        *('/dev/sda1', '/dev/sda', '/dev/vda', '/dev/xvda')
    ]


def test_mappings_of_an_image_in_the_instance_store_are_checked_and_lost(lab_api: Lab) -> None:
    """ImageManager.register adds them to an image that is stored already."""
    ec2 = lab_api.ec2()
    location = lab_api.put_manifest(lab_api.tenant, 'tenant-images/mapped.manifest.xml')

    def register(*mappings: dict[str, Any]) -> str:
        options = {'VirtualizationType': 'hvm', 'BlockDeviceMappings': list(mappings)}
        return str(ec2.register_image(Name=new_name(), ImageLocation=location, **options)['ImageId'])

    ephemeral = {'DeviceName': '/dev/sdb', 'VirtualName': 'ephemeral0'}
    image = register(ephemeral)
    assert not ec2.describe_images(ImageIds=[image])['Images'][0].get('BlockDeviceMappings')
    shown = ec2.describe_image_attribute(ImageId=image, Attribute='blockDeviceMapping')['BlockDeviceMappings']
    assert {one['VirtualName']: one['DeviceName'] for one in shown} == {
        **{'emi': 'sda1', 'ephemeral0': 'sda2', 'swap': 'sda3', 'root': '/dev/sda1'}
    }
    for mappings, message in (
        ([ephemeral, {'DeviceName': '/dev/sdc', 'VirtualName': 'ephemeral1'}], 'Only one ephemeral device is supported'),
        ([{'DeviceName': '/dev/sdb', 'VirtualName': 'ephemeral4'}], 'must be of the form ephemeral[0123]'),
        ([{'DeviceName': '/dev/sdb', 'Ebs': {'VolumeSize': 1}}], 'Ebs block device mappings are not supported'),
        ([ephemeral, {'DeviceName': 'sdb', 'VirtualName': 'ephemeral0'}], 'assigned multiple times'),
    ):
        with refused('InternalFailure', message, status=500):
            register(*mappings)


def test_the_manifests_own_kernel_and_ramdisk_serve_too(lab_api: Lab, boot: dict[str, str]) -> None:
    configuration = f'<kernel_id>{boot["KernelId"]}</kernel_id><ramdisk_id>{boot["RamdiskId"]}</ramdisk_id>'
    location = lab_api.put_manifest(lab_api.tenant, 'tenant-images/own.manifest.xml', configuration=configuration)
    image = lab_api.ec2().register_image(Name=new_name(), ImageLocation=location)['ImageId']
    assert lab_api.ec2().describe_images(ImageIds=[image])['Images'][0]['KernelId'] == boot['KernelId']


def test_a_kernel_that_is_not_shared_cannot_be_used(lab_api: Lab, boot: dict[str, str]) -> None:
    kernel = lab_api.register(lab_api.admin, 'kernel', 'boot-files')
    location = lab_api.put_manifest(lab_api.tenant, 'tenant-images/private.manifest.xml')
    with refused('InternalFailure', 'is denied', status=500):
        lab_api.ec2().register_image(Name=new_name(), ImageLocation=location, KernelId=kernel, RamdiskId=boot['RamdiskId'])
    with refused('InternalFailure', 'Referenced image id is invalid', status=500):
        lab_api.ec2().register_image(
            Name=new_name(), ImageLocation=location, KernelId=boot['RamdiskId'], RamdiskId=boot['RamdiskId']
        )


def test_a_manifest_of_another_account_is_not_accessible(lab_api: Lab, boot: dict[str, str]) -> None:
    location = lab_api.put_manifest(lab_api.tenant, 'tenant-images/foreign.manifest.xml', user=lab_api.admin.number)
    with refused('AuthFailure', 'Manifest is not accessible'):
        lab_api.ec2().register_image(Name=new_name(), ImageLocation=location, **boot)


@pytest.mark.parametrize('acl', ['private', 'ec2-bundle-read'])
def test_a_manifest_that_the_cloud_may_not_read_is_refused(lab_api: Lab, acl: str) -> None:
    location = lab_api.put_manifest(lab_api.admin, 'admin-images/hidden.manifest.xml', 'kernel', acl=acl)
    with refused('InternalFailure', f'Failed to read manifest file: {location}', status=500):
        lab_api.ec2(lab_api.admin).register_image(Name=new_name(), ImageLocation=location)


@pytest.mark.parametrize('body', [b'', b'<manifest>', b'<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><m>&x;</m>'])
def test_what_is_not_a_manifest_is_refused(lab_api: Lab, body: bytes) -> None:
    lab_api.put_manifest(lab_api.tenant, 'tenant-images/broken.manifest.xml')
    lab_api.s3().put_object(Bucket='tenant-images', Key='broken.manifest.xml', Body=body, ACL='aws-exec-read')
    with pytest.raises(Exception, match='Failed to read manifest file|Manifest is not accessible'):
        lab_api.ec2().register_image(Name=new_name(), ImageLocation='tenant-images/broken.manifest.xml')


def test_too_big_an_image_and_a_strange_architecture_are_refused(lab_api: Lab) -> None:
    ec2 = lab_api.ec2()
    location = lab_api.put_manifest(lab_api.tenant, 'tenant-images/big.manifest.xml', size=(30 << 30) + 1)
    with refused('InternalFailure', 'exceeds the configured maximum', status=500):
        ec2.register_image(Name=new_name(), ImageLocation=location, VirtualizationType='hvm')
    location = lab_api.put_manifest(lab_api.tenant, 'tenant-images/arm.manifest.xml')
    with refused('InternalFailure', 'armhf', status=500):
        ec2.register_image(Name=new_name(), ImageLocation=location, VirtualizationType='hvm', Architecture='armhf')


@pytest.mark.parametrize('name', ['ab', 'a' * 129, 'with space', 'comma,', 'ümlaut'])
def test_names_that_are_not_allowed(lab_api: Lab, name: str) -> None:
    with refused('InvalidAMIName.Malformed'):
        lab_api.ec2().register_image(Name=name, ImageLocation='tenant-images/any.manifest.xml')


def test_a_name_is_required(lab_api: Lab) -> None:
    status, body = lab_api.call('Action=RegisterImage&ImageLocation=a-bucket/m')
    assert (status, 'InvalidAMIName.Malformed' in body) == (400, True)


def test_a_name_is_free_again_when_its_image_is_deregistered(lab_api: Lab) -> None:
    ec2, name = lab_api.ec2(), new_name()
    location = lab_api.put_manifest(lab_api.tenant, 'tenant-images/named.manifest.xml')
    first = ec2.register_image(Name=name, ImageLocation=location, VirtualizationType='hvm')['ImageId']
    with refused('InvalidAMIName.Duplicate', f'AMI name {name} is already in use by EMI {first}'):
        ec2.register_image(Name=name, ImageLocation=location, VirtualizationType='hvm')
    ec2.deregister_image(ImageId=first)
    with refused('InvalidAMIID.NotFound'):
        ec2.describe_images(ImageIds=[first])
    ec2.register_image(Name=name, ImageLocation=location, VirtualizationType='hvm')
    ec2.deregister_image(ImageId=first)  # the second time the row goes
    with refused('InvalidAMIID.NotFound'):
        ec2.deregister_image(ImageId=first)


def test_the_admin_sees_deregistered_images_on_request(lab_api: Lab) -> None:
    image = lab_api.register(lab_api.tenant, 'machine', 'tenant-images', VirtualizationType='hvm')
    lab_api.ec2().deregister_image(ImageId=image)
    states = {one['ImageId']: one['State'] for one in lab_api.ec2(lab_api.admin).describe_images(ImageIds=['verbose'])['Images']}
    assert states[image] == 'deregistered'


def test_launch_permissions_decide_who_sees_an_image(lab_api: Lab) -> None:
    image = lab_api.register(lab_api.admin, 'kernel', 'boot-files')
    admin, tenant = lab_api.ec2(lab_api.admin), lab_api.ec2()

    def seen() -> bool:
        return image in [one['ImageId'] for one in tenant.describe_images()['Images']]

    assert not seen()
    for grant in ({'UserId': lab_api.tenant.number}, {'Group': 'all'}):
        admin.modify_image_attribute(ImageId=image, LaunchPermission={'Add': [grant]})
        assert seen()
        granted = admin.describe_image_attribute(ImageId=image, Attribute='launchPermission')['LaunchPermissions']
        assert granted == [grant]
        admin.modify_image_attribute(ImageId=image, LaunchPermission={'Remove': [grant]})
        assert not seen()
    with refused('InternalFailure', 'Not a valid userId', status=500):
        admin.modify_image_attribute(ImageId=image, LaunchPermission={'Add': [{'UserId': 'tenant'}]})


def test_only_owner_and_admin_change_an_image(lab_api: Lab, boot: dict[str, str]) -> None:
    for call in (
        lambda ec2: ec2.deregister_image(ImageId=boot['KernelId']),
        lambda ec2: ec2.modify_image_attribute(ImageId=boot['KernelId'], Description={'Value': 'mine'}),
    ):
        with refused('InternalFailure', 'Not authorized', status=500):
            call(lab_api.ec2())
    image = lab_api.register(lab_api.tenant, 'machine', 'tenant-images', VirtualizationType='hvm')
    lab_api.ec2(lab_api.admin).modify_image_attribute(ImageId=image, Description={'Value': 'by admin'})
    assert lab_api.ec2().describe_images(ImageIds=[image])['Images'][0]['Description'] == 'by admin'


def test_owner_name_and_tag_filters(lab_api: Lab) -> None:
    ec2, name = lab_api.ec2(), new_name()
    location = lab_api.put_manifest(lab_api.tenant, 'tenant-images/filtered.manifest.xml')
    image = ec2.register_image(Name=name, ImageLocation=location, VirtualizationType='hvm')['ImageId']
    ec2.create_tags(Resources=[image], Tags=[{'Key': 'Build', 'Value': name}, {'Key': 'Odd', 'Value': 'a*b'}])
    for filters in (
        [{'Name': 'name', 'Values': [name]}],
        [{'Name': 'tag:Build', 'Values': [name[:8] + '*']}],
        [{'Name': 'tag:Odd', 'Values': ['a\\*b']}, {'Name': 'tag-key', 'Values': ['Build']}, {'Name': 'name', 'Values': [name]}],
    ):
        assert [one['ImageId'] for one in ec2.describe_images(Owners=['self'], Filters=filters)['Images']] == [image]
    assert not ec2.describe_images(Filters=[{'Name': 'name', 'Values': [name]}, {'Name': 'state', 'Values': ['x']}])['Images']
