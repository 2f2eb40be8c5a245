# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for the lab's own tests: real API processes on free ports, with a state directory that goes away."""

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
    """Make labs whose API process runs; options are those of Config. All are ended when the tests are."""
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
    """One lab for all tests that leave others' resources alone. Pace 0.02: polls every 0.2 s, snapshots take 0.6 s."""
    return make_lab_api('shared')


@pytest.fixture(scope='module')
def place() -> Iterator[Place]:
    # Not pytest's own directory: the users of hooks and hypervisor may not enter it.
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
    """For tests that see every state: nothing gets on by itself while they look, but by ``poll`` and ``age``."""
    return make_lab_api('slow', pace=1000.0)
