# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors, replies, images, instances and volumes of each version. The source files are in eucalab/versions, by group."""

from __future__ import annotations

import secrets
from xml.etree import ElementTree

import pytest
from botocore.exceptions import ClientError

from tests.kit.lab import Lab
from tests.kit.refusals import refused
from tests.kit.waiting import wait_for

OLD = ('3.1', '3.4')


def answer(lab: Lab, query: str) -> tuple[int, str, str]:
    """Status, code and message of a refusal; 200, and what <return> has, otherwise."""
    status, body = lab.call(query)
    root = ElementTree.fromstring(body)
    if status == 200:
        return status, '', root.findtext('{*}return', '')
    return status, root.findtext('Errors/Error/Code', ''), root.findtext('Errors/Error/Message', '')


NOT_FOUND = "The instance ID 'i-00000000' does not exist"
REFUSALS = [
    (
        'CreateVolume&Size=1&AvailabilityZone=nowhere',
        {
            OLD: (406, 'CreateVolumeType', 'java.util.NoSuchElementException: @NaturalId: nowhere'),
            ('4.4', '5'): (400, 'InvalidZone.NotFound', "The zone 'nowhere' does not exist."),
        },
    ),
    (
        'AttachVolume&VolumeId=vol-00000000&InstanceId=i-00000000&Device=/dev/sda',
        {
            ('3.1',): (406, 'AttachVolumeType', 'Invalid device name specified: /dev/sda'),
            ('3.4',): (400, 'InvalidParameterValue', 'Value (/dev/sda) for parameter device is invalid.'),
            ('4.4', '5'): (400, 'InvalidInstanceID.NotFound', NOT_FOUND),
        },
    ),
    (
        'AttachVolume&VolumeId=vol-00000000&InstanceId=i-00000000&Device=a-very-long-name',
        {
            ('3.1',): (406, 'AttachVolumeType', 'Instance does not exist: i-00000000'),
            ('3.4', '4.4', '5'): (400, 'InvalidParameterValue', 'Value (a-very-long-name) for parameter device is invalid.'),
        },
    ),
    (
        'GetConsoleOutput&InstanceId=i-00000000',
        {
            OLD: (406, 'GetConsoleOutputType', 'No such instance: i-00000000'),
            ('4.4', '5'): (400, 'InvalidInstanceID.NotFound', NOT_FOUND),
        },
    ),
    (
        'DeregisterImage&ImageId=emi-00000000',
        {
            ('3.1',): (200, '', 'false'),
            ('3.4', '4.4', '5'): (400, 'InvalidAMIID.NotFound', "The image ID 'emi-00000000' does not exist"),
        },
    ),
    (
        'DeregisterImage&ImageId=emi-abcdef00',
        {
            ('3.1',): (200, '', 'false'),
            ('3.4',): (406, 'DeregisterImageType', 'Invalid id: "emi-abcdef00"'),
            ('4.4', '5'): (400, 'InvalidAMIID.NotFound', "The image ID 'emi-abcdef00' does not exist"),
        },
    ),
    (
        'DeleteVolume&VolumeId=vol-00000000',
        {
            OLD: (200, '', 'false'),
            ('4.4', '5'): (400, 'InvalidVolume.NotFound', "The volume 'vol-00000000' does not exist"),
        },
    ),
    (
        'StopInstances&InstanceId.1=i-00000000',
        {('3.1',): (200, '', ''), ('3.4', '4.4', '5'): (400, 'InvalidInstanceID.NotFound', NOT_FOUND)},
    ),
    (
        'TerminateInstances&InstanceId.1=i-00000000',
        {OLD: (200, '', ''), ('4.4', '5'): (400, 'InvalidInstanceID.NotFound', NOT_FOUND)},
    ),
    (
        'RegisterImage&Name=valid-name&ImageLocation=nowhere',
        {
            OLD: (406, 'RegisterImageType', 'Image registration failed:  Invalid image location: nowhere'),
            ('4.4', '5'): (500, 'InternalFailure', 'Invalid image location: nowhere'),
        },
    ),
    (
        'ModifyInstanceAttribute&InstanceId=i-00000000&Value=x',
        {OLD: (200, '', 'true')},
    ),
]


