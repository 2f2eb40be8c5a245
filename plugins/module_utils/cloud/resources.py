# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud's resources as the modules return them, and how to find them by id or by name."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import read_tags
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.waiting import wait_for
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

Resource = dict[str, t.Any]


class AmbiguousName(CollectionError):
    """More than one resource has the name, so the name does not say which one is meant."""


@dataclass(frozen=True)
class Kind:
    """A kind of resource: how the cloud is asked for it, and how its reply is read."""

    noun: str  # also the result's key; its id is under '<word>_id'
    operation: str
    ids: str  # the request's parameter for ids
    read: t.Callable[[Resource], list[Resource]]  # reply -> resources
    gone: frozenset[str] = frozenset()  # states of what has been deleted and is only still listed
    own_only: Resource = field(default_factory=dict)  # parameters that keep other accounts' resources out of a search
    remove: str = ''  # the operation that removes one; the request's parameter is the one for ids, alone or in a list

    @property
    def id(self) -> str:
        return f'{self.noun}_id'


def look(cloud: Cloud, kind: Kind, resource_id: str) -> Resource | None:
    """The resource with that id in whatever state, None when the cloud does not list it."""
    try:
        reply = cloud.ec2(kind.operation, f'{kind.noun} {resource_id}', **{kind.ids: [resource_id]})
    except CloudError as error:
        if error.not_found:
            return None
        raise
    # Eucalyptus 3 answers an unknown id with an empty list instead of an error.
    return next((resource for resource in kind.read(reply) if resource[kind.id] == resource_id), None)


def listing(cloud: Cloud, kind: Kind, name: str | None = None, ids: t.Sequence[str] | None = None) -> list[Resource]:
    """All of the account's resources, those with these ids, or those with this name that still exist; by id."""
    if ids:
        found = [look(cloud, kind, resource_id) for resource_id in ids]
        return [resource for resource in found if resource and name in (None, resource['name'])]
    # Filters came with Eucalyptus 3.3, so choosing is done here.
    resources = kind.read(cloud.ec2(kind.operation, f'the {kind.noun}s', **kind.own_only))
    if name is not None:
        resources = [resource for resource in resources if resource['name'] == name and resource['state'] not in kind.gone]
    return sorted(resources, key=lambda resource: resource[kind.id])


def remove(cloud: Cloud, kind: Kind, resource_id: str, timeout: float) -> None:
    """Ask for the removal, again and again while the cloud says "not yet", and wait until the resource is gone.

    Raises WaitError, with the cloud's reason, when it is not after ``timeout`` seconds.
    """
    about = f'{kind.noun} {resource_id}'
    request = {kind.ids: [resource_id]} if kind.remove.endswith('s') else {kind.ids[:-1]: resource_id}

    def ask() -> Resource | None:
        now = look(cloud, kind, resource_id)
        if now is None or now['state'] in kind.gone:
            return now
        try:
            cloud.ec2(kind.remove, about, **request)
        except CloudError as error:
            # A volume that is being detached, a snapshot that is being taken: possible in a moment.
            return {**now, 'state_reason': error.text or str(error)}
        return look(cloud, kind, resource_id)

    # An instance that is shutting down still holds its volumes.
    wait_for(ask, lambda now: now is None or now['state'] in kind.gone - {'shutting-down'}, f'{about} to be gone', timeout)


def find_one(cloud: Cloud, kind: Kind, resource_id: str | None, name: str | None) -> Resource | None:
    """The resource with that id, otherwise the only one with that name. Raises AmbiguousName when the name fits several."""
    if resource_id:
        return look(cloud, kind, resource_id)
    found = listing(cloud, kind, name=name) if name is not None else []
    if len(found) > 1:
        which = ', '.join(f'{resource[kind.id]} ({resource["state"]})' for resource in found)
        raise AmbiguousName(f'{len(found)} {kind.noun}s are named {name}: {which}. Say which one with {kind.id}.')
    return found[0] if found else None


def with_volumes(cloud: Cloud, instances: list[Resource]) -> list[Resource]:
    """The instances, each with all volumes attached to it.

    Asked of the volumes, because not every Eucalyptus lists with an instance what was attached after its start.
    """
    if not instances:
        return []
    attached = [attachment for volume in listing(cloud, VOLUME) for attachment in volume['attachments']]
    return [_with(instance, attached) for instance in instances]


