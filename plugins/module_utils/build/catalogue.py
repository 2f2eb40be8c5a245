# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of operating systems: from a name such as fedora-43 to all that its installer needs.

The data are in roles/image_build/catalogue, one file per family. A file has `common` fields and `systems`; a system has fields
and `versions`. Each version continues the one before it and has only what is different. A version newer than all of
them has the fields of the newest. `docs/systems.md` describes the fields.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import remote
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.catalogue_fields import REQUIRED, problems_of
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.checks import nearest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

HELP = 'help'
# Words of boot parameters. The role replaces INSTALL-URL and ANSWER-FILE-URL, which users may set and only the installer's start
# decides.
ISO_URL, CONSOLE = 'ISO-URL', 'CONSOLE'
MIRROR_HOST, MIRROR_DIRECTORY = 'MIRROR-HOST', 'MIRROR-DIRECTORY'
SERIAL_LAST, SCREEN_LAST = 'console=tty0 console=ttyS0,115200', 'console=ttyS0,115200 console=tty0'
MOST_LISTED = 8  # versions; beyond that a message has the first and the last
Entry = dict[str, t.Any]


class CatalogueError(CollectionError):
    """A system that is not in the catalogue, or an entry that cannot be used. The message names the variable."""


class Catalogue:
    """The entries of these files (their contents), changed by the user's ``changes``: fields by name of a system or an entry."""

    def __init__(self, files: t.Iterable[t.Mapping[str, t.Any]], changes: t.Mapping[str, t.Any]) -> None:
        self._changes = {str(name): fields for name, fields in changes.items()}
        self._systems = {name: _system(file, name) for file in files for name in file['systems']}
        problems = [problem for name, fields in self._changes.items() for problem in self._wrong(name, fields)]
        if problems:
            raise CatalogueError(' '.join(f'image_build_catalogue: {problem}.' for problem in problems))

    def names(self) -> list[str]:
        """All entries in the order of the files, and then the user's own."""
        own = [name for name in self._changes if name not in self._systems]
        known = [f'{name}-{version}' if version else name for name, versions in self._systems.items() for version in versions]
        return known + [name for name in own if name not in known]

    def entry(self, name: str) -> Entry:
        """The fields of an entry, with `version` and `newer_than`: empty, or the version whose fields it takes.

        Raises CatalogueError.
        """
        change = self._changes.get(name, {})
        found = {**(self.entry(change['like']) if 'like' in change else self._known(name))}
        if {'tree', 'kernel', 'ramdisk'} & set(change):
            found.pop('sha256', None)  # the sums of other files
        found |= change
        found.setdefault('version', '')
        found.setdefault('newer_than', '')
        missing = [field for field in REQUIRED if field not in found]
        if missing:
            raise CatalogueError(
                f'image_build_catalogue: the entry {name} lacks {", ".join(missing)}. Add them, or `like`, the name of a similar '
                'entry.'
            )
        return found

    def _known(self, name: str) -> Entry:
        system = max((one for one in self._systems if f'{name}-'.startswith(f'{one}-')), key=len, default='')
        version = name[len(system) + 1 :]
        versions = self._systems.get(system, {})
        common = self._changes.get(system, {}) if system != name else {}
        if system and version in versions:
            return {**versions[version], **common, 'version': version}
        if not system or not version or '' in versions:
            if name in self._changes:
                return {}
            raise CatalogueError(self._unknown(name))
        newest = list(versions)[-1]
        if not _is_newer(version, newest):
            if name in self._changes:
                return {}
            raise CatalogueError(
                f'image_build_os: the catalogue has no version {version} of {system}. It has {_listed(system, versions)}. '
                'Add it with image_build_catalogue (docs/systems.md).'
            )
        if versions[newest].get('last'):
            raise CatalogueError(
                f'image_build_os: {newest} was the last version of {system}, so there is no {name}. Similar names are '
                f'{", ".join(nearest(name, self.names()))}.'
            )
        if _needs_suite(versions[newest]) and 'suite' not in self._changes.get(name, {}):
            raise CatalogueError(
                f'image_build_os: {name} is newer than {newest}, the newest version in the catalogue, and the directory of its '
                f'installer follows from its code name. Set image_build_catalogue to {{{name}: {{suite: CODE-NAME}}}}.'
            )
        return {**_without_sums(versions[newest]), **common, 'version': version, 'newer_than': newest}

    def _unknown(self, name: str) -> str:
        if name in self._systems:
            return f'image_build_os: {name} has no version. The catalogue has {_listed(name, self._systems[name])}.'
        return (
            f'image_build_os: {name} is not in the catalogue. Similar names are {", ".join(nearest(name, self.names()))}. '
            '`-e image_build_os=help` prints all.'
        )

    def _wrong(self, name: str, fields: t.Any) -> list[str]:
        if not isinstance(fields, dict):
            return [f'{name} must be a dictionary of fields']
        problems = [f'{name}: {problem}' for problem in problems_of(fields)]
        like = fields.get('like')
        if like is not None and (like in self._changes or not problems and not self._exists(like)):
            problems.append(f'{name}: like must be the name of an entry of the collection, not {like!r}')
        return problems

    def _exists(self, name: str) -> bool:
        try:
            return bool(self._known(name))
        except CatalogueError:
            return False


def _system(file: t.Mapping[str, t.Any], name: str) -> dict[str, Entry]:
    """The entries of a system by version, in the order of the file; by '' if it has no versions."""
    fields = dict(file['systems'][name])
    versions: dict[str, Entry] = fields.pop('versions', {'': {}})
    entry = {**file.get('common', {}), **fields}
    found = {}
    for version, difference in versions.items():
        entry = {**_without_sums(entry), **difference}
        found[version] = entry
    return found


