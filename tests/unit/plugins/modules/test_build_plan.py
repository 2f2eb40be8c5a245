# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import re
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils import basic
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import remote
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.recipe import Recipe
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import ACCOUNT, DONE, NOBODY, image, images
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import FakeCloud, error

INPUTS: dict[str, t.Any] = {
    'name': 'debian-12',
    'architecture': 'x86_64',
    'description': 'Debian',
    'tags': {},
    'launch_permissions': {},
    'kernel': '',
    'kernel_checksum': '',
    'kernel_id': 'eki-11111111',
    'ramdisk': '',
    'ramdisk_checksum': '',
    'ramdisk_id': 'eri-11111111',
    'image_id': '',
    'target': 'image',
    'node_installer': '',
    'also_image': False,
    'boot': 'auto',
    'bucket': '',
    'answer_file': 'x.ks.j2',
    'answer_file_by': 'auto',
    'remote_interface': 'installer',
    'boot_test': True,
    'require_proof': False,
    'answer_file_bucket': '',
    'answer_file_expires': 3600,
    'guest_s3_url': '',
    'boot_params': 'inst.ks=ANSWER-FILE-URL',
    'installer_options': [],
    'zone': '',
    'instance_type': 'm1.medium',
    'boot_test_instance_type': 'm1.medium',
    'memory': 512,
    'security_groups': [],
    'key_name': '',
    'volume_size': 4,
    'directory': '/builds',
}
ANSWER_FILE = {'path': '/srv/x.ks.j2', 'sha256': 'abc', 'bytes': 9000, 'secret': False, 'reports': True, 'proves': True}
NO_SUCH_REQUEST = error(
    '400 Bad Request',
    'Failed to find corresponding class mapping for element: DescribeInstanceTypes in namespace: ec2_amazonaws_com_doc_2014_10_01',
)


def items(*names: str, element: str) -> str:
    return ''.join(f'<item><{element}>{name}</{element}></item>' for name in names)


def zones(*names: str) -> str:
    return f'<availabilityZoneInfo>{items(*names, element="zoneName")}</availabilityZoneInfo>'


def types(*names: str) -> str:
    return f'<instanceTypeDetails>{items(*names, element="name")}</instanceTypeDetails>'


def sizes(**memory: int) -> str:
    """Instance types by name, with their memory in MiB."""
    rows = (
        f'<item><name>{name.replace("_", ".")}</name><cpu>{1 + (name[0] == "c")}</cpu><disk>10</disk><memory>{size}</memory></item>'
        for name, size in memory.items()
    )
    return f'<instanceTypeDetails>{"".join(rows)}</instanceTypeDetails>'


def key_pairs(*names: str) -> str:
    return f'<keySet>{items(*names, element="keyName")}</keySet>'


def groups(*names: str) -> str:
    return f'<securityGroupInfo>{items(*names, element="groupName")}</securityGroupInfo>'


def as_administrator(parameters: dict[str, str]) -> str:
    return zones('one', '|- vm types') if parameters.get('ZoneName.1') == 'verbose' else zones('one')


KERNEL, RAMDISK = image('eki-11111111', 'kernel'), image('eri-11111111', 'ramdisk', kind='ramdisk')


@pytest.fixture(name='listing')
def fixture_listing(cloud: FakeCloud) -> FakeCloud:
    """A cloud with everything that the inputs name, and without a finished image."""
    cloud.on('DescribeImages', images(KERNEL, RAMDISK))
    cloud.on('DescribeAvailabilityZones', as_administrator)
    cloud.on('DescribeInstanceTypes', sizes(c1_medium=512, m1_small=256, m1_medium=512, m1_large=1024))
    cloud.on('DescribeKeyPairs', key_pairs('ann', 'bob'))
    cloud.on('DescribeSecurityGroups', groups('default', 'ssh'))
    return cloud


@pytest.fixture(name='plan')
def fixture_plan(run: t.Callable[..., dict[str, t.Any]]) -> t.Callable[..., dict[str, t.Any]]:
    def plan(check: bool = False, options: dict[str, t.Any] | None = None, **changes: t.Any) -> dict[str, t.Any]:
        arguments = {'inputs': {**INPUTS, **changes}, 'here': '/home/ann', 'answer_file': ANSWER_FILE, 'account_id': ACCOUNT}
        return run('build_plan', check=check, **{**arguments, **(options or {})})

    return plan


Planner = t.Callable[..., dict[str, t.Any]]


