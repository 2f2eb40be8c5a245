# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import (
    DONE,
    attachment,
    instance,
    instances,
    missing,
    volume,
    volumes,
)
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error

FREE = volumes(volume('available'))
ATTACHED = volumes(volume('in-use', attached=attachment('attached')))
DETACHING = volumes(volume('in-use', attached=attachment('detaching')))


def looks(cloud, *replies):
    """DescribeVolumes while planning asks twice: for the volume, and for the device names in use."""
    cloud.on('DescribeVolumes', replies[0], FREE, *replies)


def test_a_volume_is_attached_under_the_first_free_device_name_and_awaited(cloud, clock, run):
    looks(cloud, FREE, volumes(volume('in-use', attached=attachment('attaching'))), ATTACHED)
    cloud.on('DescribeInstances', instances(instance('running')))
    cloud.on('AttachVolume', DONE)
    result = run('volume_attachment', volume_id='vol-1', instance_id='i-1')
    assert result['changed'] is True
    assert result['volume_attachment'] == {
        'volume_id': 'vol-1',
        'instance_id': 'i-1',
        'device': '/dev/sdf',
        'state': 'attached',
        'delete_on_termination': False,
    }
    [request] = cloud.asked('AttachVolume')
    assert (request['VolumeId'], request['InstanceId'], request['Device']) == ('vol-1', 'i-1', '/dev/sdf')


def test_a_device_name_in_use_is_not_taken_again(cloud, clock, run):
    other = volume('in-use', 'vol-2', attached=attachment('attached', device='unknown,requested:/dev/sdf', volume_id='vol-2'))
    cloud.on('DescribeVolumes', FREE, volumes(volume('available'), other))
    cloud.on('DescribeInstances', instances(instance('running')))
    result = run('volume_attachment', check=True, volume_id='vol-1', instance_id='i-1')
    assert result['volume_attachment']['device'] == '/dev/sdg'


ALREADY = error('InvalidParameterValue', 'Already have a device attached to: /dev/sdf')


def test_a_device_name_that_somebody_else_takes_meanwhile_is_replaced_by_the_next_free_one(cloud, clock, run):
    """Volumes that are attached in parallel all find the same name free; the listing shows late which one is taken."""
    looks(cloud, FREE, FREE, FREE, volumes(volume('in-use', attached=attachment('attached', device='/dev/sdh'))))
    cloud.on('DescribeInstances', instances(instance('running')))
    cloud.on('AttachVolume', ALREADY, ALREADY, DONE)
    result = run('volume_attachment', volume_id='vol-1', instance_id='i-1')
    assert not result.get('failed'), result
    assert [request['Device'] for request in cloud.asked('AttachVolume')] == ['/dev/sdf', '/dev/sdg', '/dev/sdh']
    assert result['volume_attachment']['device'] == '/dev/sdh'
    assert result['diff']['after']['device'] == '/dev/sdh'
    assert result['actions'] == ['attach volume vol-1 to i-1']


def test_there_are_no_more_attempts_than_device_names(cloud, clock, run):
    cloud.on('DescribeVolumes', FREE)
    cloud.on('DescribeInstances', instances(instance('running')))
    cloud.on('AttachVolume', ALREADY)
    result = run('volume_attachment', volume_id='vol-1', instance_id='i-1')
    assert 'has no free device name' in result['msg']
    assert len(cloud.asked('AttachVolume')) == 21


def test_a_device_name_that_was_asked_for_is_not_replaced(cloud, clock, run):
    cloud.on('DescribeVolumes', FREE)
    cloud.on('DescribeInstances', instances(instance('running')))
    cloud.on('AttachVolume', ALREADY)
    result = run('volume_attachment', volume_id='vol-1', instance_id='i-1', device='/dev/sdf')
    assert 'Already have a device attached to: /dev/sdf' in result['msg']
    assert len(cloud.asked('AttachVolume')) == 1


def test_check_mode_predicts_the_real_result_and_writes_nothing(cloud, clock, run):
    cloud.on('DescribeVolumes', FREE)
    cloud.on('DescribeInstances', instances(instance('running')))
    predicted = run('volume_attachment', check=True, volume_id='vol-1', instance_id='i-1')
    assert cloud.writes == []
    looks(cloud, FREE, ATTACHED)
    cloud.on('AttachVolume', DONE)
    real = run('volume_attachment', volume_id='vol-1', instance_id='i-1')
    for key in ('changed', 'diff', 'actions', 'volume_attachment'):
        assert predicted[key] == real[key]


def test_an_attached_volume_is_left_alone(cloud, clock, run):
    cloud.on('DescribeVolumes', ATTACHED)
    result = run('volume_attachment', volume_id='vol-1', instance_id='i-1', device='/dev/sdf')
    assert result['changed'] is False
    assert result['volume_attachment']['state'] == 'attached'
    assert cloud.writes == []


def test_an_instance_that_is_still_pending_is_waited_for_before_it_gets_its_volume(cloud, clock, run):
    looks(cloud, FREE, ATTACHED)
    pending, running = instances(instance('pending')), instances(instance('running'))
    cloud.on('DescribeInstances', pending, pending, pending, running)
    cloud.on('AttachVolume', DONE)
    assert run('volume_attachment', volume_id='vol-1', instance_id='i-1')['volume_attachment']['state'] == 'attached'
    order = [action for action, _parameters in cloud.requests if action in ('DescribeInstances', 'AttachVolume')]
    assert order == ['DescribeInstances'] * 4 + ['AttachVolume']


