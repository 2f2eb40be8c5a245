# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second reader of euca2ools' ini files, to compare with.

Written after euca2ools.ini(5) and the documentation of Python 2.7's ConfigParser, and independent of plugins/. It reads
one text at a time and has no error messages: what euca2ools refuses is a ValueError.
"""

from __future__ import annotations


class Reference:
    def __init__(self, text: str) -> None:
        self.sections: dict[str, dict[str, str]] = {}
        for heading, option, value in settings(text):
            self.sections.setdefault(heading, {})
            if option:
                self.sections[heading][option] = value
        self.defaults = self.sections.pop('DEFAULT', {})

    def option(self, kind: str, name: str, option: str, depth: int = 0) -> str | None:
        """The value that applies to [KIND NAME], None when there is none."""
        if depth > 50:
            raise ValueError('a loop')
        named = {words[1]: content for words, content in self._of_kind(kind)}
        wanted = name.split(':')
        # Sections for the name itself or with wildcards in its place; the most specific part is the leftmost one.
        fitting = [one for one in named if fits(one, wanted) and one != '*']
        for one in sorted(fitting, key=lambda one: [part == '*' for part in one.split(':')]):
            if option in named[one]:
                return self._followed(kind, named[one], option, depth)
        longer = sorted((one.split(':') for one in named if (':' + one).endswith(':' + name) and one != name), key=len)
        if longer:
            if len(longer) > 1 and len(longer[0]) == len(longer[1]):
                raise ValueError('ambiguous')
            return self.option(kind, ':'.join(longer[0]), option, depth + 1)
        if option in named.get('*', {}):
            return self._followed(kind, named['*'], option, depth)
        return None

    def _of_kind(self, kind: str) -> list[tuple[list[str], dict[str, str]]]:
        found = []
        for heading, content in self.sections.items():
            if heading.startswith(kind + ' '):
                words = heading.split()
                if len(words) < 2 or '@' in words[1] or '' in words[1].split(':'):
                    raise ValueError(heading)
                found.append((words, {**self.defaults, **content}))
        return found

    def _followed(self, kind: str, content: dict[str, str], option: str, depth: int) -> str | None:
        value = content[option]
        if not value.startswith('use '):
            return value
        words = value.split()
        if len(words) == 1:
            raise ValueError(value)
        return self.option(kind, words[1], (words + [option])[2] if len(words) > 2 else option, depth + 1)


def fits(section: str, wanted: list[str]) -> bool:
    parts = section.split(':')
    return len(parts) == len(wanted) and all(part in ('*', want) for part, want in zip(parts, wanted, strict=True))


def settings(text: str) -> list[tuple[str, str, str]]:
    """(heading, option, value) in order; the option is empty for the heading itself."""
    found: list[tuple[str, str, str]] = []
    for line in text.lstrip('\ufeff').replace('\r\n', '\n').split('\n'):
        if not line.strip() or line.startswith(('#', ';')):
            continue
        if line[:3].lower() == 'rem' and line[3:4] in ('', ' ', '\t'):
            continue
        if line[0] in ' \t' and found and found[-1][1]:
            heading, option, value = found.pop()
            found.append((heading, option, value + '\n' + line.strip()))
        elif line[0] == '[' and line.find(']') > 1:
            found.append((line[1 : line.find(']')], '', ''))
        else:
            places = [place for place in (line.find('='), line.find(':')) if place > 0]
            if not found or not places or line[0] in ' \t':
                raise ValueError(line)
            place = min(places)
            value = line[place + 1 :].lstrip()
            semicolon = value.find(';')
            if semicolon >= 0 and (value[semicolon - 1] if semicolon else value[-1]) in ' \t':
                value = value[:semicolon]
            value = value.strip()
            found.append((found[-1][0], line[:place].rstrip().lower(), '' if value == '""' else value))
    return found
