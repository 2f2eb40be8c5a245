# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds that fail: the message contains the step and the reason, and nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest

from .bad_line import bad_line
from .conftest import ROOT, run


@pytest.fixture(autouse=True)
def nothing_is_left_behind(lab):
    yield
    assert lab.settled() == []


def fails(process: subprocess.CompletedProcess[str], *words: str) -> str:
    said = process.stdout + process.stderr
    assert process.returncode != 0, said
    missing = [word for word in words if word not in said]
    assert not missing, f'{missing} not in:\n{said}'
    assert 'Traceback (most recent' not in said, said
    return said


def test_without_credentials_the_places_that_were_looked_at_are_named(lab, tmp_path):
    variables = {**lab.variables('busybox'), 'image_build_connection': {}}
    fails(lab.build(variables, HOME=str(tmp_path)), 'ec2_url', '~/.euca', 'eucarc')


def test_a_wrong_secret_is_called_that_and_not_shown(lab):
    facts = lab.facts()
    connection = {'eucarc': facts['lab_tenant_eucarc'], 'secret_key': 'wrongsecretwrongsecret'}
    said = fails(lab.build({**lab.variables('busybox'), 'image_build_connection': connection}), 'secret_key')
    assert 'wrongsecretwrongsecret' not in said


def test_an_unreachable_endpoint_is_named(lab):
    connection = {'eucarc': lab.facts()['lab_tenant_eucarc'], 'ec2_url': 'http://127.0.0.1:9/services/compute'}
    fails(lab.build({**lab.variables('busybox'), 'image_build_connection': connection}), 'http://127.0.0.1:9', 'cannot be reached')


@pytest.mark.parametrize(
    ('action', 'refused', 'words'),
    [
        ('CreateTags', True, ('failed at: create the volume', 'CreateTags', 'Everything that it created was removed')),
        (
            'RunInstances',
            False,
            ('failed at: start the installer', 'may have succeeded', 'Everything that was found of this build was removed'),
        ),
    ],
)
def test_what_its_tag_never_reached_is_removed_too(lab, action, refused, words):
    facts = lab.facts()
    with bad_line(lab.port, action, refused) as port:
        connection = {'eucarc': facts['lab_tenant_eucarc'], 'ec2_url': f'http://127.0.0.1:{port}/services/compute'}
        variables = {
            **lab.variables('busybox'),
            'image_build_name': f'untagged-{action.lower()}',
            'image_build_connection': connection,
        }
        fails(lab.build(variables), *words)
    assert lab.left_behind() == []


def test_a_missing_kernel_file_is_named(lab):
    variables = {**lab.variables('busybox'), 'image_build_kernel_id': '', 'image_build_kernel': '/no/such/vmlinuz'}
    fails(lab.build(variables), '/no/such/vmlinuz')


def test_what_is_missing_or_malformed_is_named_before_anything_is_made(lab):
    given = lab.variables('busybox')
    remote = {'image_build_kernel_id': '', 'image_build_kernel': 'http://127.0.0.1:9/vmlinuz'}
    fails(lab.build({**given, **remote}), 'image_build_kernel_checksum is needed')
    fails(lab.build(given, '-e', 'image_build_packages=cloud-init'), 'image_build_packages must be a list, not a string')


def test_the_refusal_of_a_tenants_kernel_names_who_may_register_it(lab):
    facts = lab.facts()
    variables = {
        **lab.variables('busybox'),
        'image_build_name': 'no-admin',
        'image_build_kernel_id': '',
        'image_build_kernel': facts['lab_installer_kernel'],
    }
    fails(
        lab.build(variables),
        'image_build_kernel cannot be registered: set image_build_kernel_id',
        'Only administrators can register',
    )


ENDLESS = '%pre\nwhile :; do echo still waiting > /dev/console; sleep 5; done\n%end\npoweroff\n'


# The integration target install_wait shows this and the next without guests.
@pytest.mark.long
def test_an_installer_that_never_ends_is_stopped_at_the_time_limit(lab, tmp_path):
    answer = tmp_path / 'endless.ks'
    answer.write_text(ENDLESS)
    variables = {
        **lab.variables('busybox'),
        'image_build_name': 'endless',
        'image_build_answer_file': str(answer),
        'image_build_timeout': 30,
    }
    fails(lab.build(variables), 'failed at: install', 'takes too long')  # a busy machine may not have booted it by then


