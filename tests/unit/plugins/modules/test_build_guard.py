# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard does in the cloud; its process is tested in module_utils/test_guard.py."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import claim, claim_store, duty, leftovers
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim import DEAD_AFTER, BuildInProgress, Claim, Owner
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.modules import build_guard
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.claim_kit import Clocks, Storage
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import (
    DONE,
    ebs_image,
    images,
    instances,
    security_groups,
    snapshot,
    snapshots,
    volume,
    volumes,
)
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import error

NAME = 'debian-0123456789'
TAGS = {'eucalyptus.cloud/build': NAME}
OURS = snapshot('completed', **TAGS)
IN_USE = error('InvalidSnapshot.InUse', 'in use')


@pytest.fixture(name='interrupted')
def fixture_interrupted(clock, monkeypatch):
    """The guard's process is this one, and its playbook has just been killed. The lines that it prints."""
    said: list[str] = []

    def serve(_lock, _playbook, _log, duty, _note):
        duty.clean(said.append)
        duty.release(said.append)
        return 1

    monkeypatch.setattr(build_guard.guard, 'start', serve)
    for module in (leftovers, duty):
        monkeypatch.setattr(module, 'time', clock)
    return said


@pytest.fixture(name='claims', autouse=True)
def fixture_claims(monkeypatch):
    """The claims on the build, in memory."""
    storage = Storage()
    monkeypatch.setattr(build_guard, 'ClaimStore', lambda _cloud, _name: storage)
    monkeypatch.setattr(claim, 'time', Clocks(storage))
    monkeypatch.setattr(claim_store, 'ClaimStore', lambda _cloud, _name: storage)
    return storage


@pytest.fixture(name='started')
def fixture_started(monkeypatch):
    """No process is started: the arguments of the guards that would be."""
    started = []
    monkeypatch.setattr(build_guard.guard, 'start', lambda *arguments: started.append(arguments) or 4712)
    return started


def other_machine(claims, claim_id='0' * 32):
    other = Claim(claims, Owner('alice', 'runner7', 4711), claim_id)
    other.take()
    return other


def test_an_image_that_is_registered_while_the_guard_looks_goes_with_its_snapshot(cloud, interrupted, run, tmp_path):
    there = {'snapshot'}

    def described(_parameters):
        # The module that outlived its playbook has its image registered just after the first look.
        now = images(*[ebs_image('emi-1', NAME, **TAGS)] * ('image' in there))
        if not cloud.asked('DescribeSnapshots'):
            there.add('image')
        return now

    def delete_snapshot(_parameters):
        if 'image' in there:
            return IN_USE
        there.discard('snapshot')
        return DONE

    cloud.on('DescribeInstances', instances())
    cloud.on('DescribeSecurityGroups', security_groups())
    cloud.on('DescribeVolumes', volumes())
    cloud.on('DescribeImages', described)
    cloud.on('DescribeSnapshots', lambda _parameters: snapshots(*[OURS] * ('snapshot' in there)))
    cloud.on('DeregisterImage', lambda _parameters: there.discard('image') or DONE)
    cloud.on('DeleteSnapshot', delete_snapshot)
    run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, s3_url='', account_id='123456789012')
    assert there == set()
    assert interrupted[-1] == f'build {NAME}: nothing is left'


def test_an_untagged_snapshot_that_is_pending_for_longer_than_a_look_is_found_again(cloud, clock, interrupted, run, tmp_path):
    there = {'snapshot', 'volume'}
    completed = clock.now + 1.5 * duty.LOOK_TIMEOUT

    def delete_snapshot(_parameters):
        if clock.now >= completed:  # before, it is pending, and nothing happens
            there.discard('snapshot')
        return DONE

    cloud.on('DescribeInstances', instances())
    cloud.on('DescribeSecurityGroups', security_groups())
    cloud.on('DescribeVolumes', lambda _parameters: volumes(*[volume('available', **TAGS)] * ('volume' in there)))
    cloud.on('DescribeImages', images())
    cloud.on('DescribeSnapshots', lambda _parameters: snapshots(*[snapshot('pending')] * ('snapshot' in there)))
    cloud.on('DeleteSnapshot', delete_snapshot)
    cloud.on('DeleteVolume', lambda _parameters: there.discard('volume') or DONE)
    run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, s3_url='', account_id='123456789012')
    assert there == set()
    assert interrupted[-1] == f'build {NAME}: nothing is left'


