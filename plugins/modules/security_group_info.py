#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: security_group_info
short_description: List security groups
version_added: 0.1.0
description: Lists the account's security groups.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  security_group_ids:
    description: Return only the groups with these IDs. Unknown IDs are left out.
    type: list
    elements: str
  name:
    description: Return only groups with this name.
    type: str
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.attributes.read
  - eucalyptus.cloud.attributes.actiongroup
seealso:
  - module: eucalyptus.cloud.security_group
"""

EXAMPLES = r"""
- name: Read all security groups
  eucalyptus.cloud.security_group_info:
    eucarc: ~/.euca/eucarc
  register: all

- name: Show their rules
  ansible.builtin.debug:
    msg: "{{ all.security_groups | items2dict(key_name='name', value_name='rules') }}"
"""

RETURN = r"""
security_groups:
  description: The groups, ordered by ID, in the form that M(eucalyptus.cloud.security_group) returns.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.info_module import InfoModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.security_groups import SECURITY_GROUP


class SecurityGroupInfo(InfoModule):
    kind = SECURITY_GROUP


def main() -> None:
    SecurityGroupInfo.main()


if __name__ == '__main__':
    main()
