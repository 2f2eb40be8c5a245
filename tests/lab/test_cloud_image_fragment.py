# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fragment that makes an image of an installed system, run in directories that stand for such systems."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab.test_role_templates import render

Run = Callable[..., 'subprocess.CompletedProcess[str]']


@pytest.fixture(name='shell', params=['dash', 'bash'])
def fixture_shell(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    def run(script: str, path: str = '') -> subprocess.CompletedProcess[str]:
        (tmp_path / 'script').write_text(script)
        where = {'PATH': f'{path}:/usr/sbin:/usr/bin:/sbin:/bin'.lstrip(':')}
        return subprocess.run(
            [request.param, tmp_path / 'script'], env=where, capture_output=True, text=True, timeout=60, check=False
        )

    return run


STACKS = {
    'ifupdown': (['etc/debian_version', 'etc/network/interfaces'], 'etc/network/interfaces', 'iface eth0 inet dhcp'),
    'netplan': (['etc/debian_version', 'etc/netplan/00-installer.yaml'], 'etc/netplan/50-dhcp.yaml', 'dhcp4: true'),
    'initscripts': (
        ['etc/sysconfig/network-scripts/ifup', 'etc/sysconfig/network-scripts/ifcfg-ens3', 'etc/sysconfig/network'],
        'etc/sysconfig/network-scripts/ifcfg-eth0',
        'BOOTPROTO=dhcp',
    ),
    'NetworkManager': (
        ['etc/NetworkManager/system-connections/ens3.nmconnection', 'etc/sysconfig/network-scripts/ifcfg-ens3'],
        'etc/NetworkManager/system-connections/dhcp.nmconnection',
        'method=auto',
    ),
    'wicked': (
        ['etc/sysconfig/network/ifcfg.template', 'etc/sysconfig/network/ifcfg-ens3', 'usr/sbin/wicked'],
        'etc/sysconfig/network/ifcfg-eth0',
        'BOOTPROTO=dhcp',
    ),
}
INSTALLED = 'MAC=52:54:00:12:34:56 ens3\n'


def make_image(shell: Run, root: Path, **variables: Any) -> list[str]:
    """Run the fragment in a system below ``root``; returns the lines of the programs that it called."""
    programs = root / 'programs'
    programs.mkdir()
    for name in ('update-initramfs', 'update-grub', 'useradd', 'chown', 'chpasswd'):
        (programs / name).write_text(
            f'#!/bin/sh\necho {name} "$@" >> {root}/called\n[ {name} != chpasswd ] || cat >> {root}/called\n'
        )
        (programs / name).chmod(0o755)
    script = re.sub(
        r'(?<![\w/.$}*])/(etc|usr|var|boot|lib|root)(?=/)', rf'{root}/\1', render('cloud_image.sh.j2', **variables)
    ).replace('id ops >/dev/null 2>&1 ||', '')
    done = shell('set -e\n' + script, path=str(programs))
    assert done.returncode == 0, done.stderr
    return (root / 'called').read_text().splitlines() if (root / 'called').exists() else []


def system_with(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(INSTALLED)
    return root


@pytest.mark.parametrize('stack', STACKS)
def test_an_image_asks_for_an_address_on_whatever_card_it_finds(shell: Run, tmp_path: Path, stack: str) -> None:
    files, configuration, words = STACKS[stack]
    root = system_with(tmp_path / 'root', 'etc/udev/rules.d/70-persistent-net.rules', *files)
    make_image(shell, root)
    assert words in (root / configuration).read_text()
    kept = [file for file in root.rglob('*') if file.is_file() and 'ens3' in file.read_text()]
    programs = {'debian_version', 'ifup', 'ifcfg.template', 'wicked', 'network'}
    assert {file.name for file in kept} <= programs


GRUB = """\
GRUB_TERMINAL_OUTPUT=gfxterm
GRUB_CMDLINE_LINUX_DEFAULT="quiet splash resume=UUID=1234"
GRUB_CMDLINE_LINUX="console=ttyS0,115200"
"""


def test_an_image_starts_without_a_video_card_and_on_any_virtual_disk(shell: Run, tmp_path: Path) -> None:
    root = system_with(tmp_path / 'root', 'etc/debian_version', 'etc/initramfs-tools/conf.d/resume', 'etc/initramfs-tools/modules')
    (root / 'etc/default').mkdir()
    (root / 'etc/default/grub').write_text(GRUB)
    assert make_image(shell, root) == ['update-initramfs -u -k all', 'update-grub']
    read = f'. {root}/etc/default/grub; echo "$GRUB_TERMINAL|$GRUB_TERMINAL_OUTPUT|$GRUB_CMDLINE_LINUX_DEFAULT|$GRUB_CMDLINE_LINUX"'
    values = ' '.join(shell(read).stdout.split())
    assert values == 'serial console||quiet | net.ifnames=0 biosdevname=0 console=tty0 console=ttyS0,115200'
    assert (root / 'etc/initramfs-tools/conf.d/resume').read_text() == 'RESUME=none\n'
    assert {'virtio_blk', 'virtio_scsi', 'e1000'} <= set((root / 'etc/initramfs-tools/modules').read_text().split())


RECORDS = (
    'var/log/installer/syslog',
    'var/log/anaconda/ks.cfg',
    'root/anaconda-ks.cfg',
    'etc/ssh/ssh_host_rsa_key',
    'etc/machine-id',
)


def test_an_image_has_no_identity_and_no_records_of_its_installation(shell: Run, tmp_path: Path) -> None:
    root = system_with(tmp_path / 'root', *RECORDS, 'etc/debian_version', 'etc/systemd/system/x', 'usr/lib/tmpfiles.d/x')
    make_image(shell, root)
    assert [name for name in RECORDS if (root / name).exists()] == ['etc/machine-id']
    assert (root / 'etc/machine-id').read_text() == ''
    assert 'ExecStart=/usr/bin/ssh-keygen -A' in (root / 'etc/systemd/system/ssh-host-keys.service').read_text().replace(
        f'{root}', ''
    )
    assert 'R! ' in (root / 'etc/tmpfiles.d/installer-records.conf').read_text()


def test_users_get_their_keys_and_passwords(shell: Run, tmp_path: Path) -> None:
    root = system_with(tmp_path / 'root', 'etc/x')
    (root / 'etc/passwd').write_text(f'ops:x:1000:1000::{root}/home/ops:/bin/bash\n')
    (root / 'home/ops').mkdir(parents=True)
    users = [{'name': 'ops', 'ssh_keys': ['ssh-ed25519 AAAA ann'], 'password_hash': '$6$salt$hash'}]
    called = make_image(shell, root, image_build_users=users)
    assert called[:3] == ['useradd -m -s /bin/bash ops', 'chpasswd -e', 'ops:$6$salt$hash']
    assert (root / 'home/ops/.ssh/authorized_keys').read_text() == 'ssh-ed25519 AAAA ann\n'
    assert (root / 'etc/sudoers.d/ops').read_text() == 'ops ALL=(ALL) NOPASSWD: ALL\n'


FETCHED = 'case $* in *169.254.169.254/latest/meta-data/public-keys/0/openssh-key) echo "%s";; *) exit 7;; esac'


@pytest.mark.parametrize(('answer', 'keys'), [('ssh-rsa AAAA me', 'ssh-rsa AAAA me\n'), ('<html>404</html>', '')])
def test_without_cloud_init_the_key_pair_of_the_instance_is_fetched_once(
    shell: Run, tmp_path: Path, answer: str, keys: str
) -> None:
    root = system_with(tmp_path / 'root', 'etc/systemd/system/x')
    (root / 'etc/passwd').write_text(f'root:x:0:0::{root}/root:/bin/sh\n')
    make_image(shell, root)
    script = (root / 'usr/local/sbin/fetch-key').read_text()
    for name, text in {'curl': FETCHED % answer, 'sleep': ':', 'wget': 'exit 1'}.items():
        (root / 'programs' / name).write_text(f'#!/bin/sh\n{text}\n')
        (root / 'programs' / name).chmod(0o755)
    for _boot in range(2):
        assert shell(script, path=str(root / 'programs')).returncode == 0
    found = root / 'root/.ssh/authorized_keys'
    assert (found.read_text() if found.exists() else '') == keys


def test_cloud_init_asks_only_the_metadata_service(shell: Run, tmp_path: Path) -> None:
    root = system_with(tmp_path / 'root', 'etc/cloud/cloud.cfg.d/99-installer.cfg', 'etc/cloud/ds-identify.cfg')
    make_image(shell, root, image_build_cloud_init=True)
    assert [file.name for file in (root / 'etc/cloud').rglob('*') if file.is_file()] == ['99-ec2.cfg']
    assert 'datasource_list: [Ec2]\n' in (root / 'etc/cloud/cloud.cfg.d/99-ec2.cfg').read_text()
