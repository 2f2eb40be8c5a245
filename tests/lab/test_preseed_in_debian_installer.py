# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's preseed file, read by the programs of Debian's own installer in its initial ramdisk."""

from __future__ import annotations

import base64
import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

import jinja2
import pytest
from ansible.plugins.filter import core, mathstuff, urlsplit

from tests.lab.test_role_templates import TEMPLATES, VARIABLES

RAMDISK = Path('/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/initrd.gz')
pytestmark = [
    pytest.mark.skipif(not RAMDISK.exists(), reason='debian-installer-12-netboot-amd64 is not installed'),
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which('cpio'), reason='unpacking a ramdisk needs root and cpio'),
]
READ = """\
for file in /var/lib/dpkg/info/*.templates; do debconf-loadtemplate d-i $file; done
debconf-set-selections /tmp/preseed.cfg || exit
for question; do debconf-get $question > /tmp/$(echo $question | tr / _); done
"""
# As the installer does it: the command has the replies of debconf as its standard input.
EARLY = """\
for file in /var/lib/dpkg/info/*.templates; do debconf-loadtemplate d-i $file; done
debconf-set-selections /tmp/preseed.cfg || exit
DEBIAN_FRONTEND=none preseed_command partman/early_command < /dev/null > /dev/null || exit
for question in partman-auto/disk grub-installer/bootdev; do debconf-get $question; done
"""


def preseed(**variables: object) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined
    )
    for module in (core, mathstuff, urlsplit):
        environment.filters |= module.FilterModule().filters()
    known = VARIABLES | {'image_build_install_url': 'http://mirror.example.com:8080/debian'} | variables
    return environment.get_template('preseed.cfg.j2').render(known)


def questions(text: str) -> dict[str, str]:
    """The answers of a preseed file by question, as its lines have them."""
    joined = re.sub(r'[ \t]*\\\n[ \t]*', ' ', text)
    return {
        words[1]: (words[3] if len(words) > 3 else '')
        for words in (line.split(None, 3) for line in joined.splitlines())
        if words[:1] == ['d-i']
    }


@pytest.fixture(name='installer', scope='module')
def fixture_installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('installer')
    subprocess.run(['cpio', '-id', '--quiet'], input=gzip.decompress(RAMDISK.read_bytes()), cwd=root, check=False)
    (root / 'dev/null').unlink(missing_ok=True)
    os.mknod(root / 'dev/null', 0o20666, os.makedev(1, 3))
    return root


def test_debian_installer_reads_each_answer_as_it_is_meant(installer: Path) -> None:
    hashed = '$6$salt$ENGfQh2LykT/kSgvYcBGPq1'
    text = preseed(
        image_build_root_password_hash=hashed,
        image_build_disk_layout='lvm',
        image_build_swap=512,
        image_build_language='de_DE.UTF-8',
        image_build_post='printf "a\\n" > /etc/motd',
    )
    (installer / 'tmp/preseed.cfg').write_text(text)
    wanted = questions(text)
    assert wanted['passwd/root-password-crypted'] == hashed
    done = subprocess.run(
        ['chroot', installer, '/bin/sh', '-s', *wanted], input=READ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    read = {question: (installer / 'tmp' / question.replace('/', '_')).read_text().rstrip('\n') for question in wanted}
    assert {question: ' '.join(answer.split()) for question, answer in read.items()} == {
        question: ' '.join(answer.split()) for question, answer in wanted.items()
    }
    # A newline in place of a backslash and a letter, for example, would be another command.
    assert '\n' not in read['preseed/late_command'] and '\\' not in read['preseed/late_command']


def test_the_shell_and_the_programs_of_debian_installer_run_the_scripts(installer: Path) -> None:
    """The disk's name is set from its serial number; the files that stand for it are in the ramdisk."""
    (installer / 'sys/block/vdb').mkdir(parents=True, exist_ok=True)
    (installer / 'sys/block/vdb/serial').write_text('euca-vol-1a2b3c4d-de')
    (installer / 'tmp/preseed.cfg').write_text(preseed())
    done = subprocess.run(['chroot', installer, '/bin/sh'], input=EARLY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ['/dev/vdb', '/dev/vdb']
    late = questions(preseed())['preseed/late_command']
    for encoded in re.findall('echo ([A-Za-z0-9+/=]{60,})', late):
        checked = subprocess.run(
            ['chroot', installer, '/bin/sh', '-c', f'echo {encoded} | base64 -d > /tmp/script && sh -n /tmp/script'],
            check=False,
            timeout=60,
        )
        assert checked.returncode == 0
        assert (installer / 'tmp/script').read_bytes() == base64.b64decode(encoded)