@pytest.mark.parametrize('query, by_version', REFUSALS, ids=[query for query, _ in REFUSALS])
def test_a_refusal_has_the_versions_code_status_and_words(cloud: Lab, query: str, by_version: dict) -> None:
    for versions, expected in by_version.items():
        if cloud.played.name in versions:
            assert answer(cloud, f'Action={query}') == expected


def test_an_instance_type_that_does_not_exist_is_named_in_the_versions_words(cloud: Lab) -> None:
    words = {'3.1': 'instance type does not exist: x9', '3.4': 'Instance type does not exist: x9'}
    expected = words.get(cloud.played.name, 'Failed to lookup instance type: x9')
    query = 'Action=RunInstances&ImageId=emi-00000000&MinCount=1&MaxCount=1&InstanceType=x9'
    assert answer(cloud, query)[2] == expected


@pytest.mark.parametrize(
    'action, parameter, items',
    [
        ('DescribeVolumes', 'VolumeId.1=vol-00000000', 'volumeSet'),
        ('DescribeSnapshots', 'SnapshotId.1=snap-00000000', 'snapshotSet'),
        ('DescribeInstances', 'InstanceId.1=i-00000000', 'reservationSet'),
        ('DescribeImages', 'ImageId.1=emi-00000000', 'imagesSet'),
    ],
)
def test_describing_an_unknown_id_is_an_error_from_4_0_on(cloud: Lab, action: str, parameter: str, items: str) -> None:
    status, body = cloud.call(f'Action={action}&{parameter}')
    if cloud.played.name in OLD:
        assert status == 200 and not len(ElementTree.fromstring(body).find(f'{{*}}{items}'))
        assert cloud.call(f'Action={action}&{parameter.split("=")[0]}=nonsense')[0] == 200  # ids are not parsed either
    else:
        assert status == 400 and '.NotFound' in body


@pytest.fixture(scope='module')
def volumes() -> dict[str, str]:
    return {}


@pytest.fixture
def volume(cloud: Lab, volumes: dict[str, str]) -> str:
    if cloud.config.name not in volumes:
        volumes[cloud.config.name] = cloud.ec2().create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    return volumes[cloud.config.name]


def test_ids_have_capital_letters_before_4_0_and_are_looked_up_as_they_are(cloud: Lab) -> None:
    ids = [cloud.ec2().create_volume(Size=1, AvailabilityZone='one')['VolumeId'] for _ in range(3)]
    digits = ''.join(one.removeprefix('vol-') for one in ids)
    old = cloud.played.name in OLD
    assert len(digits) == 24 and digits == (digits.upper() if old else digits.lower())
    ids[0] = next(one for one in ids if not one.removeprefix('vol-').isdigit())
    other = 'vol-' + (ids[0][4:].lower() if old else ids[0][4:].upper())
    found = cloud.ec2().describe_volumes(VolumeIds=[other])['Volumes']
    assert [one['VolumeId'] for one in found] == ([] if old else [ids[0]])


def test_replies_have_only_what_the_messages_of_the_version_have(cloud: Lab, volume: str) -> None:
    (found,) = cloud.ec2().describe_volumes(VolumeIds=[volume])['Volumes']
    assert ('VolumeType' in found, 'Encrypted' in found) == (cloud.played.name not in OLD,) * 2
    assert ('Tags' in found) == (cloud.played.name != '3.1')
    zones = cloud.ec2().describe_availability_zones()['AvailabilityZones']
    assert [zone['ZoneName'] for zone in zones] == ['one']


