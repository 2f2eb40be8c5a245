# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether instances have a display is read from the domains that a stylesheet makes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import controller, displays, libvirt_xsl

SHIPPED = "<!-- <graphics type='vnc' port='-1' autoport='yes' keymap='en-us' listen='0.0.0.0'/> -->"
OPEN = "<graphics type='vnc' port='-1' autoport='yes'>\n<listen type='address' address='0.0.0.0'/>\n</graphics>"
QEMU = (
    '</devices><q:commandline xmlns:q="http://libvirt.org/schemas/domain/qemu/1.0"><q:arg value="-vnc"/><q:arg value="{0}"/>'
    '</q:commandline><devices>'
)
SHEET = """<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="/instance">
    <domain type="{{hypervisor/@type}}">
      <name><xsl:value-of select="name"/></name>
      <devices>
        {0}
      </devices>
    </domain>
  </xsl:template>
</xsl:stylesheet>
"""
XSLTPROC = shutil.which('xsltproc')
pytestmark = pytest.mark.skipif(XSLTPROC is None, reason='xsltproc is not installed')


def sheet(*lines: str) -> str:
    return SHEET.format('\n        '.join(lines))


def domains(*lines: str) -> displays.Domains:
    return displays.Domains(sheet(*lines), XSLTPROC)


def conditional(condition: str) -> str:
    return f'<xsl:if test="{condition}">{OPEN}</xsl:if>'


@pytest.mark.parametrize(
    ('lines', 'state', 'listen'),
    [
        ([SHIPPED], 'off', ''),
        ([SHIPPED, OPEN], 'by hand', '0.0.0.0'),
        ([SHIPPED, "<graphics type='vnc'/>"], 'by hand', 'default'),
        ([SHIPPED, '<graphics><xsl:attribute name="type">vnc</xsl:attribute></graphics>'], 'by hand', 'default'),
        ([SHIPPED, "<graphics type='spice' listen='0.0.0.0'/>"], 'off', ''),
        ([SHIPPED, conditional("os/@platform = 'windows'")], 'by hand', '0.0.0.0'),
        ([SHIPPED, conditional('not(kernel)')], 'by hand', '0.0.0.0'),
        ([SHIPPED, conditional("backing/root/@type = 'ebs'")], 'by hand', '0.0.0.0'),
        ([SHIPPED, conditional('false()')], 'off', ''),
        ([SHIPPED, conditional('memoryKB &gt; 4000000')], 'by hand', '0.0.0.0'),
        ([SHIPPED, conditional("userData != ''")], 'by hand', '0.0.0.0'),
        ([SHIPPED, conditional("os/@virtioRoot = 'false'")], 'by hand', '0.0.0.0'),
        ([SHIPPED, conditional("hypervisor/@bitness = '32'")], 'by hand', '0.0.0.0'),
        ([SHIPPED, '</devices><devices>', OPEN], 'by hand', '0.0.0.0'),
        (
            [SHIPPED, OPEN.replace('<listen', "<listen type='address' address='127.0.0.1'/><listen")],
            'by hand',
            '127.0.0.1, 0.0.0.0',
        ),
        ([SHIPPED, "<graphics type='vnc' socket='/run/vnc'/>"], 'by hand', 'socket'),
        ([SHIPPED, QEMU.format('0.0.0.0:1,password')], 'by hand', '0.0.0.0'),
        ([SHIPPED, QEMU.format(':1')], 'by hand', '0.0.0.0'),
        ([SHIPPED, QEMU.format('127.0.0.1:1')], 'by hand', '127.0.0.1'),
        ([SHIPPED, '<!--', OPEN, '-->'], 'off', ''),
    ],
)
def test_the_result_decides_whatever_the_lines_look_like(lines: list[str], state: str, listen: str) -> None:
    found = domains(*lines)
    assert (found.state(), found.listen()) == (state, listen)


def test_our_line_is_on() -> None:
    found = displays.Domains(libvirt_xsl.turn_on(sheet(SHIPPED)), XSLTPROC)
    assert (found.state(), found.listen()) == ('on', '127.0.0.1')


