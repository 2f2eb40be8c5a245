# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import json

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import client, module
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import DONE, volume, volumes
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError


def test_a_missing_library_is_named_with_the_python_that_lacks_it(monkeypatch, run):
    monkeypatch.setattr(client, 'IMPORT_ERROR', 'Traceback: No module named botocore')
    result = run('volume_info')
    assert result['failed']
    assert '(boto3)' in result['msg']
    assert 'Python' in result['msg']


@pytest.mark.parametrize(
    ('options', 'verify'),
    [
        ({}, True),
        ({'ca_path': '/ca.pem'}, '/ca.pem'),
        ({'validate_certs': False}, False),
        ({'validate_certs': False, 'ca_path': '/ca.pem'}, False),
    ],
)
def test_certificates_are_checked_as_the_options_say(cloud, monkeypatch, run, options, verify):
    made = []
    monkeypatch.setattr(module.client, 'Cloud', lambda _credentials, checked: made.append(checked) or silent_cloud())
    run('volume_info', **options)
    assert made == [verify]


def silent_cloud():
    class Silent:
        build_list = None

        @staticmethod
        def ec2(_operation, _about='', **_parameters):
            return {}

    return Silent


def test_what_cannot_be_tagged_is_removed_again(cloud, clock, run):
    cloud.on('DescribeVolumes', volumes(), volumes(volume('creating')), volumes(volume('available')), volumes())
    cloud.on('CreateVolume', '<volumeId>vol-1</volumeId>')
    cloud.on('CreateTags', error('TagLimitExceeded', 'too many'))
    cloud.on('DeleteVolume', error('IncorrectState', 'not yet'), DONE)
    result = run('volume', name='disk', size=5, zone='one')
    assert result['failed'] and not result['changed'] and result['actions'] == []
    assert result['failure'] == {'request': 'CreateTags', 'code': 'TagLimitExceeded', 'message': 'too many', 'lost': False}
    assert cloud.asked('DeleteVolume')[-1]['VolumeId'] == 'vol-1'


def test_a_failure_partway_lists_the_completed_steps_and_the_refused_one(cloud, clock, run):
    cloud.on('DescribeVolumes', volumes(), volumes(volume('available')))
    cloud.on('CreateVolume', '<volumeId>vol-1</volumeId>')
    cloud.on('CreateTags', error('TagLimitExceeded', 'too many'))
    cloud.on('DeleteVolume', error('IncorrectState', 'not now'))
    result = run('volume', name='disk', size=5, zone='one')
    assert result['failed'] and result['changed']
    assert result['actions'] == ['create volume of 5 GiB']
    assert 'volume vol-1 was created but could not be completed, nor removed' in str(result['warnings'])
    assert result['failure']['lost'] is True


def test_a_creation_whose_answer_was_lost_is_reported_as_possibly_done(cloud, clock, run):
    cloud.on('DescribeVolumes', volumes())
    cloud.on('CreateVolume', ConnectionClosedError(endpoint_url='x'))
    result = run('volume', name='disk', size=5, zone='one')
    assert result['failure']['lost'] and 'may have succeeded' in result['msg']
    cloud.on('CreateVolume', (504, '<html>gateway timeout</html>'))
    assert run('volume', name='disk', size=5, zone='one')['failure']['lost']
    for refusal in (EndpointConnectionError(endpoint_url='x', error='refused'), error('VolumeLimitExceeded', 'full', 503)):
        cloud.on('CreateVolume', refusal)
        assert not run('volume', name='disk', size=5, zone='one')['failure']['lost']


@pytest.mark.parametrize('tags', [{'aws:x': '1'}, {'euca:x': '1'}, {'': '1'}, {'k' * 128: '1'}, {'k': 'v' * 256}])
def test_tags_that_no_cloud_takes_are_refused_before_anything_is_created(cloud, run, tags):
    cloud.on('DescribeVolumes', volumes())
    result = run('volume', name='disk', size=5, zone='one', tags=tags)
    assert result['failed'] and 'is invalid' in result['msg']
    assert cloud.writes == []


