# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering a build's answer file on the controller, as text."""

from __future__ import annotations

import os
import traceback
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.loader import lookup_loader
from ansible.release import __version__ as core_version
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

# Up to ansible-core 2.18 a lookup makes Python data of text that looks like JSON. Later ones have no such option.
AS_TEXT = {'convert_data': False} if tuple(map(int, core_version.split('.')[:2])) < (2, 19) else {}
IN_TEMPLATE = ('<template>', '<unknown>')  # file name that tracebacks of a rendered template show


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
    lookup = lookup_loader.get('ansible.builtin.template', **plugin)
    try:
        (text,) = lookup.run(
            [path],
            {**variables, 'ansible_search_path': [*variables.get('ansible_search_path', [])]},
            template_vars=extra,
            **AS_TEXT,
        )
    except (AnsibleError, UnicodeError) as error:
        raise TemplateError(f'image_build_answer_file: {path}{_line(error)} cannot be rendered: {reason(error)}') from error
    return str(text)


def reason(error: BaseException) -> str:
    """What is wrong, in one line and without the text of the template, which may contain a secret."""
    while True:
        deeper = error.__cause__ or getattr(error, 'orig_exc', None)
        if deeper is None or not isinstance(deeper, Exception):
            break
        error = deeper
    text = str(getattr(error, 'message', None) or error).strip().splitlines() or [type(error).__name__]
    return text[0].rstrip('.') + '.'


def _line(error: BaseException) -> str:
    """Where in the template; empty where that is not known."""
    while error is not None:
        number = getattr(error, 'lineno', None)
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in IN_TEMPLATE]
        if number or frames:
            return f', line {number or frames[-1].lineno},'
        error = error.__cause__ or getattr(error, 'orig_exc', None) or error.__context__
    return ''
