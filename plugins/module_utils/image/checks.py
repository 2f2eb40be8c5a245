# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks, by requests that only read, for refusals that would otherwise come after the upload."""

from __future__ import annotations

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.failures import GATEWAY
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.registration import IMAGE
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.wanted import Wanted


class NotAdministrator(CollectionError):
    """A kernel or ramdisk cannot be registered by this account."""


class BootImageMissing(CollectionError):
    """The kernel or ramdisk of a machine image does not exist, or is not shared with this account."""


class NoHvm(CollectionError):
    """The cloud has no hvm images of files."""


def check_may_register(cloud: Cloud, image_type: str) -> None:
    """Raise NotAdministrator when the account may not register a kernel or ramdisk, and CloudError if the cloud is away.

    Every version from 3.1 to 5 lists the nodes' capacity ("|- vm types" …) with the zone ``verbose``, and does so only for
    administrators, by the same predicate that guards the registration (ClusterEndpoint, ImageManifests). A trial
    registration would not answer the question: 3.1 to 3.3 check after reading the manifest, and later versions before
    it, by its name alone.
    """
    if image_type == 'machine':
        return
    try:
        zones = cloud.ec2('describe_availability_zones', ZoneNames=['verbose']).get('AvailabilityZones') or []
    except CloudError as error:
        if error.status in (None, *GATEWAY):
            raise
        return  # perhaps a policy forbids this request; the registration decides
    if zones and not any((zone.get('ZoneName') or '').startswith('|-') for zone in zones):
        raise NotAdministrator(
            f'Only administrators can register a {image_type}, and the account of these keys is not one, so nothing was '
            "uploaded. Let the cloud's administrator (account eucalyptus) register it and share it with "
            'launch_permissions, or use a machine image with its own boot loader (virtualization_type: hvm).'
        )


def check_boot_images(cloud: Cloud, wanted: Wanted) -> None:
    """Raise BootImageMissing when the account can use no such kernel or ramdisk."""
    given = {kind: one for kind, one in (('kernel', wanted.kernel_id), ('ramdisk', wanted.ramdisk_id)) if one and one != 'windows'}
    usable = IMAGE.read(cloud.ec2('describe_images', 'the images')) if given else []
    for kind, boot_image in given.items():
        there = [image for image in usable if image['type'] == kind and image['state'] == 'available']
        if boot_image.lower() not in (image['image_id'].lower() for image in there):
            which = ', '.join(f'{image["image_id"]} ({image["name"]})' for image in there) or 'none'
            raise BootImageMissing(f'{kind}_id: there is no {kind} {boot_image} that this account may use. Available: {which}.')


def check_virtualization_type(cloud: Cloud, wanted: Wanted) -> None:
    """Raise NoHvm if the cloud has no types of virtualization and one is required (the parameter is in 3.4 and later)."""
    if wanted.virtualization_type == 'hvm' and not cloud.has_tags:
        raise NoHvm(
            'This cloud (Eucalyptus before 3.3) registers a file only as a paravirtual image, so nothing was uploaded. Omit '
            'virtualization_type, and set kernel_id and ramdisk_id; or install onto a volume and register its snapshot.'
        )
