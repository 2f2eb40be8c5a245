# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook build_image before it builds: what it refuses, and what it applies to a finished image. Nothing boots here."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.paths import ROOT
from tests.kit.playbooks import connection, environment, play
from tests.kit.waiting import wait_for

PLAYBOOK = str(ROOT / 'playbooks/build_image.yml')
READS = {'DescribeImages', 'DescribeImageAttribute'}
LISTS = {'DescribeAvailabilityZones', 'DescribeInstanceTypes', 'DescribeKeyPairs', 'DescribeSecurityGroups'}
Build = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope='module')
def installer(lab_api: Lab) -> dict[str, str]:
    """Ids of a kernel and a ramdisk that everybody may use."""
    boot = lab_api.published_boot()
    return {'image_build_kernel_id': boot['KernelId'], 'image_build_ramdisk_id': boot['RamdiskId']}


@pytest.fixture(name='build')
def fixture_build(lab_api: Lab, installer: dict[str, str], tmp_path: Path) -> Build:
    def build(*words: str, **changes: Any) -> subprocess.CompletedProcess[str]:
        """Run the playbook, called in tmp_path."""
        variables = {
            'image_build_name': 'inputs',
            'image_build_connection': connection(lab_api),
            **installer,
            'image_build_answer_file': 'kickstart.cfg.j2',
            'image_build_install_url': 'http://mirror.example.com/debian',
            **{f'image_build_{name}': value for name, value in changes.items()},
        }
        given = {name: value for name, value in variables.items() if value is not None}
        return play('build_image.yml', given, *words, env=environment(tmp_path), cwd=tmp_path)

    return build


def one_line(process: subprocess.CompletedProcess[str]) -> str:
    """Its output without the line ends that Ansible put into it."""
    return re.sub(r'\s+', ' ', process.stdout + process.stderr)


def requests(lab_api: Lab) -> list[str]:
    """Everything that the cloud has been asked, in order: actions of EC2, methods of object storage."""
    return re.findall(r'eucalab\.server INFO (\w+) (?:/\S* )?\d{3}\b', (lab_api.config.home / 'api.log').read_text())


def test_whatever_is_wrong_is_refused_before_anything_changes(lab_api: Lab, build: Build) -> None:
    asked = len(requests(lab_api))
    wrong = {
        'launch_permissions': {'publik': True},
        'tags': {'aws:x': 1},
        'login_prompt': '(',
        'volume_size': -5,
        'boot_params': 'lang=fünf',
        'answer_file_expires': -1,
        'root_password_hash': 'my-secret',
        'pakages': ['vim'],
        'packages': 'vim',
    }
    for mode in ([], ['--check']):
        refused = build(*mode, **wrong)
        said = refused.stdout + refused.stderr
        assert refused.returncode != 0
        missing = [name for name in wrong if name != 'boot_params' and f'image_build_{name}' not in said]
        assert not missing, said
        assert 'my-secret' not in said
    assert requests(lab_api)[asked:] == []


def test_an_architecture_of_no_eucalyptus_is_refused(build: Build) -> None:
    refused = build(architecture='sparc')
    assert refused.returncode != 0
    assert 'image_build_architecture' in refused.stdout
    assert 'sparc' in refused.stdout


def test_the_names_of_the_roles_results_are_refused_as_inputs(lab_api: Lab, build: Build) -> None:
    asked = len(requests(lab_api))
    refused = build(result='instance')
    assert refused.returncode != 0 and requests(lab_api)[asked:] == []
    assert 'set by the role and cannot be given. For an instance that installs itself, set image_build_target' in one_line(refused)


def test_a_cloud_that_runs_no_boot_disks_is_named_before_anything_changes(
    clouds: dict[str, Lab], build: Build, tmp_path: Path
) -> None:
    old = clouds['3.1']
    files = {part: str(tmp_path / part) for part in ('kernel', 'ramdisk')}
    for file in files.values():
        Path(file).write_text('no installer')
    asked = len(requests(old))
    refused = build(**files, kernel_id=None, ramdisk_id=None, connection=connection(old), boot='disk')
    assert refused.returncode != 0
    assert 'image_build_boot: this cloud, Eucalyptus before 3.4, runs no machine images with their own boot loader' in one_line(
        refused
    )
    assert not [action for action in requests(old)[asked:] if action.startswith(('Create', 'Register', 'Run', 'PUT', 'POST'))]


