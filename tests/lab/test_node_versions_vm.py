# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of an instance on a node controller of each version, with real guests: the collection's hook, volumes, reboot, end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_hook_vm import add_instance, install_hook
from test_node_vm import Node, calls, ebs_instance, request, virsh

from tests.kit.waiting import wait_for
from tests.lab.node_support import INSTALLER, guest_kernel, guest_ramdisk, scratch_lab

# test_node_vm.py shows the same for 4.4, in parts and with `make test`.
pytestmark = [
    pytest.mark.vm,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason='libvirt needs root'),
    pytest.mark.skipif(not (INSTALLER / 'complete').is_file(), reason='run make setup, which builds the installer'),
]
RECORDER = '#!/bin/sh\necho "$1 $3" >> $2/var/log/eucalyptus/calls\n'
# As the guest reads it: virtio keeps 20 characters.
SERIAL = {'3.1': '', '3.4': '{}-dev-sdf', '4.4': 'euca-{}-de', '5': 'euca-{}-de'}
LIBVIRT_FILE = {'3.1': 'libvirt.xml', '3.4': 'instance-libvirt.xml', '4.4': 'instance-libvirt.xml', '5': 'instance-libvirt.xml'}
ATTACHED = {'3.1': '{}.xml', '3.4': '{}-libvirt.xml', '4.4': '{}-libvirt.xml', '5': '{}-libvirt.xml'}
DETACHED = {'3.1': '{}.xml', '3.4': '{}.xml', '4.4': '{}-libvirt.xml', '5': '{}-libvirt.xml'}


@pytest.fixture(params=['3.1', '3.4', '4.4', '5'])
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    with scratch_lab(play=request.param) as lab:
        lab.put_image('eki-00000001', guest_kernel())
        lab.put_image('eri-00000001', guest_ramdisk())
        lab.put_image('emi-00000001', bytes(3 << 20))
        install_hook(lab)
        lab.add_hook('recorder', RECORDER)
        with Node(lab) as running:
            yield running


def test_an_instance_boots_with_its_parameters_gets_a_volume_reboots_and_ends(node: Node) -> None:
    lab, play = node.lab, node.lab.config.play
    instance = add_instance(lab, '#cloud-config\nbootparams=no_timer_check from=user-data\n')
    node.wait_state(instance, 'running')
    lab.store.execute("UPDATE instances SET state = 'running' WHERE id = ?", instance)
    folder = Path(str(lab.instance(instance)['instance_path']))
    booted = 'guest: cmdline no_timer_check from=user-data console=ttyS0\n'
    console = node.wait_console(instance, 'guest: disk vda')
    assert booted in console and 'guest: vda1 3072' in console and 'guest: vda3 524288' in console
    assert 'from=user-data' in (folder / LIBVIRT_FILE[play]).read_text()

    volume = lab.add_volume(2 << 20)
    lab.attach(instance, volume)
    wait_for('the report', lambda: lab.attachment(volume)['node_state'])
    assert lab.attachment(volume)['node_state'] == 'attached', lab.attachment(volume)
    node.wait_console(instance, f'guest: disk vdb {SERIAL[play].format(volume)}\n')

    domain = virsh('domid', instance)
    (folder / 'console.log').write_text('')
    request(lab, instance, 'reboot')
    assert virsh('domid', instance) != domain
    console = node.wait_console(instance, 'guest: disk vdb')
    assert booted in console and 'guest: disk vda' in console

    lab.store.execute("UPDATE attachments SET state = 'detaching' WHERE volume_id = ?", volume)
    wait_for('the report', lambda: lab.attachment(volume)['node_state'] == 'detached')
    node.wait_console(instance, 'guest: vdb is gone')
    lab.store.execute("UPDATE instances SET state = 'shutting-down' WHERE id = ?", instance)
    node.wait_state(instance, 'teardown')
    assert not folder.exists() and not lab.instance(instance)['node_reason']
    assert calls(lab) == [
        f'euca-nc-pre-init {lab.settings.home}',
        f'euca-nc-post-init {lab.settings.home}',
        f'euca-nc-pre-boot {folder}',
        f'euca-nc-pre-attach {folder}/{ATTACHED[play].format(volume)}',
        f'euca-nc-post-detach {folder}/{DETACHED[play].format(volume)}',
        f'euca-nc-pre-clean {folder}',
    ]


def test_a_killed_node_of_3_1_adopts_its_guest_and_attaches_its_volumes_again_after_a_reboot() -> None:
    with scratch_lab(play='3.1') as lab:
        lab.add_hook('recorder', RECORDER)
        with Node(lab) as node:
            instance, _root = ebs_instance(lab, 'booted from the volume', power_off=False)
            node.wait_state(instance, 'running')
            node.wait_console(instance, 'booted from the volume')
            folder = lab.instance(instance)['instance_path']
            assert calls(lab)[2:] == [f'euca-nc-pre-boot {folder}'], 'no hook for the root volume'
            volume = lab.add_volume(1 << 20)
            lab.attach(instance, volume)
            wait_for('the report', lambda: lab.attachment(volume)['node_state'] == 'attached')
            assert f'{volume}.raw' in virsh('dumpxml', instance) and '<serial>' not in virsh('dumpxml', instance)
            node.kill()
            node.start()
            wait_for('adoption', lambda: f'euca-nc-pre-adopt {folder}' in calls(lab))
            wait_for('the report', lambda: 'adopted' in (lab.config.log / 'node.log').read_text())
            lab.store.execute("UPDATE instances SET state = 'running' WHERE id = ?", instance)
            domain = virsh('domid', instance)
            request(lab, instance, 'reboot')
            assert virsh('domid', instance) != domain and f'{volume}.raw' in virsh('dumpxml', instance)
