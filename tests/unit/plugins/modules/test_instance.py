# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import (
    DONE,
    attachment,
    instance,
    instances,
    missing,
    started,
    volume,
    volumes,
)
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error

NONE = instances()
RUNNING = instances(instance('running', Name='box'))
STOPPED = instances(instance('stopped', root='ebs', Name='box'))


@pytest.fixture(name='volumes', autouse=True)
def fixture_volumes(cloud):
    cloud.on('DescribeVolumes', volumes())
    cloud.on('CreateTags', DONE)


def test_an_instance_is_run_with_what_was_given_and_nothing_else(cloud, clock, run):
    cloud.on('DescribeInstances', NONE, instances(instance('pending', Name='box')), RUNNING)
    cloud.on('RunInstances', started())
    result = run('instance', name='box', image_id='emi-1', kernel_id='eki-1', boot_params='ip=dhcp ks=http://x/y', vnc=True)
    assert result['changed'] is True
    assert result['instance']['state'] == 'running'
    assert result['actions'] == ['run an instance of emi-1', 'set tags Name']
    [request] = cloud.asked('RunInstances')
    sent = {key: value for key, value in request.items() if not key.startswith(('AWS', 'Sig', 'Time', 'Ver'))}
    assert base64.b64decode(sent.pop('UserData')) == b'bootparams=ip=dhcp ks=http://x/y\nconsole=vnc\n'
    assert sent == {'ImageId': 'emi-1', 'KernelId': 'eki-1', 'MinCount': '1', 'MaxCount': '1'}


def test_check_mode_predicts_the_real_result_and_writes_nothing(cloud, clock, run):
    cloud.on('DescribeInstances', NONE)
    options = {'name': 'box', 'image_id': 'emi-1', 'instance_type': 'm1.small', 'zone': 'one'}
    predicted = run('instance', check=True, **options)
    assert cloud.writes == []
    cloud.on('DescribeInstances', NONE, RUNNING)
    cloud.on('RunInstances', started())
    real = run('instance', **options)
    assert predicted['actions'] == real['actions']
    unknown = {'instance_id', 'root_device_type'}
    for key in set(real['instance']) - unknown:
        assert predicted['instance'][key] == real['instance'][key], key


