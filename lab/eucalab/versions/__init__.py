# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Eucalyptus versions that the lab can imitate, each in a file of its own."""

from __future__ import annotations

from . import v4_4
from .node_shape import NodeShape
from .played import Played

PLAYED = {version.name: version for version in (v4_4.VERSION,)}

__all__ = ['PLAYED', 'NodeShape', 'Played']
