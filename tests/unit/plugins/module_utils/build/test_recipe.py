# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import leftovers, recipe
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.recipe import Effect, Recipe, RecipeError
from ansible_collections.eucalyptus.cloud.tests.unit.plugins import build_kit
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.build_kit import DEFAULTS, ROLE, SPECS

# Values of the defaults that are templates.
EVALUATED = {
    'image_build_description': 'debian-12, installed by its own installer',
    'image_build_boot_params': 'inst.ks=ANSWER-FILE-URL ip=dhcp console=ttyS0',
    'image_build_boot_test_instance_type': 'm1.medium',
    'image_build_directory': '/var/tmp/builds',
}
GIVEN = {
    **build_kit.EVALUATED,
    **EVALUATED,
    'image_build_name': 'debian-12',
    'image_build_kernel_id': 'eki-1a2b3c4d',
    'image_build_ramdisk_id': 'eri-1a2b3c4d',
    'image_build_answer_file': 'x.ks.j2',
}
CONTENTS = {'kernel': '', 'ramdisk': '', 'answer_file': 'sha256 of it'}


def read(**changes: t.Any) -> Recipe:
    return Recipe.read({**GIVEN, **{f'image_build_{name}': value for name, value in changes.items()}}, '/home/ann')


def refusal(**changes: t.Any) -> str:
    with pytest.raises(RecipeError) as caught:
        read(**changes)
    return str(caught.value)


# --- no input can be forgotten


@pytest.mark.parametrize('entry_point', ['main', 'publish_installer'])
def test_the_inputs_are_those_of_the_roles_documentation(entry_point: str) -> None:
    documented = {name: option['type'] for name, option in SPECS[entry_point]['options'].items()}
    assert {one.variable: one.kind for one in recipe.inputs_of(entry_point)} == documented


def test_every_input_has_a_default() -> None:
    assert {one.variable for one in recipe.INPUTS} == {*DEFAULTS}


def test_the_documentation_names_the_inputs_that_make_a_new_image() -> None:
    (sentence,) = (text for text in SPECS['main']['description'] if 'makes a new image and' in text)
    keyed = {one.variable for one in recipe.INPUTS if one.effect is not Effect.NOT_KEYED}
    assert set(re.findall(r'O\((\w+)\)', sentence)) == keyed


def test_the_defaults_are_good() -> None:
    assert read().boot_params == EVALUATED['image_build_boot_params']


# --- the key

OTHER = {
    'name': 'debian-13',
    'architecture': 'i386',
    'kernel_id': 'eki-00000000',
    'ramdisk_id': 'eri-00000000',
    'boot_params': 'quiet',
    'installer_options': ['quiet'],
    'instance_type': 'm1.large',
    'volume_size': 5,
}
# The same for an instance that installs itself.
INSTANCE = {'target': 'instance', 'node_installer': 'debian-12'}
OTHER_INSTANCES = {'node_installer': 'debian-13'}
UNKEYED = {
    'description': 'another',
    'tags': {'team': 'blue'},
    'launch_permissions': {'public': True},
    'image_id': 'emi-00000000',
    'zone': 'two',
    'timeout': 60,
    'keep_failed': True,
    'boot_test': False,
    'login_prompt': 'hello',
    'installer_family': 'agama',
    'remote_password': 'Secret123',
    'operator_cidr': '192.0.2.7',
    'directory': '/elsewhere',
}


def test_every_keyed_input_changes_the_key() -> None:
    assert {*OTHER, *INSTANCE} == {one.name for one in recipe.INPUTS if one.effect is Effect.KEYED}
    keys = {read().key(CONTENTS), *(read(**{name: value}).key(CONTENTS) for name, value in OTHER.items())}
    keys |= {read(**INSTANCE).key(CONTENTS), *(read(**{**INSTANCE, **one}).key(CONTENTS) for one in (OTHER_INSTANCES,))}
    assert len(keys) == len(OTHER) + 3


def test_inputs_without_effect_on_the_target_leave_the_key_alone() -> None:
    assert read(node_installer='debian-12', also_image=True).key(CONTENTS) == read().key(CONTENTS)
    files = {'kernel': '/no/such/kernel', 'ramdisk': '/no/such/ramdisk', 'kernel_id': '', 'ramdisk_id': ''}
    assert read(**INSTANCE, **files).key(CONTENTS) == read(**INSTANCE, image_id='emi-1a2b3c4d').key(CONTENTS)
    assert read(**INSTANCE, **files).source('kernel') == ''


