# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting an instance's disks together: sparse files, with the partition table that a partitioned image gets."""

from __future__ import annotations

import os
import pwd
import struct
import subprocess
import uuid
from pathlib import Path
from typing import BinaryIO

from .model import NodeError

SECTOR = 512
FIRST_SECTOR = 64  # a 32 KiB header before the first partition, as in disks that 4.4 makes
SWAP_BYTES = 512 << 20
LINUX, SWAP = 0x83, 0x82
COPY_BYTES = 1 << 20


def compose_disk(disk: Path, image: BinaryIO, ephemeral: int, swap: int) -> None:
    """Make ``disk`` with the partitions image, ephemeral (ext3) and swap. Sizes in bytes; 0 leaves a partition out."""
    sizes = [(_sectors(size_of(image)), LINUX), (_sectors(ephemeral), LINUX), (_sectors(swap), SWAP)]
    start, table = FIRST_SECTOR, []
    for count, kind in sizes:
        table.append((start, count, kind))
        start += count
    with open(disk, 'wb') as file:
        file.truncate(start * SECTOR)
        file.write(_boot_record(table))
        _copy_sparse(image, file.fileno(), FIRST_SECTOR * SECTOR)
        if swap:
            _format_swap(file.fileno(), table[2][0] * SECTOR, swap)
    if ephemeral:
        _format_ext3(disk, table[1][0] * SECTOR, ephemeral)


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


def _boot_record(table: list[tuple[int, int, int]]) -> bytes:
    """An MBR without boot code. Guests boot by kernel and ramdisk; only the four entries and the end mark count."""
    record = bytearray(SECTOR)
    for index, (start, count, kind) in enumerate(table):
        if count:
            no_chs = b'\xfe\xff\xff'  # "use the LBA fields"
            record[446 + 16 * index : 462 + 16 * index] = struct.pack('<B3sB3sII', 0, no_chs, kind, no_chs, start, count)
    record[510:] = b'\x55\xaa'
    return bytes(record)


def _format_swap(number: int, offset: int, size: int) -> None:
    """A version 1 swap header (linux/swap.h, union swap_header); mkswap of util-linux 2.38 supports no offset."""
    header = struct.pack('<III16s16s', 1, size // 4096 - 1, 0, uuid.uuid4().bytes, b'')
    os.pwrite(number, header, offset + 1024)
    os.pwrite(number, b'SWAPSPACE2', offset + 4096 - 10)


def _format_ext3(disk: Path, offset: int, size: int) -> None:
    lazy = f'offset={offset},lazy_itable_init=1,lazy_journal_init=1,nodiscard'
    command = ['/sbin/mke2fs', '-q', '-F', '-t', 'ext3', '-J', 'size=4', '-E', lazy, str(disk), f'{size // 1024}k']
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise NodeError(f'mke2fs failed on the ephemeral partition: {result.stderr.strip()[-200:]}')
