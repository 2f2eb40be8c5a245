# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource ids in requests: their form, and the errors for malformed and unknown ones."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError

_ID = re.compile(r'([a-z]+)-([0-9a-fA-F]{8}|[0-9a-fA-F]{17})')
# An administrator who passes this instead of an id gets everybody's resources.
VERBOSE = 'verbose'


def normalise(cloud: Cloud, identifier: str | None, prefix: str | None, error: Callable[[str], ApiError]) -> str:
    """The id as rows have it; ``error(identifier)`` is raised when it is not a ``prefix-`` id (any prefix when None).

    For a version that does not parse ids, an id of another form is unknown.
    """
    if not cloud.played.replies.parses_ids:
        return identifier or ''
    match = _ID.fullmatch(identifier or '')
    if match is None or (prefix is not None and match.group(1) != prefix):
        raise error(identifier or '')
    return f'{match.group(1)}-{match.group(2).lower()}'


def folded(cloud: Cloud, identifier: str) -> str:
    """An id of any form, for a comparison with the ids of rows."""
    return identifier.lower() if cloud.played.replies.parses_ids else identifier


def instance_id(cloud: Cloud, identifier: str | None) -> str:
    return normalise(cloud, identifier, 'i', lambda bad: ApiError('InvalidInstanceID.Malformed', f'Invalid id: "{bad}"'))


def volume_id(cloud: Cloud, identifier: str | None) -> str:
    return normalise(
        cloud,
        identifier,
        'vol',
        lambda bad: ApiError('InvalidParameterValue', f"Value ({bad}) for parameter volume is invalid. Expected: 'vol-...'."),
    )


def snapshot_id(cloud: Cloud, identifier: str | None) -> str:
    return normalise(
        cloud,
        identifier,
        'snap',
        lambda bad: ApiError('InvalidParameterValue', f"Value ({bad}) for parameter snapshotId is invalid. Expected: 'snap-...'."),
    )


def image_id(cloud: Cloud, identifier: str | None) -> str:
    return normalise(
        cloud, identifier, None, lambda bad: ApiError('InvalidParameterValue', f'Value ({bad}) for parameter image is invalid.')
    )


def visible(cloud: Cloud, caller: Caller, table: str, identifier: str) -> sqlite3.Row | None:
    """The row of a resource that the caller may act on: one of the caller's account, or any for an administrator."""
    row = cloud.store.row(f'SELECT * FROM {table} WHERE id = ?', identifier)
    if row is not None and (caller.is_admin or row['account'] == caller.account):
        return row
    return None


def missing(cloud: Cloud, action: str, code: str, what: str, requested: Iterable[str], found: Iterable[str]) -> None:
    """Raise the NotFound error for requested ids that were not found, in a version whose action does that."""
    if action in cloud.played.replies.ignores_unknown:
        return
    absent = sorted(set(requested) - set(found))
    if len(absent) == 1:
        raise ApiError(code, f"The {what} '{absent[0]}' does not exist")
    if absent:
        names = ', '.join(f"'{name}'" for name in absent)
        raise ApiError(code, f'The {what}s {names} do not exist')
