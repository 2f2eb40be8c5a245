# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an image manifest (version 2007-10-10) as the consumer of a bundle."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from lxml import etree

from .model import NodeError

MANIFEST_LIMIT = 5 << 20
HEX_KEY = re.compile(rb'[0-9a-fA-F]{32}')


@dataclasses.dataclass(frozen=True)
class Part:
    location: str  # bucket and key
    sha1: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    location: str
    sha256: str  # of the manifest's own bytes
    name: str
    size: int  # bytes of the image
    bundled_size: int  # bytes of all parts together
    tar_sha1: str  # of the uncompressed tar stream
    key: bytes
    iv: bytes
    parts: tuple[Part, ...]


def check_signature(text: bytes, location: str, signers: list[bytes]) -> None:
    """NodeError unless one of the certificates belongs to the key that signed the manifest (``WalrusImageManager``)."""
    parts = [re.search(rf'<{tag}>.*</{tag}>'.encode(), text, re.DOTALL) for tag in ('machine_configuration', 'image')]
    signature = re.search(rb'<signature>([0-9a-fA-F]*)</signature>', text)
    signed = b''.join(part.group() for part in parts if part)
    for signer in signers:
        key = x509.load_pem_x509_certificate(signer).public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        try:
            key.verify(bytes.fromhex(signature.group(1).decode() if signature else ''), signed, padding.PKCS1v15(), hashes.SHA1())
        except (InvalidSignature, ValueError):
            continue
        return
    raise NodeError(f'manifest {location} has no valid signature of its owner')


def read_manifest(text: bytes, location: str, private_key: Path, parts_in_root: bool = False) -> Manifest:
    """Parse and decrypt. NodeError if anything makes the bundle unusable.

    parts_in_root: parts are looked up in the bucket by their bare names, wherever the manifest is.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError as error:
        raise NodeError(f'manifest {location} is not XML: {error}') from error
    folder = location.split('/', 1)[0] if parts_in_root else location.rsplit('/', 1)[0]
    return _Reader(root, location, private_key).manifest(hashlib.sha256(text).hexdigest(), folder)


class _Reader:
    def __init__(self, root: etree._Element, location: str, private_key: Path) -> None:
        self._root = root
        self._location = location
        self._private_key = private_key

    def manifest(self, sha256: str, folder: str) -> Manifest:
        return Manifest(
            location=self._location,
            sha256=sha256,
            name=self._value('image/name'),
            size=self._number('image/size'),
            bundled_size=self._number('image/bundled_size'),
            tar_sha1=self._value('image/digest'),
            key=self._decrypt('image/ec2_encrypted_key'),
            iv=self._decrypt('image/ec2_encrypted_iv'),
            parts=self._parts(folder),
        )

    def _value(self, path: str) -> str:
        value = self._root.findtext(path)
        if not value:
            raise self._broken(f'has no {path}')
        return value

    def _number(self, path: str) -> int:
        value = self._value(path)
        if not value.isdecimal():
            raise self._broken(f'{path} is not a number')
        return int(value)

    def _parts(self, folder: str) -> tuple[Part, ...]:
        elements = {part.get('index'): part for part in self._root.findall('image/parts/part')}
        wanted = [str(index) for index in range(len(elements))]
        if not elements or set(elements) != set(wanted):
            raise self._broken('does not count its parts 0, 1, 2 …')
        parts = []
        for part in (elements[index] for index in wanted):
            name, digest = part.findtext('filename'), part.find('digest')
            if not name or '/' in name or digest is None or digest.get('algorithm') != 'SHA1':
                raise self._broken(f'part {part.get("index")} has no plain file name or no SHA1 digest')
            parts.append(Part(f'{folder}/{name}', digest.text or ''))
        return tuple(parts)

    def _decrypt(self, path: str) -> bytes:
        """Key and IV are encrypted to the cloud as 32 hexadecimal characters, not as 16 bytes."""
        key = load_pem_private_key(self._private_key.read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        try:
            text = key.decrypt(bytes.fromhex(self._value(path)), padding.PKCS1v15())
        except ValueError as error:
            raise self._broken(f'{path} cannot be decrypted with the key of this cloud') from error
        if not HEX_KEY.fullmatch(text):
            raise self._broken(f'{path} was encrypted for another cloud')
        return bytes.fromhex(text.decode())

    def _broken(self, problem: str) -> NodeError:
        return NodeError(f'manifest {self._location} {problem}')
