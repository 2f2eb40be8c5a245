# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import domain_xml
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

DOMAIN = b"""<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<domain type="kvm">
  <name>one</name>
  <os>
    <type>hvm</type>
    <initrd>/i</initrd>
    <kernel>/k</kernel>
    <cmdline>root=/dev/vda1</cmdline>
    <boot dev="hd"/>
  </os>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <devices>
    <disk type="file"/>
  </devices>
</domain>
"""
NO_KERNEL = DOMAIN.replace(b'<kernel>/k</kernel>', b'').replace(b'<initrd>/i</initrd>', b'')
NO_KERNEL = NO_KERNEL.replace(b'<cmdline>root=/dev/vda1</cmdline>', b'')


def canonical(data: bytes) -> bytes:
    return etree.tostring(etree.fromstring(data), method='c14n')


def after(data: bytes, value: str = 'a', **options: object) -> etree._Element:
    return etree.fromstring(domain_xml.rewrite(data, value, **options))


def test_only_the_command_line_changes_unless_more_is_asked_for():
    changed = domain_xml.rewrite(DOMAIN, 'ks=http://h/?a=1&b=<2>')
    expected = DOMAIN.replace(b'root=/dev/vda1', b'ks=http://h/?a=1&amp;b=&lt;2> console=ttyS0')
    assert canonical(changed) == canonical(expected)
    assert b'<!-- made by hand -->' in changed


def test_everything_at_once():
    root = after(DOMAIN, 'a', on_reboot='destroy', kernel='/x', initrd='/y', graphics=('127.0.0.1', 'secret'))
    assert [root.findtext(path) for path in ('os/kernel', 'os/initrd', 'os/cmdline', 'on_reboot')] == [
        '/x',
        '/y',
        'a console=ttyS0',
        'destroy',
    ]
    [graphics] = root.iter('graphics')
    assert dict(graphics.attrib) == {
        'type': 'vnc',
        'port': '-1',
        'autoport': 'yes',
        'listen': '127.0.0.1',
        'passwd': 'secret',
    }


def test_a_second_time_gives_the_very_bytes_back():
    options = {'on_reboot': 'destroy', 'kernel': '/x', 'initrd': '/y', 'graphics': ('::1', None)}
    once = domain_xml.rewrite(DOMAIN, 'a', **options)
    assert once != DOMAIN
    assert domain_xml.rewrite(once, 'a', **options) is once


def test_what_is_right_already_is_not_reformatted():
    odd = b"<domain type='kvm'><os><type/><kernel>k</kernel><cmdline>console=x</cmdline></os><devices/></domain>"
    assert domain_xml.rewrite(odd, 'console=x') is odd


def test_a_domain_without_kernel_gets_one_behind_its_type():
    os_ = after(NO_KERNEL, kernel='/x', initrd='/y').find('os')
    assert [child.tag for child in os_] == ['type', 'kernel', 'initrd', 'cmdline', 'boot']


@pytest.mark.parametrize('kernel', ['', ' \n', '<!-- /k -->'])
def test_a_domain_without_kernel_is_refused(kernel):
    with pytest.raises(domain_xml.InvalidDomain, match='no <kernel>'):
        domain_xml.rewrite(DOMAIN.replace(b'/k<', kernel.encode() + b'<'), 'a')
    with pytest.raises(domain_xml.InvalidDomain, match='no <kernel>'):
        domain_xml.rewrite(NO_KERNEL, 'a')


def test_a_missing_on_reboot_is_added():
    without = DOMAIN.replace(b'<on_reboot>restart</on_reboot>', b'')
    assert after(without, on_reboot='destroy').findtext('on_reboot') == 'destroy'
    assert after(without).find('on_reboot') is None


@pytest.mark.parametrize(
    ('graphics', 'listen'),
    [
        ('<graphics type="vnc" listen="0.0.0.0"/>', '0.0.0.0'),
        ('<graphics type="vnc"><listen type="address" address="192.0.2.1"/></graphics>', '192.0.2.1'),
        ('<graphics type="vnc"/>', ''),
    ],
)
def test_the_displays_are_read_from_the_domain(graphics, listen):
    data = DOMAIN.replace(b'</devices>', graphics.encode() + b'</devices>')
    assert domain_xml.displays(data) == [{'type': 'vnc', 'listen': listen}]
    assert domain_xml.displays(DOMAIN) == []


def test_a_display_that_is_there_stays():
    spice = DOMAIN.replace(b'</devices>', b'<graphics type="spice"/></devices>')
    assert [g.get('type') for g in after(spice, graphics=('::1', None)).iter('graphics')] == ['spice']


