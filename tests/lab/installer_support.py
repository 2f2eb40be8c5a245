# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installer in a real machine: QEMU without libvirt, and a mirror with the quick system and kickstarts on loopback."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from eucalab.config import cache_root

marks = [
    pytest.mark.vm,
    pytest.mark.skipif(shutil.which('qemu-system-x86_64') is None, reason='QEMU is not installed'),
    pytest.mark.skipif(not (cache_root() / 'busybox/complete').is_file(), reason='run make setup, which builds the installer'),
]
# A loaded machine may be ten times slower than an idle one, but it is never silent for so long.
SILENCE_SECONDS = 120


class Mirror:
    """An HTTP server for the guests: the cache's systems, and the test's kickstarts under any query."""

    def __init__(self) -> None:
        self.kickstarts: dict[str, str] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                path = urllib.parse.urlsplit(self.path).path
                file = cache_root() / path.lstrip('/')
                if path in outer.kickstarts:
                    self.answer(200, outer.kickstarts[path].replace('@', outer.guest_url).encode())
                elif file.is_file():
                    self.answer(200, file.read_bytes())
                else:
                    self.answer(404, b'no such thing')

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.guest_url = f'http://10.0.2.2:{self.server.server_address[1]}'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Machine:
    """A machine and its serial console."""

    def __init__(self, folder: Path, options: list[str], mac: str, ssh_port: int | None) -> None:
        self.monitor = folder / f'monitor-{mac[-2:]}'
        self.process = subprocess.Popen(
            [
                'qemu-system-x86_64',
                '-accel',
                'tcg',
                '-m',
                '512',
                '-nodefaults',
                '-display',
                'none',
                '-no-reboot',
                '-serial',
                'stdio',
                '-monitor',
                f'unix:{self.monitor},server,nowait',
                '-netdev',
                'user,id=net' + (f',hostfwd=tcp:127.0.0.1:{ssh_port}-:22' if ssh_port else ''),
                '-device',
                f'virtio-net-pci,netdev=net,romfile=,mac={mac}',
                *options,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.console = ''
        self.heard = time.monotonic()
        self._changed = threading.Condition()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        while data := os.read(self.process.stdout.fileno(), 65536):
            with self._changed:
                self.console += data.decode(errors='replace').replace('\r', '')
                self.heard = time.monotonic()
                self._changed.notify_all()

    def wait(self, pattern: str) -> re.Match[str]:
        """Wait for the pattern on the console; fails when the console is silent for long, or the machine ends."""
        with self._changed:
            while not (found := re.search(pattern, self.console)):
                # The listener ends with the console, when it has taken in the machine's last words.
                ended = not self._listener.is_alive()
                self._changed.wait(1)
                if ended and not re.search(pattern, self.console):
                    pytest.fail(f'the machine ended without {pattern!r}:\n{self.console[-3000:]}')
                if time.monotonic() - self.heard > SILENCE_SECONDS:
                    pytest.fail(f'silent without {pattern!r}:\n{self.console[-3000:]}')
        return found

    def wait_for_power_off(self) -> None:
        self.wait('reboot: Power down')
        assert self.process.wait(30) == 0

    def type(self, text: str) -> None:
        self.process.stdin.write(text.encode() + b'\n')
        self.process.stdin.flush()

    def log_in(self, password: str) -> None:
        """Log in as root on the console, and keep the kernel's messages away from it: they come between any two lines."""
        for question, answer in (('login: ', 'root'), ('Password: ', password), ('# ', 'dmesg -n 1; echo "quiet"')):
            self.wait(question)
            self.type(answer)
        self.wait('\nquiet\n.*# ')

    def plug(self, disk: Path, serial: str) -> None:
        """Attach a disk while the machine runs, as a cloud attaches a volume."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.monitor))
            for command in (
                '',
                f'drive_add 0 if=none,id=late,format=raw,cache=unsafe,file={disk}\n',
                f'device_add virtio-blk-pci,drive=late,serial={serial}\n',
            ):
                monitor.sendall(command.encode())
                answer = b''
                while not answer.endswith(b'(qemu) '):  # the first one comes by itself
                    answer += monitor.recv(4096)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


Start = Callable[..., Machine]


def empty_disk(path: Path, megabytes: int) -> Path:
    with path.open('wb') as file:
        file.truncate(megabytes << 20)
    return path
