# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that no instance boots from, and the marks of a disk. Real files where a program here can make them; otherwise
headers built from the formats' specifications."""

from __future__ import annotations

import gzip
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from ansible.module_utils.urls import open_url
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import formats, source

needs_qemu_img = pytest.mark.skipif(not shutil.which('qemu-img'), reason='needs qemu-img')
pytestmark = pytest.mark.usefixtures('spool')


def refusal(path: Path) -> str:
    with pytest.raises(source.SourceError) as caught, source.raw_image(str(path), 'machine', open_url):
        pass
    return str(caught.value)


# --- made by the programs themselves


@needs_qemu_img
@pytest.mark.parametrize(
    ('arguments', 'what', 'way_out'),
    [
        (['vpc', '-o', 'subformat=dynamic'], 'a VHD disk', 'qemu-img convert -f vpc -O raw'),
        (['vpc', '-o', 'subformat=fixed'], 'a VHD disk of fixed size', 'qemu-img convert -f vpc -O raw'),
        (['vhdx'], 'a VHDX disk', 'qemu-img convert -O raw'),
        (['vmdk'], 'a VMDK disk', 'qemu-img convert -O raw'),
        (['vmdk', '-o', 'subformat=monolithicFlat'], 'a VMDK disk', 'qemu-img convert -O raw'),
        (['vdi'], 'a VDI disk', 'qemu-img convert -O raw'),
        (['qed'], 'a QED disk', 'qemu-img convert -O raw'),
        (['qcow'], 'a qcow disk of version 1', 'qemu-img convert -f qcow -O raw'),
        (['parallels'], 'a Parallels disk', 'qemu-img convert -f parallels -O raw'),
    ],
    ids=str,
)
@pytest.mark.parametrize('packed', [False, True])
def test_a_disk_that_qemu_img_makes_is_refused_with_a_conversion_that_works(tmp_path, arguments, what, way_out, packed):
    path = tmp_path / 'image'
    (tmp_path / 'raw').write_bytes(b'\x55' * (1 << 20))
    subprocess.run(['qemu-img', 'convert', '-q', '-f', 'raw', '-O', *arguments, tmp_path / 'raw', path], check=True)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert refusal(path) == f'{path} is {what}, which is not supported: convert it with {way_out} first.'
    if not packed:
        subprocess.run([*way_out.split(), path, tmp_path / 'again'], check=True)
        assert (tmp_path / 'again').read_bytes()[: 1 << 20] == (tmp_path / 'raw').read_bytes()


@pytest.mark.parametrize(
    ('command', 'what', 'way_out'),
    [
        (['zstd', '-q'], 'compressed with zstd', 'zstd -d'),
        (['lz4', '-q', '-9'], 'compressed with lz4', 'lz4 -d'),
        (['lz4', '-q', '-l'], 'compressed with lz4', 'lz4 -d'),
        (['bzip2'], 'compressed with bzip2', 'bzip2 -d'),
        (['lzma', '-z'], 'compressed with lzma', 'unlzma'),
        (['lzip'], 'compressed with lzip', 'lzip -d'),
        (['lzop'], 'compressed with lzop', 'lzop -d'),
    ],
    ids=str,
)
def test_a_disk_that_another_program_has_compressed_is_refused_with_the_one_that_unpacks_it(tmp_path, command, what, way_out):
    if not shutil.which(command[0]):
        pytest.skip(f'needs {command[0]}')
    packed = subprocess.run([*command, '-c'], input=b'disk' * 1000, capture_output=True, check=True).stdout
    (tmp_path / 'image').write_bytes(packed)
    assert f'is {what}, which is not supported: unpack it with {way_out} first.' in refusal(tmp_path / 'image')


# --- built from the specifications


def vhd_footer(size: int) -> bytes:
    """Microsoft's Virtual Hard Disk Image Format Specification 1.0: a fixed disk of `size` bytes."""
    footer = struct.pack(
        '>8sIIQI4sI4sQQIIIII', b'conectix', 2, 0x10000, 2**64 - 1, 0, b'win ', 0x50000, b'Wi2k', size, size, 0, 2, 0, 0, 0
    )
    footer = footer[:64] + footer[64:].ljust(448, b'\0')
    footer = footer[:60] + struct.pack('>I', 2) + bytes(4) + footer[68:]
    return footer[:64] + struct.pack('>I', ~sum(footer) & 0xFFFFFFFF) + footer[68:]


