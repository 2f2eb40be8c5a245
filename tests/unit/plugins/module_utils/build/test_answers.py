# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that an installer cannot obey are refused with the variable's name and the way out."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import answers, checks

VALUES: dict[str, t.Any] = {
    **{'install_url': 'http://mirror.example.com/os', 'package_mirror': '', 'packages': ['vim'], 'kickstart_version': '', 'os': ''},
    **{'disk_layout': 'plain', 'filesystem': 'ext4', 'swap': 0, 'volume_size': 4, 'cloud_init': False, 'proxy': ''},
}
KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ ann'


@pytest.mark.parametrize('template', answers.FAMILIES)
def test_plain_inputs_suit_every_template(template: str) -> None:
    assert answers.problems(template, VALUES) == []


@pytest.mark.parametrize(
    ('template', 'changes', 'words'),
    [
        ('kickstart.cfg.j2', {'install_url': ''}, 'image_build_install_url must be'),
        ('preseed.cfg.j2', {'install_url': 'mirror'}, 'image_build_install_url must be'),
        ('preseed.cfg.j2', {'install_url': 'ftp://mirror/debian'}, 'image_build_install_url must be the http(s) URL'),
        ('fai.sh.j2', {'install_url': ''}, "must be the http(s) or ftp URL of the directory with FAI's squash.img"),
        ('fai.sh.j2', {'packages': ['@core']}, "image_build_packages must be names of packages with fai.sh.j2, not '@core'."),
        (
            'preseed.cfg.j2',
            {'packages': ['@core']},
            "image_build_packages must be names of packages with preseed.cfg.j2, not '@core'.",
        ),
        ('user-data.j2', {'packages': ['two words']}, "not 'two words'."),
        ('preseed.cfg.j2', {'disk_layout': 'lvm', 'swap': 3072}, 'is 4 GiB, and the layout needs 4880 MiB: 3072 MiB of swap, '),
        ('kickstart.cfg.j2', {'kickstart_version': 'RHEL6', 'filesystem': 'xfs'}, 'RHEL6 cannot make XFS'),
        ('kickstart.cfg.j2', {'kickstart_version': 'RHEL6', 'cloud_init': True}, 'RHEL6 has no package cloud-init'),
        (
            'agama.json.j2',
            {'proxy': 'http://p.example.com:3128'},
            'Add the boot parameter proxy=URL to image_build_installer_options',
        ),
        (
            'autoyast.xml.j2',
            {'package_mirror': 'http://m.example.com'},
            'image_build_package_mirror: autoyast.xml.j2 does not support it',
        ),
    ],
)
def test_what_an_installer_cannot_do_is_refused(template: str, changes: dict[str, t.Any], words: str) -> None:
    (problem,) = answers.problems(template, {**VALUES, **changes})
    assert words in problem
    assert problem.startswith('image_build_')


def test_a_layout_that_just_fits_is_accepted() -> None:
    assert answers.problems('kickstart.cfg.j2', {**VALUES, 'volume_size': 1, 'swap': 240}) == []
    (problem,) = answers.problems('kickstart.cfg.j2', {**VALUES, 'volume_size': 1, 'swap': 241})
    assert problem == (
        'image_build_volume_size is 1 GiB, and the layout needs 1025 MiB: 241 MiB of swap, 768 MiB for the root file system and '
        '16 MiB for tables and alignment.'
    )


def test_a_package_mirror_stands_for_the_install_url() -> None:
    assert answers.problems('preseed.cfg.j2', {**VALUES, 'install_url': '', 'package_mirror': 'http://x.example.com/d'}) == []


@pytest.mark.parametrize(
    ('user', 'words'),
    [
        ({'ssh_keys': [KEY]}, 'must give each user a name'),
        ({'name': 'root', 'ssh_keys': [KEY]}, 'none is root'),
        ({'name': 'ops'}, 'must give ops ssh_keys or a password_hash'),
        ({'name': 'ops', 'ssh_keys': KEY}, 'ssh_keys as a list'),
        ({'name': 'ops', 'ssh_keys': [f'{KEY}\nssh-rsa x']}, 'in one line each'),
        ({'name': 'ops', 'password_hash': 'verysecret'}, 'not a password'),
        ({'name': 'ops', 'ssh_keys': [KEY], 'groups': []}, "not 'groups'"),
        ({'name': 'ops', 'ssh_keys': [KEY], 'sudo': 'perhaps'}, 'must set sudo of ops'),
    ],
)
def test_a_user_that_could_not_log_in_is_refused_without_its_secret(user: dict[str, t.Any], words: str) -> None:
    assert words in checks.user(user)
    assert 'verysecret' not in checks.user(user)
    assert checks.user({'name': 'ops', 'ssh_keys': [KEY], 'sudo': 'no'}) == ''


@pytest.mark.parametrize(
    ('check', 'good', 'bad'),
    [
        (checks.language, ['en_US.UTF-8', 'C.UTF-8', 'ast_ES.UTF-8'], ['de', 'de_DE', 'de_DE.UTF-8; x']),
        (checks.keyboard, ['us', 'latin1'], ['u s', '', 'US']),
        (checks.hostname, ['web', 'web-1.example.com'], ['-web', 'web_1', 'a' * 65, 'web.']),
    ],
)
def test_language_keyboard_and_host_name_are_words_of_their_kind(check: checks.Check, good: list[str], bad: list[str]) -> None:
    assert [check(value) for value in good] == [''] * len(good)
    assert all(check(value) for value in bad)
