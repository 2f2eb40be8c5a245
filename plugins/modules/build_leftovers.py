#!/usr/bin/python
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: build_leftovers
short_description: Remove what an interrupted or failed build left in the cloud
version_added: 0.1.0
description:
  - Finds all instances, volumes, images and snapshots that carry a build's tag. It removes them in the order in which the cloud
    permits it, and waits until they are gone. If it cannot remove one, it still removes the others. The
    exception is a volume whose snapshot still exists. It is kept, because the module finds an untagged snapshot by its volume.
  - Resources get their tag a moment after their creation. Therefore the module also finds images of that name, instances with the
    client token that the role sets, untagged snapshots of the build's volumes, the security group of that name, and the build's
    answer file.
  - The module refuses to run while another machine has the claim on the build, see M(eucalyptus.cloud.build_guard).
  - The role P(eucalyptus.cloud.image_build#role) calls it when a build fails and before a build starts.
  - Boot disks that several builds can use stay registered for the next build, even if its parameters differ. With the value of
    C(image_build_name) as O(name), the module finds those from which no instance was started. Do not run it while such a build
    is about to start its installer.
  - On a cloud without tags (Eucalyptus before 3.3), the module finds the resources by a list in object storage.
  - If a build was killed while it created a volume, the module finds the volume by a note in object storage. Without tags, this
    applies to all resources. If several resources match the note, the task fails and names them.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  name:
    required: true
  claim:
    description:
      - ID of the claim that the caller itself has on the build, from RV(eucalyptus.cloud.build_guard#module:guard.claim).
      - Without it, the task fails while any machine has the build.
      - With it, the module waits for a cloud that is unreachable or busy, because that may be why the build failed.
    type: str
  wait_timeout:
    description: Seconds within which all resources should be gone.
    type: int
    default: 600
  progress_file:
    description: File for progress lines. The action plugin sets it.
    type: path
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.build
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
"""

EXAMPLES = r"""
- name: See what a build left behind
  eucalyptus.cloud.build_leftovers:
    name: debian-12-0a1b2c3d4e
  check_mode: true
  register: found

- name: Remove it
  eucalyptus.cloud.build_leftovers:
    name: debian-12-0a1b2c3d4e

- name: Remove the boot disks of all builds with image_build_name=debian-12
  eucalyptus.cloud.build_leftovers:
    name: debian-12
    boot_disk_bucket: images-000012345678
"""

RETURN = r"""
leftovers:
  description: The resources found, in the order of removal. When the task fails, those that could not be removed.
  returned: always
  type: list
  elements: dict
  contains:
    type:
      description: V(claim) for an expired one, V(answer file), V(instance), V(security group), V(volume), V(image) or
        V(snapshot).
      type: str
    id:
      description: ID of the resource.
      type: str
    state:
      description: State in which it was found.
      type: str
  sample: [{"type": "volume", "id": "vol-7f2e4011", "state": "available"}]
"""

import time
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim import refuse_if_busy
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.claim_store import ClaimStore
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.leftovers import (
    Leftover,
    LeftoversRemain,
    dead_claims,
    find_leftovers,
    plan_leftovers,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.waiting import wait_for
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan


class BuildLeftoversModule(CloudModule):
    key = 'leftovers'
    options = {
        'name': {'type': 'str', 'required': True},
        'tag': {'type': 'str', 'default': 'eucalyptus.cloud/build'},
        'answer_file_bucket': {'type': 'str'},
        'boot_disk_bucket': {'type': 'str'},
        'keep': {'type': 'bool', 'default': False},
        'claim': {'type': 'str'},
        'wait_timeout': {'type': 'int', 'default': 600},
        'progress_file': {'type': 'path'},
    }

    def find(self) -> list[Leftover]:
        self._deadline = time.monotonic() + self.params['wait_timeout']
        if not self.params['claim']:
            return self._find()
        # An outage of the cloud makes many builds fail, and may last longer than the build.
        aim = f'the cloud to list what the build {self.params["name"]} created'
        found = wait_for(
            lambda: {'leftovers': self._find()}, lambda _found: True, aim, self.params['wait_timeout'], report=self.report
        )
        return t.cast('dict[str, list[Leftover]]', found)['leftovers']

    def _find(self) -> list[Leftover]:
        name, tag, bucket, keep = (self.params[key] for key in ('name', 'tag', 'answer_file_bucket', 'keep'))
        dead = self._refuse_if_busy()
        found = find_leftovers(self.cloud, tag, name, bucket, keep, self.params['boot_disk_bucket'])
        if found:
            self._refuse_if_busy()  # somebody may have started the build since the first look, so these may be new
        return dead_claims(name, dead) + found

    def plan(self, found: list[Leftover]) -> Plan:
        plan = plan_leftovers(self.cloud, found, self._deadline - time.monotonic(), self.report)
        plan.after = found
        return plan

    def _apply(self, plan: Plan) -> t.Any:
        try:
            return super()._apply(plan)
        except LeftoversRemain as error:
            self.extra_result[self.key] = error.leftovers
            raise

    def _refuse_if_busy(self) -> list[str]:
        try:
            return refuse_if_busy(ClaimStore(self.cloud, self.params['name']), self.params['claim'])
        except CloudError:
            if not self.params['claim']:
                raise
            return []  # without storage nobody else can have taken over the caller's build in the meantime


def main() -> None:
    BuildLeftoversModule.main()


if __name__ == '__main__':
    main()
