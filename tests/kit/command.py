# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""For tests of the command ``eucalab``: a place for labs, and the command run in it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from eucalab.config import Config

from .paths import environment
from .ports import free_port


def eucalab(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with these changes of the environment."""
    return subprocess.run(
        [sys.executable, '-m', 'eucalab', *words],
        text=True,
        capture_output=True,
        cwd='/',
        timeout=200,
        check=False,
        env=environment(**changes),
    )


class Place:
    """State and cache of labs, away from any demo. The cache has small files in the place of kernels and systems."""

    def __init__(self, root: Path) -> None:
        self.state, self.cache = root / 'state', root / 'cache'
        for path in ('installer/vmlinuz', 'installer/initrd', 'debian/rootfs.tar', 'busybox/rootfs.tar'):
            self.build(path, f'content of {path}')

    def build(self, path: str, content: str) -> None:
        """Like the builder: a directory named for its inputs, and a link to it."""
        link = self.cache / Path(path).parent
        directory = self.cache / f'.{link.name}-{abs(hash(content)):x}'
        directory.mkdir(parents=True, exist_ok=True)
        (directory / Path(path).name).write_text(content)
        if link.is_symlink():
            for file in link.iterdir():
                if not (directory / file.name).exists():
                    shutil.copy(file, directory)
        link.unlink(missing_ok=True)
        link.symlink_to(directory.name)

    def environment(self, **changes: str) -> dict[str, str]:
        return environment(**{'EUCALAB_STATE': str(self.state), 'EUCALAB_CACHE': str(self.cache), **changes})

    def run(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return eucalab(*words, **self.environment(**changes))

    def up(self, name: str, *words: str, port: int | None = None) -> Config:
        """Make a lab with one node; returns its configuration."""
        done = self.run('up', '--name', name, '--port', str(port or free_port()), '--nodes', '1', '--accel', 'tcg', *words)
        assert done.returncode == 0, done.stderr
        return self.config(name)

    def config(self, name: str) -> Config:
        return Config(**json.loads((self.state / name / 'config.json').read_text()))

    def pid(self, name: str, process: str) -> int:
        return int((self.state / name / f'run/{process}.pid').read_text().split()[0])

    def error(self, *words: str, **changes: str) -> str:
        """The message of a command that must fail, which must be one line."""
        done = self.run(*words, **changes)
        assert done.returncode == 1, done
        assert done.stderr.startswith('eucalab: ') and done.stderr.count('\n') == 1, done.stderr
        return done.stderr[len('eucalab: ') : -1]
