# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Object storage: bodies are returned unchanged and complete or not at all, and only as ACLs permit."""

from __future__ import annotations

import base64
import email.utils
import gzip
import hashlib
import http.client
import urllib.request

import pytest

from eucalab.cloud.accounts import EXEC_READ
from tests.kit.lab import Lab
from tests.kit.refusals import refused
from tests.kit.waiting import wait_for


@pytest.fixture(scope='module')
def bucket(lab_api: Lab) -> str:
    lab_api.s3().create_bucket(Bucket='objects')
    return 'objects'


def test_a_body_comes_back_with_its_digest(lab_api: Lab, bucket: str) -> None:
    body = bytes(range(256)) * 5000
    put = lab_api.s3().put_object(Bucket=bucket, Key='body', Body=body)
    assert put['ETag'] == f'"{hashlib.md5(body).hexdigest()}"'
    got = lab_api.s3().get_object(Bucket=bucket, Key='body')
    assert got['Body'].read() == body
    head = lab_api.s3().head_object(Bucket=bucket, Key='body')
    assert (head['ContentLength'], head['ETag']) == (len(body), put['ETag'])


def test_an_empty_body_is_an_object(lab_api: Lab, bucket: str) -> None:
    lab_api.s3().put_object(Bucket=bucket, Key='empty', Body=b'')
    assert lab_api.s3().get_object(Bucket=bucket, Key='empty')['Body'].read() == b''


def test_a_key_that_xml_cannot_contain_does_not_break_the_list(lab_api: Lab, bucket: str) -> None:
    lab_api.s3().put_object(Bucket=bucket, Key='odd/\x01', Body=b'x')
    listed = lab_api.fetch(lab_api.s3().generate_presigned_url('list_objects', {'Bucket': bucket, 'Prefix': 'odd/'}))
    assert listed[0] == 200 and '<Key>odd/\ufffd</Key>' in listed[1]
    assert lab_api.s3().get_object(Bucket=bucket, Key='odd/\x01')['Body'].read() == b'x'
    lab_api.s3().delete_object(Bucket=bucket, Key='odd/\x01')


def test_an_unexpected_failure_of_the_lab_is_an_error_that_clients_can_parse(lab_api: Lab) -> None:
    request = urllib.request.Request(
        lab_api.s3_url, headers={'Authorization': 'AWS not\xefutf-8:x', 'Date': email.utils.formatdate(usegmt=True)}
    )
    status, body = lab_api.fetch(request)
    assert (status, '<Code>InternalError</Code>' in body) == (500, True), body


def test_content_encoding_is_kept_and_the_body_left_alone(lab_api: Lab, bucket: str) -> None:
    packed = gzip.compress(b'hello' * 100)
    lab_api.s3().put_object(Bucket=bucket, Key='packed.gz', Body=packed, ContentEncoding='gzip')
    with urllib.request.urlopen(lab_api.s3().generate_presigned_url('get_object', {'Bucket': bucket, 'Key': 'packed.gz'})) as reply:
        assert (reply.read(), reply.headers['Content-Encoding']) == (packed, 'gzip')


@pytest.mark.parametrize(
    'asked, got',
    [('bytes=0-3', b'0123'), ('bytes=7-', b'789'), ('bytes=-2', b'89'), ('bytes=8-100', b'89'), ('lines=1-2', b'0123456789')],
)
def test_ranges(lab_api: Lab, bucket: str, asked: str, got: bytes) -> None:
    lab_api.s3().put_object(Bucket=bucket, Key='digits', Body=b'0123456789')
    reply = lab_api.s3().get_object(Bucket=bucket, Key='digits', Range=asked)
    assert reply['Body'].read() == got
    assert reply['ResponseMetadata']['HTTPStatusCode'] == (200 if len(got) == 10 else 206)


def test_a_range_behind_the_end_is_416(lab_api: Lab, bucket: str) -> None:
    lab_api.s3().put_object(Bucket=bucket, Key='digits', Body=b'0123456789')
    with refused('InvalidRange', status=416):
        lab_api.s3().get_object(Bucket=bucket, Key='digits', Range='bytes=10-')


