# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds without an answer file: a person answers the installer's questions, with real clients."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.kit import questions
from tests.kit.waiting import wait_for

START_SECONDS = 600  # from the start of the build to the installer's first question, on a busy machine
ROOT_PASSWORD = 'geheim-oncemore'


class Build:
    """A build that runs, and the output of its playbook."""

    def __init__(self, lab, folder: Path, name: str, **variables: str) -> None:
        chosen = {'image_build_name': name, 'image_build_answer_file': '', **variables}
        self.output = folder / 'output'
        self.process = lab.start_build(lab.variables('busybox') | chosen, self.output)

    def shows(self, pattern: str) -> re.Match[str]:
        """Wait for the pattern in the output; fails when the build ends without it."""

        def found() -> re.Match[str] | None:
            ended = self.process.poll() is not None
            match = re.search(pattern, self.output.read_text())
            assert match or not ended, self.output.read_text()
            return match

        return wait_for(pattern, found, START_SECONDS, lambda: self.output.stat().st_size)

    def succeeds(self, name: str, *secrets: str) -> None:
        """Wait for the end of the build. Its image has booted with this host name, and no file contains a secret."""
        assert self.process.wait(1500) == 0, self.output.read_text()
        assert self.shows(r'\bis (emi-[0-9a-f]+)')
        directory = Path(self.shows(r'Log and manifest are in\s+(/\S+?)[\s"]')[1])
        assert 'installer: success: disk=' in (directory / 'console.log').read_text()
        assert f'{name} login:' in (directory / 'boot-test-console.log').read_text()
        kept = {file.name: file.read_text() for file in (self.output, *directory.iterdir())}
        assert not [(name, secret) for name, text in kept.items() for secret in (ROOT_PASSWORD, *secrets) if secret in text]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def builds() -> Iterator[list[Build]]:
    """Builds of this test, which end with it."""
    started: list[Build] = []
    yield started
    for build in started:
        build.end()


# tests/lab/test_build_by_hand.py shows the way to the installer, test_installer_questions.py the questions over SSH.
@pytest.mark.long
def test_a_person_installs_by_ssh_with_the_command_that_the_role_prints(lab, tmp_path: Path, builds: list[Build]):
    build = Build(lab, tmp_path, 'by-ssh')
    builds.append(build)
    command = build.shows(r'(ssh -o .*? installer@[\d.]+)')[1]
    volume = build.shows(r'serial number contains (vol-[0-9a-f]+)')[1]
    password = Path(build.shows(r'Password: cat (/[^\s"]+)')[1]).read_text().strip()
    session = questions.log_in(command, password, tmp_path / 'session')
    questions.answer(session, f'euca-{volume}', ROOT_PASSWORD, 'over-ssh')
    session.sendline('yes')
    session.expect('installer: success: ')
    session.expect(pexpect.EOF)
    build.succeeds('over-ssh', password)
    assert password not in (tmp_path / 'session').read_text() and ROOT_PASSWORD not in (tmp_path / 'session').read_text()
    assert lab.settled() == []


class Display:
    """The display of an instance, by the VNC client vncdotool."""

    def __init__(self, instance: str) -> None:
        shown = subprocess.run(['virsh', 'vncdisplay', instance], capture_output=True, text=True, check=True).stdout
        host, _, number = shown.strip().rpartition(':')
        assert host in ('', '127.0.0.1')
        self.server = f'127.0.0.1::{5900 + int(number)}'

    def do(self, *words: str) -> None:
        command = [str(Path(sys.executable).with_name('vncdo')), '-s', self.server, '-t', '120', *words]
        subprocess.run(command, check=True, timeout=180)

    def type(self, text: str) -> None:
        self.do('type', text, 'key', 'enter')


@pytest.mark.long
def test_a_person_installs_on_the_display_of_the_hypervisor(lab, tmp_path: Path, builds: list[Build]):
    build = Build(lab, tmp_path, 'by-vnc', image_build_remote_interface='display', image_build_display_listen='127.0.0.1')
    builds.append(build)
    instance = build.shows(r'virsh vncdisplay (i-[0-9a-f]+)')[1]
    volume = build.shows(r'serial number contains (vol-[0-9a-f]+)')[1]
    console = Path(lab.row('instances', instance)['instance_path'], 'console.log')

    def asks(words: str) -> str:
        wait_for(words, lambda: re.search(words, console.read_text(errors='replace')), START_SECONDS)
        return console.read_text(errors='replace')

    # The serial line, which nobody can type on in a cloud, shows the same list of disks.
    shown = asks(f'euca-{volume}(?s:.*){questions.FIRST}')
    display = Display(instance)
    display.type(questions.disk_with(f'euca-{volume}', shown))
    asks('the display: asks for the root password')
    display.type(ROOT_PASSWORD)
    display.type(ROOT_PASSWORD)
    asks('the display: asks for the host name')
    display.type('on-display')
    asks('the display: asks for confirmation')
    # SCREENSHOT=docs/images/installer-questions.png makes the picture of docs/interactive.md.
    screenshot = Path(os.environ.get('SCREENSHOT', tmp_path / 'screenshot.png')).absolute()
    display.do('capture', str(screenshot))
    assert screenshot.read_bytes().startswith(b'\x89PNG')
    display.type('yes')
    build.succeeds('on-display')
    assert lab.settled() == []
