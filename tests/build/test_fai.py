# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole installations by FAI, an installer from another project, made by `python -m eucalab.installer build --only fai`."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from eucalab.config import cache_root
from eucalab.installer import products
from tests.kit.waiting import wait_for
from tests.lab.guest_support import reaches, ssh

from .conftest import ANSWERS
from .test_failures import fails

pytestmark = pytest.mark.long

WAY = os.environ.get('WAY') or 'hook'  # make believe WAY=disk
PASSWORD_HASH = '$6$genuine0$' + 'x' * 86  # of no password
BOOT_SECONDS = 300  # on a busy machine
REASON = "Sorry, can't create a partition of 68719476736 B on a disk of 2146435072 B - check your config!"


@pytest.fixture(name='variables', scope='module')
def fixture_variables(lab) -> dict:
    """Variables of a tenant's build. The administrator has published kernel and ramdisk, and put FAI's other files into object
    storage. With WAY=disk the tenant makes a boot disk instead."""
    fai = products.fai(cache_root())
    published = lab.publish('fai', fai / 'vmlinuz', fai / 'initrd')
    if WAY == 'disk':
        published = {name: value for name, value in published.items() if not name.endswith('_id')}
        published |= {'image_build_kernel': str(fai / 'vmlinuz'), 'image_build_ramdisk': str(fai / 'initrd')}
    for file in (fai / 'squash.img', *(fai / 'repository').rglob('*')):
        if file.is_file():
            with file.open('rb') as body:
                key = f'fai/{file.relative_to(fai)}'
                lab.s3(lab.admin).put_object(Bucket='mirror', Key=key, Body=body, ACL='public-read')
    mirror = f'{lab.facts()["lab_mirror_url"]}/fai'
    return published | {
        'image_build_os': 'fai',
        # rd.info: dracut prints what it does.
        'image_build_installer_options': ['duration=1', 'rd.info', 'no_timer_check', 'norandmaps'],
        'image_build_mirror': mirror,
        'image_build_package_mirror': f'{mirror}/repository',
        'image_build_hostname': 'fai-lab',
        'image_build_language': 'C.UTF-8',
        'image_build_cloud_init': False,
        'image_build_timezone': 'Asia/Tokyo',
        'image_build_packages': ['linux-image-cloud-amd64', 'tree'],
        'image_build_post': 'echo built by FAI > /etc/motd',
        'image_build_root_password_hash': PASSWORD_HASH,
        'image_build_require_proof': True,
        'image_build_volume_size': 2,
    }


def key_pair(path: Path) -> str:
    """Make a key; returns the line with its public half."""
    subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', path], check=True)
    return path.with_suffix('.pub').read_text().strip()


def test_fai_installs_a_system_to_log_in_to_and_the_same_inputs_are_not_built_again(lab, variables, tmp_path: Path):
    own = tmp_path / 'own'
    variables = variables | {'image_build_users': [{'name': 'ops', 'ssh_keys': [key_pair(own)]}]}
    built = lab.build(variables, timeout=7200)
    assert built.returncode == 0, built.stdout + built.stderr
    image = re.search(r'\bis (emi-[0-9a-f]+)', built.stdout)[1]

    directory = Path(re.search(r'Log and manifest are in\s+(\S+)', built.stdout)[1])
    console = (directory / 'console.log').read_text()
    assert {'hook': 'bootparams: applied', 'disk': 'SYSLINUX'}[WAY] in console
    reads_its_parameters_as_dracut_does(console, variables['image_build_mirror'])
    for task in ('partition', 'extrbase', 'instsoft', 'configure'):
        assert f'Calling task_{task}' in console
    # FAI was given the build's volume, although the instance has a disk of its own.
    proof = r'installation-proof: key=[0-9a-f]{10} disk=(vd[b-z]) serial=euca-vol-[0-9a-f]{8}-de bytes=2147483648 '
    disk = re.search(proof, console)[1]
    assert set(re.findall(r'Executing: parted -s (\S+) mklabel', console)) == {f'/dev/{disk}'}
    assert console.count('Generating /boot/initrd.img') == 1
    packages = json.loads((directory / 'packages.json').read_text())
    assert {'linux-image-cloud-amd64', 'openssh-server', 'tree'} <= {package['name'] for package in packages}
    assert {package['arch'] for package in packages} == {'all', 'amd64'}
    assert len(packages) == json.loads((directory / 'manifest.json').read_text())['packages']
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
    its_user_logs_in(lab, image, own, tmp_path / 'injected')