def test_an_instance_of_that_name_is_not_run_twice(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    result = run('instance', name='box', image_id='emi-1', boot_params='other=1')
    assert result['changed'] is False
    assert cloud.writes == []


def test_an_instance_of_that_name_of_another_image_is_an_error(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    assert 'has the image_id emi-1, not emi-2' in run('instance', name='box', image_id='emi-2')['msg']


def test_terminated_instances_of_that_name_do_not_count(cloud, clock, run):
    gone = instance('terminated', 'i-0', Name='box')
    cloud.on('DescribeInstances', instances(gone), instances(instance('running', Name='box')))
    cloud.on('RunInstances', started())
    assert run('instance', name='box', image_id='emi-1')['instance']['instance_id'] == 'i-1'


def test_several_instances_of_that_name_are_listed_and_none_is_touched(cloud, clock, run):
    cloud.on('DescribeInstances', instances(instance('running', Name='box'), instance('stopped', 'i-2', Name='box')))
    result = run('instance', name='box', state='terminated')
    assert result['failed'] and 'i-1 (running), i-2 (stopped)' in result['msg']
    assert cloud.writes == []


def test_an_instance_whose_run_was_interrupted_is_found_by_its_token_and_gets_its_name(cloud, clock, run):
    cloud.on('DescribeInstances', instances(instance('running', token='t')))
    result = run('instance', name='box', client_token='t', image_id='emi-1')
    assert result['actions'] == ['set tags Name']
    assert cloud.writes == ['CreateTags']


def test_an_instance_that_does_not_start_is_reported_with_the_clouds_reason(cloud, clock, run):
    failed = instances(instance('terminated', reason='Not enough resources'))
    cloud.on('DescribeInstances', NONE, instances(instance('pending')), failed)
    cloud.on('RunInstances', started())
    result = run('instance', name='box', image_id='emi-1')
    assert result['failed'] and result['changed']
    assert 'its last state is terminated because: Not enough resources' in result['msg']
    assert result['instance']['instance_id'] == 'i-1'


def test_bad_boot_parameters_are_refused_before_anything_is_run(cloud, clock, run):
    cloud.on('DescribeInstances', NONE)
    for check in (True, False):
        assert 'at character 2' in run('instance', check=check, name='box', image_id='emi-1', boot_params='a\nb')['msg']
    assert cloud.writes == []


def test_boot_parameters_that_are_a_common_word_damage_no_result(cloud, clock, run):
    cloud.on(
        'DescribeInstances',
        NONE,
        instances(instance('pending', Name='rescue-box')),
        instances(instance('running', Name='rescue-box')),
    )
    cloud.on('RunInstances', started())
    result = run('instance', name='rescue-box', image_id='emi-1', boot_params='rescue', user_data='box')
    assert result['instance']['name'] == result['instance']['tags']['Name'] == 'rescue-box'
    assert result['invocation']['module_args']['boot_params'] == 'rescue'


def test_secrets_in_boot_parameters_and_user_data_are_in_no_result(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    url = 'http://192.0.2.1/b/k?AWSAccessKeyId=A&Signature=Ab%2BcD1234%3D&Expires=1'
    result = run('instance', name='box', boot_params=f'ks={url} inst.vncpassword=Hush1', user_data='#!/bin/sh\nmysql -pgeheim\n')
    arguments = result['invocation']['module_args']
    assert arguments['boot_params'] == 'ks=http://192.0.2.1/b/k******** ********'
    for secret in ('Ab%2BcD1234', 'Hush1', 'geheim'):
        assert secret not in json.dumps(result)


def test_a_stopped_instance_is_started_and_a_stopping_one_waited_for_first(cloud, clock, run):
    stopping = instances(instance('stopping', root='ebs', Name='box'))
    cloud.on(
        'DescribeInstances',
        stopping,
        stopping,
        STOPPED,
        instances(instance('pending', root='ebs', Name='box')),
        RUNNING,
    )
    cloud.on('StartInstances', '<instancesSet/>')
    result = run('instance', name='box')
    assert result['actions'] == ['start instance i-1']
    assert result['instance']['state'] == 'running'
    order = [action for action, _parameters in cloud.requests if action.endswith('Instances')]
    assert order == ['DescribeInstances'] * 3 + ['StartInstances'] + ['DescribeInstances'] * 2


USER_DATA = '<userData><value>{}</value></userData>'


@pytest.mark.parametrize(('given', 'sent'), [('new', b'new'), ('', b'#cloud-config\n{}\n')])
def test_a_stopped_instance_gets_its_new_user_data_before_it_is_started(cloud, clock, run, given, sent):
    cloud.on('DescribeInstances', STOPPED, STOPPED, STOPPED, RUNNING)
    cloud.on('DescribeInstanceAttribute', USER_DATA.format(base64.b64encode(b'installer=debian\n').decode()))
    cloud.on('ModifyInstanceAttribute', DONE)
    cloud.on('StartInstances', '<instancesSet/>')
    result = run('instance', name='box', user_data=given, installer='debian', boot_params='x')
    assert result['actions'] == ['change the user data of instance i-1', 'start instance i-1']
    assert cloud.writes == ['ModifyInstanceAttribute', 'StartInstances']
    [request] = cloud.asked('ModifyInstanceAttribute')
    assert base64.b64decode(request['UserData.Value']) == sent


def test_user_data_is_compared_before_it_is_changed_and_stays_without_the_option(cloud, run):
    cloud.on('DescribeInstances', STOPPED)
    cloud.on('DescribeInstanceAttribute', USER_DATA.format(base64.b64encode(b'same').decode()))
    assert run('instance', name='box', state='stopped', user_data='same')['changed'] is False
    assert run('instance', name='box', state='stopped', installer='debian')['changed'] is False
    assert run('instance', check=True, name='box', state='stopped', user_data='other')['changed'] is True
    assert cloud.writes == []


def test_a_cloud_that_cannot_change_user_data_starts_the_instance_with_a_warning(cloud, clock, run):
    cloud.on('DescribeInstances', STOPPED, STOPPED, RUNNING)
    cloud.on('DescribeInstanceAttribute', error('400 Bad Request', 'Failed to bind the following fields:\nAttribute = userData'))
    cloud.on('StartInstances', '<instancesSet/>')
    result = run('instance', name='box', user_data='')
    assert result['actions'] == ['start instance i-1']
    assert 'cannot change the user data of an instance, so instance i-1 keeps its own' in str(result['warnings'])


def test_without_wait_a_stopping_instance_cannot_be_started(cloud, clock, run):
    cloud.on('DescribeInstances', instances(instance('stopping', root='ebs', Name='box')))
    for check in (True, False):
        result = run('instance', check=check, name='box', wait=False)
        assert result['failed'] and 'Instance i-1 is still stopping' in result['msg']
    assert cloud.writes == []


def test_an_instance_is_stopped_once(cloud, clock, run):
    running = instances(instance('running', root='ebs', Name='box'))
    cloud.on('DescribeInstances', running, running, instances(instance('stopping', root='ebs', Name='box')), STOPPED)
    cloud.on('StopInstances', '<instancesSet/>')
    assert run('instance', name='box', state='stopped')['actions'] == ['stop instance i-1']
    assert run('instance', name='box', state='stopped')['changed'] is False
    assert cloud.writes == ['StopInstances']


def test_an_instance_without_a_volume_as_root_cannot_be_stopped(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    assert 'can be terminated but not stopped' in run('instance', check=True, name='box', state='stopped')['msg']


@pytest.mark.parametrize('end', [instances(instance('terminated')), missing('i-1'), NONE])
def test_an_instance_is_terminated_and_awaited(cloud, clock, run, end):
    cloud.on('DescribeInstances', RUNNING, instances(instance('shutting-down')), end)
    cloud.on('TerminateInstances', '<instancesSet/>')
    result = run('instance', instance_id='i-1', state='terminated')
    assert result['changed'] is True
    assert result['instance']['state'] == 'terminated'
    again = run('instance', instance_id='i-1', state='terminated')
    assert again['changed'] is False
    assert cloud.writes == ['TerminateInstances']


def test_an_instance_that_is_shutting_down_is_waited_for_without_a_change(cloud, clock, run):
    cloud.on('DescribeInstances', instances(instance('shutting-down')), instances(instance('terminated')))
    result = run('instance', instance_id='i-1', state='terminated')
    assert (result['changed'], result['instance']['state']) == (False, 'terminated')


def test_a_terminated_instance_does_not_come_back(cloud, clock, run):
    cloud.on('DescribeInstances', instances(instance('terminated')))
    assert 'is terminated and cannot be restored' in run('instance', instance_id='i-1')['msg']


def test_volumes_attached_later_are_listed(cloud, clock, run):
    cloud.on('DescribeInstances', RUNNING)
    cloud.on('DescribeVolumes', volumes(volume('in-use', attached=attachment('attached')), volume('available', 'vol-2')))
    listed = [{'volume_id': 'vol-1', 'device': '/dev/sdf', 'state': 'attached', 'delete_on_termination': False}]
    assert run('instance', name='box')['instance']['volumes'] == listed
    assert run('instance_info')['instances'][0]['volumes'] == listed


def test_instances_are_listed_by_name_without_the_terminated(cloud, clock, run):
    both = instances(instance('terminated', 'i-0', Name='box'), instance('running', Name='box'))
    cloud.on('DescribeInstances', both)
    assert [one['instance_id'] for one in run('instance_info', name='box')['instances']] == ['i-1']
    assert [one['instance_id'] for one in run('instance_info')['instances']] == ['i-0', 'i-1']


def test_an_instance_with_a_client_token_is_not_terminated_when_its_tags_are_refused(cloud, clock, run):
    cloud.on('DescribeInstances', instances())
    cloud.on('RunInstances', started())
    cloud.on('CreateTags', error('TagLimitExceeded', 'too many'))
    result = run('instance', name='web', client_token='web-1', image_id='emi-1')
    assert result['failed'] and 'TerminateInstances' not in cloud.writes


@pytest.mark.parametrize('member', ['groupId', 'groupName'])
def test_the_groups_of_a_reservation_are_those_of_its_instances(cloud, clock, run, member):
    """Replies of Eucalyptus 3; 3.1 has the name as the ID."""
    own = '<groupSet><item><groupId>sg-1</groupId><groupName>default</groupName></item></groupSet>'
    bare = instance('running').replace(own, '')
    groups = f'<groupSet><item><{member}>web</{member}></item></groupSet>'
    reservation = f'<item>{groups}<instancesSet>{bare}</instancesSet></item>'
    cloud.on('DescribeInstances', f'<reservationSet>{reservation}</reservationSet>')
    assert run('instance_info')['instances'][0]['security_groups'] == ['web']
