# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks that an instance gets by its type.

The table of types of 4.4 also lists ephemeral disks, but its constructors drop them: no type has any. What an instance gets
beside its root depends on the image (``VmTypes.asVmTypeInfo``, ``ClusterAllocator.makeVmTypeInfo``):

* a paravirtual image: one disk of the type's size with three partitions, the image (sda1), an ext3 file system (sda2) and
  512 MiB for swap (sda3), which nobody formats;
* an HVM image: its own disk, and a second one, sdb, with the rest of the type's size as an ext3 file system;
* an EBS image: no disk, unless a block device mapping names ``ephemeral0``. That disk has the type's size and no file system.
"""

from __future__ import annotations

GIB = 1 << 30
SWAP_BYTES = 512 << 20
LEAST_EPHEMERAL = 61440  # the smallest partition that can have a file system of the family ext2


def is_partition(root_device: str) -> bool:
    """Whether an image's root device makes it the partition of a disk (ImageManager.isPathAPartition)."""
    return not root_device[-1].isalpha()
