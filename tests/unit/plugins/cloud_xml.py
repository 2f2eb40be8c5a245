# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replies in the shape that Eucalyptus 4 gives them."""

from __future__ import annotations

import base64

from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import Reply, error

ACCOUNT = '000123456789'


def tag_set(tags: dict[str, str]) -> str:
    items = ''.join(f'<item><key>{key}</key><value>{value}</value></item>' for key, value in tags.items())
    return f'<tagSet>{items}</tagSet>'


def attachment(state: str, instance_id: str = 'i-1', device: str = '/dev/sdf', volume_id: str = 'vol-1') -> str:
    return (
        f'<item><volumeId>{volume_id}</volumeId><instanceId>{instance_id}</instanceId><device>{device}</device>'
        f'<status>{state}</status><deleteOnTermination>false</deleteOnTermination></item>'
    )


def volume(state: str, volume_id: str = 'vol-1', size: int = 5, attached: str = '', **tags: str) -> str:
    return (
        f'<item><volumeId>{volume_id}</volumeId><size>{size}</size><snapshotId/>'
        f'<availabilityZone>one</availabilityZone><status>{state}</status>'
        f'<createTime>2024-05-01T10:00:00.000Z</createTime><attachmentSet>{attached}</attachmentSet>{tag_set(tags)}</item>'
    )


def volumes(*items: str) -> str:
    return f'<volumeSet>{"".join(items)}</volumeSet>'


def snapshot(state: str, snapshot_id: str = 'snap-1', volume_id: str = 'vol-1', progress: str = '', **tags: str) -> str:
    return (
        f'<item><snapshotId>{snapshot_id}</snapshotId><volumeId>{volume_id}</volumeId><status>{state}</status>'
        f'<startTime>2024-05-01T10:00:00.000Z</startTime><progress>{progress}</progress><volumeSize>5</volumeSize>'
        f'<description/>{tag_set(tags)}</item>'
    )


def snapshots(*items: str) -> str:
    return f'<snapshotSet>{"".join(items)}</snapshotSet>'


def instance(
    state: str, instance_id: str = 'i-1', reason: str = '', root: str = 'instance-store', token: str = '', **tags: str
) -> str:
    return (
        f'<item><instanceId>{instance_id}</instanceId><imageId>emi-1</imageId>'
        f'<instanceState><code>0</code><name>{state}</name></instanceState>'
        f'<stateReason><code>none</code><message>{reason}</message></stateReason><instanceType>m1.small</instanceType>'
        f'<placement><availabilityZone>one</availabilityZone></placement><rootDeviceType>{root}</rootDeviceType>'
        f'<clientToken>{token}</clientToken><groupSet><item><groupId>sg-1</groupId><groupName>default</groupName></item>'
        f'</groupSet><blockDeviceMapping/>{tag_set(tags)}</item>'
    )


def instances(*items: str) -> str:
    inner = ''.join(f'<item><instancesSet>{item}</instancesSet></item>' for item in items)
    return f'<reservationSet>{inner}</reservationSet>'


def started(instance_id: str = 'i-1') -> str:
    return f'<instancesSet>{instance("pending", instance_id)}</instancesSet>'


def console(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return f'<instanceId>i-1</instanceId><output>{base64.b64encode(data).decode()}</output>'


def image(
    image_id: str = 'eki-1',
    name: str = 'kern',
    location: str = 'b/k.manifest.xml',
    state: str = 'available',
    kind: str = 'kernel',
    public: bool = False,
    description: str = '',
    owner: str = ACCOUNT,
    **tags: str,
) -> str:
    return (
        f'<item><imageId>{image_id}</imageId><imageLocation>{location}</imageLocation><imageState>{state}</imageState>'
        f'<imageOwnerId>{owner}</imageOwnerId><isPublic>{str(public).lower()}</isPublic><architecture>x86_64</architecture>'
        f'<imageType>{kind}</imageType><name>{name}</name><description>{description}</description>'
        f'<rootDeviceType>instance-store</rootDeviceType><blockDeviceMapping/>{tag_set(tags)}</item>'
    )


def ebs_image(
    image_id: str = 'emi-9', name: str = 'system', snapshot_id: str = 'snap-1', state: str = 'available', **tags: str
) -> str:
    return (
        f'<item><imageId>{image_id}</imageId><imageLocation>{ACCOUNT}/{name}</imageLocation><imageState>{state}</imageState>'
        f'<imageOwnerId>{ACCOUNT}</imageOwnerId><isPublic>false</isPublic><architecture>x86_64</architecture>'
        f'<imageType>machine</imageType><name>{name}</name><rootDeviceType>ebs</rootDeviceType>'
        '<virtualizationType>hvm</virtualizationType><rootDeviceName>/dev/sda</rootDeviceName><blockDeviceMapping><item>'
        f'<deviceName>/dev/sda</deviceName><ebs><snapshotId>{snapshot_id}</snapshotId></ebs></item></blockDeviceMapping>'
        f'{tag_set(tags)}</item>'
    )


def images(*items: str) -> str:
    return f'<imagesSet>{"".join(items)}</imagesSet>'


NOBODY = '<launchPermission/>'
DONE = '<return>true</return>'
NO_CONSOLE: Reply = error('InternalFailure', 'Instance i-1 is not in a running state.', 500)


def missing(what: str) -> tuple[int, str]:
    code = {'vol': 'InvalidVolume.NotFound', 'i': 'InvalidInstanceID.NotFound', 'snap': 'InvalidSnapshot.NotFound'}
    return error(code[what.partition('-')[0]], f'{what} does not exist')


def permission(protocol: str, low: int | None, high: int | None, *sources: str) -> str:
    """A source is a network, or the name of a group of ACCOUNT."""
    ports = '' if low is None else f'<fromPort>{low}</fromPort><toPort>{high}</toPort>'
    ranges = ''.join(f'<item><cidrIp>{one}</cidrIp></item>' for one in sources if '/' in one)
    pairs = ''.join(f'<item><userId>{ACCOUNT}</userId><groupName>{one}</groupName></item>' for one in sources if '/' not in one)
    return f'<item><ipProtocol>{protocol}</ipProtocol>{ports}<groups>{pairs}</groups><ipRanges>{ranges}</ipRanges></item>'


def security_group(name: str, group_id: str = 'sg-1', permissions: tuple[str, ...] = (), **tags: str) -> str:
    identity = f'<groupId>{group_id}</groupId>' if group_id else ''
    return (
        f'<item><ownerId>{ACCOUNT}</ownerId>{identity}<groupName>{name}</groupName><groupDescription>d</groupDescription>'
        f'<ipPermissions>{"".join(permissions)}</ipPermissions>{tag_set(tags)}</item>'
    )


def security_groups(*items: str) -> str:
    default = security_group('default', 'sg-0')
    return f'<securityGroupInfo>{default}{"".join(items)}</securityGroupInfo>'
