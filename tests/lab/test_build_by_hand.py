# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds without an answer file, up to the person: the way to the installer is opened, announced and closed again.

Nothing boots: the test plays the node and the installer, which listens for VNC at a loopback address.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.lab import Lab
from tests.kit.paths import ROOT
from tests.kit.playbooks import connection, environment

ADDRESS, PORT = '127.1.2.3', 5901
HOOK = 'bootparams: applied: 90 bytes\n'
BUILD_NAME = re.compile('by-hand[a-z-]*-[0-9a-f]{10}')
TERMINATED = "state NOT IN ('terminated', 'shutting-down')"


class Build:
    """A playbook that builds, and the lab's side of it, played by this test."""

    def __init__(self, lab_api: Lab, directory: Path, **changes: Any) -> None:
        self.lab, self.directory, self.began = lab_api, directory, time.monotonic()
        boot = lab_api.published_boot()
        variables = {
            'image_build_name': 'by-hand',
            'image_build_connection': connection(lab_api),
            'image_build_kernel_id': boot['KernelId'],
            'image_build_ramdisk_id': boot['RamdiskId'],
            'image_build_image_id': lab_api.register(lab_api.tenant, 'machine', 'by-hand', **boot),
            'image_build_volume_size': 1,
            'image_build_directory': str(directory / 'builds'),
            'image_build_installer_family': 'anaconda',
            'image_build_kickstart_version': 'F41',
            'image_build_operator_cidr': '127.0.0.1',
            **changes,
        }
        self.output = directory / 'output'
        with self.output.open('wb') as file:
            self.process = subprocess.Popen(
                ['ansible-playbook', '-vvv', str(ROOT / 'playbooks/build_image.yml'), '-e', json.dumps(variables)],
                env=environment(directory),
                cwd=directory,
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
                start_new_session=True,
            )

    def said(self) -> str:
        return self.output.read_text()

    def instance(self) -> dict[str, Any]:
        """Its newest instance."""
        (row,) = self.lab.rows("SELECT * FROM instances WHERE client_token LIKE '%by-hand%' ORDER BY launched DESC LIMIT 1")
        return dict(row)

    def play(self) -> None:
        """Play the node: instances run at the loopback address, and volumes are attached and detached."""
        for row in self.lab.rows("SELECT id FROM instances WHERE client_token LIKE '%by-hand%' AND node_state IS NULL"):
            self.lab.execute('UPDATE instances SET public_ip = ? WHERE id = ?', ADDRESS, row['id'])
            console = self.directory / row['id']
            console.mkdir()
            user_data = self.user_data(row['id'])
            (console / 'console.append.log').write_text(HOOK)
            (console / 'console.log').write_text(f'Kernel command line: {user_data.partition("=")[2]}')
            self.lab.report(row['id'], 'running', console)
        for row in self.lab.rows("SELECT id FROM instances WHERE client_token LIKE '%by-hand%' AND state = 'shutting-down'"):
            self.lab.report(row['id'], 'teardown')
        self.lab.execute("UPDATE attachments SET node_state = 'attached' WHERE state = 'attaching'")
        self.lab.execute("UPDATE attachments SET node_state = 'detached' WHERE state = 'detaching'")

    def user_data(self, instance: str) -> str:
        (row,) = self.lab.rows('SELECT user_data FROM instances WHERE id = ?', instance)
        return base64.b64decode(row['user_data']).decode()

    def until(self, what: str, condition: Callable[[], object], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self.play()
            assert time.monotonic() < deadline, f'not within {seconds} s: {what}; {self.said()}'
            time.sleep(0.1)

    def ended(self, seconds: float = 90) -> int:
        self.until('the playbook ends', lambda: self.process.poll() is not None, seconds)
        return self.process.returncode

    def passwords(self) -> list[Path]:
        """The files with passwords that the role made."""
        return list(self.directory.glob('builds/*/remote-password'))

    def groups(self) -> list[dict[str, Any]]:
        groups = self.lab.ec2().describe_security_groups()['SecurityGroups']
        return [group for group in groups if BUILD_NAME.fullmatch(group['GroupName'])]

    def left(self) -> list[Any]:
        """All that remains of it in the cloud."""
        instances = self.lab.rows(f"SELECT id FROM instances WHERE client_token LIKE '%by-hand%' AND {TERMINATED}")
        images = self.lab.rows("SELECT id FROM images WHERE name LIKE 'by-hand-__________' AND state = 'available'")
        tagged = "SELECT resource_id FROM tags WHERE key = 'eucalyptus.cloud/build' AND value LIKE 'by-hand%'"
        volumes = self.lab.rows(f"SELECT id, state FROM volumes WHERE id IN ({tagged}) AND state NOT IN ('deleted', 'deleting')")
        snapshots = self.lab.rows(f'SELECT id, state FROM snapshots WHERE id IN ({tagged})')
        return [*self.groups(), *map(tuple, [*instances, *images, *volumes, *snapshots])]


@pytest.fixture(name='start')
def fixture_start(lab_api: Lab, tmp_path: Path) -> Iterator[Callable[..., Build]]:
    started: list[Build] = []

    def start(**changes: Any) -> Build:
        started.append(Build(lab_api, tmp_path, **changes))
        return started[-1]

    yield start
    for build in started:
        if build.process.poll() is None:
            build.process.send_signal(signal.SIGINT)
            build.process.wait(60)
        build.until('nothing is left', lambda build=build: not build.left(), 60)  # type: ignore[misc]


@pytest.fixture(name='installer')
def fixture_installer() -> Iterator[socket.socket]:
    """The port of an installer that does not listen yet."""
    with socket.socket() as port:
        port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port.bind((ADDRESS, PORT))
        yield port


COMMAND = f'vncviewer {ADDRESS}::{PORT}'


def test_the_way_to_the_installer_is_open_for_one_address_until_the_installation_has_ended(
    start: Callable[..., Build], installer: socket.socket
) -> None:
    build = start()
    build.until('the installer runs', lambda: 'i-' in build.said() and build.groups() and 'is running' in build.said())
    (group,) = build.groups()
    rules = [(rule['IpProtocol'], rule['FromPort'], rule['ToPort'], rule['IpRanges']) for rule in group['IpPermissions']]
    assert rules == [('tcp', PORT, PORT, [{'CidrIp': '127.0.0.1/32'}])]
    instance = build.instance()
    assert json.loads(instance['groups']) == [group['GroupName']]
    assert COMMAND not in build.said()

    installer.listen()
    build.until('the command is printed', lambda: COMMAND in build.said())
    (file,) = build.passwords()
    assert f'Password: cat {file}' in build.said()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    password = file.read_text().split()[0]
    assert re.fullmatch('[A-Za-z2-9]{8}', password)
    assert build.user_data(instance['id']).startswith(f'bootparams=inst.vnc inst.vncpassword={password} ip=dhcp')
    processes = [path.read_bytes() for path in Path('/proc').glob('[0-9]*/cmdline') if path.exists()]
    assert not [words for words in processes if password.encode() in words]

    build.lab.report(instance['id'], 'teardown')
    build.until('the snapshot is taken', lambda: 'Take a snapshot of the volume' in build.said())
    assert build.groups() == []
    assert not file.exists()
    build.until(
        'the boot test runs',
        lambda: build.instance()['id'] != instance['id'] and f'{build.instance()["id"]} is running' in build.said(),
    )
    assert json.loads(build.instance()['groups']) == ['default']
    # The boot test decides: it fails here, and the image is not published.
    build.lab.report(build.instance()['id'], 'teardown')
    assert build.ended() != 0
    for words in ('failed at: test the image', 'image_build_login_prompt', 'image_build_keep_failed: true keeps the snapshot'):
        assert words in build.said()
    assert build.left() == []
    # All that was printed or kept, with -vvv.
    kept = [build.said(), *(path.read_text() for path in build.directory.glob('builds/*/*') if path.is_file())]
    assert not [text for text in kept if password in text]
    assert any('inst.vncpassword=(hidden)' in text for text in kept)


def test_after_ctrl_c_the_group_is_removed_with_everything_else(start: Callable[..., Build], installer: socket.socket) -> None:
    installer.listen()
    build = start(image_build_security_groups=['default'])
    build.until('the command is printed', lambda: COMMAND in build.said())
    (group,) = build.groups()
    assert json.loads(build.instance()['groups']) == [group['GroupName'], 'default']
    assert len(build.passwords()) == 1
    os.killpg(build.process.pid, signal.SIGINT)
    build.ended(30)
    build.until('nothing is left', lambda: not build.left(), 60)
    assert build.passwords() == []


def test_an_installer_that_never_listens_fails_the_build_and_the_group_is_removed(start: Callable[..., Build]) -> None:
    build = start(image_build_remote_timeout=3, image_build_remote_password='MyOwn+12')
    build.until('the installer runs', lambda: 'is running' in build.said())
    assert 'inst.vncpassword=MyOwn+12 ' in build.user_data(build.instance()['id'])
    assert build.passwords() == []
    assert build.ended() != 0
    said = re.sub(r'\s+', ' ', build.said())
    assert f'port {PORT} of {ADDRESS} has accepted no connection within' in said
    assert 'Everything that it created was removed.' in said
    assert build.left() == []
    assert 'MyOwn+12' not in build.said()


def test_a_build_whose_person_cannot_be_known_creates_nothing(start: Callable[..., Build]) -> None:
    """The lab is reached through the loopback interface."""
    build = start(image_build_operator_cidr='')
    assert build.ended(60) != 0
    assert 'image_build_operator_cidr is empty' in re.sub(r'\s+', ' ', build.said())
    assert build.left() == []
