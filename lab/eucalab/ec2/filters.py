# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe* filters (``FilterSupport``): an item passes all names of a request, and any value of one name."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..protocol.errors import failure

# Returns an item's value or values for a filter: strings, whole numbers, booleans, or a float for a time in seconds since the
# epoch; None if it has none.
Lookup = Callable[[Any], Any]
_INTEGER = re.compile(r'[+-]?[0-9]{1,10}')  # Integer.valueOf


def unsupported(names: str, prefix: str = '') -> dict[str, Lookup]:
    """Filters that 4.4 accepts and that match nothing here. The names are separated by blanks."""
    return {prefix + name: lambda _item: None for name in names.split()}


def apply(
    items: Iterable[Any],
    filters: list[dict[str, Any]] | None,
    lookups: Mapping[str, Lookup],
    tags: Callable[[Any], Mapping[str, str]] | None = None,
) -> list[Any]:
    """The items that pass. ApiError for a filter that this resource does not have.

    A filter without values matches nothing, and its name is not checked.
    """
    result = list(items)
    for name, values in _by_name(filters or []).items():
        lookup = _tag_lookup(name, tags) if tags else None
        lookup = lookup or lookups.get(name)
        if lookup is None and values:
            raise failure(f"The filter '{name}' is invalid.")
        tests = [_Value(value) for value in values]
        result = [item for item in result if lookup and _passes(lookup(item), tests)]
    return result


def _by_name(filters: list[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in filters:
        name, values = one.get('Name', ''), [value or '' for value in one.get('Values') or []]
        if name in found:  # in the words of ImmutableMap.Builder, which holds the filters
            raise failure(f'Multiple entries with same key: {name}=[{", ".join(found[name])}] and {name}=[{", ".join(values)}]')
        found[name] = values
    return found


def _tag_lookup(name: str, tags: Callable[[Any], Mapping[str, str]]) -> Lookup | None:
    if name == 'tag-key':
        return lambda item: list(tags(item))
    if name == 'tag-value':
        return lambda item: list(tags(item).values())
    if name.startswith('tag:'):
        return lambda item: tags(item).get(name[4:])
    return None


def _pattern(value: str) -> re.Pattern[str]:
    """* is anything, ? one character; a backslash makes the next character ordinary."""
    out, escaped = [], False
    for character in value:
        if not escaped and character == '\\':
            escaped = True
            continue
        if not escaped and character in '*?':
            out.append('.*' if character == '*' else '.')
        else:
            out.append(re.escape(character))
        escaped = False
    return re.compile(''.join(out), re.DOTALL)


class _Value:
    """One value of a filter, parsed for the type of the property that it is compared with. Only strings have wildcards."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pattern = _pattern(text)

    def matches(self, found: Any) -> bool:
        if isinstance(found, bool):
            return self._text == ('true' if found else 'false')
        if isinstance(found, int):
            return bool(_INTEGER.fullmatch(self._text)) and int(self._text) == found
        if isinstance(found, float):
            return _moment(self._text) == int(found * 1000)
        return bool(self._pattern.fullmatch(str(found)))


def _moment(text: str) -> int | None:
    """Milliseconds since the epoch of an ISO 8601 time; None for any other text."""
    try:
        moment = datetime.datetime.fromisoformat(text.removesuffix('Z'))
    except ValueError:
        return None
    return round(moment.replace(tzinfo=moment.tzinfo or datetime.timezone.utc).timestamp() * 1000)


def _passes(found: Any, tests: list[_Value]) -> bool:
    values = found if isinstance(found, (list, tuple, set)) else [found]
    return any(test.matches(value) for test in tests for value in values if value is not None)