def test_tags_exist_from_3_3_on_and_are_more_in_5(cloud: Lab) -> None:
    made = cloud.ec2().create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    limit = {'3.4': 10, '4.4': 10, '5': 50}.get(cloud.played.name)
    if limit is None:
        with refused('412 Precondition Failed', 'Failed to bind', status=412):
            cloud.ec2().create_tags(Resources=[made], Tags=[{'Key': 'a', 'Value': 'b'}])
        return
    cloud.ec2().create_tags(Resources=[made], Tags=[{'Key': f'k{number}', 'Value': ''} for number in range(limit)])
    with refused('TagLimitExceeded'):
        cloud.ec2().create_tags(Resources=[made], Tags=[{'Key': 'one-more', 'Value': ''}])


def test_5_tags_what_it_creates(clouds: dict[str, Lab]) -> None:
    lab = clouds['5']
    ec2 = lab.ec2(api_version='2016-11-15')
    wanted = [{'Key': 'Name', 'Value': 'root'}]
    query = 'Action=CreateVolume&Size=1&AvailabilityZone=one&TagSpecification.1.ResourceType=volume'
    lab.call(query + '&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=root')
    (found,) = ec2.describe_volumes(Filters=[{'Name': 'tag:Name', 'Values': ['root']}])['Volumes']
    assert found['Tags'] == wanted
    wait_for(
        'the volume is available', lambda: ec2.describe_volumes(VolumeIds=[found['VolumeId']])['Volumes'][0]['State'] == 'available'
    )
    made = ec2.create_snapshot(VolumeId=found['VolumeId'], TagSpecifications=[{'ResourceType': 'snapshot', 'Tags': wanted}])
    assert ec2.describe_snapshots(SnapshotIds=[made['SnapshotId']])['Snapshots'][0]['Tags'] == wanted
    with refused('InvalidParameterValue', 'instance'):
        ec2.create_snapshot(VolumeId=found['VolumeId'], TagSpecifications=[{'ResourceType': 'instance', 'Tags': wanted}])


def test_3_1_forgets_the_description_of_a_snapshot(cloud: Lab, volume: str) -> None:
    ec2 = cloud.ec2()
    wait_for('the volume is available', lambda: ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['State'] == 'available')
    made = ec2.create_snapshot(VolumeId=volume, Description='kept')['SnapshotId']
    (found,) = ec2.describe_snapshots(SnapshotIds=[made])['Snapshots']
    assert found.get('Description') == (None if cloud.played.name == '3.1' else 'kept')


def test_restorable_by_and_owner_count_as_in_the_version(cloud: Lab, volume: str) -> None:
    ec2 = cloud.ec2()
    wait_for('the volume is available', lambda: ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['State'] == 'available')
    made = ec2.create_snapshot(VolumeId=volume)['SnapshotId']

    def listed(**options: list[str]) -> bool:
        return made in [one['SnapshotId'] for one in ec2.describe_snapshots(**options)['Snapshots']]

    assert listed(RestorableByUserIds=['self']) == (cloud.played.name == '3.1')
    assert listed(OwnerIds=['123456789012']) == (cloud.played.name in OLD)


def test_an_administrator_deletes_the_volumes_of_others_from_3_4_on(cloud: Lab) -> None:
    made = cloud.ec2().create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    status, body = cloud.call(f'Action=DeleteVolume&VolumeId={made}', cloud.admin)
    assert (status, 'true' in body.partition('<return>')[2]) == (200, cloud.played.name != '3.1')


# Name, whether 3.1, 3.4, 4.4 and 5 accept it.
NAMES = [
    ('debian-12', '3.1 3.4 4.4 5'),
    ('debian.12', '3.1 4.4 5'),
    ('debian,12', '3.1 3.4'),
    ('de bian', '3.1'),
    ('ab', '3.1'),
]


@pytest.mark.parametrize('name, versions', NAMES)
def test_names_of_images_have_the_versions_characters(cloud: Lab, name: str, versions: str) -> None:
    if cloud.played.name in versions.split():
        (found,) = cloud.ec2(cloud.admin).describe_images(ImageIds=[register(cloud, Name=name)])['Images']
        assert found['Name'] == name
    else:
        with refused('InvalidAMIName.Malformed'):
            register(cloud, Name=name)


