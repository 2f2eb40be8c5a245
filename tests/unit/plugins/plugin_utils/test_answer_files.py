# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's own answer files, rendered with all pairs of options by Ansible, and checked by the programs that exist for them.

One file for each family is in golden/, as a user would read it; the message of a failure has the command that writes it anew.
"""

from __future__ import annotations

import base64
import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import answers, boot, catalogue
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import secret_parts
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console import proof
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils import answer_checks, systems, templates
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.build_kit import EVALUATED, ROLE
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.pairs import pairwise
from lxml import etree

YAST = 'http://www.suse.com/1.0/yast2ns'
GOLDEN = Path(__file__).parent / 'golden'
WRITE_GOLDEN = 'GOLDEN=write make unit ONLY=tests/unit/plugins/plugin_utils/test_answer_files.py'
FORMS = {
    'kickstart': 'kickstart.cfg.j2',
    'preseed': 'preseed.cfg.j2',
    'autoinstall': 'user-data.j2',
    'autoyast': 'autoyast.xml.j2',
    'agama': 'agama.json.j2',
    'fai': 'fai.sh.j2',
}
KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ ann@example.com'
HASH = '$6$salt$ENGfQh2LykT/kSgvYcBGPq1'
PLAIN: dict[str, t.Any] = {
    **EVALUATED,
    'image_build_name': 'web-base',
    'image_build_install_url': 'http://mirror.example.com/os',
    'image_build_volume_id': 'vol-1a2b3c4d',
    'image_build_proof_key': '0123456789',
}
FULL = {
    'disk_layout': 'lvm',
    'swap': 512,
    'users': [{'name': 'ops', 'ssh_keys': [KEY], 'password_hash': HASH}],
    'packages': ['nginx'],
    'hostname': 'web',
    'language': 'de_DE.UTF-8',
    'keyboard': 'de',
    'timezone': 'Europe/Berlin',
    'proxy': 'http://proxy.example.com:3128',
    'post': 'echo "it works" > /etc/motd',
    'root_password_hash': HASH,
    'cloud_init': True,
}
OPTIONS: dict[str, list[t.Any]] = {
    'disk_layout': ['plain', 'lvm'],
    'filesystem': ['ext4', 'xfs'],
    'swap': [0, 512],
    'cloud_init': [False, True],
    'boot_report': [True, False],
    'language': ['en_US.UTF-8', 'C.UTF-8', 'de_DE.UTF-8'],
    'users': [[], FULL['users'], [{'name': 'a', 'password_hash': HASH, 'sudo': False}, {'name': 'b', 'ssh_keys': [KEY, KEY]}]],
    'root_password_hash': ['', HASH],
    'post': ['', FULL['post'], 'set -e\ncat <<END\n  indented\nEND\n'],
    'packages': [[], ['nginx', 'vim']],
    'hostname': ['', 'web'],
    'proxy': ['', FULL['proxy']],
    'package_mirror': ['', 'https://deb.example.com:8443/debian/'],
}
# Further options of one form.
VERSIONS: dict[str, dict[str, list[t.Any]]] = {'fai': {'architecture': ['x86_64', 'i386'], 'keyboard': ['us', 'de']}}
CATALOGUE = systems.read(ROLE, {})


def render(form: str, **changes: t.Any) -> str:
    trusted = templates.trust_as_template
    variables = {**PLAIN, **{f'image_build_{name}': value for name, value in changes.items()}}
    variables = {name: trusted(value) if isinstance(value, str) else value for name, value in variables.items()}
    variables |= {'ansible_search_path': [str(ROLE)]}
    path = ROLE / 'templates' / FORMS[form]
    return templates.render(Templar(loader=DataLoader(), variables=variables), str(path), variables)


def systems_of(form: str) -> list[str]:
    """The catalogue's entries with this answer file; of relatives with the same version of kickstart, the first."""
    entries = {name: CATALOGUE.entry(name) for name in CATALOGUE.names()}
    versions: dict[str, str] = {}
    for name, entry in entries.items():
        if entry['answer_file'] == FORMS[form]:
            versions.setdefault(entry.get('kickstart_version', '').format(**entry) or name, name)
    return list(versions.values())