def test_an_instance_that_installs_itself_needs_an_installer_of_the_nodes_and_the_hook() -> None:
    assert 'image_build_node_installer is empty' in refusal(target='instance')
    assert 'image_build_node_installer must consist of' in refusal(target='instance', node_installer='../debian')
    assert 'image_build_boot: an instance cannot install itself from a boot disk' in refusal(**INSTANCE, boot='disk')
    assert 'temporary security group, which the instance would keep' in refusal(**INSTANCE, answer_file='')
    by_display = {'answer_file': '', 'remote_interface': 'display', 'display_listen': '127.0.0.1', 'display_node': 'nc01'}
    assert read(**INSTANCE, **by_display)['target'] == 'instance'


@pytest.mark.parametrize('content', CONTENTS)
def test_the_content_of_every_file_changes_the_key(content: str) -> None:
    assert read().key({**CONTENTS, content: 'sha256 of another'}) != read().key(CONTENTS)


@pytest.mark.parametrize('name', UNKEYED)
def test_what_is_not_keyed_leaves_the_key_alone(name: str) -> None:
    assert read(**{name: UNKEYED[name]}).key(CONTENTS) == read().key(CONTENTS)


def test_words_and_numbers_are_the_same_input() -> None:
    assert read(volume_size='4').key(CONTENTS) == read(volume_size=4).key(CONTENTS)


# --- names, tags, paths


def test_everything_is_called_after_the_key() -> None:
    one = read(tags={'team': 5})
    key = one.key(CONTENTS)
    name = f'debian-12-{key[:10]}'
    assert (one.image_name(key), one.directory(key)) == (name, f'/var/tmp/builds/{name}')
    assert one.build_tags(key) == {'eucalyptus.cloud/build': name}
    assert one.finished_tags(key) == {'team': '5', 'eucalyptus.cloud/build': name, 'eucalyptus.cloud/build-key': key}


def test_build_leftovers_recognises_names_and_tokens() -> None:
    one = read(name='d' * 60)
    key = one.key(CONTENTS)
    token = one.client_token(key, 'install')
    assert leftovers.BUILD.fullmatch(one.image_name(key))
    assert token.startswith(one.image_name(key)[-leftovers.TOKEN_LENGTH :] + '.')
    assert len(token) <= 64
    assert token != one.client_token(key, 'test')


