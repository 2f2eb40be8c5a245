# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a bundled image, as RegisterImage reads it (``ImageManifests``)."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from ..cloud import accounts
from ..cloud.context import Cloud
from ..protocol.auth import Caller, find_caller
from ..protocol.errors import ApiError, failure
from ..s3 import access

MOST_BYTES = 5 << 20
_NAME_PREFIX = {'kernel': 'vmlinuz', 'ramdisk': 'initrd'}


@dataclasses.dataclass(frozen=True)
class Manifest:
    location: str  # bucket/key
    sha256: str  # of the whole file, hex
    user: str  # account number of the bundle's creator
    type: str  # kernel, ramdisk or machine
    windows: bool
    architecture: str
    kernel_id: str | None
    ramdisk_id: str | None
    name: str  # of the image
    size: int  # bytes of the image itself
    root_device: str  # the device of its mapping ``ami``, /dev/sda1; empty without one


def split_location(location: str) -> tuple[str, str]:
    bucket, slash, key = location.lstrip('/').partition('/')
    if len(bucket) < 2 or not slash or not key:
        raise failure(f'Invalid image location: {location}')
    return bucket, key


def check_bucket(cloud: Cloud, caller: Caller, location: str) -> None:
    bucket, _key = split_location(location)
    row = cloud.store.row('SELECT owner FROM buckets WHERE name = ?', bucket)
    if row is None or row['owner'] != caller.account:
        raise failure('Image registration failed: you must own the bucket containing the image.')


def named_type(location: str) -> str | None:
    """Kernel or ramdisk, if the manifest's name alone implies it."""
    name = location.rsplit('/', 1)[-1]
    return next((kind for kind, prefix in _NAME_PREFIX.items() if name.startswith(prefix)), None)


def read(cloud: Cloud, location: str) -> Manifest:
    content = _content(cloud, location)
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        root = etree.fromstring(content, parser)
        return _interpret(cloud, root, location, content)
    except (etree.XMLSyntaxError, ValueError):
        raise _unreadable(location) from None


def sha256(cloud: Cloud, location: str) -> str:
    return _sha256(_content(cloud, location))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _unreadable(location: str) -> ApiError:
    return failure('Failed to read manifest file: {}/{}'.format(*split_location(location)))


def _content(cloud: Cloud, location: str) -> bytes:
    """The manifest, read with the rights of the system account aws-exec-read and no others."""
    bucket, key = split_location(location)
    row = cloud.store.row(
        'SELECT objects.*, buckets.owner AS bucket_owner FROM objects JOIN buckets'
        ' ON buckets.name = objects.bucket WHERE bucket = ? AND key = ?',
        bucket,
        key,
    )
    reader = find_caller(cloud.store, accounts.credentials(cloud.store, cloud.config, accounts.EXEC_READ).access_key)
    if row is None or row['size'] > MOST_BYTES or not access.allows(row, row['bucket_owner'], reader, 'READ'):
        raise _unreadable(location)
    path: Path = cloud.config.objects / row['file']
    return path.read_bytes()


def _interpret(cloud: Cloud, root: etree._Element, location: str, content: bytes) -> Manifest:
    def text(path: str) -> str | None:
        found = root.xpath(f'string({path})')
        return str(found) or None

    name = location.rsplit('/', 1)[-1]
    kind = _type(text, location, cloud.played.images.reads_type)
    architecture = text('/manifest/machine_configuration/architecture') or 'i386'
    check_architecture(architecture)
    machine = kind == 'machine'
    kernel = text('/manifest/machine_configuration/kernel_id') if machine else None
    return Manifest(
        location='/'.join(split_location(location)),
        sha256=_sha256(content),
        user=text('//user') or '',
        type=kind,
        windows=machine and (name.startswith('windows') or kernel == 'windows'),
        architecture=architecture,
        kernel_id=kernel,
        ramdisk_id=text('/manifest/machine_configuration/ramdisk_id') if machine else None,
        name=text('/manifest/image/name') or name.removesuffix('.manifest.xml'),
        size=int(text('/manifest/image/size') or -1),
        root_device=_device(text("/manifest/machine_configuration/block_device_mapping/mapping[virtual = 'ami']/device")),
    )


def _device(name: str | None) -> str:
    return '/dev/' + name.removeprefix('/dev/') if name else ''


def _type(text: Callable[[str], str | None], location: str, reads_type: bool) -> str:
    declared = text('/manifest/image/type') if reads_type else None
    for kind in ('kernel', 'ramdisk'):
        marker = text(f'/manifest/machine_configuration/{kind}_id')
        if declared == kind or marker in ('yes', 'true') or named_type(location) == kind:
            return kind
    return 'machine'


def check_architecture(architecture: str) -> None:
    if architecture not in ('i386', 'x86_64', 'other'):
        raise failure('No enum constant com.eucalyptus.compute.common.ImageMetadata.Architecture.' + architecture)
