# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rebooting, switching off and on the running guests of a node (rebooting_thread, find_and_stop_instance, find_and_start_instance).

The instance stays "running" for the cloud, and no hook is called. Since 3.3 a guest starts again from the XML of its running
domain, so it has what it was booted with, and the volumes that were attached since.
"""

from __future__ import annotations

import logging
import sqlite3
import time

from ..cloud.store import Store
from . import cards, volume_xml
from .checkpoint import save
from .lifecycle import Lifecycle
from .model import Instance, NodeError, write_owned

GRACE_SECONDS = 60.0  # SHUTDOWN_GRACE_PERIOD_SEC, paced
GRACE_LEAST = 20.0  # at any pace: so long may an emulated guest take to end its services
LOOK_SECONDS = 0.2
WANTED = """
SELECT r.*, i.node_state AS instance_node_state FROM guest_requests r JOIN instances i ON i.id = r.instance_id
WHERE i.node = ? AND i.state = 'running' AND r.node_state IS NULL
"""
log = logging.getLogger('eucalab.node')


class Power:
    def __init__(self, lifecycle: Lifecycle) -> None:
        self._settings = lifecycle.settings
        self._hypervisor = lifecycle.hypervisor

    def wanted(self, store: Store) -> list[sqlite3.Row]:
        return store.rows(WANTED, self._settings.node)

    def is_off(self, store: Store, instance_id: str) -> bool:
        """Whether the cloud has requested that the guest is switched off, so that its end is not a failure."""
        return store.row("SELECT 1 FROM guest_requests WHERE instance_id = ? AND wanted = 'off'", instance_id) is not None

    def serve(self, store: Store, row: sqlite3.Row, instance: Instance | None) -> None:
        """Fulfil a row's request and report it. ``instance`` is None when it does not run on this node."""
        serve = {'reboot': self._reboot, 'off': self._switch_off, 'on': self._switch_on}[row['wanted']]
        report = 'done'
        try:
            if instance is None:
                raise NodeError('the instance is not running')
            serve(instance)
        except NodeError as error:
            log.error('%s, %s: %s', row['instance_id'], row['wanted'], error)
            report = 'failed'
        store.execute(
            'UPDATE guest_requests SET node_state = ? WHERE instance_id = ? AND wanted = ?',
            report,
            row['instance_id'],
            row['wanted'],
        )

    def _reboot(self, instance: Instance) -> None:
        if instance.shape.reboot_from_file:
            self._reboot_from_file(instance)
            return
        xml = self._hypervisor.live_xml(instance.id)
        instance.state, instance.boot_time = 'Booting', time.time()
        save(instance, self._settings)
        self._shut_down(instance)
        self._start(instance, xml)

    def _reboot_from_file(self, instance: Instance) -> None:
        """Until 3.2 a guest gets no chance to shut down. It boots from its file, which a hook may have restored since."""
        self._hypervisor.destroy(instance.id)
        self._hypervisor.create(*cards.prepare(instance.libvirt_file.read_text(), instance, self._settings))
        for volume in instance.volumes:
            self._hypervisor.attach(instance.id, volume_xml.volume_xml(instance, volume.id, volume.device, self._settings))
        log.info('%s runs again', instance.id)

    def _switch_off(self, instance: Instance) -> None:
        if self._hypervisor.runs(instance.id):
            write_owned(instance.libvirt_file, self._hypervisor.live_xml(instance.id), 0o644, self._settings.owner)
            self._shut_down(instance)

    def _switch_on(self, instance: Instance) -> None:
        if not self._hypervisor.runs(instance.id):
            self._start(instance, instance.libvirt_file.read_text())

    def _shut_down(self, instance: Instance) -> None:
        """Press the guest's power button, and destroy the domain if the guest does not shut down. Its console is kept aside."""
        deadline = time.monotonic() + max(GRACE_LEAST, GRACE_SECONDS * self._settings.pace)
        if self._hypervisor.press_power_button(instance.id):
            while self._hypervisor.runs(instance.id) and time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS)
        self._hypervisor.destroy(instance.id)
        if instance.console.exists():
            instance.console.rename(instance.console.with_name('console.log.old'))

    def _start(self, instance: Instance, xml: str) -> None:
        self._hypervisor.create(xml, cards.plug(instance, self._settings))
        instance.state = 'Running'
        save(instance, self._settings)
        log.info('%s runs again', instance.id)
