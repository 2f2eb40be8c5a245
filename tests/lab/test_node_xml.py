# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""instance.xml and the libvirt file have the form of a node controller's of each version."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
from collections.abc import Iterator

import pytest
from lxml import etree

from eucalab.node import checkpoint, home, instance_xml, stylesheet, volume_xml
from eucalab.node.hypervisor import find_disk
from eucalab.node.model import Instance, NodeError, Settings, Vbr, VolumeOfInstance
from tests.lab.node_outlines import DOMAIN, INSTANCE, outline, without_differences_of_the_lab
from tests.lab.node_support import NODE, ScratchLab, scratch_lab

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason='files belong to the hook user')

VERSIONS = ['3.1', '3.4', '4.4', '5']
WITH_SERIAL = ['4.4', '5']


@pytest.fixture(params=VERSIONS)
def lab(request: pytest.FixtureRequest) -> Iterator[ScratchLab]:
    with scratch_lab(play=request.param) as scratch:
        home.prepare_home(scratch.settings)
        yield scratch


only = pytest.mark.parametrize('lab', ['4.4'], indirect=True)


def instance(lab: ScratchLab, settings: Settings | None = None, **columns: object) -> Instance:
    identifier = lab.add_instance(**columns)
    made = Instance.from_row(lab.store.row('SELECT * FROM instances WHERE id = ?', identifier), settings or lab.settings)
    made.path.mkdir(parents=True)
    for path in (made.path.parent, made.path):
        path.chmod(0o711)
    return made


def paravirtual(lab: ScratchLab, settings: Settings | None = None, **columns: object) -> Instance:
    made = instance(lab, settings, **columns)
    shape = made.shape
    made.vbrs = [
        Vbr('image', f'{shape.root_disk}1', 5 << 20, id='emi-00000001', type_name='machine', partition=1, bus=shape.bus),
        Vbr('kernel', 'none', 7, id='eki-00000001', type_name='kernel', backing=f'{made.path}/link-to-kernel'),
        Vbr('ramdisk', 'none', 9, id='eri-00000001', type_name='ramdisk', backing=f'{made.path}/link-to-ramdisk'),
        Vbr(shape.composed_type, shape.root_disk, 5 << 30, bus=shape.bus, backing=f'{made.path}/disk'),
    ]
    return made


def from_volume(lab: ScratchLab) -> Instance:
    made = instance(lab, root_device_type='ebs', kernel_id=None, ramdisk_id=None)
    file = lab.config.volume_file('vol-7f2e4011')
    if made.shape.volume_script:
        text = volume_xml.script_xml(file, 'vda', 'euca-bdm-ebs1-dev-vda').strip()
        made.vbrs = [Vbr('ebs', 'vda', 1 << 30, type_name='ebs', backing=text)]
        made.volumes = [VolumeOfInstance('vol-7f2e4011', 'vda', text)]
    else:
        made.vbrs = [Vbr('ebs', 'sda', 1 << 30, type_name='ebs', bus='scsi', backing=str(file))]
    return made


def written(lab: ScratchLab, made: Instance) -> etree._Element:
    instance_xml.write_instance_xml(made, lab.settings)
    return etree.parse(str(made.xml_file)).getroot()


def names(element: etree._Element) -> list[str]:
    return [child.tag for child in element]


def test_an_instance_with_kernel_and_ramdisk_is_described_element_by_element(lab: ScratchLab) -> None:
    assert outline(written(lab, paravirtual(lab, node_user_data='aGVsbG8='))) == INSTANCE[lab.config.play]


def test_the_elements_have_the_values_that_hooks_read(lab: ScratchLab) -> None:
    made = paravirtual(lab, node_user_data='aGVsbG8=')
    root = written(lab, made)
    assert root.get('xml-version') == {'4.4': '2', '5': '2'}.get(lab.config.play)
    assert root.xpath('string(/instance/name)') == made.id
    assert root.xpath('string(/instance/hypervisor/@type)') == 'qemu'
    assert root.xpath('string(/instance/backing/root/@type)') == 'image'
    assert root.xpath('string(/instance/user)') == 'AIDATESTUSER1'
    assert root.xpath('string(/instance/userData)') == 'aGVsbG8='
    assert root.xpath('string(/instance/kernel)') == f'{made.path}/link-to-kernel'
    assert root.xpath('string(/instance/disks/diskPath)') == f'{made.path}/disk'
    assert root.xpath('string(/instance/disks/diskPath/@targetDeviceNameVirtio)') == 'vda'
    assert root.xpath('string(/instance/nics/nic/@mac)') == made.row['mac']
    assert root.xpath('string(/instance/os/@virtioRoot)') == 'true'


