# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The products: the installer and the two systems that it can install. Each function fills one directory."""

from __future__ import annotations

import io
import lzma
import os
import shlex
import shutil
import tarfile
from pathlib import Path

from . import drivers, fai, packages
from .ramdisk import Ramdisk, gzip, libraries

SOURCES = Path(__file__).parent
BUSYBOX = Path('/usr/bin/busybox')
# Folders with the files of each product. All products also depend on this package's Python files.
FOLDERS = {
    'installer': ('ramdisk', 'shared'),
    'busybox': ('busybox', 'installed', 'shared'),
    'debian': ('debian', 'installed'),
    'fai': ('fai',),
}
# Packages of each product. It is outdated when their versions, the kernel's or this package's files change.
PACKAGES = {
    'installer': ('busybox-static', 'fdisk', 'e2fsprogs', 'extlinux', 'syslinux-common', 'tzdata', 'dropbear-bin'),
    'busybox': ('busybox-static', 'dropbear-bin'),
    'debian': ('busybox-static', 'libc6', 'systemd', 'apt', 'ifupdown', 'wget'),
    'fai': ('fai-server', 'fai-nfsroot', 'dracut-network', 'libc6', *fai.REPOSITORY),
}


def installer(kernel: Path, out: Path) -> None:
    """``vmlinuz`` and ``initrd`` of the installer."""
    disk = _base_ramdisk(kernel)
    disk.file('init', (SOURCES / 'ramdisk/init').read_bytes(), 0o755)
    for part in sorted((SOURCES / 'ramdisk').glob('*.sh')) + [SOURCES / 'ramdisk/kickstart.awk']:
        disk.file(f'lib/installer/{part.name}', part.read_bytes())
    for name in ('disk-links', 'questions'):
        disk.file(f'lib/installer/{name}', (SOURCES / 'ramdisk' / name).read_bytes(), 0o755)
    disk.file('etc/udhcpc/default.script', (SOURCES / 'shared/udhcpc.script').read_bytes(), 0o755)
    disk.file('etc/mdev.conf', (SOURCES / 'ramdisk/mdev.conf').read_bytes())
    disk.file('etc/mke2fs.conf', Path('/etc/mke2fs.conf').read_bytes())
    for name in ('sfdisk', 'mke2fs', 'extlinux'):
        disk.program(_program(name), f'usr/sbin/{name}')
    for name in ('mbr.bin', 'gptmbr.bin'):
        disk.file(f'lib/installer/{name}', Path('/usr/lib/syslinux/mbr', name).read_bytes())
    disk.file('lib/installer/ssh.tar.xz', _ssh_server(disk))
    packages.unpack('tzdata', out.parent / 'tzdata')
    disk.file('lib/installer/zoneinfo.tar.gz', _time_zones(out.parent / 'tzdata/usr/share/zoneinfo'))
    (out / 'initrd').write_bytes(disk.compressed())
    shutil.copyfile(_vmlinuz(kernel), out / 'vmlinuz')


def busybox(kernel: Path, out: Path) -> None:
    """``rootfs.tar`` of the quick system: busybox, its init, an SSH server and a kernel."""
    tree = out.parent / 'busybox-tree'
    shutil.copytree(SOURCES / 'busybox', tree)
    (tree / 'lib').symlink_to('usr/lib')
    for name in (
        'bin',
        'sbin',
        'dev',
        'proc',
        'sys',
        'run',
        'tmp',
        'root',
        'mnt',
        'home',
        'usr/bin',
        'usr/lib',
        'usr/sbin',
        'usr/local/bin',
        'usr/local/sbin',
        'var/log',
        'var/tmp',
    ):
        (tree / name).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(BUSYBOX, tree / 'bin/busybox')
    (tree / 'etc/dropbear').mkdir()
    programs = _copy_program(_program('dropbear'), tree)
    for applet in packages.run(BUSYBOX, '--list').split():
        if applet not in ('busybox', 'linuxrc', 'dpkg', 'dpkg-deb', 'rpm'):
            (tree / ('sbin' if applet == 'init' else 'bin') / applet).symlink_to('/bin/busybox')
    (tree / 'etc/udhcpc').mkdir()
    shutil.copyfile(SOURCES / 'shared/udhcpc.script', tree / 'etc/udhcpc/default.script')
    _add_kernel(kernel, tree)
    modes = {'tmp': 0o1777, 'var/tmp': 0o1777, 'root': 0o700, 'etc/shadow': 0o640}
    modes.update(dict.fromkeys(('bin/busybox', 'etc/rc', 'etc/rc.ssh', 'etc/udhcpc/default.script', *programs), 0o755))
    with tarfile.open(out / 'rootfs.tar', 'w', format=tarfile.USTAR_FORMAT) as tar:
        tar.add(tree, '.', filter=lambda member: _as_root(member, modes))


