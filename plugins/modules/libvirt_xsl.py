#!/usr/bin/python
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: libvirt_xsl
short_description: Turn the VNC display of a node controller's libvirt.xsl on or off
version_added: 0.1.0
description:
  - A Eucalyptus node controller makes the libvirt domain of every instance with the stylesheet C(libvirt.xsl), which contains a VNC
    display as a comment. This module inserts an active line below that comment, or removes it again. The file is then byte for
    byte the same as before.
  - The node reads the file at every launch. The setting needs no restart and does not affect instances that are running already.
    It affects B(all) instances that are launched on the node from then on, of every tenant. Everyone who reaches the address and
    port sees and operates the console of the instance, without authentication unless O(password) is set.
  - The module applies the stylesheet to sample instances. The displays in the resulting domains decide whether VNC is on or off,
    and a changed stylesheet replaces the old one only if it works, because an ill-formed stylesheet makes every launch fail.
  - Packages of Eucalyptus keep an edited C(libvirt.xsl) when they are updated, and write the new one to C(libvirt.xsl.rpmnew).
    Turn VNC off before an update.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  path:
    description: Path of the stylesheet.
    type: path
    default: /etc/eucalyptus/libvirt.xsl
  vnc:
    description:
      - Whether instances should have a VNC display.
      - If the shipped line was activated by hand, it is left unchanged if it matches the options, and commented out otherwise.
      - Any other display that was added by hand is an error, with V(true) and V(false). The module does not remove it.
    type: bool
    required: true
  listen:
    description: Address on which the displays listen. Any address other than a loopback address requires O(insecure_listen=true).
    type: str
    default: 127.0.0.1
  keymap:
    description: Keyboard layout, by QEMU's name.
    type: str
    default: en-us
  password:
    description:
      - Password of every display, at most 8 characters.
      - With a password, only the owner of the stylesheet and the group of the account that runs the node controller can read it.
        O(vnc=false) restores its access mode. The node controller also writes the password to the libvirt file of every instance.
      - From Eucalyptus 3.3 on, a display loses its password after RebootInstances or CreateImage, because the node then starts
        the instance from libvirt's description of it, which omits passwords.
    type: str
  insecure_listen:
    description: Whether O(listen) may be an address that other machines can reach.
    type: bool
    default: false
requirements:
  - xsltproc on the node
attributes:
  check_mode:
    description: Can run in check mode and predict the result without changing anything.
    support: full
  diff_mode:
    description: Returns what has changed, or in check mode would change. A password is masked.
    support: full
  idempotent:
    description: Changes nothing when run again with the same options.
    support: full
notes:
  - Runs on the node, with Python 2.7 or 3.6 and later.
  - The SELinux context of the file is kept.
seealso:
  - module: eucalyptus.cloud.nc_hook
    description: If the policy allows it, a single instance gets a display with C(console=vnc) in its user data, without a change
      of the stylesheet.
"""

EXAMPLES = r"""
- name: Give all instances a display that only the node itself can reach
  eucalyptus.cloud.libvirt_xsl:
    vnc: true

- name: Remove it again
  eucalyptus.cloud.libvirt_xsl:
    vnc: false
"""

RETURN = r"""
libvirt_xsl:
  description: The stylesheet.
  returned: success
  type: dict
  contains:
    path:
      description: Its path.
      type: str
    vnc:
      description: V(on), V(off), or V(by hand) for a display that this module did not add.
      type: str
    listen:
      description: Addresses on which the displays listen, separated by commas; empty without a display. V(default) is C(vnc_listen)
        in libvirt's C(qemu.conf).
      type: str
  sample: {"path": "/etc/eucalyptus/libvirt.xsl", "vnc": "on", "listen": "127.0.0.1"}