def test_a_body_that_does_not_match_its_md5_is_not_stored(lab_api: Lab, bucket: str) -> None:
    s3 = lab_api.s3()
    s3.put_object(Bucket=bucket, Key='guarded', Body=b'first')
    good = base64.b64encode(hashlib.md5(b'second').digest()).decode()
    s3.put_object(Bucket=bucket, Key='guarded', Body=b'second', ContentMD5=good)
    with refused('BadDigest'):
        s3.put_object(Bucket=bucket, Key='guarded', Body=b'third', ContentMD5=good)
    with refused('InvalidDigest'):
        s3.put_object(Bucket=bucket, Key='guarded', Body=b'third', ContentMD5='nonsense')
    assert s3.get_object(Bucket=bucket, Key='guarded')['Body'].read() == b'second'


def test_a_connection_that_breaks_leaves_the_old_object_and_no_file(lab_api: Lab, bucket: str) -> None:
    s3 = lab_api.s3()
    s3.put_object(Bucket=bucket, Key='whole', Body=b'old')
    files = set(lab_api.config.objects.iterdir())
    url = s3.generate_presigned_url('put_object', {'Bucket': bucket, 'Key': 'whole'})
    connection = http.client.HTTPConnection('127.0.0.1', lab_api.config.port)
    connection.putrequest('PUT', url.removeprefix(lab_api.config.endpoint))
    connection.putheader('Content-Length', '1000000')
    connection.endheaders(b'x' * 1000)
    wait_for('the body comes in', lambda: set(lab_api.config.objects.iterdir()) != files)
    connection.close()
    wait_for('the half body is removed', lambda: set(lab_api.config.objects.iterdir()) == files)
    assert s3.get_object(Bucket=bucket, Key='whole')['Body'].read() == b'old'


def test_replacing_and_deleting_leave_no_file_behind(lab_api: Lab, bucket: str) -> None:
    s3, before = lab_api.s3(), len(list(lab_api.config.objects.iterdir()))
    for body in (b'1', b'2', b'3'):
        s3.put_object(Bucket=bucket, Key='replaced', Body=body)
    assert len(list(lab_api.config.objects.iterdir())) == before + 1
    s3.delete_object(Bucket=bucket, Key='replaced')
    s3.delete_object(Bucket=bucket, Key='replaced')  # idempotent
    assert len(list(lab_api.config.objects.iterdir())) == before


def test_expect_100_continue_is_answered(lab_api: Lab, bucket: str) -> None:
    url = lab_api.s3().generate_presigned_url('put_object', {'Bucket': bucket, 'Key': 'expected'})
    connection = http.client.HTTPConnection('127.0.0.1', lab_api.config.port, timeout=10)
    connection.putrequest('PUT', url.removeprefix(lab_api.config.endpoint))
    connection.putheader('Content-Length', '4')
    connection.putheader('Expect', '100-Continue')
    connection.endheaders()
    assert connection.sock.recv(100).startswith(b'HTTP/1.1 100')
    connection.send(b'body')
    assert connection.getresponse().status == 200
    assert lab_api.s3().get_object(Bucket=bucket, Key='expected')['Body'].read() == b'body'


def test_an_upload_without_a_length_is_411(lab_api: Lab, bucket: str) -> None:
    url = lab_api.s3().generate_presigned_url('put_object', {'Bucket': bucket, 'Key': 'chunked'})
    connection = http.client.HTTPConnection('127.0.0.1', lab_api.config.port, timeout=10)
    connection.request(
        'PUT',
        url.removeprefix(lab_api.config.endpoint),
        body=iter([b'a', b'b']),
        encode_chunked=True,
        headers={'Transfer-Encoding': 'chunked'},
    )
    assert connection.getresponse().status == 411


@pytest.mark.parametrize(
    'acl, readers',
    [
        ('private', {'owner', 'admin'}),
        ('aws-exec-read', {'owner', 'admin', 'cloud'}),
        ('ec2-bundle-read', {'owner', 'admin'}),
        ('authenticated-read', {'owner', 'admin', 'cloud'}),
        ('public-read', {'owner', 'admin', 'cloud', 'anonymous'}),
    ],
)
def test_the_acl_decides_who_reads_an_object(lab_api: Lab, bucket: str, acl: str, readers: set[str]) -> None:
    lab_api.s3().put_object(Bucket=bucket, Key=f'acl-{acl}', Body=b'x', ACL=acl)
    accounts = {'owner': lab_api.tenant, 'admin': lab_api.admin, 'cloud': lab_api.accounts[EXEC_READ]}
    found = set()
    for name, account in accounts.items():
        url = lab_api.s3(account).generate_presigned_url('get_object', {'Bucket': bucket, 'Key': f'acl-{acl}'})
        if lab_api.fetch(url)[0] == 200:
            found.add(name)
    if lab_api.fetch(f'{lab_api.s3_url}/{bucket}/acl-{acl}')[0] == 200:
        found.add('anonymous')
    assert found == readers


