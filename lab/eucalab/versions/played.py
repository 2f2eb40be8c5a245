# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of one Eucalyptus version, grouped by the part of the API that they belong to.

Each group names the source files of that version that it was read from, as paths below the repository's root.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping

from .errors import Errors
from .node_shape import NodeShape
from .replies import Replies
from .rules import Images, Instances, Storage, Volumes
from .types import Types


@dataclasses.dataclass(frozen=True)
class Requests:
    """The rules by which a version authenticates and reads an EC2 request.

    The known parameters are those for which the message classes have a field, a subset of the API's model. A name with
    ``.N`` is a list. What is below a list of structures (``.N.*``, or ``.1.*`` where only the first one is read) is never
    refused: the genuine binding takes those keys away before it binds them, and drops unknown ones
    (``BaseQueryBinding.populateObjectList``).
    """

    sources: tuple[str, ...]
    paths: tuple[str, ...]
    required: tuple[str, ...]  # without one of these parameters no pipeline accepts the request
    signatures: tuple[str, ...]  # v2, v4
    refuses_replays: bool  # of a version 2 signature, within 15 minutes
    tries_other_paths: bool  # a version 2 signature may also be of the path in lower case without its last slash
    encodes_tilde: bool  # in the text that a version 2 signature signs, where clients do not
    wrong_signature: str
    unknown_key: str
    server: str  # header of replies; empty if there is none
    newest_api: str
    model: str  # botocore's API version for reading requests and writing replies
    bind_status: int  # HTTP status when a parameter does not bind
    drops_empty: bool  # a parameter without a value is none
    known: Mapping[str, str]  # per action, the parameters that bind
    other_actions: frozenset[str]  # that this version has and the lab lacks
    stubs: frozenset[str]  # actions that do nothing and report success
    aliases: Mapping[str, tuple[tuple[str, str], ...]]  # per action, alternative names of fields and their names in the API's model

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
        if name.endswith('.1.*'):
            return re.escape(name[:-1]) + '.*'
        if name.endswith('.N'):
            return re.escape(name[:-2]) + r'(\.[0-9]{1,7})?'
        return re.escape(name)

    return re.compile('|'.join(one(name) for name in known.split()), re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Played:
    name: str
    branch: str  # of the repository that ``sources`` are in
    requests: Requests
    errors: Errors
    replies: Replies
    images: Images
    instances: Instances
    types: Types
    volumes: Volumes
    storage: Storage
    node: NodeShape

    @property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """The source files by group."""
        groups = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: group.sources for name, group in groups.items() if hasattr(group, 'sources')}
