# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user calls an image, made into a raw file: a path or a URL, perhaps compressed, perhaps qcow2."""

from __future__ import annotations

import contextlib
import errno
import functools
import gzip
import hashlib
import http.client
import json
import lzma
import os
import re
import shutil
import signal
import ssl
import subprocess
import tarfile
import tempfile
import typing as t
import urllib.error
import zlib
from collections.abc import Iterator

from ansible.module_utils.urls import open_url
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import shown
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.bundle import ImageFile

_CHUNK = 1 << 20
_ZEROS = bytes(_CHUNK)
_GZIP, _XZ, _QCOW2 = b'\x1f\x8b', b'\xfd7zXZ\0', b'QFI\xfb'
# What would not boot if it was stored as it is: how it begins, what it is, and what to do. A raw disk may begin with any
# code, so what is short goes with what must follow it; a VDI has no signature of a boot sector at byte 510.
_FOREIGN = [
    (re.compile(begin, re.DOTALL), what, way)
    for begin, what, way in (
        (rb'\x28\xb5\x2f\xfd', 'compressed with zstd', 'unpack it with zstd -d first'),
        (rb'BZh[1-9](1AY&SY|\x17rE8P\x90)', 'compressed with bzip2', 'unpack it with bzip2 -d first'),
        (rb'\x5d\0\0(?!\0\0)..(\xff{8}|.{5}\0{3})\0', 'compressed with lzma', 'unpack it with unlzma first'),
        (rb'PK\x03\x04', 'a zip archive', 'unpack it with unzip first'),
        (rb'KDMV|# Disk DescriptorFile', 'a VMDK disk', 'convert it with qemu-img convert -O raw first'),
        (rb'vhdxfile', 'a VHDX disk', 'convert it with qemu-img convert -O raw first'),
        (rb'.{64}\x7f\x10\xda\xbe.{442}(?!\x55\xaa)', 'a VDI disk', 'convert it with qemu-img convert -O raw first'),
    )
]
_LAYERS = 3
_CHECKSUM = re.compile(r'(md5|sha1|sha224|sha256|sha384|sha512):([0-9a-fA-F]{32,128})')


class SourceError(Exception):
    """An image that cannot be read or made raw; the message says why."""


@contextlib.contextmanager
def raw_image(
    src: str, image_type: str, checksum: str | None = None, validate_certs: bool = True, ca_path: str | None = None
) -> Iterator[ImageFile]:
    """Open `src` as a raw image. What has to be fetched or unpacked lies in a temporary directory meanwhile.

    Machine images are unpacked by what they begin with; kernels and ramdisks, which are compressed by nature, never.
    `checksum` ('sha256:…') is of the file as it is given. Raises SourceError.
    """
    remote = src.lower().startswith(('http://', 'https://'))
    name = shown(src)
    if '\0' in src:
        raise SourceError(f'{name!r} is no path and no URL: it has a NUL byte in it.')
    if remote and not checksum:
        raise SourceError(f'{name} is a URL, so its checksum is needed: give checksum as sha256:HEX.')
    wanted = _algorithm_and_digest(checksum) if checksum else None
    # Images are large and /tmp is often in memory.
    spool = os.environ.get('TMPDIR') or ('/var/tmp' if os.path.isdir('/var/tmp') else None)
    with contextlib.ExitStack() as stack:
        try:
            scratch = _Scratch(stack, spool)
            path = _download(src, scratch, validate_certs, ca_path) if remote else os.path.expanduser(os.path.expandvars(src))
            before = _state(path)
            image = stack.enter_context(ImageFile(path))
            if wanted:
                _verify(image, name, *wanted)
            raw = _unpacked(path, name, scratch) if image_type == 'machine' else path
            if raw != path:
                image = stack.enter_context(ImageFile(raw))
            if image_type == 'machine' and not image.size:
                raise SourceError(f'{name} is empty: a machine image of 0 bytes cannot be run.')
            # It is opened by its name for every layer, and may be another file by then.
            if _state(path) != before:
                raise SourceError(f'{name} was changed while it was read: run the task again when nothing writes to it.')
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise SourceError(
                    f'No space left to unpack {name} in {spool or tempfile.gettempdir()}: set TMPDIR to a directory with more.'
                ) from error
            raise SourceError(f'Cannot read the image {name}: {error.strerror or error}.') from error
        yield image


def _state(path: str) -> tuple[int, ...]:
    now = os.stat(path)
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """SIGTERM and SIGHUP end the program by an exception, so that temporary files go. Who ignores them still does."""

    def end(number: int, _frame: t.Any) -> None:
        raise SystemExit(128 + number)

    numbers = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) == signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


class _Scratch:
    """Temporary files, in a directory that is made when the first is wanted."""

    def __init__(self, stack: contextlib.ExitStack, parent: str | None) -> None:
        self._stack, self._parent = stack, parent
        self._directory: str | None = None
        self._count = 0

    def new(self) -> str:
        if self._directory is None:
            self._stack.enter_context(_ended_like_ctrl_c())
            try:
                directory = tempfile.TemporaryDirectory(prefix='eucalyptus-image-', dir=self._parent)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise
                raise SourceError(
                    f'Nothing can be unpacked in {self._parent or "/tmp"}: {error.strerror}. '
                    'Set TMPDIR to a directory that can be written to.'
                ) from error
            self._directory = self._stack.enter_context(directory)
        self._count += 1
        return os.path.join(self._directory, str(self._count))


