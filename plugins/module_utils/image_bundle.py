# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an image file to a bundle that can be registered: its name by content, its parts, its manifest."""
from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.bundle import (
    PART_SIZE,
    Bundler,
    Identity,
    ImageFile,
    derive_secrets,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.certificates import Certificates
from ansible_collections.eucalyptus.cloud.plugins.module_utils.manifest import Manifest, render, wrap_secrets
from ansible_collections.eucalyptus.cloud.plugins.module_utils.upload import Bucket, Sent

# What the cloud concludes from a manifest's name alone, before it looks inside.
_TELLING = ('vmlinuz', 'initrd', 'windows')


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

    def stem(self, identity: Identity) -> str:
        """The name of the bundle's files. It names the content, so another image never overwrites a registered manifest.

        There is no directory in it: Eucalyptus 3 finds parts only at the root of a bucket.
        """
        told = json.dumps([asdict(self), identity.digest], sort_keys=True).encode()
        plain = re.sub(r'[^A-Za-z0-9_-]+', '-', self.name).strip('-')[:50] or 'image'
        prefix = f'{self.image_type}-' if plain.lower().startswith(_TELLING) else ''
        return f'{prefix}{plain}-{hashlib.sha256(told).hexdigest()[:24]}'

    def block_devices(self) -> dict[str, str]:
        if self.image_type != 'machine' or not self.root_device_name:
            return {}
        device = self.root_device_name.removeprefix('/dev/')
        return {'ami': device, 'root': f'/dev/{device}'}


def send_bundle(bucket: Bucket, image: ImageFile, identity: Identity, spec: Spec, secret_key: str,
                certificates: Certificates, part_size: int = PART_SIZE,
                progress: Callable[[int], None] = lambda done: None) -> Sent:
    """Bundle the image into the bucket, the manifest last. `progress` is told how many bytes of the image have arrived.

    Run again after an interruption it sends what is missing. Raises BundleError, UploadError, CloudError.
    """
    stem = spec.stem(identity)
    key, iv = derive_secrets(secret_key, identity, stem)
    bundler = Bundler(image, stem, key, iv, part_size)
    bucket.ensure()
    sent = bucket.send(bundler, stem, lambda part: progress(part.image_end))
    manifest = Manifest(
        name=stem, user=spec.account, image_type=spec.image_type, architecture=spec.architecture, size=identity.size,
        bundled_size=bundler.bundled_size, digest=bundler.digest, parts=tuple(bundler.entries),
        secrets=wrap_secrets(key, iv, certificates.cloud, certificates.user),
        kernel_id=spec.kernel_id, ramdisk_id=spec.ramdisk_id, block_devices=spec.block_devices())
    bucket.put(manifest_key(stem), render(manifest, certificates.user_key), sent=sent)
    return sent


def manifest_key(stem: str) -> str:
    return f'{stem}.manifest.xml'