def bzimage() -> bytes:
    """Documentation/arch/x86/boot.rst: boot flag at 0x1fe, a jump, "HdrS" at 0x202."""
    return b'MZ'.ljust(510, b'\0') + b'\x55\xaa\xeb\x66HdrS' + bytes(1000)


BUILT = {
    # The 7-Zip archive format, 7zFormat.txt: signature and version 0.4.
    '7z': (b"7z\xbc\xaf'\x1c\0\4" + bytes(24), 'a 7z archive', '7z x'),
    # RAR 5.0 archive format, technical note; and the signature of RAR 1.5 to 4.
    'rar 5': (b'Rar!\x1a\7\1\0' + bytes(24), 'a RAR archive', 'unrar'),
    'rar 4': (b'Rar!\x1a\7\0' + bytes(24), 'a RAR archive', 'unrar'),
    # AOSP, system/core/libsparse/sparse_format.h: magic, version 1.0, header sizes 28 and 12, blocks of 4096.
    'Android sparse': (struct.pack('<IHHHHIIII', 0xED26FF3A, 1, 0, 28, 12, 4096, 256, 1, 0), 'an Android sparse image', 'simg2img'),
    # [MS-WIM] and wimlib's header.h: magic, header of 208 bytes, version 1.13.
    'wim': (b'MSWIM\0\0\0' + struct.pack('<II', 208, 0x10D00) + bytes(192), 'a Windows image (WIM)', 'wimapply'),
    # Apple's UDIF, as libdmg-hfsplus and QEMU's block/dmg.c read it: a trailer of 512 bytes, version 4.
    'dmg': (
        bytes(4096) + b'koly' + struct.pack('>II', 4, 512) + bytes(500),
        'an Apple disk image (DMG)',
        'qemu-img convert -f dmg',
    ),
    # RFC 8878, 3.1.2: a skippable frame, with which pzstd begins.
    'pzstd': (struct.pack('<III', 0x184D2A50, 4, 100) + b'\x28\xb5\x2f\xfd', 'compressed with zstd', 'zstd -d'),
    # cpio(5), "New ASCII Format".
    'cpio': (b'070701' + b'0' * 104 + b'.\0', 'a cpio archive', 'type: ramdisk'),
    'kernel': (bzimage(), 'a Linux kernel', 'type: kernel'),
    # QEMU, block/bochs.c and block/cloop.c.
    'bochs': (b'Bochs Virtual HD Image'.ljust(512, b'\0'), 'a Bochs disk', 'qemu-img convert -f bochs'),
    'cloop': (b'#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount'.ljust(512, b'\0'), 'a cloop disk', '-f cloop'),
    # QEMU, block/vmdk.c: the sparse disks of ESX.
    'vmdk of ESX': (b'COWD' + bytes(508), 'a VMDK disk', 'qemu-img convert'),
    # QEMU, block/parallels.c: both magics.
    'parallels': (b'WithoutFreeSpace' + bytes(48), 'a Parallels disk', 'qemu-img convert -f parallels'),
    'parallels ext': (b'WithouFreSpacExt' + bytes(48), 'a Parallels disk', 'qemu-img convert -f parallels'),
    'partclone': (b'partclone-image\0' + bytes(100), 'a partclone image', 'partclone.restore'),
    'VHD of fixed size': (bytes(8192) + vhd_footer(8192), 'a VHD disk of fixed size', 'qemu-img convert -f vpc'),
    'HTML': (b'<!DOCTYPE html>\n<html><head><title>404 Not Found</title>', 'an HTML page', 'check the URL'),
    'HTML after blanks': (b'\xef\xbb\xbf\r\n  <HTML lang="en">', 'an HTML page', 'check the URL'),
    'HTML after a comment': (b'<!-- saved\nfrom x -->\n<html>', 'an HTML page', 'check the URL'),
    'XML of S3': (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', 'an XML document', 'check the URL'),
    'Git LFS': (b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n', 'a pointer of Git LFS', 'git lfs pull'),
}


@pytest.mark.parametrize(('data', 'what', 'way_out'), BUILT.values(), ids=BUILT)
def test_what_no_instance_boots_from_is_refused_with_a_way_out(tmp_path, data, what, way_out):
    (tmp_path / 'image').write_bytes(data)
    said = refusal(tmp_path / 'image')
    assert said.startswith(f'{tmp_path}/image is {what}, which is not supported: ') and way_out in said
    with source.raw_image(str(tmp_path / 'image'), 'ramdisk', open_url) as image:  # a ramdisk may be anything
        assert image.size == len(data)


@pytest.mark.parametrize(
    'tail',
    [b'conectix' + bytes(504), vhd_footer(8192)[:-1] + b'\1', b'koly'.ljust(512, b'\0')],
    ids=['a word', 'a wrong checksum', 'another word'],
)
def test_a_raw_disk_whose_last_sector_only_resembles_a_trailer_is_accepted(tmp_path, tail):
    (tmp_path / 'image').write_bytes(bytes(510) + b'\x55\xaa' + bytes(8192) + tail)
    assert formats.foreign(str(tmp_path / 'image')) is None


# --- the marks of a disk


def marked(offset: int, mark: bytes) -> bytes:
    return (bytes(offset) + mark).ljust(80_000, b'\0')


@pytest.mark.parametrize('mark', [mark for mark in formats._MARKS if mark != formats._ISO], ids=str)
def test_a_disk_with_a_partition_table_or_a_file_system_raises_no_doubt(tmp_path, mark):
    (tmp_path / 'image').write_bytes(marked(*mark))
    assert formats.doubt(str(tmp_path / 'image')) is None


@pytest.mark.parametrize(
    'command',
    [
        ['mke2fs', '-q', '-t', 'ext4'],
        ['mkfs.xfs', '-q'],
        ['mkfs.btrfs', '-q'],
        ['mkfs.vfat'],
        ['mkswap'],
        ['mkswap', '-p', '65536'],
        ['sfdisk', '-q', '-X', 'dos'],
        ['sfdisk', '-q', '-X', 'gpt'],
    ],
    ids=' '.join,
)
def test_a_disk_that_a_program_has_formatted_raises_no_doubt(tmp_path, command):
    if not (program := shutil.which(command[0], path='/usr/sbin:/sbin:/usr/bin:/bin')):
        pytest.skip(f'needs {command[0]}')
    with open(tmp_path / 'image', 'wb') as file:
        file.truncate(512 << 20)
    subprocess.run([program, *command[1:], tmp_path / 'image'], input=b',,\n', capture_output=True, check=True)
    assert formats.doubt(str(tmp_path / 'image')) is None


@pytest.mark.parametrize('data', [b'', b'something else' * 9000, bytes(80_000)], ids=['nothing', 'anything', 'zeros'])
def test_a_file_without_any_of_them_raises_a_doubt(tmp_path, data):
    (tmp_path / 'image').write_bytes(data)
    assert formats.doubt(str(tmp_path / 'image')) == 'it has no partition table, no boot sector and no file system'


def test_the_blank_disk_of_an_image_with_its_own_kernel_raises_no_doubt(tmp_path):
    (tmp_path / 'image').write_bytes(bytes(80_000))
    assert formats.doubt(str(tmp_path / 'image'), blank_allowed=True) is None
    (tmp_path / 'image').write_bytes(b'something else')
    assert formats.doubt(str(tmp_path / 'image'), blank_allowed=True)


def test_an_iso_is_a_disk_only_with_a_boot_sector(tmp_path):
    iso = marked(32_769, b'CD001')
    (tmp_path / 'image').write_bytes(iso)
    assert formats.doubt(str(tmp_path / 'image')) == 'it is an ISO 9660 image without a boot sector, which boots from a CD only'
    (tmp_path / 'image').write_bytes(iso[:510] + b'\x55\xaa' + iso[512:])
    assert formats.doubt(str(tmp_path / 'image')) is None
