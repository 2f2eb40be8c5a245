# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that one unfinished build created in the cloud, and how to remove it in the right order.

It is known by the build's tag; an image also by its name, because it is registered before it is tagged. A finished image
carries the build's key besides (the tag's name with ``-key`` behind), and is never a leftover, nor is its snapshot.
Eucalyptus 3.1 and 3.2 have no tags: there, only images are found.
"""
from __future__ import annotations

import functools
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.images import IMAGE
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan
from ansible_collections.eucalyptus.cloud.plugins.module_utils.resources import (
    INSTANCE,
    SNAPSHOT,
    VOLUME,
    Kind,
    Resource,
    listing,
    look,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.waiter import wait_for

Leftover = dict[str, str]    # {'type': 'volume', 'id': 'vol-…', 'state': 'in-use'}

ANSWER_FILE = 'answer file'
# An instance holds its volumes and its image, an image its snapshot.
KINDS: dict[str, tuple[Kind, str, str]] = {kind.word: (kind, operation, parameter) for kind, operation, parameter in (
    (INSTANCE, 'terminate_instances', 'InstanceIds'), (VOLUME, 'delete_volume', 'VolumeId'),
    (IMAGE, 'deregister_image', 'ImageId'), (SNAPSHOT, 'delete_snapshot', 'SnapshotId'))}


def find_leftovers(cloud: Cloud, tag: str, name: str, bucket: str | None = None) -> list[Leftover]:
    """What carries ``tag`` = ``name``, in the order in which it has to be removed. Raises CloudError.

    ``bucket`` is where the build's answer file would be, an object of the build's name; by default the account's own for
    answer files.
    """
    bucket = bucket or cloud.credentials.own_bucket('answer-files')
    found = [_leftover(ANSWER_FILE, f'{bucket}/{name}', 'available')] if _object_exists(cloud, bucket, name) else []
    kept = set()
    for kind, _operation, _parameter in KINDS.values():
        for resource in listing(cloud, kind):
            ours = resource['tags'].get(tag) == name or (kind is IMAGE and resource['name'] == name)
            if kind is IMAGE and f'{tag}-key' in resource['tags']:
                kept.add(resource['snapshot_id'])
            elif ours and resource['state'] not in kind.gone and resource[kind.id] not in kept:
                found.append(_leftover(kind.word, resource[kind.id], resource['state']))
    return found


def plan_leftovers(cloud: Cloud, found: list[Leftover], timeout: float) -> Plan:
    """The steps that remove ``found``; each waits until its resource is gone, ``timeout`` seconds at the most."""
    plan = Plan(found)
    for position, leftover in enumerate(found):
        remove = _remove_object if leftover['type'] == ANSWER_FILE else functools.partial(_remove, timeout=timeout)
        plan.remove(f"remove {leftover['type']} {leftover['id']}", functools.partial(remove, cloud, leftover),
                    after=found[position + 1:])
    return plan


def _leftover(kind: str, resource_id: str, state: str | None) -> Leftover:
    return {'type': kind, 'id': resource_id, 'state': state or ''}


def _object_exists(cloud: Cloud, bucket: str, key: str) -> bool:
    try:
        cloud.s3('head_object', f'{bucket}/{key}', Bucket=bucket, Key=key)
    except CloudError as error:
        # A bucket of somebody else's holds no answer file of ours.
        if error.not_found or error.status == 403:
            return False
        raise
    return True


def _remove_object(cloud: Cloud, leftover: Leftover) -> None:
    bucket, _slash, key = leftover['id'].partition('/')
    cloud.s3('delete_object', leftover['id'], Bucket=bucket, Key=key)


def _remove(cloud: Cloud, leftover: Leftover, timeout: float) -> None:
    """Ask for the removal, again and again while the cloud says "not yet", and wait until the resource is gone."""
    kind, operation, parameter = KINDS[leftover['type']]
    about = f"{leftover['type']} {leftover['id']}"
    request: dict[str, t.Any] = {parameter: [leftover['id']] if parameter.endswith('s') else leftover['id']}

    def ask() -> Resource | None:
        now = look(cloud, kind, leftover['id'])
        if now is None or now['state'] in kind.gone:
            return now
        try:
            cloud.ec2(operation, about, **request)
        except CloudError as error:
            # A volume that is being detached, a snapshot that is being taken: possible in a moment.
            return {**now, 'state_reason': error.text or str(error)}
        return look(cloud, kind, leftover['id'])

    # An instance that is shutting down still holds its volumes.
    wait_for(ask, lambda now: now is None or now['state'] in kind.gone - {'shutting-down'}, f'{about} to be gone', timeout)
