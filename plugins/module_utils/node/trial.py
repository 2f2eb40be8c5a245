# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trying a hook on the node, in a scratch directory, as the user that will run it, before it is deployed.

Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import functools
import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import controller, errors, files

SCRIPT = 'try-bootparams'
POLICY = 'policy.conf'
# userData: bootparams=quiet
INSTANCE = b"""<?xml version="1.0" encoding="UTF-8"?>
<instance><name>i-1</name><account>000000000000</account><kernelId>eki-00000000</kernelId>
<userData>Ym9vdHBhcmFtcz1xdWlldAo=</userData></instance>
"""
DOMAIN = b"""<?xml version="1.0" encoding="UTF-8"?>
<domain type="kvm"><name>i-1</name><os><type>hvm</type><kernel>/k</kernel><cmdline>root=/dev/vda1</cmdline></os>
<on_reboot>restart</on_reboot><devices/></domain>
"""
IN_FLIGHT_TIMEOUT = 10  # seconds; a call takes some hundredths


class TrialFailed(errors.NodeError):
    """A hook that does not work on this node. The message is what it printed."""


class Trials:
    """Tries hooks with the script (bytes) that belongs to them."""

    def __init__(self, script, home, account):
        # type: (bytes, str, pwd.struct_passwd | None) -> None
        self.script = script
        self.prefix = 'nc_hook-{0}-'.format(hashlib.sha256(home.encode('utf-8')).hexdigest()[:8])
        self.account = account if os.geteuid() == 0 else None
        self.user = self.account.pw_name if self.account else pwd.getpwuid(os.geteuid()).pw_name

    def leftovers(self):
        # type: () -> list[str]
        """Return the scratch directories of killed runs. Only a run that holds the node's lock may call this."""
        place = tempfile.gettempdir()
        return [
            os.path.join(place, name)
            for name in sorted(os.listdir(place))
            if name.startswith(self.prefix)
            and os.lstat(os.path.join(place, name)).st_uid in (os.geteuid(), self.account.pw_uid if self.account else -1)
        ]

    def run(self, hook, sheets, policy):
        # type: (bytes, dict[str, bytes], bytes) -> None
        """Try a hook with its stylesheets ({name: bytes}) and its policy. Raises TrialFailed."""
        scratch = tempfile.mkdtemp(prefix=self.prefix)
        try:
            configuration = os.path.join(scratch, 'bootparams.d')
            os.mkdir(configuration, 0o700)
            contents = dict(sheets, **{POLICY: policy, '../bootparams': hook, '../' + SCRIPT: self.script})
            for name, content in contents.items():
                path = os.path.join(configuration, name)
                with open(path, 'wb') as stream:
                    os.chmod(path, 0o700)
                    stream.write(content)
                self._give(path)
            self._give(configuration)
            self._give(scratch)
            status, words = self._call(
                ['/bin/sh', scratch + '/' + SCRIPT, '-k', scratch + '/bootparams', '-c', configuration], scratch
            )
        finally:
            shutil.rmtree(scratch)
        if status != 0:
            lines = [line.strip() for line in words.split('\n') if line.strip() and not line.startswith('ok ')]
            raise TrialFailed('; '.join(lines) or 'status {0}'.format(status))

    def run_bridge(self, hook, sheets, name):
        # type: (bytes, dict[str, bytes], str) -> None
        """Try a hook that looks for its helpers in the directory ``name`` of the usual place. Raises TrialFailed."""
        scratch = tempfile.mkdtemp(prefix=self.prefix)
        try:
            instance = os.path.join(scratch, 'i-1')
            configuration = os.path.join(scratch, 'etc/eucalyptus/bootparams', name)
            for path in (instance, configuration):
                os.makedirs(path)
            contents = {os.path.join(configuration, each): content for each, content in dict(sheets, **{POLICY: b''}).items()}
            contents.update({scratch + '/hook': hook, instance + '/instance.xml': INSTANCE, instance + '/libvirt.xml': DOMAIN})
            for path, content in contents.items():
                with open(path, 'wb') as stream:
                    stream.write(content)
            # From the bottom, so that the parents of a file that is given away still belong to this process.
            for place in os.walk(scratch, topdown=False):
                for path in [place[0]] + [os.path.join(place[0], each) for each in place[2]]:
                    os.chmod(path, 0o700)
                    self._give(path)
            status, words = self._call(['/bin/sh', scratch + '/hook', 'euca-nc-pre-boot', scratch, instance], scratch)
            if status != 0 or b'<cmdline>quiet' not in controller.read(instance + '/libvirt.xml'):
                printed = controller.read(instance + '/console.append.log').decode('utf-8', 'replace')
                raise TrialFailed('; '.join((words + printed).split('\n')).strip('; ') or 'status {0}'.format(status))
        finally:
            shutil.rmtree(scratch)

    def _call(self, arguments, scratch):
        # type: (list[str], str) -> tuple[int, str]
        """Run a program as the node controller's user; return (exit status, output without the scratch directory's name)."""
        process = subprocess.Popen(
            arguments,
            cwd='/',
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={'PATH': os.pathsep.join(controller.HOOK_PATH), 'TMPDIR': scratch},
            preexec_fn=functools.partial(become, self.account) if self.account else None,
        )
        words = process.communicate()[0].decode('utf-8', 'replace').replace(scratch, '')
        return process.returncode, words

    def _give(self, path):
        # type: (str) -> None
        if self.account:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)


def become(account):
    # type: (pwd.struct_passwd) -> None
    """Give this process, which belongs to root, to an account."""
    os.setgroups(controller.groups_of(account))
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


def remove(scratch):
    # type: (str) -> None
    """Remove the scratch directory of a killed run, once the processes that it started there have ended."""
    wait_for_calls(scratch)
    files.remove(scratch)


def wait_for_calls(hook):
    # type: (str) -> None
    """Wait until the present calls of a hook, or of programs below a directory, have ended."""
    running = calls_in_flight(hook)
    deadline = time.time() + IN_FLIGHT_TIMEOUT
    while running & calls_in_flight(hook) and time.time() < deadline:
        time.sleep(0.02)


def calls_in_flight(hook):
    # type: (str) -> set[str]
    """Return the process IDs of the present calls of a hook, or of programs below a directory."""
    found = set()
    for name in os.listdir('/proc'):
        if name.isdigit():
            words = controller.read('/proc/{0}/cmdline'.format(name)).split(b'\0')
            # /bin/sh PATH EVENT ...; a packaged node's $EUCALYPTUS is "/", so the path then begins with "//"
            paths = [word.decode('utf-8', 'replace').replace('//', '/') for word in words[:3]]
            if any(path == hook or path.startswith(hook + '/') for path in paths):
                found.add(name)
    return found
