# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer files compared with the schemas that the installers' projects publish. Their licences keep them out of this collection.

No message about JSON or YAML quotes a value, because it may be a password. Those of libxml2 may.
"""

from __future__ import annotations

import importlib
import json
import typing as t
from pathlib import Path

import yaml

VARIABLE = 'image_build_answer_file_schema'
WORDS = {'type': 'be of the type', 'enum': 'be one of', 'const': 'be', 'pattern': 'match'}


def json_problems(content: t.Any, text: str, place: list[str | int], schema: str) -> tuple[list[str], list[str]]:
    """Compare ``content``, which is at this place of ``text``, with a JSON schema. Returns a sentence for each mistake, and a
    clause for each check not made."""
    try:
        rules = json.loads(Path(schema).read_text(encoding='utf-8')) if schema else None
        validators, best = importlib.import_module('jsonschema.validators'), importlib.import_module('jsonschema.exceptions')
        referencing, dialects = importlib.import_module('referencing'), importlib.import_module('referencing.jsonschema')
    except ImportError:
        return [], ['its values were not checked, because jsonschema (PyPI), version 4.18 or later, is not installed']
    except (OSError, ValueError):
        rules = None
    if rules is None:
        return [], [_without(schema)]

    def beside(uri: str) -> t.Any:
        path = Path(schema).with_name(uri.rpartition('/')[2])
        return dialects.DRAFT202012.create_resource(json.loads(path.read_text(encoding='utf-8')))

    checker = validators.validator_for(rules)(rules, registry=referencing.Registry(retrieve=beside))
    try:
        causes = [best.best_match([error]) for error in checker.iter_errors(content)]
    except Exception as error:  # a schema can be wrong in any way
        return [], [f'its values were not checked, because the schema {schema} cannot be used ({type(error).__name__})']
    return [f'line {_line_at(text, [*place, *cause.absolute_path])}: {_reason(cause)}' for cause in causes], []


def _reason(error: t.Any) -> str:
    name = '.'.join(str(part) for part in error.absolute_path) or 'the file'
    if error.validator in ('required', 'additionalProperties', 'dependentRequired'):
        return f'{name}: {error.message}'  # these name keys
    if error.validator in WORDS:
        return f'{name} must {WORDS[error.validator]} {json.dumps(error.validator_value)}'
    return f'{name} violates "{error.validator}" of the schema'


def _line_at(text: str, path: t.Iterable[str | int]) -> int:
    """The line of the value at this place, or of the smallest one around it that can be found: a merge (<<) has no place.

    JSON is YAML, as far as the places of values are concerned, but for tabs.
    """
    try:
        node: t.Any = yaml.compose(text.replace('\t', ' '), Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # other characters that only one of the two allows
        return 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            inner = next((value for key, value in node.value if key.value == str(part)), None)
        else:
            inner = node.value[part]
        if inner is None:
            break
        node = inner
    return int(node.start_mark.line) + 1


def xml_problems(text: str, schema: str) -> tuple[list[tuple[int, str]], list[str]]:
    """Compare with a RELAX NG schema. Returns line and reason of each mistake, and a clause for each check not made."""
    try:
        from lxml import etree  # only this check needs it
    except ImportError:
        return [], ['its values were not checked, because lxml (PyPI) is not installed']

    def parser() -> etree.XMLParser:
        return etree.XMLParser(resolve_entities=False, no_network=True)

    try:
        rules = etree.RelaxNG(etree.parse(schema, parser()))
    except (OSError, etree.LxmlError):
        return [], [_without(schema)]
    rules.validate(etree.fromstring(text.encode('utf-8', 'surrogateescape'), parser()))
    return [(entry.line, entry.message) for entry in rules.error_log], []


def _without(schema: str) -> str:
    lacking = f'there is no readable schema {schema}' if schema else f'{VARIABLE} is not set'
    return f"its values were not checked, because {lacking} ({VARIABLE} is the path of the installer's schema)"
