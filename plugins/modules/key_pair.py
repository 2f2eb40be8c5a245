#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: key_pair
short_description: Create, import or delete a key pair
version_added: 0.1.0
description:
  - Creates a key pair, imports a public key as one, or deletes one. The option O(eucalyptus.cloud.instance#module:key_name)
    of M(eucalyptus.cloud.instance) injects the public key into an instance.
  - The cloud returns the private key of a key pair only once, when it creates it. With O(path) the module writes it to a
    file. Without O(path) it returns the private key as RV(private_key).
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description: Whether the key pair should exist. Deleting it leaves the file O(path) unchanged.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the key pair.
    type: str
    required: true
  public_key:
    description:
      - Public key to import, in the form of OpenSSH, for example the content of V(~/.ssh/id_rsa.pub). Eucalyptus accepts
        only RSA keys of 1024, 2048 or 4096 bits. Eucalyptus 3.1 cannot import keys.
      - If the existing key pair has another fingerprint, the task fails, unless O(force) is set.
    type: str
  path:
    description:
      - File for the private key of a new key pair, on the host that runs the module. It gets the mode 0600.
      - If the file cannot be written completely, the module deletes the new key pair and the task fails.
      - If the key pair exists already, the file must contain its private key. Otherwise the task fails, unless O(force)
        is set. A file that was converted or got a passphrase is not compared.
      - If only the file exists, the task fails, unless O(force) is set.
    type: path
  force:
    description:
      - Whether to replace a key pair that does not match O(public_key) or O(path), and a file in O(path) that does not
        belong to the key pair. Its private key is then lost. Running instances keep the public key that they have.
    type: bool
    default: false
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
notes:
  - Without O(path) and O(public_key), set C(no_log) on the task, and do not register its result in a fact cache, because
    the result contains the private key.
seealso:
  - module: eucalyptus.cloud.key_pair_info
  - module: eucalyptus.cloud.instance
"""

EXAMPLES = r"""
- name: A new key pair, with its private key in a file
  eucalyptus.cloud.key_pair:
    eucarc: ~/.euca/eucarc
    name: installation
    path: ~/.ssh/installation.pem

- name: Import the user's own key
  eucalyptus.cloud.key_pair:
    eucarc: ~/.euca/eucarc
    name: "{{ ansible_user_id }}"
    public_key: "{{ lookup('ansible.builtin.file', '~/.ssh/id_rsa.pub') }}"

- name: Delete it
  eucalyptus.cloud.key_pair:
    eucarc: ~/.euca/eucarc
    name: installation
    state: absent
"""

RETURN = r"""
key_pair:
  description:
    - The key pair. After its deletion, its last known values with state V(deleted); null if it did not exist.
  returned: always
  type: dict
  contains:
    name:
      description: Its name.
      type: str
    fingerprint:
      description:
        - The MD5 fingerprint of an imported public key, as C(ssh-keygen -l -E md5) prints it. For a key pair that the
          cloud created, the SHA-1 fingerprint of the private key in PKCS 8 form.
        - Null in check mode, if it would be created.
      type: str
      sample: "1f:51:ae:28:bf:89:e9:d8:1f:25:5d:37:2d:7d:b8:ca:9f:f5:f1:6f"
    state:
      description: V(available) or V(deleted).
      type: str
      sample: available
private_key:
  description: The private key in PEM form.
  returned: when the key pair was created and O(path) is not set
  type: str
actions:
  description: Completed steps; in check mode, the steps that would be taken.
  returned: always
  type: list
  elements: str
  sample: [create key pair installation]
"""

import os

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.key_pairs import (
    find_key_pair,
    key_pair,
    private_fingerprint,
    public_fingerprint,
    write_private_key,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule, ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan


class KeyPair(CloudModule):
    key = 'key_pair'
    options = {
        'state': {'type': 'str', 'choices': ['present', 'absent'], 'default': 'present'},
        'name': {'type': 'str', 'required': True},
        'public_key': {'type': 'str', 'no_log': False},
        'path': {'type': 'path'},
        'force': {'type': 'bool', 'default': False},
    }
    rules = {'mutually_exclusive': [('public_key', 'path')]}
    atomic = True  # the private key is stored in any case

    def find(self) -> Resource | None:
        self.name, self.path = self.params['name'], self.params['path']
        self.about = f'key pair {self.name}'
        return find_key_pair(self.cloud, self.name)

    def plan(self, found: Resource | None) -> Plan:
        plan = Plan(found)
        if self.params['state'] == 'absent':
            if found:
                plan.remove(f'delete {self.about}', self._delete, after={**found, 'state': 'deleted'})
            return plan
        public = self.params['public_key']
        fingerprint = public_fingerprint(public) if public else None
        conflict = self._conflict(found, fingerprint)
        if conflict and not self.params['force']:
            raise ModuleError(f'{conflict} To replace it, set force: true.')
        if found and conflict:
            plan.remove(f'delete {self.about}', self._delete, after=found)
        if not found or conflict:
            verb, call = ('import', self._import) if public else ('create', self._create)
            plan.step(f'{verb} {self.about}', call, **key_pair(self.name, fingerprint))
            plan.result_from(self._result)
        return plan

    def _conflict(self, found: Resource | None, fingerprint: str | None) -> str:
        """Why the existing key pair, or the existing file, does not fit; empty if it does."""
        if found and fingerprint and found['fingerprint'] != fingerprint:
            return f'Key pair {self.name} has the fingerprint {found["fingerprint"]}, but that of public_key is {fingerprint}.'
        if self.path is None:
            return ''
        folder = os.path.dirname(self.path) or '.'
        if os.path.isdir(self.path) or not os.access(folder, os.W_OK | os.X_OK):
            raise ModuleError(f'{self.path} cannot be written. Set path to a file in an existing, writable directory.')
        exists = os.path.lexists(self.path)
        if not found:
            return f'{self.path} exists, but key pair {self.name} does not.' if exists else ''
        if not exists:
            return (
                f'Key pair {self.name} exists, but {self.path} does not, and the cloud returns a private key only once. '
                'Copy the file from where it was written.'
            )
        with open(self.path, errors='replace') as file:
            stored = private_fingerprint(file.read())
        if stored in (None, found['fingerprint']):
            return ''
        return f'{self.path} is not the private key of key pair {self.name}, whose fingerprint is {found["fingerprint"]}.'

    def _import(self) -> None:
        self.cloud.ec2('import_key_pair', self.about, KeyName=self.name, PublicKeyMaterial=self.params['public_key'].strip())

    def _create(self) -> None:
        material = self.cloud.ec2('create_key_pair', self.about, KeyName=self.name)['KeyMaterial']
        if self.path is None:
            self.extra_result['private_key'] = material
            return
        try:
            write_private_key(self.path, material)
        except OSError as error:
            failure = f'The private key of {self.about} could not be written to {self.path} ({error.strerror}).'
            try:
                self._delete()
            except CloudError as left:
                raise ModuleError(f'{failure} The key pair was not deleted again, so delete it: {left}') from error
            raise ModuleError(f'{failure} The key pair was deleted again.') from error

    def _delete(self) -> None:
        self.cloud.ec2('delete_key_pair', self.about, KeyName=self.name)

    def _result(self) -> Resource:
        pair = find_key_pair(self.cloud, self.name)
        if pair is None:
            raise ModuleError(
                f'The cloud reported no error, but does not list {self.about}. Eucalyptus 3.1 cannot import public keys: '
                'omit public_key there, and set path.'
            )
        return pair


def main() -> None:
    KeyPair.main()


if __name__ == '__main__':
    main()
