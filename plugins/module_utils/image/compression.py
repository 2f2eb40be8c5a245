# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One gzip member made of blocks that are compressed independently, so that many threads can work on one stream.

Each block ends with a full flush, so it starts at a byte boundary and refers to nothing before it. The result is a
single member, because not every reader supports concatenated members. ISA-L compresses when it is installed (five times
faster than zlib at the same size), zlib otherwise.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import struct
import typing as t
import zlib

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

isal_zlib: t.Any = None
with contextlib.suppress(ImportError):
    import isal

    isal_zlib = importlib.import_module('isal.isal_zlib')

crc32 = (isal_zlib or zlib).crc32
BLOCK = 1 << 20
ZEROS = bytes(BLOCK)

# Magic, deflate, no flags, no time, no extra flags, Unix: what `gzip -c` writes for a stream.
HEADER = b'\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03'
_LAST_BLOCK = b'\x03\x00'  # an empty block of fixed codes with the final bit
_STORED_MAX = 0xFFFF
_PIECE = 256 * 1024
_TRIAL = b''.join(b'%d,' % number for number in range(10_000))
# Window and memory for a sample: setting up the usual ones would take zlib longer than compressing the sample.
_SMALL = (-13, 6)
_GRAIN, _SAMPLE = 128 * 1024, 2048  # bytes that are judged together, and the length of each of their two samples


class Compressor:
    """`library` is ``isal``, ``zlib``, or None for the best one that is installed."""

    def __init__(self, library: str | None = None) -> None:
        if library == 'isal' and isal_zlib is None:
            raise CollectionError('The Python library isal is not installed.')
        self.library = library or ('isal' if isal_zlib else 'zlib')
        # The fastest levels that compress: higher ones take longer than AES, the hashes and the network.
        # Samples are judged by the fastest of all. ISA-L's makes noise a quarter larger and everything else smaller.
        self._zlib: t.Any = isal_zlib if self.library == 'isal' else zlib
        self._sample_level, self._noise = (0, 1.2) if self.library == 'isal' else (1, 0.97)
        # The same data and the same recipe produce the same bytes. A sample is part of it, because both libraries choose their
        # code by the processor.
        version = isal.__version__ if self.library == 'isal' else zlib.ZLIB_RUNTIME_VERSION
        self.recipe = f'{self.library} {version} {crc32(self._zlib.compress(_TRIAL, 1)):08x}'
        # The strongest compression of deflate, about 1:1030, made once per process by zlib at its highest level.
        self.zero_block = b''.join(_deflate(zlib, memoryview(ZEROS), 9))

    def block(self, data: bytes) -> list[bytes | memoryview]:
        """The deflate blocks for `data`. Data that would not shrink is stored: five more bytes for each 64 KiB."""
        view = memoryview(data)
        if len(data) <= _GRAIN:
            return self._run(view, True)
        grains = [(start, self._promising(view[start : start + _GRAIN])) for start in range(0, len(data), _GRAIN)]
        runs = [
            (promising, [start for start, _promising in run])
            for promising, run in itertools.groupby(grains, key=lambda grain: grain[1])
        ]
        return list(
            itertools.chain.from_iterable(self._run(view[starts[0] : starts[-1] + _GRAIN], promising) for promising, starts in runs)
        )

    def _run(self, data: memoryview, promising: bool) -> list[bytes | memoryview]:
        deflated: list[bytes | memoryview] = _deflate(self._zlib, data, 1) if promising else [data]
        return deflated if sum(map(len, deflated)) < len(data) else _stored(data)

    def _promising(self, grain: memoryview) -> bool:
        """Whether samples of it shrink at all. Compressing noise is the slowest way to store it."""
        quarter = len(grain) // 4
        sample = bytes(grain[quarter : quarter + _SAMPLE]) + bytes(grain[3 * quarter : 3 * quarter + _SAMPLE])
        squeezer = self._zlib.compressobj(self._sample_level, zlib.DEFLATED, *_SMALL)
        return len(squeezer.compress(sample)) + len(squeezer.flush()) < self._noise * len(sample)


def trailer(crc: int, size: int) -> bytes:
    return _LAST_BLOCK + struct.pack('<LL', crc, size & 0xFFFFFFFF)


def _deflate(library: t.Any, data: memoryview, level: int) -> list[bytes | memoryview]:
    squeezer = library.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    # In pieces: the output's buffer begins small and would be doubled, and copied, too often.
    pieces = [squeezer.compress(data[start : start + _PIECE]) for start in range(0, len(data), _PIECE)]
    return [*pieces, squeezer.flush(zlib.Z_FULL_FLUSH)]


def _stored(data: memoryview) -> list[bytes | memoryview]:
    pieces: list[bytes | memoryview] = []
    for start in range(0, len(data), _STORED_MAX):
        piece = data[start : start + _STORED_MAX]
        pieces += (struct.pack('<BHH', 0, len(piece), len(piece) ^ 0xFFFF), piece)
    return pieces