def test_the_disks_bus_is_scsi_in_versions_that_make_it_virtio_only_in_the_domain(lab: ScratchLab) -> None:
    disk = written(lab, paravirtual(lab)).find('disks/diskPath')
    expected = ('sda', 'scsi') if lab.config.play in ('3.1', '3.4') else ('vda', 'virtio')
    assert (disk.get('targetDeviceName'), disk.get('targetDeviceBus')) == expected


@pytest.mark.parametrize('lab', ['3.4', '4.4', '5'], indirect=True)
def test_account_image_state_and_times_are_known_since_3_4(lab: ScratchLab) -> None:
    root = written(lab, paravirtual(lab))
    assert root.xpath('string(/instance/account)') == '000000000001'
    assert root.xpath('string(/instance/kernelId)') == 'eki-00000001'
    assert root.xpath('string(/instance/groupNames/name)') == 'sg-1a2b3c4d'
    assert root.xpath('string(/instance/libvirtFilePath)').endswith('/instance-libvirt.xml')
    assert root.xpath('string(/instance/states/state)') == 'Staging'
    assert re.fullmatch(r'\d{9}', root.findtext('timestamps/launchTime'))
    kinds = ['machine', 'kernel', 'ramdisk', '']
    places = ['walrus'] * 3 + ['url'] if lab.config.play == '3.4' else ['clc'] * 3 + ['url']
    assert [(each.findtext('typeName'), each.findtext('locationType')) for each in root.findall('vbrs/vbr')] == [
        *zip(kinds, places, strict=True)
    ]


def test_an_instance_on_a_volume_has_no_kernel(lab: ScratchLab) -> None:
    root = written(lab, from_volume(lab))
    assert not root.findall('kernel') + root.findall('ramdisk') + root.findall('disks/root')
    assert not root.findtext('kernelId') and not root.findtext('ramdiskId')
    assert root.xpath('string(/instance/backing/root/@type)') == 'ebs'


@pytest.mark.parametrize('lab', ['3.1', '3.4'], indirect=True)
def test_until_4_0_a_root_volume_is_among_the_disks(lab: ScratchLab) -> None:
    root = written(lab, from_volume(lab))
    assert root.findtext('disks/diskPath') == str(lab.config.volume_file('vol-7f2e4011'))
    assert not root.findall('volumes/volume')


@pytest.mark.parametrize('lab', WITH_SERIAL, indirect=True)
def test_since_4_1_a_root_volume_has_its_disk_in_full(lab: ScratchLab) -> None:
    root = written(lab, from_volume(lab))
    assert not root.findall('disks/diskPath')
    assert names(root.find('volumes/volume')) == ['id', 'attachmentToken', 'devName', 'stateName', 'connectionString', 'libvirt']
    assert root.findtext('volumes/volume/libvirt/disk/serial') == 'euca-bdm-ebs1-dev-vda'


def test_no_user_data_is_an_empty_element_on_a_line_of_its_own(lab: ScratchLab) -> None:
    made = paravirtual(lab)
    instance_xml.write_instance_xml(made, lab.settings)
    text = made.xml_file.read_text()
    empty = '<userData/>' if lab.config.play in ('3.1', '3.4') else '<userData></userData>'
    assert f'\n  {empty}\n' in text
    begin = '<instance>' if lab.config.play in ('3.1', '3.4') else '<instance xml-version="2">'
    assert text.startswith(f'<?xml version="1.0" encoding="UTF-8"?>\n{begin}\n  <hypervisor ')


@only
def test_long_user_data_is_cut_where_the_node_cuts_it(lab: ScratchLab) -> None:
    assert len(written(lab, paravirtual(lab, node_user_data='QUJD' * 5000)).findtext('userData')) == 16383


@only
def test_the_file_is_the_hook_users_and_nobody_elses_to_read(lab: ScratchLab) -> None:
    made = paravirtual(lab)
    instance_xml.write_instance_xml(made, lab.settings)
    status = made.xml_file.stat()
    assert stat.S_IMODE(status.st_mode) == 0o660 and status.st_uid == lab.settings.owner.pw_uid


def test_a_restarted_node_takes_up_what_it_has_saved(lab: ScratchLab) -> None:
    for made in (paravirtual(lab), from_volume(lab)):
        made.volumes.append(VolumeOfInstance('vol-00000001', 'sdf', '<disk/>' if made.shape.volume_script else ''))
        checkpoint.save(made, lab.settings)
        again = Instance.from_row(made.row, lab.settings)
        checkpoint.restore(again)
        assert again == made


