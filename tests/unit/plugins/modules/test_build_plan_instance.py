# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""build_plan for an instance that installs itself."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import DONE, ebs_image, images, instance, instances, volumes
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import FakeCloud
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.modules import test_build_plan
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.modules.test_build_plan import KERNEL, Planner

# pytest looks for fixtures in this module.
fixture_listing, fixture_plan = test_build_plan.fixture_listing, test_build_plan.fixture_plan
ITSELF = {
    'target': 'instance',
    'node_installer': 'debian-12',
    'also_image': False,
    'kernel_id': '',
    'ramdisk_id': '',
    'answer_file_by': 'auto',
}
ROOT = 'empty-4g-x86_64-one'


@pytest.fixture(name='cloud_with_instances')
def fixture_cloud_with_instances(listing: FakeCloud) -> FakeCloud:
    listing.on('DescribeInstances', instances())
    listing.on('DescribeVolumes', volumes())
    return listing


def test_an_instance_installs_itself_with_the_installer_of_the_nodes(cloud_with_instances: FakeCloud, plan: Planner) -> None:
    build = plan(**ITSELF)['build']
    assert (build['image'], build['instance'], cloud_with_instances.writes) == (None, None, [])
    assert build['boot']['way'] == 'self'
    assert build['boot']['answer_file_by'] == 'url'  # its user data is the boot parameters
    assert build['root'] == {'name': ROOT, 'image_id': '', 'zone': 'one'}


def test_the_empty_root_of_that_size_and_zone_is_used_again(cloud_with_instances: FakeCloud, plan: Planner) -> None:
    # Eucalyptus 3.1 lets two builds at once register one each.
    roots = [ebs_image('emi-b', ROOT), ebs_image('emi-a', ROOT), ebs_image('emi-0', 'empty-5g-x86_64-one')]
    cloud_with_instances.on('DescribeImages', images(KERNEL, *roots))
    assert plan(**ITSELF)['build']['root']['image_id'] == 'emi-a'
    assert plan(**ITSELF, volume_size=6)['build']['root']['image_id'] == ''


def test_a_finished_instance_is_found_and_only_its_tags_are_changed(cloud_with_instances: FakeCloud, plan: Planner) -> None:
    key = plan(**ITSELF)['build']['key']
    tags = {'eucalyptus.cloud/build-key': key, 'eucalyptus.cloud/build': f'debian-12-{key[:10]}'}
    gone = instance('terminated', 'i-0', root='ebs', **tags)
    other = instance('running', 'i-1', root='ebs', **{**tags, 'eucalyptus.cloud/build-key': 'another'})
    cloud_with_instances.on('DescribeInstances', instances(gone, other))
    assert plan(**ITSELF)['build']['instance'] is None

    cloud_with_instances.on('DescribeInstances', instances(gone, other, instance('stopped', 'i-2', root='ebs', **tags)))
    cloud_with_instances.on('CreateTags', DONE)
    found = plan(**ITSELF)
    assert (found['changed'], found['build']['instance']['instance_id'], found['build']['root']) == (False, 'i-2', None)
    assert plan(**ITSELF, tags={'team': 'blue'})['actions'] == ['set tags team']
    assert cloud_with_instances.writes == ['CreateTags']


def test_one_file_of_variables_serves_image_and_instance(cloud_with_instances: FakeCloud, plan: Planner) -> None:
    """The other target's inputs have no effect on the key. (Recipe.read empties them.)"""
    image: dict[str, t.Any] = plan()['build']
    itself = plan(**ITSELF)['build']
    assert 'node_installer' not in image['inputs'] and 'kernel_id' not in itself['inputs']
    assert image['key'] != itself['key'] != plan(**{**ITSELF, 'node_installer': 'debian-13'})['build']['key']
