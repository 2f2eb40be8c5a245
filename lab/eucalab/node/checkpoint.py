# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file from which a restarted node resumes an instance (save_instance_struct, load_instance_struct of a node).

Since 3.4 this is instance.xml, so hooks see it change while the instance runs. Before, it was a copy of the node's memory,
instance.checkpoint. The lab's file has that name and contains JSON.
"""

from __future__ import annotations

import json

from lxml import etree

from .instance_xml import write_instance_xml
from .model import Instance, NodeError, Settings, Vbr, VolumeOfInstance, write_owned


def save(instance: Instance, settings: Settings) -> None:
    if instance.state_file == instance.xml_file:
        write_instance_xml(instance, settings)
        return
    text = json.dumps({'vbrs': [vars(vbr) for vbr in instance.vbrs], 'volumes': [vars(volume) for volume in instance.volumes]})
    write_owned(instance.state_file, text, 0o660, settings.owner)


def restore(instance: Instance) -> None:
    """Restore the values from the start of an instance that was running before this process began."""
    try:
        if instance.state_file == instance.xml_file:
            _from_xml(instance)
        else:
            state = json.loads(instance.state_file.read_bytes())
            instance.vbrs = [Vbr(**vbr) for vbr in state['vbrs']]
            instance.volumes = [VolumeOfInstance(**volume) for volume in state['volumes']]
    except (OSError, etree.XMLSyntaxError, ValueError, KeyError, TypeError) as error:
        raise NodeError(f'its {instance.state_file.name} cannot be read: {error}') from error


def _from_xml(instance: Instance) -> None:
    root = etree.parse(str(instance.xml_file)).getroot()
    instance.vbrs = [_vbr(vbr) for vbr in root.findall('vbrs/vbr')]
    instance.volumes = [_volume(volume) for volume in root.findall('volumes/volume')]


def _vbr(element: etree._Element) -> Vbr:
    def text(name: str) -> str:
        return element.findtext(name) or ''

    return Vbr(
        text('type'),
        text('guestDeviceName'),
        int(text('sizeBytes')),
        text('id'),
        text('typeName'),
        text('resourceLocation'),
        text('format'),
        int(text('diskNumber')),
        int(text('partitionNumber')),
        text('guestDeviceBus'),
        text('backingType'),
        text('backingPath'),
        text('preparedResourceLocation'),
        text('guestDeviceSerialId'),
    )


def _volume(element: etree._Element) -> VolumeOfInstance:
    return VolumeOfInstance(
        element.findtext('id') or '',
        element.findtext('devName') or element.findtext('localDevReal') or '',
        ''.join(etree.tostring(disk, with_tail=False).decode() for disk in element.findall('libvirt/disk')),
        element.findtext('stateName') or 'attached',
    )
