# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for the lab's own tests: real API processes on free ports, with a temporary state directory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.command import Place
from tests.kit.lab import Lab, labs_below


@pytest.fixture(scope='session')
def make_lab_api() -> Iterator[Callable[..., Lab]]:
    """Make labs with a running API process; options are those of Config. They end with the tests."""
    root = Path(tempfile.mkdtemp(prefix='eucalab-test-'))
    made: list[Lab] = []

    def make(name: str, **options: Any) -> Lab:
        made.append(Lab.create(name, **options))
        made[-1].start()
        return made[-1]

    with labs_below(root):
        yield make
        for lab in made:
            if lab.process is not None and lab.process.poll() is None:
                lab.stop()
    shutil.rmtree(root)


@pytest.fixture(scope='session')
def lab_api(make_lab_api: Callable[..., Lab]) -> Lab:
    """One lab for all tests that do not touch other tests' resources. Pace 0.02: polls every 0.2 s, snapshots take 0.6 s."""
    return make_lab_api('shared')


@pytest.fixture(scope='module')
def place() -> Iterator[Place]:
    # Not pytest's own directory: the users of hooks and hypervisor cannot enter it.
    root = Path(tempfile.mkdtemp(prefix='eucalab-test-', dir='/var/tmp'))
    root.chmod(0o755)
    here = Place(root)
    try:
        yield here
    finally:
        for lab in here.state.glob('*'):
            here.run('down', '--name', lab.name)
        shutil.rmtree(root)


@pytest.fixture(scope='session')
def slow_api(make_lab_api: Callable[..., Lab]) -> Lab:
    """For tests of every state: states change only by ``poll`` and ``age``."""
    return make_lab_api('slow', pace=1000.0)
