# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""instance.xml as a node controller writes it (node/xml.c, gen_instance_xml): the stylesheet's input, and what hooks read.

The shape of the played version determines the elements and attributes and their order. This module has their values.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from lxml import etree

from ..addressing import card
from .model import Instance, Settings, Vbr, write_owned

# The three states that a node reports have numbers behind its own fourteen (util/data.h, instance_states).
STATE_CODES = {'Pending': 14, 'Extant': 15, 'Teardown': 16}
REPORTED = {
    'Staging': 'Pending',
    'Canceled': 'Pending',
    'Booting': 'Extant',
    'Running': 'Extant',
    'Shutoff': 'Extant',
    'Teardown': 'Teardown',
}
YEAR = 31536000


def write_instance_xml(instance: Instance, settings: Settings) -> None:
    """Write the file with its real mode: not world-readable, as it holds user data and tokens."""
    write_document(instance.xml_file, instance_xml(instance), settings)


def write_document(path: Path, root: etree._Element, settings: Settings) -> None:
    """Write an XML file as the node's write_xml_file does."""
    text = etree.tostring(root, pretty_print=True, encoding='unicode')
    # libxml2's own writer puts the declaration in double quotes, lxml would in single ones.
    write_owned(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}', 0o660, settings.owner)


def instance_xml(instance: Instance) -> etree._Element:
    shape = instance.shape.xml
    root = etree.Element('instance', {'xml-version': shape.version} if shape.version else {})
    texts = {**_identity(instance), **_files(instance), **_machine(instance)}
    for name in shape.children.split():
        if name in SECTIONS:
            SECTIONS[name](etree.SubElement(root, name), instance)
        else:
            _elements(root, instance, name, texts)
    return root


def _elements(parent: etree._Element, instance: Instance, names: str, values: Mapping[str, object]) -> None:
    """Add the named elements with their texts; those with None are left out."""
    # lxml writes an empty string as <userData></userData>, as xmlNewTextChild does, and None as <userData/>.
    empty = None if instance.shape.xml.closed else ''
    for name in names.split():
        if values[name] is not None:
            etree.SubElement(parent, name).text = str(values[name]) or empty


def _attributes(element: etree._Element, names: str, values: Mapping[str, str]) -> None:
    for name in names.split():
        element.set(name, values[name])


def _identity(instance: Instance) -> dict[str, object]:
    row = instance.row
    partitioned = instance.kernel is not None
    private, public = row['private_ip'] or '0.0.0.0', row['public_ip'] or '0.0.0.0'
    return {
        'name': instance.id,
        'uuid': instance.uuid,
        'reservation': row['reservation'],
        'user': row['user_id'],
        'owner': row['user_id'],
        'account': row['account'],
        'imageId': row['image_id'],
        'kernelId': row['kernel_id'] or '' if partitioned else '',
        'ramdiskId': row['ramdisk_id'] or '' if partitioned else '',
        'dnsName': f'euca-{public.replace(".", "-")}.eucalyptus.lab',
        'privateDnsName': f'euca-{private.replace(".", "-")}.eucalyptus.internal',
    }


def _files(instance: Instance) -> dict[str, object]:
    return {
        'instancePath': instance.path,
        'kernel': instance.kernel,
        'ramdisk': instance.ramdisk,
        'xmlFilePath': instance.xml_file,
        'libvirtFilePath': instance.libvirt_file,
        'consoleLogPath': instance.console,
        'userData': instance.user_data,
        'launchIndex': instance.row['launch_index'],
    }


def _machine(instance: Instance) -> dict[str, object]:
    return {
        'hasFloppy': 'false',
        'cpuPassthrough': 'false',
        'cores': instance.cores,
        'memoryKB': instance.memory_kib,
        'diskGB': instance.disk_gib,
        'VmType': instance.row['instance_type'],
        'NicType': 'virtio',
        'NicDevice': instance.bridge,
        'rootDirective': '',
    }


def hypervisor(element: etree._Element, instance: Instance, names: str) -> None:
    capability = 'hw' if instance.hypervisor == 'kvm' else 'sw'
    values = {'type': instance.hypervisor, 'capability': capability, 'bitness': '64', 'requiresDisk': 'true'}
    _attributes(element, names, values)


def backing(element: etree._Element, instance: Instance) -> None:
    etree.SubElement(element, 'root', type=instance.root_type)


def _key(element: etree._Element, instance: Instance) -> None:
    """The lab puts no key into an image. Guests take it from the metadata service."""
    _attributes(element, instance.shape.xml.key, {'isKeyInjected': 'false', 'doInjectKey': 'false', 'sshKey': ''})


def system(element: etree._Element, _instance: Instance) -> None:
    values = {'platform': 'linux', 'virtioRoot': 'true', 'virtioDisk': 'true', 'virtioNetwork': 'true'}
    _attributes(element, 'platform virtioRoot virtioDisk virtioNetwork', values)


def _groups(element: etree._Element, instance: Instance) -> None:
    for group in instance.groups:
        etree.SubElement(element, 'name').text = group


