# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of build_plan, with Ansible's own templar; the module is not run."""

from __future__ import annotations

import hashlib
import typing as t
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.build_kit import ROLE

GIVEN = {
    'image_build_name': 'debian-12',
    'image_build_kernel_id': 'eki-1a2b3c4d',
    'image_build_ramdisk_id': 'eri-1a2b3c4d',
    'image_build_install_url': 'http://mirror.example.com/debian',
    'image_build_directory': '/builds',
    'image_build_installer_family': 'debian-installer',
}
Planner = t.Callable[..., dict[str, t.Any]]


@pytest.fixture(name='plan')
def fixture_plan(planner: Planner) -> Planner:
    """Run the action with GIVEN and these variables; its result is the module's arguments, or the refusal."""

    def plan(arguments: dict[str, t.Any] | None = None, **changes: t.Any) -> dict[str, t.Any]:
        return planner(GIVEN, arguments, **changes)

    return plan


def test_the_module_gets_the_checked_inputs_without_secrets(plan: Planner) -> None:
    sent = plan({'eucarc': '/e/eucarc'}, volume_size='5', root_password_hash='$6$salt$hash', connection={'secret_key': 'x'})
    assert (sent['name'], sent['eucarc'], 'invocation' in sent) == ('eucalyptus.cloud.build_plan', '/e/eucarc', False)
    assert sent['inputs']['volume_size'] == 5
    assert sent['inputs']['description'] == 'debian-12, installed by its own installer'
    assert not {'root_password_hash', 'connection', 'post', 'remote_password'} & set(sent['inputs'])


def test_wrong_inputs_are_refused_before_the_module_runs(plan: Planner) -> None:
    refused = plan(volume_size=0, pots='')
    assert refused['failed']
    assert 'image_build_volume_size must be 1 or more (GiB), not 0.' in refused['msg']
    assert 'image_build_pots is not a variable' in refused['msg']


def test_a_variable_that_cannot_be_evaluated_is_named(plan: Planner) -> None:
    said = plan(post='echo {{ nowhere }}', zone='{{ elsewhere }}')['msg']
    assert "image_build_post cannot be evaluated: 'nowhere' is undefined." in said
    assert "image_build_zone cannot be evaluated: 'elsewhere' is undefined." in said


def test_options_that_the_action_plugin_sets_are_refused_in_playbooks(plan: Planner) -> None:
    assert 'are set by the action plugin and cannot be set in a playbook' in plan({'inputs': {}})['msg']


# --- the answer file


def template(tmp_path: Path, text: str, name: str = 'x.ks.j2') -> str:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ('given', 'place'),
    [('x.ks.j2', ''), ('x.ks.j2', 'play'), ('x.ks.j2', 'play/templates'), ('~/x.ks.j2', 'home'), ('$HOME/x.ks.j2', 'home')],
)
def test_an_answer_file_is_found_where_its_author_means(plan: Planner, tmp_path: Path, given: str, place: str) -> None:
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place / 'x.ks.j2').write_text('poweroff\n')
    answer = plan(answer_file=given)['answer_file']
    assert answer == {
        'path': str(tmp_path / place / 'x.ks.j2'),
        'sha256': hashlib.sha256(b'poweroff\n').hexdigest(),
        'bytes': 9,
        'secret': False,
        'reports': False,
        'proves': False,
    }


def test_an_answer_file_that_is_nowhere_is_answered_with_the_places(plan: Planner, tmp_path: Path) -> None:
    said = plan(answer_file='x.ks.j2')['msg']
    assert 'image_build_answer_file: x.ks.j2 was not found in' in said
    assert all(place in said for place in (str(tmp_path), f'{tmp_path}/play/templates', f'{ROLE}/templates'))
    assert 'image_build_answer_file: /no/x.ks.j2 is not a readable file.' in plan(answer_file='/no/x.ks.j2')['msg']


def test_without_an_answer_file_nothing_is_rendered(plan: Planner) -> None:
    digest = hashlib.sha256(b'').hexdigest()
    nothing = {'path': '', 'sha256': digest, 'bytes': 0, 'secret': False, 'reports': False, 'proves': False}
    assert plan()['answer_file'] == nothing


@pytest.mark.parametrize(('interface', 'last'), [('installer', 'ttyS0'), ('display', 'tty0')])
def test_without_an_answer_file_the_console_is_where_the_person_is_not(plan: Planner, interface: str, last: str) -> None:
    """Installers ask on the last console; over the network, the serial console shows their messages."""
    sent = plan(remote_interface=interface, display_listen='127.0.0.1')
    assert sent['inputs']['boot_params'].split()[-1] == f'console={last}'
    assert 'console=ttyS0' in sent['inputs']['boot_params']


