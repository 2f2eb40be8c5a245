# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that boots an installer: its kernel, ramdisk and parameters in a small FAT file system with syslinux.

It boots by BIOS and, if asked for, by UEFI. The same inputs always give the same bytes, so the cloud stores each disk once.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import struct
import subprocess
import typing as t
from dataclasses import dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.fat import SECTOR, File, FileSystem

# Name of the file system and identifier of the partition table, by which scripts recognise the disk. Volumes have neither.
LABEL = 'EUCA-BOOT'
DISK_ID = 0x45554341
START = 64  # first sector of the partition
ESP, ACTIVE = 0xEF, 0x80  # the partition's type, which UEFI looks for, and its flag, which the boot record looks for
KERNEL, RAMDISK = '/K', '/R'  # short, because syslinux puts the names onto the kernel's command line
SYSLINUX_ROOM = 224 << 10  # ldlinux.sys and ldlinux.c32, which syslinux writes itself
# x86 kernels read 2048 bytes, the closing NUL among them. syslinux passes one less, with "BOOT_IMAGE=/K " and " initrd=/R"
# added; with more than that it cuts the end off, or the kernel does not start (tried with 6.04).
COMMAND_LINE = 2046
ADDED = len(f'BOOT_IMAGE={KERNEL} ') + len(f' initrd={RAMDISK}')
MIB = 1 << 20

# The places of Debian (and Ubuntu), Fedora (and its relatives, and SUSE), Arch.
BOOT_RECORD = ('lib/syslinux/mbr/mbr.bin', 'share/syslinux/mbr.bin', 'lib/syslinux/bios/mbr.bin')
EFI = {
    'EFI/BOOT/BOOTX64.EFI': (
        'lib/SYSLINUX.EFI/efi64/syslinux.efi',
        'share/syslinux/efi64/syslinux.efi',
        'lib/syslinux/efi64/syslinux.efi',
    ),
    'EFI/BOOT/LDLINUX.E64': (
        'lib/syslinux/modules/efi64/ldlinux.e64',
        'share/syslinux/efi64/ldlinux.e64',
        'lib/syslinux/efi64/ldlinux.e64',
    ),
}
PACKAGES = {
    'syslinux': 'Debian, Ubuntu, Fedora, SUSE: syslinux',
    'mcopy': 'Debian, Ubuntu, Fedora, SUSE: mtools',
    'mbr.bin': 'Debian, Ubuntu: syslinux-common; Fedora: syslinux-nonlinux; SUSE: syslinux',
    'syslinux.efi': 'Debian, Ubuntu: syslinux-efi; Fedora: syslinux-efi64; SUSE: syslinux',
    'ldlinux.e64': 'Debian, Ubuntu: syslinux-common; Fedora: syslinux-efi64; SUSE: syslinux',
}
PREFIX = '/usr'
SBIN = '/usr/local/sbin:/usr/sbin:/sbin'


class BootDiskError(CollectionError):
    """A boot disk cannot be made of these inputs, or not on this machine."""


@dataclass(frozen=True)
class Inputs:
    """Paths of kernel and ramdisk, with the names for messages, and the kernel's parameters."""

    kernel: str
    kernel_name: str
    ramdisk: str
    ramdisk_name: str
    parameters: str
    uefi: bool = True