def _with(instance: Resource, attached: list[Resource]) -> Resource:
    volumes = {volume['volume_id']: volume for volume in instance['volumes']}
    for attachment in attached:
        if attachment['instance_id'] == instance['instance_id']:
            volumes[attachment['volume_id']] = {key: attachment[key] for key in attachment if key != 'instance_id'}
    return {**instance, 'volumes': sorted(volumes.values(), key=lambda volume: str(volume['device']))}


def read_volume(raw: Resource) -> Resource:
    tags = read_tags(raw)
    return {
        'volume_id': raw['VolumeId'],
        'name': tags.get('Name'),
        'state': raw.get('State'),
        'size': raw.get('Size'),
        'snapshot_id': raw.get('SnapshotId') or None,
        'zone': raw.get('AvailabilityZone'),
        'created': when(raw.get('CreateTime')),
        'attachments': [read_attachment(attachment) for attachment in raw.get('Attachments') or []],
        'tags': tags,
    }


def read_attachment(raw: Resource) -> Resource:
    # Node controllers of Eucalyptus 3 report 'unknown,requested:/dev/sdc' for what was asked to be /dev/sdc.
    device = (raw.get('Device') or '').rpartition('requested:')[2] or None
    return {
        'volume_id': raw.get('VolumeId'),
        'instance_id': raw.get('InstanceId'),
        'device': device,
        'state': raw.get('State'),
        'delete_on_termination': bool(raw.get('DeleteOnTermination')),
    }


def read_snapshot(raw: Resource) -> Resource:
    tags = read_tags(raw)
    return {
        'snapshot_id': raw['SnapshotId'],
        'name': tags.get('Name'),
        'state': raw.get('State'),
        'progress': raw.get('Progress') or None,
        'volume_id': raw.get('VolumeId') or None,
        'size': raw.get('VolumeSize'),
        'description': raw.get('Description') or None,
        'started': when(raw.get('StartTime')),
        'tags': tags,
    }


def read_instance(raw: Resource) -> Resource:
    tags = read_tags(raw)
    reason = (raw.get('StateReason') or {}).get('Message') or raw.get('StateTransitionReason') or None
    return {
        'instance_id': raw['InstanceId'],
        'name': tags.get('Name'),
        'state': (raw.get('State') or {}).get('Name'),
        'state_reason': reason,
        'image_id': raw.get('ImageId'),
        'kernel_id': raw.get('KernelId') or None,
        'ramdisk_id': raw.get('RamdiskId') or None,
        'instance_type': raw.get('InstanceType'),
        'zone': (raw.get('Placement') or {}).get('AvailabilityZone'),
        'key_name': raw.get('KeyName') or None,
        'security_groups': [group.get('GroupName') for group in raw.get('SecurityGroups') or []],
        'private_ip': raw.get('PrivateIpAddress') or None,
        'public_ip': raw.get('PublicIpAddress') or None,
        'root_device_type': raw.get('RootDeviceType'),
        'root_device_name': raw.get('RootDeviceName') or None,
        'client_token': raw.get('ClientToken') or None,
        'launched': when(raw.get('LaunchTime')),
        'volumes': [_mapped(mapping) for mapping in raw.get('BlockDeviceMappings') or [] if mapping.get('Ebs')],
        'tags': tags,
    }


def _mapped(raw: Resource) -> Resource:
    return {
        'volume_id': raw['Ebs'].get('VolumeId'),
        'device': raw.get('DeviceName'),
        'state': raw['Ebs'].get('Status'),
        'delete_on_termination': bool(raw['Ebs'].get('DeleteOnTermination')),
    }


def _read_instances(reply: Resource) -> list[Resource]:
    return [read_instance(raw) for reservation in reply.get('Reservations') or [] for raw in reservation.get('Instances') or []]


def when(moment: t.Any) -> str | None:
    """A reply's time as ISO 8601."""
    return moment.isoformat() if moment else None


VOLUME = Kind(
    'volume',
    'describe_volumes',
    'VolumeIds',
    lambda reply: [read_volume(raw) for raw in reply.get('Volumes') or []],
    gone=frozenset({'deleted', 'deleting'}),
    remove='delete_volume',
)
SNAPSHOT = Kind(
    'snapshot',
    'describe_snapshots',
    'SnapshotIds',
    lambda reply: [read_snapshot(raw) for raw in reply.get('Snapshots') or []],
    gone=frozenset({'deleted', 'deleting'}),
    own_only={'OwnerIds': ['self']},
    remove='delete_snapshot',
)
INSTANCE = Kind(
    'instance',
    'describe_instances',
    'InstanceIds',
    _read_instances,
    gone=frozenset({'terminated', 'shutting-down'}),
    remove='terminate_instances',
)
