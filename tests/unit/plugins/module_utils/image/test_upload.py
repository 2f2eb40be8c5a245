# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import random
import ssl
import threading
import time

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import retry
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import upload
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.bundle import Part
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.bundle_kit import Storage, s3_error
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.web_server import ok, serving
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError, SSLError

URL = 'http://cloud.test:8773/services/objectstorage'
# One for all tests, since making botocore's client takes long.
CLOUD = Cloud(Credentials(ec2_url=URL, s3_url=URL, access_key='key', secret_key='very-secret'))
BUSY = s3_error('ServiceUnavailable', 'come back later', 503)
BROKEN = s3_error('InternalError', 'sorry', 500)


def part(index: int, size: int = 300_000) -> Part:
    data = random.Random(index).randbytes(size)
    return Part(
        index,
        f'img.part.{index:02}',
        memoryview(data),
        hashlib.sha1(data).hexdigest(),
        hashlib.md5(data).digest(),
        (index + 1) * size,
    )


@pytest.fixture(name='storage')
def fixture_storage(cloud):
    return Storage(cloud, buckets=['b'])


@pytest.fixture(name='bucket')
def fixture_bucket(storage):
    # One connection: the fake below botocore answers one request at a time.
    return upload.Bucket(CLOUD, 'b', connections=1, wait=lambda _ended, seconds: waits.append(seconds))


waits: list[float] = []


@pytest.fixture(autouse=True)
def fixture_no_waits():
    waits.clear()


# --- sending


def test_parts_arrive_whole_and_readable_for_the_cloud_itself(storage, bucket):
    parts = [part(index) for index in range(3)]
    sent = bucket.send(parts, 'img')
    assert storage.objects == {f'b/{one.filename}': bytes(one.data) for one in parts}
    assert (sent.parts, sent.present, sent.retries) == (3, 0, 0)
    puts = [request for request in storage.cloud.sent if request.method == 'PUT']
    assert {request.headers['x-amz-acl'] for request in puts} == {b'aws-exec-read'}
    assert all(request.headers['Content-MD5'] for request in puts)


@pytest.mark.parametrize(
    'fault',
    [
        BUSY,
        BROKEN,
        s3_error('BadDigest', 'damaged on its way'),
        s3_error('RequestTimeout', 'too slow'),
        ConnectionClosedError(endpoint_url=URL),
        ReadTimeoutError(endpoint_url=URL),
        (502, '<html>proxy</html>'),
    ],
)
def test_a_part_that_fails_on_its_way_is_sent_again_whole(storage, bucket, fault):
    storage.faults = [fault, fault]
    one = part(0)
    sent = bucket.send([one], 'img')
    assert storage.objects['b/img.part.00'] == bytes(one.data)
    assert [len(body) for body in storage.cloud.bodies[1:]] == [300_000] * 3
    assert sent.retries == 2


def test_when_one_part_fails_for_good_the_others_are_not_tried_again(storage):
    ended = []

    class Cloudy:
        def s3(self, operation, about='', **parameters):
            if operation == 'list_objects':
                return {'IsTruncated': False, 'Contents': []}
            if parameters['Key'].endswith('00'):
                raise CloudError('no', 'PutObject', 'AccessDenied', 'no', 403)
            raise CloudError('busy', 'PutObject', 'SlowDown', 'busy', 503)

    def wait(event, seconds):
        ended.append(event.wait(30))
        return ended[-1]

    with pytest.raises(CloudError, match='no'):
        upload.Bucket(Cloudy(), 'b', connections=2, wait=wait).send([part(1, 9), part(0, 9)], 'img')
    assert ended == [True]


def test_a_request_that_cannot_be_made_is_not_tried_again(storage, bucket):
    with pytest.raises(upload.UploadError, match="named 'my bucket'"):
        upload.Bucket(CLOUD, 'my bucket')
    with pytest.raises(CloudError):
        bucket.put('', b'')
    assert waits == []


def test_the_pauses_grow_and_are_not_all_alike(storage, bucket):
    storage.faults = [BUSY] * 5
    bucket.send([part(0)], 'img')
    assert [0.5 * 2**n * 0.5 <= wait <= 0.5 * 2**n * 1.5 for n, wait in enumerate(waits)] == [True] * 5
    assert len({round(wait / 2**n, 6) for n, wait in enumerate(waits)}) > 1


