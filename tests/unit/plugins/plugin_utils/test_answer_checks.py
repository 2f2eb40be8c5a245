# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in answer files are found on the controller, with line and reason, by the programs that exist for them."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils import answer_checks
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.answer_checks import check

KICKSTART = 'lang en_US.UTF-8\n%packages\n%end\n'
PRESEED = 'd-i passwd/make-user boolean false\n'
FAI = 'newclasses=X\n'
AUTOINSTALL = '#cloud-config\nautoinstall:\n  version: 1\n'
needs_debconf = pytest.mark.skipif(shutil.which('debconf-set-selections') is None, reason='debconf is not installed')


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        pytest.param(KICKSTART + 'bogus\n', 'line 4: Unknown command: bogus', id='kickstart'),
        pytest.param(PRESEED + 'd-i a/b strng x\n', 'line 2: Unknown type strng', id='preseed type', marks=needs_debconf),
        pytest.param(PRESEED + 'd-i a/b\n', 'line 2: parse error', id='preseed line', marks=needs_debconf),
        pytest.param(AUTOINSTALL + '  late_commands: []\n', 'line 4: late_commands is not a key', id='autoinstall key'),
        pytest.param(AUTOINSTALL + '  packages: vim\n', 'line 4: packages has a value of the wrong type', id='autoinstall type'),
        pytest.param(AUTOINSTALL + '  x: [\n', 'line 5: ', id='autoinstall YAML'),
        pytest.param('#cloud-config\nusers: []\n', 'it needs the key autoinstall with version: 1', id='autoinstall'),
        pytest.param('<profile>\n<a></b>\n</profile>\n', 'line 2: mismatched tag', id='AutoYaST'),
        pytest.param('{\n  "root": {},\n}\n', 'line 3: ', id='Agama'),
        pytest.param(FAI + 'if true\ndone\n', 'line 3: syntax error near unexpected token `done', id='FAI'),
        pytest.param(FAI + "cat > x <<'END'\n#!/bin/sh\n\necho )\nEND\n", 'line 5: syntax error near', id='FAI script'),
        pytest.param(
            FAI + "cat > x <<'END'\n",
            "line 2: here-document at line 2 delimited by end-of-file (wanted `END')",
            id='FAI here-document',
        ),
    ],
)
def test_a_mistake_is_found_with_its_line_and_the_reason(text: str, problem: str) -> None:
    assert check(text, '', 'F43' if text.startswith(KICKSTART) else '').problems[0].startswith(problem)


def test_all_mistakes_of_a_kickstart_are_found_and_deprecations_are_not_mistakes() -> None:
    found = check('install\nbogus\nlang\n%packages\n%end\n', '', 'RHEL8')
    assert [problem.partition(':')[0] for problem in found.problems] == ['line 2', 'line 3']
    assert check('install\n%packages\n%end\n', '', 'RHEL8').problems == []
    assert check('install\n%packages\n%end\n', '', 'RHEL9').problems != []


def test_what_could_not_be_checked_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'image_build_kickstart_version is not set' in check(KICKSTART, '', '').unchecked[0]
    assert 'image_build_answer_file_schema is not set' in check(AUTOINSTALL, '', '').unchecked[0]
    assert 'not in the form of a known answer file' in check('variant: fcos\n', '', '').unchecked[0]
    assert 'FAI checks the rest when it runs' in check(FAI, '', '').unchecked[0]
    monkeypatch.setattr(answer_checks.shutil, 'which', lambda *_words, **_options: None)
    assert 'ksvalidator (PyPI: pykickstart) is not installed' in check(KICKSTART, '', 'F43').unchecked[0]
    assert 'debconf-set-selections (Debian: debconf) is not installed' in check(PRESEED, '', '').unchecked[0]
    assert 'bash is not installed' in check(FAI, '', '').unchecked[0]


