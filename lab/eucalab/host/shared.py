# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons that all labs of this machine share: libvirtd and virtlogd, if a lab started them.

``/run/eucalab.json`` has the daemons that labs started (name: pid and start time, or null while it is being started)
and the state directories of the labs that use them. The last of these labs stops the daemons. Daemons that ran before
are not listed and keep running.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..config import Config
from . import checks
from .processes import start_time

REGISTER = Path('/run/eucalab.json')


def hold(config: Config) -> None:
    """Start the daemons if necessary and keep them running for this lab. Needs root.

    :raises LabError: with the missing packages and the command that installs them
    """
    checks.packages()
    from . import libvirt_daemons  # a machine that runs a lab without nodes may not have libvirt's binding

    with _register() as register:
        register['labs'] = sorted({*_present(register['labs']), str(config.home)})
        for name, *_ in libvirt_daemons.DAEMONS:
            if libvirt_daemons.running_pid(name) is None:
                register['started'][name] = None
        _write(register)
        libvirt_daemons.ensure_daemons()
        for name in [name for name, process in register['started'].items() if process is None]:
            pid = libvirt_daemons.running_pid(name)
            if pid is not None:
                register['started'][name] = [pid, start_time(pid)]


def release(config: Config) -> None:
    """Unregister this lab, which was removed. Stops the daemons that labs started if no other lab uses them."""
    if not REGISTER.exists():
        return
    from . import libvirt_daemons

    with _register() as register:
        register['labs'] = [home for home in _present(register['labs']) if home != str(config.home)]
        if not register['labs']:
            libvirt_daemons.stop_daemons(
                [name for name, process in register['started'].items() if process is None or start_time(process[0]) == process[1]]
            )
            register['started'] = {}


def _present(homes: list[str]) -> list[str]:
    return [home for home in homes if Path(home, 'config.json').exists()]


@contextlib.contextmanager
def _register() -> Iterator[dict[str, Any]]:
    """The register, locked; removed when it is empty."""
    lock = os.open(REGISTER.parent, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        register: dict[str, Any] = {'labs': [], 'started': {}}
        if REGISTER.exists():
            register.update(json.loads(REGISTER.read_text()))
        yield register
        if register['labs'] or register['started']:
            _write(register)
        else:
            REGISTER.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _write(register: dict[str, Any]) -> None:
    new = REGISTER.with_suffix('.new')
    new.write_text(json.dumps(register) + '\n')
    new.replace(REGISTER)
