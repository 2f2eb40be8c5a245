# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests of claims to the object storage."""

from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim_store import ClaimStore
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import build_objects
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.build_objects import StorageError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials, CredentialsError
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import Clock, FakeCloud

SERVICE = '/services/objectstorage'
BUCKET = f'{SERVICE}/builds-123456789012'
ID = 'a' * 32
CLAIM = f'{BUCKET}/debian/{ID}'
GONE = (404, '<Error><Code>NoSuchBucket</Code><Message>no such bucket</Message></Error>')
AWAY = (503, '<Error><Code>ServiceUnavailable</Code><Message>later</Message></Error>')


def store(account_id: str | None = '123456789012') -> ClaimStore:
    url = 'http://cloud.test:8773'
    keys = Credentials(f'{url}/services/compute', 'AKITEST', 'secret', s3_url=f'{url}{SERVICE}', account_id=account_id)
    return ClaimStore(Cloud(keys), 'debian')


def buckets(*names: str) -> str:
    return f'<R><Buckets>{"".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in names)}</Buckets></R>'


def listing(**modified: str) -> str:
    items = ''.join(f'<Contents><Key>{key}</Key><LastModified>{at}</LastModified></Contents>' for key, at in modified.items())
    return f'<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>'


@pytest.fixture(name='storage')
def fixture_storage(cloud: FakeCloud, clock: Clock) -> FakeCloud:
    cloud.on(f'GET {SERVICE}', buckets())
    cloud.on(f'PUT {BUCKET}', '')
    cloud.on(f'PUT {CLAIM}', '')
    return cloud


def test_the_bucket_is_created_with_the_first_claim_and_removed_with_the_last(storage: FakeCloud) -> None:
    claims = store()
    claims.put(ID, '{}')
    claims.put(ID, '{}')
    storage.on(f'DELETE {CLAIM}', (204, ''))
    storage.on(f'DELETE {BUCKET}', (204, ''))
    claims.remove(ID)
    assert storage.writes == [
        f'PUT {BUCKET}',
        f'PUT {CLAIM}',
        f'PUT {CLAIM}',
        f'DELETE {CLAIM}',
        f'DELETE {BUCKET}',
    ]


def test_a_claim_is_private_and_needs_no_conditional_request(storage: FakeCloud) -> None:
    store().put(ID, '{}')
    headers = {name.lower(): value for name, value in storage.sent[-1].headers.items()}
    assert headers['x-amz-acl'] in ('private', b'private')
    assert not [name for name in headers if name.startswith('if-')]


def test_a_bucket_with_claims_of_others_stays(storage: FakeCloud) -> None:
    storage.on(f'DELETE {CLAIM}', (204, ''))
    storage.on(f'DELETE {BUCKET}', (409, '<Error><Code>BucketNotEmpty</Code><Message>not empty</Message></Error>'))
    store().remove(ID)


def test_a_claim_that_is_gone_is_removed_already(storage: FakeCloud) -> None:
    storage.on(f'DELETE {CLAIM}', GONE)
    storage.on(f'DELETE {BUCKET}', GONE)
    store().remove(ID)
    assert storage.writes == [f'DELETE {CLAIM}', f'DELETE {BUCKET}']


def test_a_bucket_that_another_machine_removes_in_between_is_created_again(storage: FakeCloud) -> None:
    storage.on(f'PUT {CLAIM}', '', GONE, '')
    claims = store()
    claims.put(ID, '{}')
    claims.put(ID, '{}')
    assert storage.writes == [f'PUT {BUCKET}', f'PUT {CLAIM}', f'PUT {CLAIM}', f'PUT {BUCKET}', f'PUT {CLAIM}']


def test_a_storage_that_stumbles_is_asked_again(storage: FakeCloud) -> None:
    storage.on(f'PUT {CLAIM}', AWAY, AWAY, '')
    store().put(ID, '{}')
    storage.on(f'DELETE {CLAIM}', AWAY, (204, ''))
    storage.on(f'DELETE {BUCKET}', (204, ''))
    store().remove(ID)
    assert storage.writes.count(f'PUT {CLAIM}') == 3


@pytest.mark.parametrize(('reply', 'times'), [(AWAY, build_objects.ATTEMPTS), ((403, ''), 1)])
def test_a_storage_that_stays_away_or_refuses_is_named(storage: FakeCloud, reply: tuple[int, str], times: int) -> None:
    storage.on(f'PUT {CLAIM}', reply)
    with pytest.raises(CloudError, match=f'PutObject of builds-123456789012/debian/{ID} failed'):
        store().put(ID, '{}')
    assert storage.writes.count(f'PUT {CLAIM}') == times


def test_a_bucket_of_another_account_is_named_with_the_way_out(storage: FakeCloud) -> None:
    storage.on(f'PUT {BUCKET}', (409, '<Error><Code>BucketAlreadyExists</Code><Message>taken</Message></Error>'))
    with pytest.raises(StorageError, match='builds-123456789012 belongs to another account.*Ask the administrator'):
        store().put(ID, '{}')


def test_without_the_accounts_number_the_option_is_named() -> None:
    with pytest.raises(CredentialsError, match='account_id'):
        store(account_id=None)


def test_only_claims_of_this_build_are_listed_with_the_storages_times(storage: FakeCloud) -> None:
    storage.on(
        f'GET {BUCKET}',
        listing(
            **{
                f'debian/{ID}': '2026-11-30T05:12:09.000Z',
                f'debian/{"b" * 32}': '2026-11-30T05:12:39.000Z',
                f'debian/other/{ID}': '2026-11-30T06:00:00.000Z',
                'debian/notes.txt': '2026-11-30T06:00:00.000Z',
            }
        ),
    )
    modified, now = store().list()
    assert list(modified) == [ID, 'b' * 32]
    assert modified['b' * 32] - modified[ID] == 30
    assert now - modified[ID] == 2871  # this storage sends no date, so it is the time of the newest object


def test_where_nobody_builds_there_is_no_bucket_and_no_claim(storage: FakeCloud) -> None:
    storage.on(f'GET {BUCKET}', GONE)
    assert store().list() == ({}, 0.0)


@pytest.mark.parametrize(
    ('header', 'time'), [('Mon, 30 Nov 2026 05:12:09 GMT', 1796015529.0), ('2026-11-30T05:12:09+00:00', 0.0), (None, 0.0)]
)
def test_the_storages_time_is_its_date_header(header: str | None, time: float) -> None:
    assert build_objects._date({'ResponseMetadata': {'HTTPHeaders': {'date': header} if header else {}}}) == time


def test_a_claim_that_is_gone_has_no_content(storage: FakeCloud) -> None:
    storage.on(f'GET {CLAIM}', GONE)
    assert store().get(ID) is None