@pytest.mark.parametrize(
    ('value', 'line'),
    [
        ('', 'console=ttyS0'),
        ('   ', 'console=ttyS0'),
        (' a  b ', ' a  b  console=ttyS0'),
        ('console=tty1', 'console=tty1'),
        ('a console= b', 'a console= b'),
        ('xconsole=1', 'xconsole=1 console=ttyS0'),
        ('a -- quiet', 'a console=ttyS0 -- quiet'),
        ('a -- console=tty1', 'a console=ttyS0 -- console=tty1'),
        ('console=tty1 -- a', 'console=tty1 -- a'),
        ('-- a', 'console=ttyS0 -- a'),
        ('x="a -- b" c', 'x="a -- b" c console=ttyS0'),
        ('x="a -- b" "--" c', 'x="a -- b" console=ttyS0 "--" c'),
        ('--a ---', '--a --- console=ttyS0'),
        ('x' * 2033, 'x' * 2033 + ' console=ttyS0'),
        ('x' * 2034, 'x' * 2034),
        ('x' * 2047, 'x' * 2047),
    ],
)
def test_the_command_line(value, line):
    assert domain_xml.command_line(value) == line


@pytest.mark.parametrize('value', ['x' * 2048, 'a\nb', 'a\n', 'a\tb', 'a\0', 'ä', '\x7f', '\u2028'])
def test_invalid_boot_parameters_are_refused(value):
    with pytest.raises(domain_xml.InvalidDomain, match='the boot parameters'):
        domain_xml.command_line(value)


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'\0',
        b'<domain>',
        b'<network/>',
        b'<domain/>',
        DOMAIN.replace(b'<devices>', b'<devices/><devices>'),
        DOMAIN.replace(b'<type>', b'<type/><type>'),
        DOMAIN.replace(b'<on_reboot>', b'<on_reboot/><on_reboot>'),
        DOMAIN.replace(b'<kernel>', b'<kernel>/l</kernel><kernel>'),
        DOMAIN.replace(b'<domain type="kvm">', b'<domain xmlns="urn:x">'),
        DOMAIN + b' ' * domain_xml.MAX_BYTES,
    ],
    ids=['empty', 'nul', 'ill-formed', 'network', 'bare', 'devices', 'types', 'reboots', 'kernels', 'namespace', 'big'],
)
def test_what_is_not_a_domain_is_refused(data):
    with pytest.raises(domain_xml.InvalidDomain):
        domain_xml.rewrite(data, 'a')


ENTITIES = b''.join(b'<!ENTITY e%d "%s">' % (level, b'&e%d;' % (level - 1) * 20) for level in range(1, 9))
DOCTYPES = {
    'bomb': (b'<!DOCTYPE domain [<!ENTITY e0 "%s">%s]>' % (b'x' * 99, ENTITIES), b'<name>&e8;</name>'),
    'bomb in an attribute': (b'<!DOCTYPE domain [<!ENTITY e0 "%s">%s]>' % (b'x' * 99, ENTITIES), b'<name a="&e8;"/>'),
    'file': (b'<!DOCTYPE domain [<!ENTITY x SYSTEM "file:///etc/hostname">]>', b'<name>&x;</name>'),
    'network': (b'<!DOCTYPE domain SYSTEM "http://127.0.0.1:9/x.dtd">', b'<name/>'),
    'harmless': (b'<!DOCTYPE domain>', b'<name/>'),
}


@pytest.mark.parametrize('encoding', ['UTF-8', 'UTF-16'])
@pytest.mark.parametrize('name', DOCTYPES)
def test_document_types_and_entities_are_refused_at_once(name, encoding):
    doctype, use = DOCTYPES[name]
    text = DOMAIN.split(b'\n', 1)[1].replace(b'<!-- made by hand -->', doctype).replace(b'<name>one</name>', use)
    began = time.process_time()
    with pytest.raises(domain_xml.InvalidDomain):
        domain_xml.rewrite(text.decode().encode(encoding), 'a')
    assert time.process_time() - began < 5


@settings(deadline=None, database=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_one_error(data):
    with pytest.raises(domain_xml.InvalidDomain):
        domain_xml.rewrite(data, 'a')


@settings(deadline=None, database=None)
@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=100))
def test_the_value_is_read_back_as_it_was_given(value):
    assert after(DOMAIN, value).findtext('os/cmdline') == domain_xml.command_line(value)
