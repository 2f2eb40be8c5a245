# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads in parts: the object is complete or not there, and nothing is left of an upload that ended."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import S3Transfer

from eucalab.cloud.accounts import EXEC_READ
from tests.kit.lab import Lab
from tests.kit.refusals import refused

MIB = 1 << 20
FIRST, LAST = b'a' * (5 * MIB), b'the end'


@pytest.fixture(scope='module')
def bucket(lab_api: Lab) -> str:
    lab_api.s3().create_bucket(Bucket='parts')
    return 'parts'


class Upload:
    def __init__(self, s3: Any, bucket: str, key: str, **options: Any) -> None:
        self.s3, self.etags = s3, dict[int, str]()
        identifier = s3.create_multipart_upload(Bucket=bucket, Key=key, **options)['UploadId']
        self.which = {'Bucket': bucket, 'Key': key, 'UploadId': identifier}

    def put(self, number: int, body: bytes) -> None:
        self.etags[number] = self.s3.upload_part(**self.which, PartNumber=number, Body=body)['ETag']

    def complete(self, *numbers: int) -> Any:
        parts = [{'PartNumber': number, 'ETag': self.etags.get(number, '"?"')} for number in numbers or sorted(self.etags)]
        return self.s3.complete_multipart_upload(**self.which, MultipartUpload={'Parts': parts})


@pytest.fixture(name='upload')
def fixture_upload(lab_api: Lab, bucket: str) -> Iterator[Callable[..., Upload]]:
    """Begin an upload, which is aborted at the end if it still exists."""
    begun = []

    def begin(key: str, **options: Any) -> Upload:
        begun.append(Upload(lab_api.s3(), bucket, key, **options))
        return begun[-1]

    yield begin
    for one in begun:
        if not one.etags or lab_api.rows('SELECT * FROM uploads WHERE id = ?', one.which['UploadId']):
            one.s3.abort_multipart_upload(**one.which)
    assert files(lab_api) == {row['file'] for row in lab_api.rows('SELECT file FROM objects')}


def files(lab: Lab) -> set[str]:
    return {path.name for path in lab.config.objects.iterdir()}


def read(lab: Lab, bucket: str, key: str) -> bytes:
    return lab.s3().get_object(Bucket=bucket, Key=key)['Body'].read()


@pytest.mark.parametrize('signature', ['s3', 's3v4'])
def test_boto3_uploads_and_downloads_a_large_file_with_its_defaults(
    lab_api: Lab, bucket: str, tmp_path: Path, signature: str
) -> None:
    content = os.urandom(18 * MIB)  # two parts of 8 MiB and one of 2
    (tmp_path / 'large').write_bytes(content)
    transfer = S3Transfer(lab_api.s3(signature=signature))
    transfer.upload_file(str(tmp_path / 'large'), bucket, 'large', extra_args={'Metadata': {'k': 'v'}, 'ContentType': 'a/b'})
    transfer.download_file(bucket, 'large', str(tmp_path / 'again'))
    assert (tmp_path / 'again').read_bytes() == content
    head = lab_api.s3().head_object(Bucket=bucket, Key='large')
    assert (head['ContentLength'], head['Metadata'], head['ContentType']) == (len(content), {'k': 'v'}, 'a/b')
    parts = [content[at : at + 8 * MIB] for at in range(0, len(content), 8 * MIB)]
    digests = ''.join(hashlib.md5(part).hexdigest() for part in parts)
    assert head['ETag'] == f'"uuid-{hashlib.md5(digests.encode()).hexdigest()}"', 'as Walrus computes it'
    lab_api.s3().delete_object(Bucket=bucket, Key='large')
    assert lab_api.rows('SELECT * FROM uploads') == lab_api.rows('SELECT * FROM parts') == []


