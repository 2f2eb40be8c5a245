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
NUMBER = re.compile(r'^\W*packages: (?P<number>\d+)$')


class Packages:
    """The packages that a console has named so far."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], None] = {}  # a set in order
        self._number: int | None = None

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
        if path:
            listed = [dict(zip(('name', 'version', 'arch'), package, strict=True)) for package in self._found]
            Path(path).write_text(json.dumps(listed, indent=1) + '\n', encoding='utf-8')
        return len(self._found)

    @property
    def problem(self) -> str | None:
        """A sentence if lines of the list are missing, because something else was written into them."""
        if self._number is None or len(self._found) == self._number:
            return None
        return f'Of the {self._number} installed packages, the console shows only {len(self._found)}. The list is incomplete.'
