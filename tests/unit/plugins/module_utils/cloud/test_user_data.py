# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.user_data import UserDataError, compose


def test_nothing_said_is_no_user_data():
    assert compose(None, None, False, None) is None


def test_the_hooks_lines_come_first_and_the_users_own_data_stay_as_they_are():
    own = '#!/bin/sh\necho "ü"\n'
    assert compose('ip=dhcp ks=http://x/?a=1&b=2', 'fedora-39', True, own) == (
        b'bootparams=ip=dhcp ks=http://x/?a=1&b=2\ninstaller=fedora-39\nconsole=vnc\n' + own.encode()
    )
    assert compose(None, None, False, own) == own.encode()


def test_as_much_as_a_kernel_reads_is_accepted_and_one_more_refused():
    assert compose('x' * 2047, None, False, None)
    with pytest.raises(UserDataError, match='2048 characters'):
        compose('x' * 2048, None, False, None)


def test_as_much_as_a_node_keeps_is_accepted_and_one_byte_more_refused():
    lines = len(b'bootparams=x\n')
    assert len(compose('x', None, False, 'y' * (12287 - lines))) == 12287
    with pytest.raises(UserDataError, match='12288 bytes'):
        compose('x', None, False, 'y' * (12288 - lines))


def test_without_boot_parameters_the_limit_is_the_clouds_own():
    assert len(compose(None, None, False, 'y' * 16384)) == 16384


@pytest.mark.parametrize('text', ['a\nb', 'a\tb', 'a\0b', 'ü', 'a\r', '\x7f', '\u201c'])
def test_what_is_no_printable_ascii_is_refused_and_shown(text):
    with pytest.raises(UserDataError, match='at character'):
        compose(text, None, False, None)


@pytest.mark.parametrize('name', ['', '../x', '.x', 'a/b', 'a b', 'a\n', 'ä'])
def test_an_installer_is_a_name_and_no_path(name):
    with pytest.raises(UserDataError, match='installer'):
        compose(None, name, False, None)


@pytest.mark.parametrize('own', ['bootparams=x', 'a\nbootparams=x\n', 'installer=x', 'console=vnc'])
def test_two_sets_of_boot_parameters_are_refused(own):
    with pytest.raises(UserDataError, match='of its own'):
        compose('ip=dhcp', None, False, own)


def test_boot_parameters_in_the_users_own_data_obey_the_nodes_limit():
    with pytest.raises(UserDataError, match='12287'):
        compose(None, None, False, 'bootparams=x\n' + 'y' * 12287)
