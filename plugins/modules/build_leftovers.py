#!/usr/bin/python
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: build_leftovers
short_description: Remove what an interrupted or failed build left in the cloud
version_added: 0.1.0
description:
  - Finds all instances, volumes, images and snapshots with a build's tag, removes them in the order that the cloud accepts, and
    waits until they are gone. If one cannot be removed, the others are. Only a volume is kept as long as its snapshot exists,
    because an untagged snapshot can only be found through its volume.
  - It also finds what may not have its tag yet - images of that name, instances with the client token of the role, untagged
    snapshots of the build's volumes - and the build's answer file.
  - The role P(eucalyptus.cloud.image_build#role) runs it when a build fails and before a build starts.
  - In Eucalyptus 3.1 and 3.2, which have no tags, it finds only images and the answer file.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  name:
    required: true
  wait_timeout:
    description: Seconds that the whole removal may take.
    type: int
    default: 600
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.build
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
"""

EXAMPLES = r"""
- name: See what a build left behind
  eucalyptus.cloud.build_leftovers:
    name: debian-12-0a1b2c3d4e
  check_mode: true
  register: found

- name: Remove it
  eucalyptus.cloud.build_leftovers:
    name: debian-12-0a1b2c3d4e
"""

RETURN = r"""
leftovers:
  description: The resources found, in the order of removal. If the task fails, those that could not be removed.
  returned: always
  type: list
  elements: dict
  contains:
    type:
      description: V(answer file), V(instance), V(volume), V(image) or V(snapshot).
      type: str
    id:
      description: Its id.
      type: str
    state:
      description: Its state when it was found.
      type: str
  sample: [{"type": "volume", "id": "vol-7f2e4011", "state": "available"}]
"""

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.leftovers import (
    Leftover,
    find_leftovers,
    plan_leftovers,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule, ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan


class BuildLeftoversModule(CloudModule):
    key = 'leftovers'
    options = {
        'name': {'type': 'str', 'required': True},
        'tag': {'type': 'str', 'default': 'eucalyptus.cloud/build'},
        'answer_file_bucket': {'type': 'str'},
        'wait_timeout': {'type': 'int', 'default': 600},
    }

    def find(self) -> list[Leftover]:
        if not self.params['name']:
            raise ModuleError('name is empty. Give the name of the build whose leftovers should be removed.')
        return find_leftovers(self.cloud, self.params['tag'], self.params['name'], self.params['answer_file_bucket'])

    def plan(self, found: list[Leftover]) -> Plan:
        plan = plan_leftovers(self.cloud, found, self.params['wait_timeout'])
        plan.after = found
        return plan


def main() -> None:
    BuildLeftoversModule.main()


if __name__ == '__main__':
    main()