def inputs(changes: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The inputs of a combination, with those that its system decides."""
    found = {name: value for name, value in changes.items() if name != 'system'}
    system = catalogue.resolve(CATALOGUE.entry(changes['system']), changes['system'], 'x86_64', '')
    located = catalogue.located(system, (system['official'] or ['http://mirror.example.com/os'])[0])
    return {
        'os': changes['system'],
        **{name: located[name] for name in ('install_url', 'kickstart_version', 'installer_family', 'memory')},
        **found,
    }


PLAIN_INPUTS = {name.removeprefix('image_build_'): value for name, value in PLAIN.items()}


@functools.cache
def combinations(form: str) -> list[dict[str, t.Any]]:
    """All pairs that the role does not refuse."""
    of_systems = {name: inputs({'system': name}) for name in systems_of(form)}

    def allowed(changes: dict[str, t.Any]) -> bool:
        return not answers.problems(FORMS[form], {**PLAIN_INPUTS, **of_systems[changes['system']], **changes})

    return [inputs(one) for one in pairwise({'system': list(of_systems), **OPTIONS, **VERSIONS.get(form, {})}, allowed)]


def test_the_pairs_are_complete_and_few() -> None:
    options = {'a': [1, 2, 3], 'b': [1, 2], 'c': [1, 2]}
    found = pairwise(options, lambda values: (values['a'], values['b']) != (3, 2))
    assert {(one['a'], one['c']) for one in found} == set(itertools.product(options['a'], options['c']))
    assert {(one['a'], one['b']) for one in found} == set(itertools.product(options['a'], options['b'])) - {(3, 2)}
    assert len(found) < 3 * 2 * 2


def test_every_version_in_the_catalogue_is_among_the_combinations() -> None:
    versions = {one['kickstart_version'] for one in combinations('kickstart')}
    assert versions == {*(f'F{number}' for number in range(16, 45)), *(f'RHEL{number}' for number in range(6, 11))}
    systems = {one['os'] for form in FORMS for one in combinations(form) if form != 'kickstart'}
    assert {
        'debian-8',
        'debian-13',
        'ubuntu-16.04',
        'ubuntu-26.04',
        'leap-15.0',
        'tumbleweed',
        'leap-16.0',
        'sles-15',
        'sles-16',
    } <= systems


def scripts(form: str, text: str) -> list[str]:
    """All shell scripts in an answer file, in the order in which they run."""
    if form == 'kickstart':
        return re.findall(r'^%(?:pre|post)\b.*\n([\s\S]*?)^%end', text, re.MULTILINE)
    if form == 'preseed':
        return [base64.b64decode(one).decode() for one in re.findall('echo ([A-Za-z0-9+/=]{60,})', text)]
    if form == 'autoyast':
        return [one.text for one in etree.fromstring(text.encode()).iter(f'{{{YAST}}}source')]
    if form == 'agama':
        content = json.loads(text)['scripts']
        return [one['content'] for one in content['pre'] + content['post']]
    if form == 'fai':
        return [
            text.partition("<<'VAR'")[0],
            *re.findall(r"<<'(?:HOOK|CLOUD-IMAGE|SCRIPT)'\n([\s\S]*?)^(?:HOOK|CLOUD-IMAGE|SCRIPT)$", text, re.MULTILINE),
        ]
    content = yaml.safe_load(text)['autoinstall']
    found = content['early-commands'] + content['late-commands']
    inner = [re.findall(r"<<'CLOUD-IMAGE'\n([\s\S]*?)^CLOUD-IMAGE$", one, re.MULTILINE) for one in found]
    return found + [script for some in inner for script in some]


@functools.cache  # since combinations share most of their scripts
def syntax_errors(script: str) -> tuple[int, str]:
    ended = subprocess.run(['/bin/sh', '-n'], input=script, text=True, capture_output=True, check=False)
    return ended.returncode, ended.stderr


def validated(version: str, texts: list[str], directory: Path) -> str:
    """The output of ksvalidator. Most of its time is its start, so it gets all kickstarts of a version at once."""
    paths = [directory / f'{version}-{i}.ks' for i in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    program = shutil.which('ksvalidator') or shutil.which('ksvalidator', path=str(Path(sys.executable).parent))
    assert program, 'ksvalidator is not installed'
    ended = subprocess.run([program, '-v', version, *paths], text=True, capture_output=True, check=False)
    assert ended.stdout.count('Checking kickstart file') == len(texts), ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.parametrize('form', FORMS)
def test_all_combinations_of_version_and_options_are_valid_and_prove_their_success(form: str, tmp_path: Path) -> None:
    kickstarts: dict[str, list[str]] = {}
    for changes in combinations(form):
        text = render(form, **changes)
        if form == 'kickstart':
            kickstarts.setdefault(changes['kickstart_version'], []).append(text)
        else:
            assert answer_checks.check(text, '', '').problems == [], changes
        assert proof.proves(text), changes
        assert proof.reports(text) is changes['boot_report'], changes
        found = scripts(form, text)
        assert len(found) >= 3
        assert 'vol-1a2b3c4d' in found[0]
        assert any(': > /etc/machine-id' in script for script in found), changes  # the end of system.sh.j2
        for script in found:
            assert syntax_errors(script) == (0, ''), changes
    for version, texts in kickstarts.items():
        output = validated(version, texts, tmp_path)
        assert not re.search('occurred on line|General error|Unknown version|Traceback', output), output


@pytest.mark.skipif(shutil.which('shellcheck') is None, reason='shellcheck is not installed')
def test_shellcheck_finds_nothing_in_the_scripts(tmp_path: Path) -> None:
    # One call for all, each script once: many are the same with each installer.
    names = {
        script: f'{form}-{kind}-{i}.sh'
        for form in FORMS
        for kind, changes in (('plain', {}), ('full', FULL))
        for i, script in enumerate(scripts(form, render(form, **changes)))
    }
    for script, name in names.items():
        (tmp_path / name).write_text(script)
    command = ['shellcheck', '-s', 'sh', *names.values()]
    ended = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, '', '')


def readable(form: str, text: str) -> str:
    """With the scripts of a preseed file instead of their Base64, and with those of an Agama profile in lines."""
    if form == 'agama':
        return text.replace('\\n', '\n    | ')
    if form != 'preseed':
        return text
    for encoded in re.findall('echo ([A-Za-z0-9+/=]{60,})', text):
        lines = base64.b64decode(encoded).decode().splitlines()
        text = text.replace(encoded, '\n' + ''.join(f'    | {line}'.rstrip() + '\n' for line in lines))
    return text


@pytest.mark.parametrize('form', FORMS)
def test_the_answer_file_is_the_one_that_was_reviewed(form: str) -> None:
    path = GOLDEN / f'{form}.txt'
    version = {'kickstart_version': 'RHEL9'} if form == 'kickstart' else {}
    text = readable(form, render(form, **FULL, **version))
    if os.environ.get('GOLDEN') == 'write':
        path.write_text(text)
    assert text.splitlines() == path.read_text().splitlines(), f'If the new file is right: {WRITE_GOLDEN}'


@pytest.mark.parametrize('form', FORMS)
def test_with_a_user_and_the_defaults_of_its_system_every_answer_file_fits_into_user_data(form: str) -> None:
    for name in systems_of(form):
        defaults = inputs({'system': name}) | {'cloud_init': CATALOGUE.entry(name).get('cloud_init', False)}
        text = render(form, **defaults, users=[{'name': 'ops', 'ssh_keys': [KEY]}])
        assert len(text.encode()) <= boot.MOST_USER_DATA, name


def test_the_boot_parameters_of_no_system_count_as_a_secret_so_that_its_builds_can_have_one_boot_disk() -> None:
    for name in CATALOGUE.names():
        located = catalogue.located(catalogue.resolve(CATALOGUE.entry(name), name, 'x86_64', ''), 'http://mirror.example.com/os')
        assert secret_parts(located['boot_params']['unattended']) == set(), name


# --- what a partition table must have


def yast_layout(text: str) -> set[tuple[str, str]]:
    parts = etree.fromstring(text.encode()).iter(f'{{{YAST}}}partition')
    values = [{child.tag.rpartition('}')[2]: child.text for child in part} for part in parts]
    return {(one['mount'], one['filesystem']) for one in values if 'mount' in one}


def agama_layout(text: str) -> set[tuple[str, str]]:
    storage = json.loads(text)['storage']
    parts = [
        *storage['drives'][0]['partitions'],
        *(one for group in storage.get('volumeGroups', []) for one in group['logicalVolumes']),
    ]
    return {(one['filesystem']['path'], one['filesystem']['type']) for one in parts if 'filesystem' in one}


def fai_layout(text: str) -> set[tuple[str, str]]:
    lines = re.findall(r'^(?:primary|system-\w+) (\S+) \S+ (\S+) ', text, re.MULTILINE)
    assert re.search(
        rf'bootable:{[mount for mount, _kind in lines].index("/boot" if ("/boot", "ext4") in lines else "/") + 1} ', text
    )
    return set(lines) - {('-', '-')}


@pytest.mark.parametrize('changes', pairwise({name: OPTIONS[name] for name in ('disk_layout', 'filesystem', 'swap')}))
def test_the_layout_is_the_same_with_each_installer(changes: dict[str, t.Any]) -> None:
    boot = changes['disk_layout'] == 'lvm' or changes['filesystem'] == 'xfs'
    expected = (
        {('/', changes['filesystem'])}
        | ({('/boot', 'ext4')} if boot else set())
        | ({('swap', 'swap')} if changes['swap'] else set())
    )
    kickstart = render('kickstart', **changes)
    lines = re.findall(r'^(?:part|logvol) (/\S*|swap) .*--fstype=(\w+)', kickstart, re.MULTILINE)
    assert set(lines) == expected
    assert ('volgroup system pv.01' in kickstart) is (changes['disk_layout'] == 'lvm')
    storage = yaml.safe_load(render('autoinstall', **changes))['autoinstall']['storage']['config']
    formats = {one['id']: one['fstype'] for one in storage if one['type'] == 'format'}
    mounts = {(one['path'].replace('none', 'swap'), formats[one['device']]) for one in storage if one['type'] == 'mount'}
    assert mounts == expected
    named = [one['id'] for one in storage]
    assert all(one.get(key, named[0]) in named for one in storage for key in ('device', 'volume', 'volgroup'))
    assert yast_layout(render('autoyast', **changes)) == expected
    assert fai_layout(render('fai', **changes)) == expected
    assert agama_layout(render('agama', **changes)) == expected
    recipe = re.search(r'expert_recipe string image :: ((?:.*\\\n)*.*)', render('preseed', **changes))
    assert recipe
    parts = recipe[1].replace('\\\n', ' ').split(' . ')
    assert recipe[1].endswith(' .')
    found = set()
    for part in parts:
        kind = part.split()[3]
        mount = re.search(r'mountpoint\{ (\S+) \}', part)
        found.add((mount[1], kind) if mount else ('swap', kind.replace('linux-', '')))
        assert ('$lvmok{ }' in part) is (changes['disk_layout'] == 'lvm' and '/boot' not in part)
    assert found == expected
    assert sum('$bootable{ }' in part for part in parts) == 1


@pytest.mark.parametrize('form', FORMS)
def test_the_same_inputs_reach_the_system_with_each_installer(form: str) -> None:
    text = render(form, **FULL)
    everything = text + '\n'.join(scripts(form, text))
    if form == 'agama':  # which refuses it
        everything += FULL['proxy']
    for value in (
        'de_DE.UTF-8',
        'Europe/Berlin',
        'http://proxy.example.com:3128',
        'nginx',
        KEY,
        HASH,
        'echo "it works"',
        'echo web >',
    ):
        assert value in everything
    assert 'datasource_list: [Ec2]' in everything
    assert 'fetch-key' not in everything
    assert '169.254.169.254' in '\n'.join(scripts(form, render(form)))


@pytest.mark.parametrize(
    ('mirror', 'skipped'), [('http://archive.debian.org/debian', True), ('http://ftp.debian.org/debian', False)]
)
def test_security_updates_of_archived_releases_are_not_looked_for(mirror: str, skipped: bool) -> None:
    assert ('apt-setup/services-select multiselect\n' in render('preseed', install_url=mirror)) is skipped


def test_the_mirror_is_named_by_its_parts() -> None:
    lines = render('preseed', package_mirror='https://deb.example.com:8443/debian').splitlines()
    assert {
        'd-i mirror/protocol string https',
        'd-i mirror/https/hostname string deb.example.com:8443',
        'd-i mirror/https/directory string /debian',
    } <= set(lines)


@pytest.mark.parametrize(('cloud_init', 'modules'), [(False, []), (True, ['Public-Cloud'])])
def test_sles_15_takes_its_modules_from_the_medium(cloud_init: bool, modules: list[str]) -> None:
    profile = etree.fromstring(render('autoyast', os='sles-15', cloud_init=cloud_init).encode())
    assert [one.text for one in profile.iter(f'{{{YAST}}}product_dir')] == [
        f'/Module-{name}' for name in ('Basesystem', 'Server-Applications', *modules)
    ]
    assert profile.findtext(f'.//{{{YAST}}}products/{{{YAST}}}product') == 'SLES'
    assert not list(etree.fromstring(render('autoyast', os='leap-15.6').encode()).iter(f'{{{YAST}}}add-on'))


@pytest.mark.parametrize(
    ('changes', 'kernels'),
    [
        ({}, ['linux-image-amd64']),
        ({'architecture': 'i386', 'packages': ['vim']}, ['linux-image-686']),
        ({'packages': ['vim', 'linux-image-cloud-amd64']}, ['linux-image-cloud-amd64']),
    ],
)
def test_fai_installs_debians_kernel_unless_another_is_among_the_packages(changes: dict[str, t.Any], kernels: list[str]) -> None:
    assert re.findall(r'^linux-image-\S+', render('fai', **changes), re.MULTILINE) == kernels


@pytest.mark.parametrize('layout', OPTIONS['disk_layout'])
def test_installers_ask_for_no_more_room_than_the_check_of_the_layout_requires(layout: str) -> None:
    texts = {form: render(form, disk_layout=layout) for form in FORMS}
    sizes = {
        'kickstart': re.findall(r'^(?:part pv\.01|part /|logvol /) .*--size=(\d+)', texts['kickstart'], re.MULTILINE),
        'preseed': re.findall(r'^ *(\d+) \d+ -1 ', texts['preseed'], re.MULTILINE),
        'agama': re.findall(r'"min": "(\d+) MiB"', texts['agama']),
        'fai': re.findall(r' / (\d+)MiB- ', texts['fai']),
    }
    assert {form: set(found) for form, found in sizes.items()} == dict.fromkeys(sizes, {str(answers.LEAST_ROOT)})
