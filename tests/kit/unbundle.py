# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening a bundle: parts -> AES -> gzip -> tar -> image. Every digest is checked before the data is used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator

from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.bundle import tar_size
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.image_file import BundleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.manifest import Manifest, unwrap_secrets

try:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ImportError:  # the modules report it by the name of the library
    pass

_CHUNK = 1 << 20
_AES_BLOCK = 16
_TAR_BLOCK = 512


def unbundle(manifest: Manifest, parts: Iterable[bytes], private_key: rsa.RSAPrivateKey) -> Iterator[bytes]:
    """Yield the image in chunks. `parts` in the manifest's order; the private key is the user's or the cloud's.

    Raises BundleError or ManifestError, at the end too: the image is right only when the iterator ends by itself.
    """
    key, iv = unwrap_secrets(manifest.secrets, private_key)
    return _untar(manifest, _gunzip(manifest, _decrypt(_checked(manifest, parts), key, iv)))


def extract(manifest: Manifest, parts: Iterable[bytes], private_key: rsa.RSAPrivateKey, path: str) -> None:
    """Write the image to `path`, zeros as holes. On any error `path` is left as it was."""
    descriptor, temporary = tempfile.mkstemp(prefix='.unbundle-', dir=os.path.dirname(os.path.abspath(path)))
    try:
        with open(descriptor, 'wb') as file:
            for chunk in unbundle(manifest, parts, private_key):
                if chunk.count(0) == len(chunk):
                    file.seek(len(chunk), os.SEEK_CUR)
                else:
                    file.write(chunk)
            file.truncate()
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _checked(manifest: Manifest, parts: Iterable[bytes]) -> Iterator[bytes]:
    digests = [entry.digest for entry in manifest.parts]
    index = total = 0
    for index, part in enumerate(parts, 1):
        if index > len(digests):
            raise BundleError(f'there are more parts than the {len(digests)} of the manifest')
        digest = hashlib.sha1(part, usedforsecurity=False).hexdigest()
        if digest != digests[index - 1]:
            raise BundleError(_why_wrong(manifest, index - 1, part, digest, total))
        total += len(part)
        yield part
    if index < len(digests):
        raise BundleError(f'{manifest.parts[index].filename} is missing: {index} of {len(digests)} parts are there')
    if total != manifest.bundled_size:
        raise BundleError(f'the parts have {total} bytes together, but the manifest contains {manifest.bundled_size}')


def _why_wrong(manifest: Manifest, index: int, part: bytes, digest: str, before: int) -> str:
    name, count = manifest.parts[index].filename, len(manifest.parts)
    for other in manifest.parts:
        if other.digest == digest:
            return f'the parts are in the wrong order: in the place of {name} there is {other.filename}'
    # All parts but the last have one size: that of those before, or at least what the total leaves for each.
    last = index == count - 1
    least = before // index if index else -(-manifest.bundled_size // count)
    expected = manifest.bundled_size - before if last else least
    if len(part) < expected:
        return f'{name} is cut short: it has {len(part)} bytes of {"" if last or index else "at least "}{expected}'
    return f'{name} is corrupt: its SHA1 is {digest}, but the manifest contains {manifest.parts[index].digest}'


def _decrypt(chunks: Iterable[bytes], key: bytes, iv: bytes) -> Iterator[bytes]:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    held = b''
    for chunk in chunks:
        plain = held + decryptor.update(chunk)
        held = plain[-_AES_BLOCK:]
        yield plain[:-_AES_BLOCK]
    try:
        held += decryptor.finalize()
    except ValueError as error:
        raise BundleError('the parts are not a whole number of AES blocks') from error
    padding = held[-1] if held else 0
    if not 1 <= padding <= _AES_BLOCK or held[-padding:] != bytes([padding]) * padding:
        raise BundleError('the parts do not decrypt: key and parts do not belong together')
    yield held[:-padding]


def _gunzip(manifest: Manifest, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The tar stream; never more of it than the manifest announces, whatever the gzip stream would become."""
    allowed = tar_size(manifest.size)
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    for chunk in chunks:
        data = chunk
        while data:
            if unpacker.eof:  # pigz and others may write several members
                unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
            try:
                plain = unpacker.decompress(data, _CHUNK)
            except zlib.error as error:
                raise BundleError(f'the decrypted parts are not a gzip stream ({error})') from error
            allowed -= len(plain)
            if allowed < 0:
                raise BundleError(f'the parts unpack to more than the {manifest.size} bytes of the manifest')
            yield plain
            data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    if not unpacker.eof:
        raise BundleError('the gzip stream inside the parts ends too early')


def _untar(manifest: Manifest, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The data of the first and only member."""
    sha1 = hashlib.sha1(usedforsecurity=False)
    header, left = b'', manifest.size
    for chunk in chunks:
        sha1.update(chunk)
        if len(header) < _TAR_BLOCK:
            missing = _TAR_BLOCK - len(header)
            header, chunk = header + chunk[:missing], chunk[missing:]
            if len(header) < _TAR_BLOCK:
                continue
            _check_header(manifest, header)
        data = chunk[:left]
        left -= len(data)
        if data:
            yield data
    if len(header) < _TAR_BLOCK or left:
        raise BundleError(f'the image in the parts is {left} bytes shorter than the {manifest.size} of the manifest')
    if sha1.hexdigest() != manifest.digest:
        raise BundleError(f"the image is not the manifest's: its digest is {sha1.hexdigest()}, not {manifest.digest}")


def _check_header(manifest: Manifest, header: bytes) -> None:
    field = header[124:136]
    try:
        checksum = int(header[148:156].strip(b' \0') or b'0', 8)
        size = int.from_bytes(field[1:], 'big') if field[0] & 0x80 else int(field.strip(b' \0') or b'0', 8)
    except ValueError:
        checksum, size = -1, -1
    if header[257:262] != b'ustar' or checksum != sum(header[:148]) + sum(header[156:]) + 8 * ord(' '):
        raise BundleError('inside the parts there is no tar archive')
    if header[156:157] not in (b'0', b'\0'):
        raise BundleError('the tar archive inside the parts does not begin with a plain file')
    if size != manifest.size:
        raise BundleError(f'the tar archive holds {size} bytes, but the manifest contains {manifest.size}')
