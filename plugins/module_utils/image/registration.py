# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registered images: reading them, launch permissions, registering and deregistering."""

from __future__ import annotations

import functools
import time
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Kind, Resource, look, read_reply
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import SYSTEM, plan_tags, read_tags
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.upload import stem_of
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.wanted import ID_PREFIX, Wanted
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

EVERYBODY = 'all'


def read_image(raw: Resource) -> Resource:
    """One image of a DescribeImages reply. Of its launch permissions the reply contains only `public`."""
    devices = raw.get('BlockDeviceMappings') or []
    snapshots = [device['Ebs'].get('SnapshotId') for device in devices if device.get('Ebs')]
    ebs = raw.get('RootDeviceType') == 'ebs'
    return {
        'image_id': raw['ImageId'],
        'name': raw.get('Name') or None,
        'type': raw.get('ImageType') or 'machine',
        'state': raw.get('State') or 'available',
        'description': raw.get('Description') or None,
        'location': None if ebs else raw.get('ImageLocation') or None,
        'snapshot_id': next((snapshot for snapshot in snapshots if snapshot), None) if ebs else None,
        'architecture': raw.get('Architecture'),
        'kernel_id': raw.get('KernelId') or None,
        'ramdisk_id': raw.get('RamdiskId') or None,
        'virtualization_type': raw.get('VirtualizationType') or None,
        'root_device_type': raw.get('RootDeviceType') or 'instance-store',
        'root_device_name': raw.get('RootDeviceName') or None,
        'owner': raw.get('OwnerId'),
        'launch_permissions': {'public': bool(raw.get('Public')), 'accounts': None},
        'tags': read_tags(raw),
    }


IMAGE = Kind(
    'image',
    'describe_images',
    'ImageIds',
    lambda reply: [read_image(raw) for raw in reply.get('Images') or []],
    gone=frozenset({'deregistered', 'deregistered_cleanup'}),
    own_only={'Owners': ['self']},
    remove='deregister_image',
)


def with_permissions(cloud: Cloud, image: Resource | None) -> Resource | None:
    """The image with the accounts that may launch it. Only its owner can read them; for others they remain None."""
    account = (cloud.credentials.account_id or '').replace('-', '')
    if image is None or image['state'] in IMAGE.gone or account and account != image['owner']:
        return image
    try:
        reply = cloud.ec2(
            'describe_image_attribute', f'image {image["image_id"]}', ImageId=image['image_id'], Attribute='launchPermission'
        )
    except CloudError:
        if account:
            raise
        return image  # perhaps another account's: our own account number is unknown
    grants = reply.get('LaunchPermissions') or []
    # Eucalyptus 3.1 returns the caller's own account in their place (ImageManager.describeImageAttribute).
    accounts = sorted(grant['UserId'] for grant in grants if grant.get('UserId')) if cloud.has_tags else None
    public = any(grant.get('Group') == EVERYBODY for grant in grants)
    return {**image, 'launch_permissions': {'public': public, 'accounts': accounts}}


def describe(cloud: Cloud, image_id: str, description: str) -> None:
    """Set the description of a registered image. Raises CloudError."""
    cloud.ec2('modify_image_attribute', f'image {image_id}', ImageId=image_id, Description={'Value': description})


def plan_permissions(plan: Plan, cloud: Cloud, image_id: t.Callable[[], str], wanted: dict[str, t.Any] | None) -> None:
    """Add the steps that let exactly the wanted accounts launch the image. Keys that `wanted` omits are left unchanged."""
    present = (plan.after or {}).get('launch_permissions') or {'public': False, 'accounts': []}
    before, after = _grants(present), _grants(present)
    if wanted and wanted.get('public') is not None:
        after = after - {EVERYBODY} | ({EVERYBODY} if wanted['public'] else set())
    if wanted and wanted.get('accounts') is not None:
        after = after & {EVERYBODY} | {account.replace('-', '') for account in wanted['accounts']}
    predicted = {'public': EVERYBODY in after, 'accounts': sorted(after - {EVERYBODY})}

    def grant(change: str, grants: t.Collection[str]) -> None:
        everybody, accounts = [one for one in grants if one == EVERYBODY], sorted(one for one in grants if one != EVERYBODY)
        if cloud.has_tags:
            grantees = [{'UserId': account} for account in accounts] + [{'Group': one} for one in everybody]
            what: dict[str, t.Any] = {'LaunchPermission': {change: grantees}}
        else:  # ModifyImageAttribute of 3.1 has only these parameters
            what = {'Attribute': 'launchPermission', 'OperationType': change.lower()}
            what |= {name: given for name, given in (('UserIds', accounts), ('UserGroups', everybody)) if given}
        cloud.ec2('modify_image_attribute', f'image {image_id()}', ImageId=image_id(), **what)

    # One request adds or removes: Eucalyptus ignores removals beside additions.
    for change, description, grants in (
        ('Add', 'let {} launch the image', after - before),
        ('Remove', 'no longer let {} launch the image', before - after),
    ):
        if grants:
            plan.step(
                description.format(', '.join(sorted(grants)).replace(EVERYBODY, 'everybody')),
                functools.partial(grant, change, grants),
                launch_permissions=predicted,
            )


