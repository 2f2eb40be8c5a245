# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a path or URL, perhaps compressed or qcow2, to a raw image file."""

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
import signal
import subprocess
import tempfile
import typing as t
import zlib
from collections.abc import Iterator

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import shown
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import formats
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.download import (
    Opener,
    SourceError,
    download,
    is_url,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.image_file import ImageFile

_CHUNK = 1 << 20
_ZEROS = bytes(_CHUNK)
_LAYERS = 3
_CHECKSUM = re.compile(r'(md5|sha1|sha224|sha256|sha384|sha512):([0-9a-fA-F]{32,128})')


@contextlib.contextmanager
def raw_image(
    src: str, image_type: str, opener: Opener, checksum: str | None = None, ca_path: str | None = None
) -> Iterator[ImageFile]:
    """Open `src` as a raw image. Downloaded and unpacked files are in a temporary directory until the context ends.

    Machine images are unpacked by their first bytes; kernels and ramdisks, which are always compressed, never.
    `checksum` ('sha256:…') is of the file as given. `opener` fetches a URL. Raises SourceError, BundleError.
    """
    name = shown(src)
    wanted = _checksum(src, checksum)
    with contextlib.ExitStack() as stack:
        scratch = Scratch(stack)
        try:
            path = os.path.expanduser(os.path.expandvars(src))
            if is_url(src):
                path = scratch.new()
                download(src, path, opener, ca_path)
            before = _state(path)
            image = stack.enter_context(ImageFile(path))
            if wanted:
                _verify(image, name, *wanted)
            raw = _unpacked(path, name, scratch) if image_type == 'machine' else path
            if raw != path:
                image = stack.enter_context(ImageFile(raw))
            if image_type == 'machine' and not image.size:
                raise SourceError(f'{name} is empty, and a machine image of 0 bytes cannot be run.')
            # It was opened by its name for every layer, and may have been another file then.
            if _state(path) != before:
                raise SourceError(f'{name} was changed while it was read: run the task again when nothing writes to it.')
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise SourceError(
                    f'No space left to unpack {name} in {scratch.parent}: set TMPDIR to a larger directory.'
                ) from error
            raise SourceError(f'Cannot read the image {name}: {error.strerror or error}.') from error
        yield image


def _checksum(src: str, checksum: str | None) -> tuple[str, str] | None:
    """Algorithm and digest, None without a checksum. Refuses a source before anything of it is read."""
    if '\0' in src:
        raise SourceError(f'{shown(src)!r} is neither a path nor a URL: it contains a NUL byte.')
    if is_url(src) and not checksum:
        raise SourceError(f'A URL needs a checksum: set checksum to sha256:HEX for {shown(src)}.')
    return _algorithm_and_digest(checksum) if checksum else None


def _state(path: str) -> tuple[int, ...]:
    now = os.stat(path)
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """SIGTERM and SIGHUP end the program by an exception, so that temporary files are removed. Ignored signals stay ignored."""

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


class Scratch:
    """Temporary files in TMPDIR, until ``stack`` ends, in a directory that is made for the first of them."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        # Images are large and /tmp is often in memory.
        self.parent = os.environ.get('TMPDIR') or ('/var/tmp' if os.path.isdir('/var/tmp') else tempfile.gettempdir())
        self._directory: str | None = None
        self._count = 0

    def new(self) -> str:
        if self._directory is None:
            self._stack.enter_context(_ended_like_ctrl_c())
            try:
                directory = tempfile.TemporaryDirectory(prefix='eucalyptus-image-', dir=self.parent)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise
                raise SourceError(
                    f'No temporary file can be made in {self.parent}: {error.strerror}. '
                    'Set TMPDIR to a directory that can be written to.'
                ) from error
            self._directory = self._stack.enter_context(directory)
        self._count += 1
        return os.path.join(self._directory, str(self._count))


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
        raise SourceError(f'{name} has the {algorithm} checksum {digest.hexdigest()}, not the requested {wanted}.')


def _unpacked(path: str, name: str, scratch: Scratch, layers: int = _LAYERS) -> str:
    """Unpack what is compressed or qcow2; both, for an image.qcow2.xz. `name` is the user's name for it."""
    if unsupported := formats.foreign(path):
        raise SourceError(f'{name} is {unsupported.what}, which is not supported: {unsupported.way_out}.')
    with open(path, 'rb') as file:
        magic = file.read(6)
    if magic.startswith(formats.QCOW):
        return _from_qcow2(path, name, scratch)
    if not magic.startswith((formats.GZIP, formats.XZ)):
        return path
    if not layers:
        raise SourceError(f'{name} is compressed more than {_LAYERS} times over: unpack it first.')
    opener = gzip.open if magic.startswith(formats.GZIP) else lzma.open
    return _unpacked(_decompressed(path, name, scratch, opener), name, scratch, layers - 1)


def _decompressed(path: str, name: str, scratch: Scratch, opener: t.Callable[[str], t.Any]) -> str:
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


def _from_qcow2(path: str, name: str, scratch: Scratch) -> str:
    if not shutil.which('qemu-img'):
        raise SourceError(f'{name} is a qcow2 image and qemu-img is not installed (Debian: apt-get install qemu-utils).')
    path = os.path.abspath(path)  # qemu-img takes deb:12.qcow2 for a protocol, and -x.qcow2 for options
    info = json.loads(_qemu_img(name, 'info', '--output=json', '-f', 'qcow2', path))
    # A qcow2 file can name any other file of this machine as its base or its data, and its origin is unknown.
    details = info.get('format-specific', {}).get('data', {})
    if any('backing' in key for key in info) or details.get('data-file'):
        raise SourceError(f'{name} is a qcow2 image that refers to another file; flatten it first with qemu-img convert.')
    # Convert replaces missing data with zeros. Check ends with 2 for corruption and 3 for leaks, which are harmless.
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
    output = done.stderr.strip().rstrip('.')
    for path in filter(os.path.isabs, arguments):
        output = output.replace(path, name)
    raise SourceError(f'{name} cannot be converted to a raw image. {output[-500:]}.')
