# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node controller process and real guests: boot with a hook, volumes, power-off, adoption after a kill, EBS roots."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eucalab.node import controller
from tests.kit.paths import environment
from tests.kit.waiting import wait_for
from tests.lab.node_support import INSTALLER, NODE, ScratchLab, boot_sector, file_system, guest_kernel, guest_ramdisk, scratch_lab

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(os.geteuid() != 0, reason='libvirt needs root'),
    pytest.mark.skipif(not (INSTALLER / 'complete').is_file(), reason='run make setup, which builds the installer'),
]
# Without no_timer_check an emulated processor on a busy machine may be too slow for the kernel, which panics.
HOOK = """#!/bin/sh
echo "$1 $3" >> $2/var/log/eucalyptus/calls
[ "$1" = euca-nc-pre-boot ] || exit 0
[ -f "$3/instance-libvirt.xml" ] || exit 1
sed 's|<cmdline>.*</cmdline>|<cmdline>console=ttyS0 no_timer_check from=hook</cmdline>|' "$3/instance-libvirt.xml" > "$3/new.xml"
chmod 644 "$3/new.xml"
mv "$3/new.xml" "$3/instance-libvirt.xml"
"""

# An HVM instance boots from its disk; here it gets a kernel, as an instance that installs itself does.
HVM_HOOK = """#!/bin/sh
[ "$1" = euca-nc-pre-boot ] || exit 0
sed 's|<boot dev="hd"/>|BOOT&|' "$3/instance-libvirt.xml" > "$3/new.xml"
chmod 644 "$3/new.xml"
mv "$3/new.xml" "$3/instance-libvirt.xml"
"""
# Nobody reads the consoles of these guests through an API, so the node need not keep them for anybody.
# They do not obey a power button either.
HURRIED = (
    'import faulthandler, signal; faulthandler.register(signal.SIGUSR1);'
    'from eucalab.node import __main__, controller, power; controller.MONITOR_LEAST = 0; power.GRACE_LEAST = 0.5;'
    ' raise SystemExit(__main__.main())'
)


def virsh(*words: str) -> str:
    return subprocess.run(['virsh', '-c', 'qemu:///system', *words], capture_output=True, text=True, check=False).stdout


class Node:
    """The process under test. Leaving the context ends it and its guests, and prints its log."""

    def __init__(self, lab: ScratchLab) -> None:
        self.lab = lab
        self.start()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        if kind is not None:  # what each of its threads does, into its log
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(1)
        self.end()

    def start(self) -> None:
        with open(self.lab.config.log / 'node.log', 'ab') as log:
            self.process = subprocess.Popen([sys.executable, '-c', HURRIED, 'tnode', NODE], stderr=log, env=environment())

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def wait_state(self, instance_id: str, state: str) -> None:
        wait_for(
            f'{instance_id} {state}: {self.lab.instance(instance_id)}',
            lambda: self.lab.instance(instance_id)['node_state'] == state,
            60,
        )

    def wait_console(self, instance_id: str, text: str) -> str:
        path = Path(str(self.lab.instance(instance_id)['instance_path'])) / 'console.log'

        def console() -> str:
            return path.read_text(errors='replace') if path.exists() else ''

        return wait_for(f'{text!r} on the console', lambda: console() if text in console() else '', 90, console)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(120)
        for row in self.lab.store.rows('SELECT id FROM instances'):
            virsh('destroy', row['id'])
        print((self.lab.config.log / 'node.log').read_text())


@pytest.fixture
def node() -> Iterator[Node]:
    with scratch_lab() as lab:
        lab.put_image('eki-00000001', guest_kernel())
        lab.put_image('eri-00000001', guest_ramdisk())
        lab.put_image('emi-00000001', bytes(3 << 20))
        lab.add_hook('bootparams', HOOK)
        with Node(lab) as running:
            yield running


def switch_off(lab: ScratchLab, instance_id: str) -> None:
    """The guest powers off when a disk begins with this word."""
    volume = lab.add_volume(1 << 20)
    lab.config.volume_file(volume).write_bytes(b'poweroff'.ljust(1 << 20, b'\0'))
    lab.attach(instance_id, volume, '/dev/sdz')


