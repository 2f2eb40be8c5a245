# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the executables in etc/eucalyptus/nc-hooks by the rules of the played node controller (node/hooks.c)."""

from __future__ import annotations

import errno
import grp
import logging
import os
import pwd
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .model import NodeError

PRE_INIT = 'euca-nc-pre-init'
POST_INIT = 'euca-nc-post-init'
PRE_HYP_CHECK = 'euca-nc-pre-hyp-check'
PRE_BOOT = 'euca-nc-pre-boot'
PRE_ADOPT = 'euca-nc-pre-adopt'
PRE_CLEAN = 'euca-nc-pre-clean'
PRE_ATTACH = 'euca-nc-pre-attach'
POST_DETACH = 'euca-nc-post-detach'

# A node controller narrows its process-wide umask while it writes an instance.xml (node/xml.c), and a hook that another
# thread starts in that moment inherits it. Hooks must cope with that, so here they always get it.
HOOK_UMASK = 0o117
# Blocked in every thread (init in node/handlers.c), and the mask survives exec, so alarms in hooks have no effect.
BLOCKED = {signal.SIGUSR1, signal.SIGALRM}
# Until 3.4 a hook with such a status does not keep the next ones from running, but the status of the last one decides.
RESERVED = 100

log = logging.getLogger('eucalab.node.hooks')


class HookFailed(NodeError):
    """A hook ended with a non-zero status or by a signal, or could not be run: its event counts as refused."""


class Hooks:
    """The hooks of one node. Call :meth:`enable` once when the node starts."""

    def __init__(self, home: Path, user: str, by_shell: bool = False) -> None:
        """``by_shell``: a hook is run as a line for the shell, as until 3.4, instead of with arguments."""
        self.home = home
        self._by_shell = by_shell
        self.directory = home / 'etc/eucalyptus/nc-hooks'
        self._account = pwd.getpwnam(user)
        self._groups = os.getgrouplist(user, self._account.pw_gid)
        self._enabled = False

    def enable(self) -> None:
        """Look for the directory, once: a node that starts without it runs no hooks until it is started again.

        :raises NodeError: the user of the hooks cannot enter the directory, so every event would be refused
        """
        self._enabled = self.directory.is_dir()
        if not self._enabled:
            log.warning('no directory %s: hooks are off until this node is started again', self.directory)
        elif not self._may_enter():
            raise NodeError(
                f'no hook can run: the user {self._account.pw_name} cannot enter {self.directory}.'
                ' Make it and the directories above it accessible (chmod a+x) and start the node again'
            )

    def _may_enter(self) -> bool:
        test = ['test', '-x', str(self.directory)]
        return subprocess.run(test, env=self.environment(), check=False, **self._identity()).returncode == 0

    def call(self, event: str, parameter: str | Path) -> None:
        """Run every hook for an event; HookFailed at the first that fails; the others are then not run. No time limit."""
        if not self._enabled:
            return
        failed = ''
        for path in self._executables(event):
            status = self._run(path, event, str(parameter))
            how = f'signal {-status}' if status < 0 else f'status {status}'
            failed = f'hook {path.name} ended with {how} on {event}' if status else ''
            if failed and not (self._by_shell and status >= RESERVED):
                break
        if failed:
            raise HookFailed(failed)

    def _executables(self, event: str) -> Iterator[Path]:
        """Regular files with any x bit, dotfiles and backups too, symlinks followed, in the directory's own order."""
        try:
            names = [entry.name for entry in os.scandir(self.directory)]
        except OSError as error:
            raise HookFailed(f'hooks cannot be read on {event}: {error}') from error
        for name in names:
            path = self.directory / name
            try:
                mode = path.stat().st_mode
            except OSError:
                continue
            if stat.S_ISREG(mode) and mode & 0o111:
                yield path

    def _run(self, path: Path, event: str, parameter: str) -> int:
        """The exit status, negative for a signal; 255 when it cannot be executed (the forked child's exit(-1))."""
        arguments = [str(path), event, str(self.home), parameter]
        log.debug('executing %s', ' '.join(arguments))
        status = self._run_line(arguments) if self._by_shell else self._run_program(arguments)
        if status:
            log.error('cmd %s failed: %s', arguments, status)
        return status

    def _run_line(self, arguments: list[str]) -> int:
        """As system() runs it: there are no quotes, so a blank divides a path. WEXITSTATUS of a killed hook is 0, a success."""
        # exec: the /bin/sh of EL, bash, replaces itself by its last command.
        return max(0, self._execute(['/bin/sh', '-c', f'exec {" ".join(arguments)}']))

    def _run_program(self, arguments: list[str]) -> int:
        try:
            return self._execute(arguments)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                log.error('cmd %s failed: %s', arguments, error)
                return 255
            # execvp runs a file without a #! line in the shell.
            return self._execute(['/bin/sh', *arguments])

    def _execute(self, arguments: list[str]) -> int:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
        try:
            # Output is not captured: it goes to the node's log.
            child = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                cwd='/',
                env=self.environment(),
                umask=HOOK_UMASK,
                **self._identity(),
                start_new_session=True,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return child.wait()

    def _identity(self) -> dict[str, Any]:
        return {'user': self._account.pw_uid, 'group': self._account.pw_gid, 'extra_groups': self._groups}

    def environment(self) -> dict[str, str]:
        """A hook's environment: no HOME, no LANG, and the library path of the web server around a real node."""
        home = str(self.home)
        axis = f'{home}/usr/lib/axis2'
        path = [
            f'{home}/usr/share/eucalyptus',
            f'{home}/usr/sbin',
            f'{home}/usr/lib/eucalyptus',
            '/usr/local/sbin',
            '/usr/local/bin',
            '/usr/sbin',
            '/usr/bin',
            '/sbin',
            '/bin',
        ]
        libraries = [f'{axis}/lib', f'{axis}/modules/rampart', f'{home}/usr/lib/eucalyptus']
        return {'EUCALYPTUS': home, 'AXIS2C_HOME': axis, 'LD_LIBRARY_PATH': ':'.join(libraries), 'PATH': ':'.join(path)}


def describe_account(user: str) -> str:
    """The hook user with groups, for the log."""
    account = pwd.getpwnam(user)
    names = {group.gr_gid: group.gr_name for group in grp.getgrall()}
    groups = [names.get(number, str(number)) for number in os.getgrouplist(user, account.pw_gid)]
    return f'{user} ({", ".join(groups)})'
