# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""image_build_os in the action build_plan: from the name of a system to the module's inputs, with a mirror on loopback."""

from __future__ import annotations

import hashlib
import re
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible.release import __version__ as core_version
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.release import release
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.build_kit import COLLECTION
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.file_server import Files, serving

Planner = t.Callable[..., dict[str, t.Any]]
BOOT = '/41/os/images/pxeboot/'
KERNEL, RAMDISK = b'a kernel', b'a ramdisk'
DIGESTS = {'kernel': hashlib.sha256(KERNEL).hexdigest(), 'ramdisk': hashlib.sha256(RAMDISK).hexdigest()}
SUMS = {'sha256': {'x86_64': DIGESTS}}


@pytest.fixture(name='files')
def fixture_files() -> Files:
    return {f'{BOOT}vmlinuz': KERNEL, f'{BOOT}initrd.img': RAMDISK}


@pytest.fixture(name='mirror')
def fixture_mirror(files: Files) -> Iterator[tuple[str, list[str]]]:
    with serving(files) as served:
        yield served


@pytest.fixture(name='plan')
def fixture_plan(planner: Planner, mirror: tuple[str, list[str]], tmp_path: Path) -> Planner:
    """Plan Fedora 41 from the mirror on loopback, with reviewed checksums in the catalogue."""

    def plan(arguments: dict[str, t.Any] | None = None, **changes: t.Any) -> dict[str, t.Any]:
        given = {
            'image_build_os': 'fedora-41',
            'image_build_mirror': mirror[0],
            'image_build_catalogue': {'fedora-41': {'tree': '{version}/os/', **SUMS}},
            'image_build_directory': '/builds',
            'image_build_media_cache': str(tmp_path / 'cache'),
        }
        return planner(given, arguments, **changes)

    return plan


def test_the_name_alone_fills_the_inputs(plan: Planner, mirror: tuple[str, list[str]]) -> None:
    result = plan()
    inputs, url = result['inputs'], mirror[0]
    expected = {
        'name': 'fedora-41',
        'description': 'fedora-41, installed by its own installer',
        'kernel': f'{url}{BOOT}vmlinuz',
        'kernel_checksum': f'sha256:{DIGESTS["kernel"]}',
        'ramdisk': f'{url}{BOOT}initrd.img',
        'ramdisk_checksum': f'sha256:{DIGESTS["ramdisk"]}',
        'answer_file': 'kickstart.cfg.j2',
        'kickstart_version': 'F41',
        'install_url': f'{url}/41/os',
        'installer_family': 'anaconda',
        'memory': 3072,
    }
    assert {name: inputs[name] for name in expected} == expected
    assert inputs['boot_params'].startswith(f'inst.ks=ANSWER-FILE-URL inst.repo={url}/41/os ip=dhcp inst.cmdline ')
    assert result['answer_file']['proves']


def test_a_fetched_kernel_that_boots_from_no_disk_is_refused_before_anything_is_created(plan: Planner, tmp_path: Path) -> None:
    assert not plan(chosen={'way': 'hook', 'reason': 'it was given'}).get('failed')
    refused = plan(chosen={'way': 'disk', 'reason': 'it was given'})
    assert re.fullmatch(rf'{tmp_path}/cache/\S+ is not a bzImage, so a BIOS cannot boot it.*', refused['msg'])
    assert refused['software']['cloud'] == 'Eucalyptus/5.1.0'


@pytest.mark.parametrize('page', ['README.md', 'docs/systems.md'])
def test_the_example_of_the_documentation_can_be_built(plan: Planner, mirror: tuple[str, list[str]], page: str) -> None:
    if not (COLLECTION / page).exists():
        pytest.skip('this is an installed collection')
    text = (COLLECTION / page).read_text().partition('```yaml\n')[2].partition('```')[0]
    example = {name.removeprefix('image_build_'): value for name, value in yaml.safe_load(text).items()}
    assert len(text.splitlines()) <= 3 and example['packages'] == ['nginx']
    result = plan(**example, catalogue={example['os']: {'tree': '41/os/', **SUMS}})
    assert (result['inputs']['kickstart_version'], result['inputs']['install_url']) == ('F43', f'{mirror[0]}/41/os')
    assert result['build']['media']['kernel']['checksum'] == f'sha256:{DIGESTS["kernel"]}'


