# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""instance.xml as a 4.4 node controller writes it (node/xml.c): its state file and the stylesheet's input."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from ..addressing import card
from .model import Instance, NodeError, Settings, Vbr, VolumeOfInstance, write_owned

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
LOCATION_TYPES = {'image': 'clc', 'kernel': 'clc', 'ramdisk': 'clc', 'fulldisk': 'url'}
YEAR = 31536000


def write_instance_xml(instance: Instance, settings: Settings) -> None:
    """Write the file with its real mode: not world-readable, as it holds user data and tokens."""
    text = etree.tostring(instance_xml(instance, settings), pretty_print=True, encoding='unicode')
    # libxml2's own writer puts the declaration in double quotes, lxml would in single ones.
    write_owned(instance.xml_file, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}', 0o660, settings.owner)


def instance_xml(instance: Instance, settings: Settings) -> etree._Element:
    root = etree.Element('instance', {'xml-version': '2'})
    _leaf(
        root,
        'hypervisor',
        type=instance.hypervisor,
        capability='hw' if instance.hypervisor == 'kvm' else 'sw',
        bitness='64',
        requiresDisk='true',
    )
    _leaf(etree.SubElement(root, 'backing'), 'root', type=instance.root_type)
    _identity(root, instance)
    _files(root, instance)
    _shape(root, instance)
    _leaf(root, 'key', doInjectKey='false', sshKey='')
    _leaf(root, 'os', platform='linux', virtioRoot='true', virtioDisk='true', virtioNetwork='true')
    groups = etree.SubElement(root, 'groupNames')
    for group in instance.groups:
        _text(groups, 'name', group)
    _disks(root, instance)
    records = etree.SubElement(root, 'vbrs')
    for record in instance.vbrs:
        _vbr(records, record)
    volumes = etree.SubElement(root, 'volumes')
    for volume in instance.volumes:
        _volume(volumes, volume)
    _nics(root, instance)
    _states(root, instance)
    _timestamps(root, instance)
    return root


def _leaf(parent: etree._Element, name: str, **attributes: str) -> None:
    etree.SubElement(parent, name, attributes)


def _text(parent: etree._Element, name: str, value: object) -> None:
    # An empty string, not None: the genuine writer gives <userData></userData>, and so does lxml then.
    etree.SubElement(parent, name).text = str(value)


def _texts(parent: etree._Element, **values: object) -> None:
    for name, value in values.items():
        _text(parent, name, value)


def _identity(root: etree._Element, instance: Instance) -> None:
    row = instance.row
    partitioned = instance.kernel is not None
    private, public = row['private_ip'] or '0.0.0.0', row['public_ip'] or '0.0.0.0'
    _texts(
        root,
        name=instance.id,
        uuid=instance.uuid,
        reservation=row['reservation'],
        user=row['user_id'],
        owner=row['user_id'],
        account=row['account'],
        imageId=row['image_id'],
        kernelId=row['kernel_id'] or '' if partitioned else '',
        ramdiskId=row['ramdisk_id'] or '' if partitioned else '',
        dnsName=f'euca-{public.replace(".", "-")}.eucalyptus.lab',
        privateDnsName=f'euca-{private.replace(".", "-")}.eucalyptus.internal',
    )


def _files(root: etree._Element, instance: Instance) -> None:
    _text(root, 'instancePath', instance.path)
    for name, path in (('kernel', instance.kernel), ('ramdisk', instance.ramdisk)):
        if path is not None:
            _text(root, name, path)
    _texts(
        root,
        xmlFilePath=instance.xml_file,
        libvirtFilePath=instance.libvirt_file,
        consoleLogPath=instance.console,
        userData=instance.user_data,
        launchIndex=instance.row['launch_index'],
    )


def _shape(root: etree._Element, instance: Instance) -> None:
    _texts(
        root,
        hasFloppy='false',
        cpuPassthrough='false',
        cores=instance.cores,
        memoryKB=instance.memory_kib,
        diskGB=instance.disk_gib,
        VmType=instance.row['instance_type'],
        NicType='virtio',
        NicDevice=instance.bridge,
        rootDirective='',
    )


def _disks(root: etree._Element, instance: Instance) -> None:
    """Only what the node made itself; volumes bring their own disk XML."""
    disks = etree.SubElement(root, 'disks')
    _text(disks, 'floppyPath', '')
    for target, path in instance.disks:
        disk = etree.SubElement(
            disks,
            'diskPath',
            {
                'targetDeviceType': 'disk',
                'targetDeviceName': target,
                'targetDeviceNameVirtio': target,
                'targetDeviceBusVirtio': 'virtio',
                'targetDeviceBus': 'virtio',
                'sourceType': 'file',
                # Empty for a disk that is composed of partitions.
                'serial': next((record.serial for record in instance.vbrs if record.guest_device == target), ''),
            },
        )
        disk.text = str(path)