def test_nobody_writes_to_anothers_bucket_or_deletes_from_it(lab_api: Lab) -> None:
    lab_api.s3(lab_api.admin).create_bucket(Bucket='admins-own')
    lab_api.s3(lab_api.admin).put_object(Bucket='admins-own', Key='k', Body=b'', ACL='public-read')
    tenant = lab_api.s3()
    for call in (
        lambda: tenant.put_object(Bucket='admins-own', Key='k', Body=b''),
        lambda: tenant.delete_object(Bucket='admins-own', Key='k'),
        lambda: tenant.list_objects(Bucket='admins-own'),
        lambda: tenant.delete_bucket(Bucket='admins-own'),
    ):
        with refused('AccessDenied', status=403):
            call()
    with refused('BucketAlreadyExists', status=409):
        tenant.create_bucket(Bucket='admins-own')
    assert lab_api.fetch(f'{lab_api.s3_url}/admins-own/k')[0] == 200


def test_an_unknown_acl_is_refused(lab_api: Lab, bucket: str) -> None:
    with refused('InvalidArgument'):
        lab_api.s3().put_object(Bucket=bucket, Key='x', Body=b'', ACL='everybody-please')


def test_the_acl_can_be_read_and_changed(lab_api: Lab, bucket: str) -> None:
    s3 = lab_api.s3()
    s3.put_object(Bucket=bucket, Key='shared', Body=b'x')
    s3.put_object_acl(Bucket=bucket, Key='shared', ACL='aws-exec-read')
    grants = s3.get_object_acl(Bucket=bucket, Key='shared')['Grants']
    assert [(grant['Grantee'].get('URI'), grant['Permission']) for grant in grants] == [
        (None, 'FULL_CONTROL'),
        ('http://acs.amazonaws.com/groups/s3/zateam', 'READ'),
    ]


def test_buckets_are_created_and_deleted(lab_api: Lab) -> None:
    s3 = lab_api.s3()
    with refused('404', status=404):
        s3.head_bucket(Bucket='short-lived')
    s3.create_bucket(Bucket='short-lived')
    s3.head_bucket(Bucket='short-lived')
    with refused('BucketAlreadyOwnedByYou', status=409):
        s3.create_bucket(Bucket='short-lived')
    s3.put_object(Bucket='short-lived', Key='k', Body=b'')
    with refused('BucketNotEmpty', status=409):
        s3.delete_bucket(Bucket='short-lived')
    s3.delete_object(Bucket='short-lived', Key='k')
    s3.delete_bucket(Bucket='short-lived')
    with refused('NoSuchBucket', status=404):
        s3.list_objects(Bucket='short-lived')
    with refused('NoSuchBucket', status=404):
        s3.put_object(Bucket='short-lived', Key='k', Body=b'')


def test_listing_pages_prefixes_and_folders(lab_api: Lab) -> None:
    s3 = lab_api.s3()
    s3.create_bucket(Bucket='listed')
    for key in ('a/1', 'a/2', 'b/1', 'c', 'd'):
        s3.put_object(Bucket='listed', Key=key, Body=key.encode())
    keys = [
        one['Key']
        for page in s3.get_paginator('list_objects').paginate(Bucket='listed', PaginationConfig={'PageSize': 2})
        for one in page['Contents']
    ]
    assert keys == ['a/1', 'a/2', 'b/1', 'c', 'd']
    assert [one['Key'] for one in s3.list_objects(Bucket='listed', Prefix='a/')['Contents']] == ['a/1', 'a/2']
    folders = s3.list_objects(Bucket='listed', Delimiter='/')
    assert [one['Prefix'] for one in folders['CommonPrefixes']] == ['a/', 'b/']
    assert [one['Key'] for one in folders['Contents']] == ['c', 'd']
