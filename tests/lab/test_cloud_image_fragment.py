# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fragment that makes an image of an installed system, run in directories that stand for such systems."""

from __future__ import annotations

import re
import shutil
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


STDIN = ('chpasswd', 'debconf-set-selections')  # what these read is kept


def make_image(shell: Run, root: Path, **variables: Any) -> list[str]:
    """Run the fragment in a system below ``root``; returns the lines of the programs that it called."""
    programs = root / 'programs'
    programs.mkdir()
    for name in ('update-initramfs', 'update-grub', 'useradd', 'chown', 'dracut', 'grubby', *STDIN):
        (programs / name).write_text(
            f'#!/bin/sh\necho {name} "$@" >> {root}/called\n{"cat" if name in STDIN else ":"} >> {root}/called\n'
        )
        (programs / name).chmod(0o755)
    script = re.sub(r'(?<![\w/.$}*])/(etc|usr|var|boot|lib|root)(?=/)', rf'{root}/\1', render('system.sh.j2', **variables)).replace(
        'id ops >/dev/null 2>&1 ||', ''
    )
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
    for name, variables in {'any': {}, 'known': {'__image_build_debian': 'etc/debian_version' in files}}.items():
        root = system_with(tmp_path / name, 'etc/udev/rules.d/70-persistent-net.rules', *files)
        make_image(shell, root, **variables)
        assert words in (root / configuration).read_text()
        kept = [file for file in root.rglob('*') if file.is_file() and 'ens3' in file.read_text()]
        programs = {'debian_version', 'ifup', 'ifcfg.template', 'wicked', 'network'}
        assert {file.name for file in kept} <= programs


GRUB = """\
GRUB_TERMINAL_OUTPUT=gfxterm
GRUB_CMDLINE_LINUX_DEFAULT="quiet splash resume=UUID=1234"
GRUB_CMDLINE_LINUX="net.ifnames=0 console=ttyS0,115200"
"""


def test_an_image_starts_without_a_video_card_and_on_any_virtual_disk(shell: Run, tmp_path: Path) -> None:
    root = system_with(tmp_path / 'root', 'etc/debian_version', 'etc/initramfs-tools/conf.d/resume', 'etc/initramfs-tools/modules')
    (root / 'etc/default').mkdir()
    (root / 'etc/default/grub').write_text(GRUB)
    assert make_image(shell, root) == [
        'update-initramfs -u -k all',
        'update-grub',
        'grubby --update-kernel=ALL --remove-args=resume',
    ]
    read = f'. {root}/etc/default/grub; echo "$GRUB_TERMINAL|$GRUB_TERMINAL_OUTPUT|$GRUB_CMDLINE_LINUX_DEFAULT|$GRUB_CMDLINE_LINUX"'
    values = ' '.join(shell(read).stdout.split())
    assert values == 'serial console||quiet | net.ifnames=0 biosdevname=0 console=tty0 console=ttyS0,115200'
    assert (root / 'etc/initramfs-tools/conf.d/resume').read_text() == 'RESUME=none\n'
    assert {'virtio_blk', 'virtio_scsi', 'e1000'} <= set((root / 'etc/initramfs-tools/modules').read_text().split())


def test_the_initial_ramdisk_of_dracut_has_the_drivers_and_lvm_takes_any_disk(shell: Run, tmp_path: Path) -> None:
    """LVM's list of devices has the serial number of the volume, and dracut copies it."""
    images = ['boot/initramfs-5.14.img', 'boot/initrd-6.4', 'boot/initrd.img-6.17']
    kernels = [f'lib/modules/{version}/x' for version in ('5.14', '6.4', '6.17')]
    root = system_with(tmp_path / 'root', 'etc/dracut.conf.d/x', 'etc/lvm/devices/system.devices', *images, *kernels)
    called = make_image(shell, root)
    assert {f'dracut -f {root}/{image} {image.rpartition("-")[2].removesuffix(".img")}' for image in images} <= set(called)
    assert ' virtio_net e1000 ' in (root / 'etc/dracut.conf.d/cloud.conf').read_text()
    assert not (root / 'etc/lvm/devices/system.devices').exists()


def test_an_upgrade_of_grub_does_not_ask_for_the_disk_of_the_installation(shell: Run, tmp_path: Path) -> None:
    root = system_with(tmp_path / 'root', 'usr/lib/grub/i386-pc/boot.img', 'etc/x')
    called = make_image(shell, root)
    assert 'grub-pc grub-pc/install_devices multiselect' in called
    assert 'grub-pc grub-pc/install_devices_empty boolean true' in called


