# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a eucarc file without running it.

A eucarc has the form of a shell script and the purpose of a list of settings. It often arrives by mail or in a zip file, so no
command in it is ever run. The file is read as bash reads it; the few commands with which such files find their own
directory (`dirname`, `readlink -f`, `cd … && pwd`) are worked out here. A value that depends on anything else is left
out, and so is every value that uses it.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.shell_paths import FINDING, Unknown, changed, trimmed
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.shell_words import (
    NAME,
    Command,
    Unfinished,
    bare,
    closing,
    read_commands,
    set_inside,
)

ASSIGNMENT = re.compile(r'([A-Za-z_]\w*)(\[[^]]*\])?(\+?)=(.*)', re.DOTALL)
QUOTED_ASSIGNMENT = re.compile(r"""(["'])([A-Za-z_]\w*\+?=)((?:(?!\1).)*)\1""", re.DOTALL)
PARAMETER = re.compile(r'([A-Za-z_]\w*)(?:\[0\])?(:?[-+=?]|%%?|##?|)(.*)', re.DOTALL)
OPENING = {'if', 'while', 'until', 'for', 'case', 'select', '{', '('}
CLOSING = {'fi', 'done', 'esac', '}'}
INSIDE = {'then', 'else', 'elif', 'do', '!', 'time'}
DECLARES = {'export', 'declare', 'typeset', 'readonly'}
# Commands that set the variables that their arguments name.
SETTING = {'read', 'printf', 'let', 'getopts', 'mapfile', 'readarray', 'unset'}
# Variables that bash sets itself, and those that it does not let the file set.
DYNAMIC = {'BASH_SOURCE', 'FUNCNAME', 'LINENO', 'RANDOM', 'SECONDS', 'SRANDOM'}
READ_ONLY = {'BASHOPTS', 'EUID', 'PPID', 'SHELLOPTS', 'UID'}


class _End(Exception):
    """bash reads no further."""


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
    except (Unfinished, _End, RecursionError):
        pass  # bash reports an error here, and has run what stands before it
    return {name: value for name, value in shell.values.items() if value is not None and name in shell.assigned}


