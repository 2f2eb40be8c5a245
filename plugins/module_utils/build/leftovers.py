# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that one unfinished build created in the cloud, and its removal in the right order.

The build's tag identifies it. Tagging is a request of its own, so the tag may be missing: an image is also identified by its
name, an instance by its client token, a snapshot by its volume. A finished image also has a tag with the build's key (the
tag's name followed by ``-key``); it is never a leftover, and neither is its snapshot.
Eucalyptus 3.1 and 3.2 have no tags: only images and the answer file are found there.
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
# The order of the search. An instance blocks the removal of its volumes and its image, an image that of its snapshot.
KINDS = {kind.noun: kind for kind in (INSTANCE, VOLUME, IMAGE, SNAPSHOT)}
# A client token has up to 64 characters: the end of the build's name, which contains the key, a dot, and a rest.
TOKEN_LENGTH = 40
BUILD = re.compile('.*-[0-9a-f]{10}')  # a build's name; other names are part of no token


class LeftoversRemain(WaitError):
    """Not everything could be removed; ``resource`` lists what remains."""


def find_leftovers(cloud: Cloud, tag: str, name: str, bucket: str | None = None) -> list[Leftover]:
    """Everything with ``tag`` = ``name``, in the order of removal. Raises CloudError.

    ``bucket`` is the one of the build's answer file, an object of the build's name; by default the account's own for answer
    files.
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
                volumes.add(resource['volume_id'])  # even one that is gone and only still listed
            if kind is IMAGE and (f'{tag}-key' in resource['tags'] or not is_ours):
                kept.add(resource['snapshot_id'])
            elif is_ours and resource['state'] not in kind.gone and resource[kind.id] not in kept:
                found.append(_leftover(kind.noun, resource[kind.id], resource['state']))
    # Volumes are last: an untagged snapshot can only be found through its volume.
    return sorted(found, key=lambda leftover: leftover['type'] == VOLUME.noun)


def plan_leftovers(cloud: Cloud, found: list[Leftover], timeout: float) -> Plan:
    """The steps that remove ``found``. All are tried, and have ``timeout`` seconds together. In the end LeftoversRemain is
    raised if something remains."""
    plan = Plan(found)
    deadline = time.monotonic() + timeout
    failures: list[tuple[Leftover, Exception]] = []

    def attempt(leftover: Leftover) -> None:
        try:
            if leftover['type'] == VOLUME.noun and any(failed['type'] == SNAPSHOT.noun for failed, _error in failures):
                raise WaitError(f'Volume {leftover["id"]} is kept until its snapshot is gone.', None)
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
        # Without object storage, and in a bucket of another account, there is no answer file of ours.
        if error.not_found or error.status == 403 or error.request == 'connect':
            return []
        state = 'unknown'  # storage that does not answer must not prevent the removal of the rest
    return [_leftover(ANSWER_FILE, f'{bucket}/{key}', state)]


def _remove_object(cloud: Cloud, location: str) -> None:
    bucket, _slash, key = location.partition('/')
    try:
        cloud.s3('delete_object', location, Bucket=bucket, Key=key)
    except CloudError as error:
        if not error.not_found:
            raise
