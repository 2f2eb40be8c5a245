#!/usr/bin/python
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: nc_hook
short_description: Give a Eucalyptus node controller the boot-parameter hook
version_added: 0.1.0
description:
  - Deploys the hook C(bootparams), its stylesheets, its policy, the script C(try-bootparams) and installers' kernels and
    ramdisks on a node controller, or removes all of them, in one task.
  - The node can launch instances all the time. Before anything is written, the hook is tried on the node in a scratch directory,
    as the user that runs the node controller, with the policy. What the hook needs is in place before the hook is, and the hook
    is put in place by a rename, so that there is never a second executable in C(nc-hooks). When the hook is replaced by another,
    the mixtures of old and new files that a launch may meet are tried, too; the order of writing follows from that.
  - A run that is interrupted, at whatever point, leaves a node that works with the old hook or with the new one. The next run
    completes it.
  - The files are brought by the action plugin of the same name from the controller.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description:
      - V(present) deploys. V(absent) removes what was deployed, the hook first; the hook's log stays.
      - V(inspected) only looks, and returns the problems of a node that cannot have the hook instead of failing.
    type: str
    choices: [present, absent, inspected]
    default: present
  eucalyptus_home:
    description: The E(EUCALYPTUS) directory of the node controller. Packaged installations use V(/).
    type: path
    default: /
  user:
    description:
      - The account that runs the node controller.
      - By default E(EUCA_USER) in C(eucalyptus.conf), else C(eucalyptus).
    type: str
  policy:
    description: The hook's policy. For what is not given, the hook's default holds.
    type: dict
    default: {}
    suboptions:
      accounts:
        description: The accounts whose instances may have boot parameters, as numbers of 12 digits in quotes, or patterns of them.
        type: list
        elements: str
      kernels:
        description: The kernel ids that may be given boot parameters, or patterns of them.
        type: list
        elements: str
      forbidden:
        description:
          - Patterns of kernel parameters that refuse a launch, such as V(init=*).
          - At most two C(*) in each, and no C(_), C(=) or single C(-) within brackets; the hook calls others broken.
        type: list
        elements: str
      on_refusal:
        description: Whether a refused launch is cancelled, or goes on without the boot parameters.
        type: str
        choices: [cancel, ignore]
      on_reboot:
        description: What a reboot of a guest with boot parameters does, V(destroy) ends it.
        type: str
        choices: [destroy, restart]
      vnc:
        description: Whether user data may ask for a VNC display with C(console=vnc).
        type: bool
      vnc_listen:
        description: The address on which such displays listen.
        type: str
      vnc_password:
        description: The password of such displays. The policy file is then readable only by root and the group of O(user).
        type: str
      log_value:
        description: Whether the boot parameters may be logged on the node. They often hold a secret URL.
        type: bool
  installers:
    description:
      - Installers that instances may boot with C(installer=NAME) in their user data. The policy allows exactly those.
      - One that is no longer listed is removed, when it was deployed by this module.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name, of the characters a-z 0-9 . _ -.
        type: str
        required: true
      kernel:
        description:
          - The kernel, a file on the controller or a URL.
          - It is fetched only when a node lacks it, and only once for all nodes.
        type: str
        required: true
      kernel_sha256:
        description: The SHA-256 sum of the kernel.
        type: str
        required: true
      ramdisk:
        description: The ramdisk, like O(installers[].kernel).
        type: str
        required: true
      ramdisk_sha256:
        description: The SHA-256 sum of the ramdisk.
        type: str
        required: true
  installers_dir:
    description: Where they are kept, below O(eucalyptus_home).
    type: str
    default: /var/lib/eucalyptus/installers
  vnc_for_all:
    description:
      - The VNC display of every instance of the node, turned on or off by M(eucalyptus.cloud.libvirt_xsl). The action plugin runs
        that module when it is to be on, or when that module has turned it on before. Read there what it means.
    type: dict
    default: {}
    suboptions:
      enabled:
        description: Whether there is one. It is always off with O(state=absent).
        type: bool
        default: false
      listen:
        description: As M(eucalyptus.cloud.libvirt_xsl) has it.
        type: str
      keymap:
        description: As M(eucalyptus.cloud.libvirt_xsl) has it.
        type: str
      password:
        description: As M(eucalyptus.cloud.libvirt_xsl) has it.
        type: str
      insecure_listen:
        description: As M(eucalyptus.cloud.libvirt_xsl) has it.
        type: bool
  src:
    description: A directory on the controller with the hook and its helpers. By default those of this collection.
    type: path
  cache:
    description: A directory on the controller where fetched installers are kept.
    type: path
    default: ~/.cache/eucalyptus.cloud
  files:
    description: The files in O(src) and their contents. The action plugin fills this in.
    type: dict
    default: {}
  uploads:
    description: Where on the node the installers' files are that were sent, by SHA-256 sum. The action plugin fills this in.
    type: dict
    default: {}
  release:
    description: The version of the collection. The action plugin fills this in.
    type: str
    default: ''
