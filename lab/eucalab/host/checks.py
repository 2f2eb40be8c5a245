# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks before a lab starts. Each problem is one line that includes its solution."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import pwd
import re
import shutil
import socket
from collections.abc import Mapping

from ..config import Config, cache_root, state_root
from ..errors import LabError
from ..installer import products
from ..versions import PLAYED

FREE_BYTES = 3 << 30  # for a build of the Debian system: volume, snapshot, images and temporary copies
# Programs and their Debian packages.
PROGRAMS = {
    'qemu-system-x86_64': 'qemu-system-x86',
    'libvirtd': 'libvirt-daemon-system',
    'virtlogd': 'libvirt-daemon-system',
    'xsltproc': 'xsltproc',
    'mke2fs': 'e2fsprogs',
}
NETWORK_PROGRAMS = {'ip': 'iproute2', 'nft': 'nftables'}


def before_up(config: Config, has_port: bool) -> None:
    """has_port: the lab's own API already serves on it.

    :raises LabError: for the first problem
    """
    values(config)
    if config.nodes:
        packages()
    if config.network == 'namespace':
        packages(NETWORK_PROGRAMS)
    _cache()
    _state(config)
    if not has_port:
        _port(config)


def values(config: Config) -> None:
    """:raises LabError: for an invalid setting"""
    if not re.fullmatch('[a-z0-9][a-z0-9-]{0,30}', config.name):
        raise LabError(f'{config.name!r} is not a valid lab name: use lower-case letters, digits and hyphens')
    if not 0 < config.port < 65536:
        raise LabError(f'{config.port} is not a port')
    if not 0 <= config.pace < math.inf:
        raise LabError(f'{config.pace} is not a valid pace; choose a number that is not negative: --pace')
    if config.play not in PLAYED:
        raise LabError(
            f'the lab cannot imitate Eucalyptus {config.play}; choose one of its versions with --play: {", ".join(PLAYED)}'
        )


def root() -> None:
    if os.geteuid() != 0:
        raise LabError('the lab needs root for libvirt and for the users that hooks and guests run as: run this with sudo')


def packages(programs: Mapping[str, str] = PROGRAMS) -> None:
    """:raises LabError: with the command that installs the missing packages"""
    search = f'{os.environ.get("PATH", "")}:/usr/sbin:/sbin'
    missing = {package for program, package in programs.items() if shutil.which(program, path=search) is None}
    if programs is PROGRAMS and importlib.util.find_spec('libvirt') is None:
        missing.add('python3-libvirt')
    if missing:
        raise LabError(
            'packages are missing; install them with: apt-get install -y --no-install-recommends ' + ' '.join(sorted(missing))
        )


def _cache() -> None:
    cache = cache_root()
    for path in (products.kernel(cache), products.ramdisk(cache), *(products.system(cache, name) for name in products.SYSTEMS)):
        if not path.is_file():
            raise LabError(f'{path} is missing; build it with: python -m eucalab.installer build')


def _state(config: Config) -> None:
    above = state_root()
    while not above.exists():
        above = above.parent
    free = shutil.disk_usage(above).free
    if free < FREE_BYTES:
        raise LabError(
            f'{above} has {free >> 20} MiB free and a lab needs {FREE_BYTES >> 20};'
            ' free some space, or set EUCALAB_STATE to another directory'
        )
    for folder in [above.resolve(), *above.resolve().parents]:
        if not folder.stat().st_mode & 0o001:
            raise LabError(
                f'the users of hooks and guests ({config.hook_user}, libvirt-qemu) cannot enter {folder};'
                ' set EUCALAB_STATE to a directory that they can enter'
            )
    try:
        pwd.getpwnam(config.hook_user)
    except KeyError:
        raise LabError(f'hooks run as the user {config.hook_user}, which does not exist') from None


def _port(config: Config) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('127.0.0.1', config.port))
        except OSError:
            raise LabError(f'port {config.port} is in use{_by_lab(config)}; choose another: --port') from None


def _by_lab(config: Config) -> str:
    for path in state_root().glob('*/config.json'):
        with contextlib.suppress(FileNotFoundError, LabError):  # removed meanwhile, or damaged
            if path.parent.name != config.name and Config.load(path.parent.name).port == config.port:
                return f' (lab {path.parent.name} has it)'
    return ''
