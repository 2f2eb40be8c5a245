# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of a version's node controller."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class NodeShape:
    libvirt_file: str  # name of the domain's file in the instance's directory
