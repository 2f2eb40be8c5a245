# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud's resources as modules return them: reading, finding by id or by name, removing."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import read_tags
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.waiting import wait_for
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

Resource = dict[str, t.Any]


class AmbiguousName(CollectionError):
    """Several resources have the name, so it identifies none."""


@dataclass(frozen=True)
class Kind:
    """A kind of resource: its requests, its states, and how its replies are read."""

    noun: str  # used in messages and as the result's key; the key of its id is '<noun>_id'
    operation: str  # lists resources
    ids: str  # the parameter of ``operation`` for ids
    read: t.Callable[[Resource], list[Resource]]  # reply -> resources
    remove: str = ''  # operation that removes one; its parameter is that of ``ids``, for one or for several
    which: t.Callable[[str], Resource] | None = None  # id -> parameters of one resource, where they are others
    own_only: Resource = field(default_factory=dict)  # parameters that exclude other accounts' resources from a search
    ready: tuple[str, ...] = ('available',)  # states of a usable resource; a new one reaches the first
    failed: frozenset[str] = frozenset({'failed', 'error'})  # states that no waiting changes
    gone: frozenset[str] = frozenset()  # states of a removed resource that is still listed
    removed: str = 'deleted'  # the last of these
    tag_named: bool = False  # whether its name is its tag Name
    born: str = ''  # the key of the time of its creation
    untraceable: bool = False  # whether only a note identifies a resource whose creation was interrupted before it got tags
    empty: Resource = field(default_factory=dict)  # a resource without values, on which predictions are based

    @property
    def id(self) -> str:
        return f'{self.noun}_id'

    @property
    def title(self) -> str:
        return self.noun.replace('_', ' ')

    @property
    def parameter(self) -> str:
        """The name of one id in requests and replies: 'VolumeId'."""
        return self.ids.removesuffix('s')


def look(cloud: Cloud, kind: Kind, resource_id: str) -> Resource | None:
    """The resource with that id in whatever state, None when the cloud does not list it."""
    try:
        ids: dict[str, t.Any] = {f'{name}s': [value] for name, value in (kind.which or _by_id(kind))(resource_id).items()}
        reply = cloud.ec2(kind.operation, f'{kind.title} {resource_id}', **ids)
    except CloudError as error:
        if error.not_found:
            return None
        raise
    # Eucalyptus 3 answers an unknown id with an empty list instead of an error.
    return next((resource for resource in read_reply(cloud, kind, reply) if resource[kind.id] == resource_id), None)


def _by_id(kind: Kind) -> t.Callable[[str], Resource]:
    return lambda resource_id: {kind.parameter: resource_id}


def listing(cloud: Cloud, kind: Kind, name: str | None = None, ids: t.Sequence[str] | None = None) -> list[Resource]:
    """All of the account's resources, those with these ids, or those with this name that still exist; ordered by id."""
    if ids is not None:
        found = [look(cloud, kind, resource_id) for resource_id in ids]
        return [resource for resource in found if resource and name in (None, resource['name'])]
    # Filters came with Eucalyptus 3.3, so the choice is made here.
    resources = read_reply(cloud, kind, cloud.ec2(kind.operation, f'the {kind.title}s', **kind.own_only))
    if name is not None:
        resources = [resource for resource in resources if resource['name'] == name and resource['state'] not in kind.gone]
    return sorted(resources, key=lambda resource: resource[kind.id])


def read_reply(cloud: Cloud, kind: Kind, reply: Resource) -> list[Resource]:
    """The reply's resources; those of the cloud's build with their tags from its list, if the cloud has none."""
    resources = kind.read(reply)
    tags = cloud.build_list.tags() if cloud.build_list else {}
    return [
        {**resource, 'tags': own, 'name': resource['name'] or own.get('Name')} if (own := tags.get(resource[kind.id])) else resource
        for resource in resources
    ]


