# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels and ramdisks in 3.x: the first kernel of a cloud is the default for images that have none (``Images``, ``Emis``)."""

from __future__ import annotations

import sqlite3
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import failure
from . import image_access


def default(cloud: Cloud, kind: str) -> str | None:
    """The cloud's default kernel or ramdisk: the first that was registered (Images.maybeUpdateDefault)."""
    row = cloud.store.row('SELECT id FROM images WHERE type = ? ORDER BY created LIMIT 1', kind)
    return row['id'] if row else None


def of_image(cloud: Cloud, request: dict[str, Any], *in_manifest: str | None) -> tuple[str | None, str | None]:
    """Ids for a machine image with a manifest (Images.createFromManifest). Nothing is checked before the launch."""
    in_manifest = in_manifest if (in_manifest[0] or '').startswith('eki') else (None, None)
    kernel = request.get('KernelId') or in_manifest[0] or default(cloud, 'kernel')
    return kernel, request.get('RamdiskId') or in_manifest[1] or default(cloud, 'ramdisk')


def of_launch(cloud: Cloud, caller: Caller, request: dict[str, Any], image: sqlite3.Row) -> tuple[str | None, str | None]:
    """Ids for an instance. A ramdisk is never needed; a kernel not by an image from a snapshot (Emis.BootsetWithKernel)."""
    if image['virtualization_type'] == 'hvm':
        return None, None
    kernel = request.get('KernelId') or image['kernel_id'] or default(cloud, 'kernel')
    if not _is_usable(cloud, caller, kernel, 'kernel'):
        if image['root_device_type'] == 'ebs':
            return None, None
        raise failure(
            f'Failed to lookup kernel image information {kernel or "unknown"} because of: Failed to lookup image: {kernel}'
        )
    ramdisk = request.get('RamdiskId') or image['ramdisk_id']
    if ramdisk and not _is_usable(cloud, caller, ramdisk, 'ramdisk'):
        if image['root_device_type'] == 'ebs' or not ramdisk.startswith('eri-'):
            return kernel, None
        raise failure(f'Failed to lookup ramdisk image information: {ramdisk} because of: Failed to lookup image: {ramdisk}')
    return kernel, ramdisk


def _is_usable(cloud: Cloud, caller: Caller, identifier: str | None, kind: str) -> bool:
    row = image_access.find_usable(cloud, caller, identifier or '')
    return row is not None and row['type'] == kind
