# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making bundles: image -> tar -> gzip -> AES-128-CBC -> parts. Streaming: no copy on disk, memory that does not grow.

A bundle is made in two passes. `identify` reads the image for the digest that is its identity, from which key and
initialisation vector are derived (`derive_secrets`), so the same image of the same user produces the same parts again, and an
interrupted upload can continue. `Bundler` then yields the parts while it reads the image a second time.

Reading, compressing, encrypting, hashing and the consumer run side by side in threads; all of them release the GIL.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import compression, manifest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.image_file import BundleError, ImageFile

try:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError:  # the modules report the library's name
    pass

PART_SIZE = 10 * 1024 * 1024
# Node controllers buffer and retry parts up to this size; a retry of a larger one corrupts the image.
PART_SIZE_MAX = 11_534_336
THREADS = max(2, min(8, os.cpu_count() or 2))
_AES_BLOCK = 16
_TAR_BLOCK, _TAR_RECORD = 512, 10240

T = TypeVar('T')
R = TypeVar('R')


@dataclass(frozen=True)
class Identity:
    """Identity of an image: size and sums of the tar stream that holds it as `member`.

    The digest is SHA1, the strongest in the format: manifests contain it, and node controllers and euca2ools verify
    images and parts by nothing else. The second sum shows whether the second pass reads the same as the first.
    """

    member: str
    size: int
    digest: str  # hex
    crc32: int

    def __str__(self) -> str:
        return f'{self.digest}-{self.crc32:08x}-{self.size}'


@dataclass(frozen=True)
class Part:
    index: int
    filename: str
    data: memoryview
    sha1: str
    md5: bytes
    image_end: int  # bytes of the image in the parts up to this one, the measure of progress


def identify(image: ImageFile, member: str) -> Identity:
    """Read the whole image. Zeros and holes are the same content, and holes are hashed without being read."""
    sha1, crc = hashlib.sha1(usedforsecurity=False), 0
    for _position, piece in _tar_stream(image, member):
        for data in _blocks(piece):
            sha1.update(data)
            crc = compression.crc32(data, crc)
    image.check_unchanged()
    return Identity(member, image.size, sha1.hexdigest(), crc)


def derive_secrets(secret_key: str, identity: Identity, name: str) -> tuple[bytes, bytes]:
    """AES key and vector of a bundle. They are never stored, because the user's secret key reproduces them."""
    info = f'eucalyptus.cloud bundle 1\0{identity}\0{name}'.encode()
    okm = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret_key.encode())
    return okm[:16], okm[16:]


def _in_order(pool: Executor, work: Callable[[T], R], items: Iterable[T], ahead: int) -> Iterator[tuple[T, R]]:
    """Items with their results, like Executor.map, but taken only when needed, `ahead` of them in advance."""
    pending: deque[tuple[T, Future[R]]] = deque()
    for item in items:
        pending.append((item, pool.submit(work, item)))
        if len(pending) > ahead:
            done, future = pending.popleft()
            yield done, future.result()
    for done, future in pending:
        yield done, future.result()


def _tar_stream(image: ImageFile, member: str) -> Iterator[tuple[int, bytes | int]]:
    """The tar stream in the image's pieces, each with the position in the image that it reaches."""
    yield 0, tar_header(member, image.size)
    with ThreadPoolExecutor(1) as reader:
        for stretch, piece in _in_order(reader, image.piece, image.stretches(), 2):
            yield stretch.offset + stretch.length, piece
    yield image.size, bytes(tar_size(image.size) - _TAR_BLOCK - image.size)


def _blocks(piece: bytes | int) -> Iterable[bytes]:
    return itertools.repeat(compression.ZEROS, piece) if isinstance(piece, int) else (piece,)


# --- bundling ------------------------------------------------------------------------------------------------------


