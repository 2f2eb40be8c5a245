# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""instance.xml and the libvirt file have the form of a 4.4 node controller's."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

import pytest
from lxml import etree

from eucalab.node import home, instance_xml, stylesheet, volume_xml
from eucalab.node.model import Instance, NodeError, Vbr, VolumeOfInstance
from tests.lab.node_support import ScratchLab, scratch_lab

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='files belong to the hook user')

# What gen_instance_xml of 4.4 writes below /instance, in its order.
CHILDREN = [
    'hypervisor',
    'backing',
    'name',
    'uuid',
    'reservation',
    'user',
    'owner',
    'account',
    'imageId',
    'kernelId',
    'ramdiskId',
    'dnsName',
    'privateDnsName',
    'instancePath',
    'kernel',
    'ramdisk',
    'xmlFilePath',
    'libvirtFilePath',
    'consoleLogPath',
    'userData',
    'launchIndex',
    'hasFloppy',
    'cpuPassthrough',
    'cores',
    'memoryKB',
    'diskGB',
    'VmType',
    'NicType',
    'NicDevice',
    'rootDirective',
    'key',
    'os',
    'groupNames',
    'disks',
    'vbrs',
    'volumes',
    'nics',
    'states',
    'timestamps',
]
VBR = [
    'resourceLocation',
    'guestDeviceName',
    'sizeBytes',
    'formatName',
    'id',
    'typeName',
    'type',
    'locationType',
    'format',
    'diskNumber',
    'partitionNumber',
    'guestDeviceType',
    'guestDeviceBus',
    'backingType',
    'backingPath',
    'preparedResourceLocation',
    'guestDeviceSerialId',
]
STATES = [
    'retries',
    'stateName',
    'bundleTaskStateName',
    'bundleTaskProgress',
    'createImageTaskStateName',
    'stateCode',
    'state',
    'bundleTaskState',
    'bundleBucketExists',
    'bundleCanceled',
    'guestStateName',
    'isStopRequested',
    'createImageTaskState',
    'createImagePid',
    'createImageCanceled',
    'migrationState',
    'migrationSource',
    'migrationDestination',
    'migrationCredentials',
]
TIMES = [
    'launchTime',
    'expiryTime',
    'bootTime',
    'bundlingTime',
    'createImageTime',
    'terminationRequestedTime',
    'terminationTime',
    'migrationTime',
]


@pytest.fixture
def lab() -> Iterator[ScratchLab]:
    with scratch_lab() as scratch:
        home.prepare_home(scratch.settings)
        yield scratch


def instance(lab: ScratchLab, **columns: object) -> Instance:
    identifier = lab.add_instance(**columns)
    made = Instance.from_row(lab.store.row('SELECT * FROM instances WHERE id = ?', identifier), lab.settings)
    made.path.mkdir(parents=True)
    for path in (made.path.parent, made.path):
        path.chmod(0o711)
    return made


def paravirtual(lab: ScratchLab, **columns: object) -> Instance:
    made = instance(lab, **columns)
    made.vbrs = [
        Vbr('image', 'sda1', 5 << 20, id='emi-00000001', partition=1),
        Vbr('kernel', 'none', 7, id='eki-00000001'),
        Vbr('ramdisk', 'none', 9, id='eri-00000001'),
        Vbr('fulldisk', 'vda', 5 << 30),
    ]
    made.disks = [('vda', made.path / 'link-to-vda')]
    return made


def from_volume(lab: ScratchLab) -> Instance:
    made = instance(lab, root_device_type='ebs', kernel_id=None, ramdisk_id=None)
    text = volume_xml.volume_xml('vol-7f2e4011', 'sda', lab.config.volume_file('vol-7f2e4011'))
    made.vbrs = [Vbr('ebs', 'sda', 1 << 30, backing=text)]
    made.volumes = [VolumeOfInstance('vol-7f2e4011', 'sda', text)]
    return made


def written(lab: ScratchLab, made: Instance) -> etree._Element:
    instance_xml.write_instance_xml(made, lab.settings)
    return etree.parse(str(made.xml_file)).getroot()


def names(element: etree._Element) -> list[str]:
    return [child.tag for child in element]


