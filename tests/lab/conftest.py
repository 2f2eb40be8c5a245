# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for the lab's own tests: real API processes on free ports, with a state directory that goes away."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from api_support import LabApi  # it puts the lab's package on the path
from cli_support import Place
from eucalab.cloud.accounts import create_accounts
from eucalab.cloud.store import Store
from eucalab.config import Config
from lab_process import free_port


@pytest.fixture(scope='session')
def make_lab_api() -> Iterator[Callable[..., LabApi]]:
    """Make labs whose API process runs; options are those of Config. All are ended when the tests are."""
    root = Path(tempfile.mkdtemp(prefix='eucalab-test-'))
    before = os.environ.get('EUCALAB_STATE')
    os.environ['EUCALAB_STATE'] = str(root)
    made: list[LabApi] = []

    def make(name: str, **options: Any) -> LabApi:
        config = Config(**{'name': name, 'port': free_port(), 'pace': 0.02, **options})
        config.save()
        config.make_directories()
        store = Store(config.database)
        api = LabApi(config, create_accounts(store, config))
        store.close()
        made.append(api)
        api.start()
        return api

    yield make
    for api in made:
        if api.process is not None and api.process.poll() is None:
            api.stop()
    shutil.rmtree(root)
    if before is None:
        del os.environ['EUCALAB_STATE']
    else:
        os.environ['EUCALAB_STATE'] = before


@pytest.fixture(scope='session')
def lab_api(make_lab_api: Callable[..., LabApi]) -> LabApi:
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
def slow_api(make_lab_api: Callable[..., LabApi]) -> LabApi:
    """For tests that see every state: nothing gets on by itself while they look, but by ``poll`` and ``age``."""
    return make_lab_api('slow', pace=1000.0)
