# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of objects and deletions of several, only as ACLs permit; and requests that 4.4 or the lab does not have."""

from __future__ import annotations

import datetime
import urllib.request
from typing import Any

import pytest
from s3transfer.manager import TransferConfig, TransferManager

from eucalab.cloud.accounts import EXEC_READ
from tests.kit.lab import Lab
from tests.kit.refusals import refused


@pytest.fixture(scope='module')
def bucket(lab_api: Lab) -> str:
    lab_api.s3().create_bucket(Bucket='copies')
    lab_api.s3().put_object(
        Bucket='copies', Key='a b+c/ü', Body=b'content', Metadata={'k': 'v'}, ContentType='a/b', CacheControl='no-store'
    )
    return 'copies'


def source(bucket: str, key: str = 'a b+c/ü') -> dict[str, str]:
    return {'Bucket': bucket, 'Key': key}


def files(lab: Lab) -> set[str]:
    return {path.name for path in lab.config.objects.iterdir()}


@pytest.mark.parametrize('signature', ['s3', 's3v4'])
def test_a_copy_has_the_sources_content_and_metadata_and_outlives_it(lab_api: Lab, bucket: str, signature: str) -> None:
    s3 = lab_api.s3(signature=signature)
    s3.copy_object(Bucket=bucket, Key='first', CopySource=source(bucket))
    s3.copy_object(Bucket=bucket, Key='second', CopySource=source(bucket, 'first'), ACL='public-read')
    s3.delete_object(Bucket=bucket, Key='first')
    got = s3.get_object(Bucket=bucket, Key='second')
    assert (got['Body'].read(), got['Metadata'], got['ContentType'], got['CacheControl']) == (
        b'content',
        {'k': 'v'},
        'a/b',
        'no-store',
    )
    assert lab_api.fetch(f'{lab_api.s3_url}/{bucket}/second')[0] == 200
    s3.delete_object(Bucket=bucket, Key='second')
    assert files(lab_api) == {row['file'] for row in lab_api.rows('SELECT file FROM objects')}


def test_metadata_can_be_replaced_with_the_copy_also_onto_itself(lab_api: Lab, bucket: str) -> None:
    s3 = lab_api.s3()
    s3.put_object(Bucket=bucket, Key='self', Body=b'content', Metadata={'k': 'old'})
    with refused('InvalidRequest', 'to itself'):
        s3.copy_object(Bucket=bucket, Key='self', CopySource=source(bucket, 'self'))
    replaced = {'Metadata': {'k': 'new'}, 'ContentType': 'c/d', 'MetadataDirective': 'REPLACE'}
    copied = s3.copy_object(Bucket=bucket, Key='self', CopySource=source(bucket, 'self'), **replaced)
    got = s3.get_object(Bucket=bucket, Key='self')
    assert (got['Body'].read(), got['Metadata'], got['ContentType']) == (b'content', {'k': 'new'}, 'c/d')
    assert f'"{copied["CopyObjectResult"]["ETag"]}"' == got['ETag'], 'without quotes, as 4.4 returns it'
    with refused('InvalidArgument', 'Unknown metadata directive: MERGE'):
        s3.copy_object(Bucket=bucket, Key='x', CopySource=source(bucket), MetadataDirective='MERGE')
    assert files(lab_api) == {row['file'] for row in lab_api.rows('SELECT file FROM objects')}


