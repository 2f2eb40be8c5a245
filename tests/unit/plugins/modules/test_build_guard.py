# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard does in the cloud; its process is tested in module_utils/test_guard.py."""

from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import leftovers
from ansible_collections.eucalyptus.cloud.plugins.modules import build_guard
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import (
    DONE,
    ebs_image,
    images,
    instances,
    snapshot,
    snapshots,
    volume,
    volumes,
)
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error

NAME = 'debian-0123456789'
TAGS = {'eucalyptus.cloud/build': NAME}
OURS = snapshot('completed', **TAGS)
IN_USE = error('InvalidSnapshot.InUse', 'in use')


@pytest.fixture(name='interrupted')
def fixture_interrupted(clock, monkeypatch):
    """The guard's process is this one, and its playbook has just been killed. What it tells."""
    said: list[str] = []
    monkeypatch.setattr(build_guard.guard, 'start', lambda _lock, _playbook, _log, clean: clean(said.append) or 1)
    for module in (leftovers, build_guard):
        monkeypatch.setattr(module, 'time', clock)
    return said


def test_an_image_that_is_registered_while_the_guard_looks_goes_with_its_snapshot(cloud, interrupted, run, tmp_path):
    there = {'snapshot'}

    def described(_parameters):
        # The module that outlived its playbook has its image registered just after the first look.
        now = images(*[ebs_image('emi-1', NAME, **TAGS)] * ('image' in there))
        if not cloud.asked('DescribeSnapshots'):
            there.add('image')
        return now

    def delete_snapshot(_parameters):
        if 'image' in there:
            return IN_USE
        there.discard('snapshot')
        return DONE

    cloud.on('DescribeInstances', instances())
    cloud.on('DescribeVolumes', volumes())
    cloud.on('DescribeImages', described)
    cloud.on('DescribeSnapshots', lambda _parameters: snapshots(*[OURS] * ('snapshot' in there)))
    cloud.on('DeregisterImage', lambda _parameters: there.discard('image') or DONE)
    cloud.on('DeleteSnapshot', delete_snapshot)
    run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, s3_url='', account_id='123456789012')
    assert there == set()
    assert interrupted[-1] == f'build {NAME}: nothing is left'


def test_an_untagged_snapshot_that_is_pending_for_longer_than_a_look_is_found_again(cloud, clock, interrupted, run, tmp_path):
    there = {'snapshot', 'volume'}
    completed = clock.now + 1.5 * build_guard.LOOK_TIMEOUT

    def delete_snapshot(_parameters):
        if clock.now >= completed:  # before, it is pending, and nothing happens
            there.discard('snapshot')
        return DONE

    cloud.on('DescribeInstances', instances())
    cloud.on('DescribeVolumes', lambda _parameters: volumes(*[volume('available', **TAGS)] * ('volume' in there)))
    cloud.on('DescribeImages', images())
    cloud.on('DescribeSnapshots', lambda _parameters: snapshots(*[snapshot('pending')] * ('snapshot' in there)))
    cloud.on('DeleteSnapshot', delete_snapshot)
    cloud.on('DeleteVolume', lambda _parameters: there.discard('volume') or DONE)
    run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, s3_url='', account_id='123456789012')
    assert there == set()
    assert interrupted[-1] == f'build {NAME}: nothing is left'


def test_dismissing_changes_something_only_where_a_lock_is(cloud, run, tmp_path):
    dismiss = {'directory': str(tmp_path), 'state': 'absent'}
    (tmp_path / 'lock').touch()
    assert run('build_guard', check=True, **dismiss)['changed'] is True
    assert (tmp_path / 'lock').exists()
    assert run('build_guard', **dismiss)['changed'] is True
    assert not (tmp_path / 'lock').exists()
    for check in (True, False):
        assert run('build_guard', check=check, **dismiss)['changed'] is False


def test_what_was_not_there_at_the_first_look_and_does_not_go_is_not_called_nothing(cloud, interrupted, run, tmp_path):
    cloud.on('DescribeInstances', instances())
    cloud.on('DescribeVolumes', volumes())
    cloud.on('DescribeImages', images())
    cloud.on('DescribeSnapshots', snapshots(), snapshots(OURS))
    cloud.on('DeleteSnapshot', IN_USE)
    run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, s3_url='', account_id='123456789012')
    assert interrupted[-1] == f'build {NAME}: not everything could be removed; the next build tries again'