def test_a_volume_that_is_available_again_was_not_attached(cloud, clock, run):
    looks(cloud, FREE, volumes(volume('in-use', attached=attachment('attaching'))), FREE)
    cloud.on('DescribeInstances', instances(instance('running')))
    cloud.on('AttachVolume', DONE)
    start = clock.now
    result = run('volume_attachment', volume_id='vol-1', instance_id='i-1')
    assert result['failed'] and 'volume vol-1 to be attached to i-1' in result['msg']
    assert clock.now - start < 10


def test_a_volume_attached_elsewhere_is_not_torn_away(cloud, clock, run):
    cloud.on('DescribeVolumes', volumes(volume('in-use', attached=attachment('attached', 'i-2'))))
    result = run('volume_attachment', volume_id='vol-1', instance_id='i-1')
    assert result['failed'] and 'attached to i-2' in result['msg']
    result = run('volume_attachment', volume_id='vol-1', instance_id='i-1', state='absent')
    assert result['changed'] is False
    assert cloud.writes == []


@pytest.mark.parametrize('state', ['terminated', 'shutting-down', None])
def test_an_instance_that_is_gone_is_reported_before_any_write_request(cloud, clock, run, state):
    cloud.on('DescribeVolumes', FREE)
    cloud.on('DescribeInstances', instances(instance(state)) if state else missing('i-1'))
    result = run('volume_attachment', volume_id='vol-1', instance_id='i-1')
    assert result['failed'] and 'There is no instance i-1' in result['msg']
    assert cloud.writes == []


def test_a_volume_is_detached_and_awaited(cloud, clock, run):
    cloud.on('DescribeVolumes', ATTACHED, DETACHING, DETACHING, FREE)
    cloud.on('DetachVolume', DONE)
    result = run('volume_attachment', volume_id='vol-1', state='absent')
    assert result['changed'] is True
    assert result['volume_attachment']['state'] == 'detached'
    assert result['volume_attachment']['instance_id'] == 'i-1'


def test_a_detachment_that_the_cloud_gives_up_is_a_failure(cloud, clock, run):
    cloud.on('DescribeVolumes', ATTACHED, DETACHING, ATTACHED)
    cloud.on('DetachVolume', DONE)
    result = run('volume_attachment', volume_id='vol-1', state='absent')
    assert result['failed'] and 'its last state is attached' in result['msg']


@pytest.mark.parametrize('after', [(FREE,), (DETACHING, DETACHING, FREE), (missing('vol-1'),)])
def test_a_volume_that_the_cloud_detaches_by_itself_meanwhile_is_detached(cloud, clock, run, after):
    cloud.on('DescribeVolumes', ATTACHED, *after)
    cloud.on('DetachVolume', error('IncorrectState', 'Volume is not attached: vol-1'))
    result = run('volume_attachment', volume_id='vol-1', instance_id='i-1', state='absent')
    assert not result.get('failed'), result['msg']
    assert result['volume_attachment']['state'] == 'detached'
    assert result['volume_attachment']['instance_id'] == 'i-1'


def test_a_refusal_because_the_volume_is_still_being_attached_is_a_failure(cloud, clock, run):
    cloud.on('DescribeVolumes', volumes(volume('in-use', attached=attachment('attaching'))), ATTACHED)
    cloud.on('DetachVolume', error('IncorrectState', 'still attaching'))
    result = run('volume_attachment', volume_id='vol-1', state='absent', wait=False)
    assert result['failed'] and 'still attaching' in result['msg']


def test_a_detachment_that_the_cloud_refuses_is_a_failure(cloud, clock, run):
    cloud.on('DescribeVolumes', ATTACHED)
    cloud.on('DetachVolume', error('IncorrectState', 'Cannot detach root volume vol-1'))
    result = run('volume_attachment', volume_id='vol-1', state='absent')
    assert result['failed'] and 'Cannot detach root volume vol-1' in result['msg']


@pytest.mark.parametrize('reply', [FREE, missing('vol-1')])
def test_what_is_not_attached_is_not_detached(cloud, clock, run, reply):
    cloud.on('DescribeVolumes', reply)
    result = run('volume_attachment', volume_id='vol-1', state='absent')
    assert result['changed'] is False
    assert result['volume_attachment']['state'] == 'detached'
    assert cloud.writes == []


def test_a_refusal_is_reported_with_the_clouds_text(cloud, clock, run):
    cloud.on('DescribeVolumes', FREE)
    cloud.on('DescribeInstances', instances(instance('running')))
    cloud.on('AttachVolume', error('VolumeInUse', 'already attached'))
    result = run('volume_attachment', volume_id='vol-1', instance_id='i-1')
    assert 'AttachVolume of volume vol-1 to instance i-1 failed: the cloud returned VolumeInUse: already attached' in result['msg']
    assert result['failure'] == {'request': 'AttachVolume', 'code': 'VolumeInUse', 'message': 'already attached', 'lost': False}
