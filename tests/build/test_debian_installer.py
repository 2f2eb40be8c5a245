# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own installer by the catalogue, from Debian's package debian-installer-12-netboot-amd64."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import debian_mirror
from tests.unit.plugins.file_server import Signer

from .test_failures import fails

# The installer's syslog on the serial console, with all questions and answers. A blank would end the parameter, and debconf would
# wait for the end of file descriptor 3. The command runs twice.
SYSLOG = 'pidof${IFS}tail||((tail${IFS}-F${IFS}/var/log/syslog)2>/dev/null>/dev/ttyS0&)3</dev/null'
OPTIONS = [
    f'preseed/early_command={SYSLOG}',
    'DEBCONF_DEBUG=developer',
    # DHCP in the lab names no name server, so without one here the installer would ask.
    "netcfg/get_nameservers={{ image_build_guest_s3_url | urlsplit('hostname') }}",
    'debian-installer/allow_unauthenticated=true',  # the installer has Debian's keys, not those of this mirror
    'no_timer_check',
    'norandmaps',
]


@pytest.fixture(name='mirror')
def fixture_mirror(lab, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables of a mirror of Debian in the lab's object storage, signed by a key of its own."""
    signer = Signer(tmp_path / 'keys')
    try:
        for path, content in debian_mirror.files(signer).items():
            lab.s3(lab.admin).put_object(Bucket='mirror', Key=f'debian-12/{path}', Body=content, ACL='public-read')
        yield {
            'image_build_os': 'debian-12',
            'image_build_mirror': f'{lab.facts()["lab_mirror_url"]}/debian-12',
            'image_build_keyring': str(signer.keyring),
            'image_build_media_cache': str(tmp_path / 'media'),
        }
    finally:
        signer.close()


@pytest.mark.long
def test_the_catalogue_brings_debian_installer_to_its_disk_and_to_its_first_missing_package(lab, mirror):
    variables = (
        lab.publish_with(mirror)
        | mirror
        | {
            'image_build_installer_options': OPTIONS,
            'image_build_require_proof': True,
            'image_build_volume_size': 2,
            'image_build_keyboard': 'de',
            'image_build_timezone': 'Europe/Berlin',
        }
    )
    built = lab.build(variables)
    fails(built, 'failed at: install', 'Choose the next step in the install process')
    (directory,) = (lab.home / 'builds').glob('debian-12-*')
    console = (directory / 'console.log').read_text(errors='replace')
    assert 'bootparams: applied' in console
    # The answers of the role's preseed file, which came by a secret URL, and their use.
    base = mirror['image_build_mirror'].partition('://')[2]
    for line in (
        r'preseed: successfully loaded preseed file from http://\S+/debian-12-[0-9a-f]{10}\?',
        'debconf: --> SET keyboard-configuration/xkb-keymap de\n',
        'debconf: --> SET time/zone Europe/Berlin\n',
        rf'choose-mirror\[\d+\]: DEBUG: command: wget --no-verbose http://{re.escape(base)}/dists/bookworm/Release ',
        r'anna\[\d+\]: DEBUG: retrieving scsi-modules-\S+-amd64-di ',
        'preseed: running preseed command partman/early_command: ',
        'debconf: --> SET partman-auto/disk /dev/vd[b-z]\n',
        'debconf: --> SET grub-installer/bootdev /dev/vd[b-z]\n',
        r'resolver \(libparted2-udeb\): package doesn.t exist',
        "Menu item 'partman-base' succeeded but requested to be left unconfigured",
    ):
        assert re.search(line, console.replace('\r\n', '\n')), line
    assert not re.search('Signature=[A-Za-z0-9%]', console + built.stdout + built.stderr)
    assert lab.settled() == []