class Needs:
    """Requirements of a kernel and its ramdisk: ``memory`` in MiB before the installer starts, and the length of the command line
    that the kernel reads. Raises BootDiskError, OSError."""

    def __init__(self, kernel: str, kernel_name: str, ramdisk: str, ramdisk_name: str) -> None:
        header = _Header(kernel, kernel_name)
        size = os.path.getsize(ramdisk)
        if not size:
            raise BootDiskError(f'{ramdisk_name} is empty, and an installer needs its ramdisk.')
        # The kernel unpacks itself beside the ramdisk.
        self.memory = -(-(header.memory + size) // MIB)
        self.command_line = header.command_line

    def check_memory(self, available: int) -> None:
        """Refuse an instance of ``available`` MiB."""
        if self.memory > available:
            raise BootDiskError(
                f'Kernel and ramdisk need {self.memory} MiB of memory before the installer starts, and the instance may have only '
                f'{available} MiB. Use an instance type with more memory.'
            )


class BootDisk:
    """The disk of these inputs, checked. Raises BootDiskError, OSError."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self.needs = Needs(inputs.kernel, inputs.kernel_name, inputs.ramdisk, inputs.ramdisk_name)
        check_parameters(inputs.parameters, self.needs.command_line)
        check_tools(inputs.uefi)
        efi = {path: _system_file(places) for path, places in EFI.items()} if inputs.uefi else {}
        files = {KERNEL[1:]: inputs.kernel, RAMDISK[1:]: inputs.ramdisk, **efi}
        self._files = FileSystem(
            [_memory_file('SYSLINUX.CFG', self._configuration()), *(_disk_file(*one) for one in files.items())],
            LABEL,
            DISK_ID,
            START,
            SYSLINUX_ROOM,
        )
        self.size = (START + self._files.sectors) * SECTOR

    def _configuration(self) -> bytes:
        # On the serial port as well, which is the console that a cloud shows.
        lines = ('SERIAL 0 115200', 'DEFAULT i', 'PROMPT 0', 'LABEL i', f' LINUX {KERNEL}', f' INITRD {RAMDISK}')
        append = f' APPEND {self._inputs.parameters}\n' if self._inputs.parameters else ''
        return ('\n'.join(lines) + '\n' + append).encode()

    def write(self, path: str) -> None:
        """Write the disk into the new file ``path``. Raises BootDiskError, OSError."""
        with open(path, 'xb') as disk:
            try:
                os.posix_fallocate(disk.fileno(), 0, self.size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                raise BootDiskError(
                    f'There is no room for the boot disk of {-(-self.size // MIB)} MiB in {os.path.dirname(path)}. Set TMPDIR to a '
                    'larger directory.'
                ) from error
            disk.write(self._partition_table())
            self._files.write(disk)
        self._install(path)
        with open(path, 'r+b') as disk:
            self._files.clear_times(disk)

    def _partition_table(self) -> bytes:
        code = _read(_system_file(BOOT_RECORD))[:440].ljust(440, b'\0')
        chs = b'\xfe\xff\xff'  # "use the LBA fields"
        entry = struct.pack('<B3sB3sII', ACTIVE, chs, ESP, chs, START, self._files.sectors)
        return code + struct.pack('<IH', DISK_ID, 0) + entry.ljust(64, b'\0') + b'\x55\xaa'

    def _install(self, path: str) -> None:
        command = [_program('syslinux'), '--install', '--offset', str(START * SECTOR), path]
        # mtools reads the user's settings, which may forbid this.
        settings = {'LC_ALL': 'C', 'MTOOLSRC': os.devnull, 'HOME': '/', 'MTOOLS_SKIP_CHECK': '1'}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **settings, 'PATH': _search_path()}
        )
        if done.returncode:
            raise BootDiskError(f'The program syslinux failed: {(done.stderr or done.stdout).strip()[-300:]}')


class _Header:
    """The setup header of an x86 kernel (Documentation/arch/x86/boot.rst). Raises BootDiskError."""

    def __init__(self, path: str, name: str) -> None:
        with open(path, 'rb') as file:
            head = file.read(0x264).ljust(0x264, b'\0')
        if head[0x1FE:0x200] != b'\x55\xaa' or head[0x202:0x206] != b'HdrS' or not head[0x211] & 1:
            # Kernels for EFI alone are PE programs: unified kernel images, compressed kernels (zboot), other processors'.
            problem = 'boots by EFI alone' if head.startswith(b'MZ') else 'is not a bzImage'
            raise BootDiskError(
                f'{name} {problem}, so a BIOS cannot boot it. Use the Linux kernel of the installer for x86 (a bzImage, often '
                'named vmlinuz or linux).'
            )
        (version,) = struct.unpack_from('<H', head, 0x206)
        (line,) = struct.unpack_from('<I', head, 0x238) if version >= 0x206 else (255,)
        self.command_line: int = min(line - 1, COMMAND_LINE)
        (unpacked,) = struct.unpack_from('<I', head, 0x260) if version >= 0x20A else (0,)
        self.memory: int = max(unpacked, os.path.getsize(path))


def check_tools(uefi: bool) -> None:
    """Raise BootDiskError if this machine lacks a program or a file that boot disks are made with."""
    for name in ('syslinux', 'mcopy'):  # syslinux calls mcopy
        _program(name)
    for places in (BOOT_RECORD, *(EFI.values() if uefi else ())):
        _system_file(places)


def check_parameters(parameters: str, command_line: int = COMMAND_LINE) -> None:
    """Raise BootDiskError for parameters that do not fit into a command line of ``command_line`` bytes with what is added."""
    odd = next((char for char in parameters if not ' ' <= char <= '~'), None)
    if odd is not None:
        raise BootDiskError(
            f'The parameters have {odd!r} at character {parameters.index(odd) + 1}, but a kernel command line is one line of '
            'printable ASCII.'
        )
    if any(word.startswith('initrd=') for word in parameters.split()):
        raise BootDiskError(
            'The parameters have a word that begins with initrd=, which syslinux would take for a file of the disk.'
        )
    most = command_line - ADDED
    if len(parameters) > most:
        raise BootDiskError(
            f'The parameters have {len(parameters)} characters, but at most {most} reach the kernel of a boot disk. Shorten '
            'them, for example with a shorter URL.'
        )


def _disk_file(path: str, source: str) -> File:
    return File(path, os.path.getsize(source), lambda: open(source, 'rb'))


def _memory_file(path: str, content: bytes) -> File:
    return File(path, len(content), lambda: io.BytesIO(content))


def _read(path: str) -> bytes:
    with open(path, 'rb') as file:
        return file.read()


def _system_file(places: t.Sequence[str]) -> str:
    for place in places:
        if os.path.isfile(path := f'{PREFIX}/{place}'):
            return path
    raise _missing(os.path.basename(places[0]))


def _search_path() -> str:
    return os.pathsep.join([os.environ.get('PATH', os.defpath), SBIN])


def _program(name: str) -> str:
    path = shutil.which(name, path=_search_path())
    if path is None:
        raise _missing(name)
    return path


def _missing(name: str) -> BootDiskError:
    return BootDiskError(f'{name} is not installed, and a boot disk needs it. Install its package ({PACKAGES[name]}).')
