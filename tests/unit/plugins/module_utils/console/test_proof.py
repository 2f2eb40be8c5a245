# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import re
import textwrap
import urllib.parse

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.proof import (
    disk_of,
    proves,
    reports,
    success_pattern,
    wrong_disk,
)

LINE = 'installation-proof: key=0123abcdef disk=vdb serial=euca-vol-1a2b3c4d-de bytes=4294967296 path=none'


def disk(line: str = LINE):
    found = re.search(success_pattern('0123abcdef'), line)
    assert found
    return disk_of(found)


def test_the_proof_of_this_build_names_its_disk() -> None:
    assert disk() == {'device': 'vdb', 'serial': 'euca-vol-1a2b3c4d-de', 'bytes': 4 << 30}
    assert disk(LINE.replace('euca-vol-1a2b3c4d-de', 'none'))['serial'] is None


def test_another_builds_proof_and_the_command_itself_prove_nothing() -> None:
    assert not re.search(success_pattern('fedcba3210'), LINE)
    echoed = '+ echo installation-proof: key=0123abcdef disk=$proof_disk serial=$proof_serial bytes=$proof_bytes'
    assert not re.search(success_pattern('0123abcdef'), echoed)


@pytest.mark.parametrize('before', ["+ proof_line='", "+ printf '\\n%s\\n' '", '[    0.0] Command line: quiet proof="', 'echo '])
def test_a_proof_that_does_not_begin_its_line_is_a_command_and_no_proof(before: str) -> None:
    assert not re.search(success_pattern('0123abcdef'), before + LINE)
    assert re.search(success_pattern('0123abcdef'), f'\u2502 {LINE}'), 'a border'


def test_a_proof_that_another_message_cuts_proves_nothing() -> None:
    whole = LINE.index(' path=') + len(' path=')
    for end in range(whole):
        assert not re.search(success_pattern('0123abcdef'), LINE[:end] + '[  12.3] eth0: link becomes ready'[: end and 8])


@pytest.mark.parametrize(
    ('line', 'volume_id', 'gib', 'problem'),
    [
        (LINE, 'vol-1a2b3c4d', 4, None),
        (LINE, 'vol-1A2B3C4D', 4, 'the volume is vol-1A2B3C4D'),
        (LINE, 'vol-ffffffff', 4, 'vdb, serial number euca-vol-1a2b3c4d-de, 4294967296 bytes; the volume is vol-ffffffff'),
        (LINE.replace('euca-vol-1a2b3c4d-de', 'none'), 'vol-ffffffff', 4, None),
        (LINE.replace('euca-vol-1a2b3c4d-de', 'none'), 'vol-ffffffff', 5, 'has 5368709120 bytes'),
        (LINE.replace('euca-vol-1a2b3c4d-de', 'none'), 'vol-ffffffff', None, None),
        # Eucalyptus 3.4 and 4.0, which have upper-case ids
        (LINE.replace('euca-vol-1a2b3c4d-de', 'vol-1A2B3C4D-dev-vdb'), 'vol-1A2B3C4D', 4, None),
        (LINE.replace('euca-vol-1a2b3c4d-de', 'vol-1A2B3C4D-dev-vdb'), 'vol-FFFFFFFF', 4, 'the volume is vol-FFFFFFFF'),
        # the root volume of an instance that installs itself
        (LINE.replace('euca-vol-1a2b3c4d-de', 'euca-bdm-ebs1-dev-vd'), 'vol-ffffffff', 4, None),
        (LINE.replace('euca-vol-1a2b3c4d-de', 'euca-bdm-ebs1-dev-vd'), 'vol-ffffffff', 5, 'has 5368709120 bytes'),
    ],
)
def test_the_disk_must_be_the_volume(line, volume_id, gib, problem) -> None:
    found = wrong_disk(disk(line), volume_id, gib)
    assert found is None if problem is None else problem in found


def test_an_answer_file_is_recognised_by_the_lines_that_it_will_print() -> None:
    fragment = '# Prove it.\nproof_line="installation-proof: key=0123abcdef disk=$x"\n' + '# a comment\n' * 20
    assert proves(fragment) and not reports(fragment)
    assert proves(f'd-i preseed/late_command string echo {base64.b64encode(fragment.encode()).decode()} | base64 -d | sh')
    assert not proves('poweroff\n' + 'A' * 400)
    assert reports('echo "boot-report: address=$address"') and not proves('echo "boot-report: address=$address"')


def test_a_fragment_is_recognised_in_wrapped_base64_and_in_a_data_url() -> None:
    fragment = 'proof_line="installation-proof: key=0123abcdef disk=$x"\n' + '# a comment\n' * 20
    encoded = base64.encodebytes(fragment.encode()).decode()
    assert proves(f'files:\n  content: |\n{textwrap.indent(encoded, "    ")}\nnext: entry\n')
    assert proves(f'"source": "data:,{urllib.parse.quote(fragment)}"')


@pytest.mark.parametrize('comment', ['# {}', '  # see {}', '<!-- {} -->', '<!--\n{}\n-->'])
def test_a_fragment_in_a_comment_proves_nothing(comment: str) -> None:
    fragment = 'proof_line="installation-proof: key=0123abcdef disk=$x"'
    encoded = base64.b64encode((fragment * 5).encode()).decode()
    assert not proves(comment.format(fragment) + '\npoweroff\n')
    assert not proves(comment.format(encoded) + '\npoweroff\n')


def test_groups_that_an_own_expression_lacks_are_none() -> None:
    assert disk_of(re.match('(?P<serial>.*)', 'abc')) == {'device': None, 'serial': 'abc', 'bytes': None}
