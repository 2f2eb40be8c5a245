# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils import client, cloud_module
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import DONE, volume, volumes
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error


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
    monkeypatch.setattr(
        cloud_module.client, 'Cloud', lambda credentials, checked: made.append(checked) or silent_cloud()
    )
    run('volume_info', **options)
    assert made == [verify]


def silent_cloud():
    class Silent:
        @staticmethod
        def ec2(_operation, _about='', **_parameters):
            return {}

    return Silent


def test_a_failure_in_the_middle_tells_what_was_done_and_what_was_refused(cloud, clock, run):
    cloud.on('DescribeVolumes', volumes(), volumes(volume('available')))
    cloud.on('CreateVolume', '<volumeId>vol-1</volumeId>')
    cloud.on('CreateTags', error('TagLimitExceeded', 'too many'))
    result = run('volume', name='disk', size=5, zone='one')
    assert result['failed'] and result['changed']
    assert result['actions'] == ['create volume of 5 GiB']
    assert result['failure'] == {'request': 'CreateTags', 'code': 'TagLimitExceeded', 'message': 'too many'}


def test_secrets_are_in_no_result(cloud, clock, run):
    cloud.on('DescribeVolumes', volumes(volume('available', Name='disk')))
    cloud.on('CreateTags', DONE)
    assert 'very-secret' not in str(run('volume', name='disk', tags={'a': 'b'}))
    cloud.on('DescribeVolumes', error('SignatureDoesNotMatch', 'for very-secret', 403))
    assert 'very-secret' not in str(run('volume_info'))
