# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the integration tests of what runs on node controllers under Python 2.7 and 3.6, with the last ansible-core that can.

`python -m tests.nodes.old_pythons [VERSION ...]` makes an environment with ansible-core 2.16 and a copy of the checkout in a
temporary directory, and runs `ansible-test integration --target controller:python=VERSION` there. pyenv's interpreters are
found.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.nodes.fleet import CHECKOUT

TARGETS = ('libvirt_xsl', 'nc_hook')
SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'


def copy_checkout(directory: Path) -> Path:
    """The files in git, at the place that ansible-test requires, in a repository of their own."""
    tree = directory / 'ansible_collections/eucalyptus/cloud'
    names = subprocess.run(
        ['git', 'ls-files', '-z', '--', '.', ':!playbooks/collections'], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout.split('\0')
    for name in filter(None, names):
        if (CHECKOUT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, tree / name)
    subprocess.run(['git', 'init', '-q'], cwd=tree, check=True)
    return tree


def main() -> int:
    directory = Path(tempfile.mkdtemp(prefix='old-pythons-', dir='/var/tmp'))
    try:
        subprocess.run([sys.executable, '-m', 'venv', directory / 'venv'], check=True)
        pip = [directory / 'venv/bin/pip', 'install', '-q', '--disable-pip-version-check']
        subprocess.run([*pip, 'ansible-core~=2.16.0'], check=True)
        pyenv = Path(os.environ.get('PYENV_ROOT', '~/.pyenv')).expanduser().glob('versions/*/bin')
        path = ':'.join([str(directory / 'venv/bin'), SYSTEM_PATH, *map(str, sorted(pyenv))])
        failed = []
        for version in sys.argv[1:] or ['2.7', '3.6']:
            tree = copy_checkout(directory / version)
            done = subprocess.run(
                ['ansible-test', 'integration', '--target', f'controller:python={version}', *TARGETS],
                cwd=tree,
                check=False,
                env={**os.environ, 'PATH': path},
            )
            failed += [version] if done.returncode else []
        print('failed under: ' + ' '.join(failed) if failed else 'passed')
        return 1 if failed else 0
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == '__main__':
    sys.exit(main())
