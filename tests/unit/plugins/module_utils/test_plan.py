# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan


def test_a_plan_without_steps_changes_nothing_and_still_looks():
    plan = Plan({'state': 'available'})
    plan.result_from(lambda: {'state': 'in-use'})
    assert not plan.changed
    assert plan.diff() == {'before': {}, 'after': {}}
    assert plan.apply() == {'state': 'in-use'}


def test_a_plan_that_is_not_applied_calls_nothing_and_predicts_the_result():
    plan = Plan()
    plan.step('create it', lambda: pytest.fail('called'), state='available', size=5)
    plan.step('tag it', lambda: pytest.fail('called'), tags={'a': 'b'})
    assert plan.changed
    assert plan.descriptions == ['create it', 'tag it']
    assert plan.after == {'state': 'available', 'size': 5, 'tags': {'a': 'b'}}


def test_the_diff_shows_only_the_keys_that_change():
    plan = Plan({'id': 'x', 'state': 'stopped', 'tags': {}})
    plan.step('start it', lambda: None, state='running')
    assert plan.diff() == {'before': {'state': 'stopped'}, 'after': {'state': 'running'}}


def test_what_is_removed_is_in_the_diff_only_before():
    plan = Plan({'id': 'x'})
    plan.remove('delete it', lambda: None)
    assert plan.diff() == {'before': {'id': 'x'}, 'after': {}}
    assert plan.apply() is None


def test_a_step_that_fails_ends_the_plan_and_the_result_lists_the_completed_steps():
    done = []
    plan = Plan()
    plan.step('one', lambda: done.append(1))
    plan.step('two', lambda: 1 / 0)
    plan.step('three', lambda: done.append(3))
    with pytest.raises(ZeroDivisionError):
        plan.apply()
    assert done == [1]
    assert plan.done == ['one']
