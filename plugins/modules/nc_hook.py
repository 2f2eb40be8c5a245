#!/usr/bin/python
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: nc_hook
short_description: Deploy the boot-parameter hook on a Eucalyptus node controller
version_added: 0.1.0
description:
  - Deploys the hook C(bootparams), its stylesheets, its policy, the script C(try-bootparams) and the kernels and ramdisks of
    installers on a node controller, or removes all of them, in one task.
  - Instances can be launched at any time. Before anything is written, the module tries the hook on the node in a scratch directory,
    as the user that runs the node controller and with the new policy. It then writes the files that the hook needs before the hook
    itself, and puts each file in place by a rename, so C(nc-hooks) never contains a second executable.
  - If a run is interrupted, the node continues to work with the old hook or the new one, and the next run completes the deployment.
  - The action plugin of the same name sends the files from the controller. It checks the policy before it connects to the node.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description:
      - V(present) deploys. V(absent) removes everything that was deployed, the hook first. The hook's log is kept.
      - V(inspected) only reads. It returns the problems of a node that cannot have the hook instead of failing.
    type: str
    choices: [present, absent, inspected]
    default: present
  eucalyptus_home:
    description: The E(EUCALYPTUS) directory of the node controller. Packaged installations use V(/).
    type: path
    default: /
  user:
    description:
      - Account that runs the node controller.
      - If unset, taken from E(EUCA_USER) in C(eucalyptus.conf), otherwise C(eucalyptus).
    type: str
  installers:
    description:
      - Installers that instances may boot with C(installer=NAME) in their user data. The policy allows exactly these.
      - An installer that this module deployed is removed when it is no longer listed.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name, made of the characters a-z 0-9 . _ -.
        type: str
        required: true
      kernel:
        description:
          - Kernel, a file on the controller or a URL.
          - It is fetched once for all nodes, and only if a node lacks it.
        type: str
        required: true
      kernel_sha256:
        description: SHA-256 sum of the kernel.
        type: str
        required: true
      ramdisk:
        description: Ramdisk, like O(installers[].kernel).
        type: str
        required: true
      ramdisk_sha256:
        description: SHA-256 sum of the ramdisk.
        type: str
        required: true
  installers_dir:
    description: Directory of the installers, below O(eucalyptus_home).
    type: str
    default: /var/lib/eucalyptus/installers
  vnc_for_all:
    description:
      - VNC display of every instance of the node, turned on or off by M(eucalyptus.cloud.libvirt_xsl). The action plugin runs that
        module to turn the display on, or off again. See its documentation for the consequences.
    type: dict
    default: {}
    suboptions:
      enabled:
        description: Whether every instance has a display. Always off with O(state=absent).
        type: bool
        default: false
      listen: {type: str, description: See M(eucalyptus.cloud.libvirt_xsl).}
      keymap: {type: str, description: See M(eucalyptus.cloud.libvirt_xsl).}
      password: {type: str, description: See M(eucalyptus.cloud.libvirt_xsl).}
      insecure_listen: {type: bool, description: See M(eucalyptus.cloud.libvirt_xsl).}
  src:
    description: Directory on the controller with the hook and its helpers. By default those of this collection.
    type: path
  cache:
    description: Directory of the fetched installers on the controller.
    type: path
    default: ~/.cache/eucalyptus.cloud
  files:
    description: Names and contents of the files in O(src). Set by the action plugin.
    type: dict
    default: {}
  uploads:
    description: Paths on the node of the installers' files that were sent, by SHA-256 sum. Set by the action plugin.
    type: dict
    default: {}
  release:
    description: Version of the collection. Set by the action plugin.
    type: str
    default: ''
requirements:
  - xsltproc on the node
attributes:
  check_mode:
    description: Can run in check mode and predict the result without changing anything. The hook is tried in a scratch directory.
    support: full
  diff_mode:
    description: Returns what has changed, or in check mode would change. One line stands for a new or removed file of the hook.
      A password in the policy is masked.
    support: full
  idempotent:
    description: Changes nothing when run again with the same options.
    support: full
extends_documentation_fragment:
  - eucalyptus.cloud.hook_policy
notes:
  - Runs on the node, with Python 2.7 or 3.6 and later. Python 2.7 and 3.6 require ansible-core 2.16.
  - Where SELinux is enabled, every file gets the context that the node's policy has for its path before it is renamed into place.
seealso:
  - module: eucalyptus.cloud.libvirt_xsl
"""

EXAMPLES = r"""
- name: Deploy the hook, and let a guest reboot
  eucalyptus.cloud.nc_hook:
    policy:
      accounts: ['000123456789']
      on_reboot: restart

- name: Keep an installer on the node
  eucalyptus.cloud.nc_hook:
    installers:
      - name: debian-12
        kernel: https://mirror.example.com/debian/dists/bookworm/main/installer-amd64/current/images/netboot/debian-installer/amd64/linux
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
      description: Version of Eucalyptus; empty if unknown.
      type: str
    hook:
      description: First 12 digits of the SHA-256 sum of the present hook; empty without one.
      type: str
    release:
      description: Version of the collection that deployed this hook; empty if this module did not deploy it.
      type: str
    policy:
      description: 12 digits, equal on two nodes if their policies are equal apart from the password.
      type: str
    vnc:
      description: Whether C(libvirt.xsl) gives every instance a VNC display. V(on) and V(off); V(by hand) for a display that
        M(eucalyptus.cloud.libvirt_xsl) did not add; V(unknown) for a stylesheet that does not work.
      type: str
    installers:
      description: Names of the deployed installers.
      type: list
      elements: str
    problems:
      description: Reasons why the node cannot have the hook.
      type: list
      elements: str
    warnings:
      description: Differences from a packaged node that may cause trouble.
      type: list
      elements: str
  sample: {"state": "present", "eucalyptus_home": "/", "eucalyptus_version": "4.4.2", "hook": "5e1f0b3a9c2d", "release": "0.1.0",
    "policy": "0c9d8e7f6a5b", "vnc": "off", "installers": [], "problems": [], "warnings": []}
