# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the libvirt file, for every shape of it."""

from __future__ import annotations

import os

import pytest
from lxml import etree

from tests.hook.hook_check import check
from tests.hook.hook_oracle import canonical
from tests.hook.hook_shapes import KINDS, VERSIONS, Shape, encode
from tests.hook.hook_world import World

DATA = encode(b'bootparams=a\n')


def domain(world: World) -> etree._Element:
    return etree.fromstring(world.libvirt_file.read_bytes())


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('version', VERSIONS)
def test_an_instance_with_a_kernel_is_served_and_another_is_refused(world, version, kind):
    world.put(Shape(version, kind), DATA)
    verdict = check(world)
    assert verdict.applied == kind.startswith('pv')
    assert verdict.code == (0 if verdict.applied else 1)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('version', VERSIONS)
def test_an_installer_of_the_operators_boots_any_instance(build, version, kind):
    world = build(installers='fedora-*')
    world.put(Shape(version, kind), encode(b'installer=fedora-40\nbootparams=a\n'))
    assert check(world).applied
    directory = f'{world.home}/var/lib/eucalyptus/installers/fedora-40'
    assert domain(world).findtext('os/kernel') == f'{directory}/kernel'
    assert domain(world).findtext('os/initrd') == f'{directory}/ramdisk'


def test_a_reboot_ends_the_installer(world, shell):
    world.put(Shape(), DATA)
    check(world, shell)
    assert domain(world).findtext('on_reboot') == 'destroy'


def test_a_missing_on_reboot_is_added(world, shell):
    """libvirt's default is restart, which is data loss with an unattended installer."""
    text = Shape().libvirt_xml().replace(b'<on_reboot>restart</on_reboot>', b'')
    world.put(Shape(), DATA, text)
    assert world.run(shell).code == 0
    assert domain(world).findtext('on_reboot') == 'destroy'


def test_the_policy_can_keep_restarting(build, shell):
    world = build(on_reboot='restart')
    world.put(Shape(), DATA)
    assert check(world, shell).applied
    assert domain(world).findtext('on_reboot') == 'restart'


def test_comments_attributes_cdata_and_foreign_elements_stay(world, shell):
    text = Shape().libvirt_xml()
    root = b'<!-- top --><?top x?><domain type=\'kvm\' xmlns:q="urn:q" a="&lt;&#10;&#9;&amp;">'
    text = text.replace(b'<domain type="kvm">', root)
    text = text.replace(b'<devices>', b'<q:x a="\xc3\xa4"/><![CDATA[<&>]]>\xe2\x82\xac&#13;<devices><!-- <graphics/> -->')
    text = text.replace(b'<cmdline>', b'<cmdline a="b">')
    text = text.replace(b'</kernel>', b'<!-- k --></kernel>') + b'<!-- end -->'
    world.put(Shape(), DATA, text)
    assert world.run(shell).code == 0
    expected = text.replace(b'root=/dev/vda1 console=ttyS0', b'a console=ttyS0').replace(b'>restart<', b'>destroy<')
    assert canonical(world.libvirt_file.read_bytes()) == canonical(expected)


def test_twice_gives_the_same_and_keeps_the_first_original(world, shell):
    world.put(Shape(), DATA)
    check(world, shell)
    once, log = world.libvirt_file.read_bytes(), world.tenant_log.read_bytes()
    assert world.run(shell).code == 0
    assert world.libvirt_file.read_bytes() == once
    assert world.libvirt_file.with_name(world.libvirt_file.name + '.orig').read_bytes() == world.domain
    assert world.tenant_log.read_bytes() == log, 'the tenant gets the line once'
    assert len(world.log.read_bytes().splitlines()) == 2


@pytest.mark.parametrize('mode', [0o600, 0o640, 0o644, 0o660])
def test_the_mode_is_kept(world, any_shell, mode):
    world.put(Shape(), DATA)
    world.libvirt_file.chmod(mode)
    assert check(world, any_shell).applied
    assert world.libvirt_file.stat().st_mode & 0o7777 == mode


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')
def test_the_owner_is_kept(world, shell):
    world.put(Shape(), DATA)
    os.chown(world.libvirt_file, 12345, 12346)
    assert check(world, shell).applied
    status = world.libvirt_file.stat()
    assert (status.st_uid, status.st_gid) == (12345, 12346)


@pytest.mark.parametrize('name', ['libvirt.xml', 'instance-libvirt.xml'])
@pytest.mark.parametrize('target', ['elsewhere.xml', 'nowhere'])
def test_a_symlink_is_refused(world, any_shell, name, target):
    world.put(Shape('3.0' if name == 'libvirt.xml' else '4.4'), DATA)
    file = world.libvirt_file
    file.rename(file.with_name('elsewhere.xml'))
    file.symlink_to(target)
    if name != 'libvirt.xml':
        (world.directory / 'libvirt.xml').write_bytes(world.domain)
    before = world.snapshot()
    assert world.run(any_shell).code == 1
    after = world.snapshot()
    assert {path: state for path, state in after.items() if path in before} == before
    assert file.is_symlink()


def test_the_newer_name_goes_first(world, shell):
    world.put(Shape('4.4'), DATA)
    old = world.directory / 'libvirt.xml'
    old.write_bytes(world.domain)
    assert world.run(shell).code == 0
    assert old.read_bytes() == world.domain != world.libvirt_file.read_bytes()


