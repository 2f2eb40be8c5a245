# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two machines with the same inputs: they share the cloud and nothing else, so only its object storage can decide."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eucalab.cloud.accounts import TENANT
from tests.kit.lab import Lab
from tests.kit.paths import ROOT

NAME = 'debian-12-0a1b2c3d4e'
ROUNDS = int(os.environ.get('RACES', '5'))  # `make races` has 20
# Runs a module of the collection as Ansible does, with its options as JSON in the second argument.
MODULE = """
import importlib, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.argv[2].encode(), 'legacy'
importlib.import_module('ansible_collections.eucalyptus.cloud.plugins.modules.' + sys.argv[1]).main()
"""


class Machine:
    """A machine with a directory of its own, and a process that stands for its playbook."""

    def __init__(self, api: Lab, directory: Path) -> None:
        directory.mkdir()
        self.api, self.directory = api, directory
        self.playbook = subprocess.Popen(['sleep', '600'])
        options = api.options(account=TENANT)
        self.connection = {name: value for name, value in options.items() if 'cert' not in name and 'private' not in name}

    def start(self, module: str, **options: Any) -> subprocess.Popen[str]:
        arguments = json.dumps({'ANSIBLE_MODULE_ARGS': {**self.connection, **options}})
        environment = {**os.environ, 'PYTHONPATH': str(ROOT / 'playbooks/collections')}
        command = [sys.executable, '-c', MODULE, module, arguments]
        return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, start_new_session=True)

    def guard(self, **options: Any) -> subprocess.Popen[str]:
        return self.start('build_guard', name=NAME, directory=str(self.directory), playbook=self.playbook.pid, **options)

    def dismiss(self) -> dict[str, Any]:
        return result(self.start('build_guard', directory=str(self.directory), state='absent'))

    def end(self) -> None:
        self.playbook.kill()
        self.playbook.wait()
        with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
            os.kill(int((self.directory / 'lock').read_text().split('\n')[0]), signal.SIGKILL)


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, _none = process.communicate(timeout=120)
    return json.loads(output)


def left(api: Lab) -> list[str]:
    """The buckets and objects of claims in the storage."""
    client = api.s3()
    names = [bucket['Name'] for bucket in client.list_buckets()['Buckets'] if bucket['Name'].startswith('builds-')]
    try:
        return names + [item['Key'] for name in names for item in client.list_objects(Bucket=name).get('Contents', [])]
    except client.exceptions.NoSuchBucket:  # its last user has removed it since it was listed
        return []


@pytest.fixture
def machine(lab_api: Lab, tmp_path: Path) -> Iterator[Callable[[str], Machine]]:
    machines: list[Machine] = []

    def make(name: str) -> Machine:
        machines.append(Machine(lab_api, tmp_path / name))
        return machines[-1]

    yield make
    for one in machines:
        one.end()


def test_of_two_machines_that_start_at_once_exactly_one_builds(lab_api: Lab, machine: Callable[[str], Machine]) -> None:
    pair = [machine('one'), machine('two')]
    for turn in range(ROUNDS):
        running = []
        for one in pair if turn % 2 else pair[::-1]:
            running.append((one, one.guard()))
            time.sleep(turn % 5 / 20)  # from together to 0.2 s apart
        results = [(one, result(process)) for one, process in running]
        holders = [one for one, told in results if not told.get('failed')]
        assert len(holders) == 1, results
        refused = next(told for one, told in results if one is not holders[0])
        assert f'{NAME} is being ' in refused['msg']
        assert f'(process {holders[0].playbook.pid}, started 20' in refused['msg']
        assert 'last seen' in refused['msg']
        assert len(left(lab_api)) == 2  # the bucket and one claim
        assert holders[0].dismiss()['changed']
        assert left(lab_api) == []
        assert not [path for one in pair for path in one.directory.iterdir()]


def test_the_second_waits_for_the_first_and_then_has_the_build(lab_api: Lab, machine: Callable[[str], Machine]) -> None:
    first, second = machine('one'), machine('two')
    assert result(first.guard())['guard']['pid']
    progress = second.directory / 'progress'
    waiting = second.guard(when_busy='wait', progress_file=str(progress))
    deadline = time.monotonic() + 60
    while not (progress.exists() and progress.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert f'{NAME} is being built by ' in progress.read_text()
    first.dismiss()
    told = result(waiting)
    assert told['guard']['waited'] > 0
    assert len(left(lab_api)) == 2
    second.dismiss()
    assert left(lab_api) == []


def test_leftovers_of_a_living_machine_stay_and_its_own_build_may_remove_them(
    lab_api: Lab, machine: Callable[[str], Machine]
) -> None:
    first, second = machine('one'), machine('two')
    claim = result(first.guard())['guard']['claim']
    assert f'{NAME} is being built by ' in result(second.start('build_leftovers', name=NAME))['msg']
    assert result(first.start('build_leftovers', name=NAME, claim=claim))['leftovers'] == []
    first.dismiss()
    assert result(second.start('build_leftovers', name=NAME))['leftovers'] == []


def test_after_a_killed_playbook_its_guard_gives_up_the_claim(lab_api: Lab, machine: Callable[[str], Machine]) -> None:
    first = machine('one')
    assert result(first.guard())['guard']['pid']
    first.playbook.kill()
    first.playbook.wait()
    deadline = time.monotonic() + 120
    while left(lab_api) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left(lab_api) == []


def test_a_machine_that_lost_playbook_and_guard_is_taken_over_when_its_claim_is_old(
    lab_api: Lab, machine: Callable[[str], Machine]
) -> None:
    first, second = machine('one'), machine('two')
    told = result(first.guard())
    first.end()  # with kill -9, like the loss of power
    assert 'last seen' in result(second.guard())['msg']
    lab_api.execute('UPDATE objects SET modified = modified - 151 WHERE key = ?', f'{NAME}/{told["guard"]["claim"]}')
    assert result(second.guard())['guard']['pid']
    assert len(left(lab_api)) == 2
    second.dismiss()
    assert left(lab_api) == []


def test_a_bucket_of_another_account_is_refused_by_its_name(lab_api: Lab, machine: Callable[[str], Machine]) -> None:
    bucket = f'builds-{lab_api.tenant.number}'
    admin = lab_api.s3(lab_api.admin)
    admin.create_bucket(Bucket=bucket)
    try:
        told = result(machine('one').guard())
        assert f'The bucket {bucket} belongs to another account' in told['msg']
    finally:
        admin.delete_bucket(Bucket=bucket)
