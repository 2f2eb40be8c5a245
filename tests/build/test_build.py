# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds that succeed: the whole way from the installer's kernel to a tested image, in real virtual machines."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from pathlib import Path

import pytest

from .bad_line import bad_line


def text(process) -> str:
    return process.stdout + process.stderr


def image_of(process) -> str:
    found = re.search(r'\bis (emi-[0-9A-Fa-f]+)', process.stdout)
    assert found, text(process)
    return found[1]


def test_debian_is_installed_by_its_installer_and_boots_from_the_new_image(lab):
    variables = lab.variables('debian')
    assert variables['image_build_os'] == 'lab-debian' and 'image_build_boot_params' not in variables  # so the catalogue has them
    built = lab.build(variables)
    assert built.returncode == 0, text(built)
    image = image_of(built)

    directory = Path(re.search(r'Log and manifest are in\s+(\S+)', built.stdout)[1])
    console = (directory / 'console.log').read_text()
    assert 'bootparams: applied' in console
    assert re.search(r'installation-proof: key=[0-9a-f]{10} disk=vdb serial=euca-vol-[0-9a-f]{8}-de bytes=2147483648 ', console)
    assert 'installer: done, powering off' in console
    test_console = (directory / 'boot-test-console.log').read_text()
    assert 'debian-lab login:' in test_console and ' norandmaps ' in test_console
    assert re.search(r'boot-report: address=198\.(18|19)\.\d+\.\d+ endpoint=reached', test_console)
    manifest = json.loads((directory / 'manifest.json').read_text())
    assert manifest['image']['image_id'] == image
    packages = json.loads((directory / 'packages.json').read_text())
    assert manifest['packages'] == len(packages) > 100
    assert f'It has {len(packages)} packages' in built.stdout and 'package: dpkg' not in text(built)
    systemd = next(one for one in packages if one['name'] == 'systemd')
    assert systemd['arch'] == 'amd64' and f'package: systemd {systemd["version"]} amd64' in console
    for step in manifest['steps']:
        assert f'{step["seconds"]:.1f} s  {step["step"]}' in built.stdout
    # The commands to copy work from anywhere.
    assert f'cd {Path(__file__).resolve().parents[2]}\n' in built.stdout
    assert lab.settled() == []
    # The answer file's URL is a secret, also in what the guest's kernel prints of its command line.
    kept = [text(built), *(file.read_text() for file in directory.iterdir())]
    assert not [found for found in kept if re.search('Signature=[A-Za-z0-9%]', found)]

    asked = len(lab.requests())
    again = lab.build(variables, '-e', 'image_build_volume_size=2 image_build_boot_test=true')  # words, and the same inputs
    assert again.returncode == 0, text(again)
    assert image_of(again) == image
    assert 'nothing had to be done' in again.stdout
    assert 'changed=0' in again.stdout
    # It takes seconds, because it only looks whether the image is there. How many seconds is the machine's affair.
    assert set(lab.requests()[asked:]) == {'DescribeImages', 'DescribeImageAttribute'}


# tests/lab/test_installer_vm.py shows the same with the installer alone.
@pytest.mark.long
def test_a_volume_that_is_attached_a_minute_late_is_still_found(lab):
    """The node controllers are held for a minute when the instance runs and the attachment is asked for."""
    variables = {**lab.variables('busybox'), 'image_build_name': 'late-volume', 'image_build_boot_test': False}
    nodes = [int(file.read_text().split()[0]) for file in (lab.home / 'run').glob('node*.pid')]
    held: list[threading.Timer] = []

    def hold_the_nodes() -> None:
        for node in nodes:
            os.kill(node, signal.SIGSTOP)
        held.append(threading.Timer(60, let_go))
        held[-1].start()

    def let_go() -> None:
        for node in nodes:
            os.kill(node, signal.SIGCONT)

    with bad_line(lab.port, 'AttachVolume', answered=True, before=hold_the_nodes) as port:
        variables['image_build_connection'] = {
            **variables['image_build_connection'],
            'ec2_url': f'http://127.0.0.1:{port}/services/compute',
        }
        built = lab.build(variables)
    assert built.returncode == 0, text(built)
    assert len(held) == 1
    assert image_of(built)


# In parts: test_login_prompt.py shows what counts as a prompt, test_recipe.py what makes another image.
@pytest.mark.long
def test_with_an_own_answer_file_without_proof_the_login_prompt_decides_and_another_file_is_another_image(lab, tmp_path):
    answer = tmp_path / 'mine.ks'
    answer.write_text(
        'url --url={{ image_build_install_url }}\nrootpw --lock --iscrypted *\n%include /tmp/disk.ks\npoweroff\n'
        "%pre\n{% include 'wait_for_disk.sh.j2' %}\n"
        'echo clearpart --all --initlabel --disklabel=msdos --drives=$installation_disk > /tmp/disk.ks\n'
        'echo part / --grow >> /tmp/disk.ks\n%end\n%post\necho mine > /etc/hostname\n%end\n'
    )
    variables = {**lab.variables('busybox'), 'image_build_name': 'mine', 'image_build_answer_file': str(answer)}
    variables['image_build_instance_type'] = 'm1.small'
    built = lab.build(variables)
    assert built.returncode == 0, text(built)
    assert 'does not include proof.sh.j2' in ' '.join(text(built).split())
    assert image_of(built)

    assert 'nothing had to be done' in lab.build(variables, '--check').stdout
    answer.write_text(answer.read_text().replace('echo mine', 'echo changed'))
    assert 'would be built' in lab.build(variables, '--check').stdout


def test_check_mode_lists_what_would_be_built_and_changes_nothing(lab):
    before = lab.rows('SELECT count(*) FROM images')
    checked = lab.build({**lab.variables('busybox'), 'image_build_name': 'never-built'}, '--check')
    assert checked.returncode == 0, text(checked)
    assert 'would be built' in checked.stdout
    assert lab.rows('SELECT count(*) FROM images') == before
    assert lab.settled() == []
