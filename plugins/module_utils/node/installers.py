# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernels and ramdisks of installers on a node, for instances that install themselves.

An installer is a directory with the files ``kernel`` and ``ramdisk``. The hook requires that it has the owner of the hook's
configuration and that everyone can read the files. It ignores the owner of the files, because libvirt changes that to QEMU's user
while a guest runs.
Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re
import shutil
import stat
import tempfile

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import errors, files

TYPE_CHECKING = False  # Python 2.7 has no typing, so types are in comments
if TYPE_CHECKING:
    import typing as t

    Sums = t.Dict[str, str]  # of an installer's parts: {part: sha256}
    Notes = t.Dict[str, t.List[t.Any]]  # of an installer's parts: {part: [sha256, size, mtime, inode]}
    Label = t.Callable[[str, str], object]  # called as label(final path, temporary path), sets the security context

PARTS = ('kernel', 'ramdisk')


class InvalidInstaller(errors.NodeError):
    """An installer whose description is wrong, whose path is occupied, or whose files arrived damaged."""


def wanted(items, directory):
    # type: (list[dict[str, str]], str) -> dict[str, Sums]
    """Return {path: {part: sha256}} of the module's option ``installers``, for the node's ``directory`` of installers."""
    found = {}
    for each in items:
        if not re.match(r'[a-z0-9_-][a-z0-9._-]*\Z', each['name']):
            raise InvalidInstaller(
                '{0} is not a valid name of an installer. Names consist of a-z 0-9 . _ - and do not begin with a dot.'.format(
                    each['name']
                )
            )
        sums = {part: each[part + '_sha256'].lower() for part in PARTS}
        for part in PARTS:
            if not re.match(r'[0-9a-f]{64}\Z', sums[part]):
                raise InvalidInstaller('{0}_sha256 of the installer {1} is not a SHA-256 sum.'.format(part, each['name']))
        found[os.path.join(directory, each['name'])] = sums
    return found


class Installers:
    """``noted`` is the last run's record: {path of an installer: {part: [sha256, size, mtime, inode]}}.

    A file with the recorded size, mtime and inode is not read again, because ramdisks are big and only root can write there.
    """

    def __init__(self, noted):
        # type: (dict[str, Notes]) -> None
        self.noted = noted
        self.seen = {}  # type: dict[str, Notes]

    def digests(self, path):
        # type: (str) -> dict[str, str | None]
        """Return {part: sha256} of an installer. The value is None for a part that is missing or that the hook would refuse."""
        nothing = dict.fromkeys(PARTS)
        try:
            found = os.lstat(path)
        except OSError:
            return nothing
        if not stat.S_ISDIR(found.st_mode):
            raise InvalidInstaller('{0} exists and is not a directory. Remove it to deploy the installer.'.format(path))
        if found.st_mode & 0o022 or found.st_uid != os.geteuid():
            return nothing
        return {part: self._digest(path, part) for part in PARTS}

    def _digest(self, installer, part):
        # type: (str, str) -> str | None
        path = os.path.join(installer, part)
        try:
            found = os.lstat(path)
        except OSError:
            return None
        if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o022 or not found.st_mode & 0o004:
            return None
        identity = [found.st_size, int(found.st_mtime), found.st_ino]
        known = self.noted.get(installer, {}).get(part)
        digest = known[0] if known and known[1:] == identity else files.sha256_of(path)
        self.seen.setdefault(installer, {})[part] = [digest] + identity
        return digest

    def install(self, path, wanted, uploads, label=None):
        # type: (str, Sums, dict[str, str], Label | None) -> None
        """Put {part: sha256} in place, from ``uploads`` ({sha256: path}) or, for a part that is present already, from there."""
        present = self.digests(path)
        place = os.path.dirname(path)
        files.make_directory(place)
        staged = tempfile.mkdtemp(prefix=files.PREFIX, dir=place)
        try:
            for part in PARTS:
                source = os.path.join(path, part) if present[part] == wanted[part] else uploads[wanted[part]]
                stage(source, os.path.join(staged, part), wanted[part])
                if label:
                    label(os.path.join(path, part), os.path.join(staged, part))
            os.chmod(staged, 0o755)
            if label:
                label(path, staged)
            files.exchange_directory(staged, path, place)
        except BaseException:
            files.remove(staged)
            raise
        self.noted.pop(path, None)
        self.digests(path)

    def remove(self, path):
        # type: (str) -> None
        """Remove an installer, in one step."""
        if os.path.isdir(path) and not os.path.islink(path):
            away = tempfile.mkdtemp(prefix=files.PREFIX, dir=os.path.dirname(path))
            os.rename(path, away)
            files.remove(away)
        self.seen.pop(path, None)


def stage(source, path, sha256):
    # type: (str, str, str) -> None
    """Copy a file. Raises InvalidInstaller when the copy has another SHA-256 sum."""
    with open(source, 'rb') as original, open(path, 'wb') as copy:
        shutil.copyfileobj(original, copy, 1 << 20)
        copy.flush()
        os.fsync(copy.fileno())
    os.chmod(path, 0o644)
    found = files.sha256_of(path)
    if found != sha256:
        raise InvalidInstaller('A file arrived on the node with the SHA-256 sum {0} instead of {1}.'.format(found, sha256))
