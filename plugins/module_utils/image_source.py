# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user calls an image, made into a raw file: a path or a URL, perhaps compressed, perhaps qcow2."""
from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import json
import lzma
import os
import re
import shutil
import subprocess
import tempfile
import typing as t
import urllib.error
from collections.abc import Iterator

from ansible.module_utils.urls import open_url
from ansible_collections.eucalyptus.cloud.plugins.module_utils.bundle import ImageFile

_CHUNK = 1 << 20
_ZEROS = bytes(_CHUNK)
_GZIP, _XZ, _QCOW2, _ZSTD = b'\x1f\x8b', b'\xfd7zXZ\0', b'QFI\xfb', b'\x28\xb5\x2f\xfd'
_CHECKSUM = re.compile(r'(md5|sha1|sha224|sha256|sha384|sha512):([0-9a-fA-F]{32,128})')


class SourceError(Exception):
    """An image that cannot be read or made raw; the message says why."""


@contextlib.contextmanager
def raw_image(src: str, image_type: str, checksum: str | None = None, validate_certs: bool = True,
              ca_path: str | None = None) -> Iterator[ImageFile]:
    """Open `src` as a raw image. What has to be fetched or unpacked lies in a temporary directory meanwhile.

    Machine images are unpacked by what they begin with; kernels and ramdisks, which are compressed by nature, never.
    `checksum` ('sha256:…') is of the file as it is given. Raises SourceError.
    """
    remote = src.startswith(('http://', 'https://'))
    if remote and not checksum:
        raise SourceError(f'{src} is a URL, so its checksum is needed: give checksum as sha256:HEX.')
    # Images are large and /tmp is often in memory.
    spool = os.environ.get('TMPDIR') or ('/var/tmp' if os.path.isdir('/var/tmp') else None)
    with contextlib.ExitStack() as stack:
        try:
            scratch = _Scratch(stack, spool)
            path = _download(src, scratch, validate_certs, ca_path) if remote else src
            if checksum:
                _verify(path, src, checksum)
            path = _unpacked(path, scratch) if image_type == 'machine' else path
            image = stack.enter_context(ImageFile(path))
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise SourceError(f'No space left to unpack {src} in {spool or tempfile.gettempdir()}: '
                                  'set TMPDIR to a directory with more.') from error
            raise SourceError(f'Cannot read the image {src}: {error.strerror or error}.') from error
        yield image


class _Scratch:
    """Temporary files, in a directory that is made when the first is wanted."""

    def __init__(self, stack: contextlib.ExitStack, parent: str | None) -> None:
        self._stack, self._parent = stack, parent
        self._directory: str | None = None
        self._count = 0

    def new(self) -> str:
        if self._directory is None:
            self._directory = self._stack.enter_context(
                tempfile.TemporaryDirectory(prefix='eucalyptus-image-', dir=self._parent))
        self._count += 1
        return os.path.join(self._directory, str(self._count))


def _download(url: str, scratch: _Scratch, validate_certs: bool, ca_path: str | None) -> str:
    path = scratch.new()
    try:
        with open_url(url, validate_certs=validate_certs, ca_path=ca_path, timeout=60) as reply, open(path, 'wb') as file:
            announced = reply.headers.get('Content-Length')
            if announced and announced.isdigit() and int(announced) > shutil.disk_usage(os.path.dirname(path)).free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            shutil.copyfileobj(reply, file, _CHUNK)
    except urllib.error.HTTPError as error:
        raise SourceError(f'{url} cannot be fetched: the server answered {error.code} {error.reason}.') from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise SourceError(f'{url} cannot be fetched: {getattr(error, "reason", error)}.') from error
    return path


def _verify(path: str, src: str, checksum: str) -> None:
    match = _CHECKSUM.fullmatch(checksum.strip())
    if not match or len(match[2]) != 2 * hashlib.new(match[1], usedforsecurity=False).digest_size:
        raise SourceError(f'The checksum {checksum!r} is not of the form sha256:HEX (or md5, sha1, sha224, sha384, sha512).')
    digest = hashlib.new(match[1], usedforsecurity=False)
    with open(path, 'rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != match[2].lower():
        raise SourceError(f'{src} has the {match[1]} checksum {digest.hexdigest()}, not {match[2].lower()} as asked for.')


def _unpacked(path: str, scratch: _Scratch) -> str:
    """Unpack what is compressed or qcow2; both, for an image.qcow2.xz."""
    with open(path, 'rb') as file:
        magic = file.read(8)
    if magic.startswith(_GZIP):
        return _unpacked(_decompressed(path, scratch, gzip.open), scratch)
    if magic.startswith(_XZ):
        return _unpacked(_decompressed(path, scratch, lzma.open), scratch)
    if magic.startswith(_QCOW2):
        return _from_qcow2(path, scratch)
    if magic.startswith(_ZSTD):
        raise SourceError(f'{path} is compressed with zstd, which is not supported: unpack it with zstd -d first.')
    return path


def _decompressed(path: str, scratch: _Scratch, opener: t.Callable[[str], t.BinaryIO]) -> str:
    target = scratch.new()
    try:
        with opener(path) as packed, open(target, 'wb') as file:
            while chunk := packed.read(_CHUNK):
                if chunk == _ZEROS:
                    file.seek(_CHUNK, os.SEEK_CUR)
                else:
                    file.write(chunk)
            file.truncate()
    except (gzip.BadGzipFile, lzma.LZMAError, EOFError, ValueError) as error:
        raise SourceError(f'{path} cannot be unpacked: {error}.') from error
    return target


def _from_qcow2(path: str, scratch: _Scratch) -> str:
    if not shutil.which('qemu-img'):
        raise SourceError(f'{path} is a qcow2 image and qemu-img is not installed (Debian: apt-get install qemu-utils).')
    info = json.loads(_qemu_img('info', '--output=json', '-f', 'qcow2', path))
    # A qcow2 file can name any other file of this machine as its base or its data; it came from who knows where.
    details = info.get('format-specific', {}).get('data', {})
    if any('backing' in key for key in info) or details.get('data-file'):
        raise SourceError(f'{path} is a qcow2 image that refers to another file; flatten it first with qemu-img convert.')
    target = scratch.new()
    _qemu_img('convert', '-f', 'qcow2', '-O', 'raw', path, target)
    return target


def _qemu_img(*arguments: str) -> str:
    done = subprocess.run(['qemu-img', *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SourceError(f'qemu-img {arguments[0]} failed: {done.stderr.strip()[-500:]}')
    return done.stdout