def _grants(permissions: dict[str, t.Any]) -> set[str]:
    return set(permissions['accounts'] or []) | ({EVERYBODY} if permissions['public'] else set())


def register(cloud: Cloud, request: dict[str, t.Any], take_back: t.Callable[[], None] = lambda: None) -> str:
    """Register an image and return its id. Raises CloudError when it certainly is not registered.

    After a lost answer or an internal failure the image may exist. It is then searched for by its name and its bundle or
    snapshot. Raises RegistrationUnknown when the search fails. Another run may have registered the same image from a bundle of
    its own; then `take_back` removes ours.
    """
    about = f'image {request["Name"]}'
    try:
        image_id: str | None = cloud.ec2('register_image', about, **request).get('ImageId')
        if not image_id:
            raise CloudError(f'RegisterImage of {about} failed: the answer was cut short in transit.', 'RegisterImage')
        return image_id
    except CloudError as error:
        # InvalidAMIName.Duplicate is not certain: the network may have sent our own request twice.
        sure = error.status is not None and error.status < 500 and not (error.code or '').endswith('.Duplicate')
        image = None if sure or error.request == 'connect' else _registered_after_all(cloud, request, error)
        if image is None:
            raise
    if image['location'] != request.get('ImageLocation'):
        failure = _try(take_back, f'Another run has registered the {about}, and the upload of this run could not be removed')
        if failure:
            raise RegistrationUnknown(failure)
    return str(image['image_id'])


class RegistrationUnknown(CollectionError):
    """An image may or may not be registered, or something else was registered."""


def _registered_after_all(cloud: Cloud, request: dict[str, t.Any], error: CloudError) -> Resource | None:
    # A request whose answer was lost, here or at a gateway that returns no code of the cloud, may still be in progress, so
    # only several reads show that the image is not registered.
    lost = error.status is None or error.code in ('', str(error.status))
    for _look in range(3 if lost else 1):
        try:
            images = registered(cloud)
        except CloudError as second:
            raise RegistrationUnknown(
                f'{error} It is unknown whether the image is registered, because the images could not be listed: {second} '
                'Nothing was removed. Run the task again when the cloud responds.'
            ) from error
        for image in images:
            if image['name'] == request['Name'] and is_of(image, request):
                return image
        if lost:
            time.sleep(2)
    return None


def registered(cloud: Cloud, *owners: str) -> list[Resource]:
    """All images of the account and of these owners. Raises CloudError, even for an incomplete answer."""
    reply = cloud.ec2('describe_images', 'the images', Owners=['self', *owners])
    if 'Images' not in reply:
        raise CloudError('DescribeImages failed: the answer was cut short in transit.', 'DescribeImages')
    return [image for image in read_reply(cloud, IMAGE, reply) if image['state'] not in IMAGE.gone]


def is_of(image: Resource, request: dict[str, t.Any]) -> bool:
    """Whether the image is made of what the request names. A bundle's location identifies all of it."""
    mappings = request.get('BlockDeviceMappings')
    if not mappings:
        return stem_of(image['location'] or '') == stem_of(request['ImageLocation'])
    return (image['snapshot_id'], image['architecture']) == (mappings[0]['Ebs']['SnapshotId'], request['Architecture'])


