# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of a cloud resource. Omitted tags are left unchanged, and the cloud's own always are."""

from __future__ import annotations

import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

# The tag of a build's resources; its value is the build's name.
BUILD_TAG = 'eucalyptus.cloud/build'
SYSTEM = ('aws:', 'euca:')
PROTECTED = (*SYSTEM, BUILD_TAG)  # without a build's tags, the next build would take its result for a leftover, and remove it
KEY_LENGTH, VALUE_LENGTH = 128, 256


class NoTags(CollectionError):
    """The cloud has no tags, and therefore no names of volumes, snapshots and instances."""


def found_by_id_only(title: str, option: str) -> str:
    """The sentence about resources ('volume') whose name would be a tag."""
    return f'This cloud has no tags (Eucalyptus before 3.3), so {title}s are found by ID only: set {option}.'


class InvalidTag(CollectionError):
    """A tag that every cloud refuses. Raised before a resource is created that would then lack it."""


def read_tags(raw: dict[str, t.Any]) -> dict[str, str]:
    """The tags of a resource in botocore's reply. Eucalyptus 3.1 has none."""
    return {tag['Key']: tag.get('Value') or '' for tag in raw.get('Tags') or []}


def wanted_tags(params: dict[str, t.Any]) -> dict[str, str] | None:
    """The tags in the options, with the name as C(Name); None if neither is given. A tag without value is empty."""
    tags = params.get('tags')
    if tags is not None:
        tags = {str(key): '' if value is None else str(value) for key, value in tags.items()}
    return tags if params.get('name') is None else {**(tags or {}), 'Name': params['name']}


def plan_tags(plan: Plan, cloud: Cloud, resource_id: t.Callable[[], str], params: dict[str, t.Any]) -> None:
    """Add the steps that bring tags into the wanted state. Raises InvalidTag.

    ``resource_id`` is called when a step is done, because a new resource has no id before.
    """
    wanted = wanted_tags(params)
    if wanted is None:
        return
    if wanted and not cloud.has_tags and not cloud.build_list:
        raise NoTags('This cloud has no tags (Eucalyptus before 3.3). Omit tags.')
    present = (plan.after or {}).get('tags') or {}
    missing = {key: value for key, value in wanted.items() if present.get(key) != value}
    for key, value in missing.items():
        check_tag(key, value)
    # Without the option tags, purge_tags has no effect: otherwise setting a name would remove all other tags.
    purge = params.get('purge_tags') and params.get('tags') is not None
    surplus = {key: value for key, value in present.items() if purge and key not in wanted and not key.startswith(PROTECTED)}
    if missing:
        plan.step(
            f'set tags {", ".join(sorted(missing))}',
            lambda: set_tags(cloud, resource_id(), missing, present),
            tags={**present, **missing},
        )
    if surplus:
        kept = {key: value for key, value in {**present, **missing}.items() if key not in surplus}
        plan.step(
            f'remove tags {", ".join(sorted(surplus))}',
            lambda: _unset(cloud, resource_id(), surplus, kept),
            tags=kept,
        )


def set_tags(cloud: Cloud, resource_id: str, tags: dict[str, str], present: dict[str, str]) -> None:
    """Add tags to those that are present. Raises CloudError."""
    if cloud.build_list:
        cloud.build_list.put(resource_id, {**present, **tags})
    else:
        cloud.ec2('create_tags', resource_id, Resources=[resource_id], Tags=_list(tags))


def _unset(cloud: Cloud, resource_id: str, tags: dict[str, str], kept: dict[str, str]) -> None:
    if cloud.build_list:
        cloud.build_list.put(resource_id, kept)
    else:
        cloud.ec2('delete_tags', resource_id, Resources=[resource_id], Tags=_list(tags))


def check_tag(key: str, value: str) -> None:
    """Raise InvalidTag for a tag that every cloud refuses."""
    if not key or key.startswith(SYSTEM) or len(key) >= KEY_LENGTH or len(value) >= VALUE_LENGTH:
        raise InvalidTag(
            f'The tag {key[:KEY_LENGTH]!r} is invalid: keys have 1 to {KEY_LENGTH - 1} characters and do not begin with '
            f'{" or ".join(SYSTEM)}, values have at most {VALUE_LENGTH - 1} characters.'
        )


def _list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{'Key': key, 'Value': value} for key, value in sorted(tags.items())]
