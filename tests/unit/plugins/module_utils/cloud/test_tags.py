# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import types

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import NoTags, plan_tags
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

CLOUD = types.SimpleNamespace(has_tags=True, build_list=None)
PRESENT = {'Name': 'x', 'old': '1', 'euca:node': 'n', 'aws:y': 'z'}


def words(params, present=None):
    plan = Plan({'tags': dict(PRESENT if present is None else present)})
    plan_tags(plan, CLOUD, lambda: pytest.fail('planning sent a request'), params)
    return plan.descriptions, plan.after['tags']


@pytest.mark.parametrize('purge', [True, False])
def test_tags_that_are_not_given_are_not_touched(purge):
    assert words({'tags': None, 'purge_tags': purge}) == ([], PRESENT)
    assert words({'tags': None, 'name': 'x', 'purge_tags': purge}) == ([], PRESENT)


def test_without_purge_tags_are_only_added():
    assert words({'tags': {'old': '1', 'new': 2}}) == (['set tags new'], {**PRESENT, 'new': '2'})


def test_purging_leaves_the_name_that_is_given_the_clouds_own_and_those_of_a_build():
    kept = {'Name': 'x', 'euca:node': 'n', 'aws:y': 'z', 'eucalyptus.cloud/build': 'b', 'eucalyptus.cloud/build-key': 'k'}
    assert words({'tags': {}, 'name': 'x', 'purge_tags': True}, {**kept, 'old': '1'}) == (['remove tags old'], kept)


def test_a_changed_name_is_one_step():
    assert words({'tags': None, 'name': 'y'}) == (['set tags Name'], {**PRESENT, 'Name': 'y'})


def test_a_tag_without_a_value_is_empty():
    assert words({'tags': {'new': None}}) == (['set tags new'], {**PRESENT, 'new': ''})
    assert words({'tags': {'new': None}}, present={'new': ''}) == ([], {'new': ''})


def test_a_cloud_without_tags_refuses_them_before_anything_is_changed():
    plan = Plan({'tags': {}})
    with pytest.raises(NoTags, match=r'no tags \(Eucalyptus before 3\.3\)\. Omit tags\.'):
        plan_tags(plan, types.SimpleNamespace(has_tags=False, build_list=None), str, {'tags': {'a': 'b'}})
    assert not plan.changed
