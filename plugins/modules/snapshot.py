#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: snapshot
short_description: Take or delete a snapshot of a volume
version_added: 0.1.0
description:
  - Takes a snapshot of a volume and waits until the cloud has stored it, or deletes a snapshot.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description:
      - Whether the snapshot should exist.
      - The cloud cannot delete a snapshot that is still V(pending). With O(wait) the module waits for it first.
        Otherwise the task fails.
  snapshot_id:
    description: ID of an existing snapshot. One of O(snapshot_id) and O(name) is required where the cloud has tags.
    type: str
  volume_id:
    description:
      - Volume to take the snapshot of. Required to take one.
      - Detach the volume first. Otherwise the snapshot may contain half-written data.
    type: str
  description:
    description: Description of a new snapshot. That of an existing one is neither compared nor changed.
    type: str
  wait_timeout:
    description:
      - Maximum time to wait, in seconds. After it the task fails; run it again to keep waiting.
      - The first snapshot of a volume copies all of it, which can take more than an hour.
    default: 7200
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.resource
  - eucalyptus.cloud.wait
  - eucalyptus.cloud.tags
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
seealso:
  - module: eucalyptus.cloud.snapshot_info
  - module: eucalyptus.cloud.image
"""

EXAMPLES = r"""
- name: Take a snapshot of the installed system
  eucalyptus.cloud.snapshot:
    eucarc: ~/.euca/eucarc
    name: fedora-20240501
    volume_id: vol-1a2b3c4d
    description: Fedora, installed by its own installer
  register: kept

- name: Delete it
  eucalyptus.cloud.snapshot:
    eucarc: ~/.euca/eucarc
    snapshot_id: "{{ kept.snapshot.snapshot_id }}"
    state: absent
"""

RETURN = r"""
snapshot:
  description:
    - The snapshot. After its deletion, its last known values with state V(deleted); null if it did not exist.
  returned: always
  type: dict
  contains:
    snapshot_id:
      description: Its ID; null in check mode, if it would be taken.
      type: str
      sample: snap-1a2b3c4d
    name:
      description: Its tag C(Name).
      type: str
    state:
      description: One of V(pending), V(completed), V(failed), V(deleted).
      type: str
      sample: completed
    progress:
      description: Share of the snapshot that the cloud reports as stored.
      type: str
      sample: 100%
    volume_id:
      description: Volume of which it was taken.
      type: str
    size:
      description: The volume's size in GiB.
      type: int
    description:
      description: Its description.
      type: str
    started:
      description: Time of its start, ISO 8601.
      type: str
    tags:
      description: All its tags.
      type: dict
actions:
  description: Completed steps; in check mode, the steps that would be taken.
  returned: always
  type: list
  elements: str
  sample: [take snapshot of volume vol-1a2b3c4d]
"""

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resource_module import ResourceModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import SNAPSHOT, VOLUME, Resource, look
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan


class Snapshot(ResourceModule):
    kind = SNAPSHOT
    verb = 'take'
    wait_timeout = 7200
    options = {'volume_id': {'type': 'str'}, 'description': {'type': 'str'}}
    fixed_if_reported = ('volume_id',)

    def plan_create(self, plan: Plan) -> None:
        volume_id, description = self.params['volume_id'], self.params['description']
        if not volume_id:
            raise ModuleError(f'{self.not_found} To take it, set volume_id.')
        volume = look(self.cloud, VOLUME, volume_id)
        if volume is None:
            raise ModuleError(f'There is no volume {volume_id} to take a snapshot of.')
        self.request_creation(
            plan,
            f'snapshot of volume {volume_id}',
            'create_snapshot',
            f'volume {volume_id}',
            {'VolumeId': volume_id, **({'Description': description} if description else {})},
            progress='100%',
            size=volume['size'],
            description=description or None,
        )

    def check_removable(self, found: Resource) -> None:
        if found['state'] == 'pending' and not self.params['wait']:
            raise ModuleError(
                f'Snapshot {self.id} is still pending, and the cloud cannot delete it before it is completed. '
                'Run again when it is, or set wait: true.'
            )

    def remove(self) -> None:
        # The cloud ignores a request to delete a pending one and reports no error (SnapshotManager.delete, 3.1 to 4.4).
        self.wait(
            self.look,
            lambda snapshot: snapshot is None or snapshot['state'] != 'pending',
            f'snapshot {self.id} to become completed before it is deleted',
        )
        super().remove()


def main() -> None:
    Snapshot.main()


if __name__ == '__main__':
    main()