def _disks(element: etree._Element, instance: Instance) -> None:
    """The disks that the node made itself, the root disk first, and up to 4.0 the volumes of the launch."""
    if instance.shape.xml.floppy:
        _elements(element, instance, 'floppyPath', {'floppyPath': ''})
    for record in sorted(instance.vbrs, key=lambda each: each.type != 'image'):
        if record.is_disk and not (record.type == 'ebs' and instance.shape.volume_script):
            _disk(element, instance, record)


def _disk(element: etree._Element, instance: Instance, record: Vbr) -> None:
    virtio = f'v{record.guest_device[1:]}'
    values = {
        'targetDeviceType': 'disk',
        'targetDeviceName': record.guest_device,
        'targetDeviceNameVirtio': virtio,
        'targetDeviceBusVirtio': 'virtio',
        'targetDeviceBus': record.bus,
        'sourceType': record.backing_type,
        'serial': record.serial,
    }
    disk = etree.SubElement(element, 'diskPath')
    disk.text = record.backing
    _attributes(disk, instance.shape.xml.disk, values)
    if record.type == 'image':
        # The uuid is that of the file system, as blkid prints it.
        etree.SubElement(element, 'root', device=virtio, uuid=str(uuid.uuid5(uuid.NAMESPACE_OID, f'{instance.uuid} root')))


def _vbrs(element: etree._Element, instance: Instance) -> None:
    for record in instance.vbrs:
        values = {
            'resourceLocation': record.location,
            'guestDeviceName': record.guest_device,
            'sizeBytes': record.size,
            'formatName': record.format,
            'id': record.id,
            'typeName': record.type_name,
            'type': record.type,
            'locationType': instance.shape.xml.locations.get(record.type_name, ''),
            'format': record.format,
            'diskNumber': record.disk,
            'partitionNumber': record.partition,
            'guestDeviceType': 'disk',
            'guestDeviceBus': record.bus,
            'backingType': record.backing_type,
            'backingPath': record.backing,
            'preparedResourceLocation': record.prepared_location,
            'guestDeviceSerialId': record.serial,
        }
        _elements(etree.SubElement(element, 'vbr'), instance, instance.shape.xml.vbr, values)


def _volumes(element: etree._Element, instance: Instance) -> None:
    for volume in instance.volumes:
        values = {
            'id': volume.id,
            'attachmentToken': f'sc://{volume.id},none',
            'localDev': f'unknown,requested:/dev/{volume.device}',
            'localDevReal': volume.device,
            'devName': volume.device,
            'stateName': volume.state,
            'connectionString': volume.id,
            'libvirt': '',
        }
        entry = etree.SubElement(element, 'volume')
        _elements(entry, instance, instance.shape.xml.volume, values)
        for libvirt in entry.findall('libvirt'):
            libvirt.append(etree.fromstring(volume.libvirt_xml))


def _nics(element: etree._Element, instance: Instance) -> None:
    row = instance.row
    values = {
        'vlan': '-1',
        'networkIndex': '-1',
        'mac': row['mac'],
        'publicIp': row['public_ip'] or '0.0.0.0',
        'privateIp': row['private_ip'] or '0.0.0.0',
        'bridgeDeviceName': instance.bridge,
        'guestDeviceName': card(instance.id),
        'device': '0',
        'stateName': 'attached',
        'hypervisorType': instance.hypervisor,
        'osPlatform': 'linux',
        'osVirtioNetwork': 'true',
    }
    _attributes(etree.SubElement(element, 'nic'), instance.shape.xml.nic, values)


def _states(element: etree._Element, instance: Instance) -> None:
    reported = REPORTED[instance.state]
    values = {
        'retries': 0,
        'stateName': reported,
        'bundleTaskStateName': 'none',
        'bundleTaskProgress': '0.0000',
        'createImageTaskStateName': '',
        'stateCode': STATE_CODES[reported],
        'state': instance.state,
        'bundleTaskState': 'none',
        'bundlePid': 0,
        'bundleBucketExists': 'false',
        'bundleCanceled': 'false',
        'guestStateName': 'poweredOn',
        'isStopRequested': 'false',
        'createImageTaskState': 'none',
        'createImagePid': 0,
        'createImageCanceled': 'false',
        'migrationState': 'none',
        'migrationSource': '',
        'migrationDestination': '',
        'migrationCredentials': '',
    }
    _elements(element, instance, instance.shape.xml.states, values)


def _timestamps(element: etree._Element, instance: Instance) -> None:
    """Cut to nine digits, as the ten-byte buffer of the genuine code cuts them."""
    launched = int(instance.row['launched'])
    values = {
        'launchTime': str(launched)[:9],
        'expiryTime': str(launched + YEAR)[:9],
        'bootTime': str(int(instance.boot_time))[:9],
        'bundlingTime': 0,
        'createImageTime': 0,
        'terminationRequestedTime': 0,
        'terminationTime': 0,
        'migrationTime': 0,
    }
    _elements(element, instance, instance.shape.xml.timestamps, values)


# Elements with more than a text.
SECTIONS: dict[str, Callable[[etree._Element, Instance], None]] = {
    'hypervisor': lambda element, instance: hypervisor(element, instance, instance.shape.xml.hypervisor),
    'backing': backing,
    'key': _key,
    'os': system,
    'groupNames': _groups,
    'disks': _disks,
    'vbrs': _vbrs,
    'volumes': _volumes,
    'nics': _nics,
    'states': _states,
    'timestamps': _timestamps,
}
