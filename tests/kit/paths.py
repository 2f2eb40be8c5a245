# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checkout's import paths, for this process (pytest.ini, Makefile) and for processes that tests start."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / 'lab'
COLLECTIONS = ROOT / 'playbooks/collections'
PYTHONPATH = f'{ROOT}:{LAB}:{COLLECTIONS}'


def environment(**changes: object) -> dict[str, str]:
    """This process's environment with the import paths and the changes."""
    return {**os.environ, 'PYTHONPATH': PYTHONPATH, **{name: str(value) for name, value in changes.items()}}