@pytest.mark.parametrize('wanted', [None, '127.0.0.1', '0.0.0.0'])
def test_a_second_display_is_refused_for_off_as_for_on(wanted: str | None) -> None:
    text = sheet(SHIPPED, OPEN)
    changed = text if wanted is None else libvirt_xsl.turn_on(text, listen=wanted)
    after = displays.Domains(changed, XSLTPROC, 'changed')
    with pytest.raises(libvirt_xsl.StylesheetRefused, match=r'did not add.*0\.0\.0\.0.*by hand'):
        displays.compare(domains(SHIPPED, OPEN), after, wanted)


def test_a_line_inside_another_element_is_refused() -> None:
    text = sheet('<xsl:if test="false()">', SHIPPED, '</xsl:if>')
    after = displays.Domains(libvirt_xsl.turn_on(text), XSLTPROC, 'changed')
    with pytest.raises(libvirt_xsl.StylesheetRefused, match='inside another element'):
        displays.compare(displays.Domains(text, XSLTPROC), after, '127.0.0.1')


def test_another_difference_is_refused() -> None:
    with pytest.raises(libvirt_xsl.StylesheetRefused, match='more of a domain'):
        displays.compare(domains(SHIPPED), domains(SHIPPED, '<video/>'), None)


@pytest.mark.parametrize('text', ['', '<a>', sheet('<oops>'), sheet(SHIPPED).replace('domain', 'network')])
def test_a_stylesheet_that_does_not_work_has_no_state(text: str) -> None:
    with pytest.raises(libvirt_xsl.StylesheetRefused):
        displays.Domains(text, XSLTPROC)


def test_a_password_is_not_in_the_message_of_a_broken_stylesheet() -> None:
    with pytest.raises(libvirt_xsl.StylesheetRefused) as refused:
        domains("<graphics passwd='s3cret'>")
    assert 's3cret' not in str(refused.value)


@pytest.mark.parametrize(('lines', 'state'), [([SHIPPED], 'off'), ([SHIPPED, OPEN], 'by hand'), (['<oops>'], 'unknown')])
def test_nc_hook_reports_the_same(tmp_path, lines: list[str], state: str) -> None:
    etc = tmp_path / 'etc/eucalyptus'
    etc.mkdir(parents=True)
    (etc / 'libvirt.xsl').write_text(sheet(*lines))
    assert controller.Node(str(tmp_path)).vnc() == state


@pytest.mark.parametrize(
    ('before', 'line', 'name', 'content'),
    [
        ('<!DOCTYPE x [<!ENTITY g SYSTEM "part.xml">]>', '&g;', 'part.xml', OPEN),
        ('', '<xsl:copy-of select="document(\'part.xml\')"/>', 'part.xml', OPEN),
        (
            '',
            '<xsl:call-template name="part"/>',
            'part.xsl',
            f'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template name="part">{OPEN}'
            '</xsl:template></xsl:stylesheet>',
        ),
    ],
    ids=['entity', 'document', 'include'],
)
def test_files_beside_the_stylesheet_count(tmp_path, before: str, line: str, name: str, content: str) -> None:
    etc = tmp_path / 'etc/eucalyptus'
    etc.mkdir(parents=True)
    text = sheet(SHIPPED, line).replace('<xsl:stylesheet', before + '<xsl:stylesheet', 1)
    if name == 'part.xsl':
        text = text.replace('<xsl:template', '<xsl:include href="part.xsl"/><xsl:template', 1)
    (etc / 'libvirt.xsl').write_text(text)
    (etc / name).write_text(content)
    assert controller.Node(str(tmp_path)).vnc() == 'by hand'
    assert displays.Domains(text, XSLTPROC, directory=str(etc)).listen() == '0.0.0.0'


def test_a_host_without_a_stylesheet_directory_is_no_error(tmp_path: Path) -> None:
    assert displays.Domains(sheet(SHIPPED), XSLTPROC, directory=str(tmp_path / 'missing')).state() == 'off'
