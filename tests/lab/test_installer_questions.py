# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without a kickstart, the installer asks its questions on its terminals, in a real machine."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.kit import questions
from tests.kit.ports import free_port
from tests.lab.installer_support import SILENCE_SECONDS, Machine, Mirror, Start, empty_disk, marks

pytestmark = marks
PASSWORD = 's3cret-network'
REMOTE = f'modules=network-console network-console/password={PASSWORD}'
DISKS = r'  1\) vda: 128 MiB, serial number none\n\nDisk to install on \(number or name\): \Z'

LogIn = Callable[..., 'pexpect.spawn[str]']


@pytest.fixture
def log_in(tmp_path: Path) -> Iterator[LogIn]:
    """Log in to the installer behind a port of this machine, with more options of ssh."""
    sessions: list[pexpect.spawn[str]] = []

    def run(port: int, *options: str) -> pexpect.spawn[str]:
        words = ('-o UserKnownHostsFile=/dev/null', '-o LogLevel=ERROR', f'-p {port}', *options)
        command = f'exec ssh {" ".join(words)} installer@127.0.0.1'
        sessions.append(questions.log_in(command, PASSWORD, tmp_path / f'session-{len(sessions)}'))
        sessions[-1].timeout = SILENCE_SECONDS
        return sessions[-1]

    yield run
    for session in sessions:
        session.close(force=True)


def replies(machine: Machine, *pairs: tuple[str, str]) -> None:
    """Wait for each pattern at the end of the console, and type."""
    for pattern, text in pairs:
        machine.wait(rf'{pattern}\Z')
        machine.type(text)


def test_wrong_answers_are_asked_for_again_and_the_system_has_the_right_ones(start: Start, mirror: Mirror, tmp_path: Path) -> None:
    disk = empty_disk(tmp_path / 'disk', 128)
    machine = start('vnc ip=dhcp', disk)
    replies(
        machine,
        (DISKS, 'vdb'),
        (r'There is no such disk\.\n\n(?s:.*)' + DISKS, '/dev/vda'),
        (r'URL of the directory with the system \(rootfs\.tar\): ', 'file:///etc'),
        (r'This is not a URL .*\nURL .*: ', f'{mirror.guest_url}/busybox'),
        (r'\nRoot password: ', 'not-this-one'),
        (r'\nRoot password again: ', 'but-another'),
        (r'The two passwords differ\.\nRoot password: ', ''),
        (r'The password must not be empty\.\nRoot password: ', 'geheim &co'),
        (r'must not be empty(?s:.*)again: ', 'geheim &co'),
        (r'Host name \(empty for the one of the system\): ', 'no_name'),
        (r'A host name has .*\nHost name .*: ', 'asked1'),
        (
            r'This erases all data on disk vda \(128 MiB, serial number none\)\.\nType yes to install, or no to start again: ',
            'perhaps',
        ),
        (r'perhaps\nType yes to install, or no to start again: ', 'no'),
    )
    assert disk.read_bytes().count(0) == disk.stat().st_size, 'something was written without a confirmation'
    replies(
        machine,
        (r'again: no\n\n(?s:.*)' + DISKS, '1'),
        (r'number or name\): 1\nURL .*: ', f'{mirror.guest_url}/busybox'),
        (r'rootfs\.tar\): \S+/busybox\nRoot password: ', 'geheim &co'),
        (r'password: \nRoot password again: ', 'geheim &co'),
        (r'again: \nHost name .*: ', 'asked2'),
        (r'asked2\n\nThis erases .*\nType yes .*: ', 'yes'),
    )
    machine.wait_for_power_off()
    said = machine.console
    assert len(re.findall(r'installer: success: disk=vda serial=none bytes=134217728\n', said)) == 3
    assert 'installer: done, powering off' in said
    assert not [secret for secret in ('not-this-one', 'but-another', 'geheim') if secret in said]

    booted = start(None, disk)
    booted.wait('asked2 login: ')
    booted.log_in('geheim &co')


def test_one_terminal_leads_and_a_broken_connection_gives_the_questions_back(
    start: Start, mirror: Mirror, tmp_path: Path, log_in: LogIn
) -> None:
    port = free_port()
    machine = start(
        f'{REMOTE} network-console/password-again={PASSWORD} inst.repo={mirror.guest_url}/busybox',
        empty_disk(tmp_path / 'disk', 128),
        ssh_port=port,
    )
    machine.wait(r'installer: to answer by SSH: ssh installer@10\.0\.2\.15 \(host key SHA256:[\w+/]{43}\)\n')
    machine.wait(DISKS)
    log_in(port, '-T').expect('The questions need a terminal')
    first, second, third = log_in(port), log_in(port), log_in(port)
    questions.answer(first, 'none', 'geheim', 'first')
    second.expect(r'The installation is led by another terminal: SSH from 10\.0\.2\.2\.')
    second.sendline('vda')
    machine.wait(r'led by another terminal: SSH from 10\.0\.2\.2\.\n')
    machine.type('vda')
    first.close(force=True)  # the connection breaks before the confirmation
    machine.wait(DISKS)
    questions.answer(second, 'none', 'geheim', 'second')
    machine.wait(r'(?s)(?:SSH from 10\.0\.2\.2: asks for confirmation: disk vda\n.*){2}')
    second.sendline('yes')
    machine.wait('installing to disk vda')
    second.close(force=True)  # the installation no longer needs it
    third.expect('installer: success: disk=vda ')
    third.expect('The installation is finished, and this machine powers off.')
    third.expect(pexpect.EOF)
    third.close()
    assert third.exitstatus == 0, 'the connection was not closed in order'
    machine.wait_for_power_off()
    assert len(re.findall('installer: success: disk=vda ', machine.console)) == 3
    transcripts = ''.join(file.read_text() for file in tmp_path.glob('session-*'))
    assert not [text for text in (machine.console, transcripts) if 'geheim' in text or PASSWORD in text]


def test_without_its_password_twice_there_is_no_network_console(start: Start) -> None:
    port = free_port()
    machine = start(f'{REMOTE} network-console/password-again=another', ssh_port=port)
    machine.wait('installer: warning: no network console: network-console/password is missing or differs from .*-again\n')
    machine.wait('none yet; a volume appears here when it is attached')
    assert PASSWORD not in machine.console
    with socket.create_connection(('127.0.0.1', port), timeout=20) as connection:
        assert connection.recv(100) == b'', 'an SSH server answers'
