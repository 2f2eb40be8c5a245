# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/verify_systems.yml: a user's table of systems that were built and booted, and of those that failed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, run

SET_BY_THE_PLAYBOOK = ('image_build_os', 'image_build_name')


def verify(table: Path, variables: dict[str, Any], *systems: str) -> subprocess.CompletedProcess[str]:
    given = {**variables, 'systems': systems, 'systems_table': str(table)}
    return run('ansible-playbook', str(ROOT / 'playbooks/verify_systems.yml'), '-e', json.dumps(given))


def rows(table: Path) -> dict[str, dict[str, str]]:
    """The rows of the table by system."""
    heading, _line, *lines = [[cell.strip() for cell in line.split(' | ')] for line in table.read_text().strip().splitlines()]
    assert all(len(line) == len(heading) for line in lines)
    return {line[0].removeprefix('| '): dict(zip(heading, line, strict=True)) for line in lines}


def test_a_system_that_fails_becomes_a_row_and_the_next_one_follows(tmp_path: Path) -> None:
    table = tmp_path / 'table.md'
    ended = verify(table, {'image_build_directory': str(tmp_path)}, 'debain-13', 'fedora-9')
    found = rows(table)
    assert [row['result'] for row in found.values()] == ['failed', 'failed']
    assert {row['failed step'] for row in found.values()} == {'plan the build'}
    assert 'image_build_os: debain-13 is not in the catalogue. Similar names are debian-13' in found['debain-13']['reason |']
    assert found['fedora-9']['collection'] == '0.1.0'
    assert ended.returncode != 0
    assert f'Of 2 systems, these failed: debain-13, fedora-9. The table is in {table}' in ended.stdout


def test_a_missing_list_of_systems_is_refused_with_an_example() -> None:
    ended = run('ansible-playbook', str(ROOT / 'playbooks/verify_systems.yml'), '-e', 'systems=debian-13')
    assert ended.returncode != 0
    assert 'systems must be a list of names from the catalogue' in ended.stdout


@pytest.mark.long
def test_each_system_is_built_and_booted_and_the_table_has_no_secret(lab: Any, tmp_path: Path) -> None:
    table = tmp_path / 'table.md'
    variables = {name: value for name, value in lab.variables('busybox').items() if name not in SET_BY_THE_PLAYBOOK}
    variables['image_build_catalogue'] = {'lab-broken': {'like': 'lab-busybox', 'tree': 'no-such-system/'}}
    ended = verify(table, variables, 'lab-broken', 'lab-busybox')
    found = rows(table)
    assert ended.returncode != 0 and 'Of 2 systems, these failed: lab-broken' in ended.stdout, ended.stdout
    broken, good = found['lab-broken'], found['lab-busybox']
    assert (broken['result'], broken['failed step']) == ('failed', 'install')
    assert 'installer: FAILED' in broken['reason |']
    assert (good['result'], good['failed step'], good['reason |']) == ('built and booted', '', '|')
    assert int(good['seconds']) > 5
    assert {row['cloud'] for row in found.values()} == {'Eucalyptus/4.4.2'}
    secret = (Path(lab.facts()['lab_tenant_eucarc'])).read_text().split('SECRET_KEY=')[1].split()[0].strip('\'"')
    assert len(secret) > 20 and secret not in table.read_text() and 'Signature' not in table.read_text()

    again = verify(table, variables, 'lab-busybox')
    assert again.returncode == 0, again.stdout
    row = rows(table)['lab-busybox']
    assert row['result'] == 'built and booted before'
    assert 5 < int(row['seconds']) <= int(good['seconds'])
    assert lab.settled() == []
