# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what was deployed on a node, from which the next run finds what an interrupted one left.

Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import controller, files

TYPE_CHECKING = False  # Python 2.7 has no typing, so types are in comments
if TYPE_CHECKING:
    import typing as t  # noqa: F401
    from ansible_collections.eucalyptus.cloud.plugins.module_utils.node.installers import Notes  # noqa: F401

NAME = 'deployed.json'


class Record:
    """The record in a node's configuration ``directory``; empty if it does not exist or is damaged.

    ``release``: version of the collection that deployed the hook. ``files``: names in that directory. ``installers``: {path: {part:
    [sha256, size, mtime, inode]}}, without parts for an installer that has only been announced.
    """

    def __init__(self, directory):
        # type: (str) -> None
        self.directory = directory
        self.path = os.path.join(directory, NAME)
        try:
            found = json.loads(controller.read(self.path).decode('utf-8'))
        except ValueError:
            found = {}
        self.release = found.get('release', '')  # type: str
        self.files = found.get('files', [])  # type: list[str]
        self.installers = found.get('installers', {})  # type: dict[str, Notes]

    def write(self, release, names, installers):
        # type: (str, t.Iterable[str], dict[str, Notes]) -> None
        """Replace the record."""
        self.release, self.files, self.installers = release, sorted(names), installers
        record = {'release': self.release, 'files': self.files, 'installers': self.installers}
        content = json.dumps(record, indent=1, sort_keys=True).encode('utf-8') + b'\n'
        wanted = files.Wanted(self.path, content, 0o600)
        if wanted.differs():
            files.make_directory(self.directory)
            wanted.write(self.directory)
