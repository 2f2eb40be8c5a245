# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module that uses the cloud, while the cloud is unreachable, busy, silent, behind TLS or has another time.

Each module ends in time, with an error that names the request, the URL and the way out. Resources that stay can be found.
"""

from __future__ import annotations

import itertools
import math
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.played_node import played_node
from tests.kit.ports import free_port
from tests.kit.waiting import wait_for
from tests.lab.faulty_line import BUSY, CLOSED, LOST, SILENT
from tests.lab.module_runs import TALKING, Fault, Options, Outcome, Runner, self_signed

TURN = itertools.count()
LETTERS = iter('stuvwxyz')  # of devices; the module itself begins with f
READS = ('Describe', 'Get', 'GET', 'HEAD', 'List')
# Far more than a run takes, and far less than the time limit of one request without the runner's haste.
IN_TIME = 60


@pytest.fixture(name='runner', scope='module')
def fixture_runner() -> Iterator[Runner]:
    with Runner.running() as runner:
        yield runner


@pytest.fixture(name='lab', scope='module')
def fixture_lab(make_lab_api: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = make_lab_api('module-faults')
    with played_node(lab, tmp_path_factory.mktemp('node')):
        yield lab


@pytest.fixture(name='playbook', scope='module')
def fixture_playbook() -> Iterator[int]:
    """A process that a guard can watch."""
    with subprocess.Popen(['sleep', '600']) as process:
        yield process.pid
        process.kill()


@pytest.fixture(name='things', scope='module')
def fixture_things(lab: Lab) -> dict[str, str]:
    """A volume, a running instance and one that has ended, of the administrator."""
    ec2 = lab.ec2(lab.admin)
    image = lab.register(lab.admin, 'machine', 'images', **lab.published_boot())
    volume = ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
    running, ended = (ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)['Instances'][0]['InstanceId'] for _turn in 'ab')

    def state(instance: str) -> str:
        return str(ec2.describe_instances(InstanceIds=[instance])['Reservations'][0]['Instances'][0]['State']['Name'])

    wait_for('the instances run', lambda: {state(running), state(ended)} == {'running'})
    ec2.terminate_instances(InstanceIds=[ended])
    wait_for('one has ended', lambda: state(ended) == 'terminated')
    return {'image': image, 'volume': volume, 'running': running, 'ended': ended}


@pytest.fixture(name='options')
def fixture_options(things: dict[str, str], playbook: int, tmp_path: Path) -> dict[str, Options]:
    """Options with which each module has something to do, under names that no other test uses."""
    name = f'faulty-{next(TURN)}'
    source = tmp_path / 'source'
    source.write_bytes(b'ramdisk' * 1000)
    (tmp_path / 'guard').mkdir()
    return {
        'answer_file': {'object': name, 'content': 'lang en_US'},
        'build_guard': {'name': name, 'directory': str(tmp_path / 'guard'), 'playbook': playbook},
        'build_leftovers': {'name': f'{name}-0123456789'},
        'build_plan': {
            'entry_point': 'publish_installer',
            'inputs': {'kernel': 'source', 'kernel_checksum': '', 'ramdisk': 'source', 'ramdisk_checksum': ''},
            'here': str(tmp_path),
        },
        'console_log': {'instance_id': things['running'], 'wait_for': ['played node'], 'wait_timeout': 30},
        'image': {'name': name, 'type': 'ramdisk', 'src': str(source)},
        'image_info': {},
        'install_wait': {'instance_id': things['ended'], 'timeout': 30},
        'instance': {'name': name, 'image_id': things['image']},
        'instance_info': {},
        'key_pair': {'name': name, 'path': str(tmp_path / 'key')},
        'key_pair_info': {},
        'security_group': {'name': name, 'description': 'For a test'},
        'security_group_info': {},
        'snapshot': {'name': name, 'volume_id': things['volume']},
        'snapshot_info': {},
        'volume': {'name': name, 'size': 1},
        'volume_attachment': {'volume_id': things['volume'], 'instance_id': things['running'], 'state': 'absent'},
        'volume_info': {},
    }


def complaints(outcomes: dict[str, Outcome], *texts: str) -> None:
    """Assert that each run failed in time, with a message that contains its request and these texts."""
    lacking = [
        f'{name}: no {text!r} in: {outcome.message}'
        for name, outcome in outcomes.items()
        for text in (*texts, f'{outcome.result.get("failure", {}).get("request")} ')
        if text not in outcome.message
    ]
    assert not lacking, '\n'.join(lacking)
    assert {name: outcome.seconds for name, outcome in outcomes.items() if outcome.seconds > IN_TIME} == {}


def successes(outcomes: dict[str, Outcome]) -> None:
    failed = [f'{name}: {outcome.output}' for name, outcome in outcomes.items() if outcome.result.get('failed')]
    assert not failed, '\n'.join(failed)


def test_every_module_that_uses_the_cloud_is_tested(options: dict[str, Options]) -> None:
    assert sorted(options) == TALKING


def test_a_cloud_that_cannot_be_reached_is_named(runner: Runner, lab: Lab, options: dict[str, Options]) -> None:
    url = f'http://127.0.0.1:{free_port()}/services'
    urls = {'ec2_url': f'{url}/compute', 's3_url': f'{url}/objectstorage'}
    outcomes = runner.run(lab, options, **urls)
    complaints(outcomes, url, 'cannot be reached (Connection refused)', 'Check that the cloud is up', 'is right')


def test_a_module_gives_up_soon_if_the_cloud_stays_busy(runner: Runner, lab: Lab, options: dict[str, Options]) -> None:
    outcomes = runner.run(lab, options, lambda name: lambda action: BUSY)
    complaints(outcomes, '503', 'http://127.0.0.1', 'Run the task again')
    assert max(len(outcome.actions) for outcome in outcomes.values()) <= 9


def test_a_module_repeats_reads_while_the_cloud_is_busy(runner: Runner, lab: Lab, options: dict[str, Options]) -> None:
    def fault(name: str) -> Fault:
        asked: Counter[str] = Counter()

        def busy(action: str) -> str | None:
            asked[action] += 1
            return BUSY if action.startswith(READS) and asked[action] <= 2 else None

        return busy

    outcomes = runner.run(lab, options, fault)
    successes(outcomes)
    assert 'i-' in outcomes['instance'].result['instance']['instance_id']


def test_a_request_without_an_answer_is_not_repeated(runner: Runner, lab: Lab, options: dict[str, Options]) -> None:
    outcomes = runner.run(lab, options, lambda name: lambda action: SILENT)
    complaints(outcomes, 'http://127.0.0.1', 'has not answered', 'Check that the cloud is up')
    asked = {name: len(outcome.actions) for name, outcome in outcomes.items()}
    assert asked == {**dict.fromkeys(options, 1), 'build_guard': 2}  # which withdraws a claim that may have arrived


def test_an_untrusted_certificate_is_refused_until_its_authority_is_given(
    runner: Runner, lab: Lab, options: dict[str, Options], tmp_path: Path
) -> None:
    context, certificate = self_signed(tmp_path)
    outcomes = runner.run(lab, options, tls=context)
    complaints(outcomes, 'no trusted TLS connection to https://127.0.0.1', "Set ca_path to the cloud's CA certificate")
    assert not any(outcome.actions for outcome in outcomes.values())
    for trust in ({'ca_path': str(certificate)}, {'validate_certs': False}):
        readers = {name: options[name] for name in options if trust.get('ca_path') or name.endswith('_info')}
        outcomes = runner.run(lab, readers, tls=context, **trust)
        successes(outcomes)
        assert all(outcome.actions for outcome in outcomes.values())


@pytest.mark.parametrize('skew', [-1200, 1200], ids=['slow', 'fast'])
def test_a_wrong_clock_is_named_on_every_version(runner: Runner, cloud: Lab, skew: int) -> None:
    outcomes = runner.run(cloud, {'volume_info': {}, 'answer_file': {'object': 'clock', 'content': 'x'}}, skew=skew)
    complaints(outcomes, 'clock', 'Correct')


# Modules that wait for the cloud after a change, and the last request before they do.
CHANGES = {
    'image': 'RegisterImage',
    'instance': 'CreateTags',
    'security_group': 'CreateSecurityGroup',
    'snapshot': 'CreateTags',
    'volume': 'CreateTags',
    'volume.absent': 'DeleteVolume',
    'volume_attachment': 'AttachVolume',
    'volume_attachment.absent': 'DetachVolume',
    'build_leftovers': 'DeleteVolume',
}


def after_the_change(name: str, fault: str, many: float) -> Fault:
    """The first ``many`` looks after the change get the fault."""
    looks = 0

    def decide(action: str) -> str | None:
        nonlocal looks
        looks += bool(looks) or action == CHANGES[name]
        return fault if action.startswith(READS) and 0 < looks <= many else None

    return decide


@pytest.fixture(name='waiting')
def fixture_waiting(lab: Lab, options: dict[str, Options], things: dict[str, str]) -> dict[str, Options]:
    """Options for the modules in CHANGES, each with a volume or instance of its own."""
    ec2 = lab.ec2(lab.admin)
    volumes = [ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId'] for _turn in range(4)]
    ec2.create_tags(Resources=[volumes[0]], Tags=[{'Key': 'eucalyptus.cloud/build', 'Value': options['build_leftovers']['name']}])
    wait_for(
        'all are available', lambda: {one['State'] for one in ec2.describe_volumes(VolumeIds=volumes)['Volumes']} == {'available'}
    )
    ec2.attach_volume(VolumeId=volumes[1], InstanceId=things['running'], Device=f'/dev/sd{next(LETTERS)}')
    wait_for('one is attached', lambda: ec2.describe_volumes(VolumeIds=volumes[1:2])['Volumes'][0]['State'] == 'in-use')
    return {
        **options,
        'volume.absent': {'volume_id': volumes[2], 'state': 'absent'},
        'volume_attachment.absent': {'volume_id': volumes[1], 'state': 'absent'},
        'volume_attachment': {'volume_id': volumes[3], 'instance_id': things['running']},
    }


def test_a_wait_continues_while_the_cloud_is_unreachable(runner: Runner, lab: Lab, waiting: dict[str, Options]) -> None:
    outcomes = runner.run(lab, {name: waiting[name] for name in CHANGES}, lambda name: after_the_change(name, CLOSED, 12))
    successes(outcomes)
    for name, outcome in outcomes.items():
        assert outcome.result['changed'] and len(outcome.actions) > 12, name


def test_a_build_that_failed_with_the_cloud_is_removed_when_the_cloud_is_back(
    runner: Runner, lab: Lab, options: dict[str, Options], waiting: dict[str, Options]
) -> None:
    build, looks = waiting['build_leftovers'], itertools.count()
    guard = {'build_guard': {**options['build_guard'], **build}}
    claim = runner.run(lab, guard)['build_guard'].result['guard']['claim']
    cleaning = {'build_leftovers': {**build, 'claim': claim}}
    outcome = runner.run(lab, cleaning, lambda name: lambda action: CLOSED if next(looks) < 20 else None)['build_leftovers']
    successes({'build_leftovers': outcome})
    assert [leftover['type'] for leftover in outcome.result['leftovers']] == ['volume']
    dismissal = {'build_guard': {'directory': guard['build_guard']['directory'], 'state': 'absent'}}
    successes(runner.run(lab, dismissal))


def test_a_silent_cloud_does_not_prolong_a_wait(runner: Runner, lab: Lab, waiting: dict[str, Options]) -> None:
    given = {name: {**waiting[name], 'wait_timeout': 1} for name in CHANGES}
    outcomes = runner.run(lab, given, lambda name: after_the_change(name, SILENT, math.inf))
    for name, outcome in outcomes.items():
        assert outcome.seconds < IN_TIME, name
        assert re.search(r'Waiting for .* took longer than \d s: .*not answered', outcome.message), f'{name}: {outcome.message}'
        assert outcome.actions[-1].startswith(READS) and CHANGES[name] in outcome.actions, name


def test_a_silent_cloud_does_not_prolong_the_reading_of_a_console(runner: Runner, lab: Lab, things: dict[str, str]) -> None:
    instance = {'instance_id': things['running']}
    given = {'console_log': {**instance, 'wait_for': ['never'], 'wait_timeout': 1}, 'install_wait': {**instance, 'timeout': 1}}
    outcomes = runner.run(lab, given, lambda name: lambda action: SILENT if action == 'GetConsoleOutput' else None)
    for name, outcome in outcomes.items():
        assert outcome.seconds < IN_TIME, name
        assert outcome.actions.count('GetConsoleOutput') == 1, name
        assert '; the cloud has not answered for ' in outcome.message, outcome.message


# Modules that create something, with the request for it, the lab's table, and the column by which a module finds the row again.
CREATIONS = {
    'image': ('RegisterImage', 'images', 'name'),
    'instance': ('RunInstances', 'instances', 'id'),
    'instance.token': ('RunInstances', 'instances', 'client_token'),
    'key_pair': ('CreateKeyPair', 'key_pairs', 'name'),
    'security_group': ('CreateSecurityGroup', 'security_groups', 'name'),
    'snapshot': ('CreateSnapshot', 'snapshots', 'id'),
    'volume': ('CreateVolume', 'volumes', 'id'),
}


def test_a_resource_whose_creation_reply_was_lost_is_named_or_found_by_the_next_run(
    runner: Runner, lab: Lab, options: dict[str, Options]
) -> None:
    def keys(name: str) -> Counter[str]:
        _request, table, column = CREATIONS[name]
        return Counter(str(row[0]) for row in lab.rows(f'SELECT {column} FROM {table}'))

    token = f'token-{next(TURN)}'
    options['instance.token'] = {**options['instance'], 'name': token, 'client_token': token}
    given, before = {name: options[name] for name in CREATIONS}, {name: keys(name) for name in CREATIONS}
    first = runner.run(lab, given, lambda name: lambda action: LOST if action == CREATIONS[name][0] else None)
    created = {name: keys(name) - before[name] for name in CREATIONS}
    second = runner.run(lab, given)
    for name, (_request, _table, column) in CREATIONS.items():
        if column == 'id':
            assert any(key in first[name].message for key in created[name]), first[name].message
            assert 'If this task made one of them, delete it, or continue with' in first[name].message
        else:
            ours = given[name]['name']
            assert (created[name][ours], (keys(name) - before[name])[ours]) == (1, 1), name
    assert 'the request may have succeeded' in first['key_pair'].message
    assert 'To replace it, set force: true' in second['key_pair'].message  # its private key was in the lost reply
    successes({name: outcome for name, outcome in second.items() if name != 'key_pair'})


@pytest.mark.parametrize('fault', [LOST, CLOSED])
def test_a_volume_of_a_build_whose_reply_was_lost_is_removed_with_the_build(runner: Runner, lab: Lab, fault: str) -> None:
    build = f'lost-{next(TURN)}-0123456789'
    options = {'name': build, 'size': 1, 'tags': {'eucalyptus.cloud/build': build}}
    before = {row['id'] for row in lab.rows('SELECT id FROM volumes')}
    lost = runner.run(lab, {'volume': options}, lambda name: lambda action: fault if action == 'CreateVolume' else None)
    assert 'the request may have succeeded' in lost['volume'].message
    created = {row['id'] for row in lab.rows('SELECT id FROM volumes')} - before
    removed = runner.run(lab, {'build_leftovers': {'name': build}})['build_leftovers'].result['leftovers']
    assert {leftover['id'] for leftover in removed} == created and len(created) == (fault == LOST)
    assert not [row['key'] for row in lab.rows('SELECT key FROM objects') if row['key'].startswith(build)]


def test_a_build_leaves_no_note_of_a_finished_volume(runner: Runner, lab: Lab) -> None:
    build = f'noted-{next(TURN)}-0123456789'
    options = {'name': build, 'size': 1, 'tags': {'eucalyptus.cloud/build': build}}
    outcomes = runner.run(lab, {'volume': options})
    successes(outcomes)
    assert outcomes['volume'].result['volume']['tags'] == {'Name': build, 'eucalyptus.cloud/build': build}
    assert f'PUT /services/objectstorage/builds-{lab.admin.number}/{build}/creating-volume' in outcomes['volume'].actions
    assert not [row['key'] for row in lab.rows('SELECT key FROM objects') if row['key'].startswith(build)]
