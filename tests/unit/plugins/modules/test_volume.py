# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import signal

import pytest
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error


def volume(state: str, size: int = 5, tags: str = '', attachments: str = '', volume_id: str = 'vol-1') -> str:
    return (
        f'<volumeSet><item><volumeId>{volume_id}</volumeId><size>{size}</size><snapshotId/>'
        f'<availabilityZone>one</availabilityZone><status>{state}</status>'
        f'<createTime>2024-05-01T10:00:00.000Z</createTime><attachmentSet>{attachments}</attachmentSet>'
        f'<tagSet>{tags}</tagSet></item></volumeSet>'
    )


NONE = '<volumeSet/>'
NAMED = '<item><key>Name</key><value>disk</value></item>'
ZONE = '<availabilityZoneInfo><item><zoneName>one</zoneName></item></availabilityZoneInfo>'


def test_a_new_volume_is_created_named_and_awaited(cloud, clock, run):
    cloud.on('DescribeVolumes', NONE, volume('creating', tags=NAMED), volume('available', tags=NAMED))
    cloud.on('DescribeAvailabilityZones', ZONE)
    cloud.on('CreateVolume', '<volumeId>vol-1</volumeId>')
    cloud.on('CreateTags', '<return>true</return>')
    result = run('volume', name='disk', size=5)
    assert result['changed'] is True
    assert result['volume']['volume_id'] == 'vol-1'
    assert result['volume']['state'] == 'available'
    assert result['actions'] == ['create volume of 5 GiB', 'set tags Name']
    [request] = cloud.asked('CreateVolume')
    assert {key: request[key] for key in request if key in ('Size', 'AvailabilityZone', 'ClientToken', 'Version')} == {
        'Size': '5',
        'AvailabilityZone': 'one',
        'Version': '2014-10-01',
    }
    assert cloud.asked('CreateTags')[0]['ResourceId.1'] == 'vol-1'


def test_check_mode_predicts_what_the_real_run_returns_and_writes_nothing(cloud, clock, run):
    cloud.on('DescribeVolumes', NONE)
    cloud.on('DescribeAvailabilityZones', ZONE)
    predicted = run('volume', check=True, name='disk', size=5)
    assert cloud.writes == []
    cloud.on('DescribeVolumes', NONE, volume('available', tags=NAMED))
    cloud.on('CreateVolume', '<volumeId>vol-1</volumeId>')
    cloud.on('CreateTags', '<return>true</return>')
    real = run('volume', name='disk', size=5)
    assert predicted['changed'] is real['changed'] is True
    assert predicted['actions'] == real['actions']
    assert predicted['diff'] == real['diff']
    unknown = {'volume_id', 'created'}
    known = {key: value for key, value in real['volume'].items() if key not in unknown}
    assert {key: value for key, value in predicted['volume'].items() if key not in unknown} == known


def test_an_existing_volume_is_left_alone(cloud, clock, run):
    cloud.on('DescribeVolumes', volume('available', tags=NAMED))
    result = run('volume', name='disk', size=5)
    assert result['changed'] is False
    assert result['volume']['volume_id'] == 'vol-1'
    assert cloud.writes == []


def test_a_volume_of_another_size_is_an_error(cloud, clock, run):
    cloud.on('DescribeVolumes', volume('available', size=8, tags=NAMED))
    result = run('volume', name='disk', size=5)
    assert result['failed'] and 'has the size 8, not 5' in result['msg']
    assert cloud.writes == []


@pytest.mark.parametrize('size', [0, -5])
def test_a_size_that_no_volume_has_is_refused_before_anything_is_created(cloud, clock, run, size):
    cloud.on('DescribeVolumes', NONE)
    for check in (True, False):
        assert run('volume', check=check, name='disk', size=size)['msg'] == f'size must be at least 1 GiB, not {size}.'
    assert cloud.writes == []


def test_a_volume_from_another_snapshot_is_an_error(cloud, clock, run):
    cloud.on('DescribeVolumes', volume('available', tags=NAMED))
    assert 'has the snapshot_id None, not snap-1' in run('volume', name='disk', snapshot_id='snap-1')['msg']


def test_an_unknown_id_leads_to_the_name(cloud, clock, run):
    cloud.on('DescribeVolumes', NONE)
    message = run('volume', volume_id='vol-9', size=5)['msg']
    assert message == 'There is no volume vol-9. To create a new one, omit volume_id and set name.'


