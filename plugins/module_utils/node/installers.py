# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installers' kernels and ramdisks that are kept on a node for instances that install themselves.

An installer is a directory with the files ``kernel`` and ``ramdisk``. The hook demands that it is owned like the hook's own
configuration and that all may read the files; the files' owner is libvirt's business, which gives them to QEMU while a guest runs.
Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import shutil
import stat
import tempfile

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import files

PARTS = ('kernel', 'ramdisk')


class Unusable(Exception):
    """What is there is in the way, or what was sent is not what was asked for."""


class Installers:
    """``noted`` is what the last run saw: {path of an installer: {part: [sha256, size, mtime, inode]}}.

    A file whose size, mtime and inode are those noted is not read again: ramdisks are big, and the directory is root's.
    """

    def __init__(self, noted):
        self.noted = noted
        self.seen = {}

    def digests(self, path):
        """{part: sha256} of an installer as it is; a part that is missing or is not as the hook wants it has None."""
        nothing = dict.fromkeys(PARTS)
        try:
            found = os.lstat(path)
        except OSError:
            return nothing
        if not stat.S_ISDIR(found.st_mode):
            raise Unusable('{0} is in the way: it is not a directory'.format(path))
        if found.st_mode & 0o022 or found.st_uid != os.geteuid():
            return nothing
        return {part: self._digest(path, part) for part in PARTS}

    def _digest(self, installer, part):
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
        """Put {part: sha256} in place, from ``uploads`` ({sha256: path}) or, where a part is there already, from there.

        ``label`` is called as label(final path, temporary path).
        """
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
        """Remove an installer; it is out of sight at once."""
        if os.path.isdir(path) and not os.path.islink(path):
            away = tempfile.mkdtemp(prefix=files.PREFIX, dir=os.path.dirname(path))
            os.rename(path, away)
            files.remove(away)
        self.seen.pop(path, None)


def stage(source, path, sha256):
    """Copy a file and make sure that the copy is the one that is meant."""
    with open(source, 'rb') as original, open(path, 'wb') as copy:
        shutil.copyfileobj(original, copy, 1 << 20)
        copy.flush()
        os.fsync(copy.fileno())
    os.chmod(path, 0o644)
    found = files.sha256_of(path)
    if found != sha256:
        raise Unusable('the sha256 of what arrived on the node is {0}, not {1}'.format(found, sha256))
