# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting an instance's disks together: sparse files, with the partition table that a partitioned image gets."""

from __future__ import annotations

import os
import pwd
import struct
import subprocess
from pathlib import Path
from typing import BinaryIO

from .model import NodeError

SECTOR = 512
FIRST_SECTOR = 64  # a 32 KiB header before the first partition, as in disks that 4.4 makes
LINUX = 0x83  # of each partition: vbr.c names no file system to parted
COPY_BYTES = 1 << 20


def compose_disk(disk: Path, image: BinaryIO, ephemeral: int, swap: int) -> None:
    """Make ``disk`` with the partitions image, ephemeral (ext3) and swap (not formatted). Sizes in bytes."""
    start, table = FIRST_SECTOR, []
    for size in (size_of(image), ephemeral, swap):
        table.append((start, _sectors(size)))
        start += _sectors(size)
    with open(disk, 'wb') as file:
        file.truncate(start * SECTOR)
        file.write(_boot_record(table))
        _copy_sparse(image, file.fileno(), FIRST_SECTOR * SECTOR)
    _format_ext3(disk, table[1][0] * SECTOR, ephemeral)


def make_ephemeral(disk: Path, size: int, file_system: str) -> None:
    """Make ``disk`` an ephemeral disk of its own: ``file_system`` is ext3 or none, the size is in bytes."""
    with open(disk, 'wb') as file:
        file.truncate(size)
    if file_system != 'none':
        _format_ext3(disk, 0, size)


def copy_file(source: BinaryIO, target: Path) -> None:
    """Make ``target`` a copy of an open file."""
    with open(target, 'wb') as file:
        file.truncate(size_of(source))
        _copy_sparse(source, file.fileno())


def _copy_sparse(source: BinaryIO, target: int, offset: int = 0) -> None:
    """Copy an open file into another, keeping its holes."""
    number, end, position = source.fileno(), size_of(source), 0
    while position < end:
        try:
            begin = os.lseek(number, position, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole up to the end
            return
        position = os.lseek(number, begin, os.SEEK_HOLE)
        while begin < position:
            copied = os.copy_file_range(number, target, min(COPY_BYTES, position - begin), begin, offset + begin)
            if copied == 0:
                raise NodeError(f'{source.name} shrank while it was copied')
            begin += copied


def size_of(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def own(path: Path, owner: pwd.struct_passwd, mode: int = 0o664) -> None:
    os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
    path.chmod(mode)


def _sectors(size: int) -> int:
    return -(-size // SECTOR)


def _boot_record(table: list[tuple[int, int]]) -> bytes:
    """An MBR without boot code. Guests boot by kernel and ramdisk; only the entries and the end mark count."""
    record = bytearray(SECTOR)
    no_chs = b'\xfe\xff\xff'  # "use the LBA fields"
    for index, (start, count) in enumerate(table):
        record[446 + 16 * index : 462 + 16 * index] = struct.pack('<B3sB3sII', 0, no_chs, LINUX, no_chs, start, count)
    record[510:] = b'\x55\xaa'
    return bytes(record)


def _format_ext3(disk: Path, offset: int, size: int) -> None:
    # The file is new and full of holes, so inode tables need no zeros: 10 GB take 7 MB instead of 170.
    holes = f'offset={offset},assume_storage_prezeroed=1,lazy_journal_init=1,nodiscard'
    command = ['/sbin/mke2fs', '-q', '-F', '-t', 'ext3', '-J', 'size=4', '-E', holes, str(disk), f'{size // 1024}k']
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise NodeError(f'mke2fs failed on the ephemeral disk: {result.stderr.strip()[-200:]}')
