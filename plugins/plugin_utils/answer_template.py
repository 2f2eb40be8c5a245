# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering a build's answer file on the controller, as text."""

from __future__ import annotations

import os
import re
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader
from ansible.release import __version__ as core_version
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

# Up to ansible-core 2.18 a lookup makes Python data of text that looks like JSON. Later ones have no such option.
AS_TEXT = {'convert_data': False} if tuple(map(int, core_version.split('.')[:2])) < (2, 19) else {}


class TemplateError(CollectionError):
    """An answer file that is not there or cannot be rendered."""


def find_template(name: str, directories: t.Iterable[str]) -> str:
    """The path of the template ``name``, looked for in these directories in order. Raises TemplateError."""
    expanded = os.path.expanduser(os.path.expandvars(name))
    places = list(directories)
    for directory in places:
        path = Path(directory) / expanded
        if path.is_file() and os.access(path, os.R_OK):
            return str(path)
    looked = 'is not a readable file' if os.path.isabs(expanded) else f'was not found in {", ".join(places)}'
    raise TemplateError(f'image_build_answer_file: {expanded} {looked}.')


def render(path: str, variables: dict[str, t.Any], extra: dict[str, t.Any], **plugin: t.Any) -> str:
    """The rendered text. ``plugin`` is the loader and the templar of the action. Raises TemplateError with the line."""
    lookup = lookup_loader.get('template', **plugin)
    try:
        (text,) = lookup.run(
            [path],
            {**variables, 'ansible_search_path': [*variables.get('ansible_search_path', [])]},
            template_vars=extra,
            **AS_TEXT,
        )
    except (AnsibleError, UnicodeError) as error:
        raise TemplateError(f'image_build_answer_file: {path}{_line(error, path)} cannot be rendered: {reason(error)}') from error
    return str(text)


def reason(error: BaseException) -> str:
    """What is wrong, in one line and without the text of the template, which may contain a secret."""
    error = _causes(error)[-1]
    text = str(getattr(error, 'message', None) or error).strip().splitlines() or [type(error).__name__]
    return text[0].rstrip('.') + '.'


def _line(error: BaseException, path: str) -> str:
    """Where in the template, as far as that is known: Jinja has the line of a syntax error, but not of an undefined name."""
    number = next((one.lineno for one in _causes(error) if getattr(one, 'lineno', None)), None)
    names = re.findall(r"'(\w+)'", reason(error))
    if number is None and names:
        lines = Path(path).read_text(encoding='utf-8', errors='replace').splitlines()
        number = next((count for count, line in enumerate(lines, 1) if re.search(rf'\b{names[-1]}\b', line)), None)
    return f', line {number},' if number else ''


def _causes(error: BaseException) -> list[t.Any]:
    """The error and what it was raised from, the innermost last."""
    causes: list[t.Any] = [error]
    # orig_exc: up to ansible-core 2.18
    while deeper := causes[-1].__cause__ or getattr(causes[-1], 'orig_exc', None):
        causes.append(deeper)
    return causes