def test_the_claim_is_given_up_after_cleaning(cloud, interrupted, claims, run, tmp_path):
    held = []
    for action, reply in (
        ('DescribeInstances', instances()),
        ('DescribeSecurityGroups', security_groups()),
        ('DescribeVolumes', volumes()),
        ('DescribeImages', images()),
        ('DescribeSnapshots', snapshots()),
    ):
        cloud.on(action, lambda _parameters, reply=reply: held.append(len(claims.objects)) or reply)
    run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, s3_url='', account_id='123456789012')
    assert interrupted[-1] == f'build {NAME}: nothing is left'
    assert set(held) == {1}
    assert claims.objects == {}


@pytest.mark.parametrize('keep', [False, True])
def test_files_with_secrets_of_an_interrupted_build_are_removed_and_its_console_stays(cloud, interrupted, run, tmp_path, keep):
    for name in ('remote-password', 'boot.img', '.boot.img.a1b2c3d4', 'console.log'):
        (tmp_path / name).touch()
    cloud.on(f'HEAD /services/objectstorage/answers/{NAME}', (404, ''))
    run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, keep=keep, answer_file_bucket='answers')
    assert {path.name for path in tmp_path.iterdir()} == {'console.log', 'lock'}


def test_cleaning_stops_when_another_machine_takes_over(claims, clock, monkeypatch):
    """The guard was suspended while it cleaned up, and the resources that it would find next are the other's."""
    monkeypatch.setattr(duty, 'time', clock)
    mine = Claim(claims, Owner('bob', 'runner1', 4711))
    mine.take()
    work = duty.CleanUp(None, mine, NAME, 'eucalyptus.cloud/build', None, False, 'log', lambda: True)
    looks = []

    def look(*_arguments):
        looks.append(1)
        claims.now += DEAD_AFTER + 1
        other_machine(claims)
        with pytest.raises(BuildInProgress):
            work.refresh()
        return []

    monkeypatch.setattr(duty, 'find_leftovers', look)
    work.clean(lambda _line: None)
    assert looks == [1]


def test_with_keep_only_the_answer_file_is_removed(cloud, interrupted, claims, run, tmp_path):
    there = {'answer file'}
    path = f'/services/objectstorage/answers/{NAME}'
    cloud.on(f'HEAD {path}', lambda _parameters: '' if there else (404, ''))
    cloud.on(f'DELETE {path}', lambda _parameters: there.clear() or (204, ''))
    run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, keep=True, answer_file_bucket='answers')
    assert there == set()
    assert interrupted[-1] == f'build {NAME}: the rest was kept'
    assert not [action for action, _parameters in cloud.requests if 'Describe' in action]
    assert claims.objects == {}


def test_a_build_that_another_machine_has_is_refused_with_its_name(claims, started, run, tmp_path):
    other_machine(claims)
    claims.now += 12
    result = run('build_guard', name=NAME, directory=str(tmp_path), playbook=1)
    assert result['failed']
    assert 'is being built by alice@runner7 (process 4711, started 2027-01-15T08:00:00+00:00,' in result['msg']
    assert 'last seen 12 s ago).' in result['msg']
    assert 'image_build_when_busy' in result['msg']
    assert (started, list(claims.objects), list(tmp_path.iterdir())) == ([], ['0' * 32], [])


def test_with_wait_it_reports_every_half_minute_and_claims_the_build_when_the_other_has_ended(
    claims, clock, started, run, tmp_path, monkeypatch
):
    monkeypatch.setattr(build_guard, 'time', clock)
    other, begun = other_machine(claims), clock.now
    progress = tmp_path / 'progress'
    sleep = clock.sleep

    def pass_time(seconds):
        sleep(seconds)
        claims.now += seconds
        if clock.now - begun < 100:
            other.refresh()
        else:
            other.release()

    monkeypatch.setattr(clock, 'sleep', pass_time)
    result = run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, when_busy='wait', progress_file=str(progress))
    assert (result['guard']['pid'], result['guard']['waited']) == (4712, 100)
    assert list(claims.objects) == [result['guard']['claim']]
    lines = [json.loads(line)['text'] for line in progress.read_text().splitlines()]
    assert len(lines) == 4
    assert all('is being built by alice@runner7' in line and 'Waiting for it to end' in line for line in lines)


