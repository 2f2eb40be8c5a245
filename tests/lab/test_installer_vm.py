# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installer obeys kickstarts, in a real machine."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from eucalab.node import disks
from tests.lab.installer_support import Mirror, Start, empty_disk, marks

pytestmark = marks
VOLUME = 'vol-0a1b2c3d'
GOOD = f"""\
url --url=@/busybox
rootpw --plaintext 'geheim &co'
network --bootproto=dhcp --hostname=quick1
timezone --utc Europe/Berlin
%include /tmp/disk.ks
poweroff
%pre
until [ -b /dev/disk/by-id/virtio-{VOLUME} ]; do sleep 1; done
cat > /tmp/disk.ks <<DISK
clearpart --all --drives=disk/by-id/virtio-{VOLUME}
part swap --size=16
part / --fstype=ext4 --grow
bootloader --append="console=ttyS0 no_timer_check printk.time=1"
DISK
%end
%post
printf '#!/bin/sh\\necho "rc.local: $(cat /etc/timezone) $(ip -4 -o addr show eth0)" > /dev/console\\n' > /etc/rc.local
chmod 755 /etc/rc.local
%end
%post --nochroot
ls -d /mnt/sysimage/etc > /mnt/sysimage/root/outside.log
%end
"""


def own_disks(folder: Path) -> list[Path]:
    """The disks that instances bring along: image, ephemeral partition and swap; and an ephemeral disk."""
    disks.compose_disk(folder / 'vda', empty_disk(folder / 'image', 8).open('rb'), 32 << 20, 8 << 20)
    disks.make_ephemeral(folder / 'vdb', 32 << 20, 'ext3')
    return [folder / 'vda', folder / 'vdb']


def test_a_system_is_installed_on_a_volume_that_comes_late_and_boots_with_another_card(
    start: Start, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.kickstarts['/good.ks'] = GOOD
    volume = empty_disk(tmp_path / 'volume', 512)
    query = '?Signature=very%2Bsecret&Expires=1&AWSAccessKeyId=AKI'
    own = own_disks(tmp_path)
    before = [disk.read_bytes() for disk in own]
    installing = start(f'ip=dhcp inst.ks={mirror.guest_url}/good.ks{query}', *own)
    installing.wait(r'installer: [\d.]+ s: running %pre script 1')
    installing.plug(volume, VOLUME)
    installing.wait_for_power_off()
    said = installing.console
    assert f'/good.ks{query}' in mirror.asked, 'the query did not survive'
    assert 'secret' not in said and 'geheim' not in said
    assert re.search(r'installer: [\d.]+ s: installing to disk vdc \(512 MiB\)', said)
    assert re.search(r'installer: [\d.]+ s: installed the boot loader on disk vdc', said)
    assert said.count('FAILED') == 0 and said.count('warning') == 0
    assert 'installer: done, powering off' in said
    assert [disk.read_bytes() for disk in own] == before, "the instance's own disks were written to"

    booted = start(None, volume, mac='d0:0d:11:22:33:44')
    booted.wait(r'rc.local: Europe/Berlin .*10\.0\.2\.15/24')
    booted.wait('quick1 login: ')
    booted.log_in('geheim &co')
    booted.type('cat /root/outside.log; awk \'$3 == "swap" { print $1 "!" }\' /etc/fstab; date +%Z; ls -l /etc/shadow')
    booted.wait(r'\n/mnt/sysimage/etc\n(?s:.*)LABEL=swap!\nCET\n-rw-r----- ')


@pytest.mark.long
def test_a_system_on_a_disk_with_a_gpt_label_boots(start: Start, mirror: Mirror, tmp_path: Path) -> None:
    """As reqpart and autopart make it in the Anaconda of Fedora 37 and EL10, and later."""
    mirror.kickstarts['/gpt.ks'] = (
        'url --url=@/busybox\nrootpw x\nclearpart --all --initlabel\nreqpart\npart / --grow\npart swap --size=16\n'
        'bootloader --append="console=ttyS0 no_timer_check"\npoweroff\n'
    )
    disk = empty_disk(tmp_path / 'disk', 256)
    start(f'eucalab.kickstart=F43 inst.ks={mirror.guest_url}/gpt.ks', disk).wait_for_power_off()
    assert b'EFI PART' in disk.read_bytes()[512:1024]
    start(None, disk).wait(' login: ')


def test_a_missing_disk_is_a_failure_and_the_machine_stays_up(start: Start, mirror: Mirror) -> None:
    mirror.kickstarts['/nodisk.ks'] = (
        'url --url=@/busybox\nfrobnicate --now $(poweroff -f)\nrootpw x\nclearpart --all --drives=vdz\npart / --grow\npoweroff\n'
    )
    machine = start(f'inst.ks={mirror.guest_url}/nodisk.ks')
    failed = machine.wait('installer: FAILED: (.*)\n')
    assert failed.group(1) == 'no disk vdz on this machine; there is: none'
    assert 'installer: warning: unknown command: frobnicate (line 2)' in machine.console
    time.sleep(3)
    assert machine.process.poll() is None, 'it ended; a cloud would take that for success'
    assert machine.console.count('FAILED') == 1


# A missing disk, above, takes the same way to the same end.
@pytest.mark.long
def test_a_kickstart_that_is_not_there_is_a_failure(start: Start, mirror: Mirror) -> None:
    machine = start(f'ks={mirror.guest_url}/nothing.ks?Signature=secret')
    failed = machine.wait('installer: FAILED: (.*)\n')
    assert failed.group(1) == f'cannot fetch the kickstart {mirror.guest_url}/nothing.ks: HTTP/1.0 404 Not Found'


@pytest.mark.long
def test_a_mirror_without_the_system_is_a_failure(start: Start, mirror: Mirror, tmp_path: Path) -> None:
    mirror.kickstarts['/empty.ks'] = 'url --url=@/nowhere/\nrootpw x\nclearpart --all\npart / --grow\npoweroff\n'
    machine = start(f'inst.ks={mirror.guest_url}/empty.ks', empty_disk(tmp_path / 'disk', 64))
    failed = machine.wait('installer: FAILED: (.*)\n')
    assert failed.group(1) == f'cannot fetch the system {mirror.guest_url}/nowhere/rootfs.tar: HTTP/1.0 404 Not Found'


def test_a_disk_that_is_too_small_is_a_failure(start: Start, mirror: Mirror, tmp_path: Path) -> None:
    mirror.kickstarts['/small.ks'] = 'url --url=@/busybox\nrootpw x\nclearpart --all\npart / --grow\npoweroff\n'
    machine = start(f'inst.ks={mirror.guest_url}/small.ks', empty_disk(tmp_path / 'disk', 16))
    assert 'No space left on device' in machine.wait('installer: FAILED: (.*)\n').group(1)