@pytest.mark.parametrize('mode', [[], ['--check']], ids=['real', 'check'])
def test_what_the_cloud_does_not_have_is_refused_with_what_it_has(lab_api: Lab, build: Build, mode: list[str]) -> None:
    lab_api.ec2().create_key_pair(KeyName=f'ann-{len(mode)}')
    asked = len(requests(lab_api))
    wrong = {'zone': 'two', 'kernel_id': 'eki-00000000', 'key_name': f'anne-{len(mode)}', 'security_groups': ['defaults']}
    refused = build(*mode, **wrong, instance_type='m1.mediun', boot_test_instance_type='m1.medium')
    said = one_line(refused)
    assert refused.returncode != 0
    assert 'image_build_zone: there is no availability zone two. The cloud has one.' in said
    assert 'image_build_instance_type: there is no instance type m1.mediun. The cloud has m1.medium, ' in said
    assert f'image_build_key_name: there is no key pair anne-{len(mode)}. The cloud has ann-{len(mode)}' in said
    assert 'image_build_security_groups: there is no security group defaults. The cloud has default' in said
    assert re.search('image_build_kernel_id: there is no kernel image eki-00000000 .* The cloud has .*eki-', said)
    assert set(requests(lab_api)[asked:]) <= READS | LISTS


def test_a_template_in_the_home_directory_is_found_and_its_mistake_is_named(build: Build, tmp_path: Path) -> None:
    (tmp_path / 'mine.ks.j2').write_text('rootpw plain-secret\nurl {{ mirror_of_mine }}\n')
    refused = build('--check', answer_file='~/mine.ks.j2')
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0
    assert 'image_build_answer_file cannot be used. The variable mirror_of_mine is undefined' in one_line(refused)
    assert re.search(r'line 2 of \S+/mine.ks.j2', one_line(refused))
    assert 'plain-secret' not in said


def test_what_is_not_keyed_is_applied_to_the_finished_image(lab_api: Lab, build: Build) -> None:
    ec2 = lab_api.ec2()
    volume = ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    wait_for('the volume', lambda: ec2.describe_volumes(VolumeIds=[volume])['Volumes'][0]['State'] == 'available')
    snapshot = ec2.create_snapshot(VolumeId=volume)['SnapshotId']
    wait_for('the snapshot', lambda: ec2.describe_snapshots(SnapshotIds=[snapshot])['Snapshots'][0]['State'] == 'completed')
    plan = build('--check', '-v').stdout
    name, key = (
        re.search(r'image_name: (\S+-[0-9a-f]{10})$', plan, re.MULTILINE)[1],
        re.search(r'^\s+key: (\S+)', plan, re.MULTILINE)[1],
    )
    assert 'would be built' in plan
    devices = [{'DeviceName': '/dev/sda', 'Ebs': {'SnapshotId': snapshot}}]
    image = ec2.register_image(Name=name, RootDeviceName='/dev/sda', BlockDeviceMappings=devices, Architecture='x86_64')['ImageId']
    tags = [{'Key': 'eucalyptus.cloud/build', 'Value': name}, {'Key': 'eucalyptus.cloud/build-key', 'Value': key}]
    ec2.create_tags(Resources=[image], Tags=tags)
    changes = {'description': 'A new one', 'tags': {'team': 'blue'}, 'launch_permissions': {'public': True}}

    asked = len(requests(lab_api))
    predicted = build('--check', **changes)
    assert f'inputs is {image}' in predicted.stdout
    assert 'Would be changed: set the description, let everybody launch the image, set tags team.' in one_line(predicted)
    assert 'changed=1' in predicted.stdout
    assert set(requests(lab_api)[asked:]) <= READS

    applied = build(**changes)
    assert 'Changed: set the description, let everybody launch the image, set tags team.' in one_line(applied)
    (found,) = ec2.describe_images(ImageIds=[image])['Images']
    assert (found['Description'], found['Public']) == ('A new one', True)
    assert {'Key': 'team', 'Value': 'blue'} in found['Tags']

    again = build(**changes)
    assert f'inputs is {image}: nothing had to be done.' in again.stdout
    assert 'changed=0' in again.stdout


ROLE_ALONE = {
    'hosts': 'localhost',
    'connection': 'local',
    'gather_facts': False,
    'vars': {'ansible_python_interpreter': sys.executable},
    'roles': ['eucalyptus.cloud.image_build'],
}


