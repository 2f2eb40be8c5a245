# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of one unfinished build in the cloud, and their removal in the right order.

They carry the build's tag. Because tagging is a request of its own, a resource may not have the tag yet. Then an image is
found by its name, as a security group always is, an instance by its client token, a snapshot by its volume, and a volume by the
note that was made in object storage before it was requested (cloud/build_list.py). A finished
image or instance also carries the build's key (the tag's key followed by ``-key``). It is never a leftover, nor is its snapshot.
Where the cloud has no tags, they are in the build's list in object storage (cloud/build_list.py).
"""

from __future__ import annotations

import functools
import re
import time
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim_store import remove_claim

# Imported here and not where it is used: the guard can import nothing once Ansible has removed its module's archive.
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.build_list import Note
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import (
    INSTANCE,
    SNAPSHOT,
    VOLUME,
    Kind,
    Resource,
    listing,
    remove,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.security_groups import SECURITY_GROUP
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import SYSTEM
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.waiting import WaitError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.registration import IMAGE
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.sealing import stem_prefix
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.upload import Bucket, UploadError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

Leftover = dict[str, str]  # {'type': 'volume', 'id': 'vol-…', 'state': 'in-use'}

ANSWER_FILE, CLAIM, BUNDLE = 'answer file', 'claim', 'bundle'
BOOT_DISK = '-boot'  # follows the build's name in that of the image of its boot disk
# The name of a boot disk that several builds can use begins with the name of their images instead, and ends with this many digits
# of its content's SHA-256, so that builds with other disks do not touch it. Ten digits would look like the name of a build.
DISK_DIGITS = 12
# The order of looking. An instance holds its security group, its volumes and its image, an image its snapshot.
KINDS = {kind.title: kind for kind in (INSTANCE, SECURITY_GROUP, VOLUME, IMAGE, SNAPSHOT)}
# A client token has up to 64 characters: the end of the build's name, which is unique, a dot, and anything that the role adds.
TOKEN_LENGTH = 40
BUILD = re.compile('.*-[0-9a-f]{10}')  # the role's names of builds; others have no tokens and no security groups


class LeftoversRemain(CollectionError):
    """Some resources could not be removed: ``leftovers``."""

    def __init__(self, message: str, leftovers: list[Leftover]) -> None:
        super().__init__(message)
        self.leftovers = leftovers


class Doubtful(CollectionError):
    """Several resources may be that of an interrupted creation, and not all belong to the build."""


def find_leftovers(
    cloud: Cloud,
    tag: str,
    name: str,
    bucket: str | None = None,
    answer_file_only: bool = False,
    boot_disk_bucket: str | None = None,
) -> list[Leftover]:
    """The resources with ``tag`` = ``name``, in the order of their removal. Raises CloudError.

    ``bucket`` contains the build's answer file, an object of the build's name. The default is the account's own bucket for
    answer files. ``answer_file_only`` leaves out everything else. ``boot_disk_bucket`` contains the bundle of its boot disk.
    If ``name`` is that of several builds, without a key, the boot disks that these can use are found, except those in use.
    """
    bucket = bucket or cloud.credentials.own_bucket('answer-files')
    found = _answer_file(cloud, bucket, name)
    if answer_file_only:
        return found
    cloud.for_build(name)
    resources, bundles_in_use = _resources(cloud, tag, name)
    bundles = _bundles(cloud, boot_disk_bucket, f'{name}{BOOT_DISK}') if boot_disk_bucket else []
    found += [*resources, *(bundle for bundle in bundles if bundle['id'] not in bundles_in_use)]
    # Volumes are last: without its volume, an untagged snapshot could not be found again.
    return sorted(found, key=lambda leftover: leftover['type'] == VOLUME.title)


def _resources(cloud: Cloud, tag: str, name: str) -> tuple[list[Leftover], set[str]]:
    """The resources of the kinds in KINDS, and the locations of the bundles of the account's other images."""
    found: list[Leftover] = []
    bundles_in_use: set[str] = set()
    kept: set[str] = set()
    volumes: set[str] = set()
    images_in_use: set[str] = set()
    for kind in KINDS.values():
        resources = listing(cloud, kind)
        unlisted = _unlisted(cloud, kind, resources)
        for resource in resources:
            tagged = resource['tags'].get(tag) == name
            is_ours = tagged or _untagged_is_ours(kind, resource, name, volumes) or resource[kind.id] in unlisted
            if kind is INSTANCE and resource['state'] not in kind.gone:
                images_in_use.add(resource['image_id'])
            if kind is IMAGE and _is_shared_boot_disk(resource, name):
                is_ours = resource['image_id'] not in images_in_use
            if kind is VOLUME and is_ours:
                volumes.add(resource['volume_id'])  # even one that is gone but still listed leads to its snapshots
            finished = f'{tag}-key' in resource['tags']
            if kind is IMAGE and (finished or not is_ours):
                kept.add(resource['snapshot_id'])
                bundles_in_use.add(resource['location'])
            elif is_ours and not finished and resource['state'] not in kind.gone and resource[kind.id] not in kept:
                found.append(_leftover(kind.title, resource[kind.id], resource['state']))
    return found, bundles_in_use


