# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image that a user asks for, and checks for requests that every cloud would refuse, mostly after the upload."""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.bundle import PART_SIZE_MAX

# The cloud marks the type in the id as well, on every version.
ID_PREFIX = {'kernel': 'eki-', 'ramdisk': 'eri-', 'machine': 'emi-'}
CONNECTIONS_MAX = 32
_NAME = re.compile(r'[A-Za-z0-9()./_-]{3,128}')
_DESCRIPTION = 255  # characters


class WantedError(CollectionError):
    """An image cannot be made as requested."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The options of the module ``image`` that decide about the image itself; None means not given.

    Devices have one form, whatever the user wrote: the root ``/dev/sda1``, the others ``sda3``.
    """

    name: str | None
    type: str
    architecture: str
    connections: int
    part_size: int  # MiB
    src: str | None = None
    checksum: str | None = None
    snapshot_id: str | None = None
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    virtualization_type: str | None = None
    root_device_name: str | None = None
    block_devices: dict[str, str] | None = None
    description: str | None = None
    bucket: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, t.Any]) -> Wanted:
        """From the module's options. An empty string or mapping counts as not given."""
        given = {field.name: options[field.name] for field in dataclasses.fields(cls)}
        given = {key: None if value in ('', {}) else value for key, value in given.items()}
        if root := given['root_device_name']:
            given['root_device_name'] = f'/dev/{_device(root)}'
        if devices := given['block_devices']:
            given['block_devices'] = {str(virtual): _device(str(device)) for virtual, device in devices.items()}
        return cls(**given)

    @property
    def has_source(self) -> bool:
        return bool(self.src or self.snapshot_id)

    def check(self, launch_permissions: dict[str, t.Any] | None = None) -> None:
        """Raise WantedError for a request that the cloud would refuse only after everything is uploaded."""
        if len(self.description or '') > _DESCRIPTION:
            raise WantedError(f'The description has {len(self.description or "")} characters; {_DESCRIPTION} are allowed.')
        for account in (launch_permissions or {}).get('accounts') or []:
            if not re.fullmatch('[0-9]{12}', account.replace('-', '')):
                raise WantedError(
                    f"launch_permissions: {account!r} is not an account's number, 12 digits (in quotes, "
                    'otherwise YAML drops the zeros it begins with).'
                )
        self._check_id('kernel', self.kernel_id, '|windows')  # this one makes the image hvm
        self._check_id('ramdisk', self.ramdisk_id)
        if self.has_source:
            self._check_registration()

    def _check_id(self, kind: str, given: str | None, other: str = '') -> None:
        if given and not re.fullmatch(f'{ID_PREFIX[kind]}[0-9A-Fa-f]+{other}', given):
            raise WantedError(f'{kind}_id: {given!r} is not the id of a {kind} image ({ID_PREFIX[kind]}1a2b3c4d).')

    def _check_registration(self) -> None:
        if not _NAME.fullmatch(self.name or ''):
            raise WantedError(f'An image cannot be named {self.name!r}: 3 to 128 letters, digits and ( ) . / _ - are allowed.')
        paired = [option for option in ('kernel_id', 'ramdisk_id') if getattr(self, option)]
        foreign = [*paired, *(option for option in ('snapshot_id', 'block_devices') if getattr(self, option))]
        if self.type != 'machine' and foreign:
            raise WantedError(f'A {self.type} image has no {" and no ".join(foreign)}.')
        ignored = [*paired, *(['virtualization_type: paravirtual'] if self.virtualization_type == 'paravirtual' else [])]
        if self.snapshot_id and ignored:
            raise WantedError(
                f'An image from a snapshot has no {" and no ".join(ignored)}: the cloud boots it from its own boot loader.'
            )
        for option, most in (('connections', CONNECTIONS_MAX), ('part_size', PART_SIZE_MAX >> 20)):
            if not 1 <= getattr(self, option) <= most:
                raise WantedError(f'{option} is a number from 1 to {most}, not {getattr(self, option)}.')


def _device(name: str) -> str:
    """The device in its one form: sdd and /dev/sdd are the same."""
    return name.removeprefix('/dev/')
