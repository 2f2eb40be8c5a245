# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest

SERVICE = '/services/objectstorage'
KICKSTART = 'url --url=http://mirror/\nrootpw --iscrypted $6$x\npoweroff\n'
MD5 = hashlib.md5(KICKSTART.encode()).hexdigest()
OPTIONS = {'bucket': 'answers', 'object': 'fedora.ks', 'content': KICKSTART}


def buckets(*names):
    inner = ''.join(f'<Bucket><Name>{name}</Name></Bucket>' for name in names)
    return f'<ListAllMyBucketsResult><Buckets>{inner}</Buckets></ListAllMyBucketsResult>'


def objects(*keys):
    inner = ''.join(f'<Contents><Key>{key}</Key></Contents>' for key in keys)
    return f'<ListBucketResult>{inner}</ListBucketResult>'


OWNER = '<Grant><Grantee><ID>42</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>'
GROUP = '<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>'


def acl(*others):
    """Who may read the object, beside its owner."""
    grants = ''.join(f'<Grant><Grantee>{one}</Grantee><Permission>READ</Permission></Grant>' for one in others)
    return (
        f'<AccessControlPolicy><Owner><ID>42</ID></Owner><AccessControlList>{OWNER}{grants}</AccessControlList>'
        '</AccessControlPolicy>'
    )


@pytest.fixture(name='storage')
def fixture_storage(cloud):
    cloud.on(f'GET {SERVICE}', buckets('answers'))
    cloud.on(f'HEAD {SERVICE}/answers/fedora.ks', (404, ''))
    cloud.on(f'GET {SERVICE}/answers/fedora.ks', acl())
    cloud.on(f'PUT {SERVICE}/answers/fedora.ks', '')
    return cloud


def test_the_file_is_put_as_a_private_object_with_its_checksum(storage, run):
    result = run('answer_file', **OPTIONS)
    assert result['changed'] is True
    assert result['actions'] == ['put object answers/fedora.ks']
    [sent] = [request for request in storage.sent if request.method == 'PUT']
    assert storage.bodies[storage.sent.index(sent)] == KICKSTART.encode()
    headers = {key.lower(): value if isinstance(value, str) else value.decode() for key, value in sent.headers.items()}
    assert headers['x-amz-acl'] == 'private'
    assert headers['content-md5']
    assert result['answer_file']['sha256'] == hashlib.sha256(KICKSTART.encode()).hexdigest()


def test_the_url_needs_no_credentials_expires_and_leads_to_where_guests_reach_it(storage, run):
    before = datetime.now(timezone.utc).timestamp()
    result = run('answer_file', **OPTIONS, expires=600, guest_s3_url='http://10.0.2.2:8773/services/objectstorage')
    url = urlsplit(result['answer_file']['url'])
    query = dict(parse_qsl(url.query))
    assert (url.netloc, url.path) == ('10.0.2.2:8773', f'{SERVICE}/answers/fedora.ks')
    assert set(query) == {'AWSAccessKeyId', 'Signature', 'Expires'}
    assert before + 599 <= int(query['Expires']) <= datetime.now(timezone.utc).timestamp() + 601
    told = datetime.fromisoformat(result['answer_file']['expires_at']).timestamp()
    assert told == int(query['Expires'])


def test_neither_content_nor_url_are_in_the_diff(storage, run):
    result = run('answer_file', **OPTIONS)
    assert 'Signature' not in str(result['diff'])
    assert 'rootpw' not in str({key: result[key] for key in ('diff', 'actions', 'answer_file')})
    assert KICKSTART not in str(result['invocation'])