def debian(kernel: Path, out: Path, more: tuple[str, ...] = ()) -> None:
    """``rootfs.tar`` of a small Debian 12: apt, systemd, udev, ifupdown, a DHCP client, login on the serial console.

    more: packages to add
    """
    extra = out.parent / 'debian-extra'
    extra.mkdir()
    _add_kernel(kernel, extra)
    sources = out.parent / 'sources.list'
    sources.write_text(packages.debian_sources())
    # The next build removes these temporary files if this one is killed.
    os.environ.update(EXTRA=str(extra), SOURCES=str(SOURCES / 'debian'), TMPDIR=str(out.parent))
    options = [
        f'--dpkgopt=path-exclude={pattern}'
        for pattern in (SOURCES / 'debian/leave-out').read_text().splitlines()
        if not pattern.startswith('#')
    ]
    packages.run(
        # If this process is killed, mmdebstrap undoes its mounts and ends.
        'setpriv',
        '--pdeathsig',
        'TERM',
        'mmdebstrap',
        '--mode=root',
        '--variant=apt',
        '--quiet',
        '--dpkgopt=force-unsafe-io',
        *options,
        '--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr',
        '--include=' + ','.join(('usr-is-merged,systemd-sysv,udev,kmod,ifupdown,udhcpc,busybox-static,wget', *more)),
        f'--customize-hook={shlex.quote(str(SOURCES / "debian/customize"))} "$1"',
        'bookworm',
        out / 'rootfs.tar',
        sources,
    )


def _base_ramdisk(kernel: Path) -> Ramdisk:
    """The common part of both initial ramdisks: busybox under all its names, and the drivers."""
    disk = Ramdisk()
    disk.file('bin/busybox', BUSYBOX.read_bytes(), 0o755)
    for applet in packages.run(BUSYBOX, '--list').split():
        if applet != 'busybox':
            disk.link(f'bin/{applet}', 'busybox')
    for name in ('sbin', 'usr/sbin', 'usr/bin', 'dev', 'proc', 'sys', 'run', 'tmp', 'mnt', 'root', 'etc'):
        disk.directory(name)
    modules = _modules(kernel)
    for file in sorted(modules.rglob('*')):
        if file.is_file():
            disk.file(file.relative_to(modules).as_posix(), file.read_bytes())
    return disk


def _modules(kernel: Path) -> Path:
    """The few modules that are needed, below ``lib/modules`` of a directory; made once for all products of a build."""
    modules = kernel.parent / 'modules'
    if not modules.exists():
        drivers.install(kernel, modules)
    return modules


def _add_kernel(kernel: Path, tree: Path) -> None:
    """Kernel, its initial ramdisk and the few modules, where a Debian system has them."""
    boot = tree / 'boot'
    boot.mkdir(parents=True, exist_ok=True)
    shutil.copytree(_modules(kernel) / 'lib/modules', tree / 'usr/lib/modules')
    disk = _base_ramdisk(kernel)
    disk.file('init', (SOURCES / 'installed/init').read_bytes(), 0o755)
    release = _vmlinuz(kernel).name.removeprefix('vmlinuz-')
    shutil.copyfile(_vmlinuz(kernel), boot / f'vmlinuz-{release}')
    (boot / f'initrd.img-{release}').write_bytes(disk.compressed())


def _vmlinuz(kernel: Path) -> Path:
    return next((kernel / 'boot').glob('vmlinuz-*'))


def _copy_program(program: Path, tree: Path) -> list[str]:
    """Copy a program of this machine with its libraries; returns their paths below ``tree``."""
    paths = []
    for source in (str(program), *libraries(program)):
        target = tree / source.lstrip('/')
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        paths.append((target.parent.resolve() / target.name).relative_to(tree.resolve()).as_posix())
    return paths


def _program(name: str) -> Path:
    path = shutil.which(name, path='/usr/sbin:/usr/bin:/sbin:/bin')
    if not path:
        raise packages.BuildError(f'{name} is not installed: run make setup')
    return Path(path)


def _ssh_server(disk: Ramdisk) -> bytes:
    """The SSH server and its libraries, except those in ``disk``. Packed, as an unattended installation has no use for it."""
    programs = [_program('dropbear'), _program('dropbearkey')]
    files = {file for program in programs for file in (str(program), *libraries(program))}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w', format=tarfile.USTAR_FORMAT, dereference=True) as tar:
        for file in sorted(files):
            if file.lstrip('/') not in disk:
                tar.add(file, filter=lambda member: _as_root(member, {member.name: 0o755}))
    return lzma.compress(buffer.getvalue())


def _time_zones(tree: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w', format=tarfile.USTAR_FORMAT, dereference=True) as tar:
        for file in sorted(tree.rglob('*')):
            name = file.relative_to(tree)
            if name.parts[0] not in ('posix', 'right') and file.is_file() and file.read_bytes()[:4] == b'TZif':
                tar.add(file, f'./{name}', filter=lambda member: _as_root(member, {}))
    return gzip(buffer.getvalue())


def _as_root(member: tarfile.TarInfo, modes: dict[str, int]) -> tarfile.TarInfo:
    """Owner root, no date, and a mode that does not depend on the umask of whoever checked this out."""
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = 'root'
    if not member.issym():
        member.mode = modes.get(member.name.removeprefix('./'), 0o755 if member.isdir() else 0o644)
    return member
