# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The awscli of PyPI: the whole sequence of an image builder, and its defaults, which fail as they fail on a Eucalyptus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit.awscli import Aws
from tests.kit.lab import Lab
from tests.kit.played_node import CONSOLE, played_node


@pytest.fixture(name='lab', scope='module')
def fixture_lab(make_lab_api: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = make_lab_api('awscli')
    with played_node(lab, tmp_path_factory.mktemp('console')):
        yield lab


@pytest.fixture(name='aws')
def fixture_aws(lab: Lab, tmp_path: Path) -> Iterator[Aws]:
    with Aws(lab, tmp_path) as aws:
        yield aws


def test_awscli_does_the_whole_sequence(aws: Aws) -> None:
    assert aws.ec2('describe-availability-zones')['AvailabilityZones'][0]['ZoneName'] == 'one'
    key = aws.ec2('create-key-pair', '--key-name', 'operator')
    assert key['KeyMaterial'].startswith('-----BEGIN RSA PRIVATE KEY-----')
    group = aws.ec2('create-security-group', '--group-name', 'ssh', '--description', 'for the operator')['GroupId']
    port = ('--group-id', group, '--protocol', 'tcp', '--port', '22', '--cidr', '192.0.2.0/24')
    aws.ec2('authorize-security-group-ingress', *port)

    volume = aws.create_volume()
    snapshot = aws.ec2('create-snapshot', '--volume-id', volume, '--description', 'installed')['SnapshotId']
    aws.wait('snapshot-completed', '--snapshot-ids', snapshot, query='Snapshots[].State', state='completed')
    root = f'DeviceName=/dev/sda,Ebs={{SnapshotId={snapshot}}}'
    image_options = ('--architecture', 'x86_64', '--root-device-name', '/dev/sda', '--block-device-mappings', root)
    image = aws.ec2('register-image', '--name', 'by-awscli', *image_options)['ImageId']

    launch = ('--instance-type', 'm1.small', '--key-name', 'operator', '--security-groups', 'ssh', '--user-data', 'bootparams=vnc')
    instance = aws.ec2('run-instances', '--image-id', image, *launch)['Instances'][0]['InstanceId']
    states = 'Reservations[].Instances[].State.Name'
    aws.wait('instance-status-ok', '--instance-ids', instance, query=states, state='running')
    data = aws.create_volume()
    aws.ec2('attach-volume', '--volume-id', data, '--instance-id', instance, '--device', '/dev/sdf')
    aws.wait('volume-in-use', '--volume-ids', data, query='Volumes[].Attachments[].State', state='attached')
    assert aws.ec2('get-console-output', '--instance-id', instance)['Output'] == CONSOLE
    aws.ec2('create-tags', '--resources', instance, image, '--tags', 'Key=Name,Value=by awscli')
    aws.ec2('reboot-instances', '--instance-ids', instance)
    made = aws.ec2('create-image', '--instance-id', instance, '--name', 'of-the-instance', '--no-reboot')['ImageId']
    aws.ec2('modify-image-attribute', '--image-id', image, '--launch-permission', 'Add=[{Group=all}]')
    aws.wait('image-available', '--image-ids', made, query='Images[].State', state='available')
    check_descriptions(aws, instance, image, snapshot)

    aws.ec2('terminate-instances', '--instance-ids', instance)
    aws.wait('instance-terminated', '--instance-ids', instance, query=states, state='terminated')
    for one in (image, made):
        aws.ec2('deregister-image', '--image-id', one)
    for one in aws.ec2('describe-snapshots', '--owner-ids', 'self')['Snapshots']:
        aws.ec2('delete-snapshot', '--snapshot-id', one['SnapshotId'])
    for one in (volume, data):
        aws.ec2('delete-volume', '--volume-id', one)
    aws.ec2('delete-key-pair', '--key-name', 'operator')
    aws.ec2('delete-security-group', '--group-id', group)
    left = {what: aws.ec2(f'describe-{what}')[member] for what, member in (('images', 'Images'), ('snapshots', 'Snapshots'))}
    assert left == {'images': [], 'snapshots': []} and aws.ec2('describe-key-pairs')['KeyPairs'] == []


def check_descriptions(aws: Aws, instance: str, image: str, snapshot: str) -> None:
    """Everything can be described, and has what the sequence made."""
    (shown,) = aws.ec2('describe-instances', '--filters', 'Name=tag:Name,Values=by awscli')['Reservations'][0]['Instances']
    assert (shown['InstanceId'], shown['KeyName'], shown['SecurityGroups'][0]['GroupName']) == (instance, 'operator', 'ssh')
    assert {one['DeviceName'] for one in shown['BlockDeviceMappings']} == {'/dev/sda', '/dev/sdf'}
    data = aws.ec2('describe-instance-attribute', '--instance-id', instance, '--attribute', 'userData')['UserData']['Value']
    assert data == 'Ym9vdHBhcmFtcz12bmM='
    permissions = aws.ec2('describe-image-attribute', '--image-id', image, '--attribute', 'launchPermission')['LaunchPermissions']
    assert permissions == [{'Group': 'all'}]
    aws.ec2('describe-snapshot-attribute', '--snapshot-id', snapshot, '--attribute', 'createVolumePermission')
    expected = {
        'account-attributes': ('AccountAttributes', 2),
        'addresses': ('Addresses', 0),
        'images': ('Images', 2),
        'instance-status': ('InstanceStatuses', 1),
        'key-pairs': ('KeyPairs', 1),
        'placement-groups': ('PlacementGroups', 0),
        'regions': ('Regions', 1),
        'security-groups': ('SecurityGroups', 2),
        'snapshots': ('Snapshots', 3),
        'tags': ('Tags', 2),
        'volumes': ('Volumes', 3),
    }
    counted = {what: len(aws.ec2(f'describe-{what}')[member]) for what, (member, _) in expected.items()}
    assert counted == {what: count for what, (_, count) in expected.items()}


def test_awscli_with_its_defaults_fails_where_it_fails_on_4_4(aws: Aws) -> None:
    assert aws.ec2('describe-volumes')['Volumes'] is not None
    assert aws.ec2('describe-vpcs')['Vpcs'] == []
    assert 'InvalidVpcID.NotFound' in aws.refused('describe-vpcs', '--vpc-ids', 'vpc-12345678')
    assert 'Failed to bind the following fields:\nClientToken = ' in aws.refused(
        'create-volume', '--size', '1', '--availability-zone', 'one'
    )
    # A page size is a parameter that DescribeImages does not have; the number of items is counted by the client.
    assert 'MaxResults = 5' in aws.refused('describe-images', '--page-size', '5')
    assert 'DryRun = true' in aws.refused('describe-volumes', '--dry-run')


def test_awscli_stores_objects(aws: Aws, tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('content')
    for words in (
        ('s3', 'mb', 's3://by-awscli'),
        ('s3', 'cp', str(tmp_path / 'file'), 's3://by-awscli/folder/file'),
        ('s3', 'cp', 's3://by-awscli/folder/file', str(tmp_path / 'copy')),
        ('s3', 'rb', '--force', 's3://by-awscli'),
    ):
        status, _, error = aws.run(*words)
        assert status == 0, (words, error)
    assert (tmp_path / 'copy').read_text() == 'content'
