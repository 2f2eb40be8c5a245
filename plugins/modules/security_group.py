#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: security_group
short_description: Create, change or delete a security group
version_added: 0.1.0
description:
  - Creates a security group, sets its rules for incoming connections, and deletes it.
  - Rules for outgoing connections, which only groups in a VPC have, are not changed.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description:
      - Whether the security group should exist.
      - A group with instances cannot be deleted. With O(wait) the module waits until the last of them is terminated.
        Otherwise the task fails. The group V(default) cannot be deleted.
  security_group_id:
    description: ID of an existing group. One of O(security_group_id) and O(name) is required.
    type: str
  name:
    description:
      - Name of the group. It is ASCII text that does not begin with V(sg-), and cannot be changed.
      - If a group with this name exists, no second one is created.
  description:
    description:
      - Description of the group. Required to create one. That of an existing group is neither compared nor changed.
      - It is ASCII text.
    type: str
  rules:
    description:
      - Rules for incoming connections. Order and repetition do not matter.
      - If omitted, no rule is changed. An empty list with O(purge_rules) removes all rules.
      - The rules that this module returns are valid here.
    type: list
    elements: dict
    suboptions:
      protocol:
        description:
          - V(tcp), V(udp), V(icmp), or a number.
          - V(all), and numbers other than 1, 6 and 17, are supported in a VPC only.
        type: str
        default: tcp
      ports:
        description:
          - Ports and ranges of ports, for example V([22, 8000-8010]). They replace O(rules[].from_port) and
            O(rules[].to_port).
        type: list
        elements: str
      from_port:
        description:
          - First port. The default is O(rules[].to_port).
          - For V(icmp) its type, where V(-1) means all and is the default.
        type: int
      to_port:
        description:
          - Last port. The default is O(rules[].from_port).
          - For V(icmp) its code, where V(-1) means all and is the default.
        type: int
      cidr_ip:
        description: IPv4 networks or addresses to accept connections from.
        type: list
        elements: str
      group:
        description:
          - Security group to accept connections from, by name, or by ID if it belongs to the account of the keys.
          - One of O(rules[].cidr_ip) and O(rules[].group) is required.
        type: str
      group_owner:
        description: Account number of the owner of O(rules[].group). The default is the account that owns this security group.
        type: str
  purge_rules:
    description: Whether to remove the rules that are not in O(rules).
    type: bool
    default: true
  wait:
    description:
      - With O(state=absent), whether to wait until the last instance has left the group. While the task waits, it prints a
        line every half minute.
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
  - module: eucalyptus.cloud.security_group_info
  - module: eucalyptus.cloud.instance
"""

EXAMPLES = r"""
- name: A group for an installation over VNC, reachable from this network only
  eucalyptus.cloud.security_group:
    eucarc: ~/.euca/eucarc
    name: installation
    description: Access to an installer
    rules:
      - ports: [22, 5900-5910]
        cidr_ip: 192.0.2.0/24
      - protocol: icmp
        cidr_ip: 0.0.0.0/0

- name: Accept connections from the instances of another group, and leave the other rules unchanged
  eucalyptus.cloud.security_group:
    eucarc: ~/.euca/eucarc
    name: database
    rules:
      - ports: [5432]
        group: web
    purge_rules: false

- name: Delete it, as soon as its last instance is terminated
  eucalyptus.cloud.security_group:
    eucarc: ~/.euca/eucarc
    name: installation
    state: absent
"""

RETURN = r"""
security_group:
  description:
    - The security group. After its deletion, its last known values with state V(deleted); null if it did not exist.
  returned: always
  type: dict
  contains:
    security_group_id:
      description: Its ID; null in check mode, if it would be created. Up to Eucalyptus 3.2 groups have no IDs, and
        this is the name.
      type: str
      sample: sg-1a2b3c4d
    name:
      description: Its name.
      type: str
    state:
      description: V(available) or V(deleted).
      type: str
      sample: available
    description:
      description: Its description.
      type: str
    owner_id:
      description: Account number of its owner.
      type: str
    vpc_id:
      description: Its VPC, if it is in one.
      type: str
    rules:
      description: Its rules for incoming connections, each with one range of ports and one source, ordered.
      type: list
      elements: dict
      contains:
        protocol:
          description: V(tcp), V(udp), V(icmp), V(all) or a number.
          type: str
        from_port:
          description: First port, or the type of V(icmp); null for protocols without ports.
          type: int
          sample: 22
        to_port:
          description: Last port, or the code of V(icmp); null for protocols without ports.
          type: int
          sample: 22
        cidr_ip:
          description: The source, if it is a network.
          type: str
          sample: 192.0.2.0/24
        group:
          description: Name of the source, if it is a security group.
          type: str
        group_owner:
          description: Account number of that group's owner.
          type: str
    tags:
      description: All its tags.
      type: dict
actions:
  description: Completed steps; in check mode, the steps that would be taken.
  returned: always
  type: list
  elements: str
  sample: [create security group installation, allow tcp 22 from 192.0.2.0/24]