def reads_its_parameters_as_dracut_does(console: str, mirror: str) -> None:
    """FAI's initial ramdisk is dracut's, as that of Fedora and Enterprise Linux: `rd.neednet`, `ip=dhcp` and `root=live:URL`."""
    words = re.search(r'Command line: (.*)', console)[1].split()
    image = f'{mirror}/squash.img'
    assert {f'root=live:{image}', 'ip=dhcp', 'rd.neednet'} <= set(words)
    reports = ('Debian GNU/Linux', f'livenet: root image at {image}', 'Starting dhcp for interface', f'fetching {image}')
    places = [console.find(f'dracut: {report}') for report in (*reports, 'Switching root')]
    assert -1 not in places and places == sorted(places)


def its_user_logs_in(lab, image: str, own: Path, injected: Path) -> None:
    """With the key that the build gave it, and with that of the instance's key pair."""
    with lab.guest('fai', image, injected) as guest:
        address = guest['PublicIpAddress']
        wait_for('SSH answers', lambda: reaches(address, 22), BOOT_SECONDS)
        wait_for('the key pair is there', lambda: KEYS in ssh(address, own, 'wc -l .ssh/authorized_keys', user='ops'), BOOT_SECONDS)
        works_as_an_image(dict(line.split('=', 1) for line in ssh(address, injected, INSPECT, user='ops').splitlines()))


KEYS = '2 .ssh/authorized_keys'
# The journal records the commands of sudo, so the pattern of secrets does not match itself.
INSPECT = """\
echo "tree=$(tree --version)"
echo "inputs=$(date +%Z) $(cat /etc/motd)"
echo "parameters=$(cat /proc/cmdline)"
echo "terminal=$(sudo grep -o 'terminal_output .*' /boot/grub/grub.cfg | sort -u)"
echo "network=$(find /etc/udev/rules.d /etc/network/interfaces.d /etc/systemd/network -type f | xargs)"
echo "identity=$(cat /etc/machine-id)"
echo "host=$(cut -d' ' -f3 /etc/ssh/ssh_host_*_key.pub | sort -u)"
echo "secrets=$(sudo grep -rlE 'genuine[0]|FAI_ANSWE[R]' /boot /etc /root /tmp /usr/local /var/lib/fai \\
  /var/log 2>/dev/null | xargs)"
echo "resume=$(cat /etc/initramfs-tools/conf.d/resume)"
"""


def works_as_an_image(found: dict[str, str]) -> None:
    assert found['tree'].startswith('tree v')
    assert found['inputs'] == 'JST built by FAI'
    assert 'net.ifnames=0' in found['parameters'] and 'console=ttyS0,115200' in found['parameters']
    assert 'resume=' not in found['parameters'] and found['resume'] == 'RESUME=none'
    assert found['terminal'] == 'terminal_output serial console'
    assert found['network'] == ''  # no names of cards
    assert re.fullmatch('[0-9a-f]{32}', found['identity'])
    assert found['host'] == 'root@fai-lab'  # that of the installer is fai
    assert set(found['secrets'].split()) <= {'/etc/shadow', '/etc/shadow-'}


def test_a_disk_layout_that_does_not_fit_fails_with_fais_reason(lab, variables):
    built = lab.build(variables | {'image_build_answer_file': str(ANSWERS / 'fai-too-large.sh.j2')})
    fails(built, 'failed at: install', REASON, 'Everything that it created was removed')
    assert lab.settled() == []