def test_an_instance_boots_by_the_hook_sees_volumes_come_and_go_and_switches_itself_off(node: Node) -> None:
    lab = node.lab
    instance = lab.add_instance()
    node.wait_state(instance, 'running')
    lab.store.execute("UPDATE instances SET state = 'running' WHERE id = ?", instance)
    console = node.wait_console(instance, 'guest: disk vda')
    assert 'guest: cmdline console=ttyS0 no_timer_check from=hook\n' in console.replace('\r', '')
    ephemeral = (5 << 20) - 3072 - 524288  # KiB: what image and swap leave of m1.small's disk
    for partition, size in (('vda1', 3072), ('vda2', ephemeral), ('vda3', 524288)):
        assert f'guest: {partition} {size}\n' in console

    volume = lab.add_volume(2 << 20)
    lab.attach(instance, volume)
    wait_for('the report', lambda: lab.attachment(volume)['node_state'])
    assert lab.attachment(volume)['node_state'] == 'attached', lab.attachment(volume)
    node.wait_console(instance, f'guest: disk vdb euca-{volume}-dev-sdf'[: len('guest: disk vdb ') + 20])
    lab.store.execute("UPDATE attachments SET state = 'detaching' WHERE volume_id = ?", volume)
    wait_for('the report', lambda: lab.attachment(volume)['node_state'] == 'detached')
    assert lab.config.volume_file(volume).read_bytes().startswith(b'guest was here\n')

    folder = Path(str(lab.instance(instance)['instance_path']))
    switch_off(lab, instance)
    node.wait_state(instance, 'teardown')
    assert not folder.exists()
    assert not lab.instance(instance)['node_reason']


@pytest.fixture
def bare_node() -> Iterator[Node]:
    """A node whose instances have volumes for disks: the guest is a boot sector, there in a second."""
    with scratch_lab() as lab:
        lab.add_hook('bootparams', HOOK)
        with Node(lab) as running:
            yield running


def ebs_instance(lab: ScratchLab, message: str, power_off: bool, volume_state: str = 'available') -> tuple[str, str]:
    volume = lab.add_volume(1 << 20, volume_state)
    lab.config.volume_file(volume).write_bytes(boot_sector(message, power_off).ljust(1 << 20, b'\0'))
    instance = lab.add_instance(root_device_type='ebs', root_device_name='/dev/sda', kernel_id=None, ramdisk_id=None, node=None)
    lab.attach(instance, volume, '/dev/sda', is_root=1, state='attached', node_state='attached')
    lab.store.execute('UPDATE instances SET node = ? WHERE id = ?', NODE, instance)
    return instance, volume


def test_an_hvm_instance_has_an_ephemeral_disk_between_its_own_and_the_volume(bare_node: Node) -> None:
    lab = bare_node.lab
    lab.put_image('emi-00000001', bytes(3 << 20))
    lab.store.execute("UPDATE images SET virtualization_type = 'hvm', root_device_name = '/dev/sda'")
    ramdisk = lab.config.home / 'ramdisk'
    ramdisk.write_bytes(guest_ramdisk())
    boot = f'<kernel>{INSTALLER}/vmlinuz</kernel><initrd>{ramdisk}</initrd><cmdline>console=ttyS0 no_timer_check</cmdline>'
    lab.add_hook('bootparams', HVM_HOOK.replace('BOOT', boot))
    instance = lab.add_instance(kernel_id=None, ramdisk_id=None, root_device_name='/dev/sda')
    bare_node.wait_state(instance, 'running')
    lab.store.execute("UPDATE instances SET state = 'running' WHERE id = ?", instance)
    console = bare_node.wait_console(instance, 'guest: disk vdb euca-bdm-ephemeral0-\n')
    assert 'guest: vda 3072\n' in console and f'guest: vdb {(5 << 20) - 3072}\n' in console
    assert file_system(Path(f'{lab.instance(instance)["instance_path"]}/vdb.blocks')) == 'ext3'
    volume = lab.add_volume(2 << 20)
    lab.attach(instance, volume)
    bare_node.wait_console(instance, 'guest: disk vdc ' + f'euca-{volume}-dev-sdf'[:20])


