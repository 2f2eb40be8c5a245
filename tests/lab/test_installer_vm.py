# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installer in a real machine: QEMU without libvirt, the quick system, a mirror and kickstarts on loopback."""

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
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eucalab.config import cache_root
from eucalab.node import disks

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(shutil.which('qemu-system-x86_64') is None, reason='QEMU is not installed'),
    pytest.mark.skipif(not (cache_root() / 'busybox/complete').is_file(), reason='run make setup, which builds the installer'),
]
# A loaded machine may be ten times slower than an idle one, but it is never silent for so long.
SILENCE_SECONDS = 120
VOLUME = 'vol-0a1b2c3d'
GOOD = f"""\
url --url=@/busybox
rootpw --plaintext 'geheim &co'
network --bootproto=dhcp --hostname=quick1
timezone --utc Europe/Berlin
%include /tmp/disk.ks
poweroff
%pre
until [ -b /dev/disk/by-id/virtio-{VOLUME} ]; do sleep 1; done
cat > /tmp/disk.ks <<DISK
clearpart --all --drives=disk/by-id/virtio-{VOLUME}
part swap --size=16
part / --fstype=ext4 --grow
bootloader --append="console=ttyS0 no_timer_check printk.time=1"
DISK
%end
%post
printf '#!/bin/sh\\necho "rc.local: $(cat /etc/timezone) $(ip -4 -o addr show eth0)" > /dev/console\\n' > /etc/rc.local
chmod 755 /etc/rc.local
%end
%post --nochroot
ls -d /mnt/sysimage/etc > /mnt/sysimage/root/outside.log
%end
"""


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

    def __init__(self, folder: Path, options: list[str], mac: str) -> None:
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
                'user,id=net',
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


@pytest.fixture(scope='session')
def mirror() -> Iterator[Mirror]:
    running = Mirror()
    yield running
    running.server.shutdown()
    running.server.server_close()


