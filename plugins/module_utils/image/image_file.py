# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an image on disk in pieces, without reading its holes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import compression

BLOCK = compression.BLOCK
_ZERO_RUN = 64


class BundleError(CollectionError):
    """An image cannot be bundled, or a bundle cannot be opened."""


@dataclass(frozen=True)
class Stretch:
    """A piece of the image: up to one block that may hold data, or (`hole`) up to 64 blocks of nothing but zeros."""

    offset: int
    length: int
    hole: bool


class ImageFile:
    """The image on disk. Holes are found by SEEK_DATA and never read."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        # Before opening, because opening a pipe would wait.
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
            raise BundleError(f'{path} is neither a file nor a block device.')
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._stat = os.fstat(self._fd)
        self.size = os.lseek(self._fd, 0, os.SEEK_END)

    def __enter__(self) -> ImageFile:
        return self

    def __exit__(self, *_error: object) -> None:
        os.close(self._fd)

    def stretches(self) -> Iterator[Stretch]:
        position = 0
        while position < self.size:
            data = self._next_data(position) // BLOCK * BLOCK
            while position < data:
                length = min(_ZERO_RUN * BLOCK, data - position)
                yield Stretch(position, length, True)
                position += length
            if position < self.size:
                length = min(BLOCK, self.size - position)
                yield Stretch(position, length, False)
                position += length

    def _next_data(self, position: int) -> int:
        """Start of the data at or after `position`. In a hole up to the end: the last byte, which is then read."""
        try:
            return os.lseek(self._fd, position, os.SEEK_DATA)
        except OSError:  # ENXIO: no data follows; EINVAL: this file system has no holes
            pass
        try:
            os.lseek(self._fd, position, os.SEEK_HOLE)
        except OSError:
            return position
        return self.size - 1

    def piece(self, stretch: Stretch) -> bytes | int:
        """Its content; a number stands for as many blocks of zeros."""
        if stretch.hole:
            return stretch.length // BLOCK
        data = self.read(stretch)
        return 1 if data == compression.ZEROS else data

    def read(self, stretch: Stretch) -> bytes:
        try:
            data = os.pread(self._fd, stretch.length, stretch.offset)
        except OSError as error:
            raise BundleError(f'{self.path} cannot be read at byte {stretch.offset}: {error.strerror}.') from error
        if len(data) != stretch.length:
            raise self.changed()
        return data

    def check_unchanged(self) -> None:
        now = os.fstat(self._fd)
        if (now.st_mtime_ns, now.st_size) != (self._stat.st_mtime_ns, self._stat.st_size):
            raise self.changed()

    def changed(self) -> BundleError:
        return BundleError(f'{self.path} changed while it was being read. Run the task again when nothing writes to it.')
