# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, bundles and an object storage in memory, for tests."""

from __future__ import annotations

import datetime
import functools
import hashlib
import typing as t
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import bundle, compression, manifest
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import ACCOUNT
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import FakeCloud
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

STORAGE = '/services/objectstorage'


def s3_error(code: str, text: str, status: int = 400) -> tuple[int, str]:
    return status, f'<Error><Code>{code}</Code><Message>{text}</Message></Error>'


@dataclass(frozen=True)
class Pair:
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    def key_pem(self) -> bytes:
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@functools.cache
def pair(name: str) -> Pair:
    """A key pair with a certificate; the same one for the same name."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return Pair(key, builder.sign(key, hashes.SHA256()))


@dataclass(frozen=True)
class Bundled:
    manifest: manifest.Manifest
    raw: bytes
    parts: list[bytes]
    key: bytes
    iv: bytes


def make_bundle(
    path: Path,
    part_size: int = bundle.PART_SIZE,
    library: str | None = None,
    secret: str = 'secret',
    name: str = 'image',
    **more: t.Any,
) -> Bundled:
    """Bundle a file to the pairs 'cloud' and 'user'; `more` goes into the manifest."""
    with bundle.ImageFile(path) as image:
        identity = bundle.identify(image, 'image')
        key, iv = bundle.derive_secrets(secret, identity, name)
        bundler = bundle.Bundler(image, identity, name, key, iv, part_size, compression.Compressor(library))
        parts = [bytes(part.data) for part in bundler]
    told = manifest.Manifest(
        **{
            'name': name,
            'user': ACCOUNT,
            'image_type': 'machine',
            'architecture': 'x86_64',
            'size': identity.size,
            'bundled_size': bundler.bundled_size,
            'digest': identity.digest,
            'parts': tuple(bundler.entries),
            'secrets': manifest.wrap_secrets(key, iv, pair('cloud').certificate, pair('user').certificate),
            **more,
        }
    )
    return Bundled(told, manifest.render(told, pair('user').key), parts, key, iv)


@dataclass
class Storage:
    """Object storage behind a FakeCloud. ``faults`` are replies given, one each, instead of storing an object."""

    cloud: FakeCloud
    buckets: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    faults: list[t.Any] = field(default_factory=list)
    page: int = 1000

    def __post_init__(self) -> None:
        self.cloud.replies = _Answers(self)

    @property
    def puts(self) -> list[str]:
        return [action.removeprefix(f'PUT {STORAGE}/') for action, _p in self.cloud.requests if action.startswith('PUT')]

    def answer(self, action: str, parameters: dict[str, str]) -> t.Any:
        method, _space, path = action.partition(' ')
        bucket, _slash, key = path.removeprefix(STORAGE).strip('/').partition('/')
        if not bucket:
            return f'<R><Buckets>{"".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in self.buckets)}</Buckets></R>'
        if method == 'PUT' and not key:
            if bucket in self.foreign:
                return s3_error('BucketAlreadyExists', 'taken', 409)
            self.buckets.append(bucket)
            return ''
        if bucket not in self.buckets:
            return s3_error('NoSuchBucket', 'no such bucket', 404)
        return getattr(self, f'_{method.lower()}')(bucket, key, parameters)

    def _put(self, bucket: str, key: str, _parameters: dict[str, str]) -> t.Any:
        body = self.cloud.bodies[-1]
        self.cloud.etag = f'"{hashlib.md5(body).hexdigest()}"'
        if self.faults:
            return self.faults.pop(0)
        self.objects[f'{bucket}/{key}'] = body
        return ''

    def _get(self, bucket: str, key: str, parameters: dict[str, str]) -> t.Any:
        if key:
            found = self.objects.get(f'{bucket}/{key}')
            return s3_error('NoSuchKey', 'no such key', 404) if found is None else found.decode('latin-1')
        wanted = f'{bucket}/{parameters.get("prefix", "")}'
        start = f'{bucket}/{parameters.get("marker", "")}'
        keys = sorted(name for name in self.objects if name.startswith(wanted) and name > start)
        items = ''.join(
            f'<Contents><Key>{quote(name.partition("/")[2])}</Key><Size>{len(self.objects[name])}</Size>'
            f'<ETag>"{hashlib.md5(self.objects[name]).hexdigest()}"</ETag></Contents>'
            for name in keys[: self.page]
        )
        more = str(len(keys) > self.page).lower()
        return f'<R><EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>{items}</R>'

    def _delete(self, bucket: str, key: str, _parameters: dict[str, str]) -> t.Any:
        if not key:
            self.buckets.remove(bucket)
        self.objects.pop(f'{bucket}/{key}', None)
        return (204, '')


class _Answers(dict):
    """Replies by rule: requests for storage are answered by it, all others as prepared."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage.cloud.replies)
        self._storage = storage

    def get(self, action: str, default: t.Any = None) -> t.Any:
        if STORAGE in action:
            return [lambda parameters: self._storage.answer(action, parameters)]
        return super().get(action, default)
