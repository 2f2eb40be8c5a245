# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab's API process for a test: real, with its own state directory and port, no nodes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
KEPT_PORTS: list[socket.socket] = []


@dataclass(frozen=True)
class Lab:
    name: str
    port: int
    home: Path
    accounts: dict  # account name -> eucalab.accounts.Credentials
    database: Path

    def options(self, port: int | None = None, account: str = 'eucalyptus') -> dict[str, str]:
        """The connection options of our modules; `port` puts something between."""
        user = self.accounts[account]
        url = f'http://127.0.0.1:{port or self.port}/services'
        return {
            'ec2_url': f'{url}/compute',
            's3_url': f'{url}/objectstorage',
            'access_key': user.access_key,
            'secret_key': user.secret_key,
            'account_id': user.number,
            'user_cert': str(user.certificate),
            'user_private_key': str(user.private_key),
            'cloud_cert': str(self.home / 'keys' / 'cloud-cert.pem'),
        }


def free_port() -> int:
    """A port that nobody else is given as long as this process lives: neither before its server is up, nor between two
    servers. A socket that is bound and does not listen keeps it, and lets in who sets SO_REUSEADDR as it does."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(('127.0.0.1', 0))
    KEPT_PORTS.append(keeper)
    return keeper.getsockname()[1]


@contextlib.contextmanager
def running_lab(state: Path, play: str = '4.4') -> Iterator[Lab]:
    """Create a lab under `state` and run its API process."""
    os.environ['EUCALAB_STATE'] = str(state)
    sys.path.insert(0, str(REPOSITORY / 'lab'))
    from eucalab import cli, config
    from eucalab.cloud import accounts, store

    settings = config.Config(name='faults', port=free_port(), play=play, pace=0.0)
    settings.save()
    settings.make_directories()
    memory = store.Store(settings.database)
    made = accounts.create_accounts(memory, settings)
    memory.close()
    log = open(settings.home / 'api.log', 'wb')  # noqa: SIM115
    process = subprocess.Popen(
        [sys.executable, '-m', 'eucalab.server', settings.name],
        stdout=log,
        stderr=log,
        env={**os.environ, 'PYTHONPATH': str(REPOSITORY / 'lab')},
    )
    try:
        _await_port(settings.port, process, cli.READY_SECONDS)
        yield Lab(settings.name, settings.port, settings.home, made, settings.database)
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _await_port(port: int, process: subprocess.Popen, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the lab's API process ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("the lab's API process does not listen")
