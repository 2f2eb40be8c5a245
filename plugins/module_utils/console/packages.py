# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed packages, which the answer file's last command prints on the console.

roles/image_build/templates/packages.sh.j2 prints them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

PACKAGE = re.compile(r'^\W*package: (?P<name>\S+) (?P<version>\S+) (?P<arch>\S+)$')
NUMBER = re.compile(r'^\W*packages: (?P<number>[0-9]{1,9})$')  # more digits are not ours, and Python refuses thousands of them


class Packages:
    """The packages that a console has listed so far. After ``keep``, ``problem`` is a sentence if the list is incomplete."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], None] = {}  # a set in order
        self._number: int | None = None
        self.problem: str | None = None

    def take(self, lines: list[str]) -> list[str]:
        """Take the packages out of these lines and return the other lines: a package may have the name of a failure."""
        rest = []
        for line in lines:
            if package := PACKAGE.search(line):
                self._found[package['name'], package['version'], package['arch']] = None
            elif number := NUMBER.search(line):
                self._number = int(number['number'])
            else:
                rest.append(line)
        return rest

    def keep(self, path: str | None) -> int | None:
        """Write the list to a file, if one is given, and return the number of packages; None, and no file, without a list."""
        if self._number is None:
            return None
        if len(self._found) != self._number:  # something else was written into their lines
            self.problem = (
                f'Of the {self._number} installed packages, the console shows only {len(self._found)}. The list is incomplete.'
            )
        if path:
            listed = [dict(zip(('name', 'version', 'arch'), package, strict=True)) for package in self._found]
            try:
                Path(path).write_text(json.dumps(listed, indent=1) + '\n', encoding='utf-8')
            except OSError as error:  # the installation itself has succeeded
                self.problem = f'{path}: {error.strerror}. The list of the installed packages is not kept.'
        return len(self._found)
