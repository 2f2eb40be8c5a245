# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of one Eucalyptus version.

The parameters are those for which the message classes of that version have a field (compute-common,
``VmControl.groovy``, ``VmImages.groovy``, ``VmBlockDevice.groovy`` …), a subset of the API's model. A name
with ``.N`` is a list. What is below a list of structures (``.N.*``) is never refused: the genuine binding takes those
keys away before it binds them, and drops unknown ones (``BaseQueryBinding.populateObjectList``).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping

from .node_shape import NodeShape


@dataclasses.dataclass(frozen=True)
class Played:
    name: str
    newest_api: str  # the fallback for an unknown version, and the model for reading requests
    ec2_paths: tuple[str, ...]
    s3_paths: tuple[str, ...]
    bootstrap_namespace: str  # of the bootstrap service's replies
    known: Mapping[str, str]  # per action, the parameters that bind
    aliases: Mapping[str, tuple[tuple[str, str], ...]]  # per action, alternative names of fields and their names in the API's model
    image_name: str  # a pattern
    node: NodeShape

    def canonical(self, action: str, parameters: dict[str, str]) -> dict[str, str]:
        """The parameters under the names of the API's model."""
        result = {}
        for name, value in parameters.items():
            for alias, real in self.aliases.get(action, ()):
                if name == alias or name.startswith(alias + '.'):
                    name = real + name[len(alias) :]
            result[name] = value
        return result

    def unknown_parameters(self, action: str, names: list[str]) -> list[str]:
        """The request's parameters that have no field in this version's message."""
        pattern = _pattern(self.known[action])
        return [name for name in names if not pattern.fullmatch(name)]


@functools.cache
def _pattern(known: str) -> re.Pattern[str]:
    def one(name: str) -> str:
        if name.endswith('.N.*'):
            return re.escape(name[:-4]) + r'\.[0-9]{1,7}(\..*)?'
        if name.endswith('.N'):
            return re.escape(name[:-2]) + r'(\.[0-9]{1,7})?'
        return re.escape(name)

    return re.compile('|'.join(one(name) for name in known.split()), re.DOTALL)
