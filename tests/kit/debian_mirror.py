# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mirror of Debian 12 for debian-installer, with the kernel, the ramdisk and the few packages that a package mirror has.

Most of the installer's packages (udebs) are not available, so an installation ends where the partitioner needs the first of these.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import tempfile
from pathlib import Path

from tests.unit.plugins.file_server import Signer

IMAGES = Path('/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64')
NETBOOT = 'dists/bookworm/main/installer-amd64/current/images'
INDEX = 'main/debian-installer/binary-amd64/Packages'
# The drivers of virtual disks, and the partitioner, which runs partman/early_command before it needs what it lacks.
UDEBS = ('scsi-modules-{0}-di', 'ata-modules-{0}-di', 'cdrom-core-modules-{0}-di', 'partman-base')
# Another unavailable package, on which the partitioner depends: it finds the disks. Here udev does.
DISK_DETECT = """\
Package: disk-detect
Version: 0
Architecture: all
Provides: harddrive-detection
Section: debian-installer
Priority: standard
Installer-Menu-Item: 3500
Maintainer: eucalyptus.cloud contributors <cloud@example.com>
Description: Let udev load the drivers of the disks
"""
APT = """\
Dir::State::Lists "{0}/lists";
Dir::Cache "{0}/cache";
Dir::Etc::SourceList "{0}/sources.list";
Dir::Etc::SourceParts "/dev/null";
APT::Sandbox::User "root";
"""


def kernel_version() -> str:
    """By the header of the kernel's file (Documentation/arch/x86/boot.rst, kernel_version)."""
    kernel = (IMAGES / 'linux').read_bytes()
    start = int.from_bytes(kernel[0x20E:0x210], 'little') + 0x200
    return kernel[start:].split(b' ', 1)[0].decode()


def udebs() -> list[tuple[str, bytes]]:
    """Control file and content of each udeb, downloaded by apt with the archives and keys of this machine."""
    targets = ('apt-get', 'indextargets', '--format', '$(REPO_URI)', 'Codename: bookworm', 'Created-By: Packages')
    archive = _run(*targets).split()[0]
    with tempfile.TemporaryDirectory(prefix='eucalab-test-', dir='/var/tmp') as folder:
        work = Path(folder)
        for directory in ('lists/partial', 'cache/archives/partial'):
            (work / directory).mkdir(parents=True)
        (work / 'sources.list').write_text(
            f'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {archive} bookworm main/debian-installer\n'
        )
        (work / 'apt.conf').write_text(APT.format(work))
        environment = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'APT_CONFIG': str(work / 'apt.conf')}
        _run('apt-get', '-q', 'update', env=environment)
        _run('apt-get', '-q', 'download', *(name.format(kernel_version()) for name in UDEBS), cwd=work, env=environment)
        (work / 'disk-detect/DEBIAN').mkdir(parents=True)
        (work / 'disk-detect/DEBIAN/control').write_text(DISK_DETECT)
        (work / 'disk-detect/DEBIAN/postinst').write_text('#!/bin/sh\ndepmod -a\nupdate-dev\n')
        (work / 'disk-detect/DEBIAN/postinst').chmod(0o755)
        _run('dpkg-deb', '--root-owner-group', '-Zgzip', '--build', str(work / 'disk-detect'), str(work / 'disk-detect.udeb'))
        return [(_run('dpkg-deb', '--field', str(file)), file.read_bytes()) for file in sorted(work.glob('*.udeb'))]


def files(signer: Signer) -> dict[str, bytes]:
    """The files of the mirror by their paths in it, with a release that this key signs."""
    contents, index = {}, []
    for control, content in udebs():
        path = f'pool/{hashlib.sha256(content).hexdigest()}.udeb'
        contents[path] = content
        digests = f'MD5sum: {hashlib.md5(content).hexdigest()}\nSHA256: {hashlib.sha256(content).hexdigest()}\n'  # noqa: S324
        index.append(f'{control}Filename: {path}\nSize: {len(content)}\n{digests}')
    packages = '\n'.join(index).encode()
    netboot = {f'netboot/debian-installer/amd64/{name}': (IMAGES / name).read_bytes() for name in ('linux', 'initrd.gz')}
    sums = ''.join(f'{hashlib.sha256(content).hexdigest()}  ./{path}\n' for path, content in netboot.items()).encode()
    listed = {
        f'{NETBOOT}/SHA256SUMS'.removeprefix('dists/bookworm/'): sums,
        INDEX: packages,
        f'{INDEX}.gz': gzip.compress(packages),
    }
    release = ''.join(f' {hashlib.sha256(content).hexdigest()} {len(content)} {name}\n' for name, content in listed.items())
    head = 'Origin: Debian\nSuite: bookworm\nCodename: bookworm\nArchitectures: amd64\nComponents: main\nSHA256:\n'
    signed = (head + release).encode()
    return {
        **contents,
        **{f'{NETBOOT}/{path}': content for path, content in netboot.items()},
        **{f'dists/bookworm/{name}': content for name, content in listed.items()},
        'dists/bookworm/Release': signed,
        'dists/bookworm/main/binary-amd64/Release': b'Archive: bookworm\nComponent: main\nArchitecture: amd64\n',
        'dists/bookworm/InRelease': signer.clear_signed(signed),
    }


def _run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=cwd, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