def test_parts_are_joined_by_number_and_the_last_upload_of_a_part_counts(lab_api: Lab, bucket: str, upload: Any) -> None:
    lab_api.s3().put_object(Bucket=bucket, Key='joined', Body=b'old')
    one = upload('joined', ACL='public-read')
    one.put(10000, LAST)
    one.put(7, b'b' * 5 * MIB)
    one.put(7, FIRST)
    one.put(9000, b'left out')
    assert read(lab_api, bucket, 'joined') == b'old', 'until the upload is completed'
    completed = one.complete(7, 10000)
    assert (completed['Key'], completed['Location']) == ('joined', f'{lab_api.s3_url}/{bucket}/joined')
    assert read(lab_api, bucket, 'joined') == FIRST + LAST
    assert lab_api.fetch(f'{lab_api.s3_url}/{bucket}/joined')[0] == 200
    with refused('NoSuchUpload', status=404):
        one.complete()


def test_the_list_of_parts_that_completes_an_upload_is_checked(lab_api: Lab, bucket: str, upload: Any) -> None:
    one = upload('checked')
    with refused('InvalidRequest', 'at least one part'):
        one.s3.complete_multipart_upload(**one.which, MultipartUpload={'Parts': []})
    one.put(1, b'too small')
    one.put(2, FIRST)
    one.put(3, LAST)
    for numbers, code in (
        ((2, 1), 'InvalidPartOrder'),
        ((2, 2), 'InvalidPartOrder'),
        ((4,), 'InvalidPart'),
        ((1, 2), 'EntityTooSmall'),
        ((0,), 'InvalidArgument'),
    ):
        with refused(code):
            one.complete(*numbers)
    with refused('NoSuchKey', status=404):
        read(lab_api, bucket, 'checked')
    one.complete(2, 3)
    assert read(lab_api, bucket, 'checked') == FIRST + LAST, 'the last part may be small'


@pytest.mark.parametrize(
    ('body', 'code'),
    [('no xml', 'MalformedXML'), ('<CompleteMultipartUpload><Part/></CompleteMultipartUpload>', 'InvalidArgument')],
)
def test_a_list_of_parts_that_is_none_is_refused(lab_api: Lab, upload: Any, body: str, code: str) -> None:
    one = upload('malformed')
    one.put(1, b'x')
    url = one.s3.generate_presigned_url('complete_multipart_upload', one.which)
    request = urllib.request.Request(url, body.encode(), {'Content-Type': ''}, method='POST')
    status, answer = lab_api.fetch(request)
    assert (status, f'<Code>{code}</Code>' in answer) == (400, True), answer


@pytest.mark.parametrize('number', [0, 10001])
def test_parts_have_numbers_from_1_to_10000(upload: Any, number: int) -> None:
    with refused('InvalidArgument', 'between 1 and 10000'):
        upload('numbered').put(number, b'x')


def test_an_aborted_upload_leaves_nothing(lab_api: Lab, bucket: str) -> None:
    before = files(lab_api)
    one = Upload(lab_api.s3(), bucket, 'aborted')
    one.put(1, FIRST)
    one.put(2, LAST)
    assert len(files(lab_api) - before) == 2
    one.s3.abort_multipart_upload(**one.which)
    assert files(lab_api) == before
    for call in (one.complete, lambda: one.put(3, b'x'), lambda: one.s3.list_parts(**one.which)):
        with refused('NoSuchUpload', status=404):
            call()
    with refused('NoSuchUpload', status=404):
        one.s3.abort_multipart_upload(**one.which)


def test_parts_are_listed_in_pages(lab_api: Lab, bucket: str, upload: Any) -> None:
    one = upload('listed')
    for number in (3, 1, 2):
        one.put(number, b'x' * number)
    pages = list(one.s3.get_paginator('list_parts').paginate(**one.which, PaginationConfig={'PageSize': 2}))
    assert [[part['PartNumber'] for part in page['Parts']] for page in pages] == [[1, 2], [3]]
    last = pages[-1]['Parts'][0]
    assert (last['Size'], last['ETag']) == (3, f'"{hashlib.md5(b"xxx").hexdigest()}"')
    assert pages[0]['Owner']['ID'] == lab_api.tenant.number
    assert pages[0]['Initiator']['ID'].startswith(f'arn:aws:iam::{lab_api.tenant.number}:user/')


