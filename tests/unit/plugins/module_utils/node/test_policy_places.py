# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the policy's keys, and the places that come from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.eucalyptus.cloud.plugins.doc_fragments import hook_policy
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import policy
from ansible_collections.eucalyptus.cloud.plugins.modules import nc_hook

CHECKOUT = Path(policy.__file__).resolve().parents[3]
OF_THE_POLICY = {key.name: key for key in policy.KEYS if key.in_policy}


def variables() -> dict[str, dict[str, object]]:
    text = (CHECKOUT / 'roles/nc_hooks/meta/argument_specs.yml').read_text()
    return yaml.safe_load(text)['argument_specs']['main']['options']


def test_every_variable_of_the_policy_is_as_in_the_table() -> None:
    found = variables()
    for name, key in OF_THE_POLICY.items():
        variable = dict(found[f'nc_hooks_{name}'])
        assert variable.pop('description')
        default = {} if key.kind == 'password' else {'default': key.default}
        assert variable == {**key.specification(), **default}, name
    assert found['nc_hooks_installers_dir']['default'] == policy.default_of('installers_dir')


def test_every_option_of_the_policy_is_documented() -> None:
    documented = json.loads(hook_policy.ModuleDocFragment.DOCUMENTATION)['options']['policy']['suboptions']
    options = nc_hook.OPTIONS['policy']['options']
    assert set(documented) == set(options) == set(OF_THE_POLICY)
    for name, option in options.items():
        for field in ('type', 'elements', 'choices'):
            assert documented[name].get(field) == option.get(field), name


def test_passwords_are_not_logged() -> None:
    assert nc_hook.OPTIONS['policy']['options']['vnc_password']['no_log'] is True


def test_the_generated_documentation_is_up_to_date() -> None:
    script = CHECKOUT / 'tools/policy-table'
    if not script.exists():
        pytest.skip('this is an installed collection, which has no tools')
    done = subprocess.run([sys.executable, script, '--check'], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
