# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.templates import (
    TemplateError,
    render,
    trust_as_template,
)

IGNITION = """\
{
  "ignition": {"version": "3.3.0"},
  "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAA {{ who }}"]}]},
  "enabled": true, "nothing": null, "path": "a\\/b"
}
"""


@pytest.fixture(name='rendered')
def fixture_rendered(tmp_path):
    """Render a text as a template with some variables; further arguments are files beside it."""

    def rendered(text, **files):
        for name, content in {'main': text, **files}.items():
            (tmp_path / f'{name}.j2').write_text(content, newline='')
        variables = {'who': 'ann', 'password': 'geheim', 'host': {'name': 'box'}, 'via': trust_as_template('{{ other }}')}
        return render(Templar(loader=DataLoader(), variables={}), str(tmp_path / 'main.j2'), variables)

    return rendered


def test_json_stays_the_text_that_the_template_produces(rendered):
    text = rendered(IGNITION)
    assert text == IGNITION.replace('{{ who }}', 'ann')
    assert json.loads(text)['nothing'] is None


@pytest.mark.parametrize('text', ['[section]\nkey=1\n', '["a"]', 'True', '1', 'a\\n\\d é\r\n\n\n', "{'a': 1}", ''])
def test_other_text_stays_as_it_is(rendered, text):
    assert rendered(text) == text


def test_files_beside_the_template_are_included_with_its_variables(rendered):
    assert rendered('a {% include "part.j2" %} b', part='{{ who }} of {{ template_path | basename }}') == 'a ann of main.j2 b'


def test_the_variables_of_the_module_template_are_known(rendered):
    assert rendered('# {{ ansible_managed }}\n').startswith('# Ansible managed')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{{ password }}\n{{ nope }}\n', 'The variable nope is undefined; the template uses it in line 2 of .*main.j2.'),
        ('{{ nope | default(1) }}\n\n{{ nope }}\n', 'it in line 1 of .*main.j2 and line 3 of .*main.j2.'),
        ('{{ password }}\n{{ host.nope }}\n', 'The variable nope is undefined; .* line 2 of .*main.j2.'),
        ("{{ password }}\n{{ host['nope'] }}\n", 'The variable nope is undefined; .* line 2 of .*main.j2.'),
        ('{{ via }} {{ password }}\n', 'main.j2 uses a variable whose value refers to other, which is undefined.'),
        ('{% include "part.j2" %}', 'The variable missing is undefined; the template uses it in line 2 of .*part.j2.'),
        ('{{ password }}\n{{ who }\n', 'Line 2 of the template .*main.j2 is wrong: unexpected '),
        ('{{ password }}\n{% if who %}\n', 'Line [23] of the template .*main.j2 is wrong: Unexpected end of template'),
        (
            'geheim\necho ${#array[@]}\n',
            'Line 2 of the template .*main.j2 is wrong: Missing end of comment tag. '
            'In Jinja "{#" begins a comment, .* put such text between {% raw %} and {% endraw %}.',
        ),
        ('\n{{ password | no_such_filter }}', 'There is no filter or test no_such_filter; the template uses it in line 2 of '),
        ('{{ password }}\n{{ password | int / 0 }}', 'Line 2 of the template .*main.j2 failed with ZeroDivisionError.'),
        ('\n{{ password | from_json }}', r'(Line 2 of|The filter ansible.builtin.from_json failed .* line 2 of) .*main.j2'),
        ("\n\n{{ lookup('file', '/no/' ~ password) }}", r'(Line 3 of|The lookup file failed .* line 3 of) .*main.j2'),
        ('{% include "nowhere.j2" %}', 'includes nowhere.j2, which is in none of '),
    ],
)
def test_a_mistake_is_named_with_file_line_and_variable_and_no_value(rendered, text, message):
    with pytest.raises(TemplateError, match=message) as caught:
        rendered(text, part='geheim\n{{ missing }}\n')
    assert 'geheim' not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_template_that_cannot_be_read_is_named(rendered, tmp_path):
    with pytest.raises(TemplateError, match='Cannot read the template /nowhere/x: No such file'):
        render(Templar(loader=DataLoader(), variables={}), '/nowhere/x', {})
