# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The awscli of PyPI: the whole sequence of an image builder, and its defaults, which fail as they fail on a Eucalyptus."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.played_node import CONSOLE, played_node
from tests.kit.strangers import awscli, without_aws_variables
from tests.kit.waiting import wait_for

CONFIG = """[default]
region = eucalyptus
cli_pager =
aws_access_key_id = {key}
aws_secret_access_key = {secret}
s3 =
    addressing_style = path

# The newest API sends a ClientToken with CreateVolume, which no Eucalyptus accepts (docs/lab.md).
[profile older-api]
region = eucalyptus
cli_pager =
aws_access_key_id = {key}
aws_secret_access_key = {secret}
api_versions =
    ec2 = 2016-09-15
"""


class Aws:
    """The command for one account, with a configuration file of its own."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        (directory / 'config').write_text(CONFIG.format(key=lab.tenant.access_key, secret=lab.tenant.secret_key))
        self._endpoints = {'ec2': lab.ec2_url, 's3': lab.s3_url, 's3api': lab.s3_url}
        self._environment = {
            **without_aws_variables(),
            'PYTHONPATH': str(awscli()),
            'AWS_CONFIG_FILE': str(directory / 'config'),
        }

    def run(self, service: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, '-m', 'awscli', '--endpoint-url', self._endpoints[service], service, *words]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=120, check=False)

    def ec2(self, *words: str) -> Any:
        """The command's JSON, None for no output. It must succeed."""
        done = self.run('ec2', *words)
        assert done.returncode == 0, (words, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def wait(self, waiter: str, *words: str, member: str, state: str, path: str = '[].State') -> None:
        """See a state come, and then awscli's own waiter agree; the waiter alone would look every 15 s."""
        what = words[0].removeprefix('--').removesuffix('-ids') + 's'
        wait_for(
            f'{words} {state}',
            lambda: set(self.ec2(f'describe-{what}', *words, '--query', f'{member}{path}')) == {state},
        )
        self.ec2('wait', waiter, *words)

    def volume(self) -> str:
        """A new volume that is available."""
        volume = self.ec2('create-volume', '--profile', 'older-api', '--size', '1', '--availability-zone', 'one')['VolumeId']
        self.wait('volume-available', '--volume-ids', volume, member='Volumes', state='available')
        return str(volume)

    def refused(self, *words: str) -> str:
        done = self.run('ec2', *words)
        assert done.returncode, done.stdout
        return done.stderr


@pytest.fixture(name='lab', scope='module')
def fixture_lab(make_lab_api: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = make_lab_api('awscli')
    with played_node(lab, tmp_path_factory.mktemp('console')):
        yield lab


def test_awscli_does_the_whole_sequence(lab: Lab, tmp_path: Path) -> None:
    aws = Aws(lab, tmp_path)
    assert aws.ec2('describe-availability-zones')['AvailabilityZones'][0]['ZoneName'] == 'one'
    key = aws.ec2('create-key-pair', '--key-name', 'operator')
    assert key['KeyMaterial'].startswith('-----BEGIN RSA PRIVATE KEY-----')
    group = aws.ec2('create-security-group', '--group-name', 'ssh', '--description', 'for the operator')['GroupId']
    port = ('--group-id', group, '--protocol', 'tcp', '--port', '22', '--cidr', '192.0.2.0/24')
    aws.ec2('authorize-security-group-ingress', *port)

    volume = aws.volume()
    snapshot = aws.ec2('create-snapshot', '--volume-id', volume, '--description', 'installed')['SnapshotId']
    aws.wait('snapshot-completed', '--snapshot-ids', snapshot, member='Snapshots', state='completed')
    root = f'DeviceName=/dev/sda,Ebs={{SnapshotId={snapshot}}}'
    image_options = ('--architecture', 'x86_64', '--root-device-name', '/dev/sda', '--block-device-mappings', root)
    image = aws.ec2('register-image', '--name', 'by-awscli', *image_options)['ImageId']

    launch = ('--instance-type', 'm1.small', '--key-name', 'operator', '--security-groups', 'ssh', '--user-data', 'bootparams=vnc')
    instance = aws.ec2('run-instances', '--image-id', image, *launch)['Instances'][0]['InstanceId']
    states = {'member': 'Reservations', 'path': '[].Instances[].State.Name'}
    aws.wait('instance-status-ok', '--instance-ids', instance, state='running', **states)
    data = aws.volume()
    aws.ec2('attach-volume', '--volume-id', data, '--instance-id', instance, '--device', '/dev/sdf')
    aws.wait('volume-in-use', '--volume-ids', data, member='Volumes', state='attached', path='[].Attachments[].State')
    assert aws.ec2('get-console-output', '--instance-id', instance)['Output'] == CONSOLE
    aws.ec2('create-tags', '--resources', instance, image, '--tags', 'Key=Name,Value=by awscli')
    aws.ec2('reboot-instances', '--instance-ids', instance)
    made = aws.ec2('create-image', '--instance-id', instance, '--name', 'of-the-instance', '--no-reboot')['ImageId']
    aws.ec2('modify-image-attribute', '--image-id', image, '--launch-permission', 'Add=[{Group=all}]')
    aws.wait('image-available', '--image-ids', made, member='Images', state='available')
    check_descriptions(aws, instance, image, snapshot)

    aws.ec2('terminate-instances', '--instance-ids', instance)
    aws.wait('instance-terminated', '--instance-ids', instance, state='terminated', **states)
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


def test_awscli_with_its_defaults_fails_where_it_fails_on_4_4(lab: Lab, tmp_path: Path) -> None:
    aws = Aws(lab, tmp_path)
    assert aws.ec2('describe-volumes')['Volumes'] is not None
    assert aws.ec2('describe-vpcs')['Vpcs'] == []
    assert 'InvalidVpcID.NotFound' in aws.refused('describe-vpcs', '--vpc-ids', 'vpc-12345678')
    assert 'Failed to bind the following fields:\nClientToken = ' in aws.refused(
        'create-volume', '--size', '1', '--availability-zone', 'one'
    )
    # A page size is a parameter that DescribeImages does not have; the number of items is counted by the client.
    assert 'MaxResults = 5' in aws.refused('describe-images', '--page-size', '5')
    assert 'DryRun = true' in aws.refused('describe-volumes', '--dry-run')


def test_awscli_stores_objects(lab: Lab, tmp_path: Path) -> None:
    aws = Aws(lab, tmp_path)
    (tmp_path / 'file').write_text('content')
    for words in (
        ('s3', 'mb', 's3://by-awscli'),
        ('s3', 'cp', str(tmp_path / 'file'), 's3://by-awscli/folder/file'),
        ('s3', 'cp', 's3://by-awscli/folder/file', str(tmp_path / 'copy')),
        ('s3', 'rb', '--force', 's3://by-awscli'),
    ):
        done = aws.run(*words)
        assert done.returncode == 0, (words, done.stderr)
    assert (tmp_path / 'copy').read_text() == 'content'
