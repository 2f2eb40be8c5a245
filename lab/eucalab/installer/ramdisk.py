# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Initial ramdisks: the kernel's ``newc`` archives, written without cpio: that would need root, and keep dates."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import zlib
from pathlib import Path


class Ramdisk:
    """A tree of files in memory. Parent directories are created automatically; everything belongs to root."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, bytes]] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def directory(self, path: str, mode: int = 0o755) -> None:
        self._add(path, stat.S_IFDIR | mode, b'')

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self._add(path, stat.S_IFREG | mode, content)

    def link(self, path: str, target: str) -> None:
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def program(self, source: Path, path: str) -> None:
        """A program of this machine, with the libraries that it is linked to, at the places where its loader looks."""
        self.file(path, source.read_bytes(), 0o755)
        for library in libraries(source):
            self.file(library.lstrip('/'), Path(library).read_bytes(), 0o755)

    def _add(self, path: str, mode: int, content: bytes) -> None:
        parent = os.path.dirname(path)
        if parent and parent not in self._entries:
            self.directory(parent)
        self._entries.setdefault(path, (mode, content))

    def archive(self) -> bytes:
        """The newc archive (kernel: Documentation/driver-api/early-userspace/buffer-format.rst)."""
        parts = [_entry(number, path, mode, content) for number, (path, (mode, content)) in enumerate(self._entries.items(), 1)]
        parts.append(_entry(0, 'TRAILER!!!', 0, b''))
        return b''.join(parts)

    def compressed(self) -> bytes:
        return gzip(self.archive())


def _entry(number: int, path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b'\0'
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    header = b'070701' + b''.join(b'%08X' % field for field in fields) + name
    return _padded(header) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def gzip(data: bytes) -> bytes:
    """Compressed without a date, so that the same input makes the same file."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def libraries(program: Path) -> list[str]:
    """The libraries that the loader of this machine would load for ``program``, as absolute paths."""
    answer = subprocess.run(['ldd', program], capture_output=True, text=True, check=False).stdout
    return re.findall(r'(/\S+) \(0x', answer)