@pytest.mark.parametrize(
    'text',
    [
        KICKSTART + 'rootpw --bogus verysecret\n',
        pytest.param(PRESEED + 'd-i passwd/root-password verysecret x\n', marks=needs_debconf),
    ],
)
def test_no_message_contains_a_password(text: str) -> None:
    (problem,) = check(text, '', 'F43' if text.startswith(KICKSTART) else '').problems
    assert problem.startswith('line ') and 'verysecret' not in problem


def test_jsonnet_is_a_program_and_not_json() -> None:
    assert check('{ local x = 1, a: x }', 'agama', '').problems == []


def test_external_entities_of_a_profile_are_not_read() -> None:
    text = '<?xml version="1.0"?>\n<!DOCTYPE p [<!ENTITY e SYSTEM "file:///etc/passwd">]>\n<p>&e;</p>\n'
    assert check(text, '', '').problems == []


@needs_debconf
def test_a_preseed_file_is_checked_with_a_debconf_database_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program has the system's database, debconf-set-selections ends with 1 and checks nothing."""
    monkeypatch.setenv('DEBCONF_SYSTEMRC', '/nowhere')
    assert check(PRESEED + 'd-i a/b strng x\n', '', '').problems == ['line 2: Unknown type strng']


def test_a_check_that_does_not_run_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / 'debconf-set-selections'
    program.write_text('#!/bin/sh\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    assert check(PRESEED, '', '').unchecked == [
        'the preseed file was not checked, because debconf-set-selections ended with status 1'
    ]


@pytest.mark.parametrize(
    ('text', 'family', 'version', 'problem'),
    [
        # Without the words that distinguish the forms, the family of the system decides.
        pytest.param('tasksel tasksel/first strng x\n', 'debian-installer', '', 'Unknown type strng', marks=needs_debconf),
        ('bogus\n', 'anaconda', 'F43', 'Unknown command: bogus'),
        ('bogus\n', 'debian-installer', 'F43', 'Unknown command: bogus'),  # the lab's, which reads kickstarts
        ('autoinstall: {version: 1}\n', 'subiquity', '', 'it must be #cloud-config'),
        ('<profile>\n', 'agama', '', 'no element found'),
    ],
)
def test_a_users_answer_file_is_checked_for_the_installer_of_the_system(text: str, family: str, version: str, problem: str) -> None:
    assert problem in check(text, family, version).problems[0]


def test_an_answer_file_for_fai_is_a_script_whatever_it_contains() -> None:
    assert check('cat <<X\nd-i a/b strng x\nX\n', 'fai', '').problems == []


RULES = {
    'type': 'object',
    'additionalProperties': False,
    'properties': {
        'version': {'const': 1},
        'packages': {'items': {'type': 'string'}},
        'ssh': {'oneOf': [{'properties': {'allow-pw': {'type': 'boolean'}}}]},
        'root': {'$ref': 'root.schema.json'},
    },
}


@pytest.fixture(name='schema')
def fixture_schema(tmp_path: Path) -> str:
    """One that refers to another beside it, as Agama's does."""
    (tmp_path / 'root.schema.json').write_text(json.dumps({'required': ['password']}))
    (tmp_path / 'schema.json').write_text(json.dumps(RULES))
    return str(tmp_path / 'schema.json')


@pytest.mark.parametrize(
    ('answers', 'problem'),
    [
        ('  packages:\n    - a\n    - 3\n', 'line 6: packages.1 must be of the type "string"'),
        ('  ssh:\n    allow-pw: verysecret\n', 'line 5: ssh.allow-pw must be of the type "boolean"'),
        ('  root:\n    hashed: true\n', "line 5: root: 'password' is a required property"),
        ('  <<: {packages: [3]}\n', 'line 3: packages.0 must be of the type "string"'),
        ('  unknown: {}\n', "line 3: the file: Additional properties are not allowed ('unknown' was unexpected)"),
    ],
)
def test_the_installers_schema_finds_values_with_line_and_reason_and_quotes_none(schema: str, answers: str, problem: str) -> None:
    assert check(AUTOINSTALL + answers, 'subiquity', '', schema) == ([problem], [])
    # JSON is the same to the schema, with other lines.
    (found,) = check(json.dumps(yaml.safe_load(AUTOINSTALL + answers)['autoinstall'], indent='\t'), 'agama', '', schema).problems
    assert found.partition(': ')[2] == problem.partition(': ')[2]


