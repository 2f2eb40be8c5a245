# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an image file to a bundle that can be registered: its name by content, its parts, its manifest."""

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
    ImageFile,
    derive_secrets,
    identify,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.certificates import Certificates
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.compression import Compressor
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.manifest import (
    Manifest,
    check_block_devices,
    render,
    wrap_secrets,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.upload import STEM_DIGITS, Bucket, Sent

# What the cloud concludes from a manifest's name alone, before it looks inside.
_TELLING = ('vmlinuz', 'initrd', 'windows')


def stem_prefix(name: str, image_type: str) -> str:
    """What the files of all bundles of images of that name begin with; a dash and the content's digits follow."""
    plain = _plain(name)
    told = plain if plain == name else f'{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}'
    return f'{image_type}-{told}' if plain.lower().startswith(_TELLING) else told


def _plain(name: str) -> str:
    return re.sub(r'[^A-Za-z0-9_-]+', '-', name).strip('-')[:50] or 'image'


@dataclass(frozen=True)
class Spec:
    """What the manifest says of an image besides its bytes; all of it makes another image when it changes."""

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
        told = json.dumps([asdict(self), str(identity)], sort_keys=True).encode()
        return f'{stem_prefix(self.name, self.image_type)}-{hashlib.sha256(told).hexdigest()[:STEM_DIGITS]}'

    def block_devices(self) -> dict[str, str]:
        more = self.more_devices or {}
        if self.image_type != 'machine' or not self.root_device_name:
            return more
        device = self.root_device_name.removeprefix('/dev/')
        return {'ami': device, 'root': f'/dev/{device}', **more}


class ImageBundle:
    """The bundle of one image: where it lies, sending it, taking it back. To be sealed before it is sent."""

    def __init__(self, bucket: Bucket, image: ImageFile, spec: Spec) -> None:
        check_block_devices(spec.block_devices())
        self._bucket, self._image, self._spec = bucket, image, spec
        self._identity = identify(image, spec.plain_name)
        self._name = self._stem = spec.stem(self._identity)

    @property
    def location(self) -> str:
        """Bucket and key of its manifest. Until it is sealed, only what `stem_of` leaves of it is certain."""
        return f'{self._bucket.name}/{self._manifest_key}'

    @property
    def _manifest_key(self) -> str:
        return f'{self._name}.manifest.xml'

    def seal(self, secret_key: str, certificates: Certificates, part_size: int = PART_SIZE) -> None:
        """Decide on everything that its bytes depend on besides the image: keys, certificates, compressor, size of parts.

        From these its files have eight more digits in their names. So the same names always mean the same bytes, and
        nobody who makes the same image at the same time spoils what another has registered: from Eucalyptus 4.1 on the
        cloud refuses to run an image whose manifest has changed since.
        """
        self._compressor, self._part_size, self._certificates = Compressor(), part_size, certificates
        recipe = f'{self._stem} {self._compressor.recipe} {part_size}'
        self._key, self._iv = derive_secrets(secret_key, self._identity, recipe)
        self._secrets = wrap_secrets(self._key, self._iv, certificates.cloud, certificates.user)
        signer = certificates.user_key and certificates.user_key.public_key().public_numbers()
        self._name = f'{self._stem}.{hashlib.sha256(f"{self._secrets} {signer}".encode()).hexdigest()[:8]}'

    def send(self, progress: Callable[[int], None] = lambda done: None) -> Sent:
        """Make it and send it, the manifest last. `progress` is told how many bytes of the image have arrived.

        Run again after an interruption it sends what is missing. Raises BundleError, UploadError, CloudError.
        """
        bundler = Bundler(self._image, self._identity, self._name, self._key, self._iv, self._part_size, self._compressor)
        self._bucket.ensure()
        sent = self._bucket.send(bundler, self._name, lambda part: progress(part.image_end))
        spec = self._spec
        manifest = Manifest(
            name=self._name,
            user=spec.account,
            image_type=spec.image_type,
            architecture=spec.architecture,
            size=self._identity.size,
            bundled_size=bundler.bundled_size,
            digest=self._identity.digest,
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
