#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: instance
short_description: Run, start, stop or terminate an instance
version_added: 0.1.0
description:
  - Runs one instance of a machine image, with boot parameters for the node controller's hook in its user data.
  - Starts, stops and terminates it.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description:
      - V(running) runs a new instance, unless there is one by O(instance_id), O(name) or O(client_token), and starts
        one that is stopped. One that is still V(stopping) is waited for first; without O(wait) that is an error.
      - V(stopped) stops it. Only instances with their root on a volume can be stopped.
      - V(terminated) terminates it.
    type: str
    choices: [running, stopped, terminated]
    default: running
  instance_id:
    description: Id of an existing instance. One of O(instance_id), O(name) and O(client_token) is required.
    type: str
  name:
    description:
      - The instance's tag C(Name), by which it is found again among the instances that are not terminated.
      - When several have it the task fails and lists them.
    type: str
  client_token:
    description:
      - A string of your own, up to 64 characters, by which the cloud (Eucalyptus 3.3 and later) recognises a request
        that it has seen before, so that an interrupted task does not run a second instance.
    type: str
  image_id:
    description: Machine image (EMI) to run. Required to run a new instance.
    type: str
  kernel_id:
    description: Kernel (EKI) to boot instead of the image's own. Only for paravirtual images that have a kernel.
    type: str
  ramdisk_id:
    description: Ramdisk (ERI) to boot with, instead of the image's own.
    type: str
  instance_type:
    description: Instance type, for example V(m1.medium). The cloud's default is V(m1.small).
    type: str
  key_name:
    description: Key pair whose public key the metadata service hands to the instance.
    type: str
  security_groups:
    description: Names of the security groups. The cloud's default is V(default).
    type: list
    elements: str
  zone:
    description: Availability zone to run in.
    type: str
  boot_params:
    description:
      - Kernel command line for the instance's first boot, one line of printable ASCII, at most 2047 characters.
      - It reaches the kernel when the node controllers have the hook of the role P(eucalyptus.cloud.nc_hooks#role).
    type: str
  installer:
    description:
      - Name of an installer that the operator cached on the node controllers. The instance boots its kernel and
        ramdisk.
      - For instances with their root on a volume, which install themselves.
    type: str
  vnc:
    description: Ask the hook for a VNC display, if the operator's policy allows one.
    type: bool
    default: false
  user_data:
    description:
      - Further user data. The lines of O(boot_params), O(installer) and O(vnc) come before it.
      - With any of these all of it has at most 12287 bytes, because a node controller keeps no more.
    type: str
  wait_timeout:
    default: 900
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.wait
  - eucalyptus.cloud.tags
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
notes:
  - User data is used when an instance is run. That of an existing instance is neither compared nor changed.
seealso:
  - module: eucalyptus.cloud.instance_info
  - module: eucalyptus.cloud.install_wait
"""

EXAMPLES = r"""
- name: Boot an installer
  eucalyptus.cloud.instance:
    eucarc: ~/.euca/eucarc
    name: fedora-installer
    image_id: emi-1a2b3c4d
    kernel_id: eki-2b3c4d5e
    ramdisk_id: eri-3c4d5e6f
    instance_type: m1.medium
    boot_params: "console=tty0 console=ttyS0,115200 ip=dhcp inst.ks={{ answer.answer_file.url }}"
  register: installer

- name: Terminate it
  eucalyptus.cloud.instance:
    eucarc: ~/.euca/eucarc
    instance_id: "{{ installer.instance.instance_id }}"
    state: terminated
"""

RETURN = r"""
instance:
  description:
    - The instance, as long as the cloud lists it. After it was terminated what was last known of it, with state
      V(terminated); null when there was none.
  returned: always
  type: dict
  contains:
    instance_id:
      description: Its id; null in check mode, if it would be run.
      type: str
      sample: i-4e5f6a7b
    name:
      description: Its tag C(Name).
      type: str
    state:
      description: One of V(pending), V(running), V(shutting-down), V(terminated), V(stopping), V(stopped).
      type: str
      sample: running
    state_reason:
      description: Why it is in that state, if the cloud says so.
      type: str
    image_id:
      description: Its machine image.
      type: str
    kernel_id:
      description: Its kernel.
      type: str
    ramdisk_id:
      description: Its ramdisk.
      type: str
    instance_type:
      description: Its type.
      type: str
    zone:
      description: Its availability zone.
      type: str
    key_name:
      description: Its key pair.
      type: str
    security_groups:
      description: Names of its security groups.
      type: list
      elements: str
    private_ip:
      description: Its address inside the cloud.
      type: str
    public_ip:
      description: Its address outside.
      type: str
    root_device_type:
      description: V(ebs) when its root is a volume, V(instance-store) otherwise.
      type: str
    root_device_name:
      description: Its root device.
      type: str
    client_token:
      description: The client token it was run with.
      type: str
    launched:
      description: When it was run, ISO 8601.
      type: str
    volumes:
      description: The volumes attached to it, each with C(volume_id), C(device), C(state), C(delete_on_termination).
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
  sample: [run an instance of emi-1a2b3c4d, set tags Name]
"""

import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import (
    TAGS,
    CloudModule,
    ModuleError,
    wait_options,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import (
    INSTANCE,
    AmbiguousName,
    Resource,
    find_one,
    listing,
    look,
    with_volumes,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import plan_tags
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.user_data import UserDataError, compose
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

# Options that are sent as they are, with RunInstances' names for them.
SENT = {
    'image_id': 'ImageId',
    'kernel_id': 'KernelId',
    'ramdisk_id': 'RamdiskId',
    'instance_type': 'InstanceType',
    'key_name': 'KeyName',
    'security_groups': 'SecurityGroups',
    'client_token': 'ClientToken',
}
FIXED = ('image_id', 'kernel_id', 'ramdisk_id', 'instance_type', 'key_name', 'zone')
UNKNOWN = ('instance_id', 'state_reason', 'private_ip', 'public_ip', 'root_device_type', 'root_device_name', 'launched')


class Instance(CloudModule):
    key = 'instance'
    atomic = True
    options = {
        'state': {'type': 'str', 'choices': ['running', 'stopped', 'terminated'], 'default': 'running'},
        'instance_id': {'type': 'str'},
        'name': {'type': 'str'},
        'client_token': {'type': 'str', 'no_log': False},
        'image_id': {'type': 'str'},
        'kernel_id': {'type': 'str'},
        'ramdisk_id': {'type': 'str'},
        'instance_type': {'type': 'str'},
        'key_name': {'type': 'str', 'no_log': False},
        'security_groups': {'type': 'list', 'elements': 'str'},
        'zone': {'type': 'str'},
        'boot_params': {'type': 'str', 'no_log': True},  # often with the answer file's secret URL
        'installer': {'type': 'str'},
        'vnc': {'type': 'bool', 'default': False},
        'user_data': {'type': 'str', 'no_log': True},
        **TAGS,
        **wait_options(900),
    }
    rules = {'required_one_of': [('instance_id', 'name', 'client_token')]}

    def find(self) -> Resource | None:
        found = find_one(self.cloud, INSTANCE, self.params['instance_id'], self.params['name'])
        if found is None and not self.params['instance_id'] and self.params['client_token']:
            found = self._by_token(self.params['client_token'])
        self.id: str | None = found and found['instance_id']
        return found and with_volumes(self.cloud, [found])[0]

    def _by_token(self, token: str) -> Resource | None:
        """The instance of an earlier, interrupted run that was not named any more."""
        existing = [one for one in listing(self.cloud, INSTANCE) if one['state'] not in INSTANCE.gone]
        found = [one for one in existing if one['client_token'] == token]
        if len(found) > 1:
            which = ', '.join(one['instance_id'] for one in found)
            raise AmbiguousName(f'Several instances have the client token {token}: {which}.')
        return found[0] if found else None

    def plan(self, found: Resource | None) -> Plan:
        plan = Plan(found)
        if self.params['state'] == 'terminated':
            self._plan_terminate(plan, found)
            return plan
        if found is None:
            self._plan_run(plan)
        elif found['state'] in INSTANCE.gone:
            raise ModuleError(
                f'Instance {self.id} is {found["state"]}, it cannot come back. To run a new one, leave instance_id out.'
            )
        elif self.params['state'] == 'stopped':
            self._plan_stop(plan, found)
        else:
            self._check_same(found)
            if found['state'] == 'stopping' and not self.params['wait']:
                raise ModuleError(
                    f'Instance {self.id} is still stopping, and the cloud starts none that is: '
                    'run again when it is stopped, or with wait: true.'
                )
            if found['state'] in ('stopping', 'stopped'):
                plan.step(f'start instance {self.id}', self._start, state='running')
        plan_tags(plan, self.cloud, lambda: t.cast(str, self.id), self.params)
        plan.result_from(lambda: with_volumes(self.cloud, [self._wait(self.params['state'])])[0])
        return plan

    def _plan_run(self, plan: Plan) -> None:
        wanted = self.params['instance_id'] or self.params['name'] or self.params['client_token']
        if self.params['instance_id'] or self.params['state'] == 'stopped':
            raise ModuleError(f'There is no instance {wanted}.')
        if not self.params['image_id']:
            raise ModuleError(f'There is no instance {wanted}; to run one, image_id is needed.')
        request = {parameter: self.params[option] for option, parameter in SENT.items() if self.params[option]}
        if self.params['zone']:
            request['Placement'] = {'AvailabilityZone': self.params['zone']}
        try:
            user_data = compose(*(self.params[option] for option in ('boot_params', 'installer', 'vnc', 'user_data')))
        except UserDataError as error:
            raise ModuleError(str(error)) from error
        if user_data:
            request['UserData'] = user_data

        def run() -> None:
            reply = self.cloud.ec2('run_instances', f'image {self.params["image_id"]}', MinCount=1, MaxCount=1, **request)
            self.id = reply['Instances'][0]['InstanceId']

        predicted = {option: self.params[option] for option in (*FIXED, 'name', 'client_token')}
        plan.step(
            f'run an instance of {self.params["image_id"]}',
            run,
            # With a token it may be another host's, and is found again by it.
            None if self.params['client_token'] else lambda: self.take_back(INSTANCE, t.cast(str, self.id)),
            **dict.fromkeys(UNKNOWN),
            **predicted,
            state='running',
            security_groups=self.params['security_groups'] or ['default'],
            volumes=[],
            tags={},
        )

    def _check_same(self, found: Resource) -> None:
        for option in FIXED:
            wanted = self.params[option]
            if wanted is not None and found[option] not in (None, wanted):
                raise ModuleError(f'Instance {self.id} has the {option} {found[option]}, not {wanted}, and that cannot be changed.')

    def _start(self) -> None:
        self._wait('stopped')  # one that is still stopping the cloud leaves alone, without an error
        self.cloud.ec2('start_instances', f'instance {self.id}', InstanceIds=[self.id])

    def _plan_stop(self, plan: Plan, found: Resource) -> None:
        if found['root_device_type'] not in (None, 'ebs'):
            raise ModuleError(f'Instance {self.id} has no volume as its root: it cannot be stopped, only terminated.')
        if found['state'] not in ('stopping', 'stopped'):
            plan.step(f'stop instance {self.id}', self._stop, state='stopped')

    def _stop(self) -> None:
        self._wait('running')
        self.cloud.ec2('stop_instances', f'instance {self.id}', InstanceIds=[self.id])

    def _plan_terminate(self, plan: Plan, found: Resource | None) -> None:
        if found is None:
            return
        if found['state'] not in INSTANCE.gone:
            plan.remove(f'terminate instance {self.id}', self._terminate, after={**found, 'state': 'terminated', 'volumes': []})
        plan.result_from(
            lambda: (
                self.wait(
                    self._look,
                    lambda instance: instance is None or instance['state'] == 'terminated',
                    f'instance {self.id} to be terminated',
                )
                or {**found, 'state': 'terminated', 'volumes': []}
            )
        )

    def _terminate(self) -> None:
        self.gone('terminate_instances', f'instance {self.id}', InstanceIds=[self.id])

    def _look(self) -> Resource | None:
        return look(self.cloud, INSTANCE, t.cast(str, self.id))

    def _wait(self, state: str) -> Resource:
        """An instance that runs never becomes stopped by itself, and the other way round; both are on their way or
        lost."""
        lost = {'running': ('stopped', 'stopping', *INSTANCE.gone), 'stopped': tuple(INSTANCE.gone)}[state]
        found = self.wait(
            self._look,
            lambda instance: bool(instance) and instance['state'] == state,
            f'instance {self.id} to be {state}',
            lambda instance: instance['state'] in lost,
        )
        return found or {'instance_id': self.id, 'state': None, 'volumes': []}


def main() -> None:
    Instance.main()


if __name__ == '__main__':
    main()
