# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete builds in a lab of their own, beside any demo that may be running."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.kit.lab import Lab, labs_below
from tests.kit.paths import LAB, ROOT
from tests.kit.ports import free_port
from tests.kit.waiting import wait_for

# Labs of these tests, each named for the process that has it: with pytest-xdist each worker has one of its own, and several
# runs at a time on one machine leave each other's alone.
STATES, NAME = Path('/var/tmp'), 'build'
STATE = STATES / f'eucalab-build-{os.getpid()}'
EUCALAB = (sys.executable, '-m', 'eucalab')
# Nothing of the caller's environment gets in, least of all an eucarc. The exception is the place of the built installer.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key == 'EUCALAB_CACHE'} | {
    'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
    'HOME': os.environ.get('HOME', '/root'),
    'LC_ALL': 'C.UTF-8',
    'PYTHONPATH': str(LAB),
    'ANSIBLE_CONFIG': str(ROOT / 'ansible.cfg'),
    'CI': 'true',
    'EUCALAB_STATE': str(STATE),
}
ANSWERS = Path(__file__).parent / 'answers'
BUILD = ('ansible-playbook', str(ROOT / 'playbooks/build_image.yml'))


def run(*words: str, timeout: float = 1500, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would, from a directory that has nothing to do with the checkout."""
    return subprocess.run(
        words, env=ENVIRONMENT | environment, cwd='/', text=True, capture_output=True, timeout=timeout, check=False
    )


class BuildLab(Lab):
    """A lab that the command ``eucalab`` has made, with nodes, and the builds in it."""

    def facts(self) -> dict[str, str]:
        return yaml.safe_load((self.home / 'lab.yml').read_text())

    @property
    def builds(self) -> Path:
        return self.home / 'builds'

    def variables(self, system: str) -> dict:
        """What playbooks/lab.yml writes for building ``system``. It gives the nodes the hook, and publishes the installer."""
        written = self.home / f'build-{system}.yml'
        if not written.exists():
            words = ('-i', str(self.home / 'inventory.ini'), '-e', f'lab_home={self.home}', '-e', f'lab_system={system}')
            ready = run('ansible-playbook', *words, str(ROOT / 'playbooks/lab.yml'))
            assert ready.returncode == 0, ready.stdout + ready.stderr
            (self.home / 'build.yml').rename(written)
        return yaml.safe_load(written.read_text())

    def build(self, variables: dict, *words: str, timeout: float = 1500, **environment: str) -> subprocess.CompletedProcess[str]:
        """ansible-playbook build_image.yml with these variables."""
        return run(*BUILD, '-e', json.dumps(variables), *words, timeout=timeout, **environment)

    def start_build(self, variables: dict, output: Path) -> subprocess.Popen[bytes]:
        """A build that goes on by itself and writes into ``output``: a pipe would be full some day, and stay open as long as a
        module lives that outlived its playbook."""
        with output.open('wb') as file:
            return subprocess.Popen(
                [*BUILD, '-e', json.dumps(variables)],
                env=ENVIRONMENT,
                cwd='/',
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def installs(self, build: subprocess.Popen[bytes]) -> bool:
        """Wait until the build's installer has its volume; False when the build ended before."""
        while build.poll() is None:
            if self.rows("SELECT 1 FROM attachments WHERE state = 'attached' AND NOT is_root"):
                return True
            time.sleep(0.2)
        return False

    def publish(self, name: str, kernel: Path, ramdisk: Path) -> dict:
        """Publish an installer as the cloud's administrator; returns a tenant's variables for building with it."""
        return self.publish_with({'image_build_name': name, 'image_build_kernel': str(kernel), 'image_build_ramdisk': str(ramdisk)})

    def publish_with(self, variables: dict) -> dict:
        """The same with the variables that name the installer."""
        facts = self.facts()
        variables = {
            **variables,
            'image_build_connection': {'eucarc': facts['lab_admin_eucarc']},
            'image_build_installer_permissions': {'public': True},
        }
        published = run('ansible-playbook', str(ROOT / 'playbooks/publish_installer.yml'), '-e', json.dumps(variables))
        assert published.returncode == 0, published.stdout + published.stderr
        return {
            **dict(re.findall(r'(image_build_\w+_id): (e[kmr]i-\w+)', published.stdout)),
            'image_build_connection': {'eucarc': facts['lab_tenant_eucarc']},
            'image_build_guest_s3_url': f'{facts["lab_guest_endpoint"]}/services/objectstorage',
            'image_build_directory': str(self.builds),
        }

    @contextlib.contextmanager
    def guest(self, name: str, image: str, key: Path, **options: str) -> Iterator[dict]:
        """An instance of the image that SSH may reach, with its key pair's private half in the new file ``key``. In the end it
        and its security group are gone."""
        ec2 = self.ec2()
        key.touch(0o600)
        key.write_text(ec2.create_key_pair(KeyName=name)['KeyMaterial'])
        ec2.create_security_group(GroupName=name, Description='SSH')
        ec2.authorize_security_group_ingress(GroupName=name, IpProtocol='tcp', FromPort=22, ToPort=22, CidrIp='0.0.0.0/0')
        ran = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, KeyName=name, SecurityGroups=[name], **options)
        guest = ran['Instances'][0]
        ec2.delete_key_pair(KeyName=name)  # the instance keeps the key of its launch
        try:
            yield guest
        finally:
            ec2.terminate_instances(InstanceIds=[guest['InstanceId']])
            wait_for('its end', lambda: self.row('instances', guest['InstanceId'])['state'] == 'terminated', 300)
            ec2.delete_security_group(GroupName=name)

    def requests(self) -> list[str]:
        """The requests to the cloud so far, in order: EC2's actions, and the methods of object storage."""
        return re.findall(r'eucalab\.server INFO (\w+) (?:/\S* )?\d{3}\b', (self.home / 'log/api.log').read_text())

    def left_behind(self) -> list[tuple]:
        """All resources except registered images, their snapshots and, without tags, the entries in object storage for these."""
        queries = (
            "SELECT id, state FROM instances WHERE state NOT IN ('terminated')",
            "SELECT id, state FROM volumes WHERE state NOT IN ('deleted', 'deleting')",
            "SELECT id, state FROM snapshots WHERE id NOT IN (SELECT json_extract(value, '$.snapshot_id') "
            "FROM images, json_each(images.block_devices) WHERE images.state = 'available')",
            "SELECT id, name FROM security_groups WHERE name != 'default'",
            "SELECT bucket, key FROM objects WHERE bucket LIKE 'answer-files-%' OR bucket LIKE 'builds-%' "
            "AND substr(key, instr(key, '/') + 1) NOT IN "
            "(SELECT id FROM images WHERE state = 'available' UNION SELECT id FROM snapshots)",
        )
        return [tuple(row) for query in queries for row in self.rows(query)]

    def settled(self, seconds: float = 300) -> list[tuple]:
        """left_behind, as soon as it is empty or at the deadline. A guard needs 15 s, on a busy machine far more."""
        deadline = time.monotonic() + seconds
        while self.left_behind() and time.monotonic() < deadline:
            time.sleep(1)
        return self.left_behind()


