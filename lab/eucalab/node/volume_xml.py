# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The libvirt XML of volumes, and the hooks that see it.

The iSCSI connect script of 4.1 and later prints it. Before, the node described the volume in vol-X.xml, and libvirt.xsl made a
disk of that. Until 3.1 hooks get the description, and the node keeps the disk for itself.
"""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from . import hooks
from .instance_xml import backing, hypervisor, system, write_document
from .model import LIBVIRT, Instance, Settings, write_owned
from .stylesheet import transform


def script_xml(file: Path, target: str, serial: str) -> str:
    """A file where the real node has a block device. cache='unsafe' for the reason given in libvirt.xsl."""
    disk = etree.Element('disk', type='file')
    etree.SubElement(disk, 'driver', name='qemu', type='raw', cache='unsafe')
    etree.SubElement(disk, 'source', file=str(file))
    etree.SubElement(disk, 'target', bus='virtio', dev=target)
    etree.SubElement(disk, 'serial').text = serial
    return etree.tostring(disk, pretty_print=True).decode()


def volume_xml(instance: Instance, volume_id: str, device: str, settings: Settings) -> str:
    """The disk of a volume that is attached to a running instance, before any hook sees it."""
    file = settings.config.volume_file(volume_id)
    if instance.shape.volume_script:
        return script_xml(file, device, f'euca-{volume_id}-dev-{device}')
    path = instance.volume_file(volume_id, '.xml')
    write_document(path, _description(instance, volume_id, device, file), settings)
    return transform(path, settings)


def _description(instance: Instance, volume_id: str, device: str, file: Path) -> etree._Element:
    """vol-X.xml (node/xml.c, gen_volume_xml)."""
    root = etree.Element('volume')
    hypervisor(etree.SubElement(root, 'hypervisor'), instance, 'type capability bitness')
    for name, text in (('id', volume_id), ('user', instance.row['user_id']), ('instancePath', str(instance.path))):
        etree.SubElement(root, name).text = text
    system(etree.SubElement(root, 'os'), instance)
    backing(etree.SubElement(root, 'backing'), instance)
    disk = etree.SubElement(root, 'diskPath', targetDeviceType='disk', targetDeviceName=device)
    disk.set('targetDeviceBus', 'scsi')
    disk.set('sourceType', 'file')
    if instance.shape.described_serial:
        disk.set('serial', f'{volume_id}-dev-{device}')
    disk.text = str(file)
    return root


def announce(instance: Instance, volume_id: str, text: str, settings: Settings, node_hooks: hooks.Hooks) -> str:
    """Run pre-attach, return the XML as the hooks left it. HookFailed when one refuses."""
    libvirt_file = instance.volume_file(volume_id, LIBVIRT)
    path = instance.volume_file(volume_id, instance.shape.attach_suffix)
    if path == libvirt_file:
        write_owned(libvirt_file, text, 0o660 if instance.shape.volume_script else 0o644, settings.owner)
    node_hooks.call(hooks.PRE_ATTACH, path)
    return libvirt_file.read_text() if path == libvirt_file else text


def attached_xml(instance: Instance, volume_id: str, device: str, settings: Settings) -> str:
    """The XML that a detachment takes: from the file, or made again."""
    try:
        return instance.volume_file(volume_id, LIBVIRT).read_text()
    except FileNotFoundError:
        return volume_xml(instance, volume_id, device, settings)
