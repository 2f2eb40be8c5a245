# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one instance, from its row to a running domain and to its removal (startup_thread and cleanup of a node)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..cloud.store import Store
from . import cards, hooks
from .backing import Backing
from .checkpoint import save
from .fetch import ImageCache
from .hypervisor import Hypervisor, Plug
from .instance_xml import write_instance_xml
from .model import Cancelled, Instance, NodeError, Settings, write_owned
from .stylesheet import transform

CREATE_TRIES = 5
log = logging.getLogger('eucalab.node')


class Lifecycle:
    """Operations on single instances. Each call runs in its instance's own thread."""

    def __init__(self, settings: Settings, node_hooks: hooks.Hooks, hypervisor: Hypervisor) -> None:
        self.settings = settings
        self.hooks = node_hooks
        self.hypervisor = hypervisor
        self._cache = ImageCache(settings)

    def start(self, store: Store, instance: Instance, cancelled: threading.Event) -> None:
        """Everything up to the running domain. NodeError with the reason; Cancelled when it was terminated meanwhile."""

        def pause(seconds: float) -> None:
            if cancelled.wait(seconds) if seconds else cancelled.is_set():
                raise Cancelled('the instance was terminated while it was starting')

        report(store, self.settings, instance.id, 'staging', path=str(instance.path))
        Backing(self.settings, store, self._cache, self.hooks, pause).create(instance)
        write_instance_xml(instance, self.settings)
        write_owned(instance.libvirt_file, transform(instance.xml_file, self.settings), 0o644, self.settings.owner)
        pause(0)
        self.hooks.call(hooks.PRE_BOOT, instance.path)
        pause(0)
        xml = instance.libvirt_file.read_text()
        instance.state = 'Booting'
        save(instance, self.settings)
        report(store, self.settings, instance.id, 'booting')
        pause(self.settings.shape.boot_delay * self.settings.pace)
        self._create(*cards.prepare(xml, instance, self.settings), pause)
        instance.state, instance.boot_time = 'Running', time.time()
        save(instance, self.settings)
        report(store, self.settings, instance.id, 'running')
        log.info('%s runs', instance.id)

    def _create(self, xml: str, plug: Plug | None, pause: Callable[[float], None]) -> None:
        for attempt in range(1, CREATE_TRIES + 1):
            try:
                self.hypervisor.create(xml, plug)
                return
            except NodeError as error:
                log.error('attempt %d of %d: %s', attempt, CREATE_TRIES, error)
                if attempt == CREATE_TRIES:
                    raise
            pause(self.settings.pace)

    def end(self, store: Store, instance: Instance, reason: str) -> None:
        """End the domain if it is there, clean up, report ``teardown``. A refusing pre-clean hook keeps the files."""
        self.hypervisor.destroy(instance.id)
        path = instance.path if instance.row['instance_path'] or instance.path.exists() else ''
        try:
            self.hooks.call(hooks.PRE_CLEAN, path)
        except hooks.HookFailed as error:
            log.error('%s: files are kept: %s', instance.id, error)
        else:
            remove_files(instance)
        report(store, self.settings, instance.id, 'teardown', reason=reason)
        log.info('%s is gone%s', instance.id, f': {reason}' if reason else '')


def remove_files(instance: Instance) -> None:
    """Remove files and directory. Dotfiles and sub-directories do not belong to the node: it logs and keeps them."""
    if not instance.path.exists():
        return
    for path in instance.path.iterdir():
        if not path.name.startswith('.') and (path.is_symlink() or path.is_file()):
            path.unlink()
    try:
        instance.path.rmdir()
    except OSError as error:
        log.error('%s: cannot remove %s: %s', instance.id, instance.path, error)


def report(
    store: Store, settings: Settings, instance_id: str, state: str, reason: str | None = None, path: str | None = None
) -> None:
    """Report to the cloud controller in the only columns that a node may write."""
    store.execute(
        'UPDATE instances SET node_state = ?, node_reason = coalesce(?, node_reason), '
        'instance_path = coalesce(?, instance_path) WHERE id = ? AND node = ?',
        state,
        reason,
        path,
        instance_id,
        settings.node,
    )
