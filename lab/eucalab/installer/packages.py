# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages as a source of files, without installing them on this machine."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

KERNEL = 'linux-image-cloud-amd64'


class BuildError(Exception):
    """A problem that stops the build; the message includes its solution."""


def run(*command: str | Path, cwd: Path | None = None, stop: int = signal.SIGTERM) -> str:
    """Run a command and return its standard output. When this process is interrupted, the command gets the signal ``stop``.

    :raises BuildError: with the last lines of the command's output
    """
    try:
        # A session of its own: a terminated mmdebstrap ends its whole process group, which must not be the caller's.
        process = subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors='replace',
            start_new_session=True,
        )
    except FileNotFoundError:
        raise BuildError(f'{command[0]} is not installed: run make setup') from None
    try:
        output, errors = process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, stop)
        process.wait()
        raise
    if process.returncode:
        tail = ' / '.join((errors or output).strip().splitlines()[-3:])
        raise BuildError(f'{Path(command[0]).name} failed: {tail}')
    return output


def kernel_package() -> tuple[str, str]:
    """Name and version of the package with the kernel for virtual machines, e.g. linux-image-6.1.0-56-cloud-amd64."""
    depends = run('apt-cache', 'depends', '--important', KERNEL)
    match = re.search(r'Depends: (linux-image-\S+-cloud-amd64)$', depends, re.MULTILINE)
    if not match:
        raise BuildError(f'apt has no package {KERNEL}: run apt-get update; the lab needs Debian 12')
    return match.group(1), candidates([match.group(1)])[match.group(1)]


def candidates(names: Iterable[str]) -> dict[str, str]:
    """The versions of packages that apt would install.

    :raises BuildError: apt has no such package
    """
    names = sorted(set(names))
    found = dict(re.findall(r'^(\S+):\n.*\n  Candidate: (\S+)$', run('apt-cache', 'policy', *names), re.MULTILINE))
    unknown = [name for name in names if found.get(name, '(none)') == '(none)']
    if unknown:
        raise BuildError(f'apt has no package {", ".join(unknown)}: run apt-get update')
    return found


def unpack(package: str, into: Path) -> None:
    """Download the candidate version of ``package`` and unpack its files below ``into``."""
    downloads = into.parent / f'{into.name}.deb'
    downloads.mkdir()
    # As root: apt would change to the user _apt, who cannot write here, and only warn about it.
    run('apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download', package, cwd=downloads)
    run('dpkg-deb', '-x', next(downloads.glob('*.deb')), into)


def debian_sources() -> str:
    """The Debian 12 archives that this machine's apt uses, as lines for sources.list.

    :raises BuildError: apt's sources name none
    """
    targets = run(
        'apt-get', 'indextargets', '--format', '$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)', 'Created-By: Packages'
    )
    lines, codenames = [], set()
    for line in targets.splitlines():
        origin, codename, uri, release, component = line.split('|')
        if origin == 'Debian' and codename.startswith('bookworm') and component == 'main':
            lines.append(f'deb {uri} {release} main')
            codenames.add(codename)
    if 'bookworm' not in codenames:
        raise BuildError("apt's sources name no archive of Debian 12 (bookworm main): add one to /etc/apt and run apt-get update")
    return '\n'.join(dict.fromkeys(lines)) + '\n'
