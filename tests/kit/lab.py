# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab for tests: its API process, its state, and ways to play its nodes."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eucalab.cli import READY_SECONDS
from eucalab.cloud import cluster_controller
from eucalab.cloud.accounts import create_accounts
from eucalab.cloud.context import Cloud
from eucalab.cloud.store import Store
from eucalab.config import Config
from eucalab.versions import PLAYED

from .clients import Clients
from .paths import environment
from .ports import free_port
from .waiting import wait_for

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11 on


@contextlib.contextmanager
def labs_below(root: Path) -> Iterator[None]:
    """Keep this process's labs below ``root``."""
    before = os.environ.get('EUCALAB_STATE')
    os.environ['EUCALAB_STATE'] = str(root)
    try:
        yield
    finally:
        if before is None:
            del os.environ['EUCALAB_STATE']
        else:
            os.environ['EUCALAB_STATE'] = before


@dataclasses.dataclass
class Lab(Clients):
    """A lab whose API process the test starts and stops. It has no node processes."""

    process: subprocess.Popen[bytes] | None = None
    log_start: int = 0

    @classmethod
    def create(cls, name: str, **options: Any) -> Self:
        """Make a lab; options are those of Config. Its process is not started yet."""
        config = Config(**{'name': name, 'port': free_port(), 'pace': 0.02, **options})
        config.save()
        config.make_directories()
        return cls.load(name)

    @classmethod
    def load(cls, name: str) -> Self:
        """A lab that exists. FileNotFoundError when there is none of this name."""
        config = Config.load(name)
        with contextlib.closing(Store(config.database)) as store:
            return cls(config, create_accounts(store, config))

    @classmethod
    @contextlib.contextmanager
    def running(cls, root: Path, name: str, **options: Any) -> Iterator[Self]:
        """Make a lab below ``root``, and run its API process."""
        with labs_below(root):
            lab = cls.create(name, **options)
            try:
                lab.start()
                yield lab
            finally:
                lab.stop()

    def start(self) -> None:
        command = [sys.executable, '-m', 'eucalab.server', self.config.name]
        with open(self.config.home / 'api.log', 'ab') as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(command, env=environment(EUCALAB_STATE=self.config.home.parent), stdout=log, stderr=log)
        wait_for('the API process answers', self._answers, READY_SECONDS)

    def _answers(self) -> bool:
        assert self.process is not None
        ended = self.process.poll() is not None  # asked first: then the log below has its last words
        log = (self.config.home / 'api.log').read_bytes()[self.log_start :].decode()
        if ended:
            raise AssertionError(log)
        return f'at {self.config.endpoint}\n' in log

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal to the process that this fixture started, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def report(self, instance: str, node_state: str, path: Path | None = None, reason: str | None = None) -> None:
        """Play the instance's node: report a state of its domain."""
        self.execute(
            'UPDATE instances SET node_state = ?, node_reason = ?, instance_path = coalesce(?, instance_path) WHERE id = ?',
            node_state,
            reason,
            path and str(path),
            instance,
        )

    def report_attachment(self, volume: str, node_state: str, reason: str | None = None) -> None:
        self.execute('UPDATE attachments SET node_state = ?, node_reason = ? WHERE volume_id = ?', node_state, reason, volume)

    def insert(self, table: str, **columns: object) -> None:
        """Write a row that no request would make."""
        with contextlib.closing(Store(self.config.database)) as store:
            store.insert(table, **columns)

    def execute(self, sql: str, *values: object) -> None:
        """Change the lab's state directly."""
        with contextlib.closing(Store(self.config.database)) as store:
            store.execute(sql, *values)

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Read the lab's state directly, which no credentials restrict."""
        with contextlib.closing(Store(self.config.database)) as store:
            return store.rows(sql, *values)

    def row(self, table: str, identifier: str) -> dict[str, Any]:
        """A resource's row, as a node sees it."""
        (row,) = self.rows(f'SELECT * FROM {table} WHERE id = ?', identifier)
        return dict(row)

    def poll(self) -> None:
        """Play the cluster controller: take in now what the nodes have reported."""
        with contextlib.closing(Store(self.config.database)) as store:
            cluster_controller.poll(Cloud(self.config, store, PLAYED[self.config.play]))

    def age(self, table: str, identifier: str, seconds: float) -> None:
        """Make a resource's state this many of the cloud's seconds older."""
        since = 'started' if table == 'snapshots' else 'state_since'
        self.execute(f'UPDATE {table} SET {since} = {since} - ? WHERE id = ?', seconds * self.config.pace, identifier)
