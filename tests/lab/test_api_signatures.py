# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests without valid authentication change nothing."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import hmac
import time
import urllib.parse
import urllib.request
from xml.etree import ElementTree

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import pytest
from botocore.exceptions import ClientError

from tests.kit.lab import Lab
from tests.kit.refusals import refused

BUCKET = 'signatures'


@pytest.fixture(scope='module', autouse=True)
def bucket(lab_api: Lab) -> None:
    lab_api.s3().create_bucket(Bucket=BUCKET)
    lab_api.s3().put_object(Bucket=BUCKET, Key='answers/ks.cfg', Body=b'poweroff\n')


@pytest.mark.parametrize('signature', ['v2', 'v4'])
def test_ec2_takes_both_signatures_and_refuses_another_secret(lab_api: Lab, signature: str) -> None:
    assert lab_api.ec2(signature=signature).describe_volumes()['ResponseMetadata']['HTTPStatusCode'] == 200
    wrong = dataclasses.replace(lab_api.tenant, secret_key='x' * 40)
    with refused('403 Forbidden', 'Signature validation failed', status=403):
        lab_api.ec2(wrong, signature=signature).describe_volumes()
    nobody = dataclasses.replace(lab_api.tenant, access_key='AKINOBODY')
    with refused('403 Forbidden', status=403):
        lab_api.ec2(nobody, signature=signature).describe_volumes()


def test_a_signature_in_other_letters_than_signatures_have_is_as_wrong_as_any(lab_api: Lab) -> None:
    """Signatures may come percent-encoded, and as raw bytes in a header, which need not even be UTF-8."""
    wrong, access = urllib.parse.quote('sïgnatur€'), lab_api.tenant.access_key
    moment = time.gmtime()  # one for all: asked for twice, it may be another day
    stamp, date = time.strftime('%Y%m%dT%H%M%SZ', moment), time.strftime('%Y%m%d', moment)
    now = time.strftime('%Y-%m-%dT%H:%M:%SZ', moment)
    v2 = (
        f'Action=DescribeVolumes&Version=2014-10-01&SignatureVersion=2&SignatureMethod=HmacSHA256&Timestamp={now}'
        f'&AWSAccessKeyId={access}&Signature={wrong}'
    )
    v4 = f'Credential={access}/{date}/x/y/aws4_request, SignedHeaders=host, Signature=s\xefg'
    status, body = lab_api.fetch(f'{lab_api.ec2_url}?{v2}')
    assert (status, 'Signature validation failed' in body) == (403, True), body
    status, body = lab_api.fetch(
        urllib.request.Request(
            lab_api.ec2_url,
            b'Action=DescribeVolumes&Version=2014-10-01',
            {'Authorization': f'AWS4-HMAC-SHA256 {v4}', 'X-Amz-Date': stamp},
        )
    )
    assert (status, 'Signature validation failed' in body) == (403, True), body
    expires, headers = int(time.time()) + 60, {'X-Amz-Date': stamp, 'X-Amz-Content-SHA256': 'UNSIGNED-PAYLOAD'}
    for query, authorization in (
        (
            f'?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={access}/{date}/x/y/aws4_request&X-Amz-Date={stamp}'
            f'&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature={wrong}',
            None,
        ),
        (f'?AWSAccessKeyId={access}&Expires={expires}&Signature={wrong}', None),
        ('', f'AWS4-HMAC-SHA256 {v4}'),
        ('', f'AWS {access}:s\xefg'),
    ):
        sent = {**headers, 'Authorization': authorization} if authorization else {}
        status, body = lab_api.fetch(urllib.request.Request(f'{lab_api.s3_url}/{BUCKET}{query}', headers=sent))
        assert (status, 'SignatureDoesNotMatch' in body) == (403, True), body
        ElementTree.fromstring(body)


def test_an_unsigned_ec2_request_is_refused(lab_api: Lab) -> None:
    status, _ = lab_api.fetch(f'{lab_api.ec2_url}?Action=DescribeVolumes&Version=2014-10-01')
    assert status == 403


@pytest.mark.parametrize('seconds, fine', [(-600, True), (-1000, False), (10, True), (120, False)])
def test_ec2_requests_are_good_for_15_minutes_and_20_seconds_ahead(lab_api: Lab, seconds: int, fine: bool) -> None:
    stamp = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + seconds))
    status, body = lab_api.call(f'Action=DescribeVolumes&Timestamp={stamp}')
    assert status == (200 if fine else 403), body
    assert fine or ('expired' in body or 'future' in body)


