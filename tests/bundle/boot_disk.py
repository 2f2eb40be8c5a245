# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and size of a boot disk for an installer of 30 MB. Prints `NAME VALUE UNIT (target T) ok|short`."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from pathlib import Path

from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.boot_disk import BootDisk, Inputs

from eucalab.config import cache_root
from tests.bundle.bench import MIB, report

SIZE = 30_000_000


def main() -> None:
    kernel = str(cache_root() / 'installer/vmlinuz')
    length = Path(kernel).stat().st_size
    with tempfile.TemporaryDirectory(prefix='boot-disk-bench-', dir='/var/tmp') as directory:
        ramdisk = Path(directory) / 'initrd'
        ramdisk.write_bytes(random.Random(7).randbytes(SIZE - length))
        seconds = []
        for number in range(5):
            start = time.perf_counter()
            disk = BootDisk(Inputs(kernel, kernel, str(ramdisk), str(ramdisk), 'ip=dhcp'))
            disk.write(f'{directory}/{number}')
            seconds.append(time.perf_counter() - start)
    report('boot_disk_30_mb', statistics.median(seconds), 's', 1, at_least=False)
    report('boot_disk_overhead', (disk.size - SIZE) / MIB, 'MiB', 2, at_least=False)


if __name__ == '__main__':
    main()
