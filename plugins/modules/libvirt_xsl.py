#!/usr/bin/python
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: libvirt_xsl
short_description: Turn the VNC line of a node controller's libvirt.xsl on or off
version_added: 0.1.0
description:
  - A Eucalyptus node controller makes the libvirt domain of every instance with the stylesheet C(libvirt.xsl). Every version
    ships a VNC display in it, as a comment. This module puts an active line below that comment, or takes it out again, after
    which the file is byte for byte what it was.
  - The setting is read at every launch, needs no restart, and does not affect instances that run already. It holds for B(all)
    instances that are launched on the node from then on, whoever owns them. Whoever reaches the address and port
    sees and operates the console of the instance, without authentication unless O(password) is set.
  - The changed stylesheet is parsed and applied to a sample instance before it replaces the old one in one step, because an
    ill-formed stylesheet makes every launch on the node fail.
  - Eucalyptus packages keep an edited C(libvirt.xsl) when they are updated, and put the new one beside it as C(libvirt.xsl.rpmnew).
    Turn VNC off before an update.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  path:
    description: The stylesheet.
    type: path
    default: /etc/eucalyptus/libvirt.xsl
  vnc:
    description:
      - Whether instances get a VNC display.
      - A line that somebody activated by hand is left as it is when it says what is wanted; otherwise it is turned into a comment.
    type: bool
    required: true
  listen:
    description: The address on which the displays listen. Any other than a loopback address needs O(insecure_listen=true).
    type: str
    default: 127.0.0.1
  keymap:
    description: The keyboard layout, as QEMU names it.
    type: str
    default: en-us
  password:
    description:
      - The password of every display. VNC knows at most 8 characters.
      - With a password in it the stylesheet is readable only by its owner and the group of the account that runs the node
        controller. Turned off, it has its old access mode again. The node controller writes the password into the libvirt file
        of every instance, too.
    type: str
  insecure_listen:
    description: Whether O(listen) may be an address that other machines reach.
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
    description: With C(console=vnc) in its user data and the policy's leave, a single instance gets a display. That needs no
      change of the stylesheet.
"""

EXAMPLES = r"""
- name: Give all instances a display that only the node itself reaches
  eucalyptus.cloud.libvirt_xsl:
    vnc: true

- name: Take it away again
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
      description: Where it is.
      type: str
    vnc:
      description: V(on), V(off), or V(by hand) for a line that was activated by somebody else.
      type: str
    listen:
      description: The address on which the displays listen; empty without a display.
      type: str
  sample: {"path": "/etc/eucalyptus/libvirt.xsl", "vnc": "on", "listen": "127.0.0.1"}
