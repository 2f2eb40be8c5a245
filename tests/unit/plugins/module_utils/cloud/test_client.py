# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.web_server import ok, serving
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, SSLError

EC2 = 'http://cloud.test:8773/services/compute'
S3 = 'http://cloud.test:8773/services/objectstorage/'


@pytest.fixture(name='ours')
def fixture_ours():
    return Cloud(Credentials(EC2, 'AKITEST', 'very-secret', s3_url=S3, origin='the environment'))


def complaint(ours, operation='describe_volumes', **parameters):
    with pytest.raises(CloudError) as caught:
        ours.ec2(operation, 'volume vol-1', **parameters)
    assert 'very-secret' not in str(caught.value)
    return str(caught.value)


def test_requests_have_the_old_version_the_old_signature_and_nothing_that_was_not_asked_for(cloud, ours):
    cloud.on('CreateVolume', '<volumeId>vol-1</volumeId>')
    ours.ec2('create_volume', Size=1, AvailabilityZone='one')
    [parameters] = cloud.asked('CreateVolume')
    assert parameters.pop('Signature')
    assert parameters.pop('Timestamp')
    assert parameters == {
        'Version': '2014-10-01',
        'SignatureVersion': '2',
        'SignatureMethod': 'HmacSHA256',
        'AWSAccessKeyId': 'AKITEST',
        'Size': '1',
        'AvailabilityZone': 'one',
    }
    assert cloud.sent[0].url == EC2


def test_run_instances_gets_no_client_token_by_itself(cloud, ours):
    cloud.on('RunInstances', '<instancesSet/>')
    ours.ec2('run_instances', ImageId='emi-1', MinCount=1, MaxCount=1)
    assert 'ClientToken' not in cloud.asked('RunInstances')[0]


def test_objects_are_put_path_style_with_the_old_signature_and_without_trailer(cloud, ours):
    cloud.on('PUT /services/objectstorage/b/k', (200, ''))
    ours.s3('put_object', Bucket='b', Key='k', Body=b'x')
    headers = {name.lower(): value for name, value in cloud.sent[0].headers.items()}
    assert _text(headers['authorization']).startswith('AWS AKITEST:')
    assert not [name for name in headers if 'checksum' in name or 'trailer' in name or name == 'transfer-encoding']


def test_settings_for_amazon_are_left_out(cloud, monkeypatch, ours):
    for name, value in {
        'AWS_PROFILE': 'nosuch',
        'AWS_USE_FIPS_ENDPOINT': 'true',
        'AWS_USE_DUALSTACK_ENDPOINT': 'true',
        'AWS_ENDPOINT_URL': 'http://amazon/',
    }.items():
        monkeypatch.setenv(name, value)
    cloud.on('DescribeVolumes', '<volumeSet/>')
    ours.ec2('describe_volumes')
    assert cloud.sent[0].url == EC2


@pytest.mark.parametrize(('host', 'through_it'), [('127.0.0.1', False), ('localhost', False), ('cloud.test', True)])
def test_a_proxy_is_used_but_never_for_the_own_machine(monkeypatch, host, through_it):
    monkeypatch.setenv('no_proxy', '')
    with serving(ok(b'<R><volumeSet/></R>')) as (cloud, asked), serving(ok(b'<R><volumeSet/></R>')) as (proxy, relayed):
        monkeypatch.setenv('http_proxy', f'http://{proxy}')
        url = f'http://{host}:{cloud.rpartition(":")[2]}/services/compute'
        Cloud(Credentials(url, 'AKI', 'secret', origin='a test')).ec2('describe_volumes')
        assert (len(asked), len(relayed)) == ((0, 1) if through_it else (1, 0))


def test_the_message_contains_the_request_the_resource_and_the_clouds_reply(cloud, ours):
    cloud.on('DeleteVolume', error('VolumeInUse', 'Volume is currently in use'))
    assert complaint(ours, 'delete_volume', VolumeId='vol-1') == (
        'DeleteVolume of volume vol-1 failed: the cloud returned VolumeInUse: Volume is currently in use.'
    )


