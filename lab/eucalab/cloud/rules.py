# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of security groups, as their rows have them."""

from __future__ import annotations

import dataclasses
import json
import sqlite3


@dataclasses.dataclass(frozen=True)
class Rule:
    """A permission of a request: its networks, or account, id and name of its groups.

    It is kept when such a group is deleted.
    """

    protocol: str  # tcp, udp, icmp
    low: int
    high: int
    cidrs: tuple[str, ...] = ()
    groups: tuple[tuple[str, str, str], ...] = ()


def rules_of(row: sqlite3.Row) -> list[Rule]:
    return [
        Rule(protocol, low, high, tuple(cidrs), tuple((account, group, name) for account, group, name in groups))
        for protocol, low, high, cidrs, groups in json.loads(row['rules'])
    ]
