# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error that the lab's command reports."""

from __future__ import annotations


class LabError(Exception):
    """Why the command cannot do its work, and the way out, in one line."""