def test_a_build_is_planned_without_changing_anything(listing: FakeCloud, plan: Planner) -> None:
    result = plan()
    build = result['build']
    assert (result['changed'], build['image'], listing.writes) == (False, None, [])
    recipe = Recipe(INPUTS, '/home/ann')
    assert build['key'] == recipe.key({'kernel': '', 'ramdisk': '', 'answer_file': 'abc'})
    assert build['image_name'] == f'debian-12-{build["key"][:10]}'
    assert build['directory'] == f'/builds/{build["image_name"]}'
    assert build['answer_file'] == ANSWER_FILE
    assert build['client_tokens']['install'] != build['client_tokens']['test']


@pytest.mark.parametrize('changes', [{}, {'image_id': 'emi-1'}], ids=['planned', 'refused'])
def test_the_version_of_the_cloud_is_returned_even_if_the_build_is_refused(
    listing: FakeCloud, plan: Planner, changes: dict[str, str]
) -> None:
    listing.headers = {'Server': 'Eucalyptus/4.4.2'}
    assert plan(**changes)['cloud'] == 'Eucalyptus/4.4.2'


# --- proof of success


def test_the_pattern_of_success_is_that_of_this_builds_key(listing: FakeCloud, plan: Planner) -> None:
    build = plan()['build']
    assert build['proof_key'] == build['key'][:10]
    rest = 'serial=none bytes=1 path=none'
    assert re.search(build['success_pattern'], f'installation-proof: key={build["proof_key"]} disk=/dev/vdb {rest}')
    assert not re.search(build['success_pattern'], f'installation-proof: key=0000000000 disk=/dev/vdb {rest}')


def test_an_answer_file_that_proves_nothing_is_reported_once_and_refused_on_request(
    listing: FakeCloud, plan: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, 'warn', lambda _module, text: warnings.append(text))
    unproved = {'answer_file': {**ANSWER_FILE, 'proves': False}}
    assert not plan(options=unproved).get('failed')
    (warning,) = warnings
    assert 'x.ks.j2 does not include proof.sh.j2' in warning
    refused = plan(options=unproved, require_proof=True)
    assert refused['failed']
    assert 'image_build_require_proof is set' in refused['msg']
    assert not plan(require_proof=True).get('failed')


# --- installations by hand

BY_HAND = {
    'answer_file': '',
    'installer_family': 'debian-installer',
    'kickstart_version': '',
    'remote_interface': 'installer',
    'operator_cidr': '192.0.2.7',
    'timeout': 7200,
    'display_listen': '',
    'display_node': '',
}
NO_FILE = {'answer_file': {'path': '', 'sha256': 'abc', 'bytes': 9000, 'secret': False, 'reports': False, 'proves': False}}


def test_the_way_to_the_installer_is_planned_without_an_answer_file_only(listing: FakeCloud, plan: Planner) -> None:
    way = plan(options=NO_FILE, **BY_HAND)['build']['remote']
    assert (way['interface'], way['port'], way['cidr']) == ('SSH', 22, '192.0.2.7/32')
    assert plan()['build']['remote'] is None
    assert listing.writes == []


def test_the_line_of_success_of_an_installation_by_hand_names_the_disk(listing: FakeCloud, plan: Planner) -> None:
    pattern = plan(options=NO_FILE, **BY_HAND)['build']['success_pattern']
    found = re.search(pattern, 'installer: success: disk=vdb serial=euca-vol-1 bytes=5')
    assert found
    assert found.groupdict() == {'disk': 'vdb', 'serial': 'euca-vol-1', 'bytes': '5'}


