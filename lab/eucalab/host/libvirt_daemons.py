# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""virtlogd and libvirtd: started if they are not running, and stopped again if they were started here."""

from __future__ import annotations

import grp
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import libvirt

from ..errors import LabError
from . import reaper
from .processes import end

# command, its pid file, the socket that shows that it serves
DAEMONS = (
    ('virtlogd', Path('/run/virtlogd.pid'), Path('/run/libvirt/virtlogd-sock')),
    ('libvirtd', Path('/run/libvirtd.pid'), Path('/run/libvirt/libvirt-sock')),
)
URI = 'qemu:///system'
KVM_DEVICE = Path('/dev/kvm')
log = logging.getLogger('eucalab.node')
START_SECONDS = 60  # the first libvirtd on a machine probes all emulators before it responds


def ensure_daemons() -> None:
    """Start the daemons that are not running. Needs root.

    :raises LabError: a daemon does not start
    """
    search = f'{os.environ.get("PATH", "")}:/usr/sbin:/sbin'
    open_kvm_device()
    for name, pid_file, socket in DAEMONS:
        if running_pid(name) is None:
            daemon = shutil.which(name, path=search) or name
            command = [sys.executable, '-I', '-S', reaper.__file__, daemon, '-d', '-p', str(pid_file)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode:
                raise LabError(f'{name} did not start: {result.stderr.strip()[-300:]}')
        _wait_for(socket, name)
    _wait_for_answer()


def open_kvm_device() -> None:
    """Give /dev/kvm to the group kvm, as Debian's udev rule does; without udev it belongs to root alone.

    libvirt probes QEMU with the right to ignore that and finds KVM. Then it finds that the hypervisor's user may not open it,
    discards the result as outdated and probes again: 14 times 4 seconds for every domain, even for emulated ones.
    """
    try:
        status, group = KVM_DEVICE.stat(), grp.getgrnam('kvm')
    except (FileNotFoundError, KeyError):
        return
    if status.st_mode & 0o006 != 0o006 and (status.st_gid != group.gr_gid or status.st_mode & 0o060 != 0o060):
        log.info('giving %s to the group kvm', KVM_DEVICE)
        os.chown(KVM_DEVICE, -1, group.gr_gid)
        KVM_DEVICE.chmod(0o660)


def stop_daemons(names: list[str]) -> None:
    """Stop these daemons in reverse order. Running guests are not affected."""
    for name, _pid_file, _socket in reversed(DAEMONS):
        pid = running_pid(name) if name in names else None
        if pid is not None:
            end(pid)


def running_pid(name: str) -> int | None:
    """The daemon's process, whoever started it. Read from /proc, because pid files differ."""
    for entry in Path('/proc').iterdir():
        if entry.name.isdecimal():
            try:
                arguments = (entry / 'cmdline').read_bytes().split(b'\0')
                if (entry / 'comm').read_text().strip() == name and Path(os.fsdecode(arguments[0])).name == name:
                    return int(entry.name)
            except OSError:
                continue  # it ended meanwhile
    return None


def _wait_for(socket: Path, name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not socket.exists():
        if time.monotonic() > deadline:
            raise LabError(f'{name} is running but has not created {socket}')
        time.sleep(0.05)


def _wait_for_answer() -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            libvirt.open(URI).close()
            return
        except libvirt.libvirtError as error:
            if time.monotonic() > deadline:
                raise LabError(f'libvirtd does not respond: {error}') from error
            time.sleep(0.2)
