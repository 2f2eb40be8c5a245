# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage controller: the files behind volumes and snapshots, and their states.

A file appears under its own name only when it is complete. A partial file of a killed process has
another name. The next start removes it and repeats the work, which the row still requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .context import Cloud

log = logging.getLogger(__name__)

# Seconds at pace 1.0.
VOLUME_CREATION, VOLUME_DELETION, SNAPSHOT, DELETED_SHOWN = 8, 8, 30, 60
GIB = 1 << 30
_PARTIAL = '.partial'


def recover(cloud: Cloud) -> None:
    """At start: remove partial files and restart interrupted copies. Needs a running event loop."""
    for folder in (cloud.config.volumes, cloud.config.snapshots):
        for path in folder.glob('*' + _PARTIAL):
            path.unlink()
    for row in cloud.store.rows("SELECT * FROM snapshots WHERE state = 'pending'"):
        if not cloud.config.snapshot_file(row['id']).exists():
            start_copy(cloud, row['id'], row['volume_id'])


def take_snapshot(cloud: Cloud, volume: sqlite3.Row, description: str | None) -> str:
    """Begin a snapshot of a volume for the volume's owner; returns its id. Needs a running event loop."""
    identifier = cloud.new_id('snap')
    cloud.store.insert(
        'snapshots',
        id=identifier,
        account=volume['account'],
        volume_id=volume['id'],
        size=volume['size'],
        description=description,
        state='pending',
        progress=0,
        started=cloud.now(),
    )
    start_copy(cloud, identifier, volume['id'])
    return identifier


def start_copy(cloud: Cloud, snapshot: str, volume: str) -> None:
    """Begin to copy a volume; ``cloud.copies`` has the task until it is done."""
    before = cloud.copies.get(volume)

    async def copy() -> None:
        if before is not None:
            await before
        try:
            with _failing_alone(cloud, 'snapshots', snapshot):
                await asyncio.to_thread(_copy, cloud.config.volume_file(volume), cloud.config.snapshot_file(snapshot), None)
        finally:
            if cloud.copies.get(volume) is task:
                del cloud.copies[volume]

    task = asyncio.create_task(copy())
    cloud.copies[volume] = task


def _copy(source: Path, target: Path, size: int | None) -> None:
    """Copy a sparse file, resize it to ``size`` bytes, and rename it into place."""
    partial = target.with_name(target.name + _PARTIAL)
    subprocess.run(
        ['cp', '--sparse=always', '--reflink=auto', '--', os.fspath(source), os.fspath(partial)], check=True, capture_output=True
    )
    partial.chmod(0o600)
    if size is not None:
        os.truncate(partial, size)
    partial.replace(target)


def _create_empty(target: Path, size: int) -> None:
    partial = target.with_name(target.name + _PARTIAL)
    with open(partial, 'wb') as out:
        os.fchmod(out.fileno(), 0o600)
        out.truncate(size)
    partial.replace(target)


@contextlib.contextmanager
def _failing_alone(cloud: Cloud, table: str, identifier: str) -> Iterator[None]:
    """Log an error with one volume or snapshot and mark it as failed, without affecting the others."""
    try:
        yield
    except sqlite3.Error:
        raise  # not the resource's failure
    except Exception:
        log.exception('%s failed', identifier)
        cloud.store.execute(f"UPDATE {table} SET state = 'failed' WHERE id = ?", identifier)


async def advance(cloud: Cloud) -> None:
    """Advance every volume and snapshot whose delay has passed. Called several times a second."""
    await _create_volumes(cloud)
    _delete_volumes(cloud)
    _advance_snapshots(cloud)


async def _create_volumes(cloud: Cloud) -> None:
    for row in cloud.store.rows("SELECT * FROM volumes WHERE state = 'creating'"):
        with _failing_alone(cloud, 'volumes', row['id']):
            target = cloud.config.volume_file(row['id'])
            if not target.exists() and not await _make_volume(cloud, target, row['snapshot_id'], row['size']):
                continue
            if cloud.now() >= row['state_since'] + VOLUME_CREATION * cloud.config.pace:
                cloud.store.execute(
                    "UPDATE volumes SET state = 'available', state_since = ? WHERE id = ? AND state = 'creating'",
                    cloud.now(),
                    row['id'],
                )


async def _make_volume(cloud: Cloud, target: Path, snapshot: str | None, size: int) -> bool:
    """Make a volume's file. False if its snapshot does not exist yet: the volume waits for it, as in the storage controller."""
    if snapshot is None:
        _create_empty(target, size * GIB)
        return True
    state = cloud.store.row('SELECT state FROM snapshots WHERE id = ?', snapshot)
    if state is not None and state['state'] == 'pending':
        return False
    await asyncio.to_thread(_copy, cloud.config.snapshot_file(snapshot), target, size * GIB)
    return True


def _delete_volumes(cloud: Cloud) -> None:
    now, pace = cloud.now(), cloud.config.pace
    for row in cloud.store.rows(
        "SELECT * FROM volumes WHERE state = 'deleting' AND state_since <= ?", now - VOLUME_DELETION * pace
    ):
        if row['id'] in cloud.copies:
            continue
        with _failing_alone(cloud, 'volumes', row['id']):
            cloud.config.volume_file(row['id']).unlink(missing_ok=True)
            cloud.store.execute("UPDATE volumes SET state = 'deleted', state_since = ? WHERE id = ?", now, row['id'])
    for row in cloud.store.rows("SELECT * FROM volumes WHERE state = 'deleted' AND state_since <= ?", now - DELETED_SHOWN * pace):
        cloud.forget_tags(row['id'])
        cloud.store.execute('DELETE FROM volumes WHERE id = ?', row['id'])


def _advance_snapshots(cloud: Cloud) -> None:
    seconds = SNAPSHOT * cloud.config.pace
    for row in cloud.store.rows("SELECT * FROM snapshots WHERE state = 'pending'"):
        passed = (cloud.now() - row['started']) / seconds if seconds else 1.0
        if passed >= 1 and cloud.config.snapshot_file(row['id']).exists():
            cloud.store.execute("UPDATE snapshots SET state = 'completed', progress = 100 WHERE id = ?", row['id'])
        else:
            # In steps, as the storage controller reports its upload.
            progress = min(int(passed * 10) * 10, 95)
            if progress != row['progress']:
                cloud.store.execute('UPDATE snapshots SET progress = ? WHERE id = ?', progress, row['id'])