@pytest.mark.parametrize(
    ('module', 'option'),
    [
        ('volume', 'name'),
        ('volume', 'volume_id'),
        ('snapshot', 'name'),
        ('snapshot', 'snapshot_id'),
        ('instance', 'name'),
        ('instance', 'instance_id'),
        ('instance', 'client_token'),
        ('image', 'name'),
        ('image', 'image_id'),
    ],
)
def test_an_empty_name_or_id_is_refused_before_the_first_request(cloud, run, module, option):
    """It would identify nothing, and a new resource would be one that no later run finds."""
    for check in (True, False):
        result = run(module, check=check, **{option: ''})
        assert result['failed'] and result['msg'] == f'{option} must not be empty. Omit the option instead.'
    assert cloud.requests == []


def test_an_empty_required_option_is_refused_before_the_first_request(cloud, run):
    assert run('volume_attachment', volume_id='', instance_id='i-1')['msg'] == 'volume_id must not be empty.'
    assert cloud.requests == []


@pytest.mark.parametrize(
    ('module', 'options', 'option'),
    [
        ('volume', {'name': 'disk', 'size': 5}, 'wait_timeout'),
        ('snapshot', {'name': 'disk', 'volume_id': 'vol-1'}, 'wait_timeout'),
        ('instance', {'name': 'web', 'image_id': 'emi-1'}, 'wait_timeout'),
        ('volume_attachment', {'volume_id': 'vol-1', 'instance_id': 'i-1'}, 'wait_timeout'),
        ('image', {'name': 'disk', 'snapshot_id': 'snap-1'}, 'wait_timeout'),
        ('install_wait', {'instance_id': 'i-1'}, 'timeout'),
        ('install_wait', {'instance_id': 'i-1'}, 'silence_timeout'),
        ('install_wait', {'instance_id': 'i-1'}, 'poll_interval'),
        ('console_log', {'instance_id': 'i-1'}, 'wait_timeout'),
        ('build_leftovers', {'name': 'debian'}, 'wait_timeout'),
        ('answer_file', {'object': 'answers', 'content': 'install this'}, 'expires'),
    ],
)
def test_a_time_that_is_not_positive_is_refused_by_its_name_before_the_first_request(cloud, run, module, options, option):
    for seconds in (0, -1):
        result = run(module, **options, **{option: seconds})
        assert result['failed'] and result['msg'] == f'{option} must be at least 1 second, not {seconds}.'
    assert cloud.requests == []


def test_a_long_wait_leaves_a_line_every_half_minute_for_the_terminal(cloud, clock, run, tmp_path):
    end, progress = clock.now + 300, tmp_path / 'progress'
    written = []

    def answer(_parameters):
        if progress.exists():
            lines = [json.loads(line) for line in progress.read_text().splitlines()]
            written.extend((clock.now, line) for line in lines[len(written) :])
        return volumes(volume('available' if clock.now >= end else 'creating', Name='disk'))

    start = clock.now
    cloud.on('DescribeVolumes', answer)
    run('volume', name='disk', progress_file=str(progress))
    moments = [start, *(moment for moment, _line in written), end]
    assert max(later - earlier for earlier, later in itertools.pairwise(moments)) <= 30
    assert len(written) <= 300 / 20
    assert written[0][1] == {
        'text': 'Waiting for volume vol-1 to become available, 21 s so far: its last state is creating',
        'note': True,
    }


def test_a_list_of_no_ids_is_empty(cloud, run):
    for lister, ids, key in (
        ('volume_info', 'volume_ids', 'volumes'),
        ('snapshot_info', 'snapshot_ids', 'snapshots'),
        ('instance_info', 'instance_ids', 'instances'),
    ):
        assert run(lister, **{ids: []})[key] == []
    assert cloud.requests == []


def test_secrets_are_in_no_result(cloud, clock, run):
    cloud.on('DescribeVolumes', volumes(volume('available', Name='disk')))
    cloud.on('CreateTags', DONE)
    assert 'very-secret' not in str(run('volume', name='disk', tags={'a': 'b'}))
    cloud.on('DescribeVolumes', error('SignatureDoesNotMatch', 'for very-secret', 403))
    assert 'very-secret' not in str(run('volume_info'))
