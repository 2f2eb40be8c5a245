# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of CreateImage (``CreateImageTask``): switch the guest off, take snapshots, register the image, switch it on.

The rows contain everything that a task needs, so a restarted process continues it.
"""

from __future__ import annotations

import json
import logging
import sqlite3

from . import storage_controller
from .context import Cloud

log = logging.getLogger(__name__)
GIB = 1 << 30


class TaskError(Exception):
    """The reason why an image cannot be created. Clients see its state ``failed``; the reason is in the log."""


def advance(cloud: Cloud) -> None:
    """Advance every task by one step. Called at each poll; needs a running event loop."""
    for task in cloud.store.rows('SELECT * FROM image_tasks'):
        request = cloud.store.row("SELECT * FROM guest_requests WHERE instance_id = ? AND wanted != 'reboot'", task['instance_id'])
        try:
            if task['step'] == 'starting':
                _finish(cloud, task, request)
            else:
                _check_instance(cloud, task)
                (_take_snapshots if task['step'] == 'pending' else _register)(cloud, task, request)
        except TaskError as error:
            log.error('%s of %s: %s', task['image_id'], task['instance_id'], error)
            _end(cloud, task, request, "UPDATE images SET state = 'failed' WHERE id = ? AND state = 'pending'", task['image_id'])


def _check_instance(cloud: Cloud, task: sqlite3.Row) -> None:
    instance = cloud.store.row('SELECT state FROM instances WHERE id = ?', task['instance_id'])
    if instance is None or instance['state'] not in ('running', 'stopped'):
        raise TaskError('the instance is no longer running or stopped')


def _take_snapshots(cloud: Cloud, task: sqlite3.Row, request: sqlite3.Row | None) -> None:
    if request is not None and request['node_state'] is None:
        return  # the guest is not off yet
    if request is not None and request['node_state'] == 'failed':
        raise TaskError('the node cannot switch the guest off')
    image = cloud.store.one('SELECT account FROM images WHERE id = ?', task['image_id'])
    attached = cloud.store.rows(
        'SELECT * FROM attachments WHERE instance_id = ? ORDER BY is_root DESC, device', task['instance_id']
    )
    if not attached or not attached[0]['is_root']:
        raise TaskError('the root volume is not attached')
    snapshots = []
    for row in attached:
        if row['device'] in json.loads(task['suppressed']):
            continue
        volume = cloud.store.one('SELECT * FROM volumes WHERE id = ?', row['volume_id'])
        if volume['account'] != image['account'] or volume['state'] != 'available':
            raise TaskError(f'no snapshot of {volume["id"]} is possible')
        description = f'Created by CreateImage({task["instance_id"]}) for {task["image_id"]} from {volume["id"]}'
        identifier = storage_controller.take_snapshot(cloud, volume, description)
        snapshots.append({'device_name': row['device'], 'snapshot_id': identifier})
    cloud.store.execute(
        "UPDATE image_tasks SET step = 'snapshotting', snapshots = ? WHERE image_id = ?", json.dumps(snapshots), task['image_id']
    )


def _register(cloud: Cloud, task: sqlite3.Row, request: sqlite3.Row | None) -> None:
    """Make the image available when all snapshots are completed. The first one is of the root volume."""
    devices = []
    for snapshot in json.loads(task['snapshots']):
        row = cloud.store.row('SELECT * FROM snapshots WHERE id = ?', snapshot['snapshot_id'])
        if row is None or row['state'] == 'failed':
            raise TaskError(f'{snapshot["snapshot_id"]} failed')
        if row['state'] != 'completed':
            return
        devices.append({**snapshot, 'size': row['size'], 'delete_on_termination': True})
    others = cloud.store.row('SELECT block_devices FROM images WHERE id = ?', task['image_id'])
    _end(
        cloud,
        task,
        request,
        "UPDATE images SET state = 'available', root_device_name = ?, size = ?, block_devices = ?"
        " WHERE id = ? AND state = 'pending'",
        devices[0]['device_name'],
        devices[0]['size'] * GIB,
        json.dumps([*devices, *json.loads(others['block_devices'] if others else '[]')]),
        task['image_id'],
    )


def _end(cloud: Cloud, task: sqlite3.Row, request: sqlite3.Row | None, sql: str, *values: object) -> None:
    """Change the image by the statement, and switch the guest on if it was switched off."""
    with cloud.store.transaction():
        cloud.store.execute(sql, *values)
        if request is None:
            cloud.store.execute('DELETE FROM image_tasks WHERE image_id = ?', task['image_id'])
        else:
            cloud.store.execute("UPDATE image_tasks SET step = 'starting' WHERE image_id = ?", task['image_id'])
            cloud.store.execute(
                "UPDATE guest_requests SET wanted = 'on', node_state = NULL WHERE instance_id = ?", task['instance_id']
            )


def _finish(cloud: Cloud, task: sqlite3.Row, request: sqlite3.Row | None) -> None:
    """The task ends with the node's answer, or with the instance."""
    runs = cloud.store.row("SELECT 1 FROM instances WHERE id = ? AND state = 'running'", task['instance_id'])
    if request is None or request['node_state'] or not runs:
        with cloud.store.transaction():
            cloud.store.execute('DELETE FROM guest_requests WHERE instance_id = ?', task['instance_id'])
            cloud.store.execute('DELETE FROM image_tasks WHERE image_id = ?', task['image_id'])