@pytest.mark.parametrize(('playbook', 'pipelined'), [(PLAYBOOK, True), ('role alone', True), (PLAYBOOK, False)])
def test_an_interrupted_module_leaves_no_file_with_its_arguments(tmp_path: Path, playbook: str, pipelined: bool) -> None:
    """Interrupted while the cloud does not answer. The user's own configuration has no pipelining."""
    if playbook == 'role alone':
        playbook = str(tmp_path / 'role.yml')
        Path(playbook).write_text(json.dumps([ROLE_ALONE]))
    temporary = tmp_path / 'remote'
    (tmp_path / 'x.ks').write_text('poweroff\n')
    (tmp_path / 'empty.cfg').touch()
    with socket.create_server(('127.0.0.1', 0)) as silent:
        port = silent.getsockname()[1]
        url = f'http://127.0.0.1:{port}/services'
        variables = {
            'image_build_name': 'interrupted',
            'image_build_connection': {
                'ec2_url': f'{url}/compute',
                's3_url': f'{url}/objectstorage',
                'access_key': 'AKI',
                'secret_key': 'secret',
                'account_id': '123456789012',
            },
            'image_build_kernel_id': 'eki-1a2b3c4d',
            'image_build_ramdisk_id': 'eri-1a2b3c4d',
            'image_build_answer_file': str(tmp_path / 'x.ks'),
            **({} if pipelined else {'ansible_pipelining': False}),  # what a user says counts
        }
        settings = {
            **environment(tmp_path),
            'ANSIBLE_CONFIG': str(tmp_path / 'empty.cfg'),
            'ANSIBLE_COLLECTIONS_PATH': str(ROOT / 'playbooks/collections'),
            'ANSIBLE_REMOTE_TEMP': str(temporary),
        }
        process = subprocess.Popen(
            ['ansible-playbook', playbook, '-e', json.dumps(variables)], env=settings, cwd=tmp_path, start_new_session=True
        )
        try:
            silent.settimeout(60)
            silent.accept()[0].recv(1)
            files = [path for path in temporary.rglob('*') if path.is_file()]
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)
    assert [path.name for path in files] == ([] if pipelined else ['AnsiballZ_build_plan.py'])


# --- the catalogue of systems


def test_help_prints_the_systems_and_asks_the_cloud_nothing(lab_api: Lab, build: Build) -> None:
    asked = len(requests(lab_api))
    shown = build(os='help')
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert re.search(r'- fedora-41 +anaconda +kickstart\.cfg\.j2 +VNC +3072 +x86-64-v1 +treeinfo +checked', shown.stdout)
    assert requests(lab_api)[asked:] == []


def test_the_failure_of_an_earlier_build_in_the_play_is_forgotten(tmp_path: Path) -> None:
    earlier = {'image_build_failure': {'step': 'install', 'reason': 'no'}, 'image_build_result': {'changed': True, 'key': 'old'}}
    role = {'name': 'eucalyptus.cloud.image_build'}
    refused = {'include_role': role, 'vars': {'image_build_os': 'debain-12'}}
    checked = {'assert': {'that': ['image_build_failure == {}', 'image_build_result == {}']}}
    tasks = [{'set_fact': earlier}, {'block': [refused], 'rescue': [checked]}]
    play = {'hosts': 'localhost', 'gather_facts': False, 'tasks': tasks}
    (tmp_path / 'two.yml').write_text(json.dumps([play]))
    environ = environment(tmp_path)
    ran = subprocess.run(['ansible-playbook', 'two.yml'], env=environ, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert ran.returncode == 0 and 'All assertions passed' in ran.stdout, ran.stdout + ran.stderr


def test_a_system_of_the_catalogue_decides_the_memory_of_its_instance(build: Build) -> None:
    refused = build(os='rocky-9', instance_type='m1.small')
    assert re.search(
        r'image_build_instance_type: m1\.small \(\d+ MiB\) has less memory than image_build_memory, 3072 MiB\. These types have ',
        one_line(refused),
    )
    planned = build('--check', os='rocky-9', name=None)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert 'rocky-9 would be built' in planned.stdout
    assert 'rocky-9 needs a processor of the level x86-64-v2' in one_line(planned)


def test_an_unknown_system_is_refused_with_the_nearest_before_the_cloud_is_asked(lab_api: Lab, build: Build) -> None:
    asked = len(requests(lab_api))
    refused = build(os='debain-12')
    assert refused.returncode != 0
    assert 'image_build_os: debain-12 is not in the catalogue. Similar names are debian-12,' in one_line(refused)
    assert requests(lab_api)[asked:] == []
