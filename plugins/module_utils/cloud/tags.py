# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of a cloud resource: not given means not touched, and the cloud's own are never touched."""

from __future__ import annotations

import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

SYSTEM = ('aws:', 'euca:')
KEY_LENGTH, VALUE_LENGTH = 128, 256


class InvalidTag(CollectionError):
    """A tag that no cloud takes; said before anything is created that would then lack it."""


def read_tags(raw: dict[str, t.Any]) -> dict[str, str]:
    """The tags of a botocore reply's resource. Eucalyptus 3.1 has none."""
    return {tag['Key']: tag.get('Value') or '' for tag in raw.get('Tags') or []}


def wanted_tags(params: dict[str, t.Any]) -> dict[str, str] | None:
    """The tags that the options ask for, the name among them; None when they say nothing."""
    tags = None if params.get('tags') is None else {str(key): str(value) for key, value in params['tags'].items()}
    return tags if params.get('name') is None else {**(tags or {}), 'Name': params['name']}


def plan_tags(plan: Plan, cloud: Cloud, resource_id: t.Callable[[], str], params: dict[str, t.Any]) -> None:
    """Add the steps that bring tags into the wanted state; ``resource_id`` is asked when the step is done, not
    before."""
    wanted = wanted_tags(params)
    if wanted is None:
        return
    present = (plan.after or {}).get('tags') or {}
    missing = {key: value for key, value in wanted.items() if present.get(key) != value}
    for key, value in missing.items():
        if not key or key.startswith(SYSTEM) or len(key) >= KEY_LENGTH or len(value) >= VALUE_LENGTH:
            raise InvalidTag(
                f'The tag {key[:KEY_LENGTH]!r} cannot be set: keys have 1 to {KEY_LENGTH - 1} characters and do not begin with '
                f'{" or ".join(SYSTEM)}, values have up to {VALUE_LENGTH - 1}.'
            )
    # purge_tags speaks of the tags option: without it, naming a resource would strip it of all its tags.
    purge = params.get('purge_tags') and params.get('tags') is not None
    surplus = {key: value for key, value in present.items() if purge and key not in wanted and not key.startswith(SYSTEM)}
    if missing:
        plan.step(
            f'set tags {", ".join(sorted(missing))}',
            lambda: cloud.ec2('create_tags', resource_id(), Resources=[resource_id()], Tags=_list(missing)),
            tags={**present, **missing},
        )
    if surplus:
        kept = {key: value for key, value in {**present, **missing}.items() if key not in surplus}
        plan.step(
            f'remove tags {", ".join(sorted(surplus))}',
            lambda: cloud.ec2('delete_tags', resource_id(), Resources=[resource_id()], Tags=_list(surplus)),
            tags=kept,
        )


def _list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{'Key': key, 'Value': value} for key, value in sorted(tags.items())]
