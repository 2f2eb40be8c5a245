# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's answer files, compared with the schemas of subiquity, Agama and YaST in the directory that SCHEMAS names.

The schemas are not part of this collection: autoinstall-schema.json of canonical/subiquity (GPL-3.0-only), the files
*.schema.json beside profile.schema.json of agama-project/agama (GPL-2.0-or-later), and profile.rng with the files beside it of the
package yast2-schema (GPL-2.0-only). CONTRIBUTING.md has the commands.
"""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.plugin_utils.test_answer_files import combinations, render
from lxml import etree

SCHEMAS = Path(os.environ.get('SCHEMAS', '/nowhere'))
CONTENT: dict[str, tuple[str, t.Callable[[str], t.Any]]] = {
    'autoinstall': ('autoinstall-schema.json', lambda text: yaml.safe_load(text)['autoinstall']),
    'agama': ('profile.schema.json', json.loads),
}


def errors(schema: str, document: t.Any) -> list[str]:
    """The mistakes in a JSON document."""
    jsonschema = pytest.importorskip('jsonschema')
    referencing = pytest.importorskip('referencing')
    files = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob('*.json')}
    registry = referencing.Registry(retrieve=lambda uri: referencing.Resource.from_contents(files[uri.rpartition('/')[2]]))
    validator = jsonschema.validators.validator_for(files[schema])(files[schema], registry=registry)
    return [f'{error.json_path}: {error.message}' for error in validator.iter_errors(document)]


@pytest.mark.parametrize('form', CONTENT)
def test_the_installers_own_schema_accepts_all_combinations(form: str) -> None:
    schema, parse = CONTENT[form]
    if not (SCHEMAS / schema).exists():
        pytest.skip(f'SCHEMAS has no {schema}')
    assert errors(schema, {'version': 1, 'packages': 7, 'product': 7}) != []
    found = {error for changes in combinations(form) for error in errors(schema, parse(render(form, **changes)))}
    assert found == set()


def test_the_schema_of_autoyast_accepts_all_combinations() -> None:
    schema = SCHEMAS / 'profile.rng'
    if not schema.exists():
        pytest.skip('SCHEMAS has no profile.rng')
    rules = etree.RelaxNG(etree.parse(schema))
    assert not rules.validate(
        etree.fromstring('<profile xmlns="http://www.suse.com/1.0/yast2ns"><general><no-such/></general></profile>')
    )
    for changes in combinations('autoyast'):
        assert rules.validate(etree.fromstring(render('autoyast', **changes).encode())), (changes, rules.error_log)