requirements:
  - xsltproc on the node
attributes:
  check_mode:
    description: Can run in check mode and predict the result without changing anything. The hook is tried in a scratch directory.
    support: full
  diff_mode:
    description: Returns what has changed, or in check mode would change. A password in the policy is masked.
    support: full
  idempotent:
    description: Changes nothing when run again with the same options.
    support: full
notes:
  - Runs on the node, with Python 2.7 or 3.6 and later. For these two use ansible-core 2.16.
  - Where SELinux is enabled, every file gets the context that the node's policy has for its path before it is renamed into place.
seealso:
  - module: eucalyptus.cloud.libvirt_xsl
"""

EXAMPLES = r"""
- name: Deploy the hook, and let it reboot
  eucalyptus.cloud.nc_hook:
    policy:
      accounts: ['000123456789']
      on_reboot: restart

- name: Keep an installer on the node
  eucalyptus.cloud.nc_hook:
    installers:
      - name: debian-12
        kernel: https://deb.debian.org/debian/dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64/linux
        kernel_sha256: "{{ kernel_sha256 }}"
        ramdisk: /srv/installers/debian-12/initrd.gz
        ramdisk_sha256: "{{ ramdisk_sha256 }}"

- name: Remove everything
  eucalyptus.cloud.nc_hook:
    state: absent
"""

RETURN = r"""
nc_hook:
  description: The node.
  returned: always, unless the module cannot run on the node
  type: dict
  contains:
    state:
      description: V(present) or V(absent).
      type: str
    eucalyptus_home:
      description: The node's E(EUCALYPTUS) directory.
      type: str
    eucalyptus_version:
      description: The version of Eucalyptus; empty when the node does not tell.
      type: str
    hook:
      description: The first 12 digits of the SHA-256 sum of the hook that is there; empty without one.
      type: str
    release:
      description: The version of the collection that brought this hook; empty when it was not deployed by this module.
      type: str
    policy:
      description: 12 digits that are the same on two nodes when their policies are, apart from the password.
      type: str
    vnc:
      description: The VNC line of C(libvirt.xsl), V(on), V(off), V(by hand) or V(unknown).
      type: str
    installers:
      description: The names of the installers that were deployed.
      type: list
      elements: str
    problems:
      description: Why the node cannot have the hook.
      type: list
      elements: str
    warnings:
      description: What is not as a package leaves it.
      type: list
      elements: str
  sample: {"state": "present", "eucalyptus_home": "/", "eucalyptus_version": "4.4.2", "hook": "5e1f0b3a9c2d", "release": "0.1.0",
    "policy": "0c9d8e7f6a5b", "vnc": "off", "installers": [], "problems": [], "warnings": []}
steps:
  description: What was done, or would be done in check mode, in words and in order.
  returned: success
  type: list
  elements: str
  sample: ["write bootparams (content)"]
missing:
  description: SHA-256 sums of the installers' files that the action plugin has to send.
  returned: when there are some
  type: list
  elements: str
  sample: []
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_text

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import controller, files, policy
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node.deployment import HOOK, Deployment, Refused
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node.installers import PARTS, Unusable

POLICY = {
    'accounts': {'type': 'list', 'elements': 'str'},
    'kernels': {'type': 'list', 'elements': 'str'},
    'forbidden': {'type': 'list', 'elements': 'str'},
    'on_refusal': {'type': 'str', 'choices': ['cancel', 'ignore']},
    'on_reboot': {'type': 'str', 'choices': ['destroy', 'restart']},
    'vnc': {'type': 'bool'},
    'vnc_listen': {'type': 'str'},
    'vnc_password': {'type': 'str', 'no_log': True},
    'log_value': {'type': 'bool'},
}
INSTALLER = {
    'name': {'type': 'str', 'required': True},
    'kernel': {'type': 'str', 'required': True},
    'kernel_sha256': {'type': 'str', 'required': True},
    'ramdisk': {'type': 'str', 'required': True},
    'ramdisk_sha256': {'type': 'str', 'required': True},
}
DISPLAY = {
    'enabled': {'type': 'bool', 'default': False},
    'listen': {'type': 'str'},
    'keymap': {'type': 'str', 'no_log': False},
    'password': {'type': 'str', 'no_log': True},
    'insecure_listen': {'type': 'bool'},
}
OPTIONS = {
    'state': {'type': 'str', 'choices': ['present', 'absent', 'inspected'], 'default': 'present'},
    'eucalyptus_home': {'type': 'path', 'default': '/'},
    'user': {'type': 'str'},
    'policy': {'type': 'dict', 'options': POLICY, 'default': {}},
    'installers': {'type': 'list', 'elements': 'dict', 'options': INSTALLER, 'default': []},
    'installers_dir': {'type': 'str', 'default': '/var/lib/eucalyptus/installers'},
    'vnc_for_all': {'type': 'dict', 'options': DISPLAY, 'default': {}},
    'src': {'type': 'path'},
    'cache': {'type': 'path', 'default': '~/.cache/eucalyptus.cloud'},
    'files': {'type': 'dict', 'default': {}},
    'uploads': {'type': 'dict', 'default': {}},
    'release': {'type': 'str', 'default': ''},
}


