# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances that install themselves onto their own root, with the installer that the nodes keep, in a lab of each version."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.waiting import wait_for

from .conftest import EUCALAB, ROOT, BuildLab, build_lab, run
from .test_build import image_of, text

pytestmark = pytest.mark.long
NOTHING = base64.b64encode(b'#cloud-config\n{}\n').decode()
CHANGEABLE = ('4.4', '5')  # versions that change the user data of an instance


@pytest.fixture(name='lab', scope='module', params=['3.1', '3.4', '4.4', '5'])
def fixture_lab(request: pytest.FixtureRequest) -> Iterator[BuildLab]:
    with build_lab('--play', request.param, '--nodes', '1') as lab:
        yield lab


def itself(lab: BuildLab, name: str, **more: Any) -> dict[str, Any]:
    return {**lab.variables('busybox'), 'image_build_name': name, 'image_build_target': 'instance', **more}


def install(variables: dict[str, Any], **environment: str) -> str:
    """Run the playbook, and return its output."""
    done = run('ansible-playbook', str(ROOT / 'playbooks/install_instance.yml'), '-e', json.dumps(variables), **environment)
    assert done.returncode == 0, text(done)
    return done.stdout


def instance_of(output: str) -> str:
    return re.search(r'\bis (i-[0-9A-Fa-f]+)', output)[1]


def row(lab: BuildLab, instance: str) -> dict[str, Any]:
    return dict(lab.row('instances', instance))


def console(lab: BuildLab, name: str, file: str = 'console.log') -> str:
    (found,) = lab.builds.glob(f'{name}-*/{file}')
    return found.read_text()


def shown(lab: BuildLab, instance: str) -> str:
    """The console as the cloud shows it; empty as long as it shows none."""
    try:
        output = lab.ec2().get_console_output(InstanceId=instance).get('Output') or ''
    except lab.ec2().exceptions.ClientError:
        return ''
    return output


def end(lab: BuildLab, instance: str, name: str) -> None:
    """Terminate the finished instance. Its root goes with it, and without tags its entry in the list of the build."""
    lab.ec2().terminate_instances(InstanceIds=[instance])
    wait_for('its end', lambda: row(lab, instance)['state'] == 'terminated', 300)
    (directory,) = lab.builds.glob(f'{name}-*')
    tidied = run(
        'ansible',
        'localhost',
        '-m',
        'eucalyptus.cloud.build_leftovers',
        '-a',
        f'name={directory.name} eucarc={lab.home}/tenant/eucarc',
    )
    assert tidied.returncode == 0, text(tidied)


def test_an_instance_installs_itself_once_and_from_then_on_is_the_system(lab: BuildLab) -> None:
    variables = itself(
        lab, 'itself', image_build_also_image=True, image_build_tags={} if lab.config.play == '3.1' else {'Name': 'web'}
    )
    output = install(variables)
    instance, image = instance_of(output), re.search(r'Its image is (emi-\w+)', output)[1]
    installed = console(lab, 'itself')
    assert re.search(r'bootparams: applied: \d+ bytes, installer lab', installed)
    assert re.search(r'installation-proof: key=[0-9a-f]{10} disk=vda serial=\S+ bytes=1073741824 ', installed)
    booted = console(lab, 'itself', 'boot-test-console.log')
    assert 'login:' in booted and 'endpoint=reached' in booted and 'bootparams:' not in booted and 'installer:' not in booted
    assert not [found for found in (output, installed) if re.search('Signature=[A-Za-z0-9%]', found)]
    now = row(lab, instance)
    assert (now['state'], now['node_user_data']) == ('running', '')
    assert (now['user_data'] == NOTHING) is (lab.config.play in CHANGEABLE)
    assert lab.rows('SELECT 1 FROM images WHERE id = ? AND state = ?', image, 'available')

    # Whatever happens to it: it boots its disk.
    lab.ec2().reboot_instances(InstanceIds=[instance])
    wait_for('the reboot, with a new console', lambda: 'login:' not in shown(lab, instance), 240)
    wait_for('the login prompt', lambda: 'login:' in shown(lab, instance), 300)
    lab.ec2().stop_instances(InstanceIds=[instance])
    wait_for('its end', lambda: row(lab, instance)['state'] == 'stopped', 240)
    lab.ec2().start_instances(InstanceIds=[instance])
    wait_for('the login prompt', lambda: 'login:' in shown(lab, instance), 300)
    assert 'installer:' not in shown(lab, instance)

    again = install(variables)
    assert instance_of(again) == instance and 'nothing had to be done' in again and 'changed=0' in again
    end(lab, instance, 'itself')
    assert lab.settled() == []


def pace(lab: BuildLab, factor: float) -> None:
    changed = run(*EUCALAB, 'up', '--name', lab.home.name, '--pace', str(factor))
    assert changed.returncode == 0, text(changed)


def test_a_self_installation_takes_at_most_four_fifths_of_the_time_of_an_image(lab: BuildLab) -> None:
    """At the pace of a real cloud, with everything registered that later builds use again."""
    if lab.config.play != '4.4':
        pytest.skip('measured once')
    end(lab, instance_of(install(itself(lab, 'first'))), 'first')  # which makes the empty root
    pace(lab, 1)
    try:
        began = time.monotonic()
        built = lab.build({**lab.variables('busybox'), 'image_build_name': 'by-hook'})
        assert image_of(built)
        by_hook, began = time.monotonic() - began, time.monotonic()
        output = install(itself(lab, 'second'))
        seconds = time.monotonic() - began
    finally:
        pace(lab, 0.1)
    ratio = seconds / by_hook
    print(f'self_installation {ratio:.2f} (target 0.8) {"ok" if ratio <= 0.8 else "short"}: {seconds:.0f} s, image {by_hook:.0f} s')
    assert 'make the empty root' not in output
    end(lab, instance_of(output), 'second')
    assert ratio < 1