def test_uploads_are_listed_in_pages_by_prefix_and_folder(lab_api: Lab, bucket: str, upload: Any) -> None:
    for key in ('b', 'b', 'a/1', 'a/2', 'c'):
        upload(key)
    s3 = lab_api.s3()
    pages = list(s3.get_paginator('list_multipart_uploads').paginate(Bucket=bucket, PaginationConfig={'PageSize': 2}))
    assert [[one['Key'] for one in page['Uploads']] for page in pages] == [['a/1', 'a/2'], ['b', 'b'], ['c']]
    assert [one['Key'] for one in s3.list_multipart_uploads(Bucket=bucket, Prefix='a/')['Uploads']] == ['a/1', 'a/2']
    listed = s3.list_multipart_uploads(Bucket=bucket, Delimiter='/')
    assert [one['Prefix'] for one in listed['CommonPrefixes']] == ['a/']
    assert [one['Key'] for one in listed['Uploads']] == ['b', 'b', 'c']


def test_only_the_account_that_began_an_upload_continues_it_and_the_owner_of_the_bucket_ends_it(lab_api: Lab) -> None:
    owner, other = lab_api.s3(), lab_api.s3(lab_api.accounts[EXEC_READ])
    owner.create_bucket(Bucket='shared-parts', ACL='public-read-write')
    theirs, ours = Upload(other, 'shared-parts', 'theirs'), Upload(owner, 'shared-parts', 'ours')
    theirs.put(1, b'x')
    ours.put(1, b'x')
    for mine, yours in ((ours, other), (theirs, owner)):
        part = {'PartNumber': 1, 'ETag': mine.etags[1]}
        with refused('AccessDenied', status=403):
            yours.upload_part(**mine.which, PartNumber=2, Body=b'x')
        with refused('AccessDenied', status=403):
            yours.complete_multipart_upload(**mine.which, MultipartUpload={'Parts': [part]})
    for call in (other.abort_multipart_upload, other.list_parts):
        with refused('AccessDenied', status=403):
            call(**ours.which)
    assert len(owner.list_parts(**theirs.which)['Parts']) == 1
    owner.put_bucket_acl(Bucket='shared-parts', ACL='public-read')
    with refused('AccessDenied', status=403):
        theirs.complete()
    assert [one['Key'] for one in other.list_multipart_uploads(Bucket='shared-parts')['Uploads']] == ['ours', 'theirs']
    owner.abort_multipart_upload(**theirs.which)
    owner.put_bucket_acl(Bucket='shared-parts', ACL='private')
    with refused('AccessDenied', status=403):
        other.create_multipart_upload(Bucket='shared-parts', Key='k')
    with refused('AccessDenied', status=403):
        other.list_multipart_uploads(Bucket='shared-parts')
    before = files(lab_api)
    owner.delete_bucket(Bucket='shared-parts')
    assert len(before - files(lab_api)) == 1, 'an upload that was not completed ends with its bucket'


def test_two_clients_that_complete_an_upload_at_once_make_one_object(lab_api: Lab, bucket: str, upload: Any) -> None:
    one, results = upload('raced'), []
    one.put(1, FIRST)
    one.put(2, LAST)

    def complete() -> None:
        try:
            results.append(one.complete()['ResponseMetadata']['HTTPStatusCode'])
        except one.s3.exceptions.NoSuchUpload:
            results.append(404)

    threads = [threading.Thread(target=complete) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == [200, 404]
    assert read(lab_api, bucket, 'raced') == FIRST + LAST


def test_parts_survive_kill_9_and_what_was_half_received_is_removed(make_lab_api: Callable[..., Lab]) -> None:
    lab = make_lab_api('killed-parts')
    lab.s3().create_bucket(Bucket='parts')
    one = Upload(lab.s3(), 'parts', 'k')
    one.put(1, FIRST)
    lab.stop(signal.SIGKILL)
    (lab.config.objects / 'f00d.partial').write_bytes(b'a part that was being received')
    (lab.config.objects / 'f00d').write_bytes(b'parts that were joined, without a row')
    lab.start()
    one.s3 = lab.s3()
    one.put(2, LAST)
    one.complete()
    assert read(lab, 'parts', 'k') == FIRST + LAST
    assert files(lab) == {row['file'] for row in lab.rows('SELECT file FROM objects')}
    lab.stop()
