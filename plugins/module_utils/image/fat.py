# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a FAT16 file system of a few files, as small as they allow, always with the same bytes.

Layout: Microsoft's FAT specification (fatgen103). mkfs would not compute the smallest size that fits, and mcopy would write the
time of day.
"""

from __future__ import annotations

import shutil
import struct
import typing as t
from dataclasses import dataclass, field

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

SECTOR = 512
# The number of clusters decides between FAT12, FAT16 and FAT32.
FEWEST, MOST = 4085, 65524
LARGEST_CLUSTER = 64  # sectors; more than 32 KiB is not readable everywhere
ENTRY = 32  # bytes of a directory entry
ROOT_ENTRIES = 64
FILE, DIRECTORY, LABEL = 0x20, 0x10, 0x08
END = 0xFFFF


class FatError(CollectionError):
    """The files do not fit into a FAT16 file system."""


@dataclass(frozen=True)
class File:
    """A file to store: its path with names of the form NAME.EXT, its size in bytes (not 0), and a function that opens it."""

    path: str
    size: int
    open: t.Callable[[], t.BinaryIO]


@dataclass(eq=False)
class _Node:
    """A directory or file: its 8.3 name as stored, first cluster, and number of clusters. The root has cluster 0."""

    name: bytes
    parent: _Node | None = None
    file: File | None = None
    children: dict[str, _Node] = field(default_factory=dict)
    cluster: int = 0
    count: int = 0

    @property
    def size(self) -> int:
        return self.file.size if self.file else ENTRY * (2 + len(self.children))

    def nodes(self) -> t.Iterator[_Node]:
        """The nodes below it."""
        for child in self.children.values():
            yield child
            yield from child.nodes()


class FileSystem:
    """The file system with these files and ``room`` bytes for files that are added later. ``start`` is its first sector on the
    disk. Raises FatError."""

    def __init__(self, files: t.Sequence[File], label: str, serial: int, start: int, room: int) -> None:
        self._label, self._serial, self._start = label.encode().ljust(11), serial, start
        self._root = _tree(files)
        nodes = list(self._root.nodes())
        self._cluster = 1  # sectors
        while (count := self._allocate(nodes, room)) > MOST:
            self._cluster *= 2
            if self._cluster > LARGEST_CLUSTER:
                raise FatError(f'{sum(node.size for node in nodes)} bytes are too many for one FAT16 file system.')
        self._clusters = max(count, FEWEST)
        self._fat_sectors = _up((2 + self._clusters) * 2, SECTOR)
        self._data = 1 + 2 * self._fat_sectors + ROOT_ENTRIES * ENTRY // SECTOR
        self.sectors = self._data + self._clusters * self._cluster

    def _allocate(self, nodes: list[_Node], room: int) -> int:
        """Give each node its clusters, in order; return the number of clusters."""
        following = 2
        for node in nodes:
            node.count = _up(node.size, SECTOR * self._cluster)
            node.cluster = following
            following += node.count
        return following - 2 + _up(room, SECTOR * self._cluster)

    def write(self, disk: t.BinaryIO) -> None:
        """Write it into ``disk``, a new file of zeros. Raises FatError, OSError."""
        begin = self._start * SECTOR
        disk.seek(begin)
        disk.write(self._boot_sector())
        nodes = list(self._root.nodes())
        table = self._table(nodes)
        for copy in range(2):
            disk.seek(begin + (1 + copy * self._fat_sectors) * SECTOR)
            disk.write(table)
        root = _entry(self._label, LABEL, 0, 0) + self._entries(self._root)
        disk.seek(self._root_offset)
        disk.write(root)
        for node in nodes:
            disk.seek(begin + (self._data + (node.cluster - 2) * self._cluster) * SECTOR)
            if node.file is None:
                disk.write(self._directory(node))
            else:
                end = disk.tell() + node.file.size
                with node.file.open() as source:
                    shutil.copyfileobj(source, disk, 1 << 20)
                if disk.tell() != end:
                    raise FatError('A file was changed while it was read: run the task again when nothing writes to it.')

    @property
    def _root_offset(self) -> int:
        return (self._start + 1 + 2 * self._fat_sectors) * SECTOR

    def clear_times(self, disk: t.BinaryIO) -> None:
        """Set the times in the root directory to zero, also those of files that another program has added."""
        disk.seek(self._root_offset)
        root = bytearray(disk.read(ROOT_ENTRIES * ENTRY))
        for place in range(0, len(root), ENTRY):
            if root[place] and root[place + 11] != 0x0F:  # an entry, and not a part of a long name
                root[place + 13 : place + 20] = bytes(7)
                root[place + 22 : place + 26] = bytes(4)
        disk.seek(self._root_offset)
        disk.write(root)

    def _boot_sector(self) -> bytes:
        small = self.sectors if self.sectors < 1 << 16 else 0
        block = struct.pack(
            '<3s8sHBHBHHBHHHII',
            b'\xeb\x3c\x90',
            b'MSWIN4.1',
            SECTOR,
            self._cluster,
            1,  # reserved sector: this one
            2,  # tables
            ROOT_ENTRIES,
            small,
            0xF8,  # a fixed disk
            self._fat_sectors,
            63,  # sectors of a track
            255,  # heads
            self._start,
            0 if small else self.sectors,
        )
        block += struct.pack('<BBBI11s8s', 0x80, 0, 0x29, self._serial, self._label, b'FAT16   ')
        return block.ljust(SECTOR - 2, b'\0') + b'\x55\xaa'

    def _table(self, nodes: list[_Node]) -> bytes:
        table = [0xFFF8, END]
        for node in nodes:
            table += [*range(node.cluster + 1, node.cluster + node.count), END]
        return struct.pack(f'<{len(table)}H', *table)

    def _directory(self, node: _Node) -> bytes:
        above = node.parent.cluster if node.parent else 0
        own = _entry(b'.'.ljust(11), DIRECTORY, node.cluster, 0) + _entry(b'..'.ljust(11), DIRECTORY, above, 0)
        return own + self._entries(node)

    @staticmethod
    def _entries(node: _Node) -> bytes:
        return b''.join(
            _entry(child.name, FILE if child.file else DIRECTORY, child.cluster, child.size if child.file else 0)
            for child in node.children.values()
        )


def _tree(files: t.Sequence[File]) -> _Node:
    root = _Node(b'')
    for file in files:
        *directories, name = file.path.split('/')
        node = root
        for directory in directories:
            node = node.children.setdefault(directory, _Node(_stored(directory), node))
        node.children[name] = _Node(_stored(name), node, file)
    return root


def _stored(name: str) -> bytes:
    stem, _dot, extension = name.partition('.')
    return stem.encode().ljust(8) + extension.encode().ljust(3)


def _entry(name: bytes, attributes: int, cluster: int, size: int) -> bytes:
    return struct.pack('<11sB14xHI', name, attributes, cluster, size)


def _up(size: int, unit: int) -> int:
    return -(-size // unit)
