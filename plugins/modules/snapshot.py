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
description: Takes a snapshot of a volume, waits until the cloud has stored it, and deletes it.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description:
      - Whether the snapshot is to be there.
      - No cloud deletes a snapshot that is still V(pending). With O(wait) it is waited for first, otherwise that is an
        error.
    type: str
    choices: [present, absent]
    default: present
  snapshot_id:
    description: Id of an existing snapshot. One of O(snapshot_id) and O(name) is required.
    type: str
  volume_id:
    description:
      - Volume to take the snapshot of. Required to take one.
      - Detach the volume before, otherwise the snapshot may hold half-written data.
    type: str
  name:
    description:
      - The snapshot's tag C(Name), by which it is found again.
      - A snapshot with this name is not taken a second time. When several have it the task fails and lists them.
    type: str
  description:
    description: What the cloud keeps as description. It is only used when the snapshot is taken.
    type: str
  wait_timeout:
    description:
      - How many seconds to wait at most. When they are over the task fails, and running it again goes on waiting.
      - The first snapshot of a volume copies all of it, which can take an hour and more.
    default: 7200
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.wait
  - eucalyptus.cloud.tags
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
seealso:
  - module: eucalyptus.cloud.snapshot_info
  - module: eucalyptus.cloud.image
"""

EXAMPLES = r"""
- name: Keep what the installer has written
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
    - The snapshot. After it was deleted what was last known of it, with state V(deleted); null when there was none.
  returned: always
  type: dict
  contains:
    snapshot_id:
      description: Its id; null in check mode, if it would be taken.
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
      description: How much of it is stored, as the cloud says it.
      type: str
      sample: 100%
    volume_id:
      description: The volume it was taken of.
      type: str
    size:
      description: The volume's size in GiB.
      type: int
    description:
      description: Its description.
      type: str
    started:
      description: When it was begun, ISO 8601.
      type: str
    tags:
      description: All its tags.
      type: dict
actions:
  description: What was done, or in check mode would be done, in words.
  returned: always
  type: list
  elements: str
  sample: [take snapshot of volume vol-1a2b3c4d]
"""

import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import (
    TAGS,
    CloudModule,
    ModuleError,
    wait_options,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import (
    SNAPSHOT,
    VOLUME,
    Resource,
    find_one,
    look,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import plan_tags
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

FAILED = ('failed', 'error')


class Snapshot(CloudModule):
    key = 'snapshot'
    atomic = True
    options = {
        'state': {'type': 'str', 'choices': ['present', 'absent'], 'default': 'present'},
        'snapshot_id': {'type': 'str'},
        'volume_id': {'type': 'str'},
        'name': {'type': 'str'},
        'description': {'type': 'str'},
        **TAGS,
        **wait_options(7200),
    }
    rules = {'required_one_of': [('snapshot_id', 'name')]}

    def find(self) -> Resource | None:
        found = find_one(self.cloud, SNAPSHOT, self.params['snapshot_id'], self.params['name'])
        self.id: str | None = found and found['snapshot_id']
        return found

    def plan(self, found: Resource | None) -> Plan:
        plan = Plan(found)
        if self.params['state'] == 'absent':
            self._plan_absent(plan, found)
            return plan
        if found is None or found['state'] in SNAPSHOT.gone:
            self._plan_take(plan)
        else:
            self._check_same(found)
        plan_tags(plan, self.cloud, lambda: t.cast(str, self.id), self.params)
        plan.result_from(
            lambda: self.wait(
                self._look,
                lambda snapshot: bool(snapshot) and snapshot['state'] == 'completed',
                f'snapshot {self.id} to be completed',
                lambda snapshot: snapshot['state'] in (*FAILED, *SNAPSHOT.gone),
            )
        )
        return plan

    def _look(self) -> Resource | None:
        return look(self.cloud, SNAPSHOT, t.cast(str, self.id))

    def _plan_take(self, plan: Plan) -> None:
        volume_id = self.params['volume_id']
        if self.params['snapshot_id']:
            raise ModuleError(
                f'There is no snapshot {self.params["snapshot_id"]}. To take one, leave snapshot_id out and give a name.'
            )
        if not volume_id:
            raise ModuleError(f'There is no snapshot named {self.params["name"]}; to take it, volume_id is needed.')
        volume = look(self.cloud, VOLUME, volume_id)
        if volume is None:
            raise ModuleError(f'There is no volume {volume_id} to take a snapshot of.')
        request = {'VolumeId': volume_id}
        if self.params['description']:
            request['Description'] = self.params['description']

        def take() -> None:
            self.id = self.cloud.ec2('create_snapshot', f'volume {volume_id}', **request)['SnapshotId']

        plan.step(
            f'take snapshot of volume {volume_id}',
            take,
            lambda: self.take_back(SNAPSHOT, t.cast(str, self.id)),
            snapshot_id=None,
            name=self.params['name'],
            state='completed',
            progress='100%',
            volume_id=volume_id,
            size=volume['size'],
            description=self.params['description'],
            started=None,
            tags={},
        )

    def _check_same(self, found: Resource) -> None:
        if found['state'] in FAILED:
            raise ModuleError(f'Snapshot {self.id} is in state {found["state"]}; delete it (state: absent) and run again.')
        wanted = self.params['volume_id']
        if wanted is not None and found['volume_id'] not in (None, wanted):
            raise ModuleError(f'Snapshot {self.id} is of volume {found["volume_id"]}, not of {wanted}.')

    def _plan_absent(self, plan: Plan, found: Resource | None) -> None:
        if found is None:
            return
        if found['state'] == 'pending' and not self.params['wait']:
            raise ModuleError(
                f'Snapshot {self.id} is still pending, and the cloud deletes none that is: '
                'run again when it is completed, or with wait: true.'
            )
        if found['state'] not in SNAPSHOT.gone:
            plan.remove(f'delete snapshot {self.id}', self._delete, after={**found, 'state': 'deleted'})
        plan.result_from(
            lambda: (
                self.wait(
                    self._look,
                    lambda snapshot: snapshot is None or snapshot['state'] == 'deleted',
                    f'snapshot {self.id} to be deleted',
                )
                or {**found, 'state': 'deleted'}
            )
        )

    def _delete(self) -> None:
        # Asked to delete one that is pending the cloud does nothing and reports no error (SnapshotManager.delete, 3.1
        # to 4.4).
        self.wait(
            self._look,
            lambda snapshot: snapshot is None or snapshot['state'] != 'pending',
            f'snapshot {self.id} to be completed, so that it can be deleted',
        )
        self.gone('delete_snapshot', f'snapshot {self.id}', SnapshotId=self.id)


def main() -> None:
    Snapshot.main()


if __name__ == '__main__':
    main()
