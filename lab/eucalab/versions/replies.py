# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Content and form of a version's replies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class InternalForm:
    """The XML in which 3.1 answers a request with an unknown API version.

    It is the form of messages between the cloud's own services: elements are named for the fields of the message classes
    (``BindingCache.InternalSoapBindingGenerator``). A client that expects EC2's form finds only part of it.
    """

    known_apis: frozenset[str]
    wrapped: Mapping[str, str]  # per action, the field that the reply's only object is in
    renamed: Mapping[str, str]  # elements of EC2's form and the fields that they come from


@dataclasses.dataclass(frozen=True)
class Replies:
    sources: tuple[str, ...]
    id_form: str  # of the eight hexadecimal digits: 08x or 08X
    parses_ids: bool  # ids are checked and compared without regard to case; otherwise they are only looked up
    # Actions that leave out unknown ids instead of refusing the request.
    ignores_unknown: frozenset[str] = frozenset()
    # Members that the message class does not have, by the shape of the API's model.
    lacks: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)
    most_tags: int = 0  # of one resource; 0: there are no tags
    groups_by_name: bool = False  # a security group has no id, and its name is in the id's place
    internal_form: InternalForm | None = None