"""

import functools

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resource_module import ResourceModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import INSTANCE, Resource, listing, look
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.security_groups import (
    DEFAULT,
    SECURITY_GROUP,
    Rule,
    authorize,
    in_order,
    in_use,
    is_id,
    revoke,
    rules_in,
    values,
    wanted_rules,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

RULE = {
    'protocol': {'type': 'str', 'default': 'tcp'},
    'ports': {'type': 'list', 'elements': 'str'},
    'from_port': {'type': 'int'},
    'to_port': {'type': 'int'},
    'cidr_ip': {'type': 'list', 'elements': 'str'},
    'group': {'type': 'str'},
    'group_owner': {'type': 'str'},
}


class SecurityGroup(ResourceModule):
    kind = SECURITY_GROUP
    options = {
        'description': {'type': 'str'},
        'rules': {
            'type': 'list',
            'elements': 'dict',
            'options': RULE,
            'mutually_exclusive': [('ports', 'from_port'), ('ports', 'to_port')],
        },
        'purge_rules': {'type': 'bool', 'default': True},
    }
    fixed = ('name',)

    def plan_create(self, plan: Plan) -> None:
        name, description = self.params['name'], self.params['description']
        if not description:
            raise ModuleError(f'There is no security group {name}. To create it, set description.')
        if is_id(name) or not (name + description).isascii():
            raise ModuleError('name must not begin with sg-, and name and description must be ASCII.')
        owner = next((group['owner_id'] for group in self._groups), self.cloud.credentials.account_id)
        what = f'security group {name}'
        request = {'GroupName': name, 'Description': description}
        self.request_creation(plan, what, 'create_security_group', what, request, description=description, owner_id=owner)
        self.plan_change(plan, plan.after)

    def plan_change(self, plan: Plan, found: Resource) -> None:
        present, wanted = set(rules_in(found)), self._wanted(found)
        self.missing, self.surplus = set(wanted) - present, set()
        if self.params['purge_rules'] and self.params['rules'] is not None:
            self.surplus = present - set(wanted)
        if missing := in_order(self.missing):
            text = ', '.join(str(rule) for rule in missing)
            plan.step(f'allow {text}', lambda: authorize(self.cloud, self.id, missing), rules=values(present | self.missing))
        if surplus := in_order(self.surplus):
            text = ', '.join(str(rule) for rule in surplus)
            rules = values((present | self.missing) - self.surplus)
            plan.step(f'revoke {text}', lambda: revoke(self.cloud, self.id, self.surplus), rules=rules)

    @functools.cached_property
    def _groups(self) -> list[Resource]:
        """The account's groups. Every account has at least the default one."""
        return listing(self.cloud, SECURITY_GROUP)

    def _wanted(self, found: Resource) -> list[Rule]:
        owner = found['owner_id']
        rules = wanted_rules(self.params['rules'] or [], lambda option: self._source(option, owner))
        sources = {rule.group for rule in rules if rule.group and rule.group_owner == owner} - {found['name']}
        if unknown := sources and sources - {group['name'] for group in self._groups}:
            raise ModuleError(
                f'rules: there is no security group {", ".join(sorted(unknown))} in the account {owner}. Create it first, '
                'or set group_owner if it belongs to another account.'
            )
        return rules

    def _source(self, option: Resource, owner: str) -> tuple[str, str]:
        """Name and owner of a source group, which may be given by its id."""
        group = option['group']
        if not is_id(group):
            return group, option['group_owner'] or owner
        found = look(self.cloud, SECURITY_GROUP, group)
        if found is None:
            raise ModuleError(
                f'rules: there is no security group {group} in this account. If it belongs to another account, set group to '
                'its name, and group_owner.'
            )
        return found['name'], found['owner_id']

    def wait_present(self) -> Resource | None:
        """The group, after a check of its rules: the cloud refuses to add an existing rule without an error."""
        group = super().wait_present()
        rules = set(rules_in(group)) if group else set()
        wrong = {*(self.missing - rules), *(self.surplus & rules)}
        if group and wrong:
            raise ModuleError(
                f'The cloud reported no error, but did not change these rules of security group {self.id}: '
                f'{", ".join(str(rule) for rule in in_order(wrong))}. Another client may have changed them at the same '
                'time. Run the task again.'
            )
        return group

    def check_removable(self, found: Resource) -> None:
        if found['name'] == DEFAULT:
            raise ModuleError(f'Security group {DEFAULT} cannot be deleted. To remove its rules, set rules: [].')

    def remove(self) -> None:
        if self.params['wait']:
            self.wait(self._removed, lambda group: group is None, f'security group {self.id} to be deleted')
        else:
            super().remove()

    def _removed(self) -> Resource | None:
        """The group if it still exists, after one attempt to delete it."""
        group = self.look()
        if group is None:
            return None
        try:
            super().remove()
        except CloudError as error:
            if not in_use(error):
                raise
            return {**group, 'state_reason': self._users(group)}
        return self.look()

    def _users(self, group: Resource) -> str:
        instances = [one for one in listing(self.cloud, INSTANCE) if one['state'] != 'terminated']
        users = [one['instance_id'] for one in instances if group['name'] in one['security_groups']]
        return f'{", ".join(users) or "something other than an instance"} uses it'


def main() -> None:
    SecurityGroup.main()


if __name__ == '__main__':
    main()
