# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
import typing as t

import pytest
import yaml
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import catalogue
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.catalogue import Catalogue, CatalogueError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.catalogue_fields import FIELDS, REQUIRED, problems_of
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.recipe import URL_PLACEHOLDER
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.user_data import compose
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils import systems
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.build_kit import ROLE, SPECS

PATHS = sorted((ROLE / 'catalogue').glob('*.yml'))
ALL = systems.read(ROLE, {})


def read(**changes: t.Any) -> Catalogue:
    return systems.read(ROLE, {name.replace('_', '-'): fields for name, fields in changes.items()})


def located(name: str, mirror: str = '', architecture: str = 'x86_64', catalog: Catalogue = ALL) -> dict[str, t.Any]:
    system = catalogue.resolve(catalog.entry(name), name, architecture, mirror)
    return catalogue.located(system, (system['bases'] or [''])[0])


def refusal(name: str, architecture: str = 'x86_64', **changes: t.Any) -> str:
    with pytest.raises(CatalogueError) as caught:
        located(name, architecture=architecture, catalog=read(**changes))
    return str(caught.value)


# --- the collection's own data


def test_every_file_of_the_catalogue_is_read() -> None:
    assert [path.stem for path in PATHS] == sorted(systems.FILES)


@pytest.mark.parametrize('path', PATHS, ids=[path.stem for path in PATHS])
def test_the_files_have_only_known_fields_with_good_values(path: t.Any) -> None:
    file = yaml.safe_load(path.read_text())
    assert set(file) == {'common', 'systems'}
    parts = [file['common']]
    for system in file['systems'].values():
        parts += [{name: value for name, value in system.items() if name != 'versions'}, *system.get('versions', {}).values()]
        assert all(isinstance(version, str) for version in system.get('versions', {})), 'in quotes, or 10.10 becomes 10.1'
    assert [problem for part in parts for problem in problems_of(part)] == []


@pytest.mark.parametrize('name', ALL.names())
def test_every_entry_is_complete_and_fills_the_roles_defaults(name: str) -> None:
    entry = ALL.entry(name)
    assert set(REQUIRED) <= set(entry)
    needs = {'treeinfo': {'checksums'}, 'release': {'checksums', 'release', 'keyring'}, 'detached': {'checksums', 'signature'}}
    assert needs.get(entry['trust'], set()) <= set(entry)
    for architecture in entry['architectures']:
        found = located(name, 'http://mirror.example.com/x', architecture)
        assert found['installer_family'] in SPECS['main']['options']['image_build_installer_family']['choices']
        for kind, text in found['boot_params'].items():
            assert text.endswith('console=tty0' if kind == 'display' else 'console=tty0 console=ttyS0,115200')
            assert (URL_PLACEHOLDER in text) is (kind == 'unattended')
            assert '{' not in text and compose(text.replace('INSTALL-URL', found['install_url']), None, False, None)
        for field in ('kernel', 'ramdisk', 'install_url'):
            assert '{' not in found[field] and '//' not in found[field].partition('://')[2]


def test_the_promised_systems_are_there() -> None:
    names = ALL.names()
    promised = {
        *(f'fedora-{number}' for number in range(16, 45)),
        *(f'{name}-{number}' for name in ('rhel', 'oracle') for number in range(6, 11)),
        *('centos-6', 'centos-7', 'centos-8', *(f'centos-stream-{number}' for number in (8, 9, 10))),
        *(f'{name}-{number}' for name in ('almalinux', 'rocky') for number in (8, 9, 10)),
        *(f'debian-{number}' for number in range(8, 14)),
        *(f'ubuntu-{year}.04' for year in (16, 18, 20, 22, 24, 26)),
        *(f'leap-15.{number}' for number in range(7)),
        *('leap-16.0', 'tumbleweed', 'sles-15', 'sles-16', 'fai', 'lab-debian', 'lab-busybox'),
    }
    assert promised - set(names) == set()


def test_no_entry_claims_more_proof_than_there_is() -> None:
    """FAI and the lab's own are built in tests/build. ksvalidator checks all kickstarts, and debian-installer 12 runs in part."""
    for name in ALL.names():
        entry = ALL.entry(name)
        built = name.startswith(('fai', 'lab-'))
        checked = entry['installer'] == 'anaconda' or name == 'debian-12'
        assert entry['proof'] == ('run' if built else 'checked' if checked else 'read'), name


# --- from a name to what its installer needs


