# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node controller's directories in a scratch place, and the hook run in them as the node controller runs it."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tests.hook.hook_oracle import Policy
from tests.hook.hook_shapes import Shape

FILES = Path(__file__).resolve().parents[2] / 'roles' / 'nc_hooks' / 'files'
STYLESHEETS = ('get-user-data.xsl', 'insert-boot-params.xsl')
SHELLS = {
    'dash': ('/bin/dash',),
    'bash': ('/bin/bash', '--posix'),
    'mksh': ('/bin/mksh',),
    'busybox': ('/bin/busybox', 'ash'),
}
PRE_BOOT = 'euca-nc-pre-boot'
# what a node controller's processes really have (node/eucalyptus-node.in); the bait is for a hook that trusts them
ENVIRONMENT = {
    'PATH': '/usr/sbin:/usr/bin:/sbin:/bin',
    'LD_LIBRARY_PATH': '/opt/axis2c/lib',
    'GREP_OPTIONS': '-v',
    'CDPATH': '/',
    'LANG': 'C.UTF-8',
}
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of whatever outlives the hook, so that it is seen."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), 'prctl')


@dataclass
class Result:
    """code: exit status, or -signal. output: what the hook printed. left: whether a process outlived it."""

    code: int
    output: bytes
    left: bool


class World:
    """$EUCALYPTUS of one node: `home`, with an instance directory that `put` fills anew."""

    def __init__(self, place: Path, policy: Policy | None = None, files: Path = FILES) -> None:
        self.policy = policy or Policy()
        self.home = place / 'euca'
        self.cwd = place / 'cwd'
        self.out = place / 'out'
        self.directory = self.home / 'instances' / 'i-1'
        self.conf = self.home / 'etc' / 'eucalyptus' / 'bootparams'
        self.log = self.home / 'var' / 'log' / 'eucalyptus' / 'nc-hooks.log'
        self.hook = self.home / 'etc' / 'eucalyptus' / 'nc-hooks' / 'bootparams'
        for directory in (self.conf, self.log.parent, self.hook.parent, self.directory, self.cwd):
            directory.mkdir(parents=True)
        (self.cwd / 'console=bait').write_bytes(b'')
        for name in STYLESHEETS:
            shutil.copy(files / name, self.conf / name)
        shutil.copy(files / 'bootparams', self.hook)
        (self.conf / 'policy.conf').write_text(self.policy.text())
        for name in self.policy.good_installers:
            self.add_installer(name)
        self.shape = Shape()
        self.user_data = ''

    @property
    def libvirt_file(self) -> Path:
        return self.directory / self.shape.file_name

    @property
    def tenant_log(self) -> Path:
        return self.directory / 'console.append.log'

    def add_installer(self, name: str) -> Path:
        directory = self.home / 'var' / 'lib' / 'eucalyptus' / 'installers' / name
        directory.mkdir(parents=True)
        directory.chmod(0o755)
        for file in (directory / 'kernel', directory / 'ramdisk'):
            file.write_bytes(b'bits')
            file.chmod(0o644)
        return directory

    def put(self, shape: Shape, user_data: str, libvirt: bytes | None = None) -> None:
        """Make the instance directory anew; user_data is what stands in <userData>."""
        for entry in os.scandir(self.directory):
            os.unlink(entry.path)
        self.log.unlink(missing_ok=True)
        self.shape, self.user_data = shape, user_data
        self.domain = shape.libvirt_xml() if libvirt is None else libvirt
        (self.directory / 'instance.xml').write_bytes(shape.instance_xml(user_data))
        self.libvirt_file.write_bytes(self.domain)
        self.libvirt_file.chmod(0o644)

    def start(self, shell: str = 'dash', event: str = PRE_BOOT, directory: str | None = None) -> int:
        """Start the hook and give its process id."""
        argv = [*SHELLS[shell], str(self.hook), event, f'{self.home}/', str(self.directory) if directory is None else directory]
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions = [(os.POSIX_SPAWN_OPEN, 1, str(self.out), flags, 0o600), (os.POSIX_SPAWN_DUP2, 1, 2)]
        os.chdir(self.cwd)
        environment = {**ENVIRONMENT, 'HOME': str(self.cwd), 'TMPDIR': str(self.cwd)}
        return os.posix_spawn(argv[0], argv, environment, file_actions=actions)

    def run(self, shell: str = 'dash', event: str = PRE_BOOT, directory: str | None = None) -> Result:
        """Run the hook to its end."""
        others = children()  # of the tests, a lab for example
        pid = self.start(shell, event, directory)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return Result(code, self.out.read_bytes(), orphans(others))

    def snapshot(self) -> dict[str, tuple[int, bytes]]:
        """Give mode and content of every file below the world, and of every directory its mode."""
        seen: dict[str, tuple[int, bytes]] = {}
        waiting = [str(self.home), str(self.cwd)]
        for path in waiting:
            with os.scandir(path) as entries:
                for entry in entries:
                    mode = entry.stat(follow_symlinks=False).st_mode
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    seen[entry.path] = (mode, content(entry))
        return seen


def content(entry: os.DirEntry[str]) -> bytes:
    if not entry.is_file(follow_symlinks=False):
        return b''
    with open(entry.path, 'rb', buffering=0) as file:
        return file.read()


def orphans(others: Collection[int] = ()) -> bool:
    """Whether a process outlived the hook, which is ended; ``others`` are children that the hook did not start."""
    found = False
    while left := [child for child in children() if child not in others]:
        found = True
        for child in left:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return found


def children() -> list[int]:
    text = Path(f'/proc/self/task/{os.getpid()}/children').read_text()
    return [int(pid) for pid in text.split()]
