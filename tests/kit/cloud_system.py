# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian that configures itself as images for clouds do: the lab's own, with cloud-init and an SSH server."""

from __future__ import annotations

import tempfile
from pathlib import Path

from eucalab.installer import packages, systems

from .cloud_init import CACHE

PACKAGES = ('cloud-init', 'openssh-server')


def rootfs() -> Path:
    """The archive of its files; the first call builds it, which needs root and takes two minutes."""
    kernel, version = packages.kernel_package()
    versions = [version, *(packages.candidates(PACKAGES)[name] for name in PACKAGES)]
    archive = CACHE.with_name('cloud-system') / '-'.join(versions).replace(':', '.') / 'rootfs.tar'
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix='eucalab-test-', dir='/var/tmp') as folder:
            work = Path(folder)
            work.chmod(0o755)
            packages.unpack(kernel, work / 'kernel')
            (work / 'system').mkdir()
            systems.debian(work / 'kernel', work / 'system', PACKAGES)
            new = archive.with_suffix('.new')
            new.write_bytes((work / 'system/rootfs.tar').read_bytes())
            new.replace(archive)
    return archive