def differences(image: Resource, wanted: Wanted) -> list[str]:
    """The properties in which an existing image differs from the wanted one, each with both values, as far as the cloud lists
    them: Eucalyptus 3.1, for example, has no virtualization type."""
    bundled = bool(wanted.src)
    pairs: list[tuple[str, str | None, str | None]] = [
        ('type', image['type'], wanted.type),
        ('architecture', image['architecture'], wanted.architecture),
        ('root device type', image['root_device_type'], 'instance-store' if bundled else 'ebs'),
    ]
    if image['root_device_type'] == 'ebs' and not bundled:
        pairs.append(('snapshot', image['snapshot_id'], wanted.snapshot_id))
    if bundled and wanted.type == image['type'] == 'machine':
        pairs += [(option, image[f'{option}_id'], getattr(wanted, f'{option}_id')) for option in ('kernel', 'ramdisk')]
        if image['virtualization_type']:
            pairs.append(('virtualization type', image['virtualization_type'], wanted.virtualization_type or 'paravirtual'))
    return [
        f'{what} {present or "none"}, wanted {requested or "none"}'
        for what, present, requested in pairs
        if (present or '').lower() != (requested or '').lower()
    ]


def register_instead(
    cloud: Cloud, request: dict[str, t.Any], image_type: str, former: Resource | None, take_back: t.Callable[[], None]
) -> str:
    """Register an image in the place of a former one, which is already deregistered, if there was one.

    When the cloud certainly refuses, `take_back` removes the upload, and the former image is registered again.
    """
    try:
        image_id = register(cloud, request, take_back)
    except CloudError as error:
        notes = [_try(take_back, 'Its upload could not be removed'), _restore(cloud, former) if former else '']
        text = ' '.join([str(error), *filter(None, notes)])
        raise CloudError(text, error.request, error.code, error.text, error.status) from error
    if not image_id.startswith(ID_PREFIX[image_type]):
        raise RegistrationUnknown(
            f'The cloud registered {request["Name"]} as {image_id}, which is not a {image_type} image. '
            'Deregister it and choose another name.'
        )
    return image_id


def _try(undo: t.Callable[[], None], failed: str) -> str:
    try:
        undo()
    except CollectionError as error:
        return f'{failed}: {error}'
    return ''


def _restore(cloud: Cloud, former: Resource) -> str:
    new_id = ''

    def restore() -> None:
        nonlocal new_id
        new_id = register(cloud, _request_again(former))
        # The cloud's settings decide whether a new image is public, so this is always set to what it was.
        permissions = former['launch_permissions']
        plan = Plan({'launch_permissions': {'public': not permissions['public'], 'accounts': []}})
        plan_permissions(plan, cloud, lambda: new_id, permissions)
        own = {key: value for key, value in former['tags'].items() if not key.startswith(SYSTEM)}
        plan_tags(plan, cloud, lambda: new_id, {'tags': own})
        plan.apply()

    failure = _try(restore, f'The former image {former["image_id"]} is deregistered and was not completely restored')
    return failure or f'The former image is registered again, as {new_id}.'


def _request_again(image: Resource) -> dict[str, t.Any]:
    """The request that registers a deregistered image again, under a new ID."""
    if image['snapshot_id']:
        what = snapshot_request(image['snapshot_id'], image['root_device_name'])
    else:
        what = {
            'ImageLocation': image['location'],
            'KernelId': image['kernel_id'],
            'RamdiskId': image['ramdisk_id'],
            'VirtualizationType': image['virtualization_type'],
        }
    what.update(Name=image['name'], Architecture=image['architecture'], Description=image['description'])
    return {key: value for key, value in what.items() if value}


def snapshot_request(snapshot_id: str, root_device_name: str | None) -> dict[str, t.Any]:
    # Without the name, the root device depends on the version.
    device = root_device_name or '/dev/sda'
    return {'RootDeviceName': device, 'BlockDeviceMappings': [{'DeviceName': device, 'Ebs': {'SnapshotId': snapshot_id}}]}


def deregister(cloud: Cloud, image_id: str) -> None:
    try:
        cloud.ec2('deregister_image', f'image {image_id}', ImageId=image_id)
    except CloudError as error:
        # After a lost answer the image may be gone: hidden, deleted by a second call, or, in Eucalyptus 3, still listed as
        # deregistered.
        if error.not_found:
            return
        image = look(cloud, IMAGE, image_id)
        if image and image['state'] not in IMAGE.gone:
            raise
