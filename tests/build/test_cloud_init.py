# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An installed Debian configures itself with the lab's metadata, by its own cloud-init."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kit.cloud_system import rootfs
from tests.kit.waiting import wait_for
from tests.lab.guest_support import reaches, ssh

USER_DATA = '#cloud-config\nruncmd: ["echo seen > /run/user-data", "echo cloud-init is done > /dev/console"]\n'
BOOT_SECONDS = 400  # of Python in emulation on a busy machine


@pytest.mark.long
def test_cloud_init_finds_the_metadata_and_admits_the_owner_of_the_key_pair(lab, tmp_path: Path):
    lab.s3(lab.admin).put_object(Bucket='mirror', Key='cloud/rootfs.tar', Body=rootfs().read_bytes(), ACL='public-read')
    variables = lab.variables('debian') | {
        'image_build_name': 'cloud',
        'image_build_install_url': f'{lab.facts()["lab_mirror_url"]}/cloud',
        'image_build_cloud_init': True,  # the role configures it
        'image_build_post': '',
        'image_build_boot_test': False,
    }
    built = lab.build(variables)
    assert built.returncode == 0, built.stdout + built.stderr
    image = re.search(r'\bis (emi-[0-9a-f]+)', built.stdout)[1]

    key = tmp_path / 'key'
    with lab.guest('cloud', image, key, UserData=USER_DATA) as guest:
        wait_for('SSH answers', lambda: reaches(guest['PublicIpAddress'], 22), BOOT_SECONDS)
        wait_for('cloud-init has ended', lambda: 'cloud-init is done' in console(lab, guest['InstanceId']), BOOT_SECONDS)
        for address in (guest['PublicIpAddress'], guest['PrivateIpAddress']):
            said = ssh(address, key, 'hostname; cat /var/lib/cloud/data/instance-id /run/user-data', user='debian').split()
            assert said == [guest['PrivateDnsName'].partition('.')[0], guest['InstanceId'], 'seen']


def console(lab, instance: str) -> str:
    path = lab.row('instances', instance)['instance_path']
    return Path(path, 'console.log').read_bytes().decode(errors='replace') if path else ''
