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
  - To attach it, use M(eucalyptus.cloud.volume_attachment).
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  volume_id:
    description: ID of an existing volume. One of O(volume_id) and O(name) is required where the cloud has tags.
    type: str
  size:
    description:
      - Size in GiB. Required to create an empty volume; with O(snapshot_id) the default is the snapshot's size.
      - The size of an existing volume cannot be changed. A different value is an error.
    type: int
  snapshot_id:
    description: Snapshot to create the volume from.
    type: str
  zone:
    description: Availability zone of the volume. Required to create one if the cloud has several zones.
    type: str
  wait_timeout:
    default: 600
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.resource
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
  description: The volume. After its deletion, its last known values with state V(deleted); null if it did not exist.
  returned: always
  type: dict
  contains:
    volume_id:
      description: Its ID; null in check mode, if it would be created.
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
      description: Snapshot from which it was created.
      type: str
    zone:
      description: Its availability zone.
      type: str
    created:
      description: Time of its creation, ISO 8601.
      type: str
    attachments:
      description: Its attachments; see M(eucalyptus.cloud.volume_attachment).
      type: list
      elements: dict
    tags:
      description: All its tags.
      type: dict
actions:
  description: Completed steps; in check mode, the steps that would be taken.
  returned: always
  type: list
  elements: str
  sample: [create volume of 5 GiB]
"""

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resource_module import ResourceModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import VOLUME, Resource
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan


class Volume(ResourceModule):
    kind = VOLUME
    options = {'size': {'type': 'int'}, 'snapshot_id': {'type': 'str'}, 'zone': {'type': 'str'}}
    fixed = ('size', 'snapshot_id', 'zone')

    def plan_create(self, plan: Plan) -> None:
        size, snapshot_id = self.params['size'], self.params['snapshot_id']
        if size is None and not snapshot_id:
            raise ModuleError(f'{self.not_found} To create it, set size (in GiB) or snapshot_id.')
        if size is not None and size < 1:
            raise ModuleError(f'size must be at least 1 GiB, not {size}.')
        zone = self._zone()
        request = {'AvailabilityZone': zone, 'Size': size, 'SnapshotId': snapshot_id}
        what = 'volume' + (f' of {size} GiB' if size else '') + (f' from {snapshot_id}' if snapshot_id else '')
        given = {parameter: value for parameter, value in request.items() if value}
        self.request_creation(plan, what, 'create_volume', f'{what} in zone {zone}', given, zone=zone)

    def _zone(self) -> str:
        if self.params['zone']:
            return str(self.params['zone'])
        zones = [str(zone['ZoneName']) for zone in self.cloud.ec2('describe_availability_zones')['AvailabilityZones']]
        if len(zones) != 1:
            raise ModuleError(f'The cloud has the zones {", ".join(sorted(zones)) or "(none)"}. Select one with zone.')
        return zones[0]

    def check_removable(self, found: Resource) -> None:
        if found['attachments']:
            raise ModuleError(
                f'Volume {self.id} is attached to {found["attachments"][0]["instance_id"]}. '
                'Detach it first, with volume_attachment and state: absent.'
            )


def main() -> None:
    Volume.main()


if __name__ == '__main__':
    main()