def remove_orphans() -> None:
    """Remove the labs of runs that were killed."""
    for state in STATES.glob('eucalab-build-*'):
        if state == STATE or not Path('/proc', state.name.rpartition('-')[2]).exists():
            for home in state.iterdir():
                run(*EUCALAB, 'down', '--name', home.name, EUCALAB_STATE=str(state))


@contextlib.contextmanager
def build_lab(*words: str) -> Iterator[BuildLab]:
    """A lab with nodes, made by ``eucalab up`` with these further words. Its nodes have the hook."""
    if os.geteuid() != 0:
        pytest.skip('builds need root, for libvirt')
    remove_orphans()
    STATE.mkdir()
    STATE.chmod(0o755)  # whatever the umask: the users of hooks and guests enter it
    try:
        up = run(*EUCALAB, 'up', '--name', NAME, '--port', str(free_port()), *words)
        assert up.returncode == 0, up.stdout + up.stderr
        with labs_below(STATE):
            lab = BuildLab.load(NAME)
            lab.variables('busybox')  # so the nodes have the hook; the other system is published when a test needs it
            yield lab
    finally:
        down = run(*EUCALAB, 'down', '--name', NAME)
        assert down.returncode == 0, down.stdout + down.stderr
        assert not STATE.exists()


@pytest.fixture(scope='session')
def lab() -> Iterator[BuildLab]:
    with build_lab() as lab:
        yield lab
