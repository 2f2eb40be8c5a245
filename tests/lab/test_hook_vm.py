# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook that node controllers get, on a node controller of the lab, with real guests."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_node_vm import Node

from tests.lab.node_support import GUEST_INIT, INSTALLER, ScratchLab, guest_kernel, guest_ramdisk, scratch_lab

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(os.geteuid() != 0, reason='libvirt needs root'),
    pytest.mark.skipif(not (INSTALLER / 'complete').is_file(), reason='run make setup, which builds the installer'),
]
FILES = Path(__file__).resolve().parents[2] / 'roles' / 'nc_hooks' / 'files'
# Counts its boots on the first attached volume, as an installer that ends with a reboot would install onto it again.
COUNTING_INIT = GUEST_INIT.replace(
    'echo "guest was here" > /dev/$name; sync',
    """
    boots=$(head -c 1 /dev/$name | tr -d '\\0'); printf %s "$((boots + 1))" > /dev/$name; sync; reboot -f""",
)


def install_hook(lab: ScratchLab, policy: str = '') -> None:
    home = lab.settings.home
    configuration = home / 'etc/eucalyptus/bootparams'
    configuration.mkdir(parents=True)
    for name in ('get-user-data.xsl', 'insert-boot-params.xsl'):
        shutil.copy(FILES / name, configuration)
    (configuration / 'policy.conf').write_text(policy)
    lab.add_hook('bootparams', (FILES / 'bootparams').read_text())


def add_instance(lab: ScratchLab, user_data: str, **columns: str) -> str:
    data = base64.b64encode(user_data.encode()).decode()
    return lab.add_instance(user_data=data, node_user_data=data, **columns)


@pytest.fixture
def node() -> Iterator[Node]:
    with scratch_lab() as lab:
        lab.put_image('eki-00000001', guest_kernel())
        lab.put_image('eri-00000001', guest_ramdisk())
        lab.put_image('eri-00000002', guest_ramdisk(COUNTING_INIT))
        lab.put_image('emi-00000001', bytes(3 << 20))
        with Node(lab) as running:
            yield running


def test_a_hostile_tenants_guest_boots_with_a_harmless_literal_command_line(node: Node, tmp_path: Path) -> None:
    install_hook(node.lab)
    tmp_path.chmod(0o777)
    attack = f"""x!;1e touch {tmp_path}/taken #$(touch {tmp_path}/taken)`id` a=b&c=<d>]]> 'e  f' ="g,h" no_timer_check"""
    instance = add_instance(node.lab, f'#cloud-config\nbootparams={attack}\n')
    node.wait_state(instance, 'running')
    console = node.wait_console(instance, 'guest: disk vda').replace('\r', '')
    assert f'guest: cmdline {attack} console=ttyS0\n' in console
    assert not (tmp_path / 'taken').exists()


def test_a_guest_that_reboots_does_not_start_over(node: Node) -> None:
    install_hook(node.lab)
    instance = add_instance(node.lab, 'bootparams=no_timer_check', ramdisk_id='eri-00000002')
    volume = node.lab.add_volume(1 << 20)
    node.wait_state(instance, 'running')
    node.lab.store.execute("UPDATE instances SET state = 'running' WHERE id = ?", instance)
    node.wait_console(instance, 'guest: disk vda')
    node.lab.attach(instance, volume)
    node.wait_state(instance, 'teardown')
    assert node.lab.config.volume_file(volume).read_bytes()[:2] == b'1\0', 'the number of boots'


def test_a_broken_policy_stops_no_other_tenants_launch(node: Node) -> None:
    install_hook(node.lab, 'accuonts = *\n')
    refused = add_instance(node.lab, 'bootparams=a\n')
    node.wait_state(refused, 'teardown')
    other = add_instance(node.lab, '#cloud-config\n')
    node.wait_state(other, 'running')
    console = node.wait_console(other, 'guest: disk vda').replace('\r', '')
    assert 'guest: cmdline root=/dev/vda1 console=ttyS0\n' in console
    log = (node.lab.settings.home / 'var/log/eucalyptus/nc-hooks.log').read_text()
    assert f'{refused} 000000000001 refused: policy.conf is broken: line 1' in log
    assert other not in log
