# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags: an account's own, on its own resources and on images that others share with it."""

from __future__ import annotations

from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError
from . import filters, ids, image_access
from .registry import Reply, action

_RESERVED = ('aws:', 'euca:')
# Prefix of the id → table, the resource type that DescribeTags shows, and the wording of NotFound.
_KINDS = {
    'i': ('instances', 'instance', 'InvalidInstanceID.NotFound', 'instance ID'),
    'vol': ('volumes', 'volume', 'InvalidVolume.NotFound', 'volume'),
    'snap': ('snapshots', 'snapshot', 'InvalidSnapshot.NotFound', 'snapshot'),
    'sg': ('security_groups', 'security-group', 'InvalidGroup.NotFound', 'security group'),
    'emi': ('images', 'image', 'InvalidAMIID.NotFound', 'image ID'),
    'eki': ('images', 'image', 'InvalidAMIID.NotFound', 'image ID'),
    'eri': ('images', 'image', 'InvalidAMIID.NotFound', 'image ID'),
}


def of_account(cloud: Cloud, account: str) -> dict[str, dict[str, str]]:
    """All tags visible to an account, by resource id."""
    result: dict[str, dict[str, str]] = {}
    for row in cloud.store.rows('SELECT * FROM tags WHERE account = ? ORDER BY key', account):
        result.setdefault(row['resource_id'], {})[row['key']] = row['value']
    return result


def as_list(tags: dict[str, str] | None) -> list[dict[str, str]]:
    return [{'Key': key, 'Value': value} for key, value in (tags or {}).items()]


@action('CreateTags')
def create_tags(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    wanted = _checked(request.get('Tags'))
    with cloud.store.transaction():
        for resource in _resources(cloud, caller, request):
            put(cloud, caller, resource, wanted)
    return {}


def specified(request: dict[str, Any], *kinds: str) -> dict[str, dict[str, str]]:
    """The tags of resources that the request creates, by resource type (TagSpecification). ApiError for any other type."""
    wanted: dict[str, dict[str, str]] = {}
    for one in request.get('TagSpecifications') or []:
        kind = one.get('ResourceType') or ''
        if kind not in kinds:
            raise ApiError('InvalidParameterValue', f'Invalid resource type: {kind}')
        wanted.setdefault(kind, {}).update(_checked(one.get('Tags')))
    return wanted


def put(cloud: Cloud, caller: Caller, resource: str, wanted: dict[str, str]) -> None:
    for key, value in wanted.items():
        cloud.store.execute(
            'INSERT INTO tags VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
            resource,
            caller.account,
            key,
            value,
        )
    count = cloud.store.one('SELECT count(*) FROM tags WHERE resource_id = ? AND account = ?', resource, caller.account)[0]
    if count > cloud.played.replies.most_tags:
        raise ApiError('TagLimitExceeded', 'The maximum number of Tags for a resource has been reached.')


def _checked(tags: list[dict[str, str]] | None) -> dict[str, str]:
    wanted = {tag.get('Key', ''): tag.get('Value', '') for tag in tags or []}
    for key, value in wanted.items():
        _check(key, value)
    return wanted


def _check(key: str, value: str) -> None:
    if not key or key.lower().startswith(_RESERVED):
        raise ApiError('InvalidParameterValue', "Tag keys starting with 'aws:' and 'euca:' are reserved for internal use")
    if len(key) > 127:
        raise ApiError('InvalidParameterValue', 'Tag key exceeds the maximum length of 127 characters')
    if len(value) > 255:
        raise ApiError('InvalidParameterValue', 'Tag value exceeds the maximum length of 255 characters')


def _resources(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> list[str]:
    found = []
    for identifier in request.get('Resources') or []:
        resource = ids.normalise(cloud, identifier, None, lambda bad: ApiError('InvalidID', f"The ID '{bad}' is not valid"))
        kind = _KINDS.get(resource.split('-')[0])
        if kind is None:
            raise ApiError('InvalidID', f"The ID '{resource}' is not valid")
        table, _, code, what = kind
        row = (
            image_access.find_usable(cloud, caller, resource) if table == 'images' else ids.visible(cloud, caller, table, resource)
        )
        if row is None:
            raise ApiError(code, f"The {what} '{resource}' does not exist")
        found.append(resource)
    return found


@action('DeleteTags')
def delete_tags(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    with cloud.store.transaction():
        for resource in _resources(cloud, caller, request):
            for tag in request.get('Tags') or []:
                where, values = 'resource_id = ? AND account = ? AND key = ?', [resource, caller.account, tag.get('Key', '')]
                if 'Value' in tag:  # a value in the request must match, none matches any
                    where, values = where + ' AND value = ?', [*values, tag['Value']]
                cloud.store.execute(f'DELETE FROM tags WHERE {where}', *values)
    return {}


@action('DescribeTags')
def describe_tags(cloud: Cloud, caller: Caller, request: dict[str, Any]) -> Reply:
    rows = cloud.store.rows('SELECT * FROM tags WHERE account = ? ORDER BY resource_id, key', caller.account)
    tags = [
        {
            'ResourceId': row['resource_id'],
            'ResourceType': _KINDS[row['resource_id'].split('-')[0]][1],
            'Key': row['key'],
            'Value': row['value'],
        }
        for row in rows
    ]
    lookups = {
        'key': lambda tag: tag['Key'],
        'value': lambda tag: tag['Value'],
        'resource-id': lambda tag: tag['ResourceId'],
        'resource-type': lambda tag: tag['ResourceType'],
    }
    return {'Tags': filters.apply(tags, request.get('Filters'), lookups)}
