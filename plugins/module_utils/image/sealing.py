# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an image file to a bundle that can be registered: named by its content, with parts and manifest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.bundle import (
    PART_SIZE,
    Bundler,
    Identity,
    derive_secrets,
    identify,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.certificates import Certificates
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.compression import Compressor
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.image_file import ImageFile
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.manifest import (
    Manifest,
    check_block_devices,
    render,
    wrap_secrets,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.upload import STEM_DIGITS, Bucket, Sent

# From these beginnings of a manifest's name the cloud infers the type, before it reads the manifest.
_TYPED = ('vmlinuz', 'initrd', 'windows')


def stem_prefix(name: str, image_type: str) -> str:
    """The beginning of the file names of all bundles of images of that name; a dash and the content's digits follow."""
    plain = _plain(name)
    unique = plain if plain == name else f'{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}'
    return f'{image_type}-{unique}' if plain.lower().startswith(_TYPED) else unique


def _plain(name: str) -> str:
    return re.sub(r'[^A-Za-z0-9_-]+', '-', name).strip('-')[:50] or 'image'


@dataclass(frozen=True)
class Spec:
    """The manifest's description of an image, without its bytes. A change in any field makes another image."""

    name: str
    image_type: str
    architecture: str
    account: str
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    virtualization_type: str | None = None
    root_device_name: str | None = None
    more_devices: dict[str, str] | None = None  # virtual name -> device

    @property
    def plain_name(self) -> str:
        return _plain(self.name)

    def stem(self, identity: Identity) -> str:
        """The name of the bundle's files. It names the content, so another image never overwrites a registered manifest.

        There is no directory in it: Eucalyptus 3 finds parts only at the root of a bucket.
        """
        described = json.dumps([asdict(self), str(identity)], sort_keys=True).encode()
        return f'{stem_prefix(self.name, self.image_type)}-{hashlib.sha256(described).hexdigest()[:STEM_DIGITS]}'

    def block_devices(self) -> dict[str, str]:
        more = self.more_devices or {}
        if self.image_type != 'machine' or not self.root_device_name:
            return more
        device = self.root_device_name.removeprefix('/dev/')
        return {'ami': device, 'root': f'/dev/{device}', **more}


class ImageBundle:
    """The bundle of one image: its location, uploading it, removing it. Call `seal` before `send`."""

    def __init__(self, bucket: Bucket, image: ImageFile, spec: Spec) -> None:
        check_block_devices(spec.block_devices())
        self._bucket, self._image, self._spec = bucket, image, spec
        self.identity = identify(image, spec.plain_name)
        self._name = self._stem = spec.stem(self.identity)

    @property
    def location(self) -> str:
        """Bucket and key of its manifest. Before `seal` only the part that `stem_of` keeps is final."""
        return f'{self._bucket.name}/{self._manifest_key}'

    @property
    def compressor(self) -> str:
        return self._compressor.library

    @property
    def _manifest_key(self) -> str:
        return f'{self._name}.manifest.xml'

    def seal(self, secret_key: str, certificates: Certificates, part_size: int = PART_SIZE) -> None:
        """Fix everything apart from the image that its bytes depend on: keys, certificates, compressor, part size.

        Eight more digits in the names of its files stand for these. So the same names always mean the same bytes, and
        two users who make the same image at the same time do not overwrite each other's: from Eucalyptus 4.1 on the
        cloud refuses to run an image whose manifest has changed since its registration.
        """
        self._compressor, self._part_size, self._certificates = Compressor(), part_size, certificates
        recipe = f'{self._stem} {self._compressor.recipe} {part_size}'
        self._key, self._iv = derive_secrets(secret_key, self.identity, recipe)
        self._secrets = wrap_secrets(self._key, self._iv, certificates.cloud, certificates.user)
        signer = certificates.user_key and certificates.user_key.public_key().public_numbers()
        self._name = f'{self._stem}.{hashlib.sha256(f"{self._secrets} {signer}".encode()).hexdigest()[:8]}'

    def send(self, progress: Callable[[int], None] = lambda done: None) -> Sent:
        """Make and upload it, the manifest last. `progress` is called with the number of the image's bytes that have arrived.

        After an interruption, the next call sends only the missing parts. Raises BundleError, UploadError, CloudError.
        """
        bundler = Bundler(self._image, self.identity, self._name, self._key, self._iv, self._part_size, self._compressor)
        self._bucket.ensure()
        sent = self._bucket.send(bundler, self._name, lambda part: progress(part.image_end))
        spec = self._spec
        manifest = Manifest(
            name=self._name,
            user=spec.account,
            image_type=spec.image_type,
            architecture=spec.architecture,
            size=self.identity.size,
            bundled_size=bundler.bundled_size,
            digest=self.identity.digest,
            parts=tuple(bundler.entries),
            secrets=self._secrets,
            kernel_id=spec.kernel_id,
            ramdisk_id=spec.ramdisk_id,
            block_devices=spec.block_devices(),
        )
        self._bucket.put(self._manifest_key, render(manifest, self._certificates.user_key), sent=sent)
        return sent

    def take_back(self) -> None:
        self._bucket.remove_bundle(self._manifest_key)
