# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module answer_file: renders a template to the exact text that is stored."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.templates import TemplateError, render_argument


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        template = arguments.pop('template', None)
        if template:
            if 'content' in arguments or 'src' in arguments:
                return {'failed': True, 'msg': 'template, content and src are mutually exclusive.'}
            try:
                arguments['content'] = render_argument(self, template, task_vars or {})
            except TemplateError as error:
                return {'failed': True, 'msg': str(error)}
        result: dict[str, t.Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
        return result