def test_a_reboot_during_the_installation_does_not_install_a_second_time(lab: BuildLab, tmp_path: Path) -> None:
    """A reboot by the cloud boots the installer again. The node controller is killed, and takes the instance up again."""
    variables = itself(lab, 'rebooted', image_build_post='sleep 60', image_build_device_timeout=15)
    build = lab.start_build(variables, tmp_path / 'output')
    try:
        wait_for(
            '%post', lambda: any('%post script' in file.read_text() for file in lab.builds.glob('rebooted-*/console.log')), 240
        )
        (instance,) = [one['id'] for one in lab.rows("SELECT id FROM instances WHERE state = 'running'")]
        node = int((lab.home / 'run/node1.pid').read_text().split()[0])
        os.kill(node, signal.SIGKILL)
        up = run(*EUCALAB, 'up', '--name', lab.home.name)
        assert up.returncode == 0, text(up)
        lab.ec2().reboot_instances(InstanceIds=[instance])
        assert build.wait(timeout=400) != 0
    finally:
        build.kill()
    said = ' '.join((tmp_path / 'output').read_text().split())
    assert 'failed at: install' in said and 'the volume of an empty root did not appear' in said, said
    assert console(lab, 'rebooted').count('partitioned disk') == 1
    assert lab.settled() == []


@pytest.mark.parametrize('ending', ['poweroff -f', 'reboot -f'])
def test_an_installer_that_ends_without_installing_is_not_started_again(lab: BuildLab, tmp_path: Path, ending: str) -> None:
    answer = tmp_path / 'nothing.ks'
    answer.write_text(
        f'%pre\necho nothing is installed > /dev/console\nsync\nsleep 5\n{ending}\nsleep 60\n%end\n'
        "%post --nochroot\n{% include 'proof.sh.j2' %}\n%end\n"
    )
    name = f'nothing-{ending[:2]}'
    failed = lab.build(itself(lab, name, image_build_answer_file=str(answer)))
    said = ' '.join(text(failed).split())
    assert failed.returncode != 0 and 'failed at: install' in said and 'without the line that proves success' in said, said
    assert console(lab, name).count('nothing is installed') == 1
    assert lab.settled() == []


def test_a_killed_self_installation_leaves_nothing_and_its_repetition_begins_with_an_empty_root(
    lab: BuildLab, tmp_path: Path
) -> None:
    variables = itself(lab, 'killed')
    build = lab.start_build(variables, tmp_path / 'output')
    try:
        wait_for(
            'the installer', lambda: any('partitioned' in file.read_text() for file in lab.builds.glob('killed-*/console.log')), 240
        )
    finally:
        os.killpg(build.pid, signal.SIGKILL)
        build.wait(timeout=60)
    assert lab.settled() == []
    # With the oldest ansible-core.
    made = subprocess.run([ROOT / 'tools/core', '2.16'], capture_output=True, text=True, check=True, timeout=600)
    instance = instance_of(install(variables, PATH=f'{made.stdout.strip()}/bin:/usr/bin:/bin:/usr/sbin:/sbin'))
    end(lab, instance, 'killed')
    assert lab.settled() == []


def test_an_installer_that_the_operator_does_not_keep_is_refused_by_the_hook(lab: BuildLab) -> None:
    refused = lab.build(itself(lab, 'unknown', image_build_node_installer='debian-99'))
    said = ' '.join(text(refused).split())
    assert refused.returncode != 0 and 'nc-hooks.log has the reason' in said, said
    (log,) = lab.home.glob('nodes/*/var/log/eucalyptus/nc-hooks.log')
    assert 'refused: the installer is not allowed by the policy' in log.read_text()
    assert lab.settled() == []


def test_a_system_that_does_not_fit_onto_the_root_is_a_clear_error(lab: BuildLab) -> None:
    failed = lab.build(itself(lab, 'small', image_build_post='dd if=/dev/zero of=/big bs=1M'))
    said = ' '.join(text(failed).split())
    assert failed.returncode != 0 and 'failed at: install' in said and 'No space left on device' in said, said
    assert lab.settled() == []


def test_a_node_without_the_hook_is_recognised_by_the_empty_console(lab: BuildLab) -> None:
    if lab.config.play != '4.4':
        pytest.skip('takes three minutes')
    variables = itself(lab, 'no-hook')
    words = ('-i', str(lab.home / 'inventory.ini'), str(ROOT / 'playbooks/node_controllers.yml'), '-e', 'nc_hooks_state=absent')
    removed = run('ansible-playbook', *words)
    assert removed.returncode == 0, text(removed)
    failed = lab.build(variables)
    (lab.home / 'build-busybox.yml').unlink()  # so the next test runs playbooks/lab.yml, which deploys the hook again
    said = ' '.join(text(failed).split())
    assert failed.returncode != 0 and 'so no installer was booted; is the hook deployed on the node controller?' in said, said
    assert lab.settled() == []