def read_installers(params, home):
    """{path: {part: sha256}} of the wanted installers."""
    if not re.match(r'^/[A-Za-z0-9._/+-]+$', params['installers_dir']) or '/..' in params['installers_dir']:
        raise Refused('installers_dir must be an absolute path of plain characters')
    found = {}
    for each in params['installers']:
        if not re.match(r'^[a-z0-9_-][a-z0-9._-]*$', each['name']):
            raise Refused(
                '{0} is no name of an installer: it is made of a-z 0-9 . _ - and does not begin with a dot'.format(each['name'])
            )
        wanted = {part: each[part + '_sha256'].lower() for part in PARTS}
        for part, digest in wanted.items():
            if not re.match(r'^[0-9a-f]{64}$', digest):
                raise Refused('{0}_sha256 of installer {1} is not a SHA-256 sum'.format(part, each['name']))
        found[os.path.join(home + params['installers_dir'].rstrip('/'), each['name'])] = wanted
    return found


def deployment_of(module, node, contents):
    """The Deployment that the options ask for."""
    params = module.params
    if HOOK not in contents:
        raise Refused('the files of the hook were not brought: this module works only through its action plugin')
    wanted = dict(params['policy'], installers=sorted(each['name'] for each in params['installers']) or None)
    if params['installers_dir'] != OPTIONS['installers_dir']['default']:
        wanted['installers_dir'] = params['installers_dir']

    def label(path, temporary):
        module.set_context_if_different(temporary, module.selinux_default_context(path), False)

    return Deployment(
        node,
        {name: to_bytes(content) for name, content in contents.items()},
        policy.render(wanted),
        read_installers(params, node.home),
        params['release'],
        label if module.selinux_enabled() else None,
    )


def label_warnings(module, node):
    """Whether the hooks directory has the SELinux type with which the node controller may run what is in it."""
    if not module.selinux_enabled() or not os.path.isdir(node.hooks):
        return []
    found, wanted = module.selinux_context(node.hooks), module.selinux_default_context(node.hooks)
    if found[2:3] == wanted[2:3]:
        return []
    return [
        '{0} has the SELinux type {1} instead of {2}, so the node controller may be unable to run hooks: restorecon -R {0}'.format(
            node.hooks, found[2], wanted[2]
        )
    ]


def run(module, node, contents, told):
    """Do what is asked for; returns the arguments of exit_json."""
    deployment = deployment_of(module, node, contents)
    if module.params['state'] == 'inspected':
        return {'changed': False, 'steps': [], 'nc_hook': dict(deployment.describe(), **told)}
    if module.params['state'] == 'absent':
        plan = deployment.plan_absent()
    else:
        missing = deployment.missing()
        if set(missing) - set(module.params['uploads']) and not module.check_mode:
            return {'changed': False, 'steps': [], 'missing': missing, 'nc_hook': dict(deployment.describe(), **told)}
        plan = deployment.plan_present(module.params['uploads'])
    result = plan.after if module.check_mode else plan.apply()
    return {
        'changed': plan.changed,
        'steps': plan.descriptions,
        'nc_hook': dict(result, **told),
        'diff': [deployment.differences[name] for name in sorted(deployment.differences)],
    }


def main():
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    os.umask(0o022)
    contents = module.params.pop('files')  # some 30 KB, which every answer would repeat to the controller
    inspecting = module.params['state'] == 'inspected'
    try:
        node = controller.Node(module.params['eucalyptus_home'], module.params['user'])
    except KeyError:
        module.fail_json(msg='The account {0} does not exist on this node'.format(module.params['user']))
    told = {'problems': node.problems(), 'warnings': node.warnings() + label_warnings(module, node)}
    fatal = told['problems'] if module.params['state'] == 'present' else told['problems'][: 0 if os.path.isdir(node.hooks) else 1]
    if fatal and not inspecting:
        module.fail_json(msg='This node cannot have the hook: ' + '; '.join(fatal), nc_hook=told)
    try:
        if inspecting and not os.path.isdir(node.hooks):
            result = run(module, node, contents, told)
        else:
            with files.locked(node.hooks):
                result = run(module, node, contents, told)
    except (Refused, Unusable, files.Busy, policy.Unfit) as error:
        module.fail_json(msg='The node is left as it was: ' + to_text(error), nc_hook=told)
    except (IOError, OSError) as error:
        module.fail_json(msg='It failed in between: {0}. Run it again when that is put right'.format(to_text(error)), nc_hook=told)
    module.exit_json(**result)


if __name__ == '__main__':
    main()
