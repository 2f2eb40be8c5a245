# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node controller process and real guests: boot with a hook, volumes, power-off, adoption after a kill, EBS roots."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_support import NODE, ScratchLab, guest_ramdisk, kernel_files, scratch_lab, wait_for

pytestmark = [pytest.mark.vm, pytest.mark.skipif(os.geteuid() != 0, reason='libvirt needs root')]
LAB = Path(__file__).resolve().parents[2] / 'lab'
HOOK = """#!/bin/sh
echo "$1 $3" >> $2/var/log/eucalyptus/calls
[ "$1" = euca-nc-pre-boot ] || exit 0
[ -f "$3/instance-libvirt.xml" ] || exit 1
sed 's|<cmdline>.*</cmdline>|<cmdline>console=ttyS0 from=hook</cmdline>|' "$3/instance-libvirt.xml" > "$3/new.xml"
chmod 644 "$3/new.xml"
mv "$3/new.xml" "$3/instance-libvirt.xml"
"""


class Node:
    """The process under test."""

    def __init__(self, lab: ScratchLab) -> None:
        self.lab = lab
        self.start()

    def start(self) -> None:
        with open(self.lab.config.log / 'node.log', 'ab') as log:
            self.process = subprocess.Popen([sys.executable, '-m', 'eucalab.node', 'tnode', NODE], stderr=log,
                                            env={**os.environ, 'PYTHONPATH': str(LAB)})

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def wait_state(self, instance_id: str, state: str) -> None:
        wait_for(f'{instance_id} {state}: {self.lab.instance(instance_id)}',
                 lambda: self.lab.instance(instance_id)['node_state'] == state, 60)

    def wait_console(self, instance_id: str, text: str) -> str:
        path = Path(str(self.lab.instance(instance_id)['instance_path'])) / 'console.log'

        def console() -> str:
            return path.read_text(errors='replace') if path.exists() else ''
        return wait_for(f'{text!r} on the console', lambda: console() if text in console() else '', 90, console)

    def end(self) -> None:
        from eucalab.node.daemons import end_domains
        self.process.terminate()
        self.process.wait(30)
        end_domains(self.lab.config.database)
        print((self.lab.config.log / 'node.log').read_text())


@pytest.fixture
def node() -> Iterator[Node]:
    with scratch_lab() as lab:
        kernel, modules = kernel_files()
        lab.put_image('eki-00000001', kernel.read_bytes())
        lab.put_image('eri-00000001', guest_ramdisk(modules))
        lab.put_image('emi-00000001', bytes(3 << 20))
        lab.add_hook('bootparams', HOOK)
        running = Node(lab)
        try:
            yield running
        finally:
            running.end()


def switch_off(lab: ScratchLab, instance_id: str) -> None:
    """The guest switches itself off when a disk begins with this word."""
    volume = lab.add_volume(1 << 20)
    lab.config.volume_file(volume).write_bytes(b'poweroff'.ljust(1 << 20, b'\0'))
    lab.attach(instance_id, volume, '/dev/sdz')


def test_an_instance_boots_by_the_hook_sees_volumes_come_and_go_and_switches_itself_off(node: Node) -> None:
    lab = node.lab
    instance = lab.add_instance()
    node.wait_state(instance, 'running')
    lab.store.execute("UPDATE instances SET state = 'running' WHERE id = ?", instance)
    console = node.wait_console(instance, 'guest: disk vda')
    assert 'guest: cmdline console=ttyS0 from=hook\n' in console.replace('\r', '')
    assert 'guest: vda1 3072' in console and 'guest: vda3 524288' in console

    volume = lab.add_volume(2 << 20)
    lab.attach(instance, volume)
    wait_for('the report', lambda: lab.attachment(volume)['node_state'])
    assert lab.attachment(volume)['node_state'] == 'attached', lab.attachment(volume)
    node.wait_console(instance, f'guest: disk vdb euca-{volume}-dev-sdf'[:len('guest: disk vdb ') + 20])
    lab.store.execute("UPDATE attachments SET state = 'detaching' WHERE volume_id = ?", volume)
    wait_for('the report', lambda: lab.attachment(volume)['node_state'] == 'detached', 60, lambda: lab.attachment(volume))
    assert lab.config.volume_file(volume).read_bytes().startswith(b'guest was here\n')

    folder = Path(str(lab.instance(instance)['instance_path']))
    switch_off(lab, instance)
    node.wait_state(instance, 'teardown')
    assert not folder.exists()
    assert not lab.instance(instance)['node_reason']