def calls(lab: ScratchLab) -> list[str]:
    path = lab.settings.home / 'var/log/eucalyptus/calls'
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if not line.startswith('euca-nc-pre-hyp-check')]


def test_an_instance_boots_from_its_root_volume_as_soon_as_that_is_made(bare_node: Node) -> None:
    lab = bare_node.lab
    instance, volume = ebs_instance(lab, 'booted from the volume', power_off=False, volume_state='creating')
    data = lab.add_volume(1 << 20)
    lab.attach(instance, data, '/dev/sdb', state='attached', node_state='attached')
    lab.store.insert('ephemeral_disks', instance_id=instance, name='ephemeral0', device='/dev/sdc')
    bare_node.wait_state(instance, 'staging')
    lab.store.execute("UPDATE volumes SET state = 'in-use' WHERE id = ?", volume)
    bare_node.wait_state(instance, 'running')
    bare_node.wait_console(instance, 'booted from the volume')
    folder = lab.instance(instance)['instance_path']
    assert f'euca-nc-pre-attach {folder}/{volume}-libvirt.xml' in calls(lab)
    domain = virsh('dumpxml', instance)
    serials = ('euca-bdm-ebs1-dev-vda', f'euca-{data}-dev-sdb', 'euca-bdm-ephemeral0-dev-vdc')
    assert re.findall('<serial>(euca-.*)</serial>', domain) == list(serials)
    assert Path(f'{folder}/vdc.blocks').stat().st_size == 5 << 30 and file_system(Path(f'{folder}/vdc.blocks')) == ''
    assert '<kernel>' not in Path(f'{folder}/instance-libvirt.xml').read_text()

    lab.store.execute("UPDATE instances SET state = 'stopping' WHERE id = ?", instance)
    bare_node.wait_state(instance, 'teardown')
    assert not Path(str(folder)).exists() and calls(lab)[-1] == f'euca-nc-pre-clean {folder}'
    assert lab.config.volume_file(volume).stat().st_uid == 0

    # Started again, as the API does it: same instance, same volume, now with a system that switches itself off.
    lab.config.volume_file(volume).write_bytes(boot_sector('second life', True).ljust(1 << 20, b'\0'))
    lab.store.execute("UPDATE instances SET state = 'pending', node_state = NULL WHERE id = ?", instance)
    # Not by the states in between, which may be over before somebody looks.
    wait_for('the new start', lambda: calls(lab).count(f'euca-nc-pre-boot {folder}') == 2)
    bare_node.wait_state(instance, 'teardown')


def test_a_killed_node_adopts_its_running_guests_and_goes_on_serving_them(bare_node: Node) -> None:
    lab = bare_node.lab
    instance, _root = ebs_instance(lab, 'here', power_off=False)
    bare_node.wait_state(instance, 'running')
    folder = lab.instance(instance)['instance_path']
    before = Path(f'{folder}/instance.xml').read_text()
    bare_node.kill()
    bare_node.start()
    wait_for('adoption', lambda: f'euca-nc-pre-adopt {folder}' in calls(lab))
    wait_for('the report', lambda: 'adopted' in (lab.config.log / 'node.log').read_text())
    assert Path(f'{folder}/instance.xml').read_text().split('<states>')[0] == before.split('<states>')[0]

    volume = lab.add_volume(1 << 20)
    lab.attach(instance, volume)
    wait_for('the report', lambda: lab.attachment(volume)['node_state'] == 'attached')
    domain = virsh('dumpxml', instance)
    assert f'<serial>euca-{volume}-dev-sdf</serial>' in domain and '<graphics' not in domain
    lab.store.execute("UPDATE instances SET state = 'shutting-down' WHERE id = ?", instance)
    bare_node.wait_state(instance, 'teardown')
    lab.store.execute("UPDATE attachments SET state = 'detaching' WHERE volume_id = ?", volume)
    wait_for('the report', lambda: lab.attachment(volume)['node_state'] == 'detached')