def test_a_necessary_build_gets_its_media_from_the_cache(plan: Planner, mirror: tuple[str, list[str]]) -> None:
    for _twice in range(2):
        build = plan()['build']
        assert [Path(build[f'{part}_src']).read_bytes() for part in ('kernel', 'ramdisk')] == [KERNEL, RAMDISK]
    assert sorted(mirror[1]) == [f'{BOOT}initrd.img', f'{BOOT}vmlinuz']
    assert build['media']['kernel'] == {
        'source': f'{mirror[0]}{BOOT}vmlinuz',
        'checksum': f'sha256:{DIGESTS["kernel"]}',
        'trust': 'the checksum is in the catalogue',
    }


@pytest.mark.parametrize('changes', [{}, {'os': 'fedora-9'}], ids=['planned', 'refused'])
def test_the_versions_are_returned_even_if_the_build_is_refused(plan: Planner, changes: dict[str, str]) -> None:
    found = plan(**changes)['software']
    assert set(found) == {'cloud', 'collection', 'ansible'}
    assert (found['collection'], found['ansible']) == (release(), core_version)


def test_a_build_on_another_host_downloads_there(plan: Planner, mirror: tuple[str, list[str]]) -> None:
    assert 'kernel_src' not in plan(transport='ssh')['build']
    assert mirror[1] == []


def test_a_finished_image_needs_no_media(plan: Planner, mirror: tuple[str, list[str]]) -> None:
    result = plan(finished={'image_id': 'emi-1'}, os='fedora-41')
    assert (mirror[1], 'warnings' in result) == ([], False)


def test_registered_images_need_no_media(plan: Planner, mirror: tuple[str, list[str]]) -> None:
    result = plan(kernel_id='eki-11111111', ramdisk_id='eri-11111111')
    assert (result['inputs']['kernel'], result['build']['media'], mirror[1]) == ('', {}, [])


def test_every_input_of_the_entry_can_be_overridden(plan: Planner) -> None:
    own: dict[str, t.Any] = {
        'name': 'mine',
        'memory': 4096,
        'kickstart_version': 'F40',
        'boot_params': 'inst.ks=ANSWER-FILE-URL mine',
        'install_url': 'http://mine.example.com/',
        'login_prompt': 'mine login',
    }
    inputs = plan(**own)['inputs']
    assert {name: inputs[name] for name in own} == own


def test_a_checksum_given_by_the_user_wins(plan: Planner, files: Files) -> None:
    files[f'{BOOT}vmlinuz'] = b'another kernel'
    digest = hashlib.sha256(b'another kernel').hexdigest()
    build = plan(kernel_checksum=f'sha256:{digest}')['build']
    assert Path(build['kernel_src']).read_bytes() == b'another kernel'
    assert build['media']['kernel']['trust'] == 'the checksum was given by the user'
    assert build['media']['ramdisk']['trust'] == 'the checksum is in the catalogue'


def test_own_files_are_not_compared_with_the_catalogues_checksums(plan: Planner, tmp_path: Path) -> None:
    (tmp_path / 'linux').write_bytes(b'mine')
    result = plan(kernel=str(tmp_path / 'linux'))
    assert (result['inputs']['kernel_checksum'], sorted(result['build']['media'])) == ('', ['ramdisk'])


def test_without_an_answer_file_the_parameters_are_those_of_an_installation_by_hand(plan: Planner, mirror: t.Any) -> None:
    inputs = plan(answer_file='')['inputs']
    assert inputs['boot_params'] == f'inst.repo={mirror[0]}/41/os ip=dhcp console=tty0 console=ttyS0,115200'