def test_a_name_is_enough() -> None:
    assert located('fedora-41') == {
        'os': 'fedora-41',
        'name': 'fedora-41',
        'installer_family': 'anaconda',
        'kickstart_version': 'F41',
        'cloud_init': True,
        'answer_file': 'kickstart.cfg.j2',
        'memory': 3072,
        'keyring': '',
        'kernel': 'https://archives.fedoraproject.org/pub/archive/fedora/linux/releases/41/Everything/x86_64/os/images/pxeboot/vmlinuz',
        'kernel_checksum': '',
        'ramdisk': 'https://archives.fedoraproject.org/pub/archive/fedora/linux/releases/41/Everything/x86_64/os/images/pxeboot/initrd.img',
        'ramdisk_checksum': '',
        'install_url': 'https://archives.fedoraproject.org/pub/archive/fedora/linux/releases/41/Everything/x86_64/os',
        'boot_params': {
            'unattended': 'inst.ks=ANSWER-FILE-URL inst.repo=INSTALL-URL ip=dhcp inst.cmdline inst.notmux inst.nosave=all '
            'rd.shell=0 rd.emergency=poweroff console=tty0 console=ttyS0,115200',
            'interactive': 'inst.repo=INSTALL-URL ip=dhcp console=tty0 console=ttyS0,115200',
            'display': 'inst.repo=INSTALL-URL ip=dhcp console=ttyS0,115200 console=tty0',
        },
    }


def test_the_distributions_own_names_of_the_architecture_are_in_the_paths() -> None:
    found = located('debian-12', architecture='i386')
    assert found['kernel'] == (
        'http://ftp.debian.org/debian/dists/bookworm/main/installer-i386/current/images/netboot/debian-installer/i386/linux'
    )
    assert found['install_url'] == 'http://ftp.debian.org/debian'
    assert 'mirror/http/hostname=ftp.debian.org mirror/http/directory=/debian ' in found['boot_params']['interactive']


def test_a_mirror_replaces_the_distributions_host() -> None:
    assert (
        located('rocky-9', 'http://mirror.example.com/rocky/')['install_url']
        == 'http://mirror.example.com/rocky/9/BaseOS/x86_64/os'
    )


def test_a_version_with_a_dot_makes_a_name_that_images_can_have() -> None:
    assert located('leap-15.6')['name'] == 'leap-15-6'


def test_the_longest_name_of_a_system_counts() -> None:
    assert ALL.entry('centos-stream-9')['title'] == 'CentOS Stream {version}'
    assert ALL.entry('debian-testing')['suite'] == 'testing'


def test_a_newer_version_takes_the_newest_entry_with_a_warning() -> None:
    entry = ALL.entry('fedora-46')
    system = catalogue.resolve(entry, 'fedora-46', 'x86_64', '')
    assert (entry['newer_than'], catalogue.located(system, 'http://m')['kickstart_version']) == ('44', 'F46')
    assert catalogue.remarks(system) == [
        'image_build_os: fedora-46 is newer than the catalogue, so the entry of version 44 is used.'
    ]


def test_a_newer_version_needs_its_code_name_only_where_a_path_contains_it() -> None:
    assert (ALL.entry('ubuntu-26.10')['newer_than'], located('ubuntu-26.10')['memory']) == ('26.04', 8192)
    assert '{debian-14: {suite: CODE-NAME}}' in refusal('debian-14')


def test_reviewed_sums_are_those_of_one_version_and_architecture() -> None:
    def sums(name: str, architecture: str = 'x86_64', **changes: t.Any) -> dict[str, str]:
        return catalogue.resolve(read(**changes).entry(name), name, architecture, '')['sha256']

    assert set(sums('fedora-21')) == set(sums('fedora-44')) == {'kernel', 'ramdisk'}
    assert sums('fedora-21') != sums('fedora-44')
    assert [sums('fedora-21', 'i386'), sums('fedora-22'), sums('fedora-45')] == [{}, {}, {}]
    assert sums('fedora-44', fedora_44={'memory': 4096}) == sums('fedora-44')
    assert sums('fedora-44', fedora_44={'tree': 'mine/'}) == {}


def test_a_processor_that_the_installer_cannot_do_without_is_named() -> None:
    system = catalogue.resolve(ALL.entry('rocky-10'), 'rocky-10', 'x86_64', '')
    assert 'rocky-10 needs a processor of the level x86-64-v3' in catalogue.remarks(system)[0]
    assert catalogue.remarks(catalogue.resolve(ALL.entry('rocky-8'), 'rocky-8', 'x86_64', '')) == []


# --- changes by the user


def test_a_change_of_an_entry_changes_nothing_else() -> None:
    changed = read(fedora_41={'memory': 4096})
    assert [changed.entry(f'fedora-{number}')['memory'] for number in (40, 41, 42)] == [3072, 4096, 3072]


