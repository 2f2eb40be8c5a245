# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that run on node controllers, and all of ours that they import, are valid for the Pythons that are found there."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils import plan

PLUGINS = Path(plan.__file__).parents[1]
MODULES = ('libvirt_xml', 'libvirt_xsl', 'nc_hook')
PREFIX = 'ansible_collections.eucalyptus.cloud.plugins.'
COMPILE = 'import sys\nfor path in sys.argv[1:]:\n    compile(open(path, "rb").read(), path, "exec")\n'


def imports(path: Path) -> set[Path]:
    """Files of the collection that a file imports."""
    found = set()
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.ImportFrom) and (statement.module or '').startswith(PREFIX):
            place = PLUGINS.joinpath(*statement.module.removeprefix(PREFIX).split('.'))
            names = [place / alias.name for alias in statement.names] if place.is_dir() else [place]
            found |= {name.with_suffix('.py') for name in names}
    return found


def closure() -> list[Path]:
    todo = {PLUGINS / 'modules' / f'{name}.py' for name in MODULES}
    done: set[Path] = set()
    while todo:
        path = todo.pop()
        done.add(path)
        todo |= imports(path) - done
    return sorted(done)


def find_python(version: str) -> str | None:
    roots = Path(os.environ.get('PYENV_ROOT', '~/.pyenv')).expanduser().glob(f'versions/{version}.*/bin/python{version}')
    return next((str(path) for path in sorted(roots)), None) or shutil.which(f'python{version}')


def test_the_closure_has_what_they_share() -> None:
    assert {'nc_hook.py', 'libvirt_xsl.py', 'plan.py', 'deployment.py', 'files.py', 'controller.py'} <= {
        path.name for path in closure()
    }


def test_what_runs_on_a_node_is_in_the_room_for_it() -> None:
    utils = PLUGINS / 'module_utils'
    allowed = {utils / 'plan.py', *(utils / 'node').glob('*.py')}
    assert set(closure()) == allowed | {PLUGINS / 'modules' / f'{name}.py' for name in MODULES}


@pytest.fixture(params=['2.7', '3.6', '3.7', '3.8', '3.9', '3.10', '3.11', '3.12', '3.13'], name='python')
def fixture_python(request: pytest.FixtureRequest) -> str:
    python = find_python(request.param)
    if python is None or subprocess.run([python, '-c', ''], capture_output=True, check=False).returncode != 0:
        pytest.skip(f'no Python {request.param} here')
    return python


def test_it_compiles(python: str) -> None:
    done = subprocess.run([python, '-c', COMPILE, *map(str, closure())], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_its_room_can_be_imported(python: str, tmp_path: Path) -> None:
    """Types are in comments there, so that Python 2.7 without the module typing never meets them."""
    names = []
    for path in closure():
        if path.parent.name != 'modules':  # they need Ansible
            relative = Path(*PREFIX.strip('.').split('.')) / path.relative_to(PLUGINS)
            copy = tmp_path / relative
            for package in [copy.parent, *copy.parent.parents][: len(relative.parts) - 1]:
                package.mkdir(parents=True, exist_ok=True)
                (package / '__init__.py').touch()
            shutil.copy(path, copy)
            names.append('.'.join(relative.with_suffix('').parts))
    command = [python, '-B', '-c', 'import ' + ', '.join(names)]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