def test_a_copy_is_made_only_if_its_conditions_hold(lab_api: Lab, bucket: str) -> None:
    s3 = lab_api.s3()
    head = s3.head_object(**source(bucket))
    before, after = (head['LastModified'] + datetime.timedelta(hours=hours) for hours in (-1, 1))
    for holds, fails in (
        ({'CopySourceIfMatch': head['ETag']}, {'CopySourceIfMatch': '"other"'}),
        ({'CopySourceIfNoneMatch': '"other"'}, {'CopySourceIfNoneMatch': head['ETag']}),
        ({'CopySourceIfUnmodifiedSince': after}, {'CopySourceIfUnmodifiedSince': before}),
        ({'CopySourceIfModifiedSince': before}, {'CopySourceIfModifiedSince': after}),
    ):
        with refused('PreconditionFailed', status=412):
            s3.copy_object(Bucket=bucket, Key='conditional', CopySource=source(bucket), **fails)
        with refused('404', status=404):
            s3.head_object(Bucket=bucket, Key='conditional')
        s3.copy_object(Bucket=bucket, Key='conditional', CopySource=source(bucket), **holds)
        s3.delete_object(Bucket=bucket, Key='conditional')


def test_nobody_copies_what_they_cannot_read_or_to_where_they_cannot_write(lab_api: Lab, bucket: str) -> None:
    owner, other = lab_api.s3(), lab_api.s3(lab_api.accounts[EXEC_READ])
    other.create_bucket(Bucket='others-copies')
    owner.put_object(Bucket=bucket, Key='published', Body=b'public', ACL='public-read')
    with refused('AccessDenied', status=403):
        other.copy_object(Bucket='others-copies', Key='stolen', CopySource=source(bucket))
    with refused('AccessDenied', status=403):
        owner.copy_object(Bucket='others-copies', Key='pushed', CopySource=source(bucket))
    assert 'Contents' not in other.list_objects(Bucket='others-copies')
    other.copy_object(Bucket='others-copies', Key='copy', CopySource=source(bucket, 'published'))
    assert other.get_object(Bucket='others-copies', Key='copy')['Body'].read() == b'public'
    with refused('AccessDenied', status=403):
        owner.get_object(Bucket='others-copies', Key='copy')  # the permission is not copied
    other.delete_object(Bucket='others-copies', Key='copy')
    other.delete_bucket(Bucket='others-copies')


@pytest.mark.parametrize(
    ('copied', 'code', 'status'),
    [
        ('copies/none', 'NoSuchKey', 404),
        ('none/none', 'NoSuchBucket', 404),
        ('copies', 'InvalidArgument', 400),
        ('copies/a?versionId=1', 'NotImplemented', 501),
    ],
)
def test_a_source_that_cannot_be_copied_is_named(lab_api: Lab, bucket: str, copied: str, code: str, status: int) -> None:
    client = lab_api.s3()
    client.meta.events.register('before-sign.s3.CopyObject', lambda request, **_rest: replace_source(request, copied))
    with refused(code, status=status):
        client.copy_object(Bucket=bucket, Key='x', CopySource=source(bucket))


def replace_source(request: Any, copied: str) -> None:
    request.headers.replace_header('x-amz-copy-source', copied)


def test_large_objects_are_copied_whole_because_4_4_has_no_copy_of_parts(lab_api: Lab, bucket: str) -> None:
    s3 = lab_api.s3()
    s3.put_object(Bucket=bucket, Key='large', Body=b'x' * (6 << 20))
    with TransferManager(s3, TransferConfig(multipart_threshold=64 << 20)) as transfer:
        transfer.copy(source(bucket, 'large'), bucket, 'whole').result()
    assert s3.head_object(Bucket=bucket, Key='whole')['ContentLength'] == 6 << 20
    with TransferManager(s3, TransferConfig(multipart_threshold=5 << 20)) as transfer, refused('MethodNotAllowed', status=405):
        transfer.copy(source(bucket, 'large'), bucket, 'parts').result()
    assert lab_api.rows('SELECT * FROM uploads') == []


