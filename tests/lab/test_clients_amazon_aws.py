# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of the collection amazon.aws: reading and small changes work, the rest fails for the reasons in docs/lab.md."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.played_node import played_node
from tests.kit.strangers import amazon_aws, without_aws_variables
from tests.kit.waiting import wait_for

# boto and awscli show the lab's own behaviour with `make test`.
pytestmark = pytest.mark.long


@pytest.fixture(name='lab', scope='module')
def fixture_lab(make_lab_api: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = make_lab_api('amazon-aws')
    with played_node(lab, tmp_path_factory.mktemp('console')):
        yield lab


def play(lab: Lab, directory: Path, tasks: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Run tasks (name -> module and arguments) and return their results by name, failed ones included."""
    steps: list[dict[str, Any]] = [
        {'name': name, f'amazon.aws.{module}': arguments, 'register': name, 'ignore_errors': True}
        for name, (module, arguments) in tasks.items()
    ]
    results = '{{ {' + ', '.join(f"'{name}': {name}" for name in tasks) + '} | to_json }}'
    steps.append({'ansible.builtin.copy': {'dest': str(directory / 'results.json'), 'content': results, 'mode': '0600'}})
    playbook = directory / 'playbook.json'
    playbook.write_text(json.dumps([{'hosts': 'localhost', 'connection': 'local', 'gather_facts': False, 'tasks': steps}]))
    done = subprocess.run(
        [sys.executable, '-m', 'ansible', 'playbook', '-i', 'localhost,', str(playbook)],
        env={
            **without_aws_variables(),
            'ANSIBLE_COLLECTIONS_PATH': str(amazon_aws()),
            'ANSIBLE_HOME': str(directory),
            'ANSIBLE_LOCALHOST_WARNING': 'false',
            'ANSIBLE_PYTHON_INTERPRETER': sys.executable,
            'AWS_URL': lab.ec2_url,
            'AWS_REGION': 'eucalyptus',
            'AWS_ACCESS_KEY_ID': lab.tenant.access_key,
            'AWS_SECRET_ACCESS_KEY': lab.tenant.secret_key,
        },
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, dict[str, Any]] = json.loads((directory / 'results.json').read_text())
    return found


def test_amazon_aws_reads_and_changes_what_another_client_made(lab: Lab, tmp_path: Path) -> None:
    ec2 = lab.ec2()
    ec2.create_key_pair(KeyName='operator')
    volume = ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    wait_for('the volume', lambda: ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['State'] == 'available')
    snapshot = ec2.create_snapshot(VolumeId=volume)['SnapshotId']
    wait_for('the snapshot', lambda: ec2.describe_snapshots(SnapshotIds=[snapshot])['Snapshots'][0]['State'] == 'completed')
    root = [{'DeviceName': '/dev/sda', 'Ebs': {'SnapshotId': snapshot}}]
    image = ec2.register_image(Name='source', Architecture='x86_64', RootDeviceName='/dev/sda', BlockDeviceMappings=root)['ImageId']
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, KeyName='operator')['Instances'][0]['InstanceId']
    results = play(
        lab,
        tmp_path,
        {
            'tagged': ('ec2_tag', {'resource': instance, 'tags': {'Name': 'by amazon.aws'}}),
            'again': ('ec2_tag', {'resource': instance, 'tags': {'Name': 'by amazon.aws'}}),
            'registered': (
                'ec2_ami',
                {
                    'name': 'registered',
                    'architecture': 'x86_64',
                    'root_device_name': '/dev/sda',
                    'device_mapping': [{'device_name': '/dev/sda', 'snapshot_id': snapshot}],
                },
            ),
            'shared': ('ec2_ami', {'image_id': image, 'launch_permissions': {'group_names': ['all']}}),
            'stopped': ('ec2_instance', {'instance_ids': [instance], 'state': 'stopped', 'wait': False}),
            'keys': ('ec2_key_info', {}),
            'group_list': ('ec2_security_group_info', {}),
            'volumes': ('ec2_vol_info', {}),
            'snapshots': ('ec2_snapshot_info', {}),
            'images': ('ec2_ami_info', {'owners': 'self'}),
            'instances': ('ec2_instance_info', {}),
            'zones': ('aws_az_info', {}),
            'networks': ('ec2_vpc_net_info', {}),
        },
    )
    assert {name: result.get('msg') for name, result in results.items() if result.get('failed')} == {}
    assert (results['tagged']['changed'], results['again']['changed']) == (True, False)
    assert {one['name'] for one in results['images']['images']} == {'source', 'registered'}
    (shown,) = results['instances']['instances']
    assert (shown['instance_id'], shown['tags'], shown['key_name']) == (instance, {'Name': 'by amazon.aws'}, 'operator')
    assert shown['state']['name'] in ('stopping', 'stopped')
    assert [one['key_name'] for one in results['keys']['keypairs']] == ['operator']
    assert [one['group_name'] for one in results['group_list']['security_groups']] == ['default']
    assert volume in [one['id'] for one in results['volumes']['volumes']]
    assert [one['snapshot_id'] for one in results['snapshots']['snapshots']] == [snapshot]
    assert [one['zone_name'] for one in results['zones']['availability_zones']] == ['one']
    assert results['networks']['vpcs'] == []
    # It sends Attribute and LaunchPermission together: Eucalyptus ignores the permission, without an error.
    assert results['shared']['changed']
    assert ec2.describe_image_attribute(ImageId=image, Attribute='launchPermission')['LaunchPermissions'] == []


def test_amazon_aws_fails_where_it_fails_on_4_4(lab: Lab, tmp_path: Path) -> None:
    results = play(
        lab,
        tmp_path,
        {
            'key': ('ec2_key', {'name': 'second'}),
            'group': ('ec2_security_group', {'name': 'second', 'description': 'd'}),
            'volume': ('ec2_vol', {'volume_size': 1, 'zone': 'one', 'name': 'second'}),
            'instance': ('ec2_instance', {'name': 'second', 'image_id': 'emi-12345678', 'state': 'running'}),
        },
    )
    assert all(result['failed'] for result in results.values())
    assert 'KeyPairId' in results['key']['msg']  # no Eucalyptus has ids of key pairs
    assert 'GetUser' in results['group']['msg']  # sent to the EC2 service, like every request with an endpoint of its own
    assert 'Error while creating EBS volume' in results['volume']['msg']
    assert 'No default subnet could be found' in results['instance']['msg']
    log = (lab.home / 'api.log').read_text()
    assert re.search('CreateVolume 400 .*Failed to bind the following fields: .*ClientToken', log)
