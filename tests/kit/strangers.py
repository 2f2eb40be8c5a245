# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients from other projects that do not fit into the tests' environment: installed once for each version, beside it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

# Needs another docutils than the tools for documentation.
AWSCLI = 'awscli>=1.46,<1.47'
# The package has 100 collections and 600 MB; only amazon.aws is unpacked, 4 MB. For the ansible-core of .venv.
ANSIBLE = 'ansible>=12,<13'


def awscli() -> Path:
    """A directory for PYTHONPATH, with which ``python -m awscli`` works."""
    return _installed(AWSCLI, lambda place: _pip('install', '--target', str(place), AWSCLI))


def amazon_aws() -> Path:
    """A directory of collections that contains amazon.aws."""
    return _installed(ANSIBLE, _unpack_amazon_aws)


def _unpack_amazon_aws(place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place) as name:
        _pip('download', '--no-deps', '--dest', name, ANSIBLE)
        (wheel,) = Path(name).glob('*.whl')
        with zipfile.ZipFile(wheel) as archive:
            wanted = [one for one in archive.namelist() if one.startswith('ansible_collections/amazon/aws/')]
            archive.extractall(place, wanted)


def _installed(requirement: str, install: Callable[[Path], object]) -> Path:
    """The directory for a requirement. It appears complete or not at all, also when two tests make it at once."""
    name = requirement.partition('>')[0]
    place = Path(sys.prefix) / 'clients' / f'{name}-{hashlib.sha256(requirement.encode()).hexdigest()[:12]}'
    if not place.exists():
        place.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as partial:
            content = Path(partial) / 'content'
            content.mkdir()
            install(content)
            if not place.exists():
                content.rename(place)
    return place


def _pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'pip', '--disable-pip-version-check', '-q', *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def without_aws_variables() -> dict[str, str]:
    """This process's environment, without settings and credentials of clients and with nothing to look for elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith('AWS_') and not name.startswith('BOTO')}
    return {**kept, 'AWS_EC2_METADATA_DISABLED': 'true', 'AWS_SHARED_CREDENTIALS_FILE': os.devnull, 'NO_PROXY': '127.0.0.1'}
