# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input is refused by the first task of a build, so before anything is created, with the name of the variable.

Debian 12 comes from a mirror on loopback with real signatures.
"""

from __future__ import annotations

import shutil
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.file_server import (
    INSTALLER,
    KERNEL,
    NETBOOT,
    RAMDISK,
    Files,
    Signer,
    debian,
    serving,
    sha256,
)

Plan = t.Callable[..., dict[str, t.Any]]
pytestmark = pytest.mark.skipif(not shutil.which('gpgv'), reason='needs gpgv')
LINUX, INITRD, SUMS = f'{INSTALLER}{NETBOOT}linux', f'{INSTALLER}{NETBOOT}initrd.gz', f'{INSTALLER}SHA256SUMS'
USER = {'name': 'ann'}


@pytest.fixture(name='files')
def fixture_files(signer: Signer) -> Files:
    return {**debian(signer), LINUX: KERNEL, INITRD: RAMDISK}


@pytest.fixture(name='mirror')
def fixture_mirror(files: Files) -> Iterator[str]:
    with serving(files) as (url, _asked):
        yield url


@pytest.fixture(name='plan')
def fixture_plan(planner: Plan, mirror: str, signer: Signer, tmp_path: Path) -> Plan:
    given = {
        'image_build_os': 'debian-12',
        'image_build_mirror': mirror,
        'image_build_keyring': str(signer.keyring),
        'image_build_directory': '/builds',
        'image_build_media_cache': str(tmp_path / 'cache'),
    }
    return lambda **changes: planner(given, **changes)


def refusal(plan: Plan, **changes: t.Any) -> str:
    result = plan(**changes)
    assert set(result) == {'failed', 'msg', 'software'}, result
    return str(result['msg'])


def test_good_input_is_not_refused(plan: Plan, mirror: str) -> None:
    build = plan(users=[{**USER, 'password_hash': '$6$salt$hash'}], packages=['nginx'])['build']
    assert build['media']['kernel']['source'] == f'{mirror}{LINUX}'
    assert f'in {mirror}/dists/bookworm/InRelease, with a good signature of the key ' in build['media']['kernel']['trust']


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({'os': 'debain-12'}, 'image_build_os: debain-12 is not in the catalogue. Similar names are debian-12, '),
        ({'os': 'debian-7'}, 'image_build_os: the catalogue has no version 7 of debian. It has debian-8, '),
        ({'os': 'debian-15'}, 'image_build_os: debian-15 is newer than 13, the newest version in the catalogue'),
        (
            {'os': 'debian-13', 'architecture': 'i386'},
            'image_build_architecture: debian-13 has no installer for i386, only for x86_64.',
        ),
        ({'keyring': '/no/keys.gpg'}, 'image_build_keyring: there is no readable file /no/keys.gpg (No such file or directory), '),
        ({'keyring': ''}, 'image_build_keyring is empty, so the signature of MIRROR/dists/bookworm/InRelease cannot be checked.'),
        ({'kernel_checksum': 'sha256:12'}, 'image_build_kernel_checksum must have the form sha256:HEX'),
        (
            {'kernel_checksum': f'sha256:{"0" * 64}'},
            f'image_build_kernel: The SHA-256 sum of MIRROR{LINUX} is {sha256(KERNEL)} instead of {"0" * 64}. '
            'Correct image_build_kernel or image_build_kernel_checksum.',
        ),
        (
            {'volume_size': 1, 'swap': 512},
            'image_build_volume_size is 1 GiB, and the layout needs 1296 MiB: 512 MiB of swap, 768 MiB for',
        ),
        (
            {'volume_size': 1, 'disk_layout': 'lvm'},
            'image_build_volume_size is 1 GiB, and the layout needs 1808 MiB: 1024 MiB of /boot',
        ),
        ({'disk_layout': 'btrfs'}, "image_build_disk_layout must be plain or lvm, not 'btrfs'."),
        ({'users': [USER]}, 'image_build_users must give ann ssh_keys or a password_hash, because nobody could log in otherwise.'),
        ({'users': [{**USER, 'ssh_keys': []}]}, 'image_build_users must give ann ssh_keys or a password_hash'),
        ({'packages': ['nginx vim']}, "image_build_packages must have one package per element, without blanks, not 'nginx vim'."),
        ({'packages': [' ']}, "image_build_packages must have one package per element, without blanks, not ' '."),
    ],
    ids=str,
)
def test_bad_input_is_refused_with_its_variable(plan: Plan, mirror: str, changes: dict[str, t.Any], expected: str) -> None:
    assert refusal(plan, **changes).startswith(expected.replace('MIRROR', mirror))


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        (
            dict.clear,
            ('image_build_mirror: the installer of debian-12 was not found. Tried: MIRROR/dists/bookworm/Release (', '404)'),
        ),
        (
            lambda files: files.pop(SUMS),
            ('image_build_mirror: the installer of debian-12 was not found.', f'Tried: MIRROR{SUMS} ('),
        ),
        (
            lambda files: files.pop(LINUX),
            (f'image_build_kernel: Fetching MIRROR{LINUX} failed: HTTP Error 404', 'image_build_mirror'),
        ),
        (
            lambda files: files.update({INITRD: b'evil'}),
            (f'image_build_ramdisk: The SHA-256 sum of MIRROR{INITRD} is ', 'instead of'),
        ),
        (
            lambda files: files.update({SUMS: b'evil'}),
            (f'The SHA-256 sum of MIRROR{SUMS} is ', 'image_build_mirror selects another'),
        ),
        (
            lambda files: files.update(
                {'/dists/bookworm/InRelease': files['/dists/bookworm/InRelease'].replace(b'Debian', b'Evil')}
            ),
            ('The signature of MIRROR/dists/bookworm/InRelease is not good for the keyring ', '(image_build_keyring)'),
        ),
    ],
    ids=['empty', 'no sums', 'no kernel', 'wrong ramdisk', 'wrong sums', 'wrong signature'],
)
def test_a_mirror_that_lacks_or_changes_a_file_is_refused_with_the_url(
    plan: Plan, mirror: str, files: Files, change: t.Callable[[Files], t.Any], expected: tuple[str, ...]
) -> None:
    change(files)
    said = refusal(plan)
    assert [one for one in expected if one.replace('MIRROR', mirror) not in said] == [], said