@pytest.mark.long
def test_an_installer_that_falls_silent_is_stopped(lab, tmp_path):
    answer = tmp_path / 'silent.ks'
    answer.write_text('%pre\nsleep 1000\n%end\npoweroff\n')
    variables = {
        **lab.variables('busybox'),
        'image_build_name': 'silent',
        'image_build_answer_file': str(answer),
        'image_build_silence_timeout': 30,
    }
    fails(lab.build(variables), 'failed at: install', 'nothing new has appeared on the console')


# Not before it has got its disk, and the build has seen that: an instance that ends earlier fails the attachment instead.
DYING = (
    '%pre\nuntil [ -e /sys/block/vdb ]; do sleep 1; done\nsleep 5\necho giving up > /dev/console\nsync\n'
    'poweroff -f\n%end\npoweroff\n'
)
PROVING = DYING + "%post --nochroot\n{% include 'proof.sh.j2' %}\n%end\n"


def dying(lab, tmp_path, name, text=DYING, **more):
    answer = tmp_path / 'dying.ks'
    answer.write_text(text)
    return {**lab.variables('busybox'), 'image_build_name': name, 'image_build_answer_file': str(answer), **more}


def test_an_installer_that_powers_off_without_its_proof_has_failed(lab, tmp_path):
    # A word is as good as false: what failed is not kept.
    failed = lab.build(dying(lab, tmp_path, 'unproved', PROVING), '-e', 'image_build_keep_failed=false')
    fails(failed, 'failed at: install', 'without the line that proves success')


def test_an_answer_file_without_proof_is_refused_when_proof_is_required(lab, tmp_path):
    asked = len(lab.requests())
    refused = lab.build(dying(lab, tmp_path, 'refused-proof', image_build_require_proof=True))
    fails(refused, 'image_build_require_proof is set', 'does not include proof.sh.j2')
    # Not by the number of volumes: the cloud forgets those of earlier tests in the meantime.
    assert not {'CreateVolume', 'RunInstances', 'PUT'} & set(lab.requests()[asked:])


@pytest.mark.long
def test_a_failed_boot_test_keeps_the_snapshot_when_asked_to(lab, tmp_path):
    variables = dying(lab, tmp_path, 'kept', image_build_boot_test_timeout=30, image_build_keep_failed=True)
    said = fails(lab.build(variables), 'failed at: test the image', 'its snapshot is snap-', 'image_build_boot_test_timeout (30 s)')
    snapshot = re.search(r'its snapshot is (snap-\w+)', said)[1]
    assert lab.rows("SELECT 1 FROM snapshots WHERE state = 'completed' AND id = ?", snapshot)
    name = re.search(r'build_leftovers with name=(kept-\w+)', said)[1]
    connection = ' '.join(f'{key}={value}' for key, value in variables['image_build_connection'].items())
    removed = run('ansible', 'localhost', '-m', 'eucalyptus.cloud.build_leftovers', '-a', f'name={name} {connection}')
    assert removed.returncode == 0, removed.stdout + removed.stderr


def test_a_node_without_the_hook_is_recognised(lab):
    inventory = str(lab.home / 'inventory.ini')
    playbook = str(ROOT / 'playbooks/node_controllers.yml')
    removed = run('ansible-playbook', '-i', inventory, playbook, '-e', 'nc_hooks_state=absent')
    assert removed.returncode == 0, removed.stdout + removed.stderr
    try:
        built = lab.build({**lab.variables('busybox'), 'image_build_name': 'no-hook'})
    finally:
        deployed = run('ansible-playbook', '-i', inventory, playbook)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    fails(built, 'failed at: install', 'boot parameters', 'hook')


@pytest.mark.parametrize(
    'how',
    [
        # tests/lab/test_build_by_hand.py shows the same without guests.
        pytest.param(signal.SIGINT, id='Ctrl-C', marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, id='kill -9'),
    ],
)
def test_an_interrupted_build_is_cleaned_up_after(lab, tmp_path, how):
    answer = tmp_path / 'endless.ks'
    answer.write_text(ENDLESS)
    variables = {**lab.variables('busybox'), 'image_build_name': f'interrupted-{int(how)}', 'image_build_answer_file': str(answer)}
    build = lab.start_build(variables, tmp_path / 'output')
    try:
        assert lab.installs(build), (tmp_path / 'output').read_text()
        os.kill(build.pid, how)
        build.wait(timeout=300)
    finally:
        build.kill()
    assert lab.settled() == []
