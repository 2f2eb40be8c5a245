# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard does in the cloud; its process is tested in module_utils/test_guard.py."""
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils import leftovers
from ansible_collections.eucalyptus.cloud.plugins.modules import build_guard

NAME = 'debian-0123456789'
TAG = f'<tagSet><item><key>eucalyptus.cloud/build</key><value>{NAME}</value></item></tagSet>'
SNAPSHOT = f'<snapshotSet><item><snapshotId>snap-1</snapshotId><status>completed</status>{TAG}</item></snapshotSet>'
IMAGE = (f'<imagesSet><item><imageId>emi-1</imageId><imageState>available</imageState><name>{NAME}</name>'
         '<rootDeviceType>ebs</rootDeviceType><blockDeviceMapping><item><deviceName>/dev/sda</deviceName><ebs>'
         f'<snapshotId>snap-1</snapshotId></ebs></item></blockDeviceMapping>{TAG}</item></imagesSet>')
IN_USE = (400, '<Response><Errors><Error><Code>InvalidSnapshot.InUse</Code><Message>in use</Message></Error></Errors></Response>')


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

    def images(_parameters):
        # The module that outlived its playbook has its image registered just after the first look.
        now = IMAGE if 'image' in there else '<imagesSet/>'
        if not cloud.asked('DescribeSnapshots'):
            there.add('image')
        return now

    def delete_snapshot(_parameters):
        if 'image' in there:
            return IN_USE
        there.discard('snapshot')
        return '<return>true</return>'

    cloud.on('DescribeInstances', '<reservationSet/>')
    cloud.on('DescribeVolumes', '<volumeSet/>')
    cloud.on('DescribeImages', images)
    cloud.on('DescribeSnapshots', lambda _parameters: SNAPSHOT if 'snapshot' in there else '<snapshotSet/>')
    cloud.on('DeregisterImage', lambda _parameters: there.discard('image') or '<return>true</return>')
    cloud.on('DeleteSnapshot', delete_snapshot)
    run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, s3_url='', account_id='123456789012')
    assert there == set()
    assert interrupted[-1] == f'build {NAME}: nothing is left'


def test_an_untagged_snapshot_that_is_pending_for_longer_than_a_look_is_found_again(cloud, clock, interrupted, run, tmp_path):
    there = {'snapshot', 'volume'}
    completed = clock.now + 1.5 * build_guard.LOOK_TIMEOUT

    def delete_snapshot(_parameters):
        if clock.now >= completed:    # before, it is pending, and nothing happens
            there.discard('snapshot')
        return '<return>true</return>'

    volume = f'<volumeSet><item><volumeId>vol-1</volumeId><status>available</status>{TAG}</item></volumeSet>'
    snapshot = SNAPSHOT.replace(TAG, '<volumeId>vol-1</volumeId>').replace('completed', 'pending')
    cloud.on('DescribeInstances', '<reservationSet/>')
    cloud.on('DescribeVolumes', lambda _parameters: volume if 'volume' in there else '<volumeSet/>')
    cloud.on('DescribeImages', '<imagesSet/>')
    cloud.on('DescribeSnapshots', lambda _parameters: snapshot if 'snapshot' in there else '<snapshotSet/>')
    cloud.on('DeleteSnapshot', delete_snapshot)
    cloud.on('DeleteVolume', lambda _parameters: there.discard('volume') or '<return>true</return>')
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
    cloud.on('DescribeInstances', '<reservationSet/>')
    cloud.on('DescribeVolumes', '<volumeSet/>')
    cloud.on('DescribeImages', '<imagesSet/>')
    cloud.on('DescribeSnapshots', '<snapshotSet/>', SNAPSHOT)
    cloud.on('DeleteSnapshot', IN_USE)
    run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, s3_url='', account_id='123456789012')
    assert interrupted[-1] == f'build {NAME}: not everything could be removed; the next build tries again'