Start = Callable[..., Machine]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start machines: with a command line the installer, without one from the disk."""
    started = []

    def run(cmdline: str | None = None, *attached: Path, mac: str = 'd0:0d:00:00:00:01') -> Machine:
        options = []
        for number, disk in enumerate(attached):
            options += ['-drive', f'file={disk},if=none,id=disk{number},format=raw,cache=unsafe']
            options += ['-device', f'virtio-blk-pci,drive=disk{number}']
        if cmdline is not None:
            installer = cache_root() / 'installer'
            options += [
                '-kernel',
                str(installer / 'vmlinuz'),
                '-initrd',
                str(installer / 'initrd'),
                '-append',
                f'console=ttyS0 no_timer_check loglevel=4 {cmdline}',
            ]
        started.append(Machine(tmp_path, options, mac))
        return started[-1]

    yield run
    for machine in started:
        machine.end()


def empty_disk(path: Path, megabytes: int) -> Path:
    with path.open('wb') as file:
        file.truncate(megabytes << 20)
    return path


def own_disks(folder: Path) -> list[Path]:
    """The disks that instances bring along: image, ephemeral partition and swap; and an ephemeral disk."""
    disks.compose_disk(folder / 'vda', empty_disk(folder / 'image', 8).open('rb'), 32 << 20, 8 << 20)
    disks.make_ephemeral(folder / 'vdb', 32 << 20, 'ext3')
    return [folder / 'vda', folder / 'vdb']


def test_a_system_is_installed_on_a_volume_that_comes_late_and_boots_with_another_card(
    start: Start, mirror: Mirror, tmp_path: Path
) -> None:
    mirror.kickstarts['/good.ks'] = GOOD
    volume = empty_disk(tmp_path / 'volume', 512)
    query = '?Signature=very%2Bsecret&Expires=1&AWSAccessKeyId=AKI'
    own = own_disks(tmp_path)
    before = [disk.read_bytes() for disk in own]
    installing = start(f'ip=dhcp inst.ks={mirror.guest_url}/good.ks{query}', *own)
    installing.wait(r'installer: [\d.]+ s: running %pre script 1')
    installing.plug(volume, VOLUME)
    installing.wait_for_power_off()
    said = installing.console
    assert f'/good.ks{query}' in mirror.asked, 'the query did not survive'
    assert 'secret' not in said and 'geheim' not in said
    assert re.search(r'installer: [\d.]+ s: installing to disk vdc \(512 MiB\)', said)
    assert re.search(r'installer: [\d.]+ s: installed the boot loader on disk vdc', said)
    assert said.count('FAILED') == 0 and said.count('warning') == 0
    assert 'installer: done, powering off' in said
    assert [disk.read_bytes() for disk in own] == before, "the instance's own disks were written to"

    booted = start(None, volume, mac='d0:0d:11:22:33:44')
    booted.wait(r'rc.local: Europe/Berlin .*10\.0\.2\.15/24')
    booted.wait('quick1 login: ')
    booted.type('root')
    booted.wait('Password: ')
    booted.type('geheim &co')
    booted.wait('# ')
    booted.type('cat /root/outside.log; awk \'$3 == "swap" { print $1 "!" }\' /etc/fstab; date +%Z; ls -l /etc/shadow')
    booted.wait(r'\n/mnt/sysimage/etc\n(?s:.*)LABEL=swap!\nCET\n-rw-r----- ')


def test_a_system_on_a_disk_with_a_gpt_label_boots(start: Start, mirror: Mirror, tmp_path: Path) -> None:
    """As reqpart and autopart make it in the Anaconda of Fedora 37 and EL10, and later."""
    mirror.kickstarts['/gpt.ks'] = (
        'url --url=@/busybox\nrootpw x\nclearpart --all --initlabel\nreqpart\npart / --grow\npart swap --size=16\n'
        'bootloader --append="console=ttyS0 no_timer_check"\npoweroff\n'
    )
    disk = empty_disk(tmp_path / 'disk', 256)
    start(f'eucalab.kickstart=F43 inst.ks={mirror.guest_url}/gpt.ks', disk).wait_for_power_off()
    assert b'EFI PART' in disk.read_bytes()[512:1024]
    start(None, disk).wait(' login: ')


def test_a_missing_disk_is_a_failure_and_the_machine_stays_up(start: Start, mirror: Mirror) -> None:
    mirror.kickstarts['/nodisk.ks'] = (
        'url --url=@/busybox\nfrobnicate --now $(poweroff -f)\nrootpw x\nclearpart --all --drives=vdz\npart / --grow\npoweroff\n'
    )
    machine = start(f'inst.ks={mirror.guest_url}/nodisk.ks')
    failed = machine.wait('installer: FAILED: (.*)\n')
    assert failed.group(1) == 'no disk vdz on this machine; there is: none'
    assert 'installer: warning: unknown command: frobnicate (line 2)' in machine.console
    time.sleep(3)
    assert machine.process.poll() is None, 'it ended; a cloud would take that for success'
    assert machine.console.count('FAILED') == 1


def test_a_kickstart_that_is_not_there_is_a_failure(start: Start, mirror: Mirror) -> None:
    machine = start(f'ks={mirror.guest_url}/nothing.ks?Signature=secret')
    failed = machine.wait('installer: FAILED: (.*)\n')
    assert failed.group(1) == f'cannot fetch the kickstart {mirror.guest_url}/nothing.ks: HTTP/1.0 404 Not Found'


def test_a_mirror_without_the_system_is_a_failure(start: Start, mirror: Mirror, tmp_path: Path) -> None:
    mirror.kickstarts['/empty.ks'] = 'url --url=@/nowhere/\nrootpw x\nclearpart --all\npart / --grow\npoweroff\n'
    machine = start(f'inst.ks={mirror.guest_url}/empty.ks', empty_disk(tmp_path / 'disk', 64))
    failed = machine.wait('installer: FAILED: (.*)\n')
    assert failed.group(1) == f'cannot fetch the system {mirror.guest_url}/nowhere/rootfs.tar: HTTP/1.0 404 Not Found'


def test_a_disk_that_is_too_small_is_a_failure(start: Start, mirror: Mirror, tmp_path: Path) -> None:
    mirror.kickstarts['/small.ks'] = 'url --url=@/busybox\nrootpw x\nclearpart --all\npart / --grow\npoweroff\n'
    machine = start(f'inst.ks={mirror.guest_url}/small.ks', empty_disk(tmp_path / 'disk', 16))
    assert 'No space left on device' in machine.wait('installer: FAILED: (.*)\n').group(1)


def test_without_a_kickstart_a_person_can_install(start: Start, mirror: Mirror, tmp_path: Path) -> None:
    mirror.kickstarts['/typed.ks'] = 'url --url=@/busybox\nrootpw x\nclearpart --all\npart / --grow\npoweroff\n'
    machine = start('vnc ip=dhcp', empty_disk(tmp_path / 'disk', 128))
    machine.wait('the installation is interactive(?s:.*)# ')
    machine.type('install-from nowhere')
    machine.wait('installer: FAILED: cannot fetch the kickstart nowhere: only http')
    machine.type(f'install-from {mirror.guest_url}/typed.ks')
    machine.wait_for_power_off()
    assert 'installer: done, powering off' in machine.console
