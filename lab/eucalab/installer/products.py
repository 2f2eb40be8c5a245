# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that the builder leaves in the cache."""

from __future__ import annotations

from pathlib import Path

SYSTEMS = ('debian', 'busybox')


def kernel(cache: Path) -> Path:
    """The installer's kernel."""
    return cache / 'installer/vmlinuz'


def ramdisk(cache: Path) -> Path:
    """The installer's initial ramdisk."""
    return cache / 'installer/initrd'


def system(cache: Path, name: str) -> Path:
    """The archive of one of :data:`SYSTEMS`, from which the installer installs it."""
    return cache / name / 'rootfs.tar'


def fai(cache: Path) -> Path:
    """The directory with FAI's kernel, initial ramdisk, live image and repository; built only by ``--only fai``."""
    return cache / 'fai'
