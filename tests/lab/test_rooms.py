# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's rooms import in one direction: programs → services and nodes → the cloud → the machine."""

from __future__ import annotations

import ast
import graphlib
import re

import pytest

from tests.kit.paths import LAB, ROOT

EUCALAB = LAB / 'eucalab'
BASE = {'addressing', 'errors', 'config', 'versions'}
# Room or module -> what it may import in addition to itself and BASE.
ALLOWED = {
    'addressing': set(),
    'errors': set(),
    'config': set(),
    'versions': set(),
    'installer': set(),
    'host': {'installer'},
    'cloud': {'host', 'installer'},
    'protocol': {'cloud'},
    's3': {'cloud', 'protocol'},
    'ec2': {'cloud', 'protocol', 's3'},
    'node': {'cloud', 'host'},
    'network': {'cloud', 'host'},
    'server': {'cloud', 'network', 'protocol', 's3', 'ec2'},
    'cli': {'cloud', 'host'},
    '__main__': {'cli'},
}
MODULES = {
    '.'.join(path.relative_to(EUCALAB).with_suffix('').parts).removesuffix('.__init__'): path for path in EUCALAB.rglob('*.py')
}


def imports(module: str) -> set[str]:
    """The lab's modules that a module imports, those included that only a function imports."""
    path = MODULES[module]
    package = path.relative_to(EUCALAB).parent.parts
    found = set()
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.ImportFrom) and statement.level:
            above = package[: len(package) - statement.level + 1]
            base = '.'.join([*above, *([statement.module] if statement.module else [])])
            for name in (f'{base}.{alias.name}'.lstrip('.') for alias in statement.names):
                found.add(name if name in MODULES else base)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            names = [statement.module or ''] if isinstance(statement, ast.ImportFrom) else [one.name for one in statement.names]
            assert not any(name.split('.')[0] == 'eucalab' for name in names), f'{path}: imports within the lab are relative'
    return found - {''}


def room(module: str) -> str:
    return module.split('.')[0]


def test_every_module_is_in_a_room_or_named_here() -> None:
    assert {room(module) for module in MODULES} - {'__init__'} == set(ALLOWED)


@pytest.mark.parametrize('module', sorted(set(MODULES) - {'__init__'}))
def test_a_room_imports_only_the_rooms_below_it(module: str) -> None:
    assert {room(imported) for imported in imports(module)} <= ALLOWED[room(module)] | BASE | {room(module)}


def test_no_import_is_part_of_a_cycle() -> None:
    graph = {module: imports(module) for module in MODULES}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_no_test_changes_the_import_path() -> None:
    """pytest.ini, the Makefile and tests/kit/paths.py set it."""
    changes = re.compile(r'sys\.path\.(insert|append|extend)|sys\.path(\[.*\])? \+?= ')
    assert [path for path in (ROOT / 'tests').rglob('*.py') if changes.search(path.read_text())] == []
