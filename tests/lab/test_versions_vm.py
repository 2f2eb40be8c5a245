# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The busybox system in a lab of each version, with the hook that the role deploys on its nodes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kit.waiting import wait_for
from tests.lab.guest_support import GUEST_SECONDS, guest_lab, reaches, ssh
from tests.nodes.fleet import ansible

pytestmark = [pytest.mark.vm, pytest.mark.long, pytest.mark.skipif(os.geteuid() != 0, reason='a lab needs root')]
PARAMETERS = 'root=/dev/vda1 rw no_timer_check from="user data"'


@pytest.mark.parametrize('play', ['3.1', '3.4', '4.4', '5'])
def test_the_busybox_system_boots_with_its_parameters_has_a_volume_and_reboots(play: str, tmp_path: Path) -> None:
    with guest_lab('played', '--play', play) as lab:
        playbook = ansible('ansible-playbook', '-i', lab.config.home / 'inventory.ini', 'playbooks/node_controllers.yml')
        output = playbook.communicate(timeout=300)[0]
        assert playbook.returncode == 0, output[-3000:]
        ec2, key = lab.ec2(), tmp_path / 'key'
        key.touch(0o600)
        key.write_text(ec2.create_key_pair(KeyName='k')['KeyMaterial'])
        ec2.authorize_security_group_ingress(GroupName='default', IpProtocol='tcp', FromPort=22, ToPort=22, CidrIp='0.0.0.0/0')
        instance = lab.run(lab.publish_busybox(), KeyName='k', UserData=f'#cloud-config\nbootparams={PARAMETERS}\n')
        lab.wait_for_login(instance)
        address = lab.described(instance)['PrivateIpAddress']

        def on_guest(command: str) -> str:
            wait_for('SSH answers', lambda: reaches(address, 22), GUEST_SECONDS)
            return ssh(address, key, command)

        assert on_guest('cat /proc/cmdline') == f'{PARAMETERS} console=ttyS0\n'
        volume = ec2.create_volume(Size=1, AvailabilityZone='one')['VolumeId']
        wait_for('the volume', lambda: lab.row('volumes', volume)['state'] == 'available')
        ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device='/dev/sdf')
        wait_for('the attachment', lambda: lab.rows("SELECT 1 FROM attachments WHERE volume_id = ? AND state = 'attached'", volume))
        assert on_guest('cat /sys/block/vdb/size') == f'{(1 << 30) // 512}\n'
        boot = on_guest('cat /proc/sys/kernel/random/boot_id')
        ec2.reboot_instances(InstanceIds=[instance])
        wait_for('the reboot', lambda: 'login:' not in lab.console(instance), GUEST_SECONDS)
        lab.wait_for_login(instance)
        assert on_guest('cat /proc/sys/kernel/random/boot_id') != boot
        assert on_guest('cat /proc/cmdline; cat /sys/block/vdb/size') == f'{PARAMETERS} console=ttyS0\n{(1 << 30) // 512}\n'
        ec2.terminate_instances(InstanceIds=[instance])
        wait_for('the end', lambda: lab.ended(instance), GUEST_SECONDS)
