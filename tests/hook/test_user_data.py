# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a marker is seen, where it is not, and what the bytes behind it become."""

from __future__ import annotations

import base64
import email
import gzip
import quopri
import re
import resource
import textwrap

import pytest
from lxml import etree

from tests.hook.hook_check import check
from tests.hook.hook_hostile import NEAR, PAYLOADS
from tests.hook.hook_oracle import Verdict, canonical
from tests.hook.hook_shapes import KEPT, VERSIONS, Shape, encode
from tests.hook.hook_world import FILES, SHELLS, World


def line_of(world: World) -> str | None:
    root = etree.fromstring(world.libvirt_file.read_bytes())
    return root.findtext('os/cmdline')


def send(world: World, data: bytes, shell: str = 'dash', shape: Shape | None = None) -> Verdict:
    world.put(shape or Shape(), encode(data))
    return check(world, shell)


@pytest.mark.parametrize('name', PAYLOADS)
def test_a_payload_stays_text(world, shell, name):
    verdict = send(world, b'bootparams=' + PAYLOADS[name].encode() + b'\n', shell)
    assert verdict.applied
    text = line_of(world)
    assert text.replace('console=ttyS0 -- ', '-- ').removesuffix(' console=ttyS0') == PAYLOADS[name].removesuffix(' console=ttyS0')


@pytest.mark.parametrize('version', VERSIONS)
def test_every_version_gets_its_boot_parameters(world, any_shell, version):
    assert send(world, b'#cloud-config\nbootparams=ks=http://h/?a=1&b=2\n', any_shell, Shape(version)).applied
    assert line_of(world) == 'ks=http://h/?a=1&b=2 console=ttyS0'


@pytest.mark.parametrize('version', VERSIONS)
def test_no_user_data_changes_nothing(world, any_shell, version):
    """What the NC is sent on euca-start-instances too, so a self-installed instance boots its disk."""
    assert send(world, b'', any_shell, Shape(version)).silent


@pytest.mark.parametrize('line', NEAR, ids=repr)
def test_a_line_that_only_resembles_the_marker_is_none(world, shell, line):
    assert send(world, b'#cloud-config\n' + line + b'\n', shell).silent


def test_the_first_marker_counts(world, shell):
    assert send(world, b'xbootparams=0\nbootparams=1\nbootparams=2\n', shell).applied
    assert line_of(world) == '1 console=ttyS0'


def test_a_second_marker_does_not_help_a_bad_first_one(world, shell):
    assert send(world, b'bootparams=\xff\nbootparams=2\n', shell).code == 1


@pytest.mark.parametrize('prefix', [b'', b'x', b'xx', b'xxx'])
@pytest.mark.parametrize('suffix', [b'', b'\n', b'\0', b'\xff\xff', b'~~~'])
def test_the_marker_is_found_at_every_alignment_of_base64(world, prefix, suffix):
    assert not send(world, prefix + b'\nbootparams=' + suffix).silent


def test_a_carriage_return_at_the_end_of_a_line_is_dropped(world, shell):
    assert send(world, b'#cloud-config\r\nbootparams=a b\r\n', shell).applied
    assert line_of(world) == 'a b console=ttyS0'


def test_a_carriage_return_at_the_very_end_is_dropped(world, shell):
    assert send(world, b'bootparams=a\r', shell).applied
    assert line_of(world) == 'a console=ttyS0'


@pytest.mark.parametrize('value', [b'a\rb', b'a\r\r', b'\rb'])
def test_any_other_carriage_return_is_refused(world, shell, value):
    assert send(world, b'bootparams=' + value + b'\n', shell).code == 1


@pytest.mark.parametrize('byte', [*range(0x0A), *range(0x0B, 0x20), 0x7F, 0x80, 0x85, 0xA0, 0xC2, 0xE4, 0xFE, 0xFF], ids=hex)
def test_a_byte_outside_printable_ascii_is_refused(world, byte):
    shell = list(SHELLS)[byte % len(SHELLS)]
    assert send(world, b'bootparams=a' + bytes([byte]) + b'b\n', shell).code == 1


def test_a_nul_in_the_value_does_not_vanish(world, shell):
    assert send(world, b'bootparams=a\0b\n', shell).code == 1


def test_a_nul_in_the_marker_does_not_vanish(world, shell):
    assert send(world, b'boot\0params=a\n', shell).silent


@pytest.mark.parametrize('length', [2033, 2034, 2047])
def test_the_value_may_be_2047_bytes_long_and_the_console_is_added_while_it_fits(world, shell, length):
    value = b'&' * length
    assert send(world, b'bootparams=' + value + b'\n', shell).applied
    assert line_of(world) == value.decode() + (' console=ttyS0' if length == 2033 else '')