def test_an_instance_with_kernel_and_ramdisk_is_described_element_by_element(lab: ScratchLab) -> None:
    made = paravirtual(lab, node_user_data='aGVsbG8=')
    root = written(lab, made)
    assert root.tag == 'instance' and root.get('xml-version') == '2'
    assert names(root) == CHILDREN
    assert all(names(vbr) == VBR for vbr in root.findall('vbrs/vbr')) and len(root.findall('vbrs/vbr')) == 4
    assert names(root.find('states')) == STATES and names(root.find('timestamps')) == TIMES
    assert root.xpath('string(/instance/name)') == made.id
    assert root.xpath('string(/instance/hypervisor/@type)') == 'qemu'
    assert root.xpath('string(/instance/backing/root/@type)') == 'image'
    assert root.xpath('string(/instance/account)') == '000000000001'
    assert root.xpath('string(/instance/userData)') == 'aGVsbG8='
    assert root.xpath('string(/instance/kernel)') == f'{made.path}/link-to-kernel'
    assert root.xpath('string(/instance/kernelId)') == 'eki-00000001'
    assert root.xpath('string(/instance/groupNames/name)') == 'sg-1a2b3c4d'
    assert root.xpath('string(/instance/disks/diskPath/@targetDeviceName)') == 'vda'
    assert root.xpath('string(/instance/nics/nic/@mac)') == made.row['mac']
    assert root.xpath('string(/instance/os/@virtioRoot)') == 'true'
    assert root.xpath('string(/instance/states/state)') == 'Staging'
    assert re.fullmatch(r'\d{9}', root.findtext('timestamps/launchTime'))


def test_an_instance_on_a_volume_has_no_kernel_and_carries_its_disk_in_full(lab: ScratchLab) -> None:
    root = written(lab, from_volume(lab))
    assert names(root) == [name for name in CHILDREN if name not in ('kernel', 'ramdisk')]
    assert root.findtext('kernelId') == root.findtext('ramdiskId') == ''
    assert root.xpath('string(/instance/backing/root/@type)') == 'ebs'
    assert not root.findall('disks/diskPath')
    assert names(root.find('volumes/volume')) == ['id', 'attachmentToken', 'devName', 'stateName', 'connectionString', 'libvirt']
    assert root.findtext('volumes/volume/libvirt/disk/serial') == 'euca-vol-7f2e4011-dev-sda'


def test_no_user_data_is_an_empty_element_with_two_tags_on_a_line_of_its_own(lab: ScratchLab) -> None:
    made = paravirtual(lab)
    instance_xml.write_instance_xml(made, lab.settings)
    text = made.xml_file.read_text()
    assert '\n  <userData></userData>\n' in text
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<instance xml-version="2">\n  <hypervisor ')


def test_long_user_data_is_cut_where_the_node_cuts_it(lab: ScratchLab) -> None:
    assert len(written(lab, paravirtual(lab, node_user_data='QUJD' * 5000)).findtext('userData')) == 16383


def test_the_file_is_the_hook_users_and_nobody_elses_to_read(lab: ScratchLab) -> None:
    made = paravirtual(lab)
    instance_xml.write_instance_xml(made, lab.settings)
    status = made.xml_file.stat()
    assert stat.S_IMODE(status.st_mode) == 0o660 and status.st_uid == lab.settings.owner.pw_uid


def test_what_was_written_can_be_taken_up_again(lab: ScratchLab) -> None:
    for made in (paravirtual(lab), from_volume(lab)):
        instance_xml.write_instance_xml(made, lab.settings)
        text = made.xml_file.read_text()
        again = Instance.from_row(made.row, lab.settings)
        instance_xml.restore(again)
        instance_xml.write_instance_xml(again, lab.settings)
        assert made.xml_file.read_text() == text


def domain(lab: ScratchLab, made: Instance) -> etree._Element:
    instance_xml.write_instance_xml(made, lab.settings)
    return etree.fromstring(stylesheet.libvirt_xml(made, lab.settings).encode())


