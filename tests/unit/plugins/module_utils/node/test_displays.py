# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether instances have a display is read from the domains that a stylesheet makes."""

from __future__ import annotations

import shutil

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import controller, displays, libvirt_xsl

SHIPPED = "<!-- <graphics type='vnc' port='-1' autoport='yes' keymap='en-us' listen='0.0.0.0'/> -->"
OPEN = "<graphics type='vnc' port='-1' autoport='yes'>\n<listen type='address' address='0.0.0.0'/>\n</graphics>"
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