def test_a_change_of_a_system_changes_all_its_versions() -> None:
    changed = read(fedora={'memory': 4096}, fedora_41={'memory': 5000})
    assert [changed.entry(f'fedora-{number}')['memory'] for number in (40, 41, 42)] == [4096, 5000, 4096]


def test_an_own_entry_is_like_another() -> None:
    changed = read(corporate_1={'like': 'rocky-9', 'mirror': 'https://corp.example.com/linux'})
    assert located('corporate-1', catalog=changed)['install_url'] == 'https://corp.example.com/linux/9/BaseOS/x86_64/os'
    assert changed.names()[-1] == 'corporate-1'


def test_a_code_name_makes_a_newer_debian_usable() -> None:
    assert '/dists/forky/' in located('debian-14', catalog=read(debian_14={'suite': 'forky'}))['kernel']


# --- what cannot be used


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('debain-12', 'image_build_os: debain-12 is not in the catalogue. Similar names are debian-12,'),
        ('fedora', 'fedora has no version. The catalogue has fedora-16 to fedora-44.'),
        ('fedora-15', 'image_build_os: the catalogue has no version 15 of fedora. It has fedora-16 to fedora-44. Add it'),
        ('centos-9', 'image_build_os: 8 was the last version of centos, so there is no centos-9. Similar names are centos-8,'),
        ('rocky-9.4', 'image_build_os: the catalogue has no version 9.4 of rocky. It has rocky-8, rocky-9, rocky-10.'),
        ('fedora-rawhide', 'image_build_os: the catalogue has no version rawhide of fedora.'),
        ('debian-14', 'Set image_build_catalogue to {debian-14: {suite: CODE-NAME}}.'),
        ('tumbleweed-1', 'image_build_os: tumbleweed-1 is not in the catalogue.'),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, expected: str) -> None:
    assert expected in refusal(name)


def test_a_32_bit_architecture_that_does_not_exist_is_refused() -> None:
    said = refusal('debian-13', 'i386')
    assert said == 'image_build_architecture: debian-13 has no installer for i386, only for x86_64.'


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({'fedora-41': {'memroy': 1}}, 'image_build_catalogue: fedora-41: memroy is not a field; the nearest are memory,'),
        ({'fedora-41': {'memory': 'much'}}, "memory must be a whole number of MiB, not 'much'"),
        ({'fedora-41': {'last': 'yes'}}, "last must be true or false, not 'yes'"),
        ({'fedora-41': {'memory': True}}, 'memory must be a whole number of MiB, not True'),
        ({'fedora-41': {'kernel': '/boot/vmlinuz'}}, 'kernel must be a path below the mirror'),
        ({'fedora-41': {'mirror': 'rsync://x'}}, 'mirror must be an http(s) URL'),
        ({'fedora-41': {'installer': 'anacondo'}}, 'installer must be anaconda or'),
        (
            {'fedora-41': {'sha256': {'x86_64': {'kernel': 'abc'}}}},
            'sha256 must have the form {x86_64: {kernel: HEX, ramdisk: HEX}}',
        ),
        ({'fedora-41': {'architectures': {'arm64': 'aarch64'}}}, 'architectures must map i386 and x86_64'),
        ({'fedora-41': {'bundle_pattern': '('}}, 'bundle_pattern must be a regular expression'),
        ({'fedora-41': {'title': 'two\nlines'}}, 'title must be a string in one line'),
        ({'fedora-41': ['memory']}, 'fedora-41 must be a dictionary of fields'),
        ({'mine': {'like': 'fedora-4'}}, "mine: like must be the name of an entry of the collection, not 'fedora-4'"),
        ({'a': {'like': 'b'}, 'b': {'like': 'a'}}, "a: like must be the name of an entry of the collection, not 'b'"),
    ],
)
def test_a_wrong_change_is_named_with_its_entry_and_field(changes: dict[str, t.Any], expected: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        systems.read(ROLE, changes)
    assert expected in str(caught.value)


def test_an_own_entry_that_lacks_fields_is_refused() -> None:
    assert 'the entry mine lacks title, installer,' in refusal('mine', mine={'memory': 512})


def test_every_field_has_a_meaning() -> None:
    assert all(field.meaning.endswith('.') for field in FIELDS.values())


def test_the_page_of_systems_is_up_to_date() -> None:
    script = ROLE.parents[1] / 'tools/systems-table'
    if not script.exists():
        pytest.skip('this is an installed collection, which has no tools')
    done = subprocess.run([sys.executable, script, '--check'], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
