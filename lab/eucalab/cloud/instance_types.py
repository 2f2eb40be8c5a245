# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instance types that the lab offers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class InstanceType:
    cpu: int
    memory: int  # MB
    disk: int  # GB


INSTANCE_TYPES: Mapping[str, InstanceType] = {
    'm1.small': InstanceType(1, 512, 5),
    'm1.medium': InstanceType(1, 1024, 10),
    'm1.large': InstanceType(2, 1024, 15),
}
