# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the role image_build when one play builds several images: facts of the earlier builds are still there."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.action.conftest import trusted
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.build_kit import ROLE

VARIABLES = {name: trusted(value) for name, value in yaml.safe_load((ROLE / 'vars/main.yml').read_text()).items()}
IMAGES = ('kernel', 'ramdisk', 'dummy', 'boot_disk')
FACTS = {f'__image_build_{name}': {'image': {'image_id': name}} for name in IMAGES}
USED = '{{ [__image_build_kernel_id, __image_build_ramdisk_id, __image_build_registered] }}'


@pytest.mark.parametrize(
    ('boot', 'used'),
    [
        ({'way': 'hook', 'bucket': ''}, ['kernel', 'ramdisk', ['kernel', 'ramdisk', 'dummy']]),
        ({'way': 'disk', 'bucket': ''}, ['', '', ['boot_disk']]),
        ({'way': 'disk', 'bucket': 'images'}, ['', '', []]),
    ],
)
def test_a_build_uses_the_images_of_its_own_way_to_boot(boot: dict[str, str], used: list[t.Any]) -> None:
    given = {'image_build_kernel_id': '', 'image_build_ramdisk_id': '', '__image_build_plan': {'build': {'boot': boot}}}
    assert Templar(loader=DataLoader(), variables={**VARIABLES, **FACTS, **given}).template(trusted(USED)) == used
