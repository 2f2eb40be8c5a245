# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many node controllers on this machine: each an address of the loopback network with its own $EUCALYPTUS, behind one sshd.

The sshd has its own configuration, keys and port, and ends with the fleet; nothing outside the fleet's directory is touched, except
that an sshd run by root requires the directory /run/sshd.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PLAYBOOK = 'node_controllers.yml'
LISTEN_LIMIT = 16  # sshd's own, of listening sockets
# As shipped from 4.3 on, apart from all that has nothing to do with the line in question.
LIBVIRT_XSL = """<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
    <xsl:output encoding="UTF-8" indent="yes" method="xml"/>
    <xsl:template match="/instance">
        <domain>
            <name><xsl:value-of select="name"/></name>
            <devices>
                <serial type="file"><source path="{consoleLogPath}"/></serial>
                <!-- <graphics type='vnc' port='-1' autoport='yes' keymap='en-us'/> -->
            </devices>
        </domain>
    </xsl:template>
</xsl:stylesheet>
"""


def make_home(path: Path, version: str = '4.4.2') -> Path:
    """A node's $EUCALYPTUS as a package leaves it, with the calling user as the node controller's."""
    hooks = path / 'etc/eucalyptus/nc-hooks'
    hooks.mkdir(parents=True)
    (hooks / 'example.sh').write_text('#!/bin/sh\nexit 0\n')
    user = 'nobody' if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    log = path / 'var/log/eucalyptus'
    log.mkdir(parents=True)
    if os.geteuid() == 0:
        shutil.chown(log, user)
    (path / 'etc/eucalyptus/eucalyptus.conf').write_text(f'EUCALYPTUS="/"\nEUCA_USER="{user}"\n')
    (path / 'etc/eucalyptus/eucalyptus-version').write_text(f'{version}\n')
    (path / 'etc/eucalyptus/libvirt.xsl').write_text(LIBVIRT_XSL)
    return path


def ansible(program: str, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start an Ansible program with the checkout's collection and without the user's configuration."""
    home = environment.pop('HOME', None)
    settings = {
        'ANSIBLE_COLLECTIONS_PATH': str(CHECKOUT / 'playbooks/collections'),
        'ANSIBLE_NOCOLOR': '1',
        'ANSIBLE_CONFIG': str(CHECKOUT / 'ansible.cfg'),
        'ANSIBLE_LOCALHOST_WARNING': 'false',
        'ANSIBLE_DEPRECATION_WARNINGS': 'false',
        'ANSIBLE_TIMEOUT': '60',
        **({'HOME': home} if home else {}),
        **environment,
    }
    return subprocess.Popen(
        [str(BIN / program), *map(str, arguments)],
        env={**os.environ, **settings},
        text=True,
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def kill_all(pid: int) -> None:
    """Kill a process and all that it started: Ansible's workers are in sessions of their own."""
    children: dict[int, list[int]] = {}
    for path in Path('/proc').glob('[0-9]*/stat'):
        with contextlib.suppress(OSError):
            children.setdefault(int(path.read_text().rpartition(')')[2].split()[1]), []).append(int(path.parent.name))
    for number in [pid, *children.get(pid, [])]:
        if number != pid:
            kill_all(number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


class Fleet:
    """``count`` nodes below ``directory``; a context manager, inside which their sshd runs."""

    def __init__(self, directory: Path, count: int) -> None:
        self.directory = directory
        self.names = [f'nc{number:02}' for number in range(1, count + 1)]
        self.homes = {name: directory / 'nodes' / name for name in self.names}
        self.inventory = directory / 'inventory.ini'
        self.control = directory / 'cp'
        self.port = 0
        self._sshds: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Fleet:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        (self.directory / 'login').mkdir()
        for home in self.homes.values():
            make_home(home)
        for key in ('host', 'client'):
            subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', self.directory / key], check=True)
        self._start_sshds()
        self._write_inventory()
        return self

    def __exit__(self, *error: object) -> None:
        for path in self.control.glob('*') if self.control.exists() else []:
            subprocess.run(['ssh', '-o', f'ControlPath={path}', '-O', 'exit', 'x'], capture_output=True, check=False)
        for sshd in self._sshds:
            sshd.terminate()
            sshd.wait()

    def address(self, name: str) -> str:
        return f'127.77.0.{self.names.index(name) + 1}'

    def play(self, *arguments: str | Path, playbook: str | Path = PLAYBOOK, **environment: str) -> str:
        """Run a playbook of the collection on the fleet to its end and return its output; AssertionError when it failed."""
        process = self.start(*arguments, playbook=playbook, **environment)
        try:
            output = process.communicate()[0]
        except BaseException:
            kill_all(process.pid)
            raise
        assert process.returncode == 0, output[-4000:]
        return output

    def start(self, *arguments: str | Path, playbook: str | Path = PLAYBOOK, **environment: str) -> subprocess.Popen[str]:
        path = CHECKOUT / 'playbooks' / playbook
        return ansible(
            'ansible-playbook',
            '-i',
            self.inventory,
            path,
            *arguments,
            ANSIBLE_SSH_CONTROL_PATH_DIR=str(self.control),
            **environment,
        )

    def _start_sshds(self) -> None:
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.port = free.getsockname()[1]
        if os.geteuid() == 0:
            Path('/run/sshd').mkdir(mode=0o755, exist_ok=True)
        for first in range(0, len(self.names), LISTEN_LIMIT):
            self._start_sshd(self.names[first : first + LISTEN_LIMIT])

    def _start_sshd(self, names: list[str]) -> None:
        configuration = self.directory / f'sshd_config.{names[0]}'
        lines = [
            f'Port {self.port}',
            f'HostKey {self.directory}/host',
            'PidFile none',
            'StrictModes no',
            'UsePAM no',
            f'AuthorizedKeysFile {self.directory}/client.pub',
            'PermitRootLogin prohibit-password',
            'PasswordAuthentication no',
            'MaxStartups 1000',
            'MaxSessions 1000',
            'LogLevel ERROR',
            # Not the user's own: a shell reads its .bashrc there, and Ansible leaves its directories there.
            f'SetEnv HOME={self.directory}/login',
        ]
        lines += [f'ListenAddress {self.address(name)}' for name in names]
        configuration.write_text('\n'.join(lines) + '\n')
        with (self.directory / 'sshd.log').open('a') as log:
            sshd = subprocess.Popen(
                ['/usr/sbin/sshd', '-D', '-e', '-f', str(configuration)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._sshds.append(sshd)
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.address(names[-1]), self.port), timeout=1):
                return
            if sshd.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError('sshd does not start: ' + (self.directory / 'sshd.log').read_text())
            time.sleep(0.05)

    def _write_inventory(self) -> None:
        lines = ['[node_controllers]']
        lines += [f'{name} ansible_host={self.address(name)} nc_hooks_eucalyptus_home={home}' for name, home in self.homes.items()]
        lines += [
            '',
            '[node_controllers:vars]',
            f'ansible_port={self.port}',
            f'ansible_user={pwd.getpwuid(os.geteuid()).pw_name}',
            f'ansible_ssh_private_key_file={self.directory}/client',
            f'ansible_python_interpreter={sys.executable}',
            "ansible_ssh_extra_args='-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'",
        ]
        self.inventory.write_text('\n'.join(lines) + '\n')