def test_a_parameter_added_after_signing_is_refused(lab_api: Lab) -> None:
    captured = {}

    def capture(request, **_):
        captured['url'], captured['body'] = request.url, request.body

    ec2 = lab_api.ec2()
    ec2.meta.events.register('before-send.ec2', capture)
    ec2.describe_volumes()
    body = captured['body'] if isinstance(captured['body'], bytes) else captured['body'].encode()
    assert lab_api.fetch(urllib.request.Request(captured['url'], body))[0] == 200
    status, _ = lab_api.fetch(urllib.request.Request(captured['url'], body + b'&VolumeId.1=vol-12345678'))
    assert status == 403


@pytest.mark.parametrize('signature', ['s3', 's3v4'])
def test_s3_takes_both_signatures_and_refuses_another_secret(lab_api: Lab, signature: str) -> None:
    s3 = lab_api.s3(signature=signature)
    s3.put_object(Bucket=BUCKET, Key=f'a b+c/{signature}~é', Body=b'x', ContentType='text/plain', Metadata={'note': 'kept'})
    reply = s3.get_object(Bucket=BUCKET, Key=f'a b+c/{signature}~é')
    assert (reply['Body'].read(), reply['Metadata'], reply['ContentType']) == (b'x', {'note': 'kept'}, 'text/plain')
    assert s3.list_objects(Bucket=BUCKET, Prefix='a b')['Contents']
    wrong = lab_api.s3(dataclasses.replace(lab_api.tenant, secret_key='x' * 40), signature=signature)
    with refused('SignatureDoesNotMatch', status=403):
        wrong.get_object(Bucket=BUCKET, Key='answers/ks.cfg')
    nobody = lab_api.s3(dataclasses.replace(lab_api.tenant, access_key='AKINOBODY'), signature=signature)
    with refused('InvalidAccessKeyId', status=403):
        nobody.get_object(Bucket=BUCKET, Key='answers/ks.cfg')


def presigned(lab_api: Lab, signature: str, seconds: int = 60, operation: str = 'get_object') -> str:
    return lab_api.s3(signature=signature).generate_presigned_url(
        operation, {'Bucket': BUCKET, 'Key': 'answers/ks.cfg'}, ExpiresIn=seconds
    )


@pytest.mark.parametrize('signature', ['s3', 's3v4'])
def test_a_presigned_url_needs_no_header(lab_api: Lab, signature: str) -> None:
    assert lab_api.fetch(presigned(lab_api, signature)) == (200, 'poweroff\n')


@pytest.mark.parametrize('signature', ['s3', 's3v4'])
def test_a_changed_presigned_url_is_refused(lab_api: Lab, signature: str) -> None:
    url = presigned(lab_api, signature)
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    name = 'Signature' if signature == 's3' else 'X-Amz-Signature'
    life = 'Expires' if signature == 's3' else 'X-Amz-Expires'
    for changed in (
        {**query, name: query[name][:-3] + 'AAA'},
        {**query, life: str(int(query[life]) + 600)},
        {**query, 'response-content-type': 'text/html'},
    ):
        status, body = lab_api.fetch(parts._replace(query=urllib.parse.urlencode(changed)).geturl())
        assert (status, '<Code>SignatureDoesNotMatch</Code>' in body) == (403, True), changed
    other = lab_api.fetch(url.replace('ks.cfg', 'other.cfg'))
    assert other[0] == 403
    assert lab_api.fetch(urllib.request.Request(url, method='DELETE'))[0] == 403


def test_an_expired_version_2_url_is_refused(lab_api: Lab) -> None:
    url = presigned(lab_api, 's3', seconds=-5)
    status, body = lab_api.fetch(url)
    assert (status, 'Expired' in body) == (403, True)


def test_an_expired_version_4_url_is_refused(lab_api: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    real = botocore.auth.get_current_datetime
    monkeypatch.setattr(botocore.auth, 'get_current_datetime', lambda: real() - datetime.timedelta(seconds=120))
    status, body = lab_api.fetch(presigned(lab_api, 's3v4', seconds=30))
    assert (status, 'Expired' in body) == (403, True)


@pytest.mark.parametrize('with_path', [True, False])
def test_a_version_2_signature_may_leave_the_service_path_out(lab_api: Lab, with_path: bool) -> None:
    expires = int(time.time()) + 60
    resource = f'/{BUCKET}/answers/ks.cfg'
    signed = ('/services/objectstorage' if with_path else '') + resource
    digest = hmac.new(lab_api.tenant.secret_key.encode(), f'GET\n\n\n{expires}\n{signed}'.encode(), 'sha1').digest()
    query = urllib.parse.urlencode(
        {'AWSAccessKeyId': lab_api.tenant.access_key, 'Expires': expires, 'Signature': base64.b64encode(digest).decode()}
    )
    assert lab_api.fetch(f'{lab_api.s3_url}{resource}?{query}') == (200, 'poweroff\n')


def test_a_presigned_url_works_at_the_old_path_too(lab_api: Lab) -> None:
    url = lab_api.s3(endpoint_url=f'{lab_api.config.endpoint}/services/Walrus').generate_presigned_url(
        'get_object', {'Bucket': BUCKET, 'Key': 'answers/ks.cfg'}
    )
    assert '/services/Walrus/' in url
    assert lab_api.fetch(url) == (200, 'poweroff\n')


def test_s3_requests_far_from_the_servers_clock_are_refused(lab_api: Lab) -> None:
    date = time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(time.time() - 3600))
    request = urllib.request.Request(
        f'{lab_api.s3_url}/', headers={'Date': date, 'Authorization': f'AWS {lab_api.tenant.access_key}:x'}
    )
    status, body = lab_api.fetch(request)
    assert (status, 'RequestTimeTooSkewed' in body) == (403, True)


