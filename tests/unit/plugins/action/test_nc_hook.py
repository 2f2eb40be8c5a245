# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the role nc_hooks that the controller refuses before it contacts a node."""

from __future__ import annotations

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.eucalyptus.cloud.plugins.action import nc_hook


def documented() -> set[str]:
    specifications = yaml.safe_load((nc_hook.ROLE / 'meta/argument_specs.yml').read_text())
    return set(specifications['argument_specs']['main']['options'])


def test_every_variable_of_the_role_is_accepted() -> None:
    nc_hook.check_names(documented())


@pytest.mark.parametrize(
    ('name', 'nearest'),
    [
        ('nc_hooks_account', 'nc_hooks_accounts'),
        ('nc_hooks_forbiden', 'nc_hooks_forbidden'),
        ('nc_hooks_kernel', 'nc_hooks_kernels'),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_nearest_name(name: str, nearest: str) -> None:
    with pytest.raises(AnsibleActionFail, match=f'no variable {name}. Did you mean {nearest}?'):
        nc_hook.check_names([*documented(), name])


def test_the_option_of_an_installer_is_not_a_variable() -> None:
    with pytest.raises(AnsibleActionFail, match='no variable nc_hooks_kernel_sha256'):
        nc_hook.check_names(['nc_hooks_kernel_sha256'])


def test_values_are_converted_and_missing_ones_have_their_defaults() -> None:
    found = nc_hook.checked_policy({'accounts': '000123456789,0002*', 'vnc': 'yes'})
    assert found['accounts'] == ['000123456789', '0002*']
    assert found['vnc'] is True
    assert (found['on_refusal'], found['kernels'], found['vnc_listen']) == ('cancel', ['*'], '127.0.0.1')


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'on_refusal': 'perhaps'}, 'nc_hooks_on_refusal must be one of: cancel, ignore'),
        ({'vnc': 'perhaps'}, 'nc_hooks_vnc'),
        ({'accounts': ['123']}, 'nc_hooks_accounts has the item 123. Account numbers have 12 digits'),
        ({'forbidden': ['*a*b*']}, 'nc_hooks_forbidden has the pattern .* at most two'),
        ({'vnc': True, 'vnc_listen': '0.0.0.0'}, 'nc_hooks_vnc_listen is not a loopback .* nc_hooks_vnc_password is required'),
        ({'vnc_password': '123456789'}, 'nc_hooks_vnc_password must have 1 to 8'),
        ({'installers_dir': 'x'}, 'nc_hooks_installers_dir must be an absolute path'),
    ],
)
def test_a_policy_that_the_hook_would_refuse_is_refused_with_its_variable(values: dict[str, object], message: str) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        nc_hook.checked_policy(values)