class Bundler:
    """Iterate over it once for the parts, whose names begin with `name`; then `entries` and `bundled_size` describe them.

    Raises BundleError after the last part when the image is not `identity` any more.
    """

    def __init__(
        self,
        image: ImageFile,
        identity: Identity,
        name: str,
        key: bytes,
        iv: bytes,
        part_size: int = PART_SIZE,
        compressor: compression.Compressor | None = None,
    ) -> None:
        if not 1024 <= part_size <= PART_SIZE_MAX or part_size % _AES_BLOCK:
            raise BundleError(f'The part size must be a multiple of 16 from 1024 to {PART_SIZE_MAX}, not {part_size}.')
        self.image, self.identity, self.name, self.part_size = image, identity, name, part_size
        self.entries: list[manifest.PartEntry] = []
        self.bundled_size = 0
        self._compressor = compressor or compression.Compressor()
        self._encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()

    def __iter__(self) -> Iterator[Part]:
        with ThreadPoolExecutor(THREADS) as compress, ThreadPoolExecutor(1) as hash_part:
            part = _OpenPart(self.part_size, self._encryptor, hash_part)
            for position, chunk in self._padded(self._compressed(compress)):
                view = memoryview(chunk)
                while len(view):
                    view = view[part.fill(view) :]
                    if part.full:
                        yield self._close(part, position)
                        part = _OpenPart(self.part_size, self._encryptor, hash_part)
            if part.size:
                yield self._close(part, self.image.size)
        self.image.check_unchanged()

    def _close(self, part: _OpenPart, position: int) -> Part:
        if len(self.entries) == manifest.MAX_PARTS:
            raise BundleError(f'{self.image.path} would have more than {manifest.MAX_PARTS} parts. Choose a larger part_size.')
        sha1, md5 = part.close()
        filename = f'{self.name}.part.{len(self.entries):02}'
        self.entries.append(manifest.PartEntry(filename, sha1))
        self.bundled_size += part.size
        return Part(len(self.entries) - 1, filename, part.data, sha1, md5, position)

    def _padded(self, chunks: Iterator[tuple[int, bytes | memoryview]]) -> Iterator[tuple[int, bytes | memoryview]]:
        """PKCS#7: one to sixteen bytes, each with their number as its value."""
        total = 0
        for position, chunk in chunks:
            total += len(chunk)
            yield position, chunk
        missing = _AES_BLOCK - total % _AES_BLOCK
        yield self.image.size, bytes([missing]) * missing

    def _compressed(self, compress: Executor) -> Iterator[tuple[int, bytes | memoryview]]:
        """The gzip stream in chunks, each with the position in the image that it reaches."""
        yield 0, compression.HEADER
        crc = 0
        stream = _tar_stream(self.image, self.identity.member)
        for (position, piece), chunks in _in_order(compress, self._deflate, stream, THREADS + 2):
            for data in _blocks(piece):
                crc = compression.crc32(data, crc)
            for chunk in chunks:
                yield position, chunk
        if crc != self.identity.crc32:
            raise self.image.changed()
        yield self.image.size, compression.trailer(crc, tar_size(self.image.size))

    def _deflate(self, piece: tuple[int, bytes | int]) -> list[bytes | memoryview]:
        _position, data = piece
        return [self._compressor.zero_block] * data if isinstance(data, int) else self._compressor.block(data)


class _OpenPart:
    """A part being filled: encrypted into its own buffer and hashed in the background."""

    _HASH_AT = 256 * 1024

    def __init__(self, part_size: int, encryptor: CipherContext, hashing: Executor) -> None:
        # update_into needs a block of slack after its output.
        self._view = memoryview(bytearray(part_size + _AES_BLOCK))
        self._part_size, self._encryptor, self._hashing = part_size, encryptor, hashing
        self._sha1, self._md5 = hashlib.sha1(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
        self._fed = self.size = self._hashed = 0
        self._hash_jobs: list[Future[None]] = []

    @property
    def full(self) -> bool:
        return self.size == self._part_size

    @property
    def data(self) -> memoryview:
        return self._view[: self.size]

    def fill(self, view: memoryview) -> int:
        """Encrypt as much of `view` as fits and return its length. The cipher holds back less than one AES block."""
        length = min(len(view), self._part_size - self._fed)
        self._fed += length
        self.size += self._encryptor.update_into(view[:length], self._view[self.size :])
        if self.size - self._hashed >= self._HASH_AT:
            self._hash()
        return length

    def _hash(self) -> None:
        piece, self._hashed = self._view[self._hashed : self.size], self.size
        self._hash_jobs.append(self._hashing.submit(self._update, piece))

    def _update(self, piece: memoryview) -> None:
        self._sha1.update(piece)
        self._md5.update(piece)

    def close(self) -> tuple[str, bytes]:
        self._hash()
        for job in self._hash_jobs:
            job.result()
        return self._sha1.hexdigest(), self._md5.digest()


# --- tar -----------------------------------------------------------------------------------------------------------


def tar_header(name: str, size: int) -> bytes:
    """The member's header as Python 2.7 writes it for euca2ools, so that the same image has the same SHA1.

    Old GNU magic, and both device numbers as octal zeros, which Python leaves blank since 3.9.
    """
    encoded = name.encode('ascii')
    if not 0 < len(encoded) <= 100:
        raise BundleError(f"The bundle's name {name!r} must have 1 to 100 characters.")
    # Octal up to 8 GiB, then the GNU form: a byte with the high bit and the number in base 256.
    octal = b'%011o\0' % size if size < 8**11 else b'\x80' + size.to_bytes(11, 'big')
    header = b''.join(
        (
            encoded.ljust(100, b'\0'),
            b'0000644\0',
            b'0000000\0',
            b'0000000\0',
            octal,
            b'00000000000\0',
            b' ' * 8,
            b'0',
            bytes(100),
            b'ustar  \0',
            bytes(32),
            bytes(32),
            b'0000000\0',
            b'0000000\0',
            bytes(155),
            bytes(12),
        )
    )
    return header[:148] + b'%06o\0 ' % sum(header) + header[156:]


def tar_size(size: int) -> int:
    """Header, data and the zeros after them: two blocks at least, then up to a whole record."""
    blocks = _TAR_BLOCK + -(-size // _TAR_BLOCK) * _TAR_BLOCK + 2 * _TAR_BLOCK
    return -(-blocks // _TAR_RECORD) * _TAR_RECORD