@pytest.mark.parametrize('lab', ['3.1'], indirect=True)
def test_a_node_of_3_1_saves_its_memory_beside_instance_xml(lab: ScratchLab) -> None:
    made = paravirtual(lab)
    instance_xml.write_instance_xml(made, lab.settings)
    before = made.xml_file.read_text()
    made.state = 'Running'
    checkpoint.save(made, lab.settings)
    assert made.xml_file.read_text() == before and (made.path / 'instance.checkpoint').exists()


@only
def test_an_instance_whose_file_is_damaged_is_not_taken_up(lab: ScratchLab) -> None:
    made = paravirtual(lab)
    made.xml_file.write_text('<instance>')
    with pytest.raises(NodeError, match='its instance.xml cannot be read'):
        checkpoint.restore(made)


def domain(lab: ScratchLab, made: Instance) -> etree._Element:
    instance_xml.write_instance_xml(made, lab.settings)
    return etree.fromstring(stylesheet.transform(made.xml_file, lab.settings).encode())


def test_a_domain_with_kernel_has_the_elements_of_the_genuine_one(lab: ScratchLab) -> None:
    bridged = Settings(dataclasses.replace(lab.config, network='namespace', network_number=3), NODE)
    root = domain(lab, paravirtual(lab, bridged))
    assert outline(without_differences_of_the_lab(root)) == DOMAIN[lab.config.play]
    assert root.find('devices/interface/source').get('bridge') == 'br0'


def test_a_domain_with_kernel_has_the_values_that_hooks_edit(lab: ScratchLab) -> None:
    name, kind = list(lab.settings.played.types.offered.items())[3]
    made = paravirtual(lab, instance_type=name)
    root = domain(lab, made)
    assert root.get('type') == 'qemu' and root.findtext('name') == made.id
    assert root.findtext('description') == f'Eucalyptus instance {made.id}'
    assert root.findtext('os/type') == 'hvm' and root.findtext('os/kernel') == f'{made.path}/link-to-kernel'
    assert root.findtext('os/initrd') == f'{made.path}/link-to-ramdisk'
    assert root.findtext('os/cmdline') == 'root=/dev/vda1 console=ttyS0'
    actions = [root.findtext(f'on_{event}') for event in ('poweroff', 'reboot', 'crash')]
    assert actions == ['destroy', 'restart', 'destroy']
    assert root.findtext('vcpu') == str(kind.cpu) and root.findtext('memory') == str(kind.memory * 1024)
    assert root.find('devices/disk/target').attrib == {'bus': 'virtio', 'dev': 'vda'}
    assert root.find('devices/interface').get('type') == 'user'
    assert root.find('devices/interface/mac').get('address') == made.row['mac']
    assert root.find('devices/serial').get('type') == 'file'
    assert root.find('devices/serial/source').get('path') == str(made.console)
    assert not root.findall('devices/graphics')


def test_without_a_ramdisk_only_3_1_has_a_command_line(lab: ScratchLab) -> None:
    made = paravirtual(lab, ramdisk_id=None)
    made.vbrs = [vbr for vbr in made.vbrs if vbr.type != 'ramdisk']
    expected = {'3.1': ['cmdline', 'root'], '3.4': [], '4.4': ['boot'], '5': ['boot', 'smbios']}
    assert names(domain(lab, made).find('os')) == ['type', 'kernel', *expected[lab.config.play]]


def test_a_domain_on_a_volume_has_neither_kernel_nor_command_line(lab: ScratchLab) -> None:
    root = domain(lab, from_volume(lab))
    assert not {'kernel', 'initrd', 'cmdline'} & {*names(root.find('os'))}
    (disk,) = root.findall('devices/disk')
    assert disk.find('target').get('dev') == 'vda'
    assert disk.find('source').get('file') == str(lab.config.volume_file('vol-7f2e4011'))
    assert disk.findtext('serial') == ('euca-bdm-ebs1-dev-vda' if lab.config.play in WITH_SERIAL else None)


def test_an_attached_volume_has_the_device_and_the_serial_number_of_its_version(lab: ScratchLab) -> None:
    text = volume_xml.volume_xml(paravirtual(lab), 'vol-7f2e4011', 'sdf', lab.settings)
    disk = etree.fromstring(text.encode())
    expected = {
        '3.1': ('vdf', None),
        '3.4': ('vdf', 'vol-7f2e4011-dev-sdf'),
        '4.4': ('sdf', 'euca-vol-7f2e4011-dev-sdf'),
        '5': ('sdf', 'euca-vol-7f2e4011-dev-sdf'),
    }
    assert (disk.find('target').get('dev'), disk.findtext('serial')) == expected[lab.config.play]
    assert disk.find('target').get('bus') == 'virtio'
    assert disk.find('source').get('file') == str(lab.config.volume_file('vol-7f2e4011'))


