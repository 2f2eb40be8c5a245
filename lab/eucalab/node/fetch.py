# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a bundle in object storage to a plain image file: parts → AES → gzip → tar → file, streamed, everything checked.

Unpacked images are kept per node by the digest of their manifest, as a real node's blobstore keeps them. They are returned
as open files, to be copied: evicting an image never affects its readers, and no guest gets the cache's file.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import tarfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .disks import own
from .manifest import MANIFEST_LIMIT, Manifest, check_signature, read_manifest
from .model import NodeError, Settings
from .storage import CHUNK, ObjectReader

CACHE_BYTES = 4 << 30
MOST_PADDING = 1 << 20  # tar fills up to a record, 10 KiB by default
log = logging.getLogger('eucalab.node.fetch')


class ImageCache:
    """Unpacked images of one node. The least recently used ones are removed first."""

    def __init__(self, settings: Settings, limit: int = CACHE_BYTES) -> None:
        self._folder, self._owner = settings.cache, settings.owner
        self._private_key = settings.config.keys / 'cloud-key.pem'
        self._parts_in_root = settings.played.storage.parts_in_root
        self._limit = limit
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def open(self, reader: ObjectReader, location: str, sha256: str | None, signers: list[bytes] | None = None) -> BinaryIO:
        """The image of the manifest at ``location``, for the caller to read and close; downloaded when it is not here.

        ``sha256`` is the digest of the manifest at the image's registration: a manifest changed since is refused.
        ``signers`` are certificates in PEM form: the manifest must have the signature of one of them.
        """
        text = reader.read(location, MANIFEST_LIMIT)
        if signers is not None:
            check_signature(text, location, signers)
        manifest = read_manifest(text, location, self._private_key, self._parts_in_root)
        if sha256 and manifest.sha256 != sha256:
            raise NodeError(f'manifest {location} was changed after its image was registered')
        with self._guard:
            lock = self._locks.setdefault(manifest.sha256, threading.Lock())
        cached = self._folder / f'{manifest.sha256}.blocks'
        with lock:
            image: BinaryIO
            try:
                image = cached.open('rb')
            except FileNotFoundError:  # never downloaded, or just evicted
                image = self._download(reader, manifest, cached)
            else:
                os.utime(image.fileno())  # by descriptor: the name may have been evicted by now
        self._evict(keep=cached)
        return image

    def _download(self, reader: ObjectReader, manifest: Manifest, cached: Path) -> BinaryIO:
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = cached.with_suffix('.partial')
        try:
            unbundle(reader, manifest, partial)
            own(partial, self._owner)
            image = partial.open('rb')
            partial.rename(cached)
        finally:
            partial.unlink(missing_ok=True)
        return image

    def _evict(self, keep: Path) -> None:
        with self._guard:
            entries = [(path.stat(), path) for path in self._folder.glob('*.blocks')]
            entries.sort(key=lambda entry: entry[0].st_mtime)
            used = sum(status.st_blocks * 512 for status, _path in entries)
            for status, path in entries:
                if used > self._limit and path != keep:
                    path.unlink()
                    used -= status.st_blocks * 512


def unbundle(reader: ObjectReader, manifest: Manifest, target: Path) -> None:
    """Write the image to ``target``; NodeError names the failed check."""
    log.info('downloading %s: %d parts, %d bytes', manifest.location, len(manifest.parts), manifest.bundled_size)
    stream = _HashedStream(_gunzip(_decrypt(_parts(reader, manifest), manifest), manifest))
    try:
        with tarfile.open(fileobj=stream, mode='r|', bufsize=CHUNK) as archive:
            member = archive.next()
            if member is None or not member.isreg():
                raise NodeError(f'{manifest.location}: the archive does not begin with a file')
            if member.size != manifest.size:
                raise NodeError(f'{manifest.location}: the image has {member.size} bytes, but its manifest lists {manifest.size}')
            source = archive.extractfile(member)
            assert source is not None
            _write_sparse(source, target, member.size)
    except (tarfile.TarError, EOFError) as error:
        raise NodeError(f'{manifest.location}: its archive is broken: {error}') from error
    behind = 0
    while chunk := stream.read(CHUNK):
        behind += len(chunk)
        if behind > MOST_PADDING:
            raise NodeError(f'{manifest.location}: the archive contains more than the image')
    if stream.sha1.hexdigest() != manifest.tar_sha1:
        raise NodeError(
            f'{manifest.location}: the archive has SHA1 {stream.sha1.hexdigest()}, but its manifest lists {manifest.tar_sha1}'
        )


def _parts(reader: ObjectReader, manifest: Manifest) -> Iterator[bytes]:
    total = 0
    for part in manifest.parts:
        with reader.download(part.location, part.sha1) as file:
            while chunk := file.read(CHUNK):
                total += len(chunk)
                yield chunk
    if total != manifest.bundled_size:
        raise NodeError(f'{manifest.location}: the parts have {total} bytes, but their manifest lists {manifest.bundled_size}')


def _decrypt(chunks: Iterator[bytes], manifest: Manifest) -> Iterator[bytes]:
    cipher = Cipher(algorithms.AES(manifest.key), modes.CBC(manifest.iv)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    try:
        for chunk in chunks:
            yield unpadder.update(cipher.update(chunk))
        yield unpadder.update(cipher.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise NodeError(f'{manifest.location}: cannot be decrypted: {error}') from error


def _gunzip(chunks: Iterator[bytes], manifest: Manifest) -> Iterator[bytes]:
    """Any number of gzip members: compressors that work in parallel write several."""
    member = zlib.decompressobj(wbits=31)
    started = False
    try:
        for data in chunks:
            while data:
                started = True
                # Limit the output: a few KiB of compressed zeros must not fill GiB of memory.
                yield member.decompress(data, CHUNK)
                data = member.unconsumed_tail
                if member.eof:
                    data = member.unused_data
                    member, started = zlib.decompressobj(wbits=31), bool(data)
    except zlib.error as error:
        raise NodeError(f'{manifest.location}: cannot be decompressed: {error}') from error
    if started:
        raise NodeError(f'{manifest.location}: its compressed stream is truncated')


class _HashedStream(io.RawIOBase):
    """A stream for tarfile, with the digest of everything read from it."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b'')
        self.sha1 = hashlib.sha1()

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b''
            self.sha1.update(chunk)
            self._rest = memoryview(chunk)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)


def _write_sparse(source: IO[bytes], target: Path, size: int) -> None:
    """Write zeros as holes, to save space on the host's disk."""
    block = 64 << 10
    zeros = bytes(block)
    with open(target, 'wb') as file:
        while data := source.read(block):
            if data == zeros[: len(data)]:
                file.seek(len(data), 1)
            else:
                file.write(data)
        file.truncate(size)
