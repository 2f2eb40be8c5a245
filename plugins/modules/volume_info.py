#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: volume_info
short_description: List volumes
version_added: 0.1.0
description: Lists the account's volumes.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  volume_ids:
    description: Return only the volumes with these IDs. Unknown IDs are left out.
    type: list
    elements: str
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.resource.info
  - eucalyptus.cloud.attributes.read
  - eucalyptus.cloud.attributes.actiongroup
seealso:
  - module: eucalyptus.cloud.volume
"""

EXAMPLES = r"""
- name: Read all volumes
  eucalyptus.cloud.volume_info:
    eucarc: ~/.euca/eucarc
  register: all

- name: Show which are free
  ansible.builtin.debug:
    msg: "{{ all.volumes | selectattr('state', 'eq', 'available') | map(attribute='volume_id') }}"
"""

RETURN = r"""
volumes:
  description: The volumes, ordered by ID, in the form that M(eucalyptus.cloud.volume) returns.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.info_module import InfoModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import VOLUME


class VolumeInfo(InfoModule):
    kind = VOLUME


def main() -> None:
    VolumeInfo.main()


if __name__ == '__main__':
    main()
