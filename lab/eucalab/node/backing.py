# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making an instance's files: images from object storage, its disk, its root volume (create_instance_backing)."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ..cloud.instance_types import GIB, SWAP_BYTES, is_partition
from ..cloud.keys import cloud_certificate
from ..cloud.store import Store
from . import disks, hooks, volume_xml
from .fetch import ImageCache
from .model import Instance, NodeError, Settings, Vbr, VolumeOfInstance, device_name, make_directory
from .storage import SYSTEM_ACCOUNT, ObjectReader

VOLUME_WAIT = 900  # seconds, not paced: the disk decides how long copying a big snapshot takes


class Backing:
    """Makes an instance's files. ``pause(seconds)`` sleeps, and raises Cancelled when the instance was terminated."""

    def __init__(
        self, settings: Settings, store: Store, cache: ImageCache, node_hooks: hooks.Hooks, pause: Callable[[float], None]
    ) -> None:
        self._settings = settings
        self._store = store
        self._cache = cache
        self._hooks = node_hooks
        self._pause = pause

    def create(self, instance: Instance) -> None:
        """Fill the instance directory and ``instance.vbrs`` and ``.volumes``. NodeError on every failure."""
        self._make_directories(instance)
        if instance.root_type == 'ebs':
            self._volumes(instance)
        elif is_partition(self._image(instance.row['image_id'])['root_device_name']):
            self._partitioned_disk(instance)
        else:
            self._whole_disk(instance)

    def _make_directories(self, instance: Instance) -> None:
        owner = self._settings.owner
        for path in (self._settings.instances, instance.path.parent.parent, instance.path.parent):
            make_directory(path, owner, 0o711)
        make_directory(instance.path, owner, instance.shape.directory_mode)

    def _partitioned_disk(self, instance: Instance) -> None:
        name, disk_size = instance.shape.root_disk, instance.disk_gib * GIB
        record, image = self._open(instance, instance.row['image_id'], 'image', f'{name}1')
        with image:
            ephemeral = (disk_size - record.size - SWAP_BYTES) // 4096 * 4096  # RunInstances has checked that it is large enough
            disk = self._blob(instance, name)
            disks.compose_disk(disk, image, ephemeral, SWAP_BYTES)
        for kind in ('kernel', 'ramdisk'):
            if image_id := instance.row[f'{kind}_id']:
                record, image = self._open(instance, image_id, kind, 'none')
                with image:
                    disks.copy_file(image, self._blob(instance, kind))
                record.backing = self._own(instance, kind)
        instance.vbrs.append(_own_record(instance, 'ephemeral', f'{name}2', ephemeral, 'ext3'))
        instance.vbrs.append(_own_record(instance, 'swap', f'{name}3', SWAP_BYTES, 'none'))
        composed = Vbr(instance.shape.composed_type, name, disk.stat().st_size, id='', location='', bus=instance.shape.bus)
        composed.backing = self._own(instance, name)
        instance.vbrs.append(composed)

    def _whole_disk(self, instance: Instance) -> None:
        """An image with its own partition table and boot loader, and an ephemeral disk if the type has room left."""
        name = instance.shape.root_disk
        record, image = self._open(instance, instance.row['image_id'], 'image', name)
        with image:
            disks.copy_file(image, self._blob(instance, name))
        record.backing = self._own(instance, name)
        left = (instance.disk_gib * GIB - record.size) // 4096 * 4096
        if left > 0:
            self._ephemeral_disk(instance, 'sdb', left, 'ext3')

    def _ephemeral_disk(self, instance: Instance, device: str, size: int, file_system: str) -> None:
        name = instance.shape.disk_name(device)
        disks.make_ephemeral(self._blob(instance, name), size, file_system)
        record = _own_record(instance, 'ephemeral', name, size, file_system)
        record.backing = self._own(instance, name)
        instance.vbrs.append(record)

    def _blob(self, instance: Instance, name: str) -> Path:
        """The file of a disk, the kernel or the ramdisk."""
        if instance.shape.links:
            return instance.path / f'{name}.blocks'
        # The blobstore's name: the image, and a hash of its origin.
        image_id = instance.row[f'{name}_id'] if name in ('kernel', 'ramdisk') else instance.row['image_id'].replace('emi', 'dsk')
        return instance.path / f'{image_id}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.blocks'

    def _own(self, instance: Instance, name: str) -> str:
        """Give the file to the node controller's user; return the path by which instance files name it."""
        file = self._blob(instance, name)
        disks.own(file, self._settings.owner)
        if not instance.shape.links:
            return str(file)
        link = instance.path / f'link-to-{name}'
        link.unlink(missing_ok=True)
        link.symlink_to(file.name)
        return str(link)

    def _open(self, instance: Instance, image_id: str, kind: str, device: str) -> tuple[Vbr, BinaryIO]:
        """An image from the cache, and its record among the instance's block devices."""
        self._pause(0)
        image = self._image(image_id)
        file = self._cache.open(self._reader(), image['location'], image['manifest_sha256'], self._signers(image['account']))
        url = f'{self._settings.config.endpoint}{self._settings.played.storage.paths[0]}/{image["location"]}'
        machine = kind == 'image'
        record = Vbr(
            kind,
            device,
            disks.size_of(file),
            id=image_id,
            type_name='machine' if machine else kind,
            location=url,
            partition=int(is_partition(device)),
            bus=instance.shape.bus if machine else 'ide',
            prepared_location=url,
            backing=str(instance.path / f'link-to-{device}'),
            serial=f'euca-bdm-{"machine" if machine else kind}-dev-{device}',
        )
        instance.vbrs.append(record)
        return record, file

    def _image(self, image_id: str) -> sqlite3.Row:
        row = self._store.row('SELECT * FROM images WHERE id = ?', image_id)
        if row is None:
            raise NodeError(f'there is no image {image_id}')
        return row

    def _reader(self) -> ObjectReader:
        user = self._store.row(
            'SELECT u.access_key, u.secret_key FROM users u JOIN accounts a ON u.account = a.number WHERE a.name = ?',
            SYSTEM_ACCOUNT,
        )
        if user is None:
            raise NodeError(f'the cloud has no account {SYSTEM_ACCOUNT} to read images with')
        return ObjectReader(
            self._settings.config.endpoint,
            user['access_key'],
            user['secret_key'],
            lambda seconds: self._pause(seconds * self._settings.pace),
            self._settings.played.storage.paths[0],
        )

    def _signers(self, account: str) -> list[bytes] | None:
        """Certificates whose signature an image of the account may have. None if signatures do not count."""
        if not self._settings.played.storage.checks_signature:
            return None
        rows = self._store.rows('SELECT certificate FROM users WHERE account = ? AND certificate IS NOT NULL', account)
        return [cloud_certificate(self._settings.config).read_bytes(), *(row['certificate'].encode() for row in rows)]

    def _volumes(self, instance: Instance) -> None:
        """The root volume and those of the launch's mappings: all are in the domain from the beginning."""
        rows = self._store.rows(
            "SELECT * FROM attachments WHERE instance_id = ? AND (is_root OR state = 'attached') ORDER BY is_root DESC, device",
            instance.id,
        )
        if not rows or not rows[0]['is_root']:
            raise NodeError('the instance has no root volume')
        for row in rows:
            self._wait_for_volume(row['volume_id'])
            self._add_volume(instance, row['volume_id'], device_name(row['device']), bool(row['is_root']))
        for row in self._store.rows('SELECT device FROM ephemeral_disks WHERE instance_id = ?', instance.id):
            self._ephemeral_disk(instance, device_name(row['device']), instance.disk_gib * GIB, 'none')

    def _add_volume(self, instance: Instance, volume_id: str, device: str, is_root: bool) -> None:
        shape, file = instance.shape, self._settings.config.volume_file(volume_id)
        if is_root:
            device = shape.disk_name(device)
        serial = f'euca-bdm-ebs1-dev-{device}' if is_root else f'euca-{volume_id}-dev-{device}'
        text = str(file)
        if shape.volume_script:
            text = volume_xml.script_xml(file, device, serial)
            # The hook can read this file, but the node keeps its own text (vbr.c), so an edit is lost.
            volume_xml.announce(instance, volume_id, text, self._settings, self._hooks)
            instance.volumes.append(VolumeOfInstance(volume_id, device, text))
        location = f'sc://{volume_id},none'
        instance.vbrs.append(
            Vbr(
                'ebs',
                device,
                file.stat().st_size,
                id=instance.row['image_id'] if is_root else 'none',
                type_name='ebs',
                location=location,
                disk=len(instance.vbrs),
                bus=shape.bus,
                backing=text,
                prepared_location=location,
                serial=serial,
            )
        )

    def _wait_for_volume(self, volume_id: str) -> None:
        """Wait until the storage controller has made the volume from its snapshot."""
        deadline = time.monotonic() + VOLUME_WAIT
        while True:
            row = self._store.row('SELECT state FROM volumes WHERE id = ?', volume_id)
            state = row['state'] if row else 'gone'
            if state in ('available', 'in-use'):
                return
            if state != 'creating':
                raise NodeError(f'volume {volume_id} is {state}')
            if time.monotonic() > deadline:
                raise NodeError(f'volume {volume_id} was not ready after {VOLUME_WAIT} seconds')
            self._pause(0.5)


def _own_record(instance: Instance, kind: str, device: str, size: int, file_system: str) -> Vbr:
    """The record of an ephemeral disk or partition, or of swap: the node makes them itself."""
    name = 'ephemeral0' if kind == 'ephemeral' else kind
    digits = device.lstrip('abcdefghijklmnopqrstuvwxyz')
    return Vbr(
        kind,
        device,
        size,
        type_name=kind,
        format=file_system,
        disk=ord(device.removesuffix(digits)[-1]) - ord('a'),
        partition=int(digits or 0),
        bus=instance.shape.bus,
        backing=str(instance.path / f'link-to-{device}'),
        serial=f'euca-bdm-{name}-dev-{device}',
    )
