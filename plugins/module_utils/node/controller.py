# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Eucalyptus node controller as it is found: where its files are, whose they are, and what is wrong with it.

Runs on the node, so it stays valid for Python 2.7. Reads only.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import grp
import os
import pwd
import re
import stat

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import libvirt_xsl

# The hook's own PATH: what is not found here is not found by the hook.
HOOK_PATH = ('/usr/bin', '/bin', '/usr/local/bin')
TOOLS = ('xsltproc', 'base64', 'grep', 'tr')
NO_NODE = (
    '{0} is not a directory: this host is no node controller of Eucalyptus 3.0 or later, or {1} is not its EUCALYPTUS directory'
)


class Node:
    """The node whose $EUCALYPTUS is ``home``; ``user`` is the account that runs its node controller, if it is known."""

    def __init__(self, home, user=None):
        self.home = home.rstrip('/')
        self.etc = self.home + '/etc/eucalyptus'
        self.hooks = self.etc + '/nc-hooks'  # fixed in util/eucalyptus.h, EUCALYPTUS_NC_HOOKS_DIR
        self.hook = self.hooks + '/bootparams'
        self.configuration = self.etc + '/bootparams'
        self.stylesheet = self.etc + '/libvirt.xsl'
        self.account = find_account(self.etc, user)

    def version(self):
        """The Eucalyptus version as its package wrote it ('4.4.2'), '' when it did not."""
        lines = read(self.etc + '/eucalyptus-version').decode('utf-8', 'replace').split()
        return lines[-1] if lines else ''

    def problems(self):
        """What makes a deployment impossible, in words."""
        if not os.path.isdir(self.hooks):
            return [NO_NODE.format(self.hooks, self.home or '/')]
        found = [
            '{0} is missing in {1}; the hook needs it'.format(tool, ':'.join(HOOK_PATH)) for tool in TOOLS if not find_tool(tool)
        ]
        for path in (self.configuration, self.hook):
            if os.path.islink(path):
                found.append('{0} is a symbolic link; it is not touched'.format(path))
        if os.stat(self.hooks).st_dev != os.stat(self.etc).st_dev:
            found.append(
                '{0} is another filesystem than {1}: the hook cannot be exchanged in one step'.format(self.hooks, self.etc)
            )
        return found

    def warnings(self):
        """What is not as a package leaves it and may bite later, in words."""
        if not os.path.isdir(self.hooks):
            return []
        found = []
        others = self.other_hooks()
        if others:
            found.append(
                '{0} has other executables, which the node runs at every event, too: {1}'.format(self.hooks, ', '.join(others))
            )
        if os.path.exists(self.stylesheet + '.rpmnew'):
            found.append(
                '{0}.rpmnew: an update left the edited {0} in place, so this node uses the stylesheet of an older '
                'version. Merge the two and remove the .rpmnew'.format(self.stylesheet)
            )
        if os.geteuid() == 0 and self.account is None:
            found.append(
                'the account that runs the node controller is unknown here (EUCA_USER in {0}/eucalyptus.conf), '
                'so the hook was not tried as that user'.format(self.etc)
            )
        return found

    def other_hooks(self):
        """Names of what the node runs beside our hook: regular files with any x bit, links followed (node/hooks.c)."""
        names = []
        for name in sorted(os.listdir(self.hooks)):
            try:
                mode = os.stat(os.path.join(self.hooks, name)).st_mode
            except OSError:
                continue
            if name != 'bootparams' and stat.S_ISREG(mode) and mode & 0o111:
                names.append(name)
        return names

    def vnc(self):
        """The VNC line of libvirt.xsl: 'on', 'off', 'by hand' (active, but not our line), or 'unknown'."""
        try:
            return libvirt_xsl.state(read(self.stylesheet).decode('utf-8'))
        except (libvirt_xsl.Refused, UnicodeDecodeError):
            return 'unknown'


def find_account(etc, user=None):
    """The passwd entry of who runs the node controller: ``user``, else EUCA_USER, else eucalyptus. None if there is none.

    Raises KeyError when ``user`` was given and does not exist.
    """
    if user:
        return pwd.getpwnam(user)
    named = re.findall(b'(?m)^\\s*EUCA_USER\\s*=\\s*["\']?([A-Za-z0-9._-]+)', read(etc + '/eucalyptus.conf'))
    for name in [named[-1].decode('ascii')] if named else ['eucalyptus']:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    return None


def groups_of(account):
    """All group ids of a passwd entry."""
    return sorted(set([account.pw_gid] + [g.gr_gid for g in grp.getgrall() if account.pw_name in g.gr_mem]))


def find_tool(name):
    """The path at which the hook finds a program, or None."""
    for directory in HOOK_PATH:
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK):
            return path
    return None


def read(path):
    """A file's bytes, b'' when it is not there."""
    try:
        with open(path, 'rb') as stream:
            return stream.read()
    except (IOError, OSError):
        return b''
