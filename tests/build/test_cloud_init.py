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
def test_cloud_init_finds_the_metadata_and_lets_in_who_has_the_key_pair(lab, tmp_path: Path):
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

    ec2, key = lab.ec2(), tmp_path / 'key'
    key.touch(0o600)
    key.write_text(ec2.create_key_pair(KeyName='cloud')['KeyMaterial'])
    ec2.create_security_group(GroupName='cloud', Description='SSH')
    ec2.authorize_security_group_ingress(GroupName='cloud', IpProtocol='tcp', FromPort=22, ToPort=22, CidrIp='0.0.0.0/0')
    ran = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, KeyName='cloud', SecurityGroups=['cloud'], UserData=USER_DATA)
    instance = ran['Instances'][0]
    try:
        # The instance keeps the key of its launch.
        ec2.delete_key_pair(KeyName='cloud')
        wait_for('SSH answers', lambda: reaches(instance['PublicIpAddress'], 22), BOOT_SECONDS)
        wait_for('cloud-init has ended', lambda: 'cloud-init is done' in console(lab, instance['InstanceId']), BOOT_SECONDS)
        for address in (instance['PublicIpAddress'], instance['PrivateIpAddress']):
            said = ssh(address, key, 'hostname; cat /var/lib/cloud/data/instance-id /run/user-data', user='debian').split()
            assert said == [instance['PrivateDnsName'].partition('.')[0], instance['InstanceId'], 'seen']
    finally:
        ec2.terminate_instances(InstanceIds=[instance['InstanceId']])


def console(lab, instance: str) -> str:
    path = lab.row('instances', instance)['instance_path']
    return Path(path, 'console.log').read_bytes().decode(errors='replace') if path else ''