def test_a_value_of_2048_bytes_is_refused(world, shell):
    assert send(world, b'bootparams=' + b'x' * 2048 + b'\n', shell).code == 1


@pytest.mark.parametrize('value', [b'', b' ', b'     ', b' ' * 2047], ids=['empty', 'one', 'five', 'many'])
def test_an_empty_or_blank_value_gives_the_serial_console_only(world, shell, value):
    assert send(world, b'bootparams=' + value + b'\n', shell).applied
    assert line_of(world) == 'console=ttyS0'


@pytest.mark.parametrize('value', ['console=tty1', 'a console=ttyS1,115200 b', 'console='])
def test_a_named_console_is_not_doubled(world, any_shell, value):
    assert send(world, b'bootparams=' + value.encode(), any_shell).applied
    assert line_of(world) == value


@pytest.mark.parametrize('value', ['xconsole=tty1', 'console', '"console=tty1"', 'a=console=b', 'c*', 'consol?=*'])
def test_only_a_word_that_starts_with_console_names_one(world, any_shell, value):
    """A file called console=bait lies in the working directory, for a hook that expands globs."""
    assert send(world, b'bootparams=' + value.encode(), any_shell).applied
    assert line_of(world) == value + ' console=ttyS0'


def test_blanks_stay_as_they_are(world, shell):
    assert send(world, b'bootparams=  a   b=" c"  \n', shell).applied
    assert line_of(world) == '  a   b=" c"   console=ttyS0'


def padded(head: bytes, tail: bytes, length: int) -> bytes:
    return head + b'\n' + b'#' * (length - len(head) - len(tail) - 2) + b'\n' + tail


@pytest.mark.parametrize('length', [12284, 12285, 12286, 12287, 12288, 12289, 16384])
def test_a_marker_in_front_survives_the_cut_of_long_user_data(world, any_shell, length):
    assert send(world, padded(b'bootparams=a', b'echo', length), any_shell).applied
    assert line_of(world) == 'a console=ttyS0'


@pytest.mark.parametrize('length', [12288, 12289, 12295, 16384])
def test_a_marker_line_that_was_cut_is_refused(world, shell, length):
    data = b'#' * 12200 + b'\nbootparams=' + b'a' * (length - 12212)
    assert len(encode(data)) == KEPT
    assert send(world, data, shell).code == 1
    assert b'cut' in world.log.read_bytes()


def test_a_marker_line_that_ends_with_complete_user_data_is_taken(world, shell):
    assert send(world, b'#' * 12200 + b'\nbootparams=' + b'a' * 73, shell).applied


@pytest.mark.parametrize('key', [b'installer=fed', b'console=vn'])
def test_another_key_that_was_cut_is_refused(build, shell, key):
    world = build(installers='*', vnc='yes')
    head = b'bootparams=a\n'
    data = head + b'#' * (12287 - len(head) - len(key) - 1) + b'\n' + key + b'ora-40'
    assert send(world, data, shell).code == 1


def test_a_cut_elsewhere_is_no_reason_to_refuse(world, shell):
    assert send(world, padded(b'bootparams=a\nconsole=x\0', b'echo ' * 20, 16383), shell).applied


def test_every_length_of_base64_is_survived(world):
    text = base64.b64encode(b'bootparams=abcdefghij\nx').decode()
    for length in range(len(text) + 1):
        world.put(Shape(), text[:length])
        check(world, ('dash', 'busybox', 'mksh', 'bash')[length % 4])


@pytest.mark.parametrize('text', ['bootparams=', '****', 'Ym9vdHBhcmFtcz1h=YQ', 'Ym9vdHBhcmFtcz1h,', 'é'])
def test_user_data_that_is_not_base64_is_left_alone(world, any_shell, text):
    world.put(Shape(), text)
    before = world.snapshot()
    assert world.run(any_shell).code == 0
    assert world.snapshot() == before


def test_base64_on_several_lines_is_understood(world, shell):
    text = encode(b'#cloud-config\n' * 9 + b'bootparams=a\n' + b'#' * 99)
    world.put(Shape(), '\n'.join(text[at : at + 7] for at in range(0, len(text), 7)))
    assert world.run(shell).code == 0
    assert line_of(world) == 'a console=ttyS0'


def mime(*parts: bytes, end: bytes = b'\n') -> bytes:
    """Return a MIME message of parts, each with its headers."""
    lines = b'Content-Type: multipart/mixed; boundary="=="\nMIME-Version: 1.0\n\n' + b''.join(
        b'--==\n%s\n' % part for part in parts
    )
    return (lines + b'--==--\n').replace(b'\n', end)


