# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's key pairs: the cloud's own, for which images are encrypted, and one signing certificate per user."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from ..config import Config


def cloud_certificate(config: Config) -> Path:
    return config.keys / 'cloud-cert.pem'


def cloud_key(config: Config) -> Path:
    return config.keys / 'cloud-key.pem'


def user_certificate(config: Config, account: str) -> Path:
    return config.keys / f'{account}-cert.pem'


def user_key(config: Config, account: str) -> Path:
    return config.keys / f'{account}-key.pem'


def create_cloud_keys(config: Config) -> None:
    """Make the cloud's key and certificate. Does nothing if they exist."""
    _create_pair(cloud_key(config), cloud_certificate(config), 'eucalab', 'Cloud', 'eucalyptus')


def create_user_keys(config: Config, account: str) -> None:
    """Make the signing key and certificate of an account's user ``admin``. Does nothing if they exist."""
    _create_pair(user_key(config, account), user_certificate(config, account), account, 'User', 'admin')


def _create_pair(key_file: Path, certificate_file: Path, *names: str) -> None:
    if key_file.exists() and certificate_file.exists():
        return
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    organisation, unit, common = names
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    # The key comes last: a pair is complete when its key is there.
    _write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    _write(key_file, key_pem, 0o600)


def _write(path: Path, content: bytes, mode: int) -> None:
    new = path.with_name(path.name + '.new')
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, 'wb') as out:
        os.fchmod(descriptor, mode)
        out.write(content)
    new.replace(path)
