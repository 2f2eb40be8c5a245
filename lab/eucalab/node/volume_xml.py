# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The libvirt XML of a volume's disk, as the iSCSI connect script of 4.1 and later prints it."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from . import hooks
from .model import Instance, Settings, volume_serial, write_owned


def volume_xml(volume_id: str, device: str, file: Path) -> str:
    """A file where the real node has a block device. cache='unsafe' for the reason given in libvirt.xsl."""
    disk = etree.Element('disk', type='file')
    etree.SubElement(disk, 'driver', name='qemu', type='raw', cache='unsafe')
    etree.SubElement(disk, 'source', file=str(file))
    etree.SubElement(disk, 'target', bus='virtio', dev=device)
    etree.SubElement(disk, 'serial').text = volume_serial(volume_id, device)
    return etree.tostring(disk, pretty_print=True).decode()


def announce(instance: Instance, volume_id: str, text: str, settings: Settings, node_hooks: hooks.Hooks) -> str:
    """Write the volume's file, run pre-attach with it, return it as the hooks left it. HookFailed when one refuses."""
    path = instance.volume_file(volume_id)
    write_owned(path, text, 0o644, settings.owner)
    node_hooks.call(hooks.PRE_ATTACH, path)
    return path.read_text()
