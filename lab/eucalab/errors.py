# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error that the lab's command reports."""

from __future__ import annotations


class LabError(Exception):
    """A problem that stops the command, with its solution, in one line."""
