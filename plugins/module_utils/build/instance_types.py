# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance type of a build: the smallest with enough memory for the installer.

Names mean nothing: a default m1.medium has 512 MiB in Eucalyptus 4.4 (``VmTypes.java``), and operators change the types.
The disk of every type has room for the installer's dummy image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import offers
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.checks import SHOWN
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.recipe import PREFIX, Recipe, RecipeError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud

# A row below a zone that administrators see: free / max, processors, memory in MiB, disk in GB (ClusterEndpoint).
CAPACITY = re.compile(r'\d+ / \d+ +(?P<cpu>\d+) +(?P<memory>\d+) +(?P<disk>\d+)')
ROW = '|- '


@dataclass(frozen=True, order=True)
class InstanceType:
    """Ordered by size."""

    memory: int  # MiB
    cpu: int
    disk: int  # GB
    name: str

    def __str__(self) -> str:
        return f'{self.name} ({self.memory} MiB)'


def choose(cloud: Cloud, recipe: Recipe) -> tuple[str, str]:
    """The name of the instance type, and a warning if its memory is unknown. Raises RecipeError, CloudError."""
    given, least = recipe['instance_type'], recipe['memory']
    types = offered(cloud)
    if not types:
        return given, _unknown(given, least)
    enough = [one for one in types if one.memory >= least]
    those = f'These types have enough: {", ".join(map(str, enough[:SHOWN]))}.' if enough else f'The largest is {types[-1]}.'
    small = next((one for one in types if one.name == given and one not in enough), None)
    if small:
        raise RecipeError(f'{PREFIX}instance_type: {small} has less memory than {PREFIX}memory, {least} MiB. {those}')
    if not given and not enough:
        raise RecipeError(f'{PREFIX}memory: no instance type of the cloud has {least} MiB. {those}')
    return given or enough[0].name, ''


def _unknown(given: str, least: int) -> str:
    if not given:
        raise RecipeError(
            f'{PREFIX}instance_type is empty, and the cloud does not list the sizes of its instance types for this account. '
            f'Set it to a type with at least {least} MiB of memory.'
        )
    return (
        f'The cloud does not list the sizes of its instance types for this account, so the memory of {given} was not compared '
        f'with {PREFIX}memory, {least} MiB.'
    )


def offered(cloud: Cloud) -> list[InstanceType]:
    """The cloud's instance types, smallest first; empty if it does not list their sizes. Raises CloudError."""
    listed = offers.listed(cloud, offers.INSTANCE_TYPES)
    if listed is None:
        return sorted(_of_zones(cloud))
    return sorted(
        InstanceType(one['Memory'], one.get('Cpu', 1), one.get('Disk', 0), one['Name']) for one in listed if 'Memory' in one
    )


def _of_zones(cloud: Cloud) -> set[InstanceType]:
    """From the zone ``verbose``, before Eucalyptus 3.3 the only list of sizes. Tenants get none."""
    zones = cloud.ec2('describe_availability_zones', 'the instance types', ZoneNames=['verbose'])['AvailabilityZones']
    return {
        InstanceType(int(row['memory']), int(row['cpu']), int(row['disk']), zone['ZoneName'].removeprefix(ROW))
        for zone in zones
        if zone['ZoneName'].startswith(ROW) and (row := CAPACITY.fullmatch((zone.get('State') or '').strip()))
    }
