# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ini files of euca2ools, read as euca2ools reads them.

The format is that of euca2ools.ini(5), as implemented by requestbuilder's config.py on Python 2's ConfigParser: inline
comments behind a blank and a semicolon, continued lines, `%(name)s`, and a `DEFAULT` section. Beyond that a byte-order
mark and Windows' line ends are accepted, and a `%` that begins neither `%%` nor `%(name)s` stands for itself.
"""

from __future__ import annotations

import glob
import itertools
import os
import re
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

HEADING = re.compile(r'\[([^]]+)\]')
OPTION = re.compile(r'([^:=\s][^:=]*)\s*[:=]\s*(.*)$')
REFERENCE = re.compile(r'%(%|\(([^)]+)\)s)')
FILES = ('/etc/euca2ools/euca2ools.ini', '/etc/euca2ools/conf.d/*.ini', '~/.euca/*.ini')
TRUE, FALSE = ('true', '1', 'yes', 'on'), ('false', '0', 'no', 'off')
DEPTH = 10  # of references in values, as ConfigParser

Sections = dict[str, dict[str, str]]


class IniError(CollectionError):
    """Ini files that euca2ools would refuse. The message names the file or the section, and no value."""


class Configuration:
    """All files together; a later file replaces single options of an earlier one."""

    def __init__(self, texts: t.Iterable[tuple[str, str]]) -> None:
        """``texts``: name and content of each file, in euca2ools' order. Raises IniError."""
        raw: Sections = {}
        for name, text in texts:
            _read(name, text, raw)
        defaults = raw.pop('DEFAULT', {})
        self.globals: dict[str, str] = {}
        self._named: dict[str, Sections] = {'region': {}, 'user': {}}
        for heading, options in raw.items():
            section = {**defaults, **options}
            if heading == 'global':
                self.globals = {option: _interpolated(value, section) for option, value in section.items()}
            for kind, sections in self._named.items():
                if heading.startswith(f'{kind} '):
                    sections[_checked_name(heading)] = section

    def region_option(self, region: str, option: str) -> str | None:
        """The value that applies to a region, None without one. Raises IniError."""
        return self._find('region', region, option, ())

    def user_option(self, user: str, option: str) -> str | None:
        """The same for a user."""
        return self._find('user', user, option, ())

    def _find(self, kind: str, name: str, option: str, seen: tuple[tuple[str, str], ...]) -> str | None:
        """From the most to the least specific section: the name itself with more and more of its parts replaced by `*`,
        the same for the one name that ends with it, and at last `*`."""
        if (name, option) in seen:
            raise IniError(f'The option {option} of [{kind} {name}] refers to itself through "use".')
        seen = (*seen, (name, option))
        sections, parts = self._named[kind], name.split(':')
        for kept in itertools.product((True, False), repeat=len(parts)):
            candidate = ':'.join(part if keep else '*' for part, keep in zip(parts, kept, strict=True))
            if candidate != '*' and option in sections.get(candidate, {}):
                return self._value(kind, candidate, option, seen)
        longer = self._prefixed(kind, name)
        if longer:
            return self._find(kind, longer, option, seen)
        return self._value(kind, '*', option, seen) if option in sections.get('*', {}) else None

    def _prefixed(self, kind: str, name: str) -> str | None:
        """The shortest longer name that ends with this one: dom:r for r."""
        parts = name.split(':')
        found = [one for one in self._named[kind] if one.count(':') >= len(parts) and one.split(':')[-len(parts) :] == parts]
        shortest = [one for one in found if one.count(':') == min(other.count(':') for other in found)]
        if len(shortest) > 1:
            raise IniError(f'The {kind} {name} is ambiguous: use one of {", ".join(sorted(shortest))}.')
        return shortest[0] if shortest else None

    def _value(self, kind: str, name: str, option: str, seen: tuple[tuple[str, str], ...]) -> str | None:
        section = self._named[kind][name]
        value = _interpolated(section[option], section)
        if not value.startswith('use '):
            return value
        _use, *target = value.split()
        if not target:
            raise IniError(f'The option {option} of [{kind} {name}] has "use" without the name of a section.')
        return self._find(kind, target[0], target[1] if len(target) > 1 else option, seen)


