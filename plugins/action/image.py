# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the progress of bundling and uploading while the module works."""

from __future__ import annotations

from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    pass
