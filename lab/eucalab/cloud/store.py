# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's state: one SQLite file, shared by the API process and the node controller processes.

The processes communicate only through its rows, and each column has one writer:

* The API process writes every column except those below. It acts as cloud, cluster and storage controller.
* A node controller writes only ``instances.node_state``, ``.node_reason``, ``.instance_path``, ``attachments.node_state``,
  ``.node_reason`` and ``guest_requests.node_state``, and only for instances whose ``node`` is its own name.

A node derives its work from the rows alone, so any process can be killed at any moment and started again:

======================================  ==========================================================================
``instances.state`` (API)               the node's work and the ``node_state`` it reports
======================================  ==========================================================================
pending, running                        ``staging`` (fetch, write files), ``booting`` (hook passed, domain being
                                        created), ``running``; a domain that is gone: ``teardown``
shutting-down, stopping                 destroys the domain, removes its files, reports ``teardown``
======================================  ==========================================================================

======================================  ==========================================================================
``attachments.state`` (API)             ``node_state``
======================================  ==========================================================================
attaching                               ``attached``, or ``failed`` with a reason
detaching                               ``detached``, or ``failed`` with a reason
======================================  ==========================================================================

======================================  ==========================================================================
``guest_requests.wanted`` (API)         ``node_state``
======================================  ==========================================================================
reboot, off, on                         ``done`` or ``failed``; while ``off`` is wanted, a missing domain is no teardown
======================================  ==========================================================================

The API reads reports at its next poll (every 10 s times the pace, like a cloud controller), so clients see them
later. Times are seconds since the epoch.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    number TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, is_admin INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS users (
    user_id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts, name TEXT NOT NULL,
    access_key TEXT NOT NULL UNIQUE, secret_key TEXT NOT NULL, certificate TEXT);
CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL REFERENCES accounts, acl TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL REFERENCES buckets, key TEXT NOT NULL, owner TEXT NOT NULL, acl TEXT NOT NULL,
    size INTEGER NOT NULL, etag TEXT NOT NULL, content_type TEXT NOT NULL, metadata TEXT NOT NULL DEFAULT '{}',
    file TEXT NOT NULL, modified REAL NOT NULL, PRIMARY KEY (bucket, key));