def test_check_mode_predicts_the_real_result_and_writes_nothing(storage, run):
    storage.on(f'GET {SERVICE}', buckets())
    storage.on(f'HEAD {SERVICE}/answers', (404, ''))
    storage.on(f'PUT {SERVICE}/answers', '')
    predicted = run('answer_file', check=True, **OPTIONS)
    assert storage.writes == []
    real = run('answer_file', **OPTIONS)
    assert predicted['actions'] == real['actions'] == ['create bucket answers', 'put object answers/fedora.ks']
    assert predicted['diff'] == real['diff']
    assert predicted['answer_file']['sha256'] == real['answer_file']['sha256']


def test_a_content_that_is_a_common_word_damages_no_result(storage, run):
    result = run('answer_file', **{**OPTIONS, 'content': 'fedora'})
    assert (result['answer_file']['object'], result['answer_file']['bucket']) == ('fedora.ks', 'answers')
    assert 'rootpw' not in json.dumps(run('answer_file', **{**OPTIONS, 'content': 'rootpw --iscrypted x\n%packages\n'}))


@pytest.mark.parametrize('expires', [0, -1, 604801, 10**12])
def test_a_url_that_is_never_valid_or_longer_than_s3_allows_is_refused(storage, run, expires):
    result = run('answer_file', **{**OPTIONS, 'expires': expires})
    limit = 'at least 1 second' if expires < 1 else 'at most 604800 seconds (7 days)'
    assert result['msg'] == f'expires must be {limit}, not {expires}.'
    assert storage.sent == []


@pytest.mark.parametrize('expires', [1, 604800])
def test_the_shortest_and_the_longest_time_of_s3_are_accepted(storage, run, expires):
    assert run('answer_file', **{**OPTIONS, 'expires': expires})['answer_file']['url']


def test_data_is_stored_as_json_and_masks_none_of_its_values(storage, run):
    data = {'ignition': {'version': '3.3.0'}, 'nothing': None, 'enabled': True, 'who': 'fedora', 'text': 'ü'}
    result = run('answer_file', **{**OPTIONS, 'content': data})
    [put] = [request for request in storage.sent if request.method == 'PUT']
    stored = json.loads(storage.bodies[storage.sent.index(put)])
    assert stored == data
    assert result['answer_file']['object'] == 'fedora.ks'


def test_the_same_content_is_not_put_again(storage, run):
    storage.on(f'HEAD {SERVICE}/answers/fedora.ks', (200, ''))
    storage.etag = f'"{MD5}"'
    result = run('answer_file', **OPTIONS)
    assert result['changed'] is False
    assert result['answer_file']['url']
    assert storage.writes == []
    assert run('answer_file', **{**OPTIONS, 'content': 'other content'})['changed'] is True


@pytest.mark.parametrize('others', [acl(GROUP), acl('<ID>43</ID>')])
def test_the_same_content_that_others_may_read_becomes_private(storage, run, others):
    storage.on(f'HEAD {SERVICE}/answers/fedora.ks', (200, ''))
    storage.on(f'GET {SERVICE}/answers/fedora.ks', others)
    storage.etag = f'"{MD5}"'
    predicted = run('answer_file', check=True, **OPTIONS)
    assert storage.writes == []
    result = run('answer_file', **OPTIONS)
    assert predicted['actions'] == result['actions'] == ['put object answers/fedora.ks']
    assert predicted['diff'] == result['diff'] == {'before': {'private': False}, 'after': {'private': True}}
    assert result['answer_file']['private'] is True
    assert storage.sent[-1].headers['x-amz-acl'] in ('private', b'private')


def test_where_the_cloud_does_not_report_the_grants_only_the_content_decides(storage, run):
    storage.on(f'HEAD {SERVICE}/answers/fedora.ks', (200, ''))
    storage.on(f'GET {SERVICE}/answers/fedora.ks', (403, ''))
    storage.etag = f'"{MD5}"'
    result = run('answer_file', **OPTIONS)
    assert result['changed'] is False
    assert result['answer_file']['private'] is None


