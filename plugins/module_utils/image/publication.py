# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One image's way into the cloud and out again: source, bundle, upload, registration, replacement, removal."""

from __future__ import annotations

import contextlib
import re
import time
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.interrupts import interrupts_held
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource, find_one, look
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import shown
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import checks, formats, manifest, registration
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.certificates import find_certificates
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.download import Opener
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.registration import IMAGE
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.sealing import ImageBundle, Spec, stem_prefix
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.source import raw_image
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.upload import Bucket
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.wanted import Wanted
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress import report


class Publication:
    """The wanted image and the account's images of its name.

    `stack` keeps temporary files and held interrupts; the caller closes it after reporting the result. Every method may
    raise a CollectionError.
    """

    def __init__(self, cloud: Cloud, wanted: Wanted, stack: contextlib.ExitStack) -> None:
        self._cloud, self._wanted, self._stack = cloud, wanted, stack
        self._held = stack.enter_context(contextlib.ExitStack())
        self._request: dict[str, t.Any] = {}
        self._found_id: str | None = None

    @property
    def image_id(self) -> str:
        """Id of the image that was found, or registered since."""
        if self._found_id is None:
            raise AssertionError('no image was found or registered')
        return self._found_id

    def find(self, image_id: str | None) -> Resource | None:
        """The image with this id, otherwise the account's image with the wanted name; None when it is deregistered."""
        found = find_one(self._cloud, IMAGE, image_id, self._wanted.name)
        if found and found['state'] in IMAGE.gone:
            found = None
        self._found_id = found['image_id'] if found else None
        return registration.with_permissions(self._cloud, found)

    def look(self) -> Resource | None:
        return look(self._cloud, IMAGE, self.image_id)

    # --- what to register

    def prepare(self, opener: Opener, ca_path: str | None, warn: t.Callable[[str], None]) -> None:
        """Open the source and work out the request that registers it. Sends only reads."""
        wanted = self._wanted
        if wanted.snapshot_id:
            what = registration.snapshot_request(wanted.snapshot_id, wanted.root_device_name)
        else:
            what = self._bundle_request(opener, ca_path, warn)
        request = {'Name': wanted.name, 'Architecture': wanted.architecture, 'Description': wanted.description, **what}
        self._request = {key: value for key, value in request.items() if value}

    def _bundle_request(self, opener: Opener, ca_path: str | None, warn: t.Callable[[str], None]) -> dict[str, t.Any]:
        wanted = self._wanted
        account = self._cloud.credentials.account()
        self._image = self._stack.enter_context(raw_image(wanted.src or '', wanted.type, opener, wanted.checksum, ca_path))
        self._bundle = ImageBundle(self._bucket(), self._image, self._spec(account))
        if wanted.type != 'machine':
            return {'ImageLocation': self._bundle.location}
        if reason := formats.doubt(str(self._image.path), blank_allowed=bool(wanted.kernel_id)):
            warn(f'{shown(wanted.src or "")} may not boot: {reason}.')
        return {
            'ImageLocation': self._bundle.location,
            'KernelId': wanted.kernel_id,
            'RamdiskId': wanted.ramdisk_id,
            'VirtualizationType': wanted.virtualization_type,
            'RootDeviceName': wanted.root_device_name,
        }

    def _spec(self, account: str) -> Spec:
        wanted = self._wanted
        return Spec(
            wanted.name or '',
            wanted.type,
            wanted.architecture,
            account,
            wanted.kernel_id,
            wanted.ramdisk_id,
            wanted.virtualization_type or 'paravirtual' if wanted.type == 'machine' else None,
            wanted.root_device_name,
            wanted.block_devices,
        )

    @property
    def source(self) -> str:
        """The bundle's location, or the snapshot's id."""
        return self._wanted.snapshot_id or str(self._request['ImageLocation'])

    def is_made_from_it(self, image: Resource) -> bool:
        return registration.is_of(image, self._request)

    def differences(self, image: Resource) -> str:
        """The differences of the existing image from the wanted one, each with both values."""
        found = registration.differences(image, self._wanted)
        if image['location'] and self._wanted.src:
            found += self._manifest_differences(image['location'])
        return '; '.join(found) or f'it was made from {image["location"] or image["snapshot_id"]}'

    def _manifest_differences(self, location: str) -> list[str]:
        try:
            present = read_manifest(self._cloud, location)
        except CollectionError:
            return []
        if present is None:
            return []
        identity, devices = self._bundle.identity, self._spec(present.user).block_devices()
        pairs: list[tuple[str, t.Any, t.Any]] = [('block devices', present.block_devices or 'none', devices or 'none')]
        if present.size != identity.size:
            pairs.append(('size', f'{present.size} bytes', identity.size))
        else:
            pairs.append(('content', f'SHA1 {present.digest}', f'SHA1 {identity.digest}'))
        return [f'{what} {one}, wanted {other}' for what, one, other in pairs if one != other]

    # --- registering

    def seal(self, verify: bool | str) -> None:
        """Decide how the bundle is made, after checking that the cloud will register it. Sends only reads."""
        if self._wanted.src:
            checks.check_may_register(self._cloud, self._wanted.type)
            checks.check_boot_images(self._cloud, self._wanted)
            checks.check_virtualization_type(self._cloud, self._wanted)
            if not self._cloud.has_tags:
                self._request.pop('VirtualizationType', None)  # paravirtual, as all are there
            certificates = find_certificates(self._cloud.credentials, verify)
            self._bundle.seal(self._cloud.credentials.secret_key, certificates, self._wanted.part_size << 20)
            self._request['ImageLocation'] = self._bundle.location

    def prediction(self, launch_permissions: dict[str, t.Any]) -> Resource:
        """The image as it will be listed after its registration."""
        wanted, ebs = self._wanted, bool(self._wanted.snapshot_id)
        # The cloud turns a root named like the first partition into the disk.
        ebs_root = re.sub(r'^/dev/sda1$', '/dev/sda', self._request.get('RootDeviceName', ''))
        return {
            'image_id': None,
            'name': wanted.name,
            'type': wanted.type,
            'state': 'available',
            'description': wanted.description,
            'location': self._request.get('ImageLocation'),
            'snapshot_id': wanted.snapshot_id,
            'architecture': wanted.architecture,
            'kernel_id': wanted.kernel_id,
            'ramdisk_id': wanted.ramdisk_id,
            'virtualization_type': 'hvm' if ebs else wanted.virtualization_type,
            'root_device_name': ebs_root if ebs else wanted.root_device_name,
            'root_device_type': 'ebs' if ebs else 'instance-store',
            'owner': self._cloud.credentials.account_id,
            'launch_permissions': launch_permissions,
            'tags': {},
        }

    def upload(self, progress_file: str | None) -> dict[str, t.Any]:
        """Bundle and upload; return the result's ``upload``."""
        progress = report.Progress(report.Report(progress_file), f'{self._wanted.name}: bundling and uploading', self._image.size)
        start = time.monotonic()
        sent = self._bundle.send(progress.reached)
        return {
            'parts_sent': sent.parts,
            'parts_present': sent.present,
            'retries': sent.retries,
            'compressor': self._bundle.compressor,
            'seconds': round(time.monotonic() - start, 1),
        }

    def deregister_to_replace(self, former: Resource) -> None:
        # No image exists until the new one is registered, or the former again: an interrupt takes effect only then.
        self._held.enter_context(interrupts_held())
        registration.deregister(self._cloud, former['image_id'])

    def register(self, former: Resource | None) -> None:
        self._found_id = registration.register_instead(self._cloud, self._request, self._wanted.type, former, self._take_back)
        self._held.close()  # after a failure the caller closes it, so that the result names the former image's fate

    def _take_back(self) -> None:
        if self._wanted.src and not self._is_registered(self._bundle.location):
            self._bundle.take_back()

    def describe(self) -> None:
        registration.describe(self._cloud, self.image_id, self._wanted.description or '')

    # --- removing

    def deregister(self, image: Resource) -> None:
        registration.deregister(self._cloud, image['image_id'])

    def unused_bundles(self, image: Resource | None, keep: str | None) -> list[str]:
        """Locations of the deregistered image's bundle and of those that interrupted runs left for the same name."""
        used = {keep, *(one['location'] for one in self._others(image))}
        found = [image['location']] if image and image['location'] else []
        name, image_type = (image['name'], image['type']) if image else (self._wanted.name, self._wanted.type)
        credentials = self._cloud.credentials
        if name and credentials.s3_url and (self._wanted.bucket or credentials.account_id):
            bucket = self._bucket()
            found += [f'{bucket.name}/{key}' for key in bucket.bundles(stem_prefix(name, image_type))]
        return [location for location in dict.fromkeys(found) if location not in used]

    def delete_bundle(self, location: str, deregistered: Resource | None) -> None:
        if not self._is_registered(location, deregistered):
            bucket, _slash, key = location.partition('/')
            Bucket(self._cloud, bucket).remove_bundle(key)

    def snapshot_users(self, image: Resource) -> list[str]:
        """Ids of the other images that are registered from the same snapshot."""
        return [one['image_id'] for one in self._others(image) if one['snapshot_id'] == image['snapshot_id']]

    def delete_snapshot(self, snapshot: str) -> None:
        try:
            self._cloud.ec2('delete_snapshot', f'snapshot {snapshot}', SnapshotId=snapshot)
        except CloudError as error:
            if error.not_found:
                return
            # The next run finds no image, and therefore not its snapshot either.
            text = (
                f'{error} The image is already deregistered, so another run will not delete the snapshot {snapshot}. '
                'Delete it with the module snapshot (state: absent).'
            )
            raise CloudError(text, error.request, error.code, error.text, error.status, error.lost) from error

    def _bucket(self) -> Bucket:
        name = self._wanted.bucket or self._cloud.credentials.own_bucket('images')
        return Bucket(self._cloud, name, self._wanted.connections)

    def _is_registered(self, location: str, deregistered: Resource | None = None) -> bool:
        """Checked before anything is deleted: another host with the same task may have registered it meanwhile."""
        return any(one['location'] == location for one in self._others(deregistered))

    def _others(self, image: Resource | None) -> list[Resource]:
        """All other images of the account and of this image's owner, who is another account when an administrator removes it.
        The cloud may still list this image for a moment."""
        owner = [image['owner']] if image and image['owner'] else []
        return [one for one in registration.registered(self._cloud, *owner) if not image or one['image_id'] != image['image_id']]


def read_manifest(cloud: Cloud, location: str) -> manifest.Manifest | None:
    """The manifest at this location, None when there is none. Raises CloudError, UploadError, ManifestError."""
    bucket, _slash, key = location.partition('/')
    raw = Bucket(cloud, bucket).get(key, manifest.MAX_BYTES)
    return None if raw is None else manifest.parse(raw)
