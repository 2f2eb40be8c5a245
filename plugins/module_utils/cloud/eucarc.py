# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an eucarc file without running it.

An eucarc is a shell script by form, but a list of settings by purpose. It often comes out of a mail or a zip file,
so it is
parsed: no command in it is ever run.
"""

from __future__ import annotations

import os
import re
import typing as t

ASSIGNMENT = re.compile(r'[A-Za-z_]\w*=')
VARIABLE = re.compile(r'\$(?:\{(\w+)(?::?-([^{}]*))?\}|(\w+))')
# The file's own way of finding its directory: $(cd $(dirname ${BASH_SOURCE:-$0}); pwd -P) and older spellings of it.
OWN_DIRECTORY = re.compile(r'\$\(\s*cd\s+[^)]*dirname.*pwd(?:\s+-P)?\s*\)|\$\(\s*dirname[^)]*\)|`\s*dirname[^`]*`')


def parse_eucarc(text: str, directory: str) -> dict[str, str]:
    """Return the variables that the file sets.

    ``directory`` is where the file lies; the usual EUCA_KEY_DIR line means it. A value that would need another
    command to be run is left out.
    """
    found: dict[str, str] = {}
    for line in text.replace('\0', '').splitlines():
        for word in _words(_plain_directory(line, directory)):
            if not ASSIGNMENT.match(word.partition('\0')[0]):
                continue
            name, _equals, value = word.partition('=')
            expanded = _expand(value, found)
            if expanded is not None:
                found[name] = expanded
    return found


def _plain_directory(line: str, directory: str) -> str:
    quoted = directory.replace('\\', '\\\\').replace('"', '\\"').replace('$', '\\$').replace('`', '\\`')

    # Inside double quotes the path is already protected; outside it needs them.
    def replace(match: re.Match[str]) -> str:
        inside = line[: match.start()].count('"') % 2
        return quoted if inside else f'"{quoted}"'

    return OWN_DIRECTORY.sub(replace, line)


def _words(line: str) -> t.Iterator[str]:
    """The assignments that a line begins with, plain or of ``export``, also several commands of them; quoting is
    resolved, a literal character is marked with NUL."""
    words, word, quote, rest = [], '', '', iter(line)
    for char in rest:
        if quote == "'":
            quote, word = ('', word) if char == "'" else (quote, word + '\0' + char)
        elif char == '\\':
            word += ''.join('\0' + char for char in [next(rest, '')] if char)
        elif char == '"':
            quote = '' if quote else '"'
        elif char == "'" and not quote:
            quote = "'"
        elif not quote and (char.isspace() or char in ';&'):
            words += [word, '' if char.isspace() else ';']
            word = ''
        elif not quote and char == '#' and not word:
            break
        else:
            word += char
    words.append(word)
    exporting = False
    for word in filter(None, words):
        plain = re.sub('\0.', '', word, flags=re.DOTALL)
        if word in (';', 'export'):
            exporting = word == 'export'
        elif plain.count('$(') > plain.count(')') or plain.count('`') % 2:
            return  # cut out of $(touch x; export A=b): what follows is inside
        elif ASSIGNMENT.match(word):
            yield word
        elif not (exporting and word.isidentifier()):
            return  # a command (alias, if, ec2-…): what follows are its arguments, or may depend on it


def _expand(value: str, known: dict[str, str]) -> str | None:
    literals: list[str] = []

    def keep(match: re.Match[str]) -> str:
        literals.append(match.group(1))
        return '\0'

    value = re.sub('\0(.)', keep, value, flags=re.DOTALL)
    if '$(' in value or '`' in value:
        return None

    def replace(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(3)
        return known.get(name) or (os.path.expanduser('~') if name == 'HOME' else match.group(2) or '')

    pieces = [VARIABLE.sub(replace, piece) for piece in value.split('\0')]
    literals.append('')
    return ''.join(piece + literal for piece, literal in zip(pieces, literals, strict=True))