@pytest.mark.parametrize(
    ('code', 'text', 'status', 'way_out'),
    [
        (
            'AuthFailure',
            'Failed to authenticate',
            401,
            'Check access_key and secret_key (from the environment).',
        ),
        ('AccessDenied', 'The AWS Access Key Id you provided does not exist in our records', 403, 'Check access_key and'),
        ('MissingParameter', 'Kernel ID must be specified.', 400, 'virtualization_type=hvm'),
        ('400 Bad Request', 'Failed to bind the following fields:\nX = y\nZ = 1', 400, 'has no parameter X, Z. Omit the options'),
        ('400 Bad Request', 'Failed to find corresponding class mapping for element: X in namespace: y', 400, 'no action Delete'),
        ('InvalidAction', 'The action X is not valid', 400, 'this version of Eucalyptus has no action DeleteVolume.'),
        ('AuthFailure', 'Message was generated in the future', 401, 'clock'),
        ('InternalFailure', 'Only administrators can register kernel images.', 500, "the cloud's administrator"),
        ('VolumeLimitExceeded', 'Too many', 400, 'quota'),
    ],
)
def test_known_errors_come_with_a_way_out(cloud, ours, code, text, status, way_out):
    cloud.on('DeleteVolume', error(code, text, status))
    assert way_out in complaint(ours, 'delete_volume', VolumeId='vol-1')


def test_an_endpoint_that_is_no_cloud_is_called_so(cloud, clock, ours):
    cloud.on('DescribeVolumes', (404, '<html>Not here</html'))
    assert f'{EC2} is not a cloud' in complaint(ours)


def test_an_unreachable_cloud_is_named_with_the_cause_and_asked_again_a_few_times(cloud, clock, ours):
    cloud.on('DescribeVolumes', EndpointConnectionError(endpoint_url=EC2, error=OSError(111, 'Connection refused')))
    message = complaint(ours)
    assert f'{EC2} cannot be reached (Connection refused)' in message
    assert '(from the environment)' in message
    assert len(cloud.requests) == 3


def test_a_connection_that_is_closed_is_called_so():
    with serving(b'') as (host, _asked):
        silent = Cloud(Credentials(f'http://{host}/services/compute', 'AKI', 'secret', origin='a test'))
        assert '(Remote end closed connection without response).' in complaint(silent, 'delete_volume', VolumeId='vol-1')


def test_what_changes_something_is_never_sent_twice(cloud, clock, ours):
    cloud.on('CreateVolume', ConnectTimeoutError(endpoint_url=EC2), '<volumeId>vol-1</volumeId>')
    complaint(ours, 'create_volume', Size=1, AvailabilityZone='one')
    cloud.on('CreateVolume', error('ServiceUnavailable', 'later', 503), '<volumeId>vol-1</volumeId>')
    complaint(ours, 'create_volume', Size=1, AvailabilityZone='one')
    assert len(cloud.asked('CreateVolume')) == 2


def test_replies_in_the_internal_form_of_old_versions_change_the_api_version(cloud, ours):
    internal = '<?xml version="1.0"?><euca:DescribeVolumesResponseType xmlns:euca="urn:x"/>'
    cloud.on('DescribeVolumes', (200, internal), '<volumeSet><item><volumeId>vol-1</volumeId></item></volumeSet>')
    cloud.on('CreateVolume', '<volumeId>vol-2</volumeId>')
    assert ours.ec2('describe_volumes')['Volumes'][0]['VolumeId'] == 'vol-1'
    assert ours.ec2('create_volume', Size=1, AvailabilityZone='one')['VolumeId'] == 'vol-2'
    versions = [parameters['Version'] for _action, parameters in cloud.requests]
    assert (versions, ours.has_tags) == (['2014-10-01', '2012-05-01', '2012-05-01'], False)


