# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""cloud-init's own reading of user data.

cloud-init is not on PyPI, and as an installed package it would take over the machine. Its Debian or Ubuntu package and
the Python packages that it imports are therefore unpacked into a cache and used from there, with the system's Python.
"""

from __future__ import annotations

import ast
import os
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'eucalyptus.cloud' / 'cloud-init'
PACKAGES = ['cloud-init', 'python3-yaml', 'python3-jinja2', 'python3-markupsafe', 'python3-configobj', 'python3-six']
PACKAGES += [
    'python3-requests',
    'python3-urllib3',
    'python3-idna',
    'python3-certifi',
    'python3-chardet',
    'python3-charset-normalizer',
]
PACKAGES += ['python3-netifaces']
READ = """
import sys
from cloudinit import util
from cloudinit.user_data import UserDataProcessor
processor = UserDataProcessor.__new__(UserDataProcessor)
processor.paths, processor.ssl_details = None, {}
message = processor.process(sys.stdin.buffer.read())
print([(part.get_content_type(), util.fully_decoded_payload(part)) for part in message.get_payload()])
"""


def unpacked() -> Path:
    """The directory to import cloudinit from; fetched by apt on the first call."""
    modules = CACHE / 'usr' / 'lib' / 'python3' / 'dist-packages'
    if not (modules / 'cloudinit').is_dir():
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE.parent) as scratch:
            command = ['apt-get', 'download', '-o', 'APT::Sandbox::User=root', *PACKAGES]
            subprocess.run(command, cwd=scratch, check=True, capture_output=True, timeout=300)
            for package in Path(scratch).glob('*.deb'):
                subprocess.run(['dpkg-deb', '-x', package, f'{scratch}/root'], check=True)
            os.rename(f'{scratch}/root', CACHE)
    return modules


def parts(user_data: bytes) -> list[tuple[str, str]]:
    """Content type and payload of each part that cloud-init finds in user data, as its handlers get them."""
    environment = {**os.environ, 'PYTHONPATH': str(unpacked())}
    ran = subprocess.run(
        ['/usr/bin/python3', '-c', READ], input=user_data, capture_output=True, env=environment, check=True, timeout=60
    )
    found: list[tuple[str, str]] = ast.literal_eval(ran.stdout.decode())
    return found