@pytest.mark.parametrize('waits', [True, False])
def test_an_unreachable_storage_fails_the_start_but_not_the_wait(claims, clock, started, run, tmp_path, monkeypatch, waits):
    monkeypatch.setattr(build_guard, 'time', clock)
    other, begun, listing = other_machine(claims), clock.now, claims.list

    def away():
        if waits and clock.now == begun:
            return listing()
        if clock.now - begun < 70:
            raise CloudError('ListObjects failed.', 'ListObjects', status=503)
        return listing()

    def pass_time(seconds):
        clock.now += seconds
        claims.now += seconds
        if clock.now - begun > 60:
            other.release()

    monkeypatch.setattr(claims, 'list', away)
    monkeypatch.setattr(clock, 'sleep', pass_time)
    result = run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, when_busy='wait')
    assert (result.get('msg'), len(started)) == ((None, 1) if waits else ('ListObjects failed.', 0))


def test_with_wait_it_fails_after_the_timeout_and_names_the_other(claims, clock, started, run, tmp_path, monkeypatch):
    monkeypatch.setattr(build_guard, 'time', clock)
    other_machine(claims)
    result = run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, when_busy='wait', wait_timeout=60)
    assert 'alice@runner7' in result['msg']
    assert 'Waited 60 s' in result['msg']
    assert started == []


def test_a_dead_machines_build_is_taken_over(claims, started, run, tmp_path):
    other_machine(claims)
    claims.now += DEAD_AFTER + 1
    result = run('build_guard', name=NAME, directory=str(tmp_path), playbook=1)
    assert result['guard']['pid'] == 4712
    assert list(claims.objects) == [result['guard']['claim']]


def test_after_a_guard_on_this_machine_was_killed_nobody_waits_for_its_claim(claims, started, run, tmp_path):
    other_machine(claims)
    (tmp_path / 'lock').write_text(f'4711\n{NAME}/{"0" * 32}\n')
    assert run('build_guard', name=NAME, directory=str(tmp_path), playbook=1)['guard']['pid'] == 4712
    assert '0' * 32 not in claims.objects


def test_dismissing_gives_up_the_claim(claims, run, tmp_path):
    other_machine(claims)
    (tmp_path / 'lock').write_text(f'4711\n{NAME}/{"0" * 32}\n')
    assert run('build_guard', directory=str(tmp_path), state='absent')['changed'] is True
    assert claims.objects == {}


def test_a_guard_that_cannot_start_gives_up_the_claim(claims, run, tmp_path):
    (tmp_path / 'cleanup.log').mkdir()
    assert run('build_guard', name=NAME, directory=str(tmp_path), playbook=os.getpid())['failed']
    assert claims.objects == {}


def test_a_claim_that_cannot_be_given_up_is_a_warning(claims, run, tmp_path, monkeypatch):
    (tmp_path / 'lock').write_text(f'4711\n{NAME}/{"0" * 32}\n')

    def away(_claim_id):
        raise CollectionError('The storage is away.')

    monkeypatch.setattr(claims, 'remove', away)
    result = run('build_guard', directory=str(tmp_path), state='absent')
    assert not result.get('failed')
    assert 'expires after 150 s' in str(result['warnings'])


def test_dismissing_changes_something_only_where_a_lock_is(cloud, run, tmp_path):
    dismiss = {'directory': str(tmp_path), 'state': 'absent'}
    (tmp_path / 'lock').touch()
    assert run('build_guard', check=True, **dismiss)['changed'] is True
    assert (tmp_path / 'lock').exists()
    assert run('build_guard', **dismiss)['changed'] is True
    assert not (tmp_path / 'lock').exists()
    for check in (True, False):
        assert run('build_guard', check=check, **dismiss)['changed'] is False


def test_a_late_resource_that_cannot_be_removed_is_reported(cloud, interrupted, run, tmp_path):
    cloud.on('DescribeInstances', instances())
    cloud.on('DescribeSecurityGroups', security_groups())
    cloud.on('DescribeVolumes', volumes())
    cloud.on('DescribeImages', images())
    cloud.on('DescribeSnapshots', snapshots(), snapshots(OURS))
    cloud.on('DeleteSnapshot', IN_USE)
    run('build_guard', name=NAME, directory=str(tmp_path), playbook=1, s3_url='', account_id='123456789012')
    assert interrupted[-1] == f'build {NAME}: not everything could be removed; the next build tries again'