@pytest.mark.parametrize(
    ('given', 'source'),
    [
        ('vmlinuz', '/home/ann/vmlinuz'),
        ('/srv/vmlinuz', '/srv/vmlinuz'),
        ('~/vmlinuz', '/home/ann/vmlinuz'),
        ('$HOME/vmlinuz', '/home/ann/vmlinuz'),
        ('HTTP://mirror.example.com/vmlinuz', 'HTTP://mirror.example.com/vmlinuz'),
    ],
)
def test_a_relative_path_begins_where_ansible_was_called(given: str, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', '/home/ann')
    assert read(kernel_id='', kernel=given, kernel_checksum='sha256:' + 64 * 'a').source('kernel') == source


def test_a_relative_directory_begins_there_too() -> None:
    one = read(directory='builds')
    assert one.directory(one.key(CONTENTS)).startswith('/home/ann/builds/debian-12-')


def test_what_may_contain_a_secret_stays_on_the_controller() -> None:
    kept = read(
        root_password_hash='$6$salt$hash', post='echo secret', connection={'secret_key': 's'}, remote_password='Secret123'
    ).without_secrets()
    assert not {'root_password_hash', 'post', 'connection', 'remote_password'} & set(kept)
    assert 'hash' not in str(kept.values())
    assert 'Secret123' not in str(kept.values())


def test_permissions_are_of_their_own_types() -> None:
    assert read(launch_permissions={'public': 'no', 'accounts': [123456789012]}).permissions() == {
        'public': False,
        'accounts': ['123456789012'],
    }
    assert read().permissions() == {}


# --- refusals

HASH = 'sha256:' + 64 * 'a'


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'name': 'Debian'}, ['image_build_name must consist of', "'Debian'"]),
        ({'name': 'de'}, ['image_build_name must consist of']),
        ({'name': ''}, ['image_build_name must not be empty']),
        ({'architecture': 'sparc'}, ['image_build_architecture must be i386 or x86_64', 'sparc']),
        ({'description': 'x' * 256}, ['image_build_description has 256 characters; 255']),
        ({'tags': {'aws:x': 1}}, ['image_build_tags', "'aws:x'", 'aws:']),
        ({'tags': {'x' * 128: 1}}, ['image_build_tags', '127']),
        ({'tags': {'x': 'y' * 256}}, ['image_build_tags', '255']),
        ({'tags': {'x': ['y']}}, ['image_build_tags', "'x'", 'list']),
        ({'tags': {'eucalyptus.cloud/build-key': 'mine'}}, ['image_build_tags', 'eucalyptus.cloud/build-key']),
        ({'launch_permissions': {'publik': True}}, ['image_build_launch_permissions', "'publik'", 'did you mean public?']),
        ({'launch_permissions': {'public': 'perhaps'}}, ['image_build_launch_permissions', "'perhaps'"]),
        ({'launch_permissions': {'accounts': ['12']}}, ['image_build_launch_permissions', '12 digits']),
        ({'launch_permissions': {'accounts': '123456789012'}}, ['image_build_launch_permissions', 'list']),
        ({'installer_permissions': {'publik': True}}, ['image_build_installer_permissions', "'publik'"]),
        ({'kernel': 'ftp://mirror.example.com/vmlinuz', 'kernel_id': ''}, ['image_build_kernel ', 'ftp://']),
        ({'kernel': 'http:///vmlinuz', 'kernel_id': '', 'kernel_checksum': HASH}, ['image_build_kernel must name a host']),
        ({'kernel': 'https://x/vmlinuz', 'kernel_id': ''}, ['image_build_kernel_checksum is needed']),
        ({'kernel': 'HTTPS://x/vmlinuz', 'kernel_id': ''}, ['image_build_kernel_checksum is needed']),
        ({'kernel_checksum': 'sha256:12'}, ['image_build_kernel_checksum must have the form sha256:HEX']),
        ({'ramdisk_checksum': 'a' * 64}, ['image_build_ramdisk_checksum must have the form sha256:HEX']),
        ({'kernel': '/boot/vmlinuz'}, ['either image_build_kernel', 'or image_build_kernel_id']),
        ({'ramdisk_id': ''}, ['either image_build_ramdisk', 'or image_build_ramdisk_id']),
        ({'kernel_id': 'eri-1a2b3c4d'}, ['image_build_kernel_id must be an image ID like eki-']),
        ({'ramdisk_id': 'eki-1a2b3c4d'}, ['image_build_ramdisk_id must be an image ID like eri-']),
        ({'image_id': 'mine'}, ['image_build_image_id must be an image ID like emi-']),
        ({'bucket': 'a/b'}, ['image_build_bucket must consist of']),
        ({'answer_file_bucket': 'a b'}, ['image_build_answer_file_bucket must consist of']),
        ({'answer_file': 'ftp://x/x.ks'}, ['image_build_answer_file must be a path, not a URL']),
        ({'answer_file_expires': -1}, ['image_build_answer_file_expires must be 1 or more (seconds), not -1']),
        ({'guest_s3_url': 'cloud:8773'}, ['image_build_guest_s3_url must be an http(s) URL']),
        ({'proxy': "http://ann:it's@p:1"}, ['image_build_proxy must not contain quotes']),
        ({'install_url': 'http://h/`x`'}, ['image_build_install_url must not contain quotes']),
        ({'boot_params': 'x' * 3000}, ['image_build_boot_params', '2047']),
        ({'boot_params': 'lang=fünf'}, ['image_build_boot_params', "'ü'"]),
        ({'installer_options': ['two\nlines']}, ['image_build_installer_options', 'one line']),
        ({'answer_file_url': 'http://x'}, ['image_build_answer_file_url must not be set']),
        ({'timezone': 'Europe Berlin'}, ['image_build_timezone must be a time zone']),
        ({'packages': ['vim\n%end']}, ['image_build_packages must have one package per element']),
        ({'packages': 'cloud-init'}, ['image_build_packages must be a list, not a string', '-e \'{"image_build_packages": […]}\'']),
        ({'tags': 'team=blue'}, ['image_build_tags must be a dictionary, not a string', '-e \'{"image_build_tags": {…}}\'']),
        ({'post': ['one', 'two']}, ['image_build_post must be a string, not a list']),
        ({'answer_file_expires': 604801}, ['image_build_answer_file_expires must be 604800 or less (seconds).']),
        ({'volume_size': 10**30}, ['image_build_volume_size must be 2147483647 or less (GiB).']),
        ({'description': 'a\0b'}, ['image_build_description must not contain control characters.']),
        ({'tags': {'a': 'b\x1b'}}, ["image_build_tags must not contain control characters, as the tag 'a' does."]),
        ({'volume_size': 0}, ['image_build_volume_size must be 1 or more (GiB), not 0']),
        ({'volume_size': -5}, ['image_build_volume_size must be 1 or more (GiB), not -5']),
        ({'volume_size': '4 GiB'}, ["image_build_volume_size must be a whole number, not '4 GiB'"]),
        ({'volume_size': True}, ['image_build_volume_size must be a whole number']),
        ({'volume_size': ''}, ['image_build_volume_size must be a whole number']),
        ({'device': '/dev/sda'}, ['image_build_device must be a device from /dev/sdc']),
        ({'device': '/dev/vda'}, ['image_build_device must be a device']),
        ({'device': '/dev/disk/by-id/x'}, ['image_build_device must be a device']),
        ({'failure_patterns': ['fine', '[']}, ['image_build_failure_patterns', "'['"]),
        ({'failure_patterns': ['x*']}, ['image_build_failure_patterns must not match every line']),
        ({'login_prompt': '('}, ['image_build_login_prompt must be a regular expression', "'('"]),
        ({'login_prompt': ''}, ['image_build_login_prompt must not be empty']),
        ({'boot_test': 'maybe'}, ["image_build_boot_test must be true or false, not 'maybe'"]),
        ({'when_busy': 'hurry'}, ["image_build_when_busy must be refuse or wait, not 'hurry'"]),
        ({'memory': 0}, ['image_build_memory must be 1 or more (MiB), not 0']),
        ({'zone': 'my zone'}, ['image_build_zone must be printable ASCII without blanks']),
        ({'directory': 's3://x'}, ['image_build_directory must be a path']),
    ],
)
def test_a_value_that_a_later_step_would_refuse_is_refused_with_its_variables_name(
    changes: dict[str, t.Any], words: list[str]
) -> None:
    said = refusal(**changes)
    assert not [word for word in words if word not in said], said


