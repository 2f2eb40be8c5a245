#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: instance_info
short_description: Read instances
version_added: 0.1.0
description: Lists the account's instances, also those that are terminated and still listed by the cloud.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  instance_ids:
    description: Only the instances with these ids. Ids that the cloud does not know are left out.
    type: list
    elements: str
  name:
    description: Only instances with this tag C(Name) that are not terminated.
    type: str
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.attributes.read
  - eucalyptus.cloud.attributes.actiongroup
seealso:
  - module: eucalyptus.cloud.instance
"""

EXAMPLES = r"""
- name: Read all instances
  eucalyptus.cloud.instance_info:
    eucarc: ~/.euca/eucarc
  register: all

- name: Show the addresses of those that run
  ansible.builtin.debug:
    msg: "{{ all.instances | selectattr('state', 'eq', 'running') | map(attribute='public_ip') }}"
"""

RETURN = r"""
instances:
  description: The instances, ordered by id, each as M(eucalyptus.cloud.instance) returns it.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import (
    INSTANCE,
    Resource,
    listing,
    with_volumes,
)


class InstanceInfo(CloudModule):
    key = 'instances'
    options = {'instance_ids': {'type': 'list', 'elements': 'str'}, 'name': {'type': 'str'}}

    def find(self) -> list[Resource]:
        found = listing(self.cloud, INSTANCE, self.params['name'], self.params['instance_ids'])
        return with_volumes(self.cloud, found)


def main() -> None:
    InstanceInfo.main()


if __name__ == '__main__':
    main()