def test_it_gives_up_in_the_end_and_quotes_the_cloud(storage, bucket):
    storage.faults = [BUSY] * 99
    with pytest.raises(CloudError, match=r'PutObject of b/img\.part\.00 failed: the cloud returned ServiceUnavailable: come back'):
        bucket.send([part(0)], 'img')
    assert len(storage.puts) == retry.TRANSFER.attempts


@pytest.mark.parametrize(
    'fault',
    [
        s3_error('AccessDenied', 'no', 403),
        s3_error('EntityTooLarge', 'too big'),
        SSLError(endpoint_url=URL, error=ssl.SSLError('unknown authority')),
    ],
)
def test_what_will_not_change_by_itself_is_not_tried_again(storage, bucket, fault):
    storage.faults = [fault] * 2
    with pytest.raises(CloudError):
        bucket.send([part(0)], 'img')
    assert len(storage.puts) == 1


def test_an_object_that_arrived_damaged_is_sent_again(storage, bucket, monkeypatch):
    genuine, etags = storage.answer, iter(['"0123"'])

    def answer(action, parameters):
        reply = genuine(action, parameters)
        if action.startswith('PUT'):
            storage.cloud.etag = next(etags, storage.cloud.etag)
        return reply

    monkeypatch.setattr(storage, 'answer', answer)
    assert bucket.send([part(0)], 'img').retries == 1


def test_an_object_that_always_arrives_damaged_is_an_error_with_both_digests(storage, bucket, monkeypatch):
    genuine = storage.answer

    def answer(action, parameters):
        reply = genuine(action, parameters)
        storage.cloud.etag = '"0123"'
        return reply

    monkeypatch.setattr(storage, 'answer', answer)
    words = r'b/img\.part\.00 arrived damaged: its MD5 is [0-9a-f]{32}, the cloud received 0123\.'
    with pytest.raises(upload.UploadError, match=words):
        bucket.send([part(0)], 'img')


def test_only_what_is_missing_or_wrong_is_sent(storage, bucket):
    parts = [part(index) for index in range(4)]
    storage.objects = {'b/img.part.00': bytes(parts[0].data), 'b/img.part.01': b'half', 'b/img.part.03': bytes(parts[3].data)}
    sent = bucket.send(parts, 'img')
    assert (sent.parts, sent.present) == (2, 2)
    assert storage.puts == ['b/img.part.01', 'b/img.part.02']
    assert storage.objects == {f'b/{one.filename}': bytes(one.data) for one in parts}


def test_what_is_there_is_found_beyond_the_first_page(storage, bucket):
    parts = [part(index, 10) for index in range(5)]
    storage.objects, storage.page = {f'b/{one.filename}': bytes(one.data) for one in parts}, 2
    assert bucket.send(parts, 'img').present == 5
    assert storage.puts == []


def test_progress_is_reported_when_a_part_has_arrived(storage, bucket):
    told = []
    bucket.send([part(0), part(1)], 'img', lambda one: told.append(one.index))
    assert told == [0, 1]


class SlowCloud:
    """Accepts objects only when released; counts those in transit."""

    def __init__(self):
        self.gate, self.flying, self.lock = threading.Event(), 0, threading.Lock()

    def s3(self, operation, about='', **parameters):
        if operation == 'list_objects':
            return {'IsTruncated': False}
        with self.lock:
            self.flying += 1
        assert self.gate.wait(60)
        return {'ETag': hashlib.md5(parameters['Body'].read()).hexdigest()}


def test_no_more_parts_are_made_than_there_are_connections():
    slow, made = SlowCloud(), []

    def look():
        deadline = time.monotonic() + 30
        while slow.flying < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)  # for what should not come
        counts.append((len(made), slow.flying))
        slow.gate.set()

    def parts():
        for index in range(12):
            made.append(index)
            if index == 3:
                threading.Thread(target=look).start()
            yield part(index, 10)

    counts: list[tuple[int, int]] = []
    sent = upload.Bucket(slow, 'b', connections=4).send(parts(), 'img')
    assert counts == [(4, 4)]
    assert sent.parts == 12


