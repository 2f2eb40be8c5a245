# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inputs that name a resource of the cloud, compared with what the cloud lists, before anything is created.

If the cloud cannot list a kind of resource (Eucalyptus before 3.3 has no DescribeInstanceTypes), its names are not checked here:
the request that uses a wrong one fails.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.checks import SHOWN, nearest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.recipe import PREFIX, Recipe
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud, CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.registration import IMAGE


@dataclass(frozen=True)
class Offer:
    """One kind of resource that inputs name: how the cloud lists it, and where its name is in the reply."""

    word: str
    inputs: tuple[str, ...]
    operation: str
    listed: str  # the reply's list
    names: tuple[str, ...]  # the members that may be given as name


INSTANCE_TYPES = Offer(
    'instance type', ('instance_type', 'boot_test_instance_type'), 'describe_instance_types', 'InstanceTypes', ('Name',)
)
ZONES = Offer('availability zone', ('zone',), 'describe_availability_zones', 'AvailabilityZones', ('ZoneName',))
OFFERS = (
    ZONES,
    INSTANCE_TYPES,
    Offer('key pair', ('key_name',), 'describe_key_pairs', 'KeyPairs', ('KeyName',)),
    Offer('security group', ('security_groups',), 'describe_security_groups', 'SecurityGroups', ('GroupName', 'GroupId')),
)
IMAGES = {'kernel_id': 'kernel', 'ramdisk_id': 'ramdisk', 'image_id': 'machine'}


def unmet(cloud: Cloud, recipe: Recipe) -> list[str]:
    """A sentence for each input that names a resource missing in the cloud. Raises CloudError."""
    problems = [problem for offer in OFFERS for problem in _unmet(cloud, recipe, offer)]
    return problems + _wrong_images(cloud, recipe)


def _unmet(cloud: Cloud, recipe: Recipe, offer: Offer) -> list[str]:
    given = {name: recipe[name] if isinstance(recipe[name], list) else [recipe[name]] for name in offer.inputs if recipe[name]}
    is_zone = 'zone' in offer.inputs
    existing = _existing(cloud, offer) if given or is_zone else None
    if existing is None:
        return []
    names = [name for group in existing for name in group]
    problems = [
        f'{PREFIX}{variable}: there is no {offer.word} {value}. {_those(value, [group[0] for group in existing], offer.word)}'
        for variable, values in given.items()
        for value in values
        if value not in names
    ]
    if is_zone and not given and len(existing) > 1:
        problems.append(f'{PREFIX}zone is empty, and the cloud has several zones: {", ".join(sorted(names))}. Name one of them.')
    return problems


def only_zone(cloud: Cloud) -> str:
    """The zone of a recipe that names none, after ``unmet`` found no problem."""
    return (_existing(cloud, ZONES) or [['']])[0][0]


def _existing(cloud: Cloud, offer: Offer) -> list[list[str]] | None:
    """The names of each resource that the cloud lists; None if it has no such request."""
    things = listed(cloud, offer)
    if things is None:
        return None
    names = [[thing[name] for name in offer.names if thing.get(name)] for thing in things]
    return [group for group in names if group]


def listed(cloud: Cloud, offer: Offer) -> list[dict[str, t.Any]] | None:
    """The resources that the cloud lists; None if it has no such request. Raises CloudError."""
    try:
        reply = cloud.ec2(offer.operation, f'the {offer.word}s')
    except CloudError as error:
        if error.no_action:
            return None
        raise
    return reply.get(offer.listed) or []


def _wrong_images(cloud: Cloud, recipe: Recipe) -> list[str]:
    wanted = {name: recipe[name] for name in IMAGES if recipe[name]}
    if not wanted:
        return []
    # Without Owners these are all images that the account may launch.
    images = [one for one in IMAGE.read(cloud.ec2('describe_images', 'the images')) if one['state'] not in IMAGE.gone]
    problems = []
    for variable, image_id in wanted.items():
        kind = IMAGES[variable]
        found = next((image for image in images if image['image_id'] == image_id), None)
        if found and found['type'] == kind:
            continue
        wrong = (
            f'{image_id} is a {found["type"]} image'
            if found
            else f'there is no {kind} image {image_id} that this account may launch'
        )
        labels = {image['image_id']: image['name'] for image in images if image['type'] == kind}
        problems.append(f'{PREFIX}{variable}: {wrong}. {_those(image_id, labels, f"{kind} image", labels)}')
    return problems


def _those(wrong: str, existing: t.Iterable[str], word: str, labels: t.Mapping[str, str | None] | None = None) -> str:
    """The sentence about those that exist: the nearest first, and no more than a reader can use."""
    names = list(existing)
    if not names:
        return f'The cloud lists no {word}.'
    shown = [f'{name} ({labels[name]})' if labels and labels[name] else name for name in nearest(wrong, names)]
    more = f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''
    return f'The cloud has {", ".join(shown)}{more}.'
