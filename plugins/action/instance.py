# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders a template of user data, runs the module instance and prints its lines while it waits."""

from __future__ import annotations

import typing as t

from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.progress import ProgressAction
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.templates import TemplateError, render_argument


class ActionModule(ProgressAction):
    def _execute(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        template = arguments.pop('user_data_template', None)
        if template:
            if 'user_data' in arguments:
                return {'failed': True, 'msg': 'user_data_template and user_data are mutually exclusive.'}
            try:
                arguments['user_data'] = render_argument(self, template, task_vars or {})
            except TemplateError as error:
                return {'failed': True, 'msg': str(error)}
        return super()._execute(arguments, task_vars)
