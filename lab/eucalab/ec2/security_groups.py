# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Security groups of a cloud without VPC, as ``NetworkGroupManager`` of 4.4 keeps them.

A rule is what one permission of a request became, with all its sources: another permission with only some of them is
another rule. DescribeSecurityGroups lists one permission per rule.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
import sqlite3
import zlib
from collections.abc import Iterable
from typing import Any

from ..cloud.context import Cloud
from ..cloud.rules import Rule, rules_of
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure
from . import filters, ids, tags
from .registry import Reply, action

DEFAULT = 'default'
_PROTOCOL = re.compile('icmp|tcp|udp|[0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5]|-1')
_NUMBERS = {'1': 'icmp', '6': 'tcp', '17': 'udp'}
_MOST_CODE = 255  # of ICMP


def default_group(cloud: Cloud, account: str) -> sqlite3.Row:
    """The account's group ``default``, which is created when it is first needed (NetworkGroups.createDefault)."""
    if by_name(cloud, account, DEFAULT) is None:
        identifier = f'sg-{zlib.crc32(account.encode()):08x}'
        _insert(cloud, identifier, account, DEFAULT, 'default group')
    row = by_name(cloud, account, DEFAULT)
    assert row is not None
    return row


def by_name(cloud: Cloud, account: str, name: str) -> sqlite3.Row | None:
    return cloud.store.row('SELECT * FROM security_groups WHERE account = ? AND name = ?', account, name)


def by_id(cloud: Cloud, identifier: str) -> sqlite3.Row | None:
    return cloud.store.row('SELECT * FROM security_groups WHERE id = ?', identifier)


def _insert(cloud: Cloud, identifier: str, account: str, name: str, description: str) -> None:
    cloud.store.insert('security_groups', id=identifier, account=account, name=name, description=description)


