#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: libvirt_xml
short_description: Put boot parameters into a libvirt domain XML file
version_added: 0.1.0
description:
  - Makes the same changes in a libvirt domain XML file as the node controller's hook makes at the start of an instance. The kernel
    command line becomes the boot parameters, with C(console=ttyS0) if they contain no console. It is added at the end, or before
    a C(--), because the kernel passes the words after it to init.
  - Everything else in the file is left unchanged. A file that is already correct is not written.
  - The module only changes the file. It does not define the domain in libvirt.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  path:
    description:
      - Path of the domain XML file. A symbolic link is refused, as in the hook.
      - A document type declaration and a file of more than 1 MiB are refused.
    type: path
    required: true
  boot_params:
    description:
      - Boot parameters, at most 2047 bytes of printable ASCII.
      - C(console=ttyS0) is not added if the command line would exceed that length.
    type: str
    required: true
  kernel:
    description:
      - Path of the kernel on the host of the virtual machine. Requires O(initrd).
      - If unset, the domain must have a kernel already.
    type: str
  initrd:
    description: Path of the initial ramdisk that belongs to O(kernel).
    type: str
  on_reboot:
    description:
      - V(destroy) ends a guest that reboots, so that an installer does not start again.
      - V(keep) leaves C(on_reboot) of the file unchanged.
    type: str
    choices: [destroy, keep]
    default: destroy
  vnc:
    description: Add a VNC display if the domain has no display. An existing display is left unchanged, see RV(displays).
    type: dict
    suboptions:
      listen:
        description: Address on which the display listens.
        type: str
        default: 127.0.0.1
      password:
        description: Password, at most 8 characters. Required for any address other than a loopback address.
        type: str
  backup:
    description: Keep a copy of the file before it is changed, with date and time in its name.
    type: bool
    default: false
attributes:
  safe_file_operations:
    description: Uses Ansible's strict file operation functions, so the file is never half written.
    support: full
extends_documentation_fragment:
  - eucalyptus.cloud.attributes
requirements:
  - lxml on the host that has the file
"""

EXAMPLES = r"""
- name: Let a virtual machine boot its installer with a kickstart
  eucalyptus.cloud.libvirt_xml:
    path: /var/lib/builder/fedora.xml
    boot_params: inst.ks=http://192.0.2.20/fedora.ks ip=dhcp
    kernel: /var/lib/builder/fedora/vmlinuz
    initrd: /var/lib/builder/fedora/initrd.img
    backup: true

- name: Change only the parameters, and watch the installer through a tunnel
  eucalyptus.cloud.libvirt_xml:
    path: /var/lib/builder/debian.xml
    boot_params: auto url=http://192.0.2.20/preseed.cfg console=tty0
    on_reboot: keep
    vnc:
      listen: 127.0.0.1
"""

RETURN = r"""
command_line:
  description: The kernel command line of the domain.
  returned: success
  type: str
  sample: inst.ks=http://192.0.2.20/fedora.ks ip=dhcp console=ttyS0
displays:
  description: The displays of the domain. An empty C(listen) means the default of libvirt.
  returned: success
  type: list
  elements: dict
  sample: [{"type": "vnc", "listen": "127.0.0.1"}]
path:
  description: The domain XML file.
  returned: success
  type: str
  sample: /var/lib/builder/fedora.xml
backup_file:
  description: The copy of the file before the change.
  returned: when O(backup=true) and the file was changed
  type: str
  sample: /var/lib/builder/fedora.xml.4711.2026-01-31@12:00:00~
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.text.converters import to_native, to_text

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import domain_xml, vnc

TYPE_CHECKING = False  # Python 2.7 has no typing, so types are in comments
if TYPE_CHECKING:
    import typing as t  # noqa: F401

ARGUMENT_SPEC = {
    'path': {'type': 'path', 'required': True},
    'boot_params': {'type': 'str', 'required': True},
    'kernel': {'type': 'str'},
    'initrd': {'type': 'str'},
    'on_reboot': {'type': 'str', 'choices': ['destroy', 'keep'], 'default': 'destroy'},
    'vnc': {
        'type': 'dict',
        'options': {'listen': {'type': 'str', 'default': '127.0.0.1'}, 'password': {'type': 'str', 'no_log': True}},
    },
    'backup': {'type': 'bool', 'default': False},
}


def read(path):
    # type: (str) -> bytes
    """Return the file's bytes. A link is refused, because others may use its target."""
    if os.path.islink(path):
        raise domain_xml.InvalidDomain('it is a symbolic link')
    with open(path, 'rb') as file:
        return file.read(domain_xml.MAX_BYTES + 1)


def graphics(options):
    # type: (dict[str, t.Any] | None) -> tuple[str, str | None] | None
    """Check the VNC options by the rules of the hook's policy; return the argument of domain_xml.rewrite."""
    if options is None:
        return None
    listen, password = options['listen'], options['password']
    if not vnc.is_address(listen):
        raise domain_xml.InvalidDomain('vnc.listen is not an address')
    if password and not vnc.is_password(password):
        raise domain_xml.InvalidDomain('vnc.password must have {0}'.format(vnc.PASSWORD_LIMIT))
    if not password and not vnc.is_loopback(listen):
        raise domain_xml.InvalidDomain('vnc.listen is not a loopback address, so vnc.password is required')
    return listen, password


def printable(data):
    # type: (bytes) -> str
    """Return the XML for a diff, without VNC passwords."""
    return vnc.without_passwords(to_text(data, errors='replace'))


def write(module, data):
    # type: (AnsibleModule, bytes) -> str | None
    """Replace the file in one step; owner and mode stay. Returns the backup's name or None."""
    path = module.params['path']
    backup = module.backup_local(path) if module.params['backup'] else None
    handle, temporary = tempfile.mkstemp(dir=module.tmpdir)
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(data)
        module.atomic_move(temporary, path)
    finally:
        module.cleanup(temporary)
    return backup


def run(module):
    # type: (AnsibleModule) -> dict[str, t.Any]
    """Return the module's result."""
    params = module.params
    before = read(params['path'])
    after = domain_xml.rewrite(
        before,
        params['boot_params'],
        on_reboot='destroy' if params['on_reboot'] == 'destroy' else None,
        kernel=params['kernel'],
        initrd=params['initrd'],
        graphics=graphics(params['vnc']),
    )
    result = {
        'changed': after != before,
        'path': params['path'],
        'command_line': domain_xml.command_line(params['boot_params']),
        'displays': domain_xml.displays(after),
        'diff': {
            'before_header': params['path'],
            'after_header': params['path'],
            'before': printable(before),
            'after': printable(after),
        },
    }
    if result['changed'] and not module.check_mode:
        backup = write(module, after)
        if backup:
            result['backup_file'] = backup
    return result


def main():
    # type: () -> None
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, required_together=[('kernel', 'initrd')], supports_check_mode=True)
    if domain_xml.LXML_ERROR:
        module.fail_json(msg=missing_required_lib('lxml'), exception=domain_xml.LXML_ERROR)
    try:
        result = run(module)
    except (domain_xml.InvalidDomain, EnvironmentError) as error:
        module.fail_json(msg='Cannot put boot parameters into %s: %s.' % (module.params['path'], to_native(error)))
    module.exit_json(**result)


if __name__ == '__main__':
    main()