def test_the_host_name_is_the_same_everywhere_and_cloud_init_keeps_it(shell: Run, tmp_path: Path) -> None:
    root = system_with(tmp_path / 'root', 'etc/sysconfig/network', 'etc/HOSTNAME')
    (root / 'etc/hosts').write_text('127.0.0.1 localhost\n127.0.1.1\tdebian.example.com\tdebian\n')
    make_image(shell, root, image_build_hostname='web', image_build_cloud_init=True)
    assert (root / 'etc/hosts').read_text() == '127.0.0.1 localhost\n127.0.1.1 web\n'
    assert (root / 'etc/hostname').read_text() == (root / 'etc/HOSTNAME').read_text() == 'web\n'
    assert 'preserve_hostname: true\n' in (root / 'etc/cloud/cloud.cfg.d/99-ec2.cfg').read_text()


def test_own_commands_use_the_proxy_and_the_image_keeps_neither_it_nor_their_host_keys(shell: Run, tmp_path: Path) -> None:
    root = system_with(tmp_path / 'root', 'etc/apt/apt.conf.d/90curtin-aptproxy', 'etc/ssh/x', 'etc/machine-id', 'var/log/x')
    (root / 'etc/apt/apt.conf').write_text('Acquire::http::Proxy "http://u:secret@p:3128/";\nAPT::Keep "1";\n')
    (root / 'etc/sysconfig').mkdir()
    (root / 'etc/sysconfig/proxy').write_text('PROXY_ENABLED="yes"\nHTTP_PROXY="http://u:secret@p:3128"\n')
    post = f'echo $http_proxy > {root}/seen; echo new > {root}/etc/ssh/ssh_host_rsa_key; echo log > {root}/var/log/anaconda.log'
    make_image(shell, root, image_build_proxy='http://u:secret@p:3128', image_build_post=post)
    assert (root / 'seen').read_text() == 'http://u:secret@p:3128\n'
    (root / 'seen').unlink()
    assert not [file for file in root.rglob('*') if file.is_file() and 'secret' in file.read_text()]
    assert not (root / 'etc/ssh/ssh_host_rsa_key').exists() and not (root / 'var/log/anaconda.log').exists()


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
    unit = (root / 'etc/systemd/system/ssh-host-keys.service').read_text().replace(str(root), '')
    assert 'ExecStart=/usr/bin/ssh-keygen -A' in unit
    # Before a socket, it would wait for itself: sockets come before all services (systemd.special(7), basic.target).
    assert 'socket' not in unit
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


DPKG_QUERY = r"""#!/bin/sh
[ "$*" = '-W -f ${db:Status-Abbrev} ${Package} ${Version} ${Architecture}\n' ] || exit 1
printf 'ii  vim 2:9.0-1 amd64\nrc  old 1-1 all\nhi  held 1 all\n'
"""
RPM = r"""#!/bin/sh
[ "$*" = '-qa --qf %{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH}\n' ] || exit 1
printf 'zlib 1.2.11-40.el9 x86_64\nacl 2:2.3.1-3.el9 x86_64\ngpg-pubkey 8483c65d-5ccc5b19 (none)\n'
"""


@pytest.mark.parametrize(
    ('name', 'program', 'packages'),
    [
        ('dpkg-query', DPKG_QUERY, ['vim 2:9.0-1 amd64', 'held 1 all']),
        ('rpm', RPM, ['acl 2:2.3.1-3.el9 x86_64', 'zlib 1.2.11-40.el9 x86_64']),
        ('none', '', []),
    ],
)
def test_the_installed_packages_are_a_block_on_the_console_with_their_number(
    shell: Run, tmp_path: Path, name: str, program: str, packages: list[str]
) -> None:
    (tmp_path / name).write_text(program)
    (tmp_path / name).chmod(0o755)
    for tool in ('grep', 'sed', 'sort', 'sh'):
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    script = render('packages.sh.j2').replace('PATH=/usr/sbin:/usr/bin:/sbin:/bin', f'PATH={tmp_path}')
    inside = 'chroot() { [ "$1" = /target ] && shift && "$@"; }\nproof_root=/target proof_port=/dev/stdout\n'
    done = shell(f'set -e\n{inside}{script}')
    assert (done.stdout.splitlines(), done.returncode) == (
        [*(f'package: {one}' for one in packages), f'packages: {len(packages)}'],
        0,
    )