def test_several_objects_are_deleted_in_one_request_each_as_its_acl_permits(lab_api: Lab, bucket: str) -> None:
    owner, other = lab_api.s3(), lab_api.s3(lab_api.accounts[EXEC_READ])
    owner.create_bucket(Bucket='deleted')
    for key in ('a', 'b & <c>', 'd'):
        owner.put_object(Bucket='deleted', Key=key, Body=b'x')
    keys = [{'Key': key} for key in ('a', 'b & <c>', 'none')]
    denied = other.delete_objects(Bucket='deleted', Delete={'Objects': keys})
    assert [error['Code'] for error in denied['Errors']] == ['AccessDenied'] * 3 and 'Deleted' not in denied
    deleted = owner.delete_objects(Bucket='deleted', Delete={'Objects': keys})
    assert [one['Key'] for one in deleted['Deleted']] == ['a', 'b & <c>', 'none'] and 'Errors' not in deleted
    assert [one['Key'] for one in owner.list_objects(Bucket='deleted')['Contents']] == ['d']
    [error] = owner.delete_objects(Bucket='deleted', Delete={'Objects': [{'Key': 'd', 'VersionId': '1'}]})['Errors']
    assert (error['Code'], 'The lab does not' in error['Message']) == ('InternalError', True)
    quiet = owner.delete_objects(Bucket='deleted', Delete={'Objects': [{'Key': 'd'}], 'Quiet': True})
    assert 'Deleted' not in quiet and 'Errors' not in quiet
    owner.delete_bucket(Bucket='deleted')
    assert files(lab_api) == {row['file'] for row in lab_api.rows('SELECT file FROM objects')}


def test_a_list_of_keys_that_is_no_xml_deletes_nothing(lab_api: Lab, bucket: str) -> None:
    url = lab_api.s3().generate_presigned_url('delete_objects', {'Bucket': bucket, 'Delete': {'Objects': []}})
    request = urllib.request.Request(url, b'<Delete><Object>', {'Content-Type': ''}, method='POST')
    status, body = lab_api.fetch(request)
    assert (status, '<Code>MalformedXML</Code>' in body) == (400, True), body


@pytest.mark.parametrize(
    ('method', 'path', 'status', 'words'),
    [
        ('GET', '?policy', 501, 'GET Bucket policy is not implemented'),
        ('DELETE', '?website', 501, 'DELETE Bucket website is not implemented'),
        ('PUT', '?notification', 501, 'PUT Bucket notification is not implemented'),
        ('GET', '?requestPayment', 501, 'GET Bucket requestPayment is not implemented'),
        ('PUT', '?lifecycle', 501, 'Eucalyptus 4.4 supports PUT Bucket lifecycle. The lab does not.'),
        ('GET', '?cors', 501, 'Eucalyptus 4.4 supports GET Bucket cors. The lab does not.'),
        ('GET', '?versions', 501, 'The lab does not.'),
        ('PUT', '?versioning', 501, 'The lab does not.'),
        ('POST', '', 501, 'Eucalyptus 4.4 supports uploads of HTML forms. The lab does not.'),
        ('GET', '/a?torrent', 501, 'Eucalyptus 4.4 supports GET Object torrent. The lab does not.'),
        ('DELETE', '/a?versionId=1', 501, 'The lab does not.'),
        ('PUT', '/a?tagging', 501, 'Eucalyptus 4.4 ignores tagging of an object'),
        ('PUT', '/a?uploads', 405, 'not allowed'),
        ('PUT', '/a?partNumber=1', 405, 'not allowed'),
        ('PUT', '?delete', 405, 'not allowed'),
        ('POST', '/a', 405, 'not allowed'),
    ],
)
def test_a_request_that_is_not_supported_is_refused_and_stores_nothing(
    lab_api: Lab, bucket: str, method: str, path: str, status: int, words: str
) -> None:
    body = b'x' if method in ('PUT', 'POST') else None
    answer = lab_api.fetch(urllib.request.Request(f'{lab_api.s3_url}/{bucket}{path}', body, method=method))
    assert (answer[0], words in answer[1]) == (status, True), answer
    assert lab_api.rows("SELECT * FROM objects WHERE bucket = 'copies' AND key = 'a'") == []
