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

from eucalab.config import cache_root
from eucalab.versions import PLAYED
from tests.kit.command import Place
from tests.kit.lab import Lab, labs_below
from tests.lab.installer_support import Machine, Mirror, Start


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


@pytest.fixture(scope='session')
def clouds(make_lab_api: Callable[..., Lab]) -> dict[str, Lab]:
    """One lab of each version."""
    return {play: make_lab_api('version-' + play.replace('.', '-'), play=play) for play in PLAYED}


@pytest.fixture(params=list(PLAYED))
def cloud(request: pytest.FixtureRequest, clouds: dict[str, Lab]) -> Lab:
    """The test runs on each version."""
    return clouds[request.param]


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


@pytest.fixture(scope='session')
def mirror() -> Iterator[Mirror]:
    running = Mirror()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start machines: with a command line the installer, without one from the disk."""
    started = []

    def run(cmdline: str | None = None, *attached: Path, mac: str = 'd0:0d:00:00:00:01', ssh_port: int | None = None) -> Machine:
        options = []
        for number, disk in enumerate(attached):
            options += ['-drive', f'file={disk},if=none,id=disk{number},format=raw,cache=unsafe']
            options += ['-device', f'virtio-blk-pci,drive=disk{number}']
        if cmdline is not None:
            installer = cache_root() / 'installer'
            options += [
                '-kernel',
                str(installer / 'vmlinuz'),
                '-initrd',
                str(installer / 'initrd'),
                '-append',
                f'console=ttyS0 no_timer_check loglevel=4 {cmdline}',
            ]
        started.append(Machine(tmp_path, options, mac, ssh_port))
        return started[-1]

    yield run
    for machine in started:
        machine.end()
