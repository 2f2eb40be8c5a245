# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that has only what the README installs. It needs PyPI."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.paths import COLLECTIONS, ROOT

# Imports each name; prints those that fail.
IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as problem:
        print(f'{name}: {problem}')
"""
PREFIX = 'ansible_collections.eucalyptus.cloud.'


def readme_line(start: str) -> str:
    (line,) = re.findall(rf'^    ({re.escape(start)}.*)$', (ROOT / 'README.md').read_text(), re.MULTILINE)
    return line


def imported(*folders: str) -> set[str]:
    """Packages that the files import, those in a try or in a function included, without Python's own and the checkout's."""
    names = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob('*.py')):
        for statement in ast.walk(ast.parse(path.read_text())):
            if isinstance(statement, ast.Import):
                names |= {alias.name.split('.')[0] for alias in statement.names}
            elif isinstance(statement, ast.ImportFrom) and not statement.level:
                names.add(str(statement.module).split('.')[0])
    own = {'ansible_collections', 'eucalab', 'tests', *(path.stem for path in (ROOT / 'tests').rglob('test_*.py'))}
    return names - set(sys.stdlib_module_names) - own


def failing(python: Path, names: set[str]) -> str:
    done = subprocess.run(
        [python, '-c', IMPORT, *sorted(names)], env={'PYTHONPATH': str(COLLECTIONS)}, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture(scope='module')
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a virtual environment that was made by the README's two lines."""
    home = tmp_path_factory.mktemp('home')
    make = readme_line('python3 -m venv').replace('python3', '/usr/bin/python3').replace('source', '.').replace('~', str(home))
    script = f'{make} && {readme_line("pip install").replace("pip install", "pip install -q")}'
    subprocess.run(['bash', '-ec', script], cwd=ROOT, check=True)
    return home / 'eucalyptus/bin/python'


def test_the_readmes_lines_install_whatever_a_plugin_imports(python: Path) -> None:
    assert failing(python, imported('plugins')) == ''


def test_every_plugin_can_be_imported_there(python: Path) -> None:
    plugins = {'.'.join(path.relative_to(ROOT).with_suffix('').parts) for path in (ROOT / 'plugins').rglob('*.py')}
    assert failing(python, {PREFIX + name.removesuffix('.__init__') for name in plugins}) == ''


def test_images_are_compressed_by_isal_there(python: Path) -> None:
    code = f'from {PREFIX}plugins.module_utils.image.compression import Compressor; print(Compressor().library)'
    done = subprocess.run([python, '-c', code], env={'PYTHONPATH': str(COLLECTIONS)}, capture_output=True, text=True, check=True)
    assert done.stdout == 'isal\n'


def test_the_lists_of_requirements_name_whatever_benchmarks_and_tests_import() -> None:
    lists = ('requirements.txt', 'lab/requirements.txt', 'tests/requirements.txt', 'tools/requirements.txt')
    listed = {re.split('[<>=~]', line)[0] for name in lists for line in (ROOT / name).read_text().splitlines()}
    # ansible-core has yaml and jinja2, boto3 has s3transfer; Debian's libvirt is linked into the environment by tools/setup.
    here = {'ansible-core': 'ansible', 'pyyaml': 'yaml'}
    provided = {here.get(name, name) for name in listed} | {'yaml', 'jinja2', 's3transfer', 'libvirt'}
    assert imported('lab/eucalab', 'tests') - provided == set()