def test_a_domain_with_kernel_has_the_shape_that_hooks_edit(lab: ScratchLab) -> None:
    made = paravirtual(lab, instance_type='m1.large')
    root = domain(lab, made)
    assert names(root) == [
        'name',
        'description',
        'os',
        'features',
        'clock',
        'on_poweroff',
        'on_reboot',
        'on_crash',
        'vcpu',
        'cpu',
        'memory',
        'devices',
    ]
    assert root.get('type') == 'qemu' and root.findtext('name') == made.id
    assert root.findtext('description') == f'Eucalyptus instance {made.id}'
    assert names(root.find('os')) == ['type', 'initrd', 'kernel', 'cmdline', 'boot']
    assert root.findtext('os/type') == 'hvm' and root.findtext('os/kernel') == f'{made.path}/link-to-kernel'
    assert root.findtext('os/initrd') == f'{made.path}/link-to-ramdisk'
    assert root.findtext('os/cmdline') == 'root=/dev/vda1 console=ttyS0' and root.find('os/boot').get('dev') == 'hd'
    actions = [root.findtext(f'on_{event}') for event in ('poweroff', 'reboot', 'crash')]
    assert actions == ['destroy', 'restart', 'destroy']
    assert names(root.find('features')) == ['acpi'] and root.find('clock').get('offset') == 'localtime'
    assert root.findtext('vcpu') == '2' and root.findtext('memory') == '524288'
    assert root.find('devices/disk/target').attrib == {'bus': 'virtio', 'dev': 'vda'}
    assert root.find('devices/interface').get('type') == 'user'
    assert root.find('devices/interface/mac').get('address') == made.row['mac']
    assert root.find('devices/interface/address').get('slot') == '0x02'
    assert root.find('devices/serial').get('type') == 'file'
    assert root.find('devices/serial/source').get('path') == str(made.console)
    assert not root.findall('devices/graphics')


def test_without_a_ramdisk_there_is_no_command_line(lab: ScratchLab) -> None:
    made = paravirtual(lab, ramdisk_id=None)
    made.vbrs = [vbr for vbr in made.vbrs if vbr.type != 'ramdisk']
    assert names(domain(lab, made).find('os')) == ['type', 'kernel', 'boot']


def test_a_domain_on_a_volume_has_neither_kernel_nor_command_line(lab: ScratchLab) -> None:
    root = domain(lab, from_volume(lab))
    assert names(root.find('os')) == ['type', 'boot']
    assert root.findtext('devices/disk/serial') == 'euca-vol-7f2e4011-dev-sda'
    assert root.find('devices/disk/target').get('dev') == 'sda'


def test_the_vnc_line_is_there_once_in_the_spelling_of_4_4_and_works_when_it_is_uncommented(lab: ScratchLab) -> None:
    text = lab.settings.stylesheet.read_text()
    line = "                <!-- <graphics type='vnc' port='-1' autoport='yes' keymap='en-us'/> -->\n"
    assert text.count(line) == 1 and text.count('graphics') == 1
    lab.settings.stylesheet.write_text(text.replace(line, line.replace('<!-- ', '').replace(' -->', '')))
    assert domain(lab, paravirtual(lab)).find('devices/graphics').get('type') == 'vnc'


def test_an_edited_stylesheet_survives_the_next_start_of_the_node(lab: ScratchLab) -> None:
    lab.settings.stylesheet.write_text('mine')
    home.prepare_home(lab.settings)
    assert lab.settings.stylesheet.read_text() == 'mine'


def test_a_broken_stylesheet_stops_the_launch_and_is_named(lab: ScratchLab) -> None:
    lab.settings.stylesheet.write_text('<xsl:stylesheet>')
    with pytest.raises(NodeError, match='failed to open and parse XSL-T stylesheet file .*libvirt.xsl'):
        domain(lab, paravirtual(lab))


def test_a_stylesheet_cannot_write_files_with_the_nodes_rights(lab: ScratchLab) -> None:
    target = lab.config.home / 'written'
    text = lab.settings.stylesheet.read_text().replace(
        '<domain type', f'<xsl:document href="{target}" method="text">x</xsl:document><domain type'
    )
    lab.settings.stylesheet.write_text(text)
    with pytest.raises(NodeError):
        domain(lab, paravirtual(lab))
    assert not target.exists()
