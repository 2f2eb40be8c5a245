# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot disks of the module boot_disk, in a real machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.boot_disk import BootDisk, Inputs

from eucalab.config import cache_root
from tests.lab.installer_support import Machine, Start, marks

pytestmark = marks
INIT = """\
#!/bin/sh
/bin/busybox mount -t proc proc /proc
/bin/busybox dmesg -n 1
echo; echo "command line: $(/bin/busybox cat /proc/cmdline) (end)"
/bin/busybox poweroff -f
"""
# Everything that a shell, a template or syslinux might take for its own.
WORDS = 'console=ttyS0 no_timer_check loglevel=4 url=http://h/?a=1&b=2%2B3 "q \'q" ${x} $(y) `z` \\ # ; ! ~ --- '
LONGEST = WORDS + 'x' * (2022 - len(WORDS) - 4) + ' end'


@pytest.fixture(name='disk')
def fixture_disk(tmp_path: Path) -> Path:
    """A boot disk of the lab's kernel, with the longest parameters."""
    root = tmp_path / 'root'
    for directory in ('bin', 'proc'):
        (root / directory).mkdir(parents=True)
    shutil.copy('/bin/busybox', root / 'bin/busybox')
    (root / 'bin/sh').symlink_to('busybox')
    (root / 'init').write_text(INIT)
    (root / 'init').chmod(0o755)
    command = 'mkdir dev && mknod dev/console c 5 1 && find . | cpio --quiet -o -H newc | gzip -1 > ../ramdisk'
    subprocess.run(['sh', '-ec', command], cwd=root, check=True)
    kernel, ramdisk = str(cache_root() / 'installer/vmlinuz'), str(tmp_path / 'ramdisk')
    BootDisk(Inputs(kernel, kernel, ramdisk, ramdisk, LONGEST)).write(str(tmp_path / 'boot.img'))
    return tmp_path / 'boot.img'


def check(machine: Machine) -> None:
    machine.wait(r'command line: .* \(end\)')
    assert f'command line: BOOT_IMAGE=/K {LONGEST} initrd=/R (end)' in machine.console
    machine.wait_for_power_off()


def test_a_bios_boots_the_disk_and_the_longest_parameters_reach_the_kernel_unchanged(start: Start, disk: Path) -> None:
    check(start(None, disk))


@pytest.mark.long
def test_uefi_boots_the_same_disk(disk: Path, tmp_path: Path) -> None:
    drive = ['-drive', f'file={disk},if=virtio,format=raw,cache=unsafe']
    machine = Machine(tmp_path, ['-bios', '/usr/share/ovmf/OVMF.fd', *drive], 'd0:0d:00:00:00:02', None)
    try:
        check(machine)
    finally:
        machine.end()
