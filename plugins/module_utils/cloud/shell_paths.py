# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands with which an eucarc finds its own directory, worked out without running them."""

from __future__ import annotations

import fnmatch
import os
import re
import typing as t


class Unknown(Exception):
    """A value that only running the file would give."""


def trimmed(value: str, operator: str, pattern: str) -> str:
    """`${value%pattern}` and its like. Raises Unknown."""
    if re.search(r'[\[\]$`"\'\\]', pattern):
        raise Unknown
    lengths = range(len(value) + 1)
    for length in lengths if len(operator) == 1 else reversed(lengths):
        part, rest = (
            (value[len(value) - length :], value[: len(value) - length]) if operator[0] == '%' else (value[:length], value[length:])
        )
        if fnmatch.fnmatchcase(part, pattern):
            return rest
    return value


def changed(directory: str | None, arguments: list[str]) -> str:
    """The directory after `cd`, absolute. Raises Unknown."""
    physical = arguments[:1] == ['-P']
    paths = [one for one in arguments if one not in ('-P', '-L', '--')]
    if len(paths) != 1 or paths[0] in ('', '-'):
        raise Unknown
    path = os.path.join(directory or '', paths[0])
    if not (os.path.isabs(path) and os.path.isdir(path)):
        raise Unknown
    return os.path.realpath(path) if physical else os.path.normpath(path)


def _only(arguments: list[str], *options: str) -> str:
    """The single operand. Raises Unknown when there are others, or options that are not in ``options``."""
    rest = [one for one in arguments if one not in (*options, '--')]
    if len(rest) != 1 or rest[0].startswith('-'):
        raise Unknown
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
        raise Unknown
    return os.path.realpath(path)


def _readlink(arguments: list[str]) -> str:
    if not {'-f', '-e', '--canonicalize'} & set(arguments):
        raise Unknown
    return _resolved(arguments)


def _echo(arguments: list[str]) -> str:
    if len(arguments) != 1 or arguments[0].startswith('-'):
        raise Unknown
    return arguments[0]


FINDING: dict[str, t.Callable[[list[str]], str]] = {
    'dirname': _dirname,
    'basename': _basename,
    'readlink': _readlink,
    'realpath': _resolved,
    'echo': _echo,
}