def request(lab: ScratchLab, instance: str, wanted: str) -> None:
    """Make a request as the API does for RebootInstances and CreateImage, and wait until the node has answered it."""
    lab.store.execute('INSERT OR REPLACE INTO guest_requests VALUES (?, ?, NULL)', instance, wanted)
    reply = wait_for('the answer', lambda: lab.store.row('SELECT node_state FROM guest_requests WHERE node_state IS NOT NULL'))
    assert reply['node_state'] == 'done'


def test_a_rebooted_guest_starts_again_with_its_volumes_and_without_hooks(bare_node: Node) -> None:
    lab = bare_node.lab
    instance, _root = ebs_instance(lab, 'booted', power_off=False)
    bare_node.wait_state(instance, 'running')
    bare_node.wait_console(instance, 'booted')
    lab.store.execute("UPDATE instances SET state = 'running' WHERE id = ?", instance)
    volume = lab.add_volume(1 << 20)
    lab.attach(instance, volume)
    wait_for('the report', lambda: lab.attachment(volume)['node_state'] == 'attached')
    before, domain = calls(lab), virsh('domid', instance)
    request(lab, instance, 'reboot')
    assert virsh('domid', instance) != domain
    bare_node.wait_console(instance, 'booted')
    assert f'<serial>euca-{volume}-dev-sdf</serial>' in virsh('dumpxml', instance)
    assert calls(lab) == before and lab.instance(instance)['node_state'] == 'running'
    assert 'booted' in Path(f'{lab.instance(instance)["instance_path"]}/console.log.old').read_text()


def test_a_guest_that_was_switched_off_for_an_image_is_no_teardown_and_starts_again(bare_node: Node) -> None:
    lab = bare_node.lab
    instance, _root = ebs_instance(lab, 'booted', power_off=False)
    bare_node.wait_state(instance, 'running')
    lab.store.execute("UPDATE instances SET state = 'running' WHERE id = ?", instance)
    before = calls(lab)
    request(lab, instance, 'off')
    assert instance not in virsh('list', '--name')
    with pytest.raises(AssertionError):
        wait_for('a report', lambda: lab.instance(instance)['node_state'] != 'running', 2)
    request(lab, instance, 'on')
    bare_node.wait_console(instance, 'booted')
    assert calls(lab) == before and lab.instance(instance)['node_state'] == 'running'


def test_a_start_that_a_kill_interrupted_begins_anew(bare_node: Node) -> None:
    lab = bare_node.lab
    # It ends when it is removed, so the start lasts until then, however late the kill comes.
    slow = lab.add_hook(
        'slow', '#!/bin/sh\n[ $1 = euca-nc-pre-boot ] || exit 0\n: > $3/seen; while [ -e "$0" ]; do sleep 0.2; done\n'
    )
    instance, _root = ebs_instance(lab, 'here', power_off=False)
    bare_node.wait_state(instance, 'staging')
    wait_for('the hook', Path(f'{lab.instance(instance)["instance_path"]}/seen').exists)
    bare_node.kill()
    slow.unlink()
    bare_node.start()
    bare_node.wait_state(instance, 'running')


def test_a_hook_that_refuses_cancels_the_start_and_is_logged(bare_node: Node) -> None:
    lab = bare_node.lab
    lab.add_hook('.policy', '#!/bin/sh\n[ $1 != euca-nc-pre-boot ] || exit 3\n')
    instance, _root = ebs_instance(lab, 'never', power_off=False)
    bare_node.wait_state(instance, 'teardown')
    assert lab.instance(instance)['node_reason'] == 'hook .policy ended with status 3 on euca-nc-pre-boot'
    assert not Path(str(lab.instance(instance)['instance_path'])).exists()


