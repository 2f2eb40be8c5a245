# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing files on a node in one step: a reader finds the old file or the new one at any moment.

Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import errors

TYPE_CHECKING = False  # Python 2.7 has no typing, so types are in comments
if TYPE_CHECKING:
    import typing as t  # noqa: F401

PREFIX = '.nc_hook.'  # of all temporary files, so that the next run finds those of an interrupted one
LOCK_TIMEOUT = 120
EXCHANGE = 2  # renameat2(2), RENAME_EXCHANGE
AT_FDCWD = -100


class NodeLocked(errors.NodeError):
    """Another run works on the same node."""


class Wanted:
    """A file as it should be: content (bytes), permission bits, group id (None: the writer's own)."""

    def __init__(self, path, content, mode=0o644, gid=None):
        # type: (str, bytes, int, int | None) -> None
        self.path = path
        self.content = content
        self.mode = mode
        self.uid = 0 if os.geteuid() == 0 else None
        self.gid = 0 if gid is None and os.geteuid() == 0 else gid

    def differs(self):
        # type: () -> list[str]
        """Return the differences: a list of 'content', 'mode' and 'owner', or ['missing'] or ['type'] alone."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return ['missing']
        if not stat.S_ISREG(found.st_mode):
            return ['type']
        with open(self.path, 'rb') as stream:
            differences = ['content'] if stream.read() != self.content else []
        if stat.S_IMODE(found.st_mode) != self.mode:
            differences.append('mode')
        if self.uid not in (None, found.st_uid) or self.gid not in (None, found.st_gid):
            differences.append('owner')
        return differences

    def write(self, staging, label=None):
        # type: (str, t.Callable[[str], object] | None) -> None
        """Put the file in place by rename from ``staging``, a directory of the same filesystem whose files nobody runs.
        ``label``, called with the temporary file, sets its security context."""
        descriptor, temporary = tempfile.mkstemp(prefix=PREFIX, dir=staging)
        try:
            with os.fdopen(descriptor, 'wb') as stream:
                stream.write(self.content)
                if self.gid is not None:
                    os.fchown(stream.fileno(), -1 if self.uid is None else self.uid, self.gid)
                os.fchmod(stream.fileno(), self.mode)
                stream.flush()
                os.fsync(stream.fileno())
            if label:
                label(temporary)
            os.rename(temporary, self.path)
        except BaseException:
            remove(temporary)
            raise
        sync_directory(os.path.dirname(self.path))


def exchange_directory(new, path, staging):
    # type: (str, str, str) -> None
    """Replace the directory ``path`` with ``new``, in one step where kernel and C library support it, and remove the old one."""
    if os.path.lexists(path) and not _exchange(new, path):
        new, coming = tempfile.mkdtemp(prefix=PREFIX, dir=staging), new
        os.rename(path, new)  # over the empty directory
        os.rename(coming, path)
    elif not os.path.lexists(path):
        os.rename(new, path)
    sync_directory(os.path.dirname(path))
    remove(new)


def _exchange(one, other):
    # type: (str, str) -> bool
    try:
        renameat2 = ctypes.CDLL(None).renameat2  # glibc 2.28 and later
    except (AttributeError, OSError):
        return False
    status = renameat2(AT_FDCWD, one.encode('utf-8'), AT_FDCWD, other.encode('utf-8'), EXCHANGE)  # type: int
    return status == 0


def remove(path):
    # type: (str) -> None
    """Remove a file, a link or a directory with its contents. A missing path is not an error."""
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise


def remove_if_empty(directory):
    # type: (str) -> None
    try:
        os.rmdir(directory)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise


def leftovers(directory):
    # type: (str) -> list[str]
    """Return the paths of temporary files that interrupted runs left in a directory."""
    if not os.path.isdir(directory):
        return []
    return [os.path.join(directory, name) for name in sorted(os.listdir(directory)) if name.startswith(PREFIX)]


def make_directory(path):
    # type: (str) -> None
    """Make a directory and its parents with mode 0755, independent of the umask. An existing directory keeps its mode."""
    if not os.path.isdir(path):
        make_directory(os.path.dirname(path))
        os.mkdir(path, 0o755)
        os.chmod(path, 0o755)


def sync_directory(path):
    # type: (str) -> None
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path):
    # type: (str) -> str
    digest = hashlib.sha256()
    with open(path, 'rb') as stream:
        for block in iter(lambda: stream.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def locked(directory, timeout=LOCK_TIMEOUT):
    # type: (str, float) -> t.Iterator[None]
    """Hold a lock on a directory, which ends with this process. Raises NodeLocked when another run holds it for ``timeout`` s."""
    descriptor = os.open(directory, os.O_RDONLY)
    deadline = time.time() + timeout
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except (IOError, OSError):
                if time.time() > deadline:
                    raise NodeLocked('Another run has held the lock on {0} for {1} seconds.'.format(directory, timeout))
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)
