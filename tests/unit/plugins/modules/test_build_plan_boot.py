# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""build_plan decides how the installer boots and how it gets its answer file."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import boot
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import boot_disk
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.cloud_xml import ACCOUNT
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.fake_cloud import FakeCloud
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.modules import test_build_plan
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.modules.test_boot_disk import kernel_bytes
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.modules.test_build_plan import ANSWER_FILE, Planner, zones

# pytest looks for fixtures in this module.
fixture_listing, fixture_plan = test_build_plan.fixture_listing, test_build_plan.fixture_plan


@pytest.fixture(name='tenant')
def fixture_tenant(listing: FakeCloud) -> FakeCloud:
    """A cloud whose caller may not register kernels."""
    listing.on('DescribeAvailabilityZones', zones('one'))
    return listing


@pytest.fixture(name='files')
def fixture_files(tmp_path: Path) -> dict[str, str]:
    """Inputs with the files of an installer."""
    (tmp_path / 'vmlinuz').write_bytes(kernel_bytes())
    (tmp_path / 'initrd').write_bytes(b'ramdisk')
    paths = {'kernel': str(tmp_path / 'vmlinuz'), 'ramdisk': str(tmp_path / 'initrd')}
    return {**paths, 'kernel_id': '', 'ramdisk_id': ''}


def answer(**changes: t.Any) -> dict[str, t.Any]:
    return {'answer_file': {**ANSWER_FILE, **changes}}


def test_registered_images_are_booted_by_the_hook(tenant: FakeCloud, plan: Planner) -> None:
    chosen = plan()['build']['boot']
    assert chosen['way'] == 'hook'
    assert chosen['reason'] == 'image_build_kernel_id and image_build_ramdisk_id are given'


def test_accounts_that_may_register_kernels_use_the_hook_and_all_others_a_boot_disk(
    listing: FakeCloud, plan: Planner, files: dict[str, str]
) -> None:
    assert plan(**files)['build']['boot']['way'] == 'hook'
    listing.on('DescribeAvailabilityZones', zones('one'))
    chosen = plan(**files)['build']['boot']
    assert (chosen['way'], chosen['reason']) == ('disk', 'this account may not register kernels')
    assert listing.writes == []


def test_an_administrator_can_choose_the_disk(listing: FakeCloud, plan: Planner, files: dict[str, str]) -> None:
    assert plan(**files, boot='disk')['build']['boot']['way'] == 'disk'


def test_the_way_does_not_change_the_image(listing: FakeCloud, plan: Planner, files: dict[str, str]) -> None:
    assert plan(**files, boot='disk')['build']['key'] == plan(**files, boot='hook')['build']['key']


def test_a_disk_without_a_secret_serves_all_builds_of_the_installer(
    tenant: FakeCloud, plan: Planner, files: dict[str, str]
) -> None:
    chosen = plan(**files)['build']['boot']
    expected = {'answer_file_by': 'user_data', 'image_name': 'debian-12-boot', 'digits': 12, 'bucket': ''}
    assert {name: chosen[name] for name in expected} == expected
    assert chosen['answer_file_url'] == 'http://169.254.169.254/latest/user-data'


@pytest.mark.parametrize(
    ('changes', 'options'),
    [
        ({}, answer(bytes=16385)),
        ({}, answer(secret=True)),
        ({'answer_file_by': 'url'}, {}),
        ({'boot_params': 'inst.ks=http://intranet/x.ks'}, {}),
    ],
)
def test_a_disk_with_a_secret_url_belongs_to_one_build(
    tenant: FakeCloud, plan: Planner, files: dict[str, str], changes: dict[str, t.Any], options: dict[str, t.Any]
) -> None:
    build = plan(**{**files, **changes}, options=options)['build']
    expected = {'answer_file_by': 'url', 'image_name': f'{build["image_name"]}-boot', 'digits': 0, 'bucket': f'images-{ACCOUNT}'}
    assert {name: build['boot'][name] for name in expected} == expected


@pytest.mark.parametrize('word', ['inst.sshpw=geheim', 'rhsm.activationkey=geheim'])
def test_a_disk_with_a_password_in_its_parameters_belongs_to_one_build(
    tenant: FakeCloud, plan: Planner, files: dict[str, str], word: str
) -> None:
    build = plan(**files, boot_params=f'inst.ks=ANSWER-FILE-URL {word}')['build']
    expected = {'answer_file_by': 'user_data', 'image_name': f'{build["image_name"]}-boot', 'bucket': f'images-{ACCOUNT}'}
    assert {name: build['boot'][name] for name in expected} == expected


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (answer(bytes=20000), 'the answer file has 20000 bytes, and user data at most 16384'),
        (answer(secret=True), 'the answer file may contain a password'),
    ],
)
def test_user_data_that_cannot_carry_the_answer_file_is_refused(
    tenant: FakeCloud, plan: Planner, files: dict[str, str], options: dict[str, t.Any], words: str
) -> None:
    said = plan(**files, answer_file_by='user_data', options=options)['msg']
    assert said.startswith(f'image_build_answer_file_by: user_data is not possible: {words}')
    assert 'by the hook' in plan(answer_file_by='user_data')['msg']


