# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster controller: at each poll it makes the nodes' reports visible to clients.

All delays are those of a real cloud in seconds, times the lab's pace.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time

from . import image_tasks, storage_controller
from .context import Cloud
from .instances import bury, release_volumes, set_state

log = logging.getLogger(__name__)

POLL = 10  # a cluster controller asks its nodes this often
TERMINATED_SHOWN = 3600  # VmInstances.TERMINATED_TIME; not paced
TICK = 0.25  # of the storage controller's clock; not paced
# A guest's address in QEMU's user networking, the same for all.
GUEST_ADDRESS = '10.0.2.15'


async def run(cloud: Cloud) -> None:
    """Work until cancelled."""
    storage_controller.recover(cloud)
    poll_at = 0.0
    while True:
        try:
            if time.monotonic() >= poll_at:
                poll_at = time.monotonic() + POLL * cloud.config.pace
                poll(cloud)
                image_tasks.advance(cloud)
            await storage_controller.advance(cloud)
        except Exception:
            # A full disk, or a database that another process has locked for too long. The rows keep the remaining work.
            log.exception('will be tried again')
        await asyncio.sleep(min(TICK, max(0.05, POLL * cloud.config.pace)))


def poll(cloud: Cloud) -> None:
    """Apply the reports that the nodes have made since the last poll."""
    for row in cloud.store.rows("SELECT * FROM instances WHERE state NOT IN ('stopped', 'terminated')"):
        _instance(cloud, row)
    for row in cloud.store.rows("SELECT * FROM attachments WHERE state IN ('attaching', 'detaching')"):
        _attachment(cloud, row)
    cloud.store.execute(
        "DELETE FROM guest_requests WHERE wanted = 'reboot' AND (node_state IS NOT NULL"
        " OR instance_id NOT IN (SELECT id FROM instances WHERE state = 'running'))"
    )
    for row in cloud.store.rows(
        "SELECT id FROM instances WHERE state = 'terminated' AND state_since < ?", cloud.now() - TERMINATED_SHOWN
    ):
        with cloud.store.transaction():
            bury(cloud, row['id'])


def _instance(cloud: Cloud, row: sqlite3.Row) -> None:
    if row['node_state'] == 'running' and row['state'] == 'pending':
        set_state(cloud, row['id'], 'running')
        if cloud.config.addressing is None:
            cloud.store.execute('UPDATE instances SET private_ip = ? WHERE id = ?', GUEST_ADDRESS, row['id'])
    elif row['node_state'] == 'teardown':
        _teardown(cloud, row)


def _teardown(cloud: Cloud, row: sqlite3.Row) -> None:
    """VmStateCallback.handleReportedTeardown: an instance passes through one more state, seen until the next poll."""
    reason = row['reason'] or ('User stopped.' if row['root_device_type'] == 'ebs' else 'User terminated.')
    if row['state'] == 'pending':
        reason = f'The instance failed to start on the NC. {row["node_reason"] or ""}'.rstrip()
    with cloud.store.transaction():
        if row['state'] == 'shutting-down':
            set_state(cloud, row['id'], 'terminated', reason)
            release_volumes(cloud, row['id'])
        elif row['state'] == 'stopping':
            set_state(cloud, row['id'], 'stopped', reason)
            # Volumes stay attached for the next start. Nobody would report the end of pending changes.
            cloud.store.execute("DELETE FROM attachments WHERE instance_id = ? AND state = 'detaching'", row['id'])
            cloud.store.execute(
                "UPDATE attachments SET state = 'attached', node_state = 'attached' WHERE instance_id = ? AND state = 'attaching'",
                row['id'],
            )
        elif cloud.now() > row['state_since'] + cloud.played.instances.settle * cloud.config.pace:
            set_state(cloud, row['id'], 'stopping' if row['root_device_type'] == 'ebs' else 'shutting-down', reason)


def _attachment(cloud: Cloud, row: sqlite3.Row) -> None:
    where = (row['volume_id'], row['instance_id'], row['state'])
    keys = ' WHERE volume_id = ? AND instance_id = ? AND state = ?'
    report = row['node_state']
    if (row['state'], report) in (('attaching', 'failed'), ('detaching', 'detached')):
        if report == 'failed':
            log.warning('%s could not be attached to %s: %s', row['volume_id'], row['instance_id'], row['node_reason'])
        cloud.store.execute('DELETE FROM attachments' + keys, *where)
    elif row['state'] == 'attaching' and report == 'attached':
        cloud.store.execute("UPDATE attachments SET state = 'attached', state_since = ?" + keys, cloud.now(), *where)
    elif row['state'] == 'detaching' and report == 'failed':
        # It is still attached, and a new request is possible.
        log.warning('%s could not be detached from %s: %s', row['volume_id'], row['instance_id'], row['node_reason'])
        cloud.store.execute(
            "UPDATE attachments SET state = 'attached', node_state = 'attached', state_since = ?" + keys, cloud.now(), *where
        )
