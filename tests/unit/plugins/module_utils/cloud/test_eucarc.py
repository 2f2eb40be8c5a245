# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.eucarc import parse_eucarc

GENUINE = """\
EUCA_KEY_DIR=$(cd $(dirname ${BASH_SOURCE:-$0}); pwd -P)
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


def test_the_genuine_file_is_understood():
    found = parse_eucarc(GENUINE, '/home/me/.euca')
    assert found == {
        'EUCA_KEY_DIR': '/home/me/.euca',
        'S3_URL': 'http://10.1.1.1:8773/services/Walrus',
        'EC2_URL': 'http://10.1.1.1:8773/services/Eucalyptus',
        'EC2_PRIVATE_KEY': '/home/me/.euca/euca2-admin-pk.pem',
        'EC2_CERT': '/home/me/.euca/euca2-admin-cert.pem',
        'EUCALYPTUS_CERT': '/home/me/.euca/cloud-cert.pem',
        'EC2_ACCOUNT_NUMBER': '123456789012',
        'EC2_ACCESS_KEY': 'AKIEXAMPLE',
        'EC2_SECRET_KEY': 'a$b"c`d\\e',
    }


@pytest.mark.parametrize(
    'line',
    [
        'export Z=$(touch {0}; export A=b)',
        'Z=`touch {0}; A=b`',
        'export Z=$(touch {0} A=b)',
        'export A=$(touch {0})',
        'A=`touch {0}`',
        'A="$(touch {0})"',
        '$(touch {0})',
        'touch {0}',
    ],
)
def test_no_command_in_the_file_is_run(line, tmp_path):
    victim = tmp_path / 'victim'
    assert 'A' not in parse_eucarc(line.format(victim), str(tmp_path))
    assert not victim.exists()


@pytest.mark.parametrize('directory', ['/a b/c', "/it's", '/a"b', '/a$HOME/b', '/a`b`', '/a\\b', '/a(b)'])
@pytest.mark.parametrize('line', ['K=$(dirname $0)\nA=$K/x', 'A=$(dirname "$BASH_SOURCE")/x', 'A="$(dirname $0)/x"'])
def test_a_directory_with_odd_characters_stays_as_it_is(directory, line):
    assert parse_eucarc(line, directory)['A'] == f'{directory}/x'


@pytest.mark.parametrize(
    ('line', 'value'),
    [
        ('A=b', 'b'),
        ('  export   A=b', 'b'),
        ('export Z=1 A=b', 'b'),
        ('Z=1; A=b', 'b'),
        ('export Z=1; export A=b', 'b'),
        ('export Z=1 && export A=b;', 'b'),
        ('export Z=$(date); export A=b', 'b'),
        ('Z=1; export Z; A=b; export A', 'b'),
        ('export Z=";" A=b', 'b'),
        ("export Z='$(`'; export A=b", 'b'),
        ("A='b c'", 'b c'),
        ('A="b \\"c\\""', 'b "c"'),
        ('A=b\\ c', 'b c'),
        ("A='b'\\''c'", "b'c"),
        ('A=b#c # d', 'b#c'),
        ("A='$B'", '$B'),
        ('B=x\nA="$B-${B}"', 'x-x'),
        ('A=${B:-y}', 'y'),
        ('A=$B', ''),
        ('A=$HOME/x', os.path.expanduser('~/x')),
        ('A=1\nA=2', '2'),
        ('A=b\r', 'b'),
    ],
)
def test_values_mean_what_they_mean_to_a_shell(line, value):
    assert parse_eucarc(line, '/d')['A'] == value


@pytest.mark.parametrize(
    'line', ['# A=b', 'echo A=b', 'alias x="y"; true A=b', 'if true; then A=b; fi', 'false && export A=b', 'A = b', '']
)
def test_what_is_no_assignment_sets_nothing(line):
    assert 'A' not in parse_eucarc(line, '/d')
