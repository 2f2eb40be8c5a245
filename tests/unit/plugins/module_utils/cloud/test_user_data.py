# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import email
import gzip

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.user_data import UserDataError, compose
from hypothesis import given
from hypothesis import strategies as st

MULTIPART = (
    'From nobody Mon Nov 30 2026\nContent-Type: multipart/mixed; boundary="=_b"\nMIME-Version: 1.0\n\npreamble\n'
    '--=_b\nContent-Type: text/cloud-config\n\n#cloud-config\nhostname: box\n--=_b--\nepilogue\n'
)
SINGLE = 'MIME-Version: 1.0\nContent-Type: text/cloud-config\nContent-Transfer-Encoding: base64\n\nI2Nsb3VkLWNvbmZpZwo=\n'


def parts(data):
    """Content type and payload of each part."""
    message = email.message_from_bytes(data)
    return [(part.get_content_type(), part.get_payload(decode=True)) for part in message.get_payload()]


def test_without_options_there_is_no_user_data():
    assert compose(None, None, False, None) is None


@pytest.mark.parametrize('own', ['#cloud-config\nhostname: box\n', '#!/bin/sh\necho "ü"\n', 'plain', MULTIPART])
def test_user_data_alone_is_unchanged(own):
    assert compose(None, None, False, own) == own.encode()


@pytest.mark.parametrize('own', ['', 'plain\n', 'ämter=1', '\ufeff#cloud-config', '# comment\n#cloud-config', 'Mime-Version 1.0'])
def test_the_hooks_lines_stand_in_front_of_plain_text(own):
    assert compose('ip=dhcp ks=http://x/?a=1&b=2', 'fedora-39', True, own) == (
        b'bootparams=ip=dhcp ks=http://x/?a=1&b=2\ninstaller=fedora-39\nconsole=vnc\n' + own.encode()
    )


@pytest.mark.parametrize(
    ('own', 'kind'),
    [
        ('#cloud-config\nhostname: bö\n', 'text/cloud-config'),
        ('#Cloud-Config\nhostname: box', 'text/cloud-config'),
        ('\n#cloud-config\nhostname: box\n', 'text/cloud-config'),
        (' \r\n\t#!/bin/sh\n', 'text/x-shellscript'),
        ('#cloud-config\rhostname: box\r', 'text/cloud-config'),
        ('#cloud-config-archive\n- a', 'text/cloud-config-archive'),
        ('#cloud-boothook\n#!/bin/sh\n', 'text/cloud-boothook'),
        ('#part-handler\n', 'text/part-handler'),
        ('#include\nhttp://x/\n', 'text/x-include-url'),
        ('#include-once\nhttp://x/\n', 'text/x-include-once-url'),
        ('## template: jinja\n#cloud-config\na: {{ v1.region }}\n', 'text/jinja2'),
        ('#!/bin/sh\r\necho\r\n', 'text/x-shellscript'),
    ],
)
def test_what_cloud_init_reads_becomes_the_second_part_of_a_mime_message(own, kind):
    data = compose('ip=dhcp', None, True, own)
    assert parts(data) == [('text/plain', b'bootparams=ip=dhcp\nconsole=vnc\n'), (kind, own.encode())]
    assert b'\nbootparams=ip=dhcp\n' in data
    assert data == compose('ip=dhcp', None, True, own)


def test_a_mime_message_gets_one_more_part_and_is_otherwise_unchanged():
    data = compose('ip=dhcp', None, False, MULTIPART).decode()
    added = '--=_b\nContent-Type: text/plain; charset="us-ascii"\n\nbootparams=ip=dhcp\n'
    assert data.replace(added, '') == MULTIPART
    assert data.index(added) < data.index('text/cloud-config')
    crlf = compose('ip=dhcp', None, False, MULTIPART.replace('\n', '\r\n'))
    assert [kind for kind, _payload in parts(crlf)] == ['text/plain', 'text/cloud-config']


def test_a_mime_message_of_one_part_becomes_the_second_part():
    assert parts(compose('ip=dhcp', None, False, SINGLE)) == [
        ('text/plain', b'bootparams=ip=dhcp\n'),
        ('text/cloud-config', b'#cloud-config\n'),
    ]


def test_a_mime_message_without_its_boundary_is_refused():
    with pytest.raises(UserDataError, match='without the boundary'):
        compose('ip=dhcp', None, False, MULTIPART.replace('--=_b', '--b'))


def test_compressed_user_data_cannot_carry_boot_parameters():
    packed = gzip.compress(b'#cloud-config\n', mtime=0)
    own = packed.decode('utf-8', 'surrogateescape')
    assert compose(None, None, False, own) == packed
    with pytest.raises(UserDataError, match='compressed with gzip'):
        compose('ip=dhcp', None, False, own)


@given(st.text(st.characters(blacklist_categories=['Cs']), max_size=60), st.sampled_from(['#!', '#cloud-config\n', '#include\n']))
def test_no_content_is_taken_for_a_boundary_or_changed(text, begin):
    own = begin + text.replace('=', '-')
    assert parts(compose('x', None, False, own))[1][1].decode().splitlines() == own.splitlines()


def test_as_much_as_a_kernel_reads_is_accepted_and_one_more_refused():
    assert compose('x' * 2047, None, False, None)
    with pytest.raises(UserDataError, match='2048 characters'):
        compose('x' * 2048, None, False, None)


def test_as_much_as_a_node_keeps_is_accepted_and_one_byte_more_refused():
    lines = len(b'bootparams=x\n')
    assert len(compose('x', None, False, 'y' * (12287 - lines))) == 12287
    with pytest.raises(UserDataError, match='12288 bytes'):
        compose('x', None, False, 'y' * (12288 - lines))
    with pytest.raises(UserDataError, match='12287. Shorten user_data'):
        compose('x', None, False, '#!/bin/sh\n' + 'y' * (12288 - lines))


@pytest.mark.parametrize('own', ['', '#!/bin/sh\nconsole=/dev/ttyS0\ninstaller=apt\n'])
def test_without_boot_parameters_the_limit_is_the_clouds_own(own):
    own += 'y' * (16384 - len(own))
    assert compose(None, None, False, own) == own.encode()


@pytest.mark.parametrize('text', ['a\nb', 'a\tb', 'a\0b', 'ü', 'a\r', '\x7f', '\u201c'])
def test_what_is_no_printable_ascii_is_refused_and_shown(text):
    with pytest.raises(UserDataError, match='at character'):
        compose(text, None, False, None)


@pytest.mark.parametrize('name', ['Debian', '', '../x', '.x', 'a/b', 'a b', 'a\n', 'ä'])
def test_an_installer_is_a_name_and_no_path(name):
    with pytest.raises(UserDataError, match='installer'):
        compose(None, name, False, None)


def test_every_name_that_a_node_may_have_is_accepted():
    assert compose(None, '_debian-12.1', False, None) == b'installer=_debian-12.1\n'


@pytest.mark.parametrize('own', ['bootparams=x', 'a\nbootparams=x\n', 'installer=x', '#!/bin/sh\nconsole=vnc'])
def test_two_sets_of_boot_parameters_are_refused(own):
    with pytest.raises(UserDataError, match='or indent the line'):
        compose('ip=dhcp', None, False, own)


def test_boot_parameters_in_the_users_own_data_have_the_nodes_limit():
    with pytest.raises(UserDataError, match='12287'):
        compose(None, None, False, 'bootparams=x\n' + 'y' * 12287)
