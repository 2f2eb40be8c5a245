# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual machines of a lab, found without its database, so that "down" can end them even if the database is lost."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from ..config import Config
from . import shared
from .processes import end

LOGS = Path('/var/log/libvirt/qemu')


def running(config: Config) -> dict[str, int]:
    """Name and process of each guest that has a disk or a kernel below the lab's state directory."""
    found = {}
    for entry in Path('/proc').iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                command = os.fsdecode((entry / 'cmdline').read_bytes())
                name = re.search(r'\0guest=(i-[0-9a-fA-F]{8}),', command)
                if name and f'{config.home.resolve()}/' in command:
                    found[name.group(1)] = int(entry.name)
    return found


def remove_log(instance: str) -> None:
    """Remove libvirt's logs of an instance, which libvirt itself never removes."""
    for log in LOGS.glob(f'{instance}.log*'):
        with contextlib.suppress(OSError):
            log.unlink()


def destroy(config: Config) -> None:
    """End the lab's guests through libvirt, and kill those that libvirt does not list.

    :raises LabError: libvirtd must be started for this and does not start
    """
    guests = running(config)
    if not guests:
        return
    import libvirt  # a machine that runs a lab without nodes may not have it

    from .libvirt_daemons import URI

    shared.hold(config)
    connection = libvirt.open(URI)
    for domain in connection.listAllDomains():
        if domain.name() in guests:
            with contextlib.suppress(libvirt.libvirtError):  # it ended by itself
                domain.destroy()
    connection.close()
    for pid in running(config).values():
        end(pid)
