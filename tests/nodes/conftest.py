# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty node controllers on loopback sshd, for all tests of this directory. Needs the package openssh-server."""

from __future__ import annotations

import shutil
import tempfile
import typing as t
from pathlib import Path

import pytest

from tests.nodes.fleet import Fleet

COUNT = 20


@pytest.fixture(name='directory')
def fixture_directory() -> t.Iterator[Path]:
    """A directory that the user of the hook may enter; pytest's own may not be entered by others."""
    path = Path(tempfile.mkdtemp(prefix='nodes-', dir='/var/tmp'))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(name='nodes', scope='session')
def fixture_nodes() -> t.Iterator[Fleet]:
    path = Path(tempfile.mkdtemp(prefix='nodes-fleet-', dir='/var/tmp'))
    try:
        with Fleet(path, COUNT) as nodes:
            yield nodes
    finally:
        shutil.rmtree(path, ignore_errors=True)
