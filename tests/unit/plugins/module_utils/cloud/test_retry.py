# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a request is sent, counted at a web server."""

from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.upload import Bucket
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.web_server import serving


def failing(status: str, code: str) -> bytes:
    body = f'<Error><Code>{code}</Code><Message>come back later</Message></Error>'
    return f'HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}'.encode()


BUSY = failing('503 Service Unavailable', 'ServiceUnavailable')


def account(host: str) -> Cloud:
    url = f'http://{host}/services'
    return Cloud(Credentials(ec2_url=f'{url}/compute', s3_url=f'{url}/objectstorage', access_key='AKI', secret_key='s3cret'))


def bucket(host: str) -> Bucket:
    return Bucket(account(host), 'images', wait=lambda _ended, _seconds: False)


@pytest.mark.parametrize(
    ('send', 'requests'),
    [
        (lambda host: account(host).ec2('describe_volumes'), 3),
        (lambda host: account(host).ec2('create_volume', Size=1, AvailabilityZone='one'), 3),  # a read comes first
        (lambda host: account(host).ec2('terminate_instances', InstanceIds=['i-1']), 3),
        (lambda host: account(host).s3('list_buckets'), 3),
        (lambda host: account(host).s3('put_object', Bucket='images', Key='answers', Body=b'x'), 1),
        (lambda host: bucket(host).ensure(), 7),
        (lambda host: bucket(host).listing('image'), 7),
        (lambda host: bucket(host).put('part', b'x'), 7),
        (lambda host: bucket(host).get('manifest', 100), 7),
    ],
    ids=['look', 'create', 'remove', 'list', 'put', 'find bucket', 'list parts', 'send part', 'read manifest'],
)
def test_a_busy_cloud_gets_as_many_requests_as_one_policy_allows(clock, send, requests) -> None:
    with serving(BUSY) as (host, asked):
        with pytest.raises(CloudError, match='failed: the cloud returned '):
            send(host)
        assert len(asked) == requests


def test_a_failure_that_will_not_pass_is_met_once(clock) -> None:
    with serving(failing('403 Forbidden', 'AccessDenied')) as (host, asked):
        for send in (lambda: account(host).ec2('describe_volumes'), lambda: bucket(host).ensure()):
            asked.clear()
            with pytest.raises(CloudError, match='failed: the cloud returned '):
                send()
            assert len(asked) == 1


def test_an_internal_failure_is_repeated_only_while_uploading(clock) -> None:
    """Eucalyptus answers 500 to requests that no repetition helps, such as the console of a stopped instance."""
    with serving(failing('500 Internal Server Error', 'InternalFailure')) as (host, asked):
        with pytest.raises(CloudError):
            account(host).ec2('get_console_output', InstanceId='i-1')
        assert len(asked) == 1
        with pytest.raises(CloudError):
            bucket(host).put('part', b'x')
        assert len(asked) == 1 + 7