def _is_shared_boot_disk(image: Resource, name: str) -> bool:
    return bool(re.fullmatch(rf'{re.escape(name + BOOT_DISK)}-[0-9a-f]{{{DISK_DIGITS}}}', image['name'] or ''))


def _untagged_is_ours(kind: Kind, resource: Resource, name: str, volumes: set[str]) -> bool:
    """Whether a resource without the tag is of the build ``name``; ``volumes`` are the ids of that build's."""
    if kind is IMAGE:
        return resource['name'] in (name, f'{name}{BOOT_DISK}')
    if kind is SNAPSHOT:
        return resource['volume_id'] in volumes and not resource['tags']
    if not BUILD.fullmatch(name):
        return False
    if kind is INSTANCE:
        # Somebody may have replaced the tags of a finished instance. An interrupted build sets all tags or none.
        own = [key for key in resource['tags'] if not key.startswith(SYSTEM)]
        return not own and (resource['client_token'] or '').startswith(f'{name[-TOKEN_LENGTH:]}.')
    return kind is SECURITY_GROUP and bool(resource['name'] == name)


def _notes(cloud: Cloud, kind: Kind) -> list[Note]:
    """The notes of all builds about interrupted creations."""
    build_list = cloud.notes(kind.untraceable)
    try:
        return build_list.notes(kind.noun) if build_list else []
    except CloudError:
        if cloud.has_tags:  # then an unreachable storage does not prevent the removal of the rest
            return []
        raise


def _unlisted(cloud: Cloud, kind: Kind, resources: list[Resource]) -> set[str]:
    """The ids of those that an interrupted creation made, by the notes about it. Raises Doubtful."""
    notes = _notes(cloud, kind)
    build_list = cloud.notes(kind.untraceable)
    if build_list is None or build_list.build not in [note.build for note in notes]:
        return set()
    listed = build_list.listed_by_any()
    found = {
        resource[kind.id]: {note.build for note in notes if note.may_be(resource, resource[kind.id], resource.get(kind.born))}
        for resource in resources
        if resource[kind.id] not in listed and not resource['tags'] and resource['state'] not in kind.gone
    }
    mine = {resource_id for resource_id, builds in found.items() if build_list.build in builds}
    if len(mine) > 1 or any(found[resource_id] != {build_list.build} for resource_id in mine):
        raise Doubtful(
            f'{build_list.build} was interrupted while it created the {kind.title}, which may be any of these: '
            f'{", ".join(sorted(mine))}. Delete the unused ones, then run the build again.'
        )
    return mine


def dead_claims(name: str, claim_ids: list[str]) -> list[Leftover]:
    return [_leftover(CLAIM, f'{name}/{claim_id}', 'dead') for claim_id in claim_ids]


