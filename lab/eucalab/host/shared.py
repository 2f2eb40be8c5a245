# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all labs of this machine share: libvirtd and virtlogd, when a lab had to start them.

``/run/eucalab.json`` has the daemons that labs started (name: pid and start time, or null while it is being started)
and the state directories of the labs that use them. The last of these labs to go stops the daemons. Daemons that ran
before are not in it, and go on.
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
    """Have the daemons run, and go on running, for this lab. Needs root.

    :raises LabError: with what is missing and the way out
    """
    checks.packages()
    from . import libvirt_daemons  # libvirt's binding is not there on every machine that runs a lab without nodes

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
    """This lab is gone. Stops what labs started, when no other uses it."""
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
    """The register, while no other command has it; removed when nothing is in it any more."""
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
