# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elastic addresses of a cloud without VPC, as ``AddressManager`` and ``Addresses`` of 4.4 keep them."""

from __future__ import annotations

import sqlite3
from typing import Any

from ..cloud import addresses
from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure, unauthorized
from . import filters, ids
from .registry import Reply, action


@action('AllocateAddress')
def allocate_address(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    if cloud.config.addressing is None:
        raise failure('This lab has no addresses, because it was created with --network none.')
    with cloud.store.transaction():
        try:
            address = addresses.free_public(cloud)
        except addresses.NoAddress:
            raise failure('InsufficientAddressCapacity') from None
        cloud.store.insert('addresses', ip=address, account=caller.account)
    return {'PublicIp': address, 'Domain': 'standard'}


@action('ReleaseAddress')
def release_address(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """The address's instance gets another one."""
    if request.get('AllocationId'):
        raise ApiError('InvalidAddressID.NotFound', f'Address not found for allocation ({request["AllocationId"]})')
    if not request.get('PublicIp'):
        raise ApiError('MissingParameter', 'PublicIp or AllocationId required')
    with cloud.store.transaction():
        row = _find(cloud, caller, request, 'release address')
        _take_away(cloud, row)
        cloud.store.execute('DELETE FROM addresses WHERE ip = ?', row['ip'])
    return {}


@action('AssociateAddress')
def associate_address(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """The instance loses the address that it has; an instance that has this one gets another."""
    identifier = ids.instance_id(cloud, request['InstanceId']) if request.get('InstanceId') else None
    with cloud.store.transaction():
        row = _find(cloud, caller, request, 'associate address')
        if identifier is None:
            raise ApiError('InvalidParameterCombination', 'InstanceId must be specified when using PublicIp')
        instance = ids.visible(cloud, caller, 'instances', identifier)
        if instance is None:
            raise ApiError('InvalidInstanceID.NotFound', f"The instance ID '{identifier}' does not exist")
        if instance['state'] not in ('pending', 'running'):
            raise ApiError('InvalidInstanceID', f"The instance '{identifier}' is not in a valid state for this operation.")
        if row['instance_id'] != identifier and instance['account'] == row['account']:
            _take_away(cloud, row)
            cloud.store.execute('UPDATE addresses SET instance_id = NULL WHERE instance_id = ?', identifier)
            cloud.store.execute('UPDATE addresses SET instance_id = ? WHERE ip = ?', identifier, row['ip'])
            cloud.store.execute('UPDATE instances SET public_ip = ? WHERE id = ?', row['ip'], identifier)
    return {}


@action('DisassociateAddress')
def disassociate_address(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """The instance gets another public address. An address that no instance has is not an error."""
    if request.get('AssociationId'):
        raise ApiError('InvalidAssociationID.NotFound', f'Association identifier ({request["AssociationId"]}) not found.')
    with cloud.store.transaction():
        _take_away(cloud, _find(cloud, caller, request, 'disassociate address'))
    return {}


def _find(cloud: Cloud, caller: Caller, request: dict[str, Any], purpose: str) -> sqlite3.Row:
    address = request.get('PublicIp') or request.get('AllocationId') or ''
    row = cloud.store.row('SELECT * FROM addresses WHERE ip = ?', address)
    if row is None:
        raise failure(f"Can't find registered object: {address} in AddressRegistry")
    if row['account'] != caller.account and not caller.is_admin:
        raise unauthorized(f'Not authorized to {purpose} by {caller.user_name}')
    return row


def _take_away(cloud: Cloud, row: sqlite3.Row) -> None:
    """Take an elastic address from its instance, which gets another public address if one is left."""
    if row['instance_id'] is None:
        return
    try:
        other: str | None = addresses.free_public(cloud)
    except addresses.NoAddress:
        other = None
    cloud.store.execute('UPDATE instances SET public_ip = ? WHERE id = ?', other, row['instance_id'])
    cloud.store.execute('UPDATE addresses SET instance_id = NULL WHERE ip = ?', row['ip'])


@action('DescribeAddresses')
def describe_addresses(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """The account's addresses. Those that are asked for and do not exist are left out, without an error."""
    asked = list(request.get('PublicIps') or [])
    everybody = caller.is_admin and ids.VERBOSE in asked
    asked = [address for address in asked if address != ids.VERBOSE]
    described = _all(cloud) if everybody else _of_account(cloud, caller)
    described = [one for one in described if not asked or one['PublicIp'] in asked]
    if request.get('AllocationIds'):  # only addresses in a VPC have one
        described = []
    return {'Addresses': filters.apply(described, request.get('Filters'), _FILTERS)}


def _of_account(cloud: Cloud, caller: Caller) -> list[dict[str, Any]]:
    rows = cloud.store.rows('SELECT * FROM addresses WHERE account = ? ORDER BY ip', caller.account)
    return [{'PublicIp': row['ip'], 'Domain': 'standard', 'InstanceId': row['instance_id']} for row in rows]


def _all(cloud: Cloud) -> list[dict[str, Any]]:
    """Every address of the cloud, with its instance and its owner in the place of the instance."""
    owned = {row['ip']: row for row in cloud.store.rows('SELECT ip, account, instance_id FROM addresses')}
    used = {
        row['public_ip']: row['id'] for row in cloud.store.rows('SELECT id, public_ip FROM instances WHERE public_ip IS NOT NULL')
    }
    described = []
    for address in map(str, cloud.config.addressing.public if cloud.config.addressing else ()):
        text = 'nobody'
        if address in owned:
            account = owned[address]['account']
            text = f'{owned[address]["instance_id"] or ""} (arn:aws:euare::{account}:user/admin)'
        elif address in used:
            text = f'{used[address]} (arn:aws:euare::system:user/eucalyptus)'
        described.append({'PublicIp': address, 'Domain': 'standard', 'InstanceId': text})
    return described


_FILTERS: dict[str, filters.Lookup] = {
    'allocation-id': lambda item: None,
    'association-id': lambda item: None,
    'domain': lambda item: item['Domain'],
    'instance-id': lambda item: item['InstanceId'],
    'network-interface-id': lambda item: None,
    'network-interface-owner-id': lambda item: None,
    'private-ip-address': lambda item: None,
    'public-ip': lambda item: item['PublicIp'],
}
