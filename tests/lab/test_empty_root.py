# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The empty root of instances that install themselves, with builds that fail as soon as they have it: no instance is run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.build.bad_line import bad_line
from tests.kit.lab import Lab
from tests.kit.paths import ROOT
from tests.lab.test_build_inputs import connection, environment

PLAYBOOK = str(ROOT / 'playbooks/install_instance.yml')
NAME = 'empty-1g-x86_64-one'


pytestmark = pytest.mark.long


def install(lab: Lab, tmp_path: Path, port: int, step: str = 'start the installer', size: int = 1) -> str:
    """The output of a build that fails at this step."""
    variables = {
        'image_build_name': 'itself',
        'image_build_connection': {**connection(lab), 'ec2_url': f'http://127.0.0.1:{port}/services/compute'},
        'image_build_node_installer': 'debian-12',
        'image_build_answer_file': 'kickstart.cfg.j2',
        'image_build_install_url': 'http://mirror.example.com/debian',
        'image_build_volume_size': size,
    }
    done = subprocess.run(
        ['ansible-playbook', PLAYBOOK, '-e', json.dumps(variables)],
        env=environment(tmp_path),
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
    said = ' '.join((done.stdout + done.stderr).split())
    assert done.returncode != 0 and f'failed at: {step}.' in said, said
    return said


def test_two_builds_that_make_an_empty_root_at_once_use_the_same_and_the_next_one_finds_it(lab_api: Lab, tmp_path: Path) -> None:
    """The other build registers its root while this one does."""
    ec2 = lab_api.ec2()
    volume = ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    ec2.get_waiter('volume_available').wait(VolumeIds=[volume], WaiterConfig={'Delay': 1})
    snapshot = ec2.create_snapshot(VolumeId=volume)['SnapshotId']
    ec2.get_waiter('snapshot_completed').wait(SnapshotIds=[snapshot], WaiterConfig={'Delay': 1})
    device = {'DeviceName': '/dev/sda', 'Ebs': {'SnapshotId': snapshot}}
    others: list[str] = []

    def register_first() -> None:
        made = ec2.register_image(Name=NAME, RootDeviceName='/dev/sda', BlockDeviceMappings=[device], Architecture='x86_64')
        others.append(made['ImageId'])

    with bad_line(lab_api.port, 'RunInstances', refused=True) as no_run:
        with bad_line(no_run, 'RegisterImage', answered=True, before=register_first) as port:
            said = install(lab_api, tmp_path, port)
        again = install(lab_api, tmp_path, no_run)
    assert f'stay registered, for the next build: {others[0]}' in said
    assert [image['ImageId'] for image in ec2.describe_images(Owners=['self'])['Images']] == others
    assert [one['SnapshotId'] for one in ec2.describe_snapshots(OwnerIds=['self'])['Snapshots']] == [snapshot]
    assert [one['VolumeId'] for one in ec2.describe_volumes()['Volumes'] if one['State'] in ('available', 'in-use')] == [volume]

    with bad_line(lab_api.port, 'RegisterImage', refused=True) as port:
        assert 'HTTP status 403' in install(lab_api, tmp_path, port, 'make the empty root', size=2)
    assert len(ec2.describe_snapshots(OwnerIds=['self'])['Snapshots']) == 1
    assert 'Create an empty volume' in said and 'Create an empty volume' not in again
