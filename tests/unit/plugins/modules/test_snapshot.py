# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import (
    DONE,
    missing,
    snapshot,
    snapshots,
    volume,
    volumes,
)

NONE = snapshots()
DONE_ONE = snapshots(snapshot('completed', progress='100%', Name='s'))


def test_a_snapshot_is_taken_named_and_awaited(cloud, clock, run):
    pending = snapshots(snapshot('pending', progress='45%', Name='s'))
    cloud.on('DescribeSnapshots', NONE, pending, pending, DONE_ONE)
    cloud.on('DescribeVolumes', volumes(volume('available')))
    cloud.on('CreateSnapshot', '<snapshotId>snap-1</snapshotId>')
    cloud.on('CreateTags', DONE)
    result = run('snapshot', name='s', volume_id='vol-1', description='d')
    assert result['changed'] is True
    assert result['snapshot']['state'] == 'completed'
    assert result['actions'] == ['take snapshot of volume vol-1', 'set tags Name']
    assert cloud.asked('CreateSnapshot')[0]['Description'] == 'd'
    assert cloud.asked('DescribeSnapshots')[0]['Owner.1'] == 'self'


def test_check_mode_predicts_the_real_result_and_writes_nothing(cloud, clock, run):
    cloud.on('DescribeSnapshots', NONE)
    cloud.on('DescribeVolumes', volumes(volume('available')))
    predicted = run('snapshot', check=True, name='s', volume_id='vol-1')
    assert cloud.writes == []
    cloud.on('DescribeSnapshots', NONE, DONE_ONE)
    cloud.on('CreateSnapshot', '<snapshotId>snap-1</snapshotId>')
    cloud.on('CreateTags', DONE)
    real = run('snapshot', name='s', volume_id='vol-1')
    assert predicted['actions'] == real['actions']
    assert predicted['diff'] == real['diff']
    for key in set(real['snapshot']) - {'snapshot_id', 'started'}:
        assert predicted['snapshot'][key] == real['snapshot'][key]


def test_a_snapshot_of_that_name_is_not_taken_twice(cloud, clock, run):
    cloud.on('DescribeSnapshots', DONE_ONE)
    result = run('snapshot', name='s', volume_id='vol-1')
    assert result['changed'] is False
    assert cloud.writes == []


def test_a_snapshot_that_is_still_pending_is_waited_for_without_a_change(cloud, clock, run):
    cloud.on('DescribeSnapshots', snapshots(snapshot('pending', Name='s')), DONE_ONE)
    result = run('snapshot', name='s', volume_id='vol-1')
    assert result['changed'] is False
    assert result['snapshot']['state'] == 'completed'


def test_without_waiting_a_snapshot_is_returned_as_it_is_after_one_look(cloud, clock, run):
    cloud.on('DescribeSnapshots', NONE, snapshots(snapshot('pending', Name='s')), DONE_ONE)
    cloud.on('DescribeVolumes', volumes(volume('available')))
    cloud.on('CreateSnapshot', '<snapshotId>snap-1</snapshotId>')
    cloud.on('CreateTags', DONE)
    result = run('snapshot', name='s', volume_id='vol-1', wait=False)
    assert result['changed'] is True
    assert result['snapshot']['state'] == 'pending'


def test_a_snapshot_of_that_name_of_another_volume_is_an_error(cloud, clock, run):
    cloud.on('DescribeSnapshots', DONE_ONE)
    result = run('snapshot', name='s', volume_id='vol-2')
    assert result['failed'] and 'has the volume_id vol-1, not vol-2' in result['msg']


def test_a_failed_snapshot_ends_the_waiting_and_is_not_taken_for_a_good_one(cloud, clock, run):
    failed = snapshots(snapshot('failed', Name='s'))
    cloud.on('DescribeSnapshots', NONE, failed)
    cloud.on('DescribeVolumes', volumes(volume('available')))
    cloud.on('CreateSnapshot', '<snapshotId>snap-1</snapshotId>')
    cloud.on('CreateTags', DONE)
    assert 'its last state is failed' in run('snapshot', name='s', volume_id='vol-1')['msg']
    assert 'is in state failed. Delete it' in run('snapshot', name='s', volume_id='vol-1')['msg']


def test_a_snapshot_of_nothing_is_an_error_in_check_mode_too(cloud, clock, run):
    cloud.on('DescribeSnapshots', NONE)
    cloud.on('DescribeVolumes', missing('vol-9'))
    for check in (True, False):
        result = run('snapshot', check=check, name='s', volume_id='vol-9')
        assert result['failed'] and 'There is no volume vol-9' in result['msg']


def test_a_snapshot_is_deleted_once(cloud, clock, run):
    cloud.on('DescribeSnapshots', DONE_ONE, missing('snap-1'))
    cloud.on('DeleteSnapshot', DONE)
    first = run('snapshot', snapshot_id='snap-1', state='absent')
    assert (first['changed'], first['snapshot']['state']) == (True, 'deleted')
    second = run('snapshot', snapshot_id='snap-1', state='absent')
    assert (second['changed'], second['snapshot']) == (False, None)


def test_a_pending_snapshot_is_deleted_as_soon_as_it_is_completed(cloud, clock, run):
    """Before that the cloud answers the request with return=false, and the snapshot stays."""
    pending, seen = snapshots(snapshot('pending')), []
    cloud.on('DescribeSnapshots', pending, pending, pending, DONE_ONE, missing('snap-1'))
    cloud.on('DeleteSnapshot', lambda _parameters: seen.append(len(cloud.asked('DescribeSnapshots'))) or DONE)
    result = run('snapshot', snapshot_id='snap-1', state='absent')
    assert not result.get('failed'), result
    assert (result['changed'], result['snapshot']['state']) == (True, 'deleted')
    assert seen == [4]


def test_without_wait_a_pending_snapshot_cannot_be_deleted(cloud, clock, run):
    cloud.on('DescribeSnapshots', snapshots(snapshot('pending')))
    for check in (True, False):
        result = run('snapshot', check=check, snapshot_id='snap-1', state='absent', wait=False)
        assert result['failed'] and 'Snapshot snap-1 is still pending' in result['msg']
    assert cloud.writes == []


def test_snapshots_are_listed(cloud, clock, run):
    cloud.on('DescribeSnapshots', snapshots(snapshot('completed', 'snap-2'), snapshot('pending', 'snap-1', Name='s')))
    assert [one['snapshot_id'] for one in run('snapshot_info')['snapshots']] == ['snap-1', 'snap-2']
    assert [one['snapshot_id'] for one in run('snapshot_info', name='s')['snapshots']] == ['snap-1']
