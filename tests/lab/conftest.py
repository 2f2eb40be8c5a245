# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for the lab's own tests: real API processes on free ports, with a state directory that goes away."""
from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.config
import botocore.session
import pytest

LAB = Path(__file__).resolve().parents[2] / 'lab'
sys.path.insert(0, str(LAB))

from eucalab.accounts import ADMIN, TENANT, Credentials, create_accounts  # noqa: E402
from eucalab.config import Config  # noqa: E402
from eucalab.store import Store  # noqa: E402


@dataclasses.dataclass
class LabApi:
    """A running API process, and ways to talk to it as its accounts and as its nodes."""

    config: Config
    accounts: dict[str, Credentials]
    process: subprocess.Popen[bytes] | None = None

    @property
    def ec2_url(self) -> str:
        return f'{self.config.endpoint}/services/compute'

    @property
    def s3_url(self) -> str:
        return f'{self.config.endpoint}/services/objectstorage'

    @property
    def admin(self) -> Credentials:
        return self.accounts[ADMIN]

    @property
    def tenant(self) -> Credentials:
        return self.accounts[TENANT]

    def start(self) -> None:
        environment = {**os.environ, 'PYTHONPATH': str(LAB), 'EUCALAB_STATE': str(self.config.home.parent)}
        with open(self.config.home / 'api.log', 'ab') as log:
            self.process = subprocess.Popen([sys.executable, '-m', 'eucalab.server', self.config.name],
                                            env=environment, stdout=log, stderr=log)
        self.wait_for(self._answers, 'the API process answers', 30)

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError((self.config.home / 'api.log').read_text())
        try:
            urllib.request.urlopen(self.config.endpoint, timeout=5)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal to the process that this fixture started, and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float = 20) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            result = condition()
            if result:
                return result
            time.sleep(0.02)
        raise AssertionError(f'{what}: not within {seconds} s')

    def ec2(self, account: Credentials | None = None, api_version: str | None = '2014-10-01', signature: str = 'v2',
            **overrides: Any) -> Any:
        return self._client('ec2', account, api_version=api_version, endpoint_url=self.ec2_url, **overrides,
                            config=botocore.config.Config(signature_version=signature, retries={'max_attempts': 0}))

    def s3(self, account: Credentials | None = None, signature: str = 's3', **overrides: Any) -> Any:
        config = botocore.config.Config(
            signature_version=signature, retries={'max_attempts': 0}, s3={'addressing_style': 'path'},
            request_checksum_calculation='when_required', response_checksum_validation='when_required')
        client = self._client('s3', account, **{'endpoint_url': self.s3_url, 'config': config, **overrides})
        if signature == 's3':
            client.meta.events.register('before-sign.s3', sign_path_as_sent)
        return client

    def _client(self, service: str, account: Credentials | None, **options: Any) -> Any:
        account = account or self.tenant
        session = botocore.session.Session()
        return session.create_client(service, region_name='eucalyptus', **{
            'aws_access_key_id': account.access_key, 'aws_secret_access_key': account.secret_key, **options})

    def store(self) -> Store:
        """The lab's database, to play a node or to look behind the API."""
        return Store(self.config.database)


def sign_path_as_sent(request: Any, **_: Any) -> None:
    """botocore signs /BUCKET/ for a request that it sends to …/BUCKET; Eucalyptus computes over what was sent."""
    request.auth_path = urllib.parse.urlsplit(request.url).path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


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
        api.start()
        made.append(api)
        return api

    yield make
    for api in made:
        if api.process.poll() is None:
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
