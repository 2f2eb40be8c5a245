# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's view of one instance: the values in instance.xml and the paths of its files."""

from __future__ import annotations

import dataclasses
import json
import os
import pwd
import sqlite3
import uuid
from collections.abc import Mapping
from pathlib import Path

from ..config import Config
from ..versions import PLAYED, InstanceType, NodeShape, Played

# The node's buffer for user data ends after this many base64 characters (CHAR_BUFFER_SIZE * 32 with its NUL).
USER_DATA_LIMIT = 16383
LIBVIRT = '-libvirt.xml'  # end of the names of files with a volume's disk for libvirt


class NodeError(Exception):
    """The reason why an instance or an attachment failed, in the form of ``node_reason``."""


class Cancelled(NodeError):
    """The instance was terminated while it was being started."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """One node of one lab."""

    config: Config
    node: str
    hypervisor: str = 'qemu'  # the libvirt domain type: qemu (software emulation) or kvm

    @property
    def home(self) -> Path:
        return self.config.node_home(self.node)

    @property
    def pace(self) -> float:
        return self.config.pace

    @property
    def played(self) -> Played:
        return PLAYED[self.config.play]

    @property
    def shape(self) -> NodeShape:
        return self.played.node

    @property
    def stylesheet(self) -> Path:
        return self.home / 'etc/eucalyptus/libvirt.xsl'

    @property
    def instances(self) -> Path:
        return self.home / 'var/lib/eucalyptus/instances'

    @property
    def cache(self) -> Path:
        return self.instances / 'cache'

    @property
    def bridge(self) -> str:
        """The bridge that instance.xml names: br0 as in the shipped configuration of a node."""
        return 'br0' if self.config.addressing else 'user'

    @property
    def router(self) -> str:
        """The guests' router in the node's network. Only in a lab with a namespace."""
        assert self.config.addressing is not None
        return str(self.config.addressing.of_node(self.config.nodes.index(self.node) + 1)[1])

    @property
    def owner(self) -> pwd.struct_passwd:
        """The account that a node controller runs as; here only its hooks and xsltproc do. KeyError if missing."""
        return pwd.getpwnam(self.config.hook_user)


@dataclasses.dataclass
class Vbr:
    """One virtual boot record: something that becomes a disk, a partition, the kernel or the ramdisk."""

    type: str  # image, kernel, ramdisk, ebs, ephemeral, swap, fulldisk
    guest_device: str
    size: int = 0  # bytes
    id: str = 'none'
    type_name: str = ''
    location: str = 'none'
    format: str = 'none'
    disk: int = 0
    partition: int = 0
    bus: str = 'virtio'
    backing_type: str = 'file'
    backing: str = ''  # a path, or for a volume its libvirt XML
    prepared_location: str = ''
    serial: str = ''

    @property
    def is_disk(self) -> bool:
        """Whether it is a disk of the guest, and not a kernel, a ramdisk or a partition of a disk."""
        return self.guest_device != 'none' and not self.partition


@dataclasses.dataclass
class VolumeOfInstance:
    id: str
    device: str  # sdf
    libvirt_xml: str
    state: str = 'attached'


@dataclasses.dataclass
class Instance:
    """An instance as its node sees it. Made from the database row, never written back."""

    row: sqlite3.Row
    path: Path
    hypervisor: str
    shape: NodeShape
    types: Mapping[str, InstanceType]
    bridge: str = 'user'  # of its network card; user is QEMU's user networking
    vbrs: list[Vbr] = dataclasses.field(default_factory=list)
    volumes: list[VolumeOfInstance] = dataclasses.field(default_factory=list)
    state: str = 'Staging'
    boot_time: float = 0

    @classmethod
    def from_row(cls, row: sqlite3.Row, settings: Settings) -> Instance:
        path = settings.instances / 'work' / row['user_id'] / row['id']
        return cls(row, path, settings.hypervisor, settings.shape, settings.played.types.offered, settings.bridge)

    @property
    def id(self) -> str:
        return str(self.row['id'])

    @property
    def uuid(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f'{self.id} {self.row["reservation"]}'))

    @property
    def root_type(self) -> str:
        return 'ebs' if self.row['root_device_type'] == 'ebs' else 'image'

    @property
    def user_data(self) -> str:
        return (self.row['node_user_data'] or '')[:USER_DATA_LIMIT]

    @property
    def groups(self) -> list[str]:
        groups: list[str] = json.loads(self.row['groups'] or '[]')
        return groups

    @property
    def cores(self) -> int:
        return self._type.cpu

    @property
    def memory_kib(self) -> int:
        return self._type.memory * 1024

    @property
    def disk_gib(self) -> int:
        return self._type.disk

    @property
    def _type(self) -> InstanceType:
        try:
            return self.types[self.row['instance_type']]
        except KeyError:
            raise NodeError(f'this node has no instance type {self.row["instance_type"]}') from None

    @property
    def kernel(self) -> Path | None:
        return self._backing('kernel')

    @property
    def ramdisk(self) -> Path | None:
        return self._backing('ramdisk')

    def _backing(self, kind: str) -> Path | None:
        return next((Path(record.backing) for record in self.vbrs if record.type == kind), None)

    @property
    def xml_file(self) -> Path:
        return self.path / 'instance.xml'

    @property
    def state_file(self) -> Path:
        return self.path / self.shape.state_file

    @property
    def libvirt_file(self) -> Path:
        return self.path / self.shape.libvirt_file

    @property
    def console(self) -> Path:
        return self.path / 'console.log'

    def volume_file(self, volume_id: str, suffix: str) -> Path:
        """A file about a volume: vol-X.xml describes it, vol-X-libvirt.xml is the disk for libvirt."""
        return self.path / f'{volume_id}{suffix}'


def device_name(device: str) -> str:
    """The libvirt target of a device as clients name it: ``/dev/sdf`` is ``sdf``."""
    return device.rsplit('/', 1)[-1]


def write_owned(path: Path, text: str, mode: int, owner: pwd.struct_passwd) -> None:
    """Write a file as the node controller's user would have: its owner, and a mode that no umask narrows.

    Written in place, as the node does, so that hooks which keep the file open or link it see the same inode.
    """
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(number, 'w', encoding='utf-8') as file:
        os.fchmod(number, mode)
        os.fchown(number, owner.pw_uid, owner.pw_gid)
        file.write(text)


def make_directory(path: Path, owner: pwd.struct_passwd, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner.pw_uid, owner.pw_gid)
    path.chmod(mode)
