# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's answer file and the fragments for users' own ones, as installers and installed systems run them."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.boot_disk import BootDisk, Inputs

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / 'roles/image_build/templates'
VARIABLES: dict[str, Any] = {
    'image_build_name': 'fedora',
    'image_build_timezone': 'UTC',
    'image_build_install_url': '',
    'image_build_guest_s3_url': '',
    'image_build_connection': {},
    'image_build_root_password_hash': '',
    'image_build_packages': ['cloud-init'],
    'image_build_post': '',
    'image_build_boot_report': True,
    'image_build_kickstart_version': '',
    'image_build_volume_id': 'vol-1a2b3c4d',
    'image_build_device_timeout': 5,
    'image_build_volume_size': 4,
    'image_build_proof_key': '0123456789',
    'image_build_package_mirror': '',
    'image_build_proxy': '',
    'image_build_language': 'en_US.UTF-8',
    'image_build_keyboard': 'us',
    'image_build_hostname': '',
    'image_build_disk_layout': 'plain',
    'image_build_filesystem': 'ext4',
    'image_build_swap': 0,
    'image_build_users': [],
    'image_build_cloud_init': False,
}
VERSIONS = ['RHEL6', 'RHEL7', 'RHEL8', 'RHEL9', 'RHEL10', 'RHEL11', *(f'F{number}' for number in range(16, 47))]