CREATE TABLE IF NOT EXISTS uploads (  -- in parts
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL REFERENCES buckets ON DELETE CASCADE, key TEXT NOT NULL, owner TEXT NOT NULL,
    user_name TEXT NOT NULL, acl TEXT NOT NULL, content_type TEXT NOT NULL, metadata TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS parts (
    upload TEXT NOT NULL REFERENCES uploads ON DELETE CASCADE, number INTEGER NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, file TEXT NOT NULL, modified REAL NOT NULL, PRIMARY KEY (upload, number));
CREATE TABLE IF NOT EXISTS images (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, name TEXT, description TEXT, type TEXT NOT NULL, location TEXT,
    architecture TEXT NOT NULL, kernel_id TEXT, ramdisk_id TEXT, virtualization_type TEXT NOT NULL,
    root_device_type TEXT NOT NULL, root_device_name TEXT, block_devices TEXT NOT NULL DEFAULT '[]',
    size INTEGER NOT NULL, manifest_sha256 TEXT,  -- hex
    state TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS launch_permissions (
    image_id TEXT NOT NULL REFERENCES images ON DELETE CASCADE, grantee TEXT NOT NULL, PRIMARY KEY (image_id, grantee));
CREATE TABLE IF NOT EXISTS instances (
    id TEXT PRIMARY KEY, reservation TEXT NOT NULL, account TEXT NOT NULL, user_id TEXT NOT NULL,
    client_token TEXT, launch_index INTEGER NOT NULL DEFAULT 0, image_id TEXT NOT NULL, kernel_id TEXT, ramdisk_id TEXT,
    instance_type TEXT NOT NULL, zone TEXT NOT NULL, key_name TEXT, groups TEXT NOT NULL DEFAULT '[]',
    root_device_type TEXT NOT NULL, root_device_name TEXT,
    user_data TEXT NOT NULL DEFAULT '',          -- base64, as the metadata service serves it
    node_user_data TEXT NOT NULL DEFAULT '',     -- base64, as the node gets it: empty after stop and start
    mac TEXT NOT NULL, private_ip TEXT, public_ip TEXT,
    state TEXT NOT NULL, state_since REAL NOT NULL, reason TEXT NOT NULL DEFAULT '', launched REAL NOT NULL,
    protected INTEGER NOT NULL DEFAULT 0,        -- DisableApiTermination
    node TEXT, node_state TEXT, node_reason TEXT, instance_path TEXT);
CREATE UNIQUE INDEX IF NOT EXISTS instance_tokens ON instances (account, client_token, launch_index) WHERE client_token IS NOT NULL;
CREATE TABLE IF NOT EXISTS guest_requests (
    instance_id TEXT PRIMARY KEY REFERENCES instances ON DELETE CASCADE, wanted TEXT NOT NULL, node_state TEXT);
CREATE TABLE IF NOT EXISTS image_tasks (     -- CreateImage, until the image is available or failed
    image_id TEXT PRIMARY KEY REFERENCES images ON DELETE CASCADE, instance_id TEXT NOT NULL UNIQUE, step TEXT NOT NULL,
    suppressed TEXT NOT NULL, snapshots TEXT NOT NULL DEFAULT '[]');
CREATE TABLE IF NOT EXISTS key_pairs (
    account TEXT NOT NULL, name TEXT NOT NULL, fingerprint TEXT NOT NULL, public_key TEXT NOT NULL, PRIMARY KEY (account, name));
CREATE TABLE IF NOT EXISTS launch_keys (  -- of the key pair as it was at the launch
    instance_id TEXT PRIMARY KEY REFERENCES instances ON DELETE CASCADE, public_key TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ephemeral_disks (  -- that block device mappings give instances with an EBS root; none or one for each
    instance_id TEXT PRIMARY KEY REFERENCES instances ON DELETE CASCADE, name TEXT NOT NULL, device TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS security_groups (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,
    rules TEXT NOT NULL DEFAULT '[]', UNIQUE (account, name));
CREATE TABLE IF NOT EXISTS addresses (
    ip TEXT PRIMARY KEY, account TEXT NOT NULL, instance_id TEXT);  -- elastic ones
CREATE TABLE IF NOT EXISTS volumes (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, size INTEGER NOT NULL, snapshot_id TEXT, zone TEXT NOT NULL,
    state TEXT NOT NULL, state_since REAL NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS attachments (
    volume_id TEXT PRIMARY KEY REFERENCES volumes, instance_id TEXT NOT NULL REFERENCES instances, device TEXT NOT NULL,
    is_root INTEGER NOT NULL DEFAULT 0, delete_on_termination INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL, state_since REAL NOT NULL, attached REAL NOT NULL, node_state TEXT, node_reason TEXT);
CREATE TABLE IF NOT EXISTS snapshots (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, volume_id TEXT NOT NULL, size INTEGER NOT NULL, description TEXT,
    state TEXT NOT NULL, progress INTEGER NOT NULL DEFAULT 0, started REAL NOT NULL);
CREATE TABLE IF NOT EXISTS snapshot_permissions (
    snapshot_id TEXT NOT NULL REFERENCES snapshots ON DELETE CASCADE, grantee TEXT NOT NULL, PRIMARY KEY (snapshot_id, grantee));
CREATE TABLE IF NOT EXISTS tags (
    resource_id TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (resource_id, account, key));
"""


class Store:
    """One process's connection to the state. Not shared between threads: each thread opens its own."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # WAL: readers are not blocked by a writer, and a killed process loses nothing that it committed.
        for pragma in ('journal_mode=WAL', 'synchronous=NORMAL', 'foreign_keys=ON'):
            self._db.execute(f'PRAGMA {pragma}')
        self._db.executescript(SCHEMA)

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return row

    def one(self, sql: str, *values: object) -> sqlite3.Row:
        """A row that must exist. LookupError when it does not."""
        row = self.row(sql, *values)
        if row is None:
            raise LookupError(f'no row: {sql} {values}')
        return row

    def execute(self, sql: str, *values: object) -> int:
        """Run one statement and return the number of rows that it changed."""
        return self._db.execute(sql, values).rowcount

    def insert(self, table: str, **columns: object) -> None:
        names, marks = ', '.join(columns), ', '.join('?' * len(columns))
        self._db.execute(f'INSERT INTO {table} ({names}) VALUES ({marks})', tuple(columns.values()))

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """A write transaction. Keep it short and never wait inside: all processes share one write lock."""
        self._db.execute('BEGIN IMMEDIATE')
        try:
            yield
        except BaseException:
            self._db.execute('ROLLBACK')
            raise
        self._db.execute('COMMIT')

    def close(self) -> None:
        self._db.close()
