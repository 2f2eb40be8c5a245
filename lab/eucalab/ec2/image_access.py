# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access to images: launch permissions, and the images that a caller may use or modify."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from ..cloud.context import Cloud
from ..protocol.auth import Caller
from ..protocol.errors import ApiError, failure
from . import ids

EVERYBODY = 'all'


def launch_permissions(cloud: Cloud, image: str) -> list[str]:
    """Account numbers, and EVERYBODY for a public image."""
    return [
        row['grantee']
        for row in cloud.store.rows('SELECT grantee FROM launch_permissions WHERE image_id = ? ORDER BY grantee', image)
    ]


def find_usable(cloud: Cloud, caller: Caller, identifier: str) -> sqlite3.Row | None:
    """A registered image that the caller may see and run."""
    row = cloud.store.row("SELECT * FROM images WHERE id = ? AND state != 'deregistered'", identifier)
    if row is None or row['account'] == caller.account or caller.is_admin:
        return row
    return row if {EVERYBODY, caller.account} & set(launch_permissions(cloud, identifier)) else None


def find_modifiable(cloud: Cloud, caller: Caller, request: dict[str, Any], purpose: str) -> sqlite3.Row:
    identifier = request.get('ImageId') or ''
    if cloud.played.images.id and not re.fullmatch(cloud.played.images.id, identifier):
        raise failure(f'Invalid id: "{identifier}"')
    row = cloud.store.row('SELECT * FROM images WHERE id = ?', ids.image_id(cloud, identifier))
    if row is None:
        raise ApiError('InvalidAMIID.NotFound', f"The image ID '{identifier}' does not exist")
    if row['account'] != caller.account and not caller.is_admin:
        raise failure(f'Not authorized to {purpose}')
    return row
