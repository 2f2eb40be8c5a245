# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration of one lab (``config.json`` in its state directory) and the paths of its other files."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

from .addressing import Addressing
from .errors import LabError

NETWORKS = ('namespace', 'none')
_TYPES: dict[str, type | tuple[type, ...]] = {'str': str, 'int': int, 'float': (int, float), 'tuple[str, ...]': tuple}


def state_root() -> Path:
    """Directory of all labs' state. Not in a checkout: the users of hypervisor and hook cannot enter a 0700 home."""
    return Path(os.environ.get('EUCALAB_STATE') or '/var/lib/eucalab')


def cache_root() -> Path:
    """Directory of the built installer and systems, which all labs share."""
    return Path(os.environ.get('EUCALAB_CACHE') or '/var/cache/eucalab')


def set_umask() -> None:
    """Let the users that hooks and guests run as read what this process writes, whatever umask its caller has."""
    os.umask(0o022)


@dataclasses.dataclass(frozen=True)
class Config:
    name: str
    port: int = 8773
    pace: float = 0.1  # factor for all of the cloud's own delays; 1.0 is a real cloud's speed
    play: str = '4.4'  # the Eucalyptus version to imitate
    accel: str = 'auto'  # auto, kvm or tcg
    nodes: tuple[str, ...] = ('node1', 'node2')
    endpoint: str = ''  # of the API for clients on this machine
    guest_endpoint: str = ''  # of the API for instances
    network: str = 'none'  # none is QEMU's user networking; a lab that "up" makes has a namespace
    network_number: int = -1  # of the namespace; determines all its addresses and names
    zone: str = 'one'
    hook_user: str = 'nobody'

    def __post_init__(self) -> None:
        # QEMU's user networking shows the machine's loopback as 10.0.2.2.
        guest_host = self.addressing.router if self.addressing else '10.0.2.2'
        for field, host in (('endpoint', '127.0.0.1'), ('guest_endpoint', guest_host)):
            if not getattr(self, field):
                object.__setattr__(self, field, f'http://{host}:{self.port}')

    @classmethod
    def load(cls, name: str) -> Config:
        """Read a lab's configuration. FileNotFoundError when there is no such lab, LabError when it is damaged."""
        path = state_root() / name / 'config.json'
        try:
            values = json.loads(path.read_text())
            if not isinstance(values, dict):
                raise TypeError('it is not an object')
            config = cls(**{**values, 'name': name, 'nodes': tuple(values.get('nodes', cls.nodes))})
            for field in dataclasses.fields(config):
                if not isinstance(getattr(config, field.name), _TYPES[str(field.type)]):
                    raise TypeError(f'{field.name} is not of type {field.type}')
            return config
        except FileNotFoundError:
            raise
        except (OSError, ValueError, TypeError) as problem:
            raise LabError(f'{path} is damaged ({problem}); remove the lab with: eucalab down --name {name}') from None

    def save(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dataclasses.asdict(self), indent=2) + '\n'
        new = self.home / 'config.json.new'
        new.write_text(text)
        new.replace(self.home / 'config.json')

    def make_directories(self) -> None:
        """Create the API process's directories. The hypervisor's user must be able to enter all except the objects."""
        for path in (self.home, self.objects, self.volumes, self.snapshots, self.run, self.log, self.keys):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o700 if path == self.objects else 0o755)
        # SQLite gives its journals the mode of the database, which holds the secret keys.
        self.database.touch(0o600)
        self.database.chmod(0o600)

    @property
    def addressing(self) -> Addressing | None:
        """The lab's network; None with user networking."""
        return Addressing(self.network_number) if self.network == 'namespace' and self.network_number >= 0 else None

    @property
    def namespace(self) -> str:
        return self.addressing.namespace(self.name) if self.addressing else ''

    def numbered(self, number: int) -> Config:
        """The same lab with another number for its network."""
        return dataclasses.replace(self, network_number=number, guest_endpoint='')

    @property
    def home(self) -> Path:
        return state_root() / self.name

    @property
    def database(self) -> Path:
        return self.home / 'state.db'

    @property
    def objects(self) -> Path:
        return self.home / 'objects'

    @property
    def volumes(self) -> Path:
        return self.home / 'volumes'

    @property
    def snapshots(self) -> Path:
        return self.home / 'snapshots'

    @property
    def keys(self) -> Path:
        return self.home / 'keys'

    @property
    def run(self) -> Path:
        return self.home / 'run'

    @property
    def log(self) -> Path:
        return self.home / 'log'

    def node_home(self, node: str) -> Path:
        """The node's $EUCALYPTUS: etc/eucalyptus, var/log/eucalyptus, var/lib/eucalyptus/instances are below it."""
        return self.home / 'nodes' / node

    def volume_file(self, volume_id: str) -> Path:
        return self.volumes / f'{volume_id}.raw'

    def snapshot_file(self, snapshot_id: str) -> Path:
        return self.snapshots / f'{snapshot_id}.raw'