def test_hooks_that_fail_the_hypervisor_check_hide_all_domains_from_the_node(bare_node: Node) -> None:
    lab = bare_node.lab
    instance, _root = ebs_instance(lab, 'here', power_off=False)
    bare_node.wait_state(instance, 'running')
    broken = lab.add_hook('broken', '#!/nonexistent\n')
    wait_for('the log', lambda: 'hooks prevented check on the hypervisor' in (lab.config.log / 'node.log').read_text())
    virsh('destroy', instance)
    with pytest.raises(AssertionError):
        wait_for('a report', lambda: lab.instance(instance)['node_state'] != 'running', 3)
    broken.unlink()
    bare_node.wait_state(instance, 'teardown')


def test_terminating_an_instance_that_is_still_starting_does_not_wait_for_its_start(bare_node: Node) -> None:
    lab = bare_node.lab
    instance, volume = ebs_instance(lab, 'never', power_off=False, volume_state='creating')
    bare_node.wait_state(instance, 'staging')
    lab.store.execute("UPDATE instances SET state = 'shutting-down' WHERE id = ?", instance)
    bare_node.wait_state(instance, 'teardown')
    assert not Path(str(lab.instance(instance)['instance_path'])).exists()


def test_a_volume_whose_attachment_a_hook_refuses_is_reported_as_failed(bare_node: Node) -> None:
    lab = bare_node.lab
    instance, _root = ebs_instance(lab, 'here', power_off=False)
    bare_node.wait_state(instance, 'running')
    lab.add_hook('no-volumes', '#!/bin/sh\n[ $1 != euca-nc-pre-attach ] || exit 1\n')
    volume = lab.add_volume(1 << 20)
    lab.attach(instance, volume)
    wait_for('the report', lambda: lab.attachment(volume)['node_state'] == 'failed')
    assert 'no-volumes ended with status 1 on euca-nc-pre-attach' in str(lab.attachment(volume)['node_reason'])


def test_a_guest_that_a_hook_refuses_to_adopt_is_left_alone_until_it_is_terminated(bare_node: Node) -> None:
    lab = bare_node.lab
    instance, _root = ebs_instance(lab, 'here', power_off=False)
    bare_node.wait_state(instance, 'running')
    bare_node.kill()
    lab.add_hook('stranger', '#!/bin/sh\n[ $1 != euca-nc-pre-adopt ] || exit 1\n')
    bare_node.start()
    wait_for('the log', lambda: f'{instance} is not adopted' in (lab.config.log / 'node.log').read_text())
    virsh('destroy', instance)
    with pytest.raises(AssertionError):
        wait_for('a report', lambda: lab.instance(instance)['node_state'] != 'running', 2)
    lab.store.execute("UPDATE instances SET state = 'shutting-down' WHERE id = ?", instance)
    bare_node.wait_state(instance, 'teardown')


def test_a_whole_disk_image_boots_by_its_own_boot_loader_and_the_image_stays_as_it_was(bare_node: Node) -> None:
    lab = bare_node.lab
    disk = boot_sector('own boot loader', power_off=False).ljust(1 << 20, b'\0')
    lab.put_image('emi-00000001', disk)
    lab.store.execute("UPDATE images SET virtualization_type = 'hvm', root_device_name = '/dev/sda'")
    instance = lab.add_instance(kernel_id=None, ramdisk_id=None)
    bare_node.wait_state(instance, 'running')
    bare_node.wait_console(instance, 'own boot loader')
    files = Path(str(lab.instance(instance)['instance_path']))
    (cached,) = lab.settings.cache.iterdir()
    assert (files / 'vda.blocks').stat().st_ino != cached.stat().st_ino and cached.read_bytes() == disk


@pytest.mark.parametrize('pace', [0.0, 0.1, 1.0])
def test_the_last_output_of_a_guest_can_be_read_twice_by_a_client_that_polls_every_two_seconds(pace: float) -> None:
    least = (controller.QUERY_RETRIES - 1) * controller.monitoring_period(pace)  # it ended just before the first look
    assert least >= 2 * 2
