# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a eucarc file without running it.

A eucarc has the form of a shell script and the purpose of a list of settings. It often arrives by mail or in a zip file, so no
command in it is ever run. The file is read as bash reads it; the few commands with which such files find their own
directory (`dirname`, `readlink -f`, `cd … && pwd`) are worked out here. A value that depends on anything else is left
out, and so is every value that uses it.
"""

from __future__ import annotations

import fnmatch
import os
import re
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.shell_words import (
    Command,
    Unfinished,
    closing,
    read_commands,
)

ASSIGNMENT = re.compile(r'([A-Za-z_]\w*)(\+?)=(.*)', re.DOTALL)
NAME = re.compile(r'[A-Za-z_]\w*')
PARAMETER = re.compile(r'([A-Za-z_]\w*)(?:\[0\])?(:?[-+=?]|%%?|##?|)(.*)', re.DOTALL)
OPENING = {'if', 'while', 'until', 'for', 'case', 'select', '{', '('}
CLOSING = {'fi', 'done', 'esac', '}'}
INSIDE = {'then', 'else', 'elif', 'do', '!', 'time'}
DECLARES = {'export', 'declare', 'typeset', 'readonly'}
# Commands that set the variables that their arguments name.
SETTING = {'read', 'printf', 'let', 'getopts', 'mapfile', 'readarray', 'unset'}


class _Unknown(Exception):
    """A value that could be found only by running the file."""


def parse_eucarc(text: str, path: str) -> dict[str, str]:
    """Return the variables that the file sets, as bash does when it sources ``path``, an absolute path.

    Of the environment only the home directory is used: a variable that the file does not set cannot be worked out. A
    path with blanks is kept in one piece even if the file lacks the quotes.
    """
    shell = _Shell(path)
    text = re.sub(r'\r(?=\n|\Z)', '', text.removeprefix('\ufeff').replace('\0', ''))
    try:
        for command in read_commands(text):
            if not shell.take(command):
                break
    except Unfinished:
        pass  # bash reports a syntax error here, and has run what stands before it
    return {name: value for name, value in shell.values.items() if value is not None and name in shell.assigned}


class _Shell:
    """The variables so far; a value that cannot be worked out is None."""

    def __init__(self, path: str) -> None:
        self.values: dict[str, str | None] = {'HOME': os.path.expanduser('~'), 'BASH_SOURCE': path}
        self.assigned: set[str] = set()
        self._compound: list[str] = []  # open if, case, (, { …
        self._succeeded: bool | None = True  # status of the last command; None: unknown

    def take(self, command: Command) -> bool:
        """Follow one command. False: the file ends here."""
        words = self._without_keywords(list(command.words))
        certain, subshell = not self._compound, '(' in self._compound
        if command.after == '(':
            self._compound.append('(')
        elif command.after == ')' and self._compound and self._compound[-1] == '(':
            self._compound.pop()
        if not words:
            return True
        if subshell or '|' in (command.before, command.after) or command.after == '&':
            self._succeeded = None
            return True  # variables of a subshell do not leave it
        if command.before == '&&':
            certain = certain and bool(self._succeeded)
        elif command.before == '||':
            if self._succeeded and certain:
                return True
            certain = False
        return self._run(words, certain)

    def _without_keywords(self, words: list[str]) -> list[str]:
        while words:
            if words[0] in OPENING:
                self._compound.append(words.pop(0))
                if self._compound[-1] in ('for', 'case', 'select'):
                    words = []
            elif words[0] in CLOSING:
                words.pop(0)
                if self._compound:
                    self._compound.pop()
            elif words[0] in INSIDE:
                words.pop(0)
            else:
                break
        return words

    def _run(self, words: list[str], certain: bool) -> bool:
        settings = [one for one in words if ASSIGNMENT.fullmatch(one)]
        if len(settings) == len(words):
            assigned = [self._assign(one, certain) for one in words]
            self._succeeded = all(assigned) or None
            return True
        name, *arguments = words[next(index for index, word in enumerate(words) if not ASSIGNMENT.fullmatch(word)) :]
        if name in DECLARES:
            plain = all(one in ('-x', '-r', '-g', '-gx', '-rx', '--') for one in arguments if one.startswith('-'))
            for one in arguments:
                if ASSIGNMENT.fullmatch(one):
                    # Braces in an argument are expanded to several words.
                    self._assign(one, certain and plain and '{' not in _bare(one))
                elif not plain and NAME.fullmatch(one):
                    self.values[one] = None
            self._succeeded = True
        elif name in SETTING:
            self.values.update(dict.fromkeys((one for one in arguments if NAME.fullmatch(one)), None))
            self._succeeded = None
        else:
            self._succeeded = True if name in ('true', ':', 'alias') else None
            return not (certain and name in ('return', 'exit'))
        return True

    def _assign(self, setting: str, certain: bool) -> bool:
        match = t.cast('re.Match[str]', ASSIGNMENT.fullmatch(setting))
        name, append, raw = match.groups()
        try:
            if not certain or raw.startswith('('):
                raise _Unknown
            value = self._expand(raw)
            self.values[name] = self._value(name) + value if append else value
        except _Unknown:
            self.values[name] = None
        self.assigned.add(name)
        return self.values[name] is not None

    def _value(self, name: str) -> str:
        value = self.values.get(name)
        if value is None:
            raise _Unknown
        return value

    def _expand(self, raw: str, quoted: bool = False) -> str:
        """The text that a word as written stands for. Raises _Unknown."""
        out, at = '', 0
        while at < len(raw):
            char = raw[at]
            end = at + 1
            if char == "'" and not quoted:
                end = closing(raw, at)
                out += raw[at + 1 : end - 1]
            elif char == '"':
                end = closing(raw, at)
                out += self._expand(raw[at + 1 : end - 1], True)
            elif char == '\\':
                end = at + 2
                follows = raw[at + 1 : end]
                out += '' if follows == '\n' else follows if not quoted or follows in '$`"\\' else char + follows
            elif char == '`':
                end = closing(raw, at)
                out += self._output(re.sub(r'\\([`\\$])', r'\1', raw[at + 1 : end - 1]))
            elif char == '$':
                end, value = self._dollar(raw, at, quoted)
                out += value
            elif char == '~' and not quoted and (at == 0 or raw[at - 1] == ':'):
                if raw[at + 1 : at + 2] not in ('', '/', ':'):
                    raise _Unknown
                out += self._value('HOME')
            else:
                out += char
            at = end
        return out

    def _dollar(self, raw: str, at: int, quoted: bool) -> tuple[int, str]:
        follows = raw[at + 1 : at + 2]
        if follows == '(' and raw[at + 2 : at + 3] != '(':
            end = closing(raw, at)
            return end, self._output(raw[at + 2 : end - 1])
        if follows == '{':
            end = closing(raw, at)
            return end, self._parameter(raw[at + 2 : end - 1], quoted)
        name = NAME.match(raw, at + 1)
        if name:
            return name.end(), self._value(name.group())
        if follows == '"' and not quoted:
            return at + 1, ''
        if follows and (follows in '(0123456789@*#?$!-_' or follows == "'" and not quoted):
            raise _Unknown
        return at + 1, '$'

    def _parameter(self, inner: str, quoted: bool) -> str:
        match = PARAMETER.fullmatch(inner)
        if not match:
            raise _Unknown
        name, operator, word = match.groups()
        if not operator:
            if word:
                raise _Unknown
            return self._value(name)
        if operator[0] in '%#':
            return _trimmed(self._value(name), operator, word)
        value = self._value(name) if name in self.values else None
        is_set = value is not None and (value != '' or operator[0] != ':')
        if operator[-1] == '+':
            return self._expand(word, quoted) if is_set else ''
        if is_set:
            return t.cast(str, value)
        if operator[-1] == '?':
            raise _Unknown
        value = self._expand(word, quoted)
        if operator[-1] == '=':
            self.values[name] = value
            self.assigned.add(name)
        return value

    def _output(self, text: str) -> str:
        """Output of the commands in `$(…)`. Raises _Unknown unless all of them are ones that find a directory."""
        directory: str | None = None
        output: str | None = None
        for command in read_commands(text):
            if not command.words or command.before == '||' and output is not None:
                continue
            words = list(command.words)
            while ASSIGNMENT.fullmatch(words[0]) and words[0].startswith('CDPATH='):
                words.pop(0)
                if not words:
                    raise _Unknown
            if output is not None or command.before not in ('', ';', '&&') or command.after not in ('', ';', '&&', '||'):
                raise _Unknown
            name, *arguments = [self._argument(word) for word in words]
            if name == 'cd':
                directory = _changed(directory, arguments)
            elif command.redirected:
                raise _Unknown
            elif name == 'pwd' and directory is not None and arguments in ([], ['-P'], ['-L']):
                output = os.path.realpath(directory) if arguments == ['-P'] else directory
            elif name in FINDING and directory is None:
                output = FINDING[name](arguments)
            else:
                raise _Unknown
        return (output or '').rstrip('\n')

    def _argument(self, raw: str) -> str:
        value = self._expand(raw)
        if not value and not re.search('[\'"]', raw) or re.search(r'[*?\[{]', _bare(raw)):
            raise _Unknown  # bash would remove it, or replace it by file names
        return value


def _bare(raw: str) -> str:
    """The parts of a word that are neither quoted nor the result of an expansion."""
    out, at = '', 0
    while at < len(raw):
        end = closing(raw, at)
        if end == at + 1:
            out += raw[at]
        at = end
    return out


def _trimmed(value: str, operator: str, pattern: str) -> str:
    if re.search(r'[\[\]$`"\'\\]', pattern):
        raise _Unknown
    lengths = range(len(value) + 1)
    for length in lengths if len(operator) == 1 else reversed(lengths):
        part, rest = (
            (value[len(value) - length :], value[: len(value) - length]) if operator[0] == '%' else (value[:length], value[length:])
        )
        if fnmatch.fnmatchcase(part, pattern):
            return rest
    return value


def _changed(directory: str | None, arguments: list[str]) -> str:
    physical = arguments[:1] == ['-P']
    paths = [one for one in arguments if one not in ('-P', '-L', '--')]
    if len(paths) != 1 or paths[0] in ('', '-'):
        raise _Unknown
    path = os.path.join(directory or '', paths[0])
    if not (os.path.isabs(path) and os.path.isdir(path)):
        raise _Unknown
    return os.path.realpath(path) if physical else os.path.normpath(path)


def _only(arguments: list[str], *options: str) -> str:
    """The single operand. Raises _Unknown when there are others, or options that are not in ``options``."""
    rest = [one for one in arguments if one not in (*options, '--')]
    if len(rest) != 1 or rest[0].startswith('-'):
        raise _Unknown
    return rest[0]


def _dirname(arguments: list[str]) -> str:
    path = _only(arguments)
    bare = path.rstrip('/')
    if '/' not in bare:
        return '/' if path and not bare else '.'
    return bare.rpartition('/')[0].rstrip('/') or '/'


def _basename(arguments: list[str]) -> str:
    path = _only(arguments)
    return path.rstrip('/').rpartition('/')[2] or path[:1]


def _resolved(arguments: list[str]) -> str:
    path = _only(arguments, '-f', '-e', '--canonicalize')
    if not os.path.isabs(path) or not os.path.exists(path):
        raise _Unknown
    return os.path.realpath(path)


def _readlink(arguments: list[str]) -> str:
    if not {'-f', '-e', '--canonicalize'} & set(arguments):
        raise _Unknown
    return _resolved(arguments)


FINDING: dict[str, t.Callable[[list[str]], str]] = {
    'dirname': _dirname,
    'basename': _basename,
    'readlink': _readlink,
    'realpath': _resolved,
    'echo': _only,
}