def test_an_image_without_a_name_gets_that_of_its_manifest_before_4_2(cloud: Lab) -> None:
    name = secrets.token_hex(4)
    location = cloud.put_manifest(cloud.tenant, f'names/{name}')
    status, body = cloud.call(f'Action=RegisterImage&ImageLocation={location}')
    if cloud.played.name in OLD:
        image = ElementTree.fromstring(body).findtext('{*}imageId')
        (found,) = cloud.ec2().describe_images(ImageIds=[image])['Images']
        assert found['Name'] == name
    else:
        assert (status, 'InvalidAMIName.Malformed' in body) == (400, True)


def register(cloud: Lab, kind: str = 'machine', account: str = 'admin', user: str | None = None, **options: str) -> str:
    name = options.pop('Name', f'{kind}-{secrets.token_hex(4)}')
    configuration = {'kernel': '<kernel_id>true</kernel_id>', 'ramdisk': '<ramdisk_id>true</ramdisk_id>'}.get(kind, '')
    owner = getattr(cloud, account)
    location = cloud.put_manifest(owner, f'{account}-{kind}/{name}.manifest.xml', kind, user, configuration)
    if kind == 'machine' and cloud.played.name != '3.1':
        options = {'VirtualizationType': 'hvm', **options}
    return str(cloud.ec2(owner).register_image(ImageLocation=location, Name=name, **options)['ImageId'])


def test_a_name_may_be_used_twice_on_3_1_only(cloud: Lab) -> None:
    first = register(cloud, Name='twice')
    if cloud.played.name == '3.1':
        assert register(cloud, Name='twice') != first
    else:
        with refused('InvalidAMIName.Duplicate', first):
            register(cloud, Name='twice')


def test_somebody_elses_bundle_is_registered_as_the_version_checks_it(cloud: Lab) -> None:
    """3.1 looks at the bucket, 4.0 and later at the account that the manifest names, 3.4 at neither."""
    if cloud.played.name in OLD:
        register(cloud, user='123456789012')
    else:
        with refused('AuthFailure', 'Manifest is not accessible'):
            register(cloud, user='123456789012')
    location = cloud.put_manifest(cloud.tenant, f'tenants/{secrets.token_hex(4)}.manifest.xml', user=cloud.admin.number)
    ec2, options = cloud.ec2(cloud.admin), {} if cloud.played.name == '3.1' else {'VirtualizationType': 'hvm'}
    if cloud.played.name == '3.1':
        with refused('RegisterImageType', 'you must own the bucket containing the image', status=406):
            ec2.register_image(ImageLocation=location, Name='from-elsewhere', **options)
    else:
        assert ec2.register_image(ImageLocation=location, Name='from-elsewhere', **options)['ImageId']


def test_only_administrators_register_kernels_and_ramdisks(cloud: Lab) -> None:
    assert register(cloud, 'kernel').startswith('eki-') and register(cloud, 'ramdisk').startswith('eri-')
    for kind in ('kernel', 'ramdisk'):
        with pytest.raises(ClientError) as caught:
            register(cloud, kind, 'tenant')
        named = 'kernel' if cloud.played.name == '3.1' else kind
        assert caught.value.response['Error']['Message'] == f'Only administrators can register {named} images.'


def test_a_machine_image_needs_kernel_and_ramdisk_from_4_0_on(cloud: Lab) -> None:
    register(cloud, 'kernel')
    location = cloud.put_manifest(cloud.admin, f'plain/{secrets.token_hex(4)}.manifest.xml')
    if cloud.played.name in OLD:
        image = cloud.ec2(cloud.admin).register_image(ImageLocation=location, Name='plain')['ImageId']
        (found,) = cloud.ec2(cloud.admin).describe_images(ImageIds=[image])['Images']
        assert found['KernelId'].startswith('eki-')  # the cloud's first
    else:
        with refused('MissingParameter', 'Kernel ID must be specified'):
            cloud.ec2(cloud.admin).register_image(ImageLocation=location, Name='plain')


