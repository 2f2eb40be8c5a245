#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: volume_attachment
short_description: Attach a volume to an instance, or detach it
version_added: 0.1.0
description:
  - Attaches a volume to an instance, or detaches it. The task ends when the cloud reports the result.
  - With O(wait), the module first waits for an instance that is still V(pending) and a volume that is still
    V(creating).
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description: Whether the volume should be attached.
    type: str
    choices: [present, absent]
    default: present
  volume_id:
    description: ID of the volume.
    type: str
    required: true
  instance_id:
    description:
      - ID of the instance. Required to attach.
      - With O(state=absent), the volume is detached only if it is attached to this instance.
    type: str
  device:
    description:
      - Device name to request, for example V(/dev/sdf) or V(/dev/vdb). The default is the first free name from
        V(/dev/sdf) to V(/dev/sdz). If another request takes it meanwhile, the next one is used.
      - The guest may use another name. From Eucalyptus 3.4 on, the disk's serial number contains the volume's ID.
    type: str
  wait_timeout:
    default: 600
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.wait
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
seealso:
  - module: eucalyptus.cloud.volume
  - module: eucalyptus.cloud.instance
"""

EXAMPLES = r"""
- name: Attach the installer's disk
  eucalyptus.cloud.volume_attachment:
    eucarc: ~/.euca/eucarc
    volume_id: vol-1a2b3c4d
    instance_id: i-4e5f6a7b

- name: Detach it
  eucalyptus.cloud.volume_attachment:
    eucarc: ~/.euca/eucarc
    volume_id: vol-1a2b3c4d
    state: absent
"""

RETURN = r"""
volume_attachment:
  description: The attachment.
  returned: always
  type: dict
  contains:
    volume_id:
      description: ID of the volume.
      type: str
      sample: vol-1a2b3c4d
    instance_id:
      description: ID of the instance; null if the volume was not attached.
      type: str
      sample: i-4e5f6a7b
    device:
      description: The requested device name.
      type: str
      sample: /dev/sdf
    state:
      description: One of V(attaching), V(attached), V(detaching), V(detached).
      type: str
      sample: attached
    delete_on_termination:
      description: Whether the cloud deletes the volume when the instance is terminated.
      type: bool
actions:
  description: Completed steps; in check mode, the steps that would be taken.
  returned: always
  type: list
  elements: str
  sample: [attach volume vol-1a2b3c4d to i-4e5f6a7b]