@pytest.mark.parametrize(
    ('header', 'software'), [('Eucalyptus/4.4.2', 'Eucalyptus/4.4.2'), ('nginx/1.24', ''), (None, '')], ids=['4.2', 'proxy', '3.4']
)
def test_the_version_of_the_cloud_is_read_from_its_replies(cloud, ours, header, software):
    cloud.headers = {'Server': header} if header else {}
    cloud.on('DescribeVolumes', '')
    ours.ec2('describe_volumes')
    assert ours.software == software


def test_a_change_is_preceded_by_a_read_that_reveals_the_form_of_replies(cloud, ours):
    cloud.on('CreateVolume', '<volumeId>vol-1</volumeId>')
    ours.ec2('create_volume', Size=1, AvailabilityZone='one')
    assert [action for action, _parameters in cloud.requests] == ['DescribeRegions', 'CreateVolume']
    assert ours.has_tags


def test_a_reply_by_no_service_is_not_that_of_a_missing_resource(cloud, ours):
    cloud.on('DescribeVolumes', error('404 Not Found', 'unknown', 404))
    failure = complaint(ours, 'describe_volumes')
    assert "is not a cloud's EC2 service. Check ec2_url" in str(failure)


def test_a_request_refused_as_a_replay_is_sent_again_a_second_later(cloud, clock, ours):
    cloud.on(
        'CreateVolume',
        error('AuthFailure', 'Message replay detected. Same signature.', 401),
        '<volumeId>vol-1</volumeId>',
    )
    start = clock.now
    assert ours.ec2('create_volume', Size=1, AvailabilityZone='one')['VolumeId'] == 'vol-1'
    assert clock.now - start > 1


def test_a_certificate_that_nobody_trusts_leads_to_ca_path(cloud, clock, ours):
    cloud.on('DescribeVolumes', SSLError(endpoint_url=EC2, error='certificate verify failed: self-signed certificate'))
    message = complaint(ours)
    assert 'ca_path' in message
    assert len(cloud.requests) == 1


def test_https_to_a_port_without_tls_leads_to_http(clock):
    with serving(ok(b'<R/>')) as (host, asked):
        url = f'https://{host}/services/compute'
        message = complaint(Cloud(Credentials(url, 'AKI', 'very-secret', origin='the eucarc')))
        assert f'{url} does not use TLS' in message
        assert 'Begin ec2_url with http:// instead of https:// (from the eucarc)' in message
        assert 'ca_path' not in message
        assert len(asked) == 1


def test_http_to_a_port_with_tls_leads_to_https(clock):
    with serving(b'') as (host, _asked):
        message = complaint(Cloud(Credentials(f'http://{host}/services/compute', 'AKI', 'very-secret', origin='the eucarc')))
        assert 'If the port requires TLS, begin it with https://' in message


def test_a_missing_s3_url_is_reported_only_when_it_is_needed(cloud):
    cloud.on('DescribeVolumes', '<volumeSet/>')
    ours = Cloud(Credentials(EC2, 'AKITEST', 'very-secret'))
    ours.ec2('describe_volumes')
    with pytest.raises(CloudError, match='There is no s3_url'):
        ours.s3('list_buckets')


def test_an_invalid_url_is_reported_with_its_origin():
    ours = Cloud(Credentials('cloud.test', 'AKITEST', 'very-secret', origin='the options'))
    with pytest.raises(CloudError, match='cloud.test is not a usable ec2_url .*the options'):
        ours.ec2('describe_volumes')


def test_presigned_urls_are_version_2_and_name_the_guests_endpoint(cloud, ours):
    url = urlsplit(ours.presigned_get('b', 'k.ks', 60, 'http://10.0.2.2:8773/services/objectstorage/'))
    assert (url.netloc, url.path) == ('10.0.2.2:8773', '/services/objectstorage/b/k.ks')
    assert sorted(dict(parse_qsl(url.query))) == ['AWSAccessKeyId', 'Expires', 'Signature']
    assert cloud.requests == []


def _text(value):
    return value.decode() if isinstance(value, bytes) else value
