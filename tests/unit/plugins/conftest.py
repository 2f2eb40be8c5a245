# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What unit tests of modules share: the fake transport, a clock that nobody waits for, and a way to run a module."""

from __future__ import annotations

import errno
import importlib
import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils import basic
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import retry, waiting
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console import record
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import Clock, FakeCloud
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.file_server import Signer

CONNECTION = {
    'ec2_url': 'http://cloud.test:8773/services/compute',
    's3_url': 'http://cloud.test:8773/services/objectstorage',
    'access_key': 'AKITEST',
    'secret_key': 'very-secret',
}


@pytest.fixture(name='cloud')
def fixture_cloud(monkeypatch: pytest.MonkeyPatch) -> FakeCloud:
    fake = FakeCloud()
    monkeypatch.setattr('botocore.httpsession.URLLib3Session.send', lambda _session, request: fake.send(request))
    return fake


@pytest.fixture(name='clock')
def fixture_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (retry, waiting):
        monkeypatch.setattr(module, 'time', clock)
    return clock


@pytest.fixture(name='run')
def fixture_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> t.Callable[..., dict[str, t.Any]]:
    """Run a module as Ansible does, with the connection options, and return its result."""

    def run(module: str, /, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        arguments = {**CONNECTION, **options, '_ansible_check_mode': check, '_ansible_diff': True}
        monkeypatch.setattr(basic, '_ANSIBLE_ARGS', json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode())
        monkeypatch.setattr(basic, '_ANSIBLE_PROFILE', 'legacy', raising=False)
        imported = importlib.import_module(f'ansible_collections.eucalyptus.cloud.plugins.modules.{module}')
        with pytest.raises(SystemExit):
            imported.main()
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture(name='full_disk')
def fixture_full_disk(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[bool], None]:
    """The disk for consoles is full, until the returned function is called with False.

    Like the system's own error of a write, this one names no file.
    """
    full = [True]

    def opened(file: t.Any, mode: str) -> t.Any:
        if mode == 'ab' and full[0]:
            os.close(file)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return open(file, mode)

    monkeypatch.setattr(record, 'open', opened, raising=False)
    return lambda now: full.__setitem__(0, now)


@pytest.fixture(name='spool')
def fixture_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Path]:
    """The directory where images are unpacked; in the end nothing may be left in it."""
    spool = tmp_path / 'spool'
    spool.mkdir()
    monkeypatch.setenv('TMPDIR', str(spool))
    yield spool
    assert os.listdir(spool) == [], 'something was left behind'


@pytest.fixture(name='signer', scope='module')
def fixture_signer(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Signer]:
    """A distribution's signing key, with its keyring."""
    signer = Signer(tmp_path_factory.mktemp('signer') / 'home')
    yield signer
    signer.close()