"""

import time
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import (
    CloudModule,
    ModuleError,
    wait_options,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import (
    INSTANCE,
    VOLUME,
    Resource,
    listing,
    look,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.waiting import in_state
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

# Seconds for which a volume may stay available after the request to attach it, before that counts as a failure.
GRACE = 30


class VolumeAttachment(CloudModule):
    key = 'volume_attachment'
    options = {
        'state': {'type': 'str', 'choices': ['present', 'absent'], 'default': 'present'},
        'volume_id': {'type': 'str', 'required': True},
        'instance_id': {'type': 'str'},
        'device': {'type': 'str'},
        **wait_options(600),
    }
    rules = {'required_if': [('state', 'present', ('instance_id',))]}

    def find(self) -> Resource:
        self.volume = look(self.cloud, VOLUME, self.params['volume_id'])
        return self._attachment(self.volume)

    def plan(self, found: Resource) -> Plan:
        plan = Plan(found)
        if self.params['state'] == 'present':
            self._plan_attach(plan, found)
        elif found['instance_id'] and self.params['instance_id'] in (None, found['instance_id']):
            self._plan_detach(plan, found)
        return plan

    def _plan_attach(self, plan: Plan, found: Resource) -> None:
        volume_id, instance_id, device = (self.params[option] for option in ('volume_id', 'instance_id', 'device'))
        if self.volume is None or self.volume['state'] in VOLUME.gone:
            raise ModuleError(f'There is no volume {volume_id} to attach.')
        if found['instance_id'] not in (None, instance_id):
            raise ModuleError(f'Volume {volume_id} is attached to {found["instance_id"]}. Detach it first.')
        if found['state'] in ('attaching', 'attached', 'busy'):
            if device and found['device'] not in (None, device):
                raise ModuleError(f'Volume {volume_id} is attached as {found["device"]}, not as {device}. Detach it first.')
        else:
            expected = self._device_on(instance_id)

            def attach() -> None:
                self._wait_ready(instance_id)
                plan.after = {**plan.after, 'device': self._attach(instance_id, expected)}

            plan.step(
                f'attach volume {volume_id} to {instance_id}' + (f' as {device}' if device else ''),
                attach,
                volume_id=volume_id,
                instance_id=instance_id,
                device=expected,
                state='attached',
                delete_on_termination=False,
            )
        plan.result_from(self._wait_attached)

    def _attach(self, instance_id: str, device: str) -> str:
        """Attach the volume and return the device name that it got."""
        refused: set[str] = set()
        while True:
            try:
                self.cloud.ec2(
                    'attach_volume',
                    f'volume {self.params["volume_id"]} to instance {instance_id}',
                    VolumeId=self.params['volume_id'],
                    InstanceId=instance_id,
                    Device=device,
                )
            except CloudError as error:
                # The text is the same in all versions from 3.1 to 4.4 (VolumeManager), the codes differ.
                if self.params['device'] or 'Already have a device attached' not in (error.text or ''):
                    raise
                refused.add(device)
                device = self._device_on(instance_id, refused)
            else:
                return device

    def _device_on(self, instance_id: str, refused: t.AbstractSet[str] = frozenset()) -> str:
        """The device name to request. Only Eucalyptus 4 and later would choose a free one."""
        instance = look(self.cloud, INSTANCE, instance_id)
        if instance is None or instance['state'] in INSTANCE.gone:
            raise ModuleError(
                f'There is no instance {instance_id} to attach volume {self.params["volume_id"]} to'
                + (f': it is {instance["state"]}.' if instance else '.')
            )
        attachments = [one for volume in listing(self.cloud, VOLUME) for one in volume['attachments']]
        devices = {one['device'] for one in attachments if one['instance_id'] == instance_id} | refused
        letters = {device[-1] for device in devices | {one['device'] for one in instance['volumes']} if device}
        free = next((letter for letter in 'fghijklmnopqrstuvwxyz' if letter not in letters), None)
        if not self.params['device'] and not free:
            raise ModuleError(f'Instance {instance_id} has no free device name from /dev/sdf to /dev/sdz.')
        return self.params['device'] or f'/dev/sd{free}'

    def _wait_ready(self, instance_id: str) -> None:
        """A volume can be attached once it is available, to an instance that is running (from Eucalyptus 4 on, also to
        a stopped one)."""
        if not self.params['wait']:
            return
        self.wait(
            lambda: look(self.cloud, INSTANCE, instance_id),
            in_state('running', 'stopped'),
            f'instance {instance_id} to become running',
            in_state(*INSTANCE.gone),
        )
        volume_id = self.params['volume_id']
        self.wait(
            lambda: look(self.cloud, VOLUME, volume_id),
            in_state('available'),
            f'volume {volume_id} to become available',
            in_state(*VOLUME.failed, *VOLUME.gone),
        )

    def _wait_attached(self) -> Resource | None:
        """The only sign of a failed attachment is that the volume is available again."""
        asked, seen = time.monotonic(), False

        def failed(attachment: Resource) -> bool:
            nonlocal seen
            free = attachment['instance_id'] is None
            seen = seen or not free
            return free and (seen or time.monotonic() - asked > GRACE)

        return self.wait(
            self._look,
            in_state('attached'),
            f'volume {self.params["volume_id"]} to be attached to {self.params["instance_id"]}',
            failed,
        )

    def _plan_detach(self, plan: Plan, found: Resource) -> None:
        if found['state'] != 'detaching':
            plan.step(
                f'detach volume {found["volume_id"]} from {found["instance_id"]}',
                lambda: self._detach(found),
                state='detached',
            )
        plan.result_from(lambda: self._wait_detached(found))

    def _detach(self, found: Resource) -> None:
        try:
            self.cloud.ec2(
                'detach_volume',
                f'volume {found["volume_id"]} from instance {found["instance_id"]}',
                VolumeId=found['volume_id'],
                InstanceId=found['instance_id'],
            )
        except CloudError as error:
            if error.not_found:
                return
            # The cloud detaches by itself when an instance ends, which may have begun since the volume was read.
            now = self._look()
            if now['instance_id'] == found['instance_id'] and now['state'] != 'detaching':
                raise

    def _wait_detached(self, found: Resource) -> Resource:
        detaching = False

        def failed(attachment: Resource) -> bool:
            nonlocal detaching
            gave_up = detaching and attachment['state'] == 'attached'
            detaching = detaching or attachment['state'] == 'detaching'
            return gave_up

        left = self.wait(
            self._look,
            lambda attachment: not attachment or attachment['instance_id'] != found['instance_id'],
            f'volume {found["volume_id"]} to be detached from {found["instance_id"]}',
            failed,
        )
        return left if left and left['instance_id'] == found['instance_id'] else {**found, 'state': 'detached'}

    def _look(self) -> Resource:
        return self._attachment(look(self.cloud, VOLUME, self.params['volume_id']))

    def _attachment(self, volume: Resource | None) -> Resource:
        current = [one for one in (volume or {}).get('attachments', []) if one['state'] != 'detached']
        return (
            current[0]
            if current
            else {
                'volume_id': self.params['volume_id'],
                'instance_id': None,
                'device': None,
                'state': 'detached',
                'delete_on_termination': False,
            }
        )


def main() -> None:
    VolumeAttachment.main()


if __name__ == '__main__':
    main()
