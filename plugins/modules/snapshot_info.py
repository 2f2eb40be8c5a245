#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: snapshot_info
short_description: List snapshots
version_added: 0.1.0
description: Lists the account's snapshots.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  snapshot_ids:
    description: Return only the snapshots with these IDs. Unknown IDs are left out.
    type: list
    elements: str
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.resource.info
  - eucalyptus.cloud.attributes.read
  - eucalyptus.cloud.attributes.actiongroup
seealso:
  - module: eucalyptus.cloud.snapshot
"""

EXAMPLES = r"""
- name: Read the snapshots named fedora
  eucalyptus.cloud.snapshot_info:
    eucarc: ~/.euca/eucarc
    name: fedora
  register: fedora
"""

RETURN = r"""
snapshots:
  description: The snapshots, ordered by ID, in the form that M(eucalyptus.cloud.snapshot) returns.
  returned: always
  type: list
  elements: dict
"""

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.info_module import InfoModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import SNAPSHOT


class SnapshotInfo(InfoModule):
    kind = SNAPSHOT


def main() -> None:
    SnapshotInfo.main()


if __name__ == '__main__':
    main()
