# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance types of a default 4.4 (``VmTypes.PredefinedTypes``), and the disks that an instance of each gets.

The table of 4.4 also lists ephemeral disks per type, but its constructors drop them: no type has any. What an instance gets
beside its root depends on the image (``VmTypes.asVmTypeInfo``, ``ClusterAllocator.makeVmTypeInfo``):

* a paravirtual image: one disk of the type's size with three partitions, the image (sda1), an ext3 file system (sda2) and
  512 MiB for swap (sda3), which nobody formats;
* an HVM image: its own disk, and a second one, sdb, with the rest of the type's size as an ext3 file system;
* an EBS image: no disk, unless a block device mapping names ``ephemeral0``. That disk has the type's size and no file system.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

GIB = 1 << 30
SWAP_BYTES = 512 << 20
LEAST_EPHEMERAL = 61440  # the smallest partition that can have a file system of the family ext2


@dataclasses.dataclass(frozen=True)
class InstanceType:
    cpu: int
    memory: int  # MB
    disk: int  # GB
    network_interfaces: int

    @property
    def fits(self) -> bool:
        """Whether this machine has the memory for one instance. Instances share it, so more than one may not fit."""
        return self.memory << 20 <= os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


# In the order in which 4.4 lists them: by disk, memory, processors and name (VmType.compareTo).
INSTANCE_TYPES: Mapping[str, InstanceType] = {
    'm1.small': InstanceType(1, 256, 5, 2),
    't1.micro': InstanceType(1, 256, 5, 2),
    'm1.medium': InstanceType(1, 512, 10, 2),
    'c1.medium': InstanceType(2, 512, 10, 2),
    'm1.large': InstanceType(2, 512, 10, 3),
    'm1.xlarge': InstanceType(2, 1024, 10, 4),
    'c1.xlarge': InstanceType(2, 2048, 10, 4),
    'm2.xlarge': InstanceType(2, 2048, 10, 4),
    'm3.xlarge': InstanceType(4, 2048, 15, 4),
    'm2.2xlarge': InstanceType(2, 4096, 30, 4),
    'm3.2xlarge': InstanceType(4, 4096, 30, 4),
    'cc1.4xlarge': InstanceType(8, 3072, 60, 4),
    'm2.4xlarge': InstanceType(8, 4096, 60, 8),
    'hi1.4xlarge': InstanceType(8, 6144, 120, 8),
    'cc2.8xlarge': InstanceType(16, 6144, 120, 8),
    'cg1.4xlarge': InstanceType(16, 12288, 200, 8),
    'cr1.8xlarge': InstanceType(16, 16384, 240, 8),
    'hs1.8xlarge': InstanceType(48, 119808, 24000, 8),
}
DEFAULT = 'm1.small'


def is_partition(root_device: str) -> bool:
    """Whether an image's root device makes it the partition of a disk (ImageManager.isPathAPartition)."""
    return not root_device[-1].isalpha()
