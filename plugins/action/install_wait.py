# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the console's lines while the module follows it."""

from __future__ import annotations

from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    pass
