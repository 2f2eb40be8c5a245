# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system that image_build_os names: its entry in the role's catalogue, and its media, found and verified on the controller."""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

import yaml
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import catalogue, checks
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.catalogue import Catalogue, CatalogueError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.catalogue_fields import PROOFS
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils import media

# The order of the table.
FILES = ('fedora', 'enterprise-linux', 'debian', 'ubuntu', 'suse', 'fai', 'lab')
COLUMNS = ('name', 'installer', 'answer file', 'by hand', 'memory', 'processor', 'trust', 'proof')
GIVEN = 'the checksum was given by the user'
LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)  # ten times as quick where PyYAML has it
HEADINGS = {'name': 'image_build_os', 'memory': 'MiB'}
Evaluate = t.Callable[[str, t.Mapping[str, t.Any]], t.Any]


def read(role: Path, changes: t.Mapping[str, t.Any]) -> Catalogue:
    """The catalogue of the role in this directory, with a user's changes. Raises CatalogueError."""
    files = [yaml.load((role / f'catalogue/{name}.yml').read_text(encoding='utf-8'), LOADER) for name in FILES]  # noqa: S506
    return Catalogue(files, changes)


def rows(role: Path, shown: Catalogue) -> list[dict[str, str]]:
    """The rows of the table; see `catalogue.table`."""
    return catalogue.table(shown, {path.name for path in (role / 'templates').iterdir()})


def help_lines(role: Path, shown: Catalogue) -> list[str]:
    """The table for a terminal, with the notes and the meaning of the levels below."""
    found = [{name: HEADINGS.get(name, name) for name in COLUMNS}, *rows(role, shown)]
    widths = {name: max(len(row[name]) for row in found) for name in COLUMNS}
    lines = ['  '.join(row[name].ljust(widths[name]) for name in COLUMNS).rstrip() for row in found]
    notes: dict[str, list[str]] = {}
    for row in found[1:]:
        notes.setdefault(row['note'], []).append(row['name'])
    lines += ['', *(f'{note}: {", ".join(names)}' for note, names in notes.items() if note)]
    return [*lines, '', *(f'proof "{level}": {meaning}' for level, meaning in PROOFS.items())]


class Systems:
    """The inputs that choose a system. ``evaluate`` returns the value of a variable, given the role's value for the system."""

    def __init__(self, role: Path, evaluate: Evaluate, no_system: t.Mapping[str, t.Any]) -> None:
        self._no_system = no_system
        self._evaluate = evaluate
        self.os = str(self._given('image_build_os') or '').strip()
        try:
            changes = checks.converted('image_build_catalogue', 'dict', self._given('image_build_catalogue'))
        except checks.Unconverted as error:
            raise CatalogueError(f'image_build_catalogue {error}.') from error
        self._role, self._changes = role, changes

    def _given(self, name: str) -> t.Any:
        return self._evaluate(name, self._no_system)

    @functools.cached_property
    def catalogue(self) -> Catalogue:
        return read(self._role, self._changes)

    def help_lines(self) -> list[str]:
        return help_lines(self._role, self.catalogue)

    def chosen(self) -> tuple[dict[str, t.Any], dict[str, t.Any], list[str]]:
        """The system as the role's defaults use it, the media's trust by part, and remarks. Raises CatalogueError, MediaError."""
        if not self.os:
            return dict(self._no_system), {}, []
        mirror = str(self._given('image_build_mirror') or '').strip().rstrip('/')
        problem = checks.mirror(mirror) if mirror else ''
        if problem:
            raise CatalogueError(f'image_build_mirror {problem}.')
        system = catalogue.resolve(self.catalogue.entry(self.os), self.os, self._given('image_build_architecture'), mirror)
        remarks = catalogue.remarks(system)
        base = system['bases'][0] if system['bases'] else ''
        located = {**self._no_system, **catalogue.located(system, base)}
        if not self._evaluate('image_build_install_url', located):
            raise CatalogueError(
                f'image_build_mirror is empty, and {self.os} has no public mirror: {system.get("note", "")}. Set it to the URL of '
                'the directory that has the files.'
            )
        wanted = self._wanted(located)
        if not any(wanted.values()):
            return located, dict.fromkeys(wanted, GIVEN), remarks
        cache = Path(self._evaluate('image_build_media_cache', located)).expanduser()
        found = media.look_up(system, self._evaluate('image_build_keyring', located), cache)
        trust = found.pop('trust')
        located = {**self._no_system, **catalogue.located(system, **found)}
        return located, {part: trust if wanted[part] else GIVEN for part in wanted}, remarks

    def _wanted(self, located: t.Mapping[str, t.Any]) -> dict[str, bool]:
        """By part of the installer that comes from the catalogue: whether its checksum is still unknown."""
        return {
            part: not self._evaluate(f'image_build_{part}_checksum', located)
            for part in media.PARTS
            if located[part] and self._evaluate(f'image_build_{part}', located) == located[part]
        }
