# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives the module build_guard the playbook's process id."""

from __future__ import annotations

import os
import typing as t

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if self._connection.transport == 'local':
            # This runs in a worker, which ansible-playbook has forked.
            arguments['playbook'] = os.getppid()
        return self._execute_module(module_args=arguments, task_vars=task_vars)
