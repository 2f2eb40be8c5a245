# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All resource families of EC2. A new action is a function in its family's module, and its parameters in ``versions``."""

from __future__ import annotations

# Importing a family announces its actions.
from . import (  # noqa: F401
    absent,
    addresses,
    attachments,
    attributes,
    console,
    image_creation,
    images,
    instance_attributes,
    instance_types,
    instances,
    key_pairs,
    registration,
    run,
    security_groups,
    snapshot_attributes,
    snapshots,
    tags,
    volumes,
    zones,
)
from .registry import ACTIONS, Action


def load_actions() -> dict[str, Action]:
    """Every action by name."""
    return ACTIONS
