# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.eucarc import parse_eucarc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SETTINGS = """\
export S3_URL=http://10.1.1.1:8773/services/Walrus
export EC2_URL="http://10.1.1.1:8773/services/Eucalyptus"   # the front end
export EC2_PRIVATE_KEY=${EUCA_KEY_DIR}/euca2-admin-pk.pem
export EC2_CERT="$EUCA_KEY_DIR"/euca2-admin-cert.pem
export EUCALYPTUS_CERT=${EUCA_KEY_DIR}/cloud-cert.pem
export EC2_ACCOUNT_NUMBER='123456789012'
export EC2_ACCESS_KEY='AKIEXAMPLE'
export EC2_SECRET_KEY='a$b"c`d\\e'
alias ec2-bundle-image="ec2-bundle-image --cert ${EC2_CERT} --user 123456789012 --ec2cert ${EUCALYPTUS_CERT}"
alias ec2-upload-bundle="ec2-upload-bundle -a ${EC2_ACCESS_KEY} -s ${EC2_SECRET_KEY} --url ${S3_URL}"
"""
# How Eucalyptus' tools and people find the directory of the file.
DIRECTORY_FORMS = [
    '$(cd $(dirname ${BASH_SOURCE:-$0}); pwd -P)',
    '$(dirname $(readlink -f ${BASH_SOURCE}))',
    '$(dirname $(readlink -f "$BASH_SOURCE"))',
    '"$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"',
    '$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)',
    '"$( cd "$( dirname "${BASH_SOURCE[0]}" )" >/dev/null 2>&1 && pwd )"',
    '$(CDPATH= cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)',
    '$(cd -P "$(dirname "$BASH_SOURCE")"; pwd)',
    '$(readlink -f "$(dirname "$BASH_SOURCE")")',
    '$(realpath "$(dirname ${BASH_SOURCE})")',
    '$(dirname "$(realpath "$BASH_SOURCE")")',
    '`dirname ${BASH_SOURCE}`',
    '`dirname \\`readlink -f ${BASH_SOURCE}\\``',
    '${BASH_SOURCE%/*}',
    '"${BASH_SOURCE[0]%/*}"',
    '$(readlink -f "${BASH_SOURCE}" 2>/dev/null || echo x; )/..',
]


@pytest.fixture(name='parse')
def fixture_parse(tmp_path):
    def parse(text, name='eucarc'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        return parse_eucarc(text, str(path))

    return parse


def by_bash(path, names):
    """What bash gives for these names when it sources the file; None for what is not set."""
    script = (
        'source "$1" >/dev/null 2>&1; shift; for name; do [ -n "${!name+x}" ] && printf "%s=%s\\0" "$name" "${!name}"; done; exit 0'
    )
    ran = subprocess.run(
        ['bash', '-c', script, 'bash', path, *names],
        capture_output=True,
        env={'HOME': os.path.expanduser('~'), 'PATH': os.environ['PATH']},
        check=True,
    )
    pairs = [one.partition('=') for one in ran.stdout.decode('utf-8', 'surrogateescape').split('\0')[:-1]]
    return {name: value for name, _equals, value in pairs}


@pytest.mark.parametrize('linked', [False, True])
@pytest.mark.parametrize('form', DIRECTORY_FORMS)
def test_the_file_finds_its_own_directory_as_with_bash(form, linked, tmp_path):
    real = tmp_path / 'real'
    real.mkdir()
    path = real / 'eucarc'
    path.write_text(f'EUCA_KEY_DIR={form}\n{SETTINGS}')
    if linked:
        (tmp_path / 'link').symlink_to(real)
        path = tmp_path / 'link' / 'rc'
        path.symlink_to(real / 'eucarc')
    found = parse_eucarc(path.read_text(), str(path))
    assert found == by_bash(str(path), found)
    assert found['EUCALYPTUS_CERT'].endswith('/cloud-cert.pem') and str(tmp_path) in found['EUCALYPTUS_CERT']
    assert found['EC2_SECRET_KEY'] == 'a$b"c`d\\e'
    assert len(found) == 9


@pytest.mark.parametrize(
    'unknown',
    [
        '$(find-my-keys)',
        '$(dirname $0)',
        '$(cat /etc/hostname)',
        '${NOT_SET_HERE}',
        '$(dirname "$1")',
        '$(dirname "$(which euca-run-instances)")',
        '$(cd /nowhere/at/all && pwd)',
        '$((1 + 1))',
        '~somebody/.euca',
        '${!X}',
        '$(dirname $BASH_SOURCE | tr a b)',
        '$(ls | head -1)',
        '(/a /b)',
    ],
)
def test_what_cannot_be_worked_out_is_left_out_with_all_that_uses_it(parse, unknown):
    found = parse(f'EUCA_KEY_DIR={unknown}\n{SETTINGS}BUNDLE="a ${{EC2_CERT}} b"\nCOPY=${{EUCA_KEY_DIR:-/x}}\n')
    assert found.keys() & {'EUCA_KEY_DIR', 'EC2_CERT', 'EC2_PRIVATE_KEY', 'EUCALYPTUS_CERT', 'BUNDLE'} == set()
    assert found['EC2_URL'] == 'http://10.1.1.1:8773/services/Eucalyptus'


@pytest.mark.parametrize('ending', ['\n', '\r\n'])
@pytest.mark.parametrize('mark', ['', '\ufeff'])
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(parse, ending, mark):
    text = f'EUCA_KEY_DIR=$(dirname $(readlink -f ${{BASH_SOURCE}}))\n{SETTINGS}'
    assert parse(mark + text.replace('\n', ending)) == parse(text)


@pytest.mark.parametrize(
    'line',
    [
        'export Z=$(touch {0}; export A=b)',
        'Z=`touch {0}; A=b`',
        'export Z=$(touch {0} A=b)',
        'export A=$(touch {0})',
        'A=`touch {0}`',
        'A="$(touch {0})"',
        'A=$(cd $(touch {0}; dirname $BASH_SOURCE) && pwd)',
        'A=$(dirname $(touch {0}))',
        'A=$(readlink -f x; touch {0})',
        'A=${{B:=$(touch {0})}}',
        '$(touch {0})',
        'touch {0}',
    ],
)
def test_no_command_in_the_file_is_run(line, parse, tmp_path):
    victim = tmp_path / 'victim'
    assert 'A' not in parse(line.format(victim))
    assert not victim.exists()


@pytest.mark.parametrize('directory', ['a b', "it's", 'a"b', 'a$HOME', 'a`b`', 'a\\b', 'a(b)', 'ä', '-x', '*'])
@pytest.mark.parametrize('form', ['$(dirname ${BASH_SOURCE})', '"$(dirname "$BASH_SOURCE")"', '$(cd "${BASH_SOURCE%/*}" && pwd)'])
def test_a_directory_with_odd_characters_stays_as_it_is(parse, tmp_path, directory, form):
    assert parse(f'K={form}\nA=$K/x', f'{directory}/eucarc')['A'] == f'{tmp_path}/{directory}/x'


@pytest.mark.parametrize(
    ('line', 'value'),
    [
        ('A=b', 'b'),
        ('  export   A=b', 'b'),
        ('declare -x A=b', 'b'),
        ('export Z=1 A=b', 'b'),
        ('Z=1; A=b', 'b'),
        ('export Z=1; export A=b', 'b'),
        ('export Z=1 && export A=b;', 'b'),
        ('A=b || A=c', 'b'),
        ('export Z=$(date); export A=b', 'b'),
        ('Z=1; export Z; A=b; export A', 'b'),
        ('export Z=";" A=b', 'b'),
        ("export Z='$(`'; export A=b", 'b'),
        ("A='b c'", 'b c'),
        ('A="b\nc"', 'b\nc'),
        ('A=b\\\nc', 'bc'),
        ('A="b \\"c\\""', 'b "c"'),
        ('A=b\\ c', 'b c'),
        ("A='b'\\''c'", "b'c"),
        ('A=b#c # d', 'b#c'),
        ("A='$B'", '$B'),
        ('B=x\nA="$B-${B}"', 'x-x'),
        ('A=${B:-y}', 'y'),
        ('B=\nA=${B:-y}${B-z}', 'y'),
        ('B=http://h:1/x\nA=${B%/*}/y', 'http://h:1/y'),
        ('B=http://h:1/x\nA=${B##*/}', 'x'),
        ('A=b\nA+=c', 'bc'),
        ('B=\nA=$B', ''),
        ('A=$HOME/x', os.path.expanduser('~/x')),
        ('A=~/x', os.path.expanduser('~/x')),
        ('A="~/x"', '~/x'),
        ('A=1\nA=2', '2'),
        ('A=b\r', 'b'),
        ('cat <<E\nA=1\nE\nA=b', 'b'),
        ('f() { A=1; }\nB=2; unset B; A=b', 'b'),
        ('A=b\n(A=c)\nA=d true\nA=e | cat\nA=f &\n', 'b'),
        ('A=b\nreturn\nA=c', 'b'),
        ('A=b\nA=c "', 'b'),
        ('A="`echo \\"b\\"`"', 'b'),
        ("A='a\\\nb'", 'a\\\nb'),
        ('A=a\\:~/b', 'a:~/b'),
        ('A="${UNSET:-a\\}b}"', 'a}b'),
        ('export "A=b c"', 'b c'),
        ('\\export A=b', 'b'),
        ('command export A=b', 'b'),
        ('E=export; $E A=b', 'b'),
        (': ${A:=b}', 'b'),
        ('A=b\n: "${A:=c}"', 'b'),
        ('cat <<E\n\tE\nA=1\nE\nA=b', 'b'),
        ('cat <<-E\n\tE\nA=b', 'b'),
        ('readonly A=b\nA=c', 'b'),
        ('A=b\nfi\nA=c', 'b'),
        ('A=b; printf "%s\\n" A', 'b'),
        ('A=b; $EUCALYPTUS/usr/bin/euca-version A', 'b'),
        ('A=b; [[ -n $B && $A = b ]]', 'b'),
        ('A=b; case b in $C) :;; "$B") :;; esac', 'b'),
        ('[ -n "$B" ] && return\nA=b', 'b'),
    ],
)
def test_values_mean_what_they_mean_to_a_shell(line, value, parse, tmp_path):
    assert parse(line)['A'] == value
    (tmp_path / 'bashs').write_text(line.replace('\r', ''))
    assert by_bash(str(tmp_path / 'bashs'), 'A') == {'A': value}


@pytest.mark.parametrize(
    'line',
    [
        '# A=b',
        'echo A=b',
        'alias x="y"; true A=b',
        'if true; then A=b; fi',
        'if [ -n "$X" ]\nthen\n  export A=b\nfi',
        'case x in y) A=b;; esac',
        'false && export A=b',
        '[ -n "$X" ] || A=b',
        'A=b\nif [ -z "$X" ]; then A=c; fi',
        'A=b\nunset A',
        'A=b\nread A',
        'A=b command',
        'A=$B',
        'A=b"',
        'A = b',
        'A=$[1+2]',
        'A=$(echo -- b)',
        'A=c; export A=b B=$A; A=$B$C',
        '! true && A=b',
        '',
    ],
)
def test_what_is_no_assignment_for_certain_sets_nothing(line, parse):
    assert 'A' not in parse(line)


@pytest.mark.parametrize(
    'commands',
    [
        'eval A=1',
        'eval "$(echo A=1)"',
        '. ./other',
        'source "$(dirname "$BASH_SOURCE")/other"',
        'if [ -f other ]; then . ./other; fi',
        'for A in 1 2; do :; done',
        'for ((A=1; A<3; A++)); do :; done',
        'function f { A=1; }; f',
        'f() { A=1; }; A=0; f',
        'export() { :; }; export A=1',
        'dirname() { echo 1; }; A=$(dirname /a/b)',
        '((A=1))',
        'let A=1',
        'let "A = 1"',
        'let A++',
        'B=$((A=1))',
        ': $((A++))',
        'echo ${A:=1}',
        'A=; test "${A:=1}"',
        'A=; B=${A:=$(hostname)}',
        'A[0]=1',
        'unset "A"',
        'command unset A',
        'builtin printf -v A 1',
        'N=A; printf -v "$N" 1',
        'N=A; read $N <<< 1',
        'export $(cat other)',
        'export `cat other | xargs`',
        'N=A; export $N=1',
        'export A"=1"',
        'A=1 export A',
        '$UNKNOWN export A=1',
        'declare -i A; A=1+2',
        'IFS=/; A=$(dirname $BASH_SOURCE)',
        'if [ -n "$X" ]; then return; fi; A=1',
    ],
)
def test_a_value_that_something_else_may_have_changed_is_left_out_with_all_that_uses_it(commands, parse):
    found = parse(f'A=0\n{commands}\nB=$A\nC=known\n')
    assert found.keys() & {'A', 'B'} == set()
    assert found['C'] == 'known'


def test_another_file_may_set_what_this_one_gives_a_default(parse):
    assert 'A' not in parse('. ./other\nA=${B:-c}\n')


@pytest.mark.parametrize('text', ['A=' + '(' * 3000, 'A=' + '$(' * 3000, 'A=' + '${B:-' * 3000 + '}' * 3000])
def test_deep_nesting_ends_the_file(text, parse):
    assert parse(f'B=1\n{text}\n') == {'B': '1'}


NAMES = [f'V{number}' for number in range(4)]
PLAIN = st.text(st.sampled_from('abzAZ09./:-_@%+,=#'), min_size=1, max_size=6).filter(lambda text: '##' not in text)
ODD = st.text(st.sampled_from('ab $"`\'\\;&|<>(){}*?#~!ä\t'), max_size=6)


def single_quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def double_quoted(text):
    return '"' + ''.join('\\' + char if char in '$`"\\' else char for char in text) + '"'


PIECES = st.one_of(
    PLAIN,
    ODD.map(single_quoted),
    ODD.map(double_quoted),
    st.sampled_from(['${HOME}', '$HOME/', '"${HOME}"', '"$"', '\\ ', '\\$', '""', *DIRECTORY_FORMS[:-1]]),
    st.sampled_from(NAMES).flatmap(
        lambda name: st.sampled_from(
            [
                f'${name}-',
                f'"${{{name}}}"',
                f'${{{name}%/*}}',
                f'${{{name}##*/}}',
                f'${{{name}#*:}}',
                f'${{{name}:-x}}',
                f'${{{name}:+y}}',
            ]
        )
    ),
    st.sampled_from(['$(printf z)', '`echo a | cat`', '$((2+3))', '$UNSET']),
)
ASSIGNMENTS = st.builds(
    lambda before, name, pieces: f'{before}{name}={"".join(pieces)}',
    st.sampled_from(['', 'export ', '  ']),
    st.sampled_from(NAMES),
    st.lists(PIECES, max_size=3),
)
LINES = st.one_of(
    ASSIGNMENTS,
    st.builds(lambda one, operator, other: f'{one}{operator}{other}', ASSIGNMENTS, st.sampled_from(['; ', ' && ']), ASSIGNMENTS),
    ASSIGNMENTS.map(lambda one: f'if true; then {one}; fi'),
    ASSIGNMENTS.map(lambda one: f'true && {one}'),
    ASSIGNMENTS.map(lambda one: f'false || {one}'),
    ASSIGNMENTS.map(lambda one: f'({one})'),
    st.sampled_from(['# V1=x', 'alias v="V0=1"', 'unset V2', 'true V0=x', 'V3=x true', '']),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINES, max_size=8))
def test_every_value_is_the_one_that_bash_gives(tmp_path, lines):
    path = tmp_path / 'eucarc'
    path.write_text('\n'.join(lines) + '\n')
    found = parse_eucarc(path.read_text(), str(path))
    real = by_bash(str(path), NAMES)
    assert found == {name: real[name] for name in found}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ASSIGNMENTS.filter(lambda line: not any(mark in line for mark in ('printf', 'cat', '((', 'UNSET'))), max_size=6))
def test_nothing_is_left_out_without_need(tmp_path, lines):
    path = tmp_path / 'eucarc'
    path.write_text(''.join(f'{name}=\n' for name in NAMES) + '\n'.join(lines) + '\n')
    assert parse_eucarc(path.read_text(), str(path)) == by_bash(str(path), NAMES)
