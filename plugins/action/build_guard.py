# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes the playbook's process to the module build_guard, and prints its lines while it waits."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        if self._connection.transport == 'local':
            # This runs in a worker, which ansible-playbook has forked.
            self._task.args = {**self._task.args, 'playbook': os.getppid()}
        return super().run(tmp, task_vars)