def test_the_installer_can_be_published_by_its_name(plan: Planner) -> None:
    result = plan({'entry_point': 'publish_installer'})
    assert result['inputs']['name'] == 'fedora-41'
    assert Path(result['build']['kernel_src']).read_bytes() == KERNEL


def test_help_is_the_table_of_all_systems(plan: Planner) -> None:
    lines = plan(os='help')['systems']
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert rows['fedora-41'] == ['fedora-41', 'anaconda', 'kickstart.cfg.j2', 'VNC', '3072', 'x86-64-v1', 'reviewed', 'checked']
    assert any(line.startswith('needs image_build_mirror,') and 'rhel-9, ' in line for line in lines)
    assert lines[-1].startswith('proof "read": It is known only from')


def test_a_newer_version_and_a_needed_processor_are_warnings(plan: Planner) -> None:
    changes = {'almalinux-11': {'tree': '41/os/', **SUMS}}
    warnings = plan(os='almalinux-11', catalogue=changes)['warnings']
    assert 'almalinux-11 is newer than the catalogue, so the entry of version 10 is used' in warnings[0]
    assert 'almalinux-11 needs a processor of the level x86-64-v3' in warnings[1]


# --- what is refused, before the module runs or before anything is created


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({'mirror': 'ftp://x'}, 'image_build_mirror must be an http(s) URL.'),
        ({'mirror': 'http://ann:pw@x/y'}, 'image_build_mirror must be a URL without user, password and query'),
        ({'catalogue': 'fedora'}, 'image_build_catalogue must be a dictionary, not a string.'),
        ({'catalogue': {'fedora-41': {'memroy': 1}}}, 'image_build_catalogue: fedora-41: memroy is not a field'),
        ({'catalogue': '{{ nowhere }}'}, "image_build_catalogue cannot be evaluated: 'nowhere' is undefined."),
        ({'os': 'rhel-9', 'mirror': ''}, 'image_build_mirror is empty, and rhel-9 has no public mirror'),
        ({'os': 'rhel-9'}, 'image_build_kernel_checksum and image_build_ramdisk_checksum are empty'),
        ({'memory': 0}, 'image_build_memory must be 1 or more'),
    ],
)
def test_wrong_input_is_refused_with_its_variable(plan: Planner, changes: dict[str, t.Any], expected: str) -> None:
    assert expected in plan(**changes)['msg']


def test_a_mirror_that_lacks_the_kernel_is_named_with_the_url(plan: Planner, mirror: t.Any, files: Files) -> None:
    del files[f'{BOOT}vmlinuz']
    said = plan()['msg']
    assert said.startswith(f'image_build_kernel: Fetching {mirror[0]}{BOOT}vmlinuz failed: HTTP Error 404')
    assert said.endswith('image_build_mirror selects another mirror.')


def test_a_wrong_checksum_is_refused_with_both(plan: Planner, mirror: t.Any, files: Files) -> None:
    files[f'{BOOT}initrd.img'] = b'evil'
    said = plan()['msg']
    assert f'The SHA-256 sum of {mirror[0]}{BOOT}initrd.img is {hashlib.sha256(b"evil").hexdigest()} instead of' in said


def test_a_system_whose_answer_file_the_role_lacks_needs_the_users_own(plan: Planner, tmp_path: Path) -> None:
    boot = {'kernel': f'{BOOT[1:]}vmlinuz', 'ramdisk': f'{BOOT[1:]}initrd.img'}
    changes = {'tumbleweed': {'answer_file': 'nothing.j2', **boot, **SUMS}}
    said = plan(os='tumbleweed', catalogue=changes)['msg']
    assert 'image_build_answer_file: the collection has no answer file for tumbleweed yet.' in said
    assert 'Set it to your own for its installer, yast, or to an empty string' in said
    (tmp_path / 'own.xml.j2').write_text('<profile/>')
    result = plan(os='tumbleweed', catalogue=changes, answer_file='own.xml.j2')
    assert result['answer_file']['path'] == str(tmp_path / 'own.xml.j2')
