# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""FAI, an installer from another project, built by its own programs (Debian's package fai-server)."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from . import packages

SOURCES = Path(__file__).parent / 'fai'
# The packages that an installation may request in addition to FAI's base system.
REPOSITORY = ('linux-image-cloud-amd64', 'grub-pc', 'initramfs-tools', 'zstd', 'openssh-server', 'sudo', 'wget', 'tree')
# fai-make-nfsroot(8), nfsroot.conf(5)
NFSROOT_CONF = """\
FAI_DEBOOTSTRAP="bookworm {mirror}"
FAI_DEBOOTSTRAP_OPTS=
FAI_ROOTPW='*'
NFSROOT={work}/nfsroot
TFTPROOT={work}/tftp
NFSROOT_HOOKS={work}/hooks
FAI_CONFIGDIR={work}/config
"""


def installer(_kernel: Path, out: Path) -> None:
    """``vmlinuz``, ``initrd``, the live image ``squash.img``, and ``repository``, a Debian archive of what it installs."""
    work = out.parent / 'fai-work'
    etc, space, nfsroot = work / 'etc', work / 'config', work / 'nfsroot'
    _configure(work)
    _run(work, 'fai-make-nfsroot', '-C', etc, '-v', '-z', '-g', '-f')
    # The configuration space has the answer file's script, and the key that FAI gives to apt.
    for folder in ('class', 'package_config'):
        (space / folder).mkdir(parents=True)
    shutil.copy(SOURCES / '50-answer.sh', space / 'class')
    base, sources, key = nfsroot / 'var/tmp/base.tar.zst', etc / 'apt/sources.list', space / 'package_config/DEFAULT.gpg'
    _run(work, SOURCES / 'lighten', base)
    _run(work, SOURCES / 'make-repository', sources, key, *REPOSITORY)
    # They need not be in the live image, which is downloaded into memory.
    for pattern, name in (('vmlinuz-*', 'vmlinuz'), ('initrd.img-*', 'initrd')):
        shutil.move(next((nfsroot / 'boot').glob(pattern)), out / name)
        (out / name).chmod(0o644)
    _run(work, 'env', f'TMPDIR={work}', 'fai-cd', '-f', '-C', etc, '-g', '/etc/fai/grub.cfg', '-M', '-S', out / 'squash.img')
    shutil.move(work / 'repository', out)


def _configure(work: Path) -> None:
    """FAI's configuration, which its programs read instead of /etc/fai."""
    sources = packages.debian_sources()
    mirror = next(uri for _deb, uri, release, _main in map(str.split, sources.splitlines()) if release == 'bookworm')
    for folder in ('etc/apt', 'hooks'):
        (work / folder).mkdir(parents=True)
    (work / 'etc/apt/sources.list').write_text(sources)
    (work / 'etc/nfsroot.conf').write_text(NFSROOT_CONF.format(mirror=mirror, work=work))
    (work / 'etc/fai.conf').touch()
    shutil.copy(SOURCES / 'NFSROOT', work / 'etc')


def _run(work: Path, *command: str | Path) -> None:
    """Run a command that mounts file systems. When this process ends, the command's processes and mounts do so as well."""
    packages.run(
        *('setpriv', '--pdeathsig', 'KILL', 'unshare', '--mount-proc', '--pid', '--fork', '--kill-child'),
        # TMPDIR would be taken for a path in the chroot.
        *('env', '-u', 'TMPDIR', 'DEBIAN_FRONTEND=noninteractive'),
        *command,
        cwd=work,
        stop=signal.SIGKILL,
    )