def test_launch_permissions_are_shown_as_the_version_shows_them(cloud: Lab) -> None:
    image, ec2 = register(cloud), cloud.ec2(cloud.admin)
    if cloud.played.name == '3.1':
        with refused('412 Precondition Failed', 'LaunchPermission.Add.1.UserId', status=412):
            ec2.modify_image_attribute(ImageId=image, LaunchPermission={'Add': [{'UserId': cloud.tenant.number}]})
    options = {'ImageId': image, 'Attribute': 'launchPermission', 'OperationType': 'add'}
    ec2.modify_image_attribute(**options, UserIds=[cloud.tenant.number])
    shown = ec2.describe_image_attribute(ImageId=image, Attribute='launchPermission')['LaunchPermissions']
    assert shown == [{'UserId': cloud.admin.number if cloud.played.name == '3.1' else cloud.tenant.number}]
    assert cloud.ec2().describe_images(ImageIds=[image])['Images']


def test_3_1_shows_a_deregistered_image_once_more(cloud: Lab) -> None:
    image, ec2 = register(cloud), cloud.ec2(cloud.admin)
    ec2.deregister_image(ImageId=image)
    states = [[one['State'] for one in ec2.describe_images(Owners=['self'])['Images'] if one['ImageId'] == image] for _ in range(2)]
    assert states == ([['deregistered'], []] if cloud.played.name == '3.1' else [[], []])


@pytest.fixture(scope='module')
def ebs_images() -> dict[str, str]:
    return {}


@pytest.fixture
def ebs_image(cloud: Lab, volume: str, ebs_images: dict[str, str]) -> str:
    if cloud.config.name not in ebs_images:
        ec2 = cloud.ec2()
        wait_for('the volume is available', lambda: ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['State'] == 'available')
        snapshot = ec2.create_snapshot(VolumeId=volume)['SnapshotId']
        wait_for('it is complete', lambda: ec2.describe_snapshots(SnapshotIds=[snapshot])['Snapshots'][0]['State'] == 'completed')
        devices = [{'DeviceName': '/dev/sda1', 'Ebs': {'SnapshotId': snapshot}}]
        made = ec2.register_image(Name='from-snapshot', RootDeviceName='/dev/sda1', BlockDeviceMappings=devices)
        ebs_images[cloud.config.name] = made['ImageId']
    return ebs_images[cloud.config.name]


def test_an_image_from_a_snapshot_has_the_versions_root_device_and_architecture(cloud: Lab, ebs_image: str) -> None:
    (found,) = cloud.ec2().describe_images(ImageIds=[ebs_image])['Images']
    assert found['RootDeviceName'] == ('/dev/sda1' if cloud.played.name == '3.1' else '/dev/sda')
    assert found['Architecture'] == ('x86_64' if cloud.played.name in OLD else 'i386')


def run(cloud: Lab, image: str, **options: object) -> dict:
    return cloud.ec2().run_instances(ImageId=image, MinCount=1, MaxCount=1, **options)['Instances'][0]


def test_on_3_1_an_image_from_a_snapshot_boots_with_the_clouds_first_kernel(cloud: Lab, ebs_image: str) -> None:
    kernel = cloud.rows("SELECT id FROM images WHERE type = 'kernel' ORDER BY created")
    first = kernel[0]['id'] if kernel else register(cloud, 'kernel')
    options = {'ImageId': first, 'Attribute': 'launchPermission', 'OperationType': 'add'}
    cloud.ec2(cloud.admin).modify_image_attribute(**options, UserGroups=['all'])
    assert run(cloud, ebs_image).get('KernelId') == (first if cloud.played.name == '3.1' else None)


def test_a_client_token_counts_from_3_3_on(cloud: Lab, ebs_image: str) -> None:
    made = {run(cloud, ebs_image, ClientToken='the-same')['InstanceId'] for _ in range(2)}
    assert len(made) == (2 if cloud.played.name == '3.1' else 1)


def test_user_data_are_limited_from_3_4_on(cloud: Lab, ebs_image: str) -> None:
    try:
        run(cloud, ebs_image, UserData='x' * 16385)
    except ClientError as error:
        assert 'User data may not exceed 16 KB' in str(error)
        assert cloud.played.name != '3.1'
    else:
        assert cloud.played.name == '3.1'