def _vbr(parent: etree._Element, record: Vbr) -> None:
    vbr = etree.SubElement(parent, 'vbr')
    _texts(
        vbr,
        resourceLocation=record.location,
        guestDeviceName=record.guest_device,
        sizeBytes=record.size,
        formatName=record.format,
        id=record.id,
        typeName=record.type_name,
        type=record.type,
    )
    # The name table is shorter than the enumeration, so volumes and ephemeral disks have an empty element.
    _text(vbr, 'locationType', LOCATION_TYPES.get(record.type, ''))
    _texts(
        vbr,
        format=record.format,
        diskNumber=record.disk,
        partitionNumber=record.partition,
        guestDeviceType='disk',
        guestDeviceBus=record.bus,
        backingType=record.backing_type,
        backingPath=record.backing,
        preparedResourceLocation=record.prepared_location,
        guestDeviceSerialId=record.serial,
    )


def _read_vbr(vbr: etree._Element) -> Vbr:
    def text(name: str) -> str:
        return vbr.findtext(name) or ''

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


def restore(instance: Instance) -> None:
    """Fill in what was found out at start, for an instance that runs since before this process: from its own file."""
    try:
        root = etree.parse(str(instance.xml_file)).getroot()
    except (OSError, etree.XMLSyntaxError) as error:
        raise NodeError(f'its instance.xml cannot be read: {error}') from error
    instance.vbrs = [_read_vbr(vbr) for vbr in root.findall('vbrs/vbr')]
    instance.disks = [(disk.get('targetDeviceName', ''), Path(disk.text or '')) for disk in root.findall('disks/diskPath')]
    instance.volumes = [
        VolumeOfInstance(
            volume.findtext('id') or '',
            volume.findtext('devName') or '',
            ''.join(etree.tostring(disk, with_tail=False).decode() for disk in volume.findall('libvirt/disk')),
            volume.findtext('stateName') or 'attached',
        )
        for volume in root.findall('volumes/volume')
    ]


def _volume(parent: etree._Element, volume: VolumeOfInstance) -> None:
    element = etree.SubElement(parent, 'volume')
    token = f'sc://{volume.id},none'
    _texts(element, id=volume.id, attachmentToken=token, devName=volume.device, stateName=volume.state, connectionString=volume.id)
    etree.SubElement(element, 'libvirt').append(etree.fromstring(volume.libvirt_xml))


def _nics(root: etree._Element, instance: Instance) -> None:
    row = instance.row
    _leaf(
        etree.SubElement(root, 'nics'),
        'nic',
        vlan='-1',
        networkIndex='-1',
        mac=row['mac'],
        publicIp=row['public_ip'] or '0.0.0.0',
        privateIp=row['private_ip'] or '0.0.0.0',
        bridgeDeviceName=instance.bridge,
        guestDeviceName=card(instance.id),
        device='0',
        stateName='attached',
        hypervisorType=instance.hypervisor,
        osPlatform='linux',
        osVirtioNetwork='true',
    )


def _states(root: etree._Element, instance: Instance) -> None:
    reported = REPORTED[instance.state]
    _texts(
        etree.SubElement(root, 'states'),
        retries=0,
        stateName=reported,
        bundleTaskStateName='none',
        bundleTaskProgress='0.0000',
        createImageTaskStateName='',
        stateCode=STATE_CODES[reported],
        state=instance.state,
        bundleTaskState='none',
        bundleBucketExists='false',
        bundleCanceled='false',
        guestStateName='poweredOn',
        isStopRequested='false',
        createImageTaskState='none',
        createImagePid=0,
        createImageCanceled='false',
        migrationState='none',
        migrationSource='',
        migrationDestination='',
        migrationCredentials='',
    )


def _timestamps(root: etree._Element, instance: Instance) -> None:
    """Cut to nine digits, as the ten-byte buffer of the genuine code cuts them."""
    launched = int(instance.row['launched'])
    _texts(
        etree.SubElement(root, 'timestamps'),
        launchTime=str(launched)[:9],
        expiryTime=str(launched + YEAR)[:9],
        bootTime=str(int(instance.boot_time))[:9],
        bundlingTime=0,
        createImageTime=0,
        terminationRequestedTime=0,
        terminationTime=0,
        migrationTime=0,
    )