class _Shell:
    """The variables so far; a value that cannot be worked out is None."""

    def __init__(self, path: str) -> None:
        self.values: dict[str, str | None] = {'HOME': os.path.expanduser('~'), 'BASH_SOURCE': path}
        self.assigned: set[str] = set()
        self._compound: list[str] = []  # open if, case, (, { …
        self._succeeded: bool | None = True  # status of the last command; None: not known
        self._functions: set[str] = set()
        self._read_only = set(READ_ONLY)
        self._converted: set[str] = set()  # values change when they are set (declare -i, -l …)
        self._any_is_set = False  # a variable that the file does not name may be set as well
        self._may_have_ended = False

    def take(self, command: Command) -> bool:
        """Follow one command. False: the file ends here. Raises _End."""
        subshell = '(' in self._compound
        words = self._without_keywords(list(command.words))
        certain = not self._compound
        if command.after == '(':
            self._compound.append('(')
            self._functions.update(words)
            return True
        if command.after == ')' and not self._closed():
            return True
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
        goes_on = self._run(words, certain)
        if '!' in command.words:
            self._succeeded = None
        return goes_on

    def _closed(self) -> bool:
        """Follow a `)`. False: it ends a pattern of `case`."""
        if self._compound[-1:] == ['case']:
            return False
        if self._compound[-1:] != ['(']:
            raise _End
        self._compound.pop()
        return True

    def _without_keywords(self, words: list[str]) -> list[str]:
        while words:
            if words[0] in OPENING:
                self._compound.append(words.pop(0))
                if self._compound[-1] in ('for', 'case', 'select'):
                    self._forget(NAME.findall(words[0]) if words and self._compound[-1] != 'case' else [])
                    words = []
            elif words[0] in CLOSING:
                words.pop(0)
                if not self._compound:
                    raise _End
                self._compound.pop()
            elif words[0] == 'function':
                self._functions.update(words[1:2])
                words = words[2:]
            elif words[0] in INSIDE:
                words.pop(0)
            else:
                break
        return words

    def _run(self, words: list[str], certain: bool) -> bool:
        count = next((index for index, word in enumerate(words) if not ASSIGNMENT.fullmatch(word)), len(words))
        settings, words = words[:count], words[count:]
        if not words:
            known = [self._assign([one], certain) for one in settings]
            self._succeeded = all(known) or None
            return True
        for word in settings + words:
            if not (certain and words[0] == ':' and self._is_known(word)):
                self._forget(set_inside(word))
        name, arguments = self._command_name(words[0]), words[1:]
        if name in ('command', 'builtin') and arguments:
            return self._run(arguments, certain)
        self._succeeded = True if name in ('true', ':', 'alias') or name in DECLARES else None
        if name in self._functions or name in ('eval', '.', 'source'):  # which may set any
            self._forget_all()
        elif name in DECLARES:
            self._forget([one.partition('=')[0] for one in settings])
            self._declare(name, arguments, certain)
        elif name in SETTING and (name != 'printf' or '-v' in arguments):
            self._set_by(arguments)
        elif name in ('return', 'exit', 'exec') and (arguments or name != 'exec'):
            self._may_have_ended = True
            return not certain
        return True

    def _is_known(self, word: str) -> bool:
        try:
            self._expand(word)
        except Unknown:
            return False
        return True

    def _command_name(self, word: str) -> str:
        if '/' in bare(word):
            return word  # a program, which cannot set a variable
        try:
            return self._expand(word)
        except Unknown:
            return 'eval'  # it may be any

    def _declare(self, command: str, arguments: list[str], certain: bool) -> None:
        plain = all(one in ('-x', '-r', '-g', '-gx', '-rx', '--') for one in arguments if one.startswith('-'))
        settings, names = [], []
        for one in arguments:
            if quoted := QUOTED_ASSIGNMENT.fullmatch(one):
                one = f'{quoted[2]}{quoted[1]}{quoted[3]}{quoted[1]}'
            if match := ASSIGNMENT.fullmatch(one):
                settings.append(one)
                names.append(match[1])
            elif NAME.fullmatch(one):
                names.append(one)
            elif not one.startswith('-'):
                self._forget_all()  # an expansion that gives the name as well
        if not plain:
            self._converted.update(names)
            self._forget(names)
        # Braces in an argument are expanded to several words.
        self._assign(settings, certain and not any('{' in bare(one) for one in settings))
        if command == 'readonly' or {'-r', '-rx'} & set(arguments):
            self._read_only.update(names)

    def _set_by(self, arguments: list[str]) -> None:
        try:
            self._forget(NAME.findall(' '.join(self._expand(one) for one in arguments)))
        except Unknown:
            self._forget_all()

    def _forget(self, names: t.Iterable[str]) -> None:
        self.values.update(dict.fromkeys(names))

    def _forget_all(self) -> None:
        self._any_is_set = True
        self._forget(name for name in list(self.values) if name not in DYNAMIC)

    def _assign(self, settings: list[str], certain: bool) -> bool:
        """Take assignments whose values are all expanded before the first is made. False: not all are known. Raises _End."""
        values = [self._worked_out(one, certain) for one in settings]
        for one, value in zip(settings, values, strict=True):
            name = t.cast('re.Match[str]', NAME.match(one))[0]
            if name in self._read_only:
                raise _End
            if name not in DYNAMIC:
                self.values[name] = value
                self.assigned.add(name)
        return None not in values

    def _worked_out(self, setting: str, certain: bool) -> str | None:
        match = t.cast('re.Match[str]', ASSIGNMENT.fullmatch(setting))
        name, index, append, raw = match.groups()
        # The file may have ended with the earlier value.
        settled = certain and name not in self._converted and not (self._may_have_ended and name in self.assigned)
        if settled and not index and not raw.startswith('('):
            try:
                value = self._expand(raw)
                return self._value(name) + value if append else value
            except Unknown:
                pass
        self._forget(set_inside(raw))
        return None

    def _value(self, name: str) -> str:
        value = self.values.get(name)
        if value is None:
            raise Unknown
        return value

    def _expand(self, raw: str, quoted: bool = False) -> str:
        """The text that a word as written stands for. Raises Unknown."""
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
                out += self._output(re.sub(r'\\([`\\$"])' if quoted else r'\\([`\\$])', r'\1', raw[at + 1 : end - 1]))
            elif char == '$':
                end, value = self._dollar(raw, at, quoted)
                out += value
            elif char == '~' and not quoted and (at == 0 or raw[at - 1] == ':' and raw[at - 2 : at - 1] != '\\'):
                if raw[at + 1 : at + 2] not in ('', '/', ':'):
                    raise Unknown
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
        if follows and (follows in '([0123456789@*#?$!-_' or follows == "'" and not quoted):
            raise Unknown
        return at + 1, '$'

    def _parameter(self, inner: str, quoted: bool) -> str:
        match = PARAMETER.fullmatch(inner)
        if not match:
            raise Unknown
        name, operator, word = match.groups()
        if not operator:
            if word:
                raise Unknown
            return self._value(name)
        if operator[0] in '%#':
            return trimmed(self._value(name), operator, word)
        value = self._value(name) if self._any_is_set or name in self.values else None
        is_set = value is not None and (value != '' or operator[0] != ':')
        word = word.replace('\\}', '}') if quoted else word
        if operator[-1] == '+':
            return self._expand(word, quoted) if is_set else ''
        if is_set:
            return t.cast(str, value)
        if operator[-1] == '?':
            raise Unknown
        value = self._expand(word, quoted)
        if operator[-1] == '=':
            self.values[name] = value
            self.assigned.add(name)
        return value

    def _output(self, text: str) -> str:
        """Output of the commands in `$(…)`. Raises Unknown unless all of them are ones that find a directory."""
        if 'IFS' in self.assigned:
            raise Unknown
        directory: str | None = None
        output: str | None = None
        for command in read_commands(text):
            if not command.words or command.before == '||' and output is not None:
                continue
            words = list(command.words)
            while ASSIGNMENT.fullmatch(words[0]) and words[0].startswith('CDPATH='):
                words.pop(0)
                if not words:
                    raise Unknown
            if output is not None or command.before not in ('', ';', '&&') or command.after not in ('', ';', '&&', '||'):
                raise Unknown
            name, *arguments = [self._argument(word) for word in words]
            if name in self._functions:
                raise Unknown
            if name == 'cd':
                directory = changed(directory, arguments)
            elif command.redirected:
                raise Unknown
            elif name == 'pwd' and directory is not None and arguments in ([], ['-P'], ['-L']):
                output = os.path.realpath(directory) if arguments == ['-P'] else directory
            elif name in FINDING and directory is None:
                output = FINDING[name](arguments)
            else:
                raise Unknown
        return (output or '').rstrip('\n')

    def _argument(self, raw: str) -> str:
        value = self._expand(raw)
        if not value and not re.search('[\'"]', raw) or re.search(r'[*?\[{]', bare(raw)):
            raise Unknown  # it would vanish, or become the names of files
        return value
