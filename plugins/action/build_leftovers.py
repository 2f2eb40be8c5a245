# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module build_leftovers and prints its lines while it waits."""

from __future__ import annotations

from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    pass
