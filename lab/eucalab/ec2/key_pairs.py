# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key pairs, as ``KeyPairManager`` and ``KeyPairs`` of 4.4 make, import and delete them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import sqlite3
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_ssh_public_key,
)

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError
from . import filters, ids
from .registry import Reply, action

KEY_BITS = 2048
IMPORTED_BITS = (1024, 2048, 4096)
_RFC4716 = '---- BEGIN SSH2 PUBLIC KEY ----', '---- END SSH2 PUBLIC KEY ----'


def find(cloud: Cloud, account: str, name: str) -> sqlite3.Row | None:
    return cloud.store.row('SELECT * FROM key_pairs WHERE account = ? AND name = ?', account, name)


@action('CreateKeyPair')
def create_key_pair(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    name = request.get('KeyName') or ''
    if not name.isascii():
        raise ApiError(
            'InvalidParameterValue',
            f'Value ({name}) for parameter KeyName is invalid. Character sets beyond ASCII are not supported.',
        )
    _refuse_duplicate(cloud, caller, name)
    key = rsa.generate_private_key(65537, KEY_BITS)
    # Certs.getFingerPrint: SHA-1 of the private key's PKCS #8 form, as Amazon's of a key that it made.
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    fingerprint = _colons(hashlib.sha1(der, usedforsecurity=False))
    _insert(cloud, caller, name, fingerprint, key.public_key())
    material = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    return {'KeyName': name, 'KeyFingerprint': fingerprint, 'KeyMaterial': material}


@action('ImportKeyPair')
def import_key_pair(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    name = request.get('KeyName') or ''
    _refuse_duplicate(cloud, caller, name)
    try:
        key = _decode(request.get('PublicKeyMaterial') or '')
    except (ValueError, UnsupportedAlgorithm):
        raise ApiError('InvalidKey.Format', 'Invalid or unsupported key format') from None
    # KeyPairs.getPublicKeyFingerprint: RFC 4716, section 4.
    blob = base64.b64decode(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1])
    fingerprint = _colons(hashlib.md5(blob, usedforsecurity=False))
    _insert(cloud, caller, name, fingerprint, key)
    return {'KeyName': name, 'KeyFingerprint': fingerprint}


@action('DeleteKeyPair')
def delete_key_pair(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """For a key pair that does not exist, the reply has ``return`` false, without an error."""
    gone = cloud.store.execute('DELETE FROM key_pairs WHERE account = ? AND name = ?', caller.account, request.get('KeyName') or '')
    return {'Return': bool(gone)}


@action('DescribeKeyPairs')
def describe_key_pairs(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    requested = list(request.get('KeyNames') or [])
    everybody = caller.is_admin and ids.VERBOSE in requested
    requested = [name for name in requested if name != ids.VERBOSE]
    rows = cloud.store.rows('SELECT * FROM key_pairs WHERE account = ? OR ? ORDER BY name', caller.account, everybody)
    rows = [row for row in rows if not requested or row['name'] in requested]
    rows = filters.apply(rows, request.get('Filters'), _FILTERS)
    ids.missing(cloud, 'DescribeKeyPairs', 'InvalidKeyPair.NotFound', 'key pair', requested, [row['name'] for row in rows])
    return {'KeyPairs': [{'KeyName': row['name'], 'KeyFingerprint': row['fingerprint']} for row in rows]}


_FILTERS: dict[str, filters.Lookup] = {
    'fingerprint': lambda row: row['fingerprint'],
    'key-name': lambda row: row['name'],
}


def _refuse_duplicate(cloud: Cloud, caller: Caller, name: str) -> None:
    if find(cloud, caller.account, name) is not None:
        raise ApiError('InvalidKeyPair.Duplicate', f"The keypair '{name}' already exists.")


def _insert(cloud: Cloud, caller: Caller, name: str, fingerprint: str, key: rsa.RSAPublicKey) -> None:
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    public = f'{line} {caller.account}@eucalyptus.{name}'
    cloud.store.insert('key_pairs', account=caller.account, name=name, fingerprint=fingerprint, public_key=public)


def _colons(digest: Any) -> str:
    text = digest.hexdigest()
    return ':'.join(text[at : at + 2] for at in range(0, len(text), 2))


def _decode(material: str) -> rsa.RSAPublicKey:
    """OpenSSH's line, RFC 4716 or base64 of DER, each in base64 once more. ValueError for everything else."""
    try:
        text = base64.b64decode(material, validate=True).decode('latin-1')
    except binascii.Error as error:
        raise ValueError('no base64') from error
    key: object
    if text.startswith('ssh-rsa '):
        key = load_ssh_public_key(' '.join(text.split()[:2]).encode())
    elif text.startswith(_RFC4716[0]):
        key = load_ssh_public_key(f'ssh-rsa {_rfc4716_body(text)}'.encode())
    else:
        key = load_der_public_key(base64.b64decode(''.join(text.split()), validate=True))
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size not in IMPORTED_BITS:
        raise ValueError('no RSA key of a supported size')
    return key


def _rfc4716_body(text: str) -> str:
    lines, continues = [], False
    for line in text.partition(_RFC4716[1])[0].splitlines()[1:]:
        if continues or ':' in line:
            continues = line.endswith('\\')
        else:
            lines.append(line.strip())
    return ''.join(lines)