"""

import io
import os
import re
import stat

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_text

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import controller, files, libvirt_xsl
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

WARNING = (
    'Every instance that is launched on this node from now on has a VNC display on {0}. {1} This holds for all tenants, '
    'for as long as this is on.'
)


class Stylesheet:
    """libvirt.xsl as it is and as it should be."""

    def __init__(self, params):
        self.params = params
        self.path = params['path']
        if not os.path.isfile(self.path) or os.path.islink(self.path):
            raise libvirt_xsl.Refused('it is not a regular file')
        with io.open(self.path, encoding='utf-8', newline='') as stream:
            self.text = stream.read()
        found = os.stat(self.path)
        self.access = stat.S_IMODE(found.st_mode), found.st_gid
        self.plain_access = libvirt_xsl.kept_access(self.text) or self.access

    def wanted(self):
        """(text, (mode, gid)) as asked for."""
        if not self.params['vnc']:
            return libvirt_xsl.turn_off(self.text), self.plain_access
        options = {key: self.params[key] for key in ('listen', 'keymap', 'password')}
        if options['password'] is None:
            if libvirt_xsl.state(self.text) == 'by hand' and self._says(options):
                return self.text, self.access
            return libvirt_xsl.turn_on(self.text, **options), self.plain_access
        account = controller.find_account(os.path.dirname(self.path))
        if account is None:
            raise libvirt_xsl.Refused(
                'the account that runs the node controller is unknown (EUCA_USER in eucalyptus.conf '
                'beside it), so a password in it could not be kept from others'
            )
        marker = libvirt_xsl.access_marker(*self.plain_access)
        return libvirt_xsl.turn_on(self.text, marker=marker, **options), (0o640, account.pw_gid)

    def describe(self, text):
        line = [each for each in text.split('\n') if libvirt_xsl.ADDED.match(each) or libvirt_xsl.BY_HAND.match(each)]
        listen = re.findall(r'listen=["\']([^"\']*)', line[0])[:1] if line else ['']
        return {'path': self.path, 'vnc': libvirt_xsl.state(text), 'listen': (listen or ['0.0.0.0'])[0]}

    def _says(self, options):
        """Whether the line that was made active by hand has these options."""
        line = [each for each in self.text.split('\n') if libvirt_xsl.BY_HAND.match(each)][0]
        found = {name: one or other for name, one, other in re.findall(r'(\w+)=(?:"([^"]*)"|\'([^\']*)\')', line)}
        return (found.get('listen'), found.get('keymap'), found.get('passwd')) == (options['listen'], options['keymap'], None)


def check_options(params):
    """Raise Refused for options that are not safe or not possible."""
    if not params['vnc']:
        return
    if not libvirt_xsl.is_loopback(params['listen']) and not params['insecure_listen']:
        raise libvirt_xsl.Refused(
            'listen={0} lets other machines reach the consoles of all instances of this node. If that is meant, set '
            'insecure_listen=true; otherwise use 127.0.0.1 and an SSH tunnel'.format(params['listen'])
        )
    if not re.match(r'^[0-9A-Za-z.:_-]+$', params['listen']) or not re.match(r'^[0-9A-Za-z_-]+$', params['keymap']):
        raise libvirt_xsl.Refused('listen or keymap has characters that no address or keymap has')
    if params['password'] is not None and not re.match(r'^[!-~]{1,8}$', params['password']):
        raise libvirt_xsl.Refused('the password must have 1 to 8 printable characters without blanks: VNC knows no more')


def make_plan(module):
    check_options(module.params)
    sheet = Stylesheet(module.params)
    text, access = sheet.wanted()
    plan = Plan(sheet.describe(sheet.text))
    if text == sheet.text and access == sheet.access:
        return sheet, text, plan
    if text != sheet.text:
        xsltproc = controller.find_tool('xsltproc')
        if xsltproc is None:
            raise libvirt_xsl.Refused('xsltproc is missing, so the changed stylesheet cannot be tried')
        libvirt_xsl.try_out(sheet.text, text, module.params['listen'] if module.params['vnc'] else None, xsltproc)

    def write():
        context = module.selinux_context(sheet.path) if module.selinux_enabled() else None
        wanted = files.Wanted(sheet.path, text.encode('utf-8'), access[0], access[1])
        wanted.uid = os.stat(sheet.path).st_uid
        wanted.write(os.path.dirname(sheet.path), lambda path: context and module.set_context_if_different(path, context, False))

    plan.step('turn VNC {0}'.format('on' if module.params['vnc'] else 'off'), write, **sheet.describe(text))
    return sheet, text, plan


def main():
    module = AnsibleModule(
        argument_spec={
            'path': {'type': 'path', 'default': '/etc/eucalyptus/libvirt.xsl'},
            'vnc': {'type': 'bool', 'required': True},
            'listen': {'type': 'str', 'default': '127.0.0.1'},
            'keymap': {'type': 'str', 'default': 'en-us', 'no_log': False},
            'password': {'type': 'str', 'no_log': True},
            'insecure_listen': {'type': 'bool', 'default': False},
        },
        supports_check_mode=True,
    )
    path, params = module.params['path'], module.params
    try:
        sheet, text, plan = make_plan(module)
        result = plan.after if module.check_mode else plan.apply()
    except (libvirt_xsl.Refused, UnicodeDecodeError) as error:
        module.fail_json(msg='{0} is left as it is: {1}'.format(path, to_text(error)))
    except (IOError, OSError) as error:
        module.fail_json(msg='Changing {0} failed: {1}'.format(path, to_text(error)))
    if params['vnc'] and plan.changed:
        protection = 'Its only protection is a short password.' if params['password'] else 'It asks for no password.'
        module.warn(WARNING.format(params['listen'], protection))
    module.exit_json(
        changed=plan.changed,
        libvirt_xsl=result,
        diff={
            'before_header': path,
            'after_header': path,
            'before': libvirt_xsl.hide_password(sheet.text),
            'after': libvirt_xsl.hide_password(text),
        }
        if plan.changed
        else {},
    )


if __name__ == '__main__':
    main()
