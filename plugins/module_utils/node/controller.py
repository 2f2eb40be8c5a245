# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a Eucalyptus node controller: the places and owners of its files, and its problems.

Runs on the node, so it stays valid for Python 2.7. Reads only.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import grp
import os
import pwd
import re
import stat

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import displays, errors

# The hook's own PATH.
HOOK_PATH = ('/usr/bin', '/bin', '/usr/local/bin')
TOOLS = ('xsltproc', 'base64', 'grep', 'tr')
NO_NODE = (
    '{0} is not a directory. Either this host is not a node controller of Eucalyptus 3.0 or later, or {1} is not its EUCALYPTUS '
    'directory'
)


class Node:
    """The node whose $EUCALYPTUS is ``home``. ``user``: the account that runs its node controller, None to find it."""

    def __init__(self, home, user=None):
        # type: (str, str | None) -> None
        self.home = home.rstrip('/')
        self.etc = self.home + '/etc/eucalyptus'
        self.hooks = self.etc + '/nc-hooks'  # fixed in util/eucalyptus.h, EUCALYPTUS_NC_HOOKS_DIR
        self.hook = self.hooks + '/bootparams'
        self.configuration = self.etc + '/bootparams'
        self.stylesheet = self.etc + '/libvirt.xsl'
        self.account = find_account(self.etc, user)
        self._vnc = None  # type: str | None

    def version(self):
        # type: () -> str
        """Return the Eucalyptus version that its package wrote ('4.4.2'), '' when it wrote none."""
        lines = read(self.etc + '/eucalyptus-version').decode('utf-8', 'replace').split()
        return lines[-1] if lines else ''

    def problems(self):
        # type: () -> list[str]
        """Return the reasons why a deployment is impossible."""
        if not os.path.isdir(self.hooks):
            return [NO_NODE.format(self.hooks, self.home or '/')]
        found = [
            '{0} is missing in {1}; the hook needs it'.format(tool, ':'.join(HOOK_PATH)) for tool in TOOLS if not find_tool(tool)
        ]
        for path in (self.configuration, self.hook):
            if os.path.islink(path):
                found.append('{0} is a symbolic link, which is never changed'.format(path))
        if os.stat(self.hooks).st_dev != os.stat(self.etc).st_dev:
            found.append(
                '{0} is on another filesystem than {1}, so the hook cannot be replaced in one step'.format(self.hooks, self.etc)
            )
        return found

    def warnings(self):
        # type: () -> list[str]
        """Return the differences from a packaged node that may cause trouble later."""
        if not os.path.isdir(self.hooks):
            return []
        found = []
        others = self.other_hooks()
        if others:
            found.append(
                '{0} has other executables, which the node also runs at every event: {1}'.format(self.hooks, ', '.join(others))
            )
        if os.path.exists(self.stylesheet + '.rpmnew'):
            found.append(
                '{0}.rpmnew: an update left the edited {0} in place, so this node uses the stylesheet of an older '
                'version. Merge the two files and remove the .rpmnew'.format(self.stylesheet)
            )
        if os.geteuid() == 0 and self.account is None:
            found.append(
                'the account that runs the node controller is unknown on this host (EUCA_USER in {0}/eucalyptus.conf), '
                'so the hook is not tried as that user'.format(self.etc)
            )
        return found

    def other_hooks(self):
        # type: () -> list[str]
        """Return the names of other hooks: regular files with any x bit, links followed (node/hooks.c)."""
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
        # type: () -> str
        """Return the VNC display that libvirt.xsl adds to instances: 'on', 'off', 'by hand' (not our line) or 'unknown'."""
        if self._vnc is None:
            try:
                text, directory = read(self.stylesheet).decode('utf-8'), os.path.dirname(self.stylesheet)
                self._vnc = displays.Domains(text, find_tool('xsltproc'), directory=directory).state()
            except (errors.NodeError, UnicodeDecodeError):
                self._vnc = 'unknown'
        return self._vnc


def find_account(etc, user=None):
    # type: (str, str | None) -> pwd.struct_passwd | None
    """Return the passwd entry of the account that runs the node controller: ``user``, else EUCA_USER, else eucalyptus.
    None if it does not exist.

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
    # type: (pwd.struct_passwd) -> list[int]
    """Return all group IDs of a passwd entry."""
    return sorted(set([account.pw_gid] + [g.gr_gid for g in grp.getgrall() if account.pw_name in g.gr_mem]))


def find_tool(name):
    # type: (str) -> str | None
    """Return the path at which the hook finds a program, or None."""
    for directory in HOOK_PATH:
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK):
            return path
    return None


def read(path):
    # type: (str) -> bytes
    """Return a file's bytes, b'' when it does not exist."""
    try:
        with open(path, 'rb') as stream:
            return stream.read()
    except (IOError, OSError):
        return b''