ODD = {
    'empty': b'',
    'ill-formed': b'<domain><os></domain>',
    'another document': b'<network/>',
    'an instance': Shape().instance_xml(encode(b'bootparams=evil')),
    'a default namespace': b'<domain xmlns="urn:x"><os><type/><kernel>/k</kernel></os><devices/></domain>',
    'no devices': b'<domain><os><type/><kernel>/k</kernel></os></domain>',
    'two os': b'<domain><os><type/><kernel>/k</kernel></os><os><type/><kernel>/l</kernel></os><devices/></domain>',
    'two kernels': b'<domain><os><type/><kernel>/k</kernel><kernel>/l</kernel></os><devices/></domain>',
    'two command lines': b'<domain><os><type/><kernel>/k</kernel><cmdline/><cmdline/></os><devices/></domain>',
    'two on_reboot': b'<domain><os><type/><kernel>/k</kernel></os><on_reboot/><on_reboot/><devices/></domain>',
    'an empty kernel': b'<domain><os><type/><kernel> \n</kernel></os><devices/></domain>',
    'a DEL in text': b'<domain><os><type/><kernel>/k</kernel></os><name>a\x7fend\x7f</name><devices/></domain>',
    'a DEL in an attribute': b'<domain><os a="\x7f"><type/><kernel>/k</kernel></os><devices/></domain>',
    'a DEL in a comment': b'<domain><os><type/><kernel>/k</kernel></os><!--\x7f--><devices/></domain>',
    'a DEL in an instruction': b'<domain><os><type/><kernel>/k</kernel></os><?a \x7f?><devices/></domain>',
    'a DEL in a namespace': b'<domain xmlns:a="\x7fend\x7f"><os><type/><kernel>/k</kernel></os><devices/></domain>',
}


@pytest.mark.parametrize('name', ODD)
def test_an_unexpected_libvirt_file_is_refused_untouched(world, any_shell, name):
    world.put(Shape(), DATA, ODD[name])
    assert world.run(any_shell).code == 1
    assert world.libvirt_file.read_bytes() == ODD[name]
    assert sorted(os.listdir(world.directory)) == ['console.append.log', 'instance-libvirt.xml', 'instance.xml']


@pytest.mark.parametrize('kind', ['missing', 'directory', 'fifo'])
def test_a_libvirt_file_that_is_no_file_is_refused(world, any_shell, kind):
    world.put(Shape(), DATA)
    world.libvirt_file.unlink()
    if kind == 'directory':
        world.libvirt_file.mkdir()
    elif kind == 'fifo':
        os.mkfifo(world.libvirt_file)
    assert world.run(any_shell).code == 1
    assert b'missing or unreadable' in world.log.read_bytes()
    if kind == 'directory':
        world.libvirt_file.rmdir()


def test_an_empty_kernel_is_filled_by_an_installer(build, shell):
    world = build(installers='*')
    world.put(Shape(), encode(b'bootparams=a\ninstaller=fedora-40\n'), ODD['an empty kernel'])
    assert world.run(shell).code == 0
    assert domain(world).findtext('os/kernel').endswith('/fedora-40/kernel')


@pytest.mark.parametrize('present', ['', '<cmdline>c</cmdline>', '<initrd>i</initrd>', '<initrd>i</initrd><cmdline>c</cmdline>'])
def test_what_is_missing_is_added_behind_the_kernel(build, any_shell, present):
    world = build(installers='*')
    text = f'<domain><os><type>hvm</type>{present}<kernel>k</kernel><boot/></os><on_reboot/><devices/></domain>'.encode()
    world.put(Shape(), encode(b'bootparams=a\ninstaller=fedora-40\n'), text)
    assert check(world, any_shell).applied
    order = [child.tag for child in domain(world).find('os')]
    before = [tag for tag in ('initrd', 'cmdline') if tag in present]
    assert order == ['type', *before, 'kernel', *(tag for tag in ('initrd', 'cmdline') if tag not in present), 'boot']


def test_a_display_is_added_as_the_policy_demands(build, shell):
    world = build(vnc='yes', vnc_listen='192.0.2.7', vnc_password='a&"<>\'b')
    world.put(Shape(), encode(b'console=vnc\nbootparams=a\n'))
    assert check(world, shell).applied
    [graphics] = domain(world).iter('graphics')
    expected = {'type': 'vnc', 'port': '-1', 'autoport': 'yes', 'listen': '192.0.2.7', 'passwd': 'a&"<>\'b'}
    assert dict(graphics.attrib) == expected


def test_a_display_that_is_there_stays_alone(build, shell):
    world = build(vnc='yes')
    text = Shape().libvirt_xml().replace(b'</devices>', b'<graphics type="spice"/></devices>')
    world.put(Shape(), encode(b'console=vnc\nbootparams=a\n'), text)
    assert check(world, shell).applied
    assert [dict(element.attrib) for element in domain(world).iter('graphics')] == [{'type': 'spice'}]


def test_no_display_without_being_asked(build, shell):
    world = build(vnc='yes')
    world.put(Shape(), encode(b'console=ttyS0\nconsole=vnc\nbootparams=a\n'))
    assert check(world, shell).applied
    assert not list(domain(world).iter('graphics'))


def test_console_vnc_without_a_marker_is_nothing(build, shell):
    world = build(vnc='yes', installers='*')
    world.put(Shape(), encode(b'console=vnc\ninstaller=fedora-40\n'))
    assert check(world, shell).silent
