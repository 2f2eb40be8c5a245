# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe* filters: name and values, ``*`` and ``?`` in values, all names together, any value of one name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..protocol.errors import ApiError

# How a filter's name finds the item's values. None stands for "has none".
Lookup = Callable[[Any], Any]


def apply(
    items: Iterable[Any],
    filters: list[dict[str, Any]] | None,
    lookups: Mapping[str, Lookup],
    tags: Callable[[Any], Mapping[str, str]] | None = None,
) -> list[Any]:
    """The items that pass. ApiError for a filter that this resource does not have."""
    result = list(items)
    for one in filters or []:
        name, values = one.get('Name', ''), one.get('Values') or []
        lookup = _tag_lookup(name, tags) if tags else None
        lookup = lookup or lookups.get(name)
        if lookup is None:
            raise ApiError('InvalidParameterValue', f"The filter '{name}' is invalid.")
        patterns = [_pattern(value) for value in values]
        result = [item for item in result if _passes(lookup(item), patterns)]
    return result


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


def _passes(found: Any, patterns: list[re.Pattern[str]]) -> bool:
    if found is None:
        return False
    values = found if isinstance(found, (list, tuple, set)) else [found]
    texts = [_text(value) for value in values if value is not None]
    return any(pattern.fullmatch(text) for pattern in patterns for text in texts)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
