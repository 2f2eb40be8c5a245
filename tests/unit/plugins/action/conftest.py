# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import types
import typing as t
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.eucalyptus.cloud.plugins.action.build_plan import ActionModule
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.build_kit import DEFAULTS, NO_SYSTEM, ROLE

try:
    from ansible.template import trust_as_template
except ImportError:  # up to ansible-core 2.18, every string is trusted

    def trust_as_template(value: str) -> str:
        return value


def trusted(value: t.Any) -> t.Any:
    return trust_as_template(value) if isinstance(value, str) else value


@pytest.fixture(name='planner')
def fixture_planner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., dict[str, t.Any]]:
    """Run the action build_plan with the role's defaults, the given variables and changes (without the prefix) of them.

    The result is the module's arguments with those of the action, or the refusal. ``finished`` stands for the image that the
    module finds, ``chosen`` for its choice of the way to boot, and ``transport`` for the way to the host that runs it.
    """
    (tmp_path / 'play').mkdir()
    monkeypatch.setenv('PWD', str(tmp_path))
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))

    def planner(
        given: dict[str, t.Any],
        arguments: dict[str, t.Any] | None = None,
        finished: t.Any = None,
        chosen: dict[str, str] | None = None,
        transport: str = 'local',
        **changes: t.Any,
    ) -> dict[str, t.Any]:
        variables = {**DEFAULTS, **given, **{f'image_build_{name}': value for name, value in changes.items()}}
        variables = {name: trusted(value) for name, value in variables.items()} | {'__image_build_no_system': NO_SYSTEM}
        places = {'role_path': str(ROLE), 'playbook_dir': str(tmp_path / 'play'), 'ansible_search_path': [str(ROLE)]}
        loader = DataLoader()
        templar = Templar(loader=loader, variables={**variables, **places})
        task = types.SimpleNamespace(args=arguments or {}, async_val=0, check_mode=False, diff=False, collections=[])
        connection = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=str(tmp_path)), transport=transport)
        action = ActionModule(task, connection, types.SimpleNamespace(check_mode=False), loader, templar, None)

        def execute(name: str, sent: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
            return {
                'name': name,
                'cloud': 'Eucalyptus/5.1.0',
                'build': {'image': finished, 'boot': chosen},
                'invocation': {},
                **sent,
            }

        monkeypatch.setattr(action, '_execute_module', execute)
        return action.run(task_vars={**variables, **places})

    return planner