def test_an_unknown_address_of_the_person_is_refused(listing: FakeCloud, plan: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cloud is reached through the loopback interface, for example by a tunnel."""
    monkeypatch.setattr(remote, 'source_address', lambda _endpoint: '127.0.0.1')
    for check in (False, True):
        refused = plan(check, options=NO_FILE, **{**BY_HAND, 'operator_cidr': ''})
        assert 'image_build_operator_cidr is empty' in refused['msg']


def test_an_installer_open_to_everybody_is_a_warning(listing: FakeCloud, plan: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, 'warn', lambda _module, text: warnings.append(text))
    assert plan(options=NO_FILE, **{**BY_HAND, 'operator_cidr': 'anywhere'})['build']['remote']['cidr'] == '0.0.0.0/0'
    assert 'the whole world may connect' in str(warnings)


# --- what the cloud has


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'zone': 'two'}, 'image_build_zone: there is no availability zone two. The cloud has one.'),
        (
            {'instance_type': 'm1.larg'},
            'image_build_instance_type: there is no instance type m1.larg. The cloud has m1.large, m1.small, c1.medium, m1.medium.',
        ),
        (
            {'boot_test_instance_type': 'm1.tiny'},
            'image_build_boot_test_instance_type: there is no instance type m1.tiny. The cloud has m1.medium, ',
        ),
        ({'key_name': 'anne'}, 'image_build_key_name: there is no key pair anne. The cloud has ann, bob.'),
        (
            {'security_groups': ['default', 'shh']},
            'image_build_security_groups: there is no security group shh. The cloud has ssh, default.',
        ),
        (
            {'kernel_id': 'eki-11111112'},
            'image_build_kernel_id: there is no kernel image eki-11111112 that this account may launch. '
            'The cloud has eki-11111111 (kernel).',
        ),
        (
            {'ramdisk_id': 'eki-11111111'},
            'image_build_ramdisk_id: eki-11111111 is a kernel image. The cloud has eri-11111111 (ramdisk).',
        ),
        (
            {'image_id': 'emi-1'},
            'image_build_image_id: there is no machine image emi-1 that this account may launch. The cloud lists no',
        ),
    ],
)
def test_what_the_cloud_does_not_have_is_answered_with_what_it_has(
    listing: FakeCloud, plan: Planner, changes: dict[str, t.Any], said: str
) -> None:
    for check in (False, True):
        result = plan(check, **changes)
        assert result['failed']
        assert said in result['msg']
    assert listing.writes == []


def test_the_list_of_what_exists_is_short(listing: FakeCloud, plan: Planner) -> None:
    listing.on('DescribeInstanceTypes', types(*(f'c{number}.large' for number in range(9))))
    assert plan(instance_type='c3.larg')['msg'].count('.large') == 2 * 5  # two variables
    assert 'The cloud has c3.large, ' in plan(instance_type='c3.larg')['msg']
    assert ' and 4 more.' in plan(instance_type='c3.larg')['msg']


def test_of_several_zones_one_must_be_named(listing: FakeCloud, plan: Planner) -> None:
    listing.on('DescribeAvailabilityZones', zones('two', 'one'))
    assert 'image_build_zone is empty, and the cloud has several zones: one, two.' in plan()['msg']
    assert not plan(zone='two').get('failed')


def test_all_mistakes_are_reported_at_once(listing: FakeCloud, plan: Planner) -> None:
    said = plan(zone='two', key_name='carl', kernel_id='eki-22222222')['msg']
    assert all(f'image_build_{name}:' in said for name in ('zone', 'key_name', 'kernel_id'))


@pytest.mark.parametrize('request_name', ['DescribeInstanceTypes', 'DescribeKeyPairs', 'DescribeSecurityGroups'])
def test_what_the_cloud_cannot_list_is_not_checked(listing: FakeCloud, plan: Planner, request_name: str) -> None:
    listing.on(request_name, NO_SUCH_REQUEST)
    result = plan(instance_type='odd', boot_test_instance_type='odd', key_name='odd', security_groups=['odd'])
    checked = {'DescribeInstanceTypes': 'instance type', 'DescribeKeyPairs': 'key pair', 'DescribeSecurityGroups': 'security group'}
    word = checked.pop(request_name)
    assert f'no {word} odd' not in result['msg']
    assert all(f'no {other} odd' in result['msg'] for other in checked.values())


def test_another_failure_to_list_ends_the_build(listing: FakeCloud, plan: Planner) -> None:
    listing.on('DescribeKeyPairs', error('InternalFailure', 'database away', 500))
    assert 'database away' in plan(key_name='ann')['msg']


# --- instance type


@pytest.mark.parametrize(
    ('given', 'memory', 'chosen'),
    [('', 1, 'm1.small'), ('', 256, 'm1.small'), ('', 257, 'm1.medium'), ('', 513, 'm1.large'), ('c1.medium', 300, 'c1.medium')],
)
def test_the_smallest_type_with_enough_memory_is_taken_unless_one_is_given(
    listing: FakeCloud, plan: Planner, given: str, memory: int, chosen: str
) -> None:
    build = plan(instance_type=given, boot_test_instance_type=given, memory=memory)['build']
    assert (build['instance_type'], build['boot_test_instance_type']) == (chosen, chosen)
    assert plan(instance_type=given, memory=memory)['build']['boot_test_instance_type'] == 'm1.medium'
    assert listing.writes == []


@pytest.mark.parametrize(
    ('given', 'memory', 'said'),
    [
        (
            'm1.small',
            512,
            'image_build_instance_type: m1.small (256 MiB) has less memory than image_build_memory, 512 MiB.'
            ' These types have enough: m1.medium (512 MiB), c1.medium (512 MiB), m1.large (1024 MiB).',
        ),
        (
            'm1.large',
            2048,
            'image_build_instance_type: m1.large (1024 MiB) has less memory than image_build_memory, 2048 MiB.'
            ' The largest is m1.large (1024 MiB).',
        ),
        ('', 2048, 'image_build_memory: no instance type of the cloud has 2048 MiB. The largest is m1.large (1024 MiB).'),
    ],
)
def test_too_little_memory_is_refused_before_anything_is_created(
    listing: FakeCloud, plan: Planner, given: str, memory: int, said: str
) -> None:
    for check in (False, True):
        assert plan(check, instance_type=given, memory=memory)['msg'] == said
    assert listing.writes == []


def test_without_a_list_of_sizes_a_given_type_is_used_with_a_warning_and_none_is_refused(
    listing: FakeCloud, plan: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, 'warn', lambda _module, text: warnings.append(text))
    listing.on('DescribeAvailabilityZones', zones('one'))
    listing.on('DescribeInstanceTypes', NO_SUCH_REQUEST)
    assert plan(instance_type='m1.medium')['build']['instance_type'] == 'm1.medium'
    assert warnings == [
        'The cloud does not list the sizes of its instance types for this account, so the memory of m1.medium was not compared'
        ' with image_build_memory, 512 MiB.'
    ]
    refused = plan(instance_type='')['msg']
    assert refused.startswith('image_build_instance_type is empty, and the cloud does not list the sizes')
    assert refused.endswith('Set it to a type with at least 512 MiB of memory.')


def test_before_eucalyptus_3_3_an_administrators_zones_show_the_sizes(listing: FakeCloud, plan: Planner) -> None:
    def rows(parameters: dict[str, str]) -> str:
        states = {'vm types': 'free / max   cpu   ram  disk', 'm1.small': '0002 / 0004   1    128     2'}
        states['m1.xlarge'] = '0000 / 0001   2   1024    10'
        if parameters.get('ZoneName.1') != 'verbose':
            return zones('one')
        items = (f'<item><zoneName>|- {name}</zoneName><zoneState>{text}</zoneState></item>' for name, text in states.items())
        return f'<availabilityZoneInfo><item><zoneName>one</zoneName></item>{"".join(items)}</availabilityZoneInfo>'

    listing.on('DescribeInstanceTypes', NO_SUCH_REQUEST)
    listing.on('DescribeAvailabilityZones', rows)
    assert plan(instance_type='')['build']['instance_type'] == 'm1.xlarge'
    assert 'm1.small (128 MiB) has less memory' in plan(instance_type='m1.small')['msg']


# --- files


def test_the_installers_files_are_identified_by_their_content(listing: FakeCloud, plan: Planner, tmp_path: Path) -> None:
    (tmp_path / 'vmlinuz').write_bytes(b'kernel')
    given = {'kernel_id': '', 'kernel': str(tmp_path / 'vmlinuz')}
    by_file = plan(**given)['build']
    assert by_file['kernel_src'] == given['kernel']
    digest = 'sha256:' + hashlib.sha256(b'kernel').hexdigest()
    assert plan(**given, kernel_checksum=digest)['build']['key'] == by_file['key']
    remote = {'kernel_id': '', 'kernel': 'http://x/vmlinuz', 'kernel_checksum': digest.upper().replace('SHA', 'sha')}
    assert plan(**remote)['build']['key'] == by_file['key']
    (tmp_path / 'vmlinuz').write_bytes(b'another')
    assert plan(**given)['build']['key'] != by_file['key']


def test_a_file_that_is_not_there_is_named_with_its_variable(listing: FakeCloud, plan: Planner) -> None:
    said = plan(kernel_id='', kernel='boot/vmlinuz')['msg']
    assert said == 'image_build_kernel: there is no readable file /home/ann/boot/vmlinuz (No such file or directory).'
    assert listing.requests == []


def test_a_file_with_another_checksum_is_refused_before_any_request(listing: FakeCloud, plan: Planner, tmp_path: Path) -> None:
    (tmp_path / 'initrd').write_bytes(b'ramdisk')
    said = plan(ramdisk_id='', ramdisk=str(tmp_path / 'initrd'), ramdisk_checksum='md5:' + 32 * '0')['msg']
    assert 'image_build_ramdisk: ' in said
    assert f'has the md5 checksum {hashlib.md5(b"ramdisk").hexdigest()}, not 000' in said
    assert listing.requests == []


def test_boot_parameters_that_are_too_long_with_the_answer_files_url_are_refused(listing: FakeCloud, plan: Planner) -> None:
    room = 'x' * (2047 - len('inst.ks=ANSWER-FILE-URL '))
    assert 'image_build_boot_params' in plan(boot_params=f'inst.ks=ANSWER-FILE-URL {room}')['msg']
    assert not plan(boot_params=f'inst.ks=elsewhere {room}').get('failed')
    assert listing.writes == []


def test_an_answer_file_needs_object_storage(listing: FakeCloud, plan: Planner) -> None:
    assert 's3_url' in plan(options={'s3_url': None})['msg']


def test_a_tenant_who_gives_files_is_refused_before_anything_is_uploaded(listing: FakeCloud, plan: Planner, tmp_path: Path) -> None:
    listing.on('DescribeAvailabilityZones', zones('one'))
    (tmp_path / 'vmlinuz').write_bytes(b'kernel')
    said = plan(kernel_id='', kernel=str(tmp_path / 'vmlinuz'))['msg']
    assert said.startswith('image_build_kernel cannot be registered: set image_build_kernel_id instead. Only administrators can')
    assert listing.writes == []


# --- a finished image


def finished(run_plan: Planner, listing: FakeCloud, **tags: str) -> str:
    build = run_plan()['build']
    own = {'eucalyptus.cloud/build': build['image_name'], 'eucalyptus.cloud/build-key': build['key'], **tags}
    listing.on('DescribeImages', images(image('emi-1', build['image_name'], kind='machine', description='Debian', **own)))
    listing.on('DescribeImageAttribute', NOBODY)
    for action in ('ModifyImageAttribute', 'CreateTags'):
        listing.on(action, DONE)
    listing.requests.clear()
    return build['image_name']


def test_a_finished_image_is_all_there_is_to_do(listing: FakeCloud, plan: Planner) -> None:
    finished(plan, listing, team='blue')
    result = plan(zone='two')  # of no interest: nothing is built
    assert (result['changed'], result['build']['image']['image_id']) == (False, 'emi-1')
    assert {action for action, _parameters in listing.requests} == {'DescribeImages', 'DescribeImageAttribute'}


def test_an_image_without_the_tag_of_its_key_is_not_finished(listing: FakeCloud, plan: Planner) -> None:
    name = finished(plan, listing)
    listing.on('DescribeImages', images(image('emi-1', name, kind='machine', description='Debian'), KERNEL, RAMDISK))
    assert plan()['build']['image'] is None


CHANGES = {'description': 'Debian 12', 'tags': {'team': 'blue'}, 'launch_permissions': {'public': True}}


def test_what_is_not_keyed_is_applied_to_the_finished_image(listing: FakeCloud, plan: Planner) -> None:
    finished(plan, listing)
    result = plan(**CHANGES)
    assert result['changed']
    assert result['actions'] == ['set the description', 'let everybody launch the image', 'set tags team']
    described, permitted = listing.asked('ModifyImageAttribute')
    assert (described['ImageId'], described['Description.Value']) == ('emi-1', 'Debian 12')
    assert permitted['LaunchPermission.Add.1.Group'] == 'all'
    (tagged,) = listing.asked('CreateTags')
    assert (tagged['ResourceId.1'], tagged['Tag.1.Key'], tagged['Tag.1.Value']) == ('emi-1', 'team', 'blue')


def test_check_mode_predicts_what_would_be_applied(listing: FakeCloud, plan: Planner) -> None:
    finished(plan, listing)
    result = plan(True, **CHANGES)
    assert result['changed']
    image_after = result['build']['image']
    assert image_after['description'] == 'Debian 12'
    assert image_after['launch_permissions']['public'] is True
    assert image_after['tags']['team'] == 'blue'
    assert result['diff']['after']['description'] == 'Debian 12'
    assert listing.writes == []


# --- the other entry point


def test_an_installer_to_publish_is_only_looked_at(listing: FakeCloud, run: Planner, tmp_path: Path) -> None:
    for name in ('vmlinuz', 'initrd'):
        (tmp_path / name).write_bytes(b'x')
    inputs = {'kernel': 'vmlinuz', 'kernel_checksum': '', 'ramdisk': 'initrd', 'ramdisk_checksum': ''}
    result = run('build_plan', entry_point='publish_installer', inputs=inputs, here=str(tmp_path))
    assert result['build']['kernel_src'] == str(tmp_path / 'vmlinuz')
    assert result['build']['ramdisk_src'] == str(tmp_path / 'initrd')
    assert listing.writes == []
    listing.on('DescribeAvailabilityZones', zones('one'))
    refused = run('build_plan', entry_point='publish_installer', inputs=inputs, here=str(tmp_path))
    assert 'image_build_kernel cannot be registered' in refused['msg']
