# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that no client should send: each is answered in XML or by closing the connection, and none costs a traceback."""

from __future__ import annotations

import contextlib
import re
import socket
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

import pytest

from tests.kit.lab import Lab

S3 = '/services/objectstorage'
EC2 = '/services/compute'


@pytest.fixture(name='quiet')
def fixture_quiet(lab_api: Lab) -> Iterator[Lab]:
    """A lab whose log gets no traceback while the test runs."""
    log = lab_api.config.home / 'api.log'
    start = log.stat().st_size if log.exists() else 0
    yield lab_api
    assert 'Traceback' not in log.read_bytes()[start:].decode('utf-8', 'replace')


def send(api: Lab, request: bytes) -> tuple[int, bytes]:
    """The status and the body that answer raw bytes; 0 where the connection is just closed."""
    with socket.create_connection(('127.0.0.1', api.config.port), 10) as connection:
        connection.sendall(request)
        answer = b''
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(1 << 16):
                answer += piece
    head, _, body = answer.partition(b'\r\n\r\n')
    return (int(head.split()[1]) if head else 0), body


def code(body: bytes) -> str | None:
    root = ElementTree.fromstring(body)
    return root.findtext('Code') or root.findtext('Errors/Error/Code')


@pytest.mark.parametrize(
    'key', ['line\nbreak', 'tab\there', 'cr\rhere', ' ', 'ü', '\x01', '%', '+', '&<>"\'', '..', 'a//b', '\ufffe']
)
def test_an_object_with_any_key_is_stored_listed_read_and_removed(quiet: Lab, key: str) -> None:
    storage = quiet.s3()
    with contextlib.suppress(storage.exceptions.BucketAlreadyOwnedByYou):
        storage.create_bucket(Bucket='odd-keys')
    try:
        storage.put_object(Bucket='odd-keys', Key=key, Body=b'x')
        assert storage.get_object(Bucket='odd-keys', Key=key)['Body'].read() == b'x'
        listed = storage.list_objects(Bucket='odd-keys')['Contents']
        assert [each['Key'] for each in listed] == [re.sub('[\x01\ufffe]', '\ufffd', key)]  # which XML cannot contain
        storage.delete_object(Bucket='odd-keys', Key=key)
        assert 'Contents' not in storage.list_objects(Bucket='odd-keys')
    finally:
        storage.delete_object(Bucket='odd-keys', Key=key)
        storage.delete_bucket(Bucket='odd-keys')


@pytest.mark.parametrize(
    'line',
    [
        f'GET {S3}/b/%00 HTTP/1.1',
        f'GET {S3}/b/%ff%fe HTTP/1.1',
        f'GET {S3}/b/%zz HTTP/1.1',
        f'GET {S3}/%2e%2e/%2e%2e/etc HTTP/1.1',
        f'GET {S3}/b?acl&max-keys=many HTTP/1.1',
        f'GET {S3}/b/k?Signature=x&Expires=never&AWSAccessKeyId=y HTTP/1.1',
        f'PUT {S3}/b/k HTTP/1.1\r\nContent-Length: 0\r\nContent-MD5: \xfc',
        f'GET {S3}/b/k HTTP/1.1\r\nRange: bytes=99999999999999999999-1',
        f'GET {S3}/b HTTP/1.1\r\nAuthorization: AWS',
        f'GET {S3}/b HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 nothing',
        f'GET {S3}/b HTTP/1.1\r\nAuthorization: AWS a:b\r\nDate: yesterday',
        f'DELETE {S3}/b?delete=<&x=&&& HTTP/1.1',
    ],
)
def test_a_malformed_request_for_an_object_is_answered_in_xml(quiet: Lab, line: str) -> None:
    status, body = send(quiet, f'{line}\r\nHost: localhost\r\nConnection: close\r\n\r\n'.encode('latin-1'))
    assert 400 <= status < 600
    assert status != 500, body
    assert code(body), body


@pytest.mark.parametrize(
    'query',
    [
        'Action=DescribeImages',
        'Action=DescribeImages&Version=x',
        'Action=&Version=2014-10-01',
        'Action=%ff&Version=2014-10-01',
        'Version=2014-10-01',
        'Action=DescribeImages&Version=2014-10-01&Signature=%ff&SignatureVersion=2&AWSAccessKeyId=%00',
        'Action=DescribeImages&Version=2014-10-01&SignatureVersion=2&Timestamp=x',
        'Action=DescribeImages&Version=2014-10-01&SignatureVersion=99',
    ],
)
def test_a_malformed_query_is_answered_in_xml(quiet: Lab, query: str) -> None:
    status, body = send(quiet, f'GET {EC2}?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'.encode())
    assert 400 <= status < 500, body
    assert code(body), body


@pytest.mark.parametrize(
    'raw',
    [
        b'nonsense\r\n\r\n',
        b'GET\r\n\r\n',
        b'BREW /services/objectstorage/b HTTP/1.1\r\nHost: x\r\n\r\n',
        b'GET / HTTP/9.9\r\n\r\n',
        b'GET ' + b'/services/objectstorage/b/' + b'k' * 200_000 + b' HTTP/1.1\r\nHost: x\r\n\r\n',
        b'GET /services/objectstorage/b HTTP/1.1\r\nHost: x\r\nX: ' + b'y' * 100_000 + b'\r\n\r\n',
        b'PUT /services/objectstorage/b/k HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n',
        b'PUT /services/objectstorage/b/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
        b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    ],
)
def test_bytes_that_are_no_request_are_refused(quiet: Lab, raw: bytes) -> None:
    status, _body = send(quiet, raw)
    assert status == 0 or 400 <= status < 500