def test_an_unusable_schema_is_reported(schema: str) -> None:
    Path(schema).with_name('root.schema.json').unlink()
    remark = f'its values were not checked, because the schema {schema} cannot be used'
    assert check(AUTOINSTALL + '  root: {}\n', 'subiquity', '', schema).unchecked[0].startswith(remark)


def test_a_good_file_is_completely_checked_by_the_schema(schema: str) -> None:
    assert check(AUTOINSTALL + '  packages: [a]\n', 'subiquity', '', schema) == ([], [])


RELAX = '<element name="profile" xmlns="http://relaxng.org/ns/structure/1.0"><element name="a"><text/></element></element>'


def test_a_profile_of_yast_is_compared_with_its_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = tmp_path / 'profile.rng'
    schema.write_text(RELAX)
    assert check('<profile>\n<a>x</a>\n</profile>\n', 'yast', '', str(schema)) == ([], [])
    (problem,) = check('<profile>\n<b>x</b>\n</profile>\n', 'yast', '', str(schema)).problems
    assert problem == 'line 2: Did not expect element b there'
    (problem,) = check('<profile>\n<b>verysecret</b>\n</profile>\n', 'yast', '', str(schema)).problems
    assert problem.startswith('line 2: ') and 'verysecret' not in problem
    assert 'there is no readable schema /nowhere' in check('<profile/>', 'yast', '', '/nowhere').unchecked[0]
    monkeypatch.setitem(sys.modules, 'lxml', None)
    assert 'lxml (PyPI) is not installed' in check('<profile/>', 'yast', '', str(schema)).unchecked[0]


# setup-storage 3.0 of FAI 6.0.3 accepts this layout and refuses each of these changes.
LAYOUT = """\
disk_config disk1 disklabel:msdos bootable:1 fstabkey:uuid align-at:1M
primary /boot 1GiB ext4 rw
primary - 1G- - -
disk_config lvm fstabkey:uuid
vg system disk1.2
system-root / 1GiB-100% xfs rw createopts="-q"
"""


@pytest.mark.parametrize(
    ('right', 'wrong', 'line', 'reason'),
    [
        ('msdos', 'mbr', 1, 'disklabel:mbr is not an option of disk_config disk1'),
        ('primary /boot', 'primry /boot', 2, 'primry is neither a partition nor a volume of a group'),
        ('/boot', 'boot', 2, 'boot is not a mount point'),
        ('1GiB ext4', '1Gx ext4', 2, '1Gx is not a size'),
        ('ext4 rw', 'ext4', 2, 'it has 4 of the 5 fields: type, mount point, size'),
        ('vg system disk1.2', 'vg system', 5, 'vg needs the name of the group and its devices'),
        ('system-root', 'systems-root', 6, 'the volume group systems is not declared before'),
        ('system-root', 'primary', 6, 'primary is neither a partition nor a volume'),
        ('disk_config disk1', 'disk_confg disk1', 1, 'there is no line disk_config above it'),
    ],
)
def test_a_disk_layout_that_fai_would_refuse_is_found(right: str, wrong: str, line: int, reason: str) -> None:
    document = f"{FAI}cat <<<DISK; cat > ../disk_config/X <<'DISK'\n{LAYOUT}DISK\n"
    assert check(document, '', '').problems == []
    found = check(document.replace(right, wrong, 1), '', '').problems
    assert found[0].startswith(f'line {line + 2}: {reason}')
