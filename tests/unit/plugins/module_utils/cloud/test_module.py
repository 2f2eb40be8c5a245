# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

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
    monkeypatch.setattr(module.client, 'Cloud', lambda credentials, checked: made.append(checked) or silent_cloud())
    run('volume_info', **options)
    assert made == [verify]


def silent_cloud():
    class Silent:
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


def test_a_failure_in_the_middle_tells_what_was_done_and_what_was_refused(cloud, clock, run):
    cloud.on('DescribeVolumes', volumes(), volumes(volume('available')))
    cloud.on('CreateVolume', '<volumeId>vol-1</volumeId>')
    cloud.on('CreateTags', error('TagLimitExceeded', 'too many'))
    cloud.on('DeleteVolume', error('IncorrectState', 'not now'))
    result = run('volume', name='disk', size=5, zone='one')
    assert result['failed'] and result['changed']
    assert result['actions'] == ['create volume of 5 GiB']
    assert 'volume vol-1 was created, and could not be removed again' in str(result['warnings'])
    assert result['failure']['lost'] is True


def test_a_creation_whose_answer_was_lost_is_said_to_be_perhaps_done(cloud, clock, run):
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
    assert result['failed'] and 'cannot be set' in result['msg']
    assert cloud.writes == []


def test_secrets_are_in_no_result(cloud, clock, run):
    cloud.on('DescribeVolumes', volumes(volume('available', Name='disk')))
    cloud.on('CreateTags', DONE)
    assert 'very-secret' not in str(run('volume', name='disk', tags={'a': 'b'}))
    cloud.on('DescribeVolumes', error('SignatureDoesNotMatch', 'for very-secret', 403))
    assert 'very-secret' not in str(run('volume_info'))
