# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that one build created in the cloud, found by its tag, and how to remove it in the right order.

Eucalyptus 3.1 and 3.2 have no tags: there, nothing is ever found.
"""
from __future__ import annotations

import functools
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan
from ansible_collections.eucalyptus.cloud.plugins.module_utils.waiter import Resource, wait_for

Leftover = dict[str, str]    # {'type': 'volume', 'id': 'vol-…', 'state': 'in-use'}

ANSWER_FILE = 'answer file'
GONE = ('terminated', 'deleted', 'deleting', 'deregistered')


def find_leftovers(cloud: Cloud, tag: str, name: str, bucket: str | None = None) -> list[Leftover]:
    """What carries ``tag`` = ``name``, in the order in which it has to be removed. Raises CloudError.

    ``bucket`` is where the build's answer file would be, an object of the build's name; by default the account's own for
    answer files.
    """
    bucket = bucket or cloud.credentials.own_bucket('answer-files')
    filters = [{'Name': f'tag:{tag}', 'Values': [name]}]
    found = [leftover for kind, find in _KINDS.items() for leftover in find(cloud, kind, filters)]
    if _object_exists(cloud, bucket, name):
        found.insert(0, _leftover(ANSWER_FILE, f'{bucket}/{name}', 'available'))
    return [leftover for leftover in found if leftover['state'] not in GONE]


def plan_leftovers(cloud: Cloud, found: list[Leftover], timeout: float) -> Plan:
    """The steps that remove ``found``; each waits until its resource is gone, ``timeout`` seconds at the most."""
    plan = Plan(found)
    for position, leftover in enumerate(found):
        plan.remove(f"remove {leftover['type']} {leftover['id']}",
                    functools.partial(_remove, cloud, leftover, timeout), after=found[position + 1:])
    return plan


def _object_exists(cloud: Cloud, bucket: str, key: str) -> bool:
    try:
        cloud.s3('head_object', f'{bucket}/{key}', Bucket=bucket, Key=key)
    except CloudError as error:
        # A bucket of somebody else's holds no answer file of ours.
        if error.not_found or error.status == 403:
            return False
        raise
    return True


def _instances(cloud: Cloud, kind: str, filters: list[dict[str, t.Any]]) -> list[Leftover]:
    reply = cloud.ec2('describe_instances', Filters=filters)
    return [_leftover(kind, instance['InstanceId'], instance.get('State', {}).get('Name'))
            for reservation in reply.get('Reservations', []) for instance in reservation.get('Instances', [])]


def _volumes(cloud: Cloud, kind: str, filters: list[dict[str, t.Any]]) -> list[Leftover]:
    reply = cloud.ec2('describe_volumes', Filters=filters)
    return [_leftover(kind, volume['VolumeId'], volume.get('State')) for volume in reply.get('Volumes', [])]


def _images(cloud: Cloud, kind: str, filters: list[dict[str, t.Any]]) -> list[Leftover]:
    reply = cloud.ec2('describe_images', Filters=filters, Owners=['self'])
    return [_leftover(kind, image['ImageId'], image.get('State')) for image in reply.get('Images', [])]


def _snapshots(cloud: Cloud, kind: str, filters: list[dict[str, t.Any]]) -> list[Leftover]:
    reply = cloud.ec2('describe_snapshots', Filters=filters, OwnerIds=['self'])
    return [_leftover(kind, snapshot['SnapshotId'], snapshot.get('State')) for snapshot in reply.get('Snapshots', [])]


# An instance holds its volumes and its image, an image its snapshot.
_KINDS: dict[str, t.Callable[[Cloud, str, list[dict[str, t.Any]]], list[Leftover]]] = {
    'instance': _instances, 'volume': _volumes, 'image': _images, 'snapshot': _snapshots}
_REQUESTS: dict[str, tuple[str, str]] = {
    'instance': ('terminate_instances', 'InstanceIds'), 'volume': ('delete_volume', 'VolumeId'),
    'image': ('deregister_image', 'ImageId'), 'snapshot': ('delete_snapshot', 'SnapshotId')}


def _leftover(kind: str, resource_id: str, state: str | None) -> Leftover:
    return {'type': kind, 'id': resource_id, 'state': state or ''}


def _remove(cloud: Cloud, leftover: Leftover, timeout: float) -> None:
    """Ask for the removal, again and again while the cloud says "not yet", and wait until the resource is gone."""
    if leftover['type'] == ANSWER_FILE:
        bucket, _slash, key = leftover['id'].partition('/')
        cloud.s3('delete_object', leftover['id'], Bucket=bucket, Key=key)
        return
    operation, parameter = _REQUESTS[leftover['type']]
    about = f"{leftover['type']} {leftover['id']}"
    value = [leftover['id']] if parameter.endswith('s') else leftover['id']

    def look() -> Resource | None:
        now = _look(cloud, leftover)
        if now is None or now['state'] in (*GONE, 'shutting-down'):
            return now
        try:
            cloud.ec2(operation, about, **{parameter: value})
        except CloudError as error:
            # A volume that is being detached, a snapshot that is being taken: possible in a moment.
            return {**now, 'state_reason': error.text or str(error)}
        return _look(cloud, leftover)

    wait_for(look, lambda now: now is None or now['state'] in GONE, f'{about} to be gone', timeout)


def _look(cloud: Cloud, leftover: Leftover) -> Resource | None:
    identifier = {'instance': 'instance-id', 'volume': 'volume-id', 'image': 'image-id', 'snapshot': 'snapshot-id'}
    filters = [{'Name': identifier[leftover['type']], 'Values': [leftover['id']]}]
    found = _KINDS[leftover['type']](cloud, leftover['type'], filters)
    return found[0] if found else None
