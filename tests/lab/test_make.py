# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Makefile, in a checkout whose path has a blank."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.paths import ROOT


@pytest.fixture(name='checkout', scope='module')
def fixture_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout with the programs of this environment."""
    checkout = tmp_path_factory.mktemp('a b') / 'c d'
    checkout.mkdir()
    listed = ['git', 'ls-files', '-z', '-co', '--exclude-standard']
    files = [name for name in subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.split(b'\0') if name]
    there = b'\0'.join(name for name in files if os.path.lexists(ROOT / os.fsdecode(name)))
    subprocess.run(['xargs', '-0', 'cp', '-P', '--parents', '-t', checkout], cwd=ROOT, input=there, check=True)
    subprocess.run(['git', 'init', '-q'], cwd=checkout, check=True)
    (checkout / '.venv').mkdir()
    (checkout / '.venv/bin').symlink_to(Path(sys.executable).parent)
    (checkout / '.venv/tests.sha256').touch()
    return checkout


def make(checkout: Path, *words: str) -> str:
    done = subprocess.run(['make', *words], cwd=checkout, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_help_lists_every_target(checkout: Path) -> None:
    listed = {line.split()[1] for line in make(checkout, 'help').splitlines()}
    assert {'demo', 'unit', 'hook', 'lab', 'nodes', 'integration', 'build', 'coverage', 'bench'} <= listed


def test_the_tree_for_ansible_test_has_all_files(checkout: Path) -> None:
    make(checkout, 'tree')
    assert (checkout / '.venv/tree/ansible_collections/eucalyptus/cloud/plugins/modules/image.py').is_file()


def test_one_unit_test_can_be_run(checkout: Path) -> None:
    assert ' passed' in make(checkout, 'unit', 'ONLY=tests/unit/plugins/module_utils/cloud/test_tags.py')


@pytest.mark.parametrize(
    'target', [pytest.param('hook', marks=pytest.mark.long), 'lab', pytest.param('nodes', marks=pytest.mark.long), 'build']
)
def test_one_file_of_each_suite_can_be_run(checkout: Path, target: str) -> None:
    (checkout / f'tests/{target}/test_chosen.py').write_text('def test_chosen():\n    pass\n')
    assert '1 passed' in make(checkout, target, f'ONLY=tests/{target}/test_chosen.py')


def test_the_matrix_runs_targets_after_one_that_failed_and_names_it(checkout: Path) -> None:
    (ROOT / '.venv/cores').mkdir(exist_ok=True)
    (checkout / '.venv/cores').symlink_to(ROOT / '.venv/cores')
    for name, task in {
        'wrong': 'ansible.builtin.fail: {msg: as planned}',
        'right': 'ansible.builtin.debug: {msg: reached}',
    }.items():
        target = checkout / 'tests/integration/targets' / name
        (target / 'tasks').mkdir(parents=True)
        (target / 'aliases').write_text('context/target\n')
        (target / 'tasks/main.yml').write_text(f'- {task}\n')
    words = ['make', 'integration', 'ONLY=wrong right']
    done = subprocess.run(words, cwd=checkout, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode != 0
    assert re.search(r'^4\.4 +2\.\d\S+ +3\.\S+ +\d+  FAILED in wrong$', done.stdout, re.MULTILINE), done.stdout + done.stderr
    assert 'msg: reached' in done.stdout