def _without_sums(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name != 'sha256'}


def _needs_suite(entry: Entry) -> bool:
    return any('{suite}' in entry.get(field, '') for field in ('tree', 'kernel', 'ramdisk', 'checksums'))


def _is_newer(version: str, newest: str) -> bool:
    if not re.fullmatch(r'[0-9]+(\.[0-9]+)*', version):
        return False
    return [int(part) for part in version.split('.')] > [int(part) for part in newest.split('.')]


def _listed(system: str, versions: t.Iterable[str]) -> str:
    names = [f'{system}-{version}' for version in versions]
    return ', '.join(names) if len(names) <= MOST_LISTED else f'{names[0]} to {names[-1]}'


def resolve(entry: Entry, name: str, architecture: str, mirror: str) -> Entry:
    """The entry with all its words filled in.

    Further keys: ``os``; ``name``, for the image; ``sha256``, the reviewed sums of this architecture, by part, or empty;
    ``bases``, the mirrors that may have the files, in their order; ``official``, the distribution's own of these. ``mirror`` is the
    user's, or empty. Raises CatalogueError.
    """
    if architecture not in entry['architectures']:
        raise CatalogueError(
            f'image_build_architecture: {name} has no installer for {architecture}, only for '
            f'{" and ".join(entry["architectures"])}.'
        )
    base = (mirror or entry['mirror']).rstrip('/')
    words = {
        'version': entry['version'],
        'arch': entry['architectures'][architecture],
        'suite': entry.get('suite', ''),
        'mirror': base,
    }
    words['tree'] = _filled(entry['tree'], words)
    filled = {key: _filled(value, words) if isinstance(value, str) else value for key, value in entry.items()}
    official = [one.rstrip('/') for one in (filled['mirror'], filled.get('archive', '')) if one]
    return {
        **filled,
        'os': name,
        'name': re.sub('[^a-z0-9-]', '-', name),
        'sha256': entry.get('sha256', {}).get(architecture, {}),
        'bases': [base] if mirror else official,
        'official': official,
    }


def located(system: Entry, base: str, **found: str) -> Entry:
    """The system as the role's defaults use it, with the URLs below this mirror.

    ``found`` are results of the look-up of its media: ``kernel`` and ``ramdisk``, ``kernel_checksum`` and ``ramdisk_checksum``,
    ``iso_url``.
    """

    def url(path: str) -> str:
        return f'{base}/{path}' if path and base else ''

    host, _slash, directory = base.partition('://')[2].partition('/')
    words = {
        ISO_URL: found.get('iso_url') or url(system.get('iso', '')),
        MIRROR_HOST: host,
        MIRROR_DIRECTORY: f'/{directory}',
    }
    consoles = {'unattended': SERIAL_LAST, 'interactive': SERIAL_LAST, 'display': SCREEN_LAST}
    boot_params = {}
    for kind, console in consoles.items():
        text = system['unattended' if kind == 'unattended' else 'interactive']
        for word, value in {CONSOLE: console, **words}.items():
            text = text.replace(word, value)
        boot_params[kind] = text
    return {
        **{key: system[key] for key in ('os', 'name', 'answer_file', 'memory')},
        'kickstart_version': system.get('kickstart_version', ''),
        'cloud_init': system.get('cloud_init', False),
        'keyring': system.get('keyring', ''),
        'installer_family': system['installer'],
        'kernel': url(system['kernel']),
        'ramdisk': url(system['ramdisk']),
        'kernel_checksum': '',
        'ramdisk_checksum': '',
        'install_url': url(system['tree']).rstrip('/') or base,
        'boot_params': boot_params,
        **({'login_prompt': system['login_prompt']} if 'login_prompt' in system else {}),
        **found,
    }


def _filled(text: str, words: t.Mapping[str, str]) -> str:
    return re.sub(r'\{(\w+)\}', lambda word: words.get(word[1], word[0]), text)


def remarks(system: Entry) -> list[str]:
    """Sentences for a person who builds this system."""
    found = []
    if system['newer_than']:
        found.append(
            f'image_build_os: {system["os"]} is newer than the catalogue, so the entry of version {system["newer_than"]} is used.'
        )
    if system['processor'] != 'x86-64-v1':
        found.append(
            f'{system["os"]} needs a processor of the level {system["processor"]}, for its installer and for the image. The cloud '
            'does not list the levels of its processors. On a lower one, or with the model of a lower one in libvirt.xsl, the '
            "installer's kernel panics."
        )
    return found


def table(catalogue: Catalogue, templates: t.Container[str]) -> list[dict[str, str]]:
    """One row for each entry, for `-e image_build_os=help` and docs/systems.md. ``templates`` are those that the role has."""
    rows = []
    for name in catalogue.names():
        entry = catalogue.entry(name)
        way = remote.way_of(entry['installer'], _filled(entry.get('kickstart_version', ''), entry))
        rows.append(
            {
                'name': name,
                'architectures': ', '.join(entry['architectures']),
                'installer': entry['installer'],
                'answer file': entry['answer_file'] if entry['answer_file'] in templates else 'your own',
                'by hand': way.interface if way else 'display',
                'memory': str(entry['memory']),
                'processor': entry['processor'],
                'disk label': entry['disk_label'],
                'network card': entry['network_names'],
                'trust': 'reviewed' if 'sha256' in entry else entry['trust'],
                'proof': entry['proof'],
                'note': entry.get('note', ''),
            }
        )
    return rows