def part(data: bytes, encoding: bytes = b'', kind: bytes = b'text/plain') -> bytes:
    header = b'Content-Transfer-Encoding: %s\n' % encoding if encoding else b''
    return b'Content-Type: %s\n%s\n%s' % (kind, header, data)


CLOUD_CONFIG = part(b'#cloud-config\nhostname: box\n', kind=b'text/cloud-config')


@pytest.mark.parametrize('encoding', [b'', b'7bit', b'8bit'])
def test_a_marker_in_a_mime_part_is_seen(world, shell, encoding):
    assert send(world, mime(part(b'bootparams=a', encoding), CLOUD_CONFIG), shell).applied
    assert line_of(world) == 'a console=ttyS0'


@pytest.mark.parametrize('end', [b'\n', b'\r\n'])
@pytest.mark.parametrize('encoding', [b'quoted-printable', b'Quoted-Printable'])
def test_a_marker_in_a_quoted_printable_part_is_refused_because_it_is_mangled(world, any_shell, encoding, end):
    data = quopri.encodestring(b'bootparams=inst.ks=http://h/ks?a=1\n')
    assert data.startswith(b'bootparams=3D')
    assert send(world, mime(CLOUD_CONFIG, part(data, encoding), end=end), any_shell).code == 1
    assert b'refused: a line is in a quoted-printable MIME part' in world.tenant_log.read_bytes()


def test_another_key_in_a_quoted_printable_part_is_refused(build, any_shell):
    world = build(installers='*', vnc='yes')
    data = mime(part(b'bootparams=a'), part(b'console=3Dvnc', b'quoted-printable'))
    assert send(world, data, any_shell).code == 1


def test_a_quoted_printable_part_elsewhere_is_no_reason_to_refuse(world, shell):
    other = part(b'a=3Db', b'quoted-printable')
    for data in (mime(other, part(b'bootparams=a')), mime(part(b'bootparams=a'), other)):
        assert send(world, data, shell).applied
        assert line_of(world) == 'a console=ttyS0'


def test_a_header_in_a_script_that_is_not_mime_changes_nothing(world, any_shell):
    assert send(world, b'#!/bin/sh\necho "\nContent-Transfer-Encoding: quoted-printable\n"\nbootparams=a\n', any_shell).applied


def test_the_example_in_the_documentation_works_for_the_hook_and_for_cloud_init(world, shell):
    lines = (FILES.parents[2] / 'docs/hook.md').read_text().split('By hand it looks like this:\n\n')[1].split('\nIn a shell')[0]
    example = textwrap.dedent(lines)
    assert send(world, example.encode(), shell).applied
    assert line_of(world) == 'autoinstall ip=dhcp console=ttyS0'
    message = email.message_from_string(example)
    assert [each.get_content_type() for each in message.get_payload()] == ['text/plain', 'text/cloud-config']
    assert message.get_payload()[1].get_payload().startswith('#cloud-config\n')


BASE64 = base64.encodebytes(b'#cloud-config\n' + b'#' * 57 + b'\nbootparams=a\n')
HIDDEN = {
    'gzip': gzip.compress(b'#cloud-config\nbootparams=a\n'),
    'base64 part': mime(CLOUD_CONFIG, part(BASE64, b'base64')),
    'base64 part with carriage returns': mime(part(BASE64, b'BASE64'), end=b'\r\n') + b'Content-Transfer-Encoding: base64',
    'two base64 parts': mime(part(base64.b64encode(b'ab'), b'base64'), part(BASE64, b'base64')),
}


@pytest.mark.parametrize('name', HIDDEN)
def test_a_marker_that_is_not_plain_text_has_no_effect_and_the_tenant_is_informed(world, shell, name):
    assert send(world, HIDDEN[name], shell).hidden
    assert world.libvirt_file.read_bytes() == world.domain
    assert re.fullmatch(rb'bootparams: ignored: the line bootparams= is in [ -~]+; send [ -~]+\n', world.tenant_log.read_bytes())
    assert b' ignored: ' in world.log.read_bytes()


def test_a_marker_in_plain_text_counts_beside_a_hidden_one(world, any_shell):
    assert send(world, mime(part(BASE64, b'base64'), part(b'bootparams=b')), any_shell).applied
    assert line_of(world) == 'b console=ttyS0'


