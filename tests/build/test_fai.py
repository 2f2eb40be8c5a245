# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole installations by FAI, an installer that nobody here wrote, made by `python -m eucalab.installer build --only fai`."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from eucalab.config import cache_root
from eucalab.installer import products

from .conftest import ANSWERS
from .test_failures import fails

pytestmark = pytest.mark.long

WAY = os.environ.get('WAY') or 'hook'  # make believe WAY=disk
PASSWORD_HASH = '$6$genuine0$' + 'x' * 86  # of no password

REASON = "Sorry, can't create a partition of 68719476736 B on a disk of 2146435072 B - check your config!"


@pytest.fixture(name='variables', scope='module')
def fixture_variables(lab) -> dict:
    """Of a tenant's build. The administrator has published kernel and ramdisk, and put FAI's other files into object storage. With
    WAY=disk the tenant makes a boot disk instead."""
    fai = products.fai(cache_root())
    published = lab.publish('fai', fai / 'vmlinuz', fai / 'initrd')
    if WAY == 'disk':
        published = {name: value for name, value in published.items() if not name.endswith('_id')}
        published |= {'image_build_kernel': str(fai / 'vmlinuz'), 'image_build_ramdisk': str(fai / 'initrd')}
    for file in (fai / 'squash.img', *(fai / 'packages').iterdir()):
        with file.open('rb') as body:
            key = f'fai/{file.relative_to(fai)}'
            lab.s3(lab.admin).put_object(Bucket='mirror', Key=key, Body=body, ACL='public-read')
    return published | {
        'image_build_os': 'fai',
        'image_build_answer_file': str(ANSWERS / 'fai.sh.j2'),
        'image_build_installer_options': ['duration=1', 'no_timer_check', 'norandmaps'],
        'image_build_mirror': f'{lab.facts()["lab_mirror_url"]}/fai',
        'image_build_packages': ['linux-image-cloud-amd64', 'wget'],
        'image_build_post': 'echo fai-lab > /etc/hostname',
        'image_build_root_password_hash': PASSWORD_HASH,
        'image_build_require_proof': True,
        'image_build_volume_size': 2,
    }


def test_fai_installs_a_system_that_boots_and_reports_and_the_same_inputs_are_not_built_again(lab, variables):
    built = lab.build(variables, timeout=7200)
    assert built.returncode == 0, built.stdout + built.stderr
    image = re.search(r'\bis (emi-[0-9a-f]+)', built.stdout)[1]

    directory = Path(re.search(r'Log and manifest are in\s+(\S+)', built.stdout)[1])
    console = (directory / 'console.log').read_text()
    assert {'hook': 'bootparams: applied', 'disk': 'SYSLINUX'}[WAY] in console
    for task in ('partition', 'extrbase', 'instsoft', 'configure'):
        assert f'Calling task_{task}' in console
    # FAI was given the build's volume, although the instance has a disk of its own.
    proof = r'installation-proof: key=[0-9a-f]{10} disk=(vd[b-z]) serial=euca-vol-[0-9a-f]{8}-de bytes=2147483648 '
    disk = re.search(proof, console)[1]
    assert set(re.findall(r'Executing: parted -s (\S+) mklabel', console)) == {f'/dev/{disk}'}
    assert console.count('Generating /boot/initrd.img') == 1
    test_console = (directory / 'boot-test-console.log').read_text()
    assert 'fai-lab login:' in test_console
    assert re.search(r'boot-report: address=198\.(18|19)\.\d+\.\d+ endpoint=reached', test_console)
    assert lab.settled() == []
    # FAI prints its parameters, among them the secret URL of the answer file, which contains the hash of a password.
    kept = [built.stdout + built.stderr, *(file.read_text() for file in directory.iterdir())]
    assert not [found for found in kept if re.search('Signature=[A-Za-z0-9%]', found) or PASSWORD_HASH in found]

    asked = len(lab.requests())
    again = lab.build(variables)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f'is {image}: nothing had to be done' in again.stdout
    assert set(lab.requests()[asked:]) == {'DescribeImages', 'DescribeImageAttribute'}


def test_a_disk_layout_that_does_not_fit_fails_with_fais_reason(lab, variables):
    built = lab.build(variables | {'disk_layout': 'primary / 64G- ext4 rw'})
    fails(built, 'failed at: install', REASON, 'Everything that it created was removed')
    assert lab.settled() == []
