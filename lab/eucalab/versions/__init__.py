# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Eucalyptus versions that the lab can imitate, each in a file of its own."""

from __future__ import annotations

from . import v3_1, v3_4, v4_4, v5
from .node_shape import NodeShape
from .played import Played, Requests
from .replies import InternalForm
from .rules import Storage
from .types import InstanceType

PLAYED = {version.name: version for version in (v3_1.VERSION, v3_4.VERSION, v4_4.VERSION, v5.VERSION)}

__all__ = ['PLAYED', 'InstanceType', 'InternalForm', 'NodeShape', 'Played', 'Requests', 'Storage']
