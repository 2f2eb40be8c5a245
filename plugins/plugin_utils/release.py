# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The version of this collection."""

from __future__ import annotations

import json
import re
from pathlib import Path

COLLECTION = Path(__file__).resolve().parents[2]


def release() -> str:
    """Return the collection's version, from an installed collection's manifest or from a checkout's galaxy.yml."""
    manifest = COLLECTION / 'MANIFEST.json'
    if manifest.exists():
        version: str = json.loads(manifest.read_text())['collection_info']['version']
        return version
    found = re.search(r'^version: *(\S+)', (COLLECTION / 'galaxy.yml').read_text(), re.M)
    return found.group(1) if found else ''