def test_a_bucket_request_signed_with_a_slash_that_was_not_sent_is_refused(lab_api: Lab) -> None:
    """botocore does this by itself; a client of Eucalyptus must sign the path that it sends."""
    session = botocore.session.Session()
    plain = session.create_client(
        's3',
        region_name='x',
        endpoint_url=lab_api.s3_url,
        aws_access_key_id=lab_api.tenant.access_key,
        aws_secret_access_key=lab_api.tenant.secret_key,
        config=botocore.config.Config(signature_version='s3', s3={'addressing_style': 'path'}),
    )
    with pytest.raises(ClientError, match='403'):
        plain.head_bucket(Bucket=BUCKET)


def chunked_upload(lab_api: Lab, chunks: list[bytes], tamper: bool = False) -> tuple[int, str]:
    """A body signed chunk by chunk, written from Amazon's description of it."""
    url = f'{lab_api.s3_url}/{BUCKET}/chunked'
    body_length = sum(len(f'{len(chunk):x};chunk-signature=') + 64 + 4 + len(chunk) for chunk in [*chunks, b''])
    request = botocore.awsrequest.AWSRequest(
        'PUT',
        url,
        data=b'',
        headers={
            'x-amz-decoded-content-length': str(sum(map(len, chunks))),
            'Content-Encoding': 'aws-chunked',
            'X-Amz-Content-SHA256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
        },
    )

    class Signer(botocore.auth.S3SigV4Auth):
        def payload(self, _request):
            return 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'

    account = botocore.credentials.Credentials(lab_api.tenant.access_key, lab_api.tenant.secret_key)
    signer = Signer(account, 's3', 'eucalyptus')
    signer.add_auth(request)
    stamp, seed = request.headers['X-Amz-Date'], request.headers['Authorization'].rsplit('Signature=', 1)[1]
    scope = f'{stamp[:8]}/eucalyptus/s3/aws4_request'
    key = b'AWS4' + lab_api.tenant.secret_key.encode()
    for part in scope.split('/'):
        key = hmac.new(key, part.encode(), 'sha256').digest()
    body, previous = b'', seed
    for chunk in [*chunks, b'']:
        text = '\n'.join(
            ('AWS4-HMAC-SHA256-PAYLOAD', stamp, scope, previous, hashlib.sha256(b'').hexdigest(), hashlib.sha256(chunk).hexdigest())
        )
        previous = hmac.new(key, text.encode(), 'sha256').hexdigest()
        body += f'{len(chunk):x};chunk-signature={previous}\r\n'.encode() + chunk + b'\r\n'
    assert len(body) == body_length
    if tamper:
        body = body.replace(chunks[-1], chunks[-1][:-1] + b'!')
    return lab_api.fetch(urllib.request.Request(url, body, dict(request.headers), method='PUT'))


def test_a_body_signed_chunk_by_chunk_is_stored_without_its_frame(lab_api: Lab) -> None:
    chunks = [b'a' * 65536, b'b' * 65536, b'the end']
    assert chunked_upload(lab_api, chunks)[0] == 200
    reply = lab_api.s3().get_object(Bucket=BUCKET, Key='chunked')
    assert reply['Body'].read() == b''.join(chunks)
    assert 'ContentEncoding' not in reply


def test_a_changed_chunk_is_refused(lab_api: Lab) -> None:
    chunked_upload(lab_api, [b'first'])
    status, body = chunked_upload(lab_api, [b'a' * 65536, b'the end'], tamper=True)
    assert (status, 'SignatureDoesNotMatch' in body) == (403, True)
    assert lab_api.s3().get_object(Bucket=BUCKET, Key='chunked')['Body'].read() == b'first'


def test_a_body_signed_by_chunks_needs_a_signature_in_the_headers(lab_api: Lab) -> None:
    request = urllib.request.Request(
        presigned(lab_api, 's3v4', operation='put_object'),
        b'x',
        method='PUT',
        headers={'X-Amz-Content-SHA256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD', 'x-amz-decoded-content-length': '1'},
    )
    status, body = lab_api.fetch(request)
    assert (status, 'InvalidRequest' in body) == (400, True)