def test_an_image_as_large_as_the_disk_does_not_run_before_4_0(cloud: Lab) -> None:
    gib = {'3.1': 2, '3.4': 5, '4.4': 5, '5': 10}[cloud.played.name]
    options = {} if cloud.played.name == '3.1' else {'VirtualizationType': 'hvm'}
    location = cloud.put_manifest(cloud.tenant, f'large/{secrets.token_hex(4)}.manifest.xml', size=gib << 30)
    image = cloud.ec2().register_image(ImageLocation=location, Name='large', **options)['ImageId']
    if cloud.played.name in OLD:
        with refused('RunInstancesType', f'greater than the vmType {cloud.played.types.default} size {gib} GB', status=406):
            run(cloud, image)
    else:
        assert run(cloud, image)['State']['Name'] == 'pending'


def test_the_console_of_an_instance_that_does_not_run_is_empty_or_an_error(cloud: Lab, ebs_image: str) -> None:
    instance = run(cloud, ebs_image)['InstanceId']
    if cloud.played.name in OLD:
        assert cloud.ec2().get_console_output(InstanceId=instance).get('Output', '') == ''
    else:
        with refused('InternalFailure', 'not in a running state', status=500):
            cloud.ec2().get_console_output(InstanceId=instance)


def test_a_volume_attached_too_early_is_refused_or_comes_back(cloud: Lab, ebs_image: str) -> None:
    instance, ec2 = run(cloud, ebs_image)['InstanceId'], cloud.ec2()
    disk = ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId']

    def state() -> str:
        return str(ec2.describe_volumes(VolumeIds=[disk])['Volumes'][0]['State'])

    wait_for('the volume is available', lambda: state() == 'available')
    request = {'VolumeId': disk, 'InstanceId': instance, 'Device': '/dev/sdf'}
    if cloud.played.name in OLD:
        assert ec2.attach_volume(**request)['State'] == 'attaching'
    else:
        with refused('IncorrectState', "is not 'running'"):
            ec2.attach_volume(**request)
    wait_for('the volume is available', lambda: state() == 'available')


def test_the_root_volume_is_kept_as_in_the_version(cloud: Lab, ebs_image: str) -> None:
    instance = run(cloud, ebs_image)['InstanceId']
    (attachment,) = cloud.rows('SELECT * FROM attachments WHERE instance_id = ?', instance)
    words = {'3.4': f'is associated with boot from EBS instance {instance} at launch time. Cannot be detached'}
    if cloud.played.name == '3.1':
        assert cloud.ec2().detach_volume(VolumeId=attachment['volume_id'])['State'] == 'detaching'
    else:
        with pytest.raises(ClientError, match=words.get(cloud.played.name, 'Cannot detach root volume')):
            cloud.ec2().detach_volume(VolumeId=attachment['volume_id'])


def test_instance_types_are_those_of_a_new_cloud(cloud: Lab) -> None:
    default = {'3.1': ('m1.small', 128, 2), '3.4': ('m1.small', 256, 5), '4.4': ('m1.small', 256, 5), '5': ('t2.micro', 1024, 10)}
    name, memory, disk = default[cloud.played.name]
    zones = cloud.ec2(cloud.admin).describe_availability_zones(ZoneNames=['verbose'])['AvailabilityZones']
    capacity = {zone['ZoneName'].removeprefix('|- '): zone['State'].split() for zone in zones}
    assert [int(number) for number in capacity[name][-2:]] == [memory, disk]
    assert ('m1.small' in capacity) == (cloud.played.name != '5')
    if cloud.played.name == '5':
        query = 'Action=RunInstances&ImageId=emi-00000000&MinCount=1&MaxCount=1&InstanceType=m1.small'
        status, code, message = answer(cloud, query)
        assert (status, code) == (403, 'UnauthorizedOperation') and 'Not authorized to allocate vm type m1.small' in message