@pytest.mark.parametrize('name', [one.name for one in recipe.INPUTS if one.name.endswith(('timeout', 'expires'))])
@pytest.mark.parametrize('seconds', [0, -1, '-1'])
def test_no_time_is_zero_or_negative(name: str, seconds: t.Any) -> None:
    assert f'image_build_{name} must be 1 or more (seconds), not {int(seconds)}.' in refusal(**{name: seconds})


@pytest.mark.parametrize('password', ['secret', 'aaaaaaaaaaaaa', '$6$nosalt', '$9$salt$hash', '$6$salt$ha sh', '$6$sa:lt$hash'])
def test_a_root_password_that_is_no_hash_is_refused_and_not_shown(password: str) -> None:
    said = refusal(root_password_hash=password)
    assert 'image_build_root_password_hash must be a crypt(3) hash' in said
    assert password not in said


@pytest.mark.parametrize(
    'password',
    [
        '$1$salt$qJH7.N4xYta3aEG/dfqo/0',
        '$6$rounds=5000$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g.',
        '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW',
        '$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7',
    ],
)
def test_the_hashes_of_every_current_system_are_taken(password: str) -> None:
    assert read(root_password_hash=password)['root_password_hash'] == password


@pytest.mark.parametrize('device', ['/dev/sdf', 'sdf', '/dev/vdb', '/dev/xvdb', '/dev/sdf1'])
def test_device_names_that_the_cloud_takes_are_taken(device: str) -> None:
    assert read(device=device)['device'] == device


def test_all_mistakes_of_an_input_file_are_reported_at_once() -> None:
    said = refusal(volume_size=0, architecture='sparc', pots='typing error')
    assert all(f'image_build_{name}' in said for name in ('volume_size', 'architecture', 'pots'))


def test_a_misspelt_variable_is_answered_with_the_nearest() -> None:
    assert 'image_build_pakages is not a variable of this role; did you mean image_build_packages' in refusal(pakages=[])


def test_what_the_role_sets_itself_is_no_misspelt_input() -> None:
    assert read(result={}, installer={'kernel_id': 'eki-1'})['name'] == 'debian-12'


def test_an_installer_to_publish_needs_both_its_files() -> None:
    given = {name: value for name, value in GIVEN.items() if not name.endswith('_id')}
    with pytest.raises(RecipeError) as caught:
        Recipe.read({**given, 'image_build_kernel': 'vmlinuz'}, '/', 'publish_installer')
    assert str(caught.value) == "image_build_ramdisk is empty. Set it to the installer's ramdisk, a path or a URL."


@pytest.mark.parametrize('url', ['', 'mirror.example.com', 'nfs://mirror', 'http://'])
def test_the_roles_own_answer_file_needs_the_place_of_the_packages(url: str) -> None:
    (said,) = read(answer_file='kickstart.cfg.j2', install_url=url).template_problems()
    assert 'image_build_install_url must be' in said
    assert 'kickstart.cfg.j2' in said


@pytest.mark.parametrize('url', ['http://mirror.example.com/12', 'https://m', 'ftp://m/x'])
def test_the_installers_kinds_of_url_are_taken(url: str) -> None:
    assert read(answer_file='kickstart.cfg.j2', install_url=url).template_problems() == []


# --- the rendered answer file


def test_the_fragment_contains_the_text_that_identifies_it() -> None:
    report, proof = ((ROLE / 'templates' / f'{name}.sh.j2').read_text() for name in ('boot_report', 'proof'))
    assert recipe.facts_of(report) == {'reports': True, 'proves': False}
    assert recipe.facts_of(proof) == {'reports': False, 'proves': True}
    assert recipe.facts_of('text\npoweroff\n') == {'reports': False, 'proves': False}
