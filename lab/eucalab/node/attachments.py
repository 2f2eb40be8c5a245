# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attaching and detaching volumes of running instances, with the hooks before and after."""

from __future__ import annotations

import logging
import sqlite3

from ..cloud.store import Store
from . import hooks, volume_xml
from .checkpoint import save
from .lifecycle import Lifecycle
from .model import LIBVIRT, Instance, NodeError, VolumeOfInstance, device_name

# A request without an answer yet. The start of an instance attaches its root volume.
WANTED = """
SELECT a.*, i.node_state AS instance_node_state FROM attachments a JOIN instances i ON i.id = a.instance_id
WHERE i.node = ? AND (
    (a.state = 'attaching' AND NOT a.is_root AND coalesce(a.node_state, '') NOT IN ('attached', 'failed'))
    OR (a.state = 'detaching' AND coalesce(a.node_state, '') NOT IN ('detached', 'failed')))
"""
log = logging.getLogger('eucalab.node')


class Attachments:
    def __init__(self, lifecycle: Lifecycle) -> None:
        self._settings = lifecycle.settings
        self._hooks = lifecycle.hooks
        self._hypervisor = lifecycle.hypervisor

    def wanted(self, store: Store) -> list[sqlite3.Row]:
        return store.rows(WANTED, self._settings.node)

    def serve(self, store: Store, row: sqlite3.Row, instance: Instance | None) -> None:
        """Fulfil a row's request and report it. ``instance`` is None when it does not run on this node."""
        attach = row['state'] == 'attaching'
        try:
            if instance is None and attach:
                raise NodeError('the instance is not running')
            if instance is not None:
                (self._attach if attach else self._detach)(row, instance)
        except NodeError as error:
            log.error('%s, %s: %s', row['instance_id'], row['volume_id'], error)
            self._report(store, row, 'failed', str(error))
        else:
            self._report(store, row, 'attached' if attach else 'detached', None)

    def _attach(self, row: sqlite3.Row, instance: Instance) -> None:
        volume_id, device = row['volume_id'], device_name(row['device'])
        file = self._settings.config.volume_file(volume_id)
        if not file.exists():
            raise NodeError(f'the volume has no file {file}')
        try:
            text = volume_xml.volume_xml(instance, volume_id, device, self._settings)
            text = volume_xml.announce(instance, volume_id, text, self._settings, self._hooks)
            self._hypervisor.attach(instance.id, text)
        except NodeError:
            self._remove_files(instance, volume_id)
            raise
        self._keep(instance, volume_id, VolumeOfInstance(volume_id, device, text))

    def _detach(self, row: sqlite3.Row, instance: Instance) -> None:
        volume_id = row['volume_id']
        text = volume_xml.attached_xml(instance, volume_id, device_name(row['device']), self._settings)
        self._hypervisor.detach(instance.id, text)
        try:
            self._hooks.call(hooks.POST_DETACH, instance.volume_file(volume_id, instance.shape.detach_suffix))
        except hooks.HookFailed as error:
            log.warning('%s: ignored: %s', instance.id, error)
        self._remove_files(instance, volume_id)
        self._keep(instance, volume_id, None)

    @staticmethod
    def _remove_files(instance: Instance, volume_id: str) -> None:
        for suffix in ('.xml', LIBVIRT):
            instance.volume_file(volume_id, suffix).unlink(missing_ok=True)

    def _keep(self, instance: Instance, volume_id: str, volume: VolumeOfInstance | None) -> None:
        instance.volumes = [other for other in instance.volumes if other.id != volume_id]
        if volume is not None:
            instance.volumes.append(volume)
        save(instance, self._settings)

    @staticmethod
    def _report(store: Store, row: sqlite3.Row, state: str, reason: str | None) -> None:
        """Report only while the request stands, so that the answer is not mistaken for that of a later one."""
        store.execute(
            'UPDATE attachments SET node_state = ?, node_reason = ? WHERE volume_id = ? AND instance_id = ? AND state = ?',
            state,
            reason,
            row['volume_id'],
            row['instance_id'],
            row['state'],
        )
