# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of security groups, as their rows have them."""

from __future__ import annotations

import dataclasses
import json
import sqlite3


@dataclasses.dataclass(frozen=True)
class Rule:
    """``cidr`` is set, or ``account`` and ``group`` (an id)."""

    protocol: str  # tcp, udp, icmp
    low: int
    high: int
    cidr: str | None = None
    account: str | None = None
    group: str | None = None


def rules_of(row: sqlite3.Row) -> list[Rule]:
    return [Rule(*fields) for fields in json.loads(row['rules'])]