def render(template: str, **variables: Any) -> str:
    """Render as Ansible's template lookup does."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    environment.tests['match'] = lambda text, pattern: bool(re.match(pattern, text))
    environment.filters['bool'] = bool
    return environment.get_template(template).render(VARIABLES | variables)


def disk_section(kickstart: str) -> str:
    return kickstart.partition('<<DISK\n')[2].partition('\nDISK')[0].replace('$installation_disk', 'vdb')


@pytest.mark.parametrize(
    ('version', 'password'), [*((version, '') for version in VERSIONS), ('RHEL6', '$6$salt$abc'), ('F43', '$6$salt$abc')]
)
def test_the_kickstart_is_valid_for_each_version(tmp_path: Path, version: str, password: str) -> None:
    kickstart = render(
        'kickstart.cfg.j2',
        image_build_kickstart_version=version,
        image_build_install_url='http://mirror/os',
        image_build_root_password_hash=password,
        image_build_post='true',
    )
    (tmp_path / 'ks.cfg').write_text(kickstart.replace('%include /tmp/disk.ks', disk_section(kickstart)))
    checked = subprocess.run(
        [shutil.which('ksvalidator') or ROOT / '.venv/bin/ksvalidator', '-v', version, tmp_path / 'ks.cfg'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ('version', 'has', 'lacks'),
    [
        ('', '--disklabel=msdos', 'biosboot'),
        ('F43', '--disklabel=msdos', 'biosboot'),
        ('F21', '--disklabel=msdos', 'biosboot'),
        ('RHEL7', '--disklabel=msdos', 'biosboot'),
        ('RHEL6', '--driveorder=vdb', '--disklabel'),
        ('F16', 'part biosboot --fstype=biosboot --size=1 --ondisk=vdb', '--disklabel'),
        ('F20', '--boot-drive=vdb', '--disklabel'),
    ],
)
def test_a_bios_can_boot_the_disk_label_of_each_version(version: str, has: str, lacks: str) -> None:
    section = disk_section(render('kickstart.cfg.j2', image_build_kickstart_version=version))
    assert has in section and lacks not in section


def test_the_proof_is_the_last_script_and_runs_only_after_scripts_that_succeeded() -> None:
    kickstart = render('kickstart.cfg.j2', image_build_post='dnf -y install x\necho done')
    scripts = re.findall(r'^%(?:pre|post)\b.*$', kickstart, re.MULTILINE)
    assert scripts == ['%pre --erroronfail', '%post --erroronfail', '%post --nochroot --erroronfail']
    assert '\ndnf -y install x\necho done\n' in kickstart.partition('%post --erroronfail\nset -e\n')[2]
    assert 'installation-proof: key=0123456789' in kickstart.rpartition('%post')[2]


Run = Callable[..., 'subprocess.CompletedProcess[str]']


SHELLS = ['dash', 'bash', 'busybox sh']
# That of busybox prefers its own applets to what the tests put into their place.
installed_shells = pytest.mark.parametrize('shell', SHELLS[:2], indirect=True)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    words = request.param.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f'{words[0]} is not installed')

    def run(script: str, path: str = '') -> subprocess.CompletedProcess[str]:
        (tmp_path / 'script').write_text(script)
        where = {'PATH': f'{path}:/usr/sbin:/usr/bin:/sbin:/bin'.lstrip(':')}
        return subprocess.run([*words, tmp_path / 'script'], env=where, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture(name='machine')
def fixture_machine(tmp_path: Path) -> Path:
    """A directory that stands for / of a machine with the disk vdb: a partition, and a logical volume on another one."""
    root = tmp_path / 'root'
    for part in ('vdb1', 'vdb2'):
        (root / 'sys/devices/vdb' / part).mkdir(parents=True)
        (root / 'sys/devices/vdb' / part / 'partition').write_text('1\n')
    (root / 'sys/devices/vdb/size').write_text(f'{(4 << 30) // 512}\n')
    (root / 'sys/devices/dm-0/slaves').mkdir(parents=True)
    (root / 'sys/devices/dm-0/slaves/vdb2').symlink_to('../../vdb/vdb2')
    (root / 'sys/block').mkdir()
    (root / 'sys/block/vdb').symlink_to('../devices/vdb')
    (root / 'sys/class/block').mkdir(parents=True)
    for name, place in (('vdb', 'vdb'), ('vdb1', 'vdb/vdb1'), ('vdb2', 'vdb/vdb2'), ('dm-0', 'dm-0')):
        (root / 'sys/class/block' / name).symlink_to(f'../../devices/{place}')
    for directory in ('proc', 'dev/mapper', 'dev/disk/by-id', 'dev/disk/by-path', 'etc', 'usr'):
        (root / directory).mkdir(parents=True)
    for name in ('vdb', 'vdb1', 'vdb2', 'dm-0'):
        (root / 'dev' / name).touch()
    (root / 'dev/mapper/vg-root').symlink_to('../dm-0')
    return root


def within(root: Path, script: str) -> str:
    """The script with its absolute paths below ``root``, and without pauses."""
    return re.sub(r'(?<![\w/.$}])/(sys|proc|dev(?!/null)|etc|usr)/', rf'{root}/\1/', script).replace('sleep 2', ':')


def proof(shell: Run, root: Path, mounts: str) -> str:
    """The line that arrives on the serial console."""
    master, slave = os.openpty()
    tty.setraw(slave)
    (root / 'dev/ttyS0').symlink_to(os.ttyname(slave))
    (root / 'proc/mounts').write_text(mounts.replace('/dev/', f'{root}/dev/'))
    # The chroot, which not every user may enter, to a system without packages.
    done = shell('set -e\nchroot() { :; }\n' + within(root, render('proof.sh.j2')))
    assert done.returncode == 0, done.stderr
    written = b''
    while written.count(b'\n') < 8:
        written += os.read(master, 4096)
    lines = written.decode().split('\n')
    os.close(master)
    os.close(slave)
    assert lines == ['', 'packages: 0'] + ['', lines[3]] * 3 + [''], lines
    return lines[3]


@pytest.mark.parametrize(
    'mounts',
    [
        'rootfs / rootfs rw 0 0\n/dev/vdb1 /mnt/sysimage ext4 rw 0 0\n',  # Anaconda, the lab; %post --nochroot
        '/dev/loop0 / squashfs ro 0 0\n/dev/mapper/vg-root /target ext4 rw 0 0\n',  # debian-installer, subiquity, FAI
        'overlay / overlay rw 0 0\n/dev/vdb1 /mnt btrfs rw 0 0\n',  # YaST, Agama
        '/dev/vdb1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n',  # in a chroot
    ],
)
def test_the_proof_names_the_disk_under_the_installed_root(shell: Run, machine: Path, mounts: str) -> None:
    (machine / 'sys/devices/vdb/serial').write_text('euca-vol-1a2b3c4d-de')  # as the kernel shows it, without a line end
    assert proof(shell, machine, mounts) == (
        'installation-proof: key=0123456789 disk=vdb serial=euca-vol-1a2b3c4d-de bytes=4294967296 path=none'
    )


def test_without_a_serial_number_that_of_udev_counts_and_otherwise_it_is_none(shell: Run, machine: Path) -> None:
    (machine / 'dev/disk/by-path/virtio-pci-0000:00:05.0').symlink_to('../../vdb')
    mounts = '/dev/vdb1 /target ext4 rw 0 0\n'
    assert proof(shell, machine, mounts).endswith('disk=vdb serial=none bytes=4294967296 path=virtio-pci-0000:00:05.0')
    (machine / 'dev/ttyS0').unlink()
    (machine / 'dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_vol-1a2b3c4d').symlink_to('../../vdb')
    assert 'serial=scsi-0QEMU_QEMU_HARDDISK_vol-1a2b3c4d ' in proof(shell, machine, mounts)


def test_a_root_that_is_on_no_disk_is_no_proof(shell: Run, machine: Path) -> None:
    assert 'disk=none serial=none bytes=0 ' in proof(shell, machine, 'overlay / overlay rw 0 0\n')


def report(shell: Run, root: Path, tools: dict[str, str], cmdline: str = '', **variables: Any) -> str:
    """The line that the installed system prints at its first boot, with these programs beside the usual ones."""
    (root / 'proc/cmdline').write_text(cmdline + '\n')
    installed = shell('set -e\n' + within(root, render('boot_report.sh.j2', **variables)))
    assert installed.returncode == 0, installed.stderr
    programs = root / 'programs'
    programs.mkdir()
    for name, script in {'ip': 'echo "2: eth0 inet 10.0.2.7/24 scope global eth0"', 'sleep': ':', **tools}.items():
        (programs / name).write_text(f'#!/bin/sh\n{script}\n')
        (programs / name).chmod(0o755)
    for name in ('awk', 'grep', 'rm', 'sed'):
        (programs / name).symlink_to(shutil.which(name) or name)
    # Each writing adds to the console here, as on a machine.
    script = within(root, (root / 'usr/local/sbin/boot-report').read_text()).replace('" > ', '" >> ')
    ended = shell(f'PATH={programs}\n{script}')
    assert ended.returncode == 0, ended.stderr
    lines = (root / 'dev/console').read_text().split('\n')
    assert lines == ['', lines[1]] * 3 + [''], lines
    return lines[1]


S3 = 'http://10.0.2.2:8773/s'
GNU = 'case $1 in --version) echo GNU Wget;; *) exit %d;; esac'


@installed_shells
@pytest.mark.parametrize(
    ('tools', 'url', 'endpoint'),
    [
        ({'curl': 'exit 0'}, S3, 'reached'),
        ({'curl': 'exit 7'}, S3, 'unreachable'),
        ({'curl': 'exit 7'}, '', 'unknown'),
        ({}, S3, 'unknown'),
        ({'wget': GNU % 0}, S3, 'reached'),
        ({'wget': GNU % 8}, S3, 'reached'),  # the server refused: it is there
        ({'wget': GNU % 4}, S3, 'unreachable'),
        ({'wget': 'echo "wget: server returned error: HTTP/1.1 403 Forbidden" >&2; exit 1'}, S3, 'reached'),  # busybox
        ({'wget': 'echo "wget: can\'t connect to remote host" >&2; exit 1'}, S3, 'unreachable'),
    ],
)
def test_the_report_distinguishes_unreachable_from_cannot_check(
    shell: Run, machine: Path, tools: dict[str, str], url: str, endpoint: str
) -> None:
    line = report(shell, machine, tools, image_build_guest_s3_url=url)
    assert line == f'boot-report: address=10.0.2.7 endpoint={endpoint}'


@installed_shells
def test_without_an_address_there_is_none_whatever_else_is_known(shell: Run, machine: Path) -> None:
    assert report(shell, machine, {'ip': ':'}) == 'boot-report: address=none endpoint=unknown'


@installed_shells
@pytest.mark.parametrize(
    ('cmdline', 'connection', 'url'),
    [
        ('inst.ks=http://c:8773/b/k?Signature=x ip=dhcp', {}, 'http://c:8773/'),
        ('root=live:x FAI_ANSWER="https://c/b/k" y', {}, 'https://c/'),
        ('ip=dhcp', {}, ''),
        ('inst.ks=http://c:8773/b/k', {'s3_url': 'http://s3:8773/'}, 'http://s3:8773/'),
    ],
)
def test_without_a_url_the_report_asks_where_the_answer_file_came_from(
    shell: Run, machine: Path, cmdline: str, connection: dict[str, str], url: str
) -> None:
    report(
        shell,
        machine,
        {'curl': f'for last; do :; done; echo "$last" > {machine}/asked'},
        cmdline,
        image_build_connection=connection,
    )
    assert ((machine / 'asked').read_text().strip() if url else '') == url


BLANK, EXT3 = bytes(1 << 16), bytes(1080) + b'\x53\xef' + bytes(1 << 16)
PARTITIONED = bytes(510) + b'\x55\xaa' + bytes(1 << 16)
OURS, EPHEMERAL = 'euca-vol-1a2b3c4d-de', 'euca-bdm-ephemeral0-'


@pytest.mark.parametrize(
    ('disks', 'found'),
    [
        ({'vda': ('', PARTITIONED), 'vdb': (OURS, BLANK)}, 'vdb'),
        ({'vda': ('euca-bdm-machine-dev', BLANK), 'vdb': (EPHEMERAL, EXT3), 'vdc': (OURS, BLANK)}, 'vdc'),
        ({'vda': ('euca-bdm-machine-dev', BLANK), 'vdb': (OURS, PARTITIONED)}, 'vdb'),  # from an attempt before
        # The volume is not there yet: nothing else is taken meanwhile, ephemeral disks least of all.
        ({'vda': ('euca-bdm-machine-dev', BLANK), 'vdb': (EPHEMERAL, EXT3)}, ''),
        ({'vda': ('euca-bdm-machine-dev', BLANK), 'vdb': (EPHEMERAL, BLANK)}, ''),
        ({'vda': ('', PARTITIONED)}, ''),
        # Without serial numbers, as in Eucalyptus 3 and on Xen.
        ({'vda': ('', PARTITIONED), 'vdb': ('', EXT3)}, ''),
        ({'vda': ('', PARTITIONED), 'vdb': ('', EXT3), 'vdc': ('', BLANK)}, 'vdc'),
        ({'xvda': ('', PARTITIONED), 'xvdf': ('', BLANK)}, 'xvdf'),
        ({'vda': ('', PARTITIONED), 'vdb': ('', BLANK), 'vdc': ('', BLANK)}, ''),
    ],
)
def test_the_installer_takes_the_volume_and_never_a_disk_of_the_instance(
    shell: Run, tmp_path: Path, disks: dict[str, tuple[str, bytes]], found: str
) -> None:
    sized = {name: (serial, content, 4) for name, (serial, content) in disks.items()}
    assert chosen_disk(shell, tmp_path / 'root', sized) == found


OWN_ROOT = 'euca-bdm-ebs1-dev-vd'


@pytest.mark.parametrize('shell', SHELLS[:1], indirect=True)
@pytest.mark.parametrize(
    ('disks', 'found'),
    [
        ({'vda': (OWN_ROOT, BLANK, 4)}, 'vda'),
        ({'vda': ('', BLANK, 4)}, 'vda'),  # Eucalyptus 3
        ({'vda': ('', EXT3, 9.97), 'vdb': ('', BLANK, 4)}, 'vdb'),
        # After an installation, or after one that was interrupted.
        ({'vda': (OWN_ROOT, PARTITIONED, 4)}, ''),
        ({'vda': ('', PARTITIONED, 4)}, ''),
        # It cannot be read, so nobody knows whether it is empty.
        ({'vda': (ROOT, b'', 4)}, ''),
        # A volume that somebody has attached.
        ({'vda': (OWN_ROOT, PARTITIONED, 4), 'vdb': (OURS, BLANK, 4)}, ''),
        ({'vda': (OWN_ROOT, BLANK, 4), 'vdb': (OURS, BLANK, 4)}, 'vda'),
    ],
)
def test_an_instance_installs_itself_onto_its_own_root_and_only_while_that_is_empty(
    shell: Run, tmp_path: Path, disks: dict[str, tuple[str, bytes, float]], found: str
) -> None:
    assert chosen_disk(shell, tmp_path / 'root', disks, image_build_volume_id='') == found


def chosen_disk(shell: Run, root: Path, disks: dict[str, tuple[str, bytes, float]], **more: str) -> str:
    """The disk that the fragment finds for a volume of 4 GiB. The disks have serial numbers, contents and sizes in GiB."""
    (root / 'dev').mkdir(parents=True)
    for name, (serial, content, size) in disks.items():
        (root / 'sys/block' / name).mkdir(parents=True)
        (root / 'sys/block' / name / 'serial').write_text(f'{serial}\n' if serial else '')
        (root / 'sys/block' / name / 'size').write_text(f'{int(size * (1 << 21))}\n')
        (root / 'dev' / name).write_bytes(content)
    variables = {'image_build_device_timeout': 12, 'image_build_volume_size': '4', **more}
    script = within(root, render('wait_for_disk.sh.j2', **variables)).replace('sleep 1', ':')
    done = shell('set -e\n' + script + 'echo "$installation_disk"')
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(name='boot_disk', scope='session')
def fixture_boot_disk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The beginning of a boot disk."""
    folder = tmp_path_factory.mktemp('boot-disk')
    header = bytearray(0x264)
    header[0x1FE:0x200], header[0x202:0x206], header[0x206:0x208], header[0x211] = b'\x55\xaa', b'HdrS', b'\x0f\x02', 1
    header[0x238:0x23C] = (2047).to_bytes(4, 'little')
    for name in ('vmlinuz', 'initrd'):
        (folder / name).write_bytes(header)
    kernel, ramdisk, path = (str(folder / name) for name in ('vmlinuz', 'initrd', 'boot.img'))
    BootDisk(Inputs(kernel, kernel, ramdisk, ramdisk, 'ip=dhcp', uefi=False)).write(path)
    return Path(path).read_bytes()[: 1 << 16]


