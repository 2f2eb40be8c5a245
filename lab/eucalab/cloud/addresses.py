# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of instances, in a lab with a network of its own.

As in a 4.4 without VPC (VmInstanceLifecycleHelpers) an instance gets a private and a public address when it is launched or
started, and loses both when it is stopped or terminated. An elastic address stays with its account then.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from .context import Cloud


class NoAddress(Exception):
    """All addresses of a range are in use."""


def assign(cloud: Cloud, instance: str, node: str) -> None:
    """Assign addresses to an instance, within a transaction. NoAddress if none is left."""
    addressing = cloud.config.addressing
    if addressing is None:
        return
    _router, *guests = addressing.of_node(cloud.config.nodes.index(node) + 1).hosts()
    used = {row['private_ip'] for row in cloud.store.rows('SELECT private_ip FROM instances WHERE private_ip IS NOT NULL')}
    cloud.store.execute(
        'UPDATE instances SET private_ip = ?, public_ip = ? WHERE id = ?', _first(guests, used), free_public(cloud), instance
    )


def release(cloud: Cloud, instance: str) -> None:
    """Take the addresses of an instance that is stopped or terminated."""
    cloud.store.execute('UPDATE instances SET private_ip = NULL, public_ip = NULL WHERE id = ?', instance)
    cloud.store.execute('UPDATE addresses SET instance_id = NULL WHERE instance_id = ?', instance)


def free_public(cloud: Cloud) -> str:
    """A public address that neither an instance nor an account has. NoAddress when there is none."""
    rows = cloud.store.rows('SELECT public_ip AS ip FROM instances WHERE public_ip IS NOT NULL UNION SELECT ip FROM addresses')
    return _first(cloud.config.addressing.public if cloud.config.addressing else (), {row['ip'] for row in rows})


def _first(addresses: Iterable[IPv4Address], used: set[str]) -> str:
    for address in map(str, addresses):
        if address not in used:
            return address
    raise NoAddress
