#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: volume
short_description: Create or delete a volume
version_added: 0.1.0
description:
  - Creates a volume, empty or from a snapshot, and deletes it.
  - Attaching it is M(eucalyptus.cloud.volume_attachment)'s.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description: Whether the volume is to be there.
    type: str
    choices: [present, absent]
    default: present
  volume_id:
    description: Id of an existing volume. One of O(volume_id) and O(name) is required.
    type: str
  name:
    description:
      - The volume's tag C(Name), by which it is found again.
      - A volume with this name is not created a second time. When several have it the task fails and lists them.
    type: str
  size:
    description:
      - Size in GiB. Required to create an empty volume; with O(snapshot_id) the snapshot's size is the default.
      - The size of an existing volume cannot be changed; another size is an error.
    type: int
  snapshot_id:
    description: Snapshot to create the volume from.
    type: str
  zone:
    description: Availability zone to create the volume in. The default is the only zone, if the cloud has only one.
    type: str
  wait_timeout:
    default: 600
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.wait
  - eucalyptus.cloud.tags
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
seealso:
  - module: eucalyptus.cloud.volume_attachment
  - module: eucalyptus.cloud.volume_info
"""

EXAMPLES = r"""
- name: A volume to install onto
  eucalyptus.cloud.volume:
    eucarc: ~/.euca/eucarc
    name: fedora-root
    size: 5
    tags:
      purpose: install
  register: disk

- name: Delete it
  eucalyptus.cloud.volume:
    eucarc: ~/.euca/eucarc
    volume_id: "{{ disk.volume.volume_id }}"
    state: absent
"""

RETURN = r"""
volume:
  description: The volume. After it was deleted what was last known of it, with state V(deleted); null when there was
    none.
  returned: always
  type: dict
  contains:
    volume_id:
      description: Its id; null in check mode, if it would be created.
      type: str
      sample: vol-1a2b3c4d
    name:
      description: Its tag C(Name).
      type: str
    state:
      description: One of V(creating), V(available), V(in-use), V(deleting), V(deleted), V(failed), V(error),
        V(unavailable).
      type: str
      sample: available
    size:
      description: Size in GiB.
      type: int
      sample: 5
    snapshot_id:
      description: Snapshot that it was created from.
      type: str
    zone:
      description: Its availability zone.
      type: str
    created:
      description: When it was created, ISO 8601.
      type: str
    attachments:
      description: Where it is attached; see M(eucalyptus.cloud.volume_attachment).
      type: list
      elements: dict
    tags:
      description: All its tags.
      type: dict
actions:
  description: What was done, or in check mode would be done, in words.
  returned: always
  type: list
  elements: str
  sample: [create volume of 5 GiB]
"""

import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import (
    TAGS,
    CloudModule,
    ModuleError,
    wait_options,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import VOLUME, Resource, find_one, look
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import plan_tags
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

FAILED = ('failed', 'error')


class Volume(CloudModule):
    key = 'volume'
    atomic = True
    options = {
        'state': {'type': 'str', 'choices': ['present', 'absent'], 'default': 'present'},
        'volume_id': {'type': 'str'},
        'name': {'type': 'str'},
        'size': {'type': 'int'},
        'snapshot_id': {'type': 'str'},
        'zone': {'type': 'str'},
        **TAGS,
        **wait_options(600),
    }
    rules = {'required_one_of': [('volume_id', 'name')]}

    def find(self) -> Resource | None:
        found = find_one(self.cloud, VOLUME, self.params['volume_id'], self.params['name'])
        self.id: str | None = found and found['volume_id']
        return found

    def plan(self, found: Resource | None) -> Plan:
        plan = Plan(found)
        if self.params['state'] == 'absent':
            self._plan_absent(plan, found)
            return plan
        if found is None or found['state'] in VOLUME.gone:
            self._plan_create(plan)
        else:
            self._check_same(found)
        plan_tags(plan, self.cloud, lambda: t.cast(str, self.id), self.params)
        plan.result_from(
            lambda: self.wait(
                lambda: look(self.cloud, VOLUME, t.cast(str, self.id)),
                lambda volume: bool(volume) and volume['state'] in ('available', 'in-use'),
                f'volume {self.id} to become available',
                lambda volume: volume['state'] in (*FAILED, *VOLUME.gone),
            )
        )
        return plan

    def _plan_create(self, plan: Plan) -> None:
        if self.params['volume_id']:
            raise ModuleError(f'There is no volume {self.params["volume_id"]}. To create one, leave volume_id out and give a name.')
        if not self.params['size'] and not self.params['snapshot_id']:
            raise ModuleError(
                f'There is no volume named {self.params["name"]}; to create it, a size (1 GiB or more) or a snapshot_id is needed.'
            )
        request = {'AvailabilityZone': self._zone()}
        request.update(
            {
                parameter: self.params[option]
                for parameter, option in (('Size', 'size'), ('SnapshotId', 'snapshot_id'))
                if self.params[option]
            }
        )
        source = f' from {self.params["snapshot_id"]}' if self.params['snapshot_id'] else ''
        size = f' of {self.params["size"]} GiB' if self.params['size'] else ''
        words = f'volume{size}{source}'

        def create() -> None:
            self.id = self.cloud.ec2('create_volume', f'{words} in zone {request["AvailabilityZone"]}', **request)['VolumeId']

        plan.step(
            f'create {words}',
            create,
            lambda: self.take_back(VOLUME, t.cast(str, self.id)),
            volume_id=None,
            name=self.params['name'],
            state='available',
            size=self.params['size'],
            snapshot_id=self.params['snapshot_id'],
            zone=request['AvailabilityZone'],
            created=None,
            attachments=[],
            tags={},
        )

    def _zone(self) -> str:
        if self.params['zone']:
            return self.params['zone']
        zones = [zone['ZoneName'] for zone in self.cloud.ec2('describe_availability_zones')['AvailabilityZones']]
        if len(zones) != 1:
            raise ModuleError(f'The cloud has the zones {", ".join(sorted(zones)) or "(none)"}: say with zone which one is meant.')
        return zones[0]

    def _check_same(self, found: Resource) -> None:
        if found['state'] in FAILED:
            raise ModuleError(f'Volume {self.id} is in state {found["state"]}; delete it (state: absent) and run again.')
        for option in ('size', 'snapshot_id', 'zone'):
            wanted = self.params[option]
            if wanted is not None and wanted != found[option]:
                raise ModuleError(f'Volume {self.id} has the {option} {found[option]}, not {wanted}, and that cannot be changed.')

    def _plan_absent(self, plan: Plan, found: Resource | None) -> None:
        if found is None:
            return
        if found['state'] not in VOLUME.gone:
            if found['attachments']:
                raise ModuleError(
                    f'Volume {self.id} is attached to {found["attachments"][0]["instance_id"]}: '
                    'detach it first, with volume_attachment and state: absent.'
                )
            plan.remove(f'delete volume {self.id}', self._delete, after={**found, 'state': 'deleted'})
        plan.result_from(
            lambda: (
                self.wait(
                    lambda: look(self.cloud, VOLUME, found['volume_id']),
                    lambda volume: volume is None or volume['state'] == 'deleted',
                    f'volume {self.id} to be deleted',
                    lambda volume: volume['state'] in FAILED,
                )
                or {**found, 'state': 'deleted'}
            )
        )

    def _delete(self) -> None:
        self.gone('delete_volume', f'volume {self.id}', VolumeId=self.id)


def main() -> None:
    Volume.main()


if __name__ == '__main__':
    main()