def request_removal(cloud: Cloud, kind: Kind, resource_id: str) -> None:
    """Request the removal of a resource. One that no longer exists is not an error. Raises CloudError."""
    several = kind.remove.endswith('s')
    which: dict[str, t.Any] = {kind.ids: [resource_id]} if several else {kind.parameter: resource_id}
    if kind.which:
        which = kind.which(resource_id)
    try:
        cloud.ec2(kind.remove, f'{kind.title} {resource_id}', **which)
    except CloudError as error:
        if not error.not_found:
            raise


def remove(cloud: Cloud, kind: Kind, resource_id: str, timeout: float, report: t.Callable[[str], None] = lambda text: None) -> None:
    """Request the removal, again while the cloud refuses it, and wait until the resource is gone.

    ``report`` receives a line at least every 30 seconds. Raises WaitError, with the cloud's reason, after ``timeout``
    seconds.
    """

    def ask() -> Resource | None:
        now = look(cloud, kind, resource_id)
        if now is None or now['state'] in kind.gone:
            return now
        try:
            request_removal(cloud, kind, resource_id)
        except CloudError as error:
            # A volume that is being detached and a snapshot that is being taken can be removed later.
            return {**now, 'state_reason': error.text or str(error)}
        return look(cloud, kind, resource_id)

    # An instance that is shutting down still uses its volumes.
    ended = kind.gone - {'shutting-down'}
    aim = f'{kind.title} {resource_id} to be removed'
    wait_for(ask, lambda now: now is None or now['state'] in ended, aim, timeout, report=report)


def find_one(cloud: Cloud, kind: Kind, resource_id: str | None, name: str | None) -> Resource | None:
    """The resource with that id, otherwise the only one with that name. Raises AmbiguousName when several have it."""
    if resource_id is not None:
        return look(cloud, kind, resource_id)
    found = listing(cloud, kind, name=name) if name is not None else []
    if len(found) > 1:
        matches = ', '.join(f'{resource[kind.id]} ({resource["state"]})' for resource in found)
        raise AmbiguousName(f'{len(found)} {kind.title}s are named {name}: {matches}. Select one with {kind.id}.')
    return found[0] if found else None


def with_volumes(cloud: Cloud, instances: list[Resource]) -> list[Resource]:
    """The instances, each with all volumes attached to it.

    Taken from the volumes, because some versions of Eucalyptus list with an instance only those it was started with.
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
    # Node controllers of Eucalyptus 3 report 'unknown,requested:/dev/sdc' for a request for /dev/sdc.
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
        'security_groups': [group.get('GroupName') or group.get('GroupId') for group in raw.get('SecurityGroups') or []],
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
    # Eucalyptus 3 has security groups of reservations only, and 3.1 has their names as IDs.
    return [
        read_instance({**raw, 'SecurityGroups': raw.get('SecurityGroups') or reservation.get('Groups')})
        for reservation in reply.get('Reservations') or []
        for raw in reservation.get('Instances') or []
    ]


def when(moment: t.Any) -> str | None:
    """A reply's time as ISO 8601."""
    return moment.isoformat() if moment else None


DELETED = frozenset({'deleted', 'deleting'})
VOLUME = Kind(
    'volume',
    'describe_volumes',
    'VolumeIds',
    lambda reply: [read_volume(raw) for raw in reply.get('Volumes') or []],
    remove='delete_volume',
    ready=('available', 'in-use'),
    gone=DELETED,
    tag_named=True,
    born='created',
    untraceable=True,
    empty=read_volume({'VolumeId': None}),
)
SNAPSHOT = Kind(
    'snapshot',
    'describe_snapshots',
    'SnapshotIds',
    lambda reply: [read_snapshot(raw) for raw in reply.get('Snapshots') or []],
    remove='delete_snapshot',
    own_only={'OwnerIds': ['self']},
    ready=('completed',),
    gone=DELETED,
    tag_named=True,
    born='started',
    empty=read_snapshot({'SnapshotId': None}),
)
INSTANCE = Kind(
    'instance',
    'describe_instances',
    'InstanceIds',
    _read_instances,
    remove='terminate_instances',
    ready=('running',),
    failed=frozenset(),
    gone=frozenset({'terminated', 'shutting-down'}),
    removed='terminated',
    tag_named=True,
    born='launched',
    empty=read_instance({'InstanceId': None}),
)