def test_a_cloud_that_runs_no_boot_disks_is_named_before_anything_is_created(
    tenant: FakeCloud, plan: Planner, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cloud, 'has_tags', False)
    tenant.on(f'GET /services/objectstorage/builds-{ACCOUNT}', (404, ''))
    assert 'image_build_boot: this cloud, Eucalyptus before 3.4, runs no machine images' in plan(**files, boot='disk')['msg']
    assert 'set image_build_kernel_id instead' in plan(**files)['msg']
    assert tenant.writes == []


def test_inputs_that_would_not_boot_are_refused_before_anything_is_created(
    tenant: FakeCloud, plan: Planner, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 'at most 2022 reach' in plan(**files, boot_params='inst.ks=ANSWER-FILE-URL ' + 'x' * 1980)['msg']
    assert 'image_build_kernel_id: a boot disk is made of files' in plan(boot='disk')['msg']
    assert 'need 41 MiB of memory' in plan(**files, memory=40)['msg']
    assert 'only the hook adds a display' in plan(**files, answer_file='', remote_interface='display')['msg']
    Path(files['kernel']).write_bytes(b'\x7fELF')
    assert f'image_build_boot: {files["kernel"]} is not a bzImage' in plan(**files)['msg']
    monkeypatch.setattr(boot_disk, 'check_tools', no_syslinux)
    assert 'image_build_boot: syslinux is not installed' in plan(**files)['msg']
    assert tenant.writes == []


def no_syslinux(uefi: bool) -> None:
    raise CollectionError('syslinux is not installed')


HASH = '$6$salt$ENGfQh2LykT/kSgvYcBGPq1'


@pytest.mark.parametrize(
    'line',
    [
        'rootpw --plaintext geheim',
        f'rootpw --iscrypted {HASH}',
        'd-i passwd/root-password password geheim',
        f'd-i passwd/root-password-crypted password {HASH}',
        '  <user_password>geheim</user_password>',
        '"password": "geheim"',
        f'usermod -p {HASH} ann',
        'echo root:geheim | chpasswd',
        'curl -H "X-Token: 0815" http://h/',
        '-----BEGIN OPENSSH PRIVATE KEY-----',
        'url --url=https://ann:geheim@h/',
        'wget "http://h/x?AWSAccessKeyId=A&Signature=geheim"',
        'curl -u ann:geheim http://h/',
        f'# rootpw --iscrypted {HASH}',
        f'rootpw --lock --iscrypted {HASH}',
        'rootpw --plaintext geheim --lock',
        'useradd -m -p geheim ann',
        'mysql -u root -pgeheim shop',
        'subscription-manager register --org=1 --activationkey=geheim',
        'echo "bindpw geheim" >> /etc/ldap.conf',
        "sshpass -p geheim ssh h; echo 'pwd=geheim'",
        'curl -H "X-Auth-Key: geheim" http://h/',
        'wget "http://h/x?sig=geheim"',
    ],
)
def test_a_line_that_may_set_a_password_keeps_an_answer_file_out_of_user_data(line: str) -> None:
    assert boot.holds_secret(f'poweroff\n{line}\n', {}, own_template=False)
    assert boot.holds_secret('', {'post': line}, own_template=True)


@pytest.mark.parametrize(
    'line',
    [
        '# no password here',
        'rootpw --lock --iscrypted *',
        'd-i passwd/make-user boolean false',
        'd-i passwd/root-password-crypted password *',
        "home=$(awk -F: '{ print $6 }' /etc/passwd)",
        "echo 'ops ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops",
        'useradd -m -s /bin/bash ann; mkdir -p "$(pwd)/x"',
    ],
)
def test_a_line_without_a_password_does_not(line: str) -> None:
    assert not boot.holds_secret(f'poweroff\n{line}\n', {}, own_template=False)


def test_for_the_collections_own_templates_only_the_inputs_count() -> None:
    text = 'chpasswd -e\n'
    assert not boot.holds_secret(text, {'users': [{'name': 'a', 'ssh_keys': ['k']}], 'proxy': 'http://p:1'}, own_template=True)
    urls = [{name: 'http://a:b@p:1/x'} for name in ('proxy', 'install_url', 'package_mirror')]
    for secret in ({'root_password_hash': HASH}, {'users': [{'name': 'a', 'password_hash': HASH}]}, *urls):
        assert boot.holds_secret(text, secret, own_template=True)