def plan_leftovers(
    cloud: Cloud, found: list[Leftover], timeout: float, report: t.Callable[[str], None] = lambda text: None
) -> Plan:
    """The steps that remove ``found``. All are tried, within ``timeout`` seconds in total. If some resources remain, the
    result raises LeftoversRemain. ``report`` receives a line at least every 30 seconds."""
    plan = Plan(found)
    deadline = time.monotonic() + timeout
    failures: list[tuple[Leftover, Exception]] = []

    def attempt(leftover: Leftover) -> None:
        try:
            if leftover['type'] == VOLUME.title and any(failed['type'] == SNAPSHOT.title for failed, _error in failures):
                raise WaitError(f'Volume {leftover["id"]} is kept until its snapshot is gone.', None)
            if leftover['type'] == ANSWER_FILE:
                _remove_object(cloud, leftover['id'])
            elif leftover['type'] == BUNDLE:
                _remove_bundle(cloud, leftover['id'])
            elif leftover['type'] == CLAIM:
                remove_claim(cloud, leftover['id'])
            else:
                remove(cloud, KINDS[leftover['type']], leftover['id'], max(0.0, deadline - time.monotonic()), report)
        except (CloudError, UploadError, WaitError) as error:
            failures.append((leftover, error))

    def conclude() -> list[Leftover]:
        if failures:
            remaining = [leftover for leftover, _error in failures]
            plan.done = [action for action in plan.done if action not in map(_action, remaining)]
            names = ', '.join(f'{leftover["type"]} {leftover["id"]}' for leftover in remaining)
            raise LeftoversRemain(f'Could not be removed: {names}. ' + ' '.join(str(error) for _l, error in failures), remaining)
        tidy(cloud)
        return found

    for position, leftover in enumerate(found):
        plan.remove(_action(leftover), functools.partial(attempt, leftover), after=found[position + 1 :])
    plan.result_from(conclude)
    return plan


def tidy(cloud: Cloud) -> None:
    """Remove from the list of the cloud's build the resources that no longer exist, and the notes of ended creations."""
    if build_list := cloud.build_list:
        known = [(kind, listing(cloud, kind)) for kind in KINDS.values()]
        existing = {one[kind.id] for kind, resources in known for one in resources if one['state'] not in kind.gone}
        build_list.forget(build_list.tags().keys() - existing)
    for kind in KINDS.values():
        build_list = cloud.notes(kind.untraceable)
        own = [note for note in _notes(cloud, kind) if build_list and note.build == build_list.build]
        if build_list and own and not _unlisted(cloud, kind, listing(cloud, kind)):
            build_list.erase(kind.noun)


def _action(leftover: Leftover) -> str:
    return f'remove {leftover["type"]} {leftover["id"]}'


def _leftover(kind: str, resource_id: str, state: str | None) -> Leftover:
    return {'type': kind, 'id': resource_id, 'state': state or ''}


def _answer_file(cloud: Cloud, bucket: str, key: str) -> list[Leftover]:
    state = 'available'
    try:
        cloud.s3('head_object', f'{bucket}/{key}', Bucket=bucket, Key=key)
    except CloudError as error:
        # Without storage, or in somebody else's bucket, there is no answer file of this build.
        if error.not_found or error.status == 403 or error.request == 'connect':
            return []
        state = 'unknown'  # an unreachable storage does not prevent the removal of the rest
    return [_leftover(ANSWER_FILE, f'{bucket}/{key}', state)]


def _bundles(cloud: Cloud, bucket: str, image_name: str) -> list[Leftover]:
    """The bundles of boot disks of this name, complete or not."""
    keys = Bucket(cloud, bucket).bundles(stem_prefix(image_name, 'machine'), DISK_DIGITS)
    return [_leftover(BUNDLE, f'{bucket}/{key}', 'available') for key in keys]


def _remove_bundle(cloud: Cloud, location: str) -> None:
    bucket, _slash, key = location.partition('/')
    Bucket(cloud, bucket).remove_bundle(key)


def _remove_object(cloud: Cloud, location: str) -> None:
    bucket, _slash, key = location.partition('/')
    try:
        cloud.s3('delete_object', location, Bucket=bucket, Key=key)
    except CloudError as error:
        if not error.not_found:
            raise