def test_tags_that_are_not_mentioned_stay_unless_purged(cloud, clock, run):
    tags = NAMED + '<item><key>old</key><value>1</value></item><item><key>euca:node</key><value>n</value></item>'
    cloud.on('DescribeVolumes', volume('available', tags=tags))
    cloud.on('CreateTags', '<return>true</return>')
    cloud.on('DeleteTags', '<return>true</return>')
    assert run('volume', name='disk')['changed'] is False
    assert run('volume', name='disk', tags={'new': '2'})['actions'] == ['set tags new']
    result = run('volume', name='disk', tags={'new': '2'}, purge_tags=True)
    assert result['actions'] == ['set tags new', 'remove tags old']
    assert result['diff']['after']['tags'] == {'Name': 'disk', 'new': '2', 'euca:node': 'n'}


def test_two_volumes_of_one_name_are_both_listed_and_neither_is_touched(cloud, clock, run):
    both = volume('available', tags=NAMED) + volume('in-use', tags=NAMED, volume_id='vol-2')
    cloud.on('DescribeVolumes', both.replace('</volumeSet><volumeSet>', ''))
    result = run('volume', name='disk', state='absent')
    assert result['failed']
    assert 'vol-1 (available), vol-2 (in-use)' in result['msg']
    assert cloud.writes == []


def test_waiting_ends_at_once_when_the_creation_failed(cloud, clock, run):
    cloud.on('DescribeVolumes', NONE, volume('creating'), volume('failed'))
    cloud.on('CreateVolume', '<volumeId>vol-1</volumeId>')
    cloud.on('CreateTags', '<return>true</return>')
    start = clock.now
    result = run('volume', name='disk', size=5, zone='one')
    assert result['failed'] and result['changed']
    assert 'its last state is failed' in result['msg']
    assert result['volume']['volume_id'] == 'vol-1'
    assert clock.now - start < 5


def test_not_found_directly_after_the_creation_means_not_yet(cloud, clock, run):
    missing = error('InvalidVolume.NotFound', 'The volume vol-1 does not exist')
    cloud.on('DescribeVolumes', NONE, missing, missing, volume('available', tags=NAMED))
    cloud.on('CreateVolume', '<volumeId>vol-1</volumeId>')
    cloud.on('CreateTags', '<return>true</return>')
    assert run('volume', name='disk', size=5, zone='one')['volume']['state'] == 'available'


def test_a_volume_that_vanishes_while_it_is_deleted_is_deleted(cloud, clock, run):
    missing = error('InvalidVolume.NotFound', 'The volume vol-1 does not exist')
    cloud.on('DescribeVolumes', volume('available'), missing)
    cloud.on('DeleteVolume', missing)
    result = run('volume', volume_id='vol-1', state='absent')
    assert result['changed'] is True
    assert result['volume']['state'] == 'deleted'


def test_an_attached_volume_is_not_deleted_and_the_message_names_its_instance(cloud, clock, run):
    item = '<item><volumeId>vol-1</volumeId><instanceId>i-7</instanceId><status>attached</status></item>'
    cloud.on('DescribeVolumes', volume('in-use', attachments=item))
    result = run('volume', volume_id='vol-1', state='absent')
    assert result['failed'] and 'attached to i-7' in result['msg']
    assert cloud.writes == []


def test_without_wait_the_volume_is_returned_as_it_is_then(cloud, clock, run):
    cloud.on('DescribeVolumes', NONE, volume('creating', tags=NAMED))
    cloud.on('CreateVolume', '<volumeId>vol-1</volumeId>')
    cloud.on('CreateTags', '<return>true</return>')
    assert run('volume', name='disk', size=5, zone='one', wait=False)['volume']['state'] == 'creating'


def test_the_list_of_volumes_can_be_narrowed(cloud, clock, run):
    both = volume('available', tags=NAMED) + volume('in-use', volume_id='vol-2')
    cloud.on('DescribeVolumes', both.replace('</volumeSet><volumeSet>', ''))
    assert [one['volume_id'] for one in run('volume_info')['volumes']] == ['vol-1', 'vol-2']
    assert [one['volume_id'] for one in run('volume_info', name='disk')['volumes']] == ['vol-1']


def test_an_interrupt_between_creating_and_tagging_waits_for_the_tags(cloud, clock, run):
    """Otherwise nobody would find the volume again."""

    def held(reply):
        def answer(_parameters):
            blocked.append({signal.SIGINT, signal.SIGTERM} <= signal.pthread_sigmask(signal.SIG_BLOCK, []))
            return reply

        return answer

    blocked = []
    cloud.on('DescribeVolumes', held(NONE), held(volume('available', tags=NAMED)))
    cloud.on('DescribeAvailabilityZones', ZONE)
    cloud.on('CreateVolume', held('<volumeId>vol-1</volumeId>'))
    cloud.on('CreateTags', held('<return>true</return>'))
    run('volume', name='disk', size=5)
    # Looking for it, creating it, tagging it, waiting for it.
    assert blocked == [False, True, True, False]
