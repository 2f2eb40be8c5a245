#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: instance_info
short_description: List instances
version_added: 0.1.0
description: Lists the account's instances, including terminated ones that the cloud still lists.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  instance_ids:
    description: Return only the instances with these IDs. Unknown IDs are left out.
    type: list
    elements: str
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.resource.info
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
  description: The instances, ordered by ID, in the form that M(eucalyptus.cloud.instance) returns.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.info_module import InfoModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import INSTANCE, Resource, with_volumes


class InstanceInfo(InfoModule):
    kind = INSTANCE

    def find(self) -> list[Resource]:
        return with_volumes(self.cloud, super().find())


def main() -> None:
    InstanceInfo.main()


if __name__ == '__main__':
    main()
