# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON and templates with mistakes, with the oldest and the newest ansible-core."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.kit.lab import Lab
from tests.kit.paths import COLLECTIONS, ROOT, environment

IGNITION = """\
{
  "ignition": {"version": "3.3.0"},
  "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAA {{ who }}"]}]},
  "enabled": true, "nothing": null
}
"""
ACTION = """\
from ansible.plugins.action import ActionBase
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.templates import TemplateError, render

class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    def run(self, tmp=None, task_vars=None):
        path = self._task.args['path']
        try:
            return {'text_of_template': render(self._templar, path, task_vars).replace('{', '(')}
        except TemplateError as error:
            return {'failed': True, 'msg': str(error)}
"""
PLAY = """\
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {who: ann}
  tasks:
    - eucalyptus.cloud.answer_file:
        bucket: cores
        object: ignition-{{ core }}
        content: "{{ lookup('ansible.builtin.template', 'ignition.j2') }}"
      module_defaults: &connection {eucalyptus.cloud.answer_file: "{{ cloud }}", eucalyptus.cloud.instance: "{{ cloud }}"}
    - eucalyptus.cloud.instance:
        name: core-box
        image_id: emi-12345678
        boot_params: core
        user_data: "{{ lookup('ansible.builtin.template', 'line.j2') }}"
      module_defaults: *connection
      check_mode: true
      register: instance
    - ansible.builtin.debug: {msg: "name={{ instance.instance.name }}"}
    - eucalyptus.cloud.instance: {name: core-template, image_id: emi-12345678, user_data_template: line.j2}
      module_defaults: *connection
      check_mode: true
    - render_text: {path: "{{ playbook_dir }}/ignition.j2"}
      register: rendered
    - ansible.builtin.debug: {msg: "text={{ rendered.text_of_template | b64encode }}"}
    - render_text: {path: "{{ playbook_dir }}/{{ item }}.j2"}
      loop: [comment, variable]
      ignore_errors: true
      no_log: false
"""


@pytest.fixture(name='ansible', params=['2.16', 'newest'])
def fixture_ansible(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The version and its ansible-playbook."""
    made = subprocess.run(['tools/core', request.param], cwd=ROOT, capture_output=True, text=True, check=True, timeout=600)
    return request.param, f'{made.stdout.strip()}/bin/ansible-playbook'


def test_json_stays_json_and_a_mistake_in_a_template_is_named(ansible: tuple[str, str], lab_api: Lab, tmp_path: Path):
    core, program = ansible
    files = {
        'ignition.j2': IGNITION,
        'line.j2': '{"who": "{{ who }}", "nothing": null, "enabled": true}',
        'comment.j2': 'geheim\necho ${#array[@]}\n',
        'variable.j2': 'geheim\n\n{{ nope }}\n',
        'play.yml': PLAY,
        'action_plugins/render_text.py': ACTION,
    }
    cloud = {key: lab_api.options()[key] for key in ('ec2_url', 's3_url', 'access_key', 'secret_key', 'account_id')}
    files['vars.json'] = json.dumps({'core': core, 'cloud': cloud, 'ansible_python_interpreter': '{{ ansible_playbook_python }}'})
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    command = [program, '-vvv', '-i', 'localhost,', '-e', '@vars.json', 'play.yml']
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(
            ANSIBLE_COLLECTIONS_PATH=COLLECTIONS, ANSIBLE_NOCOLOR=1, ANSIBLE_INJECT_INVOCATION=1, ANSIBLE_LOCALHOST_WARNING=False
        ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    output = ran.stdout + ran.stderr
    assert ran.returncode == 0, output
    stored = lab_api.s3(lab_api.admin).get_object(Bucket='cores', Key=f'ignition-{core}')['Body'].read().decode()
    assert json.loads(stored) == json.loads(IGNITION.replace('{{ who }}', 'ann'))

    def said(name: str) -> str:
        return output.partition(f'"msg": "{name}=')[2].partition('"')[0]

    # -vvv shows the arguments of the module, as it got them.
    user_data = re.findall(r'"user_data": ("(?:[^"\\]|\\.)*")', output)
    assert len(user_data) == 2, output
    assert json.loads(json.loads(user_data[0])) == {'who': 'ann', 'nothing': None, 'enabled': True}
    assert json.loads(user_data[1]) == '{"who": "ann", "nothing": null, "enabled": true}'
    assert said('name') == 'core-box'
    assert base64.b64decode(said('text')).decode() == IGNITION.replace('{{ who }}', 'ann').replace('{', '(')
    assert f'Line 2 of the template {tmp_path}/comment.j2 is wrong: Missing end of comment tag' in output
    assert f'The variable nope is undefined; the template uses it in line 3 of {tmp_path}/variable.j2.' in output
    assert 'geheim' not in output