def test_a_bucket_that_another_host_creates_meanwhile_is_ours(storage, run):
    storage.on(f'GET {SERVICE}', buckets(), buckets(), buckets('answers'))
    storage.on(f'HEAD {SERVICE}/answers', (404, ''))
    storage.on(f'PUT {SERVICE}/answers', (409, '<Error><Code>BucketAlreadyOwnedByYou</Code><Message>x</Message></Error>'))
    result = run('answer_file', **OPTIONS)
    assert not result.get('failed'), result
    assert result['answer_file']['state'] == 'present'


def test_a_bucket_that_another_host_creates_between_two_looks_is_ours(storage, run):
    storage.on(f'GET {SERVICE}', buckets(), buckets('answers'))
    storage.on(f'HEAD {SERVICE}/answers', (200, ''))
    assert run('answer_file', **OPTIONS)['actions'] == ['put object answers/fedora.ks']


def test_a_bucket_that_another_account_creates_meanwhile_is_refused(storage, run):
    storage.on(f'GET {SERVICE}', buckets())
    storage.on(f'HEAD {SERVICE}/answers', (404, ''))
    storage.on(f'PUT {SERVICE}/answers', (409, '<Error><Code>BucketAlreadyExists</Code><Message>x</Message></Error>'))
    result = run('answer_file', **OPTIONS)
    assert result['failed'] and 'The bucket answers belongs to another account' in result['msg']
    assert storage.writes == [f'PUT {SERVICE}/answers']


@pytest.mark.parametrize('status', [200, 403])
def test_a_bucket_of_somebody_else_is_refused_in_check_mode_too(storage, run, status):
    storage.on(f'GET {SERVICE}', buckets('mine'))
    storage.on(f'HEAD {SERVICE}/answers', (status, ''))
    for check in (True, False):
        result = run('answer_file', check=check, **OPTIONS)
        assert result['failed'] and 'belongs to another account' in result['msg']
    assert storage.writes == []


def test_a_file_is_put_as_it_is(storage, run, tmp_path):
    path = tmp_path / 'x.ks'
    path.write_bytes(b'\xff\x00\n')
    run('answer_file', bucket='answers', object='fedora.ks', src=str(path))
    assert storage.sent[-1].method == 'PUT'
    assert storage.bodies[-1] == b'\xff\x00\n'


def test_a_missing_file_is_named(storage, run, tmp_path):
    result = run('answer_file', bucket='answers', object='fedora.ks', src=str(tmp_path / 'no.ks'))
    assert 'no.ks: No such file' in result['msg']


def test_the_object_is_deleted_and_the_bucket_only_when_asked_and_empty(storage, run):
    storage.on(f'HEAD {SERVICE}/answers/fedora.ks', (200, ''))
    storage.on(f'DELETE {SERVICE}/answers/fedora.ks', (204, ''))
    storage.on(f'DELETE {SERVICE}/answers', (204, ''))
    storage.on(f'GET {SERVICE}/answers', objects('fedora.ks', 'other.ks'))
    absent = {'bucket': 'answers', 'object': 'fedora.ks', 'state': 'absent'}
    assert run('answer_file', **absent)['actions'] == ['delete object answers/fedora.ks']
    assert run('answer_file', **absent, delete_bucket=True)['actions'] == ['delete object answers/fedora.ks']
    storage.on(f'GET {SERVICE}/answers', objects('fedora.ks'))
    result = run('answer_file', **absent, delete_bucket=True)
    assert result['actions'] == ['delete object answers/fedora.ks', 'delete bucket answers']
    assert result['answer_file']['state'] == 'absent'
    assert result['answer_file']['url'] is None


def test_what_is_absent_is_left_absent(storage, run):
    storage.on(f'GET {SERVICE}', buckets())
    storage.on(f'HEAD {SERVICE}/answers', (404, ''))
    result = run('answer_file', bucket='answers', object='fedora.ks', state='absent', delete_bucket=True)
    assert result['changed'] is False
    assert result['answer_file']['state'] == 'absent'