@pytest.mark.parametrize('numbered', [True, False], ids=['serial numbers', 'no serial numbers'])
@pytest.mark.parametrize('shell', SHELLS[:1], indirect=True)
def test_beside_a_boot_disk_and_an_ephemeral_disk_only_the_volume_is_taken_in_any_order(
    shell: Run, tmp_path: Path, boot_disk: bytes, numbered: bool
) -> None:
    disks = {'boot': ('euca-bdm-machine-dev', boot_disk, 0.03), 'ephemeral': (EPHEMERAL, EXT3, 9.97), 'volume': (OURS, BLANK, 4)}
    orders = [*itertools.permutations(disks), ('boot', 'ephemeral')]  # the volume may come late
    for unformatted in (False, True):
        if unformatted:  # as on Eucalyptus before 4.0
            disks['ephemeral'] = ('', BLANK, 9.97)
        for number, order in enumerate(orders):
            letters = {f'vd{letter}': disks[name] for letter, name in zip('abc', order, strict=False)}
            named = {name: (serial if numbered else '', *rest) for name, (serial, *rest) in letters.items()}
            expected = f'vd{"abc"[order.index("volume")]}' if 'volume' in order else ''
            assert chosen_disk(shell, tmp_path / f'{unformatted}{number}', named) == expected, (order, unformatted)


def test_the_fragments_leave_the_answer_files_own_variables_alone() -> None:
    names = re.compile(r'^ *(?:for )?([a-z_]+)(?:=| in )', re.MULTILINE)
    for fragment, prefix in (('proof', 'proof_'), ('packages', 'proof_'), ('wait_for_disk', 'installation_')):
        assert {name for name in names.findall(render(f'{fragment}.sh.j2')) if not name.startswith(prefix)} == set()
