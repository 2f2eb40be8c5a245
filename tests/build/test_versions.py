# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole builds in a lab of each version, on nodes of that version, with an installer that the administrator has published."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.waiting import wait_for

from .conftest import ROOT, BuildLab, build_lab, run
from .test_build import image_of, text
from .test_failures import ENDLESS

pytestmark = pytest.mark.long
# What remains of a build. The lab itself forgets ended instances and deleted volumes after a while.
LASTING = ('images', 'launch_permissions', 'snapshots', 'buckets', 'objects')
SIGNED = ('3.1', '3.4')  # where a manifest must be signed


@pytest.fixture(name='lab', scope='module', params=['3.1', '3.4', '4.4', '5'])
def fixture_lab(request: pytest.FixtureRequest) -> Iterator[BuildLab]:
    with build_lab('--play', request.param) as lab:
        yield lab


def kill_in_the_installer(lab: BuildLab, variables: dict[str, Any], output: Path) -> None:
    """Start a build, and kill the processes of its playbook while the installer runs. The guard is a process of its own."""
    consoles = f'{variables["image_build_name"]}-*/console.log'
    build = lab.start_build(variables, output)
    try:
        assert lab.installs(build), output.read_text()
        wait_for('the installer', lambda: any(b'installer: ' in file.read_bytes() for file in lab.builds.glob(consoles)), 240)
    finally:
        os.killpg(build.pid, signal.SIGKILL)
        build.wait(timeout=60)


def kill_guards(lab: BuildLab) -> None:
    """As at a power failure: nothing on this machine cleans up."""
    for lock in lab.builds.glob('*/lock'):
        guard = int(lock.read_text().split()[0])
        os.kill(guard, signal.SIGKILL)
        wait_for('the end of the guard', lambda guard=guard: not Path(f'/proc/{guard}').exists())


def lasting(lab: BuildLab) -> list[tuple[Any, ...]]:
    return [tuple(row) for table in LASTING for row in lab.rows(f'SELECT * FROM {table}')]


def test_a_build_that_was_killed_is_repeated_and_an_unchanged_run_after_it_does_nothing(lab: BuildLab, tmp_path: Path) -> None:
    variables = lab.variables('busybox')
    kill_in_the_installer(lab, variables, tmp_path / 'output')
    kill_guards(lab)
    assert len(lab.left_behind()) > 2
    built = lab.build(variables)
    assert built.returncode == 0, text(built)
    image = image_of(built)
    directory = Path(re.search(r'Log and manifest are in\s+(\S+)', built.stdout)[1])
    assert 'bootparams: applied' in (directory / 'console.log').read_text()
    assert 'boot-report: address=198.' in (directory / 'boot-test-console.log').read_text()
    assert lab.settled() == []
    # The command to copy, as far as it is checked without running an instance.
    command = re.search(r"(ansible localhost -m \S+ -a '[^']+image_id=[^']+')", ' '.join(built.stdout.split()))[1]
    tried = run(*shlex.split(command), '--check')
    assert tried.returncode == 0, text(tried)

    there, asked = lasting(lab), len(lab.requests())
    again = lab.build(variables)
    assert again.returncode == 0, text(again)
    assert image_of(again) == image
    assert 'changed=0' in again.stdout
    assert (lab.left_behind(), lasting(lab)) == ([], there)
    assert not [request for request in lab.requests()[asked:] if not request.startswith(('Describe', 'GET', 'HEAD'))]


def test_after_a_build_that_was_killed_the_guard_leaves_nothing(lab: BuildLab, tmp_path: Path) -> None:
    answer = tmp_path / 'endless.ks'
    answer.write_text(ENDLESS)
    variables = {**lab.variables('busybox'), 'image_build_name': 'killed', 'image_build_answer_file': str(answer)}
    kill_in_the_installer(lab, variables, tmp_path / 'output')
    assert lab.settled() == []


def test_an_installer_that_is_not_signed_is_refused_before_the_upload_where_the_cloud_would_not_run_it(lab: BuildLab) -> None:
    facts, asked = lab.facts(), len(lab.requests())
    eucarc = Path(facts['lab_admin_eucarc'])
    unsigned = eucarc.with_name('unsigned')
    unsigned.write_text(re.sub('^export EC2_(PRIVATE_KEY|CERT)=.*\n', '', eucarc.read_text(), flags=re.MULTILINE))
    variables = {
        'image_build_name': 'unsigned',
        'image_build_kernel': facts['lab_installer_kernel'],
        'image_build_ramdisk': facts['lab_installer_ramdisk'],
        'image_build_connection': {'eucarc': str(unsigned)},
    }
    published = run('ansible-playbook', str(ROOT / 'playbooks/publish_installer.yml'), '-e', json.dumps(variables))
    if lab.config.play in SIGNED:
        assert published.returncode != 0
        assert 'runs only signed images. Set user_cert and user_private_key' in ' '.join(text(published).split())
        assert not {'PUT', 'RegisterImage'} & set(lab.requests()[asked:])
    else:
        assert published.returncode == 0, text(published)