def _download(url: str, scratch: _Scratch, validate_certs: bool, ca_path: str | None) -> str:
    path, failed = scratch.new(), f'{shown(url)} cannot be fetched'
    try:
        with _opened(url, validate_certs, ca_path) as reply, open(path, 'wb') as file:
            if (reply.length or 0) > shutil.disk_usage(os.path.dirname(path)).free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            shutil.copyfileobj(reply, file, _CHUNK)
            if reply.length:  # what it still owes
                raise http.client.IncompleteRead(b'', reply.length)
    except urllib.error.HTTPError as error:
        raise SourceError(f'{failed}: the server answered {error.code} {error.reason}.') from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise SourceError(f'{failed}: {getattr(error, "reason", error)}.') from error
    except http.client.IncompleteRead as error:
        raise SourceError(f"{failed}: the server's answer was cut short.") from error
    except (http.client.InvalidURL, ValueError) as error:  # its text may hold what `shown` leaves out
        raise SourceError(f'{failed}: it is not a valid URL.') from error
    except http.client.HTTPException as error:
        raise SourceError(f'{failed}: the server does not answer in HTTP ({type(error).__name__}).') from error
    return path


def _opened(url: str, validate_certs: bool, ca_path: str | None) -> http.client.HTTPResponse:
    """Who vouches for the server: the system's authorities or those in ca_path, as for an internal mirror."""
    fetch = functools.partial(open_url, url, validate_certs=validate_certs, timeout=60, decompress=False)
    try:
        return fetch()
    except urllib.error.URLError as error:
        if not ca_path or not isinstance(error.reason, ssl.SSLCertVerificationError):
            raise
    return fetch(ca_path=ca_path)


def _algorithm_and_digest(checksum: str) -> tuple[str, str]:
    match = _CHECKSUM.fullmatch(checksum.strip())
    if not match or len(match[2]) != 2 * hashlib.new(match[1], usedforsecurity=False).digest_size:
        raise SourceError(f'The checksum {checksum!r} is not of the form sha256:HEX (or md5, sha1, sha224, sha384, sha512).')
    return match[1], match[2].lower()


def _verify(image: ImageFile, name: str, algorithm: str, wanted: str) -> None:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for stretch in image.stretches():
        digest.update(image.read(stretch))
    if digest.hexdigest() != wanted:
        raise SourceError(f'{name} has the {algorithm} checksum {digest.hexdigest()}, not {wanted} as asked for.')


def _unpacked(path: str, name: str, scratch: _Scratch, layers: int = _LAYERS) -> str:
    """Unpack what is compressed or qcow2; both, for an image.qcow2.xz. `name` is what the user calls it."""
    with open(path, 'rb') as file:
        magic = file.read(512)
    if magic.startswith(_QCOW2):
        return _from_qcow2(path, name, scratch)
    for begin, what, way in _FOREIGN:
        if begin.match(magic):
            raise SourceError(f'{name} is {what}, which is not supported: {way}.')
    if _is_tar(magic):
        raise SourceError(f'{name} is a tar archive, which is not supported: give the disk that tar -x takes out of it.')
    if not magic.startswith((_GZIP, _XZ)):
        return path
    if not layers:
        raise SourceError(f'{name} is compressed more than {_LAYERS} times over: unpack it first.')
    opener = gzip.open if magic.startswith(_GZIP) else lzma.open
    return _unpacked(_decompressed(path, name, scratch, opener), name, scratch, layers - 1)


def _is_tar(head: bytes) -> bool:
    if head[257:262] != b'ustar':
        return False
    try:
        tarfile.TarInfo.frombuf(head, 'utf-8', 'surrogateescape')
    except tarfile.HeaderError:  # its checksum is wrong: a boot sector that happens to say so
        return False
    return True


def _decompressed(path: str, name: str, scratch: _Scratch, opener: t.Callable[[str], t.BinaryIO]) -> str:
    target = scratch.new()
    try:
        with opener(path) as packed, open(target, 'wb') as file:
            while chunk := packed.read(_CHUNK):
                if chunk == _ZEROS:
                    file.seek(_CHUNK, os.SEEK_CUR)
                else:
                    file.write(chunk)
            file.truncate()
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise SourceError(f'{name} cannot be unpacked: {error}.') from error
    return target


def _from_qcow2(path: str, name: str, scratch: _Scratch) -> str:
    if not shutil.which('qemu-img'):
        raise SourceError(f'{name} is a qcow2 image and qemu-img is not installed (Debian: apt-get install qemu-utils).')
    path = os.path.abspath(path)  # qemu-img takes deb:12.qcow2 for a protocol, and -x.qcow2 for options
    info = json.loads(_qemu_img(name, 'info', '--output=json', '-f', 'qcow2', path))
    # A qcow2 file can name any other file of this machine as its base or its data; it came from who knows where.
    details = info.get('format-specific', {}).get('data', {})
    if any('backing' in key for key in info) or details.get('data-file'):
        raise SourceError(f'{name} is a qcow2 image that refers to another file; flatten it first with qemu-img convert.')
    # Convert takes zeros for what is missing. Check ends with 2 for corruption and 3 for leaks, which harm nobody.
    if json.loads(_qemu_img(name, 'check', '--output=json', '-f', 'qcow2', path, fine=(0, 2, 3))).get('corruptions'):
        raise SourceError(f'{name} is a damaged qcow2 image, perhaps cut short: fetch it again, or see qemu-img check.')
    target = os.path.abspath(scratch.new())
    _qemu_img(name, 'convert', '-f', 'qcow2', '-O', 'raw', path, target)
    return target


def _qemu_img(name: str, *arguments: str, fine: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(['qemu-img', *arguments], capture_output=True, text=True, check=False, env={**os.environ, 'LC_ALL': 'C'})
    if done.returncode in fine:
        return done.stdout
    if 'No space left on device' in done.stderr:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    said = done.stderr.strip()
    for path in filter(os.path.isabs, arguments):
        said = said.replace(path, name)
    raise SourceError(f'{name} cannot be made raw. {said[-500:]}')