def read_configuration(environ: t.Mapping[str, str]) -> Configuration:
    """Read the files that euca2ools would read with this environment. Raises IniError."""
    patterns = environ['EUCA_CONFIG_PATH'].split(':') if 'EUCA_CONFIG_PATH' in environ else FILES
    paths = [path for pattern in patterns for path in sorted(glob.glob(expanded(pattern, environ)))]
    return Configuration((path, _content(path)) for path in paths if os.path.isfile(path))


def split_region(text: str | None) -> tuple[str, str]:
    """User and region of `[USER@][REGION]`, each '' where the text does not name it."""
    text = text or ''
    if text.endswith('@'):
        return text.rstrip('@'), ''
    user, at, region = text.partition('@')
    return (user, region) if at else ('', text)


def boolean(value: str, where: str) -> bool:
    """A value as true or false. Raises IniError, which names ``where``."""
    if value.lower() not in (*TRUE, *FALSE):
        raise IniError(f'{where} must be true or false.')
    return value.lower() in TRUE


def expanded(path: str, environ: t.Mapping[str, str]) -> str:
    """A path with `$NAME`, `${NAME}` and a leading `~` replaced; what is not set stays as written."""
    path = re.sub(r'\$(?:(\w+)|\{([^}]*)\})', lambda match: environ.get(match[1] or match[2], match[0]), path)
    if path == '~' or path.startswith('~/'):
        return (environ.get('HOME') or os.path.expanduser('~')) + path[1:]
    return os.path.expanduser(path)


def _content(path: str) -> str:
    try:
        with open(path, encoding='utf-8-sig', newline='') as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise IniError(f'Cannot read {path}: it is not UTF-8 text.') from error
    except OSError as error:
        raise IniError(f'Cannot read {path}: {error.strerror}.') from error


def _read(name: str, text: str, sections: Sections) -> None:
    section: dict[str, str] | None = None
    option = ''
    # ConfigParser takes only a newline for a line end.
    for number, line in enumerate(text.removeprefix('\ufeff').replace('\r\n', '\n').split('\n'), 1):
        if not line.strip() or line[0] in '#;' or line[0] in 'rR' and line.split()[0].lower() == 'rem':
            continue
        if line[0].isspace() and section is not None and option:
            section[option] += f'\n{line.strip()}'
        elif heading := HEADING.match(line):
            section, option = sections.setdefault(heading[1], {}), ''
        elif section is None:
            raise IniError(f'Line {number} of {name} stands before the first [section].')
        elif match := OPTION.match(line):
            option = match[1].rstrip().lower()
            section[option] = _without_comment(match[2])
        else:
            raise IniError(f'Line {number} of {name} is neither a [section] nor "option = value".')


def _without_comment(value: str) -> str:
    """ConfigParser looks only at the first semicolon, and treats it as the beginning of a comment if a blank precedes it."""
    first = value.find(';')
    if first != -1 and value[first - 1].isspace():
        value = value[:first]
    value = value.strip()
    return '' if value == '""' else value


def _checked_name(heading: str) -> str:
    words = heading.split()
    if len(words) < 2 or '@' in words[1] or '' in words[1].split(':'):
        raise IniError(f'[{heading}] needs a name of parts separated by ":", none of them empty and without "@".')
    return words[1]


def _interpolated(value: str, section: t.Mapping[str, str], depth: int = 0) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[1] == '%':
            return '%'
        option = match[2].lower()
        if option not in section or depth >= DEPTH:
            raise IniError(f'%({match[2]})s in an ini file of euca2ools refers to no option of its section, or to itself.')
        return _interpolated(section[option], section, depth + 1)

    return REFERENCE.sub(replace, value)
