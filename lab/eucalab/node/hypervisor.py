# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's libvirt: transient domains, hot-plug, and the check that every access is preceded by."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

import libvirt
from lxml import etree

from ..errors import LabError
from ..host.libvirt_daemons import URI
from . import hooks
from .model import NodeError

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
DETACH_SECONDS = 30  # the guest's kernel must release the disk; a halted one never does
Plug = Callable[[], None]
log = logging.getLogger('eucalab.node.hypervisor')


class HypervisorGone(NodeError):
    """No connection: libvirtd is away, or a hook prevented the check. No conclusion about any domain is possible."""


class Hypervisor:
    """Domains by name. Thread-safe: as in a node controller one lock serialises all accesses (hyp_sem)."""

    def __init__(self, node_hooks: hooks.Hooks, uri: str = URI) -> None:
        self._hooks = node_hooks
        self._uri = uri
        self._lock = threading.Lock()
        self._connection: libvirt.virConnect | None = None
        # Errors come as exceptions; without a handler libvirt also writes each of them to stderr.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)

    @contextlib.contextmanager
    def connection(self) -> Iterator[libvirt.virConnect]:
        """A checked connection for as long as the block lasts. The pre-hyp-check hooks run under the lock."""
        with self._lock:
            try:
                self._hooks.call(hooks.PRE_HYP_CHECK, self._hooks.home)
            except hooks.HookFailed as error:
                raise HypervisorGone(f'hooks prevented check on the hypervisor: {error}') from error
            try:
                yield self._open()
            except libvirt.libvirtError as error:
                raise HypervisorGone(f'libvirt does not answer: {error}') from error

    def _open(self) -> libvirt.virConnect:
        try:
            if self._connection is None or not self._connection.isAlive():
                self._connection = libvirt.open(self._uri)
        except libvirt.libvirtError as error:
            self._connection = None
            raise HypervisorGone(f'no connection to {self._uri}: {error}') from error
        return self._connection

    def runs(self, name: str) -> bool:
        with self.connection() as connection:
            return _lookup(connection, name) is not None  # transient domains exist only while they run

    def adopt(self, name: str, path: str, plug: Plug | None = None) -> bool:
        """Whether a domain runs that the pre-adopt hooks let this node take over; HookFailed when one refuses it."""
        with self.connection() as connection:
            domain = _lookup(connection, name)
            if domain is None:
                return False
            self._hooks.call(hooks.PRE_ADOPT, path)
            if plug and domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:  # its start was interrupted
                self._plug(domain, plug)
            return True

    def create(self, xml: str, plug: Plug | None = None) -> None:
        """Create a transient domain, which disappears when it ends. NodeError with libvirt's message.

        The domain is paused until ``plug`` has connected its network card.
        """
        with self.connection() as connection:
            try:
                domain = connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED if plug else 0)
            except libvirt.libvirtError as error:
                raise NodeError(f'libvirt cannot create the domain: {error}') from error
            if plug:
                self._plug(domain, plug)

    def _plug(self, domain: libvirt.virDomain, plug: Plug) -> None:
        try:
            plug()
            domain.resume()
        except (LabError, libvirt.libvirtError) as error:
            with contextlib.suppress(libvirt.libvirtError):
                domain.destroy()
            raise NodeError(f"the domain's network card cannot be connected: {error}") from error

    def live_xml(self, name: str) -> str:
        """The running domain's XML. It has no passwords, as a node controller reads it."""
        with self.connection() as connection:
            xml: str = self._domain(connection, name).XMLDesc()
            return xml

    def press_power_button(self, name: str) -> bool:
        """Request a shutdown from the guest. Returns whether the request arrived, not whether the guest shuts down."""
        with self.connection() as connection:
            domain = _lookup(connection, name)
            try:
                return domain is not None and domain.shutdown() == 0
            except libvirt.libvirtError as error:
                log.warning('%s: %s', name, error)
                return False

    def destroy(self, name: str) -> None:
        """End a domain at once; no error when there is none."""
        with self.connection() as connection:
            domain = _lookup(connection, name)
            if domain is None:
                return
            try:
                domain.destroy()
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise NodeError(f'libvirt cannot end the domain: {error}') from error

    def attach(self, name: str, xml: str) -> None:
        """Plug a disk into the running domain; no error when it is there already."""
        with self.connection() as connection:
            domain = self._domain(connection, name)
            try:
                if find_disk(domain.XMLDesc(), xml) is None:
                    domain.attachDeviceFlags(xml, LIVE)
            except libvirt.libvirtError as error:
                raise NodeError(f'libvirt cannot attach the volume: {error}') from error

    def detach(self, name: str, xml: str) -> None:
        """Unplug this disk and wait until the guest has released it."""
        with self.connection() as connection:
            domain = self._domain(connection, name)
            try:
                disk = find_disk(domain.XMLDesc(), xml)
                if disk is not None:
                    domain.detachDeviceFlags(disk, LIVE)
            except libvirt.libvirtError as error:
                raise NodeError(f'libvirt cannot detach the volume: {error}') from error
        deadline = time.monotonic() + DETACH_SECONDS
        while self._has_disk(name, xml):
            if time.monotonic() > deadline:
                raise NodeError(f'the guest did not release the volume within {DETACH_SECONDS} seconds')
            time.sleep(0.2)

    def _has_disk(self, name: str, xml: str) -> bool:
        with self.connection() as connection:
            domain = _lookup(connection, name)
            try:
                return domain is not None and find_disk(domain.XMLDesc(), xml) is not None
            except libvirt.libvirtError:
                return False  # it ended in this moment

    @staticmethod
    def _domain(connection: libvirt.virConnect, name: str) -> libvirt.virDomain:
        domain = _lookup(connection, name)
        if domain is None:
            raise NodeError('the instance is not running')
        return domain


def _lookup(connection: libvirt.virConnect, name: str) -> libvirt.virDomain | None:
    try:
        return connection.lookupByName(name)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def find_disk(domain_xml: str, disk_xml: str) -> str | None:
    """The domain's own XML of this disk, recognised by its target and its file."""
    try:
        wanted = _identity(etree.fromstring(disk_xml.encode()))
    except etree.XMLSyntaxError as error:
        raise NodeError(f'the XML of the volume, which hooks may change, is broken: {error}') from error
    for disk in etree.fromstring(domain_xml).findall('devices/disk'):
        if _identity(disk) == wanted:
            return etree.tostring(disk, with_tail=False).decode()
    return None


def _identity(disk: etree._Element) -> tuple[str | None, str | None]:
    target, source = disk.find('target'), disk.find('source')
    return (None if target is None else target.get('dev'), None if source is None else source.get('file'))