"""

import io
import os
import re
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_text

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import controller, displays, files, libvirt_xsl, vnc
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node.libvirt_xsl import StylesheetRefused
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

TYPE_CHECKING = False  # Python 2.7 has no typing, so types are in comments
if TYPE_CHECKING:
    import typing as t  # noqa: F401

ARGUMENT_SPEC = {
    'path': {'type': 'path', 'default': '/etc/eucalyptus/libvirt.xsl'},
    'vnc': {'type': 'bool', 'required': True},
    'listen': {'type': 'str', 'default': '127.0.0.1'},
    'keymap': {'type': 'str', 'default': 'en-us', 'no_log': False},
    'password': {'type': 'str', 'no_log': True},
    'insecure_listen': {'type': 'bool', 'default': False},
}
WARNING = (
    'Every instance that is launched on this node from now on has a VNC display on {0}. {1} This affects all tenants, '
    'for as long as VNC is on.'
)


class Stylesheet:
    """The present libvirt.xsl and the wanted one. Raises StylesheetRefused."""

    def __init__(self, params):
        # type: (dict[str, t.Any]) -> None
        self.params = params
        self.path = params['path']
        if not os.path.isfile(self.path) or os.path.islink(self.path):
            raise StylesheetRefused('It is not a regular file.')
        with io.open(self.path, encoding='utf-8', newline='') as stream:
            self.text = stream.read()
        found = os.stat(self.path)
        self.access = stat.S_IMODE(found.st_mode), found.st_gid
        self.plain_access = libvirt_xsl.kept_access(self.text) or self.access

    def wanted(self):
        # type: () -> tuple[str, tuple[int, int]]
        """Return the wanted (text, (mode, gid))."""
        if not self.params['vnc']:
            return libvirt_xsl.turn_off(self.text), self.plain_access
        options = {key: self.params[key] for key in ('listen', 'keymap', 'password')}
        if options['password'] is None:
            if self._is_as_wanted(libvirt_xsl.active_by_hand(self.text)):
                return self.text, self.access
            return libvirt_xsl.turn_on(self.text, **options), self.plain_access
        account = controller.find_account(os.path.dirname(self.path))
        if account is None:
            raise StylesheetRefused(
                'The account that runs the node controller is unknown (EUCA_USER in eucalyptus.conf beside it), so others '
                'could read a password in it.'
            )
        marker = libvirt_xsl.access_marker(*self.plain_access)
        return libvirt_xsl.turn_on(self.text, marker=marker, **options), (0o640, account.pw_gid)

    def describe(self, domains):
        # type: (displays.Domains) -> dict[str, t.Any]
        return {'path': self.path, 'vnc': domains.state(), 'listen': domains.listen()}

    def _is_as_wanted(self, line):
        # type: (dict[str, str] | None) -> bool
        """Return whether the attributes of an active line match the options."""
        wanted = (self.params['listen'], self.params['keymap'], None)
        return line is not None and (line.get('listen'), line.get('keymap'), line.get('passwd')) == wanted


def check_options(params):
    # type: (dict[str, t.Any]) -> None
    """Raise StylesheetRefused for options that are unsafe or impossible."""
    if not params['vnc']:
        return
    if not vnc.is_loopback(params['listen']) and not params['insecure_listen']:
        raise StylesheetRefused(
            'listen={0} lets other machines reach the consoles of all instances of this node. Use 127.0.0.1 and an SSH tunnel, or '
            'set insecure_listen=true (nc_hooks_vnc_for_all_insecure_listen of the role).'.format(params['listen'])
        )
    if not vnc.is_address(params['listen']) or not re.match(r'[0-9A-Za-z_-]+\Z', params['keymap']):
        raise StylesheetRefused('The option listen or keymap has characters that no address or keymap has.')
    if params['password'] is not None and not vnc.is_password(params['password']):
        raise StylesheetRefused('The password must have {0}.'.format(vnc.PASSWORD_LIMIT))


def make_plan(module):
    # type: (AnsibleModule) -> tuple[Stylesheet, str, Plan]
    check_options(module.params)
    sheet = Stylesheet(module.params)
    text, access = sheet.wanted()
    xsltproc = controller.find_tool('xsltproc')
    directory = os.path.dirname(sheet.path)
    before = displays.Domains(sheet.text, xsltproc, directory=directory)
    after = before if text == sheet.text else displays.Domains(text, xsltproc, 'changed', directory)
    displays.compare(before, after, module.params['listen'] if module.params['vnc'] else None)
    plan = Plan(sheet.describe(before))
    if text == sheet.text and access == sheet.access:
        return sheet, text, plan

    def write():
        # type: () -> None
        context = module.selinux_context(sheet.path) if module.selinux_enabled() else None
        wanted = files.Wanted(sheet.path, text.encode('utf-8'), access[0], access[1])
        wanted.uid = os.stat(sheet.path).st_uid
        wanted.write(os.path.dirname(sheet.path), lambda path: context and module.set_context_if_different(path, context, False))

    plan.step('turn VNC {0}'.format('on' if module.params['vnc'] else 'off'), write, **sheet.describe(after))
    return sheet, text, plan


def main():
    # type: () -> None
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    path, params = module.params['path'], module.params
    try:
        sheet, text, plan = make_plan(module)
        result = plan.after if module.check_mode else plan.apply()
    except (StylesheetRefused, UnicodeDecodeError) as error:
        module.fail_json(msg='{0} was not changed. {1}'.format(path, to_text(error)))
    except (IOError, OSError) as error:
        module.fail_json(msg='Changing {0} failed: {1}'.format(path, to_text(error)))
    if params['vnc'] and plan.changed:
        protection = 'Its only protection is a short password.' if params['password'] else 'It requires no password.'
        module.warn(WARNING.format(params['listen'], protection))
    shown = [vnc.without_passwords(each) for each in (sheet.text, text)]
    diff = {'before_header': path, 'after_header': path, 'before': shown[0], 'after': shown[1]} if plan.changed else {}
    module.exit_json(changed=plan.changed, libvirt_xsl=result, diff=diff)


if __name__ == '__main__':
    main()
