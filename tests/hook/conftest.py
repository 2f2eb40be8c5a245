# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hook.hook_oracle import Policy
from tests.hook.hook_world import FILES, SHELLS, World, adopt_orphans

Build = Callable[..., World]


@pytest.fixture(scope='session', autouse=True)
def fixture_adopt_orphans() -> None:
    adopt_orphans()


@pytest.fixture(name='shell', params=list(SHELLS))
def fixture_shell(request: pytest.FixtureRequest) -> str:
    program = SHELLS[request.param][0]
    if not os.path.exists(program):
        pytest.skip(f'{program} is not installed')
    return request.param


@pytest.fixture(name='any_shell')
def fixture_any_shell(request: pytest.FixtureRequest) -> str:
    """One of the shells, always the same for the same test: for promises that need not be asked of each of them."""
    return sorted(SHELLS)[zlib.crc32(request.node.name.encode()) % len(SHELLS)]


@pytest.fixture(name='build')
def fixture_build(tmp_path: Path) -> Build:
    """Make a world: build(installers='x', …) takes what Policy takes, and `files`."""
    number = 0

    def build(files: Path = FILES, **policy: object) -> World:
        nonlocal number
        number += 1
        return World(tmp_path / str(number), Policy(**policy), files)

    return build


@pytest.fixture(name='world')
def fixture_world(build: Build) -> World:
    """A world with the default policy."""
    return build()
