# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key pairs: reading them, their fingerprints, and private keys in files."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import struct
import tempfile
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

BITS = (1024, 2048, 4096)  # KeyPairManager.decodeKeyMaterial, 3.4 to 5
RSA = 'ssh-rsa'
PEM = '-----BEGIN RSA PRIVATE KEY-----', '-----END RSA PRIVATE KEY-----'
# The beginning of every RSA key in PKCS #8: version 0, and the algorithm rsaEncryption without parameters.
PKCS8 = bytes.fromhex('020100300d06092a864886f70d0101010500')


class InvalidPublicKey(CollectionError):
    """A public key that no Eucalyptus imports. Raised before any request."""


def find_key_pair(cloud: Cloud, name: str) -> Resource | None:
    try:
        pairs = list_key_pairs(cloud, f'key pair {name}', [name])
    except CloudError as error:
        if error.not_found:
            return None
        raise
    # Eucalyptus 3 answers an unknown name with an empty list instead of an error.
    return next((pair for pair in pairs if pair['name'] == name), None)


def list_key_pairs(cloud: Cloud, about: str, names: list[str] | None = None) -> list[Resource]:
    which: dict[str, t.Any] = {'KeyNames': names} if names else {}
    reply = cloud.ec2('describe_key_pairs', about, **which)
    return [key_pair(raw['KeyName'], raw.get('KeyFingerprint')) for raw in reply.get('KeyPairs') or []]


def key_pair(name: str, fingerprint: str | None) -> Resource:
    return {'name': name, 'fingerprint': fingerprint, 'state': 'available'}


def public_fingerprint(text: str) -> str:
    """The fingerprint that Eucalyptus gives the key when it is imported: MD5 as in RFC 4716, section 4.

    ``text`` is a line as in ``id_rsa.pub``. Raises InvalidPublicKey.
    """
    words = text.split()
    if len(text.strip().splitlines()) != 1 or len(words) < 2:
        raise InvalidPublicKey('public_key is not one line in the form of OpenSSH, such as the content of ~/.ssh/id_rsa.pub.')
    if words[0] != RSA or (bits := _bits(words[1])) not in BITS:
        kind = words[0] if words[0] != RSA else f'RSA key of {bits} bits'
        raise InvalidPublicKey(
            f'public_key is of the type {kind}. Eucalyptus imports only RSA keys of 1024, 2048 or 4096 bits. Make one with '
            'ssh-keygen -t rsa -b 4096.'
        )
    return _colons(hashlib.md5(base64.b64decode(words[1]), usedforsecurity=False).hexdigest())


def _bits(encoded: str) -> int:
    """Length of the modulus of an RSA key: after the type and the exponent, its third part (RFC 4253, section 6.6)."""
    try:
        blob, parts = base64.b64decode(encoded, validate=True), []
        while blob:
            [length] = struct.unpack_from('>I', blob)
            parts.append(blob[4 : 4 + length])
            blob = blob[4 + length :]
        _type, _exponent, modulus = parts
    except (binascii.Error, struct.error, ValueError):
        raise InvalidPublicKey('public_key is damaged: its base64 part does not contain an RSA key.') from None
    return int.from_bytes(modulus, 'big').bit_length()


def private_fingerprint(pem: str) -> str | None:
    """The fingerprint that the cloud gives a key pair that it creates: SHA-1 of the private key in PKCS #8
    (``Certs.getFingerPrint``). None for another form than the cloud's, such as a key with a passphrase."""
    if not pem.startswith(PEM[0]) or ':' in pem:
        return None
    try:
        key = base64.b64decode(pem.removeprefix(PEM[0]).partition(PEM[1])[0])
    except binascii.Error:
        return None
    return _colons(hashlib.sha1(_der(0x30, PKCS8 + _der(0x04, key)), usedforsecurity=False).hexdigest())


def _der(tag: int, content: bytes) -> bytes:
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, 'big')
    return bytes([tag]) + (size if len(content) < 128 else bytes([0x80 + len(size)]) + size) + content


def _colons(digits: str) -> str:
    return ':'.join(digits[at : at + 2] for at in range(0, len(digits), 2))


def write_private_key(path: str, material: str) -> None:
    """Write the file with mode 0600, complete or not at all. It replaces an existing one. Raises OSError."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or '.', prefix='.key-')  # with mode 0600
    try:
        with open(descriptor, 'w') as file:
            file.write(material if material.endswith('\n') else material + '\n')
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
