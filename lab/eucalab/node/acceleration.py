# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind of domain that works on this machine: hardware virtualization only if a guest has booted with it."""

from __future__ import annotations

import logging
import re
import subprocess
from pathlib import Path

TRIAL_SECONDS = 20
# A kernel without a root file system gets this far; panic=-1 makes it reset then, and -no-reboot turns that into an exit.
TRIAL_END = 'Kernel panic'
log = logging.getLogger('eucalab.node')


def choose(mode: str, kernels: Path, cpuinfo: Path = Path('/proc/cpuinfo')) -> str:
    """The libvirt domain type for ``auto``, ``kvm`` or ``tcg``: kvm or qemu. ``kernels`` is searched for one to try."""
    if mode != 'auto':
        return {'kvm': 'kvm', 'tcg': 'qemu'}[mode]
    # /dev/kvm may exist and open without this, backed by something that no ordinary guest boots on.
    if not re.search(r'^flags\s*:.*\b(vmx|svm)\b', cpuinfo.read_text(), re.MULTILINE):
        log.info('software emulation: the processor has neither vmx nor svm')
        return 'qemu'
    kernel = next(iter(sorted(kernels.rglob('vmlinuz*'))), None)
    if kernel is None:
        log.info('software emulation: no kernel in %s to try hardware virtualization with', kernels)
        return 'qemu'
    if not trial_boots(kernel, 'kvm'):
        log.info('software emulation: a trial guest did not boot with hardware virtualization')
        return 'qemu'
    return 'kvm'


def trial_boots(kernel: Path, accelerator: str, seconds: float = TRIAL_SECONDS) -> bool:
    """Boot a kernel alone. Returns whether it gets far enough to miss its root file system."""
    command = [
        'qemu-system-x86_64',
        '-accel',
        accelerator,
        '-M',
        'pc',
        '-m',
        '256',
        '-nodefaults',
        '-display',
        'none',
        '-no-reboot',
        '-serial',
        'stdio',
        '-kernel',
        str(kernel),
        '-append',
        'console=ttyS0 panic=-1',
    ]
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return False
    return TRIAL_END in result.stdout.decode(errors='replace')
