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
      - V(running) runs a new instance, unless O(instance_id), O(name) or O(client_token) identifies an existing one. A
        stopped instance is started. With O(wait) the module first waits for one that is still V(stopping). Otherwise
        the task fails.
      - V(stopped) stops the instance. Only instances with their root on a volume can be stopped.
      - V(terminated) terminates the instance.
    type: str
    choices: [running, stopped, terminated]
    default: running
  instance_id:
    description: ID of an existing instance. One of O(instance_id), O(name) and O(client_token) is required
      where the cloud has tags.
    type: str
  name:
    description:
      - The instance's tag C(Name), by which the module finds it again. Terminated instances are ignored.
      - If several instances have this name, the task fails and lists them.
      - Eucalyptus before 3.3 has no tags. There, an instance has no name, and only its ID identifies it.
    type: str
  client_token:
    description:
      - An arbitrary string of up to 64 characters. Eucalyptus 3.3 and later runs only one instance for each,
        so an interrupted task can be repeated without running a second instance.
    type: str
  image_id:
    description: Machine image (EMI). Required to run a new instance.
    type: str
  kernel_id:
    description: Kernel (EKI) to boot instead of the image's own. Only for paravirtual images with a kernel.
    type: str
  ramdisk_id:
    description: Ramdisk (ERI) to boot with, instead of the image's own.
    type: str
  instance_type:
    description: Instance type, for example V(m1.medium). The cloud's default is V(m1.small), in Eucalyptus 5 V(t2.micro).
    type: str
  key_name:
    description: Key pair whose public key the instance gets from the metadata service.
    type: str
  security_groups:
    description: Names of the security groups. The cloud's default is V(default).
    type: list
    elements: str
  zone:
    description: Availability zone of the instance.
    type: str
  boot_params:
    description:
      - Kernel command line for the instance's first boot, one line of printable ASCII, at most 2047 characters.
      - Requires the hook of the role P(eucalyptus.cloud.nc_hooks#role) on the node controllers.
    type: str
  installer:
    description:
      - Name of an installer that the operator cached on the node controllers. The instance boots its kernel and
        ramdisk.
      - Only for instances with their root on a volume, which install themselves.
    type: str
  vnc:
    description: Whether to request a VNC display from the hook. The operator's policy must allow it.
    type: bool
    default: false
  user_data:
    description:
      - Further user data. With O(boot_params), O(installer) or O(vnc), user data that cloud-init reads (cloud-config,
        scripts, C(#include), C(## template), MIME messages) is sent as parts of a MIME message, so that cloud-init
        still reads it. In any other text, the lines for the hook are inserted at the beginning.
      - A dictionary or list is sent as JSON.
      - With any of these options the user data can have at most 12287 bytes, because a node controller keeps no more.
    type: raw
  user_data_template:
    description: Path of a Jinja template on the controller, searched for as in M(ansible.builtin.template). Its text becomes the
      user data, unchanged even if it is JSON. An error message contains the file, the line and the variable, but no
      content.
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
  - The user data of a running instance is neither compared nor changed. That of one that is stopped, or will be by this task,
    becomes O(user_data), from Eucalyptus 4.0 on. O(boot_params), O(installer) and O(vnc) are only for a new instance.
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
    - The instance. After its termination, its last known values with state V(terminated); null if it did not exist.
  returned: always
  type: dict
  contains:
    instance_id:
      description: Its ID; null in check mode, if it would be run.
      type: str
      sample: i-4e5f6a7b
    name:
      description: Its tag C(Name).
      type: str
    state:
      description: One of V(pending), V(running), V(shutting-down), V(terminated), V(stopping), V(stopped).
      type: str
    state_reason:
      description: Reason for its state, if the cloud reports one.
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
      description: Its private address.
      type: str
    public_ip:
      description: Its public address.
      type: str
    root_device_type:
      description: V(ebs) if its root is a volume, otherwise V(instance-store).
      type: str
    root_device_name:
      description: Its root device.
      type: str
    client_token:
      description: Its client token.
      type: str
    launched:
      description: Time of its launch, ISO 8601.
      type: str
    volumes:
      description: The volumes attached to it, each with C(volume_id), C(device), C(state), C(delete_on_termination).
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
  sample: [run an instance of emi-1a2b3c4d, set tags Name]
"""

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resource_module import ResourceModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import (
    INSTANCE,
    AmbiguousName,
    Resource,
    listing,
    with_volumes,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.user_data import UserDataError, compose
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.user_data_change import plan_user_data
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

# Options that are sent unchanged, with their names in RunInstances.
SENT = {
    'image_id': 'ImageId',
    'kernel_id': 'KernelId',
    'ramdisk_id': 'RamdiskId',
    'instance_type': 'InstanceType',
    'key_name': 'KeyName',
    'security_groups': 'SecurityGroups',
    'client_token': 'ClientToken',
}


class Instance(ResourceModule):
    kind = INSTANCE
    verb = 'run'
    absent = 'terminated'
    wait_timeout = 900
    texts = ('user_data',)
    revealing = ('boot_params', 'user_data')  # often with the secret URL of the answer file
    options = {
        'state': {'type': 'str', 'choices': ['running', 'stopped', 'terminated'], 'default': 'running'},
        'client_token': {'type': 'str', 'no_log': False},
        'image_id': {'type': 'str'},
        'kernel_id': {'type': 'str'},
        'ramdisk_id': {'type': 'str'},
        'instance_type': {'type': 'str'},
        'key_name': {'type': 'str', 'no_log': False},
        'security_groups': {'type': 'list', 'elements': 'str'},
        'zone': {'type': 'str'},
        'boot_params': {'type': 'str', 'no_log': True},
        'installer': {'type': 'str'},
        'vnc': {'type': 'bool', 'default': False},
        'user_data': {'type': 'raw', 'no_log': True},
        'user_data_template': {'type': 'str'},
    }
    identifying = ('client_token',)
    fixed_if_reported = ('image_id', 'kernel_id', 'ramdisk_id', 'instance_type', 'key_name', 'zone')

    def find(self) -> Resource | None:
        found = super().find()
        if found is None and not self.params['instance_id'] and self.params['client_token']:
            found = self._by_token(self.params['client_token'])
            self.id = found['instance_id'] if found else ''
        return with_volumes(self.cloud, [found])[0] if found else None

    def _by_token(self, token: str) -> Resource | None:
        """The instance of an earlier run that was interrupted before it set the name."""
        existing = [one for one in listing(self.cloud, INSTANCE) if one['state'] not in INSTANCE.gone]
        found = [one for one in existing if one['client_token'] == token]
        if len(found) > 1:
            matches = ', '.join(one['instance_id'] for one in found)
            raise AmbiguousName(f'{len(found)} instances have the client token {token}: {matches}. Select one with instance_id.')
        return found[0] if found else None

    def plan_create(self, plan: Plan) -> None:
        image_id = self.params['image_id']
        if self.params['state'] == 'stopped':
            raise ModuleError(f'{self.not_found} It cannot be stopped.')
        if not image_id:
            raise ModuleError(f'{self.not_found} To run one, set image_id.')
        if self.params['user_data_template']:
            raise ModuleError('user_data_template works only in a task: the action plugin renders it on the controller.')
        request = {parameter: self.params[option] for option, parameter in SENT.items() if self.params[option]}
        if self.params['zone']:
            request['Placement'] = {'AvailabilityZone': self.params['zone']}
        try:
            user_data = compose(*(self.params[option] for option in ('boot_params', 'installer', 'vnc', 'user_data')))
        except UserDataError as error:
            raise ModuleError(str(error)) from error
        if user_data:
            request['UserData'] = user_data
        self.request_creation(
            plan,
            f'an instance of {image_id}',
            'run_instances',
            f'image {image_id}',
            {'MinCount': 1, 'MaxCount': 1, **request},
            client_token=self.params['client_token'],
            security_groups=self.params['security_groups'] or ['default'],
        )

    def undo_creation(self) -> bool:
        # With a token it may be another host's instance, and the next run finds it by the token.
        return False if self.params['client_token'] else super().undo_creation()

    def check_same(self, found: Resource) -> None:
        if self.params['state'] == 'running':
            super().check_same(found)

    def plan_change(self, plan: Plan, found: Resource) -> None:
        if self.params['state'] == 'stopped':
            if found['root_device_type'] not in (None, 'ebs'):
                raise ModuleError(f'Instance {self.id} has no volume as its root. It can be terminated but not stopped.')
            if found['state'] not in ('stopping', 'stopped'):
                plan.step(f'stop instance {self.id}', self._stop, state='stopped')
            self._plan_user_data(plan)
            return
        if found['state'] == 'stopping' and not self.params['wait']:
            raise ModuleError(
                f'Instance {self.id} is still stopping, and the cloud cannot start it before it is stopped. '
                'Run again when it is, or set wait: true.'
            )
        if found['state'] in ('stopping', 'stopped'):
            self._plan_user_data(plan)
            plan.step(f'start instance {self.id}', self._start, state='running')

    def _plan_user_data(self, plan: Plan) -> None:
        text = self.params['user_data']
        if text is not None and (warning := plan_user_data(plan, self.cloud, self.id, text, lambda: self._wait('stopped'))):
            self.module.warn(warning)

    def _start(self) -> None:
        self._wait('stopped')  # the cloud ignores the request for one that is stopping, without an error
        self.cloud.ec2('start_instances', f'instance {self.id}', InstanceIds=[self.id])

    def _stop(self) -> None:
        self._wait('running')
        self.cloud.ec2('stop_instances', f'instance {self.id}', InstanceIds=[self.id])

    def wait_present(self) -> Resource | None:
        return with_volumes(self.cloud, [self._wait(self.params['state'])])[0]

    def _wait(self, state: str) -> Resource:
        """A running instance does not become stopped by itself, nor a stopped one running."""
        lost = {'running': ('stopped', 'stopping', *INSTANCE.gone), 'stopped': tuple(INSTANCE.gone)}[state]
        return self.wait_state((state,), lost) or {**INSTANCE.empty, 'instance_id': self.id}


def main() -> None:
    Instance.main()


if __name__ == '__main__':
    main()
