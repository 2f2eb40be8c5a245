# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own installer, from Debian's package debian-installer-12-netboot-amd64."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import ANSWERS
from .test_failures import fails

IMAGES = Path('/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64')
# DHCP in the lab names no name server, so without one here the installer would ask. Of a word that occurs twice the last counts.
OPTIONS = [
    'hostname=obedient',
    'netcfg/dhcp_timeout=60',
    "netcfg/get_nameservers={{ image_build_guest_s3_url | urlsplit('hostname') }}",
    'no_timer_check',
    'norandmaps',
]


@pytest.mark.long
def test_it_obeys_its_boot_parameters_and_preseed_and_its_power_off_without_an_installation_is_a_failure(lab):
    built = lab.build(
        lab.publish('debian-installer', IMAGES / 'linux', IMAGES / 'initrd.gz')
        | {
            'image_build_os': 'debian-12',
            'image_build_name': 'debian-installer',
            'image_build_answer_file': str(ANSWERS / 'preseed.cfg.j2'),
            'image_build_installer_options': OPTIONS,
            'image_build_require_proof': True,
            'image_build_volume_size': 1,
        }
    )
    fails(built, 'failed at: install', 'without the line that proves success')
    console = next((lab.home / 'builds').glob('debian-installer-*/console.log')).read_text()
    assert 'bootparams: applied' in console
    url = rf'{re.escape(lab.config.guest_endpoint)}/\S+/answer-files-\w+/debian-installer-[0-9a-f]{{10}}'
    assert re.search(f'early_command: host name obedient, {url}\r?\n', console)
    assert lab.settled() == []
