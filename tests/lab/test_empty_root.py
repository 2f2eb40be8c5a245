# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The empty root of instances that install themselves, with builds that fail as soon as they have it: no instance is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.build.bad_line import bad_line
from tests.kit.lab import Lab
from tests.kit.playbooks import connection, environment, play

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
    done = play('install_instance.yml', variables, env=environment(tmp_path), cwd=tmp_path)
    said = ' '.join((done.stdout + done.stderr).split())
    assert done.returncode != 0 and f'failed at: {step}.' in said, said
    return said


def empty_snapshot(ec2: Any) -> tuple[str, str]:
    """A volume, and its snapshot."""
    volume = ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    ec2.get_waiter('volume_available').wait(VolumeIds=[volume], WaiterConfig={'Delay': 1})
    snapshot = ec2.create_snapshot(VolumeId=volume)['SnapshotId']
    ec2.get_waiter('snapshot_completed').wait(SnapshotIds=[snapshot], WaiterConfig={'Delay': 1})
    return volume, snapshot


def test_two_builds_that_make_an_empty_root_at_once_use_the_same_and_the_next_one_finds_it(lab_api: Lab, tmp_path: Path) -> None:
    """The other build registers its root while this one does."""
    ec2 = lab_api.ec2()
    volume, snapshot = empty_snapshot(ec2)
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
        assert 'RegisterImage of image empty-2g-x86_64-one failed' in install(
            lab_api, tmp_path, port, 'make the empty root', size=2
        )
    assert len(ec2.describe_snapshots(OwnerIds=['self'])['Snapshots']) == 1
    assert 'Create an empty volume' in said and 'Create an empty volume' not in again


def registered(ec2: Any, name: str, **source: Any) -> str:
    return str(ec2.register_image(Name=name, Architecture='x86_64', **source)['ImageId'])


def test_an_image_of_another_owner_or_kind_with_that_name_is_not_taken_for_an_empty_root(lab_api: Lab, tmp_path: Path) -> None:
    """Everybody may launch the other account's image. The tenant's own has its root on no volume."""
    name, mine, others = 'empty-3g-x86_64-one', lab_api.ec2(), lab_api.ec2(lab_api.admin)
    device = {'DeviceName': '/dev/sda', 'Ebs': {'SnapshotId': empty_snapshot(others)[1]}}
    theirs = registered(others, name, RootDeviceName='/dev/sda', BlockDeviceMappings=[device])
    others.modify_image_attribute(ImageId=theirs, Attribute='launchPermission', OperationType='add', UserGroups=['all'])
    location = lab_api.put_manifest(lab_api.tenant, 'empty-root/disk.manifest.xml')
    own = registered(mine, name, ImageLocation=location, **lab_api.published_boot())
    said = install(lab_api, tmp_path, lab_api.port, 'make the empty root', size=3)
    assert f'The image {name} ({own}) differs from the requested image' in said
    assert theirs not in said
    mine.deregister_image(ImageId=own)
