# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds without the hook: a plain tenant's installer boots from a boot disk."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.ports import free_port
from tests.kit.waiting import wait_for

from .conftest import EUCALAB, BuildLab, run

PLAYS = ['3.4', '4.4', '5']
HASH = '$6$saltsalt$' + 'a' * 86


@pytest.fixture(name='plain', params=PLAYS)
def fixture_plain(lab: BuildLab, request: pytest.FixtureRequest) -> Iterator[BuildLab]:
    """A lab of the version, without a hook on its node and without a published installer."""
    name = f'plain-{request.param.replace(".", "-")}'
    up = run(*EUCALAB, 'up', '--name', name, '--port', str(free_port()), '--nodes', '1', '--play', request.param)
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        yield BuildLab.load(name)
    finally:
        down = run(*EUCALAB, 'down', '--name', name)
        assert down.returncode == 0, down.stdout + down.stderr


def tenants_variables(lab: BuildLab, **more: object) -> dict:
    """A plain tenant's variables for building the quick system from the installer's files."""
    facts = lab.facts()
    return {
        'image_build_os': 'lab-busybox',
        'image_build_mirror': facts['lab_mirror_url'],
        'image_build_name': 'plain',
        'image_build_connection': {'eucarc': facts['lab_tenant_eucarc']},
        'image_build_kernel': facts['lab_installer_kernel'],
        'image_build_ramdisk': facts['lab_installer_ramdisk'],
        'image_build_guest_s3_url': facts['lab_guest_s3_url'],
        'image_build_directory': str(lab.home / 'builds'),
        'image_build_instance_type': facts['lab_instance_type'],
        'image_build_volume_size': 1,
        **more,
    }


def boot_disks(lab: BuildLab) -> list[tuple]:
    return [tuple(row) for row in lab.rows("SELECT id, name FROM images WHERE name LIKE '%-boot%' AND state = 'available'")]


def bundles(lab: BuildLab) -> set[str]:
    """The stems of the bundles in the object storage."""
    rows = lab.rows("SELECT key FROM objects WHERE bucket LIKE 'images-%'")
    return {re.sub(r'\.(manifest\.xml|part\.\d+)$', '', row['key']) for row in rows}


@pytest.mark.long
def test_a_plain_tenant_builds_on_nodes_without_the_hook(plain: BuildLab) -> None:
    by_user_data = plain.config.play == '4.4'
    variables = tenants_variables(plain, **({} if by_user_data else {'image_build_answer_file_by': 'url'}))
    assert not [hook for hook in plain.home.glob('nodes/*/**/nc-hooks/*') if os.access(hook, os.X_OK)]
    built = plain.build(variables)
    output = built.stdout + built.stderr
    assert built.returncode == 0, output
    assert 'The installer boots from a boot disk, because this account may not register kernels.' in built.stdout
    directory = Path(re.search(r'Log and manifest are in\s+(\S+)', built.stdout)[1])
    console = (directory / 'console.log').read_text()
    assert 'SYSLINUX' in console and 'bootparams:' not in console
    assert ('inst.ks=http://169.254.169.254/latest/user-data ' in console) is by_user_data
    assert re.search(r'installation-proof: key=[0-9a-f]{10} disk=\w+ serial=\S*vol-\S+ bytes=1073741824 ', console)
    assert 'login:' in (directory / 'boot-test-console.log').read_text()
    assert plain.settled() == []
    # Without a secret the boot disk stays registered, private, for the next build of this installer; otherwise nothing stays.
    assert bool(boot_disks(plain)) is by_user_data
    assert all(re.fullmatch('plain-boot-[0-9a-f]{12}', name) for _id, name in boot_disks(plain))
    assert len(bundles(plain)) == by_user_data
    assert plain.rows('SELECT * FROM launch_permissions') == []
    kept = [output, *(file.read_text() for file in directory.iterdir())]
    assert not [found for found in kept if re.search('Signature=[A-Za-z0-9%]', found)]

    again = plain.build(variables)
    assert again.returncode == 0, again.stdout
    assert 'nothing had to be done' in again.stdout and 'changed=0' in again.stdout


# A task, and the seconds after its start.
KILLED_IN = {
    'Register the boot disk': 0.5,
    'Start the installer': 0.5,
    'Wait for the installer to power off': 2,
    'Remove the boot disk, which contains the URL of the answer file': 0.3,
}


def kill_in(lab: BuildLab, task: str, seconds: float, variables: dict, output: Path) -> None:
    """Start a build, and kill its playbook in this task. A task that includes a step's file may have the name of one in it."""
    header = re.compile(rf'^TASK \[.*: {re.escape(task)}\] ', re.MULTILINE)
    build = lab.start_build(variables, output)
    try:
        while len(header.findall(output.read_text())) < 1 + (task == 'Start the installer'):
            assert build.poll() is None, output.read_text()
            time.sleep(0.05)
        time.sleep(seconds)
        os.kill(build.pid, signal.SIGKILL)
        build.wait(timeout=60)
    finally:
        build.kill()


@pytest.mark.long
@pytest.mark.parametrize('plain', ['4.4'], indirect=True)
def test_a_build_killed_while_it_has_a_boot_disk_with_a_secret_leaves_neither_that_nor_its_bundle(
    plain: BuildLab, tmp_path: Path
) -> None:
    for number, (task, seconds) in enumerate(KILLED_IN.items()):
        variables = tenants_variables(plain, image_build_name=f'killed-{number}', image_build_root_password_hash=HASH)
        kill_in(plain, task, seconds, variables, tmp_path / 'output')
        assert plain.settled() == [], task
        wait_for(f'no boot disk after {task}', lambda: not boot_disks(plain) and not bundles(plain), 60)
        assert not [*plain.builds.glob('*/*boot.img*')], task


@pytest.mark.long
@pytest.mark.parametrize('plain', ['4.4'], indirect=True)
def test_two_builds_with_one_name_and_other_parameters_do_not_disturb_each_other(plain: BuildLab, tmp_path: Path) -> None:
    builds = [
        plain.start_build(
            tenants_variables(plain, image_build_installer_options=[f'build={number}']),
            tmp_path / f'output-{number}',
        )
        for number in (1, 2)
    ]
    try:
        assert [build.wait(timeout=900) for build in builds] == [0, 0], [file.read_text() for file in tmp_path.iterdir()]
    finally:
        for build in builds:
            build.kill()
    disks = boot_disks(plain)
    assert len(disks) == len(bundles(plain)) == 2
    assert plain.settled() == []
    # A build with the same disk and another answer file makes no third one.
    post = {'image_build_post': 'echo more > /etc/motd'}
    third = plain.build(tenants_variables(plain, image_build_installer_options=['build=1'], **post))
    assert third.returncode == 0, third.stdout
    assert boot_disks(plain) == disks


@pytest.mark.long
@pytest.mark.parametrize('plain', ['4.4'], indirect=True)
def test_an_installer_that_reboots_instead_of_installing_does_not_start_again(plain: BuildLab, tmp_path: Path) -> None:
    answer = tmp_path / 'reboot.ks'
    answer.write_text('%pre\necho nothing is installed > /dev/console\nsync\nreboot -f\nsleep 60\n%end\n')
    built = plain.build(tenants_variables(plain, image_build_answer_file=str(answer)))
    assert built.returncode != 0
    said = ' '.join((built.stdout + built.stderr).split())
    assert 'failed at: install' in said and 'reboot: Restarting system' in said
    assert plain.settled() == []
