#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: key_pair_info
short_description: List key pairs
version_added: 0.1.0
description: Lists the account's key pairs.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  names:
    description: Return only the key pairs with these names. Unknown names are left out.
    type: list
    elements: str
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.attributes.read
  - eucalyptus.cloud.attributes.actiongroup
seealso:
  - module: eucalyptus.cloud.key_pair
"""

EXAMPLES = r"""
- name: Read all key pairs
  eucalyptus.cloud.key_pair_info:
    eucarc: ~/.euca/eucarc
  register: all

- name: Show their fingerprints
  ansible.builtin.debug:
    msg: "{{ all.key_pairs | items2dict(key_name='name', value_name='fingerprint') }}"
"""

RETURN = r"""
key_pairs:
  description: The key pairs, ordered by name, in the form that M(eucalyptus.cloud.key_pair) returns.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.key_pairs import find_key_pair, list_key_pairs
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource


class KeyPairInfo(CloudModule):
    key = 'key_pairs'
    options = {'names': {'type': 'list', 'elements': 'str'}}

    def find(self) -> list[Resource]:
        names = self.params['names']
        if names is None:
            found = list_key_pairs(self.cloud, 'the key pairs')
        else:
            found = [pair for pair in (find_key_pair(self.cloud, name) for name in names) if pair]
        return sorted(found, key=lambda pair: str(pair['name']))


def main() -> None:
    KeyPairInfo.main()


if __name__ == '__main__':
    main()
