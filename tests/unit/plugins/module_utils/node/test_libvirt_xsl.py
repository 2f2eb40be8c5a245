# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from xml.etree import ElementTree

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import libvirt_xsl, vnc

# As the versions ship it, without what has nothing to do with the line.
SPELLINGS = {
    '3.0 to 3.2': "<!-- <graphics type='vnc' port='-1' autoport='yes' keymap='en-us' listen='0.0.0.0'/> -->",
    '3.3, 4.0 to 4.2': "<!-- <graphics type='vnc' port='-1' autoport='yes' keymap='en-us' -->",
    '3.4': "<!-- <graphics type='vnc' port='-1' autoport='yes' listen='0.0.0.0' keymap='en-us' -->",
    '4.3 and later': "<!-- <graphics type='vnc' port='-1' autoport='yes' keymap='en-us'/> -->",
}


def sheet(line: str, end: str = '\n') -> str:
    return f'<devices>{end}\t</choose>{end}                {line}{end}            </devices>{end}'.replace('</choose>', '<a/>')


@pytest.fixture(name='shipped', params=SPELLINGS.values(), ids=SPELLINGS.keys())
def fixture_shipped(request: pytest.FixtureRequest) -> str:
    return sheet(request.param)


def graphics(text: str) -> list[dict[str, str]]:
    return [element.attrib for element in ElementTree.fromstring(text).iter('graphics')]


def test_on_gives_one_well_formed_display_on_the_loopback_address(shipped: str) -> None:
    found = graphics(libvirt_xsl.turn_on(shipped))
    assert found == [{'type': 'vnc', 'port': '-1', 'autoport': 'yes', 'listen': '127.0.0.1', 'keymap': 'en-us'}]


def test_off_restores_every_byte(shipped: str) -> None:
    for text in (shipped, shipped.replace('\n', '\r\n')):
        assert libvirt_xsl.turn_off(libvirt_xsl.turn_on(text, password='secret')) == text


def test_on_twice_and_off_twice_are_as_once(shipped: str) -> None:
    once = libvirt_xsl.turn_on(shipped)
    assert libvirt_xsl.turn_on(once) == once
    assert libvirt_xsl.turn_off(shipped) == shipped


def test_our_line_is_recognised(shipped: str) -> None:
    assert not libvirt_xsl.is_ours(shipped)
    assert libvirt_xsl.is_ours(libvirt_xsl.turn_on(shipped))


def test_any_password_survives_xml_and_xslt(shipped: str) -> None:
    text = libvirt_xsl.turn_on(shipped, password='<&>"\'{}\\')
    assert graphics(text)[0]['passwd'] == '<&>"\'{{}}\\'  # doubled braces are single ones to a stylesheet
    assert '<&>' not in vnc.without_passwords(text)
    assert '&lt;' not in vnc.without_passwords(text)


def test_the_access_mode_from_before_a_password_is_kept(shipped: str) -> None:
    text = libvirt_xsl.turn_on(shipped, password='x', marker=libvirt_xsl.access_marker(0o644, 1001))
    assert libvirt_xsl.kept_access(text) == (0o644, 1001)
    assert libvirt_xsl.kept_access(shipped) is None


def test_a_line_made_active_by_hand_becomes_a_comment() -> None:
    by_hand = sheet("<graphics type='vnc' port='-1' listen='0.0.0.0'/>")
    assert graphics(libvirt_xsl.turn_off(by_hand)) == []
    assert len(graphics(libvirt_xsl.turn_on(by_hand))) == 1


@pytest.mark.parametrize(
    'line', ['', '<!-- <interface/> -->', '\n'.join([SPELLINGS['3.4']] * 2), SPELLINGS['3.4'] + "\n<graphics type='vnc'/>"]
)
def test_no_line_or_several_are_refused(line: str) -> None:
    with pytest.raises(libvirt_xsl.StylesheetRefused):
        libvirt_xsl.turn_on(sheet(line))