def test_the_roles_own_answer_file_reports_the_first_boot(plan: Planner) -> None:
    assert plan(answer_file='kickstart.cfg.j2')['answer_file']['reports'] is True
    assert plan(answer_file='kickstart.cfg.j2', boot_report='no')['answer_file']['reports'] is False


def test_the_users_own_answer_file_reports_when_it_includes_the_fragment(plan: Planner, tmp_path: Path) -> None:
    with_it = template(tmp_path, "%post\n{% include 'boot_report.sh.j2' %}\n%end\n")
    assert plan(answer_file=with_it)['answer_file']['reports'] is True
    assert plan(answer_file=with_it, boot_report=False)['answer_file']['reports'] is False


def test_the_roles_own_answer_file_without_an_install_url_is_refused(plan: Planner) -> None:
    assert 'image_build_install_url must be the http(s) or ftp URL' in plan(answer_file='kickstart.cfg.j2', install_url='')['msg']


@pytest.mark.parametrize(
    'changes', [{'packages': ['vim']}, {'post': 'true'}, {'timezone': 'Europe/Berlin'}, {'root_password_hash': '$6$salt$hash'}]
)
def test_what_the_answer_file_contains_changes_its_digest(plan: Planner, changes: dict[str, t.Any]) -> None:
    plain = plan(answer_file='kickstart.cfg.j2')['answer_file']
    assert plan(answer_file='kickstart.cfg.j2', **changes)['answer_file']['sha256'] != plain['sha256']
    assert plan(answer_file='kickstart.cfg.j2', zone='two')['answer_file'] == plain


def test_the_digest_does_not_depend_on_the_volume_or_the_url(plan: Planner, tmp_path: Path) -> None:
    path = template(tmp_path, '{{ image_build_volume_id }} {{ image_build_answer_file_url }}')
    assert plan(answer_file=path)['answer_file']['sha256'] == hashlib.sha256(b'vol-00000000 ANSWER-FILE-URL').hexdigest()


def test_an_answer_file_that_looks_like_json_stays_text(plan: Planner, tmp_path: Path) -> None:
    text = '{"name": "{{ image_build_name }}", "nothing": null}'
    path = template(tmp_path, text)
    expected = b'{"name": "debian-12", "nothing": null}'
    assert plan(answer_file=path)['answer_file']['sha256'] == hashlib.sha256(expected).hexdigest()


@pytest.mark.parametrize(
    ('line', 'words'),
    [('url {{ mirror_of_mine }}', 'The variable mirror_of_mine is undefined'), ('{% if %}', 'Line 3 of the template')],
)
def test_a_mistake_in_the_template_is_named_with_file_and_line_and_no_secret(
    plan: Planner, tmp_path: Path, line: str, words: str
) -> None:
    path = template(tmp_path, f'rootpw verysecret\n\n{line}\n')
    said = plan(answer_file=path)['msg']
    assert f'image_build_answer_file cannot be used. {words}' in said
    assert 'line 3 of' in said.lower()
    assert path in said
    assert 'verysecret' not in said


def test_a_mistake_in_the_answer_file_is_refused_before_the_module_runs(plan: Planner, tmp_path: Path) -> None:
    path = template(tmp_path, '#cloud-config\nautoinstall:\n  version: 1\n  {{ "late_commands" }}: []\n', 'user-data')
    assert plan(answer_file=path)['msg'] == (
        f'image_build_answer_file: {path}, as rendered, has mistakes: '
        'line 4: late_commands is not a key of autoinstall (did you mean late-commands?).'
    )


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'disk_layout': 'lvm', 'swap': 4096}, 'image_build_volume_size is 4 GiB, and the layout needs'),
        ({'users': [{'name': 'ops'}]}, 'image_build_users must give ops ssh_keys or a password_hash'),
        ({'users': ['ops']}, 'image_build_users must be a list of dictionaries'),
        ({'packages': ['@core']}, "image_build_packages must be names of packages with preseed.cfg.j2, not '@core'."),
    ],
)
def test_what_the_installer_of_an_own_template_cannot_do_is_refused(plan: Planner, changes: dict[str, t.Any], words: str) -> None:
    assert words in plan(answer_file='preseed.cfg.j2', **changes)['msg']


def test_users_stay_on_the_controller(plan: Planner) -> None:
    users = [{'name': 'ops', 'password_hash': '$6$salt$hash'}]
    assert 'users' not in plan(answer_file='preseed.cfg.j2', users=users)['inputs']