QUIET = {
    'gzip': gzip.compress(b'#cloud-config\nxbootparams=a\n'),
    'broken gzip': b'\x1f\x8b\x08' + bytes(range(256)) * 20,
    'base64 part': mime(CLOUD_CONFIG, part(base64.encodebytes(b'#cloud-config\nxbootparams=a\n'), b'base64')),
    'base64 without MIME': part(BASE64, b'base64'),
    'binary': bytes(range(256)) * 20,
    'NUL': b'\0' * 99,
    'byte-order mark': b'\xff\xfe',
}


@pytest.mark.parametrize('name', QUIET)
def test_encoded_and_binary_user_data_without_a_marker_is_left_alone(world, shell, name):
    world.put(Shape(), encode(QUIET[name]))
    before = world.snapshot()
    assert world.run(shell).code == 0
    assert world.snapshot() == before


@pytest.mark.parametrize(
    'data', [gzip.compress(b'x' * 9_000_000), mime(*[part(BASE64, b'base64')] * 60)], ids=['gzip', 'many parts']
)
def test_looking_for_a_hidden_marker_is_quick(world, shell, data):
    assert len(data) < 12_287
    world.put(Shape(), encode(data))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert world.run(shell).code == 0
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 2


INIT = {
    'auto=true url=http://192.0.2.20/p.cfg priority=critical -- quiet': 'auto=true url=http://192.0.2.20/p.cfg priority=critical '
    'console=ttyS0 -- quiet',
    'a --': 'a console=ttyS0 --',
    '-- a': 'console=ttyS0 -- a',
    'a  --  b -- c': 'a  console=ttyS0 --  b -- c',
    'a -- console=tty1': 'a console=ttyS0 -- console=tty1',
    'console=tty1 -- a': 'console=tty1 -- a',
    'x="a -- b" c': 'x="a -- b" c console=ttyS0',
    'x="a -- b" -- c': 'x="a -- b" console=ttyS0 -- c',
    'x="a -- b': 'x="a -- b console=ttyS0',
    "x='a -- b'": "x='a console=ttyS0 -- b'",
    'a "--" b': 'a console=ttyS0 "--" b',
    'a --b ---': 'a --b --- console=ttyS0',
}


@pytest.mark.parametrize('value', INIT)
def test_the_console_is_added_before_what_the_kernel_passes_to_init(world, shell, value):
    assert send(world, b'bootparams=' + value.encode(), shell).applied
    assert line_of(world) == INIT[value]


@pytest.mark.parametrize('value', [b'"' + b'-- ' * 682, b'"--" '[:4] + b' "" --x -- ' * 200, b' ' * 2043 + b'a --'], ids=len)
def test_dividing_the_words_is_quick(world, shell, value):
    world.put(Shape(), encode(b'bootparams=' + value))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    check(world, shell)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 2


def test_binary_user_data_around_a_marker_does_no_harm(world, shell):
    assert send(world, bytes(range(256)) * 9 + b'\nbootparams=a\n' + bytes(range(256)) * 9, shell).applied


@pytest.mark.parametrize('element', [b'', b'<userData/>', b'<userData></userData>', b'<userData> </userData>'])
def test_no_user_data_in_any_spelling(world, any_shell, element):
    world.put(Shape(), 'X')
    file = world.directory / 'instance.xml'
    file.write_bytes(file.read_bytes().replace(b'<userData>X</userData>', element))
    before = world.snapshot()
    assert world.run(any_shell).code == 0
    assert world.snapshot() == before


BOMB = b'<!DOCTYPE instance [<!ENTITY a "%s">%s]>\n<instance>' % (
    b'a' * 50,
    b''.join(b'<!ENTITY %c "%s">' % (new, b'&%c;' % old * 20) for old, new in zip(b'abcdefgh', b'bcdefghi', strict=True)),
)


@pytest.mark.parametrize('change', ['empty', 'ill-formed', 'bomb', 'missing', 'other'])
def test_an_instance_file_that_cannot_be_read_does_not_stop_the_launch(world, any_shell, change):
    world.put(Shape(), encode(b'bootparams=a\n'))
    file = world.directory / 'instance.xml'
    text = file.read_bytes()
    if change == 'missing':
        file.unlink()
    else:
        bomb = text.replace(b'<instance xml-version="2">', BOMB).replace(b'<name>i-', b'<name>&i;i-')
        changed = {'empty': b'', 'ill-formed': text[:-20], 'bomb': bomb, 'other': b'<a><userData>\n</userData></a>'}
        file.write_bytes(changed[change])
    libvirt = canonical(world.libvirt_file.read_bytes())
    assert world.run(any_shell).code == 0
    assert canonical(world.libvirt_file.read_bytes()) == libvirt
    assert not world.tenant_log.exists()
