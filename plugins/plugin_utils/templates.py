# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates of files, rendered alike on every ansible-core from 2.16 on, with errors that name file, line and variable.

The template lookup is not enough: up to ansible-core 2.18 text that looks like JSON becomes a Python literal, and the error
messages quote the whole template, so that a task with an answer file can only be run with `no_log`.
"""

from __future__ import annotations

import json
import os
import re
import typing as t
from collections.abc import Iterator, Mapping

import ansible.template
import jinja2
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import Templar, generate_ansible_template_vars
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from jinja2 import nodes

# ansible-core 2.19 and later render only what is marked as a template.
trust_as_template: t.Callable[[str], str] = getattr(ansible.template, 'trust_as_template', str)

# Kinds of nodes in Jinja's syntax trees: what has a name, and what brings in another template.
NAMED: tuple[type[nodes.Name | nodes.Filter | nodes.Test], ...] = (nodes.Name, nodes.Filter, nodes.Test)
INCLUDING: tuple[type[nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends], ...] = (
    nodes.Include,
    nodes.Import,
    nodes.FromImport,
    nodes.Extends,
)
UNDEFINED = re.compile(r"'([\w.]+)' is undefined|has no attribute '([^']+)'")
MISSING = re.compile(r"""Could not load "([^"]+)"|No (?:filter|test) named '([^']+)'""")
PLUGIN = re.compile(r"The (filter|test|lookup) plugin '([\w.]+)' (?:failed|was not found)")  # ansible-core 2.19 and later
COMMENT = ' In Jinja "{#" begins a comment, also in a shell script\'s ${#name}: put such text between {% raw %} and {% endraw %}.'


class TemplateError(CollectionError):
    """A template that cannot be rendered. The message names the file, and where known the line and the variable; it
    quotes neither the template nor a value."""


def render(templar: Templar, path: str, variables: Mapping[str, t.Any]) -> str:
    """Return the text of the template file ``path`` with these variables and no others.

    JSON stays the text that the template produces. Files beside the template can be included by name, and those in the
    `ansible_search_path` among the variables. Raises TemplateError.
    """
    text = _read(path)
    search = [os.path.dirname(path)]
    for directory in variables.get('ansible_search_path', []):
        search += [os.path.join(directory, 'templates'), directory]
    # ansible_managed, template_path and similar variables, as for the module template
    known = {**variables, **generate_ansible_template_vars(path, os.path.abspath(path)), 'template_path': path}
    fresh = templar.copy_with_new_env(searchpath=search, available_variables=known)
    # From 2.19 on convert_data is deprecated, and what it prevents no longer exists.
    options: dict[str, t.Any] = {} if hasattr(templar, 'evaluate_expression') else {'convert_data': False}
    try:
        result = fresh.template(trust_as_template(text), escape_backslashes=False, **options)
    except Exception as error:  # a template can call any filter, which can raise anything
        raise TemplateError(_explained(error, path, search)) from None
    return result if isinstance(result, str) else json.dumps(result)


def render_argument(action: ActionBase, name: str, variables: Mapping[str, t.Any]) -> str:
    """Return the text of the template that an argument of the action's task names. Raises TemplateError."""
    try:
        path = action._find_needle('templates', name)
    except AnsibleError as error:
        raise TemplateError(f'There is no template {name}.') from error
    return render(action._templar, path, variables)


def _read(path: str) -> str:
    try:
        with open(path, encoding='utf-8', newline='') as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise TemplateError(f'Cannot read the template {path}: it is not UTF-8 text.') from error
    except OSError as error:
        raise TemplateError(f'Cannot read the template {path}: {error.strerror}.') from error


def _explained(error: BaseException, path: str, search: list[str]) -> str:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, jinja2.TemplateSyntaxError):
            missing = MISSING.search(str(cause.message))
            if missing:
                return f'There is no filter or test {missing[1] or missing[2]}{_places(missing[1] or missing[2], path, search)}.'
            # A message of Jinja's parser names at most a word of the template's syntax.
            hint = COMMENT if 'comment' in str(cause.message) else ''
            return f'Line {cause.lineno} of the template {cause.filename or path} is wrong: {str(cause.message).rstrip(".")}.{hint}'
        if isinstance(cause, jinja2.TemplateNotFound):
            return f'The template {path} includes {cause.name}, which is in none of {", ".join(search)}.'
    for cause in causes:
        found = UNDEFINED.search(str(cause))
        if found:
            return _undefined(found[1] or found[2], path, search)
    for cause in causes:
        plugin = PLUGIN.match(str(cause))
        if plugin:
            kind = type(causes[-1]).__name__
            return f'The {plugin[1]} {plugin[2]} failed with {kind}{_places(plugin[2].rpartition(".")[2], path, search)}.'
    place = next((f'Line {line} of' for line in map(_line, causes) if line), 'Rendering of')
    return f'{place} the template {path} failed with {type(causes[-1]).__name__}.'


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, up to the first one."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = getattr(error, 'orig_exc', None) or error.__cause__ or error.__context__


def _line(error: BaseException) -> int | None:
    """The line of the template that was being rendered, if Jinja's frame is in the traceback."""
    trace = error.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get('__jinja_template__')
        if template is not None:
            return t.cast(int, template.get_corresponding_lineno(trace.tb_lineno))
        trace = trace.tb_next
    return None


def _undefined(name: str, path: str, search: list[str]) -> str:
    places = _places(name, path, search)
    if not places:
        return f'The template {path} uses a variable whose value refers to {name}, which is undefined.'
    return f'The variable {name} is undefined{places}.'


def _places(name: str, path: str, search: list[str]) -> str:
    """The places where the template and its includes use a variable, attribute, filter or test, to end a sentence with."""
    places = [f'line {line} of {file}' for file, tree in _files(path, search) for line in sorted(_uses(tree, name))]
    return f'; the template uses it in {" and ".join(places)}' if places else ''


def _uses(tree: nodes.Template, name: str) -> set[int]:
    lines = {node.lineno for node in tree.find_all(NAMED) if node.name.rpartition('.')[2] == name}
    lines |= {node.lineno for node in tree.find_all(nodes.Getattr) if node.attr == name}
    # lookup('NAME', …)
    lines |= {node.lineno for node in tree.find_all(nodes.Call) if node.args[:1] and _is_constant(node.args[0], name)}
    return lines | {node.lineno for node in tree.find_all(nodes.Getitem) if _is_constant(node.arg, name)}


def _is_constant(node: nodes.Node, value: str) -> bool:
    return isinstance(node, nodes.Const) and bool(node.value == value)


def _files(path: str, search: list[str]) -> Iterator[tuple[str, nodes.Template]]:
    """The template and the ones that it includes by a fixed name, as Jinja's syntax trees."""
    environment = jinja2.Environment(extensions=['jinja2.ext.do', 'jinja2.ext.loopcontrols'], autoescape=False)  # noqa: S701
    waiting, seen = [path], set()
    while waiting:
        file = waiting.pop(0)
        if file in seen:
            continue
        seen.add(file)
        try:
            tree = environment.parse(_read(file))
        except (TemplateError, jinja2.TemplateSyntaxError):
            continue  # it has not been reached
        yield file, tree
        for node in tree.find_all(INCLUDING):
            if isinstance(node.template, nodes.Const):
                paths = (os.path.join(directory, str(node.template.value)) for directory in search)
                waiting += [one for one in paths if os.path.isfile(one)][:1]
