# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports follow one direction: playbook → role → module → module_utils → cloud."""

from __future__ import annotations

import ast
import graphlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils import plan

PLUGINS = Path(plan.__file__).resolve().parents[1]
CHECKOUT = PLUGINS.parent
PREFIX = 'ansible_collections.eucalyptus.cloud.'
UTILS = PREFIX + 'plugins.module_utils.'

# Room of module_utils -> the rooms that it may import; all may import themselves, `plan` and `errors`.
ALLOWED = {
    'plan': set(),
    'errors': set(),
    'cloud': {'progress'},
    'progress': set(),
    'image': {'cloud', 'progress'},
    'console': {'cloud', 'progress'},
    'build': {'cloud', 'image', 'console'},
    'node': set(),
}


def imports(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports; `from a import b` counts as both a and a.b."""
    found = set()
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            found |= {statement.module or '', *(f'{statement.module}.{alias.name}' for alias in statement.names)}
    return found


def room_of(dotted: str) -> str | None:
    return dotted.removeprefix(UTILS).split('.')[0] if dotted.startswith(UTILS) else None


def files(room: str) -> list[Path]:
    utils = PLUGINS / 'module_utils'
    return sorted((utils / room).glob('*.py')) or [utils / f'{room}.py']


def dotted(path: Path) -> str:
    return UTILS + '.'.join(path.relative_to(PLUGINS / 'module_utils').with_suffix('').parts)


def test_there_are_no_other_rooms() -> None:
    present = {path.stem for path in (PLUGINS / 'module_utils').iterdir() if path.name != '__pycache__'}
    assert present == set(ALLOWED)


@pytest.mark.parametrize('room', ALLOWED)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    shared = {'plan'} if room == 'node' else {'plan', 'errors'}
    for path in files(room):
        rooms = {found for name in imports(path) if (found := room_of(name))}
        assert rooms <= ALLOWED[room] | shared | {room}, path


def test_no_import_of_module_utils_is_part_of_a_cycle() -> None:
    names = {dotted(path) for room in ALLOWED for path in files(room)}
    graph = {dotted(path): imports(path) & names for room in ALLOWED for path in files(room)}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize('room', ALLOWED)
def test_only_the_modules_base_imports_ansible(room: str) -> None:
    for path in files(room):
        if path.name != 'module.py':
            ansible = {name for name in imports(path) if name.split('.')[0] == 'ansible'}
            assert not ansible, path


def test_module_utils_imports_nothing_above_it() -> None:
    for room in ALLOWED:
        for path in files(room):
            above = {name for name in imports(path) if name.startswith(PREFIX) and not name.startswith(UTILS)}
            assert above <= {UTILS.rstrip('.')}, path


def test_the_guard_of_a_build_imports_nothing_once_it_runs() -> None:
    """Ansible has then removed the archive of the module that started it."""
    code = f'import sys, {PREFIX}plugins.modules.build_guard; print(*sys.modules)'
    environment = {**os.environ, 'PYTHONPATH': str(Path(plan.__file__).parents[5])}
    done = subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True, text=True, check=True)
    loaded, paths = set(done.stdout.split()), {dotted(path): path for room in ALLOWED for path in files(room)}
    later = {name for module in loaded & paths.keys() for name in imports(paths[module]) & paths.keys()} - loaded
    before = {f'{UTILS}cloud.{name}' for name in ('eucarc', 'ini', 'secrets')}
    assert later == before, 'these read the options before the guard starts'


def test_the_lab_and_the_plugins_do_not_import_each_other() -> None:
    lab = CHECKOUT / 'lab'
    if not lab.is_dir():
        pytest.skip('this is an installed collection, which has no lab')
    for path in lab.rglob('*.py'):
        assert not {name for name in imports(path) if name.startswith('ansible_collections')}, path
    for path in PLUGINS.rglob('*.py'):
        assert not {name for name in imports(path) if name.split('.')[0] == 'eucalab'}, path
