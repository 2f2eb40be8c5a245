# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of a build in a cloud without tags (3.1): a list in object storage leads to them, also after a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.paths import ROOT
from tests.kit.played_node import played_node
from tests.lab.test_build_claims import MODULE, NAME, Machine, left, result

TAGS = {'eucalyptus.cloud/build': NAME}
# The module is killed after the request, before the new resource is listed.
KILLED = (
    'import os\n'
    'from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.build_list import BuildList\n'
    'BuildList.put = lambda *_all: os.kill(os.getpid(), 9)\n' + MODULE
)


@pytest.fixture(name='api', scope='module')
def fixture_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab.running(tmp_path_factory.mktemp('lab'), 'untagged', play='3.1') as lab:
        yield lab


@pytest.fixture(name='machine')
def fixture_machine(api: Lab, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(api, tmp_path / 'machine')
    yield machine
    machine.end()


def volume(machine: Machine, **options: Any) -> dict[str, Any]:
    return result(machine.start('volume', size=1, **options))


def volumes(machine: Machine) -> list[str]:
    found = result(machine.start('volume_info'))['volumes']
    return [one['volume_id'] for one in found if one['state'] not in ('deleted', 'deleting')]


def killed(machine: Machine, module: str, **options: Any) -> int:
    arguments = json.dumps({'ANSIBLE_MODULE_ARGS': {**machine.connection, **options}})
    environment = {**os.environ, 'PYTHONPATH': str(ROOT / 'playbooks/collections')}
    return subprocess.run([sys.executable, '-c', KILLED, module, arguments], env=environment, check=False).returncode


def test_a_resource_of_a_build_has_its_name_and_tags_nevertheless(machine: Machine) -> None:
    created = volume(machine, name=NAME, tags=TAGS)
    again = volume(machine, name=NAME, tags=TAGS)
    assert created['volume']['tags'] == {**TAGS, 'Name': NAME}
    assert (again['changed'], again['volume']) == (False, created['volume'])
    assert 'no tags' in volume(machine, name=NAME)['msg']  # without the build's tag, the name is refused
    removed = result(machine.start('build_leftovers', name=NAME))
    assert [one['id'] for one in removed['leftovers']] == [created['volume']['volume_id']]
    assert (volumes(machine), left(machine.api)) == ([], [])


def test_a_killed_creation_leaves_nothing_and_others_keep_theirs(machine: Machine) -> None:
    before = volume(machine)['volume']['volume_id']
    assert killed(machine, 'volume', size=1, name=NAME, tags=TAGS) == -9
    other = volume(machine, name='other-0123456789', tags={'eucalyptus.cloud/build': 'other-0123456789'})['volume']['volume_id']
    result(machine.start('build_leftovers', name=NAME))
    assert volumes(machine) == sorted([before, other])
    result(machine.start('build_leftovers', name='other-0123456789'))
    assert (volumes(machine), left(machine.api)) == ([before], [])
    volume(machine, volume_id=before, state='absent')


def test_what_cannot_be_decided_is_named_and_kept(machine: Machine) -> None:
    assert killed(machine, 'volume', size=1, name=NAME, tags=TAGS) == -9
    volume(machine)  # somebody else's, of the same size and at the same time
    both = volumes(machine)
    failed = result(machine.start('build_leftovers', name=NAME))
    assert failed['failed'] and all(volume_id in failed['msg'] for volume_id in both)
    assert volumes(machine) == both


def test_after_a_killed_guard_another_machine_removes_everything(api: Lab, machine: Machine, tmp_path: Path) -> None:
    other = Machine(api, tmp_path / 'other')
    image = api.register(api.tenant, 'machine', 'images', **api.published_boot())
    before = volumes(machine)
    with played_node(api, tmp_path):
        claim = result(machine.guard())['guard']['claim']
        disk = volume(machine, name=NAME, tags=TAGS)['volume']['volume_id']
        started = [
            machine.start('instance', name=NAME, image_id=image, tags=TAGS, client_token=f'{NAME}.install'),
            machine.start('snapshot', name=NAME, volume_id=disk, tags=TAGS),
            machine.start('security_group', name=NAME, description='For the installer', tags=TAGS),
            machine.start('answer_file', object=NAME, content='lang en_US'),
        ]
        made = [result(process) for process in started]
        assert [one['msg'] for one in made if not one['changed']] == []
        machine.end()  # kill -9 to the playbook and to its guard
        assert f'{NAME} is being built by ' in result(other.start('build_leftovers', name=NAME))['msg']
        api.execute('UPDATE objects SET modified = modified - 151 WHERE key = ?', f'{NAME}/{claim}')
        removed = result(other.start('build_leftovers', name=NAME))
    kinds = sorted(one['type'] for one in removed['leftovers'])
    assert kinds == ['answer file', 'claim', 'instance', 'security group', 'snapshot', 'volume']
    assert (volumes(other), left(api)) == (before, [])
    ec2 = api.ec2()
    assert not ec2.describe_snapshots()['Snapshots']
    states = [one['State']['Name'] for group in ec2.describe_instances()['Reservations'] for one in group['Instances']]
    assert set(states) <= {'terminated'}
    assert [one['GroupName'] for one in ec2.describe_security_groups()['SecurityGroups']] == ['default']
    other.end()
