# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance types that a new cloud of a version offers."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class InstanceType:
    cpu: int
    memory: int  # MB
    disk: int  # GB
    network_interfaces: int

    @property
    def fits(self) -> bool:
        """Whether this machine has the memory for one instance. Instances share it, so more than one may not fit."""
        return self.memory << 20 <= os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


@dataclasses.dataclass(frozen=True)
class Types:
    sources: tuple[str, ...]
    default: str
    offered: Mapping[str, InstanceType]  # in the order in which the cloud lists them: by disk, memory, processors and name
    disabled: frozenset[str] = frozenset()


def table(text: str) -> dict[str, InstanceType]:
    """From lines with a name, processors, MB, GB and network interfaces."""
    rows = (line.split() for line in text.strip().splitlines())
    return {name: InstanceType(*map(int, numbers)) for name, *numbers in rows}