steps:
  description: The steps that were done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["write bootparams (content)"]
missing:
  description: SHA-256 sums of the installers' files that the action plugin has to send.
  returned: when files are missing
  type: list
  elements: str
  sample: []
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_bytes, to_text

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import controller, errors, files, installers, policy
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node.deployment import HOOK, Deployment, DeploymentRefused

TYPE_CHECKING = False  # Python 2.7 has no typing, so types are in comments
if TYPE_CHECKING:
    import typing as t  # noqa: F401

INSTALLERS_DIR = policy.default_of('installers_dir')
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
    'policy': {'type': 'dict', 'options': policy.argument_spec(), 'default': {}},
    'installers': {'type': 'list', 'elements': 'dict', 'options': INSTALLER, 'default': []},
    'installers_dir': {'type': 'str', 'default': INSTALLERS_DIR},
    'vnc_for_all': {'type': 'dict', 'options': DISPLAY, 'default': {}},
    'src': {'type': 'path'},
    'cache': {'type': 'path', 'default': '~/.cache/eucalyptus.cloud'},
    'files': {'type': 'dict', 'default': {}},
    'uploads': {'type': 'dict', 'default': {}},
    'release': {'type': 'str', 'default': ''},
}


def deployment_of(module, node, contents):
    # type: (AnsibleModule, controller.Node, dict[str, str]) -> Deployment
    """Return the Deployment that the options describe."""
    params = module.params
    if HOOK not in contents:
        raise DeploymentRefused("The hook's files were not sent. The module works only through its action plugin.")
    wanted = dict(params['policy'], installers=sorted(each['name'] for each in params['installers']) or None)
    if params['installers_dir'] != INSTALLERS_DIR:
        wanted['installers_dir'] = params['installers_dir']
    text = policy.render(wanted)

    def label(path, temporary):
        # type: (str, str) -> None
        module.set_context_if_different(temporary, module.selinux_default_context(path), False)

    return Deployment(
        node,
        {name: to_bytes(content) for name, content in contents.items()},
        text,
        installers.wanted(params['installers'], node.home + params['installers_dir'].rstrip('/')),
        params['release'],
        label if module.selinux_enabled() else None,
    )


def label_warnings(module, node):
    # type: (AnsibleModule, controller.Node) -> list[str]
    """Return a warning when the hooks directory has an SELinux type with which the node controller cannot run its files."""
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


def run(module, node, contents, findings):
    # type: (AnsibleModule, controller.Node, dict[str, str], dict[str, list[str]]) -> dict[str, t.Any]
    """Deploy, remove or inspect; return the arguments of exit_json."""
    deployment = deployment_of(module, node, contents)
    if module.params['state'] == 'inspected':
        return {'changed': False, 'steps': [], 'nc_hook': dict(deployment.describe(), **findings)}
    if module.params['state'] == 'absent':
        plan = deployment.plan_absent()
    else:
        missing = deployment.missing()
        if set(missing) - set(module.params['uploads']) and not module.check_mode:
            return {'changed': False, 'steps': [], 'missing': missing, 'nc_hook': dict(deployment.describe(), **findings)}
        plan = deployment.plan_present(module.params['uploads'])
    result = plan.after if module.check_mode else plan.apply()
    return {
        'changed': plan.changed,
        'steps': plan.descriptions,
        'nc_hook': dict(result, **findings),
        'diff': [deployment.differences[name] for name in sorted(deployment.differences)],
    }


def main():
    # type: () -> None
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    os.umask(0o022)
    contents = module.params.pop('files')  # some 30 KB, which every result would send back
    inspecting = module.params['state'] == 'inspected'
    try:
        node = controller.Node(module.params['eucalyptus_home'], module.params['user'])
    except KeyError:
        module.fail_json(msg='The account {0} does not exist on this node.'.format(module.params['user']))
    findings = {'problems': node.problems(), 'warnings': node.warnings() + label_warnings(module, node)}
    fatal = (
        findings['problems']
        if module.params['state'] == 'present'
        else findings['problems'][: 0 if os.path.isdir(node.hooks) else 1]
    )
    if fatal and not inspecting:
        module.fail_json(msg='This node cannot have the hook. ' + '. '.join(fatal) + '.', nc_hook=findings)
    try:
        if inspecting and not os.path.isdir(node.hooks):
            result = run(module, node, contents, findings)
        else:
            with files.locked(node.hooks):
                result = run(module, node, contents, findings)
    except errors.NodeError as error:
        module.fail_json(msg='The deployment was refused. ' + to_text(error), nc_hook=findings)
    except (IOError, OSError) as error:
        module.fail_json(
            msg='The deployment stopped partway: {0}. Fix this and run the task again.'.format(to_text(error)), nc_hook=findings
        )
    module.exit_json(**result)


if __name__ == '__main__':
    main()