def test_one_part_that_cannot_be_sent_ends_it_all(storage, bucket):
    made = []

    def parts():
        for index in range(50):
            made.append(index)
            yield part(index, 10)

    storage.faults = [s3_error('AccessDenied', 'no', 403)]
    with pytest.raises(CloudError):
        bucket.send(parts(), 'img')
    assert len(made) <= 2


# --- the bucket


def test_only_a_missing_bucket_is_created(storage, bucket):
    bucket.ensure()
    assert storage.puts == []
    storage.buckets.remove('b')
    bucket.ensure()
    assert storage.puts == ['b'] and bucket.created


def test_a_bucket_of_someone_else_is_refused(storage, bucket):
    storage.buckets, storage.foreign = [], ['b']
    with pytest.raises(upload.UploadError, match='The bucket b belongs to another account .* option bucket'):
        bucket.ensure()


def test_an_answer_that_was_cut_short_is_not_taken_for_an_empty_one(storage, bucket, monkeypatch):
    genuine, short = storage.answer, ['', '']
    monkeypatch.setattr(storage, 'answer', lambda *asked: short.pop() if short else genuine(*asked))
    bucket.ensure()
    assert storage.puts == [] and not bucket.created
    short[:] = ['', '']
    storage.objects = {'b/img.part.00': bytes(part(0).data)}
    assert bucket.send([part(0)], 'img').present == 1


# --- removing


def test_a_bundle_is_removed_manifest_first_and_nothing_else(storage, bucket):
    mine = ['img.manifest.xml', 'img.part.00', 'img.part.01', 'img.part.100']
    others = ['img.part.00x', 'img.party', 'img', 'img2.manifest.xml', 'img2.part.00', 'img.manifest.xml.old']
    storage.objects = {f'b/{name}': b'' for name in mine + others}
    assert bucket.remove_bundle('img.manifest.xml') == 4
    assert set(storage.objects) == {f'b/{name}' for name in others}
    deleted = [action for action, _parameters in storage.cloud.requests if action.startswith('DELETE')]
    assert deleted[0].endswith('/b/img.manifest.xml')
    assert storage.buckets == ['b']


@pytest.mark.parametrize('key', ['centos.xml', 'manifest', 'img.manifest.xml.old'])
def test_a_manifest_that_is_called_otherwise_is_removed_too(storage, bucket, key):
    storage.objects = {f'b/{name}': b'' for name in (key, f'{key}2', 'img.manifest.xml')}
    assert bucket.remove_bundle(key) == 1
    assert set(storage.objects) == {f'b/{key}2', 'b/img.manifest.xml'}


def test_a_bucket_made_for_the_bundle_goes_with_it(storage, bucket):
    storage.buckets = []
    bucket.ensure()
    bucket.put('img.manifest.xml', b'<manifest/>')
    bucket.remove_bundle('img.manifest.xml')
    assert storage.buckets == []


def test_a_bundle_that_is_gone_already_is_no_error(storage, bucket):
    assert bucket.remove_bundle('img.manifest.xml') == 0
    storage.buckets = []
    assert bucket.remove_bundle('img.manifest.xml') == 0


def test_a_body_can_be_read_again_and_in_pieces():
    data = random.Random(0).randbytes(3 * upload.Body.SLICE + 5)
    body = upload.Body(data)
    for _time in range(2):
        pieces = list(iter(lambda: body.read(16384), b''))
        assert b''.join(pieces) == data and len(pieces) == 4
        body.seek(0)
    assert (len(body), body.seek(0, 2), body.tell()) == (len(data),) * 3
    body.seek(len(data) - 3)
    assert body.read() == data[-3:]


def test_an_object_is_read_whole_or_up_to_the_limit_and_never_taken_for_whole_when_it_was_cut_short():
    for answer, content in ((ok(b'manifest'), b'manifest'), (ok(b'x' * 1000), b'x' * 102), (ok(b'manifest', length=20), None)):
        with serving(answer) as (host, asked):
            url = f'http://{host}/services/objectstorage'
            cloud = Cloud(Credentials(ec2_url=url, s3_url=url, access_key='key', secret_key='secret'))
            bucket = upload.Bucket(cloud, 'b', wait=lambda _ended, _seconds: False)
            if content is None:
                with pytest.raises(upload.UploadError, match='cut short'):
                    bucket.get('k', 100)
                assert len(asked) == retry.TRANSFER.attempts
            else:
                assert bucket.get('k', 100) == content
