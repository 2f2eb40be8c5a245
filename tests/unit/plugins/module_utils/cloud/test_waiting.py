# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import waiting
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.failures import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.waiting import WaitError, wait_for

AWAY = CloudError('DescribeVolumes failed: the cloud returned HTTP status 503.', 'DescribeVolumes', status=503)
REFUSED = CloudError('DescribeVolumes failed: the cloud returned AuthFailure.', 'DescribeVolumes', 'AuthFailure', status=401)


def available(resource):
    return resource is not None and resource['state'] == 'available'


def failed(resource):
    return resource['state'] == 'failed'


def test_a_resource_that_is_already_available_needs_no_waiting(clock):
    start = clock.now
    assert wait_for(lambda: {'state': 'available'}, available, 'it', 0) == {'state': 'available'}
    assert clock.now == start


def test_a_terminal_state_ends_the_waiting_at_once_with_its_reason(clock):
    start = clock.now
    with pytest.raises(WaitError) as caught:
        wait_for(
            lambda: {'state': 'failed', 'state_reason': 'no space'},
            available,
            'volume vol-1 to become available',
            600,
            failed,
        )
    assert clock.now == start
    assert 'vol-1' in str(caught.value)
    assert 'failed because: no space' in str(caught.value)
    assert not caught.value.timed_out


@pytest.mark.parametrize('timeout', [0, 0.5, 3, 100])
def test_the_deadline_is_kept_whatever_the_timeout(clock, timeout):
    start = clock.now
    with pytest.raises(WaitError) as caught:
        wait_for(lambda: {'state': 'creating', 'progress': '45%'}, available, 'it', timeout, failed)
    assert clock.now - start == pytest.approx(timeout)
    assert caught.value.timed_out
    assert 'creating at 45%' in str(caught.value)


def test_what_comes_at_the_last_moment_is_taken(clock):
    end = clock.now + 3
    assert wait_for(lambda: {'state': 'available' if clock.now >= end else 'creating'}, available, 'it', 3)


def test_what_is_not_listed_yet_is_waited_for_and_then_called_not_listed(clock):
    with pytest.raises(WaitError, match='the cloud does not list it'):
        wait_for(lambda: None, available, 'it', 5, failed)


def test_looks_are_at_least_a_second_apart(clock):
    looks = []
    with pytest.raises(WaitError):
        wait_for(lambda: looks.append(clock.now), available, 'it', 120)
    gaps = [later - earlier for earlier, later in zip(looks, looks[1:], strict=False)]
    assert min(gaps) >= 1
    assert max(gaps) <= 5


def test_a_long_wait_is_reported_at_least_every_30_seconds_with_its_aim_and_its_length(clock):
    start, reports = clock.now, []
    with pytest.raises(WaitError):
        wait_for(
            lambda: {'state': 'creating'}, available, 'it to come', 900, failed, lambda text: reports.append((clock.now, text))
        )
    moments = [start, *(moment for moment, _text in reports), start + 900]
    assert max(later - earlier for earlier, later in zip(moments, moments[1:], strict=False)) <= 30
    assert reports[0][1] == 'Waiting for it to come, 21 s so far: its last state is creating'
    assert len(reports) <= 900 / 20


def test_a_short_wait_is_not_reported(clock):
    end, reports = clock.now + 15, []
    wait_for(lambda: {'state': 'available' if clock.now >= end else 'creating'}, available, 'it', 60, failed, reports.append)
    assert reports == []


def test_a_request_that_hangs_is_reported_while_it_lasts(clock):
    reports = []

    def hangs():
        if not reports:
            clock.now += 45
            time.sleep(1.3)  # the reports come from another thread, once a second
        return {'state': 'available'}

    assert wait_for(hangs, available, 'volume vol-1 to become available', 600, report=reports.append)
    assert reports == ['Waiting for volume vol-1 to become available, 45 s so far: the cloud has not answered yet']


def looks(*replies):
    """A look that returns or raises these, the last one again and again."""
    left = list(replies)

    def look():
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    return look


def test_a_cloud_that_is_away_for_a_while_does_not_end_the_waiting(clock):
    start, reports = clock.now, []
    look = looks({'state': 'creating'}, *[AWAY] * 60, {'state': 'available'})
    assert wait_for(look, available, 'it', 600, failed, reports.append) == {'state': 'available'}
    assert clock.now - start > 60
    assert 'HTTP status 503' in reports[0]


def test_a_cloud_that_stays_away_ends_the_waiting_at_its_deadline_with_the_reason(clock):
    start = clock.now
    with pytest.raises(WaitError) as caught:
        wait_for(looks({'state': 'creating'}, AWAY), available, 'it', 90, failed)
    assert clock.now - start == pytest.approx(90)
    assert 'longer than 90 s: DescribeVolumes failed: the cloud returned HTTP status 503. Run the task again' in str(caught.value)
    assert caught.value.resource == {'state': 'creating'}


def test_a_refusal_ends_the_waiting_at_once(clock):
    start = clock.now
    with pytest.raises(CloudError, match='AuthFailure'):
        wait_for(looks({'state': 'creating'}, REFUSED), available, 'it', 600, failed)
    assert clock.now - start < 5


def test_a_look_without_an_answer_does_not_outlast_the_deadline(monkeypatch):
    monkeypatch.setattr(waiting, 'LAST_LOOK', 0.1)
    never, start = threading.Event(), time.monotonic()
    with pytest.raises(WaitError, match='the cloud has not answered for 1 s. Run the task again'):
        wait_for(lambda: never.wait(30), available, 'it', 1, failed)
    never.set()
    assert time.monotonic() - start < 10