@action('CreateSecurityGroup')
def create_security_group(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    name, description = request.get('GroupName') or '', request.get('Description') or ''
    if name.startswith('sg-'):
        raise ApiError(
            'InvalidParameterValue',
            f'Value ({name}) for parameter GroupName is invalid. Group names may not be in the format sg-*',
        )
    for parameter, value in (('GroupName', name), ('GroupDescription', description)):
        if not value.isascii():
            raise ApiError(
                'InvalidParameterValue',
                f'Value ({value}) for parameter {parameter} is invalid. Character sets beyond ASCII are not supported.',
            )
    if request.get('VpcId'):
        raise ApiError('InvalidVpcID.NotFound', f"The vpc ('{request['VpcId']}') was not found")
    default_group(cloud, caller.account)
    if by_name(cloud, caller.account, name) is not None:
        raise ApiError('InvalidGroup.Duplicate', f"The security group '{name}' already exists")
    identifier = cloud.new_id('sg')
    _insert(cloud, identifier, caller.account, name, description)
    return {'GroupId': identifier}


@action('DeleteSecurityGroup')
def delete_security_group(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    row = _lookup(cloud, caller, request)
    if row['name'] == DEFAULT:
        raise ApiError('InvalidGroup.Reserved', "The security group 'default' is reserved")
    if _in_use(cloud, row):
        raise ApiError('InvalidGroup.InUse', 'Specified group cannot be deleted because it is in use.')
    cloud.store.execute('DELETE FROM security_groups WHERE id = ?', row['id'])
    cloud.forget_tags(row['id'])
    return {}


def _in_use(cloud: Cloud, row: sqlite3.Row) -> bool:
    """Whether instances use the group. Other groups' rules do not count: they have its name and id, no reference (NetworkPeer)."""
    instances = cloud.store.rows("SELECT groups FROM instances WHERE account = ? AND state != 'terminated'", row['account'])
    return any(row['name'] in json.loads(instance['groups']) for instance in instances)


@action('AuthorizeSecurityGroupIngress')
def authorize_security_group_ingress(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """A rule that exists already makes the reply's ``return`` false, and nothing is added."""
    with cloud.store.transaction():
        row = _lookup(cloud, caller, request)
        present, wanted = rules_of(row), _wanted(cloud, caller, request, must_exist=True)
        if any(rule in present for rule in wanted):
            return {'Return': False}
        _write_rules(cloud, row, [*present, *dict.fromkeys(wanted)])
    return {'Return': True}


@action('RevokeSecurityGroupIngress')
def revoke_security_group_ingress(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    """Rules that do not exist are not an error."""
    with cloud.store.transaction():
        row = _lookup(cloud, caller, request)
        gone = set(_wanted(cloud, caller, request, must_exist=False))
        _write_rules(cloud, row, [rule for rule in rules_of(row) if rule not in gone])
    return {'Return': True}


def _write_rules(cloud: Cloud, row: sqlite3.Row, rules: Iterable[Rule]) -> None:
    text = json.dumps([dataclasses.astuple(rule) for rule in rules])
    cloud.store.execute('UPDATE security_groups SET rules = ? WHERE id = ?', text, row['id'])


def _lookup(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> sqlite3.Row:
    """The group with the request's name or id. The name takes precedence over the id."""
    default_group(cloud, caller.account)
    name, identifier = request.get('GroupName'), request.get('GroupId')
    if name is not None:
        row = by_name(cloud, caller.account, name)
    elif identifier is not None:
        row = by_id(cloud, group_id(cloud, identifier))
        if row is not None and row['account'] != caller.account and not caller.is_admin:
            row = None
    else:
        raise failure('Group id or name required')
    if row is None:
        raise ApiError('InvalidGroup.NotFound', f"The security group '{name or identifier}' does not exist")
    return row


def group_id(cloud: Cloud, identifier: str) -> str:
    return ids.normalise(
        cloud, identifier, 'sg', lambda bad: ApiError('InvalidGroupId.Malformed', f'Invalid id: "{bad}" (expecting "sg-...")')
    )


def _wanted(cloud: Cloud, caller: Caller, request: dict[str, Any], must_exist: bool) -> list[Rule]:
    rules: list[Rule] = []
    for permission in _permissions(cloud, request):
        groups = tuple(_source(cloud, caller, pair, must_exist) for pair in permission.get('UserIdGroupPairs') or [])
        # Networks beside groups are ignored (IpPermissionTypeAsNetworkRule).
        cidrs = () if groups else tuple(_cidr(one.get('CidrIp') or '') for one in permission.get('IpRanges') or [])
        if groups or cidrs:  # without a source the permission is passed over (EUCA-5934)
            rules.append(Rule(*_ports(permission), cidrs, groups))
    return rules


def _permissions(cloud: Cloud, request: dict[str, Any]) -> list[dict[str, Any]]:
    """The permissions in the current form, even if the request has the form used before 2009 (``CidrIp=…``)."""
    old = {key: request[key] for key in ('CidrIp', 'IpProtocol', 'FromPort', 'ToPort') if request.get(key) is not None}
    pair = {key: request[key] for key in ('SourceSecurityGroupName', 'SourceSecurityGroupOwnerId') if request.get(key) is not None}
    if request.get('IpPermissions'):
        for key in (*old, *pair):
            raise failure(f'InvalidParameterCombination: {key[0].lower()}{key[1:]} and ipPermissions must not both be set')
        return list(request['IpPermissions'])
    if pair:
        if len(pair) < 2:
            raise failure('MissingParameter: both a source group and its owner must be set.')
        source = {'GroupName': pair['SourceSecurityGroupName'], 'UserId': pair['SourceSecurityGroupOwnerId']}
        if cloud.played.replies.groups_by_name and 'IpProtocol' in old:  # IpPermissionType of 3.1 has the group beside its ports
            return [{**old, 'UserIdGroupPairs': [source]}]
        everything = (('tcp', 1, 65535), ('udp', 1, 65535), ('icmp', -1, -1))
        return [
            {'IpProtocol': protocol, 'FromPort': low, 'ToPort': high, 'UserIdGroupPairs': [source]}
            for protocol, low, high in everything
        ]
    if old and len(old) < 4:
        absent = next(key for key in ('CidrIp', 'IpProtocol', 'FromPort', 'ToPort') if key not in old)
        present = next(iter(old))
        raise failure(f'MissingParameter: {absent[0].lower()}{absent[1:]} must be set if {present[0].lower()}{present[1:]} is set.')
    if old:
        return [{**old, 'IpRanges': [{'CidrIp': old['CidrIp']}]}]
    raise failure('Missing source specification: include source security group or CIDR information')


def _ports(permission: dict[str, Any]) -> tuple[str, int, int]:
    protocol = permission.get('IpProtocol') or ''
    low, high = permission.get('FromPort'), permission.get('ToPort')
    if protocol in ('icmp', '1') and max(low or 0, high or 0) > _MOST_CODE:
        code = low if (low or 0) > _MOST_CODE else high
        raise ApiError(
            'InvalidParameterValue', f'ICMP code ({code}) out of range. Supported range for ICMP code and type is 0 to 255'
        )
    if not _PROTOCOL.fullmatch(protocol):
        raise ApiError('InvalidPermission.Malformed', f'Invalid protocol ({protocol})')
    name = _NUMBERS.get(protocol, protocol)
    if name not in _NUMBERS.values():  # outside a VPC there are only these three
        raise ApiError('InvalidPermission.Malformed', f'Invalid protocol ({protocol})')
    if name == 'icmp':
        return name, -1 if low is None else low, -1 if high is None else high
    if low is None or high is None or not 0 <= low <= high <= 65535:
        raise ApiError('InvalidPermission.Malformed', f'Invalid port range ({low}-{high})')
    return name, low, high


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text, strict=False))
    except ValueError:
        raise ApiError('InvalidPermission.Malformed', f'Invalid IP range: {text}') from None


def _source(cloud: Cloud, caller: Caller, pair: dict[str, Any], must_exist: bool) -> tuple[str, str, str]:
    """Account, id and name of a group that a rule names."""
    account = pair.get('UserId') or caller.account
    if pair.get('GroupId'):
        row = by_id(cloud, group_id(cloud, pair['GroupId']))
    elif pair.get('GroupName'):
        row = by_name(cloud, account, pair['GroupName'])
    else:
        raise failure('Group ID or Group Name required.')
    if row is not None:
        return row['account'], row['id'], row['name']
    if must_exist:
        raise ApiError(
            'InvalidGroup.NotFound', f"The security group '{pair.get('GroupName') or pair.get('GroupId')}' does not exist"
        )
    return account, '', ''  # equal to no rule


@action('DescribeSecurityGroups')
def describe_security_groups(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    default_group(cloud, caller.account)
    names, identifiers = list(request.get('GroupNames') or []), list(request.get('GroupIds') or [])
    everybody = caller.is_admin and (ids.VERBOSE in names + identifiers or bool(identifiers))
    names = [name for name in names if name != ids.VERBOSE]
    identifiers = [group_id(cloud, one) for one in identifiers if one != ids.VERBOSE]
    rows = cloud.store.rows(
        'SELECT * FROM security_groups WHERE account = ? OR ? ORDER BY account, name', caller.account, everybody
    )
    if names or identifiers:
        rows = [row for row in rows if row['name'] in names or row['id'] in identifiers]
    tagged = tags.of_account(cloud, caller.account)
    groups = [_describe(cloud, row, tagged.get(row['id'], {})) for row in rows]
    groups = filters.apply(groups, request.get('Filters'), _FILTERS, lambda item: tagged.get(item['GroupId'], {}))
    found = [group['GroupName'] for group in groups] + [group['GroupId'] for group in groups]
    ids.missing(cloud, 'DescribeSecurityGroups', 'InvalidGroup.NotFound', 'security group', identifiers, found)
    ids.missing(cloud, 'DescribeSecurityGroups', 'InvalidGroup.NotFound', 'security group', names, found)
    return {'SecurityGroups': groups}


def _describe(cloud: Cloud, row: sqlite3.Row, tagged: dict[str, str]) -> dict[str, Any]:
    return {
        'OwnerId': row['account'],
        'GroupName': row['name'],
        'GroupId': row['id'],
        'Description': row['description'],
        'IpPermissions': [_permission(rule) for rule in rules_of(row)],
        'Tags': tags.as_list(tagged),
    }


def _permission(rule: Rule) -> dict[str, Any]:
    pairs = [{'UserId': account, 'GroupId': identifier, 'GroupName': name} for account, identifier, name in rule.groups]
    ranges = [{'CidrIp': cidr} for cidr in rule.cidrs]
    ports = {'FromPort': rule.low, 'ToPort': rule.high}
    return {'IpProtocol': rule.protocol, **ports, 'UserIdGroupPairs': pairs, 'IpRanges': ranges}


def for_launch(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> list[str]:
    """Names of the groups that an instance is launched in. ApiError for one that does not exist."""
    names, identifiers = request.get('SecurityGroups') or [], request.get('SecurityGroupIds') or []
    default_group(cloud, caller.account)
    rows = {name: by_name(cloud, caller.account, name) for name in names}
    rows.update({one: by_id(cloud, group_id(cloud, one)) for one in identifiers})
    for asked, row in rows.items():
        if row is None or row['account'] != caller.account:
            raise ApiError('InvalidGroup.NotFound', f"The security group '{asked}' does not exist")
    return list(dict.fromkeys(row['name'] for row in rows.values() if row is not None)) or [DEFAULT]


def _of_rules(key: str) -> filters.Lookup:
    return lambda group: [str(permission[key]) for permission in group['IpPermissions'] if permission[key] is not None]


def _of_pairs(key: str) -> filters.Lookup:
    return lambda group: [pair[key] for permission in group['IpPermissions'] for pair in permission['UserIdGroupPairs']]


_FILTERS: dict[str, filters.Lookup] = {
    'description': lambda group: group['Description'],
    'group-id': lambda group: group['GroupId'],
    'group-name': lambda group: group['GroupName'],
    'owner-id': lambda group: group['OwnerId'],
    'ip-permission.cidr': lambda group: [one['CidrIp'] for permission in group['IpPermissions'] for one in permission['IpRanges']],
    'ip-permission.from-port': _of_rules('FromPort'),
    'ip-permission.to-port': _of_rules('ToPort'),
    'ip-permission.protocol': _of_rules('IpProtocol'),
    'ip-permission.group-id': _of_pairs('GroupId'),
    'ip-permission.group-name': _of_pairs('GroupName'),
    'ip-permission.user-id': _of_pairs('UserId'),
    'vpc-id': lambda group: None,
}