@pytest.mark.parametrize('lab', ['3.1', '3.4'], indirect=True)
def test_until_4_0_the_node_describes_a_volume_before_it_is_attached(lab: ScratchLab) -> None:
    made = paravirtual(lab)
    volume_xml.volume_xml(made, 'vol-7f2e4011', 'sdf', lab.settings)
    root = etree.parse(str(made.path / 'vol-7f2e4011.xml')).getroot()
    serial = ' serial' if lab.config.play == '3.4' else ''
    assert (
        outline(root)
        == f"""\
volume
  hypervisor type capability bitness
  id
  user
  instancePath
  os platform virtioRoot virtioDisk virtioNetwork
  backing
    root type
  diskPath targetDeviceType targetDeviceName targetDeviceBus sourceType{serial}
"""
    )
    assert root.find('diskPath').get('targetDeviceName') == 'sdf'


def test_a_volume_whose_xml_a_hook_has_broken_is_refused_with_that_reason() -> None:
    with pytest.raises(NodeError, match='the XML of the volume, which hooks may change, is broken'):
        find_disk('<domain/>', '<disk')


VNC_LINES = {
    '3.1': "<!-- <graphics type='vnc' port='-1' autoport='yes' keymap='en-us' listen='0.0.0.0'/> -->",
    '3.4': "<!-- <graphics type='vnc' port='-1' autoport='yes' listen='0.0.0.0' keymap='en-us' -->",
    '4.4': "<!-- <graphics type='vnc' port='-1' autoport='yes' keymap='en-us'/> -->",
    '5': "<!-- <graphics type='vnc' port='-1' autoport='yes' keymap='en-us'/> -->",
}


def test_the_vnc_line_is_there_once_in_the_spelling_of_its_version(lab: ScratchLab) -> None:
    text = lab.settings.stylesheet.read_text()
    assert text.count(f'\n{" " * 16}{VNC_LINES[lab.config.play]}\n{" " * 12}</devices>\n') == 1
    assert text.count('graphics') == 1


@pytest.mark.parametrize('lab', ['3.1', '4.4', '5'], indirect=True)
def test_the_vnc_line_works_when_it_is_uncommented(lab: ScratchLab) -> None:
    text, line = lab.settings.stylesheet.read_text(), VNC_LINES[lab.config.play]
    lab.settings.stylesheet.write_text(text.replace(line, line.replace('<!-- ', '').replace(' -->', '')))
    assert domain(lab, paravirtual(lab)).find('devices/graphics').get('type') == 'vnc'


@pytest.mark.parametrize('lab', ['3.4'], indirect=True)
def test_uncommenting_the_vnc_line_of_3_4_stops_every_launch(lab: ScratchLab) -> None:
    text, line = lab.settings.stylesheet.read_text(), VNC_LINES['3.4']
    lab.settings.stylesheet.write_text(text.replace(line, line.replace('<!-- ', '').replace(' -->', '')))
    with pytest.raises(NodeError, match='failed to open and parse XSL-T stylesheet file'):
        domain(lab, paravirtual(lab))


def test_the_node_has_the_version_file_of_its_package(lab: ScratchLab) -> None:
    text = (lab.settings.home / 'etc/eucalyptus/eucalyptus-version').read_text()
    assert text == {'3.1': '3.1.2\n', '3.4': '3.4.3\n', '4.4': '4.4.2\n', '5': '5.1.0\n'}[lab.config.play]


@only
def test_an_edited_stylesheet_survives_the_next_start_of_the_node(lab: ScratchLab) -> None:
    lab.settings.stylesheet.write_text('mine')
    home.prepare_home(lab.settings)
    assert lab.settings.stylesheet.read_text() == 'mine'


@only
def test_a_broken_stylesheet_stops_the_launch_and_is_named(lab: ScratchLab) -> None:
    lab.settings.stylesheet.write_text('<xsl:stylesheet>')
    with pytest.raises(NodeError, match='failed to open and parse XSL-T stylesheet file .*libvirt.xsl'):
        domain(lab, paravirtual(lab))


@only
def test_a_stylesheet_cannot_write_files_with_the_nodes_rights(lab: ScratchLab) -> None:
    target = lab.config.home / 'written'
    text = lab.settings.stylesheet.read_text().replace(
        '<domain type', f'<xsl:document href="{target}" method="text">x</xsl:document><domain type'
    )
    lab.settings.stylesheet.write_text(text)
    with pytest.raises(NodeError):
        domain(lab, paravirtual(lab))
    assert not target.exists()
