# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files by content: the formats that no instance boots from, and the marks of a raw disk.

A node writes the bytes of a machine image to a disk unchanged, so an image in any other format is registered without an
error and never boots.
"""

from __future__ import annotations

import os
import re
import struct
import tarfile
from dataclasses import dataclass

GZIP, XZ, QCOW = b'\x1f\x8b', b'\xfd7zXZ\0', b'QFI\xfb'
_HEAD = 70_000  # up to the superblocks of btrfs, ReiserFS and UFS
_SECTOR = 512

_CONVERT = 'convert it with qemu-img convert {}-O raw first'
# Beginning of the file, the format, the way out. A raw disk may begin with any code, so a short mark stands together with
# the bytes that follow it. Sources: the formats' specifications; for disk images the drivers of QEMU (block/*.c).
_BEGINNINGS = [
    (re.compile(begin, re.DOTALL), what, way)
    for begin, what, way in (
        (rb'(\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18)', 'compressed with zstd', 'unpack it with zstd -d first'),
        (rb'\x04\x22\x4d\x18|\x02\x21\x4c\x18', 'compressed with lz4', 'unpack it with lz4 -d first'),
        (rb'BZh[1-9](1AY&SY|\x17rE8P\x90)', 'compressed with bzip2', 'unpack it with bzip2 -d first'),
        (rb'\x5d\0\0(?!\0\0)..(\xff{8}|.{5}\0{3})\0', 'compressed with lzma', 'unpack it with unlzma first'),
        (rb'LZIP[\x00\x01]', 'compressed with lzip', 'unpack it with lzip -d first'),
        (rb'\x89LZO\0\r\n\x1a\n', 'compressed with lzop', 'unpack it with lzop -d first'),
        (rb'PK\x03\x04', 'a zip archive', 'unpack it with unzip first'),
        (rb'7z\xbc\xaf\x27\x1c', 'a 7z archive', 'unpack it with 7z x first'),
        (rb'Rar!\x1a\x07', 'a RAR archive', 'unpack it with unrar first'),
        (rb'MSWIM\0\0\0', 'a Windows image (WIM)', 'apply it to a disk with wimapply and use that disk'),
        (rb'0707(01|02|07)[0-9A-Fa-f]{8}', 'a cpio archive', 'register a ramdisk with type: ramdisk'),
        (rb'KDMV|COWD|# Disk DescriptorFile', 'a VMDK disk', _CONVERT.format('')),
        (rb'vhdxfile', 'a VHDX disk', _CONVERT.format('')),
        (rb'conectix', 'a VHD disk', _CONVERT.format('-f vpc ')),
        (rb'.{64}\x7f\x10\xda\xbe.{442}(?!\x55\xaa)', 'a VDI disk', _CONVERT.format('')),
        (rb'QED\0', 'a QED disk', _CONVERT.format('')),
        (rb'QFI\xfb\0{3}\x01', 'a qcow disk of version 1', _CONVERT.format('-f qcow ')),
        (rb'WithoutFreeSpace|WithouFreSpacExt', 'a Parallels disk', _CONVERT.format('-f parallels ')),
        (rb'Bochs Virtual HD Image', 'a Bochs disk', _CONVERT.format('-f bochs ')),
        (rb'#!/bin/sh\n#V2\.0 Format\nmodprobe cloop', 'a cloop disk', _CONVERT.format('-f cloop ')),
        (rb'\x3a\xff\x26\xed\x01\0', 'an Android sparse image', 'convert it with simg2img first'),
        (rb'partclone-image', 'a partclone image', 'restore it with partclone.restore and use that disk'),
        (rb'.{510}\x55\xaa.{2}HdrS', 'a Linux kernel', 'register a kernel with type: kernel'),
        (
            rb'(\xef\xbb\xbf)?\s*(<!--.{,4096}?-->\s*)*<(?i:!doctype\s+html|html|head|body)\b',
            'an HTML page',
            'check the URL it was downloaded from',
        ),
        (rb'(\xef\xbb\xbf)?\s*<\?xml\s', 'an XML document', 'check the URL it was downloaded from'),
        (rb'version https://git-lfs\.github\.com/', 'a pointer of Git LFS', 'fetch the file itself with git lfs pull'),
    )
]
# Offset and bytes that mark a partition table, a boot sector or a file system: the superblocks that libblkid looks for.
_MARKS = (
    (510, b'\x55\xaa'),  # PC boot sector: MBR, FAT, NTFS, the protective MBR of a hybrid ISO
    (512, b'EFI PART'),  # GPT, with sectors of 512 or 4096 bytes
    (4096, b'EFI PART'),
    (512, b'PM\0\0'),  # Apple partition map
    (512, b'\x57\x45\x56\x82'),  # BSD disk label
    (508, b'\xda\xbe'),  # Sun disk label
    (1080, b'\x53\xef'),  # ext2, ext3, ext4
    (0, b'XFSB'),
    (65_600, b'_BHRfS_M'),  # btrfs
    (65_588, b'ReIsEr'),  # ReiserFS
    (32_768, b'JFS1'),
    (32_769, b'CD001'),  # ISO 9660
    (0, b'hsqs'),  # squashfs
    (1024, b'\xe2\xe1\xf5\xe0'),  # EROFS
    (1024, b'\x10\x20\xf5\xf2'),  # F2FS
    (1024, b'H+'),  # HFS+
    (1030, b'\x34\x34'),  # NILFS2
    (0, b'\x45\x3d\xcd\x28'),  # cramfs
    (66_908, b'\x19\x01\x54\x19'),  # UFS2
    (9564, b'\x54\x19\x01\0'),  # UFS1
    *((page - 10, b'SWAPSPACE2') for page in (4096, 8192, 16_384, 32_768, 65_536)),
    *((sector * _SECTOR, b'LABELONE') for sector in range(4)),  # LVM
    (0, b'\xfc\x4e\x2b\xa9'),  # Linux RAID 1.1 and 1.2; older ones begin with what they contain
    (4096, b'\xfc\x4e\x2b\xa9'),
    (0, b'\x0b\xe5\xa9\x41'),  # SGI disk label
    (0, b'LUKS\xba\xbe'),
)
_ISO = (32_769, b'CD001')


@dataclass(frozen=True)
class Foreign:
    """A format that is not registered: what the file is, and how to make a raw disk of it."""

    what: str
    way_out: str


def foreign(path: str) -> Foreign | None:
    """The format of a file that is neither a raw disk nor packed in a way that this collection unpacks."""
    with open(path, 'rb') as file:
        head = file.read(_HEAD)
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - _SECTOR))
        tail = file.read()
    for begin, what, way_out in _BEGINNINGS:
        if begin.match(head):
            return Foreign(what, way_out)
    if _is_tar(head):
        return Foreign('a tar archive', 'extract the disk with tar -x and use that')
    if _is_vhd_footer(tail):
        return Foreign('a VHD disk of fixed size', _CONVERT.format('-f vpc '))
    if tail.startswith(b'koly\0\0\0\4\0\0\2\0'):
        return Foreign('an Apple disk image (DMG)', _CONVERT.format('-f dmg '))
    return None


def doubt(path: str, blank_allowed: bool = False) -> str | None:
    """The reason why a raw machine image may not boot; None when it looks like a disk. `blank_allowed` is for images
    started with a kernel of their own: their disk may be nothing but zeros."""
    with open(path, 'rb') as file:
        head = file.read(_HEAD)
    marks = [mark for mark in _MARKS if head.startswith(mark[1], mark[0])]
    if marks == [_ISO]:
        return 'it is an ISO 9660 image without a boot sector, which boots from a CD only'
    if marks or blank_allowed and not any(head):
        return None
    return 'it has no partition table, no boot sector and no file system'


def _is_tar(head: bytes) -> bool:
    if head[257:262] != b'ustar':
        return False
    try:
        tarfile.TarInfo.frombuf(head[:_SECTOR], 'utf-8', 'surrogateescape')
    except tarfile.HeaderError:  # its checksum is wrong: a boot sector that happens to contain the word
        return False
    return True


def _is_vhd_footer(tail: bytes) -> bool:
    """A VHD of fixed size is a raw disk with one more sector, whose checksum is the complement of the sum of its bytes.

    Source: Microsoft, Virtual Hard Disk Image Format Specification 1.0, "Hard Disk Footer Format".
    """
    if not tail.startswith(b'conectix') or len(tail) < 68:
        return False
    (checksum,) = struct.unpack('>I', tail[64:68])
    return bool(checksum == ~(sum(tail) - sum(tail[64:68])) & 0xFFFFFFFF)
