# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that one unfinished build created in the cloud, and how to remove it in the right order.

It is known by the build's tag. Where the tag may not be there yet, because it is a request of its own: an image also by
its name, an instance by its client token, a snapshot by the volume. A finished image carries the build's key besides (the
tag's name with ``-key`` behind), and is never a leftover, nor is its snapshot.
Eucalyptus 3.1 and 3.2 have no tags: there, only images and the answer file are found.
"""

from __future__ import annotations

import functools
import re
import time

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
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.waiting import WaitError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.registration import IMAGE
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

Leftover = dict[str, str]  # {'type': 'volume', 'id': 'vol-…', 'state': 'in-use'}

ANSWER_FILE = 'answer file'
# The order of looking. An instance holds its volumes and its image, an image its snapshot.
KINDS = {kind.noun: kind for kind in (INSTANCE, VOLUME, IMAGE, SNAPSHOT)}
# A client token has up to 64 characters: the end of the build's name, which is its own, a dot, and what the role likes.
TOKEN_LENGTH = 40
BUILD = re.compile('.*-[0-9a-f]{10}')  # what the role calls a build; other names have nothing to do with tokens


class LeftoversRemain(WaitError):
    """Not everything could be removed; ``resource`` lists what is still there."""


def find_leftovers(cloud: Cloud, tag: str, name: str, bucket: str | None = None) -> list[Leftover]:
    """What carries ``tag`` = ``name``, in the order in which it has to be removed. Raises CloudError.

    ``bucket`` is where the build's answer file would be, an object of the build's name; by default the account's own for
    answer files.
    """
    bucket = bucket or cloud.credentials.own_bucket('answer-files')
    found = _answer_file(cloud, bucket, name)
    kept, volumes, token = set(), set(), f'{name[-TOKEN_LENGTH:]}.'

    def ours(kind: Kind, resource: Resource) -> bool:
        return resource['tags'].get(tag) == name or (
            kind is IMAGE
            and resource['name'] == name
            or kind is INSTANCE
            and BUILD.fullmatch(name)
            and (resource['client_token'] or '').startswith(token)
            or kind is SNAPSHOT
            and resource['volume_id'] in volumes
            and not resource['tags']
        )

    for kind in KINDS.values():
        for resource in listing(cloud, kind):
            is_ours = ours(kind, resource)
            if kind is VOLUME and is_ours:
                volumes.add(resource['volume_id'])  # one that is gone and only still listed names its snapshots, too
            if kind is IMAGE and (f'{tag}-key' in resource['tags'] or not is_ours):
                kept.add(resource['snapshot_id'])
            elif is_ours and resource['state'] not in kind.gone and resource[kind.id] not in kept:
                found.append(_leftover(kind.noun, resource[kind.id], resource['state']))
    # Volumes go last: without its volume nobody would find an untagged snapshot again.
    return sorted(found, key=lambda leftover: leftover['type'] == VOLUME.noun)


def plan_leftovers(cloud: Cloud, found: list[Leftover], timeout: float) -> Plan:
    """The steps that remove ``found``. All are tried, and have ``timeout`` seconds together; what did not go by then raises
    LeftoversRemain in the end."""
    plan = Plan(found)
    deadline = time.monotonic() + timeout
    failures: list[tuple[Leftover, Exception]] = []

    def attempt(leftover: Leftover) -> None:
        try:
            if leftover['type'] == VOLUME.noun and any(failed['type'] == SNAPSHOT.noun for failed, _error in failures):
                raise WaitError(f'Volume {leftover["id"]} stays until its snapshot is gone.', None)
            if leftover['type'] == ANSWER_FILE:
                _remove_object(cloud, leftover['id'])
            else:
                remove(cloud, KINDS[leftover['type']], leftover['id'], max(0.0, deadline - time.monotonic()))
        except (CloudError, WaitError) as error:
            failures.append((leftover, error))

    def conclude() -> list[Leftover]:
        if failures:
            remaining = [leftover for leftover, _error in failures]
            plan.done = [words for words in plan.done if words not in map(_words, remaining)]
            names = ', '.join(f'{leftover["type"]} {leftover["id"]}' for leftover in remaining)
            raise LeftoversRemain(f'Could not be removed: {names}. ' + ' '.join(str(error) for _l, error in failures), remaining)
        return found

    for position, leftover in enumerate(found):
        plan.remove(_words(leftover), functools.partial(attempt, leftover), after=found[position + 1 :])
    plan.result_from(conclude)
    return plan


def _words(leftover: Leftover) -> str:
    return f'remove {leftover["type"]} {leftover["id"]}'


def _leftover(kind: str, resource_id: str, state: str | None) -> Leftover:
    return {'type': kind, 'id': resource_id, 'state': state or ''}


def _answer_file(cloud: Cloud, bucket: str, key: str) -> list[Leftover]:
    state = 'available'
    try:
        cloud.s3('head_object', f'{bucket}/{key}', Bucket=bucket, Key=key)
    except CloudError as error:
        # Where no storage is configured, and in a bucket of somebody else's, is no answer file of ours.
        if error.not_found or error.status == 403 or error.request == 'connect':
            return []
        state = 'unknown'  # storage that is away keeps nobody from clearing up the rest
    return [_leftover(ANSWER_FILE, f'{bucket}/{key}', state)]


def _remove_object(cloud: Cloud, location: str) -> None:
    bucket, _slash, key = location.partition('/')
    try:
        cloud.s3('delete_object', location, Bucket=bucket, Key=key)
    except CloudError as error:
        if not error.not_found:
            raise
